//! Who can own keys: nodes with weights and zones, each once, in the order of their ids.

use core::fmt;
use sim_core::NodeId;

/// A node that can own keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The node.
    pub node: NodeId,
    /// Its share of the keys, relative to the others; at least 1. Algorithms without weights ignore it.
    pub weight: u32,
    /// The zone it is in, by index.
    pub zone: u16,
}

impl Member {
    /// A node like any other, in the first zone.
    #[must_use]
    pub const fn plain(node: NodeId) -> Self {
        Self { node, weight: 1, zone: 0 }
    }
}

/// Why a placement stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is a member already.
    AlreadyIn(NodeId),
    /// It is no member.
    NotIn(NodeId),
    /// Somebody must own the keys.
    TheLast(NodeId),
    /// A weight of nothing.
    NoWeight(NodeId),
    /// The placement was made for this many at most.
    Full(usize),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyIn(node) => write!(f, "{node} is a member already"),
            Self::NotIn(node) => write!(f, "{node} is no member"),
            Self::TheLast(node) => write!(f, "{node} is the last member: somebody must own the keys"),
            Self::NoWeight(node) => write!(f, "{node} has no weight: at least 1"),
            Self::Full(most) => write!(f, "it was made for at most {most} members"),
        }
    }
}

impl core::error::Error for Refused {}

/// The members of a placement: never none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    list: Vec<Member>,
    /// How many zones they are in.
    zones: usize,
}

impl Members {
    /// The members, in any order.
    ///
    /// # Errors
    /// There are none (said of a node that does not exist), one is named twice, or one has no weight.
    pub fn new(members: impl IntoIterator<Item = Member>) -> Result<Self, Refused> {
        let mut members: Vec<Member> = members.into_iter().collect();
        members.sort_unstable_by_key(|member| member.node);
        if let Some(twice) = members.windows(2).find(|pair| pair[0].node == pair[1].node) {
            return Err(Refused::AlreadyIn(twice[0].node));
        }
        if let Some(member) = members.iter().find(|member| member.weight == 0) {
            return Err(Refused::NoWeight(member.node));
        }
        if members.is_empty() {
            return Err(Refused::TheLast(NodeId(0)));
        }
        Ok(Self::of(members))
    }

    fn of(list: Vec<Member>) -> Self {
        let mut zones: Vec<u16> = list.iter().map(|member| member.zone).collect();
        zones.sort_unstable();
        zones.dedup();
        Self { list, zones: zones.len() }
    }

    /// Nodes `0..n`, all alike.
    ///
    /// # Panics
    /// If `n` is 0.
    #[must_use]
    pub fn alike(n: u32) -> Self {
        assert!(n > 0, "a placement of no nodes");
        Self::of((0..n).map(|node| Member::plain(NodeId(node))).collect())
    }

    /// How many there are.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.list.len()
    }

    /// The `i`-th, by id.
    #[inline]
    #[must_use]
    pub fn at(&self, i: usize) -> Member {
        self.list[i]
    }

    /// The place of a node in the order of ids.
    #[must_use]
    pub fn position(&self, node: NodeId) -> Option<usize> {
        self.list.binary_search_by_key(&node, |member| member.node).ok()
    }

    /// The one with this id.
    #[must_use]
    pub fn get(&self, node: NodeId) -> Option<Member> {
        self.position(node).map(|at| self.list[at])
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Member> + '_ {
        self.list.iter().copied()
    }

    /// How many zones they are in.
    #[must_use]
    pub const fn zones(&self) -> usize {
        self.zones
    }

    /// The sum of the weights.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.list.iter().map(|member| u64::from(member.weight)).sum()
    }

    pub(super) fn add(&mut self, member: Member) -> Result<(), Refused> {
        if member.weight == 0 {
            return Err(Refused::NoWeight(member.node));
        }
        match self.list.binary_search_by_key(&member.node, |member| member.node) {
            Ok(_) => Err(Refused::AlreadyIn(member.node)),
            Err(at) => {
                self.list.insert(at, member);
                *self = Self::of(core::mem::take(&mut self.list));
                Ok(())
            }
        }
    }

    pub(super) fn remove(&mut self, node: NodeId) -> Result<Member, Refused> {
        match self.list.binary_search_by_key(&node, |member| member.node) {
            Err(_) => Err(Refused::NotIn(node)),
            Ok(_) if self.list.len() == 1 => Err(Refused::TheLast(node)),
            Ok(at) => {
                let member = self.list.remove(at);
                *self = Self::of(core::mem::take(&mut self.list));
                Ok(member)
            }
        }
    }

    pub(super) const fn bytes(&self) -> usize {
        self.list.capacity() * size_of::<Member>()
    }
}
