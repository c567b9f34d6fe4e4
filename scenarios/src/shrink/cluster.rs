//! A simpler cluster: fewer nodes and zones, a quiet network, steady disks, honest clocks, the system's own defaults.

use super::{Sighting, faults};
use crate::scenario::{Cluster, End, LinkChange, Plan};
use crate::{Scenario, Systems};
use sim_core::fault::{Fault, MemberChange, Shape, Target};
use sim_core::{Duration, NodeId, Probability, Routing, node_ids};
use std::collections::BTreeSet;

/// Noise of network, disks and clocks: all of it off, then each kind alone.
pub(super) fn quieter(scenario: &Scenario) -> Vec<Scenario> {
    type Change = fn(&mut Scenario);
    let changes: &[Change] = &[
        |s| s.network.base.loss = Probability::NEVER,
        |s| s.network.base.duplicate = Probability::NEVER,
        |s| s.network.base.reorder = Probability::NEVER,
        |s| s.network.base.corrupt = Probability::NEVER,
        |s| s.network.base.bandwidth = 0,
        |s| s.network.base.ordered = false,
        |s| s.network.client = LinkChange::default(),
        |s| s.network.rules.clear(),
        |s| s.disk.fail = Probability::NEVER,
        |s| s.cluster.clock_drift = (0, 0),
        |s| s.cluster.clock_offset = (0, 0),
        |s| s.cluster.cpu_cost = Duration::ZERO,
        |s| s.cluster.egress = 0,
        |s| s.shuffle_ties = false,
    ];
    let with = |change: &dyn Fn(&mut Scenario)| {
        let mut s = scenario.clone();
        change(&mut s);
        s
    };
    let mut all = vec![with(&|s| changes.iter().for_each(|change| change(s)))];
    all.extend(changes.iter().map(|change| with(change)));
    for i in 0..scenario.network.rules.len() {
        all.push(with(&|s| drop(s.network.rules.remove(i))));
    }
    for latency in faults::fixed(&scenario.network.base.latency) {
        all.push(with(&|s| s.network.base.latency = latency.clone()));
    }
    for sync in faults::fixed(&scenario.disk.sync) {
        all.push(with(&|s| s.disk.sync = sync.clone()));
    }
    all
}

/// The system's options back to their defaults: all, all but a bug switched on, then each alone.
pub(super) fn plainer(scenario: &Scenario, systems: &dyn Systems) -> Vec<Scenario> {
    let mut all = Vec::new();
    let with = |options: toml::Table| Scenario { options, ..scenario.clone() };
    let shape = scenario.cluster.shape();
    if let Ok(defaults) = systems.options(&scenario.system, &toml::Table::new(), &shape) {
        let mut kept = defaults.clone();
        if let Some(bug) = scenario.options.get("bug") {
            kept.insert("bug".to_owned(), bug.clone());
        }
        all.extend([with(defaults.clone()), with(kept)]);
        for key in scenario.options.keys() {
            let mut options = scenario.options.clone();
            match defaults.get(key) {
                Some(default) => drop(options.insert(key.clone(), default.clone())),
                None => drop(options.remove(key)),
            }
            all.push(with(options));
        }
    }
    all
}

/// One zone, then fewer nodes: the smallest cluster first, and those stay that a fault named or hit.
pub(super) fn smaller(scenario: &Scenario, sighting: &Sighting) -> Vec<Scenario> {
    let n = scenario.cluster.nodes();
    let mut all = Vec::new();
    if scenario.cluster.zones.len() > 1 {
        all.extend(one_zone(scenario));
    }
    let hit: BTreeSet<NodeId> = sighting.hits.iter().flat_map(|hit| hit.nodes.iter().copied()).collect();
    let mut order: Vec<NodeId> = node_ids(n).collect();
    order.sort_by_key(|node| !hit.contains(node));
    // An odd number makes the majorities people know; even ones come after.
    let mut sizes: Vec<usize> = super::ladder(n as u64, 1).into_iter().map(|m| m as usize).collect();
    sizes.extend((1..n).filter(|m| *m < 10));
    sizes.sort_by_key(|m| (m % 2 == 0, *m));
    sizes.dedup();
    for m in sizes {
        all.extend(keeping(scenario, order[..m].iter().copied().collect()));
        all.extend(keeping(scenario, node_ids(m).collect()));
    }
    if (2..10).contains(&n) {
        for gone in node_ids(n) {
            all.extend(keeping(scenario, node_ids(n).filter(|node| *node != gone).collect()));
        }
    }
    all
}

/// All nodes and clients in one zone, if nothing speaks of zones.
fn one_zone(scenario: &Scenario) -> Option<Scenario> {
    let about_zones = |target: &Target| matches!(target, Target::Zone(..) | Target::RoleZone(_));
    let of_faults = scenario.faults.iter().any(|plan| {
        about_zones(&plan.target)
            || match &plan.fault {
                Fault::Partition { shape: Shape::Groups(groups), .. } => groups.iter().flatten().any(about_zones),
                Fault::Packet { peers: Some(peers), .. } => about_zones(peers),
                _ => false,
            }
    });
    let zone_end = |end: &End| matches!(end, End::Zone(_));
    if of_faults || scenario.network.rules.iter().any(|rule| zone_end(&rule.from) || zone_end(&rule.to)) {
        return None;
    }
    let mut s = scenario.clone();
    s.cluster.zones.truncate(1);
    s.cluster.node_zones.fill(0);
    s.workloads.iter_mut().for_each(|w| if w.at.is_some() { w.zones.fill(0) } else { w.zones = vec![0] });
    Some(s)
}

/// The cluster of only these nodes, numbered anew, in the zones they were in.
fn keeping(scenario: &Scenario, kept: BTreeSet<NodeId>) -> Option<Scenario> {
    let mut s = scenario.clone();
    let new = |node: NodeId| kept.iter().position(|k| *k == node).map(|i| NodeId(i as u32));
    s.cluster.node_zones = kept.iter().map(|node| scenario.cluster.zone_of(*node)).collect();
    let spares = scenario.cluster.shape().spare_nodes();
    s.cluster.spares = kept.iter().filter(|node| spares.contains(&node.0)).count() as u32;
    if !s.cluster.groups.is_empty() {
        s.cluster.node_groups = kept.iter().map(|node| scenario.cluster.node_groups[node.index()]).collect();
        // A group of nobody would not be read back, nor one of spares alone.
        let shape = s.cluster.shape();
        let spares = shape.spare_nodes();
        if shape.groups.iter().any(|group| group.nodes.clone().all(|node| spares.contains(&node))) {
            return None;
        }
    }
    if s.cluster.members() == 0 {
        return None;
    }
    // Zones without nodes go, if nobody speaks of them.
    let used: BTreeSet<u16> = s.cluster.node_zones.iter().copied().collect();
    let zone = |z: u16| used.iter().position(|u| *u == z).map(|i| i as u16);
    s.cluster.zones = used.iter().map(|z| scenario.cluster.zones[usize::from(*z)].clone()).collect();
    s.cluster.node_zones.iter_mut().for_each(|z| *z = zone(*z).unwrap_or(0));
    // So with machines; where each node has its own, these are renamed with the nodes.
    let old = &scenario.cluster;
    let (machines, node_machines) = Cluster::own_machines(old.nodes());
    let own = old.machines == machines && old.node_machines == node_machines;
    let carrying: BTreeSet<u16> = kept.iter().map(|node| old.node_machines[node.index()]).collect();
    let machine = |m: u16| carrying.iter().position(|c| *c == m).map(|i| i as u16);
    (s.cluster.machines, s.cluster.node_machines) = if own {
        Cluster::own_machines(kept.len())
    } else {
        let names = carrying.iter().map(|m| old.machines[usize::from(*m)].clone()).collect();
        (names, kept.iter().filter_map(|node| machine(old.node_machines[node.index()])).collect())
    };
    for workload in &mut s.workloads {
        if let Some(role) = &workload.at {
            let nodes = s.cluster.nodes_of(role);
            workload.zones = nodes.into_iter().map(|node| s.cluster.zone_of(node)).collect();
            continue;
        }
        workload.zones = workload.zones.iter().filter_map(|z| zone(*z)).collect();
        if workload.zones.is_empty() {
            workload.zones = vec![0];
        }
        if let Routing::Fixed(node) = workload.routing {
            workload.routing = new(node).map_or(Routing::Sticky, Routing::Fixed);
        }
    }
    s.network.rules.retain_mut(|rule| {
        let end = |end: End| match end {
            End::Node(node) => new(node).map(End::Node),
            End::Zone(z) => zone(z).map(End::Zone),
        };
        match (end(rule.from), end(rule.to)) {
            (Some(from), Some(to)) => {
                (rule.from, rule.to) = (from, to);
                true
            }
            _ => false,
        }
    });
    let target = |target: &Target| -> Option<Target> {
        match target {
            Target::Node(node) => new(*node).map(Target::Node),
            Target::Nodes(nodes) => {
                let left: Vec<NodeId> = nodes.iter().filter_map(|node| new(*node)).collect();
                (!left.is_empty()).then(|| faults::these(left))
            }
            Target::OneOf(name, nodes) => {
                let left: Vec<NodeId> = nodes.iter().filter_map(|node| new(*node)).collect();
                (!left.is_empty()).then(|| Target::OneOf(name.clone(), left))
            }
            Target::Zone(z, name) => zone(*z).map(|z| Target::Zone(z, name.clone())),
            Target::Machine(m, name) => {
                let m = machine(*m)?;
                let name = if own { s.cluster.machines[usize::from(m)].clone() } else { name.clone() };
                Some(Target::Machine(m, name))
            }
            other => Some(other.clone()),
        }
    };
    s.faults = scenario
        .faults
        .iter()
        .filter_map(|plan| {
            let mut plan = Plan { target: target(&plan.target)?, ..plan.clone() };
            match &mut plan.fault {
                Fault::Partition { shape: Shape::Groups(groups), .. } => {
                    for group in groups.iter_mut() {
                        *group = group.iter().filter_map(target).collect();
                    }
                    groups.retain(|group| !group.is_empty());
                    (groups.len() > 1).then_some(plan)
                }
                Fault::Packet { peers, .. } => {
                    if let Some(whom) = peers.as_ref() {
                        *peers = Some(target(whom)?);
                    }
                    Some(plan)
                }
                Fault::Membership(MemberChange::MoveZone { to: Some(to) }) => {
                    *to = target(to)?;
                    Some(plan)
                }
                _ => Some(plan),
            }
        })
        .collect();
    Some(s)
}
