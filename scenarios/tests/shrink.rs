//! Shrinking: what is left still fails, nothing more can be left out, and nothing but the oracle's answers steers it.

use crate::common::Only;
use proptest::prelude::*;
use scenarios::Scenario;
use scenarios::shrink::{Hit, Keep, Oracle, Shrunk, Sighting, Size, Task, injection, shrink};
use sim_core::{Instant, NodeId};

/// What a run needs in order to fail.
#[derive(Clone, Debug)]
struct Needs {
    faults: Vec<u64>,
    clients: u32,
    nodes: usize,
    /// In milliseconds.
    duration: u64,
    loss: bool,
    /// Which seeds fail at all; none means every one.
    seeds: Vec<u64>,
}

impl Needs {
    fn fails(&self, s: &Scenario) -> bool {
        self.faults.iter().all(|id| s.faults.iter().any(|plan| plan.id == *id))
            && s.clients() >= self.clients
            && s.cluster.nodes() >= self.nodes
            && s.duration.0 >= self.duration * 1_000_000
            && (!self.loss || !s.network.base.loss.is_never())
            && (self.seeds.is_empty() || self.seeds.contains(&s.seed))
    }
}

struct Synthetic {
    needs: Needs,
    asked: u64,
}

fn sighting(s: &Scenario) -> Sighting {
    let hit =
        |plan| Hit { at: injection(plan).at, label: injection(plan).to_string(), nodes: vec![NodeId(1)], bit: true };
    Sighting { detail: String::new(), ended: s.end(), hits: s.faults.iter().map(hit).collect() }
}

impl Oracle for Synthetic {
    fn first(&mut self, candidates: &[Scenario], _: Option<&str>) -> Option<(usize, Sighting)> {
        let found = candidates.iter().position(|c| self.needs.fails(c));
        self.asked += found.map_or(candidates.len(), |i| i + 1) as u64;
        found.map(|i| (i, sighting(&candidates[i])))
    }
}

/// Forty pauses at different times, two of them of the leader at each.
fn storm() -> Scenario {
    let mut text = "[scenario]\nname = \"x\"\nsystem = \"raft\"\nduration = \"10s\"\nwarmup = \"1s\"\nseed = 9\n\
                    [cluster]\nnodes = 5\nzones = [\"a\", \"b\"]\n[network]\nloss = \"2%\"\nduplicate = \"1%\"\n\
                    [[workload]]\nclients = 10\nrate = \"100/s\"\n"
        .to_owned();
    for id in 1..=40 {
        text.push_str(&format!(
            "[[fault]]\nid = {id}\nkind = \"pause\"\ntarget = \"leader\"\nat = \"{}ms\"\nduration = \"50ms\"\n",
            100 + 20 * id
        ));
    }
    crate::common::parse(&text, &[]).expect("a sound scenario")
}

fn shrunk(needs: &Needs, max_runs: u64, other_seeds: u64) -> (Shrunk, u64) {
    let scenario = storm();
    assert!(needs.fails(&scenario) || !needs.seeds.is_empty(), "{needs:?}");
    let mut oracle = Synthetic { needs: needs.clone(), asked: 0 };
    let sighting = sighting(&scenario);
    let task =
        Task { scenario, sighting, rule: "a_rule", max_runs, other_seeds, keep: Keep::default(), systems: &Only };
    let shrunk = shrink(task, &mut oracle);
    (shrunk, oracle.asked)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(6) })]
    #[test]
    fn exactly_what_is_needed_is_left(
        faults in proptest::collection::btree_set(1_u64..=40, 0..4),
        clients in 1_u32..=10,
        nodes in 1_usize..=5,
        loss: bool,
    ) {
        let faults = faults.into_iter().collect();
        let needs = Needs { faults, clients, nodes, duration: 1500, loss, seeds: Vec::new() };
        let (shrunk, asked) = shrunk(&needs, 100_000, 0);
        let small = &shrunk.scenario;
        prop_assert!(needs.fails(small) && !shrunk.cut_short);
        prop_assert_eq!(shrunk.runs, asked, "every run that was looked at is counted, and no other");
        let mut left: Vec<u64> = small.faults.iter().map(|plan| plan.id).collect();
        left.sort_unstable();
        prop_assert_eq!(left, needs.faults);
        let size = Size::of(small);
        prop_assert_eq!((size.nodes, size.zones), (nodes as u64, 1));
        // With probes off, one workload must stay; its clients are what is needed.
        prop_assert_eq!(size.clients, u64::from(clients));
        prop_assert_eq!(size.noise, if loss { vec!["loss"] } else { vec![] });
        prop_assert_eq!(size.duration_ns, 1_500_000_000);
        prop_assert_eq!(small.seed, 9);
    }
}

#[test]
fn a_shrunk_scenario_can_not_be_shrunk() {
    let needs = Needs { faults: vec![3, 17], clients: 2, nodes: 3, duration: 1500, loss: false, seeds: Vec::new() };
    let (first, _) = shrunk(&needs, 100_000, 2);
    let mut oracle = Synthetic { needs, asked: 0 };
    let sighting = sighting(&first.scenario);
    let task = Task {
        scenario: first.scenario.clone(),
        sighting,
        rule: "a_rule",
        max_runs: 100_000,
        other_seeds: 2,
        keep: Keep::default(),
        systems: &Only,
    };
    let second = shrink(task, &mut oracle);
    assert_eq!(second.scenario, first.scenario);
}

#[test]
fn the_bound_on_runs_is_kept_and_said() {
    let needs = Needs { faults: vec![3, 17, 40], clients: 2, nodes: 3, duration: 1500, loss: true, seeds: Vec::new() };
    for most in [1, 7, 64, 65, 130] {
        let (shrunk, asked) = shrunk(&needs, most, 4);
        assert_eq!((shrunk.runs, asked, shrunk.cut_short), (most, most, true));
        assert!(needs.fails(&shrunk.scenario));
    }
}

#[test]
fn another_seed_is_taken_only_where_the_own_one_does_not_help() {
    let needs = Needs { faults: vec![5], clients: 1, nodes: 1, duration: 1500, loss: false, seeds: Vec::new() };
    assert_eq!(shrunk(&needs, 100_000, 3).0.scenario.seed, 9, "every seed fails, so nothing calls for another");
    // Seed 9 needs all faults; seed 2 needs one.
    struct Moody;
    impl Oracle for Moody {
        fn first(&mut self, candidates: &[Scenario], _: Option<&str>) -> Option<(usize, Sighting)> {
            let fails =
                |s: &Scenario| s.faults.len() >= if s.seed == 2 { 1 } else { 40 } && s.end() > Instant(2_000_000_000);
            candidates.iter().position(fails).map(|i| (i, sighting(&candidates[i])))
        }
    }
    let shrink_with = |other_seeds| {
        let scenario = storm();
        let sighting = sighting(&scenario);
        shrink(
            Task {
                scenario,
                sighting,
                rule: "a_rule",
                max_runs: 100_000,
                other_seeds,
                keep: Keep::default(),
                systems: &Only,
            },
            &mut Moody,
        )
    };
    assert_eq!(shrink_with(0).scenario.faults.len(), 40);
    let with_others = shrink_with(4).scenario;
    assert_eq!((with_others.faults.len(), with_others.seed), (1, 2));
}
