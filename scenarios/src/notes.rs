//! What is right but worth knowing before a run: what a scenario says and will not do.

use crate::scenario::{Law, Pace, Plan};
use crate::{Scenario, Systems};
use sim_core::fault::Fault;
use sim_core::network::Transport;
use sim_core::record::{Comparison, Expectation};
use sim_core::{Duration, FileText, Instant};

/// Notes about a scenario, one sentence each.
#[must_use]
pub fn notes(scenario: &Scenario, systems: &dyn Systems) -> Vec<String> {
    let mut notes = of_files(scenario, systems);
    let end = Instant(scenario.duration.0);
    for (number, plan) in (1..).zip(&scenario.faults) {
        let Some(Law::Recorded(recordings)) = plan.process.as_ref().map(|process| &process.law) else { continue };
        let once = recordings.iter().filter(|recording| recording.period.is_none());
        let late = once.flat_map(|one| &one.events).filter(|(at, _)| plan.at + *at >= end).count();
        if late > 0 {
            let all: usize = recordings.iter().map(|recording| recording.events.len()).sum();
            notes.push(format!(
                "fault {number}: {late} of {all} recorded lines are beyond the end of the load at {end}, and do not \
                 happen"
            ));
        }
    }
    notes.extend(kindless(scenario));
    notes.extend(free(scenario));
    notes.extend(unseen(scenario));
    notes.extend(cost(scenario));
    notes
}

/// Faults that look for kinds of messages where there are only segments.
fn kindless(scenario: &Scenario) -> Vec<String> {
    if !matches!(scenario.network.transport, Transport::Tcp(_)) {
        return Vec::new();
    }
    let of_kinds = |plan: &&Plan| matches!(&plan.fault, Fault::Packet { kinds, .. } if !kinds.is_empty());
    let numbered = (1..).zip(&scenario.faults).filter(|(_, plan)| of_kinds(plan));
    numbered
        .map(|(number, _)| {
            format!(
                "fault {number} looks for kinds of messages, and TCP carries segments, which have none: it does nothing"
            )
        })
        .collect()
}

/// The least that an input costs a real machine.
const INPUT: Duration = Duration::micros(10);

/// Nodes that are slowed by more than their floor shows, because nothing costs them any time.
fn free(scenario: &Scenario) -> Vec<String> {
    let cluster = &scenario.cluster;
    let costs = core::iter::once(cluster.cpu_cost).chain(cluster.groups.iter().filter_map(|group| group.cpu_cost));
    if costs.into_iter().any(|cost| cost > Duration::ZERO) {
        return Vec::new();
    }
    let free = |(number, plan): (usize, &Plan)| match plan.fault {
        Fault::Slow { factor, floor } if INPUT.times(u64::from(factor)) > floor => Some(format!(
            "fault {number} multiplies by {factor} what is free ([cluster] cpu_cost is 0): each input takes {floor}, \
             its floor, and no more"
        )),
        _ => None,
    };
    (1..).zip(&scenario.faults).filter_map(free).collect()
}

/// What the system says of the files that its options name.
fn of_files(scenario: &Scenario, systems: &dyn Systems) -> Vec<String> {
    let said = |option: &String| {
        let files: Vec<FileText> = scenario.options.get(option)?.clone().try_into().ok()?;
        Some(systems.read_files(&scenario.system, option, &files).notes)
    };
    systems.file_options(&scenario.system).iter().filter_map(said).flatten().collect()
}

/// What probes can not see: a reader of the report should know that, too.
pub fn unseen(scenario: &Scenario) -> Vec<String> {
    let probe = scenario.probe;
    let mut notes = Vec::new();
    if let Some(recovery) = scenario.profile.recovery.filter(|recovery| probe.timeout > *recovery) {
        notes.push(format!(
            "outages shorter than {} are not seen: [probe] timeout is that long, and {} may need no more than \
             {recovery} to recover",
            probe.timeout, scenario.system
        ));
    }
    let bounds = |e: &&Expectation| {
        e.metric.starts_with("longest_")
            && e.metric.ends_with("outage")
            && matches!(e.comparison, Comparison::AtMost | Comparison::LessThan)
            && e.bound < probe.timeout.0 as f64
    };
    for bound in scenario.expect.bounds.iter().filter(bounds) {
        notes.push(format!(
            "expect.{} {}: outages shorter than {} are not seen, which is how long a probe waits ([probe] timeout)",
            bound.metric, bound.text, probe.timeout
        ));
    }
    notes
}

/// That probes are more than a tenth of what the cluster can serve, or of what it is asked.
fn cost(scenario: &Scenario) -> Option<String> {
    let probe = scenario.probe;
    if !probe.enabled {
        return None;
    }
    let asked = 2_000_000_000 * scenario.probe_zones().len() as u64 / probe.every.0.max(1);
    let open = |pace: &Pace| match pace {
        Pace::Open(stages) => stages.iter().map(|s| s.most().0).max().map(|micros| micros / 1_000_000),
        Pace::Closed { .. } => None,
    };
    let load: Option<u64> = scenario.workloads.iter().map(|w| open(&w.pace)).sum();
    let exceeded = |of: Option<u64>| of.filter(|of| *of > 0 && asked * 10 > *of);
    let every = probe.every;
    if let Some(capacity) = exceeded(crate::read::capacity(&scenario.cluster, scenario.profile)) {
        let what = format!("probes ask {asked} times a second of a capacity of {capacity}/s");
        return Some(format!("{what}: write a longer [probe] every than {every}"));
    }
    let load = exceeded(load)?;
    let what = format!("probes ask {asked} times a second beside a load of {load}/s");
    let cost = "they count in no figure, but the nodes serve them";
    Some(format!("{what}: {cost}; a longer [probe] every than {every} makes them rarer, and outages less exact"))
}
