//! What schedulers propose to each other, and what that comes to.

use super::bugs::SchedulingBug;
use super::message::Life;
use super::task::{JobSpec, Lease, TaskId};
use core::fmt;
use sim_core::{Duration, NodeId};
use std::rc::Rc;

/// Why an attempt came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum Why {
    /// Its worker has not been heard of for the length of a lease.
    Expired,
    /// Its worker is in another life.
    Restarted,
    /// It failed.
    Failed,
    /// It had to make room.
    Preempted,
    /// It took too long.
    Overdue,
}

impl Why {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Expired, Self::Restarted, Self::Failed, Self::Preempted, Self::Overdue];

    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expired => "lease expired",
            Self::Restarted => "worker restarted",
            Self::Failed => "failed",
            Self::Preempted => "preempted",
            Self::Overdue => "overdue",
        }
    }
}

/// Something that the leader wants to be so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub enum Change {
    /// A worker gets the lease of a task that waits.
    Grant {
        /// Which task.
        task: TaskId,
        /// Which worker.
        worker: NodeId,
        /// In which life.
        life: Life,
    },
    /// An attempt has a result, which is at the collector.
    Done {
        /// Which.
        lease: Lease,
    },
    /// An attempt has come to nothing.
    Lost {
        /// Which.
        lease: Lease,
        /// Why.
        why: Why,
    },
    /// The result of a task is public.
    Published {
        /// Which task.
        task: TaskId,
    },
    /// An entry of the cron table has fired.
    Fire {
        /// Which entry.
        entry: u8,
        /// When it was due, in milliseconds since the run began.
        due: u64,
        /// How long the task takes that this makes, if it makes one.
        work: Option<Duration>,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grant { task, worker, .. } => write!(f, "{task} goes to {worker}"),
            Self::Done { lease } => write!(f, "{lease} is done"),
            Self::Lost { lease, why } => write!(f, "{lease} is lost: {}", why.name()),
            Self::Published { task } => write!(f, "{task} is public"),
            Self::Fire { entry, due, .. } => write!(f, "cron{} fires for {due}ms", entry + 1),
        }
    }
}

/// What the state machine does, for all who have it: how often a task may fail, and the bugs that are switched on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Looks {
    /// Attempts of a task that may come to nothing.
    pub max_attempts: u32,
    /// See [`SchedulingBug::UnfencedResults`], and so on.
    pub unfenced: bool,
    /// Children are not woken by later attempts.
    pub orphans: bool,
    /// Children are woken by attempts that fail.
    pub early: bool,
    /// Attempts that are lost are not counted.
    pub uncounted: bool,
    /// Tasks that are preempted are not put into the queue again.
    pub forgets: bool,
    /// A firing may be made twice.
    pub fires_twice: bool,
    /// A task that runs may be given away once more.
    pub regrants: bool,
}

impl Looks {
    /// Those of this bug.
    #[must_use]
    pub fn with(max_attempts: u32, bug: SchedulingBug) -> Self {
        Self {
            max_attempts,
            unfenced: bug == SchedulingBug::UnfencedResults,
            orphans: bug == SchedulingBug::OrphanedChildren,
            early: bug == SchedulingBug::ChildOfFailedParent,
            uncounted: bug == SchedulingBug::UncountedLosses,
            forgets: bug == SchedulingBug::PreemptedForgotten,
            fires_twice: bug == SchedulingBug::CronCountsTwice,
            regrants: bug == SchedulingBug::LeasesForgotten,
        }
    }
}

/// What is replicated.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub enum Command {
    /// A leader begins.
    Barrier(Looks),
    /// A client submits a job.
    Submit(JobSpec),
    /// What a leader has found out and decided, in one go.
    Step(Rc<[Change]>),
    /// Nothing: a client wants to know that the log goes on.
    Check,
}

/// What a command came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub enum Answer {
    /// It was done.
    Done,
    /// The job is in the queue, or was there already.
    Accepted {
        /// Whether it was.
        again: bool,
    },
    /// Which of the changes have changed something.
    Took(Rc<[bool]>),
}
