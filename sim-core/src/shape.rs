//! The cluster a system is configured for: its nodes, their zones, and what kinds of them there are.

use crate::{NodeId, NodeSet};
use std::ops::Range;

/// A kind of nodes that a system tells apart: servers and the applications that use them, balancers and servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleKind {
    /// What files call it: the `role` of a `[[cluster.group]]`.
    pub name: &'static str,
    /// What its nodes are there for, in one sentence.
    pub about: &'static str,
    /// Whether its nodes are members of the cluster: whether faults choose among them, halves and majorities are of
    /// them, and the distribution of load is over them.
    pub member: bool,
    /// Whether clients that sit at no node ask its nodes.
    pub asked: bool,
    /// Whether its nodes run the programs of the load: clients sit at them.
    pub seats: bool,
    /// How many of them there are at least.
    pub least: u32,
    /// How many there are at most. Members whose sets are kept as [`NodeSet`]s are also below its limit by number.
    pub most: u32,
}

impl RoleKind {
    /// A kind of members: one at least, and as many as a [`NodeSet`] holds.
    #[must_use]
    pub const fn member(name: &'static str, about: &'static str) -> Self {
        Self { name, about, member: true, asked: true, seats: false, least: 1, most: NodeSet::LIMIT as u32 }
    }

    /// A kind of nodes beside the members: as many as anybody likes, and no client asks them of its own accord.
    #[must_use]
    pub const fn other(name: &'static str, about: &'static str) -> Self {
        Self { name, about, member: false, asked: false, seats: false, least: 0, most: u32::MAX }
    }

    /// The same, and clients that sit at no node ask its nodes, too.
    #[must_use]
    pub const fn asked(self) -> Self {
        Self { asked: true, ..self }
    }

    /// The same, and clients sit at its nodes: where no kind is asked, those of a workload have to.
    #[must_use]
    pub const fn seats(self) -> Self {
        Self { seats: true, ..self }
    }

    /// The same with so many at least.
    #[must_use]
    pub const fn at_least(self, least: u32) -> Self {
        Self { least, ..self }
    }

    /// The same with so many at most.
    #[must_use]
    pub const fn at_most(self, most: u32) -> Self {
        Self { most, ..self }
    }

    /// Nodes of it have numbers below this.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        let sets = self.member && self.most <= NodeSet::LIMIT as u32;
        if sets { NodeSet::LIMIT as u32 } else { u32::MAX }
    }
}

/// The nodes of one role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Their role.
    pub role: String,
    /// Their numbers, those of spares included, which come last.
    pub nodes: Range<u32>,
    /// Whether they are members of the cluster.
    pub member: bool,
}

/// The cluster a system is configured for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Zone index of each node.
    pub node_zones: Vec<u16>,
    /// Zone names.
    pub zones: Vec<String>,
    /// How many of the nodes, the last ones of the last group of members, run but are no members of the cluster at
    /// first.
    pub spares: u32,
    /// No honest clock, one without a clock fault, drifts more than this, in parts per million.
    pub max_drift_ppm: u32,
    /// The kinds of nodes, in order; none where all nodes are of one kind.
    pub groups: Vec<Group>,
}

impl Shape {
    /// So many nodes of one kind in one zone, no spares, clocks that do not drift.
    #[must_use]
    pub fn plain(nodes: usize) -> Self {
        let zones = vec!["a".to_owned()];
        Self { node_zones: vec![0; nodes], zones, spares: 0, max_drift_ppm: 0, groups: Vec::new() }
    }

    /// The same with so many nodes of each role, in this order.
    #[must_use]
    pub fn of_roles(roles: &[(RoleKind, u32)]) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for (kind, count) in roles {
            let first = groups.last().map_or(0, |group| group.nodes.end);
            groups.push(Group { role: kind.name.to_owned(), nodes: first..first + count, member: kind.member });
        }
        let all = groups.last().map_or(0, |group| group.nodes.end);
        Self { groups, ..Self::plain(all as usize) }
    }

    /// How many nodes there are, spares included.
    #[must_use]
    pub const fn nodes(&self) -> usize {
        self.node_zones.len()
    }

    /// How many of them are members of the cluster at first.
    #[must_use]
    pub fn members(&self) -> usize {
        let others = self.groups.iter().filter(|group| !group.member).map(|group| group.nodes.len()).sum::<usize>();
        self.node_zones.len() - others - self.spares as usize
    }

    /// The numbers of the nodes that run but are no members at first.
    #[must_use]
    pub fn spare_nodes(&self) -> Range<u32> {
        let last = self.groups.iter().rev().find(|group| group.member);
        let end = last.map_or(self.node_zones.len() as u32, |group| group.nodes.end);
        end - self.spares..end
    }

    /// Whether a node is a member of the cluster at first.
    #[must_use]
    pub fn is_member(&self, node: NodeId) -> bool {
        self.group_of(node).is_none_or(|group| group.member) && !self.spare_nodes().contains(&node.0)
    }

    /// The numbers of the nodes with this role; none if nobody has it.
    #[must_use]
    pub fn role(&self, role: &str) -> Range<u32> {
        self.groups.iter().find(|group| group.role == role).map_or(0..0, |group| group.nodes.clone())
    }

    /// How many nodes have this role; `said` where nothing but an option says so.
    #[must_use]
    pub fn number_of(&self, role: &str, said: u32) -> u32 {
        if self.groups.is_empty() { said } else { self.role(role).len() as u32 }
    }

    /// The role of a node, where there are roles.
    #[must_use]
    pub fn role_of(&self, node: NodeId) -> Option<&str> {
        self.group_of(node).map(|group| group.role.as_str())
    }

    fn group_of(&self, node: NodeId) -> Option<&Group> {
        self.groups.iter().find(|group| group.nodes.contains(&node.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ranges_and_spares_are_the_last_members() {
        let (server, app) = (RoleKind::member("server", "serves"), RoleKind::other("app", "asks"));
        let shape = Shape { spares: 2, ..Shape::of_roles(&[(server, 5), (app, 4)]) };
        assert_eq!((shape.nodes(), shape.members()), (9, 3));
        assert_eq!((shape.role("server"), shape.role("app"), shape.role("nobody")), (0..5, 5..9, 0..0));
        assert_eq!((shape.role_of(NodeId(4)), shape.role_of(NodeId(5))), (Some("server"), Some("app")));
        let members: Vec<u32> = (0..9).filter(|node| shape.is_member(NodeId(*node))).collect();
        assert_eq!(members, [0, 1, 2], "neither spares nor applications");
        assert_eq!(Shape { spares: 1, ..Shape::plain(3) }.spare_nodes(), 2..3);
        assert_eq!((server.limit(), server.at_most(10_000).limit(), app.limit()), (128, u32::MAX, u32::MAX));
    }
}
