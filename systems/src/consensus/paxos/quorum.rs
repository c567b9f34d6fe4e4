//! Counting acceptors: who has said yes, each once.

use super::bugs::PaxosBug;
use super::options::Config;
use sim_core::{NodeId, NodeSet};

/// The acceptors that have said yes to one thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    who: NodeSet,
    /// How often somebody was counted again, which correct code never does.
    again: u32,
}

impl Tally {
    /// `node` has said yes, perhaps not for the first time.
    #[inline]
    pub(super) fn add(&mut self, node: NodeId, config: &Config) {
        if !self.who.insert(node) && config.has(PaxosBug::CountMessages) {
            self.again += 1;
        }
    }

    /// What `node` has said does not count any more.
    pub(super) fn remove(&mut self, node: NodeId) {
        self.who = self.who.without(node);
    }

    /// Whether `node` has said yes.
    #[inline]
    pub(super) const fn has(&self, node: NodeId) -> bool {
        self.who.has(node)
    }

    /// Who has.
    pub(super) const fn who(&self) -> NodeSet {
        self.who
    }

    /// Whether at least `quorum` of these acceptors have.
    #[inline]
    pub(super) const fn reaches(&self, quorum: u32, of: NodeSet) -> bool {
        self.who.common(of).len() as u32 + self.again >= quorum
    }
}
