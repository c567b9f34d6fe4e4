//! What a server has on its disk: two epochs, a snapshot, the log behind it. And the same in memory.

use super::message::ZkRecord;
use super::node::Fx;
use super::tree::Tree;
use super::txn::{Entry, Zxid};
use sim_core::hash::Hashed;
use sim_core::{Journal, NodeId, Replay, WriteId};
use std::collections::VecDeque;
use std::rc::Rc;

/// What waits for the disk.
#[derive(Clone, Debug)]
pub(super) enum Held {
    /// A message.
    Send(NodeId, super::message::ZkMessage),
    /// A leader has a proposal of its own on its disk.
    OwnAck(Zxid),
    /// A leader has taken part in its own epoch.
    OwnNewLeader(u32),
    /// A server has agreed to the epoch that it proposes itself.
    OwnEpoch(u32),
}

/// The disk and what is known to be there.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub journal: Journal<Held>,
    /// `acceptedEpoch`.
    pub accepted: u32,
    /// `currentEpoch`.
    pub current: u32,
    /// The newest snapshot.
    snapshot: Rc<Hashed<Tree>>,
    /// The log: some of what the snapshot covers, and all behind it.
    log: VecDeque<Rc<Entry>>,
    /// What the log lacks: everything up to here.
    base: Zxid,
}

impl Default for Store {
    fn default() -> Self {
        let snapshot = Rc::new(Hashed::new(Tree::default()));
        Self { journal: Journal::default(), accepted: 0, current: 0, snapshot, log: VecDeque::new(), base: Zxid::ZERO }
    }
}

impl Store {
    /// Reads a disk. The record that can not be read, if there is one.
    pub fn replay(disk: Replay<'_, ZkRecord>) -> Result<Self, WriteId> {
        let mut store = Self::default();
        for (id, record) in disk.iter() {
            match record.map_err(|_| id)? {
                ZkRecord::Accepted { epoch } => store.accepted = *epoch,
                ZkRecord::Current { epoch } => store.current = *epoch,
                ZkRecord::Txn(entry) if entry.zxid > store.last() => store.log.push_back(Rc::clone(entry)),
                ZkRecord::Txn(_) => {}
                ZkRecord::Truncated { last } => store.cut(*last),
                ZkRecord::Wrote(_) => {}
                ZkRecord::Snapshot(tree) => {
                    // What is newer is written once more behind it.
                    store.log.clear();
                    (store.base, store.snapshot) = (tree.last(), Rc::clone(tree));
                }
            }
            store.journal.replayed(id);
        }
        store.journal.restarted(false);
        Ok(store)
    }

    /// The newest transaction in the log.
    pub fn last(&self) -> Zxid {
        self.log.back().map_or(self.base, |entry| entry.zxid)
    }

    /// The oldest transaction that it can go back to: all before is in the snapshot.
    pub fn floor(&self) -> Zxid {
        self.snapshot.last()
    }

    /// What the log lacks: everything up to here.
    pub const fn base(&self) -> Zxid {
        self.base
    }

    /// The entries behind `zxid`, oldest first.
    pub fn after(&self, zxid: Zxid) -> impl DoubleEndedIterator<Item = &Rc<Entry>> + '_ {
        let from = self.log.partition_point(|entry| entry.zxid <= zxid);
        self.log.range(from..)
    }

    /// The newest transaction that is not newer than `zxid`.
    pub fn not_after(&self, zxid: Zxid) -> Zxid {
        let behind = self.log.partition_point(|entry| entry.zxid <= zxid);
        behind.checked_sub(1).map_or(self.base, |at| self.log[at].zxid)
    }

    /// The whole state, with all of the log.
    pub fn tree(&self) -> Tree {
        let mut tree = Tree::clone(&self.snapshot);
        for entry in self.after(self.snapshot.last()) {
            tree.apply(entry);
        }
        tree
    }

    fn cut(&mut self, last: Zxid) {
        let keep = self.log.partition_point(|entry| entry.zxid <= last);
        self.log.truncate(keep);
    }

    /// Appends to the log.
    pub fn append(&mut self, entry: &Rc<Entry>, fx: &mut Fx<'_>) {
        self.journal.append(ZkRecord::Txn(Rc::clone(entry)), fx);
        self.log.push_back(Rc::clone(entry));
    }

    /// Cuts the log off behind `last`, if what is left is still known.
    pub fn truncate(&mut self, last: Zxid, fx: &mut Fx<'_>) -> bool {
        if last < self.snapshot.last() {
            return false;
        }
        self.journal.append(ZkRecord::Truncated { last }, fx);
        self.cut(last);
        true
    }

    /// Agrees to an epoch.
    pub fn accept(&mut self, epoch: u32, fx: &mut Fx<'_>) {
        self.accepted = epoch;
        self.journal.append(ZkRecord::Accepted { epoch }, fx);
        self.journal.promise();
    }

    /// Takes part in an epoch.
    pub fn take_part(&mut self, epoch: u32, fx: &mut Fx<'_>) {
        self.current = epoch;
        self.journal.append(ZkRecord::Current { epoch }, fx);
        self.journal.promise();
    }

    /// Everything is what `tree` says.
    pub fn install(&mut self, tree: &Rc<Hashed<Tree>>, fx: &mut Fx<'_>) {
        self.log.clear();
        (self.base, self.snapshot) = (tree.last(), Rc::clone(tree));
        self.write_snapshot(fx);
    }

    /// How far behind the newest snapshot is, in transactions that it would have to be read with.
    pub fn since_snapshot(&self) -> usize {
        self.after(self.snapshot.last()).count()
    }

    /// Takes a snapshot of `tree`, all of which is committed, and keeps `window` transactions before it in memory.
    pub fn take_snapshot(&mut self, tree: &Tree, window: usize, fx: &mut Fx<'_>) {
        self.snapshot = Rc::new(Hashed::new(tree.clone()));
        self.write_snapshot(fx);
        let covered = self.log.partition_point(|entry| entry.zxid <= tree.last());
        for _ in window..covered {
            self.base = self.log.pop_front().map_or(self.base, |entry| entry.zxid);
        }
    }

    /// Writes the snapshot, and what must outlive the records before it.
    fn write_snapshot(&mut self, fx: &mut Fx<'_>) {
        let first = self.journal.append(ZkRecord::Accepted { epoch: self.accepted }, fx);
        self.journal.append(ZkRecord::Current { epoch: self.current }, fx);
        self.journal.append(ZkRecord::Snapshot(Rc::clone(&self.snapshot)), fx);
        let behind: Vec<Rc<Entry>> = self.after(self.snapshot.last()).cloned().collect();
        for entry in behind {
            self.journal.append(ZkRecord::Txn(entry), fx);
        }
        self.journal.forget_once_durable(first);
    }
}
