//! How a coordinator decides: its log, what it tells whom, what it presumes of what it does not know, and what a
//! restart makes of it.

use super::bugs::CommitBug;
use super::coordinator::{Coordinator, Running};
use super::message::{CommitFact, CommitMessage, CommitRecord, CommitResponse, Known};
use super::node::Fx;
use super::options::{Config, Presumption, Protocols};
use super::txn::{Reason, Shards, TxnId};
use crate::shared::replication::pop_if;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{Completion, Duration, LocalInstant, NodeId, Replay};
use std::rc::Rc;

/// What waits for the disk.
#[derive(Clone, Debug)]
pub enum Pending {
    /// What was found at the start.
    Beginning,
    /// Who takes part, before they vote (presumed commit).
    Collecting(TxnId),
    /// Decisions, written together.
    Decisions(Vec<TxnId>),
    /// What an acceptor has to say.
    Say(NodeId, CommitMessage),
}

/// A decision that not everybody has acknowledged.
#[derive(Clone, Debug)]
pub struct Telling {
    /// As of when it commits, if it does.
    pub at: Option<u64>,
    /// Those who have not.
    pub unacked: Shards,
    /// When they are told again.
    pub due: LocalInstant,
    wait: Duration,
    /// Whether its end is to be noted in the log.
    logged: bool,
}

impl Coordinator {
    /// Whatever its disk says is committed and not known to all has to be told; what it was only collecting votes for,
    /// where commits are presumed, is aborted.
    pub(super) fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, CommitRecord>, fx: &mut Fx<'_>) -> Self {
        let mut this = Self::new(config, me);
        let mut commits: SortedMap<TxnId, (Shards, Option<u64>)> = SortedMap::new();
        let mut ended: SortedSet<TxnId> = SortedSet::new();
        for (_, record) in disk.iter() {
            match record {
                Ok(CommitRecord::Began { epoch }) => this.epoch = this.epoch.max(*epoch),
                Ok(CommitRecord::Collecting { txn, participants }) => {
                    commits.entry(*txn).or_insert((*participants, None));
                }
                Ok(CommitRecord::Decided { commits: group }) => {
                    for (txn, participants, at) in group {
                        commits.insert(*txn, (*participants, Some(*at)));
                    }
                }
                Ok(CommitRecord::Ended { txn }) => _ = ended.insert(*txn),
                Ok(_) => {}
                Err(_) => fx.halt("a record of its log can not be read"),
            }
        }
        this.acceptor.restore(disk);
        for (txn, (unacked, at)) in commits {
            if !ended.contains(&txn) && config.wants_ack(at.is_some()) {
                this.telling.insert(txn, Telling::new(at, unacked, fx.now(), config.retry, true));
            }
        }
        this.epoch += 1;
        let write = fx.append(CommitRecord::Began { epoch: this.epoch });
        fx.sync();
        this.writes.push_back((write, Pending::Beginning));
        this
    }

    pub(super) fn on_disk(&mut self, done: &Completion<CommitRecord>, fx: &mut Fx<'_>) {
        match done {
            Completion::SyncFailed { .. } => fx.halt("a sync failed: what is on the disk is unknown"),
            Completion::Read { .. } => {}
            Completion::Synced { upto } => {
                while let Some((_, what)) = pop_if(&mut self.writes, |(write, _)| *write <= *upto) {
                    self.on_durable(what, fx);
                }
            }
        }
    }

    fn on_durable(&mut self, what: Pending, fx: &mut Fx<'_>) {
        match what {
            Pending::Beginning => {
                self.ready = true;
                if self.epoch > 1 {
                    fx.note(CommitFact::Recovers { open: self.telling.len() as u64 });
                }
                let open: Vec<TxnId> = self.telling.keys().copied().collect();
                for txn in open {
                    let commit = self.telling.get(&txn).is_some_and(|telling| telling.at.is_some());
                    let why = (!commit).then_some(Reason::Recovered);
                    fx.note(CommitFact::Decides { txn, commit, why });
                    self.tell(txn, fx);
                }
            }
            Pending::Collecting(txn) => self.next_leg(txn, fx),
            Pending::Decisions(group) => group.into_iter().for_each(|txn| self.commit(txn, fx)),
            Pending::Say(to, message) if to == self.me => self.on_message(to, message, fx),
            Pending::Say(to, message) => fx.send(to, message),
        }
    }

    fn write(&mut self, record: CommitRecord, then: Pending, fx: &mut Fx<'_>) {
        let write = fx.append(record);
        fx.sync();
        self.writes.push_back((write, then));
    }

    /// What an acceptor says, and to whom, once this is on its disk.
    pub(super) fn say_after(
        &mut self,
        record: CommitRecord,
        to: impl IntoIterator<Item = NodeId>,
        message: &CommitMessage,
        fx: &mut Fx<'_>,
    ) {
        let write = fx.append(record);
        fx.sync();
        self.writes.extend(to.into_iter().map(|to| (write, Pending::Say(to, message.clone()))));
    }

    /// Presumed commit: before anybody may vote, the disk has to know who will.
    pub(super) fn collect(&mut self, txn: TxnId, participants: Shards, fx: &mut Fx<'_>) {
        self.write(CommitRecord::Collecting { txn, participants }, Pending::Collecting(txn), fx);
    }

    /// All have voted yes: the decision is forced to the disk, with others if commits are grouped.
    pub(super) fn force(&mut self, txn: TxnId, fx: &mut Fx<'_>) {
        self.group.push(txn);
        if self.config.group_commit == Duration::ZERO {
            self.write_group(fx);
        } else if self.group_due.is_none() {
            self.group_due = Some(fx.now() + self.config.group_commit);
        }
        if self.config.has(CommitBug::SendBeforeForce) {
            self.commit(txn, fx);
        }
    }

    pub(super) fn write_group(&mut self, fx: &mut Fx<'_>) {
        self.group_due = None;
        let group = core::mem::take(&mut self.group);
        let running = |txn: &TxnId| self.running.get(txn).map(|running| (*txn, running.participants, running.at));
        let commits: Vec<_> = group.iter().filter_map(running).collect();
        self.write(CommitRecord::Decided { commits }, Pending::Decisions(group), fx);
    }

    /// It has committed, and nothing undoes that: its client and its participants are told.
    pub(super) fn commit(&mut self, txn: TxnId, fx: &mut Fx<'_>) {
        let Some(running) = self.running.remove(&txn) else { return };
        fx.note(CommitFact::Decides { txn, commit: true, why: None });
        self.spread(txn, Some(running.at), running.participants, fx);
        if running.complete {
            fx.note(CommitFact::Answers { txn, repeated: false });
            fx.reply(running.ticket, CommitResponse::Committed { txn, found: running.found });
        }
    }

    /// It is aborted, which nothing in the log has to say.
    pub(super) fn abort(&mut self, txn: TxnId, why: Reason, by: Option<u32>, fx: &mut Fx<'_>) {
        if let Some(running) = self.end_aborted(txn, why, by, fx) {
            self.after_abort(&running, why, fx);
        }
    }

    /// Whoever has said no needs not be told, unless it is to acknowledge what nobody presumes.
    pub(super) fn end_aborted(&mut self, txn: TxnId, why: Reason, by: Option<u32>, fx: &mut Fx<'_>) -> Option<Running> {
        let running = self.running.remove(&txn)?;
        fx.note(CommitFact::Decides { txn, commit: false, why: Some(why) });
        let mut told = running.contacted;
        if let Some(by) = by.filter(|_| !(self.presumes_commit() && running.has_asked())) {
            told.remove(by);
        }
        self.spread(txn, None, told, fx);
        Some(running)
    }

    fn presumes_commit(&self) -> bool {
        self.config.protocol == Protocols::TwoPhase && self.config.presume == Presumption::Commit
    }

    /// Tells a decision, until all have acknowledged it where that is needed.
    pub(super) fn spread(&mut self, txn: TxnId, at: Option<u64>, shards: Shards, fx: &mut Fx<'_>) {
        self.recoveries.remove(&txn);
        if self.config.protocol != Protocols::TwoPhase {
            self.outcomes.insert(txn, at);
        }
        let logged = self.config.protocol == Protocols::TwoPhase;
        self.telling.insert(txn, Telling::new(at, shards, fx.now() + self.config.retry, self.config.retry, logged));
        // In Faster Paxos Commit participants hear of a commit from the acceptors, unless something is lost.
        if at.is_none() || self.config.protocol != Protocols::FasterPaxos {
            self.tell(txn, fx);
        }
        if shards.is_empty() || !self.config.wants_ack(at.is_some()) {
            self.telling.remove(&txn);
        }
    }

    pub(super) fn tell(&mut self, txn: TxnId, fx: &mut Fx<'_>) {
        let floor = if txn.home() == self.me { self.floor() } else { 0 };
        let Some(telling) = self.telling.get_mut(&txn) else { return };
        telling.due = fx.now() + telling.wait;
        telling.wait = Duration(telling.wait.0.saturating_mul(2)).min(self.config.retry.times(10));
        let (at, shards) = (telling.at, telling.unacked);
        for shard in shards.iter() {
            let message = CommitMessage::Decision { txn, commit: at.is_some(), at: at.unwrap_or(0), floor };
            fx.send(self.leaders.of(shard), message);
        }
    }

    pub(super) fn on_ack(&mut self, txn: TxnId, shard: u32, (commit, at): (bool, u64), fx: &mut Fx<'_>) {
        if self.running.contains_key(&txn) {
            self.adopt(txn, commit.then_some(at), fx);
        }
        let Some(telling) = self.telling.get_mut(&txn) else { return };
        telling.unacked.remove(shard);
        if telling.unacked.is_empty() {
            let logged = telling.logged;
            self.telling.remove(&txn);
            if logged {
                // Nothing waits for it: after a crash they are told once more.
                fx.append(CommitRecord::Ended { txn });
            }
        }
    }

    /// Somebody wants to know what became of a transaction.
    pub(super) fn on_inquire(
        &mut self,
        from: NodeId,
        txn: TxnId,
        (prepared, participants): (bool, Shards),
        fx: &mut Fx<'_>,
    ) {
        if !self.ready {
            return;
        }
        let answer = |known| CommitMessage::Outcome { txn, known, prepared };
        let known = |at: Option<u64>| at.map_or(Known::Abort, Known::Commit);
        let decided = self.telling.get(&txn).map(|telling| telling.at).or_else(|| self.outcomes.get(&txn).copied());
        if let Some(at) = decided {
            return fx.send(from, answer(known(at)));
        }
        let grouped = self.config.has(CommitBug::GroupCommitUnseen)
            && self.running.get(&txn).is_some_and(|running| running.step == super::coordinator::Step::Forcing);
        if self.running.contains_key(&txn) && !grouped {
            return fx.send(from, answer(Known::Working));
        }
        if txn.home() == self.me && !prepared {
            // Whoever has not voted can not have committed.
            fx.send(from, answer(Known::Abort));
        } else if self.config.protocol == Protocols::TwoPhase && txn.home() == self.me {
            let presumed = if self.presumes_commit() { Known::Commit(0) } else { Known::Abort };
            fx.send(from, answer(presumed));
        } else if self.config.is_paxos() && prepared {
            self.recover(txn, participants, fx);
        }
    }
}

impl Telling {
    const fn new(at: Option<u64>, unacked: Shards, now: LocalInstant, wait: Duration, logged: bool) -> Self {
        Self { at, unacked, due: now, wait, logged }
    }
}
