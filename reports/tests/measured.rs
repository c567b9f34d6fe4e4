//! What systems measure comes out in the report as it went in, and judged as it should be.

use crate::sample::{cases, expect};
use reports::analyse;
use sim_core::curve::{Curve, Line};
use sim_core::metric::{MetricKind, Unit};
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

/// Without colours, and cut nowhere.
fn screen(record: &RunRecord) -> String {
    reports::summary(&analyse(record), std::path::Path::new("runs/x/1"), 200, false)
}

/// No rule and no expectation was broken.
fn held(mut record: RunRecord) -> RunRecord {
    record.expectations.clear();
    record.verdicts.retain(|v| v.verdict == Ruling::Pass);
    record
}

#[test]
fn acknowledged_writes_count_once_each_as_clients_saw_them() {
    let record = cases::failovers();
    let acknowledged = |op: &&sim_core::record::OpRecord| {
        op.class == sim_core::Class::Write && op.outcome == sim_core::Fate::Ok && !op.probe
    };
    let losses = analyse(&record).losses;
    assert_eq!(losses.acknowledged_writes, record.ops.iter().filter(acknowledged).count() as u64);
    assert_eq!((losses.lost_writes, losses.two_primaries_ns), (Some(212), Some(8_418 * crate::sample::MS)));
    let calm = analyse(&cases::calm()).losses;
    assert_eq!((calm.lost_writes, calm.two_primaries_ns), (None, None), "nobody looked");
    assert_eq!((calm.unavailable_zones, losses.unavailable_zones), (Some(0), Some(3)));
}

#[test]
fn losing_acknowledged_writes_is_never_green() {
    let record = held(cases::failovers());
    let report = analyse(&record);
    assert_eq!((report.ruling, report.exit_code), (Ruling::Pass, 0), "the design allows it");
    let acknowledged = report.losses.acknowledged_writes;
    let coloured = reports::summary(&report, std::path::Path::new("runs/x/1"), 100, true);
    let first = coloured.lines().next().expect("a line");
    assert!(!first.contains("PASS") && !first.contains("[1;32m") && first.contains("[1;33m"), "{first}");
    let harms = ["212 writes lost", "two primaries 8.42 s", "31 stale reads"];
    assert!(harms.iter().all(|harm| first.contains(harm)), "{first}");
    let screen = screen(&record);
    let losses = screen.lines().find(|line| line.starts_with("losses")).expect("a line");
    assert!(losses.contains("212 of") && losses.contains("two primaries for 8.42 s"), "{losses}");
    assert!(losses.contains("31 stale reads"), "{losses}");
    let page = reports::markdown(&report, &[]);
    let line = page.lines().nth(2).expect("the first line after the heading");
    assert!(line.contains("held, but 212 of"), "{line}");
    let html = reports::html(&report, &record, &[], &reports::Beside::default());
    assert!(html.contains("<span class=\"pill inconclusive\">") && !html.contains("pill pass\">All"), "{html}");
    assert!(acknowledged > 212);
    // What was kept is plainly so.
    let first = self::screen(&held(cases::no_failover()));
    assert!(first.starts_with("PASS") && first.contains("acknowledged writes lost; never two primaries"), "{first}");
}

#[test]
fn what_was_broken_as_expected_is_said_as_such() {
    let mut record = cases::calm();
    let broken =
        crate::sample::rule("acknowledged_writes_survive", Ruling::Pass, "broken, as this scenario expects: ...");
    record.verdicts = vec![sim_core::record::VerdictRecord { broken_as_expected: true, ..broken }];
    let first = screen(&record);
    let first = first.lines().next().expect("a line");
    assert!(!first.contains("PASS") && first.contains("broken as expected: acknowledged_writes_survive"), "{first}");
    assert!(
        reports::markdown(&analyse(&record), &[]).contains("| broken as expected | `acknowledged_writes_survive` |")
    );
}

#[test]
fn a_systems_own_figures_need_no_code_here() {
    static OWN: &[MetricKind] = &[
        MetricKind::new("cold_starts", "cold starts", Unit::Number, "how often a cold cache was asked"),
        MetricKind::new("double_charges", "double charges", Unit::Number, "payments that were made twice").harm(),
    ];
    let mut record = held(cases::calm());
    record.measures.set(OWN, "cold_starts", 12.0);
    assert!(screen(&record).starts_with("PASS"));
    record.measures.set(OWN, "double_charges", 3.0);
    record.expectations = vec![expect("metric_cold_starts", Comparison::AtMost, 11.0, "<= 11")];
    let report = analyse(&record);
    assert_eq!(
        report.verdicts.last().map(|v| (v.verdict, v.detail.as_str())),
        Some((Ruling::Fail, "12, expected <= 11"))
    );
    record.expectations.clear();
    let screen = screen(&record);
    assert!(screen.starts_with("CAUTION") && screen.contains("but 3 double charges"), "{screen}");
    assert!(screen.contains("double charges 3; cold starts 12"), "{screen}");
    assert!(
        reports::markdown(&analyse(&record), &[]).contains("| double charges | 3 | payments that were made twice |")
    );
}

#[test]
fn a_systems_own_tracks_and_curves_need_no_code_here() {
    let mut record = cases::leader_crash();
    let kind = MetricKind::new("lag", "consumer lag", Unit::Time, "how far each consumer is behind");
    let line = |name: &str, lag: f64| Line { name: name.into(), values: vec![lag, 2.0 * lag, lag] };
    let at_ns = [20, 30, 40].map(|s| s * crate::sample::S).into();
    record.measures.curves = vec![Curve { kind, at_ns, lines: vec![line("orders", 1e9), line("bills", 2e9)] }];
    let report = analyse(&record);
    let charts = reports::draw(&report, &record);
    let names: Vec<&str> = charts.iter().map(|chart| chart.name.as_str()).collect();
    assert!(names.ends_with(&["track-leaders", "curve-lag"]), "{names:?}");
    let page = reports::html(&report, &record, &charts, &reports::Beside::default());
    for told in
        ["<h2>Who led</h2>", "From when to when each node led.", "<h2>Consumer lag</h2>", "at most 4 s, of bills"]
    {
        assert!(page.contains(told), "{told}");
    }
    // n2 leads on for 920 ms after n4 was elected, and nobody leads for 330, 220 and 600 ms.
    assert!(page.contains("Who led: 5 in 5 turns, nobody for 1.15 s, more than one for 920 ms"));
    let text = reports::markdown(&report, &charts);
    assert!(text.contains("![Consumer lag](charts/curve-lag.png)") && text.contains("## Who led"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).expect("it is JSON");
    assert_eq!(json["tracks"][0]["spans"][2]["label"], "term 3");
    assert_eq!(json["curves"][0]["lines"][1]["name"], "bills");
}

#[test]
fn a_systems_own_tables_need_no_code_here() {
    let mut record = cases::thousand_nodes();
    let mut other = crate::sample::measured::hot_keys();
    (other.name, other.part, other.title) = ("queues".into(), "".into(), "Queues | of all".into());
    record.measures.tables.push(other);
    let report = analyse(&record);
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).expect("it is JSON");
    let second = serde_json::json!({ "key": 7, "requests": 45_000, "nodes": ["n84"], "rank": 1 });
    assert_eq!(json["load"]["hot_keys"][1], second, "files have all, under the columns' names");
    assert_eq!((json["tables"][0]["name"].as_str(), json["tables"][1].as_str()), (Some("queues"), None));
    let page = reports::markdown(&report, &[]);
    assert!(
        page.contains("## Hot keys\n\nThe keys asked for most often.\n\n| Key | Asked for | Held by |\n"),
        "{page}"
    );
    assert!(page.contains("| 7 | 45,000 | n84 |\n") && page.contains("## Queues \\| of all"), "{page}");
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
