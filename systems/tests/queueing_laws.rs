//! Balancers and servers hold to queueing theory: M/M/1, Erlang C, the power of two choices, and the order of policies.

use sim_core::network::{Latency, LinkPolicy, NetworkConfig};
use sim_core::units::DurationText;
use sim_core::workload::{Arrival, Generated, Keys, Load, Mix};
use sim_core::{
    Duration, Engine, EngineConfig, Instant, NodeId, NodeSetup, Observed, Observer, Outcome, Patience, Probability,
    ReadsFrom, Routing, Seat,
};
use std::rc::Rc;
use systems::communication::balancing::{BalancingOptions, Config, Machine, Policy, TIMERS, Work};

/// The natural logarithm of 100.
const LN_100: f64 = 4.605_170_186;
const SERVICE: Duration = Duration::millis(10);

fn config(policy: Policy, servers: u32, workers: u32) -> Config {
    let options = BalancingOptions {
        policy,
        workers,
        service: DurationText(SERVICE),
        queue_limit: u32::MAX,
        attempt_timeout: DurationText(Duration::secs(1000)),
        attempts: 1,
        ..BalancingOptions::default()
    };
    options.validate(&sim_core::Shape::plain(1 + servers as usize)).expect("options that make sense")
}

/// Times in the system, in service times, of everything that was asked after the first tenth.
#[derive(Clone, Default)]
struct Times {
    from: Instant,
    all: Vec<u64>,
}

impl Observer<Machine> for Times {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Machine>) {
        if let Observed::Returned { invoked, outcome, .. } = what
            && *invoked >= self.from
        {
            assert!(matches!(outcome, Outcome::Ok(_)), "{outcome:?}");
            self.all.push(at.since(*invoked).0);
        }
    }
}

impl Times {
    fn mean(&self) -> f64 {
        self.all.iter().sum::<u64>() as f64 / self.all.len() as f64 / SERVICE.0 as f64
    }
}

/// Runs `jobs` requests at a load of `rho` through the cluster.
fn run(config: Config, rho: f64, jobs: u64, seed: u64) -> Times {
    let servers = config.servers();
    let rate = rho * f64::from(servers * config.workers) / SERVICE.0 as f64;
    let end = Instant((jobs as f64 / rate) as u64);
    let nodes = 1 + servers as usize;
    let link = LinkPolicy { latency: Latency::ZERO, ..LinkPolicy::default() };
    let engine = EngineConfig {
        seed,
        nodes: vec![NodeSetup::default(); nodes],
        node_zones: vec![0; nodes],
        network: NetworkConfig::uniform(nodes, 1, link),
        timers: TIMERS,
        schedule: sim_core::fault::Schedule::default(),
        shuffle_ties: false,
        restart_halted: Duration::ZERO,
    };
    let mut engine = Engine::new(engine, Rc::new(config), Times { from: Instant(end.0 / 10), ..Times::default() });
    let load = Load {
        arrival: Arrival::Open(vec![(Instant::ZERO, Duration((1.0 / rate) as u64)).into()].into()),
        mix: Mix::reads(Probability::ALWAYS),
        keys: Keys::Uniform { count: 10_000 },
        value_size: 0,
        start: Instant::ZERO,
        stop: end,
        tag: 0,
    };
    let patience =
        Patience { timeout: Duration::secs(1000), attempt_timeout: Duration::secs(1000), ..Patience::default() };
    let seat =
        Seat { zone: 0, patience, routing: Routing::Fixed(NodeId(0)), reads_from: ReadsFrom::Leader, probe: false };
    engine.add_client(seat, Generated::new(load, |op| Work { key: op.key, write: false }));
    engine.run_until(end + Duration::secs(30)).expect("nothing is checked");
    engine.observer().clone()
}

fn hold(what: &str, ours: f64, published: f64, band: f64) {
    println!("{what}: {ours:.4}, published {published:.4}");
    assert!((ours - published).abs() <= published * band, "{what}: {ours:.4}, published {published:.4}, band {band}");
}

#[test]
fn one_server_is_an_m_m_1_queue() {
    for (rho, jobs) in [(0.5, 200_000), (0.8, 600_000)] {
        let mut times = run(config(Policy::Random, 1, 1), rho, jobs, 1);
        hold(&format!("M/M/1 at {rho}"), times.mean(), 1.0 / (1.0 - rho), 0.03);
        times.all.sort_unstable();
        let p99 = times.all[times.all.len() * 99 / 100] as f64 / SERVICE.0 as f64;
        hold(&format!("M/M/1 at {rho}, p99"), p99, LN_100 / (1.0 - rho), 0.05);
    }
}

/// The probability of waiting, from the mean wait: C / (c mu - lambda).
#[test]
fn several_workers_wait_as_erlang_says() {
    for (workers, rho, published) in [(2, 0.8, 0.7111), (8, 0.8, 0.4576), (10, 0.9, 0.6687)] {
        let times = run(config(Policy::Random, 1, workers), rho, 600_000, 2);
        let waits = (times.mean() - 1.0) * f64::from(workers) * (1.0 - rho);
        hold(&format!("Erlang C, {workers} workers at {rho}"), waits, published, 0.06);
    }
}

#[test]
fn two_choices_are_as_good_as_published() {
    for (rho, published) in [(0.5, 1.266), (0.7, 1.614), (0.9, 2.614)] {
        let times = run(config(Policy::PowerOfChoices, 200, 1), rho, 300_000, 3);
        hold(&format!("two choices at {rho}"), times.mean(), published, 0.03);
    }
}

#[test]
fn the_more_a_policy_knows_the_less_one_waits() {
    use Policy::{CentralQueue, PowerOfChoices, Random, RoundRobin, ShortestQueue};
    let waits = [Random, RoundRobin, PowerOfChoices, ShortestQueue, CentralQueue]
        .map(|policy| (policy, run(config(policy, 10, 1), 0.9, 200_000, 4).mean() - 1.0));
    println!("{waits:?}");
    assert!(waits.windows(2).all(|pair| pair[0].1 > pair[1].1), "{waits:?}");
    // One queue for ten workers is Erlang's.
    hold("central queue", waits[4].1, 0.6687 / (10.0 * 0.1), 0.08);
}
