//! Resilient distributed datasets: each is what a function makes of others, partition by partition, so that whatever is
//! lost can be made again.

use super::options::Config;
use crate::computing::tasks::data::{mix, pack};
use sim_core::hash::Hashed;
use sim_core::sorted::SortedMap;
use std::rc::Rc;

/// A row: a key, and numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row {
    /// A word, a cluster, a page.
    pub key: u64,
    /// A count; coordinates and how many; neighbours; a rank.
    pub values: Vec<i64>,
}

/// The rows of a partition.
pub type Part = Rc<Hashed<Vec<Row>>>;

/// A rank of one. Ranks are whole numbers, so that sums do not depend on their order.
pub const ONE: i64 = 1_000_000_000;
/// Coordinates of a point.
pub const DIMENSIONS: usize = 3;

/// What makes the rows of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Func {
    /// Reads the words of a text, each with a one.
    Words,
    /// Reads points.
    Points,
    /// Reads pages with their links.
    Links,
    /// Sums the rows of each key; they come through a shuffle.
    Sum,
    /// To each point the centre that is closest: rows to sum.
    Closest(Rc<Vec<Vec<i64>>>),
    /// To each page a rank of one.
    FirstRanks,
    /// What each page gives its neighbours: of pages with links, and their ranks.
    Spread,
    /// Ranks of what neighbours have given.
    Damp,
}

/// A dataset.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rdd {
    /// What makes it.
    pub func: Func,
    /// Of which others, partition by partition.
    pub narrow: Vec<u32>,
    /// Of all partitions of which other, through a shuffle.
    pub wide: Option<u32>,
    /// Whether it stays in memory.
    pub cached: bool,
    /// Whether it is written to the storage.
    pub saved: bool,
    /// Whether each of its rows stands for many.
    pub scaled: bool,
    /// What people call it.
    pub name: String,
}

/// All datasets of an application, each after those that it is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Graph {
    /// The datasets.
    pub rdds: Vec<Rdd>,
}

impl Graph {
    /// One more. Its number.
    pub fn add(&mut self, name: impl Into<String>, func: Func, narrow: &[u32], scaled: bool) -> u32 {
        let (narrow, name) = (narrow.to_vec(), name.into());
        self.rdds.push(Rdd { func, narrow, wide: None, cached: false, saved: false, scaled, name });
        self.rdds.len() as u32 - 1
    }

    /// The sums by key of another.
    pub fn sum(&mut self, name: impl Into<String>, of: u32, scaled: bool) -> u32 {
        let number = self.add(name, Func::Sum, &[], scaled);
        self.rdds[number as usize].wide = Some(of);
        number
    }

    /// A dataset.
    #[must_use]
    pub fn rdd(&self, number: u32) -> Option<&Rdd> {
        self.rdds.get(number as usize)
    }

    /// The shuffles that a dataset needs, over datasets that need none.
    #[must_use]
    pub fn shuffles(&self, of: u32, is_there: &dyn Fn(u32) -> bool) -> Vec<u32> {
        let (mut seen, mut stack, mut found) = (vec![false; self.rdds.len()], vec![of], Vec::new());
        while let Some(number) = stack.pop() {
            if core::mem::replace(&mut seen[number as usize], true) || is_there(number) {
                continue;
            }
            let rdd = &self.rdds[number as usize];
            stack.extend(&rdd.narrow);
            found.extend(rdd.wide.map(|_| number));
        }
        found.sort_unstable();
        found
    }
}

/// The partition of a key.
#[must_use]
pub const fn part_of(config: &Config, key: u64) -> u32 {
    (mix(key, 1) % config.partitions as u64) as u32
}

/// What a row weighs: as it is, or scaled up to what the input stands for.
#[must_use]
pub fn weight(config: &Config, scaled: bool, rows: &[Row]) -> u64 {
    let plain: u64 = rows.iter().map(|row| 8 + 8 * row.values.len() as u64).sum();
    if !scaled {
        return plain;
    }
    let row = 8 + 8 * DIMENSIONS as u64;
    (u128::from(plain) * u128::from(config.partition) / u128::from(u64::from(config.rows) * row)) as u64
}

/// The sums of all rows of each key.
#[must_use]
pub fn sums<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Vec<Row> {
    let mut all: SortedMap<u64, Vec<i64>> = SortedMap::new();
    for row in rows {
        let sum = all.entry(row.key).or_insert_with(|| vec![0; row.values.len()]);
        sum.iter_mut().zip(&row.values).for_each(|(sum, value)| *sum += value);
    }
    all.into_iter().map(|(key, values)| Row { key, values }).collect()
}

/// A word of the text, or the one that is everywhere.
fn skewed(config: &Config, block: u32, line: u32, at: usize, word: &str) -> u64 {
    let draw = mix(config.data_seed ^ 0x55, u64::from(block) << 40 | u64::from(line) << 8 | at as u64);
    if draw % 100 < u64::from(config.skew) { pack("the") } else { pack(word) }
}

/// A point: around one of as many places as there are clusters.
#[must_use]
pub fn point(config: &Config, part: u32, row: u32) -> Vec<i64> {
    let of = mix(config.data_seed ^ 0xaa, u64::from(part) << 32 | u64::from(row));
    let place = of % u64::from(config.clusters);
    let coordinate = |d: usize| {
        let centre = mix(place, d as u64 + 100) % 1_000_000;
        (centre + mix(of, d as u64) % 100_000) as i64
    };
    (0..DIMENSIONS).map(coordinate).collect()
}

/// How many pages there are.
#[must_use]
pub const fn pages(config: &Config) -> u64 {
    config.partitions as u64 * config.rows as u64
}

/// The pages that a page has links to: the next one, and a few others.
#[must_use]
pub fn links(config: &Config, page: u64) -> Vec<u64> {
    let pages = pages(config);
    let mut links = vec![(page + 1) % pages];
    let more = 1 + mix(config.data_seed, page) % 4;
    links.extend((0..more).map(|i| mix(page ^ config.data_seed, i + 7) % pages));
    links.sort_unstable();
    links.dedup();
    links
}

/// The centre that is closest to a point.
#[must_use]
pub fn closest(centres: &[Vec<i64>], point: &[i64]) -> usize {
    let far = |centre: &Vec<i64>| centre.iter().zip(point).map(|(a, b)| (a - b) * (a - b)).sum::<i64>();
    (0..centres.len()).min_by_key(|at| far(&centres[*at])).unwrap_or(0)
}

/// A rank of what was given.
#[must_use]
pub const fn damped(given: i64) -> i64 {
    ONE * 15 / 100 + given * 85 / 100
}

/// Makes the rows of a partition of those of the partitions that it is made of.
#[must_use]
pub fn compute(config: &Config, func: &Func, part: u32, of: &[&[Row]]) -> Vec<Row> {
    let one = |key, values| Row { key, values };
    match func {
        Func::Words => {
            let lines = (0..config.rows).map(|line| (line, config.text().line(part, line)));
            lines
                .flat_map(|(line, text)| {
                    let words = text.split(' ').enumerate();
                    words.map(|(at, word)| one(skewed(config, part, line, at, word), vec![1])).collect::<Vec<_>>()
                })
                .collect()
        }
        Func::Points => (0..config.rows).map(|row| one(u64::from(row), point(config, part, row))).collect(),
        Func::Links => {
            let mine = (0..pages(config)).filter(|page| part_of(config, *page) == part);
            mine.map(|page| one(page, links(config, page).into_iter().map(|to| to as i64).collect())).collect()
        }
        Func::Sum => sums(of.iter().copied().flatten()),
        Func::Closest(centres) => {
            let rows = of[0].iter().map(|row| {
                let values = row.values.iter().copied().chain([1]).collect();
                one(closest(centres, &row.values) as u64, values)
            });
            rows.collect()
        }
        Func::FirstRanks => of[0].iter().map(|row| one(row.key, vec![ONE])).collect(),
        Func::Spread => {
            let ranks: SortedMap<u64, i64> = of[1].iter().map(|row| (row.key, row.values[0])).collect();
            let rows = of[0].iter().flat_map(|row| {
                let each = ranks.get(&row.key).copied().unwrap_or(0) / row.values.len().max(1) as i64;
                row.values.iter().map(move |to| one(*to as u64, vec![each]))
            });
            rows.collect()
        }
        Func::Damp => of[0].iter().map(|row| one(row.key, vec![damped(row.values[0])])).collect(),
    }
}

/// What a task has written for a shuffle: rows by partition and key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pieces {
    rows: Vec<(u32, Row)>,
}

impl Pieces {
    /// Of the rows of a partition.
    #[must_use]
    pub fn of(config: &Config, rows: &[Row]) -> Self {
        let rows = if config.combine { sums(rows) } else { rows.to_vec() };
        let mut rows: Vec<_> = rows.into_iter().map(|row| (part_of(config, row.key), row)).collect();
        rows.sort_by_key(|(part, row)| (*part, row.key));
        Self { rows }
    }

    /// Those for one partition.
    pub fn part(&self, part: u32) -> impl Iterator<Item = &Row> {
        let from = self.rows.partition_point(|(of, _)| *of < part);
        self.rows[from..].iter().take_while(move |(of, _)| *of == part).map(|(_, row)| row)
    }
}
