//! A learner: it finds its leader, agrees on the epoch, is brought up to date, and then writes and acknowledges what is
//! proposed (Zab, phases 1 to 3 as ZooKeeper has them; `Learner`, `Follower` and `Observer` of ZooKeeper 3.8).

use super::bugs::ZkBug;
use super::message::{ZkFact, ZkMessage};
use super::node::{ELECTION, Fx, RETRY, TICK};
use super::options::Duty;
use super::server::{Server, Stage};
use super::txn::{Entry, Zxid};
use sim_core::{Duration, LocalInstant, NodeId};
use std::rc::Rc;

/// How far it has come with its leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It has asked.
    Connecting,
    /// It has agreed to the epoch, and is brought up to date.
    Syncing,
    /// It has all that it needs.
    Waiting,
    /// It serves.
    Serving,
}

/// One that follows.
#[derive(Clone, Debug)]
pub(super) struct Follow {
    leader: NodeId,
    /// Since when it follows.
    since: LocalInstant,
    heard: LocalInstant,
    step: Step,
    epoch: u32,
    /// What it writes only when it takes part: with a bug.
    late: Vec<Rc<Entry>>,
}

impl Follow {
    pub const fn leader(&self) -> NodeId {
        self.leader
    }
}

impl Server {
    /// Follows a leader.
    pub(super) fn follow(&mut self, leader: NodeId, fx: &mut Fx<'_>) {
        let now = fx.now();
        self.attempt += 1;
        let follow = Follow { leader, since: now, heard: now, step: Step::Connecting, epoch: 0, late: Vec::new() };
        self.stage = Stage::Following(Box::new(follow));
        fx.disarm(ELECTION);
        fx.arm(TICK, Duration(self.config.tick.0 / 2));
        self.ask_leader(fx);
    }

    fn ask_leader(&self, fx: &mut Fx<'_>) {
        let Stage::Following(follow) = &self.stage else { return };
        fx.send(follow.leader, ZkMessage::FollowerInfo { accepted: self.store.accepted, attempt: self.attempt });
        fx.arm(RETRY, self.config.connect_retry);
    }

    /// It has found its leader not ready.
    pub(super) fn on_retry(&mut self, fx: &mut Fx<'_>) {
        let Stage::Following(follow) = &self.stage else { return };
        if follow.step == Step::Connecting {
            if fx.now().since(follow.since) > self.config.init_limit {
                return self.lose(fx);
            }
            self.ask_leader(fx);
        }
    }

    /// The connection with a leader is over.
    pub(super) fn on_leader_gone(&mut self, peer: NodeId, fx: &mut Fx<'_>) {
        let Stage::Following(follow) = &self.stage else { return };
        // One that is not ready yet is asked again.
        if follow.leader == peer && follow.step != Step::Connecting {
            self.lose(fx);
        }
    }

    pub(super) fn on_follower_tick(&mut self, fx: &mut Fx<'_>) {
        let Stage::Following(follow) = &self.stage else { return };
        let limit = if follow.step == Step::Serving { self.config.sync_limit } else { self.config.init_limit };
        if fx.now().since(follow.heard) > limit {
            return self.lose(fx);
        }
        fx.arm(TICK, Duration(self.config.tick.0 / 2));
    }

    /// Something that only a leader says.
    pub(super) fn on_leader(&mut self, from: NodeId, message: ZkMessage, fx: &mut Fx<'_>) {
        let now = fx.now();
        let Stage::Following(follow) = &mut self.stage else { return };
        // What still comes over a connection that it has given up, to look for another leader, is not for it.
        let begins = matches!(message, ZkMessage::LeaderInfo { .. } | ZkMessage::NotLeading);
        if follow.leader != from || follow.step == Step::Connecting && !begins {
            return;
        }
        follow.heard = now;
        match message {
            // One that has led closes its connections; one that does not lead yet is asked again.
            ZkMessage::NotLeading if follow.step != Step::Connecting => self.lose(fx),
            ZkMessage::LeaderInfo { epoch, attempt } if attempt == self.attempt => self.on_leader_info(epoch, fx),
            ZkMessage::Trunc { last } => {
                if !self.store.truncate(last, fx) {
                    fx.halt("it can not go back behind its snapshot");
                }
                self.tree = self.store.tree();
            }
            ZkMessage::Snap(tree) => {
                self.store.install(&tree, fx);
                self.tree = super::tree::Tree::clone(&tree);
            }
            ZkMessage::NewLeader { epoch } => self.on_new_leader(epoch, fx),
            ZkMessage::UpToDate { committed } => self.on_up_to_date(committed, fx),
            ZkMessage::Propose(entry) => self.on_propose(&entry, fx),
            ZkMessage::Commit { zxid } => {
                let first = self.store.after(self.tree.last()).next().map(|entry| entry.zxid);
                if first != Some(zxid) {
                    fx.note(ZkFact::CommitGap { zxid });
                }
                self.apply(zxid, fx);
            }
            ZkMessage::Inform(entry) => {
                if entry.zxid > self.store.last() {
                    self.store.append(&entry, fx);
                }
                let Stage::Following(follow) = &self.stage else { return };
                if follow.step == Step::Serving {
                    self.apply(entry.zxid, fx);
                }
            }
            ZkMessage::Ping => {
                let touched = core::mem::take(&mut self.desk.touched).into_iter().collect();
                fx.send(from, ZkMessage::Pong { touched });
            }
            ZkMessage::Revalidated { session, alive } => self.on_revalidated(session, alive, fx),
            ZkMessage::SyncDone { session, xid } => self.on_sync_done(session, xid, fx),
            _ => {}
        }
    }

    fn on_leader_info(&mut self, epoch: u32, fx: &mut Fx<'_>) {
        let accepted = self.store.accepted;
        let Stage::Following(follow) = &mut self.stage else { return };
        if follow.step != Step::Connecting {
            return;
        }
        if epoch < accepted {
            return self.lose(fx);
        }
        (follow.step, follow.epoch) = (Step::Syncing, epoch);
        fx.disarm(RETRY);
        // Whoever has agreed to an epoch before can not do so once more, but is brought up to date all the same.
        let fresh = epoch > accepted;
        if fresh {
            self.store.accept(epoch, fx);
        }
        let (current, last, floor) = (self.store.current, self.store.last(), self.store.floor());
        let attempt = self.attempt;
        self.say(from_leader(&self.stage), ZkMessage::AckEpoch { current, last, floor, fresh, attempt }, fx);
        if self.config.has(ZkBug::EpochBeforeTxns) {
            self.store.take_part(epoch, fx);
        }
    }

    fn on_propose(&mut self, entry: &Rc<Entry>, fx: &mut Fx<'_>) {
        let late = self.config.has(ZkBug::EpochBeforeTxns) || self.config.has(ZkBug::AckBeforeDurable);
        let Stage::Following(follow) = &mut self.stage else { return };
        match follow.step {
            Step::Connecting => {}
            Step::Syncing if late => follow.late.push(Rc::clone(entry)),
            // What comes before NEWLEADER is acknowledged with it.
            Step::Syncing => self.store.append(entry, fx),
            Step::Waiting | Step::Serving => {
                self.store.append(entry, fx);
                if self.config.duty(self.me) == Duty::Server {
                    self.say(from_leader(&self.stage), ZkMessage::Ack { zxid: entry.zxid }, fx);
                }
            }
        }
    }

    fn on_new_leader(&mut self, epoch: u32, fx: &mut Fx<'_>) {
        let hasty = self.config.has(ZkBug::AckBeforeDurable);
        let Stage::Following(follow) = &mut self.stage else { return };
        if follow.step != Step::Syncing || follow.epoch != epoch {
            return;
        }
        follow.step = Step::Waiting;
        let leader = follow.leader;
        // What it writes only once it serves, with a bug.
        let late = if hasty { Vec::new() } else { core::mem::take(&mut follow.late) };
        for entry in &late {
            self.store.append(entry, fx);
        }
        if self.store.current != epoch {
            // Behind the transactions that it stands for.
            self.store.take_part(epoch, fx);
        }
        self.say(leader, ZkMessage::AckNewLeader, fx);
    }

    fn on_up_to_date(&mut self, committed: Zxid, fx: &mut Fx<'_>) {
        let Stage::Following(follow) = &mut self.stage else { return };
        if follow.step != Step::Waiting {
            return;
        }
        follow.step = Step::Serving;
        let (leader, epoch) = (follow.leader, follow.epoch);
        for entry in &core::mem::take(&mut follow.late) {
            self.store.append(entry, fx);
        }
        self.vote_as_of(epoch);
        self.apply(committed, fx);
        self.desk.open = true;
        fx.note(ZkFact::Applied { zxid: self.tree.last(), chain: self.tree.chain() });
        fx.note(ZkFact::Follows { leader, epoch });
    }
}

/// Whom it follows.
const fn from_leader(stage: &Stage) -> NodeId {
    match stage {
        Stage::Following(follow) => follow.leader,
        Stage::Looking(_) | Stage::Busy(..) | Stage::Leading(_) => NodeId(u32::MAX),
    }
}
