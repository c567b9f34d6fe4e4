//! A consumer: an application with the client library inside. It joins its group, is dealt partitions, fetches, works
//! on what it gets, and says how far it has come.

use super::assign::deal;
use super::bugs::QueueBug;
use super::log::{Body, Member, Offset};
use super::message::{CommitNumber, Denial, FetchNumber, Fetched, Me, QueueFact, QueueMessage, Refusal};
use super::metadata::{Image, Partition};
use super::node::{AGAIN, CLOCK, Fx, WAITS, WATCH};
use super::options::{Commit, Config, Rebalance, Reset};
use super::silent::Silent;
use crate::shared::number::Counts;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant, NodeId, Timer};
use std::collections::VecDeque;
use std::rc::Rc;

/// How far it is with its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has to join.
    Outside,
    /// It has asked to.
    Joining,
    /// It has joined, and waits to hear what it was dealt.
    Syncing,
    /// It has been dealt something, or nothing.
    Member,
}

/// A partition that it has.
#[derive(Clone, Debug, Default)]
pub(super) struct Claim {
    /// The next message that it fetches; `None` until it knows.
    pub(super) next: Option<Offset>,
    /// The next message that it works on.
    pub(super) position: Offset,
    /// How far it has said that it is.
    pub(super) committed: Option<Offset>,
    pub(super) buffer: VecDeque<(Offset, u64)>,
    /// The fetch that is under way: to whom, and until when.
    pub(super) fetch: Option<(FetchNumber, NodeId, LocalInstant)>,
    pub(super) rests: LocalInstant,
}

/// What it works on.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) partition: Partition,
    pub(super) items: Vec<(Offset, u64)>,
    /// How many of them are done.
    pub(super) done: usize,
    /// Whether it works, or has yet to hear that its commit is written down.
    pub(super) begun: bool,
}

/// A commit under way: its number, what it says, until when it waits for the answer, or to be sent.
pub(super) type Saying = (CommitNumber, Vec<(u32, Offset)>, LocalInstant);

/// A consumer.
#[derive(Clone, Debug)]
pub struct Consumer {
    pub(super) config: Rc<Config>,
    pub(super) me: Me,
    pub(super) image: Rc<Image>,
    /// Whether that is known to be old, and when it asks next.
    pub(super) stale: bool,
    pub(super) silent: Silent,
    pub(super) ask_at: LocalInstant,
    pub(super) stage: Stage,
    /// A question to the coordinator that is not answered, until when.
    pub(super) asked: Option<LocalInstant>,
    /// It asks nothing before this.
    pub(super) rests: LocalInstant,
    /// It shall join again, once it has done what it is at.
    pub(super) must_join: bool,
    pub(super) claims: SortedMap<Partition, Claim>,
    /// What it was dealt, until it can look at it.
    pub(super) dealt: Option<Vec<u32>>,
    /// What it was dealt last.
    pub(super) assigned: Vec<u32>,
    pub(super) wants_offsets: bool,
    pub(super) plan: Option<Rc<[Member]>>,
    pub(super) work: Option<Work>,
    /// A commit under way.
    pub(super) commit: Option<Saying>,
    pub(super) commits: CommitNumber,
    /// Whether it is on its way.
    pub(super) sent: bool,
    /// With automatic commits: whether the next poll makes one.
    pub(super) commit_due: bool,
    pub(super) fetches: FetchNumber,
    pub(super) last: Partition,
}

impl Consumer {
    /// The brokers that have not answered it in time.
    pub(super) fn silent(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.silent.all()
    }

    pub(super) fn boot(config: &Rc<Config>, me: NodeId, fx: &mut Fx<'_>) -> Self {
        let (id, now) = (fx.rng().next_u64() >> 32, fx.now());
        fx.arm(CLOCK, Duration(1));
        fx.arm(WATCH, config.member_heartbeat);
        if config.commit == Commit::Auto {
            fx.arm(AGAIN, config.auto_commit_interval);
        }
        Self {
            config: Rc::clone(config),
            me: Me { group: config.group_of(me), id, generation: 0 },
            image: Rc::default(),
            stale: true,
            silent: Silent::default(),
            ask_at: now,
            stage: Stage::Outside,
            asked: None,
            rests: now,
            must_join: false,
            claims: SortedMap::new(),
            dealt: None,
            assigned: Vec::new(),
            wants_offsets: false,
            plan: None,
            work: None,
            commit: None,
            commits: CommitNumber(0),
            sent: false,
            commit_due: false,
            fetches: FetchNumber(0),
            last: Partition(0),
        }
    }

    /// Whether it is a member that has all it was dealt, and in which generation.
    #[must_use]
    pub const fn settled(&self) -> Option<u32> {
        match self.stage {
            Stage::Member if !self.must_join && self.dealt.is_none() => Some(self.me.generation),
            _ => None,
        }
    }

    /// The partitions that it has, and the next message that it works on in each.
    pub fn claims(&self) -> impl Iterator<Item = (Partition, Offset)> {
        self.claims.iter().map(|(partition, claim)| (*partition, claim.position))
    }

    pub(super) fn coordinator(&self) -> Option<NodeId> {
        self.image.leader(self.config.offsets_of(self.me.group))
    }

    pub(super) fn on_message(&mut self, from: NodeId, message: QueueMessage, fx: &mut Fx<'_>) {
        self.silent.heard(from);
        match message {
            QueueMessage::Image(image) if image.version > self.image.version => {
                (self.image, self.stale) = (image, false);
            }
            QueueMessage::Joined { me, deals } if me.id == self.me.id && self.stage == Stage::Joining => {
                self.me = me;
                self.asked = None;
                self.stage = Stage::Syncing;
                self.plan = deals.map(|roll| deal(&self.config, &roll).into());
            }
            QueueMessage::Synced { me, dealt } if me == self.me && self.stage == Stage::Syncing => {
                self.asked = None;
                self.plan = None;
                self.stage = Stage::Member;
                self.dealt = Some(dealt);
            }
            QueueMessage::Committed { me, number } if me.id == self.me.id => self.on_committed(number, fx),
            QueueMessage::Offsets { me, offsets } if me.id == self.me.id => self.on_offsets(&offsets),
            QueueMessage::CommitDenied { me, number, why } if me.id == self.me.id => {
                self.on_commit_denied(me, number, why, fx);
            }
            QueueMessage::Heard => self.stale = false,
            QueueMessage::Denied { me, why } if me.id == self.me.id => self.on_denied(me, why, fx),
            QueueMessage::Fetched(fetched) => self.on_fetched(from, &fetched, fx),
            _ => {}
        }
        self.go_on(fx);
    }

    pub(super) fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        match timer {
            WATCH => {
                if let (Stage::Member, Some(coordinator)) = (self.stage, self.coordinator()) {
                    fx.send(coordinator, QueueMessage::Beat(self.me));
                }
                fx.arm(WATCH, self.config.member_heartbeat);
            }
            WAITS => self.on_work_done(fx),
            AGAIN => {
                self.commit_due = true;
                fx.arm(AGAIN, self.config.auto_commit_interval);
            }
            _ => {}
        }
        self.go_on(fx);
    }

    pub(super) fn on_closed(&mut self, peer: NodeId, fx: &mut Fx<'_>) {
        self.disconnect(peer, fx.now());
        self.go_on(fx);
    }

    /// A connection is over: what waits for an answer over it is asked again.
    fn disconnect(&mut self, broker: NodeId, now: LocalInstant) {
        self.stale = true;
        self.silent.add(broker, now);
        for claim in self.claims.values_mut().filter(|claim| claim.fetch.is_some_and(|(_, to, _)| to == broker)) {
            claim.fetch = None;
        }
        if self.coordinator() == Some(broker) {
            self.asked = None;
            if let Some((.., until)) = &mut self.commit {
                *until = now;
            }
        }
    }

    /// Who has not answered in time is as good as gone.
    fn hang_up(&mut self, now: LocalInstant) {
        let fetches = self.claims.values().filter_map(|claim| claim.fetch);
        let late: Vec<NodeId> = fetches.filter(|(_, _, until)| *until <= now).map(|(_, to, _)| to).collect();
        for broker in late {
            self.disconnect(broker, now);
        }
        if self.coordinator().is_none() {
            self.asked = None;
        }
        let committing = self.commit.as_ref().is_some_and(|(.., until)| self.sent && *until <= now);
        if let Some(coordinator) = self.coordinator().filter(|_| committing || self.asked.is_some_and(|at| at <= now)) {
            self.sent = false;
            self.disconnect(coordinator, now);
        }
    }

    /// It is no member any more: what it had is somebody else's.
    pub(super) fn lose(&mut self, why: Denial, fx: &mut Fx<'_>) {
        for partition in core::mem::take(&mut self.claims).into_keys() {
            fx.note(QueueFact::LetsGo { partition });
        }
        if why == Denial::UnknownMember {
            self.me.id = fx.rng().next_u64() >> 32;
        }
        self.me.generation = 0;
        (self.stage, self.asked, self.must_join, self.dealt) = (Stage::Outside, None, false, None);
        (self.commit, self.wants_offsets, self.plan) = (None, false, None);
        // A program that works does not hear of it before it is done.
        if self.work.as_ref().is_some_and(|work| !work.begun) {
            self.work = None;
        }
    }

    fn on_denied(&mut self, me: Me, why: Denial, fx: &mut Fx<'_>) {
        match why {
            Denial::NotCoordinator => {
                self.stale = true;
                (self.asked, self.rests) = (None, fx.now() + self.config.retry_backoff);
            }
            Denial::Rebalancing if self.stage == Stage::Syncing => {
                (self.stage, self.asked, self.plan) = (Stage::Outside, None, None);
            }
            Denial::Rebalancing => self.must_join |= self.stage == Stage::Member,
            Denial::UnknownMember | Denial::OtherGeneration if me.generation == self.me.generation => {
                self.lose(why, fx);
            }
            Denial::UnknownMember | Denial::OtherGeneration => {}
        }
    }

    /// What is due is done: one step after the other, as far as it goes.
    fn go_on(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        self.hang_up(now);
        self.stale |= self.silent.any();
        if self.stale && self.ask_at <= now {
            let broker = NodeId(fx.rng().below(u64::from(self.config.brokers)) as u32);
            fx.send(broker, QueueMessage::AskImage { version: self.image.version });
            self.ask_at = now + self.config.retry_backoff;
        }
        if self.work.is_none() {
            self.look_at_what_it_was_dealt(fx);
        }
        self.try_commit(fx);
        // Polls come between pieces of work, and it is polls that join.
        let idle = self.work.is_none() && self.commit.is_none();
        if self.must_join && idle && self.commit_first(fx) {
            self.must_join = false;
            self.stage = Stage::Outside;
            self.asked = None;
            if self.config.rebalance == Rebalance::Eager {
                for partition in core::mem::take(&mut self.claims).into_keys() {
                    fx.note(QueueFact::LetsGo { partition });
                }
            }
        }
        self.ask_coordinator(fx);
        self.fetch(fx);
        self.begin_work(fx);
        self.arm(fx);
    }

    fn ask_coordinator(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        if self.asked.is_some() || self.rests > now {
            return;
        }
        let Some(coordinator) = self.coordinator() else {
            self.stale = true;
            return;
        };
        if self.silent.has(coordinator, self.image.version, self.config.retry_backoff, fx) {
            self.rests = now + self.config.retry_backoff;
            return;
        }
        let question = match self.stage {
            Stage::Outside | Stage::Joining if self.work.is_none() => {
                self.stage = Stage::Joining;
                let owned = self.assigned.iter().filter(|it| self.claims.contains_key(&Partition(**it))).copied();
                let owned = owned.collect();
                QueueMessage::Join { me: self.me, owned }
            }
            Stage::Syncing => QueueMessage::Sync { me: self.me, plan: self.plan.clone() },
            Stage::Member if self.wants_offsets => {
                let unknown = self.claims.iter().filter(|(_, claim)| claim.next.is_none());
                QueueMessage::AskOffsets { me: self.me, partitions: unknown.map(|(at, _)| at.0).collect() }
            }
            _ => {
                self.asked = None;
                return;
            }
        };
        // A join is answered when all have joined.
        let patience = match self.stage {
            Stage::Joining => self.config.rebalance_timeout + self.config.request_timeout,
            _ => self.config.request_timeout,
        };
        self.asked = Some(now + patience);
        self.stale |= self.image.version == 0;
        fx.send(coordinator, question);
    }

    /// What it was dealt: it lets go of what is somebody else's now, and looks where to begin in what is new.
    fn look_at_what_it_was_dealt(&mut self, fx: &mut Fx<'_>) {
        let Some(dealt) = self.dealt.take() else { return };
        let keeps = self.config.has(QueueBug::PartitionsKept);
        let gone: Vec<Partition> =
            self.claims.keys().filter(|partition| !dealt.contains(&partition.0)).copied().collect();
        if !gone.is_empty() && self.config.commit == Commit::Auto {
            self.commit_positions(fx);
        }
        // Whoever is to have what it lets go of waits for this.
        self.must_join |= !gone.is_empty();
        for partition in gone.iter().filter(|_| !keeps) {
            self.claims.remove(partition);
            fx.note(QueueFact::LetsGo { partition: *partition });
        }
        for partition in &dealt {
            self.claims.entry(Partition(*partition)).or_default();
        }
        let (group, generation) = (self.me.group, self.me.generation);
        for partition in self.claims.keys() {
            fx.note(QueueFact::Dealt { group, generation, partition: *partition });
        }
        self.wants_offsets = self.claims.values().any(|claim| claim.next.is_none());
        self.assigned = dealt;
    }

    fn on_offsets(&mut self, offsets: &[(u32, Option<Offset>)]) {
        self.asked = None;
        let reset = self.config.auto_offset_reset;
        for (partition, offset) in offsets {
            let Some(claim) = self.claims.get_mut(&Partition(*partition)).filter(|claim| claim.next.is_none()) else {
                continue;
            };
            // Past the end of any log: the answer says where it begins and ends.
            let unset = if reset == Reset::Earliest { 0 } else { Offset::MAX };
            let from = offset.unwrap_or(unset);
            (claim.next, claim.position, claim.committed) = (Some(from), from, *offset);
        }
        self.wants_offsets = false;
    }

    fn fetch(&mut self, fx: &mut Fx<'_>) {
        let (now, patience) = (fx.now(), self.config.request_timeout);
        let most = self.config.fetch_records as usize;
        for (partition, claim) in &mut self.claims {
            let Some(offset) = claim.next else { continue };
            let busy = claim.fetch.is_some_and(|(_, _, until)| until > now) || claim.rests > now;
            if busy || claim.buffer.len() >= most {
                continue;
            }
            let Some(leader) = self.image.leader(*partition) else {
                self.stale = true;
                claim.rests = now + self.config.retry_backoff;
                continue;
            };
            if self.silent.has(leader, self.image.version, self.config.retry_backoff, fx) {
                claim.rests = now + self.config.retry_backoff;
                continue;
            }
            let (number, partition) = (self.fetches.advance(), *partition);
            claim.fetch = Some((number, leader, now + patience));
            let (replica, leader_epoch, last_epoch) = (None, 0, 0);
            fx.send(leader, QueueMessage::Fetch { number, partition, offset, replica, leader_epoch, last_epoch });
        }
    }

    fn on_fetched(&mut self, from: NodeId, fetched: &Fetched, fx: &mut Fx<'_>) {
        let (now, reset) = (fx.now(), self.config.auto_offset_reset);
        let partition = fetched.partition;
        let Some(claim) = self.claims.get_mut(&partition) else { return };
        if claim.fetch.is_none_or(|(number, to, _)| (number, to) != (fetched.number, from)) {
            return;
        }
        claim.fetch = None;
        let next = claim.next.unwrap_or(0);
        match fetched.refused {
            Some(Refusal::OutOfRange) => {
                let to = if reset == Reset::Earliest { fetched.start } else { fetched.watermark };
                if next != Offset::MAX && next != to {
                    fx.note(QueueFact::Missed { partition, from: next, to });
                }
                claim.next = Some(to);
                if claim.buffer.is_empty() {
                    claim.position = to;
                }
            }
            Some(_) => {
                self.stale = true;
                claim.rests = now + self.config.retry_backoff;
            }
            None => {
                for batch in &fetched.batches {
                    for item in batch.items.iter().filter(|item| item.offset >= next) {
                        let value = if let Body::Value(value) = item.body { value } else { 0 };
                        claim.buffer.push_back((item.offset, value));
                    }
                    claim.next = Some(batch.end.max(next));
                }
            }
        }
    }

    fn arm(&self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let mut due = self.asked;
        let mut add = |at: LocalInstant| due = Some(due.map_or(at, |due| due.min(at)));
        if self.stale {
            add(self.ask_at);
        }
        if self.asked.is_none() && (self.stage != Stage::Member || self.wants_offsets) {
            add(self.rests.max(now + Duration(self.config.retry_backoff.0 / 2)));
        }
        if let Some((.., until)) = &self.commit {
            add(*until);
        }
        for claim in self.claims.values().filter(|claim| claim.next.is_some()) {
            if claim.rests > now {
                add(claim.rests);
            } else if let Some((.., until)) = claim.fetch {
                add(until);
            }
        }
        match due {
            // What is overdue waits for somebody else, and is looked at again soon.
            Some(due) if due <= now => fx.arm(CLOCK, Duration(self.config.retry_backoff.0.div_ceil(4))),
            Some(due) => fx.arm(CLOCK, Duration(due.0 - now.0)),
            None => {}
        }
    }
}
