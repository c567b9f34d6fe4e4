//! A scripted node, a client with a timetable and an observer that keeps everything: what the engine tests are made of.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "every test file uses its own part of this")]

use sim_core::fault::{Fault, Injection, Schedule, Target};
use sim_core::network::{Latency, LinkPolicy, NetworkConfig};
use sim_core::workload::{Arrival, Generated, Keys, Load, Mix, Op};
use sim_core::{
    Client, ClientId, Completion, DiskPolicy, Duration, Effects, Engine, EngineConfig, Fact, Fate, Instant, Kind,
    LocalInstant, Message, Move, Node, NodeId, NodeSetup, Observed, Observer, Outcome, Patience, Probability, Replay,
    Rng, Role, Routing, Seat, Ticket, Timer, WriteId,
};
use std::rc::Rc;

/// A numbered message; odd `kind`s are called `ack`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Note {
    pub number: u64,
    pub bytes: u32,
    pub ack: bool,
}

pub fn note(number: u64) -> Note {
    Note { number, bytes: 100, ack: false }
}

impl Message for Note {
    fn kind(&self) -> Kind {
        if self.ack { Kind::new(1, "ack") } else { Kind::new(0, "note") }
    }
    fn bytes(&self) -> u32 {
        self.bytes
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Said(pub u64);
impl Fact for Said {
    fn kind(&self) -> Kind {
        Kind::new(0, "said")
    }
}

/// What a scripted node has been given, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Boot(Vec<u64>),
    Message(NodeId, u64),
    Timer(u16),
    Request(Ticket, u64),
    Synced(u64),
    SyncFailed(u64),
    Read(u64, Option<u64>),
}

/// What a boot finds in place of a record that it can not read.
pub const ROTTEN: u64 = u64::MAX;

pub type Fx<'a, 'b> = &'a mut Effects<'b, Scripted>;

/// What a scripted node does with each input, after writing it down.
#[derive(Clone, Debug)]
pub struct Script {
    pub boot: fn(NodeId, Fx<'_, '_>),
    pub message: fn(&mut Scripted, NodeId, Note, Fx<'_, '_>),
    pub timer: fn(&mut Scripted, Timer, Fx<'_, '_>),
    pub request: fn(&mut Scripted, Ticket, u64, Fx<'_, '_>),
    pub disk: fn(&mut Scripted, Completion<u64>, Fx<'_, '_>),
    pub role: fn(&Scripted) -> Role,
    /// Nodes in the cluster.
    pub nodes: u32,
    /// Whether inputs are written down.
    pub remember: bool,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            boot: |_, _| {},
            message: |_, _, _, _| {},
            timer: |_, _, _| {},
            request: |_, ticket, request, fx| fx.reply(ticket, request),
            disk: |_, _, _| {},
            role: |_| Role::NONE,
            nodes: 0,
            remember: true,
        }
    }
}

/// A node that does what its script says.
#[derive(Clone, Debug)]
pub struct Scripted {
    pub script: Rc<Script>,
    pub me: NodeId,
    pub seen: Vec<(LocalInstant, Seen)>,
    /// Requests that wait for a sync: which write each waits for.
    pub waiting: Vec<(WriteId, Ticket, u64)>,
    pub count: u64,
}

impl Scripted {
    fn saw(&mut self, at: LocalInstant, seen: Seen) {
        if self.script.remember {
            self.seen.push((at, seen));
        }
    }
    pub fn timers(&self) -> Vec<(u64, u16)> {
        self.seen
            .iter()
            .filter_map(|(at, s)| if let Seen::Timer(t) = s { Some((since_start(*at), *t)) } else { None })
            .collect()
    }
    pub fn numbers(&self) -> Vec<u64> {
        self.seen.iter().filter_map(|(_, s)| if let Seen::Message(_, n) = s { Some(*n) } else { None }).collect()
    }
}

/// Nanoseconds since an honest clock's start.
pub fn since_start(at: LocalInstant) -> u64 {
    at.0 - (1 << 60)
}

impl Node for Scripted {
    type Config = Rc<Script>;
    type Message = Note;
    type Request = u64;
    type Response = u64;
    type Record = u64;
    type Fact = Said;

    fn boot(config: &Rc<Script>, me: NodeId, disk: Replay<'_, u64>, fx: &mut Effects<'_, Self>) -> Self {
        let found: Vec<u64> = disk.iter().map(|(_, r)| r.copied().unwrap_or(ROTTEN)).collect();
        let mut this = Self { script: Rc::clone(config), me, seen: vec![], waiting: vec![], count: found.len() as u64 };
        this.saw(fx.now(), Seen::Boot(found));
        (config.boot)(me, fx);
        this
    }
    fn on_message(&mut self, from: NodeId, message: Note, fx: &mut Effects<'_, Self>) {
        self.saw(fx.now(), Seen::Message(from, message.number));
        (Rc::clone(&self.script).message)(self, from, message, fx);
    }
    fn on_timer(&mut self, timer: Timer, fx: &mut Effects<'_, Self>) {
        self.saw(fx.now(), Seen::Timer(timer.0));
        (Rc::clone(&self.script).timer)(self, timer, fx);
    }
    fn on_request(&mut self, ticket: Ticket, request: u64, fx: &mut Effects<'_, Self>) {
        self.saw(fx.now(), Seen::Request(ticket, request));
        (Rc::clone(&self.script).request)(self, ticket, request, fx);
    }
    fn on_disk(&mut self, done: Completion<u64>, fx: &mut Effects<'_, Self>) {
        let seen = match &done {
            Completion::Synced { upto } => Seen::Synced(upto.0),
            Completion::SyncFailed { upto, .. } => Seen::SyncFailed(upto.0),
            Completion::Read { id, record } => Seen::Read(id.0, *record),
        };
        self.saw(fx.now(), seen);
        (Rc::clone(&self.script).disk)(self, done, fx);
    }
    fn is_read(request: &u64) -> bool {
        request % 2 == 1
    }
    fn request_bytes(_: &u64) -> u32 {
        100
    }
    fn response_bytes(_: &u64) -> u32 {
        100
    }
    fn role(&self) -> Role {
        (self.script.role)(self)
    }
    fn progress(&self) -> u64 {
        self.count
    }
}

/// A node that keeps what clients send it on disk, answers after the sync, gossips its count, halts on a failed sync.
pub fn counter(nodes: u32) -> Script {
    Script {
        boot: |me, fx| {
            let after = Duration::micros(500 + fx.rng().below(1_000)) + Duration::micros(u64::from(me.0));
            fx.arm(Timer(0), after);
        },
        timer: |node, timer, fx| {
            let others = u64::from(node.script.nodes) - 1;
            if others > 0 {
                let to = (node.me.0 + 1 + fx.rng().below(others) as u32) % node.script.nodes;
                fx.send(NodeId(to), Note { number: node.count, bytes: 100, ack: false });
            }
            fx.note(Said(node.count));
            let after = Duration::micros(800 + fx.rng().below(400));
            fx.arm(timer, after);
        },
        message: |node, from, message, fx| {
            if !message.ack {
                fx.send(from, Note { number: message.number + node.count, bytes: 40, ack: true });
            }
        },
        request: |node, ticket, request, fx| {
            let write = fx.append(request);
            fx.sync();
            node.count += 1;
            node.waiting.push((write, ticket, request));
        },
        disk: |node, done, fx| match done {
            Completion::Synced { upto } => {
                for (_, ticket, request) in node.waiting.extract_if(.., |(write, ..)| *write <= upto) {
                    fx.reply(ticket, request);
                }
            }
            Completion::SyncFailed { .. } => fx.halt("a sync failed"),
            Completion::Read { .. } => {}
        },
        role: |node| if node.me.0 == 0 { Role::new("leader", node.count) } else { Role::new("follower", 0) },
        nodes,
        remember: false,
    }
}

/// A client: generated load, or a timetable.
#[derive(Clone, Debug)]
pub enum Person {
    Generated(Generated<Scripted>),
    /// One operation at each of these times, soonest last.
    Timetable(Vec<Instant>),
}

impl Client<Scripted> for Person {
    fn next(&mut self, now: Instant, rng: &mut Rng) -> Move<u64> {
        match self {
            Self::Generated(inner) => inner.next(now, rng),
            Self::Timetable(times) => match times.last().copied() {
                None => Move::Stop,
                Some(at) if at > now => Move::Sleep(at),
                Some(at) => {
                    times.pop();
                    Move::Issue(at.0)
                }
            },
        }
    }
    fn done(&mut self, now: Instant, op: u64, outcome: &Outcome<u64>) {
        if let Self::Generated(inner) = self {
            inner.done(now, op, outcome);
        }
    }
}

pub fn timetable(mut times: Vec<Instant>) -> Person {
    times.sort_unstable();
    times.reverse();
    Person::Timetable(times)
}

pub fn generated(arrival: Arrival) -> Person {
    generated_until(arrival, Instant::FAR)
}

pub fn generated_until(arrival: Arrival, stop: Instant) -> Person {
    asking(arrival, stop, |op| op.unique)
}

/// A client that makes its requests this way.
pub fn asking(arrival: Arrival, stop: Instant, request: fn(&Op) -> u64) -> Person {
    let load = Load {
        arrival,
        mix: Mix::reads(Probability::per_billion(500_000_000)),
        keys: Keys::Uniform { count: 100 },
        value_size: 8,
        start: Instant::ZERO,
        stop,
        tag: 0,
    };
    Person::Generated(Generated::new(load, request))
}

pub fn seat(routing: Routing) -> Seat {
    Seat { zone: 0, patience: Patience::default(), routing, reads_from: sim_core::ReadsFrom::Leader, probe: false }
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    pub client: ClientId,
    pub op: u64,
    pub floor: u64,
    pub attempts: u32,
    pub invoked: Instant,
    pub returned: Instant,
    pub fate: Fate,
    pub node: Option<NodeId>,
}

/// Keeps everything it sees.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    pub lines: Vec<(Instant, String)>,
    pub quiet: bool,
    pub sent: u64,
    pub delivered: u64,
    pub dropped: u64,
    pub invoked: Vec<(Instant, Ticket)>,
    pub asked: Vec<(Instant, Ticket, NodeId)>,
    pub ended: Vec<Ended>,
    pub booted: Vec<(Instant, NodeId, usize)>,
    pub crashed: Vec<(Instant, NodeId, Option<&'static str>, usize)>,
    /// (sent at, arrives, from, to, number)
    pub messages: Vec<(Instant, Instant, NodeId, NodeId, u64)>,
    pub arrived: Vec<(Instant, NodeId, NodeId, u64)>,
    pub lost: Vec<(Instant, sim_core::Drop)>,
}

impl Trace {
    pub fn quiet() -> Self {
        Self { quiet: true, ..Self::default() }
    }
    /// The lines before `at` that contain one of `words`.
    pub fn before(&self, at: Instant, words: &[&str]) -> Vec<(Instant, String)> {
        let fits = |line: &str| words.iter().any(|w| line.starts_with(w));
        self.lines.iter().filter(|(t, line)| *t < at && fits(line)).cloned().collect()
    }
}

impl Observer<Scripted> for Trace {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Scripted>) {
        if !self.quiet {
            self.lines.push((at, format!("{what:?}")));
        }
        match what {
            Observed::Sent { from, to, message, arrives, .. } => {
                self.sent += 1;
                self.messages.push((at, *arrives, *from, *to, message.number));
            }
            Observed::Delivered { from, to, message, .. } => {
                self.delivered += 1;
                self.arrived.push((at, *from, *to, message.number));
            }
            Observed::Dropped { what, why, .. } => {
                self.dropped += u64::from(matches!(what, sim_core::Parcel::Message(..)));
                self.lost.push((at, *why));
            }
            Observed::Invoked { ticket, .. } => self.invoked.push((at, *ticket)),
            Observed::Asked { ticket, to } => self.asked.push((at, *ticket, *to)),
            Observed::Returned { ticket, invoked, outcome, node, .. } => self.ended.push(Ended {
                client: ticket.client,
                op: ticket.op,
                floor: ticket.floor,
                attempts: ticket.attempt + 1,
                invoked: *invoked,
                returned: at,
                fate: outcome.fate(),
                node: *node,
            }),
            Observed::Booted { node, records } => self.booted.push((at, *node, *records)),
            Observed::Crashed { node, halted, lost_records } => {
                self.crashed.push((at, *node, *halted, *lost_records));
            }
            _ => {}
        }
    }
}

pub type Run = Engine<Scripted, Person, Trace>;

pub const fn ms(n: u64) -> Duration {
    Duration::millis(n)
}

pub const fn us(n: u64) -> Duration {
    Duration::micros(n)
}

pub fn at(n: u64) -> Instant {
    Instant::ZERO + ms(n)
}

/// `n` nodes in one zone: links of 1 ms, syncs of 1 ms, reads of 0.1 ms.
pub fn config(n: usize) -> EngineConfig {
    let disk =
        DiskPolicy { sync: Latency::Fixed(ms(1)), read: Latency::Fixed(us(100)), fail: Probability::NEVER, at_once: 1 };
    EngineConfig {
        seed: 1,
        nodes: vec![NodeSetup { disk: Rc::new(disk), ..NodeSetup::default() }; n],
        node_zones: vec![0; n],
        network: NetworkConfig::uniform(n, 1, LinkPolicy { latency: Latency::Fixed(ms(1)), ..LinkPolicy::default() }),
        timers: 4,
        schedule: Schedule::default(),
        shuffle_ties: false,
        restart_halted: ms(10),
    }
}

pub fn link(config: &mut EngineConfig) -> &mut LinkPolicy {
    &mut config.network.policies[0]
}

pub fn start(config: EngineConfig, script: Script) -> Run {
    let nodes = config.nodes.len() as u32;
    Engine::new(config, Rc::new(Script { nodes, ..script }), Trace::default())
}

pub fn start_quiet(config: EngineConfig, script: Script) -> Run {
    let nodes = config.nodes.len() as u32;
    Engine::new(config, Rc::new(Script { nodes, ..script }), Trace::quiet())
}

pub fn run_to(run: &mut Run, until: Instant) {
    run.run_until(until).expect("nothing is checked");
}

pub fn injection(id: u64, fault: Fault, target: Target, from: Instant, until: Instant) -> Injection {
    Injection { id, name: None, fault, target, at: from, until, after: None, must_bite: true }
}

pub fn faults(all: Vec<(Fault, Target, Instant, Instant)>) -> Schedule {
    let injections = all.into_iter().enumerate();
    Schedule::new(injections.map(|(i, (f, t, from, until))| injection(i as u64, f, t, from, until)).collect())
}

/// The live node `i`.
pub fn live(run: &Run, i: usize) -> &Scripted {
    run.nodes()[i].as_ref().expect("the node is up")
}
