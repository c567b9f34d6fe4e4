//! A replica's log: batches with the epochs of the leaders that took them, what producers have sent as the log knows
//! it, truncation, retention and compaction. It is rebuilt from the disk alone.

use super::options::Acks;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{LocalInstant, NodeId, WriteId};
use std::collections::VecDeque;
use std::rc::Rc;

/// A place in a partition.
pub type Offset = u64;

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// Something a program sent: unique in a run.
    Value(u64),
    /// How far a group has come in a partition.
    Committed {
        /// The group.
        group: u32,
        /// The partition.
        partition: u32,
        /// The next message that it wants.
        offset: Offset,
    },
    /// Who a group is.
    Members {
        /// The group.
        group: u32,
        /// Its generation.
        generation: u32,
        /// Each member, where it runs, and what it was dealt.
        members: Rc<[Member]>,
    },
}

/// A member of a group as the log has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its name, which no other has.
    pub id: u64,
    /// Where it runs.
    pub node: NodeId,
    /// The partitions it was dealt.
    pub dealt: Vec<u32>,
}

/// A message of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    /// Where it stands; 0 until a leader has taken it.
    pub offset: Offset,
    /// Its key.
    pub key: u64,
    /// Its size, in bytes.
    pub bytes: u32,
    /// What it says.
    pub body: Body,
}

/// Who sent a batch, and which of its batches for this partition it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence {
    /// The producer's id.
    pub producer: u64,
    /// Which of its epochs.
    pub epoch: u16,
    /// The number of the first message.
    pub first: u32,
}

/// Messages that were sent together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Batch {
    /// Where the first of them stands, or stood.
    pub base: Offset,
    /// Where the next batch begins.
    pub end: Offset,
    /// The epoch of the leader that took it.
    pub epoch: u32,
    /// Who sent it, if it says so.
    pub sequence: Option<Sequence>,
    /// When the leader took it, by its clock, in nanoseconds.
    pub at: u64,
    /// The messages that are left.
    pub items: Vec<Item>,
}

impl Batch {
    /// Its size, in bytes: that of Kafka's header, and of the messages.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        61 + self.items.iter().map(|item| item.bytes + 16).sum::<u32>()
    }

    /// A name of what it says, for rules: equal only for equal batches.
    #[must_use]
    pub fn of_whole(&self) -> bool {
        self.items.len() as u64 == self.end - self.base
    }
}

/// What is remembered of a producer: its epoch, and its last batches, newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sender {
    epoch: u16,
    /// The numbers of the first and the last message, and where the batch stands.
    last: VecDeque<(u32, u32, Offset)>,
}

/// What becomes of a batch that says who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is new.
    New,
    /// It is in the log, from there on, and a leader may say so again.
    Known(Offset),
    /// One before it is missing, or nobody remembers where the producer stands.
    OutOfOrder,
    /// The producer has a newer epoch, or it is in the log, further back than is remembered.
    Stale,
}

/// How many batches of a producer are remembered.
const REMEMBERED: usize = 5;

/// A log.
#[derive(Clone, Debug, Default)]
pub struct Log {
    batches: VecDeque<(WriteId, Rc<Batch>)>,
    start: Offset,
    end: Offset,
    senders: SortedMap<u64, Sender>,
    /// Changes with everything that happens to what is in it.
    changes: u64,
}

impl Log {
    /// Where its first message stands, or would.
    #[must_use]
    pub const fn start(&self) -> Offset {
        self.start
    }

    /// Where the next message will stand.
    #[must_use]
    pub const fn end(&self) -> Offset {
        self.end
    }

    /// A number that is another whenever it is another log.
    #[must_use]
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// The batches, oldest first.
    pub fn batches(&self) -> impl DoubleEndedIterator<Item = &Rc<Batch>> + ExactSizeIterator {
        self.batches.iter().map(|(_, batch)| batch)
    }

    /// The batches from the one that holds `from` on.
    pub fn from(&self, from: Offset) -> impl Iterator<Item = &Rc<Batch>> {
        let at = self.batches.partition_point(|(_, batch)| batch.end <= from);
        self.batches.range(at..).map(|(_, batch)| batch)
    }

    /// What is in it, message by message, from an offset to before another.
    pub fn items(&self, from: Offset, before: Offset) -> impl Iterator<Item = (&Rc<Batch>, &Item)> {
        let batches = self.from(from).take_while(move |batch| batch.base < before);
        let items = batches.flat_map(|batch| batch.items.iter().map(move |item| (batch, item)));
        items.filter(move |(_, item)| (from..before).contains(&item.offset))
    }

    /// The epoch of the newest batch.
    #[must_use]
    pub fn last_epoch(&self) -> u32 {
        self.batches.back().map_or(0, |(_, batch)| batch.epoch)
    }

    /// The newest epoch up to `epoch` of which there is a batch, and where the first batch of a later one begins
    /// (KIP-101, KIP-279).
    #[must_use]
    pub fn end_of(&self, epoch: u32) -> (u32, Offset) {
        let at = self.batches.partition_point(|(_, batch)| batch.epoch <= epoch);
        let end = self.batches.get(at).map_or(self.end, |(_, batch)| batch.base);
        match at.checked_sub(1) {
            Some(before) => (self.batches[before].1.epoch, end),
            None => (epoch, end),
        }
    }

    /// Adds a batch at the end.
    pub fn append(&mut self, write: WriteId, batch: Rc<Batch>) {
        self.changes += 1;
        if self.batches.is_empty() && self.end == self.start && batch.base > self.end {
            self.start = batch.base;
        }
        self.end = batch.end;
        if let Some(sequence) = batch.sequence {
            self.remember(sequence, &batch);
        }
        self.batches.push_back((write, batch));
    }

    fn remember(&mut self, sequence: Sequence, batch: &Batch) {
        let sender = self.senders.entry(sequence.producer).or_default();
        if sender.epoch != sequence.epoch {
            *sender = Sender { epoch: sequence.epoch, last: VecDeque::new() };
        }
        let last = sequence.first + (batch.end - batch.base) as u32 - 1;
        sender.last.push_back((sequence.first, last, batch.base));
        if sender.last.len() > REMEMBERED {
            sender.last.pop_front();
        }
    }

    /// What becomes of a batch of so many messages that says who sent it.
    #[must_use]
    pub fn admit(&self, sequence: Sequence, messages: u32) -> Admission {
        // Who is not known begins with its first message: a leader that took a later one would hold the first, which it
        // had refused when too few were in sync, for one that it has already (KIP-890).
        let Some(sender) = self.senders.get(&sequence.producer) else {
            return if sequence.first == 0 { Admission::New } else { Admission::OutOfOrder };
        };
        let last = sequence.first + messages - 1;
        if sequence.epoch < sender.epoch {
            return Admission::Stale;
        }
        if sequence.epoch > sender.epoch {
            return if sequence.first == 0 { Admission::New } else { Admission::OutOfOrder };
        }
        if let Some((.., base)) = sender.last.iter().find(|(first, end, _)| (*first, *end) == (sequence.first, last)) {
            return Admission::Known(*base);
        }
        match sender.last.back() {
            None => Admission::New,
            Some((_, newest, _)) if sequence.first == newest + 1 => Admission::New,
            Some((_, newest, _)) if sequence.first <= *newest => Admission::Stale,
            Some(_) => Admission::OutOfOrder,
        }
    }

    /// Forgets what producers have sent.
    pub fn forget_senders(&mut self) {
        self.senders.clear();
    }

    /// Drops everything from `end` on. Producers' numbers are what is left says.
    pub fn truncate(&mut self, end: Offset) {
        if end >= self.end {
            return;
        }
        self.changes += 1;
        while self.batches.back().is_some_and(|(_, batch)| batch.end > end) {
            self.batches.pop_back();
        }
        self.end = self.batches.back().map_or(end, |(_, batch)| batch.end);
        self.start = self.start.min(self.end);
        self.senders.clear();
        for (_, batch) in self.batches.clone() {
            if let Some(sequence) = batch.sequence {
                self.remember(sequence, &batch);
            }
        }
    }

    /// Begins anew, at an offset: what a follower does whose leader has nothing older.
    pub fn begin_at(&mut self, start: Offset) {
        self.changes += 1;
        self.batches.clear();
        (self.start, self.end) = (start, start);
    }

    /// Drops what is before `start`, batch by batch.
    pub fn retain_from(&mut self, start: Offset) {
        if start <= self.start {
            return;
        }
        self.changes += 1;
        self.start = start.min(self.end);
        while self.batches.front().is_some_and(|(_, batch)| batch.end <= start) {
            self.batches.pop_front();
        }
    }

    /// Where the log would begin without what was taken before `at`; what is from `before` on stays.
    #[must_use]
    pub fn older_than(&self, at: u64, before: Offset) -> Offset {
        let old = self.batches().take_while(|batch| batch.at < at && batch.end <= before);
        old.last().map_or(self.start, |batch| batch.end)
    }

    /// Takes out every message before `before` whose key has a newer one before it: how many went. With `oldest`, the
    /// newer ones go instead.
    pub fn compact(&mut self, before: Offset, oldest: bool) -> usize {
        let mut kept: SortedMap<u64, Offset> = SortedMap::new();
        for (_, item) in self.items(self.start, before) {
            let place = kept.entry(item.key).or_insert(item.offset);
            if !oldest {
                *place = item.offset;
            }
        }
        let kept: SortedSet<Offset> = kept.into_values().collect();
        let mut gone = 0;
        for (_, batch) in &mut self.batches {
            let stays = |item: &Item| item.offset >= before || kept.contains(&item.offset);
            let go = batch.items.iter().filter(|item| !stays(item)).count();
            if go > 0 {
                gone += go;
                Rc::make_mut(batch).items.retain(stays);
            }
        }
        if gone > 0 {
            self.changes += 1;
        }
        gone
    }

    /// Where what was written up to `upto` ends.
    #[must_use]
    pub fn durable(&self, upto: WriteId) -> Offset {
        let at = self.batches.partition_point(|(write, _)| *write <= upto);
        at.checked_sub(1).map_or(self.start, |at| self.batches[at].1.end)
    }

    /// Where the newest write of it is on the disk, of what is before `end`.
    #[must_use]
    pub fn write_of(&self, end: Offset) -> Option<WriteId> {
        let at = self.batches.partition_point(|(_, batch)| batch.end <= end);
        at.checked_sub(1).map(|at| self.batches[at].0)
    }
}

/// A batch that a producer has sent, and that no leader has taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Draft {
    /// Who sent it, if it says so.
    pub sequence: Option<Sequence>,
    /// Which acknowledgement the producer waits for.
    pub acks: Acks,
    /// The messages.
    pub items: Rc<[Item]>,
}

impl Draft {
    /// Its size, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        61 + self.items.iter().map(|item| item.bytes + 16).sum::<u32>()
    }

    /// The batch that a leader makes of it.
    #[must_use]
    pub fn take(&self, base: Offset, epoch: u32, now: LocalInstant) -> Batch {
        let numbered = self.items.iter().zip(base..).map(|(item, offset)| Item { offset, ..item.clone() });
        let items: Vec<Item> = numbered.collect();
        Batch { base, end: base + items.len() as u64, epoch, sequence: self.sequence, at: now.0, items }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(base: Offset, epoch: u32, keys: &[u64], sequence: Option<Sequence>) -> Rc<Batch> {
        let item = |(key, offset): (&u64, Offset)| Item { offset, key: *key, bytes: 10, body: Body::Value(offset) };
        let items: Vec<Item> = keys.iter().zip(base..).map(item).collect();
        Rc::new(Batch { base, end: base + items.len() as u64, epoch, sequence, at: base, items })
    }

    fn log(epochs: &[u32]) -> Log {
        let mut log = Log::default();
        for (at, epoch) in epochs.iter().enumerate() {
            log.append(WriteId(at as u64), batch(2 * at as u64, *epoch, &[1, 2], None));
        }
        log
    }

    #[test]
    fn an_epoch_ends_where_a_later_one_begins() {
        let log = log(&[1, 1, 3, 4]);
        assert_eq!([log.end_of(1), log.end_of(2), log.end_of(3)], [(1, 4), (1, 4), (3, 6)]);
        assert_eq!([log.end_of(4), log.end_of(9)], [(4, 8), (4, 8)]);
        assert_eq!(log.end_of(0), (0, 0), "of an epoch before all there is nothing");
    }

    #[test]
    fn producers_are_known_by_what_is_left_of_the_log() {
        let of = |first| Sequence { producer: 7, epoch: 0, first };
        let mut log = Log::default();
        assert_eq!(log.admit(of(2), 3), Admission::OutOfOrder, "its first message is missing");
        log.append(WriteId(1), batch(0, 1, &[1, 2], Some(of(0))));
        log.append(WriteId(2), batch(2, 1, &[1, 2, 3], Some(of(2))));
        assert_eq!(log.admit(of(0), 2), Admission::Known(0));
        assert_eq!(log.admit(of(5), 1), Admission::New);
        assert_eq!(log.admit(of(6), 1), Admission::OutOfOrder);
        assert_eq!(log.admit(of(1), 1), Admission::Stale);
        assert_eq!(log.admit(Sequence { epoch: 1, ..of(3) }, 1), Admission::OutOfOrder);
        assert_eq!(log.admit(Sequence { epoch: 1, ..of(0) }, 1), Admission::New);
        log.truncate(2);
        assert_eq!((log.end(), log.admit(of(2), 3)), (2, Admission::New));
    }

    #[test]
    fn compaction_keeps_the_newest_of_each_key_and_all_offsets() {
        let mut log = log(&[1, 1, 1]);
        assert_eq!(log.compact(4, false), 2);
        let left: Vec<Offset> = log.items(0, 9).map(|(_, item)| item.offset).collect();
        assert_eq!((left, log.end()), (vec![2, 3, 4, 5], 6));
        log.retain_from(4);
        assert_eq!((log.start(), log.batches().len()), (4, 1));
    }

    #[test]
    fn a_truncated_log_ends_with_a_whole_batch() {
        let mut log = log(&[1, 1, 2]);
        log.truncate(5);
        assert_eq!((log.end(), log.last_epoch()), (4, 1));
    }
}
