//! Every kind of fault, every shape and every key of it: that it bites where it can, and that the report says so, and calls
//! the run inconclusive, where it can not.

use scenarios::keys::{FAULT, KINDS, ON_CRASH, SHAPES};
use scenarios::runner::{RunRequest, TraceMode};
use scenarios::{Beside, Text};
use sim_core::record::{Ruling, RunRecord};
use std::path::Path;

/// Six replicas on three machines in three zones, a little load, and time for everything to happen twice.
const BASE: &str = r#"
[scenario]
name = "x"
system = "raft"
duration = "3s"
settle = "500ms"

[cluster]
nodes = 6
zones = ["a", "b", "c"]
machines = 3

[network]
latency = "0.5ms..2ms"

[[workload]]
clients = 3
think_time = "4ms"
"#;

/// What goes wrong besides, so that the fault under test can show itself; it must not bite itself.
const POWER_LOSS: &str =
    "[[fault]]\nkind = \"crash\"\ntarget = \"all\"\nat = \"2s\"\nduration = \"300ms\"\nmust_bite = false\n";
/// With slow disks, so that something is always on its way to them.
const PROCESS_CRASH: &str = "[[fault]]\nkind = \"crash\"\ntarget = \"all\"\nat = \"2s\"\nduration = \"300ms\"\n\
                             on_crash = \"keep\"\nmust_bite = false\n\
                             [[fault]]\nkind = \"disk\"\ntarget = \"all\"\nslow = \"20ms\"\nmust_bite = false\n";

/// A fault, what goes wrong besides, and two ways to complete it: one in which it bites, one in which it can not.
struct Case {
    fault: &'static str,
    besides: &'static str,
    bites: &'static str,
    idle: &'static str,
}

const fn case(fault: &'static str, bites: &'static str, idle: &'static str) -> Case {
    Case { fault, besides: "", bites, idle }
}

/// Nobody has this role.
const NOBODY: &str = "target = \"role:emperor\"\nduration = \"1s\"";
/// Over before the next message is sent.
const TOO_SHORT: &str = "target = \"leader\"\nduration = \"1ns\"";
const LEADER: &str = "target = \"leader\"\nduration = \"1s\"";
/// Nobody sends such messages here.
const UNSENT: &str = "target = \"leader\"\nduration = \"1s\"\nmessages = [\"SnapshotReply\"]";
const SHAPED: &str = "duration = \"1s\"";
const SHAPED_TOO_SHORT: &str = "duration = \"1ns\"";

const CASES: &[Case] = &[
    case("kind = \"crash\"\non_crash = \"lose_unsynced\"", LEADER, NOBODY),
    case("kind = \"crash\"\non_crash = \"keep\"", LEADER, NOBODY),
    case("kind = \"crash\"\non_crash = \"torn\"", LEADER, NOBODY),
    case("kind = \"crash\"\non_crash = \"wipe\"", "target = \"a follower\"\nduration = \"1s\"", NOBODY),
    case(
        "kind = \"crash\"\ntarget = \"trigger\"\nduration = \"1s\"",
        "kill_after = { kind = \"AppendEntries\", count = 3 }",
        "kill_after = { kind = \"SnapshotReply\", count = 3 }",
    ),
    case(
        "kind = \"crash\"\ntarget = \"trigger\"\nduration = \"500ms\"",
        "after = { fact = \"elected\" }\nat = \"100ms\"",
        "after = { fact = \"unreadable\" }",
    ),
    case("kind = \"pause\"", LEADER, NOBODY),
    case("kind = \"slow\"\nfactor = 30\nfloor = \"1ms\"", LEADER, NOBODY),
    case("kind = \"partition\"\nshape = \"isolate\"", LEADER, TOO_SHORT),
    case(
        "kind = \"partition\"\nshape = \"isolate\"\nclients = true\nperiod = \"300ms\"\nup = \"100ms\"",
        LEADER,
        NOBODY,
    ),
    case("kind = \"partition\"\nshape = \"halves\"", SHAPED, SHAPED_TOO_SHORT),
    case("kind = \"partition\"\nshape = \"majority_minority\"", SHAPED, SHAPED_TOO_SHORT),
    case("kind = \"partition\"\nshape = \"minority_third\"", SHAPED, SHAPED_TOO_SHORT),
    case("kind = \"partition\"\nshape = \"majorities_ring\"", SHAPED, SHAPED_TOO_SHORT),
    case("kind = \"partition\"\nshape = \"bridge\"", "target = \"a follower\"\nduration = \"1s\"", SHAPED_TOO_SHORT),
    case("kind = \"partition\"\nshape = \"one_way\"\ndirection = \"from\"", LEADER, TOO_SHORT),
    // Where the leader is not the one that both flanks share.
    case("kind = \"partition\"\nshape = \"intersecting\"\nid = 2", SHAPED, SHAPED_TOO_SHORT),
    case(
        "kind = \"partition\"\nshape = \"groups\"\nduration = \"1s\"",
        "groups = [[\"zone:a\"], [\"zone:b\"], [\"zone:c\"]]",
        "groups = [[\"role:emperor\"], [\"zone:b\"]]",
    ),
    case("kind = \"packet\"\nloss = \"30%\"\npeers = \"every:follower\"\ndirection = \"from\"", LEADER, UNSENT),
    case("kind = \"packet\"\nloss = \"30%\"\ncorrelation = \"50%\"", LEADER, UNSENT),
    case("kind = \"packet\"\nburst = { good_to_bad = \"10%\", bad_to_good = \"20%\" }", LEADER, UNSENT),
    case(
        "kind = \"packet\"\ndelay = \"5ms..20ms\"",
        "target = \"leader\"\nduration = \"1s\"\nmessages = [\"AppendEntries\"]",
        UNSENT,
    ),
    case("kind = \"packet\"\nduplicate = \"30%\"", LEADER, UNSENT),
    case("kind = \"packet\"\nreorder = \"30%\"\nreorder_by = \"5ms\"", LEADER, UNSENT),
    case("kind = \"packet\"\ncorrupt = \"30%\"", LEADER, UNSENT),
    case("kind = \"packet\"\nrate = \"200 kbit\"\nqueue = \"4 KiB\"", LEADER, UNSENT),
    case("kind = \"clock\"\nstep = \"-2s\"", "target = \"leader\"", "target = \"role:emperor\""),
    case("kind = \"clock\"\ndrift = \"1000ppm\"", LEADER, NOBODY),
    case("kind = \"clock\"\nfreeze = true", LEADER, NOBODY),
    case("kind = \"disk\"\nslow = \"20ms\"", LEADER, TOO_SHORT),
    case("kind = \"disk\"\nstall = true", LEADER, TOO_SHORT),
    case("kind = \"disk\"\nfail_sync = \"50%\"", LEADER, TOO_SHORT),
    case("kind = \"disk\"\nfull = true", LEADER, TOO_SHORT),
    Case {
        fault: "kind = \"disk\"\nlie = true",
        besides: POWER_LOSS,
        bites: "target = \"most_behind\"",
        // Honest again long before the power goes.
        idle: "target = \"most_behind\"\nduration = \"500ms\"",
    },
    Case {
        fault: "kind = \"disk\"\ntorn = true",
        besides: PROCESS_CRASH,
        bites: "target = \"all\"",
        idle: "target = \"all\"\nduration = \"500ms\"",
    },
    Case {
        fault: "kind = \"disk\"\nrot = \"5%\"",
        besides: POWER_LOSS,
        bites: "target = \"minority\"",
        // Too late: nobody boots any more, so nobody reads.
        idle: "target = \"minority\"\nat = \"2600ms\"",
    },
    case("kind = \"membership\"\nchange = \"remove\"", "target = \"leader\"", NOBODY),
    // Over before the new one can have caught up.
    case(
        "kind = \"membership\"\nchange = \"grow\"\nby = 1",
        "target = \"all\"",
        "target = \"all\"\nduration = \"1ms\"",
    ),
    case("kind = \"membership\"\nchange = \"move_zone\"\nto = \"zone:a\"", "target = \"n2\"", NOBODY),
];

fn run(fault: &str, besides: &str) -> (String, RunRecord) {
    let at = if fault.contains("\nat =") { "" } else { "at = \"1300ms\"\n" };
    // Somebody to join.
    let base =
        if fault.contains("membership") { BASE.replace("nodes = 6", "nodes = 6\nspares = 1") } else { BASE.into() };
    let text = format!("{base}\n[[fault]]\n{fault}\n{at}\n{besides}");
    let registry = splitbrain::registry();
    let files = Beside::new(Path::new("x.toml"));
    let scenario =
        scenarios::parse(&Text { name: "x.toml", text: &text, json: false, overrides: &[], files: &files }, &registry)
            .unwrap_or_else(|errors| panic!("{errors}"));
    let schedule = scenarios::expand(&scenario, 1);
    let record = registry.get("raft").expect("it is registered").run(RunRequest {
        scenario: &scenario,
        schedule: &schedule,
        seed: 1,
        history: None,
        trace: None,
        trace_mode: TraceMode::default(),
        keep_ops: true,
        evidence: None,
        progress: &mut |_| {},
    });
    (text, record.expect("nothing is written, so nothing fails"))
}

/// What the report says about the fault under test: whether it bit, and whether the run tested what it was to test.
fn bit(fault: &str, besides: &str) -> (bool, Ruling) {
    let (text, record) = run(fault, besides);
    let report = reports::analyse(&record);
    let safety = report.verdicts.iter().filter(|v| v.verdict == Ruling::Fail && v.rule != "recovery");
    assert!(safety.count() == 0 || fault.contains("wipe") || fault.contains("lie"), "{text}\n{:?}", report.verdicts);
    let tested: Vec<_> = report.faults.iter().filter(|f| f.must_bite).collect();
    assert!(!tested.is_empty(), "the fault is not in the report: {text}");
    let verdict = report.verdicts.iter().find(|v| v.rule == "fault_bit").expect("there is a fault that must bite");
    (tested.iter().all(|f| f.bit && f.touched > 0), verdict.verdict)
}

#[test]
fn every_fault_bites_where_it_can_and_is_called_idle_where_it_can_not() {
    for case in CASES {
        let text = format!("{}\n{}", case.fault, case.bites);
        assert_eq!(bit(&text, case.besides), (true, Ruling::Pass), "this should bite:\n{text}");
        let text = format!("{}\n{}", case.fault, case.idle);
        assert_eq!(bit(&text, case.besides), (false, Ruling::Inconclusive), "this can not bite:\n{text}");
    }
}

/// Whoever adds a kind, a shape, a mode or a key of one kind of fault adds a case that shows what it does.
#[test]
fn every_kind_shape_and_key_has_a_case() {
    let texts: Vec<String> = CASES.iter().map(|c| format!("{}\n{}", c.fault, c.bites)).collect();
    let some = |line: String| texts.iter().any(|t| t.lines().any(|l| l.starts_with(&line)));
    // No system here has orders of its own: `scenarios/tests/roles.rs` has one that does.
    let elsewhere = "order";
    for kind in KINDS.iter().filter(|kind| **kind != elsewhere) {
        assert!(some(format!("kind = \"{kind}\"")), "no case for {kind}");
    }
    for shape in SHAPES {
        assert!(some(format!("shape = \"{shape}\"")), "no case for shape {shape}");
    }
    for how in ON_CRASH {
        assert!(some(format!("on_crash = \"{how}\"")), "no case for on_crash {how}");
    }
    for key in FAULT.keys.iter().filter(|k| !k.kinds.is_empty() && k.kinds != [elsewhere]) {
        assert!(some(format!("{} =", key.name)), "no case for `{}` of {:?}", key.name, key.kinds);
    }
}

/// Whom a target means while a leader is in office.
#[test]
fn every_target_means_whom_it_says() {
    // n1 and n4 share machine m1 and zone a, n2 and n5 the next, n3 and n6 the last.
    let partners = |node: &str| {
        let number: usize = node[1..].parse().expect("a node");
        let mut both = [number, (number + 2) % 6 + 1];
        both.sort_unstable();
        both.map(|n| format!("n{n}")).to_vec()
    };
    let hit = |target: &str| {
        let (_, record) = run(&format!("kind = \"pause\"\nduration = \"10ms\"\ntarget = {target}"), "");
        record.faults[0].resolved.clone()
    };
    let leader = hit("\"leader\"");
    assert_eq!(leader.len(), 1);
    let (together, all) = (partners(&leader[0]), hit("\"all\""));
    assert_eq!(all, ["n1", "n2", "n3", "n4", "n5", "n6"]);
    for (target, nodes) in [
        ("\"zone:b\"", vec!["n2".to_owned(), "n5".to_owned()]),
        ("\"machine:m3\"", vec!["n3".to_owned(), "n6".to_owned()]),
        ("[\"n1\", \"machine:m2\"]", vec!["n1".to_owned(), "n2".to_owned(), "n5".to_owned()]),
        ("\"zone_of:leader\"", together.clone()),
        ("\"machine_of:leader\"", together),
        ("\"candidate\"", vec![]),
        ("\"every:follower\"", all.iter().filter(|n| **n != leader[0]).cloned().collect()),
    ] {
        assert_eq!(hit(target), nodes, "{target}");
    }
    for (target, number, with_leader) in [
        ("\"a follower\"", 1, Some(false)),
        ("\"random\"", 1, None),
        ("\"most_behind\"", 1, None),
        ("\"minority\"", 2, None),
        ("\"minority_with:leader\"", 2, Some(true)),
        ("\"one_more_than_a_minority\"", 3, None),
    ] {
        let nodes = hit(target);
        assert_eq!(nodes.len(), number, "{target}: {nodes:?}");
        assert!(with_leader.is_none_or(|with| nodes.contains(&leader[0]) == with), "{target}: {nodes:?}");
    }
    // A candidate there is while nobody can win.
    let besides = "[[fault]]\nkind = \"crash\"\ntarget = [\"n1\", \"n2\", \"n3\"]\nat = \"1s\"\n";
    let (_, record) = run("kind = \"pause\"\nduration = \"10ms\"\ntarget = \"every:role:pre_candidate\"", besides);
    let waiting = record.faults.iter().find(|f| f.kind == "pause").expect("it is there").resolved.clone();
    assert!(!waiting.is_empty() && waiting.iter().all(|n| ["n4", "n5", "n6"].contains(&n.as_str())), "{waiting:?}");
}

#[test]
fn a_trigger_takes_the_node_at_which_it_was_met() {
    // The leader, when it has got its third answer; the follower that has just voted.
    let (_, record) = run(
        "kind = \"crash\"\ntarget = \"trigger\"\nduration = \"1s\"\nkill_after = { kind = \"AppendReply\", count = 3 }",
        "",
    );
    let elected = record.marks.iter().rfind(|m| m.kind == "elected" && m.at_ns < record.faults[0].start_ns);
    assert_eq!(record.faults[0].resolved, [format!("n{}", elected.expect("there is a leader").node + 1)]);
    assert!(record.faults[0].label.ends_with("after 3 AppendReply"), "{}", record.faults[0].label);
    let (_, record) = run(
        "kind = \"crash\"\nat = \"0s\"\ntarget = \"trigger\"\nduration = \"500ms\"\nafter = { fact = \"voted\", count = 2 }",
        "",
    );
    let fault = &record.faults[0];
    assert!(fault.bit && fault.start_ns > 0 && fault.end_ns == fault.start_ns + 500_000_000, "{fault:?}");
}
