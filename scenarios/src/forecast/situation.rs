//! A situation as a scenario: what is down already, then one more fails, or comes back.

use super::Component;
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

impl Situation {
    /// What is down afterwards; a deploy leaves nothing.
    #[must_use]
    pub fn after(&self) -> Vec<u16> {
        let mut down = self.down.clone();
        match self.change {
            Some((component, true)) => down.push(component),
            Some((component, false)) => down.retain(|c| *c != component),
            None => {}
        }
        down.sort_unstable();
        down
    }
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
        faults.push(plan(scenario, &components[usize::from(*down)], DOWN_AT, until));
    }
    if let Some((component, _, true)) = changes {
        let mut fails = plan(scenario, component, at, None);
        fails.spread = SPREAD;
        if component.of == HazardOf::Deploy {
            let members = fails.each.len() as u64;
            window = Duration(window.0.max((members + 2) * APART.0));
        }
        faults.push(fails);
    }
    let mut scenario = Scenario { faults, swarm: None, limits: Limits::default(), ..scenario.clone() };
    scenario.warmup = Duration(at.0);
    scenario.duration = Duration(at.0 + SPREAD.0 + window.0);
    scenario.expect = crate::scenario::Expect::default();
    scenario.report.charts = false;
    scenario
}

fn plan(scenario: &Scenario, component: &Component, at: Instant, duration: Option<Duration>) -> Plan {
    let node = NodeId(u32::from(component.index));
    let power = Fault::Crash { on_crash: OnCrash::LoseUnsynced };
    let shape = scenario.cluster.shape();
    let members = || sim_core::node_ids(scenario.cluster.nodes()).filter(|node| shape.is_member(*node));
    let mut each = Vec::new();
    let (fault, target) = match component.of {
        HazardOf::Machine => (power, Target::Node(node)),
        HazardOf::Zone => {
            let zone = component.index;
            (power, Target::Zone(zone, scenario.cluster.zones[usize::from(zone)].clone()))
        }
        HazardOf::Link => {
            (Fault::Partition { shape: Shape::Isolate, clients: CutClients::WithZone }, Target::Node(node))
        }
        HazardOf::Disk => (Fault::Disk(DiskChange::Stall), Target::Node(node)),
        HazardOf::Deploy => {
            each = members().map(Target::Node).collect();
            (Fault::Crash { on_crash: OnCrash::Keep }, Target::All)
        }
    };
    let is_deploy = !each.is_empty();
    let away = Duration((component.repair * 1e9) as u64);
    Plan {
        id: 0x6861_7a61_7264 ^ (u64::from(component.index) << 8 | component.of as u64),
        name: None,
        fault,
        target,
        at,
        spread: Duration::ZERO,
        duration: if is_deploy { Some(away) } else { duration },
        every: None,
        count: None,
        process: None,
        each,
        rolling: is_deploy.then_some(Rolling { apart: APART, at_once: Some(1), heal: Heal::InOrder }),
        after: None,
        flap: None,
        must_bite: false,
    }
}
