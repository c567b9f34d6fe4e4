//! Reads at followers (dissertation 6.4): a follower asks its leader how far it must have applied the log, waits until
//! it has, and answers by itself. That costs the leader two small messages for many reads.
//!
//! What the leader names was committed when it was asked, and it was leader then: so it goes through the same round, or
//! the same lease, as the leader's own reads.

use super::RaftBug;
use super::message::{Question, RaftMessage};
use super::node::{Fx, Raft};
use super::read::Reader;
use crate::shared::number::Counts;
use crate::shared::replication::pop_if;
use sim_core::{LocalInstant, NodeId, Rng, StateMachine, Ticket};
use std::collections::VecDeque;

/// A follower's unanswered reads.
#[derive(Clone, Debug)]
pub struct FollowerReads<C> {
    /// The newest question's number. They begin anywhere, so that no answer to an earlier life of this node is taken
    /// for one to this life.
    newest: Question,
    /// The newest one that was answered, or that no answer is awaited to any more.
    answered: Question,
    /// When the newest was asked.
    asked: LocalInstant,
    /// Reads whose place in the log is not known yet, and the first question that covers them.
    waiting: VecDeque<(Question, Ticket, C)>,
    /// Reads that wait until an entry is applied.
    due: VecDeque<(u64, Ticket, C)>,
}

impl<C> Default for FollowerReads<C> {
    fn default() -> Self {
        Self {
            newest: Question(0),
            answered: Question(0),
            asked: LocalInstant(0),
            waiting: VecDeque::new(),
            due: VecDeque::new(),
        }
    }
}

impl<C> FollowerReads<C> {
    /// No reads, and a first number.
    pub(super) fn new(rng: &mut Rng) -> Self {
        let first = Question(u64::from(rng.next_u32()) << 16);
        Self { newest: first, answered: first, ..Self::default() }
    }

    /// Nobody will answer what was asked: there is another leader, or none.
    pub(super) const fn forget_questions(&mut self) {
        self.answered = self.newest;
    }
}

impl<M: StateMachine> Raft<M> {
    /// A client reads at this follower.
    pub(super) fn on_read_here(&mut self, ticket: Ticket, command: M::Command, fx: &mut Fx<'_, M>) {
        let reads = &mut self.follower_reads;
        // A question that is on its way was asked before this read came.
        reads.waiting.push_back((reads.newest.next(), ticket, command));
        self.ask_soon(fx);
    }

    /// Asks about the reads that no question covers yet, unless too many are on their way.
    fn ask_soon(&mut self, fx: &mut Fx<'_, M>) {
        let reads = &self.follower_reads;
        let uncovered = reads.waiting.back().is_some_and(|(number, ..)| *number > reads.newest);
        if uncovered && reads.newest.0 - reads.answered.0 < u64::from(self.config.pipeline) {
            self.ask_leader(fx);
        }
    }

    fn ask_leader(&mut self, fx: &mut Fx<'_, M>) {
        let Some(leader) = self.leader.filter(|leader| *leader != self.me) else { return };
        let reads = &mut self.follower_reads;
        let number = reads.newest.advance();
        reads.asked = fx.now();
        fx.send(leader, RaftMessage::ReadIndex { term: self.term, number });
    }

    /// The leader was heard from: asks it, if it was not asked yet or the answer is overdue.
    #[inline]
    pub(super) fn chase_reads(&mut self, fx: &mut Fx<'_, M>) {
        let (now, patience) = (fx.now(), self.config.heartbeat);
        let reads = &mut self.follower_reads;
        if reads.waiting.is_empty() {
            return;
        }
        if reads.answered == reads.newest || now.since(reads.asked) >= patience {
            reads.forget_questions();
            self.ask_leader(fx);
        }
    }

    /// A follower asks how far it must have applied the log.
    pub(super) fn on_read_index(&mut self, from: NodeId, number: Question, fx: &mut Fx<'_, M>) {
        if self.lead.is_some() {
            self.admit(Reader::Follower(from, number), fx);
        }
    }

    /// The leader's answer to all questions up to `number`.
    pub(super) fn on_read_index_reply(&mut self, number: Question, index: u64, fx: &mut Fx<'_, M>) {
        let reads = &mut self.follower_reads;
        if number > reads.newest {
            return;
        }
        while let Some((_, ticket, command)) = pop_if(&mut reads.waiting, |(asked, ..)| *asked <= number) {
            reads.due.push_back((index, ticket, command));
        }
        reads.answered = reads.answered.max(number);
        self.ask_soon(fx);
        self.serve_due(fx);
    }

    /// Answers the reads that this node has applied enough for.
    #[inline]
    pub(super) fn serve_due(&mut self, fx: &mut Fx<'_, M>) {
        let at_once = self.config.has(RaftBug::ReadBeforeReplay);
        while let Some((_, ticket, command)) =
            pop_if(&mut self.follower_reads.due, |(index, ..)| *index <= self.applied || at_once)
        {
            self.serve(ticket, &command, fx);
        }
    }

    /// It leads now: the reads it was asked for become its own.
    pub(super) fn adopt_reads(&mut self, fx: &mut Fx<'_, M>) {
        let reads = core::mem::take(&mut self.follower_reads);
        (self.follower_reads.newest, self.follower_reads.answered) = (reads.newest, reads.newest);
        let due = reads.due.into_iter().map(|(_, ticket, command)| (ticket, command));
        for (ticket, command) in due.chain(reads.waiting.into_iter().map(|(_, ticket, command)| (ticket, command))) {
            self.admit(Reader::Client(ticket, command), fx);
        }
    }
}
