//! A machine of the system: a broker, a controller, a producer or a consumer, by its number.

use super::broker::Broker;
use super::consumer::Consumer;
use super::controller::{Controller, Seat};
use super::message::{QueueFact, QueueMessage, QueueRecord, QueueRequest, QueueResponse};
use super::options::{Config, Duty};
use super::producer::Producer;
use sim_core::{Completion, Effects, Node, NodeId, Replay, Role, Ticket, Timer};
use std::rc::Rc;

/// A node's outputs.
pub(super) type Fx<'a> = Effects<'a, Machine>;

/// Something is due: of a broker, its heartbeat.
pub(super) const CLOCK: Timer = Timer(0);
/// Of a broker: replicas that lag. Of a consumer: its heartbeat.
pub(super) const WATCH: Timer = Timer(1);
/// Of a broker: fetches that have waited. Of a consumer: its work is done.
pub(super) const WAITS: Timer = Timer(2);
/// Of a broker: fetches of its own to try again. Of a consumer: it commits by itself.
pub(super) const AGAIN: Timer = Timer(3);
/// Of a broker: what is in the page cache, and high watermarks, go to the disk.
pub(super) const FLUSH: Timer = Timer(4);
/// Of a broker: old messages go.
pub(super) const CLEAN: Timer = Timer(5);
/// Of a broker: sessions of members, and of groups that are dealt anew.
pub(super) const GROUPS: Timer = Timer(6);
/// The first timer slot of the controllers' group.
pub(super) const TIMERS_FROM: u16 = 7;
/// Its log on the disk.
pub(super) const LANE: u16 = 1;
/// How many timer slots a node uses.
pub const TIMERS: u16 = TIMERS_FROM + <Seat as crate::shared::replication::Consensus>::TIMERS;

/// A node.
#[derive(Clone, Debug)]
pub enum Machine {
    /// One that keeps partitions.
    Broker(Box<Broker>),
    /// One that keeps the metadata.
    Controller(Box<Controller>),
    /// One that sends.
    Producer(Box<Producer>),
    /// One that works on what was sent.
    Consumer(Box<Consumer>),
}

impl Machine {
    /// The broker that it is.
    #[must_use]
    pub const fn broker(&self) -> Option<&Broker> {
        if let Self::Broker(broker) = self { Some(broker) } else { None }
    }

    /// The controller that it is.
    #[must_use]
    pub const fn controller(&self) -> Option<&Controller> {
        if let Self::Controller(controller) = self { Some(controller) } else { None }
    }

    /// The producer that it is.
    #[must_use]
    pub const fn producer(&self) -> Option<&Producer> {
        if let Self::Producer(producer) = self { Some(producer) } else { None }
    }

    /// The consumer that it is.
    #[must_use]
    pub const fn consumer(&self) -> Option<&Consumer> {
        if let Self::Consumer(consumer) = self { Some(consumer) } else { None }
    }
}

impl Node for Machine {
    const CONNECTS: bool = true;
    type Config = Rc<Config>;
    type Message = QueueMessage;
    type Request = QueueRequest;
    type Response = QueueResponse;
    type Record = QueueRecord;
    type Fact = QueueFact;

    fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, QueueRecord>, fx: &mut Fx<'_>) -> Self {
        match config.duty(me) {
            Duty::Broker => Self::Broker(Box::new(Broker::boot(config, me, disk, fx))),
            Duty::Controller => Self::Controller(Box::new(Controller::boot(config, me, disk, fx))),
            Duty::Producer => Self::Producer(Box::new(Producer::boot(config, fx))),
            Duty::Consumer => Self::Consumer(Box::new(Consumer::boot(config, me, fx))),
        }
    }

    fn on_message(&mut self, from: NodeId, message: QueueMessage, fx: &mut Fx<'_>) {
        match self {
            Self::Broker(broker) => broker.on_message(from, message, fx),
            Self::Controller(controller) => controller.on_message(from, message, fx),
            Self::Producer(producer) => producer.on_message(from, message, fx),
            Self::Consumer(consumer) => consumer.on_message(from, message, fx),
        }
    }

    fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        match self {
            Self::Broker(broker) => broker.on_timer(timer, fx),
            Self::Controller(controller) => controller.on_timer(timer, fx),
            Self::Producer(producer) => producer.on_timer(fx),
            Self::Consumer(consumer) => consumer.on_timer(timer, fx),
        }
    }

    /// Programs run where a producer is.
    fn on_request(&mut self, ticket: Ticket, request: QueueRequest, fx: &mut Fx<'_>) {
        match self {
            Self::Producer(producer) => producer.on_request(ticket, request, fx),
            Self::Broker(_) | Self::Controller(_) | Self::Consumer(_) => fx.refuse(ticket),
        }
    }

    fn on_disk(&mut self, done: Completion<QueueRecord>, fx: &mut Fx<'_>) {
        match self {
            Self::Controller(controller) => controller.on_disk(&done, fx),
            Self::Broker(broker) => broker.on_disk(&done, fx),
            Self::Producer(_) | Self::Consumer(_) => {}
        }
    }

    fn on_closed(&mut self, peer: NodeId, fx: &mut Fx<'_>) {
        match self {
            Self::Broker(broker) => broker.on_closed(peer, fx),
            Self::Controller(_) => {}
            Self::Producer(producer) => producer.on_closed(peer, fx),
            Self::Consumer(consumer) => consumer.on_closed(peer, fx),
        }
    }

    fn is_read(request: &QueueRequest) -> bool {
        request.is_read()
    }

    fn request_bytes(request: &QueueRequest) -> u32 {
        if let QueueRequest::Send { bytes, .. } = request { 64 + bytes } else { 64 }
    }

    fn timer_name(timer: Timer) -> &'static str {
        let names = ["clock", "watch", "waits", "again", "flush", "clean", "groups"];
        names.get(usize::from(timer.0)).copied().unwrap_or("of the group")
    }

    /// The leader of the first partition goes by that name.
    fn role(&self) -> Role {
        let role = |name, rank| Role { name, rank };
        match self {
            Self::Broker(broker) => match broker.leads_first() {
                Some(epoch) => role("leader", u64::from(epoch)),
                None => role("broker", 0),
            },
            Self::Controller(controller) => match controller.in_charge() {
                Some(term) => role("controller in charge", term),
                None => role("controller", 0),
            },
            Self::Producer(_) => role("producer", 0),
            Self::Consumer(_) => role("consumer", 0),
        }
    }

    fn progress(&self) -> u64 {
        self.broker().map_or(0, Broker::progress)
    }
}
