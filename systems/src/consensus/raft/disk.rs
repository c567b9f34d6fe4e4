//! Durability: what is on disk, which messages wait for it, and how a node is built again from it.

use super::RaftBug;
use super::configuration::Configuration;
use super::log::{Entry, Log, Slice, link};
use super::message::{RaftFact, RaftMessage, Record};
use super::node::{Fx, Raft, Stage};
use crate::shared::replication::{LeaderDisk, Replicated, pop_if};
use sim_core::{LocalInstant, NodeId, Replay, StateMachine, Unreadable, WriteId};
use std::collections::VecDeque;

/// A position on the disk: everything before it. 0 is nothing.
type Upto = u64;

/// What a node knows about its disk.
#[derive(Clone, Debug)]
pub struct Disk<M: StateMachine> {
    /// Everything before is durable.
    synced: Upto,
    /// Everything before has been appended.
    written: Upto,
    /// End of the newest record with term and vote.
    hard: Upto,
    /// Records with entries that are not durable yet: where each ends, on disk and in the log, and when it was written.
    pending: VecDeque<(Upto, u64, LocalInstant)>,
    /// The newest durable entry.
    durable: u64,
    /// Messages that may be sent once the disk is durable up to some point.
    held: VecDeque<(Upto, NodeId, RaftMessage<M>)>,
    /// Something was appended in this step.
    dirty: bool,
    /// Once durable up to the first, records before the second are not needed any more.
    forget: Option<(Upto, WriteId)>,
}

impl<M: StateMachine> Default for Disk<M> {
    fn default() -> Self {
        Self {
            synced: 0,
            written: 0,
            hard: 0,
            pending: VecDeque::new(),
            durable: 0,
            held: VecDeque::new(),
            dirty: false,
            forget: None,
        }
    }
}

impl<M: StateMachine> Disk<M> {
    pub(super) const fn durable(&self) -> u64 {
        self.durable
    }

    pub(super) const fn written(&self) -> Upto {
        self.written
    }

    pub(super) const fn hard(&self) -> Upto {
        self.hard
    }

    /// Whether term and vote are durable.
    pub(super) const fn knows_vote(&self) -> bool {
        self.hard <= self.synced
    }

    /// Everything before is durable.
    pub(super) const fn synced(&self) -> Upto {
        self.synced
    }

    /// Since when the oldest entry that is not durable has been on its way to the disk.
    pub(super) fn waits_since(&self) -> Option<LocalInstant> {
        self.pending.front().map(|(.., since)| *since)
    }

    /// The log was cut: it ends before `from` now.
    fn cut(&mut self, from: u64) {
        for (_, last, _) in self.pending.iter_mut().rev() {
            if *last < from {
                break;
            }
            *last = from - 1;
        }
        self.durable = self.durable.min(from - 1);
    }
}

impl<M: StateMachine> Raft<M> {
    fn write(&mut self, record: Record<M>, fx: &mut Fx<'_, M>) -> WriteId {
        let id = fx.append(record);
        self.disk.written = id.0 + 1;
        self.disk.dirty = true;
        id
    }

    /// Writes term and vote. Everything said on their strength waits until they are durable.
    pub(super) fn write_hard(&mut self, fx: &mut Fx<'_, M>) {
        let vote = if self.config.has(RaftBug::VoteNotPersisted) { None } else { self.vote };
        self.write(Record::Hard { term: self.term, vote }, fx);
        self.disk.hard = self.disk.written;
    }

    /// Adds entries to the log, in memory and on disk.
    pub(super) fn append(&mut self, entries: Slice<M::Command>, fx: &mut Fx<'_, M>) {
        let (first, prev_term) = (self.log.last() + 1, self.log.last_term());
        for entry in entries.entries() {
            self.tail_chain = link(self.tail_chain, entry.hash());
        }
        let id = self.write(Record::Entries { first, prev_term, entries: entries.clone() }, fx);
        self.log.push(entries, id);
        let last = self.log.last();
        self.disk.pending.push_back((self.disk.written, last, fx.now()));
        fx.note(RaftFact::Appended { first, last, term: self.log.last_term(), chain: self.tail_chain });
        if self.log.configuration_index() >= first {
            self.configured(fx);
        }
    }

    /// Cuts the log before `from`, in memory and on disk.
    pub(super) fn truncate(&mut self, from: u64, fx: &mut Fx<'_, M>) {
        self.write(Record::Truncate { from }, fx);
        let configured = self.log.configuration_index();
        self.log.truncate(from);
        self.disk.cut(from);
        self.rehash();
        fx.note(RaftFact::Truncated { from });
        if self.log.configuration_index() != configured {
            // A change that was not committed is taken back.
            self.configured(fx);
        }
    }

    /// Works out the running hash of the log anew, from the newest point where it is known.
    pub(super) fn rehash(&mut self) {
        self.tail_chain = self.applied_chain;
        let mut chain = self.applied_chain;
        self.log
            .each(self.applied + 1, self.log.last(), |_, entry: &Entry<M::Command>| chain = link(chain, entry.hash()));
        self.tail_chain = chain;
    }

    /// Sends `message` as soon as everything before `need` is durable.
    #[inline]
    pub(super) fn send_after(&mut self, need: Upto, to: NodeId, message: RaftMessage<M>, fx: &mut Fx<'_, M>) {
        if need <= self.disk.synced {
            fx.send(to, message);
        } else {
            self.disk.held.push_back((need, to, message));
        }
    }

    /// Sends `message`, which depends on term and vote only.
    #[inline]
    pub(super) fn answer(&mut self, to: NodeId, message: RaftMessage<M>, fx: &mut Fx<'_, M>) {
        self.send_after(self.disk.hard, to, message, fx);
    }

    /// Ends a step: asks for durability of what it has written.
    #[inline]
    pub(super) fn settle(&mut self, fx: &mut Fx<'_, M>) {
        if core::mem::take(&mut self.disk.dirty) {
            fx.sync();
            if self.config.leader_disk != LeaderDisk::Parallel && self.stage == Stage::Leader {
                self.standstill.begin(self.disk.written);
            }
        }
    }

    /// More of the disk is durable: what waited for it goes out.
    pub(super) fn on_synced(&mut self, upto: WriteId, fx: &mut Fx<'_, M>) {
        let knew_vote = self.disk.knows_vote();
        self.disk.synced = self.disk.synced.max(upto.0 + 1);
        while let Some((_, last, _)) = pop_if(&mut self.disk.pending, |(end, ..)| *end <= self.disk.synced) {
            self.disk.durable = last;
        }
        self.release(fx);
        if let Some((need, before)) = self.disk.forget
            && need <= self.disk.synced
        {
            self.disk.forget = None;
            fx.forget(before);
        }
        match self.stage {
            // It counts its own vote like anybody else's: once it is durable.
            Stage::Candidate if !knew_vote && self.disk.knows_vote() => {
                self.on_vote(self.me, self.term, true, false, fx)
            }
            Stage::Leader => self.on_own_disk(fx),
            _ => {}
        }
    }

    fn release(&mut self, fx: &mut Fx<'_, M>) {
        let synced = self.disk.synced;
        while let Some((_, to, message)) = pop_if(&mut self.disk.held, |(need, ..)| *need <= synced) {
            // Of several acknowledgements to one leader the newest says it all.
            if let RaftMessage::Appended { term, match_index, round } = &message
                && let Some((
                    need,
                    next_to,
                    RaftMessage::Appended { term: next_term, match_index: next, round: next_round },
                )) = self.disk.held.front_mut()
                && *need <= synced
                && *next_to == to
                && *next_term == *term
            {
                *next = (*next).max(*match_index);
                *next_round = (*next_round).max(*round);
                continue;
            }
            fx.send(to, message);
        }
    }

    /// Writes what a restart needs beside the retained entries, and forgets the rest once that is durable. `kept` is
    /// the first retained record with entries, if any.
    pub(super) fn compact_disk(&mut self, snapshot: WriteId, kept: Option<WriteId>, fx: &mut Fx<'_, M>) {
        self.write_hard(fx);
        let before = kept.map_or(snapshot, |kept| kept.min(snapshot));
        self.disk.forget = Some((self.disk.written, before));
    }

    /// Writes a snapshot record.
    pub(super) fn write_snapshot(&mut self, fx: &mut Fx<'_, M>) -> WriteId {
        let snapshot = self.snapshot.clone().expect("the snapshot was just taken or received");
        self.write(Record::Snapshot(snapshot), fx)
    }

    /// The log begins anew behind `index`, which will be durable with the newest record.
    pub(super) fn restart_log(&mut self, index: u64, term: u64, configuration: Configuration, now: LocalInstant) {
        self.log = Log::after(index, term, configuration);
        self.disk.pending.clear();
        self.disk.pending.push_back((self.disk.written, index, now));
        self.disk.durable = 0;
    }

    /// Builds term, vote, log, snapshot and state from the disk.
    ///
    /// # Errors
    /// The first record that can not be read, or that does not fit what is there before it. What it said is unknown: it
    /// may have been a vote, or entries that count as stored in somebody's quorum. Cutting the log there, or starting
    /// anew, is how real systems lose acknowledged writes (Alagappan et al., "Protocol-Aware Recovery for
    /// Consensus-Based Storage", FAST'18, table 1); so the node stays out. Fetching the lost part from the others, as
    /// that paper's CTRL does, is not implemented.
    pub(super) fn replay(&mut self, disk: Replay<'_, Record<M>>, now: LocalInstant) -> Result<(), WriteId> {
        for (id, record) in disk.iter() {
            self.disk.written = id.0 + 1;
            match record.map_err(|Unreadable| id)? {
                Record::Hard { term, vote } => (self.term, self.vote) = (*term, *vote),
                Record::Truncate { from } => self.log.truncate(*from),
                Record::Entries { first, prev_term, entries } => {
                    self.replay_entries(id, *first, *prev_term, entries)?;
                }
                Record::Snapshot(snapshot) => {
                    // A snapshot from before the log's beginning is not the newest: the one that let the log begin
                    // there follows.
                    let covers = snapshot.index >= self.log.base();
                    if covers && self.log.term(snapshot.index) != Some(snapshot.term) {
                        self.log = Log::after(snapshot.index, snapshot.term, snapshot.configuration);
                    } else if covers {
                        self.log.adopt(snapshot.index, snapshot.configuration);
                    }
                    self.snapshot = Some(snapshot.clone());
                }
            }
        }
        // Where the process died alone, all this may stand in the page cache only: nothing that was read counts as
        // durable before a sync of this life has covered it.
        self.disk.hard = self.disk.written;
        if self.config.has(RaftBug::RestartTrustsPageCache) {
            (self.disk.synced, self.disk.durable) = (self.disk.written, self.log.last());
        } else if self.disk.written > 0 {
            self.disk.pending.push_back((self.disk.written, self.log.last(), now));
            self.disk.dirty = true;
        }
        if let Some(snapshot) = &self.snapshot {
            self.state = Replicated::restore(&snapshot.image);
            (self.commit, self.applied, self.applied_chain) = (snapshot.index, snapshot.index, snapshot.chain);
        }
        if self.log.base() > self.snapshot_index() {
            // The snapshot that let the log begin there is gone: only a disk that lies about syncs loses it.
            return Err(WriteId(self.disk.written));
        }
        self.rehash();
        Ok(())
    }

    fn replay_entries(
        &mut self,
        id: WriteId,
        first: u64,
        prev_term: u64,
        entries: &Slice<M::Command>,
    ) -> Result<(), WriteId> {
        if self.log.last() == 0 && first > 1 {
            // What came before was compacted away; the snapshot that covers it follows.
            // So does what was the configuration there.
            self.log = Log::after(first - 1, prev_term, *self.log.configuration());
        }
        let known = (self.log.last() + 1).saturating_sub(first) as usize;
        let last = self.log.last();
        if first > last + 1 {
            return Err(id);
        }
        if known < entries.len() {
            self.log.push(entries.part(known, entries.len(), Entry::bytes::<M>), id);
        }
        Ok(())
    }
}
