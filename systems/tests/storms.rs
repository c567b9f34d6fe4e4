//! Random schedules: silent on correct code, and each known bug caught by a rule with a name.

mod support;

use sim_core::Verdict;
use support::chaos::{Weather, storm};
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

#[test]
fn correct_code_weathers_every_storm() {
    let mut answered = 0;
    for seed in 0..seeds() {
        let nodes = [3, 5, 4][seed as usize % 3];
        let config = Config { pre_vote: seed % 2 == 0, check_quorum: seed % 5 != 0, ..config(nodes) };
        let calm = storm(config, Weather::STORM, seed).unwrap_or_else(|v| panic!("seed {seed}: {v:?}"));
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
