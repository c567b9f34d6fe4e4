//! Turns the record of a finished run into its report: availability, latency, load, verdicts, charts and pages.
//!
//! ```text
//! RunRecord --analyse--> Report --write--> report.json, report.md, report.html, charts/
//!                               --summary--> the terminal
//! ```
//!
//! A record is all that goes in, so a report can be made again from the files of a finished run, and this crate knows
//! neither scenarios nor protocols. Nothing here reads a clock or depends on the platform: one record, the same bytes.

mod charts;
mod comparison;
mod measure;
mod pages;
mod report;
mod shell;
mod sweeps;
pub mod trace;
mod units;
mod words;

pub use charts::{Chart, draw, draw_bug_probability, draw_cycle, draw_distributions, draw_witness};
pub use measure::{RULES, analyse, followed, moments};
pub use pages::files::{
    HISTORY, LoadError, MOMENTS, RECORD, WriteError, check_seal, load, load_record, reason, write, write_history,
    write_record, write_whole,
};
pub use pages::{Beside, html, markdown};
pub use report::{
    Availability, BugProbability, Condition, Curve, Cycle, Distributions, Fault, ForkPoint, Goodput, GoodputBin, Jump,
    JumpEvent, Latencies, Latency, Load, Losses, LostWrite, Messages, Moved, NodeLoad, NodeQueue, Outage, Panel, Part,
    Phase, Queues, REPORT_SCHEMA_VERSION, Recoveries, Recovery, Report, ScopeAvailability, ScopeOutage, Setup,
    SetupLink, SetupPart, SetupZone, Share, Stall, Steps, TwoPrimaries, Verdict, Witness, Witnessed, ZoneRecovery,
};
pub use shell::{program, quoted, set_program};
pub use units::natural;

pub use words::{harm_sentence, summary};

/// Designs under the same seeds.
pub mod compare {
    pub use crate::charts::compare::draw;
    pub use crate::comparison::*;
    pub use crate::pages::compare::{text, write};
    pub use crate::pages::ranking::{text as text_of_ranking, write as write_ranking};
}

/// All runs, sweeps and comparisons of a folder.
pub mod shelf {
    pub use crate::pages::index::{Entry, Figure, is_page, page};
}

/// Many runs of one scenario.
pub mod sweep {
    pub use crate::charts::sweep::draw;
    pub use crate::pages::sweep::write;
    pub use crate::sweeps::{Axis, Cell, Figures, Sweep};
}
