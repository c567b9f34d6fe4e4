//! Reads `[limits]`, and refuses those that make a fault impossible or hold nothing back.

use super::cluster::World;
use super::measure;
use super::section::Reader;
use crate::scenario::{Cluster, Plan};
use sim_core::fault::{Fault, Limits, Shape};
use sim_core::{NodeId, Purpose, Rng, node_ids};

/// How many of a shape's random forms are tried before it counts as impossible.
const TRIES: u64 = 64;

/// Reads `[limits]`.
pub fn read(reader: &Reader<'_>, plans: &[Plan], world: &World) -> Limits {
    let nodes = world.cluster.nodes() as u64;
    let limits = Limits {
        max_down: reader.get("max_down", measure::small(0, crate::limits::NODES)),
        max_cut: reader.get("max_cut", measure::small(0, crate::limits::NODES)),
        keep_quorum: reader.get("keep_quorum", measure::flag).unwrap_or(false),
    };
    if !world.known || limits.is_none() {
        return limits;
    }
    for (key, limit) in [("max_down", limits.max_down), ("max_cut", limits.max_cut)] {
        if limit.is_some_and(|limit| u64::from(limit) >= nodes) {
            let what = format!("a limit of {} of {nodes} nodes holds nothing back", limit.unwrap_or(0));
            reader.wrong(key, what, format!("less than {nodes}, or leave it out"));
        }
    }
    for (number, plan) in (1..).zip(plans) {
        if !possible(&limits, &plan.fault, &world.cluster) {
            let key = match (&plan.fault, limits.max_down, limits.max_cut) {
                (Fault::Crash { .. } | Fault::Pause, Some(_), _) => "max_down",
                (Fault::Partition { .. }, _, Some(_)) => "max_cut",
                _ => "keep_quorum",
            };
            let what =
                format!("fault {number}, {} of {}, can never happen under this limit", plan.fault.kind(), plan.target);
            reader.wrong(key, what, "raise the limit, or leave the fault out");
        }
    }
    limits
}

/// Whether the fault can happen at all in a cluster to which nothing else does.
fn possible(limits: &Limits, fault: &Fault, cluster: &Cluster) -> bool {
    let nodes = cluster.nodes();
    let shape = cluster.shape();
    let members: Vec<bool> = node_ids(nodes).map(|node| shape.is_member(node)).collect();
    let everyone: Vec<NodeId> = node_ids(nodes).filter(|node| shape.is_member(*node)).collect();
    let Some(some) = everyone.first().copied() else { return true };
    let mut down = vec![false; nodes];
    match fault {
        Fault::Crash { .. } | Fault::Pause => {
            down[some.index()] = true;
            limits.permit(&members, &down, &[])
        }
        // Whose groups these are is known only when the fault comes.
        Fault::Partition { shape: Shape::Groups(_), .. } => true,
        Fault::Partition { shape, .. } => (0..TRIES).any(|seed| {
            let mut rng = Rng::stream(seed, Purpose::Target, 0);
            limits.permit(&members, &down, &[&shape.sides(nodes, &everyone, &[some], &[], &mut rng)])
        }),
        _ => true,
    }
}
