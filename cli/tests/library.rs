//! Every library scenario holds what it promises, and gives the same bytes: twice in one process, in two processes, with
//! an unrelated report option, and (by the recorded digests) optimised or not, with overflow checks or without, and on every machine.

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use support::{Scratch, root, splitbrain};

fn library() -> Vec<PathBuf> {
    fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).expect("the library is there").flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|e| e == "toml") {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    walk(&root().join("scenarios/library"), &mut files);
    files.sort();
    assert!(files.len() >= 12, "only {} library scenarios", files.len());
    files
}

/// The one run folder under `out`.
fn run_dir(out: &Path) -> PathBuf {
    let name = std::fs::read_dir(out).expect("results").flatten().next().expect("one scenario").path();
    name.join("latest").canonicalize().expect("latest points at the run")
}

#[test]
fn same_seed_same_bytes() {
    let mut digests = BTreeMap::new();
    for file in library() {
        let scratch = Scratch::new();
        let (one, two) = (scratch.path().join("one"), scratch.path().join("two"));
        let file_text = file.to_str().expect("UTF-8");
        let first =
            splitbrain(&["run", "--twin", "--set", "report.charts=false", "--out", one.to_str().unwrap(), file_text]);
        assert!(first.status.success(), "{}\n{}{}", file.display(), first.stdout, first.stderr);
        let second = splitbrain(&[
            "run",
            "--format",
            "json",
            "--set",
            "report.charts=false",
            "--set",
            "report.title=another",
            "--out",
            two.to_str().unwrap(),
            file_text,
        ]);
        assert!(second.status.success(), "{}\n{}{}", file.display(), second.stdout, second.stderr);
        let json: serde_json::Value = serde_json::from_str(&second.stdout).expect("standard output is JSON alone");
        let (a, b) = (run_dir(&one), run_dir(&two));
        for name in ["history.jsonl", "trace.jsonl"] {
            let bytes = |dir: &Path| std::fs::read(dir.join(name)).expect(name);
            assert!(bytes(&a) == bytes(&b), "{name} of {} differs between two processes", file.display());
        }
        let digest = json["digest"].as_str().expect("a digest").to_owned();
        assert!(first.stdout.contains(&digest), "{}", first.stdout);
        let name = file.strip_prefix(root().join("scenarios/library")).expect("in the library");
        digests.insert(name.display().to_string(), digest);
    }
    let text: String = digests.iter().map(|(name, digest)| format!("{digest} {name}\n")).collect();
    let path = root().join("fixtures/digests.txt");
    if std::env::var_os("SPLITBRAIN_UPDATE").is_some() {
        std::fs::write(&path, &text).expect("fixtures can be written");
    }
    let recorded = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(recorded, text, "digests changed; if that is meant, run the test again with SPLITBRAIN_UPDATE=1");
}

#[test]
fn another_seed_is_another_run() {
    let scratch = Scratch::new();
    let file = root().join("scenarios/library/raft/steady.toml");
    let digest = |seed: &str| {
        let out = splitbrain(&[
            "run",
            "--format",
            "json",
            "--seed",
            seed,
            "--set",
            "report.charts=false",
            "--set",
            "scenario.duration=6s",
            "--set",
            "expect={}",
            "--out",
            scratch.path().to_str().unwrap(),
            file.to_str().unwrap(),
        ]);
        let json: serde_json::Value = serde_json::from_str(&out.stdout).unwrap_or_else(|_| panic!("{}", out.stderr));
        json["digest"].as_str().expect("a digest").to_owned()
    };
    assert_ne!(digest("1"), digest("2"));
    assert_eq!(digest("3"), digest("3"));
}

#[test]
fn a_run_folder_alone_replays() {
    let scratch = Scratch::new();
    for name in ["raft/leader-crash.toml", "raft/flapping-link.toml", "raft/slow-disk-on-leader.toml"] {
        let out = scratch.path().join(name);
        let file = root().join("scenarios/library").join(name);
        let ran = splitbrain(&[
            "run",
            "--seed",
            "7",
            "--set",
            "report.charts=false",
            "--out",
            out.to_str().unwrap(),
            file.to_str().unwrap(),
        ]);
        assert!(ran.status.code().is_some_and(|c| c != 70), "{}", ran.stderr);
        let dir = run_dir(&out);
        let replayed = splitbrain(&["replay", dir.to_str().unwrap()]);
        assert!(replayed.stdout.contains("the same run"), "{}{}", replayed.stdout, replayed.stderr);
        // A recorded digest that does not match is found.
        let record = std::fs::read_to_string(dir.join("record.json")).expect("record.json");
        let at = record.find("\"digest\": \"").expect("a digest") + 11;
        let wrong = format!("{}{}{}", &record[..at], "0123456789abcdef", &record[at + 16..]);
        std::fs::write(dir.join("record.json"), wrong).expect("can be written");
        let replayed = splitbrain(&["replay", dir.to_str().unwrap()]);
        assert_eq!(replayed.status.code(), Some(4), "{}{}", replayed.stdout, replayed.stderr);
    }
}
