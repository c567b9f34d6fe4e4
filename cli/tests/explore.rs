//! `explore`: the same search from the same start, whatever --jobs; what it finds is an ordinary run of an ordinary file.

use crate::support::{Scratch, splitbrain};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// A storm in which an acknowledged write is lost now and then, if the power goes in the wrong moment.
const SCENARIO: &str = r#"
[scenario]
name = "storm"
system = "raft"
duration = "1500ms"
settle = "500ms"
seed = 3

[cluster]
nodes = 3

[system]
election_timeout = "60ms..120ms"
heartbeat_interval = "20ms"

[disk]
sync = "1ms..5ms"

[[workload]]
clients = 4
rate = "100/s"
read_ratio = 0.2

[probe]
enabled = false

[[fault]]
kind = "crash"
target = "all"
at = "300ms"
on_crash = "lose_unsynced"
mtbf = "400ms"
mttr = "50ms"

[[fault]]
kind = "partition"
shape = "isolate"
target = "leader"
at = "310ms"
mtbf = "300ms"
mttr = "50ms"

[report]
charts = false
"#;

fn explore(scratch: &Scratch, more: &[&str]) -> (Option<i32>, String, String) {
    let file = scratch.path().join("storm.toml");
    fs::write(&file, SCENARIO).expect("writes");
    let out = scratch.path().join("runs");
    let mut args = vec!["explore", file.to_str().expect("UTF-8"), "--out", out.to_str().expect("UTF-8")];
    args.extend(more);
    let ran = splitbrain(&args);
    (ran.status.code(), ran.stdout, ran.stderr)
}

fn json(scratch: &Scratch, more: &[&str]) -> (Option<i32>, Value) {
    let (code, stdout, stderr) = explore(scratch, &[more, &["--format", "json"]].concat());
    (code, serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}")))
}

#[test]
fn the_same_start_finds_the_same_whatever_the_number_of_threads() {
    let scratch = Scratch::new();
    let bug = ["--budget", "300", "--set", "system.bug=ack_before_sync"];
    let (code, one) = json(&scratch, &[&bug[..], &["--jobs", "1"]].concat());
    let (_, three) = json(&scratch, &[&bug[..], &["--jobs", "3"]].concat());
    assert_eq!((code, &one), (Some(1), &three));
    let (_, other) = json(&scratch, &[&bug[..], &["--seed", "4"]].concat());
    assert_ne!(one["failures"], other["failures"], "another start is another search");
}

#[test]
fn what_it_finds_is_a_run_like_any_other() {
    let scratch = Scratch::new();
    let args = ["--budget", "300", "--keep-going", "--set", "system.bug=ack_before_sync"];
    let (code, found) = json(&scratch, &args);
    assert_eq!((code, &found["runs"]), (Some(1), &Value::from(300)));
    let failures = found["failures"].as_array().expect("a list");
    let forked = |failure: &&Value| failure["reseed"].as_array().is_some_and(|chain| !chain.is_empty());
    let failure = failures.iter().find(forked).expect("some of them are forks");
    let dir = PathBuf::from(failure["dir"].as_str().expect("a path"));
    let text = fs::read_to_string(dir.join("scenario.toml")).expect("it is kept");
    assert!(text.contains("\nreseed = [{ at = "), "{text}");
    let dir = dir.to_str().expect("UTF-8");
    // The same run again breaks the same rule.
    let verbs: [(i32, &[&str]); 3] = [
        (1, &["replay", dir]),
        (0, &["trace", dir, "--from", "1s"]),
        (0, &["bisect", dir, "--forks", "2", "--points", "3"]),
    ];
    for (code, verb) in verbs {
        let ran = splitbrain(verb);
        assert_eq!(ran.status.code(), Some(code), "{verb:?}: {}{}", ran.stdout, ran.stderr);
    }
    let shrunk = splitbrain(&["shrink", dir, "--max-runs", "200"]);
    assert_eq!(shrunk.status.code(), Some(0), "{}{}", shrunk.stdout, shrunk.stderr);
}

#[test]
fn what_holds_is_told_with_what_was_covered() {
    let scratch = Scratch::new();
    let (code, stdout, stderr) = explore(&scratch, &["--budget", "20"]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("20 runs and no rule broken"), "{stdout}");
    assert!(stdout.contains("explore") && stdout.contains("--budget 20 --seed 3"), "{stdout}");
    let row = |fault: &str| stdout.lines().any(|line| line.trim_start().starts_with(fault));
    assert!(row("crash ") && row("partition ") && row("features "), "{stdout}");
}

#[test]
fn a_time_is_a_budget_that_ends_in_a_number_of_runs() {
    let scratch = Scratch::new();
    let (code, stdout, stderr) = explore(&scratch, &["--budget", "300ms"]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("depends on the machine") && stdout.contains("\nagain: "), "{stdout}");
}

#[test]
fn a_budget_of_nothing_is_refused() {
    let scratch = Scratch::new();
    for nothing in ["0", "0s", "soon"] {
        let (code, stdout, stderr) = explore(&scratch, &["--budget", nothing]);
        assert_eq!(code, Some(2), "{stdout}");
        assert!(stderr.contains("--budget"), "{stderr}");
    }
}
