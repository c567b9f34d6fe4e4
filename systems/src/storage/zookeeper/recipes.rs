//! The recipe for a lock (Hunt et al. 2010, section 2.4): a child with a number, that goes with the session; whoever
//! has the lowest holds the lock, the others each watch the one before, or all of them: a herd. The same recipe elects
//! a leader.

use super::app::{App, For, Key};
use super::bugs::ZkBug;
use super::message::{ZkFact, ZkMessage, ZkRequest, ZkResponse};
use super::node::{Fx, WORK};
use super::txn::{Answer, Call, Path, Place, Refusal, Session};
use crate::shared::fenced::Write;
use sim_core::{Duration, LocalInstant, NodeId};

/// How far an application has come with a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It has asked for a number, or does not know whether it has one.
    Coming,
    /// It waits for its turn.
    Waiting,
    /// It has it, and waits until nobody else can believe so any more.
    Delaying,
    /// It believes that it holds it.
    Holding,
    /// It has written to the store, and waits to hear of that.
    Writing(u64),
    /// It has lost touch, and holds it if its session lasts.
    Suspended,
    /// It has done its work, and lets it go.
    Leaving,
}

/// One wish for a lock, or for office.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lock {
    place: Place,
    /// What tells its child from those of others.
    own: u64,
    number: Option<u32>,
    step: Step,
    /// When its work is done.
    until: LocalInstant,
}

impl Lock {
    const fn is_relied_on(&self) -> bool {
        matches!(self.step, Step::Holding | Step::Writing(_))
    }

    /// It is relied on from now on.
    const fn held(&self, token: u32, session: Session) -> ZkFact {
        match self.place {
            Place::Lock(lock) => ZkFact::Holds { lock, token, session },
            _ => ZkFact::Leads { number: token, session },
        }
    }

    /// It is relied on no longer.
    const fn let_go(&self, token: u32) -> ZkFact {
        match self.place {
            Place::Lock(lock) => ZkFact::LetsGo { lock, token },
            _ => ZkFact::Resigns { number: token },
        }
    }
}

/// What of the recipes is not in the operations themselves.
#[derive(Clone, Debug, Default)]
pub(super) struct Recipes {
    /// How often a lock was asked for.
    wishes: u64,
    /// How often the store was written to.
    writes: u64,
}

impl Recipes {
    /// The mark of one more wish, of a session.
    pub(super) fn mark(&mut self, session: Option<Session>) -> u64 {
        let own = session.map_or(0, |session| session.0).wrapping_mul(31).wrapping_add(self.wishes);
        self.wishes += 1;
        own
    }
}

impl App {
    pub(super) fn begin_lock(&mut self, key: Key, fx: &mut Fx<'_>) {
        let own = self.own_mark();
        let Some(task) = self.tasks.get_mut(&key) else { return };
        let place = match task.request {
            ZkRequest::Lock { lock } => Place::Lock(lock),
            _ => Place::Election,
        };
        task.lock = Some(Lock { place, own, number: None, step: Step::Coming, until: fx.now() });
        self.take_number(key, fx);
    }

    /// What tells a child from all others.
    pub(super) fn own_mark(&mut self) -> u64 {
        self.recipes.mark(self.session)
    }

    fn take_number(&mut self, key: Key, fx: &mut Fx<'_>) {
        let Some(lock) = self.lock(key) else { return };
        let ephemeral = !self.config.has(ZkBug::LockWithoutLease);
        self.call(Call::Create { place: lock.place, ephemeral, data: lock.own }, For::Lock(key), fx);
    }

    fn lock(&self, key: Key) -> Option<Lock> {
        self.tasks.get(&key)?.lock
    }

    fn change(&mut self, key: Key, change: impl FnOnce(&mut Lock)) {
        if let Some(lock) = self.tasks.get_mut(&key).and_then(|task| task.lock.as_mut()) {
            change(lock);
        }
    }

    /// Who is there?
    fn look(&mut self, key: Key, fx: &mut Fx<'_>) {
        let Some(lock) = self.lock(key) else { return };
        let (place, watch) = (lock.place, self.config.herd);
        if watch {
            self.child_watches.insert(Path::of(place));
        }
        self.call(Call::Children { place, watch }, For::Lock(key), fx);
    }

    /// Something has changed about a lock.
    pub(super) fn look_at_lock(&mut self, place: Place, fx: &mut Fx<'_>) {
        let waits = |of: &Lock| of.place == place && of.step == Step::Waiting;
        let waiting = self.tasks.iter().filter(|(_, task)| task.lock.as_ref().is_some_and(waits));
        for key in waiting.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.look(key, fx);
        }
    }

    pub(super) fn on_lock_answer(&mut self, key: Key, call: &Call, answer: Answer, fx: &mut Fx<'_>) {
        let Some(lock) = self.lock(key) else { return };
        match (call, answer) {
            (Call::Create { .. }, Answer::Created(number)) => {
                self.change(key, |lock| (lock.number, lock.step) = (Some(number), Step::Waiting));
                self.look(key, fx);
            }
            (Call::Children { .. }, Answer::Children(all)) => self.on_children(key, &lock, &all, fx),
            // The one before has gone in the meantime: look again. Otherwise its going will be heard of.
            (Call::Exists { path, .. }, Answer::There(there)) => {
                if there {
                    self.watches.insert(*path, true);
                } else if !self.config.has(ZkBug::WatchRace) {
                    self.watches.remove(path);
                    self.look(key, fx);
                }
            }
            (Call::Get { .. }, Answer::Data { data, .. }) if lock.step == Step::Delaying => {
                self.on_last_let_go(key, &lock, data, fx);
            }
            (Call::Delete { .. } | Call::Multi(_), Answer::Done | Answer::Refused(Refusal::NoNode)) => {
                self.let_go(key, &lock, fx);
            }
            // A session that has moved meanwhile: it is looked into where it is now.
            _ => {}
        }
    }

    fn on_children(&mut self, key: Key, lock: &Lock, all: &[(u32, u64)], fx: &mut Fx<'_>) {
        let mine = all.iter().find(|(_, own)| *own == lock.own).map(|(number, _)| *number);
        match (lock.step, mine) {
            (Step::Coming, None) => self.take_number(key, fx),
            (Step::Leaving, None) => self.let_go(key, lock, fx),
            (Step::Leaving, Some(number)) => self.leave(key, lock.place, number, fx),
            (Step::Suspended, Some(_)) => self.hold(key, fx),
            (Step::Coming | Step::Waiting | Step::Delaying, Some(number)) => {
                self.change(key, |lock| (lock.number, lock.step) = (Some(number), Step::Waiting));
                match all.iter().rev().find(|(other, _)| *other < number) {
                    None => self.take(key, lock.place, fx),
                    Some(_) if self.config.herd => {}
                    Some((before, _)) => {
                        let path = Path::child(lock.place, *before);
                        self.watches.insert(path, true);
                        self.call(Call::Exists { path, watch: true }, For::Lock(key), fx);
                    }
                }
            }
            // Its child has gone: it queues again.
            (Step::Waiting | Step::Delaying, None) => {
                self.change(key, |lock| (lock.number, lock.step) = (None, Step::Coming));
                self.take_number(key, fx);
            }
            (Step::Suspended, None) | (Step::Holding | Step::Writing(_), _) => {}
        }
    }

    /// It is its turn.
    fn take(&mut self, key: Key, place: Place, fx: &mut Fx<'_>) {
        if self.config.lock_delay == Duration::ZERO {
            return self.hold(key, fx);
        }
        self.change(key, |lock| (lock.step, lock.until) = (Step::Delaying, LocalInstant(u64::MAX)));
        self.call(Call::Get { path: Path::of(place), watch: false }, For::Lock(key), fx);
    }

    /// Who has let the lock go last was the one before, or nobody knows whether that one still believes in it.
    fn on_last_let_go(&mut self, key: Key, lock: &Lock, last: u64, fx: &mut Fx<'_>) {
        if Some(last) == lock.number.map(u64::from) {
            return self.hold(key, fx);
        }
        let until = fx.now() + self.config.lock_delay;
        self.change(key, |lock| lock.until = until);
        self.arm_work(fx);
    }

    /// It holds the lock, and begins its work, or goes on with it.
    fn hold(&mut self, key: Key, fx: &mut Fx<'_>) {
        let Some(lock) = self.lock(key) else { return };
        let work = if lock.place == Place::Election { self.config.term } else { self.config.hold };
        let now = fx.now();
        let (Some(session), Some(token)) = (self.session, lock.number) else { return };
        self.change(key, |lock| {
            if matches!(lock.step, Step::Waiting | Step::Delaying) {
                lock.until = LocalInstant(now.0 + work.0);
            }
            lock.step = Step::Holding;
        });
        fx.note(lock.held(token, session));
        self.arm_work(fx);
    }

    pub(super) fn arm_work(&self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let timed = |lock: &Lock| lock.is_relied_on() || lock.step == Step::Delaying;
        let holding = self.tasks.values().filter_map(|task| task.lock).filter(timed);
        let meeting = self.tasks.values().filter_map(|task| task.meeting?.due());
        if let Some(first) = holding.map(|lock| lock.until).chain(meeting).min() {
            fx.arm(WORK, Duration(first.0.saturating_sub(now.0).max(1)));
        }
    }

    pub(super) fn work_done(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let timed = |lock: &Lock| lock.is_relied_on() || lock.step == Step::Delaying;
        let done = |lock: &Lock| timed(lock) && lock.until <= now;
        let done: Vec<(Key, Lock)> =
            self.tasks.iter().filter_map(|(key, task)| Some((*key, task.lock.filter(done)?))).collect();
        for (key, lock) in done {
            match (lock.step, self.config.store()) {
                (Step::Delaying, _) => self.hold(key, fx),
                (Step::Holding, Some(store)) if lock.place != Place::Election => self.write(key, &lock, store, fx),
                _ => self.end_work(key, &lock, fx),
            }
        }
        self.arm_work(fx);
    }

    /// Writes to the store, which may not answer.
    fn write(&mut self, key: Key, lock: &Lock, store: NodeId, fx: &mut Fx<'_>) {
        let (Place::Lock(of), Some(token)) = (lock.place, lock.number.map(u64::from)) else { return };
        self.recipes.writes += 1;
        let (number, until) = (self.recipes.writes, fx.now() + self.config.session_timeout);
        self.change(key, |lock| (lock.step, lock.until) = (Step::Writing(number), until));
        fx.send(store, ZkMessage::Write(Write { lock: of, token, number }));
    }

    fn end_writes(&mut self, which: impl Fn(u64) -> bool, fx: &mut Fx<'_>) {
        let ends = |lock: &Lock| matches!(lock.step, Step::Writing(number) if which(number));
        let ended: Vec<(Key, Lock)> =
            self.tasks.iter().filter_map(|(key, task)| Some((*key, task.lock.filter(ends)?))).collect();
        ended.iter().for_each(|(key, lock)| self.end_work(*key, lock, fx));
    }

    pub(super) fn on_wrote(&mut self, number: u64, fx: &mut Fx<'_>) {
        self.end_writes(|of| of == number, fx);
    }

    pub(super) fn store_is_gone(&mut self, fx: &mut Fx<'_>) {
        self.end_writes(|_| true, fx);
    }

    fn end_work(&mut self, key: Key, lock: &Lock, fx: &mut Fx<'_>) {
        let Some(number) = lock.number else { return };
        // It does not believe that it holds the lock any more before anybody else may.
        fx.note(lock.let_go(number));
        self.change(key, |lock| lock.step = Step::Leaving);
        self.leave(key, lock.place, number, fx);
    }

    /// Deletes its node, and where others have to know, says in the same transaction that it has let the lock go.
    fn leave(&mut self, key: Key, place: Place, number: u32, fx: &mut Fx<'_>) {
        let path = Path::child(place, number);
        let delete = Call::Delete { path };
        let call = if self.config.lock_delay == Duration::ZERO {
            delete
        } else {
            let path = Path::of(place);
            Call::Multi(vec![Call::Set { path, data: u64::from(number) + 1, version: None }, delete])
        };
        self.call(call, For::Lock(key), fx);
    }

    fn let_go(&mut self, key: Key, lock: &Lock, fx: &mut Fx<'_>) {
        if let (Some(task), Some(token)) = (self.tasks.remove(&key), lock.number) {
            fx.reply(task.ticket, ZkResponse::Held { token });
        }
    }

    /// It has lost touch with the service: a cautious one stops to rely on its locks.
    pub(super) fn suspend_locks(&mut self, fx: &mut Fx<'_>) {
        if !self.config.cautious {
            return;
        }
        for task in self.tasks.values_mut() {
            let Some(lock) = task.lock.as_mut().filter(|lock| lock.is_relied_on()) else { continue };
            lock.step = Step::Suspended;
            if let Some(token) = lock.number {
                fx.note(lock.let_go(token));
            }
        }
    }

    /// It is in touch again, with the same session or another: it looks for what it has left behind.
    pub(super) fn resume_locks(&mut self, fx: &mut Fx<'_>) {
        let wanted = self.tasks.iter().filter(|(_, task)| task.lock.is_some_and(|lock| !lock.is_relied_on()));
        let keys: Vec<Key> = wanted.map(|(key, _)| *key).collect();
        if !keys.is_empty() {
            // The server may not have what was written through another one.
            self.call(Call::Sync, For::Nobody, fx);
        }
        for key in keys {
            self.look(key, fx);
        }
    }

    /// The session is over. Who held a lock has lost it; who waited for one has to queue again, with another mark: a
    /// leader that has just lost its office says of sessions that they are over which the next one keeps, and their
    /// children with them for a while, where they must not be taken for one's own (CURATOR-498).
    pub(super) fn lose_locks(&mut self, session: Session, fx: &mut Fx<'_>) {
        let mut lost = Vec::new();
        for (key, task) in &mut self.tasks {
            let Some(lock) = task.lock.as_mut() else { continue };
            match (lock.step, lock.number) {
                (Step::Holding | Step::Writing(_), Some(token)) => {
                    fx.note(lock.let_go(token));
                    lost.push(*key);
                }
                (Step::Holding | Step::Writing(_) | Step::Suspended, _) => lost.push(*key),
                // What it was to delete has gone with the session.
                (Step::Leaving, _) => {}
                (Step::Coming | Step::Waiting | Step::Delaying, _) => {
                    (lock.own, lock.number, lock.step) = (self.recipes.mark(Some(session)), None, Step::Coming);
                }
            }
        }
        for key in lost {
            self.tasks.remove(&key);
        }
    }
}
