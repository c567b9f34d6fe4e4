//! The follower: takes entries over from the leader (Raft paper 5.3).

use super::RaftBug;
use super::log::Entry;
use super::message::{Append, RaftMessage};
use super::node::{Fx, Raft};
use crate::shared::replication::ReadRound;
use sim_core::{NodeId, StateMachine};

/// How many appends may overtake an earlier one before that one is taken for lost, or the pipeline's depth if more.
const PATIENCE: u32 = 3;

impl<M: StateMachine> Raft<M> {
    /// New entries from the leader.
    pub(super) fn on_append(&mut self, from: NodeId, append: Append<M::Command>, fx: &mut Fx<'_, M>) {
        if self.lead.is_some() {
            // Two leaders in one term: the election check reports it.
            return;
        }
        self.hear(from, fx);
        self.chase_reads(fx);
        let round = append.round;
        if append.prev_index > self.log.last() {
            return self.on_gap(from, append, fx);
        }
        let Some(mut matched) = self.take_over(from, &append, fx) else { return };
        // What overtook it may fit now.
        while let Some(at) = self.early.iter().position(|early| early.prev_index <= self.log.last()) {
            let early = self.early.swap_remove(at);
            let Some(further) = self.take_over(from, &early, fx) else { return };
            matched = matched.max(further);
        }
        // The answer says "durable", so it waits until that is true.
        let need = if self.config.has(RaftBug::AckBeforeSync) { 0 } else { self.disk.written() };
        self.send_after(need, from, RaftMessage::Appended { term: self.term, match_index: matched, round }, fx);
    }

    /// The entry before the new ones is not there yet. On a network without order it may be on its way; if too many
    /// overtake it, it is lost.
    fn on_gap(&mut self, from: NodeId, append: Append<M::Command>, fx: &mut Fx<'_, M>) {
        if self.agreed && !append.entries.is_empty() && self.early.len() < self.config.pipeline.max(PATIENCE) as usize {
            self.early.push(append);
            return;
        }
        self.agreed = false;
        self.early.clear();
        self.reject(from, &append, fx);
    }

    fn reject(&mut self, from: NodeId, append: &Append<M::Command>, fx: &mut Fx<'_, M>) {
        let prev_index = append.prev_index;
        let (conflict_term, conflict_index) = match self.log.term(prev_index) {
            Some(term) if prev_index <= self.log.last() => (term, self.log.first_of_term(prev_index)),
            _ => (0, self.log.last() + 1),
        };
        let (term, round) = (self.term, append.round);
        self.answer(from, RaftMessage::Rejected { term, prev_index, conflict_term, conflict_index, round }, fx);
    }

    /// Takes the entries over if the logs agree before them. Returns up to where the two logs are known to agree then.
    fn take_over(&mut self, from: NodeId, append: &Append<M::Command>, fx: &mut Fx<'_, M>) -> Option<u64> {
        let mut prev_index = append.prev_index;
        let matched = prev_index + append.entries.len() as u64;
        if self.config.has(RaftBug::UnconditionalTruncation) && prev_index < self.log.last() {
            self.truncate(prev_index + 1, fx);
        }
        let mut skip = 0;
        if prev_index < self.commit.min(self.log.last()) {
            // Committed entries are the same everywhere, whatever the message says about them.
            let commit = self.commit.min(self.log.last());
            skip = append.entries.len().min((commit - prev_index) as usize);
            prev_index = commit;
        } else if self.log.term(prev_index) != Some(append.prev_term) && !self.config.has(RaftBug::NoPrevTermCheck) {
            self.agreed = false;
            self.reject(from, append, fx);
            return None;
        }
        self.agreed = true;
        let entries = append.entries.entries();
        // The first entry that is not there, or another one.
        let mut index = prev_index + 1;
        while skip < entries.len() && index <= self.log.last() {
            if self.log.term(index) != Some(entries[skip].term) {
                if !self.config.has(RaftBug::NoTruncation) {
                    self.truncate(index, fx);
                }
                break;
            }
            skip += 1;
            index += 1;
        }
        if skip < entries.len() {
            self.append(append.entries.part(skip, entries.len(), Entry::bytes::<M>), fx);
        }
        self.commit_to(append.commit.min(matched), fx);
        Some(matched)
    }

    /// The leader is alive.
    pub(super) fn on_heartbeat(&mut self, from: NodeId, commit: u64, round: ReadRound, fx: &mut Fx<'_, M>) {
        if self.lead.is_some() {
            // Two leaders in one term: the election check reports it.
            return;
        }
        self.hear(from, fx);
        self.chase_reads(fx);
        self.commit_to(commit, fx);
        self.answer(from, RaftMessage::Alive { term: self.term, round }, fx);
    }

    /// The leader says that entries up to `index` are committed.
    fn commit_to(&mut self, index: u64, fx: &mut Fx<'_, M>) {
        if index > self.commit {
            self.commit = index;
            self.apply(fx);
        }
    }
}
