//! A broker: its registration, its replicas, and what it makes of what the controllers say.

use super::bugs::QueueBug;
use super::coordinator::Desk;
use super::log::Offset;
use super::message::{FetchNumber, QueueFact, QueueMessage, QueueRecord, Refusal};
use super::metadata::{Alter, Altered, Image, Partition};
use super::node::{AGAIN, CLEAN, CLOCK, FLUSH, Fx, GROUPS, WAITS, WATCH};
use super::options::{Cleanup, Config, Flush};
use super::replica::{Follow, Lead, Progress, Replica, Side};
use sim_core::sorted::SortedMap;
use sim_core::{Completion, Duration, LocalInstant, NodeId, NodeSet, Replay, Timer};
use std::rc::Rc;

/// A broker.
#[derive(Clone, Debug)]
pub struct Broker {
    pub(super) config: Rc<Config>,
    pub(super) me: NodeId,
    /// Which life it is.
    life: u64,
    /// What it knows of the cluster.
    pub(super) image: Rc<Image>,
    /// The controller that it takes to be in charge, and since when that has not answered.
    controller: NodeId,
    unanswered: u32,
    pub(super) replicas: SortedMap<Partition, Replica>,
    /// The number of its last fetch.
    pub(super) last_fetch: FetchNumber,
    /// Producer ids that it may give out, and who waits for one.
    ids: (u64, u64),
    wants_ids: Vec<NodeId>,
    /// Groups of which it is the coordinator, by the partition of their offsets.
    pub(super) desks: SortedMap<Partition, Desk>,
}

impl Broker {
    pub(super) fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, QueueRecord>, fx: &mut Fx<'_>) -> Self {
        let controller = NodeId(config.brokers + me.0 % config.controllers);
        let mut this = Self {
            config: Rc::clone(config),
            me,
            life: fx.rng().next_u64(),
            image: Rc::default(),
            controller,
            unanswered: 0,
            replicas: SortedMap::new(),
            last_fetch: FetchNumber(0),
            ids: (0, 0),
            wants_ids: Vec::new(),
            desks: SortedMap::new(),
        };
        if !this.replay(disk) {
            fx.halt("a record of the log can not be read");
            return this;
        }
        // What it finds may be in the page cache alone.
        fx.sync();
        for replica in this.replicas.values_mut() {
            replica.watermark = replica.watermark.min(replica.log.end());
        }
        fx.arm(CLOCK, Duration(1));
        fx.arm(WATCH, Duration(config.replica_lag_time.0 / 2));
        fx.arm(FLUSH, config.checkpoint.min(config.writeback));
        fx.arm(CLEAN, config.cleanup_interval);
        this
    }

    /// Takes in what is on the disk: whether all of it can be read.
    fn replay(&mut self, disk: Replay<'_, QueueRecord>) -> bool {
        let oldest = self.config.has(QueueBug::CompactionKeepsOldest);
        for (write, record) in disk.iter() {
            let Ok(record) = record else { return false };
            match record {
                QueueRecord::Append { partition, batch } => {
                    self.replica(*partition).log.append(write, Rc::clone(batch))
                }
                QueueRecord::Truncate { partition, end } => self.replica(*partition).truncate(*end),
                QueueRecord::Start { partition, start } => self.replica(*partition).log.retain_from(*start),
                QueueRecord::Anew { partition, start } => self.replica(*partition).log.begin_at(*start),
                QueueRecord::Compact { partition, before } => {
                    self.replica(*partition).log.compact(*before, oldest);
                }
                QueueRecord::Watermark { partition, offset } => self.replica(*partition).watermark = *offset,
                QueueRecord::Council(_) => {}
            }
        }
        true
    }

    pub(super) fn replica(&mut self, partition: Partition) -> &mut Replica {
        self.replicas.entry(partition).or_insert_with(Replica::new)
    }

    /// Its copies, by partition.
    pub fn replicas(&self) -> impl Iterator<Item = (Partition, &Replica)> {
        self.replicas.iter().map(|(partition, replica)| (*partition, replica))
    }

    /// A consumer that a group has dealt something, and that is not told, and its group.
    pub(super) fn untold(&self) -> Option<(u32, NodeId)> {
        self.desks.values().find_map(Desk::untold)
    }

    /// A copy of it.
    #[must_use]
    pub fn copy(&self, partition: Partition) -> Option<&Replica> {
        self.replicas.get(&partition)
    }

    /// In which epoch it leads the first partition, if it does.
    #[must_use]
    pub fn leads_first(&self) -> Option<u32> {
        self.replicas.get(&Partition(0))?.leads()
    }

    /// All that it has.
    #[must_use]
    pub fn progress(&self) -> u64 {
        self.replicas.values().map(|replica| replica.log.end()).sum()
    }

    /// What it knows of the cluster.
    #[must_use]
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The number of its registration, once it has one.
    pub(super) fn registration(&self) -> Option<u64> {
        self.image.brokers.get(&self.me).filter(|broker| broker.life == self.life).map(|broker| broker.epoch)
    }

    pub(super) fn on_message(&mut self, from: NodeId, message: QueueMessage, fx: &mut Fx<'_>) {
        match message {
            QueueMessage::Image(image) => {
                (self.controller, self.unanswered) = (from, 0);
                self.on_image(image, fx);
            }
            QueueMessage::Heard => (self.controller, self.unanswered) = (from, 0),
            QueueMessage::NotController { leader } => self.look_elsewhere(from, leader, fx),
            QueueMessage::AlterDone { partition, of, altered } => self.on_altered(partition, of, altered, fx),
            QueueMessage::Block { first } => {
                self.ids = (first, first + super::metadata::BLOCK);
                for node in core::mem::take(&mut self.wants_ids) {
                    self.give_id(node, fx);
                }
            }
            QueueMessage::AskImage { version } if self.image.version > version => {
                fx.send(from, QueueMessage::Image(Rc::clone(&self.image)));
            }
            QueueMessage::AskImage { .. } => fx.send(from, QueueMessage::Heard),
            QueueMessage::AskProducer => self.give_id(from, fx),
            QueueMessage::Produce { number, partition, draft } => self.on_produce(from, number, partition, &draft, fx),
            QueueMessage::Fetch { number, partition, offset, replica, leader_epoch, last_epoch } => {
                self.on_fetch(from, (number, partition, offset), (replica, leader_epoch, last_epoch), fx);
            }
            QueueMessage::Fetched(fetched) => self.on_fetched(from, &fetched, fx),
            QueueMessage::AskEnd { number, partition } => {
                let led = self.replicas.get(&partition).filter(|replica| replica.leads().is_some());
                let result = led.map_or(Err(Refusal::NotLeader), |replica| Ok(replica.watermark));
                fx.send(from, QueueMessage::End { number, result });
            }
            message => self.on_member(from, message, fx),
        }
    }

    pub(super) fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        match timer {
            CLOCK => self.report(fx),
            WATCH => {
                self.look_for_the_slow(fx);
                fx.arm(WATCH, Duration(self.config.replica_lag_time.0 / 2));
            }
            WAITS => self.end_waits(fx),
            AGAIN => self.fetch_all(fx),
            FLUSH => self.note_watermarks(fx),
            CLEAN => self.clean(fx),
            GROUPS => self.on_groups_timer(fx),
            _ => {}
        }
    }

    pub(super) fn on_disk(&mut self, done: &Completion<QueueRecord>, fx: &mut Fx<'_>) {
        match done {
            Completion::SyncFailed { .. } => fx.halt("a sync failed: what is on the disk is unknown"),
            Completion::Synced { upto } if self.config.flush == Flush::Every => {
                let mut grown = Vec::new();
                for (partition, replica) in &mut self.replicas {
                    let durable = replica.log.durable(*upto).max(replica.log.start());
                    if durable > replica.durable {
                        replica.durable = durable;
                        grown.push(*partition);
                    }
                }
                for partition in grown {
                    self.raise_watermark(partition, fx);
                    self.serve_fetches(partition, fx);
                    // A follower that has written down what it has asks for more.
                    if let Side::Follows(follow) = &mut self.replica(partition).side {
                        follow.rests = fx.now();
                    }
                    self.fetch(partition, fx);
                }
            }
            Completion::Synced { .. } | Completion::Read { .. } => {}
        }
    }

    pub(super) fn on_closed(&mut self, peer: NodeId, fx: &mut Fx<'_>) {
        if peer == self.controller {
            self.look_elsewhere(peer, None, fx);
        }
        let rest = fx.now() + self.config.retry_backoff;
        for replica in self.replicas.values_mut() {
            match &mut replica.side {
                Side::Follows(follow) if follow.leader == peer => (follow.number, follow.rests) = (None, rest),
                Side::Leads(lead) => lead.fetches.retain(|fetch| fetch.from != peer),
                _ => {}
            }
        }
        self.arm_fetches(fx);
    }

    /// Says to the controller that it is there.
    fn report(&mut self, fx: &mut Fx<'_>) {
        self.unanswered += 1;
        if self.unanswered > 2 {
            self.controller = NodeId(self.config.brokers + fx.rng().below(u64::from(self.config.controllers)) as u32);
            self.unanswered = 1;
        }
        let message = match self.registration() {
            Some(epoch) => QueueMessage::Heartbeat { epoch, version: self.image.version },
            None => QueueMessage::Register { life: self.life },
        };
        fx.send(self.controller, message);
        let rest = if self.registration().is_some() { self.config.heartbeat } else { self.config.retry_backoff };
        fx.arm(CLOCK, rest.min(self.config.heartbeat));
        self.alter_again(fx);
        if !self.wants_ids.is_empty() {
            fx.send(self.controller, QueueMessage::AskBlock);
        }
    }

    /// Somebody is not in charge.
    fn look_elsewhere(&mut self, from: NodeId, hint: Option<NodeId>, fx: &mut Fx<'_>) {
        if from != self.controller {
            return;
        }
        let next = self.config.brokers + (from.0 - self.config.brokers + 1) % self.config.controllers;
        self.controller = hint.unwrap_or(NodeId(next));
        self.unanswered = 0;
        fx.arm(CLOCK, self.config.retry_backoff.min(self.config.heartbeat));
    }

    fn give_id(&mut self, to: NodeId, fx: &mut Fx<'_>) {
        if self.ids.0 < self.ids.1 {
            fx.send(to, QueueMessage::Producer { id: self.ids.0 });
            self.ids.0 += 1;
            return;
        }
        if !self.wants_ids.contains(&to) {
            self.wants_ids.push(to);
        }
        fx.send(self.controller, QueueMessage::AskBlock);
    }

    /// What the controllers have decided.
    fn on_image(&mut self, image: Rc<Image>, fx: &mut Fx<'_>) {
        if image.version <= self.image.version {
            return;
        }
        let was_registered = self.registration().is_some();
        self.image = Rc::clone(&image);
        if self.registration().is_none() {
            // What it leads is of an earlier life, until the controllers know of this one.
            return;
        }
        if !was_registered {
            fx.arm(CLOCK, Duration(1));
        }
        for (at, state) in image.partitions.iter().enumerate() {
            let partition = Partition(at as u32);
            if !state.replicas.contains(&self.me) {
                continue;
            }
            let leads = state.leader == Some(self.me);
            let replica = self.replica(partition);
            if state.leader_epoch > replica.epoch || (matches!(replica.side, Side::None) && state.leader.is_some()) {
                self.take_side(partition, &image, fx);
            } else if leads && let Some(lead) = replica.lead().filter(|lead| lead.state_epoch < state.epoch) {
                (lead.state_epoch, lead.isr, lead.asked) = (state.epoch, state.isr, None);
                self.raise_watermark(partition, fx);
            }
        }
        self.arm_fetches(fx);
    }

    /// A partition has a new leader, or none.
    fn take_side(&mut self, partition: Partition, image: &Image, fx: &mut Fx<'_>) {
        let (me, now) = (self.me, fx.now());
        let Some(state) = image.of(partition) else { return };
        let (to_watermark, forgets) =
            (self.config.has(QueueBug::TruncateToHighWatermark), self.config.has(QueueBug::SequenceForgotten));
        let replica = self.replica(partition);
        let led = core::mem::replace(&mut replica.side, Side::None);
        let before = replica.epoch;
        replica.epoch = state.leader_epoch;
        match state.leader {
            Some(leader) if leader == me => {
                let followers = state.replicas.iter().filter(|node| **node != me).map(|node| {
                    let caught_up = if state.isr.has(*node) { now } else { LocalInstant(0) };
                    let asked = (LocalInstant(0), Offset::MAX);
                    (*node, Progress { end: 0, registration: 0, caught_up, asked, told: None })
                });
                if forgets {
                    replica.log.forget_senders();
                }
                let (acks, fetches) = (Vec::new(), Vec::new());
                let (from, followers) = (replica.log.end(), followers.collect());
                let (state_epoch, isr) = (state.epoch, state.isr);
                replica.side = Side::Leads(Lead { from, state_epoch, isr, asked: None, followers, acks, fetches });
                let (epoch, how, lossy) = (state.leader_epoch, state.how, state.lossy);
                fx.note(QueueFact::Leads { partition, epoch, end: from, how, lossy });
            }
            Some(leader) => {
                replica.side = Side::Follows(Follow { leader, number: None, rests: now, owes: false });
                if to_watermark {
                    let to = replica.watermark;
                    self.cut(partition, to, fx);
                }
            }
            None => {}
        }
        if let Side::Leads(lead) = led {
            fx.note(QueueFact::Yields { partition, epoch: before });
            self.turn_away(partition, lead, fx);
        }
        self.come_or_go(partition, fx);
        self.raise_watermark(partition, fx);
    }

    /// Its log of a partition ends here.
    pub(super) fn cut(&mut self, partition: Partition, to: Offset, fx: &mut Fx<'_>) {
        let replica = self.replica(partition);
        let from = replica.log.end();
        if to < from {
            replica.truncate(to);
            let end = replica.log.end();
            fx.append(QueueRecord::Truncate { partition, end });
            fx.note(QueueFact::Truncated { partition, from, to: end });
        }
    }

    /// Followers that have not had everything for too long are not in sync.
    fn look_for_the_slow(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let lag = self.config.replica_lag_time;
        let led: Vec<Partition> = self.replicas.keys().copied().collect();
        for partition in led {
            let me = self.me;
            let Some(replica) = self.replicas.get_mut(&partition) else { continue };
            let end = replica.log.end();
            let Some(lead) = replica.lead().filter(|lead| lead.asked.is_none()) else { continue };
            let slow = |(node, progress): (&NodeId, &Progress)| {
                let lags = progress.end < end || progress.registration == 0;
                (lags && now.since(progress.caught_up) > lag).then_some(*node)
            };
            let out = lead.followers.iter().filter_map(slow).fold(NodeSet::EMPTY, NodeSet::with);
            let isr = lead.isr.minus(out);
            if isr != lead.isr && isr.has(me) {
                self.alter(partition, isr, fx);
            }
        }
    }

    /// Asks the controller that these be in sync. Until that is decided, none is counted out.
    pub(super) fn alter(&mut self, partition: Partition, isr: NodeSet, fx: &mut Fx<'_>) {
        let early = self.config.has(QueueBug::ShrinkBeforeCommit);
        let (me, mine, now) = (self.me, self.registration().unwrap_or(0), fx.now());
        let Some(replica) = self.replicas.get_mut(&partition) else { return };
        let leader_epoch = replica.epoch;
        let Some(lead) = replica.lead() else { return };
        lead.asked = Some((isr, now));
        let of = |node: NodeId| {
            let registration = lead.followers.get(&node).map_or(0, |progress| progress.registration);
            // One that has not asked yet is in sync by what the controller knows.
            let known = self.image.brokers.get(&node).map_or(0, |broker| broker.epoch);
            (node, if registration == 0 { known } else { registration })
        };
        let isr_by = isr.iter().map(|node| if node == me { (me, mine) } else { of(node) }).collect();
        let alter = Alter { partition, leader: me, leader_epoch, epoch: lead.state_epoch, isr: isr_by };
        if early && isr.len() < lead.isr.len() {
            lead.isr = isr;
        }
        fx.send(self.controller, QueueMessage::Alter(Rc::new(alter)));
        if early {
            self.raise_watermark(partition, fx);
        }
    }

    /// What was asked of the controller and not answered is asked again.
    fn alter_again(&mut self, fx: &mut Fx<'_>) {
        let (now, patience) = (fx.now(), self.config.heartbeat);
        let stale = |replica: &Replica| match &replica.side {
            Side::Leads(lead) => lead.asked.filter(|(_, since)| now.since(*since) >= patience).map(|(isr, _)| isr),
            _ => None,
        };
        let again: Vec<_> = self.replicas.iter().filter_map(|(at, replica)| Some((*at, stale(replica)?))).collect();
        for (partition, isr) in again {
            self.alter(partition, isr, fx);
        }
    }

    fn on_altered(&mut self, partition: Partition, of: u32, altered: Altered, fx: &mut Fx<'_>) {
        let Some(lead) = self.replicas.get_mut(&partition).and_then(Replica::lead) else { return };
        if lead.state_epoch != of {
            return;
        }
        match (altered, lead.asked.take()) {
            (Altered::Done { epoch }, Some((isr, _))) => (lead.isr, lead.state_epoch) = (isr, epoch),
            (Altered::Done { .. } | Altered::Refused, _) => {}
        }
        self.raise_watermark(partition, fx);
    }

    /// The page cache goes to the disk, with the high watermarks.
    fn note_watermarks(&mut self, fx: &mut Fx<'_>) {
        for (partition, replica) in &mut self.replicas {
            if replica.watermark != replica.noted {
                replica.noted = replica.watermark;
                fx.append(QueueRecord::Watermark { partition: *partition, offset: replica.watermark });
            }
        }
        fx.sync();
        fx.arm(FLUSH, self.config.checkpoint.min(self.config.writeback));
    }

    /// Old messages go: by age, or because newer ones have their keys.
    fn clean(&mut self, fx: &mut Fx<'_>) {
        let (now, oldest) = (fx.now(), self.config.has(QueueBug::CompactionKeepsOldest));
        for (partition, replica) in &mut self.replicas {
            let (partition, watermark) = (*partition, replica.watermark);
            if self.config.holds_offsets(partition) {
                continue;
            }
            if self.config.cleanup == Cleanup::Compact {
                if replica.log.compact(watermark, oldest) > 0 {
                    fx.append(QueueRecord::Compact { partition, before: watermark });
                }
            } else if self.config.retention > Duration::ZERO && replica.leads().is_some() {
                let start = replica.log.older_than(now.0.saturating_sub(self.config.retention.0), watermark);
                if start > replica.log.start() {
                    replica.log.retain_from(start);
                    fx.append(QueueRecord::Start { partition, start });
                }
            }
        }
        fx.arm(CLEAN, self.config.cleanup_interval);
    }
}
