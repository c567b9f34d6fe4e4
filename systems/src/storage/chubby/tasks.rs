//! What programs do: reads and writes of files, work under a lock, being seen by an ephemeral file.

use super::app::{App, Standing};
use super::database::{Answer, Change, Mode, Path};
use super::message::{Ask, ChubbyFact, ChubbyMessage, ChubbyRequest, ChubbyResponse};
use super::node::{Fx, WORK};
use crate::shared::fenced::Write;
use sim_core::{ClientId, Duration, LocalInstant, NodeId, Ticket};

/// Which of the program's operations: its client and number.
pub(super) type Key = (ClientId, u64);

/// How far a program has come with a lock, or with its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It has asked for it.
    Waiting,
    /// It has it, and works.
    Holding,
    /// It has written to the store, and waits to hear of that.
    Writing(u64),
    /// Its session is in jeopardy: it has it if that lasts.
    Suspended,
    /// It lets it go.
    Leaving,
}

/// A lock, or a file, of a program.
#[derive(Clone, Copy, Debug)]
struct Held {
    path: Path,
    generation: u64,
    step: Step,
    /// When its work is done.
    until: LocalInstant,
}

/// An operation of the program.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub ticket: Ticket,
    request: ChubbyRequest,
    started: bool,
    held: Option<Held>,
}

impl Task {
    pub const fn new(ticket: Ticket, request: ChubbyRequest) -> Self {
        Self { ticket, request, started: false, held: None }
    }

    /// Whether something would be left behind if it were forgotten.
    pub const fn holds(&self) -> bool {
        self.held.is_some()
    }

    /// The lock that it is about.
    const fn lock(&self) -> Option<u64> {
        if let ChubbyRequest::Lock { lock, .. } = self.request { Some(lock) } else { None }
    }
}

impl App {
    /// Whether it waits for a lock, or has not let it go yet.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.tasks.values().any(|task| task.held.is_some() && task.lock().is_some())
    }

    /// Whether a program has its ephemeral file open.
    #[must_use]
    pub fn appears(&self) -> bool {
        self.tasks.values().any(|task| task.held.is_some_and(|held| matches!(held.path, Path::Here(_))))
    }

    pub(super) fn start_all(&mut self, fx: &mut Fx<'_>) {
        let unstarted: Vec<Key> = self.tasks.iter().filter(|(_, task)| !task.started).map(|(key, _)| *key).collect();
        for key in unstarted {
            self.start(key, fx);
        }
    }

    /// Begins an operation. Of those that want one lock, or the file, only one at a time bothers the cell.
    pub(super) fn start(&mut self, key: Key, fx: &mut Fx<'_>) {
        let Some(task) = self.tasks.get(&key).filter(|task| !task.started) else { return };
        let same = |other: &Task| other.started && other.held.is_some() && other.lock() == task.lock();
        let held = match task.request {
            ChubbyRequest::Get { .. } | ChubbyRequest::Set { .. } => None,
            _ if self.tasks.values().any(same) => return,
            ChubbyRequest::Lock { lock, .. } => Some(Path::Lock(lock)),
            ChubbyRequest::Appear => Some(Path::Here(u64::from(self.me.0))),
        };
        let ask = match task.request {
            ChubbyRequest::Get { key: file } => {
                if let Some((value, version)) = self.cached(Path::Key(file)) {
                    fx.reply(task.ticket, ChubbyResponse::Value { value, version, cached: true });
                    self.tasks.remove(&key);
                    return;
                }
                Ask::Read(Path::Key(file))
            }
            ChubbyRequest::Set { key: file, value } => Ask::Change(Change::Set { path: Path::Key(file), value }),
            ChubbyRequest::Lock { lock, mode } => Ask::Change(Change::Acquire { path: Path::Lock(lock), mode }),
            ChubbyRequest::Appear => Ask::Change(Change::Create { path: Path::Here(u64::from(self.me.0)) }),
        };
        if let Some(task) = self.tasks.get_mut(&key) {
            task.started = true;
            let (step, until) = (Step::Waiting, fx.now());
            task.held = held.map(|path| Held { path, generation: 0, step, until });
        }
        self.call(ask, Some(key), fx);
    }

    fn change(&mut self, key: Key, change: impl FnOnce(&mut Held)) {
        if let Some(held) = self.tasks.get_mut(&key).and_then(|task| task.held.as_mut()) {
            change(held);
        }
    }

    pub(super) fn on_lock_answer(&mut self, key: Key, change: Change, answer: Answer, fx: &mut Fx<'_>) {
        let until = fx.now() + self.config.hold;
        match (change, answer) {
            (Change::Acquire { .. }, Answer::Locked { generation }) => {
                self.change(key, |held| (held.generation, held.until) = (generation, until));
                self.hold(key, fx);
            }
            (Change::Create { .. }, Answer::Done) => {
                self.change(key, |held| held.until = until);
                self.hold(key, fx);
            }
            (Change::Release { .. }, _) => {
                if let Some(task) = self.tasks.remove(&key)
                    && let Some(Held { generation, .. }) = task.held
                {
                    fx.reply(task.ticket, ChubbyResponse::Held { generation });
                }
                self.start_all(fx);
            }
            // Whatever it was, it will not be done.
            _ => {
                if let Some(task) = self.tasks.remove(&key) {
                    fx.refuse(task.ticket);
                }
            }
        }
    }

    /// It has the lock, or the file, for now.
    fn hold(&mut self, key: Key, fx: &mut Fx<'_>) {
        let (safe, session) = (self.standing == Standing::Safe, self.session);
        let Some(task) = self.tasks.get_mut(&key) else { return };
        let Some(held) = task.held.as_mut() else { return };
        held.step = if safe { Step::Holding } else { Step::Suspended };
        if let (true, ChubbyRequest::Lock { lock, mode }) = (safe, &task.request) {
            let (lock, mode, generation) = (*lock, *mode, held.generation);
            fx.note(ChubbyFact::Holds { lock, session, mode, generation });
        }
        self.arm_work(fx);
    }

    fn arm_work(&self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let working = self.tasks.values().filter_map(|task| task.held);
        let working = working.filter(|held| matches!(held.step, Step::Holding | Step::Writing(_)));
        if let Some(first) = working.map(|held| held.until).min() {
            fx.arm(WORK, Duration(first.0.saturating_sub(now.0).max(1)));
        }
    }

    /// Its work is done: it writes down what came of it, and lets the lock go.
    pub(super) fn work_done(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let due = |held: &Held| matches!(held.step, Step::Holding | Step::Writing(_)) && held.until <= now;
        let due: Vec<Key> =
            self.tasks.iter().filter(|(_, task)| task.held.as_ref().is_some_and(due)).map(|(key, _)| *key).collect();
        for key in due {
            let Some(task) = self.tasks.get(&key) else { continue };
            let Some(held) = task.held else { continue };
            match (&task.request, held.step, self.config.store()) {
                (ChubbyRequest::Lock { lock, mode: Mode::Exclusive }, Step::Holding, Some(store)) => {
                    self.write(key, *lock, (store, held.generation), fx);
                }
                _ => self.leave(key, fx),
            }
        }
        self.arm_work(fx);
    }

    /// Writes to the store, which may not answer.
    fn write(&mut self, key: Key, lock: u64, (store, token): (NodeId, u64), fx: &mut Fx<'_>) {
        self.writes += 1;
        let (number, until) = (self.writes, fx.now() + self.config.lease);
        self.change(key, |held| (held.step, held.until) = (Step::Writing(number), until));
        fx.send(store, ChubbyMessage::Write(Write { lock, token, number }));
    }

    fn writing(&self, which: impl Fn(u64) -> bool) -> Vec<Key> {
        let writes = |task: &Task| matches!(task.held, Some(Held { step: Step::Writing(number), .. }) if which(number));
        self.tasks.iter().filter(|(_, task)| writes(task)).map(|(key, _)| *key).collect()
    }

    pub(super) fn on_wrote(&mut self, number: u64, fx: &mut Fx<'_>) {
        for key in self.writing(|of| of == number) {
            self.leave(key, fx);
        }
    }

    pub(super) fn store_is_gone(&mut self, fx: &mut Fx<'_>) {
        for key in self.writing(|_| true) {
            self.leave(key, fx);
        }
    }

    fn leave(&mut self, key: Key, fx: &mut Fx<'_>) {
        let Some(Held { path, generation, .. }) = self.tasks.get(&key).and_then(|task| task.held) else { return };
        self.change(key, |held| held.step = Step::Leaving);
        match path {
            Path::Lock(lock) => {
                // It does not believe that it holds the lock any more before anybody else may.
                fx.note(ChubbyFact::LetsGo { lock });
                self.call(Ask::Change(Change::Release { path, generation }), Some(key), fx);
            }
            path => self.call(Ask::Close(path), Some(key), fx),
        }
    }

    /// Its session is in jeopardy: nothing that rests on it is done.
    pub(super) fn suspend(&mut self, fx: &mut Fx<'_>) {
        for task in self.tasks.values_mut() {
            let Some(held) = task.held.as_mut() else { continue };
            if matches!(held.step, Step::Holding | Step::Writing(_)) {
                held.step = Step::Suspended;
                if let Path::Lock(lock) = held.path {
                    fx.note(ChubbyFact::LetsGo { lock });
                }
            }
        }
    }

    /// Its session has lasted.
    pub(super) fn resume(&mut self, fx: &mut Fx<'_>) {
        let suspended = |task: &Task| task.held.is_some_and(|held| held.step == Step::Suspended);
        let keys: Vec<Key> = self.tasks.iter().filter(|(_, task)| suspended(task)).map(|(key, _)| *key).collect();
        for key in keys {
            self.hold(key, fx);
        }
    }

    /// There is a new master, which does not know what is open. What is about to be closed shall not be opened behind
    /// that.
    pub(super) fn reopen(&mut self, fx: &mut Fx<'_>) {
        let path = Path::Here(u64::from(self.me.0));
        let is_open = |held: Held| held.path == path && !matches!(held.step, Step::Waiting | Step::Leaving);
        if self.tasks.values().filter_map(|task| task.held).any(is_open) && !self.asks(Ask::Reopen(path)) {
            self.call(Ask::Reopen(path), None, fx);
        }
    }

    /// Its session is over. What only looks is asked again, and so is for a lock that it does not have; of other calls
    /// nobody knows what has become.
    pub(super) fn lose(&mut self, calls: impl Iterator<Item = Key>, fx: &mut Fx<'_>) {
        for key in calls {
            let Some(task) = self.tasks.get_mut(&key) else { continue };
            let waits = matches!(task.held, Some(Held { step: Step::Waiting, .. }));
            if waits || matches!(task.request, ChubbyRequest::Get { .. }) {
                (task.started, task.held) = (false, None);
            } else if task.held.is_none() {
                self.tasks.remove(&key);
            }
        }
        self.tasks.retain(|_, task| {
            let Some(held) = task.held else { return true };
            if let (Path::Lock(lock), Step::Holding | Step::Writing(_)) = (held.path, held.step) {
                fx.note(ChubbyFact::LetsGo { lock });
            }
            false
        });
    }
}
