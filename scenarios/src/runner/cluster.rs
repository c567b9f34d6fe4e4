//! From a scenario to an engine: machines, links, clients.

use super::drive::EngineOf;
use super::{RunError, Watch};
use crate::Scenario;
use crate::scenario::Disk;
use sim_core::fault::Schedule;
use sim_core::network::NetworkConfig;
use sim_core::workload::{Arrival, Keys, Load, Mix};
use sim_core::{
    Client as _, Clock, DiskPolicy, Duration, Engine, EngineConfig, Instant, Move, Node, NodeId, NodeSetup, Patience,
    Probability, Purpose, ReadsFrom, Rng, Routing, Seat, System, node_ids,
};
use std::rc::Rc;

/// How long after a node has stopped itself its supervisor starts it again.
const RESTART_HALTED: Duration = Duration::secs(1);

type ConfigOf<S> = <<S as System>::Node as Node>::Config;
type RequestOf<S> = <<S as System>::Node as Node>::Request;

/// The system's configuration for the scenario's cluster.
pub(super) fn node_config<S: System>(scenario: &Scenario) -> Result<ConfigOf<S>, RunError> {
    let invalid = |what: String| RunError::Options { system: S::NAME, what };
    let options: S::Options =
        scenario.options.clone().try_into().map_err(|e: toml::de::Error| invalid(e.to_string()))?;
    S::configure(options, &scenario.cluster.shape()).map_err(|problems| {
        let all: Vec<String> = problems.iter().map(|p| format!("{}: {} ({})", p.key, p.what, p.help)).collect();
        invalid(all.join("; "))
    })
}

/// The engine, with every client seated and nothing run yet.
pub(super) fn engine<'a, S: System>(
    scenario: &Scenario,
    schedule: &Schedule,
    seed: u64,
    config: ConfigOf<S>,
    observer: Watch<'a, S>,
) -> EngineOf<'a, S> {
    let cluster = &scenario.cluster;
    let policy = |disk: Disk| {
        Rc::new(DiskPolicy { sync: disk.sync, fail: disk.fail, at_once: disk.at_once, ..DiskPolicy::default() })
    };
    let disk = policy(scenario.disk.clone());
    let disks: Vec<_> = cluster.groups.iter().map(|group| policy(group.disk.of(&scenario.disk))).collect();
    let setup = |node: NodeId| {
        let mut rng = Rng::stream(seed, Purpose::Clock, u64::from(node.0));
        let (lo, hi) = cluster.clock_offset;
        let offset = lo.saturating_add_unsigned(rng.between(0, hi.abs_diff(lo)));
        let (lo, hi) = cluster.clock_drift;
        let drift = lo.saturating_add_unsigned(rng.between(0, u64::from(hi.abs_diff(lo))) as u32);
        let group = cluster.group_of(node);
        let of_group = cluster.node_groups.get(node.index()).map(|group| &disks[usize::from(*group)]);
        NodeSetup {
            clock: Clock::new(offset, drift),
            disk: Rc::clone(of_group.unwrap_or(&disk)),
            cpu_cost: group.and_then(|group| group.cpu_cost).unwrap_or(cluster.cpu_cost),
            egress: cluster.egress,
            egress_queue: cluster.egress_queue,
            host: Some(cluster.node_machines[node.index()]),
            member: group.is_none_or(|group| group.member),
            asked: group.is_none_or(|group| group.asked) && S::asked(&config, node),
        }
    };
    let engine_config = EngineConfig {
        seed,
        nodes: node_ids(cluster.nodes()).map(setup).collect(),
        node_zones: cluster.node_zones.clone(),
        network: network(scenario),
        timers: S::TIMERS,
        schedule: schedule.clone(),
        shuffle_ties: scenario.shuffle_ties,
        restart_halted: RESTART_HALTED,
    };
    let mut engine = Engine::new(engine_config, config.clone(), observer);
    engine.limit_events(scenario.max_events);
    seat_clients::<S>(scenario, &config, &mut engine);
    engine
}

/// The first requests that a client of the first workload would make, one after another.
pub(super) fn requests<S: System>(scenario: &Scenario, config: &ConfigOf<S>, most: u32) -> Vec<RequestOf<S>> {
    let Some(workload) = scenario.workloads.first() else { return Vec::new() };
    let load = Load {
        arrival: workload.arrival(),
        mix: workload.mix(S::OPERATIONS),
        keys: workload.keys.keys(),
        value_size: workload.value_size,
        start: Instant::ZERO,
        stop: Instant::FAR,
        tag: 0,
    };
    let mut client = S::client(config, load);
    let mut rng = Rng::stream(scenario.seed, Purpose::Client, 0);
    let (mut now, mut all) = (Instant::ZERO, Vec::new());
    while all.len() < most as usize {
        match client.next(now, &mut rng) {
            Move::Issue(request) => all.push(request),
            Move::Sleep(until) if until > now => now = until,
            Move::Sleep(_) | Move::Await | Move::Stop => break,
        }
    }
    all
}

/// Nodes of a zone share a site unless a rule names single nodes; clients of a zone share one of their own.
fn network(scenario: &Scenario) -> NetworkConfig {
    let (cluster, network) = (&scenario.cluster, &scenario.network);
    let single = network.rules.iter().any(|rule| rule.names_a_node());
    let zones = cluster.zones.len();
    // One node stands for its site.
    let (node_site, stands): (Vec<u16>, Vec<Option<NodeId>>) = if single {
        ((0..cluster.nodes() as u16).collect(), node_ids(cluster.nodes()).map(Some).collect())
    } else {
        let first = |zone: usize| node_ids(cluster.nodes()).find(|n| cluster.zone_of(*n) as usize == zone);
        (cluster.node_zones.clone(), (0..zones).map(first).collect())
    };
    let node_sites = stands.len();
    let sites = node_sites + zones;
    let link = |from: usize, to: usize| match (from < node_sites, to < node_sites) {
        (true, true) => Some(network.node_link(cluster, stands[from]?, stands[to]?)),
        (false, true) => Some(network.request_link(cluster, (from - node_sites) as u16, stands[to]?)),
        (true, false) => Some(network.response_link(cluster, stands[from]?, (to - node_sites) as u16)),
        // Clients do not talk to each other.
        (false, false) => None,
    };
    let policies = (0..sites * sites).map(|i| link(i / sites, i % sites).unwrap_or_default()).collect();
    let client_site = (0..zones).map(|z| (node_sites + z) as u16).collect();
    NetworkConfig { node_site, client_site, sites, policies, transport: network.transport.clone() }
}

fn seat_clients<S: System>(scenario: &Scenario, config: &ConfigOf<S>, engine: &mut EngineOf<'_, S>) {
    let mut tag = 0;
    for workload in &scenario.workloads {
        let (keys, arrival) = (workload.keys.keys(), workload.arrival());
        let mix = workload.mix(S::OPERATIONS);
        let seats = workload.at.as_deref().map(|role| scenario.cluster.nodes_of(role));
        let stop = match scenario.expect.answered_within {
            // Whoever would still ask goes on, so that there is somebody to be answered; what is asked later than this
            // could not be waited for.
            Some(within) if workload.stop >= scenario.heal_at() => scenario.heal_at() + within,
            _ => workload.stop.min(scenario.heal_at()),
        };
        for index in 0..workload.clients {
            let load = Load {
                arrival: arrival.clone(),
                mix: mix.clone(),
                keys: keys.clone(),
                value_size: workload.value_size,
                start: workload.start,
                stop,
                tag,
            };
            let seat = Seat {
                zone: workload.zone_of(index),
                patience: workload.patience,
                routing: match &seats {
                    Some(nodes) => Routing::At(nodes[index as usize % nodes.len()]),
                    None => workload.routing,
                },
                reads_from: workload.reads_from,
                probe: false,
            };
            engine.add_client(seat, S::client(config, load));
            tag += 1;
        }
    }
    let probe = &scenario.probe;
    // The probes go on into the settling time: what they get there is the proof that the cluster recovered. Without
    // probes, they run only there.
    let start = if probe.enabled { Instant::ZERO } else { scenario.heal_at() };
    let stop = scenario.heal_at() + Duration(scenario.settle.0 / 4 * 3);
    let zones = scenario.probe_zones();
    for (place, zone) in (0..).zip(&zones) {
        let kinds = [(Probability::NEVER, S::probes().1), (Probability::ALWAYS, S::probes().0)];
        for (half, (reads, kind)) in kinds.into_iter().enumerate() {
            // Zones and halves are spread over the grid, so that the probes sample each interval evenly.
            let step = probe.every.0 / (2 * zones.len() as u64);
            let load = Load {
                arrival: Arrival::Grid { every: probe.every, phase: Duration(step * (2 * place + half as u64)) },
                mix: match S::OPERATIONS {
                    [] => Mix::reads(reads),
                    operations => Mix::weighted(operations, &[(kind, 1)]),
                },
                // Keys of their own: the probe measures the system, not the workload's hot keys.
                keys: probe_keys::<S>(config, *zone),
                value_size: 16,
                start,
                stop,
                tag,
            };
            // Two tries at least: a client that keeps a map learns only from the second that its map is old.
            let usual = Patience::default();
            let attempt_timeout = usual.attempt_timeout.min(Duration(probe.timeout.0 / 2));
            let patience = Patience { timeout: probe.timeout, attempt_timeout, ..usual };
            let routing = scenario.probe_seat(*zone).map_or(Routing::Sticky, Routing::At);
            let seat = Seat { zone: *zone, patience, routing, reads_from: ReadsFrom::Leader, probe: true };
            engine.add_client(seat, S::client(config, load));
            tag += 1;
        }
    }
}

/// Beyond every workload's keys.
const PROBE_KEYS: u64 = 1 << 40;
/// Keys of each zone's probe among which one of every shard is looked for.
const KEYS_A_ZONE: u64 = 1 << 20;

/// The keys of a zone's probe: one, or one of each shard.
fn probe_keys<S: System>(config: &ConfigOf<S>, zone: u16) -> Keys {
    let shards = S::profile(config).shards;
    if shards < 2 {
        return Keys::Single(PROBE_KEYS + u64::from(zone));
    }
    let first = PROBE_KEYS + u64::from(zone) * KEYS_A_ZONE;
    let of = |shard| (first..first + KEYS_A_ZONE).find(|key| S::shard(config, *key) == shard);
    // A shard so small that none of a million keys lies in it is left out.
    let keys: Vec<u64> = (0..shards).filter_map(of).collect();
    if keys.is_empty() { Keys::Single(first) } else { Keys::InTurn(keys.into()) }
}
