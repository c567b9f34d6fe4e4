//! The programs that drivers run, and what each comes to directly.

use super::graph::{DIMENSIONS, Func, Graph, ONE, Row, closest, damped, links, pages, point, sums};
use super::options::Config;
use sim_core::sorted::SortedMap;
use std::rc::Rc;

/// A kind of program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// How often each word occurs.
    WordCount,
    /// Centres of clusters of points, an action for each iteration.
    KMeans,
    /// Ranks of pages, one action at the end of all iterations.
    PageRank,
}

impl Kind {
    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WordCount => "word_count",
            Self::KMeans => "k_means",
            Self::PageRank => "page_rank",
        }
    }
}

/// A program as far as it has got.
#[derive(Clone, Debug)]
pub struct Program {
    /// What it is.
    pub kind: Kind,
    /// Its datasets.
    pub graph: Graph,
    /// Actions so far.
    pub actions: u32,
    centres: Rc<Vec<Vec<i64>>>,
}

/// The first centres: points of the input.
fn first_centres(config: &Config) -> Vec<Vec<i64>> {
    (0..config.clusters).map(|at| point(config, at % config.partitions, at / config.partitions)).collect()
}

/// The centres of the points of each cluster; of one without points, where it was.
fn new_centres(before: &[Vec<i64>], sums: &[Row]) -> Vec<Vec<i64>> {
    let mut centres = before.to_vec();
    for row in sums {
        let many = row.values[DIMENSIONS].max(1);
        centres[row.key as usize] = row.values[..DIMENSIONS].iter().map(|sum| sum / many).collect();
    }
    centres
}

impl Program {
    /// One that has not begun.
    #[must_use]
    pub fn new(kind: Kind, config: &Config) -> Self {
        Self { kind, graph: Graph::default(), actions: 0, centres: Rc::new(first_centres(config)) }
    }

    /// The dataset that is collected next, given what the last action came to; `Err` with the result when it is over.
    ///
    /// # Errors
    /// The result.
    pub fn next(&mut self, config: &Config, last: Option<Vec<Row>>) -> Result<u32, Vec<Row>> {
        self.actions += 1;
        match (self.kind, last) {
            (Kind::WordCount | Kind::PageRank, Some(result)) => Err(result),
            (Kind::WordCount, None) => {
                let words = self.graph.add("words", Func::Words, &[], true);
                Ok(self.graph.sum("counts", words, !config.combine))
            }
            (Kind::KMeans, last) => {
                match last {
                    Some(sums) => self.centres = Rc::new(new_centres(&self.centres, &sums)),
                    None => {
                        let points = self.graph.add("points", Func::Points, &[], true);
                        self.graph.rdds[points as usize].cached = config.cache;
                    }
                }
                if self.actions > config.iterations {
                    let row = |(at, centre): (usize, &Vec<i64>)| Row { key: at as u64, values: centre.clone() };
                    return Err(self.centres.iter().enumerate().map(row).collect());
                }
                let func = Func::Closest(Rc::clone(&self.centres));
                let closest = self.graph.add(format!("closest {}", self.actions), func, &[0], false);
                Ok(self.graph.sum(format!("sums {}", self.actions), closest, false))
            }
            (Kind::PageRank, None) => {
                let links = self.graph.add("links", Func::Links, &[], true);
                self.graph.rdds[links as usize].cached = config.cache;
                let mut ranks = self.graph.add("ranks 0", Func::FirstRanks, &[links], true);
                for iteration in 1..=config.iterations {
                    let given = self.graph.add(format!("given {iteration}"), Func::Spread, &[links, ranks], true);
                    let sum = self.graph.sum(format!("sums {iteration}"), given, true);
                    ranks = self.graph.add(format!("ranks {iteration}"), Func::Damp, &[sum], true);
                    let every = config.checkpoint_every;
                    self.graph.rdds[ranks as usize].cached = config.cache;
                    self.graph.rdds[ranks as usize].saved = every > 0 && iteration.is_multiple_of(every);
                }
                Ok(ranks)
            }
        }
    }
}

/// What a program comes to, worked out without datasets.
#[must_use]
pub fn directly(config: &Config, kind: Kind) -> Vec<Row> {
    match kind {
        Kind::WordCount => {
            let rows = (0..config.partitions).map(|part| super::graph::compute(config, &Func::Words, part, &[]));
            let mut counts: SortedMap<u64, i64> = SortedMap::new();
            rows.flatten().for_each(|row| *counts.entry(row.key).or_default() += 1);
            counts.into_iter().map(|(key, count)| Row { key, values: vec![count] }).collect()
        }
        Kind::KMeans => {
            let all: Vec<Vec<i64>> = (0..config.partitions)
                .flat_map(|part| (0..config.rows).map(move |row| point(config, part, row)))
                .collect();
            let mut centres = first_centres(config);
            for _ in 0..config.iterations {
                let mut sum = vec![(vec![0; DIMENSIONS], 0_i64); centres.len()];
                for point in &all {
                    let (of, many) = &mut sum[closest(&centres, point)];
                    of.iter_mut().zip(point).for_each(|(sum, value)| *sum += value);
                    *many += 1;
                }
                for (centre, (of, many)) in centres.iter_mut().zip(sum).filter(|(_, (_, many))| *many > 0) {
                    *centre = of.into_iter().map(|sum| sum / many).collect();
                }
            }
            (0_u64..).zip(centres).map(|(key, values)| Row { key, values }).collect()
        }
        Kind::PageRank => {
            let pages = pages(config) as usize;
            let links: Vec<Vec<u64>> = (0..pages as u64).map(|page| links(config, page)).collect();
            let mut ranks = vec![ONE; pages];
            for _ in 0..config.iterations {
                let mut given = vec![0; pages];
                for (page, to) in links.iter().enumerate() {
                    let each = ranks[page] / to.len() as i64;
                    to.iter().for_each(|other| given[*other as usize] += each);
                }
                ranks = given.into_iter().map(damped).collect();
            }
            (0_u64..).zip(ranks).map(|(key, rank)| Row { key, values: vec![rank] }).collect()
        }
    }
}

/// A result in the order of its keys, whatever order its parts came in.
#[must_use]
pub fn collected(rows: &[Row]) -> Vec<Row> {
    sums(rows)
}

#[cfg(test)]
mod tests {
    use super::super::graph::{Pieces, compute, part_of};
    use super::super::options::SparkOptions;
    use super::*;
    use crate::computing::tasks::data::{pack, unpack};
    use sim_core::Shape;

    /// Every partition of a dataset, made of those before it.
    fn make(config: &Config, graph: &Graph, number: u32, part: u32) -> Vec<Row> {
        let rdd = graph.rdd(number).unwrap();
        if let Some(parent) = rdd.wide {
            let all = (0..config.partitions).map(|of| Pieces::of(config, &make(config, graph, parent, of)));
            let rows: Vec<Row> = all.flat_map(|pieces| pieces.part(part).cloned().collect::<Vec<_>>()).collect();
            return compute(config, &rdd.func, part, &[&rows]);
        }
        let of: Vec<Vec<Row>> = rdd.narrow.iter().map(|parent| make(config, graph, *parent, part)).collect();
        compute(config, &rdd.func, part, &of.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    #[test]
    fn lineage_comes_to_the_direct_computation() {
        for (combine, skew) in [(true, 0), (false, 40)] {
            let small = SparkOptions { partitions: 3, rows: 8, iterations: 2, clusters: 2, ..SparkOptions::default() };
            let config = SparkOptions { combine, skew, ..small }.meant(&Shape::plain(4));
            for kind in [Kind::WordCount, Kind::KMeans, Kind::PageRank] {
                let mut program = Program::new(kind, &config);
                let mut last = None;
                let result = loop {
                    match program.next(&config, last.take()) {
                        Ok(rdd) => {
                            let rows: Vec<Row> =
                                (0..3).flat_map(|part| make(&config, &program.graph, rdd, part)).collect();
                            last = Some(collected(&rows));
                        }
                        Err(result) => break result,
                    }
                };
                assert_eq!(result, directly(&config, kind), "{kind:?}");
            }
            assert!(part_of(&config, pack("the")) < 3 && unpack(pack("the")) == "the");
        }
    }
}
