//! The ring: every node has points on a circle of hashes, and owns what lies before them (Karger et al. 1997; many
//! points a node: Dynamo 2007, 4.2).

use super::points::{Point, Points};
use super::{Member, Members, Placement, Refused};
use sim_core::NodeId;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What becomes of two points with the same hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Collisions {
    /// Both stay.
    #[default]
    Kept,
    /// The later one takes the place of the earlier one, and its removal removes whatever is there: what a map from
    /// hash to node does.
    Overwritten,
}

/// Which of two points with the same hash owns the keys before them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ties {
    /// That of the node with the smaller id: the same wherever the ring was built.
    #[default]
    ByNode,
    /// That of the node that joined first.
    ByArrival,
}

/// How the points are laid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingShape {
    /// Points for each unit of weight.
    pub points: u32,
    /// How many bits of a point's hash count; fewer make collisions likely. 32 is what many libraries have.
    pub bits: u32,
    /// What becomes of collisions.
    pub collisions: Collisions,
    /// Who wins a tie.
    pub ties: Ties,
}

impl RingShape {
    /// `points` for each unit of weight, and nothing that anybody got wrong.
    #[must_use]
    pub const fn with_points(points: u32) -> Self {
        Self { points, bits: 64, collisions: Collisions::Kept, ties: Ties::ByNode }
    }
}

/// A ring with virtual nodes.
#[derive(Clone, Debug)]
pub struct Ring {
    shape: RingShape,
    members: Members,
    points: Points,
}

impl Ring {
    /// A ring of these members.
    ///
    /// # Panics
    /// If the shape has no points, or more bits than a hash.
    #[must_use]
    pub fn new(members: Members, shape: RingShape) -> Self {
        assert!(shape.points > 0, "a ring without points");
        assert!((1..=64).contains(&shape.bits), "{} bits of a 64-bit hash", shape.bits);
        let mut ring = Self { shape, members, points: Points::default() };
        let all: Vec<Member> = ring.members.iter().collect();
        ring.lay(&all);
        ring
    }

    /// The hash of point `index` of `node`.
    fn point(&self, node: NodeId, index: u32) -> u64 {
        let hash = xxh3_64_with_seed(&node.0.to_le_bytes(), u64::from(index) + 1);
        hash & (u64::MAX << (64 - self.shape.bits))
    }

    /// Adds the points of `members`.
    fn lay(&mut self, members: &[Member]) {
        let mut points = self.points.take();
        let old = points.len();
        for member in members {
            let count = self.shape.points.saturating_mul(member.weight);
            points.extend((0..count).map(|i| Point { hash: self.point(member.node, i), node: member.node.0 }));
        }
        match self.shape.ties {
            Ties::ByNode => points[old..].sort_unstable_by_key(|point| (point.hash, point.node)),
            Ties::ByArrival => points[old..].sort_by_key(|point| point.hash),
        }
        // Two runs in order: this sort sees that, and is stable, so who came first stays first.
        match self.shape.ties {
            Ties::ByNode => points.sort_by_key(|point| (point.hash, point.node)),
            Ties::ByArrival => points.sort_by_key(|point| point.hash),
        }
        if self.shape.collisions == Collisions::Overwritten {
            points.reverse();
            points.dedup_by_key(|point| point.hash);
            points.reverse();
        }
        self.points = Points::new(points);
    }

    /// How many points there are.
    #[must_use]
    pub const fn points(&self) -> usize {
        self.points.len()
    }

    /// Each node's share of the circle, exactly, by id.
    pub fn shares(&self) -> impl Iterator<Item = (NodeId, f64)> + '_ {
        let mut arcs = vec![0_u128; self.members.len()];
        let mut last = self.points.get(self.points.len() - 1).hash;
        for at in 0..self.points.len() {
            let point = self.points.get(at);
            let arc = match (point.hash.wrapping_sub(last), self.points.len()) {
                // One point has the whole circle.
                (0, 1) => 1 << 64,
                (arc, _) => u128::from(arc),
            };
            last = point.hash;
            let place = self.members.position(NodeId(point.node)).expect("points belong to members");
            arcs[place] += arc;
        }
        self.members.iter().zip(arcs).map(|(member, arc)| (member.node, arc as f64 / (1_u128 << 64) as f64))
    }

    /// Offers nodes from the first point at or behind `key` on, once around, until `take` wants no more.
    pub(super) fn walk(&self, key: u64, mut take: impl FnMut(NodeId) -> bool) {
        let start = self.points.find(key);
        for step in 0..self.points.len() {
            let at = start + step;
            let at = if at < self.points.len() { at } else { at - self.points.len() };
            if !take(NodeId(self.points.get(at).node)) {
                return;
            }
        }
    }

    /// The distance from `key` to the next point, and whose that is.
    pub(super) fn next(&self, key: u64) -> (u64, NodeId) {
        let point = self.points.get(self.points.find(key));
        (point.hash.wrapping_sub(key), NodeId(point.node))
    }
}

impl Placement for Ring {
    #[inline]
    fn owner(&self, key: u64) -> NodeId {
        NodeId(self.points.get(self.points.find(key)).node)
    }

    fn members(&self) -> &Members {
        &self.members
    }

    fn join(&mut self, member: Member) -> Result<(), Refused> {
        self.members.add(member)?;
        self.lay(&[member]);
        Ok(())
    }

    fn leave(&mut self, node: NodeId) -> Result<(), Refused> {
        let member = self.members.remove(node)?;
        let mut points = self.points.take();
        if self.shape.collisions == Collisions::Overwritten {
            let count = self.shape.points.saturating_mul(member.weight);
            let mut gone: Vec<u64> = (0..count).map(|i| self.point(node, i)).collect();
            gone.sort_unstable();
            points.retain(|point| gone.binary_search(&point.hash).is_err());
        } else {
            points.retain(|point| point.node != node.0);
        }
        self.points = Points::new(points);
        Ok(())
    }

    fn prefer(&self, key: u64, take: impl FnMut(NodeId) -> bool) {
        self.walk(key, take);
    }

    fn bytes(&self) -> usize {
        self.members.bytes() + self.points.bytes()
    }
}
