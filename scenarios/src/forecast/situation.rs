//! A situation as a scenario: what is down already, then one more fails, or comes back.

use super::Component;
use super::years::members;
use crate::scenario::{HazardOf, Heal};
use crate::scenario::{Plan, Rolling, Scenario};
use sim_core::fault::{CutClients, DiskChange, Fault, Limits, OnCrash, Shape, Target};
use sim_core::{Duration, Instant, NodeId};

/// What is down, and what changes. Components are named by number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Situation {
    /// What is down before, sorted.
    pub down: Vec<u16>,
    /// What fails (`true`) or comes back; nothing where a year begins.
    pub change: Option<(u16, bool)>,
}

/// When what is down from the beginning goes down: when everybody has booted.
const DOWN_AT: Instant = Instant(10_000_000);
/// How long the cluster has then, at least, until something changes.
const CALM: Duration = Duration::secs(10);
/// Up to how much later the change comes: not always at the same moment of whatever has a rhythm.
const SPREAD: Duration = Duration::secs(1);
/// Between two members of a deploy.
const APART: Duration = Duration::secs(5);

/// The scenario whose measured time begins with the change and lasts for `window`, which a deploy may need to be
/// longer.
#[must_use]
pub fn scenario_of(scenario: &Scenario, components: &[Component], situation: &Situation, window: Duration) -> Scenario {
    let at = Instant(DOWN_AT.0 + CALM.0.max(scenario.warmup.0));
    let changes = situation.change.map(|(component, fails)| (&components[usize::from(component)], component, fails));
    let mut window = window;
    let mut faults = Vec::new();
    for down in &situation.down {
        let comes_back = changes.is_some_and(|(_, component, fails)| !fails && component == *down);
        let until = comes_back.then_some(Duration(at.0 - DOWN_AT.0));
        faults.extend(plans(scenario, &components[usize::from(*down)], DOWN_AT, until));
    }
    if let Some((component, _, true)) = changes {
        let fails = plans(scenario, component, at, None);
        let restarted = fails.iter().map(|plan| plan.each.len() as u64).max().unwrap_or(0);
        if restarted > 0 {
            window = Duration(window.0.max((restarted + 2) * APART.0));
        }
        faults.extend(fails.into_iter().map(|plan| Plan { spread: SPREAD, ..plan }));
    }
    let mut scenario = Scenario { faults, swarm: None, limits: Limits::default(), ..scenario.clone() };
    scenario.warmup = Duration(at.0);
    scenario.duration = Duration(at.0 + SPREAD.0 + window.0);
    scenario.expect = crate::scenario::Expect::default();
    scenario.report.charts = false;
    scenario
}

/// What is done to the cluster when a component fails.
fn plans(scenario: &Scenario, component: &Component, at: Instant, duration: Option<Duration>) -> Vec<Plan> {
    let node = NodeId(u32::from(component.index));
    let power = Fault::Crash { on_crash: OnCrash::LoseUnsynced };
    let isolated = |clients| Fault::Partition { shape: Shape::Isolate, clients };
    let plan = |fault, target| Plan {
        // A component's luck is its own, and whatever is done to it begins at one moment.
        id: (component.of as u64) << 32 | u64::from(component.index),
        name: None,
        fault,
        target,
        at,
        spread: Duration::ZERO,
        duration,
        every: None,
        count: None,
        process: None,
        each: Vec::new(),
        rolling: None,
        after: None,
        flap: None,
        must_bite: false,
    };
    match component.of {
        HazardOf::Machine => vec![plan(power, Target::Node(node))],
        HazardOf::Zone => {
            let name = scenario.cluster.zones[usize::from(component.index)].clone();
            vec![plan(power, Target::Zone(component.index, name))]
        }
        // From the other nodes and from clients: those of its zone are not cut off with it.
        HazardOf::Link => vec![
            plan(isolated(CutClients::Free), Target::Node(node)),
            plan(isolated(CutClients::Only), Target::Node(node)),
        ],
        HazardOf::Disk => vec![plan(Fault::Disk(DiskChange::Stall), Target::Node(node))],
        HazardOf::Deploy => {
            let restart = plan(Fault::Crash { on_crash: OnCrash::Keep }, Target::All);
            vec![Plan {
                each: members(scenario).map(Target::Node).collect(),
                rolling: Some(Rolling { apart: APART, at_once: Some(1), heal: Heal::InOrder }),
                duration: Some(Duration((component.repair * 1e9) as u64)),
                ..restart
            }]
        }
    }
}
