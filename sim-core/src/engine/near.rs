//! Reads that go to the nearest node: whom a client takes them to, and how long it stays away from one that was silent.

use crate::{Duration, Instant, NodeId};

/// Who was silent is left alone for so many times the patience with one try, and twice as long each time again.
const FIRST_ABSENCE: u64 = 4;
/// But no longer than this many times.
const LONGEST_ABSENCE: u64 = 64;

/// Whom one client takes its reads to.
#[derive(Clone, Debug)]
pub(super) struct Near {
    /// All nodes that clients ask, the nearest first.
    order: Vec<NodeId>,
    /// Those that were silent when last asked: until when each is left alone, and for how long that is.
    silent: Vec<(NodeId, Instant, Duration)>,
}

impl Near {
    /// `order` has at least one node.
    pub fn new(order: Vec<NodeId>) -> Self {
        assert!(!order.is_empty(), "a cluster has nodes");
        Self { order, silent: Vec::new() }
    }

    /// The nearest that is not left alone, and was not tried last unless there is no other.
    pub fn choose(&self, now: Instant, last: Option<NodeId>) -> NodeId {
        let others = || self.order.iter().filter(|node| Some(**node) != last);
        let left_alone = |node: NodeId| self.silent.iter().any(|(other, until, _)| *other == node && now < *until);
        *others().find(|node| !left_alone(**node)).or_else(|| others().next()).unwrap_or(&self.order[0])
    }

    /// A try at `node` was not answered within the client's `patience`.
    pub fn was_silent(&mut self, node: NodeId, now: Instant, patience: Duration) {
        match self.silent.iter_mut().find(|(other, ..)| *other == node) {
            // Several tries that were under way together are one silence.
            Some((_, until, _)) if now < *until => {}
            Some((_, until, absence)) => {
                *absence = absence.times(2).min(patience.times(LONGEST_ABSENCE));
                *until = now + *absence;
            }
            None => {
                let absence = patience.times(FIRST_ABSENCE);
                self.silent.push((node, now + absence, absence));
            }
        }
    }

    /// `node` has answered.
    pub fn answered(&mut self, node: NodeId) {
        self.silent.retain(|(other, ..)| *other != node);
    }
}
