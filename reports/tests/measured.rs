//! What systems measure comes out in the report as it went in, and judged as it should be.

mod sample;

use reports::analyse;
use sample::{cases, expect};
use sim_core::record::{Comparison, Ruling, RunRecord};

/// How an expectation of each figure is judged.
fn judged(mut record: RunRecord, bounds: &[(&str, Comparison, f64)]) -> Vec<Ruling> {
    record.expectations = bounds.iter().map(|(name, how, bound)| expect(name, *how, *bound, "")).collect();
    let judged = analyse(&record).verdicts;
    judged.iter().filter(|v| v.rule.starts_with("expect.")).map(|v| v.verdict).collect()
}

#[test]
fn what_was_not_measured_is_neither_kept_nor_broken() {
    let bounds = ["keys_moved", "queue_max", "rto", "rpo", "split_brain", "false_failovers"]
        .map(|name| (name, Comparison::AtMost, f64::MAX));
    assert_eq!(judged(cases::calm(), &bounds), [Ruling::Inconclusive; 6]);
    let report = analyse(&cases::calm()).to_json();
    for part in ["goodput", "queues", "hot_keys", "failover", "errors", "formulas"] {
        assert!(!report.contains(&format!("\"{part}\"")), "{part}");
    }
}

#[test]
fn expectations_are_judged_by_the_worst() {
    use Comparison::{AtMost, Equal, LessThan};
    let (pass, fail) = (Ruling::Pass, Ruling::Fail);
    // The fail-over that never ended lasted 8 s, the planned one does not count.
    let bounds = [("rto", AtMost, 8e9), ("rto", LessThan, 8e9), ("rpo", AtMost, 212.0), ("rpo", AtMost, 211.0)];
    assert_eq!(judged(cases::failovers(), &bounds), [pass, fail, pass, fail]);
    let bounds = [("split_brain", Equal, 8.418e9), ("split_brain", Equal, 0.0), ("false_failovers", Equal, 1.0)];
    assert_eq!(judged(cases::failovers(), &bounds), [pass, fail, pass]);
    // Nothing was replaced: there is no time of it, but neither a loss.
    let bounds = [("rto", AtMost, 1e9), ("rpo", Equal, 0.0), ("split_brain", Equal, 0.0)];
    assert_eq!(judged(cases::no_failover(), &bounds), [Ruling::Inconclusive, pass, pass]);
    let bounds = [("keys_moved", AtMost, 2.36), ("keys_moved", AtMost, 2.35), ("queue_max", Equal, 48.0)];
    assert_eq!(judged(cases::thousand_nodes(), &bounds), [pass, fail, pass]);
}

#[test]
fn keys_that_moved_for_nothing_break_any_bound() {
    let mut record = cases::one_joins();
    record.measures.keys_moved[0].ideal = 0;
    assert_eq!(judged(record.clone(), &[("keys_moved", Comparison::AtMost, 1e9)]), [Ruling::Fail]);
    record.measures.keys_moved[0].moved = 0;
    assert_eq!(judged(record, &[("keys_moved", Comparison::AtMost, 1.0)]), [Ruling::Pass]);
}

#[test]
fn goodput_is_what_was_served_of_what_was_offered() {
    let report = analyse(&cases::two_servers());
    let goodput = report.goodput.expect("the system has queues");
    let sum = |of: fn(&reports::GoodputBin) -> u64| goodput.bins.iter().map(of).sum::<u64>();
    assert_eq!(sum(|b| b.offered), report.availability.operations);
    assert_eq!(sum(|b| b.served), report.availability.ok);
    assert_eq!(sum(|b| b.late + b.failed), report.availability.failed);
    assert_eq!(sum(|b| b.unknown), report.availability.unknown);
    assert_eq!(goodput.fraction, report.availability.fraction);
    assert_eq!(report.errors["refused"], 1412);
}

#[test]
fn who_only_passes_work_on_has_no_share_in_the_load() {
    let report = analyse(&cases::two_servers());
    assert_eq!(report.carriers().map(|n| n.node.as_str()).collect::<Vec<_>>(), ["n2", "n3"]);
    let served: Vec<u64> = report.carriers().map(|n| n.requests).collect();
    let ratio = *served.iter().max().unwrap() as f64 * 2.0 / served.iter().sum::<u64>() as f64;
    assert!((report.load.requests_max_over_mean.unwrap() - ratio).abs() < 1e-6);
    assert_eq!(report.load.queues.unwrap().per_node.len(), 2);
}
