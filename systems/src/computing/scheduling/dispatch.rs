//! Which task goes where, and what a leader does as time goes by.

use super::command::{Change, Why};
use super::firing::{Firings, wall};
use super::lead::{Granting, Lead};
use super::message::{Life, SchedulingFact, SchedulingMessage};
use super::node::{CLOCK, Fx};
use super::options::{Config, Policy};
use super::scheduler::Scheduler;
use super::task::{JobId, Lease, TaskId};
use super::waiting::Item;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, NodeId};
use std::rc::Rc;

/// How many tasks that can not go yet are passed over at a time, where a policy may pass over any.
const LOOKS: usize = 256;

impl Scheduler {
    /// How often a leader looks whether something is due.
    fn tick(&self) -> Duration {
        Duration((self.config.beat.0 / 4).min(self.config.lease.0 / 8).max(1_000_000))
    }

    /// Arms the clock of a leader.
    pub(super) fn arm(&self, fx: &mut Fx<'_>) {
        let Some(lead) = self.lead.as_deref().filter(|lead| lead.established) else { return };
        let mut wait = self.tick();
        if let Some(due) = lead.firings.due(&self.config) {
            let left = due.saturating_sub(wall(fx.now()));
            wait = wait.min(Duration::millis(left.max(1)));
        }
        fx.arm(CLOCK, wait);
    }

    /// Time has passed.
    pub(super) fn on_clock(&mut self, fx: &mut Fx<'_>) {
        let (now, config) = (fx.now(), Rc::clone(&self.config));
        let Some(lead) = self.established() else { return };
        for (task, why) in lead.overdue(now, config.overdue) {
            if why == Why::Expired && config.has(super::bugs::SchedulingBug::SilenceIsSuccess) {
                if let Some(held) = lead.leases.get_mut(&task) {
                    held.ends = true;
                    lead.outbox.push(Change::Done { lease: held.lease });
                }
                continue;
            }
            lead.lose(task, why);
        }
        let silent = sim_core::LocalInstant(now.0.saturating_sub(config.lease.0));
        for worker in lead.desks.silent_since(silent) {
            lead.desks.remove(worker);
        }
        for (lease, again) in lead.publishing.values_mut().filter(|(_, again)| *again <= now) {
            *again = now + config.lease;
            lead.to_publish.push(*lease);
        }
        for kick in lead.firings.look(&config, now, &mut lead.outbox) {
            if let Some(worker) = Firings::worker(lead.desks.list(), fx.rng()) {
                fx.send(worker, SchedulingMessage::Kick(kick));
            }
        }
        if config.policy == Policy::Sparrow {
            // A place may have been lost on its way, or with its worker.
            let late: Vec<Item> = lead.waiting.since(silent).take(LOOKS).collect();
            lead.waiting.renew(&late.iter().map(|item| item.place).collect::<Vec<_>>(), now);
            reserve(lead, &late, fx);
        }
        self.arm(fx);
        self.follow(fx);
    }

    /// Gives away what may go, and names results to the collector.
    pub(super) fn schedule(&mut self, fx: &mut Fx<'_>) {
        let (now, config) = (fx.now(), Rc::clone(&self.config));
        let queue = self.council.machine();
        let Some(lead) = self.lead.as_deref_mut().filter(|lead| lead.established) else { return };
        let mut fresh = Vec::new();
        for (place, task) in queue.ready_after(lead.cursor) {
            lead.cursor = place;
            let Some((class, spec, state)) = queue.task(task) else { continue };
            lead.waiting.put(task, place, state.attempt + 1, class, spec, now);
            if config.policy == Policy::Sparrow {
                fresh.extend(lead.waiting.of_place(place));
            }
        }
        match config.policy {
            Policy::Fifo | Policy::Fair | Policy::Shortest => in_turn(lead, |_| {}),
            Policy::Priority => {
                in_turn(lead, |task| fx.note(SchedulingFact::Picks { task }));
                make_room(lead);
            }
            Policy::Locality => where_data_is(lead, &config, now),
            Policy::CriticalPath => soonest_done(lead, &config, now),
            Policy::Random | Policy::Stealing => anywhere(lead, |lead, fx| lead.desks.any(fx.rng()), fx),
            Policy::TwoChoices => anywhere(
                lead,
                |lead, fx| {
                    let two = lead.desks.some(2, fx.rng());
                    two.into_iter().min_by_key(|worker| lead.desks.load(*worker))
                },
                fx,
            ),
            Policy::Sparrow => reserve(lead, &fresh, fx),
        }
        if !lead.to_publish.is_empty() {
            let leases = core::mem::take(&mut lead.to_publish);
            for lease in &leases {
                lead.publishing.entry(lease.task).or_insert((*lease, now + config.lease));
            }
            fx.send(config.collector(), SchedulingMessage::Publish { leases });
        }
    }

    /// A worker has come to a place that was kept for a job: it gets a task of that, or nothing.
    pub(super) fn on_want(&mut self, worker: NodeId, life: Life, job: JobId, fx: &mut Fx<'_>) {
        let Some(lead) = self.established() else { return };
        let knows = lead.desks.get(worker).is_some_and(|desk| desk.life == life);
        match lead.waiting.of_job(job).filter(|_| knows) {
            Some(item) => grant(lead, item, worker),
            None => fx.send(worker, SchedulingMessage::Nothing { job }),
        }
    }
}

/// A task goes to a worker, if the log says so.
fn grant(lead: &mut Lead, item: Item, worker: NodeId) {
    let Some(life) = lead.desks.get(worker).map(|desk| desk.life) else { return };
    let Item { id: task, place, attempt, class, needs, .. } = item;
    let lease = Lease { task, attempt };
    lead.waiting.take(place);
    lead.waiting.runs(class, needs.cpus, true);
    lead.desks.give(worker, lease, needs);
    lead.granting.insert(task, Granting { lease, worker, class, needs });
    lead.outbox.push(Change::Grant { task, worker, life });
}

/// One after the other, as the policy has it: who is first waits for room, and all others behind it.
fn in_turn(lead: &mut Lead, mut tell: impl FnMut(TaskId)) {
    while let Some(item) = lead.waiting.next()
        && let Some(worker) = lead.desks.first(item.needs)
    {
        tell(item.id);
        grant(lead, item, worker);
    }
}

/// What is less urgent makes room for what waits.
fn make_room(lead: &mut Lead) {
    let Some(item) = lead.waiting.next() else { return };
    let ends = lead.leases.values().filter(|held| held.ends && held.class > item.class).count();
    let mut coming = lead.stopping.len() + ends;
    while let Some(task) = lead.victim(item.class, item.needs) {
        let class = lead.leases.get(&task).map_or(0, |held| held.class);
        if coming >= lead.waiting.more_urgent_than(class) {
            break;
        }
        lead.lose(task, Why::Preempted);
        coming += 1;
    }
}

/// Where its data is; elsewhere once it has waited for that long enough.
fn where_data_is(lead: &mut Lead, config: &Config, now: sim_core::LocalInstant) {
    let items: Vec<Item> = lead.waiting.in_order().take(LOOKS).collect();
    for item in items {
        if lead.desks.is_full() {
            break;
        }
        let near = config.all_workers().filter(|worker| config.has_block(*worker, item.block));
        let near = near.filter(|worker| lead.desks.has_room(*worker, item.needs));
        let near = near.min_by_key(|worker| lead.desks.load(*worker));
        let patient = now.since(item.since) < config.locality_wait;
        let worker = near.or_else(|| if patient { None } else { lead.desks.first(item.needs) });
        if let Some(worker) = worker {
            grant(lead, item, worker);
        }
    }
}

/// The one with the longest way behind it first, to whoever would be done with it first, busy or not; if that one is
/// busy, it waits for it.
fn soonest_done(lead: &mut Lead, config: &Config, now: sim_core::LocalInstant) {
    if lead.desks.is_full() || lead.waiting.len() == 0 {
        return;
    }
    let mut from: SortedMap<NodeId, sim_core::LocalInstant> = SortedMap::new();
    for worker in lead.desks.list() {
        let has_room = lead.desks.load(*worker) < config.slots;
        from.insert(*worker, lead.busy_until(*worker, now).filter(|_| !has_room).unwrap_or(now));
    }
    let items: Vec<Item> = lead.waiting.in_order().take(LOOKS).collect();
    for item in items {
        if lead.desks.is_full() {
            break;
        }
        let done = |(worker, from): (&NodeId, &sim_core::LocalInstant)| {
            (*from + config.time_on(*worker, item.work), *from, *worker)
        };
        let Some((done, _, worker)) = from.iter().map(done).min() else { break };
        if lead.desks.has_room(worker, item.needs) {
            grant(lead, item, worker);
            if lead.desks.load(worker) >= config.slots {
                let others = lead.busy_until(worker, now);
                from.insert(worker, others.map_or(done, |others| others.min(done)));
            }
        } else {
            // Who comes next finds that worker taken for as long as this one will.
            from.insert(worker, done);
        }
    }
}

/// All of them, each into the queue of a worker.
fn anywhere(lead: &mut Lead, pick: impl Fn(&Lead, &mut Fx<'_>) -> Option<NodeId>, fx: &mut Fx<'_>) {
    while let Some(item) = lead.waiting.next()
        && let Some(worker) = pick(lead, fx)
    {
        grant(lead, item, worker);
    }
}

/// Two places for each of these tasks, those of a job at different workers if there are enough.
fn reserve(lead: &Lead, items: &[Item], fx: &mut Fx<'_>) {
    let mut jobs: SortedMap<JobId, usize> = SortedMap::new();
    for item in items {
        *jobs.entry(item.id.job).or_default() += 1;
    }
    for (job, many) in jobs {
        for worker in lead.desks.some(2 * many, fx.rng()) {
            fx.send(worker, SchedulingMessage::Reserve { job });
        }
    }
}
