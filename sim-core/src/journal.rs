//! The write-ahead discipline of a node: it writes, asks for durability once a step, and what rests on a record goes
//! out once that record will survive a crash.

use crate::{Effects, Node, WriteId};
use std::collections::VecDeque;

/// A position on a disk: everything before it. 0 is nothing.
pub type Upto = u64;

/// What a node knows about its disk, and what waits for it: `W`, a message to somebody as a rule.
///
/// A step appends with [`Journal::append`], holds back what rests on it with [`Journal::after`], and ends with
/// [`Journal::settle`]. When the disk has synced, [`Journal::synced`] and then [`Journal::due`] until nothing is. After
/// a failed sync nobody knows what is on the disk: the node halts.
#[derive(Clone, Debug)]
pub struct Journal<W> {
    /// Everything before is durable.
    synced: Upto,
    /// Everything before has been appended.
    written: Upto,
    /// The end of the newest promise.
    promised: Upto,
    /// Something was appended in this step.
    dirty: bool,
    /// What may go out once the disk is durable up to some point.
    held: VecDeque<(Upto, W)>,
    /// Once durable up to the first, records before the second are not needed any more.
    forget: Option<(Upto, WriteId)>,
}

impl<W> Default for Journal<W> {
    fn default() -> Self {
        Self { synced: 0, written: 0, promised: 0, dirty: false, held: VecDeque::new(), forget: None }
    }
}

impl<W> Journal<W> {
    /// Appends a record.
    pub fn append<N: Node>(&mut self, record: N::Record, fx: &mut Effects<'_, N>) -> WriteId {
        let id = fx.append(record);
        (self.written, self.dirty) = (id.0 + 1, true);
        id
    }

    /// The newest record is a promise: a vote, an epoch. Everything said on its strength waits for it.
    pub const fn promise(&mut self) {
        self.promised = self.written;
    }

    /// Everything before has been appended.
    #[must_use]
    pub const fn written(&self) -> Upto {
        self.written
    }

    /// The end of the newest promise.
    #[must_use]
    pub const fn promised(&self) -> Upto {
        self.promised
    }

    /// Everything before is durable.
    #[must_use]
    pub const fn durable(&self) -> Upto {
        self.synced
    }

    /// Whether everything before `upto` is durable.
    #[inline]
    #[must_use]
    pub const fn has(&self, upto: Upto) -> bool {
        upto <= self.synced
    }

    /// Whether everything it has promised is durable.
    #[must_use]
    pub const fn knows_promise(&self) -> bool {
        self.has(self.promised)
    }

    /// Gives `what` back if everything before `need` is durable, and holds it until then otherwise.
    #[inline]
    #[must_use]
    pub fn after(&mut self, need: Upto, what: W) -> Option<W> {
        if self.has(need) {
            return Some(what);
        }
        self.held.push_back((need, what));
        None
    }

    /// Ends a step: asks for durability of what it has appended, and says whether it did.
    #[inline]
    pub fn settle<N: Node>(&mut self, fx: &mut Effects<'_, N>) -> bool {
        let dirty = core::mem::take(&mut self.dirty);
        if dirty {
            fx.sync();
        }
        dirty
    }

    /// Everything up to `upto` is durable.
    pub fn synced(&mut self, upto: WriteId) {
        self.synced = self.synced.max(upto.0 + 1);
    }

    /// The next one of those that were held back, in their order, and may go out now.
    #[inline]
    pub fn due(&mut self) -> Option<W> {
        self.next_due()?;
        self.held.pop_front().map(|(_, what)| what)
    }

    /// That one, before it is taken.
    #[inline]
    pub fn next_due(&mut self) -> Option<&mut W> {
        let synced = self.synced;
        self.held.front_mut().filter(|(need, _)| *need <= synced).map(|(_, what)| what)
    }

    /// Records before `before` are not needed any more once all that has been appended is durable.
    pub const fn forget_once_durable(&mut self, before: WriteId) {
        self.forget = Some((self.written, before));
    }

    /// Whether records wait for that.
    #[must_use]
    pub const fn is_to_forget(&self) -> bool {
        self.forget.is_some()
    }

    /// Forgets those records, if it is time.
    pub fn forget<N: Node>(&mut self, fx: &mut Effects<'_, N>) {
        if let Some((_, before)) = self.forget.take_if(|(need, _)| *need <= self.synced) {
            fx.forget(before);
        }
    }

    /// A record was read back.
    pub const fn replayed(&mut self, id: WriteId) {
        self.written = id.0 + 1;
    }

    /// The disk was read back. Where the process died alone, all of it may stand in the page cache only: nothing counts
    /// as durable before a sync of this life has covered it, unless somebody makes the mistake of `trusting`. Says
    /// whether there is anything to sync.
    pub const fn restarted(&mut self, trusting: bool) -> bool {
        self.promised = self.written;
        if trusting {
            self.synced = self.written;
        }
        self.dirty = self.written > self.synced;
        self.dirty
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_goes_out_in_order_once_its_record_is_durable() {
        let mut journal = Journal::default();
        journal.replayed(WriteId(3));
        assert!(journal.restarted(false) && !journal.has(1) && !journal.knows_promise());
        assert_eq!(journal.after(0, "at once"), Some("at once"));
        assert_eq!(
            (journal.after(4, "first"), journal.after(2, "second"), journal.after(9, "third")),
            (None, None, None)
        );
        journal.synced(WriteId(1));
        assert_eq!(journal.due(), None, "it stands behind what needs more");
        journal.synced(WriteId(3));
        assert_eq!((journal.due(), journal.due(), journal.due()), (Some("first"), Some("second"), None));
        journal.synced(WriteId(2));
        assert!(journal.has(4) && journal.knows_promise(), "durable things stay durable");
    }
}
