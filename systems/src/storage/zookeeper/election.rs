//! Fast leader election: everybody tells everybody for whom they vote, and changes to the better vote, until a quorum
//! votes alike and nothing better has come for a while (`FastLeaderElection` of ZooKeeper 3.8).

use super::bugs::ZkBug;
use super::message::{Doing, Vote, ZkFact, ZkMessage};
use super::node::{ELECTION, Fx};
use super::options::Duty;
use super::server::{Server, Stage, Then};
use super::txn::Zxid;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, NodeId, NodeSet};

/// The longest that a server waits before it tells the others again.
const LONGEST: Duration = Duration::secs(60);

/// What another server has said.
#[derive(Clone, Copy, Debug)]
struct Said {
    vote: Vote,
    doing: Doing,
}

/// One that looks for a leader.
#[derive(Clone, Debug)]
pub(super) struct Election {
    /// Of this round.
    received: SortedMap<NodeId, Vote>,
    /// Of servers that have a leader.
    others: SortedMap<NodeId, Said>,
    /// How long it waits for the next notification.
    patience: Duration,
    /// A quorum votes as it does: only better votes are waited for.
    finalizing: bool,
}

impl Election {
    /// Before the first one.
    pub const fn none() -> Self {
        Self { received: SortedMap::new(), others: SortedMap::new(), patience: Duration::ZERO, finalizing: false }
    }
}

impl Server {
    /// What it would vote for if nobody else were there. Who only follows votes for nobody.
    fn own_vote(&self) -> Vote {
        match self.config.duty(self.me) {
            Duty::Server => Vote { epoch: self.store.current, zxid: self.store.last(), leader: self.me },
            _ => Vote { epoch: 0, zxid: Zxid::ZERO, leader: self.me },
        }
    }

    /// Whether a vote is better than another.
    fn is_better(&self, vote: Vote, than: Vote) -> bool {
        if self.config.duty(than.leader) != Duty::Server {
            return true;
        }
        if self.config.has(ZkBug::IdBeforeEpoch) {
            return (vote.leader, vote.epoch, vote.zxid) > (than.leader, than.epoch, than.zxid);
        }
        vote > than
    }

    /// Its vote is as of the epoch that has come of it: those who have voted in different rounds say the same then, and
    /// whoever comes later sees that they agree (ZOOKEEPER-1732).
    pub(super) fn vote_as_of(&mut self, epoch: u32) {
        if !self.config.has(ZkBug::VoteNotUpdated) {
            self.vote.epoch = epoch;
        }
    }

    /// Begins to look for a leader.
    pub(super) fn look(&mut self, fx: &mut Fx<'_>) {
        self.close_desk(fx);
        // All that it has written is part of its history, and its vote stands for that.
        self.tree = self.store.tree();
        self.round += 1;
        self.vote = self.own_vote();
        fx.note(ZkFact::Looking { round: self.round });
        let patience = self.config.finalize_wait;
        self.stage = Stage::Looking(Election { patience, ..Election::none() });
        fx.disarm(super::node::TICK);
        fx.disarm(super::node::RETRY);
        fx.arm(ELECTION, patience);
        self.notify_all(fx);
        self.count(fx);
    }

    /// Its leader is gone, or its quorum: its process ends what it did, and then it looks for another.
    pub(super) fn lose(&mut self, fx: &mut Fx<'_>) {
        let says = self.doing();
        self.close_desk(fx);
        self.work(self.config.shut_down_of(self.me), (says, Then::Look), fx);
    }

    /// Its process has work with itself for so long.
    fn work(&mut self, (lo, hi): (Duration, Duration), (says, then): (Doing, Then), fx: &mut Fx<'_>) {
        if hi == Duration::ZERO {
            return self.go_on(then, fx);
        }
        self.stage = Stage::Busy(says, then);
        fx.disarm(super::node::TICK);
        fx.disarm(super::node::RETRY);
        let time = Duration(fx.rng().between(lo.0, hi.0));
        fx.arm(ELECTION, time);
    }

    fn go_on(&mut self, then: Then, fx: &mut Fx<'_>) {
        match then {
            Then::Look => self.look(fx),
            Then::Lead => self.lead(fx),
        }
    }

    const fn doing(&self) -> Doing {
        match self.stage {
            Stage::Busy(says, _) => says,
            Stage::Looking(_) => Doing::Looking,
            Stage::Leading(_) => Doing::Leading,
            Stage::Following(_) => Doing::Following,
        }
    }

    fn notify(&self, to: NodeId, fx: &mut Fx<'_>) {
        fx.send(to, ZkMessage::Notification { vote: self.vote, round: self.round, doing: self.doing() });
    }

    fn notify_all(&self, fx: &mut Fx<'_>) {
        for to in self.config.voters().without(self.me).iter() {
            self.notify(to, fx);
        }
    }

    pub(super) fn on_notification(&mut self, from: NodeId, vote: Vote, round: u64, doing: Doing, fx: &mut Fx<'_>) {
        let votes = self.config.duty(from) == Duty::Server;
        let better = self.is_better(vote, self.vote);
        let better_than_own = self.is_better(vote, self.own_vote());
        let Stage::Looking(election) = &mut self.stage else {
            if doing == Doing::Looking {
                self.notify(from, fx);
            }
            return;
        };
        match doing {
            Doing::Looking if !votes => return self.notify(from, fx),
            Doing::Looking if round < self.round => return self.notify(from, fx),
            Doing::Looking if round > self.round => {
                self.round = round;
                election.received.clear();
                election.finalizing = false;
                self.vote = if better_than_own { vote } else { self.own_vote() };
                self.notify_all(fx);
            }
            Doing::Looking if better => {
                self.vote = vote;
                election.finalizing = false;
                self.notify_all(fx);
            }
            Doing::Looking => {}
            Doing::Following | Doing::Leading => {
                if votes {
                    election.others.insert(from, Said { vote, doing });
                }
                return self.join(vote, round, fx);
            }
        }
        if let Stage::Looking(election) = &mut self.stage {
            election.received.insert(from, vote);
        }
        self.count(fx);
    }

    /// Joins those who have a leader, if a quorum of them does and that one says so itself.
    fn join(&mut self, vote: Vote, round: u64, fx: &mut Fx<'_>) {
        let Stage::Looking(election) = &self.stage else { return };
        let alike = |said: &Said| said.vote.leader == vote.leader && said.vote.epoch == vote.epoch;
        let agree: NodeSet = election.others.iter().filter(|(_, said)| alike(said)).map(|(node, _)| *node).collect();
        let leads = election.others.get(&vote.leader).is_some_and(|said| said.doing == Doing::Leading);
        // In the round of this election votes count wherever they are.
        let alike = election.received.iter().filter(|(_, theirs)| **theirs == vote);
        let same_round: NodeSet = alike.map(|(node, _)| *node).collect();
        let enough = self.config.is_quorum(agree)
            || round == self.round && self.config.is_quorum(agree.union(same_round).with(self.me));
        if enough && leads && vote.leader != self.me {
            self.round = round;
            self.vote = vote;
            self.follow(vote.leader, fx);
        }
    }

    /// Whether a quorum votes as it does by now: then it waits a while for better votes.
    fn count(&mut self, fx: &mut Fx<'_>) {
        let (vote, me, wait) = (self.vote, self.me, self.config.finalize_wait);
        let Stage::Looking(election) = &mut self.stage else { return };
        let alike = election.received.iter().filter(|(_, theirs)| **theirs == vote).map(|(node, _)| *node);
        let agree: NodeSet = alike.chain([me]).collect();
        election.finalizing = self.config.is_quorum(agree);
        if election.finalizing {
            fx.arm(ELECTION, wait);
        }
    }

    /// Nothing better has come, or nothing at all.
    pub(super) fn on_election_due(&mut self, fx: &mut Fx<'_>) {
        let (vote, me) = (self.vote, self.me);
        if let Stage::Busy(_, then) = self.stage {
            return self.go_on(then, fx);
        }
        let Stage::Looking(election) = &mut self.stage else { return };
        if !election.finalizing {
            election.patience = Duration(election.patience.0 * 2).min(LONGEST);
            fx.arm(ELECTION, election.patience);
            return self.notify_all(fx);
        }
        if vote.leader == me {
            fx.note(ZkFact::Elected { epoch: self.store.current });
            self.work(self.config.take_office, (Doing::Leading, Then::Lead), fx);
        } else {
            self.follow(vote.leader, fx);
        }
    }
}
