//! Random schedules: silent on correct code, and each known bug caught by a rule with a name.

mod support;

use sim_core::Verdict;
use support::chaos::storm_of;
use systems::raft::RaftBug;

fn seeds() -> u64 {
    std::env::var("STORM_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(60)
}

#[test]
fn correct_code_weathers_every_storm() {
    let mut answered = 0;
    for seed in 0..seeds() {
        let calm = storm_of(seed, RaftBug::None).unwrap_or_else(|v| panic!("seed {seed}: {v:?}"));
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

/// Prints, for every bug, which rules catch it and how soon: `STORM_SEEDS=2000 cargo test ... -- --ignored --nocapture`.
#[test]
#[ignore = "a survey, not a test"]
fn survey() {
    for bug in RaftBug::ALL {
        let mut rules = std::collections::BTreeMap::<String, u32>::new();
        let mut first = None;
        for seed in 0..seeds() {
            if let Err(violation) = storm_of(seed, *bug) {
                first.get_or_insert(seed);
                *rules.entry(violation.rule).or_default() += 1;
            }
        }
        println!("{:28} first {first:?} {rules:?}", bug.name());
    }
}
