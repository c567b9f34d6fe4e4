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
