//! What a store is configured with: the options as meant, validated (see `system.rs` for the options as written).

use super::placement::{Member, RingShape, Spread};
use super::rule::{PlacementKind, ring_shape};
use super::shards::Lazily;
use super::{HashingBug, Versions};
use sim_core::{Duration, NodeId, NodeSet};
use std::rc::Rc;

/// The configuration all nodes share.
pub type Config = Rc<Setup>;

/// One cluster: the first nodes may be routers only, the first few keep the directory, and all that are no routers
/// store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// How many nodes there are, spares included.
    pub nodes: u32,
    /// How many of them, the first ones, are members at first.
    pub members: u32,
    /// How many of them, the first ones, route and store nothing; with none, every node takes requests.
    pub routers: u32,
    /// How many of them, the first ones, keep the directory.
    pub directory: u32,
    /// The zone of each node.
    pub zones: Vec<u16>,
    /// The weight of each node; equal weights if empty.
    pub weights: Vec<u32>,
    /// How keys are placed.
    pub placement: PlacementKind,
    /// Points of a ring for each unit of weight.
    pub points: u32,
    /// Bits of a point's hash that count.
    pub ring_bits: u32,
    /// How many nodes hold a key.
    pub replicas: u32,
    /// How many of them must answer a read.
    pub read_quorum: u32,
    /// How many of them must have a write on their disks.
    pub write_quorum: u32,
    /// How versions are chosen.
    pub versions: Versions,
    /// Whether others may stand in for holders that can not be reached.
    pub sloppy: bool,
    /// How long it is remembered that a key was deleted.
    pub tombstone_grace: Duration,
    /// Whether a read brings what it found to those who had less.
    pub read_repair: bool,
    /// How often a store compares what it holds with another; 0 for never.
    pub repair_interval: Duration,
    /// How often a node asks for a newer view.
    pub view_refresh: Duration,
    /// Whether the directory tells everyone of a new view at once.
    pub announce: bool,
    /// How fast one store takes over keys, in bits a second; 0 for as fast as the network is.
    pub handover_bandwidth: u64,
    /// How much it takes at a time, in bytes.
    pub handover_piece: u32,
    /// When a change that can not be completed gives way to another.
    pub give_up: Duration,
    /// How long a coordinator waits before it asks again who has not answered.
    pub resend: Duration,
    /// How long it tries.
    pub op_timeout: Duration,
    /// Records on disk before they are made one.
    pub compact_every: u32,
    /// A known bug to re-introduce.
    pub bug: HashingBug,
    /// Which keys share a fate.
    pub(super) shards: Lazily,
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

    /// Whether this known bug is switched on.
    #[inline]
    #[must_use]
    pub(super) fn has(&self, bug: HashingBug) -> bool {
        self.bug == bug
    }
}
