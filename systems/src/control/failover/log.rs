//! The log of a node: entries with the epoch that made each, and where every epoch begins (Kafka's KIP-101).

use crate::shared::kv::{Kv, KvCommand};
use crate::shared::replication::{Image, Stamp, link};
use core::ops::Deref;
use sim_core::StateMachine;
use sim_core::hash::Hashed;
use std::collections::VecDeque;
use std::rc::Rc;

/// How far a log has got. Of two logs the more advanced one ends in the newer epoch, or is longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The epoch of the last entry.
    pub epoch: u64,
    /// The last entry; the first is 1.
    pub offset: u64,
}

/// What an entry says.
#[derive(Clone, Debug, Hash)]
pub enum Payload {
    /// A primary begins: entries of earlier epochs count as committed once this one is.
    Start,
    /// A client's write.
    Write {
        /// Whose.
        stamp: Stamp,
        /// What.
        command: KvCommand,
    },
}

/// What makes one entry another than the next.
#[derive(Clone, Debug, Hash)]
pub struct Content {
    /// The primary's epoch.
    pub epoch: u64,
    /// What it says.
    pub payload: Payload,
}

/// One entry. It never changes, so its hash is worked out once for all messages, logs and disks.
#[derive(Clone, Debug, Hash)]
pub struct Entry(Hashed<Content>);

impl Deref for Entry {
    type Target = Content;
    fn deref(&self) -> &Content {
        &self.0
    }
}

/// What an entry costs beside its command, in bytes.
const ENTRY_BYTES: u32 = 32;

impl Entry {
    /// An entry of `epoch`.
    #[must_use]
    pub fn new(epoch: u64, payload: Payload) -> Self {
        Self(Hashed::new(Content { epoch, payload }))
    }

    /// Size on the wire and on disk, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        ENTRY_BYTES
            + match &self.payload {
                Payload::Start => 0,
                Payload::Write { command, .. } => Kv::command_bytes(command),
            }
    }
}

/// The state up to some entry.
#[derive(Clone, Debug, Hash)]
pub struct Snapshot {
    /// The last entry it covers.
    pub offset: u64,
    /// The running hash of the log up to it.
    pub chain: u64,
    /// Where each epoch up to there begins.
    pub lineage: Vec<(u64, u64)>,
    /// The state, client sessions included.
    pub image: Image<Kv>,
    /// Size on the wire and on disk, in bytes.
    pub bytes: u64,
}

/// A log. What lies before its beginning is in a snapshot.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// The last entry before the first that is here.
    base: u64,
    base_chain: u64,
    /// The entries, each with the running hash up to it.
    entries: VecDeque<(Entry, u64)>,
    /// `(epoch, first entry)`, oldest first, from the very beginning.
    lineage: Vec<(u64, u64)>,
}

impl Log {
    /// The log that begins behind a snapshot.
    #[must_use]
    pub fn after(snapshot: &Snapshot) -> Self {
        Self {
            base: snapshot.offset,
            base_chain: snapshot.chain,
            entries: VecDeque::new(),
            lineage: snapshot.lineage.clone(),
        }
    }

    /// The last entry before the first that is here.
    #[must_use]
    pub const fn base(&self) -> u64 {
        self.base
    }

    /// The last entry.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.base + self.entries.len() as u64
    }

    /// Where it ends.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { epoch: self.lineage.last().map_or(0, |(epoch, _)| *epoch), offset: self.last() }
    }

    /// The epoch of entry `offset`; 0 before the first, `None` behind the last.
    #[must_use]
    pub fn epoch_at(&self, offset: u64) -> Option<u64> {
        if offset > self.last() {
            return None;
        }
        let next = self.lineage.partition_point(|(_, first)| *first <= offset);
        Some(next.checked_sub(1).map_or(0, |at| self.lineage[at].0))
    }

    /// Whether it holds this entry: one of an epoch at an offset is the same everywhere, and so is all before it.
    #[must_use]
    pub fn holds(&self, entry: Position) -> bool {
        self.epoch_at(entry.offset) == Some(entry.epoch)
    }

    /// The newest epoch that is not newer than `epoch`, and its last entry (KIP-101, `OffsetsForLeaderEpoch`).
    #[must_use]
    pub fn end_of(&self, epoch: u64) -> Position {
        let next = self.lineage.partition_point(|(e, _)| *e <= epoch);
        let offset = self.lineage.get(next).map_or(self.last(), |(_, first)| first - 1);
        Position { epoch: next.checked_sub(1).map_or(0, |at| self.lineage[at].0), offset }
    }

    /// The running hash up to `offset`, if it is not forgotten.
    #[must_use]
    pub fn chain_at(&self, offset: u64) -> Option<u64> {
        match offset.checked_sub(self.base)? {
            0 => Some(self.base_chain),
            n => self.entries.get(n as usize - 1).map(|(_, chain)| *chain),
        }
    }

    /// Entry `offset`, if it is here.
    #[must_use]
    pub fn get(&self, offset: u64) -> Option<&Entry> {
        self.entries.get(offset.checked_sub(self.base + 1)? as usize).map(|(entry, _)| entry)
    }

    /// At most `most` entries from `from` on.
    #[must_use]
    pub fn part(&self, from: u64, most: u32) -> Rc<[Entry]> {
        let start = (from - self.base - 1) as usize;
        self.entries.iter().skip(start).take(most as usize).map(|(entry, _)| entry.clone()).collect()
    }

    /// Adds an entry.
    pub fn push(&mut self, entry: Entry) {
        let chain = link(self.chain_at(self.last()).expect("the end of a log is not forgotten"), entry.0.content());
        if self.position().epoch != entry.epoch || self.lineage.is_empty() {
            self.lineage.push((entry.epoch, self.last() + 1));
        }
        self.entries.push_back((entry, chain));
    }

    /// Cuts it before `from`, which must not lie before its beginning.
    pub fn truncate(&mut self, from: u64) {
        self.entries.truncate(from.saturating_sub(self.base + 1) as usize);
        while self.lineage.last().is_some_and(|(_, first)| *first >= from) {
            self.lineage.pop();
        }
    }

    /// Forgets entries up to `upto`.
    pub fn compact(&mut self, upto: u64) {
        while self.base < upto {
            let Some((_, chain)) = self.entries.pop_front() else { return };
            self.base += 1;
            self.base_chain = chain;
        }
    }

    /// Where each epoch up to entry `upto` begins.
    #[must_use]
    pub fn lineage(&self, upto: u64) -> Vec<(u64, u64)> {
        self.lineage.iter().copied().take_while(|(_, first)| *first <= upto).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(epochs: &[u64]) -> Log {
        let mut log = Log::default();
        epochs.iter().for_each(|epoch| log.push(Entry::new(*epoch, Payload::Start)));
        log
    }

    #[test]
    fn epochs_say_where_two_logs_part() {
        let primary = log(&[1, 1, 3, 3, 3]);
        let end = |epoch| {
            let end = primary.end_of(epoch);
            (end.epoch, end.offset)
        };
        assert_eq!([end(0), end(1), end(2), end(3), end(9)], [(0, 0), (1, 2), (1, 2), (3, 5), (3, 5)]);
        assert_eq!(primary.epoch_at(2), Some(1));
        assert_eq!(primary.epoch_at(3), Some(3));
        assert_eq!(primary.epoch_at(6), None);
        assert!(log(&[1, 2]).position() > log(&[1, 1, 1]).position());
    }

    #[test]
    fn what_is_cut_or_forgotten_leaves_the_rest_as_it_was() {
        let mut cut = log(&[1, 1, 3, 3, 3]);
        let chain = cut.chain_at(4);
        cut.compact(2);
        assert_eq!((cut.base(), cut.last(), cut.chain_at(4)), (2, 5, chain));
        assert_eq!(cut.chain_at(1), None);
        cut.truncate(5);
        assert_eq!(cut.last(), 4);
        cut.truncate(3);
        assert_eq!((cut.position(), cut.lineage(9)), (Position { epoch: 1, offset: 2 }, vec![(1, 1)]));
        cut.push(Entry::new(7, Payload::Start));
        assert!(cut.holds(Position { epoch: 7, offset: 3 }) && !cut.holds(Position { epoch: 3, offset: 3 }));
    }
}
