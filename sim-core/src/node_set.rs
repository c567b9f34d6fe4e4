//! Sets of nodes: a bit each, so that they are values like numbers, in order, without hashing or allocating.

use crate::NodeId;
use core::fmt;

/// A set of nodes with numbers below [`NodeSet::LIMIT`].
// Packed, or everything that holds one would have to lie at multiples of 16 bytes: facts, effects, entries of logs.
#[repr(Rust, packed(8))]
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeSet {
    // Two words rather than one of 128 bits, which would want to lie at a multiple of 16 bytes wherever it is put.
    low: u64,
    high: u64,
}

impl NodeSet {
    /// No node.
    pub const EMPTY: Self = Self::from_bits(0);
    /// Nodes with this number or a higher one can not be in a set.
    pub const LIMIT: usize = 128;

    const fn from_bits(bits: u128) -> Self {
        Self { low: bits as u64, high: (bits >> 64) as u64 }
    }

    #[inline]
    const fn bits(self) -> u128 {
        self.low as u128 | (self.high as u128) << 64
    }

    /// The first `n` nodes.
    ///
    /// # Panics
    /// If `n` is more than [`NodeSet::LIMIT`].
    #[must_use]
    pub const fn first(n: usize) -> Self {
        assert!(n <= Self::LIMIT, "a node set holds at most 128 nodes");
        Self::from_bits(if n == Self::LIMIT { u128::MAX } else { (1 << n) - 1 })
    }

    /// This node alone.
    ///
    /// # Panics
    /// If its number is not below [`NodeSet::LIMIT`].
    #[must_use]
    pub const fn one(node: NodeId) -> Self {
        assert!(node.index() < Self::LIMIT, "a node set holds nodes n1 to n128");
        Self::from_bits(1 << node.0)
    }

    /// Whether `node` is in it.
    #[inline]
    #[must_use]
    pub const fn has(self, node: NodeId) -> bool {
        node.index() < Self::LIMIT && self.bits() >> node.0 & 1 == 1
    }

    /// Adds `node`. Returns whether it is new.
    ///
    /// # Panics
    /// If its number is not below [`NodeSet::LIMIT`].
    #[inline]
    pub const fn insert(&mut self, node: NodeId) -> bool {
        let new = !self.has(node);
        *self = self.with(node);
        new
    }

    /// This set and `node`.
    #[must_use]
    pub const fn with(self, node: NodeId) -> Self {
        Self::from_bits(self.bits() | Self::one(node).bits())
    }

    /// This set without `node`.
    #[must_use]
    pub const fn without(self, node: NodeId) -> Self {
        if self.has(node) { Self::from_bits(self.bits() & !(1 << node.0)) } else { self }
    }

    /// Nodes in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self { low: self.low | other.low, high: self.high | other.high }
    }

    /// Nodes in both.
    #[inline]
    #[must_use]
    pub const fn common(self, other: Self) -> Self {
        Self { low: self.low & other.low, high: self.high & other.high }
    }

    /// Nodes in this one and not in the other.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self { low: self.low & !other.low, high: self.high & !other.high }
    }

    /// How many nodes.
    #[inline]
    #[must_use]
    pub const fn len(self) -> usize {
        (self.low.count_ones() + self.high.count_ones()) as usize
    }

    /// Whether there is none.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.low | self.high == 0
    }

    /// The nodes in order.
    pub fn iter(self) -> impl Iterator<Item = NodeId> + Clone + use<> {
        let mut left = self.bits();
        core::iter::from_fn(move || {
            let next = (left != 0).then(|| NodeId(left.trailing_zeros()));
            left &= left.wrapping_sub(1);
            next
        })
    }

    /// The set as bits, the first node's lowest: for fingerprints.
    #[must_use]
    pub const fn words(self) -> [u64; 2] {
        [self.low, self.high]
    }
}

impl FromIterator<NodeId> for NodeSet {
    fn from_iter<I: IntoIterator<Item = NodeId>>(nodes: I) -> Self {
        nodes.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Display for NodeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nobody");
        }
        self.iter().enumerate().try_for_each(|(i, node)| write!(f, "{}{node}", if i == 0 { "" } else { " " }))
    }
}

impl fmt::Debug for NodeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_what_was_put_in() {
        let nodes = [NodeId(0), NodeId(64), NodeId(127)];
        let mut set: NodeSet = nodes.into_iter().rev().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), nodes);
        assert_eq!((set.len(), set.has(NodeId(1)), set.has(NodeId(4000))), (3, false, false));
        assert!(set.insert(NodeId(1)) && !set.insert(NodeId(1)));
        assert_eq!(set.to_string(), "n1 n2 n65 n128");
        assert_eq!(set.without(NodeId(64)).without(NodeId(200)).common(NodeSet::first(2)), NodeSet::first(2));
        assert_eq!(NodeSet::first(128).minus(NodeSet::first(127)), NodeSet::one(NodeId(127)));
        assert_eq!(NodeSet::first(3).union(NodeSet::one(NodeId(3))), NodeSet::first(4));
        assert_eq!(NodeSet::EMPTY.to_string(), "nobody");
    }
}
