//! What people start with: the hash modulo the number of nodes. When that number changes, nearly every key moves.

use super::{Member, Members, Placement, Refused};
use sim_core::NodeId;

/// `hash mod n`, or `(hash mod slots) mod n`.
#[derive(Clone, Debug)]
pub struct Modulo {
    members: Members,
    slots: Option<u64>,
}

impl Modulo {
    /// `slots`: the fixed number that is taken first, as some do to "prepare for growth". It helps nothing, and unless
    /// it is a multiple of the number of nodes it makes the first ones fuller.
    #[must_use]
    pub const fn new(members: Members, slots: Option<u64>) -> Self {
        Self { members, slots }
    }
}

impl Placement for Modulo {
    #[inline]
    fn owner(&self, key: u64) -> NodeId {
        let slot = match self.slots {
            Some(slots) if slots > 0 => key % slots,
            _ => key,
        };
        self.members.at((slot % self.members.len() as u64) as usize).node
    }

    fn members(&self) -> &Members {
        &self.members
    }

    fn join(&mut self, member: Member) -> Result<(), Refused> {
        self.members.add(member)
    }

    fn leave(&mut self, node: NodeId) -> Result<(), Refused> {
        self.members.remove(node).map(drop)
    }

    fn bytes(&self) -> usize {
        self.members.bytes()
    }
}
