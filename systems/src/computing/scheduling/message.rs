//! What machines tell each other, write to their disks and announce.

use super::command::{Change, Why};
use super::queue::Queue;
use super::task::{JobId, JobSpec, Lease, Needs, TaskId};
use crate::consensus::raft::{self, RaftFact, RaftMessage};
use crate::shared::replication::{Landmark, Minute};
use sim_core::{Duration, NodeId};

/// Which life of a worker something is of: a number that no other has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Life(pub u64);

/// A task on its way to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Parcel {
    /// Under which lease it runs.
    pub lease: Lease,
    /// How long it runs on a worker of usual speed that has its data.
    pub work: Duration,
    /// What it takes.
    pub needs: Needs,
    /// Which data it reads.
    pub block: u32,
    /// What decides how it goes.
    pub luck: u64,
}

/// The firing of a cron entry that is launched directly: which, and which launch of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kick {
    /// Which entry.
    pub entry: u8,
    /// When it was due, in milliseconds since the run began.
    pub due: u64,
    /// A number that no other launch has.
    pub launch: u64,
}

sim_core::messages! {
    /// Between schedulers, workers and the collector.
    pub enum SchedulingMessage of 40 bytes {
        /// Of the schedulers' group.
        Group(inner: RaftMessage<Queue>) = "" of [raft::MESSAGE_KINDS] whole { inner.bytes() }
            (|out| inner.describe(out)),
        /// A worker says that it lives, and for which tasks it answers.
        Beat {
            /// In which life.
            life: Life,
            /// Its tasks: those that run, then those that wait, or have run and are not taken in.
            held: Vec<Lease>,
            /// How many of them run.
            running: u32,
        } = "Beat" bytes { 16 * held.len() as u32 } ("{} tasks, {running} run", held.len()),
        /// The leader has heard it.
        Heard = "Heard" (""),
        /// Who was asked does not lead.
        Elsewhere {
            /// Who may.
            leader: Option<NodeId>,
        } = "Elsewhere" ("{leader:?}"),
        /// A task for a worker.
        Launch {
            /// In which life: another one does not know of it.
            life: Life,
            /// What.
            parcel: Parcel,
        } = "Launch" bytes { 32 } ("{}", parcel.lease),
        /// The lease is over: whoever runs it stops.
        Stop {
            /// Which.
            lease: Lease,
        } = "Stop" ("{lease}"),
        /// It has stopped, or never ran.
        Stopped {
            /// In which life.
            life: Life,
            /// What.
            lease: Lease,
        } = "Stopped" ("{lease}"),
        /// A result for the collector.
        Result {
            /// Of which attempt.
            lease: Lease,
        } = "Result" bytes { 256 } ("{lease}"),
        /// The collector has it on its disk.
        Staged {
            /// Of which attempt.
            lease: Lease,
        } = "Staged" ("{lease}"),
        /// An attempt has ended, and its result, if it went well, is at the collector.
        Finished {
            /// In which life.
            life: Life,
            /// Which.
            lease: Lease,
            /// Whether it went well.
            well: bool,
        } = "Finished" ("{lease} {well}"),
        /// The schedulers have agreed on what became of it: the worker may forget it.
        Noted {
            /// Which.
            lease: Lease,
        } = "Noted" ("{lease}"),
        /// The results of these attempts are what their tasks come to: the collector makes them public.
        Publish {
            /// Which.
            leases: Vec<Lease>,
        } = "Publish" bytes { 16 * leases.len() as u32 } ("{} results", leases.len()),
        /// They are.
        Published {
            /// Of which tasks.
            tasks: Vec<TaskId>,
        } = "Published" bytes { 12 * tasks.len() as u32 } ("{} results", tasks.len()),
        /// A place in a worker's queue for any task of a job.
        Reserve {
            /// Which job.
            job: JobId,
        } = "Reserve" ("{job}"),
        /// A worker has come to that place.
        Want {
            /// In which life.
            life: Life,
            /// Of which job.
            job: JobId,
        } = "Want" ("{job}"),
        /// No task of the job waits any more.
        Nothing {
            /// Of which job.
            job: JobId,
        } = "Nothing" ("{job}"),
        /// A worker with nothing to do asks another for a task.
        Steal = "Steal" (""),
        /// It gets one.
        Stolen {
            /// What.
            parcel: Parcel,
        } = "Stolen" bytes { 32 } ("{}", parcel.lease),
        /// There is none.
        Keeps = "Keeps" (""),
        /// A firing that is launched directly.
        Kick(kick: Kick) = "Kick" bytes { 24 } ("cron{} at {}ms", kick.entry + 1, kick.due),
        /// Its result, for the collector.
        Ran(kick: Kick) = "Ran" bytes { 24 } ("cron{} at {}ms", kick.entry + 1, kick.due),
        /// The collector has it.
        RanStaged(kick: Kick) = "RanStaged" bytes { 24 } ("cron{} at {}ms", kick.entry + 1, kick.due),
        /// It has run, for the scheduler.
        Kicked(kick: Kick) = "Kicked" bytes { 24 } ("cron{} at {}ms", kick.entry + 1, kick.due),
    }
}

sim_core::records! {
    /// One append to a disk.
    pub enum SchedulingRecord {
        /// A scheduler's log.
        Group(inner: raft::Record<Queue>) = (|out| inner.describe(out)),
        /// A collector has a result.
        Staged(lease: Lease) = ("{lease} staged"),
        /// It has made one public: this is the effect of the task.
        Published(lease: Lease) = ("{lease} public"),
        /// A firing that was launched directly has had its effect.
        Ran(kick: Kick) = ("cron{} at {}ms", kick.entry + 1, kick.due),
    }
}

/// Which of the kinds a fact of the group is.
fn sort(inner: Minute<RaftFact>) -> usize {
    match inner.landmark::<raft::Raft<Queue>>() {
        Some(Landmark::Elected(_)) => 0,
        Some(Landmark::Unreadable { .. }) => 1,
        None => 2,
    }
}

/// How an attempt came to its end on its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// It has a result.
    Well,
    /// It failed.
    Failed,
    /// It was stopped.
    Stopped,
}

sim_core::facts! {
    /// What machines announce.
    pub enum SchedulingFact {
        /// A scheduler announces something of its group.
        Group(inner: Minute<RaftFact>) = "elected" | "unreadable" | "group" [sort(inner)]
            landmark { sort(inner) < 2 } (|out| inner.describe(out)),
        /// A new leader has taken in all that was before it, and schedules from now on.
        Leads {
            /// Since which term.
            term: u64,
        } = "leads" landmark ("term {term}"),
        /// It does not any more.
        SteppedDown {
            /// Of which term.
            term: u64,
        } = "stepped_down" landmark ("term {term}"),
        /// A job was taken into the queue.
        Accepted {
            /// The number of the command.
            number: u64,
            /// Which job.
            job: JobId,
            /// Whether it was there already.
            again: bool,
        } = "accepted" ("{job}"),
        /// A leader has chosen who goes next, where classes count.
        Picks {
            /// Which task.
            task: TaskId,
        } = "picks" ("{task}"),
        /// The schedulers have agreed on something.
        Decided {
            /// The number of the command.
            number: u64,
            /// Its place in it.
            part: u32,
            /// What.
            change: Change,
            /// Whether it changed anything.
            took: bool,
        } = "decided" ("{number}.{part}: {change}{}", if took { "" } else { ", which changes nothing" }),
        /// A lease has run out, or its worker is another by now.
        LeaseLost {
            /// Which.
            lease: Lease,
            /// Why.
            why: Why,
        } = "lease_lost" ("{lease}: {}", why.name()),
        /// A worker is told that its attempt has been taken in.
        ToldDone {
            /// Which.
            lease: Lease,
            /// Whether it went well.
            well: bool,
        } = "told_done" ("{lease}"),
        /// A worker has registered with the leader.
        Registered {
            /// Which.
            worker: NodeId,
        } = "registered" ("{worker}"),
        /// A worker runs a task.
        Started {
            /// Under which lease.
            lease: Lease,
            /// In which of its slots.
            slot: u32,
            /// Whether its data lies elsewhere.
            remote: bool,
        } = "started" ("{lease} in slot {slot}"),
        /// It does not any more.
        Ended {
            /// Under which lease.
            lease: Lease,
            /// How that came.
            how: End,
        } = "ended" ("{lease}: {how:?}"),
        /// One worker has given a task to another.
        Gave {
            /// Which.
            lease: Lease,
            /// To whom.
            to: NodeId,
        } = "stolen" ("{lease} to {to}"),
        /// The collector has a result.
        Staged {
            /// Of which attempt.
            lease: Lease,
        } = "staged" ("{lease}"),
        /// The collector has made a result public.
        Published {
            /// Of which attempt.
            lease: Lease,
        } = "published" ("{lease}"),
        /// The collector was told to make a result public that it does not have.
        Missing {
            /// Of which attempt.
            lease: Lease,
        } = "missing" landmark ("{lease}"),
        /// A firing that was launched directly has had its effect.
        Ran(kick: Kick) = "ran" ("cron{} at {}ms", kick.entry + 1, kick.due),
    }
}

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SchedulingRequest {
    /// How far is everything?
    Status,
    /// Take this job into the queue.
    Submit(JobSpec),
    /// Go through the log of the schedulers, and change nothing.
    Check,
}

/// What it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SchedulingResponse {
    /// Tasks that were accepted, and that are done.
    Status {
        /// So many.
        accepted: u64,
        /// So many of them.
        done: u64,
    },
    /// The job is in the queue: nothing of it need have run.
    Accepted,
    /// It was checked.
    Checked,
}
