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

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn ns(value: &Json) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no time: {value}"))
}

/// The four parts of a fail-over make up its recovery time, and the outage that it was has the same parts.
fn adds_up(report: &Json) {
    let empty = Vec::new();
    let outages = report["availability"]["outages"].as_array().unwrap_or(&empty);
    for f in report["failover"]["failovers"].as_array().expect("a list") {
        let parts = ["detect_ns", "decide_ns", "promote_ns", "clients_ns"].map(|part| f[part].as_u64());
        assert_eq!(parts.iter().flatten().sum::<u64>(), ns(&f["rto_ns"]), "{f}");
        let its = |o: &&Json| o["start_ns"] == f["began_ns"] && o["end_ns"] == f["ended_ns"];
        if let Some(outage) = outages.iter().find(its) {
            let phases: Vec<(String, u64)> = outage["phases"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|p| (text(&p["name"]), ns(&p["end_ns"]) - ns(&p["start_ns"])))
                .collect();
            let named = ["detect", "decide", "promote", "clients back"].map(str::to_owned).into_iter().zip(parts);
            let parts: Vec<_> = named.filter_map(|(name, part)| Some((name, part.filter(|part| *part > 0)?))).collect();
            assert_eq!(phases, parts, "{f}");
        }
    }
}

/// The old primary goes on serving its own half of the clients; the other half waits ten seconds for the next one.
#[test]
fn recovery_is_what_the_half_without_service_waited() {
    let seen = run("fixtures/cases/half-of-the-clients.toml", &[]);
    let failover = &seen.report["failover"];
    let rto = ns(&failover["rto_max_ns"]);
    assert!(rto > 9_000_000_000 && rto == ns(&seen.report["availability"]["longest_outage_ns"]), "{failover}");
    assert_eq!(failover["failovers"][0]["zone"], "b");
    assert!(line(&seen.screen, "fail-overs").contains("(zone b)"), "{}", seen.screen);
    let verdicts = seen.report["verdicts"].as_array().expect("a list");
    assert!(verdicts.iter().any(|v| v["rule"] == "expect.rto" && v["verdict"] == "fail"), "{}", seen.screen);
    adds_up(&seen.report);
}

/// A primary whose every input takes a fifth of a second: clients notice, so it is not replaced for nothing.
#[test]
fn a_primary_too_slow_to_be_used_is_not_replaced_needlessly() {
    let seen = run("fixtures/cases/slow-primary.toml", &[]);
    let failover = &seen.report["failover"];
    assert_eq!(failover["false_failovers"], 0, "{failover}");
    let outages = seen.report["availability"]["outages"].as_array().expect("a list");
    for outage in outages {
        let within =
            |f: &&Json| ns(&f["began_ns"]) <= ns(&outage["end_ns"]) && ns(&f["ended_ns"]) >= ns(&outage["start_ns"]);
        let failovers = failover["failovers"].as_array().expect("a list").iter().filter(within);
        let longest = failovers.map(|f| ns(&f["rto_ns"])).max().unwrap_or(0);
        assert!(longest >= ns(&outage["duration_ns"]), "recovery in {longest} ns beside an outage of {outage}");
    }
    adds_up(&seen.report);
}

/// More is asked of a leader than its CPU can do, and nothing else is wrong.
#[test]
fn an_overload_is_a_cause_with_its_figures() {
    let seen = run(
        "scenarios/library/raft/steady.toml",
        &["scenario.duration=6s", "cluster.cpu_cost=200us", "workload.0.rate=6000/s", "workload.0.attempts=1"],
    );
    let outages = seen.report["availability"]["outages"].as_array().expect("a list");
    let causes: Vec<String> = outages.iter().map(|o| text(&o["cause"])).collect();
    assert!(
        causes.iter().any(|c| c.contains("busy all the time: offered ") && c.contains("/s, capacity ")),
        "{causes:?} {}",
        seen.screen
    );
    assert!(seen.screen.contains("besides"), "{}", seen.screen);
}

#[test]
fn gray_servers_are_named_and_shaded() {
    let seen = run("scenarios/library/balancing/gray-server.toml", &[]);
    let conditions = seen.report["conditions"].as_array().expect("a list");
    assert!(conditions.iter().any(|c| c["kind"] == "gray" && text(&c["label"]).contains("is gray")), "{conditions:?}");
}
