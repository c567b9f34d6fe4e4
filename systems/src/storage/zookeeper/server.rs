//! A server: its whole state, how it boots, where each input goes, and how what is committed is applied.

use super::desk::Desk;
use super::election::Election;
use super::follow::Follow;
use super::lead::Lead;
use super::message::{Doing, Vote, ZkFact, ZkMessage, ZkRecord};
use super::node::{ELECTION, EXPIRY, Fx, RETRY, TICK};
use super::options::Config;
use super::store::{Held, Store};
use super::tree::Tree;
use super::txn::{Entry, Zxid};
use sim_core::{Completion, NodeId, Replay, Timer};
use std::rc::Rc;

/// What a server does once its process is done with itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Look,
    Lead,
}

/// What a server does at the moment.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    Looking(Election),
    /// Between two of the others its process has work with itself, and says this meanwhile.
    Busy(Doing, Then),
    Following(Box<Follow>),
    Leading(Box<Lead>),
}

/// A server of the ensemble.
#[derive(Clone, Debug)]
pub struct Server {
    pub(super) config: Rc<Config>,
    pub(super) me: NodeId,
    pub(super) store: Store,
    /// What is applied.
    pub(super) tree: Tree,
    pub(super) stage: Stage,
    /// Which of its elections it is in, or was in last.
    pub(super) round: u64,
    /// How often it has begun to follow somebody.
    pub(super) attempt: u64,
    /// Its vote in that one.
    pub(super) vote: Vote,
    /// The clients that are connected with it.
    pub(super) desk: Desk,
}

impl Server {
    pub(super) fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, ZkRecord>, fx: &mut Fx<'_>) -> Self {
        let (store, readable) = match Store::replay(disk) {
            Ok(store) => (store, true),
            Err(_) => (Store::default(), false),
        };
        let vote = Vote { epoch: 0, zxid: Zxid::ZERO, leader: me };
        let stage = Stage::Looking(Election::none());
        let (tree, desk) = (Tree::default(), Desk::default());
        let mut server = Self { config: Rc::clone(config), me, store, tree, stage, round: 0, attempt: 0, vote, desk };
        if readable {
            server.look(fx);
            server.settle(fx);
        } else {
            fx.halt("its disk can not be read: what it has promised is unknown");
        }
        server
    }

    /// What is applied.
    #[must_use]
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The epoch in which it leads with a quorum behind it.
    #[must_use]
    pub fn leads(&self) -> Option<u32> {
        match &self.stage {
            Stage::Leading(lead) if lead.is_established() => Some(lead.epoch),
            _ => None,
        }
    }

    /// Whether it serves clients.
    #[must_use]
    pub const fn serves(&self) -> bool {
        self.desk.open
    }

    /// Whether its process has work with itself.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        matches!(self.stage, Stage::Busy(..))
    }

    /// The newest transaction in its log.
    #[must_use]
    pub fn last_logged(&self) -> Zxid {
        self.store.last()
    }

    /// Sends `message` once everything written is durable.
    pub(super) fn say(&mut self, to: NodeId, message: ZkMessage, fx: &mut Fx<'_>) {
        self.hold(Held::Send(to, message), fx);
    }

    /// Does something once everything written is durable.
    pub(super) fn hold(&mut self, what: Held, fx: &mut Fx<'_>) {
        let written = self.store.journal.written();
        if let Some(what) = self.store.journal.after(written, what) {
            self.release(what, fx);
        }
    }

    fn release(&mut self, what: Held, fx: &mut Fx<'_>) {
        match what {
            Held::Send(to, message) => fx.send(to, message),
            Held::OwnAck(zxid) => self.on_ack(self.me, zxid, fx),
            Held::OwnNewLeader(epoch) => self.on_own_new_leader(epoch, fx),
            Held::OwnEpoch(epoch) => self.on_own_epoch(epoch, fx),
        }
    }

    /// Ends a step.
    pub(super) fn settle(&mut self, fx: &mut Fx<'_>) {
        self.store.journal.settle(fx);
    }

    /// Applies what the log holds up to `upto`, and tells those who wait for it.
    pub(super) fn apply(&mut self, upto: Zxid, fx: &mut Fx<'_>) {
        let due: Vec<Rc<Entry>> =
            self.store.after(self.tree.last()).take_while(|entry| entry.zxid <= upto).cloned().collect();
        if due.is_empty() {
            return;
        }
        for entry in &due {
            let (answer, changes) = self.tree.apply(entry);
            self.tell(entry, answer, &changes, fx);
        }
        fx.note(ZkFact::Applied { zxid: self.tree.last(), chain: self.tree.chain() });
        if self.store.since_snapshot() >= self.config.snapshot_every as usize {
            self.store.take_snapshot(&self.tree, self.config.diff_window, fx);
        }
    }

    pub(super) fn on_message(&mut self, from: NodeId, message: ZkMessage, fx: &mut Fx<'_>) {
        match message {
            ZkMessage::Notification { vote, round, doing } => self.on_notification(from, vote, round, doing, fx),
            ZkMessage::FollowerInfo { accepted, attempt } => self.on_follower_info(from, accepted, attempt, fx),
            ZkMessage::AckEpoch { current, last, floor, fresh, attempt } => {
                self.on_ack_epoch((from, attempt), (current, last), floor, fresh, fx);
            }
            ZkMessage::AckNewLeader => self.on_ack_new_leader(from, fx),
            ZkMessage::Ack { zxid } => self.on_ack(from, zxid, fx),
            ZkMessage::Pong { touched } => self.on_pong(from, &touched, fx),
            ZkMessage::Forward { session, xid, call } => self.on_forward(from, session, xid, &call, fx),
            ZkMessage::OpenSession { session, timeout } => self.on_open_session(from, session, timeout, fx),
            ZkMessage::Revalidate { session } => self.on_revalidate(from, session, fx),

            ZkMessage::NotLeading
            | ZkMessage::LeaderInfo { .. }
            | ZkMessage::Diff
            | ZkMessage::Trunc { .. }
            | ZkMessage::Snap(_)
            | ZkMessage::NewLeader { .. }
            | ZkMessage::UpToDate { .. }
            | ZkMessage::Propose(_)
            | ZkMessage::Commit { .. }
            | ZkMessage::Inform(_)
            | ZkMessage::Ping
            | ZkMessage::Revalidated { .. }
            | ZkMessage::SyncDone { .. } => self.on_leader(from, message, fx),

            ZkMessage::Connect { session, seen, timeout } => self.on_connect(from, session, seen, timeout, fx),
            ZkMessage::Call { xid, call } => self.on_call(from, xid, call, fx),
            ZkMessage::SetWatches { seen, data, children } => self.on_set_watches(from, seen, &data, &children, fx),
            ZkMessage::ClientPing => self.on_client_ping(from, fx),
            ZkMessage::Connected { .. }
            | ZkMessage::Expired
            | ZkMessage::Bye
            | ZkMessage::Reply { .. }
            | ZkMessage::Event { .. }
            | ZkMessage::ClientPong { .. }
            | ZkMessage::Write(_)
            | ZkMessage::Wrote { .. } => {}
        }
        self.settle(fx);
    }

    pub(super) fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        match (timer, &self.stage) {
            (ELECTION, _) => self.on_election_due(fx),
            (TICK, Stage::Leading(_)) => self.on_leader_tick(fx),
            (TICK, Stage::Following(_)) => self.on_follower_tick(fx),
            (RETRY, Stage::Leading(_)) => self.on_started(fx),
            (RETRY, _) => self.on_retry(fx),
            (EXPIRY, _) => self.on_expiry(fx),
            _ => {}
        }
        self.settle(fx);
    }

    pub(super) fn on_closed(&mut self, peer: NodeId, fx: &mut Fx<'_>) {
        self.desk.detach(peer);
        match &self.stage {
            Stage::Following(_) => self.on_leader_gone(peer, fx),
            Stage::Leading(_) => self.on_learner_gone(peer, fx),
            Stage::Looking(_) | Stage::Busy(..) => {}
        }
        self.settle(fx);
    }

    pub(super) fn on_disk(&mut self, done: &Completion<ZkRecord>, fx: &mut Fx<'_>) {
        match done {
            Completion::Synced { upto } => {
                self.store.journal.synced(*upto);
                while let Some(what) = self.store.journal.due() {
                    self.release(what, fx);
                }
                self.store.journal.forget(fx);
            }
            Completion::SyncFailed { .. } => fx.halt("a sync failed: what is on the disk is unknown"),
            Completion::Read { .. } => {}
        }
        self.settle(fx);
    }
}
