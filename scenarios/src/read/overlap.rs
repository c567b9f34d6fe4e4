//! Refuses faults that overlap: the same thing done twice at once to the same nodes is a slip of the pen.

use super::cluster::World;
use super::section::Reader;
use super::target::fixed;
use crate::expand;
use crate::scenario::Plan;
use sim_core::fault::{ClockChange, DiskChange, Fault};
use sim_core::{Duration, Instant, NodeId};
use std::collections::BTreeSet;

/// Says which faults overlap an earlier one.
pub fn check(plans: &[(Plan, &Reader<'_>)], world: &World, duration: Duration) {
    if !world.known {
        return;
    }
    // From when to when which fault holds which of its parts.
    let mut parts: Vec<Vec<NodeId>> = Vec::new();
    let mut spells: Vec<(Instant, Instant, usize, usize)> = Vec::new();
    for (i, (plan, reader)) in plans.iter().enumerate() {
        // When something that waits will happen is not known; what comes at random may well meet itself; and a fault
        // with an id was written by a machine that knew it.
        let known = plan.after.is_none() && plan.process.is_none() && plan.spread == Duration::ZERO;
        if !known || reader.has("id") {
            continue;
        }
        for (unit, target) in expand::units(plan) {
            let Some(nodes) = fixed(target, world) else { continue };
            let part = parts.len();
            parts.push(nodes);
            spells.extend(expand::spells(plan, unit, duration, 0).into_iter().map(|(from, to)| (from, to, i, part)));
        }
    }
    spells.sort_unstable();
    // Only what lasts when a fault begins can overlap it, so this is fast even for the longest schedules.
    let mut active: Vec<(Instant, usize, usize)> = Vec::new();
    let mut said = BTreeSet::new();
    for (from, to, i, part) in spells {
        active.retain(|(until, ..)| *until > from);
        for (_, other, of_other) in &active {
            let (earlier, later) = (i.min(*other), i.max(*other));
            let ((a, _), (b, reader)) = (&plans[earlier], &plans[later]);
            let (of_a, of_b) = (&parts[*of_other], &parts[part]);
            let Some(node) = of_a.iter().find(|n| of_b.contains(n)) else { continue };
            if earlier != later && clash(a, b) && said.insert(later) {
                let what = format!(
                    "this {} of {} overlaps the one of {} in fault {}: both hold {node} at {from}",
                    b.fault.kind(),
                    b.target,
                    a.target,
                    earlier + 1,
                );
                reader.wrong("target", what, "let one end before the other begins, or aim at other nodes");
            }
        }
        if !said.contains(&i) {
            active.push((to, i, part));
        }
    }
}

/// Whether the two do the same thing, so that doing both at once says nothing.
fn clash(a: &Plan, b: &Plan) -> bool {
    match (&a.fault, &b.fault) {
        (Fault::Crash { .. }, Fault::Crash { .. })
        | (Fault::Pause, Fault::Pause)
        | (Fault::Slow { .. }, Fault::Slow { .. })
        | (Fault::Clock(ClockChange::Drift(_)), Fault::Clock(ClockChange::Drift(_)))
        | (Fault::Clock(ClockChange::Freeze), Fault::Clock(ClockChange::Freeze))
        | (Fault::Disk(DiskChange::Slow(_)), Fault::Disk(DiskChange::Slow(_)))
        | (Fault::Disk(DiskChange::Stall), Fault::Disk(DiskChange::Stall))
        | (Fault::Disk(DiskChange::FailSync(_)), Fault::Disk(DiskChange::FailSync(_)))
        | (Fault::Disk(DiskChange::Full), Fault::Disk(DiskChange::Full))
        | (Fault::Disk(DiskChange::Lie), Fault::Disk(DiskChange::Lie))
        | (Fault::Disk(DiskChange::Torn), Fault::Disk(DiskChange::Torn)) => true,
        // Cuts of different nodes may nest: only the very same one twice is a slip.
        (x @ Fault::Partition { .. }, y @ Fault::Partition { .. })
        | (x @ Fault::Packet { .. }, y @ Fault::Packet { .. }) => x == y && a.target == b.target,
        _ => false,
    }
}
