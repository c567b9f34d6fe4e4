//! The acceptor's slots in memory: what was accepted where, in which ballot. Slots may be accepted in any order, so
//! there may be gaps.

use super::ballot::Ballot;
use crate::shared::replication::Stamp;
use crate::shared::words;
use core::fmt;
use core::hash::{Hash, Hasher};
use sim_core::hash::Hashed;
use sim_core::{NodeSet, StateMachine, WriteId};
use std::collections::VecDeque;

/// What an entry costs on the wire and on disk beside its command, in bytes.
const ENTRY_BYTES: u32 = 24;

/// Runs at the end of the log that are looked at one by one before searching.
const NEAR: usize = 4;

/// What a slot may hold.
#[derive(Clone, Debug, Hash)]
pub enum Payload<C> {
    /// Nothing: fills a gap that an earlier leader left (Paxos Made Simple, section 3), or lets a configuration begin.
    Noop,
    /// From `alpha` slots later on these are the acceptors (see `members.rs`).
    Members(NodeSet),
    /// A client's command.
    Command {
        /// Which operation of which session.
        stamp: Stamp,
        /// The command.
        command: C,
    },
}

/// The value of one slot. Its slot is its place; its ballot belongs to the acceptance, not to the value. It never
/// changes, so its hash is worked out once for all messages, logs and disks.
#[derive(Clone, Debug)]
pub struct Entry<C>(Hashed<Payload<C>>);

// Not derived: the hash is there whether or not the commands can be hashed.
impl<C> Hash for Entry<C> {
    #[inline]
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.hash(hasher);
    }
}

impl<C: Hash> Entry<C> {
    /// What fills a gap.
    pub(super) fn noop() -> Self {
        Self(Hashed::new(Payload::Noop))
    }

    /// The acceptors shall be these.
    pub(super) fn members(set: NodeSet) -> Self {
        Self(Hashed::new(Payload::Members(set)))
    }

    /// A client's command.
    pub(super) fn command(stamp: Stamp, command: C) -> Self {
        Self(Hashed::new(Payload::Command { stamp, command }))
    }
}

impl<C> Entry<C> {
    /// What it holds.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &Payload<C> {
        &self.0
    }

    /// Of all it holds: one link of the running hash.
    #[inline]
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.0.content()
    }

    /// Size on the wire and on disk, in bytes.
    pub(super) fn bytes<M: StateMachine<Command = C>>(&self) -> u32 {
        ENTRY_BYTES
            + match self.payload() {
                Payload::Noop => 0,
                Payload::Members(_) => 16,
                Payload::Command { command, .. } => M::command_bytes(command),
            }
    }
}

/// Some consecutive entries. Cloning copies a pointer.
pub type Slice<C> = crate::shared::replication::Slice<Entry<C>>;

/// Consecutive slots that were accepted together, in one ballot. Cloning copies a pointer.
#[derive(Debug, Hash)]
pub struct Run<C> {
    /// The first slot.
    pub first: u64,
    /// The ballot, or [`Ballot::CHOSEN`].
    pub ballot: Ballot,
    /// The values.
    pub entries: Slice<C>,
}

impl<C> fmt::Display for Run<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slots = words::slots(self.first, self.last());
        match self.ballot {
            Ballot::CHOSEN => write!(f, "{slots} known to be chosen"),
            ballot => write!(f, "{slots} in ballot {ballot}"),
        }
    }
}

// Not derived: a pointer can be copied whether or not the commands can.
impl<C> Clone for Run<C> {
    fn clone(&self) -> Self {
        Self { entries: self.entries.clone(), ..*self }
    }
}

impl<C> Run<C> {
    /// The last slot.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.first + self.entries.len() as u64 - 1
    }

    /// The part from slot `from` to slot `to`, both within.
    fn part<M: StateMachine<Command = C>>(&self, from: u64, to: u64) -> Self {
        let (start, end) = ((from - self.first) as usize, (to + 1 - self.first) as usize);
        Self { first: from, ballot: self.ballot, entries: self.entries.part(start, end, Entry::bytes::<M>) }
    }

    /// The part behind `slot`, which is before its last.
    pub(super) fn behind<M: StateMachine<Command = C>>(&self, slot: u64) -> Self {
        if slot < self.first { self.clone() } else { self.part::<M>(slot + 1, self.last()) }
    }

    /// The part up to `slot`, which is not before its first.
    pub(super) fn upto<M: StateMachine<Command = C>>(&self, slot: u64) -> Self {
        if slot >= self.last() { self.clone() } else { self.part::<M>(self.first, slot) }
    }

    fn entry(&self, slot: u64) -> &Entry<C> {
        &self.entries.entries()[(slot - self.first) as usize]
    }
}

/// The slots from the end of what was compacted on. Slots count from 1.
#[derive(Clone, Debug)]
pub struct Log<M: StateMachine> {
    /// In order, without overlaps, each with its place on the disk.
    runs: VecDeque<(Run<M::Command>, WriteId)>,
    /// The newest slot that was compacted away.
    base: u64,
}

impl<M: StateMachine> Log<M> {
    /// No slots, after `base`.
    pub(super) const fn after(base: u64) -> Self {
        Self { runs: VecDeque::new(), base }
    }

    /// The newest slot that holds anything, or the base.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.runs.back().map_or(self.base, |(run, _)| run.last())
    }

    /// The newest slot that was compacted away.
    #[must_use]
    pub const fn base(&self) -> u64 {
        self.base
    }

    /// Position of the first run that ends at or behind `slot`.
    #[inline]
    fn locate(&self, slot: u64) -> usize {
        // Nearly everything asked for is at the end.
        let count = self.runs.len();
        for back in 0..count.min(NEAR) {
            if self.runs[count - 1 - back].0.last() < slot {
                return count - back;
            }
        }
        self.locate_far(slot)
    }

    #[inline(never)]
    fn locate_far(&self, slot: u64) -> usize {
        self.runs.partition_point(|(run, _)| run.last() < slot)
    }

    /// Puts `run` into its slots, whatever was there before; `write` is its place on the disk.
    pub(super) fn put(&mut self, mut run: Run<M::Command>, write: WriteId) {
        if run.entries.is_empty() || run.last() <= self.base {
            return;
        }
        if run.first <= self.base {
            run = run.part::<M>(self.base + 1, run.last());
        }
        let (first, last) = (run.first, run.last());
        if first > self.last() {
            return self.runs.push_back((run, write));
        }
        let mut at = self.locate(first);
        // What sticks out of the overlapped runs on either side stays.
        if let Some((old, place)) = self.runs.get(at).filter(|(old, _)| old.first < first) {
            let (head, tail, place) = (old.part::<M>(old.first, first - 1), old.clone(), *place);
            self.runs[at].0 = head;
            at += 1;
            if tail.last() > last {
                self.runs.insert(at, (tail.part::<M>(last + 1, tail.last()), place));
            }
        }
        while let Some((old, _)) = self.runs.get(at).filter(|(old, _)| old.first <= last) {
            if old.last() > last {
                let tail = old.part::<M>(last + 1, old.last());
                self.runs[at].0 = tail;
                break;
            }
            self.runs.remove(at);
        }
        self.runs.insert(at, (run, write));
    }

    /// Puts the values of `run` into those slots that hold nothing, or something of a lower ballot.
    pub(super) fn merge(&mut self, run: &Run<M::Command>) {
        for slot in run.first.max(self.base + 1)..=run.last() {
            if self.ballot(slot).is_none_or(|(ballot, _)| ballot < run.ballot) {
                self.put(run.part::<M>(slot, slot), WriteId(0));
            }
        }
    }

    /// The run that holds `slot`, if any does.
    #[inline]
    fn holding(&self, slot: u64) -> Option<&Run<M::Command>> {
        self.runs.get(self.locate(slot)).map(|(run, _)| run).filter(|run| run.first <= slot)
    }

    /// In which ballot `slot` was accepted, and up to which slot the same holds.
    #[inline]
    pub(super) fn ballot(&self, slot: u64) -> Option<(Ballot, u64)> {
        self.holding(slot).map(|run| (run.ballot, run.last()))
    }

    /// What `slot` holds, and since which ballot.
    #[must_use]
    pub fn slot(&self, slot: u64) -> Option<(Ballot, &Entry<M::Command>)> {
        self.holding(slot).map(|run| (run.ballot, run.entry(slot)))
    }

    /// The entries from `slot` to the end of its run; none if it is empty.
    #[inline]
    pub(super) fn from(&self, slot: u64) -> &[Entry<M::Command>] {
        self.holding(slot).map_or(&[], |run| &run.entries.entries()[(slot - run.first) as usize..])
    }

    /// Everything accepted behind `slot`.
    pub(super) fn behind(&self, slot: u64) -> impl Iterator<Item = Run<M::Command>> {
        self.runs.range(self.locate(slot + 1)..).map(move |(run, _)| run.behind::<M>(slot))
    }

    /// Entries of consecutive slots from `from` to at most `to`, at most `max_bytes` of them but at least one if there
    /// is one.
    pub(super) fn slice(&self, from: u64, to: u64, max_bytes: u32) -> Slice<M::Command> {
        let (mut joined, mut bytes, mut slot) = (Vec::new(), 0_u32, from);
        'full: while slot <= to {
            let entries = self.from(slot);
            if entries.is_empty() {
                break;
            }
            for entry in entries.iter().take((to - slot + 1) as usize) {
                let more = entry.bytes::<M>();
                let full = bytes.saturating_add(more) > max_bytes || joined.len() == Slice::<M::Command>::LONGEST;
                if full && !joined.is_empty() {
                    break 'full;
                }
                bytes += more;
                joined.push(entry.clone());
                slot += 1;
            }
        }
        Slice::new(joined.into(), bytes)
    }

    /// Forgets all slots up to `upto`.
    pub(super) fn drop_through(&mut self, upto: u64) {
        while self.runs.front().is_some_and(|(run, _)| run.last() <= upto) {
            self.runs.pop_front();
        }
        if let Some((run, _)) = self.runs.front_mut().filter(|(run, _)| run.first <= upto) {
            *run = run.part::<M>(upto + 1, run.last());
        }
        self.base = self.base.max(upto);
    }

    /// The first record on disk that is still needed, if any.
    pub(super) fn oldest_write(&self) -> Option<WriteId> {
        self.runs.iter().map(|(_, write)| *write).min()
    }

    /// How many runs the log is made of.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.runs.len()
    }
}
