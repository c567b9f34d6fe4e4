//! Durability: what is on disk, which messages wait for it, and how a node is built again from it.

use super::FailoverBug;
use super::log::{Entry, Log, Snapshot};
use super::message::{FailoverFact, FailoverMessage, Record};
use super::node::{Failover, Fx};
use crate::shared::replication::{Sessioned, Tail};
use sim_core::{Journal, LocalInstant, NodeId, Replay, Unreadable, Upto, WriteId};
use std::rc::Rc;

/// What a node knows about its disk, and what waits for it.
pub(super) type Disk = Journal<(NodeId, FailoverMessage)>;

impl Failover {
    /// Writes the epoch and the vote. Everything said on their strength waits until they are durable.
    pub(super) fn write_promise(&mut self, fx: &mut Fx<'_>) -> WriteId {
        let id = self.disk.append(Record::Promise { epoch: self.epoch, vote: self.vote }, fx);
        self.disk.promise();
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
        self.disk.append(Record::Entries { first, entries, committed: self.committed }, fx);
        self.tail.push(self.disk.written(), self.log.last(), fx.now());
    }

    /// Cuts the log before `from`, in memory and on disk. A state that has gone further is built anew.
    pub(super) fn truncate(&mut self, from: u64, fx: &mut Fx<'_>) {
        fx.note(FailoverFact::Truncated { from, last: self.log.last() });
        self.disk.append(Record::Truncate { from }, fx);
        self.cut(from);
        self.tail.cut(from);
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
            Some(snapshot) => (Sessioned::restore(&snapshot.image), snapshot.offset),
            None => (Sessioned::default(), 0),
        };
        self.committed = self.committed.max(self.applied);
        while self.applied < self.committed {
            self.apply_one(None);
        }
    }

    /// Sends `message` as soon as everything before `need` is durable.
    pub(super) fn send_after(&mut self, need: Upto, to: NodeId, message: FailoverMessage, fx: &mut Fx<'_>) {
        if let Some((to, message)) = self.disk.after(need, (to, message)) {
            fx.send(to, message);
        }
    }

    /// Sends `message`, which depends on promises only.
    pub(super) fn answer(&mut self, to: NodeId, message: FailoverMessage, fx: &mut Fx<'_>) {
        self.send_after(self.disk.promised(), to, message, fx);
    }

    /// Ends a step: asks for durability of what it has written.
    pub(super) fn settle(&mut self, fx: &mut Fx<'_>) {
        self.disk.settle(fx);
    }

    /// More of the disk is durable: what waited for it goes out.
    pub(super) fn on_synced(&mut self, upto: WriteId, fx: &mut Fx<'_>) {
        let before = self.tail.durable();
        self.disk.synced(upto);
        self.tail.synced(self.disk.durable());
        while let Some((to, message)) = self.disk.due() {
            fx.send(to, message);
        }
        self.disk.forget(fx);
        self.count_own_vote(fx);
        if self.lead.is_some() {
            if self.config.has_sentinels() {
                self.copies().iter().for_each(|node| self.push(node, fx));
            }
            self.note_in_sync(fx);
            self.advance(fx);
        } else if self.joined
            && self.tail.durable() > before
            && let Some(primary) = self.primary
        {
            self.tell_stored(primary, fx);
        }
    }

    /// Takes a snapshot of its own state and forgets the log behind it, save some entries for backups that lag.
    pub(super) fn take_snapshot(&mut self, fx: &mut Fx<'_>) {
        let (offset, every) = (self.applied, self.config.snapshot_every);
        let newest = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.offset);
        if self.config.is_shared() || every == 0 || offset < newest + every || self.disk.is_to_forget() {
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
        self.disk.append(Record::InSync(self.in_sync), fx);
        if self.config.has_sentinels() {
            self.disk.append(self.told_record(), fx);
        }
        let snapshot = self.snapshot.clone().expect("the snapshot was just taken or received");
        self.disk.append(Record::Snapshot(snapshot.clone()), fx);
        let behind = self.log.part(snapshot.offset + 1, u32::MAX);
        if !behind.is_empty() {
            self.disk
                .append(Record::Entries { first: snapshot.offset + 1, entries: behind, committed: self.committed }, fx);
        }
        self.disk.forget_once_durable(first);
    }

    /// Begins anew from the primary's snapshot.
    pub(super) fn restart_from(&mut self, snapshot: &Rc<Snapshot>, fx: &mut Fx<'_>) {
        self.log = Log::after(snapshot);
        self.state = Sessioned::restore(&snapshot.image);
        (self.applied, self.committed) = (snapshot.offset, snapshot.offset);
        self.snapshot = Some(snapshot.clone());
        self.compact_disk(fx);
        self.tail.restart(self.disk.written(), snapshot.offset, fx.now());
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
    pub(super) fn replay(&mut self, disk: Replay<'_, Record>, now: LocalInstant) -> Result<(), WriteId> {
        for (id, record) in disk.iter() {
            self.disk.replayed(id);
            match record.map_err(|Unreadable| id)? {
                Record::Promise { epoch, vote } => (self.epoch, self.vote) = (*epoch, *vote),
                Record::InSync(in_sync) => self.in_sync = *in_sync,
                Record::Arbiter(_) | Record::Sentinel(_) => {}
                Record::Told { epoch, primary } => (self.told.epoch, self.told.primary) = (*epoch, *primary),
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
        if self.disk.restarted(self.config.has(FailoverBug::RestartTrustsPageCache)) {
            self.tail.push(self.disk.written(), self.log.last(), now);
        } else {
            self.tail = Tail::at(self.log.last());
        }
        self.rebuild();
        Ok(())
    }
}
