//! W4: five replicas, of Raft or of Paxos, 64-byte commands, latency uniform 1-2 ms, sync 0.1 ms: commands per second of wall time.

use sim_core::fault::Schedule;
use sim_core::network::{Latency, LinkPolicy, NetworkConfig};
use sim_core::workload::{Arrival, Generated, Keys, Load, Mix};
use sim_core::{
    DiskPolicy, Duration, Engine, EngineConfig, Instant, Node, NodeId, NodeSetup, Patience, Probability, Routing, Seat,
    node_ids,
};
use std::rc::Rc;
use systems::consensus::{paxos, raft};
use systems::shared::kv::{self, Kv, KvCommand};

/// What a round of W4 did.
pub struct Round {
    /// Commands answered.
    pub commands: u64,
    /// Messages between replicas, heartbeats and their answers left out.
    pub messages: u64,
    /// Events handled.
    pub events: u64,
}

/// Replicas.
pub(super) const NODES: usize = 5;

/// The round with Raft, see [`round`].
pub fn raft(outstanding: u32, pipeline: u32, commands: u64) -> Round {
    let config = raft::Config { pipeline, ..raft::Config::new(NODES as u32) };
    round::<raft::Raft<Kv>>(config, outstanding, commands)
}

/// The round with Paxos, see [`round`].
pub fn paxos(outstanding: u32, pipeline: u32, commands: u64) -> Round {
    let config = paxos::Config { pipeline, ..paxos::Config::new(NODES as u32) };
    round::<paxos::Paxos<Kv>>(config, outstanding, commands)
}

/// Both protocols use as many timers.
const TIMERS: u16 = raft::TIMERS;
const _: () = assert!(TIMERS == paxos::TIMERS);

/// The cluster, running for two seconds; every input costs its machine `cpu_cost`.
pub(super) fn cluster<N: Node<Request = KvCommand>>(
    config_of_nodes: N::Config,
    cpu_cost: Duration,
) -> Engine<N, Generated<N>, ()> {
    let latency = Latency::uniform(Duration::millis(1), Duration::millis(2));
    let disk = Rc::new(DiskPolicy { sync: Latency::Fixed(Duration::micros(100)), ..DiskPolicy::default() });
    let config = EngineConfig {
        seed: 1,
        nodes: vec![NodeSetup { disk, cpu_cost, ..NodeSetup::default() }; NODES],
        node_zones: vec![0; NODES],
        network: NetworkConfig::uniform(NODES, 1, LinkPolicy { latency, ..LinkPolicy::default() }),
        timers: TIMERS,
        schedule: Schedule::default(),
        shuffle_ties: false,
        restart_halted: Duration::secs(1),
    };
    let mut engine = Engine::new(config, config_of_nodes, ());
    engine.run_until(Instant::ZERO + Duration::secs(2)).expect("nothing is checked");
    engine
}

/// A client that writes 64-byte commands, `outstanding` at a time; `tag` tells it from others.
pub(super) fn client<N: Node<Request = KvCommand>>(outstanding: u32, tag: u64) -> (Seat, Generated<N>) {
    let load = Load {
        arrival: Arrival::Closed { think: Duration::ZERO, outstanding },
        mix: Mix::reads(Probability::NEVER),
        keys: Keys::Uniform { count: 1000 },
        value_size: 40,
        start: Instant::ZERO,
        stop: Instant::FAR,
        tag,
    };
    let seat = Seat {
        zone: 0,
        patience: Patience::default(),
        routing: Routing::Sticky,
        reads_from: sim_core::ReadsFrom::Leader,
        probe: false,
    };
    (seat, Generated::new(load, kv::request))
}

/// Runs until `commands` have been answered, with `outstanding` at a time. A shorter pipeline of uncommitted batches makes
/// larger batches, at the price of latency.
fn round<N: Node<Request = KvCommand>>(config_of_nodes: N::Config, outstanding: u32, commands: u64) -> Round {
    let mut engine = cluster::<N>(config_of_nodes, Duration::ZERO);
    let (seat, client) = client(outstanding, 1);
    engine.add_client(seat, client);
    let answered = |engine: &Engine<N, Generated<N>, ()>| engine.stats().iter().map(|s| s.answered).sum::<u64>();
    while answered(&engine) < commands {
        let until = engine.now() + Duration::millis(500);
        engine.run_until(until).expect("nothing is checked");
    }
    let tally = engine.tally();
    let quiet = ["Heartbeat", "HeartbeatReply", "RequestVote", "Vote", "Prepare", "Promise"];
    let messages = tally.sent.iter().zip(tally.names).filter(|(_, name)| !quiet.contains(name)).map(|(n, _)| n).sum();
    std::hint::black_box(node_ids(NODES).map(|n: NodeId| n.0).sum::<u32>());
    Round { commands: answered(&engine), messages, events: engine.events() }
}
