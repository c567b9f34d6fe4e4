//! Turns the record of a finished run into its report: availability, latency, load, verdicts, charts and pages.
//!
//! ```text
//! RunRecord --analyse--> Report --write--> report.json, report.md, report.html, charts/
//!                               --summary--> the terminal
//! ```
//!
//! A record is all that goes in, so a report can be made again from the files of a finished run, and this crate knows
//! neither scenarios nor protocols. Nothing here reads a clock or depends on the platform: one record, the same bytes.

mod analyse;
mod availability;
mod bug_probability;
mod causes;
mod charts;
pub mod compare;
mod conditions;
mod curves;
mod distributions;
mod files;
mod goodput;
mod latency;
mod load;
mod losses;
mod measured;
mod metrics;
mod moves;
mod outages;
mod overlaps;
mod pages;
mod phases;
mod queues;
mod recovery;
mod report;
mod scopes;
mod series;
mod sheet;
mod shell;
mod summary;
pub mod sweep;
pub mod trace;
mod units;
mod verdicts;
mod view;
mod witness;

pub use analyse::analyse;
pub use bug_probability::{BugProbability, ForkPoint, Jump, JumpEvent};
pub use charts::{Chart, draw, draw_bug_probability, draw_distributions, draw_witness};
pub use conditions::Condition;
pub use distributions::{Curve, Distributions, Panel};
pub use files::{
    HISTORY, LoadError, RECORD, WriteError, check_seal, load, load_record, reason, write, write_history, write_record,
    write_whole,
};
pub use goodput::{Goodput, GoodputBin};
pub use losses::{Losses, LostWrite, TwoPrimaries};
pub use metrics::followed;
pub use moves::{HotKey, Moved};
pub use pages::{html, markdown};
pub use queues::{NodeQueue, Queues};
pub use recovery::{Recoveries, Recovery, Steps, ZoneRecovery};
pub use report::{
    Availability, Fault, Latencies, Latency, Load, Messages, NodeLoad, Outage, Phase, REPORT_SCHEMA_VERSION, Report,
    ScopeAvailability, ScopeOutage, Share, Stall, Verdict,
};
pub use shell::{program, quoted, set_program};
pub use summary::summary;
pub use verdicts::RULES;
pub use witness::{Witness, Witnessed};
