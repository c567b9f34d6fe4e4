//! Every shipped scenario is valid, and its resolved form says the same.

mod common;

use common::{Only, files, parse, root};
use scenarios::{Scenario, expand, load, to_toml};
use std::collections::BTreeSet;
use std::path::PathBuf;

fn library() -> Vec<(String, Scenario)> {
    files(&root().join("scenarios/library"), &["toml"]).into_iter().map(read).collect()
}

fn read(path: PathBuf) -> (String, Scenario) {
    let scenario = load(&path, &[], &Only).unwrap_or_else(|errors| panic!("{errors}"));
    (path.display().to_string(), scenario)
}

/// The library, and the file that holds every key.
fn all() -> Vec<(String, Scenario)> {
    let mut all = library();
    all.extend(files(&root().join("fixtures/valid"), &["toml"]).into_iter().map(read));
    all
}

#[test]
fn every_file_is_valid_and_named_after_itself() {
    let library = library();
    let raft = library.iter().filter(|(path, _)| path.contains("library/raft/")).count();
    let negative = library.iter().filter(|(path, _)| path.contains("library/negative/")).count();
    assert!(raft >= 10, "only {raft} stories about Raft");
    assert!(negative >= 2, "only {negative} that must fail");
    let names: BTreeSet<&str> = library.iter().map(|(_, s)| s.name.as_str()).collect();
    assert_eq!(names.len(), library.len(), "two scenarios share a name, so they would share a results folder");
    for (path, scenario) in &library {
        let stem = path.rsplit('/').next().unwrap_or("").trim_end_matches(".toml");
        assert_eq!(scenario.name, format!("{}-{stem}", scenario.system), "{path}");
        assert_ne!(scenario.title, scenario.name, "{path} has no title");
        assert_eq!(!scenario.expect.violates.is_empty(), path.contains("/negative/"), "{path}");
    }
}

#[test]
fn every_file_says_what_it_shows() {
    for path in files(&root().join("scenarios/library"), &["toml"]) {
        let text = std::fs::read_to_string(&path).expect("it was read before");
        let comments = text.lines().take_while(|line| line.starts_with('#')).count();
        assert!(comments >= 3, "{} starts with {comments} lines of comment", path.display());
        assert!(text.contains("# Look at:"), "{} does not say what to look at", path.display());
    }
}

#[test]
fn the_resolved_file_says_the_same() {
    for (path, scenario) in all() {
        let schedule = expand(&scenario);
        let text = to_toml(&scenario, &schedule, 7);
        let again = parse(&text, &[]).unwrap_or_else(|errors| panic!("{path}\n{text}\n{errors}"));
        assert_eq!(again, scenario.resolved(&schedule, 7), "{path}");
        assert_eq!(expand(&again).injections(), schedule.injections(), "{path}");
        assert_eq!(to_toml(&again, &expand(&again), 7), text, "{path}");
    }
}

#[test]
fn removing_a_fault_leaves_the_others_their_luck() {
    for (path, scenario) in all() {
        let all = expand(&scenario);
        for removed in 0..scenario.faults.len() {
            let mut less = scenario.clone();
            less.faults.remove(removed);
            for injection in expand(&less).injections() {
                assert!(all.injections().contains(injection), "{path}: {injection} changed without fault {removed}");
            }
        }
    }
}
