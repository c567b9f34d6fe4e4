//! `shrink` and `bisect` over runs that fail: small, replayable, the same whatever --jobs, and clear about what they refuse.

use crate::support::{Scratch, splitbrain};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Loses acknowledged writes when the power goes; the other faults are beside the point.
const SCENARIO: &str = r#"
[scenario]
name = "power"
system = "raft"
duration = "1500ms"
warmup = "100ms"
settle = "500ms"
seed = 3

[cluster]
nodes = 3
zones = ["a", "b", "c"]

[system]
election_timeout = "60ms..120ms"
heartbeat_interval = "20ms"
bug = "ack_before_sync"

[network]
latency = "0.5ms..2ms"
loss = "1%"

[disk]
sync = "10ms..30ms"

[[workload]]
clients = 4
rate = "100/s"
read_ratio = 0.2

[probe]
enabled = false

[[fault]]
kind = "pause"
target = "a follower"
at = "300ms"
duration = "20ms"
every = "150ms"
must_bite = false

[[fault]]
kind = "partition"
shape = "halves"
at = "400ms"
duration = "30ms"
every = "400ms"
must_bite = false

[[fault]]
kind = "crash"
target = "all"
at = "1s"
duration = "50ms"
on_crash = "lose_unsynced"
must_bite = false

[report]
charts = false
"#;

/// Runs the scenario into `scratch` and gives its folder.
fn run(scratch: &Scratch, sets: &[&str], code: i32) -> PathBuf {
    let file = scratch.path().join("power.toml");
    fs::write(&file, SCENARIO).expect("writes");
    let out = scratch.path().join("runs");
    let mut args = vec!["run", file.to_str().expect("UTF-8"), "--out", out.to_str().expect("UTF-8")];
    sets.iter().for_each(|set| args.extend(["--set", set]));
    let ran = splitbrain(&args);
    assert_eq!(ran.status.code(), Some(code), "{}{}", ran.stdout, ran.stderr);
    out.join("power/3")
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).expect("is there")
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&text(path)).expect("JSON")
}

fn failed(dir: &Path) -> Vec<String> {
    let report = json(&dir.join("report.json"));
    let verdicts = report["verdicts"].as_array().expect("verdicts").clone();
    verdicts.iter().filter(|v| v["verdict"] == "fail").map(|v| v["rule"].to_string()).collect()
}

#[test]
fn a_failing_run_becomes_small_and_goes_on_failing() {
    let scratch = Scratch::new();
    let dir = run(&scratch, &[], 1);
    let shrunk = splitbrain(&["shrink", shown(&dir), "--jobs", "2"]);
    assert_eq!(shrunk.status.code(), Some(0), "{}{}", shrunk.stdout, shrunk.stderr);
    assert!(shrunk.stdout.contains("faults     12 -> 1\n"), "{}", shrunk.stdout);
    assert!(shrunk.stdout.contains("nothing more can be left out"), "{}", shrunk.stdout);
    let small = scratch.path().join("runs/power/3-shrunk");
    assert_eq!(failed(&small), failed(&dir));
    let scenario = text(&small.join("scenario.toml"));
    assert!(scenario.starts_with("# Shrunk: acknowledged_writes_survive still fails here."), "{scenario}");
    assert_eq!(scenario.matches("[[fault]]").count(), 1, "{scenario}");

    let replayed = splitbrain(&["replay", shown(&small)]);
    assert_eq!(replayed.status.code(), Some(1), "{}{}", replayed.stdout, replayed.stderr);

    // The number of threads leaves no trace.
    let alone = scratch.path().join("alone");
    let again = splitbrain(&["shrink", shown(&dir), "--jobs", "1", "--out", shown(&alone)]);
    assert_eq!(again.status.code(), Some(0), "{}{}", again.stdout, again.stderr);
    assert_eq!(text(&alone.join("scenario.toml")), scenario);
    assert_eq!(text(&alone.join("record.json")), text(&small.join("record.json")));

    let twice = splitbrain(&["shrink", shown(&small)]);
    assert_eq!(twice.status.code(), Some(0), "{}{}", twice.stdout, twice.stderr);
    assert!(twice.stdout.contains("nothing more can be left out"), "{}", twice.stdout);
    assert!(!scratch.path().join("runs/power/3-shrunk-shrunk").exists());
}

#[test]
fn a_run_that_is_meant_to_fail_is_shrunk_to_one_that_is_meant_to_fail() {
    let scratch = Scratch::new();
    let dir = run(&scratch, &["expect.violates=[\"acknowledged_writes_survive\"]"], 0);
    let shrunk = splitbrain(&["shrink", shown(&dir), "--max-runs", "30"]);
    assert_eq!(shrunk.status.code(), Some(0), "{}{}", shrunk.stdout, shrunk.stderr);
    assert!(shrunk.stdout.contains("30 runs; --max-runs ended the search"), "{}", shrunk.stdout);
    let replayed = splitbrain(&["replay", shown(&scratch.path().join("runs/power/3-shrunk"))]);
    assert_eq!(replayed.status.code(), Some(0), "{}{}", replayed.stdout, replayed.stderr);
}

#[test]
fn what_did_not_fail_or_is_no_longer_the_run_is_refused() {
    let scratch = Scratch::new();
    let dir = run(&scratch, &[], 1);
    let refused = |dir: &Path, more: &[&str], code: i32, what: &str| {
        for command in ["shrink", "bisect"] {
            let mut args = vec![command, shown(dir)];
            args.extend(more);
            let ran = splitbrain(&args);
            assert_eq!(ran.status.code(), Some(code), "{command}: {}{}", ran.stdout, ran.stderr);
            assert!(ran.stderr.contains(what), "{command}: {}", ran.stderr);
        }
    };
    refused(&dir, &["--rule", "log_matching"], 2, "the rule `log_matching` was not broken in this run");
    refused(&scratch.path().join("nowhere"), &[], 2, "nowhere");

    let file = dir.join("scenario.toml");
    let edited = text(&file).replace("loss = \"1%\"", "loss = \"2%\"");
    fs::write(&file, edited).expect("writes");
    refused(&dir, &[], 4, "scenario.toml is no longer the run that record.json tells of");

    // The same storm over sound code.
    let out = scratch.path().join("sound");
    let sound = scratch.path().join("sound.toml");
    fs::write(&sound, SCENARIO.replace("bug = \"ack_before_sync\"", "")).expect("writes");
    let ran = splitbrain(&["run", shown(&sound), "--out", shown(&out)]);
    assert_eq!(ran.status.code(), Some(0), "{}{}", ran.stdout, ran.stderr);
    refused(&out.join("power/3"), &[], 2, "no rule was broken in this run");
}

/// Disks so fast that few seeds lose anything: which they are is found by a sweep.
#[test]
fn the_moment_of_doom_is_charted() {
    let scratch = Scratch::new();
    let file = scratch.path().join("power.toml");
    fs::write(&file, SCENARIO).expect("writes");
    let swept = ["sweep", shown(&file), "--seeds", "1..60", "--set", "disk.sync=1ms..4ms", "--out"];
    let ran = splitbrain(&[&swept[..], &[shown(scratch.path())]].concat());
    assert_eq!(ran.status.code(), Some(1), "{}{}", ran.stdout, ran.stderr);
    let kept = fs::read_dir(scratch.path().join("power/sweep/failures")).expect("some failed");
    let dir = kept.map(|entry| entry.expect("readable").path()).min().expect("some failed");
    let bisect = |jobs: &str, out: &Path| {
        let ran = splitbrain(&[
            "bisect",
            shown(&dir),
            "--forks",
            "10",
            "--points",
            "12",
            "--jobs",
            jobs,
            "--out",
            shown(out),
        ]);
        assert_eq!(ran.status.code(), Some(0), "{}{}", ran.stdout, ran.stderr);
        json(&out.join("bisect.json"))
    };
    let (one, two) = (scratch.path().join("one"), scratch.path().join("two"));
    let found = bisect("1", &one);
    assert_eq!(found, bisect("2", &two), "the number of threads leaves no trace");
    let svg = Path::new("charts/bug-probability.svg");
    assert_eq!(text(&one.join(svg)), text(&two.join(svg)));
    assert!(one.join("charts/bug-probability.png").exists());

    let points = found["points"].as_array().expect("points");
    assert_eq!(points.len(), 12);
    assert_eq!(points[0]["at_ns"], 0);
    let last = points.last().expect("a point");
    assert_eq!(last["failed"], last["forks"], "what is about to fail fails: {last}");
    assert!(points.iter().all(|p| p["low"].as_f64() <= p["probability"].as_f64()), "{points:?}");
    assert_eq!(found["finding"], "jump", "{found}");
    let jump = &found["jump"];
    assert!(!jump["events"].as_array().expect("events").is_empty(), "{jump}");
    assert!(
        jump["from_ns"].as_u64() < jump["to_ns"].as_u64() && jump["before"].as_f64() < jump["after"].as_f64(),
        "{jump}"
    );
}
