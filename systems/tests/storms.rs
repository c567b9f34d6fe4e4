//! Random schedules: silent on correct code, and each known bug caught by a rule with a name.

mod support;

use sim_core::{Duration, Verdict, Violation};
use support::chaos::{Calm, Weather, storm};
use systems::raft::{Config, RaftBug};

/// Small numbers, so that snapshots, batches and windows all come into play.
fn config(nodes: u32) -> Config {
    Config {
        snapshot_every: 15,
        snapshot_keep: 3,
        snapshot_chunk: 60,
        max_batch: 200,
        max_inflight: 4,
        ..Config::new(nodes)
    }
}

fn seeds() -> u64 {
    std::env::var("STORM_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(60)
}

/// The cluster and the weather of one seed: sizes, options and kinds of trouble take turns.
fn storm_of(seed: u64, bug: RaftBug) -> Result<Calm, Violation> {
    let pick = |n: u64, salt: u64| sim_core::hash::of(&[seed, salt]) % n;
    let base = config([3, 5, 4][pick(3, 3) as usize]);
    let config = Config {
        pre_vote: pick(2, 1) == 0,
        check_quorum: pick(2, 2) == 0,
        // Hardly any randomness makes many candidates in one term.
        election_max: Duration::millis([300, 155][pick(2, 5) as usize]),
        // One entry a message, or several.
        max_batch: [40, 200][pick(2, 6) as usize],
        bug,
        ..base
    };
    storm(config, if pick(2, 4) == 0 { Weather::STORM } else { Weather::TURMOIL }, seed)
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
