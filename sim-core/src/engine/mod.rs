//! The engine: one thread of simulated time, a queue of events, and the nodes, clients and faults they concern.
//!
//! Generic over the node type, the client type and the observer, so that nothing is boxed, hashed or dispatched
//! dynamically per event. Everything it does is a function of its configuration and seed.

mod clients;
mod clocks;
mod closures;
mod connections;
mod disks;
mod dues;
mod faults;
mod life;
mod machine;
mod near;
mod nodes;
mod operator;
mod outstanding;
mod seated;
mod slab;
mod streams;
mod timers;
mod transport;
mod triggers;

pub use faults::ActiveFault;
pub use machine::{NodeSetup, NodeStats};

use crate::digest::{Code, Digest};
use crate::fault::Schedule;
use crate::hash;
use crate::network::{LinkPolicy, NetworkConfig, Trouble};
use crate::queue::{EventQueue, Key, Queue};
use crate::{
    Client, ClientId, Duration, Instant, Kind, Node, NodeId, Observer, Purpose, ReadsFrom, Rng, Seat, Ticket,
    Violation, Writes, node_ids, panics,
};
use clients::{Answer, ClientState};
use machine::Machine;
use slab::Slab;
use std::rc::Rc;
use timers::{TIMER_FLAG, Timers};

/// What an engine is built from, besides the nodes' own configuration.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The seed of every stream of random numbers.
    pub seed: u64,
    /// The machines, one for each node.
    pub nodes: Vec<NodeSetup>,
    /// Zone index of each node, for zone targets.
    pub node_zones: Vec<u16>,
    /// The links.
    pub network: NetworkConfig,
    /// Timer slots of each node.
    pub timers: u16,
    /// The faults.
    pub schedule: Schedule,
    /// Events at the same instant happen in seeded order instead of first in, first out.
    pub shuffle_ties: bool,
    /// A node that halts (a failed sync) is started again after this, as a supervisor would.
    pub restart_halted: Duration,
}

/// How many messages went which way, over the whole run, between nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Sent, by [`Kind::index`].
    pub sent: [u64; Kind::LIMIT],
    /// The name of each kind that was sent.
    pub names: [&'static str; Kind::LIMIT],
    /// Second copies that a link made: `sent + duplicated = delivered + dropped + under way or waiting`.
    pub duplicated: u64,
    /// Delivered, duplicates included.
    pub delivered: u64,
    /// Dropped, by [`crate::Drop`] in declaration order.
    pub dropped: [u64; crate::Drop::ALL.len()],
}

/// Anything that waits in the queue, timers excepted.
#[derive(Clone, Debug)]
enum Event<N: Node> {
    Message { from: NodeId, to: NodeId, number: u32, message: N::Message },
    Disk { node: NodeId, number: u32 },
    DiskRead { node: NodeId, token: u32, id: crate::WriteId },
    Cpu { node: NodeId, token: u32 },
    Request { ticket: Ticket, to: NodeId, request: N::Request },
    Answer { ticket: Ticket, from: NodeId, answer: Answer<N::Response> },
    Wake { client: ClientId, at: Instant },
    Alarm { client: ClientId, at: Instant },
    FaultStart { index: usize },
    FaultEnd { index: usize },
    Revive { node: NodeId, token: u32 },
    Operate { token: u32 },
    Release { way: connections::Way },
    Closed { end: NodeId, peer: NodeId, next: closures::Number, told: bool },
    Segment { connection: u32, end: u8, packet: u32 },
    Poll { connection: u32, end: u8 },
}

/// A run: the state of a simulated cluster at one moment. Cloning it forks the run.
pub struct Engine<N: Node, C: Client<N>, O: Observer<N>> {
    now: Instant,
    queue: EventQueue,
    slab: Slab<Event<N>>,
    sequence: u64,
    /// What the order among events at the same instant depends on, if it is shuffled.
    ties: Option<u64>,
    digest: Digest,
    events: u64,
    seed: u64,
    config: Rc<N::Config>,
    nodes: Vec<Option<N>>,
    machines: Vec<Machine<N>>,
    /// One byte a node says whether its machine must be looked at: [`machine::GATED`], [`machine::CLOCK_OFF`].
    flags: Vec<u8>,
    /// What each node's disk has counted. Survives crashes: ids are never reused.
    writes: Vec<Writes>,
    /// What each node's own code draws.
    node_rngs: Vec<Rng>,
    /// Loss and latency of what each node sends.
    link_rngs: Vec<Rng>,
    timers: Timers,
    node_zones: Vec<u16>,
    network: Rc<NetworkConfig>,
    trouble: Trouble,
    /// Some link's own policy does more than lose and delay, what leaves some machine shares a limited way out, or a
    /// transport carries messages.
    fancy_links: bool,
    /// Only loss and latency decide what becomes of a message, and no fault waits for one: no link is fancy, nothing
    /// tampers with any, no trigger counts.
    calm: bool,
    connections: connections::Connections<N>,
    /// What carries messages over the links, unless that is nothing.
    carrier: Option<Box<transport::Carrier<N>>>,
    clients: Vec<ClientState<N, C>>,
    /// Whom clients ask that sit at no node: in order, and never nobody.
    doors: Rc<[NodeId]>,
    /// The clients that sit at a node.
    seated: Vec<ClientId>,
    schedule: Schedule,
    faults: faults::Faults,
    operator: operator::Operator,
    tally: Tally,
    effects: Vec<crate::Effect<N>>,
    restart_halted: Duration,
    /// A run of more events than this has run away.
    max_events: u64,
    violation: Option<Violation>,
    observer: O,
}

fn streams(seed: u64, purpose: Purpose, n: usize) -> Vec<Rng> {
    (0..n as u64).map(|i| Rng::stream(seed, purpose, i)).collect()
}

impl<N: Node + Clone, C: Client<N> + Clone, O: Observer<N> + Clone> Clone for Engine<N, C, O> {
    fn clone(&self) -> Self {
        Self {
            now: self.now,
            queue: self.queue.clone(),
            slab: self.slab.clone(),
            sequence: self.sequence,
            ties: self.ties,
            digest: self.digest,
            events: self.events,
            seed: self.seed,
            config: Rc::clone(&self.config),
            nodes: self.nodes.clone(),
            machines: self.machines.clone(),
            flags: self.flags.clone(),
            writes: self.writes.clone(),
            node_rngs: self.node_rngs.clone(),
            link_rngs: self.link_rngs.clone(),
            timers: self.timers.clone(),
            node_zones: self.node_zones.clone(),
            network: Rc::clone(&self.network),
            trouble: self.trouble.clone(),
            fancy_links: self.fancy_links,
            calm: self.calm,
            connections: self.connections.clone(),
            carrier: self.carrier.as_ref().map(|carrier| Box::new(carrier.fork())),
            clients: self.clients.clone(),
            doors: Rc::clone(&self.doors),
            seated: self.seated.clone(),
            schedule: self.schedule.clone(),
            faults: self.faults.clone(),
            operator: self.operator.clone(),
            tally: self.tally.clone(),
            effects: Vec::new(),
            restart_halted: self.restart_halted,
            max_events: self.max_events,
            violation: self.violation.clone(),
            observer: self.observer.clone(),
        }
    }
}

impl<N: Node, C: Client<N>, O: Observer<N>> Engine<N, C, O> {
    /// A cluster that has just been switched on: every node boots from an empty disk, every fault is scheduled.
    #[must_use]
    pub fn new(config: EngineConfig, node_config: N::Config, observer: O) -> Self {
        config.network.validate();
        let n = config.nodes.len();
        assert_eq!(config.network.node_site.len(), n, "one site for each node");
        assert_eq!(config.node_zones.len(), n, "one zone for each node");
        let seed = config.seed;
        let limited = config.nodes.iter().any(|setup| setup.egress > 0);
        // Where clients would ask nobody, they ask anybody.
        let none = config.nodes.iter().all(|setup| !setup.asked);
        let asked = |id: &NodeId| none || config.nodes[id.index()].asked;
        let doors = node_ids(n).filter(asked).collect();
        let carried = config.network.transport != crate::network::Transport::Ideal;
        let fancy_links = limited || carried || !config.network.policies.iter().all(LinkPolicy::is_plain);
        let machines: Vec<Machine<N>> =
            config.nodes.into_iter().enumerate().map(|(i, setup)| Machine::new(seed, i as u64, setup)).collect();
        let mut this = Self {
            now: Instant::ZERO,
            queue: EventQueue::default(),
            slab: Slab::new(),
            sequence: 0,
            ties: config.shuffle_ties.then(|| Rng::stream(seed, Purpose::Ties, 0).next_u64()),
            digest: Digest::new(seed),
            events: 0,
            seed,
            config: Rc::new(node_config),
            nodes: (0..n).map(|_| None).collect(),
            flags: machines.iter().map(Machine::flags).collect(),
            machines,
            writes: vec![Writes::default(); n],
            node_rngs: streams(seed, Purpose::Node, n),
            link_rngs: streams(seed, Purpose::Link, n),
            timers: Timers::new(n, config.timers),
            node_zones: config.node_zones,
            trouble: Trouble::default(),
            fancy_links,
            calm: false,
            carrier: transport::Carrier::new(&config.network.transport, n).map(Box::new),
            network: Rc::new(config.network),
            connections: connections::Connections::default(),
            clients: Vec::new(),
            doors,
            seated: Vec::new(),
            faults: faults::Faults::new(config.schedule.injections().len()),
            operator: operator::Operator::default(),
            schedule: config.schedule,
            tally: Tally {
                sent: [0; Kind::LIMIT],
                names: [""; Kind::LIMIT],
                duplicated: 0,
                delivered: 0,
                dropped: [0; crate::Drop::ALL.len()],
            },
            effects: Vec::new(),
            restart_halted: config.restart_halted,
            max_events: u64::MAX,
            violation: None,
            observer,
        };
        this.update_calm();
        for index in 0..this.schedule.injections().len() {
            let at = this.schedule.injections()[index].at;
            this.push(at, Event::FaultStart { index });
        }
        this.guarded(|this| crate::node_ids(n).for_each(|node| this.boot(node)));
        this.note_members();
        this
    }

    /// Seats a client; it acts for the first time at the current instant.
    pub fn add_client(&mut self, seat: Seat, client: C) -> ClientId {
        let id = ClientId(self.clients.len() as u32);
        assert!(
            (seat.zone as usize) < self.network.client_site.len(),
            "client {id} sits in zone {}, of {}",
            seat.zone,
            self.network.client_site.len()
        );
        let seat = self.take_seat(id, seat);
        let near = (seat.reads_from == ReadsFrom::Nearest).then(|| self.nearest(seat.zone, id));
        self.clients.push(ClientState::new(self.seed, id, seat, near, client, self.now));
        self.push(self.now, Event::Wake { client: id, at: self.now });
        id
    }

    /// The nodes that clients ask, by how long the way to them is for a client in `zone`, those of its own zone first
    /// among equals; beyond that clients take turns.
    fn nearest(&self, zone: u16, client: ClientId) -> near::Near {
        let way = |node: NodeId| {
            let site = self.network.node_site[node.index()];
            let latency = &self.network.policy(self.network.client_site[zone as usize], site).latency;
            (latency.median(), self.node_zones[node.index()] != zone)
        };
        let mut ways: Vec<_> = self.doors.iter().map(|node| (way(*node), *node)).collect();
        ways.sort_unstable();
        for equal in ways.chunk_by_mut(|a, b| a.0 == b.0) {
            equal.rotate_left(client.index() % equal.len());
        }
        near::Near::new(ways.into_iter().map(|(_, node)| node).collect())
    }

    /// Runs until the simulated time is `until`, handling every event due at or before it.
    ///
    /// # Errors
    /// The rule an observer saw broken; the run stays where it happened.
    pub fn run_until(&mut self, until: Instant) -> Result<(), Violation> {
        self.guarded(|this| {
            while this.violation.is_none()
                && let Some(key) = this.queue.pop_until(until.0)
            {
                this.handle(key);
            }
        });
        if let Some(violation) = &self.violation {
            return Err(violation.clone());
        }
        self.now = self.now.max(until);
        Ok(())
    }

    /// Does `work`. A panic in a node's own code is a broken rule like any other, and the run stays where it happened.
    fn guarded(&mut self, work: impl FnOnce(&mut Self)) {
        if let Err((id, detail)) = panics::of_nodes(|| work(self)) {
            // Nobody may look at what it was in the middle of, nor is half of a step carried out.
            self.nodes[id.index()] = None;
            self.effects.clear();
            let (at, node) = (self.now, Some(id));
            self.violation.get_or_insert(Violation { rule: "no_panic".to_owned(), at, node, detail });
        }
    }

    /// A run of more than this many events ends there, with the rule `max_events` broken: messages that beget messages
    /// for ever would otherwise never let the simulated time pass.
    pub const fn limit_events(&mut self, max_events: u64) {
        self.max_events = max_events;
    }

    #[cold]
    fn run_away(&mut self) {
        let detail = format!(
            "the run made more than {} events: something feeds on itself, or scenario.max_events is too low",
            self.max_events
        );
        self.violation.get_or_insert(Violation { rule: "max_events".to_owned(), at: self.now, node: None, detail });
    }

    /// Handles the next event if it is due at or before `until`. False if there is none, or a rule has been broken.
    pub fn step(&mut self, until: Instant) -> bool {
        if self.violation.is_some() {
            return false;
        }
        match self.queue.pop_until(until.0) {
            Some(key) => {
                self.guarded(|this| this.handle(key));
                true
            }
            None => {
                self.now = self.now.max(until);
                false
            }
        }
    }

    #[inline(always)]
    fn handle(&mut self, key: Key) {
        self.now = Instant(key.at);
        self.events += 1;
        if self.events > self.max_events {
            self.run_away();
        }
        let slot = key.rest as u32 & 0xff_ffff;
        if slot & TIMER_FLAG != 0 {
            self.timer_due(slot & !TIMER_FLAG, key);
            return;
        }
        match self.slab.take(slot) {
            Event::Message { from, to, number, message } => self.arrive(from, to, number, message),
            Event::Disk { node, number } => self.sync_done(node, number),
            Event::DiskRead { node, token, id } => self.read_done(node, token, id),
            Event::Cpu { node, token } => self.cpu_done(node, token),
            Event::Request { ticket, to, request } => self.request_arrives(ticket, to, request),
            Event::Answer { ticket, from, answer } => self.answer_arrives(ticket, from, answer),
            Event::Wake { client, at } => self.wake(client, at),
            Event::Alarm { client, at } => self.alarm(client, at),
            Event::FaultStart { index } => self.fault_start(index),
            Event::FaultEnd { index } => self.fault_end(index),
            Event::Revive { node, token } => self.revive(node, token),
            Event::Operate { token } => self.operate(token),
            Event::Release { way } => self.release(way),
            Event::Closed { end, peer, next, told } => self.closed(end, peer, next, told),
            Event::Segment { connection, end, packet } => self.segment_arrives(connection, end, packet),
            Event::Poll { connection, end } => self.poll_due(connection, end),
        }
    }

    /// The upper part of a new key: first in, first out, or shuffled.
    #[inline(always)]
    fn next_rest(&mut self, at: Instant, identity: impl FnOnce(&Self) -> u64) -> u64 {
        self.sequence += 1;
        let order = match self.ties {
            None => self.sequence,
            // A hash of what the event is, not a draw: one event more or less must not change the order of the others.
            Some(ties) => {
                let random = hash::of(&[ties, at.0, identity(self)]);
                random >> 40 << 16 | self.sequence & 0xffff
            }
        };
        order << 24
    }

    #[inline(always)]
    fn push(&mut self, at: Instant, event: Event<N>) {
        // Straight into its slot: an event that something looks at before is put together on the stack and copied.
        let slot = self.slab.insert(event);
        let rest = self.next_rest(at, |this| this.identity(this.slab.get(slot)));
        self.queue.push(Key { at: at.0, rest: rest | u64::from(slot) });
    }

    /// What an event is, whatever else goes on: the same in a run with a fault less or a client more.
    #[cold]
    #[inline(never)]
    fn identity(&self, event: &Event<N>) -> u64 {
        let fault = |index: &usize| self.schedule.injections()[*index].id;
        let of = |words: [u64; 4]| hash::of(&words);
        match event {
            Event::Message { from, to, message, .. } => {
                of([1, u64::from(from.0), u64::from(to.0), hash::content(message)])
            }
            Event::Disk { node, .. } => of([2, u64::from(node.0), 0, 0]),
            Event::DiskRead { node, id, .. } => of([3, u64::from(node.0), id.0, 0]),
            Event::Cpu { node, .. } => of([4, u64::from(node.0), 0, 0]),
            Event::Request { ticket, to, .. } => of([5, u64::from(ticket.client.0), ticket.op, u64::from(to.0)]),
            Event::Answer { ticket, from, .. } => of([6, u64::from(ticket.client.0), ticket.op, u64::from(from.0)]),
            Event::Wake { client, .. } => of([7, u64::from(client.0), 0, 0]),
            Event::Alarm { client, .. } => of([8, u64::from(client.0), 0, 0]),
            Event::FaultStart { index } => of([9, fault(index), 0, 0]),
            Event::FaultEnd { index } => of([10, fault(index), 0, 0]),
            Event::Revive { node, .. } => of([11, u64::from(node.0), 0, 0]),
            // 12 are timers.
            Event::Operate { .. } => of([13, 0, 0, 0]),
            Event::Release { way } => of([14, u64::from(way.0), u64::from(way.1), 0]),
            Event::Closed { end, peer, .. } => of([15, u64::from(end.0), u64::from(peer.0), 0]),
            Event::Segment { connection, end, packet } => self.identity_of_segment(*connection, *end, *packet),
            Event::Poll { connection, end } => self.identity_of_poll(*connection, *end),
        }
    }

    #[inline(always)]
    fn record(&mut self, who: u32, code: Code, payload: u64) {
        self.digest.event(self.now.0, u64::from(who), code, payload);
    }

    /// Simulated time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// How many events have been handled.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// The digest over everything that has happened so far.
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.digest.value()
    }

    /// The nodes; `None` for those that are down.
    #[must_use]
    pub fn nodes(&self) -> &[Option<N>] {
        &self.nodes
    }

    /// Message counts between nodes.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What the transport has done so far; `None` if nothing carries messages but the links.
    #[must_use]
    pub fn transport_stats(&self) -> Option<crate::network::TransportStats> {
        self.carrier.as_ref().map(|carrier| carrier.stats)
    }

    /// What each machine has done so far.
    #[must_use]
    pub fn stats(&self) -> Vec<NodeStats> {
        self.machines.iter().map(|m| m.stats_at(self.now)).collect()
    }

    /// The observer.
    #[must_use]
    pub const fn observer(&self) -> &O {
        &self.observer
    }

    /// The observer, to change between events.
    pub const fn observer_mut(&mut self) -> &mut O {
        &mut self.observer
    }

    /// Takes the engine apart: the observer and the nodes as they ended.
    #[must_use]
    pub fn finish(self) -> (O, Vec<Option<N>>) {
        (self.observer, self.nodes)
    }

    /// Gives everything that is still to be drawn fresh luck, as if the run had had another seed from here on.
    pub fn reseed(&mut self, seed: u64) {
        self.seed = seed;
        self.machines.iter_mut().for_each(|machine| machine.reseed(seed));
        self.node_rngs = streams(seed, Purpose::Node, self.nodes.len());
        self.link_rngs = streams(seed, Purpose::Link, self.nodes.len());
        for (i, client) in self.clients.iter_mut().enumerate() {
            client.reseed(seed, i as u64);
        }
        self.trouble.packets.iter_mut().for_each(|packet| packet.reseed(seed));
        if let Some(carrier) = &mut self.carrier {
            carrier.reseed(seed);
        }
        if let Some(ties) = &mut self.ties {
            *ties = Rng::stream(seed, Purpose::Ties, 0).next_u64();
        }
    }
}
