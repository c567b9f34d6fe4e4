//! What an executor keeps in memory: partitions, of which the one that was used longest ago goes first, but never for
//! one of the same dataset.

use super::graph::Part;
use sim_core::sorted::SortedMap;

/// A partition of a dataset: the dataset's number and the partition's.
pub type Block = (u32, u32);

#[derive(Clone, Debug)]
struct Kept {
    rows: Part,
    weight: u64,
    used: u64,
}

/// The memory of an executor.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    blocks: SortedMap<Block, Kept>,
    weight: u64,
    clock: u64,
}

impl Cache {
    /// A partition, which is used now.
    pub fn get(&mut self, block: Block) -> Option<(Part, u64)> {
        self.clock += 1;
        let kept = self.blocks.get_mut(&block)?;
        kept.used = self.clock;
        Some((Part::clone(&kept.rows), kept.weight))
    }

    /// What it has to forget for a partition to find space; `None` if that is not possible.
    pub fn put(&mut self, block: Block, rows: Part, weight: u64, memory: u64) -> Option<Vec<Block>> {
        if self.blocks.contains_key(&block) {
            return Some(Vec::new());
        }
        let others = self.blocks.iter().filter(|((rdd, _), _)| *rdd != block.0);
        let mut others: Vec<(u64, Block, u64)> = others.map(|(block, kept)| (kept.used, *block, kept.weight)).collect();
        others.sort_unstable();
        let (mut dropped, mut free) = (Vec::new(), memory.saturating_sub(self.weight));
        for (_, other, weighs) in others {
            if free >= weight {
                break;
            }
            free += weighs;
            dropped.push(other);
        }
        if free < weight {
            return None;
        }
        for other in &dropped {
            self.weight -= self.blocks.remove(other).map_or(0, |kept| kept.weight);
        }
        self.clock += 1;
        self.weight += weight;
        self.blocks.insert(block, Kept { rows, weight, used: self.clock });
        Some(dropped)
    }

    /// All that it has.
    pub fn blocks(&self) -> impl Iterator<Item = Block> + '_ {
        self.blocks.keys().copied()
    }

    /// How much that is.
    #[must_use]
    pub const fn weight(&self) -> u64 {
        self.weight
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::hash::Hashed;
    use std::rc::Rc;

    #[test]
    fn what_was_used_longest_ago_goes_and_never_for_its_own_kind() {
        let (mut cache, rows) = (Cache::default(), Rc::new(Hashed::new(Vec::new())));
        let put = |cache: &mut Cache, block| cache.put(block, Rc::clone(&rows), 40, 100);
        assert_eq!((put(&mut cache, (1, 0)), put(&mut cache, (1, 1))), (Some(vec![]), Some(vec![])));
        assert_eq!(put(&mut cache, (1, 2)), None);
        assert!(cache.get((1, 0)).is_some());
        assert_eq!(put(&mut cache, (2, 0)), Some(vec![(1, 1)]));
        assert_eq!((cache.weight(), cache.blocks().count()), (80, 2));
        assert_eq!(cache.put((3, 0), rows, 101, 100), None);
    }
}
