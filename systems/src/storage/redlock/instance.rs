//! One Redis: keys that go by its own clock, and a disk that it may or may not rely on.

use super::bugs::RedlockBug;
use super::message::{RedlockFact, RedlockMessage, RedlockRecord, Value};
use super::node::{CLOCK, Fx};
use super::options::{Config, Restarts};
use sim_core::sorted::SortedMap;
use sim_core::{Effect, LocalInstant, NodeId, Replay, WriteId};
use std::rc::Rc;

/// A key's value, and when it goes.
type Key = (Value, LocalInstant);

/// An instance.
#[derive(Clone, Debug)]
pub struct Instance {
    config: Rc<Config>,
    keys: SortedMap<u64, Key>,
    serves: bool,
    /// What must be on its disk before it answers.
    durable: Option<WriteId>,
}

impl Instance {
    pub(super) fn boot(config: &Rc<Config>, disk: Replay<'_, RedlockRecord>, fx: &mut Fx<'_>) -> Self {
        let mut instance = Self { config: Rc::clone(config), keys: SortedMap::new(), serves: true, durable: None };
        let mut began = false;
        for (id, record) in disk.iter() {
            began = true;
            instance.durable = Some(id);
            match record {
                Ok(RedlockRecord::Set { lock, value, until }) => {
                    instance.keys.insert(*lock, (*value, LocalInstant(*until)));
                }
                Ok(RedlockRecord::Deleted { lock }) => _ = instance.keys.remove(lock),
                Ok(RedlockRecord::Began | RedlockRecord::Wrote(_)) => {}
                Err(_) => {
                    fx.halt("its disk can not be read: what it has promised is unknown");
                    return instance;
                }
            }
        }
        // What survived in the page cache may rest on nothing yet.
        fx.sync();
        if !began {
            instance.durable = Some(fx.append(RedlockRecord::Began));
            fx.sync();
        }
        let forgets = began && config.restarts == Restarts::Delayed;
        if forgets && !config.has(RedlockBug::RestartsAtOnce) {
            instance.serves = false;
            fx.note(RedlockFact::Silent);
            fx.arm(CLOCK, config.ttl + config.drift());
        } else {
            fx.note(RedlockFact::Serves);
        }
        instance
    }

    /// Every key that it may have had has gone.
    pub(super) fn on_timer(&mut self, fx: &mut Fx<'_>) {
        self.serves = true;
        fx.note(RedlockFact::Serves);
    }

    /// Says something, once all that it rests on is on the disk.
    fn say(&self, to: NodeId, message: RedlockMessage, fx: &mut Fx<'_>) {
        match self.durable {
            Some(durable) => fx.after(durable, Effect::Send { to, message }),
            None => fx.send(to, message),
        }
    }

    fn write(&mut self, record: RedlockRecord, fx: &mut Fx<'_>) {
        if self.config.restarts == Restarts::Synced {
            self.durable = Some(fx.append(record));
            fx.sync();
        }
    }

    pub(super) fn on_set(&mut self, from: NodeId, lock: u64, value: Value, fx: &mut Fx<'_>) {
        if !self.serves {
            return;
        }
        let now = fx.now();
        let set = self.keys.get(&lock).is_none_or(|(_, until)| *until <= now);
        if set {
            let forever = self.config.has(RedlockBug::LockWithoutTtl);
            let until = if forever { LocalInstant(u64::MAX) } else { now + self.config.ttl };
            self.keys.insert(lock, (value, until));
            self.write(RedlockRecord::Set { lock, value, until: until.0 }, fx);
        }
        self.say(from, RedlockMessage::SetDone { value, set }, fx);
    }

    pub(super) fn on_delete(&mut self, from: NodeId, lock: u64, value: Value, fx: &mut Fx<'_>) {
        if !self.serves {
            return;
        }
        let whoever = self.config.has(RedlockBug::UnlockOfOthers);
        let held = self.keys.get(&lock).is_some_and(|(held, _)| *held == value || whoever);
        if held {
            self.keys.remove(&lock);
            self.write(RedlockRecord::Deleted { lock }, fx);
        }
        self.say(from, RedlockMessage::Deleted { value, held }, fx);
    }

    pub(super) fn on_look(&self, from: NodeId, lock: u64, value: Value, fx: &mut Fx<'_>) {
        if self.serves {
            let taken = self.keys.get(&lock).is_some_and(|(_, until)| *until > fx.now());
            self.say(from, RedlockMessage::Seen { value, taken }, fx);
        }
    }

    /// How many keys it has.
    #[must_use]
    pub fn keys(&self) -> u64 {
        self.keys.len() as u64
    }
}
