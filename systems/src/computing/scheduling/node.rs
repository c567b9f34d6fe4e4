//! A machine of the system: a scheduler, a worker, or the collector, by its number.

use super::collector::Collector;
use super::message::{SchedulingFact, SchedulingMessage, SchedulingRecord, SchedulingRequest, SchedulingResponse};
use super::options::{Config, Duty};
use super::scheduler::{Member, Scheduler, TIMERS_FROM};
use super::worker::Worker;
use crate::shared::replication::Consensus;
use sim_core::{Completion, Effects, Node, NodeId, Replay, Role, Ticket, Timer};
use std::rc::Rc;

/// A node's outputs.
pub(super) type Fx<'a> = Effects<'a, Machine>;

/// A leader looks what is due.
pub(super) const CLOCK: Timer = Timer(0);
/// A worker says that it lives.
pub(super) const BEAT: Timer = Timer(1);
/// Something that a worker does has come to its end.
pub(super) const WORK: Timer = Timer(2);
/// How many timer slots a node uses.
pub const TIMERS: u16 = TIMERS_FROM + Member::TIMERS;

/// A node.
#[derive(Clone, Debug)]
pub enum Machine {
    /// One that decides which task goes where.
    Scheduler(Box<Scheduler>),
    /// One that runs tasks.
    Worker(Box<Worker>),
    /// One that keeps results.
    Collector(Box<Collector>),
}

impl Machine {
    /// The scheduler that it is.
    #[must_use]
    pub const fn scheduler(&self) -> Option<&Scheduler> {
        if let Self::Scheduler(scheduler) = self { Some(scheduler) } else { None }
    }

    /// The worker that it is.
    #[must_use]
    pub const fn worker(&self) -> Option<&Worker> {
        if let Self::Worker(worker) = self { Some(worker) } else { None }
    }

    /// The collector that it is.
    #[must_use]
    pub const fn collector(&self) -> Option<&Collector> {
        if let Self::Collector(collector) = self { Some(collector) } else { None }
    }
}

impl Node for Machine {
    type Config = Rc<Config>;
    type Message = SchedulingMessage;
    type Request = SchedulingRequest;
    type Response = SchedulingResponse;
    type Record = SchedulingRecord;
    type Fact = SchedulingFact;

    fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, SchedulingRecord>, fx: &mut Fx<'_>) -> Self {
        match config.duty(me) {
            Duty::Scheduler => Self::Scheduler(Box::new(Scheduler::boot(config, disk, fx))),
            Duty::Worker => Self::Worker(Box::new(Worker::boot(config, me, fx))),
            Duty::Collector => Self::Collector(Box::new(Collector::boot(config, disk, fx))),
        }
    }

    fn on_message(&mut self, from: NodeId, message: SchedulingMessage, fx: &mut Fx<'_>) {
        match self {
            Self::Scheduler(scheduler) => scheduler.on_message(from, message, fx),
            Self::Worker(worker) => worker.on_message(from, message, fx),
            Self::Collector(collector) => collector.on_message(from, message, fx),
        }
    }

    fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        match self {
            Self::Scheduler(scheduler) if timer == CLOCK => scheduler.on_clock(fx),
            Self::Scheduler(scheduler) => scheduler.on_timer(timer, fx),
            Self::Worker(worker) if timer == BEAT => worker.on_beat(fx),
            Self::Worker(worker) => worker.on_work(fx),
            Self::Collector(_) => {}
        }
    }

    fn on_request(&mut self, ticket: Ticket, request: SchedulingRequest, fx: &mut Fx<'_>) {
        match self {
            Self::Scheduler(scheduler) => scheduler.on_request(ticket, request, fx),
            Self::Worker(_) | Self::Collector(_) => fx.refuse(ticket),
        }
    }

    fn on_disk(&mut self, done: Completion<SchedulingRecord>, fx: &mut Fx<'_>) {
        match self {
            Self::Scheduler(scheduler) => scheduler.on_disk(&done, fx),
            Self::Worker(_) | Self::Collector(_) => {
                if let Completion::SyncFailed { .. } = done {
                    fx.halt("a sync failed: what is on the disk is unknown");
                }
            }
        }
    }

    fn is_read(request: &SchedulingRequest) -> bool {
        request.is_read()
    }

    fn request_bytes(request: &SchedulingRequest) -> u32 {
        if let SchedulingRequest::Submit(spec) = request { 64 + 48 * spec.tasks.len() as u32 } else { 64 }
    }

    fn timer_name(timer: Timer) -> &'static str {
        ["clock", "beat", "work"].get(usize::from(timer.0)).copied().unwrap_or("of the group")
    }

    fn role(&self) -> Role {
        let role = |name, rank| Role { name, rank };
        match self {
            Self::Scheduler(scheduler) => match scheduler.leads() {
                Some(term) => role("leader", term),
                None => role("follower", 0),
            },
            Self::Worker(_) => role("worker", 0),
            Self::Collector(_) => role("collector", 0),
        }
    }

    fn progress(&self) -> u64 {
        self.scheduler().map_or(0, |scheduler| scheduler.council.inside().progress())
    }
}
