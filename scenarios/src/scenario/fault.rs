//! Faults as planned: what, on whom, when, how often.

use sim_core::fault::{Fault, Name, Target, Trigger};
use sim_core::{Duration, Instant};

/// A fault that comes and goes while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flap {
    /// One cycle: first cut, then up.
    pub period: Duration,
    /// How much of each cycle the links are up.
    pub up: Duration,
}

/// A fault that comes to one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rolling {
    /// How much later it comes to each than to the one before, at least.
    pub apart: Duration,
    /// How many it may hold at a time: the next then waits until one of those before is free again.
    pub at_once: Option<u32>,
    /// In which order it lets go of them.
    pub heal: Heal,
}

/// In which order what came to one after another goes away again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Heal {
    /// As it came.
    #[default]
    InOrder,
    /// The last first.
    Reverse,
    /// In an order that each seed draws (FoundationDB's "swizzle").
    Random,
}

/// How long something stays up before it fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Law {
    /// Exponential: it fails at any moment with the same chance, whatever its age.
    Exponential,
    /// Weibull, with this shape in thousandths. Below 1000, what has just failed fails again soon; hardware in the
    /// field has about 700 (Schroeder and Gibson, "A large-scale study of failures in high-performance computing
    /// systems", DSN 2006, section 5).
    Weibull {
        /// The shape in thousandths.
        shape_milli: u32,
    },
    /// As recorded: of all of the target together, or of each of the plan's parts.
    Recorded(Vec<Recording>),
}

/// When something was up and when it was down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// What the file calls it; empty if the file tells of one alone.
    pub node: String,
    /// From when on it was up, or down; before the first it was up.
    pub events: Vec<(Duration, bool)>,
    /// After which time all of it happens again.
    pub period: Option<Duration>,
}

impl Recording {
    /// When it was first down.
    #[must_use]
    pub fn first_failure(&self) -> Option<Duration> {
        self.events.iter().find(|(_, up)| !up).map(|(at, _)| *at)
    }

    /// When it was down, from when until when, within a time of this length.
    #[must_use]
    pub fn spells(&self, length: Duration, most: u64) -> Vec<(Duration, Duration)> {
        let mut spells: Vec<(Duration, Duration)> = Vec::new();
        let mut is_up = true;
        let cycles = self.period.map_or(1, |period| length.0.div_ceil(period.0.max(1)));
        let shifts = (0..cycles).map(|k| self.period.unwrap_or(Duration::ZERO).times(k));
        let events = shifts.flat_map(|shift| self.events.iter().map(move |(at, up)| (*at + shift, *up)));
        for (at, up) in events.take_while(|(at, _)| *at < length) {
            match (is_up, up) {
                (true, false) if spells.len() as u64 >= most => break,
                (true, false) => spells.push((at, length)),
                (false, true) => {
                    if let Some(last) = spells.last_mut() {
                        last.1 = at;
                    }
                }
                // It is what it was.
                _ => {}
            }
            is_up = up;
        }
        spells
    }
}

/// A fault that comes at random.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// How the times between failures are spread.
    pub law: Law,
    /// Mean time from a repair to the next failure.
    pub mtbf: Duration,
    /// Mean time to repair, exponential; `None` for what has no end.
    pub mttr: Option<Duration>,
    /// No failure from then on.
    pub until: Option<Instant>,
}

/// One `[[fault]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Names the fault's luck: made of what the fault is, not of its place in the file, so that removing or adding
    /// another fault does not change it. A file may state it, as resolved scenarios do.
    pub id: u64,
    /// What faults that wait for it call it.
    pub name: Option<Name>,
    /// What goes wrong.
    pub fault: Fault,
    /// For whom.
    pub target: Target,
    /// When first, counted from the start of the run.
    pub at: Instant,
    /// Up to how much later than `at`: every moment between is equally likely.
    pub spread: Duration,
    /// For how long; `None` means until everything is healed.
    pub duration: Option<Duration>,
    /// Again and again at this distance, until everything is healed.
    pub every: Option<Duration>,
    /// At most this many times.
    pub count: Option<u32>,
    /// At random, instead of `duration` and `every`.
    pub process: Option<Process>,
    /// The parts of the target that the fault goes for one by one, each with its own times; if there are none, it goes
    /// for the target as a whole.
    pub each: Vec<Target>,
    /// How it goes from part to part, if it comes to one after another.
    pub rolling: Option<Rolling>,
    /// What it waits for, each time.
    pub after: Option<Trigger>,
    /// On and off while it lasts.
    pub flap: Option<Flap>,
    /// Whether the run is inconclusive if this changes nothing.
    pub must_bite: bool,
}
