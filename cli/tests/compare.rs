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
        (vec!["compare", &a], "one file alone"),
        (vec!["compare", &a, &a, "--remove-fault"], "name one"),
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

#[test]
fn many_designs_are_ranked_and_equals_share_a_place() {
    let scratch = Scratch::new();
    let timeouts = [("a", "600ms..900ms"), ("b", "100ms..200ms"), ("c", "100ms..200ms"), ("d", "1200ms..1500ms")];
    let files = timeouts.map(|(name, timeout)| scenario(&scratch, &format!("{name}.toml"), name, timeout, ""));
    let out = scratch.path().join("out");
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let run = |format: &str, jobs: &str| {
        let flags = ["--seeds", "1..16", "--jobs", jobs, "--format", format, "--out", out.to_str().expect("UTF-8")];
        splitbrain(&[&["compare"], &files[..], &flags[..]].concat())
    };
    let ran = run("json", "2");
    assert_eq!(ran.status.code(), Some(0), "{}", ran.stderr);
    let json = json(&ran);
    let places: Vec<u64> = json["figures"][0]["standings"]
        .as_array()
        .expect("standings")
        .iter()
        .map(|standing| standing["place"].as_u64().expect("a place"))
        .collect();
    assert_eq!(places, [3, 1, 1, 4], "{json}");
    let contrasts = json["figures"][0]["contrasts"].as_array().expect("pairs");
    assert_eq!(contrasts.len(), 6);
    for pair in contrasts {
        assert!(pair["adjusted"].as_f64() >= pair["sign_test"].as_f64(), "{pair}");
    }
    assert!(json["conditions"].as_array().is_some_and(Vec::is_empty), "{}", json["conditions"]);
    let text = run("text", "1");
    assert!(text.stderr.matches("16 of 16 runs were made earlier").count() == 4, "{}", text.stderr);
    assert!(
        text.stdout.contains("b, c share the first place in total outage; a, d are shown to be worse"),
        "{}",
        text.stdout
    );
    let rows: Vec<&str> = text.stdout.lines().skip_while(|line| !line.starts_with("median")).skip(1).take(4).collect();
    assert!(rows[2].starts_with("a ") && rows[2].contains("(3)") && rows[3].contains("(4)"), "{}", text.stdout);
    let page = std::fs::read_to_string(out.join("a-vs-b-vs-c-vs-d/ranking.html")).expect("a page");
    assert!(page.contains("Holm, 1979") && page.contains("not shown"));
}

#[test]
fn each_fault_has_a_price_and_what_waits_for_it_goes_with_it() {
    let scratch = Scratch::new();
    let more = "[[fault]]\nkind = \"pause\"\ntarget = \"follower\"\nat = \"3s\"\nduration = \"20ms\"\nname = \"nap\"\n\
                [[fault]]\nkind = \"pause\"\ntarget = \"follower\"\nafter = { fault = \"nap\" }\nduration = \"20ms\"\n";
    let file = scenario(&scratch, "x.toml", "x", "150ms..300ms", more);
    let out = scratch.path().join("out");
    let args = ["compare", &file, "--remove-fault", "--seeds", "1..16", "--out", out.to_str().expect("UTF-8")];
    let ran = splitbrain(&[&args[..], &["--format", "json"]].concat());
    assert_eq!(ran.status.code(), Some(0), "{}", ran.stderr);
    let json = json(&ran);
    let labels: Vec<&str> =
        json["designs"].as_array().expect("designs").iter().map(|d| d["label"].as_str().expect("text")).collect();
    let nap = "without nap at 3s and what waits for it";
    assert_eq!(labels, ["all faults", "without crash of leader at 2s", nap, "without pause of follower at 0s"]);
    let shown: Vec<&str> = json["figures"][0]["contrasts"]
        .as_array()
        .expect("pairs")
        .iter()
        .map(|pair| pair["shown"].as_str().expect("a word"))
        .collect();
    assert_eq!(shown, ["b", "not_shown", "not_shown"], "the crash alone is felt: {}", json["conclusion"]);
    let said = json["conclusion"][0].as_str().expect("a sentence");
    assert!(said.starts_with("without crash of leader at 2s: ") && said.contains("less total outage"), "{said}");
    let peace = scratch.path().join("peace.toml");
    let text = std::fs::read_to_string(&file).expect("there");
    std::fs::write(&peace, text.split("[[fault]]").next().expect("a beginning")).expect("a file");
    let ran = splitbrain(&["compare", peace.to_str().expect("UTF-8"), "--remove-fault"]);
    assert_eq!(ran.status.code(), Some(2));
    assert!(ran.stderr.contains("has no [[fault]]"), "{}", ran.stderr);
}

#[test]
fn values_of_one_field_are_designs_and_what_makes_none_is_refused() {
    let scratch = Scratch::new();
    let file = scenario(&scratch, "x.toml", "x", "150ms..300ms", "");
    let out = scratch.path().join("out");
    let out = out.to_str().expect("UTF-8");
    let vary = "system.election_timeout=600ms..900ms,100ms..200ms";
    let ran = splitbrain(&["compare", &file, "--vary", vary, "--seeds", "1..8", "--out", out]);
    assert_eq!(ran.status.code(), Some(0), "{}", ran.stderr);
    let said = "election_timeout=100ms..200ms is down for less time than all others";
    assert!(ran.stdout.contains(said) && ran.stdout.contains(&format!("--vary {vary}")), "{}", ran.stdout);
    for (more, why) in [
        (&["--vary", "cluster.nodes=3"][..], "1 designs to compare: 2 at least"),
        (&["--vary", "cluster.nods=3,5"], "nods"),
        (&["--vary", vary, "--remove-fault"], "cannot be used with"),
        (&[&file, "--vary", vary], "name one"),
    ] {
        let ran = splitbrain(&[&["compare", &file, "--out", out], more].concat());
        assert_eq!(ran.status.code(), Some(2), "{more:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(why), "{more:?}: {}", ran.stderr);
    }
}
