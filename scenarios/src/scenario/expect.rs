//! What a scenario expects of its runs, and how it wants them reported.

use sim_core::Duration;
use sim_core::record::Expectation;

/// What decides the exit code. Safety rules are always expected to hold, unless [`Expect::violates`] names them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expect {
    /// Bounds on the report's figures.
    pub bounds: Vec<Expectation>,
    /// Whether the history is kept and judged for linearizability.
    pub linearizable: bool,
    /// How long a client that asks may have to wait for its first answer once the faults are over.
    pub answered_within: Option<Duration>,
    /// Rules that must be broken: the scenario shows what goes wrong outside a protocol's fault model, or with a bug
    /// switched on, and a run in which one of them holds has failed.
    pub violates: Vec<String>,
}

/// How a run is reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportOptions {
    /// Length of an availability window.
    pub window: Duration,
    /// An operation of the workload that takes longer counts as failed for availability.
    pub in_time: Duration,
    /// Whether charts are drawn.
    pub charts: bool,
    /// A heading instead of the scenario's title.
    pub title: Option<String>,
}
