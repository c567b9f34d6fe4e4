//! Jump consistent hash: no memory at all, but its buckets are numbered and only the last can go (Lamping and Veach
//! 2014).

use super::{Member, Members, Placement, Refused};
use sim_core::NodeId;

/// The bucket of `key` among `buckets`, which are at least one (the paper's figure 1).
#[inline]
#[must_use]
pub fn jump(mut key: u64, buckets: u32) -> u32 {
    let (mut bucket, mut next) = (0_i64, 0_i64);
    while next < i64::from(buckets) {
        bucket = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        // A division and a product of doubles, both rounded as IEEE 754 says: the same on every machine.
        next = ((bucket + 1) as f64 * ((1_i64 << 31) as f64 / ((key >> 33) + 1) as f64)) as i64;
    }
    bucket as u32
}

/// Nodes as numbered buckets.
#[derive(Clone, Debug)]
pub struct Jump {
    members: Members,
    /// Who has which bucket.
    buckets: Vec<NodeId>,
    /// Whether those behind one that leaves move up, instead of the last one taking its bucket.
    renumbers: bool,
}

impl Jump {
    /// Buckets in the order of the ids.
    #[must_use]
    pub fn new(members: Members) -> Self {
        let buckets = members.iter().map(|member| member.node).collect();
        Self { members, buckets, renumbers: false }
    }

    /// As [`Jump::new`], but when a node leaves all behind it get another number: most keys move.
    #[must_use]
    pub fn renumbering(members: Members) -> Self {
        Self { renumbers: true, ..Self::new(members) }
    }

    /// The last `count` buckets: those that take the places of others that leave.
    pub fn last(&self, count: usize) -> impl Iterator<Item = NodeId> + '_ {
        self.buckets.iter().rev().take(count).copied()
    }
}

impl Placement for Jump {
    #[inline]
    fn owner(&self, key: u64) -> NodeId {
        self.buckets[jump(key, self.buckets.len() as u32) as usize]
    }

    fn members(&self) -> &Members {
        &self.members
    }

    fn join(&mut self, member: Member) -> Result<(), Refused> {
        self.members.add(member)?;
        self.buckets.push(member.node);
        Ok(())
    }

    /// The paper has no way for any but the last to leave. Here the last one takes the bucket of the one that leaves,
    /// and its own keys are spread: twice as much moves as must.
    fn leave(&mut self, node: NodeId) -> Result<(), Refused> {
        self.members.remove(node)?;
        let at = self.buckets.iter().position(|bucket| *bucket == node).expect("members have buckets");
        if self.renumbers {
            self.buckets.remove(at);
        } else {
            self.buckets.swap_remove(at);
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.members.bytes() + self.buckets.capacity() * size_of::<NodeId>()
    }
}
