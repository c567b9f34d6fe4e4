//! The queue of objects that controllers look at: each once however often it has changed, and none while a change to it
//! is under way.

use super::Keys;
use crate::control::kubernetes::api::{Answer, Key};
use crate::control::kubernetes::control::{Ctx, Due};
use crate::control::kubernetes::objects::Uid;
use sim_core::Duration;
use sim_core::sorted::SortedMap;

/// How long what has failed waits, at first and at most.
const FIRST: Duration = Duration::millis(5);
const LAST: Duration = Duration::secs(10);

/// The queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Workqueue {
    waiting: Keys,
    /// Objects that are being written, and whether they have changed meanwhile.
    writing: SortedMap<Uid, Key>,
    busy: Keys,
    /// How often in a row a write of each has failed.
    failed: SortedMap<Uid, u32>,
}

impl Workqueue {
    /// Somebody shall look at an object.
    pub fn add(&mut self, key: Key) {
        self.waiting.insert(key);
    }

    /// The next object to look at.
    pub fn take(&mut self) -> Option<Key> {
        let next = self.waiting.iter().find(|key| !self.busy.contains(key)).cloned()?;
        self.waiting.remove(&next);
        Some(next)
    }

    /// An object is being written.
    pub fn writes(&mut self, uid: Uid, key: Key) {
        self.busy.insert(key.clone());
        self.writing.insert(uid, key);
    }

    /// Whether it is.
    pub fn is_writing(&self, uid: Uid) -> bool {
        self.writing.contains_key(&uid)
    }

    /// It was, or was not: in that case somebody looks again a little later.
    pub fn written(&mut self, uid: Uid, answer: &Answer, ctx: &mut Ctx<'_, '_>) {
        let Some(key) = self.writing.remove(&uid) else { return };
        self.busy.remove(&key);
        if answer.done().is_some() {
            self.failed.remove(&uid);
            return self.add(key);
        }
        let failed = self.failed.entry(uid).or_default();
        let wait = Duration((FIRST.0 << (*failed).min(12)).min(LAST.0));
        *failed += 1;
        ctx.agenda.after(wait, Due::Sync(key), ctx.fx);
    }
}
