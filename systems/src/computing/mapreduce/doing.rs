//! An execution of a task on a worker, step by step.

use super::message::{Content, Spec};
use super::options::Config;
use super::work::Pair;
use crate::computing::tasks::Attempt;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant, NodeId};

/// What it is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The program is loaded.
    Starting,
    /// A block comes from another worker: from which of its holders.
    Reading(usize),
    /// The map function.
    Mapping,
    /// Parts of maps' outputs come from everywhere.
    Shuffling,
    /// They are put in order.
    Sorting,
    /// The reduce function.
    Reducing,
    /// This chunk of the output is on its way.
    Writing(u32),
    /// The output is there; it wants its name.
    Renaming,
}

/// A question that was asked, and when to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub due: LocalInstant,
    /// How often, so far.
    pub times: u32,
}

/// The fetching of a reduce.
#[derive(Clone, Debug)]
pub(super) struct Shuffle {
    /// A bit for each map whose output it has.
    got: Vec<u64>,
    pub have: u32,
    pub pairs: Vec<Pair>,
    /// What is where, and not asked for.
    pub todo: SortedMap<NodeId, Vec<u32>>,
    /// What was asked of whom.
    pub asked: SortedMap<NodeId, (Vec<u32>, Asked)>,
    /// What somebody was said to have and has not given: it is asked for again after a while.
    pub denied: Vec<(NodeId, u32)>,
    /// Whom it asked last: they are asked in turn, each reduce from another on.
    pub last: NodeId,
}

impl Shuffle {
    pub fn new(maps: u32, first: NodeId) -> Self {
        Self {
            got: vec![0; maps.div_ceil(64) as usize],
            have: 0,
            pairs: Vec::new(),
            todo: SortedMap::new(),
            asked: SortedMap::new(),
            denied: Vec::new(),
            last: first,
        }
    }

    pub fn has(&self, map: u32) -> bool {
        self.got[map as usize / 64] >> (map % 64) & 1 == 1
    }

    /// The output of this map has come. Whether it is the first time.
    pub fn take(&mut self, map: u32) -> bool {
        let is_new = !self.has(map);
        self.got[map as usize / 64] |= 1 << (map % 64);
        self.have += u32::from(is_new);
        is_new
    }

    /// A map's output is there, or no longer there.
    pub fn hear(&mut self, map: u32, before: Option<NodeId>, now: Option<NodeId>) {
        if self.has(map) {
            return;
        }
        if let Some(before) = before
            && let Some(maps) = self.todo.get_mut(&before)
        {
            maps.retain(|other| *other != map);
            if maps.is_empty() {
                self.todo.remove(&before);
            }
        }
        if let Some(now) = now {
            self.todo.entry(now).or_default().push(map);
        }
    }

    /// Whom to ask next, and of which maps.
    pub fn next(&mut self) -> Option<(NodeId, Vec<u32>)> {
        let free = |(worker, _): &(&NodeId, &Vec<u32>)| !self.asked.contains_key(worker);
        let after = (core::ops::Bound::Excluded(self.last), core::ops::Bound::Unbounded);
        let next = self.todo.range(after).chain(self.todo.range(..=self.last)).find(free).map(|(worker, _)| *worker)?;
        self.last = next;
        let maps = self.todo.remove(&next)?;
        Some((next, maps.into_iter().filter(|map| !self.has(*map)).collect()))
    }

    /// Whoever was asked has answered: what it has not given has to be asked for again.
    pub fn answered(&mut self, from: NodeId) {
        let Some((maps, _)) = self.asked.remove(&from) else { return };
        let denied: Vec<_> = maps.into_iter().filter(|map| !self.has(*map)).map(|map| (from, map)).collect();
        self.denied.extend(denied);
    }

    /// Time has passed: what was denied is asked for again if it is still said to be there, and nobody is waited for
    /// who is said to have nothing any more. Whom to ask once more.
    pub fn again(
        &mut self,
        now: LocalInstant,
        timeout: Duration,
        is_at: impl Fn(u32, NodeId) -> bool,
    ) -> Vec<(NodeId, Vec<u32>)> {
        for (worker, map) in core::mem::take(&mut self.denied) {
            if is_at(map, worker) && !self.has(map) {
                self.todo.entry(worker).or_default().push(map);
            }
        }
        let (got, mut again) = (&self.got, Vec::new());
        self.asked.retain(|worker, (maps, asked)| {
            maps.retain(|map| is_at(*map, *worker) && got[*map as usize / 64] >> (map % 64) & 1 == 0);
            if asked.due <= now && !maps.is_empty() {
                asked.due = now + timeout.times(1 << asked.times.min(6));
                asked.times += 1;
                again.push((*worker, maps.clone()));
            }
            !maps.is_empty()
        });
        again
    }
}

/// An execution.
#[derive(Clone, Debug)]
pub(super) struct Doing {
    pub attempt: Attempt,
    pub spec: Spec,
    pub began: LocalInstant,
    pub step: Step,
    /// Work that is left of a step that is work, in nanoseconds at full speed.
    pub left: u64,
    /// Work in percent of what it would be without luck.
    pub luck: u64,
    /// The record of its block at which its process will crash.
    pub crash_at: Option<u32>,
    pub shuffle: Shuffle,
    /// What a reduce writes, chunk by chunk.
    pub output: Vec<Content>,
    pub asked: Asked,
}

impl Doing {
    /// Whether it gets on by itself.
    pub const fn works(&self) -> bool {
        matches!(self.step, Step::Starting | Step::Mapping | Step::Sorting | Step::Reducing)
    }

    pub const fn is_map(&self) -> bool {
        self.attempt.stage == 0
    }

    /// Begins a step that is work: so many bytes at so many a second.
    pub fn work(&mut self, step: Step, bytes: u64, rate: u64) {
        self.step = step;
        self.left = (u128::from(bytes) * 10_000_000 * u128::from(self.luck) / u128::from(rate)) as u64;
    }

    /// Begins to map its block.
    pub fn begin_map(&mut self, config: &Config) {
        self.work(Step::Mapping, config.block, config.map_rate);
        if let Some(record) = self.crash_at {
            self.left = (u128::from(self.left) * u128::from(record) / u128::from(config.records)) as u64;
        }
    }
}

/// The record of a block at which an execution of its map crashes.
pub(super) fn crash_at(config: &Config, attempt: Attempt, skip: &[u32]) -> Option<u32> {
    let first = u64::from(attempt.task) * u64::from(config.records);
    let here = |number: &u64| (*number >= first).then(|| (*number - first) as u32).filter(|at| *at < config.records);
    let bad = config.bad_records.iter().filter_map(here);
    let unlucky = config.unlucky_records.iter().filter_map(here).filter(|_| attempt.number == 1);
    bad.chain(unlucky).filter(|record| !skip.contains(record)).min()
}
