//! What jobs compute: word count, inverted index and sort, by map, combiner and reduce; and directly, without them.

use super::options::Config;
use crate::computing::tasks::data::{mix, pack};
use sim_core::sorted::SortedMap;

/// A kind of job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// How often each word occurs.
    WordCount,
    /// In which lines each word occurs.
    Index,
    /// All records in order.
    Sort,
}

impl Kind {
    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WordCount => "word_count",
            Self::Index => "index",
            Self::Sort => "sort",
        }
    }
}

/// A key and a value: a word and how often; a word and a line; a number and which record it is of.
pub type Pair = (u64, u64);

/// What is counted while a task is executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Counters {
    /// Records that maps have read.
    pub records: u64,
    /// Pairs that maps have emitted, before they are combined.
    pub emitted: u64,
    /// Pairs that reduces have written.
    pub written: u64,
}

impl Counters {
    /// The sum.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            records: self.records + other.records,
            emitted: self.emitted + other.emitted,
            written: self.written + other.written,
        }
    }
}

/// What one map has written to the local disk of its worker: pairs by part and key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MapOutput {
    pairs: Vec<(u32, Pair)>,
}

impl MapOutput {
    /// The pairs of one part.
    pub fn part(&self, part: u32) -> impl ExactSizeIterator<Item = Pair> + '_ {
        let from = self.pairs.partition_point(|(of, _)| *of < part);
        let many = self.pairs[from..].iter().take_while(|(of, _)| *of == part).count();
        self.pairs[from..from + many].iter().map(|(_, pair)| *pair)
    }

    /// The parts that it has pairs of.
    pub fn parts(&self) -> impl Iterator<Item = u32> + '_ {
        self.pairs.chunk_by(|(a, _), (b, _)| a == b).map(|of| of[0].0)
    }

    /// How many pairs it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

/// The part of the output that a key belongs to.
#[must_use]
pub const fn part_of(kind: Kind, key: u64, reduces: u32) -> u32 {
    match kind {
        Kind::Sort => ((key as u128 * reduces as u128) >> 64) as u32,
        Kind::WordCount | Kind::Index => (mix(key, 0) % reduces as u64) as u32,
    }
}

fn record_number(config: &Config, block: u32, record: u32) -> u64 {
    u64::from(block) * u64::from(config.records) + u64::from(record)
}

/// Executes a map over a block, without the records that are to be skipped.
#[must_use]
pub fn map(config: &Config, kind: Kind, block: u32, skip: &[u32]) -> (MapOutput, Counters) {
    let data = config.data();
    let mut counters = Counters::default();
    let mut pairs: Vec<Pair> = Vec::new();
    for record in (0..config.records).filter(|record| !skip.contains(record)) {
        counters.records += 1;
        let number = record_number(config, block, record);
        match kind {
            Kind::Sort => pairs.push((data.key(block, record), number)),
            Kind::WordCount => pairs.extend(data.line(block, record).split(' ').map(|word| (pack(word), 1))),
            Kind::Index => pairs.extend(data.line(block, record).split(' ').map(|word| (pack(word), number))),
        }
    }
    counters.emitted = pairs.len() as u64;
    if config.combiner {
        pairs = combine(kind, pairs);
    }
    let mut pairs: Vec<(u32, Pair)> =
        pairs.into_iter().map(|pair| (part_of(kind, pair.0, config.reduces), pair)).collect();
    pairs.sort_unstable();
    (MapOutput { pairs }, counters)
}

/// Pairs of one key become one, where that is possible: the reduce function itself.
fn combine(kind: Kind, mut pairs: Vec<Pair>) -> Vec<Pair> {
    match kind {
        Kind::Sort => pairs,
        Kind::WordCount => {
            pairs.sort_unstable();
            pairs.chunk_by(|a, b| a.0 == b.0).map(|of| (of[0].0, of.iter().map(|pair| pair.1).sum())).collect()
        }
        Kind::Index => {
            pairs.sort_unstable();
            pairs.dedup();
            pairs
        }
    }
}

/// Executes a reduce over all pairs of its part.
#[must_use]
pub fn reduce(kind: Kind, mut pairs: Vec<Pair>) -> Vec<Pair> {
    pairs.sort_unstable();
    combine(kind, pairs)
}

/// The whole output of a job, part by part, worked out without any of the above but where a key belongs.
#[must_use]
pub fn directly(config: &Config, kind: Kind, skipped: &dyn Fn(u64) -> bool) -> Vec<Vec<Pair>> {
    let data = config.data();
    let mut all: SortedMap<u64, Vec<u64>> = SortedMap::new();
    for block in 0..config.maps {
        for record in 0..config.records {
            let number = record_number(config, block, record);
            if skipped(number) {
                continue;
            }
            if kind == Kind::Sort {
                all.entry(data.key(block, record)).or_default().push(number);
                continue;
            }
            for word in data.line(block, record).split_whitespace() {
                let of = all.entry(pack(word)).or_default();
                match kind {
                    Kind::WordCount if of.is_empty() => of.push(1),
                    Kind::WordCount => of[0] += 1,
                    _ if of.last() != Some(&number) => of.push(number),
                    _ => {}
                }
            }
        }
    }
    let mut parts = vec![Vec::new(); config.reduces as usize];
    for (key, values) in all {
        let part = part_of(kind, key, config.reduces) as usize;
        parts[part].extend(values.into_iter().map(|value| (key, value)));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::super::options::MapReduceOptions;
    use super::*;
    use sim_core::Shape;

    #[test]
    fn maps_and_reduces_come_to_the_direct_computation() {
        for combiner in [true, false] {
            let options =
                MapReduceOptions { maps: 5, reduces: 3, records: 40, combiner, ..MapReduceOptions::default() };
            let config = options.meant(&Shape::plain(8));
            for kind in [Kind::WordCount, Kind::Index, Kind::Sort] {
                let maps: Vec<_> = (0..5).map(|block| map(&config, kind, block, &[7]).0).collect();
                let parts: Vec<_> =
                    (0..3).map(|part| reduce(kind, maps.iter().flat_map(|map| map.part(part)).collect())).collect();
                assert_eq!(parts, directly(&config, kind, &|record| record % 40 == 7), "{kind:?}");
                assert!(parts.iter().all(|part| !part.is_empty()), "{kind:?}");
            }
        }
    }
}
