//! `enumerate`: every way of a small cluster, held to what is known of it.

use crate::support::{Scratch, splitbrain};
use serde_json::Value;

/// Three replicas, of which elections are all that happens, and messages as short as can be.
const SMALL: &[&str] = &[
    "raft/steady",
    "--set",
    "cluster.nodes=3",
    "--set",
    "system.pre_vote=false",
    "--set",
    "system.max_batch=1B",
    "--ring",
    "election",
];

fn enumerate_all(args: &[&str]) -> (i32, Value) {
    let ran = splitbrain(&[&["enumerate", "--format", "json"], args].concat());
    let told =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", ran.stdout, ran.stderr));
    (ran.status.code().unwrap_or(-1), told)
}

fn enumerate(more: &[&str]) -> (i32, Value) {
    enumerate_all(&[SMALL, more].concat())
}

#[test]
fn what_holds_in_all_ways_is_said_to_hold() {
    let (code, told) = enumerate(&["--depth", "6"]);
    assert_eq!((code, &told["whole"], &told["broken"]), (0, &6.into(), &Value::Null), "{told}");
    let (_, deeper) = enumerate(&["--depth", "7"]);
    assert!(deeper["states"].as_u64() > told["states"].as_u64(), "{deeper}");
    assert_eq!(enumerate(&["--depth", "6"]).1, told, "the same search is the same");
    // One timer that rings, and nobody goes on: then there is an end.
    let (code, told) = enumerate(&["--depth", "40", "--timers", "1", "--under-way", "3"]);
    assert_eq!((code, &told["exhausted"]), (0, &true.into()), "{told}");
}

#[test]
fn the_shortest_way_into_a_bug_is_found_without_luck() {
    // Two rings of the one, whose vote of the first wins it the second; one of the other, which wins that as well.
    let stale = [SMALL, &["--under-way", "4"]].concat();
    // P1: who leads next proposes what it likes where a value is chosen.
    let ignores =
        ["paxos/steady", "--set", "cluster.nodes=3", "--timers", "2", "--ring", "election", "--under-way", "3"];
    let ignores = [&ignores[..], &["--asks", "2"]].concat();
    for (search, bug, rule, steps) in
        [(&stale, "stale_votes_counted", "election_safety", 7), (&ignores, "ignore_accepted", "chosen_values_stay", 10)]
    {
        let set = format!("system.bug={bug}");
        let (code, told) = enumerate_all(&[search, &["--depth", "12", "--set", &set][..]].concat());
        assert_eq!((code, told["broken"]["rule"].as_str()), (1, Some(rule)), "{told}");
        let way = told["broken"]["way"].as_array().expect("the way is told");
        assert_eq!(
            (way.len(), told["whole"].as_u64()),
            (steps, Some(steps as u64 - 1)),
            "all shorter ones hold: {told}"
        );
        let depth = steps.to_string();
        let (code, told) = enumerate_all(&[search, &["--depth", &depth][..]].concat());
        assert_eq!(code, 0, "without the bug all ways of so many steps hold: {told}");
    }
}

#[test]
fn a_search_that_is_too_large_is_inconclusive_and_one_that_makes_no_sense_is_refused() {
    let (code, told) = enumerate(&["--depth", "20", "--states", "50"]);
    assert_eq!((code, told["whole"].as_u64() < Some(20)), (3, true), "{told}");
    let ran = splitbrain(&[&["enumerate"], &SMALL[..7], &["--ring", "elektion"]].concat());
    assert!(ran.status.code() == Some(2) && ran.stderr.contains("election timeout"), "{}", ran.stderr);
    let scratch = Scratch::new();
    let file = scratch.path().join("quiet.toml");
    std::fs::write(&file, "[scenario]\nname = \"quiet\"\nsystem = \"raft\"\nduration = \"5s\"\n[cluster]\nnodes = 3\n")
        .expect("it can be written");
    let ran = splitbrain(&["enumerate", file.to_str().expect("letters"), "--asks", "1"]);
    assert!(ran.status.code() == Some(2) && ran.stderr.contains("nobody asks anything"), "{}", ran.stderr);
}
