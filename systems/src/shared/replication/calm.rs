//! Since when nothing has gone wrong, as far as an observer can tell: no fault is on, nobody is down, nothing is lost
//! between nodes.

use sim_core::fault::Fault;
use sim_core::{Duration, Instant, Node, NodeId, NodeSet, Observed, Peer};

/// The memory of it.
#[derive(Clone, Debug, Default)]
pub struct Calm {
    faults: u32,
    down: NodeSet,
    paused: NodeSet,
    /// When something went wrong last, or came to its end.
    last: Instant,
}

impl Calm {
    /// Something happens.
    pub fn watch<N: Node>(&mut self, at: Instant, what: &Observed<'_, N>) {
        let mut set = |set: fn(&mut Self) -> &mut NodeSet, node: NodeId, on: bool| {
            let nodes = set(self);
            *nodes = if on { nodes.with(node) } else { nodes.without(node) };
            self.last = at;
        };
        match what {
            Observed::Crashed { node, .. } => set(|this| &mut this.down, *node, true),
            Observed::Booted { node, .. } => set(|this| &mut this.down, *node, false),
            Observed::Paused { node, paused } => set(|this| &mut this.paused, *node, *paused),
            // What an operator orders goes on in good order.
            Observed::FaultStarted { injection, .. } | Observed::FaultEnded { injection, .. }
                if matches!(injection.fault, Fault::Membership(_)) => {}
            Observed::FaultStarted { .. } => (self.faults, self.last) = (self.faults + 1, at),
            Observed::FaultEnded { .. } => (self.faults, self.last) = (self.faults.saturating_sub(1), at),
            Observed::Dropped { from: Peer::Node(_), to: Peer::Node(_), .. } => self.last = at,
            _ => {}
        }
    }

    /// Since when, if it is so now.
    pub fn since(&self) -> Option<Instant> {
        (self.faults == 0 && self.down.is_empty() && self.paused.is_empty()).then_some(self.last)
    }

    /// Whether it is so now and has been for `time`.
    pub fn has_lasted(&self, now: Instant, time: Duration) -> bool {
        self.since().is_some_and(|since| now.since(since) > time)
    }

    /// Whether it has been so since before `then`: what is lost as it is sent is lost at that time.
    pub fn was_since(&self, then: Instant) -> bool {
        self.since().is_some_and(|since| since < then)
    }
}
