//! What balancers and servers announce, and why requests are not served.

use super::gray::Gray;
use sim_core::{Fact, Kind};

/// Why a request, or one try of it, was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// No answer in time.
    Timeout,
    /// The server's queue was full, or it shed load.
    Refused,
    /// The server answered with an error.
    Failed,
    /// There was no server to ask.
    NoServer,
    /// Every server's circuit was open.
    CircuitOpen,
    /// The balancer had too many requests under way.
    Overflow,
    /// The request's deadline had passed.
    Deadline,
}

impl Reason {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::NoServer => "no_server",
            Self::CircuitOpen => "circuit_open",
            Self::Overflow => "overflow",
            Self::Deadline => "deadline",
        }
    }
}

/// What balancers and servers announce. Servers are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BalancingFact {
    /// A worker is done with a request.
    Worked,
    /// A server refused work: its queue was full.
    Refused,
    /// A server dropped work that had waited too long to be worth it (load shedding).
    Shed,
    /// A server dropped work whose deadline had passed.
    Expired,
    /// A server turns gray, or is well again.
    TurnedGray(Option<Gray>),
    /// A balancer gave up waiting for a server.
    GaveUp {
        /// Which.
        server: u32,
    },
    /// A server answered with an error.
    Erred {
        /// Which.
        server: u32,
    },
    /// A server did not take the work.
    Rejected {
        /// Which.
        server: u32,
    },
    /// A balancer tries somebody else.
    Retried,
    /// A balancer asks a second server although the first may still answer.
    Hedged,
    /// A balancer would try again, but its budget is spent.
    OutOfBudget,
    /// A request could not be served.
    Dropped {
        /// Why not.
        why: Reason,
    },
    /// A balancer takes a server for bad.
    Ejected {
        /// Which.
        server: u32,
        /// Whether its health checks say so, or what became of requests.
        checked: bool,
    },
    /// It would, but too many are out already.
    EjectionHeld {
        /// Which.
        server: u32,
    },
    /// It trusts the server again.
    Returned {
        /// Which.
        server: u32,
    },
    /// So many are out that a balancer asks all of them again, good or bad.
    Panicked,
    /// Enough are in again.
    Calmed,
    /// A server's circuit opened: nothing goes there.
    Opened {
        /// Which.
        server: u32,
    },
    /// One request may try it.
    HalfOpened {
        /// Which.
        server: u32,
    },
    /// It closed: the server is as any other.
    Closed {
        /// Which.
        server: u32,
    },
    /// A balancer learned of a new server.
    Joined {
        /// Which.
        server: u32,
    },
    /// A balancer learned that a server is to get nothing more.
    Left {
        /// Which.
        server: u32,
    },
}

/// The names of the kinds of facts.
pub(super) const FACT_KINDS: &[&str] = &[
    "worked",
    "refused",
    "gave_up",
    "retried",
    "out_of_budget",
    "dropped",
    "shed",
    "expired",
    "turned_gray",
    "erred",
    "rejected",
    "hedged",
    "ejected",
    "ejection_held",
    "returned",
    "panicked",
    "calmed",
    "opened",
    "half_opened",
    "closed",
    "joined",
    "left",
];

impl Fact for BalancingFact {
    fn kind(&self) -> Kind {
        let at = match self {
            Self::Worked => 0,
            Self::Refused => 1,
            Self::GaveUp { .. } => 2,
            Self::Retried => 3,
            Self::OutOfBudget => 4,
            Self::Dropped { .. } => 5,
            Self::Shed => 6,
            Self::Expired => 7,
            Self::TurnedGray(_) => 8,
            Self::Erred { .. } => 9,
            Self::Rejected { .. } => 10,
            Self::Hedged => 11,
            Self::Ejected { .. } => 12,
            Self::EjectionHeld { .. } => 13,
            Self::Returned { .. } => 14,
            Self::Panicked => 15,
            Self::Calmed => 16,
            Self::Opened { .. } => 17,
            Self::HalfOpened { .. } => 18,
            Self::Closed { .. } => 19,
            Self::Joined { .. } => 20,
            Self::Left { .. } => 21,
        };
        Kind::new(at, FACT_KINDS[usize::from(at)])
    }

    fn landmark(&self) -> bool {
        match self {
            Self::TurnedGray(_)
            | Self::Ejected { .. }
            | Self::Returned { .. }
            | Self::Panicked
            | Self::Calmed
            | Self::Opened { .. }
            | Self::HalfOpened { .. }
            | Self::Closed { .. }
            | Self::Joined { .. }
            | Self::Left { .. } => true,
            Self::Worked
            | Self::Refused
            | Self::Shed
            | Self::Expired
            | Self::GaveUp { .. }
            | Self::Erred { .. }
            | Self::Rejected { .. }
            | Self::Retried
            | Self::Hedged
            | Self::OutOfBudget
            | Self::Dropped { .. }
            | Self::EjectionHeld { .. } => false,
        }
    }
}
