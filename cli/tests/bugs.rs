//! A short part of `make bugs`: some known bugs are found by the shipped chaos files within a few seeds, which are clean
//! without them.

#[path = "../examples/bugs/catch.rs"]
mod catch;

use catch::{Ended, first, load, run};

#[test]
fn the_chaos_files_find_known_bugs_and_nothing_else() {
    const SEEDS: u64 = 2;
    let registry = splitbrain::registry();
    let [files, _] = catch::files("raft");
    assert!(files.len() >= 4, "only {} chaos files about Raft", files.len());
    let clean = load(&registry, &files, None).unwrap_or_else(|errors| panic!("{errors}"));
    for storm in &clean {
        for seed in 1..=SEEDS {
            assert_eq!(run(&registry, &storm.scenario, seed).0, Ended::Clean, "seed {seed} of {}", storm.name);
        }
    }
    let pool =
        |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(8 << 20).build().expect("threads");
    for bug in [
        "no_up_to_date_check",
        "quorum_half",
        "unconditional_truncation",
        "snapshot_omits_sessions",
        "no_session_filter",
        "restart_trusts_page_cache",
    ] {
        let storms = load(&registry, &files, Some(bug)).unwrap_or_else(|errors| panic!("{errors}"));
        let seeds = format!("1..{SEEDS}").parse().expect("a range");
        let catch =
            first(&pool(2), &registry, &storms, &seeds).unwrap_or_else(|| panic!("{bug} escaped {SEEDS} seeds"));
        assert_eq!(catch.panics, 0, "{bug}: {catch:?}");
        // What is found does not depend on the number of threads.
        assert_eq!(first(&pool(1), &registry, &storms, &seeds), Some(catch), "{bug}");
    }
}
