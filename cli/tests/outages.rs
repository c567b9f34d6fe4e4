//! Outages as people meet them: the right length under the right name, whatever else the clients do meanwhile.

use rayon::prelude::*;
use reports::{Report, analyse};
use scenarios::runner::{RunRequest, TraceMode};
use scenarios::{Beside, Override, Text};
use sim_core::Class;
use std::path::Path;

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;

/// The report of one run of a scenario.
fn report(text: &str, set: &[&str], seed: Option<u64>) -> Report {
    report_of(Path::new("outages.toml"), text, set, seed)
}

/// The same, with the files that lie beside it.
fn report_of(path: &Path, text: &str, set: &[&str], seed: Option<u64>) -> Report {
    let overrides: Vec<Override> = set.iter().copied().map(Override::new).collect();
    let name = "outages.toml";
    let files = Beside::new(path);
    let text = Text { name, text, json: false, overrides: &overrides, files: &files };
    let registry = splitbrain::registry();
    let scenario = scenarios::parse(&text, &registry).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let seed = seed.unwrap_or(scenario.seed);
    let schedule = scenarios::expand(&scenario, seed);
    let system = registry.get(&scenario.system).expect("the reader has looked it up");
    let record = system
        .run(RunRequest {
            scenario: &scenario,
            schedule: &schedule,
            seed,
            history: None,
            trace: None,
            trace_mode: TraceMode::default(),
            keep_ops: true,
            evidence: None,
            progress: &mut |_| {},
        })
        .expect("nothing is written");
    analyse(&record)
}

/// A case somebody met, as it lies in `fixtures/outages/`.
fn case(name: &str, set: &[&str]) -> Report {
    let path = crate::support::root().join("fixtures/outages").join(name);
    report_of(&path, &std::fs::read_to_string(&path).expect("the case is there"), set, None)
}

/// The scopes of the outages that lasted this long at least.
fn named(report: &Report, at_least: u64) -> Vec<&str> {
    let long = report.availability.outages.iter().filter(|o| o.duration_ns >= at_least);
    long.map(|o| o.scope.as_str()).collect()
}

fn about(ns: u64, seconds: f64, slack: f64) -> bool {
    (ns as f64 / 1e9 - seconds).abs() <= slack
}

#[test]
fn writes_that_stop_are_an_outage_though_reads_go_on() {
    let report = case("readonly.toml", &[]);
    let a = &report.availability;
    assert_eq!(named(&report, S), ["writes"]);
    assert!(about(a.longest_write_outage_ns, 40.0, 0.2), "{:?}", a.outages);
    assert_eq!((a.longest_outage_ns, a.longest_read_outage_ns), (a.longest_write_outage_ns, 0));
    assert_eq!(report.exit_code, 1, "expectations on outages are broken");

    let report = case("raft-readonly.toml", &[]);
    let a = &report.availability;
    assert_eq!(named(&report, S), ["writes"]);
    assert!(about(a.longest_write_outage_ns, 30.0, 0.2), "{:?}", a.outages);
    assert_eq!((a.longest_read_outage_ns, report.exit_code), (0, 1));
}

#[test]
fn a_dead_zone_is_one_outage_as_long_as_its_clients_had_no_service() {
    for probes in [&[][..], &["probe.enabled=true"]] {
        let report = case("sentinel.toml", probes);
        let a = &report.availability;
        assert_eq!(named(&report, 2 * S), ["zone m1"], "{:?}", a.outages);
        assert!(about(a.longest_zone_outage_ns, 29.7, 1.5), "{:?}", a.outages);
        assert_eq!(a.decided_by_probes, !probes.is_empty());

        let report = case("clients-iso.toml", probes);
        let a = &report.availability;
        assert_eq!(named(&report, S), ["zone b"], "{:?}", a.outages);
        assert!(a.longest_zone_outage_ns >= 9 * S && a.longest_zone_outage_ns <= 11 * S, "{:?}", a.outages);
    }
}

#[test]
fn probes_are_light() {
    // 50 a second of the 100 that the server can do.
    let report = case("probe-load.toml", &[]);
    let a = &report.availability;
    assert!(a.fraction.expect("there is a load") > 0.999, "{:?}", a.fraction);
    assert_eq!((a.longest_outage_ns, a.decided_by_probes), (0, true));
    assert!(a.probes.operations.abs_diff(550) < 20, "a tenth of the capacity for 55 s: {}", a.probes.operations);
    // With 100 a second from three zones, three in four operations were probes: they are none.
    let report = case("cloudflare.toml", &["scenario.duration=30s", "fault=[]"]);
    let a = &report.availability;
    assert!(a.operations.abs_diff(2500) < 200 && a.probes.operations > 7000, "{a:?}");
    let requests: u64 = report.load.per_node.iter().map(|n| n.requests).sum();
    assert!(requests < a.operations * 4, "{requests} requests for {} operations", a.operations);
}

#[test]
fn a_shard_without_its_primary_is_an_outage_of_that_shard() {
    let report = report(&sharded(&["at = \"7s\"", "duration = \"10s\""], 6, true), &[], None);
    let a = &report.availability;
    assert_eq!(named(&report, S), ["1 of 3 shards"], "{:?}", a.outages);
    assert!(a.longest_outage_ns > 2 * S && a.longest_outage_ns < 5 * S, "{:?}", a.outages);
    let down: Vec<_> = a.scopes.iter().filter(|s| s.longest_outage_ns > S).map(|s| s.shard).collect();
    assert!(!down.is_empty() && down.iter().all(|shard| *shard == Some(1)), "{:?}", a.scopes);
    assert_eq!((a.longest_zone_outage_ns, a.longest_full_outage_ns), (0, 0));
}

/// Two of six partitions have their only copy on the broker that dies.
const BROKER_DIES: &str = r#"
[scenario]
name = "broker"
system = "queue"
duration = "25s"
warmup = "2s"
[cluster]
nodes = 6
[system]
replication_factor = 1
min_insync_replicas = 1
partitions = 6
[[workload]]
clients = 10
rate = "100/s"
at = "producer"
[[fault]]
kind = "crash"
target = "broker:2"
at = "7s"
duration = "10s"
"#;

#[test]
fn a_service_without_its_pod_is_an_outage_of_that_service() {
    // One probe a zone, and always of the same service, found "everything" down, or nothing.
    let report = case("two-services.toml", &[]);
    let a = &report.availability;
    assert_eq!(named(&report, S), ["1 of 2 services"], "{:?}", a.outages);
    let outage = &a.outages[0];
    assert!(outage.start_ns.abs_diff(50 * S) <= a.window_ns, "{outage:?}");
    assert!(outage.end_ns >= 80 * S && outage.end_ns < 82 * S, "{outage:?}");
    assert_eq!(a.longest_full_outage_ns, 0);
}

#[test]
fn a_partition_without_its_broker_is_an_outage_of_that_partition() {
    for load in ["rate = \"100/s\"", "rate = \"10/s\"", "think_time = \"20ms\""] {
        let report = report(&BROKER_DIES.replace("rate = \"100/s\"", load), &[], None);
        let a = &report.availability;
        assert_eq!(named(&report, S), ["2 of 6 partitions"], "{load}: {:?}", a.outages);
        let outage = a.outages.iter().find(|outage| outage.duration_ns >= S).expect("the outage that is named");
        assert!(outage.start_ns.abs_diff(7 * S) <= a.window_ns, "{load}: {outage:?}");
        assert!(outage.end_ns >= 17 * S && outage.end_ns < 19 * S, "{load}: {outage:?}");
        assert_eq!(a.longest_full_outage_ns, 0);
    }
}

#[test]
fn whoever_waits_a_minute_gives_the_outage_its_name() {
    // Who hears nothing is pinged after half the node timeout, and has failed when that long has no answer: the majority
    // side waits 15 s to 22.5 s, and an election, for a new primary. The other side waits a minute for the cut to heal.
    let report = case("redis-cluster.toml", &[]);
    let a = &report.availability;
    assert_eq!(named(&report, 30 * S), ["zone a"], "{:?}", a.outages);
    let of = |zone: &str| a.scopes.iter().filter(|s| s.zone == zone).map(|s| s.longest_outage_ns).max();
    assert!(about(of("a").expect("clients"), 60.0, 1.0), "{:?}", a.scopes);
    assert!(of("b").is_some_and(|ns| (15 * S..24 * S).contains(&ns)), "{:?}", a.scopes);
}

#[test]
fn check_says_what_probes_can_not_see() {
    let notes = |set: &[&str]| {
        let overrides: Vec<Override> = set.iter().copied().map(Override::new).collect();
        let files = Beside::new(Path::new("x.toml"));
        let text = Text { name: "x.toml", text: ELECTION, json: false, overrides: &overrides, files: &files };
        let scenario = scenarios::parse(&text, &splitbrain::registry()).expect("it is sound");
        scenarios::notes(&scenario, &splitbrain::registry()).join("\n")
    };
    let light = "probe.every=1s";
    assert_eq!(notes(&[light]), "");
    assert!(notes(&[]).starts_with("probes ask 300 times a second beside a load of 100/s"), "{}", notes(&[]));
    let late = notes(&[light, "probe.timeout=1s", "expect.longest_write_outage=<= 500ms"]);
    assert!(late.contains("outages shorter than 1s are not seen") && late.contains("more than 150ms"), "{late}");
    assert!(late.contains("expect.longest_write_outage <= 500ms: outages shorter than 1s"), "{late}");
    // What is free can be multiplied by anything.
    let slow = ["fault.0.kind=slow", "fault.0.factor=5000", light];
    let floor = notes(&slow);
    assert!(floor.starts_with("fault 1 multiplies by 5000 what is free") && floor.contains("takes 1ms"), "{floor}");
    assert_eq!(notes(&[&slow[..], &["cluster.cpu_cost=1us"]].concat()), "");
    assert_eq!(notes(&[&slow[..], &["fault.0.floor=50ms"]].concat()), "");
    let busy = notes(&["probe.every=1ms", "cluster.cpu_cost=1ms"]);
    assert!(busy.starts_with("probes ask 6000 times a second of a capacity of 166/s"), "{busy}");
}

#[test]
fn who_waits_when_a_run_is_stopped_was_not_served() {
    let path = crate::support::root().join("scenarios/library/negative/wiped-disk.toml");
    let report = report(&std::fs::read_to_string(path).expect("it is in the library"), &[], None);
    let a = &report.availability;
    assert!(report.simulated_ns < 15 * S, "a rule breaks and stops the run");
    assert!(a.unknown > 0 && a.fraction.is_some_and(|f| f < 0.99), "{} of {}", a.ok, a.operations);
    assert!(a.outages.last().is_some_and(|o| o.open && o.scope == "everything"), "{:?}", a.outages);
}

#[test]
fn the_scenario_of_the_first_chapter_shows_its_outages() {
    let page = std::fs::read_to_string(crate::support::root().join("docs/1-first-scenario.md")).expect("there is one");
    let from = page.find("```toml first.toml\n").expect("a scenario") + "```toml first.toml\n".len();
    let text = &page[from..from + page[from..].find("```").expect("its end")];
    let report = report(text, &[], None);
    assert_eq!(named(&report, 100 * MS).len(), 3, "{:?}", report.availability.outages);
    assert_eq!(report.exit_code, 0, "{:?}", report.verdicts);
}

/// Three primaries of a sharded cluster; the second one crashes.
fn sharded(fault: &[&str], nodes: u32, replicated: bool) -> String {
    let rejoin = if replicated { "" } else { "rejoin_delay = \"1ms\"\n" };
    format!(
        "[scenario]\nname = \"shards\"\nsystem = \"failover-cluster\"\nduration = \"25s\"\nwarmup = \"2s\"\nsettle = \"20s\"\n\
         [cluster]\nnodes = {nodes}\n[system]\nprimaries = 3\ncluster_require_full_coverage = false\n{rejoin}\
         [network]\nlatency = \"0.5ms..2ms\"\n\
         [[workload]]\nclients = 10\nrate = \"100/s\"\nread_ratio = 0.5\n\
         [[fault]]\nkind = \"crash\"\ntarget = \"n2\"\n{}\n",
        fault.join("\n"),
    )
}

const ZONE_CUT_OFF: &str = r#"
[scenario]
name = "zone"
system = "failover"
duration = "25s"
warmup = "2s"
[cluster]
nodes = 3
zones = ["a", "b", "c"]
[system]
arbiter = "peers"
heartbeat_interval = "20ms"
[network]
latency = "0.5ms..2ms"
[[workload]]
clients = 12
rate = "100/s"
[[fault]]
kind = "partition"
shape = "groups"
groups = [["zone:c"], ["zone:a", "zone:b"]]
at = "7s"
duration = "10s"
"#;

/// Three replicas, or one; the leader's disk hangs.
const DISK_STALLED: &str = r#"
[scenario]
name = "disk"
system = "failover"
duration = "25s"
warmup = "2s"
[cluster]
nodes = 3
[system]
arbiter = "peers"
[network]
latency = "0.5ms..2ms"
[[workload]]
clients = 12
rate = "100/s"
[[fault]]
kind = "disk"
target = "leader"
stall = true
at = "7s"
duration = "10s"
"#;

/// Five stores, of which the last ones die.
const STORES_DIE: &str = r#"
[scenario]
name = "stores"
system = "hashing"
duration = "25s"
warmup = "2s"
[cluster]
nodes = 5
[system]
replicas = 1
read_quorum = 1
write_quorum = 1
[network]
latency = "0.5ms..2ms"
[[workload]]
clients = 12
rate = "100/s"
[[fault]]
kind = "crash"
target = ["n5"]
at = "7s"
duration = "10s"
"#;

/// How clients may ask: open loops from 10 to 1000 a second, and a closed one.
const LOADS: [&str; 4] = ["rate = \"10/s\"", "rate = \"100/s\"", "rate = \"1000/s\"", "think_time = \"20ms\""];

#[test]
fn an_outage_that_a_fault_decides_is_the_fault_s_whatever_the_load() {
    let shard = sharded(&["at = \"7s\"", "duration = \"10s\""], 3, false);
    // A leader whose loop waits before it sends, or that is alone and stands still: nobody takes over from either.
    let before = "leader_disk = \"before_sending\"";
    let of = |system: &str, option: &str| {
        DISK_STALLED.replace("\"failover\"", &format!("\"{system}\"")).replace("arbiter = \"peers\"", option)
    };
    let (raft, paxos) = (of("raft", before), of("paxos", before));
    let alone = of("raft", "leader_disk = \"blocking\"").replace("nodes = 3", "nodes = 1");
    // Two of five: the keys that both of them hold have one holder left of three, and no quorum.
    let quorums = STORES_DIE
        .replace("replicas = 1\nread_quorum = 1\nwrite_quorum = 1\n", "")
        .replace("[\"n5\"]", "[\"n4\", \"n5\"]");
    let ends = &[LOADS[0], LOADS[2]][..];
    let all = [
        ("zone c", ZONE_CUT_OFF, &LOADS[..]),
        ("writes", DISK_STALLED, &LOADS[..]),
        ("1 of 3 shards", &shard, &LOADS[..]),
        ("everything", &raft, ends),
        ("everything", &paxos, ends),
        ("everything", &alone, ends),
        ("1 of 5 shards", STORES_DIE, ends),
        ("3 of 10 shards", &quorums, ends),
    ];
    for (scope, text, loads) in all {
        for load in loads {
            let text = text.replace("rate = \"100/s\"", load);
            for reads in ["0.1", "0.5", "0.9"] {
                let report = report(&text, &[&format!("workload.0.read_ratio={reads}")], None);
                let a = &report.availability;
                let what = format!("{load}, {reads} of it reads: {:?}", a.outages);
                let [only] = a.outages.as_slice() else { panic!("{what}") };
                assert_eq!(only.scope, scope, "{what}");
                let window = a.window_ns;
                assert!(only.start_ns.abs_diff(7 * S) <= window && only.end_ns.abs_diff(17 * S) <= window, "{what}");
                assert!(only.scopes.iter().any(|s| s.class == Class::Write), "{what}");
            }
        }
    }
}

const ELECTION: &str = r#"
[scenario]
name = "election"
system = "raft"
duration = "4s"
warmup = "1s"
settle = "100ms"
[cluster]
nodes = 5
zones = ["a", "b", "c"]
[network]
latency = "0.5ms..2ms"
[[workload]]
clients = 10
rate = "100/s"
[[fault]]
kind = "crash"
target = "leader"
at = "2s"
duration = "2s"
"#;

/// The longest outages of seeds, the shortest first.
fn elections(text: &str, seeds: u64) -> Vec<u64> {
    let longest = |seed: u64| report(text, &[], Some(seed)).availability.longest_outage_ns;
    let mut all: Vec<u64> = (1..=seeds).into_par_iter().map(longest).collect();
    all.sort_unstable();
    all
}

/// The largest distance between two cumulative distributions (Kolmogorov and Smirnov).
fn distance(a: &[u64], b: &[u64]) -> f64 {
    let below = |of: &[u64], x: u64| of.partition_point(|y| *y <= x) as f64 / of.len() as f64;
    a.iter().chain(b).map(|x| (below(a, *x) - below(b, *x)).abs()).fold(0.0, f64::max)
}

#[test]
fn outages_that_elections_decide_have_one_distribution_whatever_the_load() {
    const SEEDS: u64 = 300;
    let usual = elections(ELECTION, SEEDS);
    assert!(usual[0] > 150 * MS && usual[SEEDS as usize / 2] < 500 * MS, "{usual:?}");
    // Two samples of 300 are further apart than this in one of twenty cases.
    let critical = 1.358 * (2.0 / SEEDS as f64).sqrt();
    let load = |load: &str| ELECTION.replace("rate = \"100/s\"", load);
    let variants = [
        load("rate = \"100/s\"\nread_ratio = 0.1"),
        load("rate = \"100/s\"\nread_ratio = 0.9"),
        load("rate = \"10/s\""),
        load("rate = \"1000/s\""),
        load("think_time = \"20ms\""),
    ];
    for text in &variants {
        let found = elections(text, SEEDS);
        let apart = distance(&usual, &found);
        assert!(apart < critical, "{apart:.3} apart, at most {critical:.3}:\n{text}");
    }
}
