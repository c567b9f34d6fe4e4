//! How fast Raft runs: five replicas, latency uniform 1-2 ms, sync 0.1 ms, 64-byte puts, one closed-loop client.
//!
//! `cargo run --release -p systems --example w4 -- [outstanding] [simulated seconds] [pipeline]`

use sim_core::fault::Schedule;
use sim_core::network::{Latency, LinkPolicy, NetworkConfig};
use sim_core::workload::{Arrival, Keys, Load};
use sim_core::{DiskPolicy, Duration, Engine, EngineConfig, Instant, NodeSetup, Patience, Probability, Routing, Seat};
use std::rc::Rc;
use systems::raft::checks::RaftChecks;
use systems::raft::{Config, TIMERS, client};

fn main() {
    let args: Vec<u64> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let arg = |i: usize, default| args.get(i).copied().unwrap_or(default);
    let (outstanding, seconds) = (arg(0, 1) as u32, arg(1, 60));
    let nodes = 5;
    let latency = Latency::uniform(Duration::millis(1), Duration::millis(2));
    let disk = Rc::new(DiskPolicy { sync: Latency::Fixed(Duration::micros(100)), ..DiskPolicy::default() });
    let config = EngineConfig {
        seed: 1,
        nodes: (0..nodes).map(|_| NodeSetup { disk: Rc::clone(&disk), ..NodeSetup::default() }).collect(),
        node_zones: vec![0; nodes],
        network: NetworkConfig::uniform(nodes, 1, LinkPolicy { latency, ..LinkPolicy::default() }),
        timers: TIMERS,
        schedule: Schedule::default(),
        shuffle_ties: false,
        restart_halted: Duration::secs(1),
    };
    let mut raft = Config::new(nodes as u32);
    raft.pipeline = arg(2, u64::from(raft.pipeline)) as u32;
    let mut engine = Engine::new(config, raft, RaftChecks::new(nodes as u32));
    let stop = Instant(seconds * 1_000_000_000);
    let load = Load {
        arrival: Arrival::Closed { think: Duration::ZERO, outstanding },
        reads: Probability::NEVER,
        appends: Probability::NEVER,
        cas: Probability::NEVER,
        keys: Keys::Uniform { count: 1000 },
        value_size: 64,
        start: Instant(1_000_000_000),
        stop,
        tag: 0,
    };
    let patience = Patience { timeout: Duration::secs(10), ..Patience::default() };
    engine.add_client(Seat { zone: 0, patience, routing: Routing::Sticky, probe: false }, client(load));
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures the wall clock")]
    let started = std::time::Instant::now();
    engine.run_until(stop + Duration::secs(1)).expect("no rule is broken");
    let wall = started.elapsed();
    let commands = engine.nodes().iter().flatten().map(|n| n.machine().keys()).max();
    let answered: u64 = engine.stats().iter().map(|s| s.answered).sum();
    let sent: u64 = engine.tally().sent.iter().sum();
    println!(
        "{answered} commands, {} keys, {:.0} ns each, {:.2} M/s; {:.2} messages and {:.2} events a command; {:.2} ms latency; digest {:016x}",
        commands.unwrap_or(0),
        wall.as_nanos() as f64 / answered as f64,
        answered as f64 / wall.as_secs_f64() / 1e6,
        sent as f64 / answered as f64,
        engine.events() as f64 / answered as f64,
        f64::from(outstanding) * 1e3 * (seconds - 1) as f64 / answered as f64,
        engine.digest(),
    );
}
