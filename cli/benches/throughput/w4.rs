//! W4: five Raft replicas, 64-byte commands, latency uniform 1-2 ms, sync 0.1 ms: commands per second of wall time.

use sim_core::fault::Schedule;
use sim_core::network::{Latency, LinkPolicy, NetworkConfig};
use sim_core::workload::{Arrival, Generated, Keys, Load};
use sim_core::{
    DiskPolicy, Duration, Engine, EngineConfig, Instant, NodeId, NodeSetup, Patience, Probability, Routing, Seat,
    node_ids,
};
use std::rc::Rc;
use systems::kv::{self, Kv};
use systems::raft::{Config, Raft, TIMERS};

/// What a round of W4 did.
pub struct Round {
    /// Commands answered.
    pub commands: u64,
    /// Messages between replicas, heartbeats and their answers left out.
    pub messages: u64,
    /// Events handled.
    pub events: u64,
}

/// Runs until `commands` have been answered, with `outstanding` at a time and at most `pipeline` uncommitted batches: fewer
/// make larger batches, at the price of latency.
pub fn raft(outstanding: u32, pipeline: u32, commands: u64) -> Round {
    let nodes = 5;
    let latency = Latency::uniform(Duration::millis(1), Duration::millis(2));
    let disk = Rc::new(DiskPolicy { sync: Latency::Fixed(Duration::micros(100)), ..DiskPolicy::default() });
    let config = EngineConfig {
        seed: 1,
        nodes: vec![NodeSetup { disk, ..NodeSetup::default() }; nodes],
        node_zones: vec![0; nodes],
        network: NetworkConfig::uniform(nodes, 1, LinkPolicy { latency, ..LinkPolicy::default() }),
        timers: TIMERS,
        schedule: Schedule::default(),
        shuffle_ties: false,
        restart_halted: Duration::secs(1),
    };
    let mut engine: Engine<Raft<Kv>, Generated<Raft<Kv>>, ()> =
        Engine::new(config, Config { pipeline, ..Config::new(nodes as u32) }, ());
    engine.run_until(Instant::ZERO + Duration::secs(2)).expect("nothing is checked");
    let load = Load {
        arrival: Arrival::Closed { think: Duration::ZERO, outstanding },
        reads: Probability::NEVER,
        appends: Probability::NEVER,
        cas: Probability::NEVER,
        keys: Keys::Uniform { count: 1000 },
        value_size: 40,
        start: Instant::ZERO,
        stop: Instant::FAR,
        tag: 1,
    };
    let seat = Seat { zone: 0, patience: Patience::default(), routing: Routing::Sticky, probe: false };
    engine.add_client(seat, Generated::new(load, kv::request));
    let answered =
        |engine: &Engine<Raft<Kv>, Generated<Raft<Kv>>, ()>| engine.stats().iter().map(|s| s.answered).sum::<u64>();
    while answered(&engine) < commands {
        let until = engine.now() + Duration::millis(500);
        engine.run_until(until).expect("nothing is checked");
    }
    let tally = engine.tally();
    let quiet = ["Heartbeat", "Alive", "RequestVote", "Vote"];
    let messages = tally.sent.iter().zip(tally.names).filter(|(_, name)| !quiet.contains(name)).map(|(n, _)| n).sum();
    std::hint::black_box(node_ids(nodes).map(|n: NodeId| n.0).sum::<u32>());
    Round { commands: answered(&engine), messages, events: engine.events() }
}
