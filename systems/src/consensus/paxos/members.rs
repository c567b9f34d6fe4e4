//! Who are the acceptors of which slots (Lamport, Malkhi, Zhou: "Reconfiguring a state machine", 2010).
//!
//! A configuration that is chosen in slot `s` governs the slots from `s + alpha` on. Whoever proposes in slot `i` knows
//! everything that was chosen up to `i - alpha`, so it knows who has to accept: the configuration is state like any
//! other.

use super::log::Payload;
use super::message::PaxosFact;
use super::node::{Fx, Paxos};
use super::options::Config;
use sim_core::{NodeSet, StateMachine};

/// The configurations that are known, each with the first slot it governs, in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Members(Vec<(u64, NodeSet)>);

impl Members {
    /// What governs the first slot.
    pub(super) fn initial(config: &Config) -> Self {
        Self(vec![(1, config.replicas())])
    }

    /// The configuration of `slot`, and since when. Those of slots that were applied long ago are forgotten.
    #[inline]
    #[must_use]
    pub fn of(&self, slot: u64) -> (u64, NodeSet) {
        let governs = |known: &&(u64, NodeSet)| known.0 <= slot;
        *self.0.iter().rev().find(governs).unwrap_or(&self.0[0])
    }

    /// The last slot that has the same configuration as `slot`, as far as that is known.
    pub(super) fn until(&self, slot: u64) -> u64 {
        self.0.iter().find(|(from, _)| *from > slot).map_or(u64::MAX, |(from, _)| from - 1)
    }

    /// The newest configuration, and from which slot on it governs: perhaps none that is open yet.
    #[must_use]
    pub fn newest(&self) -> (u64, NodeSet) {
        *self.0.last().expect("there is always one")
    }

    /// The configurations that govern slots behind `slot`.
    pub(super) fn behind(&self, slot: u64) -> impl Iterator<Item = (u64, NodeSet)> {
        let since = self.of(slot + 1).0;
        self.0.iter().copied().filter(move |(from, _)| *from >= since)
    }

    /// Everybody who is an acceptor of any slot behind `slot`.
    #[inline]
    pub(super) fn everybody(&self, slot: u64) -> NodeSet {
        match self.0.as_slice() {
            [(_, only)] => *only,
            _ => self.behind(slot).fold(NodeSet::EMPTY, |all, (_, set)| all.union(set)),
        }
    }

    /// Those that still matter once everything up to `slot` is applied.
    pub(super) fn since(&self, slot: u64) -> Self {
        Self(self.behind(slot).collect())
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, NodeSet)> {
        self.0.iter().copied()
    }
}

impl<M: StateMachine> Paxos<M> {
    /// Who the acceptors of which slots are, as far as it knows.
    #[must_use]
    pub const fn configurations(&self) -> &Members {
        &self.members
    }

    /// Whether it is an acceptor of any slot that is still open.
    #[inline]
    pub(super) fn is_voter(&self) -> bool {
        self.members.everybody(self.commit).has(self.me)
    }

    /// A new configuration was chosen in `slot`, up to which everything is applied.
    pub(super) fn adopt_members(&mut self, slot: u64, set: NodeSet, fx: &mut Fx<'_, M>) {
        if self.members.newest().1 == set {
            return;
        }
        let from = slot + self.config.alpha();
        self.members = self.members.since(slot);
        self.members.0.push((from, set));
        fx.note(PaxosFact::Configured { from, members: set });
    }

    /// Tells of the configurations that came with a snapshot.
    pub(super) fn announce_members(&self, fx: &mut Fx<'_, M>) {
        for (from, members) in self.members.iter() {
            fx.note(PaxosFact::Configured { from, members });
        }
    }
}

/// The configurations that were proposed in these values.
pub(super) fn proposed_in<C>(entries: &[super::log::Entry<C>]) -> impl Iterator<Item = NodeSet> {
    entries.iter().filter_map(|entry| if let Payload::Members(set) = entry.payload() { Some(*set) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_one_configuration() {
        let (three, four) = (NodeSet::first(3), NodeSet::first(4));
        let members = Members(vec![(1, three), (50, four), (60, three)]);
        assert_eq!([1, 49, 50, 59, 60, 99].map(|slot| members.of(slot).1.len()), [3, 3, 4, 4, 3, 3]);
        assert_eq!([1, 49, 50, 60].map(|slot| members.until(slot)), [49, 49, 59, u64::MAX]);
        assert_eq!((members.everybody(58), members.everybody(59)), (four, three));
        assert_eq!(members.since(48), members);
        assert_eq!(members.since(49), Members(vec![(50, four), (60, three)]));
    }
}
