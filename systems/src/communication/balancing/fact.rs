//! What balancers and servers announce, and why requests are not served.

use super::gray::Gray;

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

sim_core::facts! {
    /// What balancers and servers announce. Servers are counted from 0.
    pub enum BalancingFact {
        /// A worker is done with a request.
        Worked = "worked",
        /// A server refused work: its queue was full.
        Refused = "refused",
        /// A server dropped work that had waited too long to be worth it (load shedding).
        Shed = "shed",
        /// A server dropped work whose deadline had passed.
        Expired = "expired",
        /// A server turns gray, or is well again.
        TurnedGray(gray: Option<Gray>) = "turned_gray" landmark,
        /// A balancer gave up waiting for a server.
        GaveUp {
            /// Which.
            server: u32,
        } = "gave_up",
        /// A server answered with an error.
        Erred {
            /// Which.
            server: u32,
        } = "erred",
        /// A server did not take the work.
        Rejected {
            /// Which.
            server: u32,
        } = "rejected",
        /// A balancer tries somebody else.
        Retried = "retried",
        /// A balancer asks a second server although the first may still answer.
        Hedged = "hedged",
        /// A balancer would try again, but its budget is spent.
        OutOfBudget = "out_of_budget",
        /// A request could not be served.
        Dropped {
            /// Why not.
            why: Reason,
        } = "dropped",
        /// A balancer takes a server for bad.
        Ejected {
            /// Which.
            server: u32,
            /// Whether its health checks say so, or what became of requests.
            checked: bool,
        } = "ejected" landmark,
        /// It would, but too many are out already.
        EjectionHeld {
            /// Which.
            server: u32,
        } = "ejection_held",
        /// It trusts the server again.
        Returned {
            /// Which.
            server: u32,
        } = "returned" landmark,
        /// So many are out that a balancer asks all of them again, good or bad.
        Panicked = "panicked" landmark,
        /// Enough are in again.
        Calmed = "calmed" landmark,
        /// A server's circuit opened: nothing goes there.
        Opened {
            /// Which.
            server: u32,
        } = "opened" landmark,
        /// One request may try it.
        HalfOpened {
            /// Which.
            server: u32,
        } = "half_opened" landmark,
        /// It closed: the server is as any other.
        Closed {
            /// Which.
            server: u32,
        } = "closed" landmark,
        /// A balancer learned of a new server.
        Joined {
            /// Which.
            server: u32,
        } = "joined" landmark,
        /// A balancer learned that a server is to get nothing more.
        Left {
            /// Which.
            server: u32,
        } = "left" landmark,
    }
}
