//! Failure detectors without I/O: told what a node hears and when, they say whom it should hold for gone.
//!
//! In an asynchronous network nobody can tell a slow node from a dead one (Chandra and Toueg 1996): every detector
//! trades the time until a dead node is noticed against how often a live one is wronged. They differ in what they ask
//! for and how.
//!
//! | Detector | Listens to | Holds a node for gone | File |
//! |---|---|---|---|
//! | [`FixedTimeout`] | heartbeats | when none came for a fixed time | `timeout.rs` |
//! | [`PhiAccrual`] | heartbeats | when so long a silence has probability `10^-phi` by the gaps seen so far | `phi.rs` |
//! | [`Swim`] | answers to its own probes, and gossip | when neither it nor anybody it asks gets an answer, and nobody objects | `swim.rs` |
//!
//! The first two are passive and share the shape of [`Detector`]. SWIM sends messages and has members, so it has a
//! shape of its own.

mod phi;
mod swim;
mod timeout;

pub use phi::{Gaps, PhiAccrual, PhiConfig};
pub use swim::{Incarnation, Order, ProbeNumber, Standing, Swim, SwimConfig, SwimEffect, SwimMessage, Update};
pub use timeout::FixedTimeout;

use sim_core::{LocalInstant, NodeId};

/// A detector that is fed heartbeats: one of the passive kinds.
///
/// Times are those of the owner's own clock. A node that is not watched is never suspected.
#[derive(Clone, Debug)]
pub enum Detector {
    /// A fixed time without a heartbeat.
    Timeout(FixedTimeout),
    /// A silence that is improbable by the gaps seen so far.
    Phi(PhiAccrual),
}

impl Detector {
    /// Begins to watch `node`, as if it had been heard now. What was known of it is forgotten.
    pub fn watch(&mut self, node: NodeId, now: LocalInstant) {
        match self {
            Self::Timeout(timeout) => timeout.watch(node, now),
            Self::Phi(phi) => phi.watch(node, now),
        }
    }

    /// Stops watching `node`.
    pub fn forget(&mut self, node: NodeId) {
        match self {
            Self::Timeout(timeout) => timeout.forget(node),
            Self::Phi(phi) => phi.forget(node),
        }
    }

    /// A heartbeat of `from` arrived; begins to watch it if it was not watched.
    pub fn heard(&mut self, from: NodeId, now: LocalInstant) {
        match self {
            Self::Timeout(timeout) => timeout.heard(from, now),
            Self::Phi(phi) => phi.heard(from, now),
        }
    }

    /// From when on `node` is held for gone unless it is heard before; `None` if it is not watched.
    #[must_use]
    pub fn deadline(&self, node: NodeId) -> Option<LocalInstant> {
        match self {
            Self::Timeout(timeout) => timeout.deadline(node),
            Self::Phi(phi) => phi.deadline(node),
        }
    }

    /// Whether `node` is held for gone.
    #[must_use]
    pub fn suspects(&self, node: NodeId, now: LocalInstant) -> bool {
        self.deadline(node).is_some_and(|deadline| now >= deadline)
    }

    /// When it is worth asking again whom this detector suspects: the earliest deadline after `now`.
    #[must_use]
    pub fn next_check(&self, now: LocalInstant) -> Option<LocalInstant> {
        let later = |deadline: &LocalInstant| *deadline > now;
        match self {
            Self::Timeout(timeout) => timeout.deadlines().filter(later).min(),
            Self::Phi(phi) => phi.deadlines().filter(later).min(),
        }
    }
}
