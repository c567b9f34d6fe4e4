//! Three Rafts inside one node type: a sharded store in miniature, over crashes and power losses. They are held to the
//! rules of free ones.

use sim_core::fault::{Fault, Injection, OnCrash, Schedule, Target};
use sim_core::network::{Latency, LinkPolicy, NetworkConfig};
use sim_core::workload::{Arrival, Generated, Keys, Load, Mix};
use sim_core::{
    Completion, Duration, Effects, Engine, EngineConfig, Fact, Instant, Kind, Message, Node, NodeId, NodeSetup,
    Observed, Observer, Patience, Probability, Replay, Role, Routing, Seat, Ticket, Timer, Verdict, Violation,
};
use systems::consensus::raft::checks::RaftChecks;
use systems::consensus::raft::{Config, Raft, RaftBug, RaftFact, RaftMessage, Record, TIMERS};
use systems::shared::kv::{self, Kv, KvCommand, KvResponse};
use systems::shared::replication::{Asker, Council, CouncilChecks, Hosts, Minute, News};

const SHARDS: u16 = 3;

#[derive(Clone, Debug, Hash)]
struct Sharded(u16, RaftMessage<Kv>);
impl Message for Sharded {
    fn kind(&self) -> Kind {
        self.1.kind()
    }
    fn bytes(&self) -> u32 {
        2 + self.1.bytes()
    }
}

#[derive(Clone, Copy, Debug, Hash)]
struct Said(u16, Minute<RaftFact>);
impl Fact for Said {
    fn kind(&self) -> Kind {
        if let Minute::Said(fact) = &self.1 { fact.kind() } else { Kind::new(Kind::LIMIT as u8 - 1, "asked") }
    }
}

impl Hosts<Raft<Kv>> for Trio {
    fn message(lane: u16, inner: RaftMessage<Kv>) -> Sharded {
        Sharded(lane, inner)
    }
    fn message_of(lane: u16, Sharded(of, inner): &Sharded) -> Option<&RaftMessage<Kv>> {
        (*of == lane).then_some(inner)
    }
    fn record(inner: Record<Kv>) -> Record<Kv> {
        inner
    }
    fn record_of(outer: &Record<Kv>) -> Option<&Record<Kv>> {
        Some(outer)
    }
    fn fact(lane: u16, inner: Minute<RaftFact>) -> Said {
        Said(lane, inner)
    }
    fn fact_of(lane: u16, Said(of, inner): Said) -> Option<Minute<RaftFact>> {
        (of == lane).then_some(inner)
    }
    fn council(&self, lane: u16) -> Option<&Council<Raft<Kv>>> {
        self.0.get(usize::from(lane))
    }
}

#[derive(Clone, Debug)]
struct Trio(Vec<Council<Raft<Kv>>>);

impl Trio {
    fn answer(&mut self, fx: &mut Effects<'_, Self>) {
        for council in &mut self.0 {
            while let Some(news) = council.news() {
                match news {
                    News::Answer(Asker::Client(ticket), Ok(response)) => fx.reply(ticket, response),
                    News::Answer(Asker::Client(ticket), Err(hint)) => fx.redirect(ticket, hint),
                    _ => {}
                }
            }
        }
    }
}

impl Node for Trio {
    type Config = Config;
    type Message = Sharded;
    type Request = KvCommand;
    type Response = KvResponse;
    type Record = Record<Kv>;
    type Fact = Said;

    fn boot(config: &Config, _: NodeId, disk: Replay<'_, Record<Kv>>, fx: &mut Effects<'_, Self>) -> Self {
        let boot = |shard| Council::boot(config, (shard * TIMERS, shard), disk, fx);
        Self((0..SHARDS).map(boot).collect())
    }
    fn on_message(&mut self, from: NodeId, Sharded(shard, message): Sharded, fx: &mut Effects<'_, Self>) {
        self.0[usize::from(shard)].on_message(from, message, fx);
        self.answer(fx);
    }
    fn on_timer(&mut self, timer: Timer, fx: &mut Effects<'_, Self>) {
        assert!(self.0.iter_mut().any(|council| council.on_timer(timer, fx)));
        self.answer(fx);
    }
    fn on_request(&mut self, ticket: Ticket, request: KvCommand, fx: &mut Effects<'_, Self>) {
        let shard = (request.key() % u64::from(SHARDS)) as usize;
        self.0[shard].on_request(Asker::Client(ticket), request, fx);
        self.answer(fx);
    }
    fn on_disk(&mut self, done: Completion<Record<Kv>>, fx: &mut Effects<'_, Self>) {
        self.0.iter_mut().for_each(|council| council.on_disk(&done, fx));
        self.answer(fx);
    }
    fn request_bytes(request: &KvCommand) -> u32 {
        Raft::<Kv>::request_bytes(request)
    }
    fn response_bytes(response: &KvResponse) -> u32 {
        Raft::<Kv>::response_bytes(response)
    }
    fn role(&self) -> Role {
        self.0[0].inside().role()
    }
}

/// The rules of free Rafts, for each of the three.
struct AllAgree(Vec<CouncilChecks<Raft<Kv>, RaftChecks>>);

impl AllAgree {
    fn verdicts(&self, nodes: &[Option<Trio>]) -> Vec<Verdict> {
        self.0.iter().map(|checks| checks.verdict(nodes)).collect()
    }
}

impl Observer<Trio> for AllAgree {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Trio>) {
        self.0.iter_mut().for_each(|checks| checks.observe(at, what));
    }

    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<Trio>]) -> Result<(), Violation> {
        self.0.iter_mut().try_for_each(|checks| checks.after_step(at, stepped, nodes))
    }
}

type Storm = Engine<Trio, Generated<Trio>, AllAgree>;

fn storm(bug: RaftBug, faults: bool) -> (Storm, Result<(), Violation>) {
    let second = |s| Instant::ZERO + Duration::secs(s);
    let crash = |id, target, at, until| Injection {
        id,
        name: None,
        fault: Fault::Crash { on_crash: OnCrash::LoseUnsynced },
        target,
        at: second(at),
        until: second(until),
        after: None,
        must_bite: true,
    };
    let crashes = vec![
        crash(1, Target::Role("leader".into()), 3, 4),
        crash(2, Target::All, 6, 7),
        crash(3, Target::Node(NodeId(2)), 9, 10),
    ];
    let schedule = Schedule::new(if faults { crashes } else { Vec::new() });
    // Without faults all is the same for all: only luck can tell candidates apart.
    let most = Duration::millis(if faults { 2 } else { 1 });
    let latency = Latency::uniform(Duration::millis(1), most);
    let config = EngineConfig {
        seed: 7,
        nodes: vec![NodeSetup::default(); 3],
        node_zones: vec![0; 3],
        network: NetworkConfig::uniform(3, 1, LinkPolicy { latency, ..LinkPolicy::default() }),
        timers: SHARDS * TIMERS,
        schedule,
        shuffle_ties: false,
        restart_halted: Duration::secs(1),
    };
    let raft = Config { snapshot_every: 200, snapshot_keep: 20, bug, ..Config::new(3) };
    let checks = |shard| CouncilChecks::new("shards_agree", shard, RaftChecks::new(3));
    let all = AllAgree((0..SHARDS).map(checks).collect());
    let mut engine = Engine::new(config, raft, all);
    for tag in 0..6 {
        let load = Load {
            arrival: Arrival::Closed { think: Duration::millis(1), outstanding: 2 },
            mix: Mix::reads(Probability::per_billion(300_000_000)),
            keys: Keys::Uniform { count: 30 },
            value_size: 16,
            start: second(1),
            stop: second(12),
            tag,
        };
        let seat = Seat {
            zone: 0,
            patience: Patience::default(),
            routing: Routing::Random,
            reads_from: sim_core::ReadsFrom::Leader,
            probe: false,
        };
        engine.add_client(seat, Generated::new(load, kv::request));
    }
    let end = engine.run_until(second(15));
    (engine, end)
}

#[test]
fn three_rafts_share_a_node_a_disk_and_its_crashes() {
    let (engine, end) = storm(RaftBug::None, true);
    end.expect("every rule holds");
    let verdicts = engine.observer().verdicts(engine.nodes());
    for verdict in &verdicts {
        let Verdict::Pass { detail, .. } = verdict else { panic!("{verdict:?}") };
        assert!(detail.contains("elections_end"), "{detail}");
    }
    let nodes: Vec<&Trio> = engine.nodes().iter().map(|n| n.as_ref().expect("all are up")).collect();
    for shard in 0..usize::from(SHARDS) {
        let of = |node: &Trio| (node.0[shard].inside().applied(), node.0[shard].inside().digest());
        assert!(of(nodes[0]).0 > 500, "shard {shard} applied {} entries", of(nodes[0]).0);
        assert!(nodes.iter().all(|node| of(node) == of(nodes[0])), "shard {shard} differs between nodes");
        assert!(nodes[0].0[shard].inside().snapshot_index() > 0, "shard {shard} took no snapshot");
    }
    let keys: Vec<u64> = nodes[0].0.iter().map(|council| council.machine().keys()).collect();
    assert_eq!(keys, [10, 10, 10], "each shard holds its own keys and no others");
}

#[test]
fn embedded_rafts_are_held_to_what_is_looked_at_after_a_step() {
    storm(RaftBug::None, false).1.expect("luck decides");
    let (_, end) = storm(RaftBug::FixedElectionTimeout, false);
    let violation = end.expect_err("nobody is ever elected");
    assert_eq!(violation.rule, "shards_agree");
    assert!(violation.detail.starts_with("elections_end: "), "{}", violation.detail);
}
