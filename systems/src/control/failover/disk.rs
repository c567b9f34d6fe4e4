//! Durability: what is on disk, which messages wait for it, and how a node is built again from it.

use super::FailoverBug;
use super::log::{Entry, Log, Snapshot};
use super::message::{FailoverFact, FailoverMessage, Record};
use super::node::{Failover, Fx};
use crate::shared::replication::{Replicated, pop_if};
use sim_core::{NodeId, Replay, Unreadable, WriteId};
use std::collections::VecDeque;
use std::rc::Rc;

/// A position on the disk: everything before it. 0 is nothing.
pub(super) type Upto = u64;

/// What a node knows about its disk.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    /// Everything before is durable.
    synced: Upto,
    /// Everything before has been appended.
    written: Upto,
    /// End of the newest promise.
    promised: Upto,
    /// Records with entries that are not durable yet: where each ends, on disk and in the log.
    pending: VecDeque<(Upto, u64)>,
    /// The newest durable entry.
    durable: u64,
    /// Messages that may be sent once the disk is durable up to some point.
    held: VecDeque<(Upto, NodeId, FailoverMessage)>,
    /// Something was appended in this step.
    dirty: bool,
    /// Once durable up to the first, records before the second are not needed any more.
    forget: Option<(Upto, WriteId)>,
}

impl Disk {
    pub(super) const fn durable(&self) -> u64 {
        self.durable
    }

    /// Whether everything it has promised is durable.
    pub(super) const fn knows_promise(&self) -> bool {
        self.promised <= self.synced
    }

    /// Where the next record ends that is appended now.
    pub(super) const fn written(&self) -> Upto {
        self.written
    }

    /// Whether everything before is durable.
    pub(super) const fn has(&self, upto: Upto) -> bool {
        upto <= self.synced
    }

    fn cut(&mut self, from: u64) {
        for (_, last) in &mut self.pending {
            *last = (*last).min(from - 1);
        }
        self.durable = self.durable.min(from - 1);
    }
}

impl Failover {
    pub(super) fn write(&mut self, record: Record, fx: &mut Fx<'_>) -> WriteId {
        let id = fx.append(record);
        self.disk.written = id.0 + 1;
        self.disk.dirty = true;
        id
    }

    /// Writes the epoch and the vote. Everything said on their strength waits until they are durable.
    pub(super) fn write_promise(&mut self, fx: &mut Fx<'_>) -> WriteId {
        let id = self.write(Record::Promise { epoch: self.epoch, vote: self.vote }, fx);
        self.disk.promised = self.disk.written;
        id
    }

    /// Adds entries to the log, in memory and on disk.
    pub(super) fn append(&mut self, entries: Rc<[Entry]>, fx: &mut Fx<'_>) {
        let first = self.log.last() + 1;
        entries.iter().for_each(|entry| self.log.push(entry.clone()));
        if self.config.is_shared() && !self.is_storage() {
            // The disk is elsewhere.
            return;
        }
        self.write(Record::Entries { first, entries, committed: self.committed }, fx);
        self.disk.pending.push_back((self.disk.written, self.log.last()));
    }

    /// Cuts the log before `from`, in memory and on disk. A state that has gone further is built anew.
    pub(super) fn truncate(&mut self, from: u64, fx: &mut Fx<'_>) {
        fx.note(FailoverFact::Truncated { from, last: self.log.last() });
        self.write(Record::Truncate { from }, fx);
        self.cut(from);
        self.disk.cut(from);
    }

    fn cut(&mut self, from: u64) {
        let keep = from - 1;
        if self.snapshot.as_ref().is_some_and(|snapshot| snapshot.offset > keep) {
            // What the state was then, nobody here knows any more: the primary must send it.
            self.log = Log::default();
            self.snapshot = None;
        } else {
            self.log.truncate(from);
        }
        self.committed = self.committed.min(self.log.last());
        if self.applied > self.log.last() {
            self.rebuild();
        }
    }

    /// Builds the state from the newest snapshot and the log behind it, as far as that is known to be committed.
    fn rebuild(&mut self) {
        (self.state, self.applied) = match &self.snapshot {
            Some(snapshot) => (Replicated::restore(&snapshot.image), snapshot.offset),
            None => (Replicated::default(), 0),
        };
        self.committed = self.committed.max(self.applied);
        while self.applied < self.committed {
            self.apply_one(None);
        }
    }

    /// Sends `message` as soon as everything before `need` is durable.
    pub(super) fn send_after(&mut self, need: Upto, to: NodeId, message: FailoverMessage, fx: &mut Fx<'_>) {
        if self.disk.has(need) {
            fx.send(to, message);
        } else {
            self.disk.held.push_back((need, to, message));
        }
    }

    /// Sends `message`, which depends on promises only.
    pub(super) fn answer(&mut self, to: NodeId, message: FailoverMessage, fx: &mut Fx<'_>) {
        self.send_after(self.disk.promised, to, message, fx);
    }

    /// Ends a step: asks for durability of what it has written.
    pub(super) fn settle(&mut self, fx: &mut Fx<'_>) {
        if core::mem::take(&mut self.disk.dirty) {
            fx.sync();
        }
    }

    /// More of the disk is durable: what waited for it goes out.
    pub(super) fn on_synced(&mut self, upto: WriteId, fx: &mut Fx<'_>) {
        let before = self.disk.durable;
        self.disk.synced = self.disk.synced.max(upto.0 + 1);
        while let Some((_, last)) = pop_if(&mut self.disk.pending, |(end, _)| *end <= self.disk.synced) {
            self.disk.durable = last;
        }
        while let Some((_, to, message)) = pop_if(&mut self.disk.held, |(need, ..)| *need <= self.disk.synced) {
            fx.send(to, message);
        }
        if let Some((need, first)) = self.disk.forget
            && self.disk.has(need)
        {
            self.disk.forget = None;
            fx.forget(first);
        }
        self.count_own_vote(fx);
        if self.lead.is_some() {
            self.note_in_sync(fx);
            self.advance(fx);
        } else if self.joined
            && self.disk.durable > before
            && let Some(primary) = self.primary
        {
            self.tell_stored(primary, fx);
        }
    }

    /// Takes a snapshot of its own state and forgets the log behind it, save some entries for backups that lag.
    pub(super) fn take_snapshot(&mut self, fx: &mut Fx<'_>) {
        let (offset, every) = (self.applied, self.config.snapshot_every);
        let newest = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.offset);
        if self.config.is_shared() || every == 0 || offset < newest + every || self.disk.forget.is_some() {
            return;
        }
        let Some(chain) = self.log.chain_at(offset) else { return };
        let image = self.state.snapshot(true);
        let (bytes, lineage) = (image.bytes(), self.log.lineage(offset));
        self.snapshot = Some(Rc::new(Snapshot { offset, chain, lineage, image, bytes }));
        self.log.compact(offset.saturating_sub(self.config.snapshot_keep));
        self.compact_disk(fx);
        fx.note(FailoverFact::SnapshotTaken { offset });
    }

    /// Writes all that a restart needs, and forgets the rest once that is durable.
    fn compact_disk(&mut self, fx: &mut Fx<'_>) {
        let first = self.write_promise(fx);
        self.write(Record::InSync(self.in_sync), fx);
        let snapshot = self.snapshot.clone().expect("the snapshot was just taken or received");
        self.write(Record::Snapshot(snapshot.clone()), fx);
        let behind = self.log.part(snapshot.offset + 1, u32::MAX);
        if !behind.is_empty() {
            self.write(Record::Entries { first: snapshot.offset + 1, entries: behind, committed: self.committed }, fx);
        }
        self.disk.forget = Some((self.disk.written, first));
    }

    /// Begins anew from the primary's snapshot.
    pub(super) fn restart_from(&mut self, snapshot: &Rc<Snapshot>, fx: &mut Fx<'_>) {
        self.log = Log::after(snapshot);
        self.state = Replicated::restore(&snapshot.image);
        (self.applied, self.committed) = (snapshot.offset, snapshot.offset);
        self.snapshot = Some(snapshot.clone());
        self.compact_disk(fx);
        self.disk.pending.clear();
        self.disk.durable = 0;
        self.disk.pending.push_back((self.disk.written, snapshot.offset));
        fx.note(FailoverFact::SnapshotInstalled {
            entry: self.log.position(),
            chain: snapshot.chain,
            digest: self.state.digest(),
        });
    }

    /// Builds everything from the disk.
    ///
    /// # Errors
    /// The first record that can not be read, or that does not fit what is there before it: what it said may have been
    /// a promise, or entries that were acknowledged.
    pub(super) fn replay(&mut self, disk: Replay<'_, Record>) -> Result<(), WriteId> {
        for (id, record) in disk.iter() {
            self.disk.written = id.0 + 1;
            match record.map_err(|Unreadable| id)? {
                Record::Promise { epoch, vote } => (self.epoch, self.vote) = (*epoch, *vote),
                Record::InSync(in_sync) => self.in_sync = *in_sync,
                Record::Raft(_) => {}
                Record::Truncate { from } => {
                    self.cut(*from);
                }
                Record::Entries { first, entries, committed } => {
                    let last = self.log.last();
                    if *first > last + 1 {
                        return Err(id);
                    }
                    let known = (last + 1 - first) as usize;
                    entries.iter().skip(known).for_each(|entry| self.log.push(entry.clone()));
                    self.committed = (*committed).max(self.committed).min(self.log.last());
                }
                Record::Snapshot(snapshot) => {
                    // One of its own leaves the log as it is; one from the primary begins a new one.
                    if self.log.chain_at(snapshot.offset) == Some(snapshot.chain) {
                        self.log.compact(snapshot.offset.saturating_sub(self.config.snapshot_keep));
                    } else {
                        self.log = Log::after(snapshot);
                        self.committed = snapshot.offset;
                    }
                    self.committed = self.committed.max(snapshot.offset);
                    self.snapshot = Some(snapshot.clone());
                }
            }
        }
        // Where the process died alone, all this may stand in the page cache only: nothing that was read counts as
        // durable before a sync of this life has covered it.
        self.disk.promised = self.disk.written;
        if self.config.has(FailoverBug::RestartTrustsPageCache) {
            (self.disk.synced, self.disk.durable) = (self.disk.written, self.log.last());
        } else if self.disk.written > 0 {
            self.disk.pending.push_back((self.disk.written, self.log.last()));
            self.disk.dirty = true;
        }
        self.rebuild();
        Ok(())
    }
}
