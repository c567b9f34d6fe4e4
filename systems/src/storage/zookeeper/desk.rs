//! What a server has to do with clients: their connections, the order of each one's calls, their watches. All of it is
//! gone when the server loses its leader; sessions are not.

use super::bugs::ZkBug;
use super::message::{ZkFact, ZkMessage};
use super::node::Fx;
use super::server::{Server, Stage};
use super::tree::Change;
use super::txn::{Answer, Call, Entry, Path, Place, Session, Txn, Xid, Zxid};
use sim_core::NodeId;
use sim_core::sorted::{SortedMap, SortedSet};
use std::collections::VecDeque;

/// One that is connected.
#[derive(Clone, Debug, Default)]
struct Client {
    /// Its session, once it has one.
    session: Option<Session>,
    /// Calls that are not answered, in their order.
    calls: VecDeque<(Xid, Call)>,
}

/// All that are.
#[derive(Clone, Debug, Default)]
pub(super) struct Desk {
    /// Whether clients are served.
    pub open: bool,
    clients: SortedMap<NodeId, Client>,
    sessions: SortedMap<Session, NodeId>,
    /// Sessions that wait to be opened, or to be found alive.
    coming: SortedMap<Session, NodeId>,
    /// Sessions that were heard of since the leader was last told.
    pub touched: SortedSet<Session>,
    watches: SortedMap<Path, SortedSet<NodeId>>,
    /// Those that stay.
    lasting: SortedMap<Path, SortedSet<NodeId>>,
    child_watches: SortedMap<Place, SortedSet<NodeId>>,
}

impl Desk {
    /// A client is gone, or comes anew.
    pub fn detach(&mut self, client: NodeId) {
        if let Some(session) = self.clients.remove(&client).and_then(|client| client.session) {
            self.sessions.remove(&session);
        }
        self.coming.retain(|_, node| *node != client);
        for watchers in self.watches.values_mut().chain(self.lasting.values_mut()) {
            watchers.remove(&client);
        }
        for watchers in self.child_watches.values_mut() {
            watchers.remove(&client);
        }
    }

    fn attach(&mut self, session: Session, client: NodeId) {
        self.sessions.insert(session, client);
        if let Some(client) = self.clients.get_mut(&client) {
            client.session = Some(session);
        }
    }
}

impl Server {
    /// Whom it asks what only a leader knows: itself, or another.
    const fn leader(&self) -> Option<NodeId> {
        match &self.stage {
            Stage::Leading(_) => Some(self.me),
            Stage::Following(follow) => Some(follow.leader()),
            Stage::Looking(_) | Stage::Busy(..) => None,
        }
    }

    /// Everybody has to go.
    pub(super) fn close_desk(&mut self, fx: &mut Fx<'_>) {
        for client in self.desk.clients.keys() {
            fx.send(*client, ZkMessage::Bye);
        }
        self.desk = Desk::default();
    }

    pub(super) fn on_connect(
        &mut self,
        from: NodeId,
        session: Option<Session>,
        seen: Zxid,
        timeout: u64,
        fx: &mut Fx<'_>,
    ) {
        self.desk.detach(from);
        let behind = seen > self.tree.last() && !self.config.has(ZkBug::ReconnectBehind);
        let Some(leader) = self.leader().filter(|_| self.desk.open && !behind) else {
            return fx.send(from, ZkMessage::Bye);
        };
        self.desk.clients.insert(from, Client::default());
        match session {
            Some(session) => {
                self.desk.coming.insert(session, from);
                if leader == self.me {
                    self.on_revalidate(self.me, session, fx);
                } else {
                    fx.send(leader, ZkMessage::Revalidate { session });
                }
            }
            None => {
                let session = Session(u64::from(self.me.0 + 1) << 40 | fx.rng().next_u64() >> 24);
                self.desk.coming.insert(session, from);
                if leader == self.me {
                    self.on_open_session(self.me, session, timeout, fx);
                } else {
                    fx.send(leader, ZkMessage::OpenSession { session, timeout });
                }
            }
        }
    }

    /// The leader knows whether a session is alive.
    pub(super) fn on_revalidated(&mut self, session: Session, alive: bool, fx: &mut Fx<'_>) {
        let Some(client) = self.desk.coming.remove(&session) else { return };
        if alive {
            self.desk.attach(session, client);
            fx.send(client, ZkMessage::Connected { session });
        } else {
            self.desk.detach(client);
            fx.send(client, ZkMessage::Expired);
        }
    }

    /// A client is heard of.
    fn touch(&mut self, client: NodeId, fx: &mut Fx<'_>) -> Option<Session> {
        let session = self.desk.clients.get(&client)?.session?;
        self.desk.touched.insert(session);
        self.touch_own(session, fx);
        Some(session)
    }

    pub(super) fn on_client_ping(&mut self, from: NodeId, fx: &mut Fx<'_>) {
        match self.touch(from, fx) {
            Some(_) => fx.send(from, ZkMessage::ClientPong { zxid: self.tree.last() }),
            None if !self.desk.clients.contains_key(&from) => fx.send(from, ZkMessage::Bye),
            None => {}
        }
    }

    pub(super) fn on_call(&mut self, from: NodeId, xid: Xid, call: Call, fx: &mut Fx<'_>) {
        let Some(session) = self.touch(from, fx) else { return fx.send(from, ZkMessage::Bye) };
        let Some(leader) = self.leader() else { return };
        let Some(client) = self.desk.clients.get_mut(&from) else { return };
        client.calls.push_back((xid, call.clone()));
        if call.is_read() {
            self.serve_reads(from, fx);
        } else if leader == self.me {
            self.on_forward(self.me, session, xid, &call, fx);
        } else {
            fx.send(leader, ZkMessage::Forward { session, xid, call });
        }
    }

    /// Answers the reads of a client that no earlier call of its own holds up.
    fn serve_reads(&mut self, node: NodeId, fx: &mut Fx<'_>) {
        while let Some(client) = self.desk.clients.get_mut(&node)
            && client.calls.front().is_some_and(|(_, call)| call.is_read())
            && let Some((xid, call)) = client.calls.pop_front()
        {
            match &call {
                Call::Get { path, watch: true } | Call::Exists { path, watch: true } => {
                    self.desk.watches.entry(*path).or_default().insert(node);
                }
                Call::Watch { path } => {
                    self.desk.lasting.entry(*path).or_default().insert(node);
                }
                Call::Children { place, watch: true } => {
                    self.desk.child_watches.entry(*place).or_default().insert(node);
                }
                _ => {}
            }
            fx.send(node, ZkMessage::Reply { xid, zxid: self.tree.last(), answer: self.tree.read(&call) });
        }
    }

    /// Answers the call that a client has waited for longest, if it is this one.
    fn answer(&mut self, session: Session, xid: Xid, answer: Answer, fx: &mut Fx<'_>) {
        let Some(node) = self.desk.sessions.get(&session).copied() else { return };
        let Some(client) = self.desk.clients.get_mut(&node) else { return };
        if client.calls.front().is_some_and(|(first, _)| *first == xid) {
            client.calls.pop_front();
            fx.send(node, ZkMessage::Reply { xid, zxid: self.tree.last(), answer });
            self.serve_reads(node, fx);
        }
    }

    pub(super) fn on_sync_done(&mut self, session: Session, xid: Xid, fx: &mut Fx<'_>) {
        self.answer(session, xid, Answer::Synced, fx);
    }

    /// A transaction is applied: whoever watches hears of it before anybody sees what it has changed.
    pub(super) fn tell(&mut self, entry: &Entry, answer: Answer, changes: &[(Path, Change)], fx: &mut Fx<'_>) {
        for (path, change) in changes {
            let watchers = match change {
                Change::Children => self.desk.child_watches.remove(&path.place),
                Change::Created | Change::Data | Change::Deleted => self.desk.watches.remove(path),
            };
            let mut watchers = watchers.unwrap_or_default();
            if *change != Change::Children {
                watchers.extend(self.desk.lasting.get(path).into_iter().flatten());
            }
            for client in watchers {
                fx.send(client, ZkMessage::Event { path: *path, change: *change, zxid: entry.zxid });
            }
        }
        match &entry.txn {
            Txn::Open { .. } => {
                if let Some(client) = self.desk.coming.remove(&entry.session) {
                    self.desk.attach(entry.session, client);
                    fx.note(ZkFact::Opened { session: entry.session });
                    fx.send(client, ZkMessage::Connected { session: entry.session });
                }
            }
            Txn::Close => {
                self.answer(entry.session, entry.xid, answer, fx);
                if let Some(client) = self.desk.sessions.get(&entry.session).copied() {
                    fx.send(client, ZkMessage::Expired);
                    self.desk.detach(client);
                }
            }
            _ => self.answer(entry.session, entry.xid, answer, fx),
        }
    }

    /// A client has come from another server with its watches: what has changed since it looked is said at once.
    pub(super) fn on_set_watches(
        &mut self,
        from: NodeId,
        seen: Zxid,
        data: &[(Path, bool)],
        children: &[Path],
        fx: &mut Fx<'_>,
    ) {
        if !self.desk.clients.contains_key(&from) {
            return;
        }
        let zxid = self.tree.last();
        for (path, known) in data {
            let change = match (self.tree.get(*path), known) {
                (None, true) => Some(Change::Deleted),
                (Some(_), false) => Some(Change::Created),
                (Some(node), true) if node.changed > seen => Some(Change::Data),
                _ => None,
            };
            match change {
                Some(change) => fx.send(from, ZkMessage::Event { path: *path, change, zxid }),
                None => {
                    self.desk.watches.entry(*path).or_default().insert(from);
                }
            }
        }
        for path in children {
            if self.tree.get(*path).is_some_and(|node| node.children_changed > seen) {
                fx.send(from, ZkMessage::Event { path: *path, change: Change::Children, zxid });
            } else {
                self.desk.child_watches.entry(path.place).or_default().insert(from);
            }
        }
    }
}
