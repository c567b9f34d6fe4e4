//! An application's client library: Redlock's algorithm, and the work of the program under the lock. A lock lasts, by
//! its own clock, for the time of a key since it was asked for, less what clocks may drift.

use super::bugs::RedlockBug;
use super::message::{RedlockFact, RedlockMessage, RedlockRequest, RedlockResponse, Value};
use super::node::{CLOCK, Fx};
use super::options::Config;
use crate::shared::fenced::Write;
use sim_core::sorted::SortedMap;
use sim_core::{ClientId, Duration, LocalInstant, NodeId, NodeSet, Ticket};
use std::rc::Rc;

/// Which of the program's operations: its client and number.
type Key = (ClientId, u64);

/// How far a program has come with a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It has asked all instances.
    Asking,
    /// It has not got it, and tries again in a while.
    Resting,
    /// It has it, and works.
    Holding,
    /// It has written to the store, and waits to hear of that.
    Writing(u64),
    /// It has told all instances to forget it.
    Leaving,
}

/// An operation of the program.
#[derive(Clone, Debug)]
struct Task {
    ticket: Ticket,
    request: RedlockRequest,
    lock: u64,
    value: Value,
    step: Step,
    /// When it asked.
    asked: LocalInstant,
    /// Instances that have answered, and those of them that said yes.
    heard: NodeSet,
    set: NodeSet,
    /// When the next thing is due: the end of a wait, or of the work.
    due: LocalInstant,
    /// Until when it may rely on the lock.
    valid: LocalInstant,
}

impl Task {
    const fn relies(&self) -> bool {
        matches!(self.step, Step::Holding | Step::Writing(_))
    }

    /// Whether it has something to do that does not depend on whether somebody waits for it.
    const fn must_end(&self) -> bool {
        self.relies() || matches!(self.step, Step::Leaving)
    }

    fn next(&self) -> LocalInstant {
        if self.relies() { self.due.min(self.valid) } else { self.due }
    }
}

/// An application.
#[derive(Clone, Debug)]
pub struct App {
    config: Rc<Config>,
    tasks: SortedMap<Key, Task>,
    /// How often it has written to the store.
    writes: u64,
}

impl App {
    pub(super) fn boot(config: &Rc<Config>) -> Self {
        Self { config: Rc::clone(config), tasks: SortedMap::new(), writes: 0 }
    }

    /// Locks that it waits for, or has not let go yet.
    #[must_use]
    pub fn locks(&self) -> usize {
        self.tasks.values().filter(|task| matches!(task.request, RedlockRequest::Lock { .. })).count()
    }

    /// Whether it lets go of a lock that it had by this value, and is not done with that.
    pub(super) fn leaves(&self, value: Value) -> bool {
        self.of(value, Step::Leaving).is_some()
    }

    /// The program asks something. A second try of the same is the same.
    pub(super) fn on_request(&mut self, ticket: Ticket, request: RedlockRequest, fx: &mut Fx<'_>) {
        let (key, floor) = ((ticket.client, ticket.op), ticket.floor);
        self.give_up(|(client, op), task| client == ticket.client && op < floor && !task.must_end(), fx);
        if let Some(task) = self.tasks.get_mut(&key) {
            task.ticket = ticket;
            return;
        }
        if ticket.attempt > 0 {
            // It was asked for once, and nobody knows what has become of it.
            return;
        }
        let (RedlockRequest::Look { lock } | RedlockRequest::Touch { lock } | RedlockRequest::Lock { lock }) = request;
        let now = fx.now();
        let none = NodeSet::EMPTY;
        let (step, value) = (Step::Resting, Value(0));
        let task =
            Task { ticket, request, lock, value, step, asked: now, heard: none, set: none, due: now, valid: now };
        self.tasks.insert(key, task);
        self.ask(key, fx);
        self.arm(fx);
    }

    /// The program waits for these no longer: what was asked for is undone.
    fn give_up(&mut self, which: impl Fn(Key, &Task) -> bool, fx: &mut Fx<'_>) {
        let gone = self.tasks.iter().filter(|(key, task)| which(**key, task)).map(|(key, _)| *key);
        for key in gone.collect::<Vec<_>>() {
            self.forget(key, fx);
            self.tasks.remove(&key);
        }
    }

    fn arm(&self, fx: &mut Fx<'_>) {
        let now = fx.now();
        match self.tasks.values().map(Task::next).min() {
            Some(next) => fx.arm(CLOCK, Duration(next.0.saturating_sub(now.0).max(1))),
            None => fx.disarm(CLOCK),
        }
    }

    /// Asks all instances at once, by a value of its own.
    fn ask(&mut self, key: Key, fx: &mut Fx<'_>) {
        let (now, value) = (fx.now(), Value(fx.rng().next_u64()));
        let Some(task) = self.tasks.get_mut(&key) else { return };
        (task.value, task.step, task.asked) = (value, Step::Asking, now);
        (task.heard, task.set) = (NodeSet::EMPTY, NodeSet::EMPTY);
        task.due = now + self.config.answer_timeout;
        let lock = task.lock;
        let looks = matches!(task.request, RedlockRequest::Look { .. });
        for instance in self.config.all() {
            let message =
                if looks { RedlockMessage::Look { lock, value } } else { RedlockMessage::Set { lock, value } };
            fx.send(instance, message);
        }
    }

    fn of(&self, value: Value, step: Step) -> Option<Key> {
        self.tasks.iter().find(|(_, task)| task.value == value && task.step == step).map(|(key, _)| *key)
    }

    pub(super) fn on_set_done(&mut self, from: NodeId, value: Value, set: bool, fx: &mut Fx<'_>) {
        let Some(key) = self.of(value, Step::Asking) else { return };
        let (all, quorum) = (self.config.instances, self.config.quorum());
        let Some(task) = self.tasks.get_mut(&key) else { return };
        task.heard.insert(from);
        if set {
            task.set.insert(from);
        }
        let (yes, no) = (task.set.len() as u32, (task.heard.len() - task.set.len()) as u32);
        if yes >= quorum {
            self.on_majority(key, fx);
        } else if all - no < quorum {
            self.miss(key, fx);
        }
        self.arm(fx);
    }

    pub(super) fn on_seen(&mut self, from: NodeId, value: Value, taken: bool, fx: &mut Fx<'_>) {
        let Some(key) = self.of(value, Step::Asking) else { return };
        let Some(task) = self.tasks.get_mut(&key) else { return };
        task.heard.insert(from);
        if taken {
            task.set.insert(from);
        }
        let quorum = self.config.instances / 2 + 1;
        if task.heard.len() as u32 >= quorum {
            fx.reply(task.ticket, RedlockResponse::Taken(task.set.len() as u32 >= quorum));
            self.tasks.remove(&key);
            self.arm(fx);
        }
    }

    /// A majority has said yes: the lock is taken if there is time left.
    fn on_majority(&mut self, key: Key, fx: &mut Fx<'_>) {
        let (now, config) = (fx.now(), &self.config);
        let Some(task) = self.tasks.get_mut(&key) else { return };
        let looks = !config.has(RedlockBug::NoLookAtTheClock);
        let since = if looks { task.asked } else { now };
        let valid = LocalInstant((since + config.ttl).0.saturating_sub(config.drift().0));
        if valid <= now {
            return self.miss(key, fx);
        }
        (task.step, task.valid, task.due) = (Step::Holding, valid, now + config.hold);
        let works = !matches!(task.request, RedlockRequest::Touch { .. });
        fx.note(RedlockFact::Holds { lock: task.lock, value: task.value, valid: valid.since(now).0, works });
        if !works {
            self.leave(key, fx);
        }
    }

    /// It has not got the lock: whatever it has set is undone, everywhere, and it tries again after a while.
    fn miss(&mut self, key: Key, fx: &mut Fx<'_>) {
        let pause = Duration(fx.rng().below(self.config.retry_delay.0) + 1);
        let now = fx.now();
        let Some(task) = self.tasks.get_mut(&key) else { return };
        (task.step, task.due) = (Step::Resting, now + pause);
        match task.request {
            RedlockRequest::Look { .. } => {}
            RedlockRequest::Touch { .. } => {
                self.forget(key, fx);
                if let Some(task) = self.tasks.remove(&key) {
                    fx.refuse(task.ticket);
                }
            }
            RedlockRequest::Lock { lock } => {
                fx.note(RedlockFact::Missed { lock });
                self.forget(key, fx);
            }
        }
    }

    fn forget(&self, key: Key, fx: &mut Fx<'_>) {
        let Some(Task { lock, value, .. }) = self.tasks.get(&key) else { return };
        for instance in self.config.all() {
            fx.send(instance, RedlockMessage::Delete { lock: *lock, value: *value });
        }
    }

    pub(super) fn on_timer(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let due = self.tasks.iter().filter(|(_, task)| task.next() <= now).map(|(key, _)| *key);
        for key in due.collect::<Vec<_>>() {
            let Some(task) = self.tasks.get(&key) else { continue };
            match (task.step, self.config.store()) {
                (Step::Asking, _) => self.miss(key, fx),
                (Step::Resting, _) => self.ask(key, fx),
                // Its work is done: it writes down what came of it. That it has been away for long, it does not see.
                (Step::Holding, Some(store)) if task.due <= now => self.write(key, store, fx),
                (Step::Holding, None) if task.due <= now => self.leave(key, fx),
                // It may rely on the lock no longer, or the store does not answer.
                (Step::Holding | Step::Writing(_), _) => self.leave(key, fx),
                (Step::Leaving, _) => self.end(key, fx),
            }
        }
        self.arm(fx);
    }

    /// Writes to the store, which may not answer.
    fn write(&mut self, key: Key, store: NodeId, fx: &mut Fx<'_>) {
        self.writes += 1;
        let (number, now) = (self.writes, fx.now());
        let Some(task) = self.tasks.get_mut(&key) else { return };
        (task.step, task.due) = (Step::Writing(number), now + self.config.ttl);
        if task.valid <= now {
            // It has not looked at its clock.
            task.valid = task.due;
        }
        fx.send(store, RedlockMessage::Write(Write { lock: task.lock, token: task.value.0, number }));
    }

    fn end_writes(&mut self, which: impl Fn(u64) -> bool, fx: &mut Fx<'_>) {
        let ends = |task: &Task| matches!(task.step, Step::Writing(number) if which(number));
        let ended = self.tasks.iter().filter(|(_, task)| ends(task)).map(|(key, _)| *key);
        for key in ended.collect::<Vec<_>>() {
            self.leave(key, fx);
        }
        self.arm(fx);
    }

    pub(super) fn on_wrote(&mut self, number: u64, fx: &mut Fx<'_>) {
        self.end_writes(|of| of == number, fx);
    }

    pub(super) fn on_closed(&mut self, peer: NodeId, fx: &mut Fx<'_>) {
        if Some(peer) == self.config.store() {
            self.end_writes(|_| true, fx);
        }
    }

    fn leave(&mut self, key: Key, fx: &mut Fx<'_>) {
        let due = fx.now() + self.config.answer_timeout;
        let Some(task) = self.tasks.get_mut(&key) else { return };
        (task.step, task.due, task.heard) = (Step::Leaving, due, NodeSet::EMPTY);
        fx.note(RedlockFact::LetsGo { lock: task.lock, value: task.value });
        self.forget(key, fx);
    }

    pub(super) fn on_deleted(&mut self, from: NodeId, value: Value, fx: &mut Fx<'_>) {
        let Some(key) = self.of(value, Step::Leaving) else { return };
        let Some(task) = self.tasks.get_mut(&key) else { return };
        task.heard.insert(from);
        if task.heard.len() as u32 > self.config.instances / 2 {
            self.end(key, fx);
            self.arm(fx);
        }
    }

    /// The lock is let go, or will go by itself.
    fn end(&mut self, key: Key, fx: &mut Fx<'_>) {
        if let Some(task) = self.tasks.remove(&key) {
            fx.reply(task.ticket, RedlockResponse::Held { value: task.value });
        }
    }
}
