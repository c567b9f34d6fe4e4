//! Elections: campaigns, votes, and the leader's own doubt (Raft paper 5.2 and 5.4.1; dissertation 6.2 and 9.6).

use super::RaftBug;
use super::lead::Lead;
use super::log::{Entry, Slice};
use super::message::{RaftFact, RaftMessage};
use super::node::{Fx, HEARTBEAT, Raft, Stage};
use sim_core::{NodeId, NodeSet, StateMachine};

/// Who has answered a campaign, and how.
#[derive(Clone, Debug, Default)]
pub struct Votes {
    granted: NodeSet,
    refused: NodeSet,
    /// Votes that were counted more than once: never, in correct code.
    surplus: usize,
}

impl<M: StateMachine> Raft<M> {
    /// Asks for votes, or with `pre` whether it would get them, which disturbs nobody.
    pub(super) fn campaign(&mut self, pre: bool, fx: &mut Fx<'_, M>) {
        self.campaign_as(pre, false, fx);
    }

    /// The same; with `transfer` its leader has asked it to, so that voters need not be loyal.
    pub(super) fn campaign_as(&mut self, pre: bool, transfer: bool, fx: &mut Fx<'_, M>) {
        self.leader = None;
        if !self.may_campaign() {
            // Nobody would elect it, or nobody should: it waits to be told of a configuration with itself in it.
            self.stage = Stage::Follower;
            return self.await_leader(fx);
        }
        self.votes = Votes::default();
        if pre {
            self.stage = Stage::PreCandidate;
        } else {
            self.stage = Stage::Candidate;
            self.term += 1;
            self.vote = Some(self.me);
            self.write_hard(fx);
        }
        self.draw_timeout(fx);
        self.await_leader(fx);
        let term = self.term + u64::from(pre);
        fx.note(RaftFact::Campaign { term, pre });
        let (last_index, last_term) = (self.log.last(), self.log.last_term());
        for to in self.configuration().electorate().without(self.me).iter() {
            // Term and own vote are durable before anyone is asked: after a crash it must not ask, or vote, otherwise.
            let need = if pre { 0 } else { self.disk.promised() };
            self.send_after(need, to, RaftMessage::RequestVote { term, last_index, last_term, pre, transfer }, fx);
        }
        if pre {
            self.on_vote(self.me, term, true, true, fx);
        }
    }

    /// A candidate whose log ends with entry `last` of (term, index) asks for a vote.
    pub(super) fn on_request_vote(
        &mut self,
        from: NodeId,
        term: u64,
        last: (u64, u64),
        (pre, transfer): (bool, bool),
        fx: &mut Fx<'_, M>,
    ) {
        let free = match self.vote {
            Some(candidate) => candidate == from,
            None => self.leader.is_none(),
        };
        let may = free || (pre && term > self.term);
        if !transfer && self.is_bound(fx.now()) {
            // A term may have come to its ears before the question.
            return;
        }
        let granted = may && self.is_up_to_date(last);
        if !granted {
            return self.answer(from, RaftMessage::Vote { term: self.term, granted, pre }, fx);
        }
        if pre {
            return self.answer(from, RaftMessage::Vote { term, granted, pre }, fx);
        }
        let before = self.disk.promised();
        if self.vote != Some(from) {
            self.vote = Some(from);
            self.write_hard(fx);
            fx.note(RaftFact::Voted { term, candidate: from });
        }
        let need = if self.config.has(RaftBug::TermBeforeVote) { before } else { self.disk.promised() };
        self.send_after(need, from, RaftMessage::Vote { term, granted, pre }, fx);
        self.await_leader(fx);
    }

    /// Whether a log that ends with entry `last` of (term, index) holds everything that may be committed in this one
    /// (Raft paper 5.4.1).
    fn is_up_to_date(&self, last: (u64, u64)) -> bool {
        if self.config.has(RaftBug::NoUpToDateCheck) {
            return true;
        }
        if self.config.has(RaftBug::LengthOnlyCheck) {
            return last.1 >= self.log.last();
        }
        last >= (self.log.last_term(), self.log.last())
    }

    /// An answer to a campaign, its own included.
    pub(super) fn on_vote(&mut self, from: NodeId, term: u64, granted: bool, pre: bool, fx: &mut Fx<'_, M>) {
        let expected = match self.stage {
            // A refusal carries the voter's term, which is no newer than ours here.
            Stage::PreCandidate => pre && (!granted || term == self.term + 1),
            Stage::Candidate => !pre && term == self.term,
            _ => false,
        };
        if !expected {
            return;
        }
        if self.votes.granted.union(self.votes.refused).has(from) {
            if !self.config.has(RaftBug::DuplicateVotesCounted) {
                return;
            }
            self.votes.surplus += usize::from(granted);
        } else if granted {
            self.votes.granted.insert(from);
        } else {
            self.votes.refused.insert(from);
        }
        // Its own vote, like anybody's, counts only if it is a voter in the configuration it acts under (4.2.2).
        let configuration = self.configuration();
        if self.config.decides(configuration, self.votes.granted, self.votes.surplus) {
            if pre { self.campaign(false, fx) } else { self.become_leader(fx) }
        } else if self.config.decides(configuration, self.votes.refused, 0) {
            self.follow(self.term, None, fx);
        }
    }

    fn become_leader(&mut self, fx: &mut Fx<'_, M>) {
        let (term, last_index) = (self.term, self.log.last());
        self.stage = Stage::Leader;
        self.leader = Some(self.me);
        self.last_leader = self.leader;
        self.early.clear();
        self.incoming = None;
        self.waiters.clear();
        self.lead = Some(Box::new(Lead::new(self.config.nodes, term, last_index)));
        self.count_quorums(fx.now());
        fx.note(RaftFact::Elected { term, last_index });
        self.await_quorum(fx);
        self.await_heartbeat(fx);
        if self.config.leases {
            self.begin_round(fx);
        }
        self.adopt_reads(fx);
        // An entry of its own term: what came before can only be committed with it (Raft paper 5.4.2).
        let noop = Entry::noop(term);
        let bytes = noop.bytes::<M>();
        self.append_batch(Slice::new([noop].into(), bytes), fx);
        self.broadcast(fx);
    }

    /// A leader that has not heard from a quorum for an election timeout may have been replaced (dissertation 6.2).
    pub(super) fn check_quorum(&mut self, fx: &mut Fx<'_, M>) {
        let Some(lead) = &mut self.lead else { return };
        let active = lead.take_active().with(self.me);
        let unasked = !self.config.check_quorum || self.config.has(RaftBug::NoQuorumCheck);
        if unasked || self.config.decides(self.configuration(), active, 0) {
            self.await_quorum(fx);
        } else {
            self.follow(self.term, None, fx);
        }
    }

    /// Stops leading. What was appended may yet be committed by others, so nobody who waits for it is told anything;
    /// what was not appended never will be by this try, and reads have no effect.
    pub(super) fn step_down(&mut self, leader: Option<NodeId>, fx: &mut Fx<'_, M>) {
        let Some(lead) = self.lead.take() else { return };
        // Whoever was told to take over most likely does.
        let leader = leader.or(lead.transfer.map(|transfer| transfer.to));
        fx.disarm(HEARTBEAT);
        let last = self.log.last();
        for ticket in self.waiters.since(last + 1) {
            fx.redirect(ticket, leader);
        }
        if self.config.has(RaftBug::SuccessByIndex) {
            self.waiters.cut(last + 1);
        } else {
            self.waiters.clear();
        }
        for ticket in lead.reads.waiting() {
            fx.redirect(ticket, leader);
        }
        fx.note(RaftFact::SteppedDown { term: lead.term });
    }
}
