//! What is printed is true in cases that people met: losses and recovery, held to what clients saw (`fixtures/cases/`).

mod support;

use serde_json::Value as Json;
use support::{Scratch, splitbrain};

/// The report of a run in a scratch folder, what it printed, and its history.
struct Seen {
    report: Json,
    screen: String,
    history: Vec<Json>,
}

fn run(file: &str, set: &[&str]) -> Seen {
    let scratch = Scratch::new();
    let out = scratch.path().to_str().expect("UTF-8");
    let mut args = vec!["run", file, "--out", out, "--set", "report.charts=false"];
    set.iter().for_each(|set| args.extend(["--set", set]));
    let ran = splitbrain(&args);
    assert!(matches!(ran.status.code(), Some(0 | 1)), "{file}: {}{}", ran.stdout, ran.stderr);
    let name = std::fs::read_dir(out).expect("a folder").next().expect("a run").expect("readable").path();
    let text = |file: &str| std::fs::read_to_string(name.join("latest").join(file)).expect(file);
    let json = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    let history = text("history.jsonl").lines().map(json).collect();
    Seen { report: json(&text("report.json")), screen: ran.stdout, history }
}

/// Writes that clients, not probes, saw acknowledged.
fn acknowledged(history: &[Json]) -> u64 {
    let seen = |op: &&Json| op["class"] == "write" && op["outcome"] == "ok" && op["probe"] == false;
    history.iter().filter(seen).count() as u64
}

fn line<'a>(screen: &'a str, label: &str) -> &'a str {
    screen.lines().find(|line| line.starts_with(label)).unwrap_or_else(|| panic!("no line {label}: {screen}"))
}

/// The primary's disk hangs, and clients ask again and again: each write counts once.
#[test]
fn writes_are_counted_once_however_often_they_were_tried() {
    let seen = run("fixtures/cases/disk-stall-failover.toml", &[]);
    let acknowledged = acknowledged(&seen.history);
    assert_eq!(seen.report["losses"]["acknowledged_writes"], acknowledged);
    assert!(acknowledged < 6_000, "sixty seconds of a hundred operations a second: {acknowledged}");
    let told: String = acknowledged.to_string();
    let told = if told.len() > 3 { format!("{},{}", &told[..told.len() - 3], &told[told.len() - 3..]) } else { told };
    assert!(line(&seen.screen, "losses").contains(&format!("of {told} acknowledged writes lost")), "{}", seen.screen);
}

/// Two nodes without a witness serve everybody, and lose what one of them took.
#[test]
fn a_design_that_loses_writes_is_no_plain_success() {
    let seen = run("scenarios/library/failover/two-nodes.toml", &[]);
    let losses = &seen.report["losses"];
    assert!(losses["lost_writes"].as_u64() > Some(100), "{losses}");
    assert!(losses["two_primaries_ns"].as_u64() > Some(4_000_000_000), "{losses}");
    assert!(losses["stale_reads"].as_u64() > Some(0), "{losses}");
    assert_eq!(losses["acknowledged_writes"], acknowledged(&seen.history));
    let first = seen.screen.lines().find(|line| line.contains("checks held")).expect("a verdict");
    assert!(first.starts_with("CAUTION") && first.contains("acknowledged writes lost"), "{}", seen.screen);
    assert_eq!(seen.report["ruling"], "pass", "the design promises no better");
}

#[test]
fn a_rule_that_is_broken_as_expected_is_no_pass_and_no_riddle() {
    let seen = run("scenarios/library/negative/ack-before-sync.toml", &[]);
    assert!(seen.screen.contains("broken as expected: acknowledged_writes_survive"), "{}", seen.screen);
    assert!(!seen.screen.contains("PASS") && !seen.screen.contains("the last events"), "{}", seen.screen);
}

/// What a sweep and a comparison are for: which of the two would you run?
#[test]
fn two_nodes_and_a_witness_are_told_apart() {
    let scratch = Scratch::new();
    let out = scratch.path().to_str().expect("UTF-8");
    let (a, b) = ("scenarios/library/failover/two-nodes.toml", "scenarios/library/failover/witness.toml");
    let ran = splitbrain(&["compare", a, b, "--seeds", "1..8", "--out", out, "--set", "report.charts=false"]);
    assert_eq!(ran.status.code(), Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("B (failover-witness) has fewer lost writes"), "{}", ran.stdout);
    assert!(ran.stdout.contains("B (failover-witness) has less two primaries"), "{}", ran.stdout);
    let dir = scratch.path().join("failover-two-nodes-vs-failover-witness");
    let read = |file: &str| std::fs::read_to_string(dir.join(file)).expect(file);
    let compared: Json = serde_json::from_str(&read("compare.json")).expect("JSON");
    let figure = |name: &str| {
        let figures = compared["figures"].as_array().expect("a list");
        figures.iter().find(|f| f["figure"] == name).unwrap_or_else(|| panic!("no {name}")).clone()
    };
    for name in ["lost_writes", "two_primaries", "stale_reads"] {
        let figure = figure(name);
        assert_eq!((&figure["better"], &figure["b_better"]), (&"b".into(), &8.into()), "{figure}");
        assert!(figure["median_interval"]["high"].as_f64() < Some(0.0), "{figure}");
    }
    assert!(figure("rto")["pairs"].as_u64() > Some(0));
    assert!(read("compare.md").contains("**B does better in lost writes"), "{}", read("compare.md"));
    // The sweeps inside know it as well.
    let first: Json = serde_json::from_str(read("a/results.jsonl").lines().next().expect("a run")).expect("JSON");
    assert!(first["metrics"]["lost_writes"].as_f64() > Some(0.0), "{first}");
    let summary: Json = serde_json::from_str(&read("a/summary.json")).expect("JSON");
    assert_eq!(summary["figures"]["metrics"]["lost_writes"]["above_zero"], 8, "{summary}");
    assert!(read("a/summary.md").contains("All 8 runs held, but 8 had lost writes"), "{}", read("a/summary.md"));
}
