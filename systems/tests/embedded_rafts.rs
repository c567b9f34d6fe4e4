//! Three Rafts inside one node type: a sharded store in miniature, over crashes and power losses.

use sim_core::fault::{Fault, Injection, OnCrash, Schedule, Target};
use sim_core::network::{Latency, LinkPolicy, NetworkConfig};
use sim_core::workload::{Arrival, Generated, Keys, Load};
use sim_core::{
    Completion, Duration, Effects, Embed, Engine, EngineConfig, Instant, Kind, Message, Node, NodeId, NodeSetup,
    Patience, Probability, Replay, Role, Routing, Seat, Ticket, Timer, Wrap,
};
use systems::kv::{self, Kv, KvCommand, KvResponse};
use systems::raft::{Config, Raft, RaftFact, RaftMessage, Record, TIMERS};

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

struct Shard(u16);
impl Wrap<Raft<Kv>, Trio> for Shard {
    fn message(&self, inner: RaftMessage<Kv>) -> Sharded {
        Sharded(self.0, inner)
    }
    fn record(&self, inner: Record<Kv>) -> Record<Kv> {
        inner
    }
    fn unwrap_record(&self, outer: &Record<Kv>) -> Option<Record<Kv>> {
        Some(outer.clone())
    }
    fn fact(&self, inner: RaftFact) -> Option<RaftFact> {
        Some(inner)
    }
    fn reply(&self, _: Ticket, inner: KvResponse) -> Option<KvResponse> {
        Some(inner)
    }
}

#[derive(Clone, Debug)]
struct Trio(Vec<Embed<Raft<Kv>>>);

impl Node for Trio {
    type Config = Config;
    type Message = Sharded;
    type Request = KvCommand;
    type Response = KvResponse;
    type Record = Record<Kv>;
    type Fact = RaftFact;

    fn boot(config: &Config, _: NodeId, disk: Replay<'_, Record<Kv>>, fx: &mut Effects<'_, Self>) -> Self {
        let boot = |shard| Embed::boot(config, (shard * TIMERS, shard), disk, &Shard(shard), fx);
        Self((0..SHARDS).map(boot).collect())
    }
    fn on_message(&mut self, from: NodeId, Sharded(shard, message): Sharded, fx: &mut Effects<'_, Self>) {
        self.0[usize::from(shard)].on_message(from, message, &Shard(shard), fx);
    }
    fn on_timer(&mut self, timer: Timer, fx: &mut Effects<'_, Self>) {
        for (shard, raft) in (0..SHARDS).zip(&mut self.0) {
            if let Some(inner) = raft.timer(timer, TIMERS) {
                raft.step(&Shard(shard), fx, |node, fx| node.on_timer(inner, fx));
            }
        }
    }
    fn on_request(&mut self, ticket: Ticket, request: KvCommand, fx: &mut Effects<'_, Self>) {
        let shard = (request.key() % u64::from(SHARDS)) as u16;
        self.0[usize::from(shard)].step(&Shard(shard), fx, |node, fx| node.on_request(ticket, request, fx));
    }
    fn on_disk(&mut self, done: Completion<Record<Kv>>, fx: &mut Effects<'_, Self>) {
        for (shard, raft) in (0..SHARDS).zip(&mut self.0) {
            raft.on_disk(&done, &Shard(shard), fx);
        }
    }
    fn request_bytes(request: &KvCommand) -> u32 {
        Raft::<Kv>::request_bytes(request)
    }
    fn response_bytes(response: &KvResponse) -> u32 {
        Raft::<Kv>::response_bytes(response)
    }
    fn role(&self) -> Role {
        self.0[0].node().role()
    }
}

#[test]
fn three_rafts_share_a_node_a_disk_and_its_crashes() {
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
    let schedule = Schedule::new(vec![
        crash(1, Target::Role("leader".into()), 3, 4),
        crash(2, Target::All, 6, 7),
        crash(3, Target::Node(NodeId(2)), 9, 10),
    ]);
    let latency = Latency::uniform(Duration::millis(1), Duration::millis(2));
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
    let raft = Config { snapshot_every: 200, snapshot_keep: 20, ..Config::new(3) };
    let mut engine: Engine<Trio, Generated<Trio>, ()> = Engine::new(config, raft, ());
    for tag in 0..6 {
        let load = Load {
            arrival: Arrival::Closed { think: Duration::millis(1), outstanding: 2 },
            reads: Probability::per_billion(300_000_000),
            appends: Probability::NEVER,
            cas: Probability::NEVER,
            deletes: Probability::NEVER,
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
    engine.run_until(second(15)).expect("nothing is checked");
    let nodes: Vec<&Trio> = engine.nodes().iter().map(|n| n.as_ref().expect("all are up")).collect();
    for shard in 0..usize::from(SHARDS) {
        let of = |node: &Trio| (node.0[shard].node().applied(), node.0[shard].node().digest());
        assert!(of(nodes[0]).0 > 500, "shard {shard} applied {} entries", of(nodes[0]).0);
        assert!(nodes.iter().all(|node| of(node) == of(nodes[0])), "shard {shard} differs between nodes");
        assert!(nodes[0].0[shard].node().snapshot_index() > 0, "shard {shard} took no snapshot");
    }
    let keys: Vec<u64> = nodes[0].0.iter().map(|raft| raft.node().machine().keys()).collect();
    assert_eq!(keys, [10, 10, 10], "each shard holds its own keys and no others");
}
