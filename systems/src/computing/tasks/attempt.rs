//! One execution of a task: which it is, why there is one, and how it ended.

use core::fmt;

/// One execution of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Attempt {
    /// Of which run of which job: unique.
    pub run: u64,
    /// Of which stage of it.
    pub stage: u32,
    /// Which task of the stage, from 0.
    pub task: u32,
    /// Which execution of the task, from 1.
    pub number: u32,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stage {} task {}, attempt {}", self.stage, self.task, self.number)
    }
}

/// Why there is an execution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// There was none before.
    #[default]
    First,
    /// The worker that ran it is lost.
    WorkerLost,
    /// It was done, and the worker that had its output is lost.
    OutputLost,
    /// It has crashed, or could not get what it needs.
    Failed,
    /// Another one runs, and takes long.
    Backup,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::First, Self::WorkerLost, Self::OutputLost, Self::Failed, Self::Backup];

    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::WorkerLost => "its worker was lost",
            Self::OutputLost => "its output was lost",
            Self::Failed => "it had failed",
            Self::Backup => "backup",
        }
    }
}

/// How an execution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum How {
    /// It is done.
    Done,
    /// It was stopped: another one was faster, or nobody wants it any more.
    Stopped,
    /// Its process has crashed, or it could not get what it needs.
    Failed,
    /// Its machine went down.
    Lost,
}

impl How {
    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Lost => "lost",
        }
    }
}
