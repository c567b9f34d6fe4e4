//! One storage that all share (`storage = "shared"`): the last node keeps the journal, whoever leads mounts it and
//! writes to it, and an epoch goes with every write as a fencing token.
//!
//! The storage is a disk with a network, as a SAN is: it executes nothing and knows nobody. A block that is written
//! where another one was replaces it, and a journal ends where it does not continue: so what an old primary writes
//! behind its successor's back takes the place of what that had acknowledged. With `fencing` the storage notes the
//! newest epoch it was mounted with and refuses what comes with an older one (Kleppmann 2016); a lease can not do that,
//! because nobody knows how long a write that was sent in time is under way. The journal is never compacted, and
//! mounting reads all of it.

use super::log::{Entry, Log, Payload};
use super::message::{FailoverFact, FailoverMessage};
use super::node::{Failover, Fx};
use crate::shared::replication::Sessioned;
use sim_core::{NodeId, NodeSet};
use std::rc::Rc;

/// The storage.
impl Failover {
    /// Whether this node is the storage.
    pub(super) fn is_storage(&self) -> bool {
        self.config.storage_node() == Some(self.me)
    }

    /// Something for the storage.
    pub(super) fn on_storage(&mut self, from: NodeId, message: FailoverMessage, fx: &mut Fx<'_>) {
        match message {
            FailoverMessage::Heartbeat { epoch, sent, .. } if self.takes(from, epoch, fx) => {
                let (last, durable) = (Some(self.log.last()), self.tail.durable());
                self.answer(from, FailoverMessage::Alive { epoch, sent, last, durable }, fx);
            }
            FailoverMessage::Mount { epoch } if self.takes(from, epoch, fx) => {
                let entries = self.log.part(1, u32::MAX);
                self.send_after(self.disk.written(), from, FailoverMessage::Mounted { epoch, entries }, fx);
            }
            FailoverMessage::Replicate { epoch, previous, entries, .. } if self.takes(from, epoch, fx) => {
                if previous <= self.log.last() {
                    self.write_blocks(previous + 1, &entries, fx);
                }
                let last = self.log.last();
                let stored = FailoverMessage::Stored { epoch, durable: last, last };
                self.send_after(self.disk.written(), from, stored, fx);
            }
            _ => {}
        }
    }

    /// Whether the token that comes with a message is good. One that is too old is told so.
    fn takes(&mut self, from: NodeId, epoch: u64, fx: &mut Fx<'_>) -> bool {
        !self.config.fencing || self.heed(from, epoch, fx)
    }

    /// Writes blocks where they belong, whatever is there. Those that are there already stay.
    fn write_blocks(&mut self, first: u64, entries: &Rc<[Entry]>, fx: &mut Fx<'_>) {
        let same = |(entry, at): &(&Entry, u64)| self.log.epoch_at(*at) == Some(entry.epoch);
        let known = entries.iter().zip(first..).take_while(same).count();
        if known == entries.len() {
            return;
        }
        let fresh = first + known as u64;
        if fresh <= self.log.last() {
            self.truncate(fresh, fx);
        }
        self.append(if known == 0 { entries.clone() } else { entries[known..].into() }, fx);
    }
}

/// Those who share it.
impl Failover {
    /// Those a primary writes to.
    pub(super) fn copies(&self) -> NodeSet {
        self.config.storage_node().map_or_else(|| self.config.data_nodes().without(self.me), NodeSet::one)
    }

    /// As the primary, asks for the journal, unless it has it.
    pub(super) fn mount(&mut self, fx: &mut Fx<'_>) {
        let epoch = self.epoch;
        if let (Some(storage), Some(false)) = (self.config.storage_node(), self.lead.as_ref().map(|lead| lead.mounted))
        {
            self.answer(storage, FailoverMessage::Mount { epoch }, fx);
        }
    }

    /// The journal: from now on this node knows what is true, and writes behind it.
    pub(super) fn on_mounted(&mut self, from: NodeId, entries: &Rc<[Entry]>, fx: &mut Fx<'_>) {
        let Some(lead) = self.lead.as_mut().filter(|lead| !lead.mounted) else { return };
        let last = entries.len() as u64;
        lead.mounted = true;
        lead.start = last + 1;
        let peer = &mut lead.peers[from.index()];
        (peer.joined, peer.durable, peer.next) = (true, last, last + 1);
        self.log = Log::default();
        entries.iter().for_each(|entry| self.log.push(entry.clone()));
        self.state = Sessioned::default();
        (self.applied, self.committed) = (0, last);
        while self.applied < last {
            // What its predecessor stored and did not live to acknowledge counts now.
            self.apply_one(Some(fx));
        }
        if let Some(chain) = self.log.chain_at(last).filter(|_| last > 0) {
            let (entry, digest) = (self.log.position(), self.state.digest());
            fx.note(FailoverFact::SnapshotInstalled { entry, chain, digest });
        }
        self.append([Entry::new(self.epoch, Payload::Start)].into(), fx);
        self.push(from, fx);
    }
}
