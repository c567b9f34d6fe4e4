//! Recorded histories: the page about them says what is so, and a client has one name.

use super::{Runs, trace};
use crate::support::{Scratch, root, splitbrain};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The arguments of a command line, with single quotes around some.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (i, piece) in line.split('\'').enumerate() {
        match i % 2 {
            0 => words.extend(piece.split_whitespace().map(str::to_owned)),
            _ => words.push(piece.to_owned()),
        }
    }
    words
}

#[test]
fn the_pages_about_histories_print_what_is_printed() {
    for (page, least) in [("docs/histories.md", 10), ("docs/consistency.md", 14)] {
        prints(page, least);
    }
}

/// Runs the commands of a page, at least so many.
fn prints(page: &str, least: usize) {
    let path = root().join(page);
    let page = std::fs::read_to_string(&path).expect("it is there");
    let (mut real, mut commands, mut inside) = (String::new(), 0, false);
    for line in page.lines() {
        let fence = line.starts_with("```");
        if inside && !fence {
            let Some(command) = line.strip_prefix("$ splitbrain ") else { continue };
            let args = words(command);
            let ran = splitbrain(&args.iter().map(String::as_str).collect::<Vec<_>>());
            write!(real, "{line}\n{}{}", ran.stdout, ran.stderr).expect("into memory");
            commands += 1;
            continue;
        }
        inside = fence && line == "```console";
        writeln!(real, "{line}").expect("into memory");
    }
    if std::env::var_os("SPLITBRAIN_UPDATE").is_some() {
        std::fs::write(&path, &real).expect("the page can be written");
    }
    assert!(commands >= least, "{commands} commands");
    assert!(page == real, "if that is meant, run the test again with SPLITBRAIN_UPDATE=1:\n{real}");
}

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
