//! What balancers and servers tell each other, what clients ask, and what is announced.

use serde::Serialize;
use sim_core::hash;
use sim_core::{Fact, Kind, Message};

/// A piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Work {
    /// What it is about: requests with the same key go to the same server under hashing.
    pub key: u64,
}

/// The answer to a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Worked {
    /// It was done.
    Done,
}

/// Between balancers and servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BalancingMessage {
    /// A balancer sends work; `id` is its own number for this try.
    Forward {
        /// The try.
        id: u64,
    },
    /// A server has done it.
    Done {
        /// The try.
        id: u64,
    },
    /// A server's queue is full.
    Full {
        /// The try.
        id: u64,
    },
    /// How many requests a server has, waiting and under way.
    Queue {
        /// So many.
        length: u32,
    },
}

/// The names of the kinds of messages.
pub(super) const MESSAGE_KINDS: &[&str] = &["forward", "done", "full", "queue"];

impl Message for BalancingMessage {
    fn kind(&self) -> Kind {
        let at = match self {
            Self::Forward { .. } => 0,
            Self::Done { .. } => 1,
            Self::Full { .. } => 2,
            Self::Queue { .. } => 3,
        };
        Kind::new(at, MESSAGE_KINDS[usize::from(at)])
    }

    fn bytes(&self) -> u32 {
        match self {
            Self::Forward { .. } => 256,
            Self::Done { .. } => 1024,
            Self::Full { .. } | Self::Queue { .. } => 32,
        }
    }

    fn fingerprint(&self) -> u64 {
        match self {
            Self::Forward { id } => hash::of(&[0, *id]),
            Self::Done { id } => hash::of(&[1, *id]),
            Self::Full { id } => hash::of(&[2, *id]),
            Self::Queue { length } => hash::of(&[3, u64::from(*length)]),
        }
    }
}

/// What balancers and servers announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BalancingFact {
    /// A worker is done with a request.
    Worked,
    /// A server refused work: its queue was full.
    Refused,
    /// A balancer gave up waiting for a server.
    GaveUp,
    /// A balancer tries somebody else.
    Retried,
    /// A balancer would, but its budget is spent.
    OutOfBudget,
    /// A request could not be served.
    Dropped,
}

/// The names of the kinds of facts.
pub(super) const FACT_KINDS: &[&str] = &["worked", "refused", "gave_up", "retried", "out_of_budget", "dropped"];

impl Fact for BalancingFact {
    fn kind(&self) -> Kind {
        let at = match self {
            Self::Worked => 0,
            Self::Refused => 1,
            Self::GaveUp => 2,
            Self::Retried => 3,
            Self::OutOfBudget => 4,
            Self::Dropped => 5,
        };
        Kind::new(at, FACT_KINDS[usize::from(at)])
    }
}
