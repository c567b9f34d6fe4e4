//! Every shipped scenario is valid, and its resolved form says the same.

use crate::common::{Only, files, parse, root};
use scenarios::{Scenario, expand, load, to_toml};
use sim_core::fault::Injection;
use sim_core::network::Latency;
use sim_core::{Duration, Instant, NodeId};
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
        let schedule = expand(&scenario, scenario.seed);
        let text = to_toml(&scenario, &schedule, 7);
        let again = parse(&text, &[]).unwrap_or_else(|errors| panic!("{path}\n{text}\n{errors}"));
        assert_eq!(again, scenario.resolved(&schedule, 7), "{path}");
        assert_eq!(expand(&again, again.seed).injections(), schedule.injections(), "{path}");
        assert_eq!(to_toml(&again, &expand(&again, again.seed), 7), text, "{path}");
    }
}

#[test]
fn removing_a_fault_leaves_the_others_their_luck() {
    for (path, scenario) in all() {
        let all = expand(&scenario, scenario.seed);
        for removed in 0..scenario.faults.len() {
            let mut less = scenario.clone();
            less.faults.remove(removed);
            for injection in expand(&less, less.seed).injections() {
                assert!(all.injections().contains(injection), "{path}: {injection} changed without fault {removed}");
            }
        }
    }
}

#[test]
fn json_says_the_same() {
    for path in files(&root().join("scenarios/library"), &["toml"]) {
        let text = std::fs::read_to_string(&path).expect("it was read before");
        let table: toml::Table = text.parse().expect("TOML");
        let json = serde_json::to_string_pretty(&table).expect("JSON");
        let files = scenarios::Beside::new(&path);
        let json = scenarios::Text { name: "test.json", text: &json, json: true, overrides: &[], files: &files };
        let from_json = scenarios::parse(&json, &Only).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(from_json, read(path).1);
    }
}

#[test]
fn matrices_become_links() {
    let text = |latency: &str| {
        format!(
            "[scenario]\nname = \"x\"\nsystem = \"raft\"\nduration = \"9s\"\n\
             [cluster]\nnodes = 4\nzones = [{}]\n[network]\nlatency = {latency}\n\
             [[network.link]]\nbetween = [\"n1\", \"n2\"]\nlatency = \"9ms\"\n",
            if latency.contains("three") { "\"west\", \"east\"" } else { "\"a\", \"b\"" }
        )
    };
    let read = |latency: &str| parse(&text(latency), &[]).unwrap_or_else(|errors| panic!("{errors}"));
    let matrix = read("{ matrix = \"three-regions.csv\" }");
    let latency = |s: &Scenario, a, b| s.network.node_link(&s.cluster, NodeId(a), NodeId(b)).latency;
    let ms = Duration::millis;
    assert_eq!(latency(&matrix, 0, 3), Latency::uniform(ms(30), ms(34)));
    assert_eq!(latency(&matrix, 0, 2), Latency::uniform(Duration::micros(300), Duration::micros(800)));
    assert_eq!(latency(&matrix, 1, 0), Latency::Fixed(ms(9)), "a later rule wins");
    assert_eq!(matrix.network.zone_link(1, 0).latency, Latency::uniform(ms(30), ms(34)));
    assert_eq!(matrix.network.request_link(&matrix.cluster, 0, NodeId(1)).latency, Latency::uniform(ms(30), ms(34)));
    let recorded = read("{ recorded = \"two-zones-samples.csv\" }");
    let there = latency(&recorded, 0, 3);
    assert!((Duration::micros(1100)..=Duration::micros(6500)).contains(&there.median()), "{there:?}");
}

#[test]
fn repetitions_and_flaps_expand() {
    let base = "[scenario]\nname = \"x\"\nsystem = \"raft\"\nduration = \"10s\"\n[cluster]\nnodes = 3\n[[fault]]\n";
    let spells = |fault: &str| {
        let scenario = parse(&format!("{base}{fault}"), &[]).unwrap_or_else(|errors| panic!("{errors}"));
        let schedule = expand(&scenario, scenario.seed);
        let spell = |i: &Injection| {
            let until = if i.until == Instant::FAR { "end".to_owned() } else { i.until.to_string() };
            format!("{}-{until}", i.at)
        };
        schedule.injections().iter().map(spell).collect::<Vec<_>>().join(" ")
    };
    let crash = "kind = \"crash\"\ntarget = \"leader\"\nat = \"1s\"\n";
    assert_eq!(spells(crash), "1s-end");
    assert_eq!(spells(&format!("{crash}duration = \"2s\"")), "1s-3s");
    assert_eq!(spells(&format!("{crash}duration = \"9s\"")), "1s-end");
    assert_eq!(spells(&format!("{crash}duration = \"2s\"\nevery = \"4s\"")), "1s-3s 5s-7s 9s-end");
    assert_eq!(spells(&format!("{crash}duration = \"2s\"\nevery = \"4s\"\ncount = 2")), "1s-3s 5s-7s");
    let cut = "kind = \"partition\"\ntarget = \"n1\"\nat = \"1s\"\nperiod = \"1s\"\nup = \"400ms\"\n";
    assert_eq!(spells(&format!("{cut}duration = \"2.5s\"")), "1s-1.6s 2s-2.6s 3s-3.5s");
    let step = "kind = \"clock\"\ntarget = \"n1\"\nat = \"4s\"\nstep = \"-1s\"\nevery = \"5s\"\n";
    assert_eq!(spells(step), "4s-end 9s-end");
}
