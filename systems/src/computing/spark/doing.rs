//! An execution of a task on an executor: what it needs from elsewhere, and what it makes of that.

use super::cache::Block;
use super::graph::{Func, Part, Row, compute, weight};
use super::message::Spec;
use super::options::Config;
use crate::computing::tasks::Attempt;
use sim_core::hash::Hashed;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{LocalInstant, NodeId};
use std::rc::Rc;

/// What it is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The program is loaded.
    Starting,
    /// What it needs comes from elsewhere.
    Fetching,
    /// It computes.
    Working,
    /// What it has made goes to the storage.
    Saving,
}

/// A question that was asked, and when to ask again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Of which outputs, if it is about a shuffle.
    pub maps: Vec<u32>,
    pub due: LocalInstant,
    /// How often, so far.
    pub times: u32,
}

/// A shuffle that it reads its partition of.
#[derive(Clone, Debug, Default)]
pub(super) struct Reads {
    /// Outputs that have come.
    pub got: SortedSet<u32>,
    /// How many of them were really there.
    pub real: u32,
    pub of: u32,
    pub rows: Vec<Row>,
    pub asked: SortedMap<NodeId, Asked>,
}

/// An execution.
#[derive(Clone, Debug)]
pub(super) struct Doing {
    pub attempt: Attempt,
    pub spec: Spec,
    pub began: LocalInstant,
    pub step: Step,
    /// Work that is left, in nanoseconds at full speed.
    pub left: u64,
    /// Work in percent of what it would be without luck.
    pub luck: u64,
    /// Partitions that it has, from memory, from elsewhere or from the storage.
    pub have: SortedMap<u32, (Part, u64)>,
    /// Datasets whose partition comes from elsewhere: from whom.
    pub blocks: SortedMap<u32, (NodeId, Asked)>,
    /// Datasets whose partition somebody should have had in memory and had not.
    pub avoid: SortedMap<u32, NodeId>,
    pub reads: SortedMap<u32, Reads>,
    /// What it has made: rows, what they weigh.
    pub made: SortedMap<u32, (Part, u64)>,
    /// What is to be saved.
    pub saving: SortedMap<u32, Asked>,
    pub saved: Vec<Block>,
}

impl Doing {
    /// Whether it gets on by itself.
    pub const fn works(&self) -> bool {
        matches!(self.step, Step::Starting | Step::Working)
    }

    /// Whether all that it needs is there.
    pub fn is_ready(&self) -> bool {
        self.blocks.is_empty() && self.reads.values().all(|reads| reads.got.len() as u32 >= reads.of)
    }

    /// Makes the rows that it is for, and all on the way to them. What that costs, in nanoseconds.
    pub fn make(&mut self, config: &Config) -> u64 {
        let mut cost = 0;
        self.rows_of(config, self.spec.rdd, &mut cost);
        u64::try_from(cost).unwrap_or(u64::MAX)
    }

    fn rows_of(&mut self, config: &Config, number: u32, cost: &mut u128) -> (Part, u64) {
        if let Some((rows, weighs)) = self.have.get(&number).or_else(|| self.made.get(&number)) {
            return (Part::clone(rows), *weighs);
        }
        let graph = Rc::clone(&self.spec.graph);
        let Some(rdd) = graph.rdd(number) else { return (Rc::new(Hashed::new(Vec::new())), 0) };
        let time = |bytes: u64, rate: u64| u128::from(bytes) * 1_000_000_000 / u128::from(rate);
        let rows = if rdd.wide.is_some() {
            let read = self.reads.remove(&number).unwrap_or_default();
            *cost += time(weight(config, rdd.scaled, &read.rows), config.compute_rate);
            compute(config, &rdd.func, self.attempt.task, &[&read.rows])
        } else {
            let of: Vec<_> = rdd.narrow.iter().map(|parent| self.rows_of(config, *parent, cost)).collect();
            *cost += match rdd.func {
                Func::Words | Func::Points | Func::Links => time(config.partition, config.load_rate),
                _ => time(of.iter().map(|(_, weighs)| weighs).sum(), config.compute_rate),
            };
            let of: Vec<&[Row]> = of.iter().map(|(rows, _)| rows.as_slice()).collect();
            compute(config, &rdd.func, self.attempt.task, &of)
        };
        let weighs = weight(config, rdd.scaled, &rows);
        let made = (Rc::new(Hashed::new(rows)), weighs);
        self.made.insert(number, (Part::clone(&made.0), weighs));
        made
    }
}
