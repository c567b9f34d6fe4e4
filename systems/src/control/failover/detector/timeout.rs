//! The plainest detector: a node is held for gone when nothing was heard of it for a fixed time.

use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant, NodeId};

/// A fixed heartbeat timeout `D`. With heartbeats every `T` that take between `a` and `b`, a node that dies is
/// suspected between `D - T + a` and `D + b` after its death; no live one ever is while no heartbeat is lost and `D > T
/// + b - a`.
#[derive(Clone, Debug)]
pub struct FixedTimeout {
    timeout: Duration,
    heard: SortedMap<NodeId, LocalInstant>,
}

impl FixedTimeout {
    /// A detector with this timeout, which watches nobody yet.
    #[must_use]
    pub const fn new(timeout: Duration) -> Self {
        Self { timeout, heard: SortedMap::new() }
    }

    /// Begins to watch `node`, as if it had been heard now.
    pub fn watch(&mut self, node: NodeId, now: LocalInstant) {
        self.heard.insert(node, now);
    }

    /// Stops watching `node`.
    pub fn forget(&mut self, node: NodeId) {
        self.heard.remove(&node);
    }

    /// A heartbeat of `from` arrived.
    pub fn heard(&mut self, from: NodeId, now: LocalInstant) {
        self.heard.insert(from, now);
    }

    /// From when on `node` is held for gone.
    #[must_use]
    pub fn deadline(&self, node: NodeId) -> Option<LocalInstant> {
        self.heard.get(&node).map(|heard| *heard + self.timeout)
    }

    /// The deadlines of all that are watched.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = LocalInstant> {
        self.heard.values().map(|heard| *heard + self.timeout)
    }
}
