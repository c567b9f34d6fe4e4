//! Goodput as a part of the report.

use serde::Serialize;

/// Offered load and goodput, by when operations were invoked.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Goodput {
    /// Operations invoked a second.
    pub offered_per_second: f64,
    /// Of those, served in time.
    pub served_per_second: f64,
    /// The one over the other; `null` without operations.
    pub fraction: Option<f64>,
    /// Tries the clients made for each operation.
    pub attempts_per_operation: Option<f64>,
    /// Length of a bin; the last may be shorter.
    pub bin_ns: u64,
    /// The same over time.
    pub bins: Vec<GoodputBin>,
}

/// Operations invoked in one bin of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GoodputBin {
    /// All of them.
    pub offered: u64,
    /// Those served in time.
    pub served: u64,
    /// Those that succeeded too late.
    pub late: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that may or may not have happened: nobody answered.
    pub unknown: u64,
}
