//! What applications do: reads and writes of keys, work under a lock, calls. The lock is taken as Consul's own client
//! library does: a session that is renewed, an acquire, and a query that waits while somebody else holds the key.

use super::agent::{Agent, For};
use super::bugs::ConsulBug;
use super::database::{Answer, Command, Index, Key, Session, Why};
use super::message::{Ask, Consistency, ConsulFact, ConsulMessage, ConsulRequest, ConsulResponse, Told, Watched};
use super::node::Fx;
use crate::shared::fenced::Write;
use sim_core::{ClientId, Duration, LocalInstant, Ticket};

/// Which operation of an application: its client and number.
pub(super) type TaskKey = (ClientId, u64);

/// How its session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has none, and wants none.
    None,
    /// It has asked for one.
    Opening,
    /// It has one, as far as it knows.
    Open,
    /// It does not want it any more, and has said so.
    Closing,
}

/// How far an application has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It waits for a session, or for another operation with the same lock.
    Unstarted,
    /// It has asked a server.
    Asked,
    /// The lock is closed for a while: it asks again then.
    Pausing(LocalInstant),
    /// It has the lock, and works.
    Holding(LocalInstant),
    /// It has written to the store, and waits to hear of that.
    Writing(u64, LocalInstant),
    /// It lets it go.
    Leaving,
}

/// An operation of an application.
#[derive(Clone, Debug)]
pub(super) struct Task {
    ticket: Ticket,
    request: ConsulRequest,
    step: Step,
    lock_index: u64,
}

impl Task {
    /// When something is to be done for it.
    pub const fn next_due(&self) -> Option<LocalInstant> {
        match self.step {
            Step::Pausing(until) | Step::Holding(until) | Step::Writing(_, until) => Some(until),
            Step::Unstarted | Step::Asked | Step::Leaving => None,
        }
    }

    const fn lock(&self) -> Option<u64> {
        if let ConsulRequest::Lock { lock } = self.request { Some(lock) } else { None }
    }

    /// Whether it believes that it holds its lock.
    const fn holds(&self) -> bool {
        matches!(self.step, Step::Holding(_) | Step::Writing(..))
    }
}

impl Agent {
    /// Whether an application waits for a lock, or has not let it go yet.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.tasks.values().any(|task| task.lock().is_some())
    }

    /// Its session, while it believes that it has one.
    #[must_use]
    pub fn session(&self) -> Option<Session> {
        (self.standing == Standing::Open).then_some(self.session)
    }

    pub(super) fn on_task_wanted(&mut self, ticket: Ticket, request: ConsulRequest, fx: &mut Fx<'_>) {
        let key = (ticket.client, ticket.op);
        let floor = ticket.floor;
        self.tasks.retain(|(client, op), task| *client != ticket.client || *op >= floor || task.lock().is_some());
        if let Some(task) = self.tasks.get_mut(&key) {
            task.ticket = ticket;
            return;
        }
        let harmless = matches!(request, ConsulRequest::Get { .. } | ConsulRequest::Call { .. });
        if ticket.attempt > 0 && !harmless {
            // It was asked for once, and nobody knows what has become of it.
            return;
        }
        self.tasks.insert(key, Task { ticket, request, step: Step::Unstarted, lock_index: 0 });
        self.start(key, fx);
    }

    fn start(&mut self, key: TaskKey, fx: &mut Fx<'_>) {
        let Some(task) = self.tasks.get(&key).filter(|task| task.step == Step::Unstarted) else { return };
        let value = |key: u64| Key::Value(key);
        let ask = match task.request {
            ConsulRequest::Get { key, consistency } => Ask::Read(value(key), consistency),
            ConsulRequest::Set { key, value: what } => Ask::Change(Command::Set { key: value(key), value: what }),
            ConsulRequest::Cas { key, .. } => Ask::Read(value(key), Consistency::Consistent),
            ConsulRequest::Lock { lock } => {
                let same = |other: &Task| other.step != Step::Unstarted && other.lock() == Some(lock);
                if self.tasks.values().any(same) {
                    return;
                }
                if self.standing != Standing::Open {
                    return self.open(fx);
                }
                Ask::Change(Command::Acquire { key: Key::Lock(lock), session: self.session })
            }
            ConsulRequest::Call { service } => {
                self.step(key, Step::Asked);
                return self.call(key, service, fx);
            }
            ConsulRequest::Members | ConsulRequest::Event { .. } | ConsulRequest::Reload => return,
        };
        self.step(key, Step::Asked);
        self.ask(ask, For::Task(key), fx);
    }

    fn start_all(&mut self, fx: &mut Fx<'_>) {
        let unstarted = self.tasks.iter().filter(|(_, task)| task.step == Step::Unstarted);
        let unstarted: Vec<TaskKey> = unstarted.map(|(key, _)| *key).collect();
        unstarted.into_iter().for_each(|key| self.start(key, fx));
    }

    fn step(&mut self, key: TaskKey, step: Step) {
        if let Some(task) = self.tasks.get_mut(&key) {
            task.step = step;
        }
    }

    /// An operation is done.
    pub(super) fn finish(&mut self, key: TaskKey, response: ConsulResponse, fx: &mut Fx<'_>) {
        if let Some(task) = self.tasks.remove(&key) {
            fx.reply(task.ticket, response);
        }
        self.start_all(fx);
        self.close_if_idle(fx);
    }

    /// An operation was not done, and will not be.
    pub(super) fn refuse(&mut self, key: TaskKey, fx: &mut Fx<'_>) {
        if let Some(task) = self.tasks.remove(&key) {
            fx.refuse(task.ticket);
        }
        self.start_all(fx);
        self.close_if_idle(fx);
    }

    /// A server has answered something that was asked for an operation.
    pub(super) fn on_task(&mut self, key: TaskKey, ask: &Ask, told: Told, as_of: u64, fx: &mut Fx<'_>) {
        let Some(task) = self.tasks.get(&key) else { return };
        match (&task.request, told) {
            (ConsulRequest::Get { .. }, Told::Row { value, .. }) => {
                self.finish(key, ConsulResponse::Value { value, as_of }, fx);
            }
            (ConsulRequest::Cas { key: which, value }, Told::Row { index, found, .. }) => {
                let index = if found { index } else { Index(0) };
                let command = Command::Cas { key: Key::Value(*which), value: *value, index };
                self.ask(Ask::Change(command), For::Task(key), fx);
            }
            (ConsulRequest::Cas { .. }, Told::Answer(Answer::No)) => self.finish(key, ConsulResponse::Changed, fx),
            (ConsulRequest::Set { .. } | ConsulRequest::Cas { .. }, Told::Answer(Answer::Done(_))) => {
                self.finish(key, ConsulResponse::Written { as_of }, fx);
            }
            (ConsulRequest::Lock { lock }, told) => {
                let lock = *lock;
                self.on_lock(key, lock, ask, &told, fx);
            }
            _ => self.refuse(key, fx),
        }
    }

    fn on_lock(&mut self, key: TaskKey, lock: u64, ask: &Ask, told: &Told, fx: &mut Fx<'_>) {
        let (now, watched) = (fx.now(), Key::Lock(lock));
        match (ask, told) {
            (Ask::Change(Command::Acquire { session, .. }), Told::Answer(Answer::Locked { lock_index })) => {
                if self.session() != Some(*session) && !self.config.has(ConsulBug::GrantToTheDead) {
                    return;
                }
                if let Some(task) = self.tasks.get_mut(&key) {
                    (task.lock_index, task.step) = (*lock_index, Step::Holding(now + self.config.hold));
                }
                fx.note(ConsulFact::Holds { lock, session: *session, lock_index: *lock_index });
            }
            (Ask::Change(Command::Acquire { .. }), Told::Delayed) => {
                self.step(key, Step::Pausing(now + self.config.lock_retry));
            }
            // Somebody else has it: it waits until that changes.
            (Ask::Change(Command::Acquire { .. }), Told::Answer(Answer::No)) => {
                let watch = Ask::Watch(Watched::Key(watched), Index(0), Consistency::Default);
                self.ask(watch, For::Task(key), fx);
            }
            (Ask::Change(Command::Acquire { session, .. }), Told::Answer(Answer::Nobody)) => {
                if self.session() == Some(*session) {
                    self.lose_session(fx);
                }
            }
            // It is its own session that holds the key: by an acquire that came late.
            (Ask::Watch(..), Told::Row { session: Some(holder), .. }) if self.session() == Some(*holder) => {
                self.step(key, Step::Unstarted);
                self.start(key, fx);
            }
            (Ask::Watch(..), Told::Row { session: Some(_), index, .. }) => {
                let watch = Ask::Watch(Watched::Key(watched), *index, Consistency::Default);
                self.ask(watch, For::Task(key), fx);
            }
            (Ask::Watch(..), Told::Row { session: None, .. }) => {
                self.step(key, Step::Unstarted);
                self.start(key, fx);
            }
            (Ask::Change(Command::Release { .. }), Told::Answer(_)) => {
                let lock_index = self.tasks.get(&key).map_or(0, |task| task.lock_index);
                self.finish(key, ConsulResponse::Held { lock_index }, fx);
            }
            _ => self.refuse(key, fx),
        }
    }

    /// Work is done, or a pause is over.
    pub(super) fn look_after_tasks(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let due = self.tasks.iter().filter(|(_, task)| task.next_due().is_some_and(|due| due <= now));
        let due: Vec<(TaskKey, Step, Option<u64>, u64)> =
            due.map(|(key, task)| (*key, task.step, task.lock(), task.lock_index)).collect();
        for (key, step, lock, token) in due {
            match (step, lock, self.config.store()) {
                (Step::Pausing(_), ..) => {
                    self.step(key, Step::Unstarted);
                    self.start(key, fx);
                }
                (Step::Holding(_), Some(lock), Some(store)) => {
                    self.writes += 1;
                    self.step(key, Step::Writing(self.writes, now + self.config.call_timeout));
                    let write = Write { lock, token, number: self.writes };
                    fx.send(store, ConsulMessage::Write(write));
                }
                _ => self.leave(key, fx),
            }
        }
    }

    pub(super) fn on_wrote(&mut self, number: u64, fx: &mut Fx<'_>) {
        let written = |task: &Task| matches!(task.step, Step::Writing(of, _) if of == number);
        let of: Vec<TaskKey> = self.tasks.iter().filter(|(_, task)| written(task)).map(|(key, _)| *key).collect();
        of.into_iter().for_each(|key| self.leave(key, fx));
    }

    fn leave(&mut self, key: TaskKey, fx: &mut Fx<'_>) {
        let Some(lock) = self.tasks.get(&key).and_then(Task::lock) else { return };
        self.step(key, Step::Leaving);
        // It does not believe that it holds the lock any more before anybody else may.
        fx.note(ConsulFact::LetsGo { lock });
        let release = Command::Release { key: Key::Lock(lock), session: self.session };
        self.ask(Ask::Change(release), For::Task(key), fx);
    }

    fn open(&mut self, fx: &mut Fx<'_>) {
        if self.standing != Standing::None {
            return;
        }
        self.standing = Standing::Opening;
        self.session = Session::of(self.me, fx.rng().next_u64());
        self.renew_at = fx.now() + self.config.rpc_retry;
        let open = Command::Open { session: self.session, behavior: self.config.behavior };
        self.ask(Ask::Change(open), For::Open, fx);
    }

    pub(super) fn on_opened(&mut self, done: bool, fx: &mut Fx<'_>) {
        if !done {
            // The node is not in the catalog yet, or it is critical there.
            self.renew_at = fx.now() + self.config.lock_retry;
            return;
        }
        self.standing = Standing::Open;
        self.renews = true;
        self.renew_at = fx.now() + Duration(self.config.session_ttl.0 / 2);
        fx.note(ConsulFact::Opened { session: self.session });
        self.start_all(fx);
    }

    /// A session that nobody needs is destroyed: with it goes whatever an acquire that was late has locked.
    fn close_if_idle(&mut self, fx: &mut Fx<'_>) {
        if self.standing != Standing::Open || self.tasks.values().any(|task| task.lock().is_some()) {
            return;
        }
        self.standing = Standing::Closing;
        fx.note(ConsulFact::Closed { session: self.session });
        self.forget_rpcs(|whose| whose == For::Renew);
        let end = Command::End { session: self.session, why: Why::Destroyed };
        self.ask(Ask::Change(end), For::Close, fx);
    }

    pub(super) fn on_closed(&mut self, fx: &mut Fx<'_>) {
        if self.standing == Standing::Closing {
            self.standing = Standing::None;
            self.start_all(fx);
        }
    }

    /// Renews the session after half of its time to live, whatever has become of the renewal before.
    pub(super) fn look_after_session(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        if self.standing == Standing::None || self.renew_at > now {
            return;
        }
        self.renew_at = now + Duration(self.config.session_ttl.0 / 2);
        match self.standing {
            Standing::Opening if !self.asks_for(For::Open) => {
                self.standing = Standing::None;
                self.open(fx);
            }
            Standing::Open if self.renews => {
                self.forget_rpcs(|whose| whose == For::Renew);
                fx.note(ConsulFact::Renews { session: self.session });
                self.ask(Ask::Renew(self.session), For::Renew, fx);
            }
            _ => {}
        }
    }

    pub(super) fn renewal_failed(&mut self) {
        if self.config.has(ConsulBug::RenewalGivenUp) {
            self.renews = false;
            self.forget_rpcs(|whose| whose == For::Renew);
        }
    }

    pub(super) fn on_renewed(&mut self, lasts: bool, fx: &mut Fx<'_>) {
        if !lasts && self.standing == Standing::Open {
            self.lose_session(fx);
        }
    }

    /// Its session is over, and with it all that it held.
    fn lose_session(&mut self, fx: &mut Fx<'_>) {
        fx.note(ConsulFact::Lost { session: self.session });
        self.standing = Standing::None;
        let mut gone = Vec::new();
        for (key, task) in &mut self.tasks {
            let Some(lock) = task.lock() else { continue };
            if task.holds() {
                fx.note(ConsulFact::LetsGo { lock });
            }
            match task.step {
                Step::Holding(_) | Step::Writing(..) | Step::Leaving => gone.push(*key),
                Step::Unstarted | Step::Asked | Step::Pausing(_) => task.step = Step::Unstarted,
            }
        }
        gone.iter().for_each(|key| _ = self.tasks.remove(key));
        let waiting: Vec<TaskKey> =
            self.tasks.iter().filter(|(_, task)| task.lock().is_some()).map(|(key, _)| *key).collect();
        self.forget_rpcs(|whose| match whose {
            For::Task(key) => gone.contains(&key) || waiting.contains(&key),
            whose => whose == For::Renew,
        });
        self.start_all(fx);
    }
}
