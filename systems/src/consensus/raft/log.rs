//! The replicated log in memory: batches of entries shared between leader, messages, followers and disk records.

use super::configuration::Configuration;
use crate::shared::replication::Stamp;
pub(super) use crate::shared::replication::link;
use core::hash::{Hash, Hasher};
use core::ops::Deref;
use sim_core::hash::Hashed;
use sim_core::{StateMachine, WriteId};
use std::collections::VecDeque;
use std::rc::Rc;

/// What an entry costs on the wire and on disk beside its command, in bytes.
const ENTRY_BYTES: u32 = 24;

/// What an entry holds.
#[derive(Clone, Debug, Hash)]
pub enum Payload<C> {
    /// Nothing: every leader begins its term with such an entry (dissertation 6.4, step 1).
    Noop,
    /// A client's command.
    Command {
        /// Which operation of which session.
        stamp: Stamp,
        /// The command.
        command: C,
    },
    /// Who votes from here on (dissertation, chapter 4).
    Configuration(Rc<Configuration>),
}

/// What makes one entry another than the next.
#[derive(Clone, Debug, Hash)]
pub struct Content<C> {
    /// The term of the leader that created it.
    pub term: u64,
    /// What it holds.
    pub payload: Payload<C>,
}

/// One entry of the log. Its index is its place. It never changes, so its hash is worked out once for all messages,
/// logs and disks.
#[derive(Clone, Debug)]
pub struct Entry<C>(Hashed<Content<C>>);

impl<C> Deref for Entry<C> {
    type Target = Content<C>;
    #[inline]
    fn deref(&self) -> &Content<C> {
        &self.0
    }
}

// Not derived: the hash is there whether or not the commands can be hashed.
impl<C> Hash for Entry<C> {
    #[inline]
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.hash(hasher);
    }
}

impl<C: Hash> Entry<C> {
    fn new(term: u64, payload: Payload<C>) -> Self {
        Self(Hashed::new(Content { term, payload }))
    }

    /// The entry a leader of `term` begins with.
    pub(super) fn noop(term: u64) -> Self {
        Self::new(term, Payload::Noop)
    }

    /// A client's command in `term`.
    pub(super) fn command(term: u64, stamp: Stamp, command: C) -> Self {
        Self::new(term, Payload::Command { stamp, command })
    }

    /// A new configuration in `term`.
    pub(super) fn configuration(term: u64, configuration: Configuration) -> Self {
        Self::new(term, Payload::Configuration(Rc::new(configuration)))
    }
}

impl<C> Entry<C> {
    /// Of all it holds: one link of the running hash.
    #[inline]
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.0.content()
    }

    /// Size on the wire and on disk, in bytes.
    pub(super) fn bytes<M: StateMachine<Command = C>>(&self) -> u32 {
        ENTRY_BYTES
            + match &self.payload {
                Payload::Noop => 0,
                Payload::Configuration(c) => 4 * (c.voters.len() + c.outgoing.len() + c.learners.len()) as u32,
                Payload::Command { command, .. } => M::command_bytes(command),
            }
    }
}

/// Some consecutive entries. Cloning copies a pointer.
pub type Slice<C> = crate::shared::replication::Slice<Entry<C>>;

/// Consecutive entries of the log that were appended, and written to disk, together.
#[derive(Clone, Debug)]
struct Segment<C> {
    first: u64,
    slice: Slice<C>,
    write: WriteId,
}

impl<C> Segment<C> {
    const fn last(&self) -> u64 {
        self.first + self.slice.len() as u64 - 1
    }
}

/// The log from the end of what was compacted on. Indices count from 1; entry 0 is the empty log's, of term 0.
#[derive(Clone, Debug)]
pub struct Log<M: StateMachine> {
    segments: VecDeque<Segment<M::Command>>,
    /// Where each run of equal terms begins; the first one covers the base entry.
    terms: VecDeque<(u64, u64)>,
    /// The configurations in it, and where; the first one is the newest up to the base.
    configurations: VecDeque<(u64, Rc<Configuration>)>,
    /// The newest entry that was compacted away.
    base: u64,
    last: u64,
    last_term: u64,
}

impl<M: StateMachine> Log<M> {
    /// An empty log that begins behind `base`, an entry of term `term`, where this configuration is in force.
    pub(super) fn after(base: u64, term: u64, configuration: Configuration) -> Self {
        Self {
            segments: VecDeque::new(),
            terms: VecDeque::from([(base, term)]),
            configurations: VecDeque::from([(base, Rc::new(configuration))]),
            base,
            last: base,
            last_term: term,
        }
    }

    /// Index of the last entry.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// Term of the last entry.
    #[must_use]
    pub const fn last_term(&self) -> u64 {
        self.last_term
    }

    /// The newest entry that was compacted away; its term is still known.
    #[must_use]
    pub const fn base(&self) -> u64 {
        self.base
    }

    /// The newest configuration in it, committed or not.
    #[inline]
    #[must_use]
    pub fn configuration(&self) -> &Configuration {
        &self.newest_configuration().1
    }

    /// Where the newest configuration stands; not after the base if no entry holds it any more.
    #[inline]
    #[must_use]
    pub fn configuration_index(&self) -> u64 {
        self.newest_configuration().0
    }

    fn newest_configuration(&self) -> &(u64, Rc<Configuration>) {
        self.configurations.back().expect("the first one is never removed")
    }

    /// The newest configuration up to entry `index`.
    #[must_use]
    pub fn configuration_at(&self, index: u64) -> &Configuration {
        let known = self.configurations.iter().rev().find(|(at, _)| *at <= index);
        &known.or(self.configurations.front()).expect("the first one is never removed").1
    }

    /// The configurations in it from the newest one up to entry `index` on.
    pub fn configurations_from(&self, index: u64) -> impl Iterator<Item = (u64, &Configuration)> {
        let older = self.configurations.iter().skip(1).take_while(|(at, _)| *at <= index).count();
        self.configurations.iter().skip(older).map(|(at, configuration)| (*at, &**configuration))
    }

    /// A snapshot says which configuration was in force at entry `index`, which is in this log or its base.
    pub(super) fn adopt(&mut self, index: u64, configuration: Configuration) {
        self.configurations.retain(|(at, _)| *at > index);
        self.configurations.push_front((index, Rc::new(configuration)));
    }

    /// Term of entry `index`; `None` if it was compacted away or is not there yet.
    #[must_use]
    pub fn term(&self, index: u64) -> Option<u64> {
        if index == self.last {
            return Some(self.last_term);
        }
        if index < self.base || index > self.last {
            return None;
        }
        self.terms.iter().rev().find(|(first, _)| *first <= index).map(|(_, term)| *term)
    }

    /// The first entry of the run of equal terms that `index` is in; not before the base.
    pub(super) fn first_of_term(&self, index: u64) -> u64 {
        self.terms.iter().rev().find(|(first, _)| *first <= index).map_or(self.base, |(first, _)| *first)
    }

    /// The last entry at or before `index` whose term is at most `term`; the base if there is none.
    pub(super) fn last_at_most(&self, index: u64, term: u64) -> u64 {
        let mut end = index.min(self.last);
        for (first, of) in self.terms.iter().rev() {
            if *first <= end {
                if *of <= term {
                    return end;
                }
                end = first.saturating_sub(1);
            }
        }
        self.base
    }

    /// Position of the segment that holds `index`, which must be in the log.
    fn locate(&self, index: u64) -> usize {
        // Nearly everything asked for is near the end.
        if let Some(newest) = self.segments.back()
            && newest.first <= index
        {
            return self.segments.len() - 1;
        }
        let near = self.segments.iter().rev().take(8).position(|s| s.first <= index);
        match near {
            Some(back) => self.segments.len() - 1 - back,
            None => self.segments.partition_point(|s| s.first <= index) - 1,
        }
    }

    /// Adds entries at the end; `write` is their place on the disk.
    pub(super) fn push(&mut self, slice: Slice<M::Command>, write: WriteId) {
        let first = self.last + 1;
        for (i, entry) in slice.entries().iter().enumerate() {
            if entry.term != self.last_term {
                self.terms.push_back((first + i as u64, entry.term));
                self.last_term = entry.term;
            }
            if let Payload::Configuration(configuration) = &entry.payload {
                self.configurations.push_back((first + i as u64, Rc::clone(configuration)));
            }
        }
        self.last += slice.len() as u64;
        self.segments.push_back(Segment { first, slice, write });
    }

    /// Removes entry `from` and all behind it.
    pub(super) fn truncate(&mut self, from: u64) {
        let from = from.max(self.base + 1);
        while let Some(segment) = self.segments.back_mut() {
            if segment.first >= from {
                self.segments.pop_back();
            } else {
                if segment.last() >= from {
                    segment.slice = segment.slice.part(0, (from - segment.first) as usize, Entry::bytes::<M>);
                }
                break;
            }
        }
        while self.terms.back().is_some_and(|(first, _)| *first >= from) {
            self.terms.pop_back();
        }
        while self.configurations.len() > 1 && self.configuration_index() >= from {
            self.configurations.pop_back();
        }
        self.last = self.last.min(from - 1);
        self.last_term = self.terms.back().map_or(0, |(_, term)| *term);
    }

    /// Forgets whole batches up to at most entry `upto`. Returns the first record on disk that is still needed, if any.
    pub(super) fn compact(&mut self, upto: u64) -> Option<WriteId> {
        while self.segments.front().is_some_and(|s| s.last() <= upto) {
            let gone = self.segments.pop_front().expect("looked at");
            self.base = gone.last();
        }
        while self.terms.len() > 1 && self.terms[1].0 <= self.base {
            self.terms.pop_front();
        }
        self.terms[0].0 = self.base;
        while self.configurations.len() > 1 && self.configurations[1].0 <= self.base {
            self.configurations.pop_front();
        }
        self.segments.front().map(|s| s.write)
    }

    /// Calls `f` with every entry from `from` to `to`, both in the log.
    pub(super) fn each(&self, from: u64, to: u64, mut f: impl FnMut(u64, &Entry<M::Command>)) {
        if from > to {
            return;
        }
        let mut at = from;
        for segment in self.segments.range(self.locate(from)..) {
            let entries = segment.slice.entries();
            while at <= segment.last() {
                f(at, &entries[(at - segment.first) as usize]);
                if at == to {
                    return;
                }
                at += 1;
            }
        }
    }

    /// Entry `index`, if the log holds it.
    #[must_use]
    pub fn entry(&self, index: u64) -> Option<&Entry<M::Command>> {
        if index <= self.base || index > self.last {
            return None;
        }
        let segment = &self.segments[self.locate(index)];
        segment.slice.entries().get((index - segment.first) as usize)
    }

    /// Entries from `index`, which is in the log, to the end of its batch.
    pub(super) fn from(&self, index: u64) -> &[Entry<M::Command>] {
        let segment = &self.segments[self.locate(index)];
        &segment.slice.entries()[(index - segment.first) as usize..]
    }

    /// Entries from `from` on, at most `max_bytes` of them but at least one if there is one. Shares a batch if that
    /// makes a good message, otherwise joins several into one.
    pub(super) fn slice(&self, from: u64, max_bytes: u32) -> Slice<M::Command> {
        if from > self.last {
            return Slice::EMPTY;
        }
        let at = self.locate(from);
        let segment = &self.segments[at];
        let skip = (from - segment.first) as usize;
        let alone = self
            .segments
            .get(at + 1)
            .is_none_or(|next| segment.slice.bytes().saturating_add(next.slice.bytes()) > max_bytes);
        if alone && segment.slice.bytes() <= max_bytes {
            return segment.slice.part(skip, segment.slice.len(), Entry::bytes::<M>);
        }
        let left = usize::try_from(self.last + 1 - from).unwrap_or(Slice::<M::Command>::LONGEST);
        let (mut joined, mut bytes) = (Vec::with_capacity(left.min(Slice::<M::Command>::LONGEST)), 0_u32);
        'full: for segment in self.segments.range(at..) {
            let skip = from.saturating_sub(segment.first) as usize;
            for entry in &segment.slice.entries()[skip..] {
                let more = entry.bytes::<M>();
                if !joined.is_empty()
                    && (bytes.saturating_add(more) > max_bytes || joined.len() == Slice::<M::Command>::LONGEST)
                {
                    break 'full;
                }
                bytes += more;
                joined.push(entry.clone());
            }
        }
        Slice::new(joined.into(), bytes)
    }

    /// How many batches the log is made of.
    #[must_use]
    pub fn batches(&self) -> usize {
        self.segments.len()
    }
}
