//! Jobs and their tasks: what they are called, what they need, in which order they may run.

use core::fmt;
use sim_core::{ClientId, Duration};
use std::rc::Rc;

/// A job: chosen by whoever submits it, so that the same submission is the same job however often it arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct JobId(pub u64);

/// The bit of jobs that a cron entry has fired.
const CRON: u64 = 1 << 63;
/// Bits of the time of a firing, and, above them, the one of a second job for the same firing.
const DUE: u32 = 47;

impl JobId {
    /// The firing of entry `entry` of the cron table that was due at `due`, in milliseconds since the run began.
    #[must_use]
    pub const fn cron(entry: u8, due: u64) -> Self {
        Self(CRON | (entry as u64) << (DUE + 1) | due & ((1 << DUE) - 1))
    }

    /// Another job for the same firing: there should be none.
    #[must_use]
    pub const fn again(self) -> Self {
        Self(self.0 | 1 << DUE)
    }

    /// Which firing it is of, if of one.
    #[must_use]
    pub const fn firing(self) -> Option<(u8, u64)> {
        if self.0 & CRON == 0 {
            return None;
        }
        Some(((self.0 >> (DUE + 1)) as u8 & 0x7f, self.0 & ((1 << DUE) - 1)))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.firing() {
            Some((entry, due)) => write!(f, "cron{}@{}ms", entry + 1, due),
            None => write!(f, "{}-{}", ClientId((self.0 >> 40) as u32), self.0 & 0xff_ffff_ffff),
        }
    }
}

/// A task: its job, and its place in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct TaskId {
    /// Its job.
    pub job: JobId,
    /// Which of its tasks.
    pub index: u32,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.job, self.index)
    }
}

/// The right to run a task: for one attempt. The attempt is the fencing token, and grows with every lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Lease {
    /// Which task.
    pub task: TaskId,
    /// Which of its attempts, counted from 1.
    pub attempt: u32,
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.task, self.attempt)
    }
}

/// What a task takes of its worker while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Needs {
    /// Slots.
    pub cpus: u32,
    /// MiB.
    pub memory: u32,
}

impl Needs {
    /// Whether this fits into `room`.
    #[must_use]
    pub const fn fit(self, room: Self) -> bool {
        self.cpus <= room.cpus && self.memory <= room.memory
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { cpus: self.cpus.saturating_add(other.cpus), memory: self.memory.saturating_add(other.memory) }
    }

    /// What is left of it.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self { cpus: self.cpus.saturating_sub(other.cpus), memory: self.memory.saturating_sub(other.memory) }
    }
}

/// A task as it is submitted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct TaskSpec {
    /// How long it runs on a worker of usual speed.
    pub work: Duration,
    /// What it takes of its worker.
    pub needs: Needs,
    /// What must be done before.
    pub parents: Vec<TaskId>,
    /// The length of the longest way from its start to the end of the job: its upward rank.
    pub rank: Duration,
    /// Which block of data it reads: decides where that lies.
    pub block: u32,
    /// What decides whether its attempts fail or straggle, the same under every policy.
    pub luck: u64,
}

/// A job as it is submitted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct JobSpec {
    /// Which.
    pub job: JobId,
    /// Its class, or user: 0 is the most urgent.
    pub class: u8,
    /// Its tasks.
    pub tasks: Rc<[TaskSpec]>,
}

/// Mixes bits, so that neighbours have nothing in common (SplitMix64's finaliser).
#[must_use]
pub const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Sets the upward rank of each task: the longest way, in work, from its start to the end of all that waits for it.
/// Only parents in the same list count; they may stand in any order. What is in a cycle keeps a rank of nothing.
pub fn rank(tasks: &mut [TaskSpec], of: impl Fn(&TaskId) -> Option<usize>) {
    let parents: Vec<Vec<usize>> = tasks.iter().map(|task| task.parents.iter().filter_map(&of).collect()).collect();
    let mut children = vec![0_u32; tasks.len()];
    parents.iter().flatten().for_each(|parent| children[*parent] += 1);
    let mut below = vec![Duration::ZERO; tasks.len()];
    let mut free: Vec<usize> = (0..tasks.len()).filter(|at| children[*at] == 0).collect();
    while let Some(at) = free.pop() {
        tasks[at].rank = tasks[at].work + below[at];
        for parent in &parents[at] {
            below[*parent] = below[*parent].max(tasks[at].rank);
            children[*parent] -= 1;
            if children[*parent] == 0 {
                free.push(*parent);
            }
        }
    }
}
