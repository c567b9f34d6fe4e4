//! Linearizable reads without a slot: by a round of messages that shows that nobody else has been elected, or under a
//! lease that shows it beforehand (Paxos Made Live, section 5.2).
//!
//! Rounds ask no clock. Leases rest on one promise: no clock drifts more than the cluster says.

use super::bugs::PaxosBug;
use super::message::PaxosFact;
use super::node::{Fx, Paxos};
use crate::shared::number::Counts;
use crate::shared::replication::{ReadRound, pop_if};
use sim_core::{LocalInstant, StateMachine, Ticket};
use std::collections::VecDeque;

/// Reads that one round of heartbeats confirms.
#[derive(Clone, Debug)]
struct Round<C> {
    number: ReadRound,
    /// The commit index when the round began: what the reads must see at least.
    slot: u64,
    reads: Vec<(Ticket, C)>,
}

/// A leader's unanswered reads, and its lease.
#[derive(Clone, Debug)]
pub struct Reads<C> {
    /// Those that wait for the next round.
    gathered: Vec<(Ticket, C)>,
    /// Rounds on their way.
    rounds: VecDeque<Round<C>>,
    /// The newest round's number; every heartbeat carries it, and every answer returns it.
    newest: ReadRound,
    /// Rounds that ask for a lease, and when they began, on the leader's own clock.
    asked: VecDeque<(ReadRound, LocalInstant)>,
    /// Since when a quorum has been loyal, and of which configuration: that which governs from this slot on.
    lease: Option<(LocalInstant, u64)>,
    /// Whether it was said that it has run out, since it was renewed last.
    said: bool,
    /// An empty buffer for the next round.
    spare: Vec<(Ticket, C)>,
}

impl<C> Default for Reads<C> {
    fn default() -> Self {
        Self {
            gathered: Vec::new(),
            rounds: VecDeque::new(),
            newest: ReadRound(0),
            asked: VecDeque::new(),
            lease: None,
            said: false,
            spare: Vec::new(),
        }
    }
}

impl<C> Reads<C> {
    pub(super) const fn newest(&self) -> ReadRound {
        self.newest
    }

    /// Everyone who waits.
    pub(super) fn waiting(&self) -> impl Iterator<Item = Ticket> {
        self.rounds.iter().flat_map(|round| &round.reads).chain(&self.gathered).map(|(ticket, _)| *ticket)
    }

    /// The next heartbeats ask for a lease.
    pub(super) fn ask_for_lease(&mut self, now: LocalInstant) {
        self.newest.advance();
        self.asked.push_back((self.newest, now));
    }
}

impl<M: StateMachine> Paxos<M> {
    /// A client reads.
    pub(super) fn on_read(&mut self, ticket: Ticket, command: M::Command, fx: &mut Fx<'_, M>) {
        let now = fx.now();
        let knows = self.knows_chosen();
        let current = self.members.of(self.commit + 1).0;
        let Some(lead) = &mut self.lead else { return };
        // The acceptors of another configuration have granted nothing.
        let lease = lead.reads.lease.filter(|(_, of)| *of == current);
        if knows && lease.is_some_and(|(since, _)| now.since(since) < self.config.lease()) {
            return self.serve(ticket, &command, fx);
        }
        if self.config.leases && knows && lease.is_some() && !core::mem::replace(&mut lead.reads.said, true) {
            fx.note(PaxosFact::LeaseExpired { ballot: self.promised });
        }
        lead.reads.gathered.push((ticket, command));
        self.start_round(fx);
    }

    fn serve(&self, ticket: Ticket, command: &M::Command, fx: &mut Fx<'_, M>) {
        fx.note(PaxosFact::ReadServed { slot: self.applied, client: ticket.client, op: ticket.op });
        fx.reply(ticket, self.state.machine().read(command));
    }

    /// Begins a round for the gathered reads: if a quorum of phase 2 answers a message sent from now on, no quorum of
    /// phase 1 had promised to anybody else before now, so nobody else has chosen anything.
    pub(super) fn start_round(&mut self, fx: &mut Fx<'_, M>) {
        let knows = self.knows_chosen();
        let Some(lead) = &mut self.lead else { return };
        let reads = &mut lead.reads;
        // Until the slots are decided that were open when it was elected, a leader does not know what is chosen.
        if reads.gathered.is_empty() || !knows || reads.rounds.len() >= self.config.pipeline as usize {
            return;
        }
        reads.newest.advance();
        let gathered = core::mem::replace(&mut reads.gathered, core::mem::take(&mut reads.spare));
        reads.rounds.push_back(Round { number: reads.newest, slot: self.commit, reads: gathered });
        lead.peers[self.me.index()].round = reads.newest;
        self.send_heartbeats(fx);
        self.on_round(fx);
    }

    /// Another node has confirmed a round: serves the reads of every round that a quorum of those has confirmed who
    /// accept in the next slot. Nobody else has chosen anything there before the round began.
    pub(super) fn on_round(&mut self, fx: &mut Fx<'_, M>) {
        if !self.knows_chosen() {
            return;
        }
        let (since, acceptors) = self.members.of(self.commit + 1);
        let quorum = self.config.phase_two(acceptors);
        let late = self.config.has(PaxosBug::LeaseFromReceipt);
        let Some(lead) = &mut self.lead else { return };
        let confirmed = lead.confirmed(quorum, acceptors);
        while let Some((_, asked)) = pop_if(&mut lead.reads.asked, |(number, _)| *number <= confirmed) {
            lead.reads.lease = Some((if late { fx.now() } else { asked }, since));
            lead.reads.said = false;
        }
        let mut served = false;
        while let Some(lead) = &mut self.lead
            && let Some(mut round) = pop_if(&mut lead.reads.rounds, |round| round.number <= confirmed)
        {
            assert!(self.applied >= round.slot, "applied {}, read at {}", self.applied, round.slot);
            for (ticket, command) in &round.reads {
                self.serve(*ticket, command, fx);
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
