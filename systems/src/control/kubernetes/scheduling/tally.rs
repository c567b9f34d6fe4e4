//! How many pods of a sort there are at each value of a topology key.

use sim_core::sorted::SortedMap;

/// How many pods there are, and how many of them are not being deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub all: u32,
    pub live: u32,
}

/// Counts by value: in a map while there are few, and in a row once a good part of all values has some, where nodes
/// that are asked one after the other find theirs side by side.
#[derive(Clone, Debug)]
pub(super) enum Tally {
    Few(SortedMap<u32, Count>),
    Many(Vec<Count>, usize),
}

/// A row has room for so many values for each that has pods.
const ROOM: usize = 16;

impl Default for Tally {
    fn default() -> Self {
        Self::Few(SortedMap::new())
    }
}

impl Tally {
    /// The count at a value.
    pub fn at(&self, value: u32) -> Count {
        match self {
            Self::Few(map) => map.get(&value).copied().unwrap_or_default(),
            Self::Many(row, _) => row.get(value as usize).copied().unwrap_or_default(),
        }
    }

    /// How many values have pods.
    pub fn len(&self) -> usize {
        match self {
            Self::Few(map) => map.len(),
            Self::Many(_, filled) => *filled,
        }
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values that have pods, in their order.
    pub fn for_each(&self, mut each: impl FnMut(u32, Count)) {
        match self {
            Self::Few(map) => map.iter().for_each(|(value, count)| each(*value, *count)),
            Self::Many(row, _) => {
                let filled = row.iter().enumerate().filter(|(_, count)| count.all > 0);
                filled.for_each(|(value, count)| each(value as u32, *count));
            }
        }
    }

    /// A pod comes to a value, or goes from it.
    pub fn change(&mut self, value: u32, live: u32, inward: bool) {
        let change = |count: &mut Count| {
            if inward {
                count.all += 1;
                count.live += live;
            } else {
                count.all -= 1;
                count.live -= live;
            }
            count.all
        };
        match self {
            Self::Few(map) => {
                if change(map.entry(value).or_default()) == 0 {
                    map.remove(&value);
                }
                let last = map.last_key_value().map_or(0, |(value, _)| *value as usize);
                if map.len() * ROOM > last && last > ROOM {
                    let mut row = vec![Count::default(); last + 1];
                    map.iter().for_each(|(value, count)| row[*value as usize] = *count);
                    *self = Self::Many(row, map.len());
                }
            }
            Self::Many(row, filled) => {
                let value = value as usize;
                if value >= row.len() {
                    row.resize(value + 1, Count::default());
                }
                let before = row[value].all;
                let after = change(&mut row[value]);
                *filled = *filled + usize::from(before == 0) - usize::from(after == 0);
                if *filled * ROOM * 4 < row.len() {
                    let some = row.iter().enumerate().filter(|(_, count)| count.all > 0);
                    *self = Self::Few(some.map(|(value, count)| (value as u32, *count)).collect());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Count, Tally};
    use sim_core::sorted::SortedMap;

    #[test]
    fn a_tally_counts_alike_as_map_and_as_row() {
        let (mut tally, mut plain) = (Tally::default(), SortedMap::<u32, Count>::new());
        let (mut state, mut rows) = (7u64, 0);
        let mut there: Vec<(u32, u32)> = Vec::new();
        for step in 0..20_000u32 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let value = (state >> 40) as u32 % 200;
            let grows = if step < 10_000 { 3 } else { 1 };
            if (state >> 33) % 4 < grows || there.is_empty() {
                let live = (state >> 50) as u32 % 2;
                tally.change(value, live, true);
                let count = plain.entry(value).or_default();
                *count = Count { all: count.all + 1, live: count.live + live };
                there.push((value, live));
            } else {
                let (value, live) = there.swap_remove((state >> 35) as usize % there.len());
                tally.change(value, live, false);
                let count = plain.entry(value).or_default();
                *count = Count { all: count.all - 1, live: count.live - live };
                plain.retain(|_, count| count.all > 0);
            }
            rows += u32::from(matches!(tally, Tally::Many(..)));
            assert_eq!((tally.at(value), tally.len()), (plain.get(&value).copied().unwrap_or_default(), plain.len()));
        }
        let mut found = SortedMap::new();
        tally.for_each(|value, count| {
            found.insert(value, count);
        });
        assert_eq!(found, plain);
        assert!((1_000..20_000).contains(&rows), "a row in {rows} steps");
    }
}
