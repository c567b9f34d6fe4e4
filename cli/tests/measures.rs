//! What is printed is true in cases that people met: losses and recovery, held to what clients saw (`fixtures/cases/`).

use crate::support::{Scratch, splitbrain};
use serde_json::Value as Json;

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
    let beside = seen.report["tracks"][0]["spans"].as_array().expect("who led").iter().filter(|turn| turn["kind"] == 1);
    let beside: u64 = beside.map(|turn| ns(&turn["end_ns"]) - ns(&turn["start_ns"])).sum();
    assert_eq!(beside, ns(&seen.report["losses"]["two_primaries_ns"]), "{}", seen.report["tracks"]);
    let losses = &seen.report["losses"];
    assert!(losses["lost_writes"].as_u64() > Some(100), "{losses}");
    assert!(losses["two_primaries_ns"].as_u64() > Some(4_000_000_000), "{losses}");
    assert!(losses["stale_reads"].as_u64() > Some(0), "{losses}");
    assert_eq!(losses["acknowledged_writes"], acknowledged(&seen.history));
    let first = seen.screen.lines().find(|line| line.contains("checks held")).expect("a verdict");
    assert!(first.starts_with("CAUTION") && first.contains(" writes lost"), "{}", seen.screen);
    assert_eq!(seen.report["ruling"], "pass", "the design promises no better");
}

/// What was carried out is gone when those who have it forget: nobody serves it, nor will.
#[test]
fn replicated_logs_say_what_clients_lost() {
    for (file, at_least) in [
        ("scenarios/library/negative/wiped-disk.toml", 500),
        ("scenarios/library/negative/ack-before-sync.toml", 1),
        ("scenarios/library/negative/lying-disk.toml", 1),
    ] {
        let seen = run(file, &[]);
        let losses = &seen.report["losses"];
        let lost = losses["lost_writes"].as_u64().unwrap_or_else(|| panic!("{file}: nobody counted: {losses}"));
        let told = acknowledged(&seen.history);
        assert!(lost >= at_least && lost <= told, "{file}: {lost} of {told}");
        let first = &losses["first_lost"][0];
        assert!(text(&first["why"]).contains("the log of n"), "{first}");
        let its = |op: &&Json| op["return_ns"] == first["acknowledged_ns"] && op["outcome"] == "ok";
        assert!(seen.history.iter().any(|op| its(&op)), "{first}");
        let verdict = seen.screen.lines().find(|line| line.starts_with("AS EXPECTED")).expect("a verdict");
        assert!(verdict.contains(" writes lost"), "{}", seen.screen);
    }
    for file in ["raft/leader-crash.toml", "raft/power-loss.toml", "paxos/leader-crash.toml", "paxos/power-loss.toml"] {
        let seen = run(&format!("scenarios/library/{file}"), &[]);
        assert_eq!(seen.report["losses"]["lost_writes"], 0, "{file}: {}", seen.report["losses"]);
        assert!(line(&seen.screen, "losses").contains("none of "), "{}", seen.screen);
        assert!(!seen.screen.contains("goodput"), "{}", seen.screen);
        // Whoever was elected led, and until something ended it.
        let turns = seen.report["tracks"][0]["spans"].as_array().expect("who led");
        assert_eq!(Some(turns.len() as u64), seen.report["facts"]["elected"].as_u64(), "{file}: {turns:?}");
        assert!(turns.iter().all(|turn| ns(&turn["start_ns"]) < ns(&turn["end_ns"])), "{file}: {turns:?}");
    }
}

/// The old primary of a shard goes on reading what others have overwritten, until it notices that it is alone.
#[test]
fn stale_reads_of_a_cluster_are_counted() {
    let seen = run("scenarios/library/failover-cluster/minority-partition.toml", &[]);
    let stale = seen.report["losses"]["stale_reads"].as_u64();
    assert!(stale > Some(0), "{}", seen.report["losses"]);
    assert!(line(&seen.screen, "losses").contains(" stale read"), "{}", seen.screen);
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

/// A primary is cut off for a minute with its own clients; everybody else waits for its replica.
#[test]
fn recovery_of_a_shard_is_what_the_majority_waited() {
    let seen = run("fixtures/outages/redis-cluster.toml", &[]);
    let failovers = seen.report["failover"]["failovers"].as_array().expect("a list");
    let [only] = failovers.as_slice() else { panic!("{failovers:?}") };
    // Who hears nothing is pinged after 7.5 s and has failed 15 s later; then somebody is elected.
    let rto = ns(&seen.report["failover"]["rto_max_ns"]);
    assert!((15_000_000_000..24_000_000_000).contains(&rto), "{only}");
    // Operations and fail-overs mean the same by a shard's number.
    let scopes = seen.report["availability"]["scopes"].as_array().expect("a list");
    let waited = |scope: &&Json| scope["zone"] == only["zone"] && scope["longest_outage_ns"] == only["rto_ns"];
    let shards: Vec<&Json> = scopes.iter().filter(waited).map(|scope| &scope["shard"]).collect();
    assert_eq!(shards, [&only["shard"]], "{scopes:?}");
    adds_up(&seen.report);
}

/// A machine without CPU time works off what has come meanwhile as soon as it has some again, at full speed.
#[test]
fn a_slowed_node_is_back_when_the_slowness_ends() {
    let scratch = Scratch::new();
    let out = scratch.path().to_str().expect("UTF-8");
    let file = "fixtures/cases/slow-backlog.toml";
    let set = ["--set", "report.charts=false", "--set", "scenario.duration=35s"];
    let ran = splitbrain(&[&["run", file, "--out", out, "--trace"], &set[..]].concat());
    assert_eq!(ran.status.code(), Some(0), "{}{}", ran.stdout, ran.stderr);
    let dir = scratch.path().join("slow-backlog/latest");
    let report: Json =
        serde_json::from_str(&std::fs::read_to_string(dir.join("report.json")).expect("a report")).expect("JSON");
    let fault = &report["faults"][0];
    let slowed = text(&fault["resolved"][0]);
    assert_eq!((ns(&fault["start_ns"]), ns(&fault["end_ns"])), (20_000_000_000, 30_000_000_000));
    let sent = |from: &str, to: &str| {
        let dir = dir.to_str().expect("UTF-8");
        let args =
            ["trace", dir, "--from", from, "--to", to, "--node", &slowed, "--event", "sent", "--format", "jsonl"];
        let ran = splitbrain(&args);
        ran.stdout.lines().filter(|line| line.contains(&format!("\"from\":\"{slowed}\""))).count()
    };
    let (before, slow, after) = (sent("18s", "20s"), sent("26s", "28s"), sent("30.1s", "32.1s"));
    assert!(slow * 3 < before, "an input takes 50 ms: {slow}, usually {before}");
    assert!(after * 10 > before * 9 && after * 10 < before * 11, "{after}, usually {before}");
}

/// A primary whose every input takes a fifth of a second: clients notice, so it is not replaced for nothing.
#[test]
fn a_primary_too_slow_to_be_used_is_not_replaced_needlessly() {
    let seen = run("fixtures/cases/slow-primary.toml", &[]);
    let failover = &seen.report["failover"];
    assert_eq!(failover["false_failovers"], 0, "{failover}");
    let outages = seen.report["availability"]["outages"].as_array().expect("a list");
    assert_eq!(
        (outages.len(), failover["failovers"].as_array().map(Vec::len)),
        (9, Some(9)),
        "it is replaced each time"
    );
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
        causes.iter().any(|c| c.contains("busy all the time: offered ") && c.contains("/s, answered ")),
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

/// Probes are asked and answered like anybody, and are in no figure of who did how much.
#[test]
fn load_is_the_same_with_probes_and_without() {
    let file = "scenarios/library/balancing/capacity.toml";
    let load = |probes: &str| {
        let seen = run(file, &["scenario.duration=4s", "workload.0.rate=2000/s", probes]);
        seen.report["load"].clone()
    };
    let (without, with) = (load("probe.enabled=false"), load("probe.every=2ms"));
    let sum = |load: &Json, figure: &dyn Fn(&Json) -> &Json| -> u64 {
        load["per_node"].as_array().expect("a list").iter().map(|node| figure(node).as_u64().unwrap_or(0)).sum()
    };
    for figure in ["requests", "answered", "bytes_in", "bytes_out", "messages_in", "messages_out"] {
        let (a, b) = (sum(&without, &|node| &node[figure]), sum(&with, &|node| &node[figure]));
        // The same requests; which of them are under way at the ends of the window is a matter of luck.
        assert!(a > 1000 && a.abs_diff(b) * 200 < a, "{figure}: {a} without probes, {b} with");
        let beside = sum(&with, &|node| &node["probes"][figure]);
        assert!(figure == "answered" || beside * 4 > a, "{figure}: {beside} beside {a}");
        assert_eq!(sum(&without, &|node| &node["probes"][figure]), 0);
    }
    let even = |load: &Json| load["requests_jain"].as_f64().expect("a figure");
    assert!((even(&without) - even(&with)).abs() < 0.02, "{} and {}", even(&without), even(&with));
}

/// All that the clients of closed loops may have outstanding waits, and nothing else is wrong.
#[test]
fn a_limit_of_the_clients_is_a_cause() {
    let seen = run("fixtures/cases/closed-loop.toml", &[]);
    let outages = seen.report["availability"]["outages"].as_array().expect("a list");
    let causes: Vec<String> = outages.iter().map(|o| text(&o["cause"])).collect();
    let said = "the clients' limit of 400 outstanding operations: offered 40,000/s, ";
    assert!(causes.iter().any(|cause| cause.starts_with(said)), "{causes:?} {}", seen.screen);
}

/// A leader that is alone reads under its lease until that has run out, and says so.
#[test]
fn a_lease_that_runs_out_is_told() {
    for file in ["scenarios/library/raft/lease-reads.toml", "scenarios/library/paxos/lease-reads.toml"] {
        let seen = run(file, &[]);
        assert!(seen.report["facts"]["lease_expired"].as_u64() > Some(0), "{file}: {}", seen.report["facts"]);
    }
}

/// The first line on a usual page, whatever follows it.
#[test]
fn the_first_line_names_every_harm_and_notes_come_last() {
    let seen = run("scenarios/library/failover/two-nodes.toml", &[]);
    let lines: Vec<&str> = seen.screen.lines().collect();
    let verdict = lines.iter().position(|line| line.starts_with("CAUTION")).expect("a verdict");
    assert!(
        lines[..verdict].iter().all(|line| line.contains("seed ") || line.starts_with("again:")),
        "{}",
        seen.screen
    );
    for harm in ["writes lost", "two primaries", "stale reads"] {
        assert!(lines[verdict].contains(harm), "no {harm}: {}", lines[verdict]);
    }
    assert!(lines[verdict].chars().count() <= 100, "{}", lines[verdict]);
    // What clients got late is not lost.
    let outages = line(&seen.screen, "outages");
    assert!(outages.contains(" operations failed, ") && outages.ends_with(" late"), "{outages}");
    let noted = lines.iter().position(|line| line.contains("splitbrain check ")).expect("it has notes");
    assert!(noted > verdict && lines[noted].starts_with("1 note on this scenario"), "{}", seen.screen);
}

/// Probes try again until they are served; clients that ask once only are not, and no outage tells of them.
#[test]
fn what_fails_outside_of_any_outage_is_said_beside_them() {
    let scratch = Scratch::new();
    let out = scratch.path().to_str().expect("UTF-8");
    let told = |file: &str, set: &str| {
        let file = format!("scenarios/library/raft/{file}.toml");
        let more = ["--set", set, "--set", "report.charts=false", "--set", "expect={}", "--out", out];
        splitbrain(&[&["run", file.as_str()], more.as_slice()].concat()).stdout
    };
    const SAID: &str = "were not served outside of any outage";
    let overload = told("overload", "workload.0.attempts=1");
    assert!(overload.contains("outages       none") && overload.contains(SAID), "{overload}");
    let crash = told("leader-crash", "scenario.seed=42");
    assert!(crash.contains("late") && !crash.contains(SAID), "what came late within an outage is in it: {crash}");
}
