//! Rendezvous hashing, or highest random weight: every node bids for every key, the highest bid gets it (Thaler and
//! Ravishankar 1998; weights by logarithms: Schindelhauer and Schomaker 2005).

use super::{Member, Members, Placement, Refused};
use sim_core::NodeId;
use xxhash_rust::xxh3::xxh3_64;

/// Highest random weight.
#[derive(Clone, Debug)]
pub struct Rendezvous {
    members: Members,
    /// Of each member, by id: what makes its bids its own.
    seeds: Vec<u64>,
    /// Whether all weights are the same: then the hashes are the bids.
    alike: bool,
}

impl Rendezvous {
    /// Bidders of these weights.
    #[must_use]
    pub fn new(members: Members) -> Self {
        let mut this = Self { members, seeds: Vec::new(), alike: true };
        this.prepare();
        this
    }

    fn prepare(&mut self) {
        self.seeds = self.members.iter().map(|member| xxh3_64(&member.node.0.to_le_bytes())).collect();
        let weight = self.members.at(0).weight;
        self.alike = self.members.iter().all(|member| member.weight == weight);
    }

    /// What the member of `seed` bids.
    #[inline]
    const fn bid(seed: u64, key: u64) -> u64 {
        // Folded multiplication, as in wyhash: the key was hashed well already.
        let product = ((seed ^ key) as u128 * (seed | 1) as u128) ^ 0xa076_1d64_78bd_642f;
        let product = ((product as u64) ^ ((product >> 64) as u64)) as u128 * 0xe703_7ed1_a0b4_28db_u128;
        (product as u64) ^ ((product >> 64) as u64)
    }

    /// The bid as the time at which an alarm with this weight as its rate goes off: the first one wins. Exponential, so
    /// that each wins as often as its weight says.
    fn alarm(bid: u64, weight: u32) -> f64 {
        // In (0, 1]: the logarithm is finite.
        let uniform = ((bid >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
        -libm::log(uniform) / f64::from(weight)
    }

    /// Every member with its place in the queue for `key`: smallest first.
    fn queue(&self, key: u64) -> Vec<(f64, u64, NodeId)> {
        let bids = self.seeds.iter().zip(self.members.iter()).map(|(seed, member)| {
            let bid = Self::bid(*seed, key);
            let alarm = if self.alike { 0.0 } else { Self::alarm(bid, member.weight) };
            (alarm, !bid, member.node)
        });
        bids.collect()
    }
}

/// The order of bids; nothing in it is ever not a number.
fn order(a: &(f64, u64, NodeId), b: &(f64, u64, NodeId)) -> core::cmp::Ordering {
    a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2))
}

impl Placement for Rendezvous {
    #[inline]
    fn owner(&self, key: u64) -> NodeId {
        if !self.alike {
            return self.queue(key).into_iter().min_by(order).expect("never empty").2;
        }
        let (mut best, mut at) = (0, 0);
        for (i, seed) in self.seeds.iter().enumerate() {
            let bid = Self::bid(*seed, key);
            // Of equals, the smaller id.
            if bid > best {
                (best, at) = (bid, i);
            }
        }
        self.members.at(at).node
    }

    fn members(&self) -> &Members {
        &self.members
    }

    fn join(&mut self, member: Member) -> Result<(), Refused> {
        self.members.add(member)?;
        self.prepare();
        Ok(())
    }

    fn leave(&mut self, node: NodeId) -> Result<(), Refused> {
        self.members.remove(node)?;
        self.prepare();
        Ok(())
    }

    fn prefer(&self, key: u64, mut take: impl FnMut(NodeId) -> bool) {
        let mut queue = self.queue(key);
        queue.sort_unstable_by(order);
        for (.., node) in queue {
            if !take(node) {
                return;
            }
        }
    }

    fn bytes(&self) -> usize {
        self.members.bytes() + self.seeds.capacity() * size_of::<u64>()
    }
}
