//! Who should lead rather than others: a number for each node, that of its zone unless it has its own.

use sim_core::{Invalid, NodeId, NodeSet, Shape};
use std::collections::BTreeMap;

/// What a node has that nobody has said anything about.
const DEFAULT: u8 = 1;

/// The priority of each node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priorities {
    of: [u8; NodeSet::LIMIT],
    matter: bool,
}

impl Priorities {
    /// Nobody should rather lead than anybody else.
    pub const EQUAL: Self = Self { of: [DEFAULT; NodeSet::LIMIT], matter: false };

    /// Reads what operators write: `"zone:a" = 2`, `n4 = 0`.
    pub(super) fn new(given: &BTreeMap<String, u8>, shape: &Shape, invalid: &mut Vec<Invalid>) -> Self {
        let mut priorities = Self::EQUAL;
        let mut complain = |what: String, help: String| invalid.push(Invalid { key: "priorities", what, help });
        let nodes = shape.nodes().min(NodeSet::LIMIT);
        for (name, priority) in given.iter().filter_map(|(name, p)| Some((name.strip_prefix("zone:")?, p))) {
            let Some(zone) = shape.zones.iter().position(|zone| zone == name) else {
                complain(format!("there is no zone {name}"), format!("one of {}", shape.zones.join(", ")));
                continue;
            };
            for node in (0..nodes).filter(|node| usize::from(shape.node_zones[*node]) == zone) {
                priorities.of[node] = *priority;
            }
        }
        for (name, priority) in given.iter().filter(|(name, _)| !name.starts_with("zone:")) {
            let number = name.strip_prefix('n').and_then(|number| number.parse::<usize>().ok());
            match number.filter(|number| (1..=nodes).contains(number)) {
                Some(number) => priorities.of[number - 1] = *priority,
                None => complain(
                    format!("there is no node {name}"),
                    format!("n1 to n{nodes}, or a zone, for example \"zone:{}\"", shape.zones[0]),
                ),
            }
        }
        if nodes > 0 && priorities.of[..nodes].iter().all(|priority| *priority == 0) {
            complain("nobody would ever lead".to_owned(), "leave somebody above 0".to_owned());
        }
        priorities.matter = priorities.of != Self::EQUAL.of;
        priorities
    }

    /// That of one node; 0 never campaigns by itself.
    #[inline]
    pub(super) const fn of(&self, node: NodeId) -> u8 {
        self.of[node.index()]
    }

    /// Whether they differ at all.
    pub(super) const fn matter(&self) -> bool {
        self.matter
    }
}
