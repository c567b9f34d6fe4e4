//! Every library scenario holds what it promises, and gives the bytes that are recorded: optimised or not, with overflow checks or
//! without, on every machine; and for one file of each system, twice in one process and in two.

use crate::support::{Scratch, root, splitbrain};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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

/// Runs a file of the library without charts; gives its digest. `more` goes before the file.
fn digest_of(file: &Path, out: &Path, more: &[&str]) -> String {
    let mut args = vec!["run", "--format", "json", "--set", "report.charts=false"];
    args.extend(more);
    args.extend(["--out", out.to_str().expect("UTF-8"), file.to_str().expect("UTF-8")]);
    let ran = splitbrain(&args);
    // Where there is one member, some rules have nothing to compare.
    let alone = || {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let cluster = text.lines().skip_while(|line| *line != "[cluster]").skip(1);
        cluster.take_while(|line| !line.starts_with('[')).any(|line| line == "nodes = 1")
    };
    let held = ran.status.success() || ran.status.code() == Some(3) && alone();
    assert!(held, "{}\n{}{}", file.display(), ran.stdout, ran.stderr);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).expect("standard output is JSON alone");
    json["digest"].as_str().expect("a digest").to_owned()
}

/// The digests are recorded, and `make optimised` asks a release for the same ones: each file is run once a build.
#[test]
fn same_seed_same_bytes() {
    let digest = |file: &PathBuf| {
        let name = file.strip_prefix(root().join("scenarios/library")).expect("in the library");
        (name.display().to_string(), digest_of(file, Scratch::new().path(), &[]))
    };
    let digests: BTreeMap<String, String> = library().par_iter().map(digest).collect();
    let text: String = digests.iter().map(|(name, digest)| format!("{digest} {name}\n")).collect();
    let path = root().join("fixtures/digests.txt");
    if std::env::var_os("SPLITBRAIN_UPDATE").is_some() {
        std::fs::write(&path, &text).expect("fixtures can be written");
    }
    let recorded = std::fs::read_to_string(&path).unwrap_or_default();
    let only = |of: &str, in_other: &str| -> Vec<String> {
        let others: Vec<&str> = in_other.lines().collect();
        of.lines().filter(|line| !others.contains(line)).map(str::to_owned).collect()
    };
    let (was, is) = (only(&recorded, &text), only(&text, &recorded));
    assert_eq!(was, is, "digests changed; if that is meant, run the test again with SPLITBRAIN_UPDATE=1");
}

/// One file of each system: two engines in one process agree after every event, and what two processes write is the same to the last
/// byte, whatever an option of the report says.
#[test]
fn two_engines_and_two_processes_agree() {
    let mut of_a_system: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for file in library() {
        of_a_system.entry(file.parent().expect("a folder").to_owned()).or_insert(file);
    }
    of_a_system.par_iter().for_each(|(_, file)| {
        let scratch = Scratch::new();
        let (one, two) = (scratch.path().join("one"), scratch.path().join("two"));
        let first = digest_of(file, &one, &["--twin", "--trace"]);
        assert_eq!(first, digest_of(file, &two, &["--trace", "--set", "report.title=another"]), "{}", file.display());
        let (a, b) = (run_dir(&one), run_dir(&two));
        for name in ["history.jsonl", "trace.jsonl"] {
            let bytes = |dir: &Path| std::fs::read(dir.join(name)).expect(name);
            assert!(bytes(&a) == bytes(&b), "{name} of {} differs between two processes", file.display());
        }
    });
}

#[test]
fn another_seed_is_another_run() {
    let scratch = Scratch::new();
    let file = root().join("scenarios/library/raft/steady.toml");
    let more = |seed| ["--seed", seed, "--set", "scenario.duration=6s", "--set", "expect={}"];
    let digest = |seed: &'static str| digest_of(&file, scratch.path(), &more(seed));
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
