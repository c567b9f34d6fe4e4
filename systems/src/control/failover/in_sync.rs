//! Who is in sync (`mode = "sync"`): the set shrinks by those who lag and grows by those who have caught up, and every
//! change is known to the arbiter before it counts (Kafka's in-sync replicas).

use super::arbiter::Petition;
use super::message::{FailoverFact, FailoverMessage, InSync, Record, SetVersion};
use super::node::{Failover, Fx};
use super::options::{Arbiter, Mode};
use super::primary::Change;
use crate::shared::number::Counts;
use sim_core::{NodeId, NodeSet};

impl Failover {
    /// As the primary, wants exactly these to be in sync. Until the arbiter knows, those of before count too.
    pub(super) fn propose_in_sync(&mut self, nodes: NodeSet, fx: &mut Fx<'_>) {
        let Some(lead) = &mut self.lead else { return };
        let version = lead.change.map_or(lead.version, |change| change.version).next();
        self.in_sync = InSync { epoch: self.epoch, version, nodes };
        self.disk.append(Record::InSync(self.in_sync), fx);
        let upto = self.disk.written();
        if let Some(lead) = &mut self.lead {
            lead.change = Some(Change { nodes, version, written: NodeSet::EMPTY, upto });
        }
        self.tell_in_sync(fx);
    }

    fn tell_in_sync(&mut self, fx: &mut Fx<'_>) {
        let in_sync = self.in_sync;
        if self.config.arbiter == Arbiter::Quorum {
            return self.petition(Petition::SetInSync { epoch: in_sync.epoch, nodes: in_sync.nodes }, fx);
        }
        for node in self.config.voters().without(self.me).iter() {
            self.answer(node, FailoverMessage::SetInSync { in_sync }, fx);
        }
    }

    /// Somebody knows better who is in sync. What a primary has said counts whoever passes it on.
    pub(super) fn learn_in_sync(&mut self, in_sync: InSync, fx: &mut Fx<'_>) {
        if in_sync.age() > self.in_sync.age() && self.lead.is_none() {
            self.in_sync = in_sync;
            self.disk.append(Record::InSync(in_sync), fx);
        }
    }

    /// Whether it is in sync as far as it knows; everybody is if nobody has said anything yet.
    pub(super) fn is_in_sync(&self) -> bool {
        self.named_in_sync().has(self.me)
    }

    /// Those in sync as far as it knows.
    pub(super) const fn named_in_sync(&self) -> NodeSet {
        if self.in_sync.nodes.is_empty() { self.config.data_nodes() } else { self.in_sync.nodes }
    }

    /// A voter hears who is in sync.
    pub(super) fn on_set_in_sync(&mut self, from: NodeId, in_sync: InSync, fx: &mut Fx<'_>) {
        if in_sync.age() > self.in_sync.age() {
            self.in_sync = in_sync;
            self.disk.append(Record::InSync(in_sync), fx);
        } else if in_sync != self.in_sync {
            return;
        }
        let set = FailoverMessage::InSyncSet { epoch: in_sync.epoch, version: in_sync.version };
        self.send_after(self.disk.written(), from, set, fx);
    }

    /// A voter has written it down.
    pub(super) fn on_in_sync_set(&mut self, from: NodeId, version: SetVersion, fx: &mut Fx<'_>) {
        if let Some(change) = self.lead.as_mut().and_then(|lead| lead.change.as_mut())
            && change.version == version
        {
            change.written.insert(from);
            self.note_in_sync(fx);
        }
    }

    /// Looks whether the change under way counts by now.
    pub(super) fn note_in_sync(&mut self, fx: &mut Fx<'_>) {
        let voters = self.config.voters();
        let Some(lead) = &mut self.lead else { return };
        let Some(change) = &mut lead.change else { return };
        if self.disk.has(change.upto) {
            change.written.insert(self.me);
        }
        let enough = match self.config.arbiter {
            Arbiter::Peers | Arbiter::Witness => change.written.common(voters).len() > voters.len() / 2,
            Arbiter::None | Arbiter::Sentinel => change.written.has(self.me),
            // Its own disk, and the arbiter.
            Arbiter::Quorum => change.written.has(self.me) && change.written.len() > 1,
        };
        if !enough {
            return;
        }
        (lead.in_sync, lead.version, lead.recorded) = (change.nodes, change.version, true);
        lead.change = None;
        fx.note(FailoverFact::InSyncChanged { epoch: self.epoch, nodes: self.in_sync.nodes });
        self.advance(fx);
    }

    /// Now and then the primary looks who lags, and who has caught up.
    pub(super) fn look_after_in_sync(&mut self, fx: &mut Fx<'_>) {
        if self.config.mode != Mode::Sync {
            return;
        }
        let (now, committed) = (fx.now(), self.committed);
        let Some(lead) = &self.lead else { return };
        if lead.change.is_some() {
            return self.tell_in_sync(fx);
        }
        let mut nodes = NodeSet::one(self.me);
        for node in self.config.data_nodes().without(self.me).iter() {
            let peer = &lead.peers[node.index()];
            let lags = now.since(peer.caught_up) > self.config.lag;
            // What earlier primaries have committed a new one knows only once its own first entry is committed
            // (KAFKA-7128).
            let back = peer.joined && peer.durable >= committed.max(lead.start) && !lags;
            if if lead.in_sync.has(node) { !lags } else { back } {
                nodes.insert(node);
            }
        }
        if nodes != lead.in_sync {
            self.propose_in_sync(nodes, fx);
        }
    }
}
