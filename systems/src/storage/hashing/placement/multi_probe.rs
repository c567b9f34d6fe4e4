//! Multi-probe consistent hashing: one point a node, but every key looks from several places and takes the nearest
//! point (Appleton and O'Reilly 2015).

use super::{Member, Members, Placement, Refused, Ring, RingShape};
use crate::storage::hashing::key;
use sim_core::NodeId;

/// What sets the hashes that are probes of a key apart from those that are further candidates for it.
const PROBES: u64 = 1 << 32;

/// A ring of one point each, asked several times.
#[derive(Clone, Debug)]
pub struct MultiProbe {
    ring: Ring,
    probes: u32,
}

impl MultiProbe {
    /// `probes`: 21 keep the fullest within 5 % of the mean (the paper's section 2).
    ///
    /// # Panics
    /// If there are no probes.
    #[must_use]
    pub fn new(members: Members, probes: u32) -> Self {
        assert!(probes > 0, "a key that does not look");
        Self { ring: Ring::new(members, RingShape::with_points(1)), probes }
    }
}

impl Placement for MultiProbe {
    #[inline]
    fn owner(&self, key: u64) -> NodeId {
        // Each probe is a hash of its own. Probes a step apart (double hashing) are cheaper and see the same gaps
        // together, which makes the fullest node fuller: by 4 % with 5 probes.
        let mut nearest = self.ring.next(key);
        for probe in 1..self.probes {
            let found = self.ring.next(key::again(key, PROBES | u64::from(probe)));
            if found < nearest {
                nearest = found;
            }
        }
        nearest.1
    }

    fn members(&self) -> &Members {
        self.ring.members()
    }

    fn join(&mut self, member: Member) -> Result<(), Refused> {
        self.ring.join(Member { weight: member.weight.min(1), ..member })
    }

    fn leave(&mut self, node: NodeId) -> Result<(), Refused> {
        self.ring.leave(node)
    }

    fn bytes(&self) -> usize {
        self.ring.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With independent probes the fullest nodes hold k / (k - 1) times the mean, 1.05 for 21 probes (the paper's
    /// section 2): a node's arc matters only as far as it is shorter than what the nearest of k probes looks over.
    #[test]
    fn the_fullest_are_as_full_as_the_paper_has_them() {
        const NODES: u32 = 100;
        const KEYS: u64 = 20_000;
        const RINGS: u32 = 40;
        for probes in [5, 11, 21] {
            let mut fullest = 0.0;
            for ring in 0..RINGS {
                let members = (0..NODES).map(|node| Member::plain(NodeId(ring * NODES + node)));
                let placement = MultiProbe::new(Members::new(members).expect("members"), probes);
                // Who is full is told by half of the keys, and how full by the others, which know nothing of that.
                let mut loads = vec![[0_u32; 2]; NODES as usize];
                for number in 0..KEYS {
                    let owner = placement.owner(key::of_number(number)).0 - ring * NODES;
                    loads[owner as usize][(number % 2) as usize] += 1;
                }
                loads.sort_by_key(|[told, _]| *told);
                let full = &loads[NODES as usize / 2..];
                let mean = full.iter().map(|[_, others]| f64::from(*others)).sum::<f64>() / full.len() as f64;
                fullest += mean / (KEYS as f64 / 2.0 / f64::from(NODES)) / f64::from(RINGS);
            }
            let k = f64::from(probes);
            // The mean of that half, of which the smallest are not quite as full.
            let published = k / (k - 1.0) * (1.0 - libm::pow(0.5, k - 1.0) / k);
            assert!(
                (fullest / published - 1.0).abs() < 0.02,
                "{probes} probes: {fullest:.4}, published {published:.4}"
            );
        }
    }
}
