//! An application: the client library with its session, and the program's calls through it. It stays with one server
//! until that is silent for two thirds of the session's time-out, pings it after a third, and takes its session to
//! another (`ClientCnxn` of ZooKeeper 3.8).

use super::barrier::Meeting;
use super::message::{ZkFact, ZkMessage, ZkRequest, ZkResponse};
use super::node::{CLOCK, Fx, PAUSE, WORK};
use super::options::Config;
use super::recipes::{Lock, Recipes};
use super::tree::Change;
use super::txn::{Answer, Call, Path, Place, Refusal, Session, Xid, Zxid};
use crate::shared::number::Counts;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{ClientId, Duration, LocalInstant, NodeId, Ticket, Timer};
use std::collections::VecDeque;
use std::rc::Rc;

/// Which of the program's operations: its client and number.
pub(super) type Key = (ClientId, u64);

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// An operation that ends with its answer.
    Operation(Key),
    /// The look before a compare-and-set.
    Look(Key),
    /// A step of the lock recipe.
    Lock(Key),
    /// A step of the double barrier.
    Barrier(Key),
    /// The configuration that everybody watches.
    Configuration,
    /// Nobody waits for its answer.
    Nobody,
}

/// Whom it is connected with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// It waits before it tries the next server.
    Pausing,
    /// It has asked one.
    Connecting(NodeId),
    /// One has welcomed it.
    Connected(NodeId),
}

/// An operation of the program.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub ticket: Ticket,
    pub request: ZkRequest,
    pub lock: Option<Lock>,
    pub meeting: Option<Meeting>,
}

impl Task {
    /// Whether it has left something behind that it must take away again.
    const fn must_end(&self) -> bool {
        self.lock.is_some() || self.meeting.is_some()
    }
}

/// An application with its session.
#[derive(Clone, Debug)]
pub struct App {
    pub(super) config: Rc<Config>,
    hosts: Vec<NodeId>,
    next_host: usize,
    link: Link,
    pub(super) session: Option<Session>,
    /// The last one that it was told is over.
    lost: Option<Session>,
    /// The newest transaction it has seen.
    seen: Zxid,
    xid: Xid,
    /// Calls that are not answered, in their order.
    sent: VecDeque<(Xid, Call, For)>,
    heard: LocalInstant,
    said: LocalInstant,
    pub(super) tasks: SortedMap<Key, Task>,
    /// Operations that wait for a connection.
    unsent: Vec<Key>,
    /// Nodes it watches, and whether it knows of a node there.
    pub(super) watches: SortedMap<Path, bool>,
    pub(super) child_watches: SortedSet<Path>,
    /// Whether it knows the configuration, or will hear of a newer one.
    knows_configuration: bool,
    pub(super) recipes: Recipes,
}

impl App {
    pub(super) fn boot(config: &Rc<Config>, fx: &mut Fx<'_>) -> Self {
        let mut hosts: Vec<NodeId> = config.hosts().collect();
        fx.rng().shuffle(&mut hosts);
        let now = fx.now();
        let mut app = Self {
            config: Rc::clone(config),
            hosts,
            next_host: 0,
            link: Link::Pausing,
            session: None,
            lost: None,
            seen: Zxid::ZERO,
            xid: Xid(0),
            sent: VecDeque::new(),
            heard: now,
            said: now,
            tasks: SortedMap::new(),
            unsent: Vec::new(),
            watches: SortedMap::new(),
            child_watches: SortedSet::new(),
            knows_configuration: false,
            recipes: Recipes::default(),
        };
        app.connect(fx);
        app
    }

    /// Its session.
    #[must_use]
    pub const fn session(&self) -> Option<Session> {
        self.session
    }

    /// Locks that it waits for, or has not let go yet.
    #[must_use]
    pub fn locks(&self) -> usize {
        self.tasks.values().filter(|task| task.lock.is_some()).count()
    }

    /// The server it is connected with.
    #[must_use]
    pub const fn server(&self) -> Option<NodeId> {
        match self.link {
            Link::Connected(server) => Some(server),
            Link::Pausing | Link::Connecting(_) => None,
        }
    }

    fn third(&self) -> Duration {
        Duration(self.config.session_timeout.0 / 3)
    }

    fn connect(&mut self, fx: &mut Fx<'_>) {
        let server = self.hosts[self.next_host % self.hosts.len()];
        self.next_host += 1;
        (self.link, self.heard, self.said) = (Link::Connecting(server), fx.now(), fx.now());
        let (session, seen, timeout) = (self.session, self.seen, self.config.session_timeout.0);
        fx.send(server, ZkMessage::Connect { session, seen, timeout });
        fx.arm(CLOCK, Duration(timeout / self.hosts.len() as u64));
    }

    /// The server is gone, or will not have it: another one, after a pause.
    fn disconnect(&mut self, fx: &mut Fx<'_>) {
        if let (Link::Connected(_), Some(session)) = (self.link, self.session) {
            fx.note(ZkFact::Disconnected { session });
        }
        self.link = Link::Pausing;
        fx.disarm(CLOCK);
        let most = self.config.client_pause.0;
        let pause = if most == 0 { 0 } else { fx.rng().below(most) };
        fx.arm(PAUSE, Duration(pause));
        for (_, call, whom) in core::mem::take(&mut self.sent) {
            self.lost_touch(&call, whom);
        }
        self.suspend_locks(fx);
    }

    /// Nobody knows what has become of a call.
    fn lost_touch(&mut self, call: &Call, whom: For) {
        match whom {
            // What only looks is asked again; whether anything else was done, nobody can say.
            For::Operation(key) | For::Look(key) if call.is_read() || *call == Call::Sync => self.unsent.push(key),
            For::Operation(key) | For::Look(key) => {
                self.tasks.remove(&key);
            }
            // Recipes look for what they have left behind.
            For::Lock(_) | For::Barrier(_) | For::Configuration | For::Nobody => {}
        }
    }

    fn connected(&mut self, server: NodeId, session: Session, fx: &mut Fx<'_>) {
        self.link = Link::Connected(server);
        let same = self.session == Some(session);
        self.session = Some(session);
        (self.heard, self.said) = (fx.now(), fx.now());
        fx.arm(CLOCK, self.third());
        if same {
            fx.note(ZkFact::Reconnected { session });
            let data = self.watches.iter().map(|(path, known)| (*path, *known)).collect();
            let children = self.child_watches.iter().copied().collect();
            fx.send(server, ZkMessage::SetWatches { seen: self.seen, data, children });
        }
        if !self.knows_configuration || self.config.persistent {
            self.look_at_configuration(fx);
        }
        self.resume_locks(fx);
        self.resume_meetings(fx);
        let mut unsent = core::mem::take(&mut self.unsent);
        unsent.dedup();
        for key in unsent {
            self.start(key, fx);
        }
    }

    /// Its session is over, and with it all that it held.
    fn expired(&mut self, fx: &mut Fx<'_>) {
        let lost = self.session.take();
        self.lost = lost.or(self.lost);
        lost.iter().for_each(|session| fx.note(ZkFact::LostSession { session: *session }));
        self.watches.clear();
        self.knows_configuration = false;
        self.child_watches.clear();
        for (_, call, whom) in core::mem::take(&mut self.sent) {
            self.lost_touch(&call, whom);
        }
        if let Some(session) = lost {
            self.lose_locks(session, fx);
            self.lose_meetings(session);
        }
        self.connect(fx);
    }

    fn look_at_configuration(&mut self, fx: &mut Fx<'_>) {
        self.knows_configuration = false;
        let path = Path::of(Place::Config);
        if self.config.persistent {
            self.call(Call::Watch { path }, For::Nobody, fx);
        }
        self.call(Call::Get { path, watch: !self.config.persistent }, For::Configuration, fx);
        self.watch_others(fx);
    }

    /// What else it watches, it has an eye on for others.
    fn watch_others(&mut self, fx: &mut Fx<'_>) {
        for key in 0..u64::from(self.config.watches) {
            let path = Path::of(Place::Key(key));
            if self.watches.insert(path, true).is_none() {
                self.call(Call::Exists { path, watch: true }, For::Nobody, fx);
            }
        }
    }

    /// Makes a call, if there is a server to make it to.
    pub(super) fn call(&mut self, call: Call, whom: For, fx: &mut Fx<'_>) {
        let Link::Connected(server) = self.link else { return };
        let xid = self.xid.advance();
        self.sent.push_back((xid, call.clone(), whom));
        self.said = fx.now();
        fx.send(server, ZkMessage::Call { xid, call });
    }

    /// The program asks something. A second try of the same is the same.
    pub(super) fn on_request(&mut self, ticket: Ticket, request: ZkRequest, fx: &mut Fx<'_>) {
        let key = (ticket.client, ticket.op);
        let floor = ticket.floor;
        self.tasks.retain(|(client, op), task| *client != ticket.client || *op >= floor || task.must_end());
        if let Some(task) = self.tasks.get_mut(&key) {
            task.ticket = ticket;
            return;
        }
        let reads = matches!(request, ZkRequest::Get { .. } | ZkRequest::SyncedGet { .. });
        if ticket.attempt > 0 && !reads {
            // It was asked for once, and nobody knows what has become of it.
            return;
        }
        self.tasks.insert(key, Task { ticket, request, lock: None, meeting: None });
        if self.server().is_some() {
            self.start(key, fx);
        } else {
            self.unsent.push(key);
        }
    }

    fn start(&mut self, key: Key, fx: &mut Fx<'_>) {
        let Some(task) = self.tasks.get(&key) else { return };
        let of = |key: u64| Path::of(Place::Key(key));
        let set = |path, data| Call::Set { path, data, version: None };
        match task.request {
            ZkRequest::Get { key: k } => {
                self.call(Call::Get { path: of(k), watch: false }, For::Operation(key), fx);
            }
            ZkRequest::SyncedGet { key: k } => {
                // Calls are carried out in their order.
                self.call(Call::Sync, For::Nobody, fx);
                self.call(Call::Get { path: of(k), watch: false }, For::Operation(key), fx);
            }
            ZkRequest::Set { key: k, value } => self.call(set(of(k), value), For::Operation(key), fx),
            ZkRequest::Cas { key: k, .. } => self.call(Call::Get { path: of(k), watch: false }, For::Look(key), fx),
            ZkRequest::Pair { key: k, value } => {
                let both = vec![set(of(k), value), set(of(k + 1), value)];
                self.call(Call::Multi(both), For::Operation(key), fx);
            }
            ZkRequest::Lock { .. } | ZkRequest::Elect => self.begin_lock(key, fx),
            ZkRequest::Meet { barrier } => self.begin_meeting(key, barrier, fx),
            ZkRequest::Configure { value } => {
                self.call(set(Path::of(Place::Config), value), For::Operation(key), fx);
            }
        }
    }

    pub(super) fn on_message(&mut self, from: NodeId, message: ZkMessage, fx: &mut Fx<'_>) {
        if let ZkMessage::Wrote { number, .. } = message {
            return self.on_wrote(number, fx);
        }
        let (Link::Connecting(server) | Link::Connected(server)) = self.link else { return };
        if server != from {
            return;
        }
        self.heard = fx.now();
        match message {
            // What it had asked for before may be answered late, when it has been told elsewhere that that session is
            // over.
            ZkMessage::Connected { session }
                if self.link == Link::Connecting(from)
                    && self.lost != Some(session)
                    && self.session.is_none_or(|mine| mine == session) =>
            {
                self.connected(from, session, fx);
            }
            ZkMessage::Expired => self.expired(fx),
            ZkMessage::Bye => self.disconnect(fx),
            ZkMessage::ClientPong { zxid } => self.seen = self.seen.max(zxid),
            ZkMessage::Reply { xid, zxid, answer } => self.on_reply(xid, zxid, answer, fx),
            ZkMessage::Event { path, change, zxid } => {
                self.seen = self.seen.max(zxid);
                self.on_event(path, change, fx);
            }
            _ => {}
        }
    }

    fn on_reply(&mut self, xid: Xid, zxid: Zxid, answer: Answer, fx: &mut Fx<'_>) {
        if self.sent.front().is_none_or(|(first, ..)| *first != xid) {
            return;
        }
        let Some((_, call, whom)) = self.sent.pop_front() else { return };
        if zxid < self.seen {
            fx.note(ZkFact::WentBack { seen: self.seen, zxid });
        }
        self.seen = self.seen.max(zxid);
        if answer == Answer::Refused(Refusal::SessionExpired) {
            self.lost_touch(&call, whom);
            return self.expired(fx);
        }
        if answer == Answer::Refused(Refusal::SessionMoved) {
            // Its server closes the connection: another one has the session, or believes so.
            if let For::Operation(key) = whom
                && let Some(task) = self.tasks.remove(&key)
            {
                fx.refuse(task.ticket);
            }
            return self.disconnect(fx);
        }
        match (whom, answer) {
            (For::Look(key), Answer::Data { version, .. }) => {
                if let Some(ZkRequest::Cas { key: k, value }) = self.tasks.get(&key).map(|task| &task.request) {
                    let call = Call::Set { path: Path::of(Place::Key(*k)), data: *value, version: Some(version) };
                    self.call(call, For::Operation(key), fx);
                }
            }
            (For::Operation(key), answer) => self.end(key, zxid, &answer, fx),
            (For::Lock(key), answer) => self.on_lock_answer(key, &call, answer, fx),
            (For::Barrier(key), answer) => self.on_barrier_answer(key, &call, &answer, fx),
            (For::Configuration, Answer::Data { data, .. }) => {
                if !self.config.persistent {
                    self.watches.insert(Path::of(Place::Config), true);
                }
                self.knows_configuration = true;
                fx.note(ZkFact::Configured { data });
            }
            (For::Look(_) | For::Configuration | For::Nobody, _) => {}
        }
    }

    fn end(&mut self, key: Key, zxid: Zxid, answer: &Answer, fx: &mut Fx<'_>) {
        let Some(task) = self.tasks.remove(&key) else { return };
        let compares = matches!(task.request, ZkRequest::Cas { .. });
        let response = match answer {
            Answer::Data { data, .. } => ZkResponse::Value { value: *data, zxid },
            Answer::Done if compares => ZkResponse::Swapped(true),
            Answer::Refused(Refusal::BadVersion) if compares => ZkResponse::Swapped(false),
            Answer::Done => ZkResponse::Done { zxid },
            // A session that has moved meanwhile: not done, and never will be.
            _ => return fx.refuse(task.ticket),
        };
        fx.reply(task.ticket, response);
    }

    fn on_event(&mut self, path: Path, change: Change, fx: &mut Fx<'_>) {
        if change == Change::Children {
            self.child_watches.remove(&path);
        } else {
            self.watches.remove(&path);
        }
        match path.place {
            Place::Config => self.look_at_configuration(fx),
            Place::Lock(_) | Place::Election => self.look_at_lock(path.place, fx),
            Place::Barrier(barrier) => self.look_at_barrier(barrier, fx),
            Place::Key(_) => self.watch_others(fx),
        }
    }

    pub(super) fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        let now = fx.now();
        match (timer, self.link) {
            (CLOCK, Link::Connecting(_)) => self.disconnect(fx),
            (CLOCK, Link::Connected(server)) => {
                let third = self.third();
                if now.since(self.heard) >= third.times(2) {
                    return self.disconnect(fx);
                }
                if now.since(self.said) >= third {
                    self.said = now;
                    fx.send(server, ZkMessage::ClientPing);
                }
                let ping = third.0 - now.since(self.said).0;
                let give_up = third.times(2).0 - now.since(self.heard).0;
                fx.arm(CLOCK, Duration(ping.min(give_up).max(1)));
            }
            (PAUSE, Link::Pausing) => self.connect(fx),
            (WORK, _) => {
                self.meetings_over(fx);
                self.work_done(fx);
            }
            _ => {}
        }
    }

    pub(super) fn on_closed(&mut self, peer: NodeId, fx: &mut Fx<'_>) {
        if Some(peer) == self.config.store() {
            return self.store_is_gone(fx);
        }
        if matches!(self.link, Link::Connecting(server) | Link::Connected(server) if server == peer) {
            self.disconnect(fx);
        }
    }
}
