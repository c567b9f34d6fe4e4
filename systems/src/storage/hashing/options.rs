//! What may be written in `[system]`, and the configuration of a store that is made of it.

use super::HashingBug;
use super::placement::{Member, RingShape, Spread};
use super::rule::{PlacementKind, ring_shape};
use super::shards::Lazily;
use sim_core::units::{BitRate, ByteSize, DurationText};
use sim_core::{Duration, NodeId, NodeSet, RoleKind};
use std::rc::Rc;

const ROUTER: &str = "router";

/// The kinds of nodes. Clients ask any: a store says who routes.
pub(super) const ROLES: &[RoleKind] = &[
    RoleKind::other(ROUTER, "takes requests to the stores that hold the key").asked(),
    RoleKind::member("store", "holds keys"),
];

sim_core::choices! {
    /// How the versions of writes are chosen.
    pub enum Versions {
        /// Above the newest that a read quorum has: one more round, and no acknowledged write loses against an earlier
        /// one.
        #[default]
        Quorum,
        /// By the coordinator's clock: the last writer wins, whatever its clock takes for last.
        Clock,
    }
}

/// The configuration all nodes share.
pub type Config = Rc<Setup>;

sim_core::options! {
    /// The `[system]` options of `system = "hashing"`.
    pub struct HashingOptions;

    /// One cluster: the first nodes may be routers only, the first few keep the directory, and all that are no routers
    /// store.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Setup of shape {
        /// How many nodes there are, spares included.
        pub nodes: u32 = shape.nodes() as u32,
            wrong if nodes > NodeSet::LIMIT as u32 =>
                ("{nodes} nodes"), "at most 128; system = \"placement\" places keys on thousands";
        /// How many of them, the first ones, are members at first.
        pub members: u32 = shape.nodes() as u32 - shape.spares;
        /// The zone of each node.
        pub zones: Vec<u16> = shape.node_zones.clone();
        /// Which keys share a fate.
        pub(super) shards: Lazily = Lazily::default();
    }

    options {
        /// How keys are placed.
        placement: PlacementKind = PlacementKind::Ring;
        /// Points of a ring for each unit of a node's weight.
        points: u32 = 128,
            wrong if *points == 0 => ("a ring without points"), "for example 128";
        /// How many bits of a point's hash count; few make points coincide.
        ring_bits: u32 = 64,
            wrong if !(1..=64).contains(ring_bits) => ("{ring_bits} bits of a 64-bit hash"), "from 1 to 64";
        /// The weights of the nodes, spares included, in order; equal weights if empty. Only some placements have them.
        weights: Vec<u32> = Vec::new(),
            wrong if !weights.is_empty() && weights.len() != nodes as usize =>
                ("{} weights for {nodes} nodes", weights.len()),
                "one for each node, spares and routers included, or none",
            wrong if weights.contains(&0) => ("a node of no weight"), "at least 1 each";
        /// How many of the nodes only route: the first ones. With none, every node takes requests. Groups of machines
        /// say so, too, by their roles.
        routers: u32 = 0 => { routers: u32 = shape.number_of(ROUTER, *routers) },
            wrong if members <= *routers =>
                ("{routers} of {members} members route, and nobody stores"), "fewer than cluster.nodes",
            wrong if shape.role(ROUTER).start > 0 =>
                ("the routers begin with n{}", shape.role(ROUTER).start + 1),
                "put the group of role `router` before that of role `store`",
            wrong if *routers > 0 && shape.number_of(ROUTER, *routers) != *routers =>
                ("{routers} routers, but {} in the group", shape.role(ROUTER).len()),
                "leave the option out: the groups say it";
        /// How many of the nodes keep the directory of members: the first ones.
        directory: u32 = 3,
            wrong if !(1..=members).contains(directory) =>
                ("{directory} of {members} members keep the directory"),
                "from 1 to cluster.nodes; three or five are usual";
        /// How many nodes hold a key (N).
        replicas: u32 = 3,
            wrong if *replicas == 0 => ("nobody holds a key"), "three are usual",
            wrong if members > *routers && *replicas > members - shape.number_of(ROUTER, *routers) =>
                ("{replicas} holders of a key, and {} stores", members - shape.number_of(ROUTER, *routers)),
                "at most as many as there are members that store";
        /// How many of them must answer a read (R).
        read_quorum: u32 = 2,
            wrong if !(1..=*replicas).contains(read_quorum) =>
                ("{read_quorum} of {replicas} holders"), "from 1 to replicas";
        /// How many of them must have a write on their disks (W).
        write_quorum: u32 = 2,
            wrong if !(1..=*replicas).contains(write_quorum) =>
                ("{write_quorum} of {replicas} holders"), "from 1 to replicas";
        /// How versions are chosen.
        versions: Versions = Versions::Quorum;
        /// Whether the next nodes stand in for holders that do not answer, and bring them what they missed later.
        sloppy: bool = false;
        /// How long a store remembers that a key was deleted. It must be longer than any store is away, or what that
        /// one still has comes back.
        tombstone_grace: DurationText = DurationText(Duration::secs(864_000));
        /// Whether a read brings what it found to those who had less, before it answers.
        read_repair: bool = true;
        /// How often a store compares what it holds with another; 0 for never.
        repair_interval: DurationText = DurationText::millis(500);
        /// How often a node asks for a newer view of the members.
        view_refresh: DurationText = DurationText::millis(500),
            wrong if view_refresh.0 == Duration::ZERO => ("asking without pause"), "for example \"500ms\"";
        /// Whether a new view is sent to everyone at once.
        announce: bool = true;
        /// How fast one store takes keys over; as fast as the network is if not given.
        handover_bandwidth: Option<BitRate> = None => {
            handover_bandwidth: u64 = handover_bandwidth.map_or(0, |rate| rate.0)
        },
            wrong if *handover_bandwidth == Some(BitRate(0)) =>
                ("nothing can be taken over"), "for example \"100 Mbit\", or leave it out";
        /// How much it takes over at a time.
        handover_piece: ByteSize = ByteSize(64 << 10) => { handover_piece: u32 = handover_piece.0 as u32 },
            wrong if !(1..=1 << 30).contains(&handover_piece.0) =>
                ("{handover_piece} at a time"), "write for example \"64 KiB\"";
        /// When a change of members that is stuck gives way to another.
        give_up: DurationText = DurationText::millis(5000);
        /// How long a coordinator waits before it asks again.
        resend: DurationText = DurationText::millis(25),
            wrong if resend.0 == Duration::ZERO => ("asking without pause"), "for example \"25ms\"";
        /// How long it tries.
        op_timeout: DurationText = DurationText::millis(1000),
            wrong if op_timeout.0 == Duration::ZERO => ("no time to answer"), "for example \"1s\"";
        /// Records on a disk before they are made one; 0 for never.
        compact_every: u32 = 10_000;
        /// A known bug to switch on.
        bug: HashingBug = HashingBug::None;
    }
}

impl Setup {
    /// The members at first.
    #[must_use]
    pub fn first(&self) -> NodeSet {
        NodeSet::first(self.members as usize)
    }

    /// Those of `members` that store.
    #[must_use]
    pub fn stores(&self, members: NodeSet) -> NodeSet {
        members.minus(NodeSet::first(self.routers as usize))
    }

    /// Whether `node` only routes.
    #[must_use]
    pub const fn is_router(&self, node: NodeId) -> bool {
        node.0 < self.routers
    }

    /// Whether `node` keeps the directory.
    #[must_use]
    pub const fn keeps_directory(&self, node: NodeId) -> bool {
        node.0 < self.directory
    }

    /// Whether every read meets the last write acknowledged before it.
    #[must_use]
    pub fn is_regular(&self) -> bool {
        !self.sloppy && self.versions == Versions::Quorum && self.read_quorum + self.write_quorum > self.replicas
    }

    /// Of how many holders of a key those who take it over must have heard: so many that every quorum of the old view
    /// is met, of writes in any case, of reads if they promise anything.
    #[must_use]
    pub fn copy_quorum(&self) -> u32 {
        let smallest = if self.is_regular() { self.read_quorum.min(self.write_quorum) } else { self.write_quorum };
        self.replicas + 1 - smallest
    }

    pub(super) fn member(&self, node: NodeId) -> Member {
        let weight = self.weights.get(node.index()).copied().unwrap_or(1);
        Member { node, weight, zone: self.zones[node.index()] }
    }

    pub(super) fn ring_shape(&self) -> RingShape {
        ring_shape(self.points, self.ring_bits, self.bug)
    }

    pub(super) fn spread(&self) -> Spread {
        if self.has(HashingBug::ReplicasByPoints) { Spread::Points } else { Spread::Zones }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::Shape;

    #[test]
    fn all_problems_are_reported_at_once() {
        let shape = |nodes, spares| Shape { spares, ..Shape::plain(nodes) };
        let options = HashingOptions {
            routers: 2,
            directory: 9,
            replicas: 4,
            read_quorum: 0,
            write_quorum: 5,
            points: 0,
            ring_bits: 65,
            weights: vec![0],
            ..HashingOptions::default()
        };
        let invalid = options.validate(&shape(6, 1)).unwrap_err();
        let keys: Vec<_> = invalid.iter().map(|i| i.key).collect();
        let expected =
            ["points", "ring_bits", "weights", "weights", "directory", "replicas", "read_quorum", "write_quorum"];
        assert_eq!(keys, expected);
        let config = HashingOptions { routers: 2, ..HashingOptions::default() }.validate(&shape(6, 1)).unwrap();
        assert!(config.is_regular());
        assert_eq!((config.copy_quorum(), config.stores(config.first()).len()), (2, 3));
        let weak = HashingOptions { read_quorum: 1, ..HashingOptions::default() }.validate(&shape(6, 1)).unwrap();
        assert!(!weak.is_regular());
    }
}
