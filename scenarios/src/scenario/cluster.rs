//! The machines: how many, in which zones, how fast, with how honest a clock.

use super::network::DiskOverride;
use sim_core::{self as sim, Duration, NodeId, Shape};

/// The machines.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// Zone names; always at least one.
    pub zones: Vec<String>,
    /// How many of the nodes, the last ones of the last group of members, are no members at first.
    pub spares: u32,
    /// Kinds of machines, if the file tells any apart.
    pub groups: Vec<Group>,
    /// Group index of each node; empty without groups.
    pub node_groups: Vec<u16>,
    /// Zone index of each node.
    pub node_zones: Vec<u16>,
    /// The names of the machines that carry the nodes.
    pub machines: Vec<String>,
    /// Machine index of each node.
    pub node_machines: Vec<u16>,
    /// What handling one input costs a node's CPU; zero is free.
    pub cpu_cost: Duration,
    /// Bits per second that leave one machine; 0 means unlimited.
    pub egress: u64,
    /// How many bytes may wait to.
    pub egress_queue: u64,
    /// Each clock starts off by an amount drawn from this range, in nanoseconds.
    pub clock_offset: (i64, i64),
    /// Each clock runs fast by an amount drawn from this range, in parts per million.
    pub clock_drift: (i32, i32),
    /// The bound on drift that systems may rely on, in parts per million.
    pub max_drift_ppm: u32,
}

/// Machines of a kind: what they are there for, and in what they differ from the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What its nodes are called, in targets too: `worker:3` is the third.
    pub role: String,
    /// What handling one input costs a node's CPU, if not what it costs the others.
    pub cpu_cost: Option<Duration>,
    /// In what its disks differ from the others.
    pub disk: DiskOverride,
    /// Whether its nodes are members of the cluster, by their role.
    pub member: bool,
    /// Whether clients that sit at no node ask them.
    pub asked: bool,
}

impl Group {
    /// Machines like all others.
    #[must_use]
    pub fn plain(role: &str) -> Self {
        Self { role: role.to_owned(), cpu_cost: None, disk: DiskOverride::default(), member: true, asked: true }
    }
}

impl Cluster {
    /// How many nodes there are, spares included.
    #[must_use]
    pub const fn nodes(&self) -> usize {
        self.node_zones.len()
    }

    /// How many of them are members at first.
    #[must_use]
    pub fn members(&self) -> usize {
        self.shape().members()
    }

    /// The zone index of a node.
    #[must_use]
    pub fn zone_of(&self, node: NodeId) -> u16 {
        self.node_zones[node.index()]
    }

    /// The nodes of a zone.
    #[must_use]
    pub fn nodes_in(&self, zone: u16) -> Vec<NodeId> {
        sim_core::node_ids(self.nodes()).filter(|n| self.zone_of(*n) == zone).collect()
    }

    /// The nodes of the group with this role, in order; none if there is no such group.
    #[must_use]
    pub fn nodes_of(&self, role: &str) -> Vec<NodeId> {
        let of = |node: &NodeId| self.group_of(*node).is_some_and(|group| group.role == role);
        sim_core::node_ids(self.nodes()).filter(of).collect()
    }

    /// The group of a node, if there are groups.
    #[must_use]
    pub fn group_of(&self, node: NodeId) -> Option<&Group> {
        self.groups.get(usize::from(*self.node_groups.get(node.index())?))
    }

    /// The nodes on a machine.
    #[must_use]
    pub fn nodes_on(&self, machine: u16) -> Vec<NodeId> {
        sim_core::node_ids(self.nodes()).filter(|n| self.node_machines[n.index()] == machine).collect()
    }

    /// One machine for each of so many nodes, which is what there is if nobody says otherwise: names and indices.
    #[must_use]
    pub fn own_machines(nodes: usize) -> (Vec<String>, Vec<u16>) {
        ((1..=nodes).map(|n| format!("m{n}")).collect(), (0..nodes).map(|n| n as u16).collect())
    }

    /// What a system is configured for.
    #[must_use]
    pub fn shape(&self) -> Shape {
        Shape {
            node_zones: self.node_zones.clone(),
            zones: self.zones.clone(),
            spares: self.spares,
            max_drift_ppm: self.max_drift_ppm,
            groups: (0..).zip(&self.groups).map(|(index, group)| self.range(index, group)).collect(),
        }
    }

    /// A group as its system sees it: nodes are numbered group by group.
    fn range(&self, index: u16, group: &Group) -> sim::Group {
        let place = |of| self.node_groups.partition_point(|other| *other < of) as u32;
        sim::Group { role: group.role.clone(), nodes: place(index)..place(index + 1), member: group.member }
    }
}
