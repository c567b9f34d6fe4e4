//! Simpler faults: fewer of them, whom they hit said outright, milder, shorter.

use super::{Hit, Sighting, ladder, time};
use crate::Scenario;
use crate::scenario::Plan;
use sim_core::fault::{ClockChange, CutClients, DiskChange, Fault, Injection, OnCrash, PacketChange, Shape, Target};
use sim_core::network::{Latency, Law};
use sim_core::{Duration, Instant, NodeId, Probability};

/// The scenario without the faults that never began or changed nothing.
pub(super) fn that_bit(scenario: &Scenario, sighting: &Sighting) -> Vec<Scenario> {
    let bit = |plan: &Plan| hit_of(plan, sighting).is_some_and(|hit| hit.bit);
    vec![Scenario { faults: scenario.faults.iter().filter(|plan| bit(plan)).cloned().collect(), ..scenario.clone() }]
}

/// The scenario without each single fault.
pub(super) fn without_one(scenario: &Scenario) -> Vec<Scenario> {
    (0..scenario.faults.len())
        .map(|i| {
            let mut simpler = scenario.clone();
            simpler.faults.remove(i);
            simpler
        })
        .collect()
}

/// Each fault made simpler in each way.
pub(super) fn simpler(scenario: &Scenario, sighting: &Sighting) -> Vec<Scenario> {
    let nodes = scenario.cluster.nodes();
    let mut all = Vec::new();
    for (i, plan) in scenario.faults.iter().enumerate() {
        let hit = hit_of(plan, sighting);
        for other in targets(plan, hit, nodes).into_iter().chain(milder(plan, nodes)).chain(shorter(plan)) {
            let mut simpler = scenario.clone();
            simpler.faults[i] = other;
            all.push(simpler);
        }
    }
    all
}

/// What became of a fault.
fn hit_of<'a>(plan: &Plan, sighting: &'a Sighting) -> Option<&'a Hit> {
    let label = injection(plan).to_string();
    // One that waits for something begins later than it might.
    let begins = |hit: &&Hit| if plan.after.is_some() { hit.at >= plan.at } else { hit.at == plan.at };
    sighting.hits.iter().find(|hit| begins(hit) && hit.label == label)
}

/// The one injection of a resolved plan.
#[must_use]
pub fn injection(plan: &Plan) -> Injection {
    let until = plan.duration.map_or(Instant::FAR, |d| plan.at + d);
    Injection {
        id: plan.id,
        name: plan.name.clone(),
        fault: plan.fault.clone(),
        target: plan.target.clone(),
        at: plan.at,
        until,
        after: plan.after.clone(),
        must_bite: plan.must_bite,
    }
}

/// The nodes outright instead of a role or a draw, then one of them less.
fn targets(plan: &Plan, hit: Option<&Hit>, nodes: usize) -> Vec<Plan> {
    let aim = |target| Plan { target, ..plan.clone() };
    let one_less = |nodes: &[NodeId]| -> Vec<Plan> {
        let without = |i: usize| {
            let mut fewer = nodes.to_vec();
            fewer.remove(i);
            fewer
        };
        if nodes.len() < 2 { Vec::new() } else { (0..nodes.len()).map(|i| aim(these(without(i)))).collect() }
    };
    // A shape that draws its sides draws them from all nodes.
    let drawn = matches!(&plan.fault, Fault::Partition { shape, .. }
        if !matches!(shape, Shape::Isolate | Shape::OneWay { .. }));
    match &plan.target {
        Target::Node(_) => Vec::new(),
        Target::Nodes(list) => one_less(list),
        Target::All if drawn => Vec::new(),
        Target::All => one_less(&sim_core::node_ids(nodes).collect::<Vec<_>>()),
        _ => hit.filter(|hit| !hit.nodes.is_empty()).map(|hit| aim(these(hit.nodes.clone()))).into_iter().collect(),
    }
}

/// Nodes as a file has them.
pub(super) fn these(mut nodes: Vec<NodeId>) -> Target {
    nodes.sort_unstable();
    nodes.dedup();
    if let [node] = nodes.as_slice() { Target::Node(*node) } else { Target::Nodes(nodes) }
}

/// The same fault doing less.
fn milder(plan: &Plan, nodes: usize) -> Vec<Plan> {
    let with = |fault| Plan { fault, ..plan.clone() };
    match &plan.fault {
        Fault::Crash { on_crash } => {
            let order = [OnCrash::Keep, OnCrash::LoseUnsynced, OnCrash::Torn, OnCrash::Wipe];
            let milder = order.into_iter().take_while(|o| o != on_crash);
            milder.map(|on_crash| with(Fault::Crash { on_crash })).collect()
        }
        Fault::Partition { shape, clients } => {
            let cut = |shape, clients| Fault::Partition { shape, clients };
            let mut all = Vec::new();
            if *clients == CutClients::WithZone {
                all.push(with(cut(shape.clone(), CutClients::Free)));
            }
            if !matches!(shape, Shape::Isolate | Shape::OneWay { .. }) {
                // One node cut off is the simplest partition.
                let alone = |node| Plan { target: Target::Node(node), ..with(cut(Shape::Isolate, *clients)) };
                all.extend(sim_core::node_ids(nodes.min(MOST_TRIED)).map(alone));
            }
            all
        }
        Fault::Packet { change, .. } => packets(change)
            .into_iter()
            .map(|milder| {
                let mut fault = plan.fault.clone();
                if let Fault::Packet { change, .. } = &mut fault {
                    *change = milder;
                }
                with(fault)
            })
            .collect(),
        Fault::Disk(DiskChange::Slow(latency)) => {
            fixed(latency).into_iter().map(|latency| with(Fault::Disk(DiskChange::Slow(latency)))).collect()
        }
        Fault::Clock(ClockChange::Step(by)) => {
            let smaller = ladder(by.unsigned_abs(), MILLISECOND).into_iter();
            let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX) * by.signum();
            smaller.map(|n| with(Fault::Clock(ClockChange::Step(signed(n))))).collect()
        }
        _ => Vec::new(),
    }
}

/// Larger clusters are tried from the front.
const MOST_TRIED: usize = 9;
const MILLISECOND: u64 = 1_000_000;

/// Each kind of tampering left out, then the delay made fixed.
fn packets(change: &PacketChange) -> Vec<PacketChange> {
    let mut all = Vec::new();
    let mut add = |set: &dyn Fn(&mut PacketChange)| {
        let mut milder = change.clone();
        set(&mut milder);
        if milder != *change {
            all.push(milder);
        }
    };
    add(&|c| c.loss = Probability::NEVER);
    add(&|c| c.delay = None);
    add(&|c| c.duplicate = Probability::NEVER);
    add(&|c| c.reorder = Probability::NEVER);
    add(&|c| c.corrupt = Probability::NEVER);
    add(&|c| c.rate = 0);
    for latency in change.delay.iter().flat_map(fixed) {
        add(&|c| c.delay = Some(latency.clone()));
    }
    all
}

fn shorter(plan: &Plan) -> Vec<Plan> {
    let ladder = plan.duration.map_or_else(Vec::new, |d| ladder(d.0, MILLISECOND.min(d.0)));
    ladder.into_iter().map(|ns| Plan { duration: Some(Duration(time::nice(ns))), ..plan.clone() }).collect()
}

/// Fixed delays like a drawn one.
pub(super) fn fixed(latency: &Latency) -> Vec<Latency> {
    let all = match latency {
        Latency::Fixed(_) => Vec::new(),
        Latency::Uniform(lo, hi) => vec![lo.0.midpoint(hi.0), hi.0, lo.0],
        Latency::Table(table) => match table.law() {
            Law::Exponential { mean } => vec![mean.0],
            Law::Lognormal { median, p99 } => vec![median.0, p99.0],
            Law::Recorded(_) => Vec::new(),
        },
    };
    all.into_iter().map(|ns| Latency::Fixed(Duration(ns))).collect()
}
