//! What a node does that sentinels watch: it says what it is, passes on what they publish, and follows whom it is told
//! to follow.

use super::{FIRST, SentinelMessage};
use crate::control::failover::message::{FailoverMessage, Record};
use crate::control::failover::node::{Failover, Fx};
use sim_core::{LocalInstant, NodeId, NodeSet};

/// What a node was told to be, and what it makes of it.
#[derive(Clone, Copy, Debug)]
pub(in crate::control::failover) struct Told {
    /// On disk: the newest epoch of a sentinel that it has obeyed.
    pub epoch: u64,
    /// On disk: whom it follows; itself if it leads.
    pub primary: NodeId,
    /// Since when it has no link with that.
    unlinked: Option<LocalInstant>,
    /// When it last heard from it.
    heard: LocalInstant,
}

impl Told {
    /// What the operator has written.
    pub const fn first(now: LocalInstant) -> Self {
        Self { epoch: FIRST.epoch, primary: FIRST.primary, unlinked: Some(now), heard: now }
    }
}

impl Failover {
    /// Is what it was told to be when it was up last, or what the operator has written.
    pub(in crate::control::failover) fn resume(&mut self, first_start: bool, fx: &mut Fx<'_>) {
        if first_start {
            self.write_told(fx);
            self.epoch = if self.told.primary == self.me { FIRST.epoch } else { 0 };
            self.write_promise(fx);
        }
        self.primary = Some(self.told.primary);
        if self.told.primary == self.me {
            self.lead_as_told(fx);
        }
    }

    fn write_told(&mut self, fx: &mut Fx<'_>) {
        self.disk.append(self.told_record(), fx);
        self.disk.promise();
    }

    /// What has to be on the disk of it.
    pub(in crate::control::failover) const fn told_record(&self) -> Record {
        Record::Told { epoch: self.told.epoch, primary: self.told.primary }
    }

    fn lead_as_told(&mut self, fx: &mut Fx<'_>) {
        self.begin_to_lead(NodeSet::one(self.me), fx.now(), false, self.named_in_sync(), fx);
    }

    /// A command of a sentinel.
    pub(super) fn on_command(&mut self, from: NodeId, message: SentinelMessage, fx: &mut Fx<'_>) {
        let reply = match message {
            SentinelMessage::Ping => SentinelMessage::Pong,
            SentinelMessage::Info => self.info(fx.now()),
            SentinelMessage::SlaveOf { epoch, primary } => return self.on_slave_of(epoch, primary, fx),
            hello @ SentinelMessage::Hello { .. } => {
                for node in self.config.sentinels().filter(|node| *node != from) {
                    fx.send(node, FailoverMessage::Sentinel(hello.clone()));
                }
                return;
            }
            _ => return,
        };
        self.answer(from, FailoverMessage::Sentinel(reply), fx);
    }

    fn info(&self, now: LocalInstant) -> SentinelMessage {
        let (offset, Told { primary, unlinked, heard, .. }) = (self.log.last(), self.told);
        if self.lead.is_some() {
            return SentinelMessage::InfoReply { follows: None, offset, linked: true, unlinked_s: 0 };
        }
        // One that just says nothing is noticed late.
        let silent = Some(heard).filter(|at| now.since(*at) > self.config.repl_timeout);
        let unlinked = unlinked.or(silent);
        let unlinked_s = unlinked.map_or(0, |at| now.since(at).0 / 1_000_000_000);
        SentinelMessage::InfoReply { follows: Some(primary), offset, linked: unlinked.is_none(), unlinked_s }
    }

    fn on_slave_of(&mut self, epoch: u64, primary: Option<NodeId>, fx: &mut Fx<'_>) {
        let promoted = primary.is_none();
        let primary = primary.unwrap_or(self.me);
        let stale = epoch < self.told.epoch || promoted && epoch == self.told.epoch;
        if stale || primary == self.me && !promoted {
            return;
        }
        let changes = primary != self.told.primary;
        (self.told.epoch, self.told.primary) = (epoch, primary);
        self.write_told(fx);
        if !changes {
            return;
        }
        if promoted {
            self.epoch = epoch;
            self.vote = Some(self.me);
            self.write_promise(fx);
            return self.lead_as_told(fx);
        }
        self.step_down("a sentinel says so", Some(primary), fx);
        (self.primary, self.joined) = (Some(primary), false);
        (self.told.unlinked, self.told.heard) = (Some(fx.now()), fx.now());
    }

    /// Something of a node's log. Whoever is told whom to follow heeds nobody else, whatever the epoch.
    pub(in crate::control::failover) fn heeds(&mut self, from: NodeId, epoch: u64, fx: &mut Fx<'_>) -> bool {
        if self.lead.is_some() || self.told.primary != from || from == self.me {
            return false;
        }
        if epoch != self.epoch || self.primary != Some(from) {
            self.follow(epoch, Some(from), fx);
        }
        self.told.heard = fx.now();
        if self.joined {
            self.told.unlinked = None;
        }
        true
    }

    /// A data node's connection is over.
    pub(in crate::control::failover) fn on_data_closed(&mut self, peer: NodeId, fx: &mut Fx<'_>) {
        if self.lead.is_none() && self.told.primary == peer {
            // What was under way is lost: it must find out anew where it stands.
            self.joined = false;
            self.told.unlinked.get_or_insert(fx.now());
        }
    }
}
