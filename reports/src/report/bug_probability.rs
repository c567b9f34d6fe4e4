//! How likely a failing run was to fail, forked at points along its time: the figures behind the chart and
//! `bisect.json`.

use crate::report::Fault;
use serde::Serialize;

/// What `bisect` found. Times are simulated nanoseconds since the start of the run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BugProbability {
    /// The version of these fields.
    pub schema_version: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The system under test.
    pub system: String,
    /// The run's seed.
    pub seed: u64,
    /// The run's digest.
    pub digest: String,
    /// The rule that was broken.
    pub rule: String,
    /// What it said.
    pub detail: String,
    /// When the run ended.
    pub end_ns: u64,
    /// What the curve says: `jump`, `at_the_end`, `from_the_start`, `gradual` or `never`.
    pub finding: &'static str,
    /// The same in a sentence.
    pub sentence: String,
    /// The points in order of time.
    pub points: Vec<ForkPoint>,
    /// The steepest stretch.
    pub jump: Option<Jump>,
    /// The faults of the run.
    pub faults: Vec<Fault>,
}

/// What became of the forks at one time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ForkPoint {
    /// When the run forked.
    pub at_ns: u64,
    /// How many forks there were.
    pub forks: u32,
    /// In how many of them the rule was broken.
    pub failed: u32,
    /// The share.
    pub probability: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end of it.
    pub high: f64,
}

/// The stretch over which the probability rises most.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Jump {
    /// The last time before it.
    pub from_ns: u64,
    /// The first time after it.
    pub to_ns: u64,
    /// The probability before.
    pub before: f64,
    /// The probability after.
    pub after: f64,
    /// Whether that is more than chance: the intervals do not touch.
    pub clear: bool,
    /// What happened in it.
    pub events: Vec<JumpEvent>,
    /// How many more events there were.
    pub events_left_out: u64,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JumpEvent {
    /// When.
    pub at_ns: u64,
    /// What, as the trace names it.
    pub event: String,
    /// To whom, and the details, for people.
    pub text: String,
}

impl BugProbability {
    /// The version of the fields.
    pub const SCHEMA_VERSION: u32 = 1;
}
