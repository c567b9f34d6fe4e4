//! Sweeps: one scenario under many seeds and settings. Planning and bookkeeping only; who runs the jobs is up to the
//! caller.
//!
//! ```text
//! Seeds x Vary --Plan--> Job, Job, ...    a run each, in any order, on any machine
//! JobResult, JobResult, ... --journal--> results.jsonl in job order --Summary--> summary.json
//! ```
//!
//! A result depends on its job alone, and a summary on the results in job order alone. So it does not matter how the
//! work was divided, how often it was interrupted, or in which order it finished: the files have the same bytes.

mod journal;
mod manifest;
mod plan;
mod quantiles;
mod result;
mod seeds;
mod summary;
mod vary;

pub use journal::{Scan, ScanError, scan};
pub use manifest::{Manifest, assemble};
pub use plan::{Job, Plan, Shard};
pub use quantiles::{Quantiles, quantile};
pub use result::{Broken, JobResult, Outcome};
pub use seeds::Seeds;
pub use summary::{CellSummary, Counts, Failure, Figures, RuleCount, Spread, Summary, Tally};
pub use vary::{Cell, Vary, grid};

/// The version of `sweep.json`, `results.jsonl` and `summary.json`.
pub const SCHEMA_VERSION: u32 = 1;
