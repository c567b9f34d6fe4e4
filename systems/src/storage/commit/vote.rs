//! How a shard votes: what it is prepared with lies in its log before it says yes, and in Paxos Commit before it says
//! no.

use super::bugs::CommitBug;
use super::doubt::Doubt;
use super::ledger::{Entry, Part, Stage, stored};
use super::locks::Claim;
use super::message::{Answer, CommitFact, CommitMessage, Finish};
use super::node::Fx;
use super::shard::{Preparing, Shard, once_key};
use super::txn::{Act, Found, Key, Reason, Shards, State, TxnId, Vote};
use sim_core::NodeId;
use std::rc::Rc;

impl Shard {
    pub(super) fn on_prepare(&mut self, txn: TxnId, seq: u32, finish: &Finish, fx: &mut Fx<'_>) {
        if let Some(doubt) = self.doubts.get(&txn) {
            let vote = self.log.ledger().prepared().get(&txn).map(|part| Vote::Yes(part.at));
            if let (Some(vote), participants) = (vote, doubt.participants) {
                self.vote(txn, vote, (participants, &finish.acceptors), None, fx);
            }
            return;
        }
        match self.active.get(&txn) {
            Some(active) if active.preparing.is_some() || active.job.is_some() => {}
            Some(active) if active.seq == seq => self.prepare(txn, finish, None, fx),
            _ if self.refusals.contains_key(&txn) => {}
            _ if self.ended.contains(&txn) && !finish.participants.has(self.number) => {
                // It has only read, and said so.
                self.vote(txn, Vote::ReadOnly, (finish.participants, &[]), None, fx);
            }
            _ if matches!(self.log.ledger().state(txn), State::Committed(_)) => {
                // Others have ended it before its coordinator has heard of the vote.
                self.acknowledge(txn, true, Some(txn.home()), fx);
            }
            _ => {
                let vote = Vote::No(Reason::Forgotten);
                let (shard, participants) = (self.number, finish.participants);
                self.refuse(txn, CommitMessage::Voted { txn, shard, vote, participants }, true, fx);
            }
        }
    }

    /// The transaction has done here what it wanted to; now it is to be kept, whatever happens.
    pub(super) fn prepare(
        &mut self,
        txn: TxnId,
        finish: &Finish,
        executed: Option<(u32, Vec<Found>)>,
        fx: &mut Fx<'_>,
    ) {
        let Some(active) = self.active.get(&txn) else { return };
        let age = active.age;
        if !finish.participants.has(self.number) {
            let message = self.ballot(txn, Vote::ReadOnly, finish.participants, executed);
            self.last_confirm += 1;
            // Who does not lead any more may have read what is not the newest: nothing is said until it is known, not
            // even to who asks again.
            self.confirms.insert(self.last_confirm, (txn, message));
            if self.log.confirm(self.me, self.last_confirm, fx) {
                self.on_confirmed(self.last_confirm, true, fx);
            }
            return;
        }
        if self.config.snapshots() {
            let once = active.once.map(|(client, op)| once_key(client, op));
            let keys: Vec<Key> = active.writes.iter().map(Act::key).chain(once).collect();
            let (snapshot, done) = (active.snapshot, active.once);
            let ledger = self.log.ledger();
            let lost = keys.iter().any(|key| ledger.newest(*key) > snapshot)
                || done.is_some_and(|(client, op)| ledger.done(client, op).is_some());
            let claim = Claim { txn, age, exclusive: true };
            if lost || !keys.iter().all(|key| self.locks.try_take(*key, claim)) {
                let vote = Vote::No(Reason::WriteConflict);
                let message = self.ballot(txn, vote, finish.participants, executed);
                return self.refuse(txn, message, true, fx);
            }
            fx.note(CommitFact::Locks { txn, shard: self.number });
            self.clock = (self.clock + 1).max(fx.now().0);
        }
        let at = if self.config.snapshots() { self.clock } else { 0 };
        let Some(active) = self.active.get_mut(&txn) else { return };
        let here = executed.as_ref().map_or(&[][..], |(_, found)| found);
        let part = Rc::new(Part {
            participants: finish.participants,
            reads: active.reads.clone(),
            writes: active.writes.clone(),
            once: stored(txn, finish, active.once, here),
            at,
            stage: Stage::Uncertain,
        });
        active.preparing =
            Some(Preparing { part: Rc::clone(&part), acceptors: finish.acceptors.clone(), executed: executed.clone() });
        let floor = active.floor;
        self.log.propose(Entry::Prepare(txn, part, floor), fx);
        if self.has(CommitBug::EarlyRelease) {
            self.release(txn, fx);
        }
        if self.has(CommitBug::VoteBeforeForce) {
            self.vote(txn, Vote::Yes(at), (finish.participants, &finish.acceptors), executed, fx);
        }
    }

    fn ballot(
        &self,
        txn: TxnId,
        vote: Vote,
        participants: Shards,
        executed: Option<(u32, Vec<Found>)>,
    ) -> CommitMessage {
        let shard = self.number;
        match executed {
            Some((seq, found)) => {
                CommitMessage::Executed { txn, shard, seq, answer: Answer::Found(found), vote: Some(vote) }
            }
            None => CommitMessage::Voted { txn, shard, vote, participants },
        }
    }

    /// Tells the vote: to the coordinator, and in Paxos Commit to the acceptors beside it that are needed.
    pub(super) fn vote(
        &mut self,
        txn: TxnId,
        vote: Vote,
        (participants, acceptors): (Shards, &[NodeId]),
        executed: Option<(u32, Vec<Found>)>,
        fx: &mut Fx<'_>,
    ) {
        let message = self.ballot(txn, vote, participants, executed);
        if matches!(vote, Vote::Yes(_)) {
            for acceptor in acceptors {
                fx.send(*acceptor, CommitMessage::Voted { txn, shard: self.number, vote, participants });
            }
        }
        if let Some(doubt) = self.doubts.get_mut(&txn) {
            doubt.answer = Some(message.clone());
        }
        fx.send(txn.home(), message);
    }

    /// It does not take part, and never will. What others may decide from its vote has to be on its disk before.
    pub(super) fn refuse(&mut self, txn: TxnId, message: CommitMessage, votes: bool, fx: &mut Fx<'_>) {
        self.active.remove(&txn);
        self.release(txn, fx);
        self.ended.insert(txn);
        fx.note(CommitFact::Refused { txn, shard: self.number });
        if votes && self.config.is_paxos() {
            if self.closing.insert(txn) {
                self.log.propose(Entry::Decide(txn, false, 0, 0), fx);
            }
            self.refusals.insert(txn, message);
        } else {
            fx.send(txn.home(), message);
        }
    }

    pub(super) fn on_prepared(&mut self, txn: TxnId, part: &Part, fx: &mut Fx<'_>) {
        // A decision may have overtaken it: then that is next in the log.
        let Some(active) = self.active.remove(&txn) else { return };
        let Some(Preparing { acceptors, executed, .. }) = active.preparing else { return };
        if !self.log.ledger().prepared().contains_key(&txn) {
            // Its coordinator has aborted it meanwhile, and all that it began before others.
            self.ended.insert(txn);
            return self.release(txn, fx);
        }
        fx.note(CommitFact::Prepared { txn, shard: self.number });
        let due = fx.now() + self.config.inquire_after;
        self.doubts.insert(txn, Doubt::new(due, part.participants, None));
        self.vote(txn, Vote::Yes(part.at), (part.participants, &acceptors), executed, fx);
    }

    pub(super) fn on_confirmed(&mut self, number: u64, follows: bool, fx: &mut Fx<'_>) {
        let Some((txn, message)) = self.confirms.remove(&number) else { return };
        if !follows || !self.log.serves() || self.active.remove(&txn).is_none() {
            return;
        }
        self.ended.insert(txn);
        self.release(txn, fx);
        fx.send(txn.home(), message);
    }
}
