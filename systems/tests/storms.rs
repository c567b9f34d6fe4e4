//! Random schedules: silent on correct code, and each known bug caught by a rule with a name.

mod support;

use sim_core::{Verdict, Violation};
use support::chaos::{Calm, members_storm_of, paxos_members_storm_of, paxos_storm_of, storm_of};
use systems::consensus::paxos::PaxosBug;
use systems::consensus::raft::RaftBug;

fn seeds() -> u64 {
    std::env::var("STORM_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(60)
}

/// Runs many storms over correct code.
fn weather(storm: impl Fn(u64) -> Result<Calm, Violation>) {
    let mut answered = 0;
    for seed in std::env::var("ONLY").map_or(0, |x| x.parse().unwrap())..seeds() {
        let calm = storm(seed).unwrap_or_else(|v| panic!("seed {seed}: {v:?}"));
        for verdict in &calm.verdicts {
            assert!(
                !matches!(verdict, Verdict::Inconclusive { rule: "convergence" | "linearizable", .. }),
                "seed {seed}: {verdict:?}"
            );
        }
        answered += calm.answered;
    }
    assert!(answered as u64 > 50 * seeds(), "only {answered} operations were answered");
}

#[test]
fn correct_code_weathers_every_storm() {
    weather(|seed| storm_of(seed, RaftBug::None));
}

#[test]
fn correct_code_weathers_every_change_of_members() {
    weather(|seed| members_storm_of(seed, RaftBug::None));
}

#[test]
fn correct_paxos_weathers_every_storm() {
    weather(|seed| paxos_storm_of(seed, PaxosBug::None));
}

#[test]
fn correct_paxos_weathers_every_change_of_members() {
    weather(|seed| paxos_members_storm_of(seed, PaxosBug::None));
}

/// Prints, for every bug, which rules catch it and how soon: `STORM_SEEDS=2000 cargo test ... -- --ignored
/// --nocapture`.
#[test]
#[ignore = "a survey, not a test"]
fn survey() {
    for bug in RaftBug::ALL {
        print(bug.name(), |seed| storm_of(seed, *bug));
        print(&format!("{} (members)", bug.name()), |seed| members_storm_of(seed, *bug));
    }
    for bug in PaxosBug::ALL {
        print(bug.name(), |seed| paxos_storm_of(seed, *bug));
    }
}

fn print(name: &str, storm: impl Fn(u64) -> Result<Calm, Violation>) {
    let mut rules = std::collections::BTreeMap::<String, u32>::new();
    let mut first = None;
    for seed in 0..seeds() {
        if let Err(violation) = storm(seed) {
            first.get_or_insert(seed);
            *rules.entry(violation.rule).or_default() += 1;
        }
    }
    println!("{name:28} first {first:?} {rules:?}");
}
