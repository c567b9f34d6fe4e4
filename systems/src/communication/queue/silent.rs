//! Which brokers an application has no connection to: they did not answer in time. Nothing is sent to one of them
//! before it has answered a question as short as a handshake.

use super::message::QueueMessage;
use super::node::Fx;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant, NodeId};

/// Those brokers, and when each is tried next.
#[derive(Clone, Debug, Default)]
pub(super) struct Silent(SortedMap<NodeId, LocalInstant>);

impl Silent {
    /// One did not answer in time: the connection is given up.
    pub fn add(&mut self, broker: NodeId, now: LocalInstant) {
        self.0.entry(broker).or_insert(now);
    }

    /// It is heard from.
    pub fn heard(&mut self, broker: NodeId) {
        self.0.remove(&broker);
    }

    /// Whether one is silent. It is tried again, if it is time to.
    pub fn has(&mut self, broker: NodeId, version: u64, every: Duration, fx: &mut Fx<'_>) -> bool {
        let now = fx.now();
        let Some(due) = self.0.get_mut(&broker) else { return false };
        if *due <= now {
            *due = now + every;
            fx.send(broker, QueueMessage::AskImage { version });
        }
        true
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.0.keys().copied()
    }

    /// Whether anybody is.
    pub fn any(&self) -> bool {
        !self.0.is_empty()
    }
}
