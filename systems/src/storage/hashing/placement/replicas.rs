//! Replica sets: as many nodes as wanted, all different, and in different zones as long as there are any.

use super::Placement;
use sim_core::NodeId;

/// How the replicas of a key are kept apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spread {
    /// Every replica in another zone, until there is none left.
    #[default]
    Zones,
    /// Every replica on another node, in whatever zone.
    Nodes,
    /// The next points of the ring, whose node may be the same: no spread at all.
    Points,
}

/// The nodes that should hold the key with hash `key`, the owner first: `want` of them, or all if there are fewer.
pub fn replicas<P: Placement>(placement: &P, key: u64, want: usize, spread: Spread) -> Vec<NodeId> {
    let members = placement.members();
    let want = want.min(members.len());
    let mut chosen = Vec::with_capacity(want);
    if spread == Spread::Points {
        placement.prefer(key, |node| {
            chosen.push(node);
            chosen.len() < want
        });
        return chosen;
    }
    let zone = |node: NodeId| members.get(node).expect("only members are offered").zone;
    let mut zones: Vec<u16> = Vec::with_capacity(want);
    // In the zone of one that was chosen; they fill up what is left, in the same order.
    let mut others: Vec<NodeId> = Vec::new();
    placement.prefer(key, |node| {
        if chosen.contains(&node) || others.contains(&node) {
            return true;
        }
        let zone = zone(node);
        if spread == Spread::Zones && zones.contains(&zone) {
            others.push(node);
        } else {
            zones.push(zone);
            chosen.push(node);
        }
        // With every zone taken, whoever comes next will do.
        chosen.len() < want && (zones.len() < members.zones() || chosen.len() + others.len() < want)
    });
    let missing = want - chosen.len();
    chosen.extend(others.into_iter().take(missing));
    chosen
}
