//! What balancers and servers tell each other, and what clients ask.

use crate::shared::number::numbers;
use serde::Serialize;
use sim_core::{ClientId, Duration, NodeSet};

numbers! {
    /// A balancer's own number for one try of a request.
    TryNumber;
    /// Its own number for the request: all tries of it carry that.
    RequestNumber;
    /// A balancer's own number for a round of health checks.
    CheckRound;
}

/// A piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Hash)]
pub struct Work {
    /// What it is about: requests with the same key go to the same server under hashing.
    pub key: u64,
    /// Whether it changes something, for the reports; it is the same work.
    pub write: bool,
}

/// The answer to a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Hash)]
#[serde(rename_all = "snake_case")]
pub enum Worked {
    /// It was done.
    Done,
}

sim_core::messages! {
    /// Between balancers and servers.
    #[derive(Copy, PartialEq, Eq)]
    pub enum BalancingMessage of 0 bytes {
        /// A balancer sends work; `id` is its own number for this try.
        Forward {
            /// The try.
            id: TryNumber,
            /// Whose request it is.
            client: ClientId,
            /// The request.
            request: RequestNumber,
            /// How long its client will still wait, if the balancer knows.
            within: Option<Duration>,
        } = "forward" bytes { 256 },
        /// The balancer has its answer from elsewhere.
        Cancel {
            /// The try.
            id: TryNumber,
            /// Whose request it is.
            client: ClientId,
        } = "cancel" bytes { 32 },
        /// A server has done it.
        Done {
            /// The try.
            id: TryNumber,
            /// Whose request it is.
            client: ClientId,
        } = "done" bytes { 1024 },
        /// A server could not do it.
        Failed {
            /// The try.
            id: TryNumber,
            /// Whose request it is.
            client: ClientId,
        } = "failed" bytes { 64 },
        /// A server does not take it: its queue is full, or it sheds load.
        Full {
            /// The try.
            id: TryNumber,
            /// Whose request it is.
            client: ClientId,
        } = "full" bytes { 32 },
        /// How many requests a server has, waiting and under way.
        Queue {
            /// So many.
            length: u32,
        } = "queue" bytes { 32 },
        /// A health check.
        Probe {
            /// Its number.
            round: CheckRound,
            /// Whether the application is asked, or only whether the machine accepts a connection.
            connect: bool,
        } = "probe" bytes { 64 },
        /// The answer to one.
        Health {
            /// The number of the check.
            round: CheckRound,
            /// Whether it went well.
            well: bool,
        } = "health" bytes { 64 },
        /// Among balancers: who the servers and balancers are.
        Members {
            /// How often that has changed.
            version: u64,
            /// All of them.
            members: NodeSet,
        } = "members" bytes { 64 },
    }

    impl {
        fn client(&self) -> Option<ClientId> {
            match self {
                Self::Forward { client, .. }
                | Self::Cancel { client, .. }
                | Self::Done { client, .. }
                | Self::Failed { client, .. }
                | Self::Full { client, .. } => Some(*client),
                Self::Queue { .. } | Self::Probe { .. } | Self::Health { .. } | Self::Members { .. } => None,
            }
        }
    }
}
