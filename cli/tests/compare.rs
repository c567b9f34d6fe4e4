//! `compare`: a difference that is there is found, one that is not is not claimed, and machines may fail on the way.

use crate::support::{Ran, Scratch, splitbrain};
use std::path::{Path, PathBuf};

/// A leader crash; `rest` is added to the file.
fn scenario(scratch: &Scratch, file: &str, name: &str, timeout: &str, rest: &str) -> String {
    let text = format!(
        r#"
[scenario]
name = "{name}"
system = "raft"
duration = "4s"
warmup = "1s"
settle = "2s"
[cluster]
nodes = 3
[system]
election_timeout = "{timeout}"
heartbeat_interval = "30ms"
[[workload]]
clients = 2
rate = "50/s"
timeout = "200ms"
[[fault]]
kind = "crash"
target = "leader"
at = "2s"
duration = "1s"
[report]
charts = false
{rest}
"#
    );
    let path = scratch.path().join(file);
    std::fs::write(&path, text).expect("can be written");
    path.to_str().expect("UTF-8").to_owned()
}

fn compare(a: &str, b: &str, out: &Path, more: &[&str]) -> Ran {
    let mut args = vec!["compare", a, b, "--out", out.to_str().expect("UTF-8")];
    args.extend(more);
    splitbrain(&args)
}

fn json(ran: &Ran) -> serde_json::Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", ran.stdout, ran.stderr))
}

fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let names = ["compare.json", "compare.md", "compare.html", "a/results.jsonl", "b/results.jsonl", "a/summary.json"];
    names.iter().map(|n| (dir.join(n), std::fs::read(dir.join(n)).unwrap_or_else(|e| panic!("{n}: {e}")))).collect()
}

#[test]
fn the_faster_election_wins_the_same_way_every_time() {
    let scratch = Scratch::new();
    // Expectations that one of the two misses are what one compares: no failure of the command.
    let expect = "[expect]\nlongest_outage = \"<= 400ms\"";
    let slow = scenario(&scratch, "slow.toml", "slow", "600ms..900ms", expect);
    let fast = scenario(&scratch, "fast.toml", "fast", "100ms..200ms", expect);
    let (first, again) = (scratch.path().join("first"), scratch.path().join("again"));
    let flags = ["--seeds", "1..25", "--format", "json"];
    let ran = compare(&slow, &fast, &first, &[&flags[..], &["--jobs", "2"]].concat());
    assert_eq!(ran.status.code(), Some(0), "{}{}", ran.stdout, ran.stderr);
    let json = json(&ran);
    assert_eq!((&json["better"], &json["figures"][0]["b_better"]), (&"b".into(), &25.into()), "{json}");
    assert_eq!(json["design"][0]["path"], "system.election_timeout");
    assert!(json["conditions"].as_array().is_some_and(Vec::is_empty), "{}", json["conditions"]);
    assert!(json["a"]["failed"].as_u64() > json["b"]["failed"].as_u64(), "{json}");
    let said = json["conclusion"][0].as_str().expect("a sentence");
    assert!(said.starts_with("B (fast) is down for less time"), "{said}");
    // On one thread, and once more over what is there: the same bytes.
    compare(&slow, &fast, &again, &[&flags[..], &["--jobs", "1"]].concat());
    let bytes = |dir: &Path| files(&dir.join("slow-vs-fast")).into_iter().map(|(_, b)| b).collect::<Vec<_>>();
    assert!(bytes(&first) == bytes(&again));
    let resumed = compare(&slow, &fast, &first, &flags);
    assert!(resumed.stderr.matches("25 of 25 runs were made earlier").count() == 2, "{}", resumed.stderr);
    assert_eq!(resumed.stdout, ran.stdout);
    // Another seed range is another comparison.
    let other = compare(&slow, &fast, &first, &["--seeds", "1..9"]);
    assert_eq!(other.status.code(), Some(2), "{}", other.stderr);
    assert!(other.stderr.contains("over seeds 1..25, not 1..9"), "{}", other.stderr);
}

#[test]
fn a_design_and_itself_show_no_difference() {
    let scratch = Scratch::new();
    let a = scenario(&scratch, "a.toml", "same", "150ms..300ms", "");
    let b = scenario(&scratch, "b.toml", "same", "150ms..300ms", "");
    let ran = compare(&a, &b, scratch.path(), &["--seeds", "1..8"]);
    assert_eq!(ran.status.code(), Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("No difference shown") && ran.stdout.contains("with itself"), "{}", ran.stdout);
    // Two scenarios of one name are told apart by their files.
    assert!(scratch.path().join("a-vs-b/compare.html").exists());
}

#[test]
fn apples_and_pears_are_named() {
    let scratch = Scratch::new();
    let a = scenario(&scratch, "a.toml", "apples", "150ms..300ms", "");
    let b = scenario(
        &scratch,
        "b.toml",
        "pears",
        "100ms..200ms",
        "[network]\nlatency = \"5ms..9ms\"\n[disk]\nsync = \"9ms\"",
    );
    let ran = compare(&a, &b, scratch.path(), &["--seeds", "1..3"]);
    assert!(ran.stdout.contains("! Apples and pears") && ran.stdout.contains("[disk], [network]"), "{}", ran.stdout);
    assert!(ran.stdout.contains("network.latency") && ran.stdout.contains("too few"), "{}", ran.stdout);
}

#[test]
fn a_broken_safety_rule_fails_the_command_and_is_said() {
    let scratch = Scratch::new();
    let good = scenario(&scratch, "good.toml", "good", "150ms..300ms", "");
    let text = std::fs::read_to_string(&good).expect("just written");
    let bad = scratch.path().join("bad.toml");
    let text = text
        .replace("\"good\"", "\"bad\"")
        .replace("[system]", "[disk]\nsync = \"5ms..20ms\"\n[system]\nbug = \"ack_before_sync\"")
        .replace("target = \"leader\"", "target = \"all\"\non_crash = \"lose_unsynced\"")
        .replace("rate = \"50/s\"", "rate = \"500/s\"");
    std::fs::write(&bad, text).expect("can be written");
    let ran = compare(&good, bad.to_str().expect("UTF-8"), scratch.path(), &["--seeds", "1..8"]);
    assert_eq!(ran.status.code(), Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("B (bad) breaks "), "{}", ran.stdout);
}

#[test]
fn bad_input_gets_one_clear_message() {
    let scratch = Scratch::new();
    let a = scenario(&scratch, "a.toml", "a", "150ms..300ms", "");
    let bad = scenario(&scratch, "bad.toml", "b", "never", "");
    for (args, word) in [
        (vec!["compare", &a], "<B>"),
        (vec!["compare", &a, "no/such.toml"], "no/such.toml"),
        (vec!["compare", &a, &bad], "never"),
        (vec!["compare", &a, &a, "--seeds", "9..1"], "did you mean `1..9`"),
        (vec!["compare", &a, &a, "--set", "cluster.nods=3"], "nods"),
    ] {
        let ran = splitbrain(&args);
        assert_eq!(ran.status.code(), Some(2), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(word), "{args:?}: {}", ran.stderr);
    }
}
