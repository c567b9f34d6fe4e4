//! Faults as planned: what, on whom, when, how often.

use sim_core::fault::{Fault, Target, Trigger};
use sim_core::{Duration, Instant};

/// A fault that comes and goes while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flap {
    /// One cycle: first cut, then up.
    pub period: Duration,
    /// How much of each cycle the links are up.
    pub up: Duration,
}

/// One `[[fault]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Names the fault's luck: made of what the fault is, not of its place in the file, so that removing or adding
    /// another fault does not change it. A file may state it, as resolved scenarios do.
    pub id: u32,
    /// What goes wrong.
    pub fault: Fault,
    /// For whom.
    pub target: Target,
    /// When first, counted from the start of the run.
    pub at: Instant,
    /// For how long; `None` means until everything is healed.
    pub duration: Option<Duration>,
    /// Again and again at this distance, until everything is healed.
    pub every: Option<Duration>,
    /// At most this many times.
    pub count: Option<u32>,
    /// What it waits for, each time.
    pub after: Option<Trigger>,
    /// On and off while it lasts.
    pub flap: Option<Flap>,
    /// Whether the run is inconclusive if this changes nothing.
    pub must_bite: bool,
}
