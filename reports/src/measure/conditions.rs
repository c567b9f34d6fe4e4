//! Times in which something was wrong that is no fault of the plan: what systems and the runner noticed, and CPUs that
//! had more to do than they can.

use crate::report::Condition;
use crate::report::condition::{CLIENT_LIMIT, SHORTEST};
use crate::units;
use sim_core::Fate;
use sim_core::measures::Timeline;
use sim_core::record::RunRecord;

/// A CPU that is busy for so many parts in a thousand of a sample has more to do than it can.
const BUSY: u64 = 970;

/// A moment of work without a pause is no overload: so many samples, and [`SHORTEST`].
const SAMPLES: usize = 3;

/// All of a run, in order of time.
pub(crate) fn of(record: &RunRecord) -> Vec<Condition> {
    let seen = record.measures.conditions.iter().chain(&record.conditions);
    let mut all: Vec<Condition> = seen
        .map(|c| Condition {
            kind: c.kind.clone(),
            label: match c.capacity_per_second {
                Some(capacity) if c.kind == CLIENT_LIMIT => {
                    format!("{}: {}", c.label, limit(c.offered_per_second, capacity))
                }
                Some(capacity) => format!("{}: {}", c.label, load(record, (c.from_ns, c.to_ns), Some(capacity))),
                None => c.label.clone(),
            },
            nodes: c.nodes.iter().map(|node| record.node_name(*node)).collect(),
            start_ns: c.from_ns,
            end_ns: c.to_ns,
        })
        .collect();
    all.extend(overloads(record));
    all.sort_by(|a, b| (a.start_ns, a.end_ns, &a.label).cmp(&(b.start_ns, b.end_ns, &b.label)));
    all
}

/// `offered 20,000/s, 190/s fit at the latency of that time`: more are not under way at once, and none of them ends
/// sooner. Who does not think between two operations offers any number.
fn limit(offered: Option<f64>, allowed: f64) -> String {
    let rate = |per_second: f64| units::count(units::round_significant(per_second, 3).max(0.0) as u64);
    match offered {
        Some(offered) => format!("offered {}/s, {}/s fit at the latency of that time", rate(offered), rate(allowed)),
        None => format!("{}/s fit at the latency of that time", rate(allowed)),
    }
}

/// `offered 20,000/s, capacity 10,000/s`, in the clients' operations. Where nobody knows the capacity, what was
/// answered meanwhile is told instead, late answers included: that may be far less, where most of what is done is for
/// clients that have gone.
fn load(record: &RunRecord, (from, to): (u64, u64), capacity: Option<f64>) -> String {
    let ops = || record.ops.iter().filter(|op| !op.probe);
    let per_second = |count: usize| count as f64 * 1e9 / to.saturating_sub(from).max(1) as f64;
    let offered = per_second(ops().filter(|op| (from..to).contains(&op.invoke_ns)).count());
    let answered = ops().filter(|op| op.outcome == Fate::Ok && (from..to).contains(&op.return_ns)).count();
    let rate = |per_second: f64| units::count(units::round_significant(per_second, 3).max(0.0) as u64);
    match (capacity, answered) {
        (Some(capacity), _) => format!("offered {}/s, capacity {}/s", rate(offered), rate(capacity)),
        (None, 0) => format!("offered {}/s, none answered", rate(offered)),
        (None, _) => format!("offered {}/s, answered {}/s", rate(offered), rate(per_second(answered))),
    }
}

/// The times in which a CPU was busy all the while and no fault had made it so.
fn overloads(record: &RunRecord) -> Vec<Condition> {
    let Timeline { at_ns, work, busy_ns, .. } = &record.timeline;
    let length = |i: usize| at_ns[i].saturating_sub(i.checked_sub(1).map_or(0, |before| at_ns[before]));
    let span = |i: usize| (at_ns[i].saturating_sub(length(i)), at_ns[i]);
    let faulty = |node: usize, i: usize| {
        let (from, to) = span(i);
        let name = record.nodes.get(node).map_or("", |node| node.name.as_str());
        let hit = |f: &&sim_core::record::FaultRecord| f.resolved.iter().any(|hit| hit == name);
        record.faults.iter().filter(hit).any(|f| f.bit && f.start_ns <= to && f.end_ns >= from)
    };
    let full = |node: usize, i: usize| {
        let busy = busy_ns[node].get(i).copied().unwrap_or(0);
        length(i) > 0 && u128::from(busy) * 1000 >= u128::from(length(i)) * u128::from(BUSY) && !faulty(node, i)
    };
    let nodes = 0..busy_ns.len();
    let who: Vec<Vec<usize>> =
        (0..at_ns.len()).map(|i| nodes.clone().filter(|node| full(*node, i)).collect()).collect();
    let mut found = Vec::new();
    let mut first = 0;
    while first < who.len() {
        // As long as somebody has too much to do who had so a sample before: in a cluster it spreads from one to
        // others, and back.
        let goes_on = |i: &usize| who[*i].iter().any(|node| who[*i - 1].contains(node));
        let past = (first + 1..who.len()).find(|i| !goes_on(i)).unwrap_or(who.len());
        let (from, to) = (span(first).0, span(past - 1).1);
        let times = |node: usize| (first..past).filter(|i| who[*i].contains(&node)).count();
        let busy: Vec<usize> = nodes.clone().filter(|node| times(*node) >= SAMPLES).collect();
        if !busy.is_empty() && to - from >= SHORTEST {
            let did = |node: usize| (first..past).map(|i| work[node].get(i).copied().unwrap_or(0)).sum::<u64>();
            let by_full: u64 = busy.iter().map(|node| did(*node)).sum();
            let by_all: u64 = nodes.clone().map(did).sum();
            let names: Vec<String> = busy.iter().map(|node| record.node_name(*node as u32)).collect();
            let subject = match &names[..] {
                [one] => format!("the CPU of {one} is busy all the time"),
                many => format!("overload of the CPUs of {} nodes", many.len()),
            };
            // Where others do most of the work, what the full ones can do is not what the cluster can do.
            let label = if by_full > 0 && by_full * 2 >= by_all {
                format!("{subject}: {}", load(record, (from, to), None))
            } else {
                subject
            };
            found.push(Condition { kind: "overload".into(), label, nodes: names, start_ns: from, end_ns: to });
        }
        first = past;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::Class;
    use sim_core::record::{FaultRecord, NodeRecord, OpRecord};

    const S: u64 = 1_000_000_000;

    /// Ten seconds, of which the CPU of n1 is busy all the time from 3 s to 7 s, doing a thousand pieces of work a
    /// second.
    fn busy() -> RunRecord {
        let node = |name: &str| NodeRecord { name: name.into(), ..NodeRecord::default() };
        let full = |i: u64| (3..7).contains(&i);
        let op = |i: u64| OpRecord {
            client: 0,
            op: i,
            class: Class::Read,
            probe: false,
            zone: 0,
            shard: 0,
            invoke_ns: i * S / 2000,
            return_ns: i * S / 2000 + 1,
            outcome: if i.is_multiple_of(2) { Fate::Ok } else { Fate::Failed },
            node: None,
            attempts: 1,
        };
        RunRecord {
            nodes: vec![node("n1"), node("n2")],
            ops: (0..20_000).map(op).collect(),
            timeline: Timeline {
                at_ns: (1..=10).map(|i| i * S).collect(),
                work: vec![(0..10).map(|i| if full(i) { 1000 } else { 200 }).collect(), vec![0; 10]],
                busy_ns: vec![(0..10).map(|i| if full(i) { S } else { S / 5 }).collect(), vec![S / 9; 10]],
                gauges: Vec::new(),
            },
            ..RunRecord::default()
        }
    }

    #[test]
    fn a_cpu_that_can_not_keep_up_is_an_overload_with_its_figures() {
        let mut record = busy();
        let found = of(&record);
        assert_eq!(found.len(), 1, "{found:?}");
        let label = "the CPU of n1 is busy all the time: offered 2,000/s, answered 1,000/s";
        let Condition { kind, label: said, nodes, start_ns, end_ns } = &found[0];
        assert_eq!((kind.as_str(), said.as_str(), nodes.as_slice()), ("overload", label, ["n1".to_owned()].as_slice()));
        assert_eq!((*start_ns, *end_ns), (3 * S, 7 * S));
        // What the others do has not come to an end.
        record.timeline.work[1] = vec![3000; 10];
        assert_eq!(of(&record)[0].label, "the CPU of n1 is busy all the time");
        // A fault that makes it busy is a fault.
        let slow = FaultRecord {
            resolved: vec!["n1".into()],
            start_ns: 0,
            end_ns: 10 * S,
            bit: true,
            ..FaultRecord::default()
        };
        record.faults.push(slow);
        assert!(of(&record).is_empty());
    }

    #[test]
    fn an_overload_that_spreads_is_one() {
        let mut record = busy();
        // n2 joins n1 at 5 s, and has more to do for longer.
        record.timeline.busy_ns[1] = (0..10).map(|i| if (5..9).contains(&i) { S } else { 0 }).collect();
        let found = of(&record);
        let [Condition { nodes, start_ns, end_ns, .. }] = &found[..] else { panic!("{found:?}") };
        assert_eq!((nodes.len(), *start_ns, *end_ns), (2, 3 * S, 9 * S));
    }

    #[test]
    fn what_the_system_and_the_runner_saw_comes_in_order_of_time() {
        let seen = |kind: &str, from: u64, capacity: Option<f64>| sim_core::measures::Condition {
            kind: kind.into(),
            label: kind.into(),
            nodes: vec![1],
            from_ns: from * S,
            to_ns: 9 * S,
            capacity_per_second: capacity,
            offered_per_second: None,
        };
        let mut record = RunRecord { nodes: busy().nodes, ops: busy().ops, ..RunRecord::default() };
        record.measures.conditions = vec![seen("overload", 5, Some(1234.5)), seen("gray", 2, None)];
        record.conditions = vec![seen("slow_link", 1, None)];
        let found = of(&record);
        let labels: Vec<&str> = found.iter().map(|c| c.label.as_str()).collect();
        assert_eq!(labels, ["slow_link", "gray", "overload: offered 2,000/s, capacity 1,230/s"]);
        assert_eq!(found[0].nodes, ["n2"]);
        let mut limit = seen(CLIENT_LIMIT, 1, Some(190.4));
        (limit.label, limit.offered_per_second) = ("the clients' limit of 400".into(), Some(40_000.0));
        record.conditions = vec![limit];
        assert_eq!(
            of(&record)[0].label,
            "the clients' limit of 400: offered 40,000/s, 190/s fit at the latency of that time"
        );
    }
}
