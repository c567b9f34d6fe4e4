//! Durability: what is on disk, which messages wait for it, and how a node is built again from it.

use super::RaftBug;
use super::configuration::Configuration;
use super::log::{Entry, Log, Slice, link};
use super::message::{RaftFact, RaftMessage, Record};
use super::node::{Fx, Raft, Stage};
use crate::shared::replication::{LeaderDisk, Sessioned, Tail};
use sim_core::{Journal, LocalInstant, NodeId, Replay, StateMachine, Unreadable, Upto, WriteId};

/// What a node knows about its disk, and the messages that wait for it.
pub(super) type Disk<M> = Journal<(NodeId, RaftMessage<M>)>;

impl<M: StateMachine> Raft<M> {
    /// Writes term and vote. Everything said on their strength waits until they are durable.
    pub(super) fn write_hard(&mut self, fx: &mut Fx<'_, M>) {
        let vote = if self.config.has(RaftBug::VoteNotPersisted) { None } else { self.vote };
        self.disk.append(Record::Hard { term: self.term, vote }, fx);
        self.disk.promise();
    }

    /// Adds entries to the log, in memory and on disk.
    pub(super) fn append(&mut self, entries: Slice<M::Command>, fx: &mut Fx<'_, M>) {
        let (first, prev_term) = (self.log.last() + 1, self.log.last_term());
        for entry in entries.entries() {
            self.tail_chain = link(self.tail_chain, entry.hash());
        }
        let id = self.disk.append(Record::Entries { first, prev_term, entries: entries.clone() }, fx);
        self.log.push(entries, id);
        let last = self.log.last();
        self.tail.push(self.disk.written(), last, fx.now());
        fx.note(RaftFact::Appended { first, last, term: self.log.last_term(), chain: self.tail_chain });
        if self.log.configuration_index() >= first {
            self.configured(fx);
        }
    }

    /// Cuts the log before `from`, in memory and on disk.
    pub(super) fn truncate(&mut self, from: u64, fx: &mut Fx<'_, M>) {
        self.disk.append(Record::Truncate { from }, fx);
        let configured = self.log.configuration_index();
        self.log.truncate(from);
        self.tail.cut(from);
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
        if let Some((to, message)) = self.disk.after(need, (to, message)) {
            fx.send(to, message);
        }
    }

    /// Sends `message`, which depends on term and vote only.
    #[inline]
    pub(super) fn answer(&mut self, to: NodeId, message: RaftMessage<M>, fx: &mut Fx<'_, M>) {
        self.send_after(self.disk.promised(), to, message, fx);
    }

    /// Ends a step: asks for durability of what it has written.
    #[inline]
    pub(super) fn settle(&mut self, fx: &mut Fx<'_, M>) {
        if self.disk.settle(fx) && self.config.leader_disk != LeaderDisk::Parallel && self.stage == Stage::Leader {
            self.standstill.begin(self.disk.written());
        }
    }

    /// More of the disk is durable: what waited for it goes out.
    pub(super) fn on_synced(&mut self, upto: WriteId, fx: &mut Fx<'_, M>) {
        let knew_vote = self.disk.knows_promise();
        self.disk.synced(upto);
        self.tail.synced(self.disk.durable());
        while let Some((to, message)) = self.disk.due() {
            // Of several acknowledgements to one leader the newest says it all.
            let newer = self.disk.next_due().is_some_and(|(next_to, next)| *next_to == to && message.goes_into(next));
            if !newer {
                fx.send(to, message);
            }
        }
        self.disk.forget(fx);
        match self.stage {
            // It counts its own vote like anybody else's: once it is durable.
            Stage::Candidate if !knew_vote && self.disk.knows_promise() => {
                self.on_vote(self.me, self.term, true, false, fx)
            }
            Stage::Leader => self.on_own_disk(fx),
            _ => {}
        }
    }

    /// Writes what a restart needs beside the retained entries, and forgets the rest once that is durable. `kept` is
    /// the first retained record with entries, if any.
    pub(super) fn compact_disk(&mut self, snapshot: WriteId, kept: Option<WriteId>, fx: &mut Fx<'_, M>) {
        self.write_hard(fx);
        let before = kept.map_or(snapshot, |kept| kept.min(snapshot));
        self.disk.forget_once_durable(before);
    }

    /// Writes a snapshot record.
    pub(super) fn write_snapshot(&mut self, fx: &mut Fx<'_, M>) -> WriteId {
        let snapshot = self.snapshot.clone().expect("the snapshot was just taken or received");
        self.disk.append(Record::Snapshot(snapshot), fx)
    }

    /// The log begins anew behind `index`, which will be durable with the newest record.
    pub(super) fn restart_log(&mut self, index: u64, term: u64, configuration: Configuration, now: LocalInstant) {
        self.log = Log::after(index, term, configuration);
        self.tail.restart(self.disk.written(), index, now);
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
            self.disk.replayed(id);
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
        if self.disk.restarted(self.config.has(RaftBug::RestartTrustsPageCache)) {
            self.tail.push(self.disk.written(), self.log.last(), now);
        } else {
            self.tail = Tail::at(self.log.last());
        }
        if let Some(snapshot) = &self.snapshot {
            self.state = Sessioned::restore(&snapshot.image);
            (self.commit, self.applied, self.applied_chain) = (snapshot.index, snapshot.index, snapshot.chain);
        }
        if self.log.base() > self.snapshot_index() {
            // The snapshot that let the log begin there is gone: only a disk that lies about syncs loses it.
            return Err(WriteId(self.disk.written()));
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
