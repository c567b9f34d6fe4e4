//! Random schedules: silent on correct code, and each known bug caught by a rule with a name.

use crate::support::chaos::{Calm, members_storm_of, paxos_members_storm_of, paxos_storm_of, storm_of};
use sim_core::{Verdict, Violation};
use systems::consensus::paxos::PaxosBug;
use systems::consensus::raft::RaftBug;

fn seeds() -> u64 {
    std::env::var("STORM_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(60)
}

/// Runs many storms over correct code.
fn weather(storm: impl Fn(u64) -> Result<Calm, Violation>) {
    let mut answered = 0;
    for seed in 0..seeds() {
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
