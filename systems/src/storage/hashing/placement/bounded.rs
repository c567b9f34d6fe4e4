//! The ring with bounded loads: no node takes more than its share and a little, what is too much goes on to the next
//! (Mirrokni, Thorup and Zadimoghaddam 2016).

use super::{Member, Members, Placement, Refused, Ring, RingShape};
use sim_core::NodeId;
use sim_core::sorted::SortedMap;

/// A ring whose nodes hold at most `ceil((1 + e) * m * w / W)` of `m` keys, where `w` is the node's weight of all `W`.
/// Where it is known how many keys there will be, that bound holds from the first key on: one that grows with every key
/// turns early keys away from nodes that have room in the end, and a change of the members then moves several times as
/// many as it must.
#[derive(Clone, Debug)]
pub struct Bounded {
    ring: Ring,
    /// `e`, in parts per million.
    slack_ppm: u32,
    loads: SortedMap<NodeId, u64>,
    held: u64,
    /// How many keys there will be; 0 if nobody knows.
    expected: u64,
}

impl Bounded {
    /// A ring whose nodes may hold `slack_ppm` parts per million more than their share.
    ///
    /// # Panics
    /// As [`Ring::new`].
    #[must_use]
    pub fn new(members: Members, shape: RingShape, slack_ppm: u32) -> Self {
        let loads = members.iter().map(|member| (member.node, 0)).collect();
        Self { ring: Ring::new(members, shape), slack_ppm, loads, held: 0, expected: 0 }
    }

    /// There will be so many keys.
    #[must_use]
    pub fn expecting(self, keys: u64) -> Self {
        Self { expected: keys, ..self }
    }

    /// What `member` may hold when there are `held` keys in all.
    #[must_use]
    pub fn capacity(&self, member: Member, held: u64) -> u64 {
        let share = u128::from(1_000_000 + u64::from(self.slack_ppm)) * u128::from(held) * u128::from(member.weight);
        let all = 1_000_000 * u128::from(self.ring.members().weight());
        u64::try_from(share.div_ceil(all)).unwrap_or(u64::MAX)
    }

    /// Takes in one more key, and says which node holds it: the first one behind it that is not full.
    pub fn assign(&mut self, key: u64) -> NodeId {
        let node = self.owner(key);
        *self.loads.get_mut(&node).expect("a member") += 1;
        self.held += 1;
        node
    }

    /// `node` lets one key go.
    ///
    /// # Panics
    /// If it holds none.
    pub fn release(&mut self, node: NodeId) {
        let load = self.loads.get_mut(&node).expect("a member");
        *load = load.checked_sub(1).expect("it holds a key");
        self.held -= 1;
    }

    /// How many keys each node holds.
    pub fn loads(&self) -> impl Iterator<Item = (NodeId, u64)> + '_ {
        self.loads.iter().map(|(node, load)| (*node, *load))
    }
}

impl Placement for Bounded {
    /// Who would take one more key with this hash now.
    fn owner(&self, key: u64) -> NodeId {
        let held = self.expected.max(self.held + 1);
        let mut found = None;
        self.ring.walk(key, |node| {
            let member = self.ring.members().get(node).expect("points belong to members");
            if self.loads[&node] < self.capacity(member, held) {
                found = Some(node);
            }
            found.is_none()
        });
        // The capacities together are at least `held`, and every member has a point.
        found.expect("somebody has room")
    }

    fn members(&self) -> &Members {
        self.ring.members()
    }

    fn join(&mut self, member: Member) -> Result<(), Refused> {
        self.ring.join(member)?;
        self.loads.insert(member.node, 0);
        Ok(())
    }

    /// Its keys are nobody's now: they have to be assigned anew.
    fn leave(&mut self, node: NodeId) -> Result<(), Refused> {
        self.ring.leave(node)?;
        self.held -= self.loads.remove(&node).unwrap_or(0);
        Ok(())
    }

    fn prefer(&self, key: u64, take: impl FnMut(NodeId) -> bool) {
        self.ring.walk(key, take);
    }

    fn bytes(&self) -> usize {
        self.ring.bytes() + self.loads.len() * size_of::<(NodeId, u64)>()
    }
}
