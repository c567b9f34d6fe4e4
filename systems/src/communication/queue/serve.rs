//! What a broker does for others in the partitions that it leads: takes batches, gives them to followers and consumers,
//! moves the high watermark, answers.

use super::broker::Broker;
use super::bugs::QueueBug;
use super::log::{Admission, Batch, Draft, Item, Offset};
use super::message::{Denial, FetchNumber, Fetched, Me, QueueFact, QueueMessage, QueueRecord, Refusal, RequestNumber};
use super::metadata::Partition;
use super::node::{Fx, WAITS};
use super::options::{Acks, Flush};
use super::replica::{For, Lead, Replica, Side, Waiting};
use sim_core::{Duration, Effect, NodeId};
use std::rc::Rc;

impl Broker {
    /// A producer sends a batch.
    pub(super) fn on_produce(
        &mut self,
        from: NodeId,
        number: RequestNumber,
        partition: Partition,
        draft: &Draft,
        fx: &mut Fx<'_>,
    ) {
        let result = self.take(partition, draft, fx);
        let answer = |result| QueueMessage::Produced { number, partition, result };
        match (result, draft.acks) {
            // A producer that waits for nothing hears only that something is wrong: Kafka closes the connection.
            (Ok(_), Acks::None) => {}
            (Err(why), _) => fx.send(from, answer(Err(why))),
            (Ok((base, end)), acks) => {
                let early = self.config.has(QueueBug::AckBeforeReplicated);
                if acks == Acks::Leader || early {
                    let all = acks == Acks::All;
                    self.acknowledge(partition, end, all, Effect::Send { to: from, message: answer(Ok(base)) }, fx);
                } else {
                    self.wait_for_all(partition, end, For::Producer(from, number, base), fx);
                }
            }
        }
        self.raise_watermark(partition, fx);
    }

    /// Takes a batch into the log, if it may: from where to where it stands.
    fn take(&mut self, partition: Partition, draft: &Draft, fx: &mut Fx<'_>) -> Result<(Offset, Offset), Refusal> {
        let min_isr = self.config.min_insync_replicas as usize;
        let messages = draft.items.len() as u32;
        let Some(replica) = self.replicas.get_mut(&partition) else { return Err(Refusal::NotLeader) };
        let Some(isr) = replica.in_sync() else { return Err(Refusal::NotLeader) };
        if draft.acks == Acks::All && isr.len() < min_isr {
            fx.note(QueueFact::TooFew { partition, after: false });
            return Err(Refusal::NotEnough);
        }
        if let Some(sequence) = draft.sequence {
            match replica.log.admit(sequence, messages) {
                Admission::New => {}
                Admission::Known(base) => return Ok((base, base + u64::from(messages))),
                Admission::OutOfOrder => return Err(Refusal::OutOfOrder),
                Admission::Stale => return Err(Refusal::Stale),
            }
        }
        let batch = draft.take(replica.log.end(), replica.epoch, fx.now());
        Ok(self.append(partition, batch, fx))
    }

    /// Writes down messages of the broker's own, as those of groups are: from where to where they stand.
    pub(super) fn write(&mut self, partition: Partition, items: Vec<Item>, fx: &mut Fx<'_>) -> Option<Offset> {
        let min_isr = self.config.min_insync_replicas as usize;
        let replica = self.replicas.get_mut(&partition)?;
        if replica.in_sync().is_none_or(|isr| isr.len() < min_isr) {
            return None;
        }
        let draft = Draft { sequence: None, acks: Acks::All, items: items.into() };
        let batch = draft.take(replica.log.end(), replica.epoch, fx.now());
        Some(self.append(partition, batch, fx).1)
    }

    fn append(&mut self, partition: Partition, batch: Batch, fx: &mut Fx<'_>) -> (Offset, Offset) {
        let (base, end, epoch) = (batch.base, batch.end, batch.epoch);
        let batch = Rc::new(batch);
        let write = fx.append(QueueRecord::Append { partition, batch: Rc::clone(&batch) });
        if self.config.flush == Flush::Every {
            fx.sync();
        }
        self.replica(partition).log.append(write, batch);
        fx.worked(None, Duration::ZERO);
        fx.note(QueueFact::Appended { partition, epoch, base, end });
        self.serve_fetches(partition, fx);
        (base, end)
    }

    /// Somebody is answered for what stands before `end`; where every write is flushed, once that is.
    pub(super) fn acknowledge(
        &self,
        partition: Partition,
        end: Offset,
        all: bool,
        answer: Effect<super::Machine>,
        fx: &mut Fx<'_>,
    ) {
        let Some(replica) = self.replicas.get(&partition) else { return };
        let said = QueueFact::Acknowledged { partition, epoch: replica.epoch, end, all };
        match replica.write_of(end).filter(|_| self.config.flush == Flush::Every) {
            Some(write) => {
                fx.after(write, Effect::Note { fact: said });
                fx.after(write, answer);
            }
            None => {
                fx.note(said);
                fx.forward(answer);
            }
        }
    }

    /// Somebody waits until all replicas in sync have what stands before `end`.
    pub(super) fn wait_for_all(&mut self, partition: Partition, end: Offset, who: For, fx: &mut Fx<'_>) {
        let Some(lead) = self.replicas.get_mut(&partition).and_then(Replica::lead) else { return };
        lead.acks.push((end, who));
        // What is tried again may be committed already.
        self.answer(partition, fx);
        self.raise_watermark(partition, fx);
    }

    /// What all replicas in sync have is committed. One that may be in sync, because the controller was asked that it
    /// be, counts, too; and where too few are, nothing is committed (KIP-966).
    pub(super) fn raise_watermark(&mut self, partition: Partition, fx: &mut Fx<'_>) {
        let config = Rc::clone(&self.config);
        let Some(replica) = self.replicas.get_mut(&partition) else { return };
        let own = replica.end(&config);
        let before = replica.watermark;
        let Side::Leads(lead) = &mut replica.side else { return };
        let few = config.eligible_leaders && lead.isr.len() < config.min_insync_replicas as usize;
        let counted = lead.asked.map_or(lead.isr, |(isr, _)| if few { lead.isr } else { isr.union(lead.isr) });
        let counted = if config.has(QueueBug::ShrinkBeforeCommit) { lead.isr } else { counted };
        let ends = lead.followers.iter().filter(|(node, _)| counted.has(**node)).map(|(_, progress)| progress.end);
        let committed = ends.fold(own, Ord::min);
        if committed <= before || few {
            return;
        }
        replica.watermark = committed;
        self.open_desk(partition, fx);
        self.answer(partition, fx);
        self.serve_fetches(partition, fx);
    }

    /// Whoever waits for what is committed by now is answered.
    fn answer(&mut self, partition: Partition, fx: &mut Fx<'_>) {
        let min_isr = self.config.min_insync_replicas as usize;
        let Some(replica) = self.replicas.get_mut(&partition) else { return };
        let watermark = replica.watermark;
        let Some(lead) = replica.lead() else { return };
        let enough = lead.isr.len() >= min_isr;
        let (done, rest): (Vec<_>, Vec<_>) = lead.acks.drain(..).partition(|(end, _)| *end <= watermark);
        lead.acks = rest;
        for (end, who) in done {
            match who {
                For::Producer(to, number, base) => {
                    let result = if enough { Ok(base) } else { Err(Refusal::NotEnoughAfter) };
                    let message = QueueMessage::Produced { number, partition, result };
                    if enough {
                        self.acknowledge(partition, end, true, Effect::Send { to, message }, fx);
                    } else {
                        fx.note(QueueFact::TooFew { partition, after: true });
                        fx.send(to, message);
                    }
                }
                For::Commit(node, group, generation, id, number) => {
                    self.on_committed((node, group, generation, id), number, end, fx);
                }
                For::Plan(group, generation) => self.on_planned(partition, group, generation, fx),
            }
        }
    }

    /// It does not lead any more: whoever waits has to ask somebody else.
    pub(super) fn turn_away(&mut self, partition: Partition, lead: Lead, fx: &mut Fx<'_>) {
        for (_, who) in lead.acks {
            match who {
                For::Producer(to, number, _) => {
                    let result = Err(Refusal::NotEnoughAfter);
                    fx.send(to, QueueMessage::Produced { number, partition, result });
                }
                For::Commit(to, group, generation, id, number) => {
                    let me = Me { group, id, generation };
                    fx.send(to, QueueMessage::CommitDenied { me, number, why: Denial::NotCoordinator });
                }
                For::Plan(..) => {}
            }
        }
        for Waiting { from, number, replica, .. } in lead.fetches {
            self.refuse(from, (number, partition), replica, Refusal::NotLeader, fx);
        }
    }

    fn refuse(&self, to: NodeId, of: (FetchNumber, Partition), replica: bool, why: Refusal, fx: &mut Fx<'_>) {
        let (number, partition) = of;
        let (start, end, watermark) = self
            .replicas
            .get(&partition)
            .map_or((0, 0, 0), |replica| (replica.log.start(), replica.log.end(), replica.watermark));
        let (refused, batches) = (Some(why), Vec::new());
        let fetched = Fetched { number, partition, replica, refused, diverging: None, watermark, start, end, batches };
        fx.send(to, QueueMessage::Fetched(Rc::new(fetched)));
    }

    /// A follower or a consumer wants what comes next.
    pub(super) fn on_fetch(
        &mut self,
        from: NodeId,
        (number, partition, offset): (FetchNumber, Partition, Offset),
        (registration, leader_epoch, last_epoch): (Option<u64>, u32, u32),
        fx: &mut Fx<'_>,
    ) {
        let is_replica = registration.is_some();
        let leads = self.replicas.get(&partition).and_then(Replica::leads);
        let Some(epoch) = leads else {
            return self.refuse(from, (number, partition), is_replica, Refusal::NotLeader, fx);
        };
        if is_replica && epoch != leader_epoch {
            return self.refuse(from, (number, partition), true, Refusal::NotLeader, fx);
        }
        let replica = &self.replicas[&partition];
        let (start, end) = (replica.log.start(), replica.log.end());
        if let Some(registration) = registration {
            // A follower whose last batch is not one of this log has to cut it first (KIP-595).
            let (known, ends) = replica.log.end_of(last_epoch);
            if offset > start && (known < last_epoch || ends < offset) {
                return self.diverge(from, number, partition, (known, ends), fx);
            }
            if offset < start {
                return self.refuse(from, (number, partition), true, Refusal::OutOfRange, fx);
            }
            self.on_progress(from, partition, offset, registration, fx);
        } else if offset < start || offset > end {
            return self.refuse(from, (number, partition), false, Refusal::OutOfRange, fx);
        }
        let until = fx.now() + self.config.fetch_wait;
        if let Some(lead) = self.replicas.get_mut(&partition).and_then(Replica::lead) {
            lead.fetches.retain(|fetch| (fetch.from, fetch.replica) != (from, is_replica));
            lead.fetches.push(Waiting { from, number, offset, replica: is_replica, until });
        }
        self.serve_fetches(partition, fx);
        self.arm_waits(fx);
    }

    fn diverge(&self, to: NodeId, number: FetchNumber, partition: Partition, at: (u32, Offset), fx: &mut Fx<'_>) {
        let replica = &self.replicas[&partition];
        let fetched = Fetched {
            number,
            partition,
            replica: true,
            refused: None,
            diverging: Some(at),
            watermark: replica.watermark,
            start: replica.log.start(),
            end: replica.log.end(),
            batches: Vec::new(),
        };
        fx.send(to, QueueMessage::Fetched(Rc::new(fetched)));
    }

    /// A follower has everything before `offset`.
    fn on_progress(&mut self, node: NodeId, partition: Partition, offset: Offset, registration: u64, fx: &mut Fx<'_>) {
        let now = fx.now();
        let serves = self.image.brokers.get(&node).is_some_and(|it| !it.fenced && it.epoch == registration);
        let Some(replica) = self.replicas.get_mut(&partition) else { return };
        let (end, watermark) = (replica.log.end(), replica.watermark);
        let Some(lead) = replica.lead() else { return };
        let from = lead.from;
        let Some(progress) = lead.followers.get_mut(&node) else { return };
        // It was caught up when it had all that there was, or when it asked for what it now has all of.
        if offset >= end {
            progress.caught_up = now;
        } else if offset >= progress.asked.1 {
            progress.caught_up = progress.caught_up.max(progress.asked.0);
        }
        (progress.end, progress.registration, progress.asked) = (offset, registration, (now, end));
        let caught_up = offset >= watermark && offset >= from;
        let joins = caught_up && serves && !lead.isr.has(node) && lead.asked.is_none();
        if joins {
            let isr = lead.isr.with(node);
            self.alter(partition, isr, fx);
        }
        self.raise_watermark(partition, fx);
    }

    /// Answers the fetches for which there is something, or that have waited long enough.
    pub(super) fn serve_fetches(&mut self, partition: Partition, fx: &mut Fx<'_>) {
        let (now, most) = (fx.now(), u64::from(self.config.fetch_records));
        let dirty = self.config.has(QueueBug::ReadUncommitted);
        let Some(replica) = self.replicas.get_mut(&partition) else { return };
        let (start, end, watermark) = (replica.log.start(), replica.log.end(), replica.watermark);
        let Side::Leads(lead) = &mut replica.side else { return };
        let log = &replica.log;
        lead.fetches.retain(|fetch| {
            let limit = if fetch.replica || dirty { end } else { watermark };
            let news = match lead.followers.get(&fetch.from).filter(|_| fetch.replica) {
                Some(progress) => progress.told.is_none_or(|told| told < watermark),
                None => false,
            };
            if fetch.offset >= limit && !news && fetch.until > now {
                return true;
            }
            let mut batches = Vec::new();
            let mut messages = 0;
            for batch in log.from(fetch.offset).take_while(|batch| batch.end <= limit) {
                if messages >= most {
                    break;
                }
                messages += batch.end - batch.base;
                batches.push(Rc::clone(batch));
            }
            if let Some(progress) = lead.followers.get_mut(&fetch.from).filter(|_| fetch.replica) {
                progress.told = Some(watermark);
            }
            let (number, replica) = (fetch.number, fetch.replica);
            let (refused, diverging) = (None, None);
            let fetched = Fetched { number, partition, replica, refused, diverging, watermark, start, end, batches };
            fx.worked(None, Duration::ZERO);
            fx.send(fetch.from, QueueMessage::Fetched(Rc::new(fetched)));
            false
        });
    }

    /// Fetches have waited long enough.
    pub(super) fn end_waits(&mut self, fx: &mut Fx<'_>) {
        let all: Vec<Partition> = self.replicas.keys().copied().collect();
        for partition in all {
            self.serve_fetches(partition, fx);
        }
        self.arm_waits(fx);
    }

    fn arm_waits(&self, fx: &mut Fx<'_>) {
        let waits = self.replicas.values().filter_map(|replica| match &replica.side {
            Side::Leads(lead) => lead.fetches.iter().map(|fetch| fetch.until).min(),
            _ => None,
        });
        if let Some(until) = waits.min() {
            fx.arm(WAITS, Duration(until.0.saturating_sub(fx.now().0).max(1)));
        }
    }
}
