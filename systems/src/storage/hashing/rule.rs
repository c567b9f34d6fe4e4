//! The placement a store uses: one of the algorithms, chosen by an option, and how it follows the members from one set
//! to the next.

use super::options::Setup;
use super::placement::{
    Anchor, Bounded, Collisions, Jump, Maglev, Member, Members, Modulo, MultiProbe, Placement, Refused, Rendezvous,
    Ring, RingShape, Ties, replicas,
};
use super::{HashingBug, key};
use sim_core::{NodeId, NodeSet};
use std::rc::Rc;

sim_core::choices! {
    /// How keys are placed.
    pub enum PlacementKind {
        /// A ring with virtual nodes.
        #[default]
        Ring,
        /// Highest random weight.
        Rendezvous,
        /// Jump consistent hash.
        Jump,
        /// Maglev's table.
        Maglev,
        /// The hash modulo the number of nodes: what people start with.
        Modulo,
        /// `AnchorHash`.
        Anchor,
        /// Multi-probe consistent hashing.
        MultiProbe,
        /// A ring with bounded loads, of 1024 parts of the key space.
        Bounded,
    }
}

impl PlacementKind {
    /// Whether it depends on how the members came and went, beside who they are.
    pub(super) const fn remembers(self) -> bool {
        matches!(self, Self::Jump | Self::Anchor)
    }

    /// Whether keys never move between nodes that were there before a change and are after it.
    pub(super) const fn spares_survivors(self) -> bool {
        matches!(self, Self::Ring | Self::Rendezvous | Self::Jump | Self::Anchor | Self::MultiProbe)
    }
}

/// Into how many parts the key space is cut for bounded loads, which are a matter of what is there, not of one key.
const PARTS: u64 = 1024;
/// How much more than its share a node may have of them: a tenth, in parts per million.
const SLACK_PPM: u32 = 100_000;
/// Probes of a key: enough for 5 % (the paper's section 2).
const PROBES: u32 = 21;

/// A ring with bounded loads over fixed parts of the key space, handed out in their order.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    shape: RingShape,
    ring: Bounded,
    owners: Vec<NodeId>,
}

impl Parts {
    fn new(members: Members, shape: RingShape) -> Self {
        let mut ring = Bounded::new(members, shape, SLACK_PPM);
        let owners = (0..PARTS).map(|part| ring.assign(key::of_number(part))).collect();
        Self { shape, ring, owners }
    }
}

/// One of the algorithms.
#[derive(Clone, Debug)]
pub(super) enum Rule {
    Ring(Ring),
    Rendezvous(Rendezvous),
    Jump(Jump),
    Maglev(Maglev),
    Modulo(Modulo),
    Anchor(Anchor),
    MultiProbe(MultiProbe),
    Bounded(Parts),
}

macro_rules! every {
    ($rule:expr, $p:ident => $body:expr) => {
        match $rule {
            Rule::Ring($p) => $body,
            Rule::Rendezvous($p) => $body,
            Rule::Jump($p) => $body,
            Rule::Maglev($p) => $body,
            Rule::Modulo($p) => $body,
            Rule::Anchor($p) => $body,
            Rule::MultiProbe($p) => $body,
            Rule::Bounded($p) => $body,
        }
    };
}

impl Rule {
    /// The rule for these members, as one makes it who knows nothing of how they came.
    fn of(setup: &Setup, stores: NodeSet) -> Self {
        let members =
            Members::new(stores.iter().map(|node| setup.member(node))).expect("there are stores, with weights");
        let kind = if setup.has(HashingBug::ModuloOfNodes) { PlacementKind::Modulo } else { setup.placement };
        let shape = setup.ring_shape();
        match kind {
            PlacementKind::Ring => Self::Ring(Ring::new(members, shape)),
            PlacementKind::Rendezvous => Self::Rendezvous(Rendezvous::new(members)),
            PlacementKind::Jump if setup.has(HashingBug::JumpRenumbers) => Self::Jump(Jump::renumbering(members)),
            PlacementKind::Jump => Self::Jump(Jump::new(members)),
            PlacementKind::Maglev => Self::Maglev(Maglev::new(members, None)),
            PlacementKind::Modulo => Self::Modulo(Modulo::new(members, None)),
            PlacementKind::Anchor => Self::Anchor(Anchor::new(members, setup.nodes * 2)),
            PlacementKind::MultiProbe => Self::MultiProbe(MultiProbe::new(members, PROBES)),
            PlacementKind::Bounded => Self::Bounded(Parts::new(members, shape)),
        }
    }

    /// The rule after the members of `past`, one set after the other; the first one is `first`.
    pub(super) fn replay(setup: &Setup, first: NodeSet, past: &[NodeSet]) -> Rc<Self> {
        let last = past.last().copied().unwrap_or(first);
        if !setup.placement.remembers() {
            return Rc::new(Self::of(setup, setup.stores(last)));
        }
        let start = Rc::new(Self::of(setup, setup.stores(first)));
        past.iter().fold(start, |rule, members| rule.after(setup, *members))
    }

    /// The rule when `members` are the members, who follow those it is for.
    pub(super) fn after(&self, setup: &Setup, members: NodeSet) -> Rc<Self> {
        let (old, new) = (self.nodes(), setup.stores(members));
        let mut next = self.clone();
        for node in new.minus(old).iter() {
            next.join(setup.member(node)).expect("it was no member, and there is room");
        }
        for node in old.minus(new).iter() {
            next.leave(node).expect("it was a member, and others are");
        }
        Rc::new(next)
    }

    fn nodes(&self) -> NodeSet {
        self.members().iter().map(|member| member.node).collect()
    }

    /// The nodes that hold the key with this hash, the owner first.
    pub(super) fn holders(&self, setup: &Setup, hash: u64) -> Vec<NodeId> {
        replicas(self, hash, setup.replicas as usize, setup.spread())
    }

    /// Those who keep a key for its holders while they can not be reached: the next ones.
    pub(super) fn fallbacks(&self, setup: &Setup, hash: u64, holders: &[NodeId]) -> Vec<NodeId> {
        let want = setup.replicas as usize;
        let mut found = Vec::new();
        self.prefer(hash, |node| {
            if !holders.contains(&node) && !found.contains(&node) {
                found.push(node);
            }
            found.len() < want
        });
        found
    }
}

impl Placement for Parts {
    fn owner(&self, key: u64) -> NodeId {
        self.owners[key::below(key, PARTS) as usize]
    }

    fn members(&self) -> &Members {
        self.ring.members()
    }

    fn join(&mut self, member: Member) -> Result<(), Refused> {
        self.ring.join(member)?;
        *self = Self::new(self.ring.members().clone(), self.shape);
        Ok(())
    }

    fn leave(&mut self, node: NodeId) -> Result<(), Refused> {
        self.ring.leave(node)?;
        *self = Self::new(self.ring.members().clone(), self.shape);
        Ok(())
    }

    fn prefer(&self, key: u64, mut take: impl FnMut(NodeId) -> bool) {
        if take(self.owner(key)) {
            self.ring.prefer(key, take);
        }
    }

    fn bytes(&self) -> usize {
        self.ring.bytes() + self.owners.capacity() * size_of::<NodeId>()
    }
}

impl Placement for Rule {
    fn owner(&self, key: u64) -> NodeId {
        every!(self, p => p.owner(key))
    }

    fn members(&self) -> &Members {
        every!(self, p => p.members())
    }

    fn join(&mut self, member: Member) -> Result<(), Refused> {
        every!(self, p => p.join(member))
    }

    fn leave(&mut self, node: NodeId) -> Result<(), Refused> {
        every!(self, p => p.leave(node))
    }

    fn prefer(&self, key: u64, take: impl FnMut(NodeId) -> bool) {
        every!(self, p => p.prefer(key, take));
    }

    fn bytes(&self) -> usize {
        every!(self, p => p.bytes())
    }
}

/// The shape of the ring, with the bugs that concern it.
pub(super) fn ring_shape(points: u32, bits: u32, bug: HashingBug) -> RingShape {
    RingShape {
        points,
        bits,
        collisions: if bug == HashingBug::PointOverwritten { Collisions::Overwritten } else { Collisions::Kept },
        ties: if bug == HashingBug::TieByArrival { Ties::ByArrival } else { Ties::ByNode },
    }
}
