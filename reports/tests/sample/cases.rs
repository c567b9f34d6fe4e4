//! The sample runs: one for each thing a chart or a page must survive.

use super::{Dice, MS, S, Sample, expect, measured, rule};
use sim_core::measures::{Formula, KeysMoved, Losses};
use sim_core::metric::Unit;
use sim_core::record::{Comparison, Ruling, RunRecord};

/// Three leader crashes and a partition: the run people show.
pub fn leader_crash() -> RunRecord {
    let mut record = Sample {
        name: "raft-leader-crash",
        title: "Five replicas in three zones lose their leader three times",
        outages: vec![
            (10 * S, 10 * S + 412 * MS),
            (25 * S, 25 * S + 287 * MS),
            (40 * S, 40 * S + 655 * MS),
            (50 * S, 50 * S + 301 * MS),
        ],
        faults: vec![
            ("crash", "crash of leader", 3, 10 * S, 15 * S, true),
            ("crash", "crash of leader", 1, 25 * S, 30 * S, true),
            ("crash", "crash of leader", 5, 40 * S, 45 * S, true),
            ("partition", "partition (isolate) of leader", 2, 50 * S, 55 * S, true),
        ],
        ..Sample::default()
    }
    .record();
    record.verdicts = [
        "election_safety",
        "leader_append_only",
        "log_matching",
        "leader_completeness",
        "state_machine_safety",
        "linearizable",
    ]
    .map(|name| rule(name, Ruling::Pass, "held in every step"))
    .into();
    record.expectations = vec![
        expect("availability", Comparison::AtLeast, 0.95, ">= 95%"),
        expect("longest_outage", Comparison::AtMost, 1e9, "<= 1s"),
        expect("write_p99", Comparison::AtMost, 50e6, "<= 50ms"),
    ];
    let turns = [
        (2, 1, 0, 10_000),
        (0, 2, 10_330, 25_000),
        (4, 3, 25_220, 40_000),
        (1, 5, 40_600, 51_200),
        (3, 6, 50_280, 60_000),
    ];
    let turn = |(node, term, from, to): (u32, u32, u64, u64)| (node, format!("term {term}"), from * MS, to * MS);
    record.measures.tracks = vec![measured::leaders(turns.map(turn))];
    record
}

/// The same, judged more strictly, with a broken rule and a fault that never bit.
pub fn failing() -> RunRecord {
    let mut record = leader_crash();
    record.scenario = "raft-no-fsync".into();
    record.title = "A replica answers before its disk does".into();
    record.verdicts[5] = rule(
        "linearizable",
        Ruling::Fail,
        "key k17: read by client 4 returned 3 after a write of 9 was acknowledged at 12.381 s",
    );
    record.expectations[0] = expect("availability", Comparison::AtLeast, 0.995, ">= 99.5%");
    record.faults[3].bit = false;
    record.notes.push("fault 4 hit a node that was already down".into());
    record
}

/// Nothing happened to it.
pub fn calm() -> RunRecord {
    Sample { name: "calm", title: "Nothing happens to three replicas", nodes: 3, ..Sample::default() }.record()
}

/// Not a single operation.
pub fn no_operations() -> RunRecord {
    Sample { name: "no-operations", title: "Nobody asks", rate: 0, probe_every_ns: 0, ..Sample::default() }.record()
}

/// Exactly one operation.
pub fn one_operation() -> RunRecord {
    let mut record = Sample { name: "one-operation", title: "One question", nodes: 1, ..Sample::default() }.record();
    let one = record.ops.iter().find(|op| op.invoke_ns > 5 * S).copied();
    record.ops = one.into_iter().collect();
    record
}

/// Fifty faults and forty outages.
pub fn storm() -> RunRecord {
    let names = [
        "crash of leader",
        "partition (halves)",
        "pause of a follower",
        "packet loss on zone:b",
        "slow disk on leader",
    ];
    let kinds = ["crash", "partition", "pause", "packet", "disk"];
    Sample {
        name: "storm",
        title: "Fifty faults in ten minutes",
        duration_ns: 600 * S,
        rate: 100,
        outages: (0..40).map(|i| ((20 + i * 14) * S, (20 + i * 14) * S + (120 + i * 37 % 900) * MS)).collect(),
        faults: (0..50)
            .map(|i| {
                let which = (i % 5) as usize;
                let start = 20 * S + i * 11_200 * MS;
                (kinds[which], names[which], 1 + (i % 5) as u32, start, start + 6 * S, i % 7 != 6)
            })
            .collect(),
        ..Sample::default()
    }
    .record()
}

/// An hour at 400 operations a second, with probes: about 2.5 million operations.
pub fn hour() -> RunRecord {
    Sample {
        name: "hour",
        title: "An hour of leader crashes",
        duration_ns: 3600 * S,
        outages: (0..12).map(|i| ((300 + i * 270) * S, (300 + i * 270) * S + (250 + i * 41) * MS)).collect(),
        faults: (0..12)
            .map(|i| ("crash", "crash of leader", 1 + (i % 5) as u32, (300 + i * 270) * S, (330 + i * 270) * S, true))
            .collect(),
        ..Sample::default()
    }
    .record()
}

/// A hundred nodes holding keys.
pub fn hundred_nodes() -> RunRecord {
    let mut record =
        Sample { name: "hundred-nodes", title: "A hundred nodes share a load", nodes: 100, ..Sample::default() }
            .record();
    for (i, node) in record.nodes.iter_mut().enumerate() {
        node.requests = 2000 + (i as u64 * 7919) % 700 + if i == 36 { 2500 } else { 0 };
        node.keys = 9000 + (i as u64 * 104_729) % 2000;
    }
    record.measures.tracks = vec![measured::tasks(60, record.simulated_ns)];
    record
}

/// Latencies from microseconds to minutes.
pub fn wide_latencies() -> RunRecord {
    let mut record = Sample {
        name: "wide-latencies",
        title: "From microseconds to minutes",
        nodes: 1,
        base_ns: 4_000,
        mean_ns: 9_000,
        timeout_ns: 300 * S,
        ..Sample::default()
    }
    .record();
    for (i, op) in record.ops.iter_mut().enumerate() {
        let stretch = [1, 1, 1, 1, 10, 30, 1000, 30_000][(i / 977) % 8];
        op.return_ns = op.invoke_ns + (op.return_ns - op.invoke_ns) * stretch * if i % 4001 == 0 { 200 } else { 1 };
    }
    record.ops.sort_by_key(|op| (op.return_ns, op.invoke_ns, op.client, op.op));
    record
}

/// It fails and never comes back.
pub fn never_recovers() -> RunRecord {
    Sample {
        name: "never-recovers",
        title: "Two zones of three are lost and the majority with them",
        outages: vec![(30 * S, 600 * S)],
        faults: vec![("crash", "crash of zone:b", 2, 30 * S, 58 * S, true)],
        ..Sample::default()
    }
    .record()
}

/// A short run for a golden file.
pub fn short() -> RunRecord {
    let mut record = Sample {
        name: "short",
        title: "A few seconds for a golden file",
        duration_ns: 6 * S,
        warmup_ns: S,
        rate: 20,
        probe_every_ns: 50 * MS,
        nodes: 3,
        outages: vec![(2 * S, 2 * S + 510 * MS)],
        faults: vec![("crash", "crash of leader", 1, 2 * S, 3 * S, true)],
        ..Sample::default()
    }
    .record();
    record.verdicts = vec![rule("election_safety", Ruling::Pass, "1 leader a term at most, 2 terms")];
    record.expectations = vec![expect("longest_outage", Comparison::AtMost, 1e9, "<= 1s")];
    record
}

/// Two servers behind a balancer, asked for more than they can do for a while.
pub fn two_servers() -> RunRecord {
    let mut record = Sample {
        name: "two-servers",
        title: "Two servers behind a balancer are asked for too much",
        nodes: 3,
        outages: vec![(20 * S, 26 * S)],
        faults: vec![("cpu", "slow CPU on n2", 2, 18 * S, 25 * S, true)],
        ..Sample::default()
    }
    .record();
    record.nodes[0].carries = false;
    measured::work(&mut record, |node, i| if node == 0 { 0 } else { 60 + (i * 7 + node * 3) % 20 });
    measured::queues(&mut record, |node, i| match (node, i) {
        (0, _) => 0,
        (1, 60..90) => (i - 60) * 9,
        (_, i) => i * 5 % 4 * node,
    });
    record.measures.errors =
        [("refused", 1412), ("timed out", 377), ("no server left", 9)].map(|(why, n)| (why.to_owned(), n)).into();
    record.measures.formulas = vec![Formula {
        name: "Mean time in an M/M/1 queue".into(),
        formula: "1 / (mu - lambda)".into(),
        predicted: 20e6,
        measured: Some(23.4e6),
        unit: Unit::Time,
        note: "holds for one server at steady load; here a fault made it slower".into(),
    }];
    record
}

/// A thousand nodes that hold keys; some join and leave.
pub fn thousand_nodes() -> RunRecord {
    let mut record = Sample {
        name: "thousand-nodes",
        title: "A thousand nodes hold keys, and some come and go",
        nodes: 1000,
        faults: vec![("crash", "crash of n17", 17, 30 * S, 40 * S, true)],
        ..Sample::default()
    }
    .record();
    measured::work(&mut record, |node, i| match (node, i) {
        (16, 105..135) => 0,
        (411, 60..200) => 90,
        _ => 20 + (i * 31 + node * 17) % 13,
    });
    measured::queues(&mut record, |node, i| (i * 13 + node * 7919) % 9 * if node == 411 { 6 } else { 1 });
    let mut dice = Dice(7);
    let keys: Vec<u64> = (0..1000).map(|_| 9_000 + dice.below(2_000)).collect();
    let mut after = keys.iter().map(|k| k - k / 1000).collect::<Vec<_>>();
    after[16] = 0;
    record.measures.keys_moved = (0..9)
        .map(|i| KeysMoved {
            at_ns: (10 + i * 5) * S,
            event: if i.is_multiple_of(2) { format!("n{} left", 17 + i) } else { format!("n{} joined", 900 + i) },
            moved: 10_000 + i * 1_700,
            total: 10_000_000,
            ideal: 10_000,
            done_ns: (i != 3).then_some((11 + i * 5) * S),
            before: keys.clone(),
            after: after.clone(),
        })
        .collect();
    record.measures.tables = vec![measured::hot_keys()];
    record
}

/// Four nodes, one of which joins: a pair of bars each.
pub fn one_joins() -> RunRecord {
    let mut record =
        Sample { name: "one-joins", title: "A fourth node joins three", nodes: 4, ..Sample::default() }.record();
    record.measures.keys_moved = vec![KeysMoved {
        at_ns: 20 * S,
        event: "n4 joined".into(),
        moved: 75_100,
        total: 100_000,
        ideal: 25_000,
        done_ns: Some(23 * S),
        before: vec![33_300, 33_200, 33_500, 0],
        after: vec![25_100, 24_900, 25_200, 24_800],
    }];
    record.expectations = vec![
        expect("keys_moved", Comparison::AtMost, 1.2, "<= 1.2"),
        expect("queue_max", Comparison::AtMost, 10.0, "<= 10"),
        expect("rto", Comparison::AtMost, 1e9, "<= 1s"),
    ];
    record
}

/// A primary and its backup, without a witness: what happens to them.
pub fn failovers() -> RunRecord {
    let mut record = Sample {
        name: "two-nodes-no-witness",
        title: "Two nodes without a witness: each thinks the other is dead",
        nodes: 2,
        outages: vec![(10 * S, 13 * S)],
        faults: vec![
            ("crash", "crash of primary", 1, 10 * S, 20 * S, true),
            ("partition", "partition (halves)", 2, 35 * S, 45 * S, true),
        ],
        ..Sample::default()
    }
    .record();
    record.measures.recoveries = Some(measured::failovers());
    record.measures.losses = Some(measured::failover_losses());
    record.measures.formulas = measured::formulas();
    record.expectations = vec![
        expect("rto", Comparison::AtMost, 2e9, "<= 2s"),
        expect("rpo", Comparison::Equal, 0.0, "== 0"),
        expect("split_brain", Comparison::Equal, 0.0, "== 0s"),
        expect("false_failovers", Comparison::AtMost, 1.0, "<= 1"),
    ];
    record
}

/// Sixty fail-overs over as many shards, thirty times of two primaries.
pub fn many_failovers() -> RunRecord {
    let mut record = Sample {
        name: "many-failovers",
        title: "Sixty fail-overs in a minute, over sixty shards of a thousand nodes",
        nodes: 1000,
        ..Sample::default()
    }
    .record();
    record.measures.recoveries = Some(measured::many());
    record.measures.losses = Some(measured::many_losses());
    record
}

/// A system with primaries to which nothing happened.
pub fn no_failover() -> RunRecord {
    let mut record =
        Sample { name: "no-failover", title: "A primary nobody disturbs", nodes: 2, ..Sample::default() }.record();
    record.measures.recoveries = Some(measured::fail_overs(Vec::new()));
    let nothing = Losses { stale_reads: Some(0), two_primaries: Some(Vec::new()), ..Losses::default() };
    record.measures.losses = Some(nothing);
    record
}

/// All of them but the hour, which takes a while.
pub fn all() -> Vec<RunRecord> {
    vec![
        leader_crash(),
        failing(),
        calm(),
        no_operations(),
        one_operation(),
        storm(),
        hundred_nodes(),
        wide_latencies(),
        never_recovers(),
        short(),
        two_servers(),
        thousand_nodes(),
        one_joins(),
        failovers(),
        many_failovers(),
        no_failover(),
    ]
}
