//! Counting acceptors: who has said yes, each once.

use super::bugs::PaxosBug;
use super::config::Config;
use sim_core::NodeId;

/// The acceptors that have said yes to one thing. At most 128 of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    who: u128,
    count: u32,
}

impl Tally {
    /// `node` has said yes, perhaps not for the first time.
    #[inline]
    pub(super) fn add(&mut self, node: NodeId, config: &Config) {
        if !self.has(node) || config.has(PaxosBug::CountMessages) {
            self.who |= 1 << node.0;
            self.count += 1;
        }
    }

    /// What `node` has said does not count any more.
    pub(super) fn remove(&mut self, node: NodeId) {
        if self.has(node) {
            self.who &= !(1 << node.0);
            self.count -= 1;
        }
    }

    /// Whether `node` has said yes.
    #[inline]
    pub(super) const fn has(&self, node: NodeId) -> bool {
        self.who >> node.0 & 1 == 1
    }

    /// How many have.
    #[inline]
    pub(super) const fn count(&self) -> u32 {
        self.count
    }
}
