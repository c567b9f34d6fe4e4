//! Transcripts of ZooKeeper and Chubby: what nodes tell each other and announce, as a reader of the papers looks for
//! it.

use sim_core::fault::{CutClients, Fault, Injection, OnCrash, Schedule, Shape as Cut, Target};
use sim_core::network::{Latency, LinkPolicy, NetworkConfig};
use sim_core::units::DurationText;
use sim_core::{
    Client, Duration, Engine, EngineConfig, Fact, Instant, Message, Move, Node, NodeId, NodeSetup, Observed, Observer,
    Patience, ReadsFrom, Rng, Routing, Seat, Shape, System,
};
use std::fmt::Write;
use std::path::Path;
use systems::storage::chubby::{ChubbyOptions, ChubbyRequest, ChubbySystem, Mode};
use systems::storage::zookeeper::{ZkOptions, ZkRequest, ZooKeeperSystem};

/// Writes down messages and facts of these kinds.
#[derive(Clone, Debug)]
pub struct Scribe {
    pub text: String,
    pub since: Instant,
    pub messages: &'static [&'static str],
    pub facts: &'static [&'static str],
    /// Only what concerns this node, if there is one, and what servers ask each other about sessions.
    pub only: Option<NodeId>,
}

impl Scribe {
    fn line(&mut self, at: Instant, what: &str) {
        if at >= self.since {
            let ms = (at.0 / 10_000) as f64 / 100.0;
            writeln!(self.text, "{ms:9.2} ms  {what}").expect("a string takes everything");
        }
    }
}

impl<N: Node> Observer<N> for Scribe {
    fn observe(&mut self, at: Instant, what: &Observed<'_, N>) {
        const BETWEEN: [&str; 3] = ["OpenSession", "Revalidate", "Revalidated"];
        let mut text = String::new();
        let about = |nodes: &[NodeId]| self.only.is_none_or(|only| nodes.contains(&only));
        match what {
            Observed::Delivered { from, to, message, .. }
                if !about(&[*from, *to]) && !BETWEEN.contains(&message.kind().name) => {}
            Observed::Noted { node, .. } if !about(&[*node]) => {}
            Observed::Delivered { from, to, message, .. } if self.messages.contains(&message.kind().name) => {
                message.describe(&mut text).expect("a string takes everything");
                self.line(at, format!("{from} -> {to}  {} {text}", message.kind().name).trim_end());
            }
            Observed::Noted { node, fact } if self.facts.contains(&fact.kind().name) => {
                fact.describe(&mut text).expect("a string takes everything");
                self.line(at, format!("{node}        {} {text}", fact.kind().name).trim_end());
            }
            Observed::Invoked { ticket, request } => {
                self.line(at, &format!("{}        asks {request:?}", ticket.client))
            }
            Observed::Crashed { node, .. } => self.line(at, &format!("{node} crashes")),
            Observed::Booted { node, records } if at > Instant::ZERO => {
                self.line(at, &format!("{node} boots from {records} records"));
            }
            _ => {}
        }
    }
}

/// A program that asks certain things at certain times.
pub struct Script<R>(Vec<(Instant, R)>);

impl<N: Node> Client<N> for Script<N::Request>
where
    N::Request: Clone,
{
    fn next(&mut self, now: Instant, _: &mut Rng) -> Move<N::Request> {
        match self.0.first() {
            None => Move::Stop,
            Some((at, _)) if *at > now => Move::Sleep(*at),
            Some(_) => Move::Issue(self.0.remove(0).1),
        }
    }
}

pub const fn ms(n: u64) -> Instant {
    Instant(n * 1_000_000)
}

/// A fault of these nodes for a while.
pub fn fault(id: u64, fault: Fault, target: Target, (at, until): (u64, u64)) -> Injection {
    Injection { id, name: None, fault, target, at: ms(at), until: ms(until), after: None, must_bite: true }
}

pub fn crash(id: u64, node: NodeId, span: (u64, u64)) -> Injection {
    fault(id, Fault::Crash { on_crash: OnCrash::Keep }, Target::Node(node), span)
}

pub type Story<S> =
    Engine<<S as System>::Node, Script<<<S as System>::Node as Node>::Request>, (<S as System>::Checks, Scribe)>;

/// What a program asks, and when, in milliseconds.
pub type Asks<S> = Vec<(u64, <<S as System>::Node as Node>::Request)>;

/// A run with these faults and programs, so far; all rules hold. Programs sit at nodes.
pub fn run<S: System>(
    (options, shape): (S::Options, &Shape),
    scribe: Scribe,
    faults: Vec<Injection>,
    programs: Vec<(NodeId, Asks<S>)>,
    until: u64,
) -> Story<S>
where
    <S::Node as Node>::Request: Clone,
{
    let config = S::configure(options, shape).expect("sound options");
    let link = LinkPolicy { latency: Latency::Fixed(Duration::micros(500)), ordered: true, ..LinkPolicy::default() };
    let engine = EngineConfig {
        seed: 11,
        nodes: vec![NodeSetup::default(); shape.nodes()],
        node_zones: vec![0; shape.nodes()],
        network: NetworkConfig::uniform(shape.nodes(), 1, link),
        timers: S::TIMERS,
        schedule: Schedule::new(faults),
        shuffle_ties: false,
        restart_halted: Duration::secs(1),
    };
    let mut engine: Story<S> = Engine::new(engine, config.clone(), (S::checks(&config), scribe));
    for (node, asks) in programs {
        let patience = Patience { timeout: Duration::secs(60), ..Patience::default() }.once();
        let (routing, reads_from) = (Routing::At(node), ReadsFrom::Leader);
        let seat = Seat { zone: 0, patience, routing, reads_from, probe: false };
        let asks = asks.into_iter().map(|(at, ask)| (ms(at), ask)).collect();
        engine.add_client(seat, Script(asks));
    }
    engine.run_until(ms(until)).expect("all rules hold");
    engine
}

pub fn as_reviewed(folder: &str, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/transcripts").join(folder));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

pub fn roles<S: System>(counts: &[u32]) -> Shape {
    let roles: Vec<_> = S::ROLES.iter().copied().zip(counts.iter().copied()).collect();
    Shape::of_roles(&roles)
}

/// Three servers, and so many applications.
fn ensemble(apps: u32) -> Shape {
    roles::<ZooKeeperSystem>(&[3, 0, 0, apps])
}

fn quick() -> ZkOptions {
    ZkOptions {
        tick_time: DurationText::millis(100),
        sync_limit: 4,
        session_timeout: DurationText::millis(1500),
        snapshot_every: 10,
        diff_window: 3,
        client_pause: DurationText::millis(20),
        hold: DurationText::millis(100),
        ..ZkOptions::default()
    }
}

fn leader(engine: &Story<ZooKeeperSystem>) -> NodeId {
    let leads = |node: &Option<_>| {
        node.as_ref()
            .and_then(systems::storage::zookeeper::Machine::server)
            .is_some_and(|server| server.leads().is_some())
    };
    NodeId(engine.nodes().iter().position(leads).expect("somebody leads") as u32)
}

const SESSION: &[&str] = &[
    "Connect",
    "Connected",
    "OpenSession",
    "Revalidate",
    "Revalidated",
    "Bye",
    "Expired",
    "SetWatches",
    "Event",
    "Call",
    "Reply",
    "Forward",
];

/// An application's server dies: its session goes on at another one, which asks the leader whether there is one, and is
/// told what is watched.
#[test]
fn a_session_is_handed_over() {
    let scribe = Scribe {
        text: String::new(),
        only: None,
        since: ms(990),
        messages: SESSION,
        facts: &["disconnected", "reconnected", "session_opened", "configured", "lock_held", "lock_let_go"],
    };
    let shape = ensemble(3);
    // Who comes late finds all servers open, and one of them by chance.
    let late = || (3..6).map(|app| crash(u64::from(app), NodeId(app), (100, 1_000))).collect::<Vec<_>>();
    let before = run::<ZooKeeperSystem>((quick(), &shape), scribe.clone(), late(), Vec::new(), 1_900);
    let server = |app: NodeId| {
        let machine = before.nodes()[app.index()].as_ref();
        machine.and_then(systems::storage::zookeeper::Machine::app).and_then(systems::storage::zookeeper::App::server)
    };
    let leads = leader(&before);
    let app = (3..6).map(NodeId).find(|app| server(*app).is_some_and(|server| server != leads));
    let app = app.expect("somebody is at a follower");
    let asks = vec![(1_500, ZkRequest::Set { key: 1, value: 10 }), (2_500, ZkRequest::Get { key: 1 })];
    let mut faults = late();
    faults.push(crash(1, server(app).expect("it is connected"), (2_000, 6_000)));
    let scribe = Scribe { only: Some(app), ..scribe };
    let after = run::<ZooKeeperSystem>((quick(), &shape), scribe, faults, vec![(app, asks)], 3_000);
    as_reviewed("zookeeper", "session-handed-over", &after.observer().1.text);
}

/// Three ways to be brought up to date: a learner gets what it lacks, everything, or forgets what was never committed.
#[test]
fn learners_are_brought_up_to_date_by_diff_snap_and_trunc() {
    let scribe = Scribe {
        text: String::new(),
        only: None,
        since: ms(1_200),
        messages: &[
            "FollowerInfo",
            "LeaderInfo",
            "AckEpoch",
            "Diff",
            "Trunc",
            "Snap",
            "NewLeader",
            "AckNewLeader",
            "UpToDate",
        ],
        facts: &[
            "looking",
            "elected",
            "established",
            "follows",
            "stepped_down",
            "sync_diff",
            "sync_trunc",
            "sync_snap",
            "proposed",
        ],
    };
    let shape = ensemble(6);
    let set = |at: u64| (at, ZkRequest::Set { key: at, value: at });
    // Two writes while a follower is away, then more than anybody remembers.
    let writes = || [1_500, 1_600].into_iter().chain((0..24).map(|n| 2_500 + 20 * n)).map(set).collect::<Vec<_>>();
    let found = run::<ZooKeeperSystem>((quick(), &shape), scribe.clone(), Vec::new(), Vec::new(), 1_400);
    let old = leader(&found);
    let follower = NodeId((old.0 + 1) % 3);
    let away = || vec![crash(1, follower, (1_450, 1_900)), crash(2, follower, (2_450, 3_400))];
    let found = run::<ZooKeeperSystem>((quick(), &shape), scribe.clone(), away(), vec![(NodeId(3), writes())], 4_900);
    // Then one that only the old leader knows of: it is cut off together with an application that is at it.
    let server = |app: NodeId| {
        let machine = found.nodes()[app.index()].as_ref();
        machine.and_then(systems::storage::zookeeper::Machine::app).and_then(systems::storage::zookeeper::App::server)
    };
    let with = (3..9).map(NodeId).find(|app| server(*app) == Some(old)).expect("somebody is at the leader");
    let other = (3..9).map(NodeId).find(|app| *app != with).expect("there are others");
    let one: Vec<Target> = [old, with].into_iter().map(Target::Node).collect();
    let others: Vec<Target> = (0..9).map(NodeId).filter(|node| ![old, with].contains(node)).map(Target::Node).collect();
    let cut = Fault::Partition { shape: Cut::Groups(vec![one, others]), clients: CutClients::Free };
    let mut faults = away();
    faults.push(fault(3, cut, Target::All, (5_000, 6_800)));
    let programs = vec![(NodeId(3), writes()), (with, vec![set(5_050)]), (other, vec![set(6_500)])];
    let after = run::<ZooKeeperSystem>((quick(), &shape), scribe, faults, programs, 8_000);
    as_reviewed("zookeeper", "diff-trunc-snap", &after.observer().1.text);
}

/// Three want one lock. Each watches the one before it, so that one hears of each that goes.
#[test]
fn a_lock_passes_through_three_holders() {
    let scribe = Scribe {
        text: String::new(),
        only: None,
        since: ms(1_490),
        messages: &["Call", "Reply", "Event", "Write", "Wrote"],
        facts: &["lock_held", "lock_let_go"],
    };
    let lock = |at| vec![(at, ZkRequest::Lock { lock: 1 })];
    let programs = (0..3).map(|n| (NodeId(3 + n), lock(1_500 + 10 * u64::from(n)))).collect();
    let after = run::<ZooKeeperSystem>((quick(), &ensemble(3)), scribe, Vec::new(), programs, 2_200);
    as_reviewed("zookeeper", "lock-through-three-holders", &after.observer().1.text);
}

/// A master dies. One session's lease is just over before there is another master, and it comes into jeopardy; the
/// other one's is not, and it hears of the new master as if nothing had been.
#[test]
fn a_master_fails_over() {
    let scribe = Scribe {
        text: String::new(),
        only: None,
        since: ms(10_000),
        messages: &["Find", "Found", "NotMaster", "Open", "Opened", "KeepAlive", "KeptAlive", "Gone", "Call", "Reply"],
        facts: &[
            "elected",
            "claimed",
            "takes_over",
            "serves",
            "stepped_down",
            "session_opened",
            "jeopardy",
            "safe",
            "session_lost",
            "heard",
            "lock_held",
            "lock_let_go",
            "invalidates",
        ],
    };
    let shape = roles::<ChubbySystem>(&[3, 0, 2]);
    let options = || ChubbyOptions { hold: DurationText::millis(20_000), ..ChubbyOptions::default() };
    let (early, late) = (NodeId(3), NodeId(4));
    let programs = || {
        let holds = vec![(10_000, ChubbyRequest::Lock { lock: 1, mode: Mode::Exclusive })];
        let reads = vec![(10_100, ChubbyRequest::Get { key: 7 }), (29_000, ChubbyRequest::Get { key: 7 })];
        vec![(early, holds), (late, reads)]
    };
    let later = || crash(1, late, (100, 7_000));
    let found = run::<ChubbySystem>((options(), &shape), scribe.clone(), vec![later()], programs(), 9_000);
    let leads = |node: &Option<_>| {
        node.as_ref().and_then(systems::storage::chubby::Machine::server).is_some_and(|server| server.leads().is_some())
    };
    let master = NodeId(found.nodes().iter().position(leads).expect("somebody is the master") as u32);
    let faults = vec![later(), crash(2, master, (24_600, 60_000))];
    let after = run::<ChubbySystem>((options(), &shape), scribe, faults, programs(), 31_000);
    as_reviewed("chubby", "fail-over", &after.observer().1.text);
}
