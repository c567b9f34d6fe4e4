//! Elections: a replica of a failed primary asks the primaries for votes.

use super::bugs::ClusterBug;
use super::disk::After;
use super::message::{ClusterFact, ClusterMessage, Header, How};
use super::node::{Cluster, Fx};
use super::slots::slots;
use sim_core::{Duration, LocalInstant, NodeId, NodeSet};
use std::rc::Rc;

/// A replica's attempt to become primary.
#[derive(Clone, Debug)]
pub(super) struct Campaign {
    /// When votes are asked for.
    start: LocalInstant,
    /// How many replicas of the same primary have more data.
    rank: u64,
    /// In which epoch votes were asked for.
    epoch: Option<u64>,
    votes: NodeSet,
}

impl Cluster {
    /// How long votes are waited for: two node timeouts, at least the 2 s of Redis where the delay is its 500 ms.
    fn vote_timeout(&self) -> Duration {
        self.config.node_timeout.times(2).max(self.config.election_delay.times(4))
    }

    /// How many replicas of the same primary have more data, as far as is known.
    fn rank(&self, primary: NodeId) -> u64 {
        let sibling = |(node, peer): &(NodeId, &super::gossip::Peer)| {
            *node != self.me && peer.primary == Some(primary) && peer.failed.is_none() && peer.offset > self.at.offset
        };
        (0..).map(NodeId).zip(&self.peers).filter(sibling).count() as u64
    }

    /// Whether the data is too old to be promoted: nothing was heard of the primary for too long before it was given
    /// up.
    fn is_stale(&self, now: LocalInstant) -> bool {
        if self.config.has(ClusterBug::DataAgeIgnored) || self.config.validity_factor == 0 {
            return false;
        }
        let Some(heard) = self.following.heard else { return true };
        // The node timeout itself went by before anybody could know.
        let age = now.since(heard) - self.config.node_timeout;
        age > self.config.node_timeout.times(u64::from(self.config.validity_factor)) + self.config.keepalive
    }

    /// A replica of a failed primary does what is to be done now.
    pub(super) fn consider_failover(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let Some(primary) = self.primary().filter(|_| !self.promoting) else { return };
        let failed = self.peers[primary.index()].failed.is_some();
        if !failed || self.slots.count(primary) == 0 {
            self.campaign = None;
            return;
        }
        if self.is_stale(now) {
            return;
        }
        let (rank, late) = (self.rank(primary), self.config.rank_delay);
        let vote_timeout = self.vote_timeout();
        let expired = |campaign: &Campaign| now.since(campaign.start) > vote_timeout.times(2);
        let Some(campaign) = self.campaign.as_mut().filter(|campaign| !expired(campaign)) else {
            let random = Duration(fx.rng().below(self.config.election_delay.0));
            let wait = self.config.election_delay + random + late.times(rank);
            self.campaign = Some(Campaign { start: now + wait, rank, epoch: None, votes: NodeSet::EMPTY });
            // So that the other replicas know how far this one has got.
            let siblings = |node: &NodeId| self.peers[node.index()].primary == Some(primary);
            let siblings: NodeSet = self.others().filter(siblings).collect();
            self.tell(siblings.iter(), fx);
            return;
        };
        if campaign.epoch.is_some() || now.since(campaign.start) > vote_timeout {
            return;
        }
        if rank > campaign.rank {
            campaign.start = campaign.start + late.times(rank - campaign.rank);
            campaign.rank = rank;
        }
        if now < campaign.start {
            return;
        }
        self.epoch += 1;
        campaign.epoch = Some(self.epoch);
        fx.note(ClusterFact::Campaigned { epoch: self.epoch });
        self.save(After::Ask { epoch: self.epoch }, fx);
    }

    /// The epoch of the campaign is durable.
    pub(super) fn ask_for_votes(&mut self, epoch: u64, fx: &mut Fx<'_>) {
        if self.campaign.as_ref().is_some_and(|campaign| campaign.epoch == Some(epoch)) && self.epoch == epoch {
            let header = Rc::new(self.header_with(Vec::new()));
            for node in self.others() {
                fx.send(node, ClusterMessage::VoteRequest(Rc::clone(&header)));
            }
        }
    }

    /// A replica asks for a vote.
    pub(super) fn on_vote_request(&mut self, from: NodeId, header: &Header, fx: &mut Fx<'_>) {
        let now = fx.now();
        let Some(primary) = header.primary else { return };
        let recently = |at: LocalInstant| now.since(at) < self.config.node_timeout.times(2);
        let old = &self.peers[primary.index()];
        let granted = self.counts(self.me)
            && header.epoch >= self.epoch
            && self.voted < header.epoch
            && old.failed.is_some()
            && !old.voted_at.is_some_and(recently)
            && slots(&header.slots)
                .all(|slot| self.slots.owner(slot).is_none_or(|owner| self.config_epoch(owner) <= header.config_epoch));
        if granted {
            self.voted = header.epoch;
            self.peers[primary.index()].voted_at = Some(now);
            self.save(After::Vote { to: from, epoch: header.epoch }, fx);
        }
    }

    /// A vote is durable.
    pub(super) fn tell_vote(&mut self, to: NodeId, epoch: u64, fx: &mut Fx<'_>) {
        fx.note(ClusterFact::Voted { epoch, candidate: to });
        fx.send(to, ClusterMessage::Vote { epoch });
    }

    /// A vote arrived. One that was long under way does not make a primary of a replica whose data has become too old
    /// meanwhile (in Redis, `clusterHandleSlaveFailover` looks at both ages before it counts).
    pub(super) fn on_vote(&mut self, from: NodeId, epoch: u64, fx: &mut Fx<'_>) {
        let (now, vote_timeout) = (fx.now(), self.vote_timeout());
        let stale = self.is_stale(now);
        let counts = self.counts(from);
        let needed = if self.config.has(ClusterBug::VotesNoMajority) { 1 } else { self.majority() };
        let (Some(primary), Some(campaign)) = (self.primary(), &mut self.campaign) else { return };
        if campaign.epoch != Some(epoch) || !counts {
            return;
        }
        campaign.votes.insert(from);
        let late = now.since(campaign.start) > vote_timeout;
        if campaign.votes.len() >= needed && !late && !stale {
            self.promote(primary, epoch, fx);
        }
    }

    /// Has won: the new configuration is written down before anybody is told. Else a crash could leave the old primary
    /// a replica of this node, and this node, which has forgotten, a replica of the old primary.
    fn promote(&mut self, old: NodeId, epoch: u64, fx: &mut Fx<'_>) {
        self.campaign = None;
        self.promoting = true;
        let mut conf = self.conf();
        conf.nodes[self.me.index()] = (None, epoch);
        for slot in slots(&self.slots.runs(old)) {
            conf.slots.set(slot, self.me);
        }
        self.save_as(conf, After::Promote { old, epoch }, fx);
    }

    /// The new configuration is durable: takes over from `old`.
    pub(super) fn take_over(&mut self, old: NodeId, epoch: u64, fx: &mut Fx<'_>) {
        self.promoting = false;
        // What changed meanwhile is not on the disk.
        self.dirty = true;
        if self.primary() != Some(old) {
            return self.settle(fx);
        }
        let me = self.me.index();
        self.peers[me].primary = None;
        self.peers[me].config_epoch = epoch;
        for slot in slots(&self.slots.runs(old)) {
            self.slots.set(slot, self.me);
        }
        self.told = None;
        self.version += 1;
        self.begin_stream(How::Promoted, Some(old), fx);
        self.settle(fx);
        self.tell_all(fx);
        self.look_at_state(fx);
    }
}
