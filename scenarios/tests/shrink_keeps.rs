//! What shrinking leaves as it is: options that decide what the broken rule says, what somebody wants to keep, and time
//! to settle.

use crate::common::{self, Only};
use scenarios::Scenario;
use scenarios::shrink::{Keep, Oracle, Sighting, Task, gist, shrink};
use sim_core::{Duration, Instant};

const TEXT: &str = r#"
[scenario]
name = "x"
system = "raft"
duration = "1s"
settle = "4s"
[cluster]
nodes = 3
[system]
alpha = 7
pre_vote = false
[[workload]]
clients = 4
rate = "10/s"
[expect]
answered_within = "1s"
"#;

/// Every run breaks the rule; what it says depends on one option, and when it does is fixed.
struct Talkative {
    ended: Option<Instant>,
}

impl Talkative {
    fn sighting(&self, s: &Scenario) -> Sighting {
        let alpha = s.options["alpha"].as_integer();
        let detail = if alpha == Some(7) { format!("n{} lost 12 writes", s.clients()) } else { "no leader".to_owned() };
        Sighting { detail, ended: self.ended.unwrap_or_else(|| s.end()), hits: Vec::new() }
    }
}

impl Oracle for Talkative {
    fn first(&mut self, candidates: &[Scenario], said: Option<&str>) -> Option<(usize, Sighting)> {
        let fits = |s: &Scenario| said.is_none_or(|said| gist(&self.sighting(s).detail) == said);
        candidates.iter().position(fits).map(|i| (i, self.sighting(&candidates[i])))
    }
}

fn small(rule: &str, ended: Option<Instant>, keep: &[&str]) -> Scenario {
    let scenario = common::parse(TEXT, &[]).expect("a sound scenario");
    let scenario = scenario.resolved(&scenarios::expand(&scenario, 1), 1);
    let paths: Vec<String> = keep.iter().map(|path| (*path).to_owned()).collect();
    let keep = Keep::of(&scenario, &paths).expect("they are there");
    let mut oracle = Talkative { ended };
    let sighting = oracle.sighting(&scenario);
    let task = Task { scenario, sighting, rule, max_runs: 100_000, other_seeds: 2, keep, systems: &Only };
    shrink(task, &mut oracle).scenario
}

#[test]
fn an_option_goes_back_to_its_default_only_where_the_rule_still_says_the_same() {
    let small = small("a_rule", None, &[]);
    assert_eq!(small.clients(), 1);
    assert_eq!(small.options["alpha"].as_integer(), Some(7), "another message is another bug");
    assert_eq!(small.options["pre_vote"].as_bool(), Some(true));
}

#[test]
fn what_is_to_be_kept_is_kept() {
    let small = small("a_rule", None, &["system.pre_vote", "workload.0.clients", "scenario.seed"]);
    assert_eq!((small.clients(), small.seed), (4, 1));
    assert_eq!(small.options["pre_vote"].as_bool(), Some(false));
}

#[test]
fn a_key_that_is_not_there_is_told_with_those_that_are() {
    let scenario = common::parse(TEXT, &[]).expect("a sound scenario");
    let paths = ["system.bugg", "workload.3", "scenario.name.x"].map(str::to_owned);
    let wrong = Keep::of(&scenario, &paths).expect_err("none of them is there");
    assert!(wrong[0].starts_with("--keep system.bugg: `system` has no `bugg`; it has alpha, "), "{wrong:?}");
    assert_eq!(wrong[1], "--keep workload.3: `workload` has no `3`; it has 1 of them, counted from 0");
    assert_eq!(wrong[2], "--keep scenario.name.x: `scenario.name` has no `x`; it has no parts at all");
}

#[test]
fn time_to_settle_goes_where_the_rule_needs_none() {
    let early = small("a_rule", Some(Instant(5_000_000)), &[]);
    assert_eq!((early.settle, early.expect.answered_within), (Duration::ZERO, None));
    // What is judged in the end may be about what has settled by then.
    let late = small("a_rule", None, &[]);
    assert_eq!((late.settle, late.expect.answered_within), (Duration::secs(4), None));
    // As much as the rule itself needs.
    let answered = small("answered_within", None, &[]);
    assert_eq!((answered.settle, answered.expect.answered_within), (Duration::secs(2), Some(Duration::secs(1))));
}
