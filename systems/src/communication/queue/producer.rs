//! A producer: an application with the client library inside. It gathers messages into batches, sends them to whoever
//! leads, numbers them so that a retry is no second message, and tries again until it gives up.

use super::bugs::QueueBug;
use super::log::{Body, Draft, Item, Offset, Sequence};
use super::message::{QueueFact, QueueMessage, QueueRequest, QueueResponse, Refusal, RequestNumber};
use super::metadata::{Image, Partition};
use super::node::{CLOCK, Fx};
use super::options::{Acks, Config};
use super::silent::Silent;
use crate::shared::number::Counts;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant, NodeId, Ticket};
use std::collections::VecDeque;
use std::rc::Rc;

/// A message that its program waits for.
#[derive(Clone, Debug)]
struct Message {
    ticket: Ticket,
    item: Item,
}

/// Messages that go together.
#[derive(Clone, Debug)]
struct Batch {
    messages: Vec<Message>,
    /// When the first of them came.
    since: LocalInstant,
    /// The number of its first message, once it has one.
    sequence: Option<Sequence>,
    /// The request that carries it, to whom, and until when.
    flight: Option<(RequestNumber, NodeId, LocalInstant)>,
    /// It is not sent again before this.
    rests: LocalInstant,
    /// Whether it was ever sent.
    sent: bool,
    /// Whether nobody knows if it is in a log.
    unsure: bool,
}

/// What it has for one partition.
#[derive(Clone, Debug, Default)]
struct Lane {
    batches: VecDeque<Batch>,
    /// Its epoch as a producer there, and the number of the next message.
    epoch: u16,
    next: u32,
    /// Whether a batch was given up that may be in the log: what comes after begins a new epoch.
    unresolved: bool,
}

/// A question how far consumers may read.
#[derive(Clone, Copy, Debug)]
struct Question {
    ticket: Ticket,
    partition: Partition,
    /// The request, to whom, and until when.
    flight: Option<(RequestNumber, NodeId, LocalInstant)>,
    rests: LocalInstant,
    since: LocalInstant,
}

/// A producer.
#[derive(Clone, Debug)]
pub struct Producer {
    config: Rc<Config>,
    image: Rc<Image>,
    stale: bool,
    silent: Silent,
    ask_at: LocalInstant,
    /// Its id, and when it asks for one again.
    id: Option<u64>,
    id_at: LocalInstant,
    lanes: SortedMap<Partition, Lane>,
    questions: Vec<Question>,
    requests: RequestNumber,
}

impl Producer {
    /// The brokers that have not answered it in time.
    pub(super) fn silent(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.silent.all()
    }

    pub(super) fn boot(config: &Rc<Config>, fx: &mut Fx<'_>) -> Self {
        let now = fx.now();
        fx.arm(CLOCK, Duration(1));
        Self {
            config: Rc::clone(config),
            image: Rc::default(),
            stale: true,
            silent: Silent::default(),
            ask_at: now,
            id: None,
            id_at: now,
            lanes: SortedMap::new(),
            questions: Vec::new(),
            requests: RequestNumber(0),
        }
    }

    /// How many messages it has that are not settled.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lanes.values().flat_map(|lane| &lane.batches).map(|batch| batch.messages.len()).sum()
    }

    /// The program asks something.
    pub(super) fn on_request(&mut self, ticket: Ticket, request: QueueRequest, fx: &mut Fx<'_>) {
        let now = fx.now();
        match request {
            QueueRequest::End { key } => {
                let partition = self.config.partition_of(key);
                self.questions.push(Question { ticket, partition, flight: None, rests: now, since: now });
            }
            QueueRequest::Send { key, value, bytes } => {
                let partition = self.config.partition_of(key);
                fx.note(QueueFact::Taken { partition, value });
                let message = Message { ticket, item: Item { offset: 0, key, bytes, body: Body::Value(value) } };
                let most = self.config.batch_records as usize;
                let lane = self.lanes.entry(partition).or_default();
                let is_open = |batch: &&mut Batch| {
                    batch.sequence.is_none() && !batch.sent && batch.flight.is_none() && batch.messages.len() < most
                };
                match lane.batches.back_mut().filter(is_open) {
                    Some(batch) => batch.messages.push(message),
                    None => lane.batches.push_back(Batch {
                        messages: vec![message],
                        since: now,
                        sequence: None,
                        flight: None,
                        rests: now,
                        sent: false,
                        unsure: false,
                    }),
                }
            }
        }
        self.go_on(fx);
    }

    pub(super) fn on_message(&mut self, from: NodeId, message: QueueMessage, fx: &mut Fx<'_>) {
        self.silent.heard(from);
        match message {
            QueueMessage::Image(image) if image.version > self.image.version => {
                (self.image, self.stale) = (image, false);
            }
            QueueMessage::Heard => self.stale = false,
            QueueMessage::Producer { id } if self.id.is_none() => self.id = Some(id),
            QueueMessage::Produced { number, partition, result } => self.on_produced(number, partition, result, fx),
            QueueMessage::End { number, result } => self.on_end(from, number, result, fx),
            _ => {}
        }
        self.go_on(fx);
    }

    pub(super) fn on_timer(&mut self, fx: &mut Fx<'_>) {
        self.go_on(fx);
    }

    pub(super) fn on_closed(&mut self, peer: NodeId, fx: &mut Fx<'_>) {
        self.disconnect(peer, fx.now());
        self.go_on(fx);
    }

    /// A connection is over: whatever waits for an answer over it may have been done, or not.
    fn disconnect(&mut self, broker: NodeId, now: LocalInstant) {
        self.stale = true;
        self.silent.add(broker, now);
        let is_there =
            |flight: &Option<(RequestNumber, NodeId, LocalInstant)>| flight.is_some_and(|(_, to, _)| to == broker);
        for batch in self.lanes.values_mut().flat_map(|lane| &mut lane.batches).filter(|it| is_there(&it.flight)) {
            (batch.flight, batch.unsure) = (None, true);
        }
        for question in self.questions.iter_mut().filter(|question| is_there(&question.flight)) {
            question.flight = None;
        }
    }

    /// Who has not answered in time is as good as gone.
    fn hang_up(&mut self, now: LocalInstant) {
        let batches = self.lanes.values().flat_map(|lane| &lane.batches).filter_map(|batch| batch.flight);
        let all = batches.chain(self.questions.iter().filter_map(|question| question.flight));
        let late: Vec<NodeId> = all.filter(|(_, _, until)| *until <= now).map(|(_, to, _)| to).collect();
        for broker in late {
            self.disconnect(broker, now);
        }
    }

    fn on_end(&mut self, from: NodeId, number: RequestNumber, result: Result<Offset, Refusal>, fx: &mut Fx<'_>) {
        let of = |question: &Question| question.flight.is_some_and(|(it, to, _)| (it, to) == (number, from));
        let Some(at) = self.questions.iter().position(of) else { return };
        match result {
            Ok(offset) => {
                let question = self.questions.swap_remove(at);
                fx.reply(question.ticket, QueueResponse::End { offset });
            }
            Err(_) => {
                self.stale = true;
                let rests = fx.now() + self.config.retry_backoff;
                (self.questions[at].flight, self.questions[at].rests) = (None, rests);
            }
        }
    }

    fn on_produced(
        &mut self,
        number: RequestNumber,
        partition: Partition,
        result: Result<Offset, Refusal>,
        fx: &mut Fx<'_>,
    ) {
        let rests = fx.now() + self.config.retry_backoff;
        self.stale |= result.is_err() && self.config.acks == Acks::None;
        let Some(lane) = self.lanes.get_mut(&partition) else { return };
        let of = |batch: &Batch| batch.flight.is_some_and(|(of, ..)| of == number);
        let Some(at) = lane.batches.iter().position(of) else { return };
        match result {
            Ok(base) => {
                let Some(batch) = lane.batches.remove(at) else { return };
                for (message, offset) in batch.messages.into_iter().zip(base..) {
                    deliver(partition, &message, Some(offset), fx);
                }
            }
            Err(why) => {
                let batch = &mut lane.batches[at];
                (batch.flight, batch.rests) = (None, rests);
                match why {
                    Refusal::NotLeader | Refusal::OutOfRange => self.stale = true,
                    Refusal::NotEnoughAfter => (batch.unsure, self.stale) = (true, true),
                    Refusal::NotEnough => {}
                    Refusal::OutOfOrder => {
                        // One before it is missing: if that was given up, or is lost though it had been acknowledged,
                        // this one begins a new epoch.
                        lane.unresolved |= at == 0;
                        if lane.unresolved {
                            batch.sequence = None;
                        }
                    }
                    Refusal::Stale => {
                        // It is in the log, further back than the leader remembers.
                        let Some(batch) = lane.batches.remove(at) else { return };
                        for message in &batch.messages {
                            deliver(partition, message, None, fx);
                        }
                    }
                }
            }
        }
    }

    /// What is due is done.
    fn go_on(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        self.hang_up(now);
        self.give_up(fx);
        if self.config.idempotent && self.id.is_none() && self.id_at <= now && self.image.version > 0 {
            let broker = NodeId(fx.rng().below(u64::from(self.config.brokers)) as u32);
            fx.send(broker, QueueMessage::AskProducer);
            self.id_at = now + self.config.retry_backoff;
        }
        self.send(fx);
        self.ask(fx);
        self.stale |= self.silent.any();
        if self.stale && self.ask_at <= now {
            let broker = NodeId(fx.rng().below(u64::from(self.config.brokers)) as u32);
            fx.send(broker, QueueMessage::AskImage { version: self.image.version });
            self.ask_at = now + self.config.retry_backoff;
        }
        self.arm(fx);
    }

    /// What was tried for too long is given up.
    fn give_up(&mut self, fx: &mut Fx<'_>) {
        let (now, patience) = (fx.now(), self.config.delivery_timeout);
        for (partition, lane) in &mut self.lanes {
            while lane.batches.front().is_some_and(|batch| batch.since + patience <= now) {
                let Some(batch) = lane.batches.pop_front() else { break };
                lane.unresolved |= batch.sequence.is_some();
                let sent = batch.unsure || batch.flight.is_some();
                for message in batch.messages {
                    let Body::Value(value) = message.item.body else { continue };
                    fx.note(QueueFact::GivenUp { partition: *partition, value, sent });
                    if !sent {
                        fx.refuse(message.ticket);
                    }
                }
            }
        }
        self.questions.retain(|question| {
            let lasts = question.since + patience > now;
            if !lasts {
                fx.refuse(question.ticket);
            }
            lasts
        });
    }

    /// Sends what may be sent, in order.
    fn send(&mut self, fx: &mut Fx<'_>) {
        let (now, config) = (fx.now(), Rc::clone(&self.config));
        let renumbers = config.has(QueueBug::SequenceReused);
        for (partition, lane) in &mut self.lanes {
            let partition = *partition;
            if lane.unresolved && lane.batches.iter().all(|batch| batch.sequence.is_none()) {
                (lane.epoch, lane.next, lane.unresolved) = (lane.epoch + 1, 0, false);
            }
            let mut in_flight = lane.batches.iter().filter(|batch| batch.flight.is_some()).count();
            let Lane { batches, epoch, next, unresolved } = lane;
            for batch in batches.iter_mut() {
                if batch.flight.is_some() {
                    continue;
                }
                let full = batch.messages.len() >= config.batch_records as usize;
                let is_due = full || batch.sent || batch.sequence.is_some() || batch.since + config.linger <= now;
                if in_flight >= config.max_in_flight as usize || !is_due {
                    break;
                }
                if batch.rests > now {
                    // With numbers, what comes behind would be out of order.
                    if config.idempotent { break } else { continue }
                }
                let Some(leader) = self.image.leader(partition) else {
                    self.stale = true;
                    break;
                };
                if self.silent.has(leader, self.image.version, config.retry_backoff, fx) {
                    break;
                }
                if config.idempotent && (batch.sequence.is_none() || renumbers) {
                    // What has a number yet is settled first: it may be in the log.
                    if *unresolved {
                        continue;
                    }
                    let Some(producer) = self.id else { break };
                    batch.sequence = Some(Sequence { producer, epoch: *epoch, first: *next });
                    *next += batch.messages.len() as u32;
                }
                let number = self.requests.advance();
                in_flight += 1;
                batch.sent = true;
                batch.flight = Some((number, leader, now + config.request_timeout));
                let items = batch.messages.iter().map(|message| message.item.clone()).collect();
                let draft = Rc::new(Draft { sequence: batch.sequence, acks: config.acks, items });
                fx.send(leader, QueueMessage::Produce { number, partition, draft });
            }
            if config.acks == Acks::None {
                // What was sent is done.
                while batches.front().is_some_and(|batch| batch.sent) {
                    let Some(batch) = batches.pop_front() else { break };
                    batch.messages.iter().for_each(|message| deliver(partition, message, None, fx));
                }
            }
        }
    }

    fn ask(&mut self, fx: &mut Fx<'_>) {
        let (now, patience) = (fx.now(), self.config.request_timeout);
        for question in &mut self.questions {
            if question.flight.is_some_and(|(_, _, until)| until > now) || question.rests > now {
                continue;
            }
            let Some(leader) = self.image.leader(question.partition) else {
                (self.stale, question.rests) = (true, now + self.config.retry_backoff);
                continue;
            };
            if self.silent.has(leader, self.image.version, self.config.retry_backoff, fx) {
                question.rests = now + self.config.retry_backoff;
                continue;
            }
            let number = self.requests.advance();
            question.flight = Some((number, leader, now + patience));
            fx.send(leader, QueueMessage::AskEnd { number, partition: question.partition });
        }
    }

    fn arm(&self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let mut due: Option<LocalInstant> = None;
        let mut add = |at: LocalInstant| due = Some(due.map_or(at, |due: LocalInstant| due.min(at)));
        if self.stale {
            add(self.ask_at);
        }
        if self.config.idempotent && self.id.is_none() {
            add(self.id_at);
        }
        for lane in self.lanes.values() {
            for batch in &lane.batches {
                add(batch.since + self.config.delivery_timeout);
                match batch.flight {
                    Some((_, _, until)) => add(until),
                    None if batch.rests > now => add(batch.rests),
                    None if batch.since + self.config.linger > now => add(batch.since + self.config.linger),
                    None => {}
                }
            }
        }
        for question in &self.questions {
            add(question.flight.map_or(question.rests, |(_, _, until)| until));
            add(question.since + self.config.delivery_timeout);
        }
        match due {
            // What is overdue waits for somebody else, and is looked at again soon.
            Some(due) if due <= now => fx.arm(CLOCK, Duration(self.config.retry_backoff.0.div_ceil(4))),
            Some(due) => fx.arm(CLOCK, Duration(due.0 - now.0)),
            None => fx.disarm(CLOCK),
        }
    }
}

/// The program is told that its message is delivered.
fn deliver(partition: Partition, message: &Message, offset: Option<Offset>, fx: &mut Fx<'_>) {
    if let Body::Value(value) = message.item.body {
        fx.note(QueueFact::Delivered { partition, value });
    }
    fx.reply(message.ticket, QueueResponse::Sent { offset });
}
