//! What the systems of sample runs measured: nodes over time, fail-overs, formulas.

use super::{MS, S};
use sim_core::measures::{Formula, Gauge, Losses, LostWrite, TwoPrimaries};
use sim_core::metric::{MetricKind, Unit};
use sim_core::record::RunRecord;
use sim_core::recovery::{Recoveries, Recovery, RecoveryKind, Step};
use sim_core::table::{Column, Holds, Table};
use sim_core::track::{Span, Track};
use sim_core::{Instant, NodeId};

static QUEUE: MetricKind = MetricKind::new("queue", "requests in the queue", Unit::Number, "what waits at each server");

/// As many samples as runs have.
const SAMPLES: u64 = 200;

fn table(record: &mut RunRecord, of: impl Fn(u64, u64) -> u64) -> Vec<Vec<u64>> {
    let step = record.simulated_ns / SAMPLES;
    record.timeline.at_ns = (1..=SAMPLES).map(|i| i * step).collect();
    (0..record.nodes.len() as u64).map(|node| (0..SAMPLES).map(|i| of(node, i)).collect()).collect()
}

/// What node did in sample i.
pub fn work(record: &mut RunRecord, of: impl Fn(u64, u64) -> u64) {
    record.timeline.work = table(record, of);
}

/// How long the queue of a node was at sample i.
pub fn queues(record: &mut RunRecord, of: impl Fn(u64, u64) -> u64) {
    let nodes = table(record, of);
    record.timeline.gauges.push(Gauge { kind: QUEUE.clone(), nodes });
}

/// A table of a system's own, within a part of the report.
pub fn hot_keys() -> Table {
    let columns = [
        Column::new("key", "Key", Holds::Id),
        Column::new("requests", "Asked for", Holds::Count),
        Column::new("nodes", "Held by", Holds::Text),
        Column::hidden("rank"),
    ];
    let mut table = Table::new("hot_keys", "Hot keys", &columns).within("load");
    table.about = "the keys asked for most often".into();
    let row = |i: u64| {
        let names = vec![format!("n{}", i * 83 % 1000 + 1)];
        vec![(i * 7).into(), (90_000 / (i + 1)).into(), names.into(), i.into()]
    };
    table.rows = (0..12).map(row).collect();
    table
}

/// Who led, as far as that is known: `of` gives node and label of each turn in order, with its beginning and end.
pub fn leaders(turns: impl IntoIterator<Item = (u32, String, u64, u64)>) -> Track {
    let mut track = Track::new("leaders", "Who led", "from when to when each node led", "leads").exclusive();
    for (node, label, from, to) in turns {
        track.begin(Instant(from), NodeId(node), label);
        track.end(Instant(to), NodeId(node));
    }
    track
}

/// Tasks over workers, three attempts of each beside each other, some of them in vain.
pub fn tasks(workers: u64, end: u64) -> Track {
    let mut track = Track::new("tasks", "Tasks over workers", "what each worker ran", "runs")
        .or("runs in vain", true)
        .or("a backup", false);
    let step = end / 40;
    for i in 0..workers * 30 {
        let start_ns = i / workers * step + i % 7 * step / 9;
        let length = if i % 3 == 0 { step / 2 } else { 2 * step };
        let label = format!("map {i}, attempt {}", i % 4);
        track.spans.push(Span {
            row: format!("w{}", i % workers),
            label,
            kind: (i % 11) as usize % 3,
            start_ns,
            end_ns: start_ns + length,
        });
    }
    track
}

/// Fail-overs, as a system might call them.
pub fn fail_overs(all: Vec<Recovery>) -> Recoveries {
    let steps = vec![
        Step::new("detect", "detect_ns"),
        Step::new("decide", "decide_ns"),
        Step::new("promote", "promote_ns"),
        Step::new("clients back", "clients_ns"),
    ];
    let longest = MetricKind::new("rto", "fail-over time", Unit::Time, "the longest unplanned fail-over");
    let needless = MetricKind::new("false_failovers", "needless fail-overs", Unit::Number, "of a primary in order");
    let kind = RecoveryKind {
        field: "failover".into(),
        list: "failovers".into(),
        one: "fail-over".into(),
        who: "primary".into(),
        steps: steps.into(),
        longest: (longest, "rto_max_ns".into()),
        needless: (needless, "false_failovers".into()),
    };
    Recoveries { kind, all }
}

/// A crash, a needless one with two primaries, a fail-back, and one that never ended.
pub fn failovers() -> Recoveries {
    let step = |began: u64, took: [u64; 4]| {
        let mut at = began;
        let done = took.map(|ms| {
            at += ms * MS;
            Some(at)
        });
        Recovery { began_ns: began, steps: done.into(), old: Some(0), new: Some(1), ..Recovery::default() }
    };
    let back = |f: Recovery| Recovery { old: Some(1), new: Some(0), ..f };
    let mut never = Recovery { new: None, ..step(52 * S, [1800, 40, 0, 0]) };
    never.steps[2..].fill(None);
    fail_overs(vec![
        step(10 * S, [1500, 120, 80, 900]),
        Recovery { planned: true, ..back(step(25 * S, [0, 5, 60, 110])) },
        Recovery { needless: true, ..step(35 * S, [1500, 2, 80, 300]) },
        never,
    ])
}

/// What was lost in them.
pub fn failover_losses() -> Losses {
    Losses {
        lost: 212,
        lost_writes: (0..14)
            .map(|i| LostWrite {
                client: i as u32,
                op: i,
                key: i * 3,
                what: format!("put {} = {}", i * 3, i + 900),
                acknowledged_ns: 37 * S + i * 90 * MS,
                node: 0,
                why: "the primary that took it was overruled".into(),
            })
            .collect(),
        stale_reads: Some(31),
        two_primaries: Some(vec![TwoPrimaries { from_ns: 36_582 * MS, to_ns: 45 * S, nodes: vec![0, 1], writes: 212 }]),
        ..Losses::default()
    }
}

/// Sixty of them.
pub fn many() -> Recoveries {
    let one = |i: u64| {
        let began = 3 * S + i * 900 * MS;
        let at = |ms: u64| Some(began + ms * MS);
        let decided = if i.is_multiple_of(9) { None } else { at(220 + i * 14) };
        Recovery {
            shard: i as u32,
            began_ns: began,
            steps: vec![at(200 + i * 13), decided, at(240 + i * 15), at(300 + i * 17)],
            old: Some(i as u32 * 16),
            new: Some(i as u32 * 16 + 1),
            needless: i.is_multiple_of(4),
            planned: i.is_multiple_of(11),
        }
    };
    fail_overs((0..60).map(one).collect())
}

/// What was lost in those.
pub fn many_losses() -> Losses {
    let split = |i: u64| {
        let from_ns = 4 * S + i * 1800 * MS;
        TwoPrimaries { from_ns, to_ns: from_ns + 700 * MS, nodes: vec![i as u32 * 32, i as u32 * 32 + 1], writes: i }
    };
    Losses { lost: 3, two_primaries: Some((0..30).map(split).collect()), ..Losses::default() }
}

/// One of each unit, measured and not.
pub fn formulas() -> Vec<Formula> {
    let formula = |name: &str, formula: &str, predicted, measured, unit, note: &str| Formula {
        name: name.into(),
        formula: formula.into(),
        predicted,
        measured,
        unit,
        note: note.into(),
    };
    vec![
        formula(
            "Probability of a first failure by t",
            "1 - exp(-lambda t)",
            0.632_120_558,
            None,
            Unit::Fraction,
            "failures come at a constant rate; a single run either saw one or did not",
        ),
        formula(
            "Steady-state availability of one repairable unit",
            "MTTF / (MTTF + MTTR)",
            0.999_000_999,
            Some(0.998_73),
            Unit::Fraction,
            "",
        ),
        formula("Fail-overs of the run", "lambda t", 3.0, Some(4.0), Unit::Number, "one was needless"),
        formula("Downtime of a fail-over", "timeout + round trip", 1.7e9, Some(2.6e9), Unit::Time, ""),
    ]
}
