//! A leader: it agrees with a quorum on an epoch, gives it its history, and then has its proposals acknowledged and
//! commits them in their order (`Leader`, `LearnerHandler` of ZooKeeper 3.8).

use super::bugs::ZkBug;
use super::message::{SyncWay, ZkFact, ZkMessage};
use super::node::{ELECTION, EXPIRY, Fx, RETRY, TICK};
use super::options::{Duty, SyncBy};
use super::server::{Server, Stage};
use super::store::Held;
use super::tracker::Tracker;
use super::tree::Tree;
use super::txn::{Call, Entry, Refusal, Session, Txn, Xid, Zxid};
use sim_core::hash::Hashed;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant, NodeId, NodeSet};
use std::collections::VecDeque;
use std::rc::Rc;

/// How far a learner has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It has asked.
    Found,
    /// It is told what it lacks.
    Syncing,
    /// It has that on its disk.
    Acked,
    /// It serves.
    Serving,
}

#[derive(Clone, Debug)]
struct Learner {
    step: Step,
    /// Its own number for this attempt to follow.
    attempt: u64,
    /// The newest transaction it had when it came, and the oldest it can go back to.
    has: Option<(Zxid, Zxid)>,
    /// The newest transaction it was told of before NEWLEADER.
    told: Zxid,
    heard: LocalInstant,
}

/// What a leader has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Discovery,
    Synchronisation,
    /// A quorum has its history, and its process starts its processors.
    Starting,
    Broadcast,
}

#[derive(Clone, Debug)]
struct Proposal {
    zxid: Zxid,
    acks: NodeSet,
}

/// One that leads.
#[derive(Clone, Debug)]
pub(super) struct Lead {
    pub epoch: u32,
    phase: Phase,
    since: LocalInstant,
    /// Who has come, with the newest epoch it had agreed to.
    infos: SortedMap<NodeId, u32>,
    /// Who has agreed to the epoch.
    agreed: NodeSet,
    /// Who has its history.
    synced: NodeSet,
    learners: SortedMap<NodeId, Learner>,
    /// The tree after all that was proposed.
    ahead: Tree,
    next: Zxid,
    outstanding: VecDeque<Proposal>,
    /// Calls of `sync` that wait for what was proposed before them.
    syncs: VecDeque<(Zxid, NodeId, Session, Xid)>,
    tracker: Tracker,
    ticks: u64,
}

impl Lead {
    /// Whether a call comes over a connection of this reign. What a learner had sent in an earlier one, to the same
    /// node, is what its sessions may have done since through another server: a connection ends with the reign.
    fn hears(&self, from: NodeId, me: NodeId) -> bool {
        from == me || self.learners.contains_key(&from)
    }

    /// Whether a quorum has its history.
    pub const fn is_established(&self) -> bool {
        matches!(self.phase, Phase::Broadcast)
    }
}

impl Server {
    fn leading(&mut self) -> Option<&mut Lead> {
        match &mut self.stage {
            Stage::Leading(lead) => Some(lead),
            Stage::Looking(_) | Stage::Busy(..) | Stage::Following(_) => None,
        }
    }

    /// Takes office: it waits for a quorum.
    pub(super) fn lead(&mut self, fx: &mut Fx<'_>) {
        let lead = Lead {
            epoch: 0,
            phase: Phase::Discovery,
            since: fx.now(),
            infos: SortedMap::from([(self.me, self.store.accepted)]),
            agreed: NodeSet::EMPTY,
            synced: NodeSet::EMPTY,
            learners: SortedMap::new(),
            ahead: Tree::default(),
            next: Zxid::ZERO,
            outstanding: VecDeque::new(),
            syncs: VecDeque::new(),
            tracker: Tracker::new(self.config.tick),
            ticks: 0,
        };
        self.stage = Stage::Leading(Box::new(lead));
        fx.disarm(ELECTION);
        fx.arm(TICK, Duration(self.config.tick.0 / 2));
        self.choose_epoch(fx);
    }

    pub(super) fn on_follower_info(&mut self, from: NodeId, accepted: u32, attempt: u64, fx: &mut Fx<'_>) {
        let now = fx.now();
        let Some(lead) = self.leading() else { return fx.send(from, ZkMessage::NotLeading) };
        if lead.learners.get(&from).is_some_and(|learner| learner.attempt == attempt) {
            // It could not know that it was heard.
            return;
        }
        lead.learners.insert(from, Learner { step: Step::Found, attempt, has: None, told: Zxid::ZERO, heard: now });
        lead.infos.insert(from, accepted);
        if lead.epoch > 0 {
            let epoch = lead.epoch;
            // Its own agreement is durable, or LEADERINFO goes out with it.
            return self.say(from, ZkMessage::LeaderInfo { epoch, attempt }, fx);
        }
        self.choose_epoch(fx);
    }

    /// Chooses an epoch that is newer than any that a quorum has agreed to.
    fn choose_epoch(&mut self, fx: &mut Fx<'_>) {
        let config = Rc::clone(&self.config);
        let Some(lead) = self.leading() else { return };
        let voters = lead.infos.iter().filter(|(node, _)| config.duty(**node) == Duty::Server);
        let (nodes, epochs): (Vec<NodeId>, Vec<u32>) = voters.map(|(node, epoch)| (*node, *epoch)).unzip();
        if lead.epoch > 0 || !config.is_quorum(nodes.into_iter().collect()) {
            return;
        }
        let epoch = epochs.into_iter().max().unwrap_or(0) + 1;
        lead.epoch = epoch;
        self.store.accept(epoch, fx);
        self.hold(Held::OwnEpoch(epoch), fx);
    }

    /// Its own agreement is durable.
    pub(super) fn on_own_epoch(&mut self, epoch: u32, fx: &mut Fx<'_>) {
        let me = self.me;
        let Some(lead) = self.leading().filter(|lead| lead.epoch == epoch) else { return };
        lead.agreed.insert(me);
        for (node, learner) in &lead.learners {
            fx.send(*node, ZkMessage::LeaderInfo { epoch, attempt: learner.attempt });
        }
        self.begin_sync(fx);
    }

    pub(super) fn on_ack_epoch(
        &mut self,
        (from, attempt): (NodeId, u64),
        (current, last): (u32, Zxid),
        floor: Zxid,
        fresh: bool,
        fx: &mut Fx<'_>,
    ) {
        let (mine, votes, now) = ((self.store.current, self.store.last()), self.config.duty(from), fx.now());
        let Some(lead) = self.leading() else { return };
        let Some(learner) = lead.learners.get_mut(&from).filter(|learner| learner.attempt == attempt) else { return };
        (learner.has, learner.heard) = (Some((last, floor)), now);
        let choosing = lead.phase == Phase::Discovery;
        if votes == Duty::Server && fresh {
            lead.agreed.insert(from);
        }
        // Its history must be the newest among those that agree.
        let history = if self.config.has(ZkBug::IdBeforeEpoch) { mine } else { (current, last) };
        if choosing && votes == Duty::Server && history > mine {
            return self.step_down(fx);
        }
        if choosing { self.begin_sync(fx) } else { self.synchronise(from, fx) }
    }

    /// Takes part in its epoch, once a quorum agrees to it.
    fn begin_sync(&mut self, fx: &mut Fx<'_>) {
        let config = Rc::clone(&self.config);
        let Some(lead) = self.leading() else { return };
        if lead.phase != Phase::Discovery || !config.is_quorum(lead.agreed) {
            return;
        }
        lead.phase = Phase::Synchronisation;
        let epoch = lead.epoch;
        let ready: Vec<NodeId> =
            lead.learners.iter().filter(|(_, learner)| learner.has.is_some()).map(|(node, _)| *node).collect();
        self.store.take_part(epoch, fx);
        self.hold(Held::OwnNewLeader(epoch), fx);
        for learner in ready {
            self.synchronise(learner, fx);
        }
    }

    /// Brings a learner up to date: by what it lacks, after it has forgotten what it has too much of, or by everything.
    fn synchronise(&mut self, node: NodeId, fx: &mut Fx<'_>) {
        let Stage::Leading(lead) = &self.stage else { return };
        let Some((has, floor)) = lead.learners.get(&node).and_then(|learner| learner.has) else { return };
        let (epoch, last) = (lead.epoch, self.store.last());
        // What is not committed it gets once more, or it would serve that.
        let common = self.store.not_after(has).min(self.tree.last());
        let way = match () {
            () if has < self.store.base() || common < floor => SyncWay::Snap,
            () if common == has => SyncWay::Diff,
            () => SyncWay::Trunc,
        };
        fx.note(ZkFact::Synchronises { learner: node, way });
        let from = match way {
            SyncWay::Diff => {
                fx.send(node, ZkMessage::Diff);
                common
            }
            SyncWay::Trunc => {
                fx.send(node, ZkMessage::Trunc { last: common });
                common
            }
            SyncWay::Snap => {
                fx.send(node, ZkMessage::Snap(Rc::new(Hashed::new(self.tree.clone()))));
                self.tree.last()
            }
        };
        for entry in self.store.after(from) {
            fx.send(node, ZkMessage::Propose(Rc::clone(entry)));
        }
        fx.send(node, ZkMessage::NewLeader { epoch });
        if let Some(learner) = self.leading().and_then(|lead| lead.learners.get_mut(&node)) {
            (learner.step, learner.told) = (Step::Syncing, last);
        }
    }

    pub(super) fn on_own_new_leader(&mut self, epoch: u32, fx: &mut Fx<'_>) {
        let me = self.me;
        if let Some(lead) = self.leading().filter(|lead| lead.epoch == epoch) {
            lead.synced.insert(me);
            self.establish(fx);
        }
    }

    pub(super) fn on_ack_new_leader(&mut self, from: NodeId, fx: &mut Fx<'_>) {
        let (votes, now) = (self.config.duty(from) == Duty::Server, fx.now());
        let Some(lead) = self.leading() else { return };
        let Some(learner) = lead.learners.get_mut(&from).filter(|learner| learner.step == Step::Syncing) else {
            return;
        };
        (learner.step, learner.heard) = (Step::Acked, now);
        let told = learner.told;
        if votes {
            lead.synced.insert(from);
            // What it was told of before is on its disk, too.
            for proposal in lead.outstanding.iter_mut().filter(|proposal| proposal.zxid <= told) {
                proposal.acks.insert(from);
            }
        }
        if self.leading().is_some_and(|lead| lead.is_established()) {
            self.up_to_date(from, fx);
            self.commit(fx);
        } else {
            self.establish(fx);
        }
    }

    /// A quorum has its history: all of it is committed.
    fn establish(&mut self, fx: &mut Fx<'_>) {
        let config = Rc::clone(&self.config);
        let Some(lead) = self.leading() else { return };
        if lead.phase != Phase::Synchronisation || !config.is_quorum(lead.synced) {
            return;
        }
        lead.phase = Phase::Starting;
        let (lo, hi) = config.start_up;
        if hi == Duration::ZERO {
            return self.on_started(fx);
        }
        let time = Duration(fx.rng().between(lo.0, hi.0));
        fx.arm(RETRY, time);
    }

    /// It may propose.
    pub(super) fn on_started(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let (tree, last) = (self.tree.clone(), self.store.last());
        let Some(lead) = self.leading().filter(|lead| lead.phase == Phase::Starting) else { return };
        lead.phase = Phase::Broadcast;
        lead.next = Zxid::of_epoch(lead.epoch);
        for (session, timeout) in tree.sessions() {
            lead.tracker.add(session, timeout, None, now);
        }
        lead.ahead = tree;
        let epoch = lead.epoch;
        let acked: Vec<NodeId> =
            lead.learners.iter().filter(|(_, learner)| learner.step == Step::Acked).map(|(node, _)| *node).collect();
        fx.arm(EXPIRY, lead.tracker.next(now));
        fx.note(ZkFact::Established { epoch, last });
        fx.note(ZkFact::Applied { zxid: self.tree.last(), chain: self.tree.chain() });
        self.desk.open = true;
        self.vote_as_of(epoch);
        for learner in acked {
            self.up_to_date(learner, fx);
        }
    }

    fn up_to_date(&mut self, node: NodeId, fx: &mut Fx<'_>) {
        let (committed, stale) = (self.tree.last(), self.config.has(ZkBug::CommitOfFollower));
        let Some(learner) = self.leading().and_then(|lead| lead.learners.get_mut(&node)) else { return };
        learner.step = Step::Serving;
        let committed = if stale { committed.min(learner.told) } else { committed };
        fx.send(node, ZkMessage::UpToDate { committed });
    }

    // --- broadcast ---

    /// Proposes a change.
    fn propose(&mut self, session: Session, xid: Xid, txn: Txn, fx: &mut Fx<'_>) {
        let config = Rc::clone(&self.config);
        let Some(lead) = self.leading() else { return };
        lead.next = lead.next.next();
        let entry = Rc::new(Entry { zxid: lead.next, session, xid, txn });
        lead.ahead.apply(&entry);
        lead.outstanding.push_back(Proposal { zxid: entry.zxid, acks: NodeSet::EMPTY });
        // Also to one that is still brought up to date: what it gets then does not hold this.
        let least = if config.has(ZkBug::ProposeToAcked) { Step::Acked } else { Step::Syncing };
        for (node, learner) in &lead.learners {
            if config.duty(*node) == Duty::Server && learner.step as u8 >= least as u8 {
                fx.send(*node, ZkMessage::Propose(Rc::clone(&entry)));
            }
        }
        fx.note(ZkFact::Proposed { zxid: entry.zxid });
        self.store.append(&entry, fx);
        self.hold(Held::OwnAck(entry.zxid), fx);
    }

    pub(super) fn on_ack(&mut self, from: NodeId, zxid: Zxid, fx: &mut Fx<'_>) {
        let now = fx.now();
        let Some(lead) = self.leading() else { return };
        if let Some(learner) = lead.learners.get_mut(&from) {
            learner.heard = now;
        }
        if let Some(proposal) = lead.outstanding.iter_mut().find(|proposal| proposal.zxid == zxid) {
            proposal.acks.insert(from);
            self.commit(fx);
        }
    }

    /// Commits what a quorum has, in order.
    fn commit(&mut self, fx: &mut Fx<'_>) {
        let config = Rc::clone(&self.config);
        loop {
            let Some(lead) = self.leading() else { return };
            let Some(zxid) = lead.outstanding.front().filter(|front| config.is_quorum(front.acks)).map(|p| p.zxid)
            else {
                return;
            };
            lead.outstanding.pop_front();
            let learners: Vec<(NodeId, Step)> = lead.learners.iter().map(|(node, l)| (*node, l.step)).collect();
            let entry = self.store.after(self.tree.last()).find(|entry| entry.zxid == zxid).map(Rc::clone);
            for (node, step) in learners {
                match config.duty(node) {
                    Duty::Server if step == Step::Serving => fx.send(node, ZkMessage::Commit { zxid }),
                    Duty::Observer if step != Step::Found => {
                        entry.iter().for_each(|entry| fx.send(node, ZkMessage::Inform(Rc::clone(entry))));
                    }
                    _ => {}
                }
            }
            self.apply(zxid, fx);
            let Some(lead) = self.leading() else { return };
            let due = lead.syncs.iter().take_while(|(wanted, ..)| *wanted <= zxid).count();
            let due: Vec<_> = lead.syncs.drain(..due).collect();
            for (_, node, session, xid) in due {
                self.sync_done(node, session, xid, fx);
            }
        }
    }

    fn sync_done(&mut self, node: NodeId, session: Session, xid: Xid, fx: &mut Fx<'_>) {
        if node == self.me {
            self.on_sync_done(session, xid, fx);
        } else {
            fx.send(node, ZkMessage::SyncDone { session, xid });
        }
    }

    // --- what clients ask, through whichever server ---

    pub(super) fn on_forward(&mut self, from: NodeId, session: Session, xid: Xid, call: &Call, fx: &mut Fx<'_>) {
        let (now, me, by_quorum) = (fx.now(), self.me, self.config.sync_by == SyncBy::Quorum);
        let hears = |lead: &&mut Lead| lead.is_established() && lead.hears(from, me);
        let Some(lead) = self.leading().filter(hears) else { return };
        lead.tracker.touch(session, now);
        let moved = lead.tracker.is_elsewhere(session, from);
        if *call == Call::Sync && !by_quorum && !moved {
            match lead.outstanding.back() {
                Some(last) => lead.syncs.push_back((last.zxid, from, session, xid)),
                None => self.sync_done(from, session, xid, fx),
            }
            return;
        }
        let txn = match call {
            _ if moved => Txn::Refused(Refusal::SessionMoved),
            // Through the log, though it changes nothing.
            Call::Sync => Txn::Multi(Vec::new()),
            _ => lead.ahead.prepare(session, call),
        };
        if txn == Txn::Close {
            lead.tracker.remove(session);
        }
        self.propose(session, xid, txn, fx);
    }

    pub(super) fn on_open_session(&mut self, from: NodeId, session: Session, timeout: u64, fx: &mut Fx<'_>) {
        let (now, me) = (fx.now(), self.me);
        let hears = |lead: &&mut Lead| lead.is_established() && lead.hears(from, me);
        let Some(lead) = self.leading().filter(hears) else { return };
        lead.tracker.add(session, timeout, Some(from), now);
        self.propose(session, Xid(0), Txn::Open { timeout }, fx);
    }

    pub(super) fn on_revalidate(&mut self, from: NodeId, session: Session, fx: &mut Fx<'_>) {
        let (now, me) = (fx.now(), self.me);
        let hears = |lead: &&mut Lead| lead.is_established() && lead.hears(from, me);
        let Some(lead) = self.leading().filter(hears) else { return };
        let alive = lead.tracker.moves(session, from, now);
        if from == me {
            self.on_revalidated(session, alive, fx);
        } else {
            fx.send(from, ZkMessage::Revalidated { session, alive });
        }
    }

    pub(super) fn on_pong(&mut self, from: NodeId, touched: &[Session], fx: &mut Fx<'_>) {
        let now = fx.now();
        let Some(lead) = self.leading() else { return };
        let Some(learner) = lead.learners.get_mut(&from) else { return };
        learner.heard = now;
        for session in touched {
            lead.tracker.touch(*session, now);
        }
    }

    /// A client of its own was heard of.
    pub(super) fn touch_own(&mut self, session: Session, fx: &mut Fx<'_>) {
        let now = fx.now();
        if let Some(lead) = self.leading() {
            lead.tracker.touch(session, now);
        }
    }

    pub(super) fn on_expiry(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let Some(lead) = self.leading().filter(|lead| lead.is_established()) else { return };
        let ended = lead.tracker.take_ended(now);
        for (session, silent) in ended {
            fx.note(ZkFact::Expires { session, silent });
            self.propose(session, Xid(0), Txn::Close, fx);
        }
        let Some(lead) = self.leading() else { return };
        let next = lead.tracker.next(now);
        fx.arm(EXPIRY, next);
    }

    // --- heartbeats ---

    /// Twice a tick it pings, once a tick it counts who is left.
    pub(super) fn on_leader_tick(&mut self, fx: &mut Fx<'_>) {
        let (config, me, now) = (Rc::clone(&self.config), self.me, fx.now());
        let Some(lead) = self.leading() else { return };
        lead.ticks += 1;
        let limit = |learner: &Learner| match learner.step {
            Step::Serving => config.sync_limit,
            _ => config.init_limit,
        };
        let silent = lead.learners.iter().filter(|(_, learner)| now.since(learner.heard) > limit(learner));
        for node in silent.map(|(node, _)| *node).collect::<Vec<_>>() {
            lead.learners.remove(&node);
            fx.send(node, ZkMessage::NotLeading);
        }
        for (node, learner) in &lead.learners {
            if learner.step == Step::Serving {
                fx.send(*node, ZkMessage::Ping);
            }
        }
        let alive: NodeSet = lead.learners.keys().copied().filter(|node| config.duty(*node) == Duty::Server).collect();
        let lonely = lead.is_established() && lead.ticks % 2 == 0 && !config.is_quorum(alive.with(me));
        let slow = !lead.is_established() && now.since(lead.since) > config.init_limit;
        if lonely || slow {
            return self.step_down(fx);
        }
        fx.arm(TICK, Duration(config.tick.0 / 2));
    }

    pub(super) fn on_learner_gone(&mut self, peer: NodeId, _: &mut Fx<'_>) {
        if let Some(lead) = self.leading() {
            lead.learners.remove(&peer);
        }
    }

    fn step_down(&mut self, fx: &mut Fx<'_>) {
        if let Some(lead) = self.leading() {
            let (epoch, learners) = (lead.epoch, lead.learners.keys().copied().collect::<Vec<_>>());
            fx.note(ZkFact::SteppedDown { epoch });
            // It closes its connections with them.
            for learner in learners {
                fx.send(learner, ZkMessage::NotLeading);
            }
        }
        self.lose(fx);
    }
}
