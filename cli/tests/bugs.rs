//! A short part of `make bugs`: `fixtures/bugs.txt` lists the known bugs of all systems that the shipped chaos files find within two
//! seeds, which are clean without them.

use crate::support::root;
use rayon::prelude::*;
use scenarios::Registry;
use splitbrain::bugs::{Ended, Storm, files, first, load, run};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

const SEEDS: u64 = 2;

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(8 << 20).build().expect("threads")
}

/// A system's chaos files; none if it has no folder in the library.
fn chaos(system: &str) -> Vec<PathBuf> {
    let folder = root().join("scenarios/library").join(system);
    let [chaos, _] = if folder.is_dir() { files(&[folder]).expect("it can be read") } else { Default::default() };
    chaos
}

/// What is in them, with a bug or without.
fn storms(registry: &Registry, system: &str, bug: Option<&str>) -> Vec<Storm> {
    load(registry, &chaos(system), bug).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn the_chaos_files_hold_without_a_bug() {
    let registry = splitbrain::registry();
    let storms: Vec<Storm> = registry.iter().flat_map(|system| storms(&registry, system.name(), None)).collect();
    assert!(storms.len() >= 20, "only {} chaos files", storms.len());
    pool(2).install(|| {
        storms.par_iter().flat_map(|storm| (1..=SEEDS).into_par_iter().map(move |seed| (storm, seed))).for_each(
            |(storm, seed)| {
                let (system, name) = (&storm.scenario.system, &storm.name);
                assert_eq!(run(&registry, &storm.scenario, seed).0, Ended::Clean, "seed {seed} of {system}/{name}");
            },
        );
    });
}

/// The bugs that are found, by their systems.
fn listed() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(root().join("fixtures/bugs.txt")).expect("fixtures/bugs.txt");
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (system, bug) = line.split_once(' ').unwrap_or_else(|| panic!("not SYSTEM BUG: {line}"));
        all.entry(system.to_owned()).or_default().insert(bug.to_owned());
    }
    all
}

#[test]
fn the_chaos_files_find_known_bugs() {
    let registry = splitbrain::registry();
    let all = std::env::var_os("SPLITBRAIN_UPDATE").is_some();
    let (listed, seeds) = (listed(), format!("1..{SEEDS}").parse().expect("a range"));
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for system in registry.iter().filter(|system| !chaos(system.name()).is_empty()) {
        let name = system.name();
        for bug in system.bugs() {
            if !all && !listed.get(name).is_some_and(|bugs| bugs.contains(bug.name)) {
                continue;
            }
            let catch = first(&pool(2), &registry, &storms(&registry, name, Some(bug.name)), &seeds);
            if let Some(catch) = catch {
                assert_eq!(catch.panics, 0, "{name}: {}: {catch:?}", bug.name);
                found.entry(name.to_owned()).or_default().insert(bug.name.to_owned());
            }
        }
    }
    if all {
        let mut text = String::from(
            "# Known bugs that the chaos files of their system find with the seeds 1 and 2: SYSTEM BUG. `make bugs` looks for all of them.\n",
        );
        for (system, bugs) in &found {
            bugs.iter().for_each(|bug| text += &format!("{system} {bug}\n"));
        }
        return std::fs::write(root().join("fixtures/bugs.txt"), text).expect("fixtures can be written");
    }
    assert!(listed.len() >= 6, "{listed:?}");
    assert_eq!(found, listed, "if some escape and that is meant, run the test again with SPLITBRAIN_UPDATE=1");
}

#[test]
fn what_is_found_does_not_depend_on_the_number_of_threads() {
    let registry = splitbrain::registry();
    let storms = storms(&registry, "raft", Some("no_up_to_date_check"));
    let seeds = format!("1..{SEEDS}").parse().expect("a range");
    assert_eq!(first(&pool(1), &registry, &storms, &seeds), first(&pool(2), &registry, &storms, &seeds));
}
