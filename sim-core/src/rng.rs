//! Randomness: one seed, many independent ChaCha streams keyed by purpose and index.
//!
//! Removing a fault or adding a client must not shift any other draw: that is what makes shrinking work and lets two
//! designs be compared on the same luck. So nobody shares a stream: a stream belongs to one purpose and one index.

use crate::Probability;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};

/// What a stream of random numbers is for. The numbers are part of every seed's meaning: never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum Purpose {
    /// What a node's own code draws, such as election timeouts. Index: the node.
    Node = 1,
    /// Loss and latency of what a node sends. Index: the node.
    Link = 2,
    /// Duplication, reordering, corruption and packet faults on what a node sends. Index: the node.
    Packet = 3,
    /// Sync latencies and failures. Index: the node.
    Disk = 4,
    /// Clock offsets and drifts. Index: the node.
    Clock = 5,
    /// A client's operations and arrivals. Index: the client.
    Client = 6,
    /// A client's network, its choice of node, back-off jitter. Index: the client.
    ClientLink = 7,
    /// Which target a fault hits. Index: the fault.
    Target = 8,
    /// How a plan expands into a schedule. Index: the fault of the plan.
    Plan = 9,
    /// Order of events at the same instant under `shuffle_ties`. Index: 0.
    Ties = 10,
    /// Which kinds a swarm seed switches off, and the weights of the rest. Index: 0.
    Swarm = 11,
    /// Computed after the run, such as bootstrap intervals. Index: free.
    Report = 12,
    /// What a fault in force does to single messages and syncs. Index: the fault in the upper half, in the lower the
    /// node, or the client with the top bit set.
    Injection = 13,
    /// Duplication, reordering and corruption on the links of a client. Index: the client.
    ClientPacket = 14,
    /// What a packet fault with a memory does to the messages between two. Index: a hash of the fault and the two.
    PairPacket = 15,
    /// What becomes of the packets of a transport from one end to another. Index: a hash of the two.
    Wire = 16,
    /// Where a connection's sequence numbers begin. Index: a hash of its ends and of which one of theirs it is.
    Connection = 17,
    /// What a guided search tries next. Index: 0.
    Explore = 18,
}

/// A stream of random numbers: ChaCha with eight rounds. Equal for equal `(seed, purpose, index)` on every machine.
#[derive(Clone, Debug)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// The stream for `purpose` and `index` under `seed`.
    #[must_use]
    pub fn stream(seed: u64, purpose: Purpose, index: u64) -> Self {
        let mut key = [0_u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&u64::from(purpose as u16).to_le_bytes());
        key[16..24].copy_from_slice(&index.to_le_bytes());
        key[24..].copy_from_slice(b"splitbrn");
        Self(ChaCha8Rng::from_seed(key))
    }

    /// 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// 32 random bits.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Uniform in `0..n` (0 when `n` is 0), by multiply and shift: a bias of at most n / 2^64, and always one draw.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(n)) >> 64) as u64
    }

    /// Uniform in `lo..=hi`.
    #[inline]
    pub fn between(&mut self, lo: u64, hi: u64) -> u64 {
        let span = hi.saturating_sub(lo);
        if span == u64::MAX {
            return self.next_u64();
        }
        lo + self.below(span + 1)
    }

    /// True with probability `p`. Always one draw, so a changed probability does not shift later draws.
    #[inline]
    pub fn chance(&mut self, p: Probability) -> bool {
        p.hit(self.next_u32())
    }

    /// One of `items`, uniformly; `None` if there are none (the draw is made all the same).
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let i = self.below(items.len() as u64) as usize;
        items.get(i)
    }

    /// Puts `items` into a uniformly random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_independent_and_fixed() {
        let draw = |seed, purpose, index| Rng::stream(seed, purpose, index).next_u64();
        assert_eq!(draw(1, Purpose::Node, 0), draw(1, Purpose::Node, 0));
        let all = [
            draw(1, Purpose::Node, 0),
            draw(2, Purpose::Node, 0),
            draw(1, Purpose::Link, 0),
            draw(1, Purpose::Node, 1),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b));
        }
    }

    #[test]
    fn below_covers_its_range_evenly() {
        let mut rng = Rng::stream(7, Purpose::Node, 0);
        let mut counts = [0_u32; 10];
        for _ in 0..10_000 {
            counts[rng.below(10) as usize] += 1;
        }
        assert!(counts.iter().all(|c| (850..1150).contains(c)), "{counts:?}");
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.between(5, 5), 5);
    }
}
