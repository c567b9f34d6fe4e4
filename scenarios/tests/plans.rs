//! From a plan to a concrete schedule: random processes, rolling restarts, and swarms. All of it is pure.

use crate::common::{parse, root};
use scenarios::{Scenario, expand, to_toml};
use sim_core::fault::{Injection, Target};
use sim_core::network::Latency;
use sim_core::workload::Arrival;
use sim_core::{Duration, Instant};
use std::collections::{BTreeMap, BTreeSet};

const BASE: &str = "[scenario]\nname = \"x\"\nsystem = \"raft\"\nduration = \"100s\"\n\
                    [cluster]\nnodes = 6\nzones = [\"a\", \"b\", \"c\"]\n";

fn read(rest: &str) -> Scenario {
    parse(&format!("{BASE}{rest}"), &[]).unwrap_or_else(|errors| panic!("{errors}"))
}

fn injections(scenario: &Scenario, seed: u64) -> Vec<Injection> {
    expand(scenario, seed).injections().to_vec()
}

/// How many injections each target gets.
fn by_target(all: &[Injection]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    all.iter().for_each(|i| *counts.entry(i.target.to_string()).or_default() += 1);
    counts
}

#[test]
fn processes_belong_to_their_scope() {
    let fault = |scope: &str| {
        read(&format!(
            "[[fault]]\nkind = \"crash\"\ntarget = \"all\"\nmtbf = \"4s\"\nmttr = \"1s\"\nscope = \"{scope}\"\n"
        ))
    };
    let names = |scope: &str| by_target(&injections(&fault(scope), 3)).into_keys().collect::<Vec<_>>();
    assert_eq!(names("cluster"), ["all"]);
    assert_eq!(names("zone"), ["zone:a", "zone:b", "zone:c"]);
    assert_eq!(names("machine"), ["machine:m1", "machine:m2", "machine:m3", "machine:m4", "machine:m5", "machine:m6"]);
    assert_eq!(names("node"), ["n1", "n2", "n3", "n4", "n5", "n6"]);
    // About 100 s / (4 s + 1 s) times for each, and not at the same times.
    let all = injections(&fault("node"), 3);
    assert!(by_target(&all).values().all(|n| (8..=35).contains(n)), "{:?}", by_target(&all));
    let times: BTreeSet<Instant> = all.iter().map(|i| i.at).collect();
    assert_eq!(times.len(), all.len());
    assert!(all.iter().all(|i| !i.must_bite));
    assert_ne!(injections(&fault("node"), 3), injections(&fault("node"), 4), "another seed, other times");
    assert_eq!(injections(&fault("node"), 3), injections(&fault("node"), 3));
}

#[test]
fn a_range_of_times_is_drawn_from_evenly() {
    let scenario =
        read("[[fault]]\nkind = \"crash\"\ntarget = \"n1\"\nat = \"10s..14s\"\nduration = \"1s\"\nevery = \"20s\"\n");
    let ms = |at: Instant| at.0 / 1_000_000;
    let mut quarters = [0; 4];
    for seed in 1..=400 {
        let all = injections(&scenario, seed);
        quarters[((ms(all[0].at) - 10_000) / 1000) as usize] += 1;
        // The repetitions keep their distance, and the fault its length.
        assert!(all.windows(2).all(|two| ms(two[1].at) - ms(two[0].at) == 20_000), "{all:?}");
        assert!(all.iter().all(|i| ms(i.until) - ms(i.at) == 1000), "{all:?}");
    }
    // 100 each; five standard deviations are 43.
    assert!(quarters.iter().all(|n| (57..=143).contains(n)), "{quarters:?}");
    let at = |rest: &str| parse(&format!("{BASE}[[fault]]\nkind = \"crash\"\ntarget = \"n1\"\n{rest}"), &[]);
    assert!(at("at = \"99s..101s\"\n").is_err(), "it may never happen");
    assert!(at("at = \"1s..2s\"\nmtbf = \"9s\"\nmttr = \"1s\"\n").is_err(), "a process begins at one moment");
}

#[test]
fn a_process_keeps_to_its_time() {
    let scenario = read(
        "[[fault]]\nkind = \"pause\"\ntarget = \"leader\"\nat = \"20s\"\nmtbf = \"300ms\"\nmttr = \"100ms\"\nuntil = \
         \"30s\"\n",
    );
    let all = injections(&scenario, 1);
    assert!((10..=50).contains(&all.len()), "{}", all.len());
    let secs = |n: u64| Instant(n * 1_000_000_000);
    assert!(all.iter().all(|i| i.at >= secs(20) && i.at < secs(30)));
    assert!(all.windows(2).all(|two| two[0].until <= two[1].at), "it meets itself");
    let ids: BTreeSet<u64> = all.iter().map(|i| i.id).collect();
    assert_eq!(ids.len(), all.len(), "each time has its own luck");
}

#[test]
fn a_recorded_process_is_read_from_its_file() {
    let scenario =
        read("[[fault]]\nkind = \"crash\"\ntarget = \"n6\"\nat = \"1s\"\nrecorded = \"../processes/n6.txt\"\n");
    let spell = |i: &Injection| format!("{}-{}", i.at, i.until);
    let all: Vec<String> = injections(&scenario, 1).iter().map(spell).collect();
    assert_eq!(all, ["13.5s-15s", "41s-41.25s"]);
}

#[test]
fn a_rolling_restart_goes_from_node_to_node() {
    let scenario = read(
        "[[fault]]\nkind = \"crash\"\ntarget = [\"zone:a\", \"n2\"]\nat = \"10s\"\nduration = \"1s\"\nrolling = \
         \"2s\"\nevery = \"50s\"\n",
    );
    let step = |i: &Injection| format!("{} {}-{}", i.target, i.at, i.until);
    let all: Vec<String> = injections(&scenario, 1).iter().map(step).collect();
    assert_eq!(all, ["n1 10s-11s", "n2 12s-13s", "n4 14s-15s", "n1 60s-61s", "n2 62s-63s", "n4 64s-65s"]);
}

#[test]
fn a_rolling_restart_takes_no_more_at_a_time_than_it_may() {
    let rolling = |more: &str, every: &str| {
        let text = format!(
            "[[fault]]\nkind = \"crash\"\ntarget = \"all\"\nat = \"10s\"\nduration = \"3s\"\n{every}\n{more}\n"
        );
        injections(&read(&text), 1)
    };
    let most_at_once = |all: &[Injection]| {
        all.iter().map(|i| all.iter().filter(|j| j.at <= i.at && i.at < j.until).count()).max().expect("some")
    };
    let step = |i: &Injection| format!("{} {}-{}", i.target, i.at, i.until);
    let all = rolling("rolling = \"100ms\"\nat_once = 2", "");
    let first: Vec<String> = all.iter().take(4).map(step).collect();
    assert_eq!(first, ["n1 10s-13s", "n2 10.1s-13.1s", "n3 13s-16s", "n4 13.1s-16.1s"]);
    assert_eq!((most_at_once(&all), most_at_once(&rolling("rolling = \"100ms\"", ""))), (2, all.len()));
    // Far apart anyway: as without.
    assert_eq!(rolling("rolling = \"4s\"\nat_once = 1", ""), rolling("rolling = \"4s\"", ""));
    let rounds = rolling("rolling = \"100ms\"\nat_once = 1", "every = \"25s\"");
    assert!(most_at_once(&rounds) == 1 && rounds.len() > all.len(), "{} in all", rounds.len());
}

#[test]
fn what_came_in_order_may_heal_in_another() {
    let cuts = |heal: &str, seed| {
        let text = format!(
            "[[fault]]\nkind = \"partition\"\ntarget = \"all\"\nat = \"10s\"\nduration = \"8s\"\nrolling = \
             \"1s\"\n{heal}\n"
        );
        injections(&read(&text), seed)
    };
    let plain = cuts("", 1);
    let ends = |all: &[Injection]| all.iter().map(|i| i.until).collect::<Vec<_>>();
    let begins = |all: &[Injection]| all.iter().map(|i| (i.at, i.target.clone())).collect::<Vec<_>>();
    let mut backwards = ends(&plain);
    backwards.reverse();
    assert_eq!(ends(&cuts("heal = \"reverse\"", 1)), backwards);
    let mut orders = BTreeSet::new();
    for seed in 0..20 {
        let random = cuts("heal = \"random\"", seed);
        assert_eq!(begins(&random), begins(&plain), "they come as ever");
        assert!(random.iter().all(|i| i.until > plain.last().expect("some").at), "all are held before one is let go");
        let mut sorted = ends(&random);
        orders.insert(sorted.clone());
        sorted.sort_unstable();
        assert_eq!(sorted, ends(&plain), "they end when they would, in another order");
    }
    assert!(orders.len() > 10, "{} orders in 20 seeds", orders.len());
}

fn chaos() -> Scenario {
    let path = root().join("scenarios/library/raft/chaos.toml");
    scenarios::load(&path, &[], &crate::common::Only).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The table that says which kinds of faults how many of these seeds switch on.
#[test]
fn a_thousand_seeds_switch_every_kind_on_and_off() {
    let chaos = chaos();
    let (mut on, mut nothing) = (BTreeMap::<String, (u32, usize)>::new(), 0);
    for seed in 1..=1000 {
        let draw = chaos.draw(seed).expect("chaos is a swarm");
        let schedule = expand(&chaos, seed);
        nothing += u32::from(draw.kinds.values().all(|on| !on));
        for (kind, is_on) in &draw.kinds {
            let faults = schedule.injections().iter().filter(|i| scenarios::swarm::kind(&i.fault) == *kind).count();
            assert!(*is_on || faults == 0, "seed {seed}: {kind} is off and comes {faults} times");
            let entry = on.entry(kind.clone()).or_default();
            *entry = (entry.0 + u32::from(*is_on), entry.1 + faults);
        }
    }
    for (kind, (seeds, faults)) in &on {
        println!("{kind:<40} on in {seeds:>4} of 1000, {faults:>7} faults");
        assert!((300..=700).contains(seeds), "{kind} is on in {seeds} of 1000 seeds");
        assert!(*faults as u32 > *seeds / 2, "{kind} is on in {seeds} seeds and comes {faults} times");
    }
    assert!(on.len() >= 10, "chaos has only {} kinds", on.len());
    assert!(nothing <= 10, "{nothing} seeds have no fault at all");
}

#[test]
fn a_seed_may_have_nothing_but_rarely() {
    let scenario =
        read("[[fault]]\nkind = \"pause\"\ntarget = \"n1\"\nat = \"1s\"\nduration = \"1s\"\n[swarm]\noff = \"50%\"\n");
    let off = (0..2000).filter(|seed| injections(&scenario, *seed).is_empty()).count();
    assert!((20..=120).contains(&off), "{off} of 2000 seeds have no fault");
}

#[test]
fn a_drawn_scenario_is_concrete() {
    let chaos = chaos();
    for seed in 1..=50 {
        let drawn = chaos.drawn(seed);
        assert!(drawn.swarm.is_none());
        assert_eq!(expand(&drawn, seed).injections(), expand(&chaos, seed).injections(), "seed {seed}");
        let text = to_toml(&chaos, &expand(&chaos, seed), seed);
        let again = parse(&text, &[]).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(again, chaos.resolved(&expand(&chaos, seed), seed));
        assert!(!text.contains("swarm"), "{text}");
    }
}

#[test]
fn weights_and_lengths_stay_in_their_range() {
    let fault = "[[fault]]\nkind = \"pause\"\ntarget = \"n1\"\nat = \"1s\"\nduration = \"100ms\"\nevery = \"1s\"\n";
    let swarm = "[swarm]\noff = \"0%\"\nweight = \"0.25..4\"\nlength = \"0.5..2\"\n";
    let (mut fewest, mut most, mut shortest, mut longest) = (usize::MAX, 0, u64::MAX, 0);
    for seed in 0..300 {
        let all = injections(&read(&format!("{fault}{swarm}")), seed);
        (fewest, most) = (fewest.min(all.len()), most.max(all.len()));
        let lasts = all[0].until.since(all[0].at).0 / 1_000_000;
        (shortest, longest) = (shortest.min(lasts), longest.max(lasts));
    }
    // 99 s in steps of 1 s, four times as often and four times as seldom.
    assert!((25..30).contains(&fewest) && (370..=397).contains(&most), "{fewest} {most}");
    assert!((50..53).contains(&shortest) && (190..=200).contains(&longest), "{shortest} {longest}");
}

#[test]
fn settings_are_drawn_among_those_given() {
    let swarm = "[swarm.vary]\nsystem = { snapshot_every = [0, 50], max_batch = [\"1 B\", \"64 KiB\"] }\nnetwork = \
        { loss = [0, \"10%\"] }\n";
    let scenario = read(swarm);
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let drawn = scenario.drawn(seed);
        let loss = drawn.network.base.loss.as_f64() > 0.05;
        seen.insert((drawn.options["snapshot_every"].to_string(), drawn.options["max_batch"].to_string(), loss));
    }
    assert_eq!(seen.len(), 8, "every mixture turns up: {seen:?}");
}

#[test]
fn limits_are_part_of_the_schedule_and_of_the_resolved_file() {
    let scenario = read(
        "[limits]\nmax_down = 2\nkeep_quorum = true\n[[fault]]\nkind = \"crash\"\ntarget = \"all\"\nat = \
         \"1s\"\nduration = \"1s\"\n",
    );
    let schedule = expand(&scenario, 1);
    assert_eq!(schedule.limits(), &scenario.limits);
    assert_eq!(schedule.injections()[0].target, Target::All, "they apply when a fault fires, not before");
    let again = parse(&to_toml(&scenario, &schedule, 1), &[]).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(again.limits, scenario.limits);
    assert_eq!(scenario.limits.max_down, Some(2));
}

#[test]
fn that_nobody_asks_anything_is_said_in_the_resolved_file_too() {
    let nobody = format!("workload = []\n{BASE}[probe]\nenabled = false\n");
    let scenario = parse(&nobody, &[]).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(scenario.workloads.is_empty());
    parse(&to_toml(&scenario, &expand(&scenario, 1), 1), &[]).unwrap_or_else(|errors| panic!("{errors}"));
}

/// From when to when each of the targets is down.
fn spells(target: &str, file: &str, rest: &str) -> String {
    let fault = format!("[[fault]]\nkind = \"crash\"\ntarget = {target}\nrecorded = \"../processes/{file}\"\n{rest}");
    let scenario = read(&fault);
    let spell = |i: &Injection| {
        let until = if i.until == Instant::FAR { "end".to_owned() } else { i.until.to_string() };
        format!("{} {}-{until}", i.target, i.at)
    };
    injections(&scenario, 1).iter().map(spell).collect::<Vec<_>>().join(", ")
}

#[test]
fn profiles_of_other_simulators_are_read() {
    // SimGrid's, with decimal values and a period: down from 5 s to 8 s of every 20 s.
    let five = "n1 5s-8s, n1 25s-28s, n1 45s-48s, n1 65s-68s, n1 85s-88s";
    assert_eq!(spells("\"n1\"", "simgrid.trace", ""), five);
    assert_eq!(spells("\"n1\"", "simgrid.trace", "until = \"30s\"\n"), "n1 5s-8s, n1 25s-28s");
    // A byte-order mark is not part of the first time.
    assert_eq!(spells("\"n1\"", "bom.trace", ""), "n1 5s-8s");
    // Several nodes, and times since 1970, which count from the first.
    let two = "n1 5s-6s, n2 7s-10s";
    assert_eq!(spells("[\"n1\", \"n2\"]", "two-nodes-since-1970.trace", ""), two);
    assert_eq!(spells("[\"n1\", \"n2\"]", "two-nodes-since-1970.trace", "at = \"1s\"\n"), "n1 6s-7s, n2 8s-11s");
    // The file names hosts; those of the target take their parts in order.
    assert_eq!(spells("\"zone:c\"", "two-nodes-since-1970.trace", ""), "n3 5s-6s, n6 7s-10s");
}

#[test]
fn latencies_are_read_from_files_as_programs_write_them() {
    let zones = "zones = [\"us-east-1\", \"us-west-2\", \"eu-west-1\"]";
    let read = |zones: &str, latency: &str| {
        let text = format!("{}[network]\nlatency = {latency}\n", BASE.replace("zones = [\"a\", \"b\", \"c\"]", zones));
        parse(&text, &[]).unwrap_or_else(|errors| panic!("{errors}"))
    };
    let latency = |s: &Scenario, a, b| s.network.zone_link(a, b).latency.clone();
    let us = |n| Latency::Fixed(Duration::micros(n));
    // A byte-order mark and Windows line ends; the numbers are in the unit that the scenario names.
    let bare = read(zones, "{ matrix = \"bom-crlf-no-unit.csv\", unit = \"ms\" }");
    assert_eq!((latency(&bare, 0, 0), latency(&bare, 2, 1)), (us(4_210), us(124_800)));
    // Round trips: one way takes half.
    let there_and_back = read(zones, "{ matrix = \"bom-crlf-no-unit.csv\", unit = \"ms\", rtt = true }");
    assert_eq!(latency(&there_and_back, 2, 1), us(62_400));
    // Everything in quotes.
    assert_eq!(latency(&read(zones, "{ matrix = \"quoted.csv\" }"), 0, 2), us(68_000));
    // Semicolons, and decimal commas between them.
    let european = read("zones = [\"a\", \"b\"]", "{ matrix = \"semicolons.csv\", unit = \"ms\" }");
    assert_eq!(
        (latency(&european, 0, 0), latency(&european, 1, 1), latency(&european, 0, 1)),
        (us(500), us(400), us(12_000))
    );
}

#[test]
fn ramps_stay_ramps() {
    let scenario = read(
        "[[workload]]\nstop = \"50s\"\nstages = [{ at = \"0s\", rate = \"0/s\", ramp_to = \"60/min\" }, \
         { at = \"10s\", rate = \"100/s\" }, { at = \"20s\", rate = \"100/s\", ramp_to = \"1/s\" }]\n",
    );
    let text = to_toml(&scenario, &expand(&scenario, 1), 1);
    let again = parse(&text, &[]).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(again.workloads, scenario.workloads, "{text}");
    let Arrival::Open(stages) = scenario.workloads[0].arrival() else { panic!("an open loop") };
    let second = |n: u64| Instant(n * 1_000_000_000);
    // Ten clients share the rate.
    assert_eq!(stages[0].ramp, Some((second(10), Duration::secs(10))));
    assert_eq!(
        (stages[0].gap, stages[1].ramp, stages[2].ramp),
        (Duration::ZERO, None, Some((second(50), Duration::secs(10))))
    );
}

#[test]
fn what_is_recorded_beyond_the_end_is_said() {
    let notes = |at: &str| {
        let fault = format!(
            "[[fault]]\nkind = \"crash\"\ntarget = \"n6\"\nat = \"{at}\"\nrecorded = \"../processes/n6.txt\"\n"
        );
        let notes = scenarios::notes(&read(&fault), &crate::common::Only);
        notes.into_iter().filter(|note| note.contains("recorded")).collect::<String>()
    };
    assert_eq!(notes("10s"), "");
    let said = "fault 1: 2 of 5 recorded lines are beyond the end of the load at 100s, and do not happen";
    assert_eq!(notes("70s"), said);
}
