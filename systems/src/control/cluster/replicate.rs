//! Replication: a primary streams its writes to its replicas without waiting for them, and sends all data to one that
//! is too far behind.

use super::data::{Data, Entry, Position, StreamId};
use super::disk::Record;
use super::message::{ClusterFact, ClusterMessage, ClusterResponse, Nonce};
use super::node::{Cluster, Fx};
use sim_core::{Duration, LocalInstant, NodeId, Ticket};
use std::rc::Rc;

/// The most writes in one message.
const BATCH: usize = 256;

/// A primary's view of one replica.
#[derive(Clone, Debug)]
pub(super) struct Link {
    /// It has everything up to here.
    acked: u64,
    /// It was sent everything up to here.
    sent: u64,
    /// When something was last sent to it, or it last said that it got further.
    moved: LocalInstant,
    /// All data is on its way to it; writes wait.
    full: bool,
}

/// A replica's touch with its primary.
#[derive(Clone, Debug, Default)]
pub(super) struct Following {
    /// Whether the primary sends it writes.
    synced: bool,
    /// When it last heard of the primary as its replica; `None` if not since it started.
    pub heard: Option<LocalInstant>,
    asked: Option<LocalInstant>,
    /// Names the last question, so that an answer to an earlier one is known.
    nonce: Nonce,
}

impl Following {
    /// Another primary, or none.
    pub const fn lose_touch(&mut self) {
        self.synced = false;
        self.asked = None;
    }
}

/// A write that waits for replicas.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    ticket: Ticket,
    at: Position,
}

impl Cluster {
    /// Sends a write, just carried out, to the replicas that are up with the stream.
    pub(super) fn replicate(&mut self, entry: Entry, fx: &mut Fx<'_>) {
        self.remember(&[entry]);
        let (stream, offset) = (self.at.stream, self.at.offset);
        let after = Position { stream, offset: offset - 1 };
        let entries: Rc<[Entry]> = [entry].into();
        let now = fx.now();
        for (node, link) in &mut self.links {
            if link.sent + 1 == offset && !link.full {
                link.sent = offset;
                link.moved = now;
                fx.send(*node, ClusterMessage::Writes { after, stream, entries: Rc::clone(&entries) });
            }
        }
    }

    fn remember(&mut self, entries: &[Entry]) {
        self.backlog.extend(entries);
        let over = self.backlog.len().saturating_sub(self.config.backlog);
        self.backlog.drain(..over);
    }

    /// The oldest offset from which the backlog can go on.
    fn backlog_from(&self) -> u64 {
        self.at.offset - self.backlog.len() as u64
    }

    /// Sends `to` what comes after `offset`, as much as goes into a message.
    fn send_from(&mut self, to: NodeId, after: Position, fx: &mut Fx<'_>) {
        let skip = (after.offset - self.backlog_from()) as usize;
        let entries: Rc<[Entry]> = self.backlog.iter().skip(skip).take(BATCH).copied().collect();
        let now = fx.now();
        if let Some(link) = self.links.get_mut(&to) {
            link.sent = after.offset + entries.len() as u64;
            link.moved = now;
        }
        fx.send(to, ClusterMessage::Writes { after, stream: self.at.stream, entries });
    }

    /// Looks after replicas that lag, or after the touch with the primary.
    pub(super) fn look_after_links(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        if self.primary().is_some() {
            let quiet = |at: LocalInstant| now.since(at) >= self.config.keepalive.times(2);
            if self.following.synced && self.following.heard.is_none_or(quiet) {
                self.following.synced = false;
            }
            if !self.following.synced && self.following.asked.is_none_or(quiet) {
                self.ask_to_follow(fx);
            }
            return;
        }
        let stale: Vec<(NodeId, u64)> = self
            .links
            .iter()
            .filter(|(_, link)| !link.full && now.since(link.moved) >= self.config.keepalive)
            .map(|(node, link)| (*node, link.acked))
            .collect();
        for (node, acked) in stale {
            if self.peers[node.index()].primary != Some(self.me) || acked < self.backlog_from() {
                // It follows somebody else, or has to ask for everything.
                self.links.remove(&node);
            } else {
                self.send_from(node, Position { stream: self.at.stream, offset: acked }, fx);
            }
        }
    }

    /// Asks the primary for the writes after those that are here.
    pub(super) fn ask_to_follow(&mut self, fx: &mut Fx<'_>) {
        if let Some(primary) = self.primary() {
            let nonce = Nonce(fx.rng().next_u64());
            (self.following.asked, self.following.nonce) = (Some(fx.now()), nonce);
            fx.send(primary, ClusterMessage::Psync { at: self.at, nonce });
        }
    }

    /// A replica asks for the writes after `at`.
    pub(super) fn on_psync(&mut self, from: NodeId, at: Position, nonce: Nonce, fx: &mut Fx<'_>) {
        if self.primary().is_some() {
            return;
        }
        let same = at.stream == self.at.stream && at.offset <= self.at.offset;
        let before = at.stream == self.left.stream && at.stream != StreamId(0) && at.offset <= self.left.offset;
        if (same || before) && at.offset >= self.backlog_from() {
            self.links.insert(from, Link { acked: at.offset, sent: at.offset, moved: fx.now(), full: false });
            self.send_from(from, at, fx);
        } else {
            // What it has that is not here is lost.
            self.links.insert(from, Link { acked: 0, sent: self.at.offset, moved: fx.now(), full: true });
            fx.send(from, ClusterMessage::Full { at: self.at, data: Rc::new(self.data.clone()), nonce });
        }
    }

    /// Writes of the primary arrived, or word that all is well.
    pub(super) fn on_writes(
        &mut self,
        from: NodeId,
        after: Position,
        stream: StreamId,
        entries: &Rc<[Entry]>,
        fx: &mut Fx<'_>,
    ) {
        if self.primary() != Some(from) {
            return;
        }
        if after.stream != self.at.stream || after.offset > self.at.offset {
            // Something is missing, or this node is in another stream.
            return self.ask_to_follow_again(fx);
        }
        self.in_touch(fx);
        let known = (self.at.offset - after.offset) as usize;
        if stream != after.stream && known > 0 {
            // A new stream begins at another place than where this node stands: it has gone on meanwhile.
            return;
        }
        self.at.stream = stream;
        if let Some(new) = entries.get(known..).filter(|new| !new.is_empty()) {
            new.iter().for_each(|entry| self.data.set(entry));
            self.at.offset += new.len() as u64;
            self.remember(new);
            let new = if known == 0 { Rc::clone(entries) } else { new.into() };
            self.log_writes(new, fx);
        } else if stream != after.stream {
            self.log_writes([].into(), fx);
        }
        fx.send(from, ClusterMessage::Replicated(self.at));
    }

    fn ask_to_follow_again(&mut self, fx: &mut Fx<'_>) {
        let recently = |at: LocalInstant| fx.now().since(at) < self.config.tick;
        if !self.following.asked.is_some_and(recently) {
            self.ask_to_follow(fx);
        }
    }

    fn in_touch(&mut self, fx: &Fx<'_>) {
        self.following.synced = true;
        self.following.heard = Some(fx.now());
    }

    /// All data of the primary arrived.
    pub(super) fn on_full(&mut self, from: NodeId, at: Position, data: &Rc<Data>, nonce: Nonce, fx: &mut Fx<'_>) {
        // The answer to an earlier question may be a step back.
        if self.primary() != Some(from) || nonce != self.following.nonce {
            return;
        }
        self.following.nonce = Nonce(0);
        if at.stream == self.at.stream && at.offset < self.at.offset {
            // Writes have overtaken it, and the primary may have counted on them.
            self.in_touch(fx);
            return fx.send(from, ClusterMessage::Replicated(self.at));
        }
        let silent = self.following.heard.map_or(Duration::ZERO, |heard| fx.now().since(heard));
        fx.note(ClusterFact::FullSync { after: silent });
        self.data = (**data).clone();
        self.at = at;
        self.left = Position::default();
        self.backlog.clear();
        fx.append(Record::Data { at, data: Rc::clone(data) });
        self.log.unsynced = true;
        self.in_touch(fx);
        fx.send(from, ClusterMessage::Replicated(at));
    }

    /// A replica has everything up to `at`.
    pub(super) fn on_replicated(&mut self, from: NodeId, at: Position, fx: &mut Fx<'_>) {
        if self.primary().is_some() || at.stream != self.at.stream {
            return;
        }
        let now = fx.now();
        let Some(link) = self.links.get_mut(&from) else { return };
        if at.offset > link.acked || link.full {
            link.full = false;
            link.acked = at.offset;
            link.moved = now;
        }
        if link.sent < link.acked {
            link.sent = link.acked;
        }
        let behind = (link.sent == at.offset && link.sent < self.at.offset).then_some(link.acked);
        if let Some(acked) = behind
            && acked >= self.backlog_from()
        {
            self.send_from(from, Position { stream: self.at.stream, offset: acked }, fx);
        }
        while let Some(first) = self.waiting.front() {
            let (ticket, place) = (first.ticket, first.at);
            if self.holders(place.offset) < self.config.wait as usize {
                break;
            }
            self.waiting.pop_front();
            fx.reply(ticket, ClusterResponse::Done(place));
        }
    }

    /// How many replicas have everything up to `offset`.
    fn holders(&self, offset: u64) -> usize {
        self.links.values().filter(|link| link.acked >= offset).count()
    }

    /// Answers a write, as soon as enough replicas have it.
    pub(super) fn acknowledge(&mut self, ticket: Ticket, at: Position, fx: &mut Fx<'_>) {
        if self.config.wait == 0 {
            fx.reply(ticket, ClusterResponse::Done(at));
        } else if at.stream == self.at.stream {
            self.waiting.push_back(Waiting { ticket, at });
        }
    }
}
