//! Dependencies between transactions.

use super::{Key, Version};

/// Why one transaction comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dependency {
    /// The second replaced what the first wrote (write dependency).
    Ww {
        /// Of which key.
        key: Key,
    },
    /// The second read what the first wrote (read dependency).
    Wr {
        /// Of which key.
        key: Key,
    },
    /// The second replaced what the first read (anti-dependency).
    Rw {
        /// Of which key.
        key: Key,
    },
    /// The second had replaced what the first read before that began (anti-dependency by real time).
    Stale {
        /// Of which key.
        key: Key,
    },
    /// The same process, one after the other.
    Process,
    /// The first had ended before the second began.
    RealTime,
}

impl Dependency {
    pub(super) const fn is_rw(self) -> bool {
        matches!(self, Self::Rw { .. } | Self::Stale { .. })
    }
}

/// An edge as it is kept: where to, and why, in eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Packed {
    to: u32,
    /// The kind in the three highest bits, the key in the others.
    why: u32,
}

const KEY: u32 = (1 << 29) - 1;

impl Packed {
    fn new(to: u32, why: Dependency) -> Self {
        let (kind, key) = match why {
            Dependency::Ww { key } => (0, key),
            Dependency::Wr { key } => (1, key),
            Dependency::Rw { key } => (2, key),
            Dependency::Process => (3, 0),
            Dependency::RealTime => (4, 0),
            Dependency::Stale { key } => (5, key),
        };
        assert!(key <= KEY, "a history of more than half a billion keys");
        Self { to, why: kind << 29 | key }
    }

    const fn why(self) -> Dependency {
        let key = self.why & KEY;
        match self.why >> 29 {
            0 => Dependency::Ww { key },
            1 => Dependency::Wr { key },
            2 => Dependency::Rw { key },
            3 => Dependency::Process,
            5 => Dependency::Stale { key },
            _ => Dependency::RealTime,
        }
    }
}

/// All dependencies, by the transaction that comes first.
#[derive(Clone, Debug)]
pub(super) struct Graph {
    /// Where the edges of each transaction begin, and where the last one's end.
    starts: Vec<u32>,
    edges: Vec<Packed>,
}

impl Graph {
    /// Of so many transactions.
    pub fn new(transactions: usize, edges: Vec<(u32, u32, Dependency)>) -> Self {
        let mut all: Vec<(u32, Packed)> =
            edges.into_iter().map(|(from, to, why)| (from, Packed::new(to, why))).collect();
        all.sort_unstable();
        all.dedup();
        let mut starts = vec![0; transactions + 1];
        for (from, _) in &all {
            starts[*from as usize + 1] += 1;
        }
        for i in 0..transactions {
            starts[i + 1] += starts[i];
        }
        Self { starts, edges: all.into_iter().map(|(_, edge)| edge).collect() }
    }

    /// How many transactions there are.
    pub fn nodes(&self) -> usize {
        self.starts.len() - 1
    }

    /// How many dependencies.
    pub fn len(&self) -> usize {
        self.edges.len()
    }

    /// The edges that begin at place `at` of this transaction's, with their places.
    pub fn out(&self, node: u32) -> impl Iterator<Item = (u32, Dependency)> {
        let (from, to) = (self.starts[node as usize], self.starts[node as usize + 1]);
        self.edges[from as usize..to as usize].iter().map(|edge| (edge.to, edge.why()))
    }

    /// Where the edges of a transaction are.
    pub fn range(&self, node: u32) -> (u32, u32) {
        (self.starts[node as usize], self.starts[node as usize + 1])
    }

    /// The edge at a place.
    pub fn edge(&self, place: u32) -> (u32, Dependency) {
        let edge = self.edges[place as usize];
        (edge.to, edge.why())
    }
}

/// No version: the initial state.
pub(super) const INITIAL: Version = Version::MAX;
