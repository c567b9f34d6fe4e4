//! Durability: what is on disk, which messages wait for it, and how a node is built again from it.

use super::ballot::Ballot;
use super::bugs::PaxosBug;
use super::log::{Log, Run};
use super::members::Members;
use super::message::{Life, PaxosFact, PaxosMessage, Record};
use super::node::{Fx, Paxos, Stage};
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
    /// End of the newest record with the promise.
    hard: Upto,
    /// Its own proposals that are not durable yet: where the record ends, the ballot, the first slot, and when it was
    /// written.
    pending: VecDeque<(Upto, Ballot, u64, LocalInstant)>,
    /// Messages that may be sent once the disk is durable up to some point.
    held: VecDeque<(Upto, NodeId, PaxosMessage<M>)>,
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
            held: VecDeque::new(),
            dirty: false,
            forget: None,
        }
    }
}

impl<M: StateMachine> Disk<M> {
    pub(super) const fn written(&self) -> Upto {
        self.written
    }

    pub(super) const fn hard(&self) -> Upto {
        self.hard
    }

    /// Whether the promise is durable.
    pub(super) const fn knows_promise(&self) -> bool {
        self.hard <= self.synced
    }

    /// The newest record is its own acceptance of a proposal.
    pub(super) fn await_own(&mut self, ballot: Ballot, first: u64, now: LocalInstant) {
        self.pending.push_back((self.written, ballot, first, now));
    }

    /// Everything before is durable.
    pub(super) const fn synced(&self) -> Upto {
        self.synced
    }

    /// Since when the oldest proposal that is not durable has been on its way to the disk.
    pub(super) fn waits_since(&self) -> Option<LocalInstant> {
        self.pending.front().map(|(.., since)| *since)
    }
}

impl<M: StateMachine> Paxos<M> {
    pub(super) fn write(&mut self, record: Record<M>, fx: &mut Fx<'_, M>) -> WriteId {
        let id = fx.append(record);
        self.disk.written = id.0 + 1;
        self.disk.dirty = true;
        id
    }

    /// Writes the promise. Everything said on its strength waits until it is durable.
    pub(super) fn write_hard(&mut self, fx: &mut Fx<'_, M>) {
        self.write(Record::Hard { promised: self.promised, life: self.life, lives: self.lives.clone() }, fx);
        self.disk.hard = self.disk.written;
        self.recorded = self.promised;
    }

    /// Puts values into the log, in memory and on disk.
    pub(super) fn store(&mut self, run: Run<M::Command>, fx: &mut Fx<'_, M>) {
        if run.ballot != Ballot::CHOSEN {
            self.recorded = self.recorded.max(run.ballot);
        }
        let id = self.write(Record::Run { run: run.clone(), commit: self.commit, after: self.disk.written }, fx);
        self.log.put(run, id);
    }

    /// Sends `message` as soon as everything before `need` is durable.
    #[inline]
    pub(super) fn send_after(&mut self, need: Upto, to: NodeId, message: PaxosMessage<M>, fx: &mut Fx<'_, M>) {
        if need <= self.disk.synced {
            Self::say(to, message, fx);
        } else {
            self.disk.held.push_back((need, to, message));
        }
    }

    /// Sends a message, and announces what it commits the node to.
    fn say(to: NodeId, message: PaxosMessage<M>, fx: &mut Fx<'_, M>) {
        match &message {
            PaxosMessage::Promise { ballot, .. } => fx.note(PaxosFact::Promised { ballot: *ballot, candidate: to }),
            PaxosMessage::Accepted { ballot, first, .. } => {
                fx.note(PaxosFact::Accepted { ballot: *ballot, first: *first });
            }
            _ => {}
        }
        fx.send(to, message);
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
        let knew_promise = self.disk.knows_promise();
        self.disk.synced = self.disk.synced.max(upto.0 + 1);
        let synced = self.disk.synced;
        while let Some((_, to, message)) = pop_if(&mut self.disk.held, |(need, ..)| *need <= synced) {
            Self::say(to, message, fx);
        }
        if let Some((need, before)) = self.disk.forget
            && need <= synced
        {
            self.disk.forget = None;
            fx.forget(before);
        }
        // Its own promise counts like anybody else's: once it is durable.
        if self.stage == Stage::Candidate && !knew_promise && self.disk.knows_promise() {
            self.on_own_promise(fx);
        }
        while let Some((_, ballot, first, _)) = pop_if(&mut self.disk.pending, |(end, ..)| *end <= synced) {
            self.on_own_accept(ballot, first, fx);
        }
    }

    /// Writes what a restart needs beside the retained slots, and forgets the rest once that is durable.
    pub(super) fn compact_disk(&mut self, snapshot: WriteId, fx: &mut Fx<'_, M>) {
        if self.is_blank() {
            return;
        }
        self.write_hard(fx);
        let before = self.log.oldest_write().map_or(snapshot, |kept| kept.min(snapshot));
        self.disk.forget = Some((self.disk.written, before));
    }

    /// Writes its snapshot and the log's new beginning.
    pub(super) fn write_snapshot(&mut self, base: u64, fx: &mut Fx<'_, M>) -> WriteId {
        let snapshot = self.snapshot.clone().expect("the snapshot was just taken or received");
        self.write(Record::Snapshot { snapshot, base, after: self.disk.written }, fx)
    }

    /// Builds promise, slots, snapshot and state from the disk. A disk without a promise was never used, or was wiped;
    /// one that can not be read is no better than a wiped one, because what is missing may have been a promise.
    pub(super) fn replay(&mut self, disk: Replay<'_, Record<M>>, fx: &mut Fx<'_, M>) {
        let formatted = disk.iter().any(|(_, record)| matches!(record, Ok(Record::Hard { .. }) | Err(Unreadable)));
        if !formatted {
            // A device counts its writes for ever: wiping it does not make it a new one.
            let used = fx.disk_was_used();
            let id = self.format(fx);
            if used && !self.config.has(PaxosBug::WipedVotesAtOnce) {
                return self.begin_rejoin(Life(id.0), fx);
            }
            return self.write_hard(fx);
        }
        if let Err(record) = self.replay_records(disk) {
            fx.note(PaxosFact::Unreadable { record: record.0 });
            self.forget_all();
            let id = self.format(fx);
            self.begin_rejoin(Life(id.0), fx);
        }
    }

    /// Begins an empty disk.
    fn format(&mut self, fx: &mut Fx<'_, M>) -> WriteId {
        let id = self.write(Record::Blank, fx);
        fx.forget(id);
        id
    }

    /// Nothing of what it has read counts.
    fn forget_all(&mut self) {
        self.log = Log::after(0);
        (self.promised, self.snapshot, self.lives, self.disk) = Default::default();
        self.members = Members::initial(&self.config);
    }

    /// # Errors
    /// The first record that can not be read, or that does not fit what is there before it.
    fn replay_records(&mut self, disk: Replay<'_, Record<M>>) -> Result<(), WriteId> {
        let mut commit = 0;
        for (id, record) in disk.iter() {
            let end = core::mem::replace(&mut self.disk.written, id.0 + 1);
            let record = record.map_err(|Unreadable| id)?;
            if let Record::Run { after, .. } | Record::Snapshot { after, .. } = record
                && end > 0
                && *after != end
            {
                // What is missing was never told to anybody, but what follows may rest on it.
                return Err(id);
            }
            match record {
                Record::Blank => {}
                Record::Hard { promised, life, lives } => {
                    self.promised = self.promised.max(*promised);
                    (self.life, self.lives) = (*life, lives.clone());
                }
                Record::Run { run, commit: known, .. } => {
                    if run.ballot != Ballot::CHOSEN {
                        self.promised = self.promised.max(run.ballot);
                    }
                    self.log.put(run.clone(), id);
                    commit = commit.max(*known);
                }
                Record::Snapshot { snapshot, base, .. } => {
                    self.log.drop_through(*base);
                    self.snapshot = Some(snapshot.clone());
                }
            }
        }
        if self.log.base() > self.snapshot_slot() {
            // The snapshot that let the log begin there is gone: only a disk that lies about syncs loses it.
            return Err(WriteId(self.disk.written));
        }
        // Where the process died alone, all this may stand in the page cache only: nothing that was read counts as
        // durable before a sync of this life has covered it.
        self.disk.hard = self.disk.written;
        if self.config.has(PaxosBug::RestartTrustsPageCache) {
            self.disk.synced = self.disk.written;
        }
        self.disk.dirty = true;
        self.recorded = self.promised;
        if let Some(snapshot) = &self.snapshot {
            self.state = Replicated::restore(&snapshot.image);
            (self.commit, self.applied, self.applied_chain) = (snapshot.slot, snapshot.slot, snapshot.chain);
            self.members = snapshot.members.clone();
        }
        while self.commit < commit
            && let Some((_, last)) = self.log.ballot(self.commit + 1)
        {
            self.commit = last.min(commit);
        }
        Ok(())
    }
}
