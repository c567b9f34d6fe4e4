//! Multi-probe consistent hashing: one point a node, but every key looks from several places and takes the nearest point
//! (Appleton and O'Reilly 2015).

use super::{Member, Members, Placement, Refused, Ring, RingShape};
use crate::hashing::key;
use sim_core::NodeId;

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
        // Double hashing: the probes of a key are apart by a step of its own.
        let step = key::again(key, 0) | 1;
        let mut probe = key;
        let mut nearest = self.ring.next(probe);
        for _ in 1..self.probes {
            probe = probe.wrapping_add(step);
            let found = self.ring.next(probe);
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
