//! Who executed what from when to when, as facts tell it: what charts, tables and rules about executions are made of.

use super::attempt::{Attempt, Cause, How};
use sim_core::sorted::SortedMap;
use sim_core::{Instant, NodeId};

/// An execution.
#[derive(Clone, Debug)]
pub struct Bar {
    /// By whom.
    pub node: NodeId,
    /// In which of its slots of that class, from 0.
    pub slot: usize,
    /// Which.
    pub attempt: Attempt,
    /// Why.
    pub cause: Cause,
    /// Since when.
    pub began: Instant,
    /// When it had all that it needs.
    pub ready: Option<Instant>,
    /// When and how it ended.
    pub ended: Option<(Instant, How)>,
    /// Whether what came of it is part of the result.
    pub counted: bool,
}

impl Bar {
    /// When it ended, or now.
    #[must_use]
    pub fn until(&self, now: Instant) -> Instant {
        self.ended.map_or(now, |(at, _)| at)
    }

    /// For how long it went on.
    #[must_use]
    pub fn took(&self, now: Instant) -> u64 {
        self.until(now).since(self.began).0
    }
}

/// A job.
#[derive(Clone, Debug)]
pub struct JobBar {
    /// Which run.
    pub run: u64,
    /// What it is.
    pub name: String,
    /// Since when.
    pub began: Instant,
    /// When it ended, and whether with a result.
    pub ended: Option<(Instant, bool)>,
}

/// A kind of slots: what it is called, which stages go there, and how many a worker has.
#[derive(Clone, Copy, Debug)]
pub struct SlotClass {
    /// What it is called: `map`.
    pub name: &'static str,
    /// How many there are in all.
    pub slots: u64,
}

/// All executions of a run of the simulation.
#[derive(Clone, Debug)]
pub struct Gantt {
    /// The classes of slots; stage `s` goes to class `s`, or to the last.
    pub classes: Vec<SlotClass>,
    /// The executions in the order in which they began.
    pub bars: Vec<Bar>,
    /// The jobs, likewise.
    pub jobs: Vec<JobBar>,
    /// What stages are called.
    pub stages: SortedMap<(u64, u32), String>,
    open: SortedMap<(NodeId, Attempt), usize>,
    /// Which execution each slot of a node is busy with.
    slots: SortedMap<(NodeId, usize), Vec<Option<Attempt>>>,
    /// The execution whose result counts for a task.
    counted: SortedMap<(u64, u32, u32), usize>,
    by_attempt: SortedMap<Attempt, usize>,
}

impl Gantt {
    /// None yet.
    #[must_use]
    pub const fn new(classes: Vec<SlotClass>) -> Self {
        Self {
            classes,
            bars: Vec::new(),
            jobs: Vec::new(),
            stages: SortedMap::new(),
            open: SortedMap::new(),
            slots: SortedMap::new(),
            counted: SortedMap::new(),
            by_attempt: SortedMap::new(),
        }
    }

    /// The class of slots that a stage goes to.
    #[must_use]
    pub fn class(&self, stage: u32) -> usize {
        (stage as usize).min(self.classes.len() - 1)
    }

    /// What a stage is called.
    #[must_use]
    pub fn stage(&self, run: u64, stage: u32) -> String {
        let named = self.stages.get(&(run, stage)).cloned();
        named.unwrap_or_else(|| self.classes[self.class(stage)].name.to_owned())
    }

    /// What a task is called.
    #[must_use]
    pub fn label(&self, attempt: Attempt) -> String {
        let stage = self.stage(attempt.run, attempt.stage);
        match attempt.number {
            1 => format!("{stage} {}", attempt.task),
            number => format!("{stage} {} (attempt {number})", attempt.task),
        }
    }

    /// A row of a chart.
    #[must_use]
    pub fn row(&self, bar: &Bar) -> String {
        match self.classes.as_slice() {
            [_] => format!("{}/{}", bar.node, bar.slot + 1),
            classes => format!("{} {} {}", bar.node, classes[self.class(bar.attempt.stage)].name, bar.slot + 1),
        }
    }

    /// A job begins; what went on before of the same name and run has not ended.
    pub fn job_begins(&mut self, at: Instant, run: u64, name: impl Into<String>) {
        self.jobs.push(JobBar { run, name: name.into(), began: at, ended: None });
    }

    /// A job has ended, with a result or without.
    pub fn job_ends(&mut self, at: Instant, run: u64, well: bool) {
        if let Some(job) = self.jobs.iter_mut().rev().find(|job| job.run == run && job.ended.is_none()) {
            job.ended = Some((at, well));
        }
    }

    /// An execution begins. How many the node now has of that class.
    pub fn begins(&mut self, at: Instant, node: NodeId, attempt: Attempt, cause: Cause) -> usize {
        let slots = self.slots.entry((node, (attempt.stage as usize).min(self.classes.len() - 1))).or_default();
        let free = slots.iter().position(Option::is_none).unwrap_or(slots.len());
        if free == slots.len() {
            slots.push(None);
        }
        slots[free] = Some(attempt);
        let busy = slots.iter().flatten().count();
        self.open.insert((node, attempt), self.bars.len());
        self.by_attempt.insert(attempt, self.bars.len());
        let bar = Bar { node, slot: free, attempt, cause, began: at, ready: None, ended: None, counted: false };
        self.bars.push(bar);
        busy
    }

    /// It has all that it needs.
    pub fn ready(&mut self, at: Instant, node: NodeId, attempt: Attempt) {
        if let Some(bar) = self.open.get(&(node, attempt)) {
            self.bars[*bar].ready = Some(at);
        }
    }

    /// It has ended.
    pub fn ends(&mut self, at: Instant, node: NodeId, attempt: Attempt, how: How) {
        if let Some(bar) = self.open.remove(&(node, attempt)) {
            self.bars[bar].ended = Some((at, how));
        }
        let class = self.class(attempt.stage);
        let slots = self.slots.get_mut(&(node, class)).into_iter().flatten();
        slots.filter(|slot| **slot == Some(attempt)).for_each(|slot| *slot = None);
    }

    /// A node has gone down: all that it was executing is lost.
    pub fn crashes(&mut self, at: Instant, node: NodeId) {
        let first = Attempt { run: 0, stage: 0, task: 0, number: 0 };
        let lost: Vec<Attempt> =
            self.open.range((node, first)..).take_while(|((of, _), _)| *of == node).map(|((_, a), _)| *a).collect();
        lost.into_iter().for_each(|attempt| self.ends(at, node, attempt, How::Lost));
    }

    /// What came of an execution is the result of its task from now on: of one without a number, of the last that is
    /// done.
    pub fn counts(&mut self, attempt: Attempt) {
        let of = |bar: &Bar| {
            (bar.attempt.run, bar.attempt.stage, bar.attempt.task) == (attempt.run, attempt.stage, attempt.task)
                && bar.ended.is_some_and(|(_, how)| how == How::Done)
        };
        let bar = match attempt.number {
            0 => self.bars.iter().rposition(of),
            _ => self.by_attempt.get(&attempt).copied(),
        };
        let Some(bar) = bar else { return };
        self.bars[bar].counted = true;
        let before = self.counted.insert((attempt.run, attempt.stage, attempt.task), bar);
        if let Some(before) = before.filter(|before| *before != bar) {
            self.bars[before].counted = false;
        }
    }
}
