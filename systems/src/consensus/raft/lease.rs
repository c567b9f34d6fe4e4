//! Leases: a quorum that answered a heartbeat elects nobody else for a while, so its leader may read without asking
//! again (dissertation 6.4.1).
//!
//! Rests on one promise: no clock drifts more than the cluster says. And on three rules beside it: a voter is loyal
//! whatever it forgot in a restart, a lease begins when the heartbeats are *sent*, and a leader that has told another
//! node to take over at once has no lease any more in its term, however that ends.

use super::RaftBug;
use super::node::{Fx, Raft, Stage};
use super::options::Config;
use crate::shared::replication::{ReadRound, pop_if};
use sim_core::{LocalInstant, StateMachine};
use std::collections::VecDeque;

/// A leader's lease.
#[derive(Clone, Debug, Default)]
pub struct Lease {
    /// Rounds whose confirmation renews it, and when they began, on the leader's own clock.
    asked: VecDeque<(ReadRound, LocalInstant)>,
    /// Since when a quorum has been loyal.
    since: Option<LocalInstant>,
    /// Whether it is gone for this term.
    void: bool,
    /// Whether it was said that it has run out, since it held last.
    said: bool,
}

impl Lease {
    /// Round `number` begins.
    pub(super) fn ask(&mut self, number: ReadRound, now: LocalInstant) {
        self.asked.push_back((number, now));
    }

    /// A quorum has confirmed all rounds up to `number`.
    pub(super) fn confirm(&mut self, number: ReadRound) {
        while let Some((_, asked)) = pop_if(&mut self.asked, |(asked, _)| *asked <= number) {
            (self.since, self.said) = (Some(asked), false);
        }
    }

    /// The quorums are others now: it has to be confirmed anew.
    pub(super) const fn forget(&mut self) {
        self.since = None;
    }

    /// Ends it for this term: somebody may disregard it, now or whenever a late message arrives.
    pub(super) const fn revoke(&mut self) {
        self.void = true;
    }

    /// A read finds that it does not hold. Whether it did before and nobody was told of its end.
    pub(super) fn expires(&mut self) -> bool {
        self.since.is_some() && !self.void && !core::mem::replace(&mut self.said, true)
    }

    /// Whether nobody else can have been elected yet.
    pub(super) fn holds(&self, now: LocalInstant, config: &Config) -> bool {
        let in_time = |since| now.since(since) < config.lease() || config.has(RaftBug::LeaseByTicks);
        !self.void && self.since.is_some_and(in_time)
    }
}

impl<M: StateMachine> Raft<M> {
    /// Whether this leader may read from its own state without asking anybody.
    pub(super) fn holds_lease(&self, fx: &Fx<'_, M>) -> bool {
        let config = &self.config;
        config.leases
            && self
                .lead
                .as_ref()
                .is_some_and(|lead| self.commit >= lead.first && lead.reads.lease.holds(fx.now(), config))
    }

    /// Whether it may not help to replace a leader: it has heard from one, of whatever term, within the shortest
    /// election timeout, or may have and has forgotten it in a restart.
    pub(super) fn is_bound(&self, now: LocalInstant) -> bool {
        self.config.leases && (self.stage == Stage::Leader || now.since(self.heard) < self.config.election_min)
    }
}
