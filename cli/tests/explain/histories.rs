//! Recorded histories: exit codes tell verdicts apart, and a client has one name.

use super::{Runs, trace};
use crate::support::{Scratch, splitbrain};
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn exit_codes_tell_verdicts_apart() {
    let code = |args: &[&str]| splitbrain(&[&["history"], args].concat()).status.code();
    let of = |file: &str| format!("fixtures/histories/{file}");
    let (right, wrong, both) = (of("queue-ok.edn"), of("queue-twice.edn"), of("tuples.json"));
    assert_eq!(code(&[&right, "--model", "queue"]), Some(0));
    assert_eq!(code(&[&wrong, "--model", "queue"]), Some(1));
    assert_eq!(code(&[&both, "--model", "register"]), Some(2));
    assert_eq!(code(&[&both, "--model", "register", "--keyed", "--not-keyed"]), Some(2));
    assert_eq!(code(&[&both, "--model", "register", "--not-keyed", "--initial", "[1"]), Some(2));
    assert_eq!(code(&[&right, "--model", "queue", "--time-limit", "0"]), Some(3));
    assert_eq!(code(&[&right, "--model", "queue", "--level", "serializable"]), Some(2));
    let skew = "fixtures/transactions/write-skew.edn";
    let by = |level: &str| code(&[skew, "--model", "list-append", "--level", level]);
    assert_eq!((by("snapshot-isolation"), by("serializable")), (Some(0), Some(1)));
    assert_eq!(code(&[skew, "--model", "bank"]), Some(2));
    assert_eq!(code(&[skew, "--model", "list-append", "--total", "7"]), Some(2));
    let twice = "fixtures/transactions/twice.edn";
    assert_eq!(code(&[twice, "--model", "rw-register"]), Some(3));
}

#[test]
fn a_client_has_one_name_everywhere() {
    let runs = Runs::new();
    let dir = runs.run("one", &["--trace"]);
    let lines = |name: &str| std::fs::read_to_string(dir.join(name)).expect("it is there");
    let parsed = |line: &str| serde_json::from_str::<Value>(line).expect("JSON");
    let history: BTreeSet<String> = lines("history.jsonl")
        .lines()
        .map(|line| {
            let line = parsed(line);
            format!("c{} op {} at {}", line["client"], line["op"], line["invoke_ns"])
        })
        .collect();
    let traced: BTreeSet<String> = trace(&dir, &["--format", "jsonl", "--event", "invoked"])
        .lines()
        .map(|line| {
            let line = parsed(line);
            format!("{} op {} at {}", line["from"].as_str().expect("a name"), line["op"], line["at_ns"])
        })
        .collect();
    assert!(history.len() > 50 && history.is_subset(&traced), "{:?}", history.difference(&traced).next());
    // Whoever reads the history calls it the same.
    let scratch = Scratch::new();
    let file = scratch.path().join("history.jsonl");
    let goes_back = lines("history.jsonl").lines().find(|line| line.contains("\"f\":\"get\"")).map(|line| {
        let mut line = parsed(line);
        line["client"] = 5.into();
        line["outcome"] = "ok".into();
        line["response"] = serde_json::json!({ "value": "never written" });
        format!("{line}\n")
    });
    std::fs::write(&file, goes_back.expect("somebody reads")).expect("can be written");
    let ran = splitbrain(&["history", file.to_str().expect("UTF-8"), "--model", "kv"]);
    assert_eq!(ran.status.code(), Some(1), "{}", ran.stderr);
    assert!(ran.stdout.contains(" c5 op ") && !ran.stdout.contains("process c5"), "{}", ran.stdout);
}
