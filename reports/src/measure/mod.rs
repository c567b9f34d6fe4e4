//! From a record to its report.

mod availability;
mod causes;
pub(crate) mod conditions;
pub(crate) mod counts;
pub(crate) mod curves;
pub(crate) mod goodput;
pub(crate) mod latency;
mod load;
mod losses;
pub(crate) mod metrics;
pub mod moments;
pub(crate) mod moves;
mod outages;
mod overlaps;
mod partial;
mod phases;
pub(crate) mod queues;
mod recovery;
mod scopes;
pub(crate) mod series;
mod verdicts;
mod windows;

pub use metrics::followed;
pub use verdicts::RULES;

use crate::report::{REPORT_SCHEMA_VERSION, Report};
use crate::units::round_significant;
use sim_core::measures::Formula;
use sim_core::record::{Ruling, RunRecord};
use sim_core::table::Table;

/// Analyses a run. The same record gives the same report, to the byte of its JSON.
///
/// Costs a few passes over the operations, some at the same time, and copies none of them.
#[must_use]
pub fn analyse(record: &RunRecord) -> Report {
    let (availability, (latency, goodput)) = rayon::join(
        || availability::measure(record),
        || (latency::Histograms::of(record).summarise(), goodput::measure(record)),
    );
    let mut report = Report {
        schema_version: REPORT_SCHEMA_VERSION,
        scenario: record.scenario.clone(),
        title: record.title.clone(),
        system: record.system.clone(),
        seed: record.seed,
        digest: record.digest.clone(),
        simulated_ns: record.simulated_ns,
        events: record.events,
        measure_from_ns: record.measure_from_ns,
        measure_to_ns: record.measure_to_ns,
        ruling: Ruling::Pass,
        exit_code: 0,
        verdicts: Vec::new(),
        losses: losses::measure(record, &availability),
        availability,
        latency,
        load: load::measure(record),
        goodput,
        errors: record.measures.errors.clone(),
        recoveries: None,
        metrics: record.measures.metrics.clone(),
        formulas: record.measures.formulas.iter().map(formula).collect(),
        tables: tables(record, ""),
        tracks: record.measures.tracks.clone(),
        curves: record.measures.curves.clone(),
        messages: record.messages.clone(),
        faults: record.faults.clone(),
        conditions: conditions::of(record),
        facts: record.facts.clone(),
        notes: record.notes.clone(),
    };
    // An operation that was under way when something began fails too: the outage seems to begin that much before.
    let slack = report.availability.window_ns.max(2 * report.latency.all.p50_ns.unwrap_or(0));
    for outage in &mut report.availability.outages {
        let span = (outage.start_ns, outage.end_ns);
        let cause = causes::attribute(record, &report.conditions, span, slack);
        (outage.cause, outage.cause_faults) = (cause.text, cause.faults);
        if cause.standing {
            outage.phases.clear();
        }
    }
    recovery::measure(record, &mut report);
    report.metrics.splice(0..0, metrics::of(&report));
    report.verdicts = verdicts::judge(record, &report);
    (report.ruling, report.exit_code) = verdicts::overall(&report.verdicts);
    report
}

/// The same, without the noise in its last digits.
fn formula(f: &Formula) -> Formula {
    let tidy = |value: f64| round_significant(value, 9);
    Formula { predicted: tidy(f.predicted), measured: f.measured.map(tidy), ..f.clone() }
}

/// The system's tables within a part of the report.
fn tables(record: &RunRecord, part: &str) -> Vec<Table> {
    record.measures.tables.iter().filter(|table| table.part == part).cloned().collect()
}
