//! Counts keys over nodes, before and after every change of the members.

use super::options::PlacementConfig;
use crate::storage::hashing::key;
use crate::storage::hashing::placement::{AnyPlacement, Placement, replicas};
use sim_core::measures::KeysMoved;

/// What one change of the members did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wave {
    /// For the report.
    pub moved: KeysMoved,
    /// Copies that moved between nodes that were members before and after.
    pub between_survivors: u64,
}

/// Keys of every node, at first and after each change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// Copies each node holds at first.
    pub first: Vec<u64>,
    /// Each change, in order.
    pub waves: Vec<Wave>,
}

impl Survey {
    /// Places every key, once for each epoch.
    #[must_use]
    pub fn of(config: &PlacementConfig) -> Self {
        let mut owners = place(config, &config.epochs()[0].placement);
        let first = count(config, &owners);
        let mut before = first.clone();
        let mut waves = Vec::new();
        for pair in config.epochs().windows(2) {
            let (old, new) = (&pair[0], &pair[1]);
            let next = place(config, &new.placement);
            let (mut moved, mut between_survivors) = (0, 0);
            let stays = |node: u32| {
                let node = sim_core::NodeId(node);
                old.placement.members().get(node).is_some() && new.placement.members().get(node).is_some()
            };
            let copies = config.replicas as usize;
            for (was, is) in owners.chunks_exact(copies).zip(next.chunks_exact(copies)) {
                if was == is {
                    continue;
                }
                let gone = was.iter().filter(|node| !is.contains(node)).count();
                let come = is.iter().filter(|node| !was.contains(node)).count();
                moved += come as u64;
                // A copy that a node which stays gave to another which stays: nobody came or went for it.
                let given = was.iter().filter(|node| !is.contains(node) && stays(**node)).count();
                let taken = is.iter().filter(|node| !was.contains(node) && stays(**node)).count();
                debug_assert!(gone == come, "as many copies as before");
                between_survivors += given.min(taken) as u64;
            }
            let after = count(config, &next);
            waves.push(Wave {
                moved: KeysMoved {
                    at_ns: new.at.0,
                    event: new.event.clone(),
                    moved,
                    total: config.keys * u64::from(config.replicas),
                    ideal: ideal(config, &old.placement, &new.placement),
                    done_ns: Some(new.at.0),
                    before: before.clone(),
                    after: after.clone(),
                },
                between_survivors,
            });
            (owners, before) = (next, after);
        }
        Self { first, waves }
    }

    /// Keys of every node in the end.
    #[must_use]
    pub fn last(&self) -> &[u64] {
        self.waves.last().map_or(&self.first, |wave| &wave.moved.after)
    }
}

/// The fewest copies that a change must move for every node to hold its share.
fn ideal(config: &PlacementConfig, old: &AnyPlacement, new: &AnyPlacement) -> u64 {
    let weigh = config.algorithm.weighs();
    let share = |placement: &AnyPlacement, node| {
        let members = placement.members();
        let Some(member) = members.get(node) else { return 0.0 };
        if weigh { f64::from(member.weight) / members.weight() as f64 } else { 1.0 / members.len() as f64 }
    };
    let grown: f64 = new.members().iter().map(|m| (share(new, m.node) - share(old, m.node)).max(0.0)).sum();
    (grown * config.keys as f64 * f64::from(config.replicas)).round() as u64
}

/// The owners of every key, one after the other.
fn place(config: &PlacementConfig, placement: &AnyPlacement) -> Vec<u32> {
    let keys = (0..config.keys).map(key::of_number);
    if config.replicas > 1 {
        let copies = config.replicas as usize;
        let mut owners = Vec::with_capacity(config.keys as usize * copies);
        for hash in keys {
            owners.extend(replicas(placement, hash, copies, config.spread).iter().map(|node| node.0));
        }
        return owners;
    }
    // The match outside of the loop.
    match placement {
        AnyPlacement::Modulo(p) => keys.map(|hash| p.owner(hash).0).collect(),
        AnyPlacement::Ring(p) => keys.map(|hash| p.owner(hash).0).collect(),
        AnyPlacement::Rendezvous(p) => keys.map(|hash| p.owner(hash).0).collect(),
        AnyPlacement::Jump(p) => keys.map(|hash| p.owner(hash).0).collect(),
        AnyPlacement::Maglev(p) => keys.map(|hash| p.owner(hash).0).collect(),
        AnyPlacement::MultiProbe(p) => keys.map(|hash| p.owner(hash).0).collect(),
        AnyPlacement::Anchor(p) => keys.map(|hash| p.owner(hash).0).collect(),
        AnyPlacement::Bounded(p) => {
            let mut p = p.clone().expecting(config.keys);
            keys.map(|hash| p.assign(hash).0).collect()
        }
    }
}

fn count(config: &PlacementConfig, owners: &[u32]) -> Vec<u64> {
    let mut counts = vec![0; config.nodes as usize];
    for owner in owners {
        counts[*owner as usize] += 1;
    }
    counts
}
