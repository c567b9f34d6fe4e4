//! What a leader knows and the log does not: who has registered, when leases run out, what is under way. A new leader
//! begins with the log alone: every lease lasts a whole time more, every result that is not known to be public is named
//! to the collector again, every worker has to register.

use super::command::{Change, Why};
use super::desks::Desks;
use super::firing::Firings;
use super::message::Life;
use super::options::Config;
use super::task::{Lease, Needs, TaskId};
use super::waiting::Waiting;
use crate::shared::replication::{Proposal, Reign};
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{Duration, LocalInstant, NodeId, Ticket};

/// A lease that the log has given away.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub lease: Lease,
    pub worker: NodeId,
    pub life: Life,
    pub class: u8,
    pub needs: Needs,
    /// When it runs out, unless it is renewed.
    pub until: LocalInstant,
    /// Since when it has it; once it is known to run, since then.
    pub since: LocalInstant,
    /// Whether it is known to run.
    pub runs: bool,
    /// How long it should take.
    pub expect: Duration,
    /// Whether its end has been proposed.
    pub ends: bool,
}

/// A grant that the log has not seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Granting {
    pub lease: Lease,
    pub worker: NodeId,
    pub class: u8,
    pub needs: Needs,
}

/// A leader.
#[derive(Clone, Debug)]
pub(super) struct Lead {
    pub reign: Reign,
    /// Whether it has applied all that was decided before it.
    pub established: bool,
    pub barrier: Option<Proposal>,
    /// What is to be agreed on next.
    pub outbox: Vec<Change>,
    /// What is being agreed on.
    pub inflight: SortedSet<Proposal>,
    pub desks: Desks,
    pub leases: SortedMap<TaskId, Held>,
    pub granting: SortedMap<TaskId, Granting>,
    pub waiting: Waiting,
    /// The newest place in the queue that it has taken in.
    pub cursor: u64,
    /// What the collector was told to make public, and when it will be told again.
    pub publishing: SortedMap<TaskId, (Lease, LocalInstant)>,
    pub to_publish: Vec<Lease>,
    /// Tasks that were told to stop, to make room.
    pub stopping: SortedSet<Lease>,
    pub firings: Firings,
    /// Submissions that it has proposed itself: a bug.
    pub asked: SortedMap<Proposal, Ticket>,
}

/// Proposals that may be under way at a time: what comes meanwhile is one more, however much it is.
const PIPELINE: usize = 4;

impl Lead {
    pub fn new(reign: Reign, config: &Config) -> Self {
        let jumps = config.has(super::bugs::SchedulingBug::RetryJumpsQueue);
        Self {
            reign,
            established: false,
            barrier: None,
            outbox: Vec::new(),
            inflight: SortedSet::new(),
            desks: Desks::new(config.room()),
            leases: SortedMap::new(),
            granting: SortedMap::new(),
            waiting: Waiting::new(config.policy, config.classes, jumps),
            cursor: 0,
            publishing: SortedMap::new(),
            to_publish: Vec::new(),
            stopping: SortedSet::new(),
            firings: Firings::default(),
            asked: SortedMap::new(),
        }
    }

    /// Whether something may be proposed now.
    pub fn may_propose(&self) -> bool {
        !self.outbox.is_empty() && self.inflight.len() < PIPELINE
    }

    /// An attempt shall end.
    pub fn lose(&mut self, task: TaskId, why: Why) {
        if let Some(held) = self.leases.get_mut(&task).filter(|held| !held.ends) {
            held.ends = true;
            self.outbox.push(Change::Lost { lease: held.lease, why });
        }
    }

    /// Leases that have run out, and attempts that take too long (in tenths of what they should take).
    pub fn overdue(&self, now: LocalInstant, tenths: u32) -> Vec<(TaskId, Why)> {
        let end = |held: &Held| {
            let longest = Duration(held.expect.0.saturating_mul(u64::from(tenths)) / 10);
            if held.ends {
                None
            } else if held.until <= now {
                Some(Why::Expired)
            } else if tenths > 0 && held.runs && held.since + longest <= now {
                Some(Why::Overdue)
            } else {
                None
            }
        };
        self.leases.iter().filter_map(|(task, held)| Some((*task, end(held)?))).collect()
    }

    /// When the first of a worker's tasks should be done, as far as can be told, if it has any.
    pub fn busy_until(&self, worker: NodeId, now: LocalInstant) -> Option<LocalInstant> {
        let of = self.leases.values().filter(|held| held.worker == worker);
        of.map(|held| (held.since + held.expect).max(now)).min()
    }

    /// The task that makes room next for one of `class`: of the least urgent the one that has begun last.
    pub fn victim(&self, class: u8, needs: Needs) -> Option<TaskId> {
        let may = |held: &&Held| held.class > class && !held.ends && needs.fit(held.needs);
        let all = self.leases.values().filter(may);
        all.max_by_key(|held| (held.class, held.since, held.lease)).map(|held| held.lease.task)
    }
}
