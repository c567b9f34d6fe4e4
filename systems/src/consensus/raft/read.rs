//! Linearizable reads without the log: ReadIndex (dissertation 6.4), which asks no clock, so that drifting ones do no
//! harm; or under a lease, which `lease.rs` watches.

use super::RaftBug;
use super::lease::Lease;
use super::message::{Question, RaftFact, RaftMessage};
use super::node::{Fx, Raft};
use crate::shared::number::Counts;
use crate::shared::replication::{ReadRound, pop_if};
use sim_core::{LocalInstant, NodeId, StateMachine, Ticket};
use std::collections::VecDeque;

/// Who reads.
#[derive(Clone, Debug)]
pub enum Reader<C> {
    /// A client, from this node's state.
    Client(Ticket, C),
    /// A follower, from its own: it only wants to know how far that must have got. The number is the follower's.
    Follower(NodeId, Question),
}

/// Reads that one round of heartbeats confirms.
#[derive(Clone, Debug)]
struct Round<C> {
    number: ReadRound,
    /// The commit index when the round began: what the reads must see at least.
    index: u64,
    reads: Vec<Reader<C>>,
}

/// A leader's unanswered reads.
#[derive(Clone, Debug)]
pub struct Reads<C> {
    /// Those that wait for the next round.
    gathered: Vec<Reader<C>>,
    /// Rounds on their way.
    rounds: VecDeque<Round<C>>,
    /// The newest round's number; every message to followers carries it, and every answer returns it.
    newest: ReadRound,
    pub(super) lease: Lease,
    /// An empty buffer for the next round.
    spare: Vec<Reader<C>>,
}

impl<C> Default for Reads<C> {
    fn default() -> Self {
        Self {
            gathered: Vec::new(),
            rounds: VecDeque::new(),
            newest: ReadRound(0),
            lease: Lease::default(),
            spare: Vec::new(),
        }
    }
}

impl<C> Reads<C> {
    pub(super) const fn newest(&self) -> ReadRound {
        self.newest
    }

    /// Numbers a new round, which renews the lease if `leases`. Messages carry it from now on.
    pub(super) fn begin(&mut self, leases: bool, now: LocalInstant) -> ReadRound {
        self.newest.advance();
        if leases {
            self.lease.ask(self.newest, now);
        }
        self.newest
    }

    /// Every client that waits.
    pub(super) fn waiting(&self) -> impl Iterator<Item = Ticket> {
        self.rounds.iter().flat_map(|round| &round.reads).chain(&self.gathered).filter_map(|reader| match reader {
            Reader::Client(ticket, _) => Some(*ticket),
            Reader::Follower(..) => None,
        })
    }
}

impl<M: StateMachine> Raft<M> {
    /// A client reads.
    pub(super) fn on_read(&mut self, ticket: Ticket, command: M::Command, fx: &mut Fx<'_, M>) {
        if self.config.has(RaftBug::LocalReads) {
            return self.serve(ticket, &command, fx);
        }
        self.admit(Reader::Client(ticket, command), fx);
    }

    /// Somebody reads what this leader has committed.
    pub(super) fn admit(&mut self, reader: Reader<M::Command>, fx: &mut Fx<'_, M>) {
        if self.holds_lease(fx) {
            return self.satisfy(&reader, self.commit, fx);
        }
        let Some(lead) = &mut self.lead else { return };
        if self.config.leases && self.commit >= lead.first && lead.reads.lease.expires() {
            fx.note(RaftFact::LeaseExpired { term: self.term });
        }
        lead.reads.gathered.push(reader);
        self.start_round(fx);
    }

    /// It was leader when `reader` asked, and entries up to `index` were committed.
    fn satisfy(&self, reader: &Reader<M::Command>, index: u64, fx: &mut Fx<'_, M>) {
        match reader {
            Reader::Client(ticket, command) => self.serve(*ticket, command, fx),
            Reader::Follower(to, number) => {
                let (term, number) = (self.term, *number);
                fx.send(*to, RaftMessage::ReadIndexReply { term, number, index });
            }
        }
    }

    pub(super) fn serve(&self, ticket: Ticket, command: &M::Command, fx: &mut Fx<'_, M>) {
        fx.note(RaftFact::ReadServed { index: self.applied, client: ticket.client, op: ticket.op });
        fx.reply(ticket, self.state.machine().read(command));
    }

    /// Numbers a new round, which this node confirms at once.
    pub(super) fn begin_round(&mut self, fx: &Fx<'_, M>) {
        let Some(lead) = &mut self.lead else { return };
        let number = lead.reads.begin(self.config.leases, fx.now());
        lead.peers[self.me.index()].round = number;
    }

    /// Begins a round for the gathered reads: if a quorum answers a message sent from now on, no other leader can have
    /// committed anything before now.
    pub(super) fn start_round(&mut self, fx: &mut Fx<'_, M>) {
        let Some(lead) = &mut self.lead else { return };
        // Until it has committed an entry of its own term, a leader does not know what is committed (6.4, step 1).
        let knows_commit = self.commit >= lead.first || self.config.has(RaftBug::ReadBeforeOwnCommit);
        let reads = &mut lead.reads;
        if reads.gathered.is_empty() || !knows_commit || reads.rounds.len() >= self.config.pipeline as usize {
            return;
        }
        let gathered = core::mem::replace(&mut reads.gathered, core::mem::take(&mut reads.spare));
        self.begin_round(fx);
        if let Some(lead) = &mut self.lead {
            let number = lead.reads.newest;
            lead.reads.rounds.push_back(Round { number, index: self.commit, reads: gathered });
        }
        for to in self.listeners() {
            self.send_heartbeat(to, fx);
        }
        self.on_round(fx);
    }

    /// Another node has confirmed a round: serves the reads of every round that a quorum has confirmed.
    pub(super) fn on_round(&mut self, fx: &mut Fx<'_, M>) {
        let Some(lead) = &mut self.lead else { return };
        if lead.reads.rounds.is_empty() && !self.config.leases {
            return;
        }
        let confirmed = ReadRound(lead.reached(|peer| peer.round.0));
        lead.reads.lease.confirm(confirmed);
        let mut served = false;
        while let Some(lead) = &mut self.lead
            && let Some(mut round) = pop_if(&mut lead.reads.rounds, |round| round.number <= confirmed)
        {
            let (applied, index) = (self.applied, round.index);
            assert!(
                applied >= index || self.config.bug != RaftBug::None,
                "a leader applies what it commits: applied {applied}, read index {index}"
            );
            for reader in &round.reads {
                self.satisfy(reader, index, fx);
            }
            round.reads.clear();
            if let Some(lead) = &mut self.lead {
                lead.reads.spare = round.reads;
            }
            served = true;
        }
        if served {
            self.start_round(fx);
        }
    }
}
