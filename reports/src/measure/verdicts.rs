//! Judges the run: the rules' verdicts, the expectations, and whether the run tested anything.

use super::metrics;
use crate::report::{Report, Verdict};
use sim_core::metric::Unit;
use sim_core::record::{Comparison, Expectation, Ruling, RunRecord};

sim_core::rules! {
    /// Every fault that must bite changed something.
    pub const FAULT_BIT: &str = "fault_bit";
    /// Some operation was asked for in the measured window.
    pub const OPERATIONS: &str = "operations";
}

fn verdict(rule: impl Into<String>, verdict: Ruling, detail: impl Into<String>) -> Verdict {
    Verdict { rule: rule.into(), verdict, detail: detail.into(), broken_as_expected: false, at_ns: None }
}

/// All verdicts in the order they are reported.
pub(crate) fn judge(record: &RunRecord, report: &Report) -> Vec<Verdict> {
    let mut all: Vec<Verdict> = record.verdicts.clone();
    all.extend(record.expectations.iter().map(|e| expectation(report, e)));
    all.extend(fault_bit(report));
    if report.availability.operations + report.availability.probes.operations == 0 {
        let detail = "no operation was invoked in the measured window, so availability is not known";
        all.push(verdict(OPERATIONS, Ruling::Inconclusive, detail));
    }
    all
}

/// The worst of the verdicts and the exit code it stands for. Without any verdict nothing was broken.
pub(crate) fn overall(verdicts: &[Verdict]) -> (Ruling, u8) {
    let ruling = verdicts.iter().map(|v| v.verdict).max().unwrap_or(Ruling::Pass);
    let code = match ruling {
        Ruling::Pass => 0,
        Ruling::Fail => 1,
        Ruling::Inconclusive => 3,
    };
    (ruling, code)
}

fn expectation(report: &Report, e: &Expectation) -> Verdict {
    let rule = format!("expect.{}", e.metric);
    let measured = metrics::figure(report, &e.metric).and_then(|figure| Some((figure, figure.value?)));
    let Some((figure, value)) = measured else {
        let why = format!("nothing to measure it by (expected {})", e.text);
        return verdict(rule, Ruling::Inconclusive, why);
    };
    // Judged as reported: what is printed is what was compared.
    let (value, bound) = match figure.unit {
        Unit::Time => (value, e.bound),
        Unit::Fraction | Unit::Number => (crate::units::round(value, 9), crate::units::round(e.bound, 9)),
    };
    let (held, sign) = match e.comparison {
        Comparison::AtLeast => (value >= bound, ">="),
        Comparison::AtMost => (value <= bound, "<="),
        Comparison::MoreThan => (value > bound, ">"),
        Comparison::LessThan => (value < bound, "<"),
        Comparison::Equal => (value == bound, "=="),
    };
    let shown = figure.print(value);
    let wanted = figure.print(bound);
    let mut detail =
        if held { format!("{shown} {sign} {wanted}") } else { format!("{shown}, expected {sign} {wanted}") };
    if !held && shown == wanted {
        // They differ only beyond the digits shown.
        detail = format!("{}, expected {sign} {}", figure.print_whole(value), figure.print_whole(bound));
    }
    if e.metric.contains("outage") && report.availability.outages.last().is_some_and(|o| o.open) {
        detail.push_str(" (an outage was still open at the end)");
    }
    verdict(rule, if held { Ruling::Pass } else { Ruling::Fail }, detail)
}

/// A fault that never bit tested nothing.
fn fault_bit(report: &Report) -> Option<Verdict> {
    let must: Vec<_> = report.faults.iter().filter(|f| f.must_bite).collect();
    if must.is_empty() {
        return None;
    }
    let idle: Vec<String> = must
        .iter()
        .filter(|f| !f.bit && f.held == 0)
        .map(|f| {
            let name = f.name();
            format!("{name} at {}", crate::units::moment(f.start_ns))
        })
        .collect();
    // What the limits held back is no surprise, unless there was nothing else.
    let held = must.iter().filter(|f| !f.bit && f.held > 0).count();
    Some(if held == must.len() {
        let detail = format!("all {held} that must bite were held back by limits");
        verdict(FAULT_BIT, Ruling::Inconclusive, detail)
    } else if held > 0 && idle.is_empty() {
        let detail = format!("{} faults bit, {held} were held back by limits", must.len() - held);
        verdict(FAULT_BIT, Ruling::Pass, detail)
    } else if idle.is_empty() {
        let detail = match must.len() {
            1 => "the fault bit".to_owned(),
            n => format!("all {n} faults bit"),
        };
        verdict(FAULT_BIT, Ruling::Pass, detail)
    } else {
        let detail = format!("{} of {} never bit: {}", idle.len(), must.len(), idle.join("; "));
        verdict(FAULT_BIT, Ruling::Inconclusive, detail)
    })
}
