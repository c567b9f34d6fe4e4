//! Durability: what is on disk, which messages wait for it, and how a node is built again from it.

use super::ballot::Ballot;
use super::bugs::PaxosBug;
use super::log::{Log, Run};
use super::members::Members;
use super::message::{Life, PaxosFact, PaxosMessage, Record};
use super::node::{Fx, Paxos, Stage};
use crate::shared::replication::{LeaderDisk, Sessioned, pop_if};
use sim_core::{Journal, LocalInstant, NodeId, Replay, StateMachine, Unreadable, Upto, WriteId};
use std::collections::VecDeque;

/// What a node knows about its disk, and what waits for it.
pub(super) type Disk<M> = Journal<(NodeId, PaxosMessage<M>)>;

/// Its own proposals that are not durable yet: where the record ends, the ballot, the first slot, and when it was
/// written.
pub(super) type Own = VecDeque<(Upto, Ballot, u64, LocalInstant)>;

impl<M: StateMachine> Paxos<M> {
    /// Writes the promise. Everything said on its strength waits until it is durable.
    pub(super) fn write_hard(&mut self, fx: &mut Fx<'_, M>) {
        self.disk.append(Record::Hard { promised: self.promised, life: self.life, lives: self.lives.clone() }, fx);
        self.disk.promise();
        self.recorded = self.promised;
    }

    /// Puts values into the log, in memory and on disk.
    pub(super) fn store(&mut self, run: Run<M::Command>, fx: &mut Fx<'_, M>) {
        if run.ballot != Ballot::CHOSEN {
            self.recorded = self.recorded.max(run.ballot);
        }
        let id =
            self.disk.append(Record::Run { run: run.clone(), commit: self.commit, after: self.disk.written() }, fx);
        self.log.put(run, id);
    }

    /// Sends `message` as soon as everything before `need` is durable.
    #[inline]
    pub(super) fn send_after(&mut self, need: Upto, to: NodeId, message: PaxosMessage<M>, fx: &mut Fx<'_, M>) {
        if let Some((to, message)) = self.disk.after(need, (to, message)) {
            Self::say(to, message, fx);
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
        if self.disk.settle(fx) && self.config.leader_disk != LeaderDisk::Parallel && self.stage == Stage::Leader {
            self.standstill.begin(self.disk.written());
        }
    }

    /// More of the disk is durable: what waited for it goes out.
    pub(super) fn on_synced(&mut self, upto: WriteId, fx: &mut Fx<'_, M>) {
        let knew_promise = self.disk.knows_promise();
        self.disk.synced(upto);
        while let Some((to, message)) = self.disk.due() {
            Self::say(to, message, fx);
        }
        self.disk.forget(fx);
        // Its own promise counts like anybody else's: once it is durable.
        if self.stage == Stage::Candidate && !knew_promise && self.disk.knows_promise() {
            self.on_own_promise(fx);
        }
        let synced = self.disk.durable();
        while let Some((_, ballot, first, _)) = pop_if(&mut self.own, |(end, ..)| *end <= synced) {
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
        self.disk.forget_once_durable(before);
    }

    /// Writes its snapshot and the log's new beginning.
    pub(super) fn write_snapshot(&mut self, base: u64, fx: &mut Fx<'_, M>) -> WriteId {
        let snapshot = self.snapshot.clone().expect("the snapshot was just taken or received");
        self.disk.append(Record::Snapshot { snapshot, base, after: self.disk.written() }, fx)
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
        let id = self.disk.append(Record::Blank, fx);
        fx.forget(id);
        id
    }

    /// Nothing of what it has read counts.
    fn forget_all(&mut self) {
        self.log = Log::after(0);
        (self.promised, self.snapshot, self.lives, self.disk, self.own) = Default::default();
        self.members = Members::initial(&self.config);
    }

    /// # Errors
    /// The first record that can not be read, or that does not fit what is there before it.
    fn replay_records(&mut self, disk: Replay<'_, Record<M>>) -> Result<(), WriteId> {
        let mut commit = 0;
        for (id, record) in disk.iter() {
            let end = self.disk.written();
            self.disk.replayed(id);
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
            return Err(WriteId(self.disk.written()));
        }
        self.disk.restarted(self.config.has(PaxosBug::RestartTrustsPageCache));
        self.recorded = self.promised;
        if let Some(snapshot) = &self.snapshot {
            self.state = Sessioned::restore(&snapshot.image);
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
