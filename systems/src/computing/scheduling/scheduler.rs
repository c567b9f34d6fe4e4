//! A scheduler: its member of the group, what workers and clients tell it, what a leader does of that.

use super::bugs::SchedulingBug;
use super::command::{Answer, Change, Command, Looks, Why};
use super::lead::{Held, Lead};
use super::message::{
    Life, Parcel, SchedulingFact, SchedulingMessage, SchedulingRecord, SchedulingRequest, SchedulingResponse,
};
use super::node::{Fx, Machine};
use super::options::{Config, CronMode};
use super::queue::{Queue, Stage};
use super::task::{JobId, JobSpec, Lease, Needs, TaskId};
use crate::consensus::raft::Raft;
use crate::shared::replication::{Asker, Council, News, Proposal, hosts};
use sim_core::{Completion, NodeId, Replay, Ticket, Timer};
use std::rc::Rc;

/// The first timer slot of the group.
pub(super) const TIMERS_FROM: u16 = 3;
/// Its log on the disk.
pub(super) const LANE: u16 = 1;

/// A member of the group.
pub(super) type Member = Raft<Queue>;

hosts! {
    Machine: Member => SchedulingMessage::Group, SchedulingRecord::Group, SchedulingFact::Group;
    |node| node.scheduler().map(|scheduler| &scheduler.council)
}

/// A scheduler.
#[derive(Clone, Debug)]
pub struct Scheduler {
    pub(super) config: Rc<Config>,
    pub(super) council: Council<Member>,
    pub(super) lead: Option<Box<Lead>>,
}

impl Scheduler {
    pub(super) fn boot(config: &Rc<Config>, disk: Replay<'_, SchedulingRecord>, fx: &mut Fx<'_>) -> Self {
        let council = Council::boot(&config.group(), (TIMERS_FROM, LANE), disk, fx);
        let mut this = Self { config: Rc::clone(config), council, lead: None };
        this.follow(fx);
        this
    }

    /// The queue, as far as it has carried out what was decided.
    #[must_use]
    pub fn queue(&self) -> &Queue {
        self.council.machine()
    }

    /// The term in which it leads, once it schedules.
    #[must_use]
    pub fn leads(&self) -> Option<u64> {
        self.lead.as_ref().filter(|lead| lead.established).map(|lead| lead.reign.0)
    }

    /// How many workers have registered with it.
    #[must_use]
    pub fn registered(&self) -> u64 {
        self.lead.as_ref().map_or(0, |lead| lead.desks.list().len() as u64)
    }

    pub(super) fn established(&mut self) -> Option<&mut Lead> {
        self.lead.as_deref_mut().filter(|lead| lead.established)
    }

    pub(super) fn on_message(&mut self, from: NodeId, message: SchedulingMessage, fx: &mut Fx<'_>) {
        if let SchedulingMessage::Group(inner) = message {
            self.council.on_message(from, inner, fx);
        } else if self.leads().is_some() {
            self.as_leader(from, message, fx);
        } else if matches!(
            message,
            SchedulingMessage::Beat { .. } | SchedulingMessage::Finished { .. } | SchedulingMessage::Want { .. }
        ) {
            let leader = self.council.led_by().map(|(leader, _)| leader).filter(|leader| *leader != fx.me());
            fx.send(from, SchedulingMessage::Elsewhere { leader });
        }
        self.follow(fx);
    }

    pub(super) fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        self.council.on_timer(timer, fx);
        self.follow(fx);
    }

    pub(super) fn on_disk(&mut self, done: &Completion<SchedulingRecord>, fx: &mut Fx<'_>) {
        self.council.on_disk(done, fx);
        self.follow(fx);
    }

    pub(super) fn on_request(&mut self, ticket: Ticket, request: SchedulingRequest, fx: &mut Fx<'_>) {
        if self.leads().is_none() {
            let leader = self.council.led_by().map(|(leader, _)| leader).filter(|leader| *leader != fx.me());
            fx.redirect(ticket, leader);
            return;
        }
        match request {
            SchedulingRequest::Status => {
                let (accepted, done) = self.queue().counts();
                fx.reply(ticket, SchedulingResponse::Status { accepted, done });
            }
            SchedulingRequest::Check => self.council.on_request(Asker::Client(ticket), Command::Check, fx),
            SchedulingRequest::Submit(spec) => self.on_submission(ticket, spec, fx),
        }
        self.follow(fx);
    }

    fn on_submission(&mut self, ticket: Ticket, spec: JobSpec, fx: &mut Fx<'_>) {
        if self.config.has(SchedulingBug::AcceptedBeforeLogged) {
            fx.reply(ticket, SchedulingResponse::Accepted);
        }
        if self.config.has(SchedulingBug::RetryIsANewJob) {
            let again = u64::from(ticket.attempt.clamp(1, 0x7f)) << 56;
            let job = if self.queue().knows(spec.job) { JobId(spec.job.0 | again) } else { spec.job };
            let proposal = self.council.propose(Command::Submit(JobSpec { job, ..spec }), fx);
            if let (Some(proposal), Some(lead)) = (proposal, &mut self.lead) {
                lead.asked.insert(proposal, ticket);
            }
            return;
        }
        self.council.on_request(Asker::Client(ticket), Command::Submit(spec), fx);
    }

    /// Takes in what the group has decided, and what that makes of this scheduler.
    pub(super) fn follow(&mut self, fx: &mut Fx<'_>) {
        loop {
            while let Some(news) = self.council.news() {
                match news {
                    News::Anew => {}
                    News::Decided(decided) => self.on_decided(decided.number, &decided.command, &decided.response, fx),
                    News::Settled(proposal, answer) => self.on_settled(proposal, answer, fx),
                    News::Answer(Asker::Client(ticket), answer) => self.on_answer(ticket, answer, fx),
                    News::Answer(Asker::Node(..), _) => {}
                }
            }
            self.come_or_go(fx);
            self.schedule(fx);
            if !self.propose(fx) {
                break;
            }
        }
    }

    /// Begins to lead, or stops.
    fn come_or_go(&mut self, fx: &mut Fx<'_>) {
        let reign = self.council.leads();
        if let Some(lead) = self.lead.take_if(|lead| reign != Some(lead.reign))
            && lead.established
        {
            fx.note(SchedulingFact::SteppedDown { term: lead.reign.0 });
            fx.disarm(super::node::CLOCK);
        }
        if let (Some(reign), None) = (reign, &self.lead) {
            let mut lead = Lead::new(reign, &self.config);
            let looks = Looks::with(self.config.max_attempts, self.config.bug);
            lead.barrier = self.council.propose(Command::Barrier(looks), fx);
            self.lead = Some(Box::new(lead));
        }
    }

    /// Puts what is to be agreed on into the log. Whether there may be more to take in.
    fn propose(&mut self, fx: &mut Fx<'_>) -> bool {
        let Some(lead) = self.lead.as_deref_mut().filter(|lead| lead.established && lead.may_propose()) else {
            return false;
        };
        let changes: Rc<[Change]> = core::mem::take(&mut lead.outbox).into();
        if let Some(proposal) = self.council.propose(Command::Step(changes), fx)
            && let Some(lead) = &mut self.lead
        {
            lead.inflight.insert(proposal);
        }
        true
    }

    fn on_settled(&mut self, proposal: Proposal, answer: Option<Answer>, fx: &mut Fx<'_>) {
        let Some(lead) = &mut self.lead else { return };
        lead.inflight.remove(&proposal);
        if lead.barrier == Some(proposal) && answer.is_some() {
            self.establish(fx);
        } else if let Some(ticket) = lead.asked.remove(&proposal)
            && answer.is_some()
        {
            fx.reply(ticket, SchedulingResponse::Accepted);
        }
    }

    fn on_answer(&self, ticket: Ticket, answer: Result<Answer, Option<NodeId>>, fx: &mut Fx<'_>) {
        match answer {
            Ok(Answer::Accepted { .. }) => fx.reply(ticket, SchedulingResponse::Accepted),
            Ok(Answer::Done | Answer::Took(_)) => fx.reply(ticket, SchedulingResponse::Checked),
            Err(hint) => fx.redirect(ticket, hint),
        }
    }

    fn on_decided(&mut self, number: u64, command: &Command, answer: &Answer, fx: &mut Fx<'_>) {
        match (command, answer) {
            (Command::Submit(spec), Answer::Accepted { again }) => {
                fx.note(SchedulingFact::Accepted { number, job: spec.job, again: *again });
            }
            (Command::Step(changes), Answer::Took(took)) => {
                for (part, (change, took)) in changes.iter().zip(took.iter()).enumerate() {
                    let (part, change, took) = (part as u32, *change, *took);
                    fx.note(SchedulingFact::Decided { number, part, change, took });
                    if self.leads().is_some() {
                        self.on_change(change, took, fx);
                    }
                }
            }
            _ => {}
        }
    }

    /// All that was decided before is known: scheduling begins.
    fn establish(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let config = Rc::clone(&self.config);
        let queue = self.council.machine();
        let Some(lead) = &mut self.lead else { return };
        let forgets = config.has(SchedulingBug::LeasesForgotten);
        lead.established = true;
        for (id, job) in queue.jobs() {
            for (index, state) in job.states.iter().enumerate() {
                let task = TaskId { job: id, index: index as u32 };
                let lease = Lease { task, attempt: state.attempt };
                let spec = &job.tasks[index];
                match state.stage {
                    Stage::Leased { .. } if forgets => {
                        let place = u64::MAX - lead.leases.len() as u64 - lead.waiting.len() as u64;
                        lead.waiting.put(task, place, state.attempt + 1, job.class, spec, now);
                    }
                    Stage::Leased { worker, life } => {
                        let (class, needs, until) = (job.class, spec.needs, now + config.lease);
                        let expect = config.time_on(worker, spec.work);
                        let (since, runs, ends) = (now, false, false);
                        let held = Held { lease, worker, life, class, needs, until, since, runs, expect, ends };
                        lead.waiting.runs(class, needs.cpus, true);
                        lead.leases.insert(task, held);
                    }
                    Stage::Done => {
                        lead.publishing.insert(task, (lease, now + config.lease));
                        lead.to_publish.push(lease);
                    }
                    Stage::Waiting | Stage::Ready(_) | Stage::Public | Stage::GivenUp | Stage::Forgotten => {}
                }
            }
        }
        lead.firings.begin(&config, queue, lead.reign.0, now);
        fx.note(SchedulingFact::Leads { term: lead.reign.0 });
        self.arm(fx);
    }

    /// A worker, or the collector, tells the leader something.
    fn as_leader(&mut self, from: NodeId, message: SchedulingMessage, fx: &mut Fx<'_>) {
        match message {
            SchedulingMessage::Beat { life, held, running } => self.on_beat(from, life, (&held, running), fx),
            SchedulingMessage::Finished { lease, well, .. } => self.on_finished(from, lease, well, fx),
            SchedulingMessage::Stopped { lease, .. } => {
                if let Some(lead) = self.established() {
                    lead.stopping.remove(&lease);
                    lead.desks.take(from, lease);
                }
            }
            SchedulingMessage::Published { tasks } => {
                let Some(lead) = self.established() else { return };
                for task in tasks {
                    // It is not named again, unless by the next leader.
                    if let Some((_, again)) = lead.publishing.get_mut(&task)
                        && again.0 < u64::MAX
                    {
                        again.0 = u64::MAX;
                        lead.outbox.push(Change::Published { task });
                    }
                }
            }
            SchedulingMessage::Want { job, life } => self.on_want(from, life, job, fx),
            SchedulingMessage::Kicked(kick) => {
                if let Some(lead) = self.established() {
                    lead.firings.ran(kick, &mut lead.outbox);
                }
            }
            _ => {}
        }
    }

    fn on_beat(&mut self, worker: NodeId, life: Life, (held, running): (&[Lease], u32), fx: &mut Fx<'_>) {
        let (now, config) = (fx.now(), Rc::clone(&self.config));
        let queue = self.council.machine();
        let Some(lead) = self.lead.as_deref_mut() else { return };
        if lead.desks.get(worker).is_none_or(|desk| desk.life != life) {
            // What it was given in another life is gone with that.
            let gone = lead.leases.values().filter(|held| held.worker == worker && held.life != life);
            let gone: Vec<TaskId> = gone.map(|held| held.lease.task).collect();
            gone.into_iter().for_each(|task| lead.lose(task, Why::Restarted));
            lead.stopping.retain(|lease| !held.contains(lease) || lead.desks.get(worker).is_none());
            lead.desks.register(worker, life, config.speed(worker), now);
            fx.note(SchedulingFact::Registered { worker });
            let mine = lead.leases.values().filter(|held| held.worker == worker && held.life == life);
            for held in mine {
                lead.desks.give(worker, held.lease, held.needs);
            }
            // What is being agreed on for its last life takes room until it is known to be over.
            for granting in lead.granting.values().filter(|granting| granting.worker == worker) {
                lead.desks.give(worker, granting.lease, granting.needs);
            }
        }
        lead.desks.hear(worker, now);
        for (at, lease) in held.iter().enumerate() {
            match lead.leases.get_mut(&lease.task) {
                Some(held) if held.lease == *lease => {
                    if held.worker != worker {
                        // A thief answers for it now.
                        lead.desks.take(held.worker, *lease);
                        (held.worker, held.life) = (worker, life);
                        lead.desks.give(worker, *lease, held.needs);
                    }
                    held.until = now + config.lease;
                    if (at as u32) < running && !held.runs {
                        (held.runs, held.since) = (true, now);
                    }
                }
                _ => {
                    let state = queue.task(lease.task);
                    let over = state.is_none_or(|(_, _, state)| {
                        matches!(state.stage, Stage::Done | Stage::Public | Stage::GivenUp)
                    });
                    let needs = state.map_or(Needs::default(), |(_, spec, _)| spec.needs);
                    if !over {
                        lead.desks.give(worker, *lease, needs);
                    }
                    fx.send(worker, SchedulingMessage::Stop { lease: *lease });
                }
            }
        }
        fx.send(worker, SchedulingMessage::Heard);
    }

    fn on_finished(&mut self, worker: NodeId, lease: Lease, well: bool, fx: &mut Fx<'_>) {
        let config = Rc::clone(&self.config);
        let unfenced = config.has(SchedulingBug::UnfencedResults);
        let Some(lead) = self.established() else { return };
        if config.has(SchedulingBug::DoneBeforeLogged) {
            fx.note(SchedulingFact::ToldDone { lease, well });
            fx.send(worker, SchedulingMessage::Noted { lease });
        }
        match lead.leases.get_mut(&lease.task) {
            Some(held) if held.lease == lease || unfenced && well => {
                if config.has(SchedulingBug::SlotFreedTwice) {
                    let needs = held.needs;
                    lead.desks.free_once_more(worker, needs);
                }
                if !held.ends {
                    held.ends = true;
                    lead.outbox.push(match well {
                        true => Change::Done { lease },
                        false => Change::Lost { lease, why: Why::Failed },
                    });
                }
            }
            // It is over, or another attempt's turn: what this one has come to is of no use.
            _ => {
                lead.desks.take(worker, lease);
                fx.send(worker, SchedulingMessage::Noted { lease });
            }
        }
    }

    /// A change was decided while it leads.
    fn on_change(&mut self, change: Change, took: bool, fx: &mut Fx<'_>) {
        match change {
            Change::Grant { task, worker, life } => self.on_granted(task, worker, life, took, fx),
            Change::Done { lease } if took => {
                let Some(lead) = self.established() else { return };
                let held = lead.leases.remove(&lease.task);
                if let Some(held) = held {
                    lead.waiting.runs(held.class, held.needs.cpus, false);
                    lead.desks.take(held.worker, held.lease);
                    if held.lease != lease {
                        fx.send(held.worker, SchedulingMessage::Stop { lease: held.lease });
                    }
                    fx.send(held.worker, SchedulingMessage::Noted { lease });
                }
                fx.note(SchedulingFact::ToldDone { lease, well: true });
                lead.to_publish.push(lease);
            }
            Change::Lost { lease, why } if took => {
                fx.note(SchedulingFact::LeaseLost { lease, why });
                let Some(lead) = self.established() else { return };
                let Some(held) = lead.leases.remove(&lease.task) else { return };
                lead.waiting.runs(held.class, held.needs.cpus, false);
                match why {
                    Why::Failed => {
                        lead.desks.take(held.worker, lease);
                        fx.send(held.worker, SchedulingMessage::Noted { lease });
                    }
                    Why::Expired | Why::Restarted => lead.desks.take(held.worker, lease),
                    // Its slot is taken until the worker says that it has stopped.
                    Why::Preempted | Why::Overdue => {
                        lead.stopping.insert(lease);
                        fx.send(held.worker, SchedulingMessage::Stop { lease });
                    }
                }
            }
            Change::Published { task } => {
                if let Some(lead) = self.established() {
                    lead.publishing.remove(&task);
                }
            }
            Change::Fire { entry, due, .. } if took && self.config.cron_mode == CronMode::AtMostOnce => {
                let Some(lead) = self.established() else { return };
                let kick = lead.firings.launch(entry, due);
                if let Some(worker) = lead.desks.any(fx.rng()) {
                    fx.send(worker, SchedulingMessage::Kick(kick));
                }
            }
            _ => {}
        }
    }

    fn on_granted(&mut self, task: TaskId, worker: NodeId, life: Life, took: bool, fx: &mut Fx<'_>) {
        let (now, config) = (fx.now(), Rc::clone(&self.config));
        let spec = self.council.machine().task(task).map(|(_, spec, _)| spec.clone());
        let Some(lead) = self.established() else { return };
        let Some(granting) = lead.granting.remove(&task) else { return };
        let (lease, class, needs) = (granting.lease, granting.class, granting.needs);
        let Some(spec) = spec.filter(|_| took) else {
            lead.waiting.runs(class, needs.cpus, false);
            lead.desks.take(granting.worker, lease);
            return;
        };
        let (until, expect) = (now + config.lease, config.time_on(worker, spec.work));
        let (since, runs, ends) = (now, false, false);
        let held = Held { lease, worker, life, class, needs, until, since, runs, expect, ends };
        lead.leases.insert(task, held);
        // Who has begun another life since is told nothing: that one knows of no task.
        if lead.desks.get(worker).is_none_or(|desk| desk.life != life) {
            lead.lose(task, Why::Restarted);
            return;
        }
        let parcel = Parcel { lease, work: spec.work, needs, block: spec.block, luck: spec.luck };
        fx.send(worker, SchedulingMessage::Launch { life, parcel });
    }
}
