//! Maglev hashing: a table that every node fills by turns, each in an order of its own (Eisenbud et al. 2016, 3.4).

use super::{Member, Members, Placement, Refused};
use crate::storage::hashing::key;
use sim_core::NodeId;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The sizes the paper has, and one more: primes, so that every order of a node visits every entry.
const SIZES: [u32; 3] = [65_537, 655_373, 6_553_621];

/// A lookup table.
#[derive(Clone, Debug)]
pub struct Maglev {
    members: Members,
    table: Vec<u32>,
}

impl Maglev {
    /// A table of `size` entries, which must be a prime; by default the smallest size that is over a hundred times the
    /// number of nodes, which keeps the fullest within about 1 % of the mean.
    ///
    /// # Panics
    /// If `size` is no prime, or smaller than the number of members.
    #[must_use]
    pub fn new(members: Members, size: Option<u32>) -> Self {
        let enough = |size: &u32| *size as usize > 100 * members.len();
        let size = size.unwrap_or_else(|| SIZES.into_iter().find(enough).unwrap_or(SIZES[2]));
        assert!(is_prime(size), "a table of {size} entries, which is no prime");
        assert!(size as usize >= members.len(), "a table of {size} entries for {} nodes", members.len());
        let mut this = Self { members, table: vec![0; size as usize] };
        this.fill();
        this
    }

    /// Whose the entries of the table are.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = NodeId> + '_ {
        self.table.iter().map(|node| NodeId(*node))
    }

    fn fill(&mut self) {
        const EMPTY: u32 = u32::MAX;
        let size = self.table.len() as u64;
        self.table.fill(EMPTY);
        let heaviest = self.members.iter().map(|member| member.weight).max().expect("never empty");
        // Where each is in its order, the step of it, and how much of a turn it has saved up.
        let mut orders: Vec<(u64, u64, u64)> = Vec::with_capacity(self.members.len());
        for member in self.members.iter() {
            let hash = |seed| xxh3_64_with_seed(&member.node.0.to_le_bytes(), seed);
            orders.push((hash(1) % size, hash(2) % (size - 1) + 1, 0));
        }
        let mut filled = 0;
        loop {
            for (i, (place, step, saved)) in orders.iter_mut().enumerate() {
                *saved += u64::from(self.members.at(i).weight);
                if *saved < u64::from(heaviest) {
                    continue;
                }
                *saved -= u64::from(heaviest);
                while self.table[*place as usize] != EMPTY {
                    *place += *step;
                    if *place >= size {
                        *place -= size;
                    }
                }
                self.table[*place as usize] = self.members.at(i).node.0;
                filled += 1;
                if filled == size {
                    return;
                }
            }
        }
    }
}

fn is_prime(n: u32) -> bool {
    n > 1 && (2..).take_while(|d| u64::from(*d) * u64::from(*d) <= u64::from(n)).all(|d| !n.is_multiple_of(d))
}

impl Placement for Maglev {
    #[inline]
    fn owner(&self, key: u64) -> NodeId {
        NodeId(self.table[key::below(key, self.table.len() as u64) as usize])
    }

    fn members(&self) -> &Members {
        &self.members
    }

    fn join(&mut self, member: Member) -> Result<(), Refused> {
        if self.members.len() >= self.table.len() {
            return Err(Refused::Full(self.table.len()));
        }
        self.members.add(member)?;
        self.fill();
        Ok(())
    }

    fn leave(&mut self, node: NodeId) -> Result<(), Refused> {
        self.members.remove(node)?;
        self.fill();
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.members.bytes() + self.table.capacity() * size_of::<u32>()
    }
}
