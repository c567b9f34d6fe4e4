//! What nodes tell of themselves, and who owns what by the newest configuration.

use super::bugs::ClusterBug;
use super::detect::Pings;
use super::disk::{After, Record};
use super::message::{ClusterFact, ClusterMessage, Gossip, Header, HeaderNumber, Start};
use super::node::{Cluster, Fx};
use super::slots::{Run, Runs, slots};
use crate::shared::number::Counts;
use sim_core::sorted::SortedMap;
use sim_core::{LocalInstant, NodeId, NodeSet};
use std::collections::VecDeque;
use std::rc::Rc;

/// What a node knows of another one.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// Whose replica it is; `None` for a primary.
    pub primary: Option<NodeId>,
    pub config_epoch: u64,
    pub offset: u64,
    /// The pings to it, and their answers.
    pub pings: Pings,
    /// A ping to it has been without an answer for too long: PFAIL.
    pub suspected: bool,
    /// Since when it has failed by the word of a majority: FAIL.
    pub failed: Option<LocalInstant>,
    /// Which primaries suspect it, and when they last said so.
    pub reports: SortedMap<NodeId, LocalInstant>,
    /// Its newest header.
    pub stamp: (Start, HeaderNumber),
    /// When this node last voted for a replica of it.
    pub voted_at: Option<LocalInstant>,
    /// What it claimed last, by which configuration epoch, and the version of this node's map by which nothing was
    /// wrong with that.
    agreed: Option<(Runs, u64, u64)>,
}

impl Peer {
    pub const fn new(primary: Option<NodeId>, config_epoch: u64) -> Self {
        Self {
            primary,
            config_epoch,
            offset: 0,
            pings: Pings::NONE,
            suspected: false,
            failed: None,
            reports: SortedMap::new(),
            stamp: (Start(0), HeaderNumber(0)),
            voted_at: None,
            agreed: None,
        }
    }
}

impl Cluster {
    pub(super) fn others(&self) -> impl Iterator<Item = NodeId> + use<> {
        let me = self.me;
        (0..self.config.nodes).map(NodeId).filter(move |node| *node != me)
    }

    /// How many primaries are a majority of those with slots.
    pub(super) fn majority(&self) -> usize {
        self.slots.owners().len() / 2 + 1
    }

    /// Whether `node` is a primary with slots: one whose word counts.
    pub(super) fn counts(&self, node: NodeId) -> bool {
        self.peers[node.index()].primary.is_none() && self.slots.count(node) > 0
    }

    /// All primaries with slots.
    pub(super) fn counting(&self) -> NodeSet {
        let all = (0..self.peers.len() as u32).map(NodeId);
        all.filter(|node| self.counts(*node)).collect()
    }

    /// What this node tells of itself, and of some others.
    pub(super) fn header(&mut self, fx: &mut Fx<'_>) -> Rc<Header> {
        let gossip = self.gossip(fx);
        Rc::new(self.header_with(gossip))
    }

    /// What this node tells of itself.
    pub(super) fn header_with(&mut self, gossip: Vec<Gossip>) -> Header {
        self.headers.advance();
        let speaks_for = self.primary().unwrap_or(self.me);
        let slots = self.told.get_or_insert_with(|| self.slots.runs(speaks_for)).clone();
        Header {
            stamp: (self.starts, self.headers),
            epoch: self.epoch,
            config_epoch: self.config_epoch(speaks_for),
            primary: self.primary(),
            slots,
            offset: self.at.offset,
            gossip,
        }
    }

    /// Tells these how things stand, unasked.
    pub(super) fn tell(&mut self, whom: impl Iterator<Item = NodeId>, fx: &mut Fx<'_>) {
        for node in whom {
            let header = self.header(fx);
            fx.send(node, ClusterMessage::News(header));
        }
    }

    /// Tells everybody how things stand.
    pub(super) fn tell_all(&mut self, fx: &mut Fx<'_>) {
        self.tell(self.others(), fx);
    }

    /// Looks after everything.
    pub(super) fn tick(&mut self, fx: &mut Fx<'_>) {
        self.look_at_others(fx);
        self.look_after_links(fx);
        self.consider_failover(fx);
        self.look_at_state(fx);
    }

    /// Takes in what `from` tells of itself and of others. Returns whether it is news.
    pub(super) fn hear(&mut self, from: NodeId, header: &Header, fx: &mut Fx<'_>) -> bool {
        // One connection would keep them in order.
        if header.stamp <= self.peers[from.index()].stamp {
            return false;
        }
        if header.epoch > self.epoch {
            self.epoch = header.epoch;
            self.dirty = true;
        }
        let peer = &mut self.peers[from.index()];
        peer.stamp = header.stamp;
        peer.offset = header.offset;
        if header.primary.is_none() && header.config_epoch > peer.config_epoch {
            peer.config_epoch = header.config_epoch;
            self.epoch = self.epoch.max(header.config_epoch);
            self.version += 1;
            self.dirty = true;
        }
        if peer.primary != header.primary {
            peer.primary = header.primary;
            self.version += 1;
            self.dirty = true;
        }
        let agreed = self.peers[from.index()].agreed.as_ref().is_some_and(|(runs, config_epoch, version)| {
            Rc::ptr_eq(runs, &header.slots) && *config_epoch == header.config_epoch && *version == self.version
        });
        if !agreed {
            if header.primary.is_none() {
                self.claim(from, header.config_epoch, &header.slots, fx);
            }
            if !self.correct(from, header, fx) {
                let agreed = (header.slots.clone(), header.config_epoch, self.version);
                self.peers[from.index()].agreed = Some(agreed);
            }
        }
        if header.primary.is_none() {
            self.resolve_collision(from, header.config_epoch, fx);
        }
        // A replica of a replica follows the one that has the data.
        if let (Some(primary), Some(above)) = (self.primary(), header.primary)
            && primary == from
            && above != self.me
        {
            self.follow(above, fx);
        }
        self.take_gossip(from, &header.gossip, fx);
        true
    }

    /// `owner` says it has these slots by its configuration epoch: those whose owner has an older one are its own now.
    fn claim(&mut self, owner: NodeId, config_epoch: u64, runs: &[Run], fx: &mut Fx<'_>) {
        let mine = self.primary().unwrap_or(self.me);
        let mut taken_from_mine = false;
        let mut lost = Vec::new();
        for slot in slots(runs) {
            let old = self.slots.owner(slot);
            if old == Some(owner) || old.is_some_and(|old| self.config_epoch(old) >= config_epoch) {
                continue;
            }
            taken_from_mine |= old == Some(mine);
            if old == Some(self.me) {
                lost.push(slot);
            }
            self.slots.set(slot, owner);
            self.told = None;
            self.version += 1;
            self.dirty = true;
        }
        if taken_from_mine && self.slots.count(mine) == 0 && owner != self.me {
            // Nothing is left: whoever took the last slot is the primary now.
            self.follow(owner, fx);
        } else {
            lost.into_iter().for_each(|slot| self.data.clear(slot));
        }
    }

    /// Two primaries with the same configuration epoch: the one of the lower number takes a new one, without asking.
    fn resolve_collision(&mut self, other: NodeId, config_epoch: u64, fx: &mut Fx<'_>) {
        let collide = self.primary().is_none() && config_epoch == self.config_epoch(self.me) && other > self.me;
        if collide {
            self.epoch += 1;
            self.peers[self.me.index()].config_epoch = self.epoch;
            self.version += 1;
            fx.note(ClusterFact::EpochRaised { epoch: self.epoch });
            self.save(After::Tell, fx);
        }
    }

    /// Tells `from` who owns slots that it takes for its own (or its primary's), if somebody does by a newer
    /// configuration. Whether that was so.
    fn correct(&mut self, from: NodeId, header: &Header, fx: &mut Fx<'_>) -> bool {
        let claims = header.primary.unwrap_or(from);
        let newer = |slot: u16| {
            let owner = self.slots.owner(slot)?;
            (owner != claims && self.config_epoch(owner) > header.config_epoch).then_some(owner)
        };
        let wrong = slots(&header.slots).find_map(newer);
        if let Some(owner) = wrong.filter(|owner| *owner != from) {
            let (config_epoch, slots) = (self.config_epoch(owner), self.slots.runs(owner));
            fx.send(from, ClusterMessage::Update { owner, config_epoch, slots });
        }
        wrong.is_some()
    }

    /// Somebody says that `owner` has these slots.
    pub(super) fn on_update(&mut self, owner: NodeId, config_epoch: u64, runs: &[Run], fx: &mut Fx<'_>) {
        if owner == self.me || config_epoch <= self.config_epoch(owner) {
            return;
        }
        let peer = &mut self.peers[owner.index()];
        peer.config_epoch = config_epoch;
        peer.primary = None;
        self.version += 1;
        self.epoch = self.epoch.max(config_epoch);
        self.dirty = true;
        self.claim(owner, config_epoch, runs, fx);
    }

    /// Becomes a replica of `primary`.
    pub(super) fn follow(&mut self, primary: NodeId, fx: &mut Fx<'_>) {
        let me = self.me.index();
        if self.peers[me].primary == Some(primary) {
            return;
        }
        if self.peers[me].primary.is_none() {
            fx.note(ClusterFact::Demoted { primary });
        }
        self.version += 1;
        self.peers[me].primary = Some(primary);
        self.told = None;
        self.campaign = None;
        self.links = SortedMap::new();
        // Whoever waits for these will never know: they may survive on the new primary, or not.
        self.waiting = VecDeque::new();
        self.following.lose_touch();
        self.dirty = true;
        self.ask_to_follow(fx);
    }

    /// Writes the configuration down if it has changed.
    pub(super) fn settle(&mut self, fx: &mut Fx<'_>) {
        if self.dirty && !self.promoting {
            self.dirty = false;
            let conf = Rc::new(self.conf());
            fx.append(Record::Conf(conf));
            fx.sync();
        }
    }

    /// Whether this node serves: it sees a majority of the primaries, and all slots have an owner in order, if that is
    /// asked for.
    pub(super) fn look_at_state(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let owners = self.slots.owners();
        let seen = owners.iter().filter(|node| {
            let peer = &self.peers[node.index()];
            !peer.suspected && peer.failed.is_none()
        });
        let majority = seen.count() >= self.majority() || self.config.has(ClusterBug::MinorityServes);
        let covered = self.slots.assigned() == u32::from(super::slots::SLOTS)
            && owners.iter().all(|node| self.peers[node.index()].failed.is_none());
        if !majority && self.primary().is_none() {
            self.not_before = now + self.config.rejoin_delay;
        }
        let up = majority && (covered || !self.config.full_coverage) && now >= self.not_before;
        if up == self.down {
            self.down = !up;
            fx.note(if up { ClusterFact::Up } else { ClusterFact::Down });
        }
    }
}
