//! Registration: the options as written in `[system]`, their validation, and the [`System`] itself.

use super::bugs::{CATALOGUE, HashingBug};
use super::checks::{self, HashingChecks};
use super::client::{HashingClient, client};
use super::config::{Config, Setup};
use super::measure::{METRICS, measure};
use super::message::{FACT_KINDS, MESSAGE_KINDS};
use super::node::{Machine, TIMERS};
use super::rule::PlacementKind;
use super::shards::Lazily;
use super::{orders, placing};
use crate::shared::kv::{self, KvCommand};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::measures::Measures;
use sim_core::metric::{MetricKind, Unit};
use sim_core::units::{BitRate, ByteSize, DurationText};
use sim_core::workload::Load;
use sim_core::{
    Bug, Duration, Finished, Invalid, LoadUnit, NodeId, NodeSet, Operation, Order, Profile, Rule, Shape, System,
    Verdict,
};
use std::rc::Rc;

/// How the versions of writes are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Versions {
    /// Above the newest that a read quorum has: one more round, and no acknowledged write loses against an earlier one.
    #[default]
    Quorum,
    /// By the coordinator's clock: the last writer wins, whatever its clock takes for last.
    Clock,
}

/// The `[system]` options of `system = "hashing"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HashingOptions {
    /// How keys are placed.
    pub placement: PlacementKind,
    /// Points of a ring for each unit of a node's weight.
    pub points: u32,
    /// How many bits of a point's hash count; few make points coincide.
    pub ring_bits: u32,
    /// The weights of the nodes, spares included, in order; equal weights if empty. Only some placements have them.
    pub weights: Vec<u32>,
    /// How many of the nodes only route: the first ones. With none, every node takes requests.
    pub routers: u32,
    /// How many of the nodes keep the directory of members: the first ones.
    pub directory: u32,
    /// How many nodes hold a key (N).
    pub replicas: u32,
    /// How many of them must answer a read (R).
    pub read_quorum: u32,
    /// How many of them must have a write on their disks (W).
    pub write_quorum: u32,
    /// How versions are chosen.
    pub versions: Versions,
    /// Whether the next nodes stand in for holders that do not answer, and bring them what they missed later.
    pub sloppy: bool,
    /// How long a store remembers that a key was deleted. It must be longer than any store is away, or what that one
    /// still has comes back.
    pub tombstone_grace: DurationText,
    /// Whether a read brings what it found to those who had less, before it answers.
    pub read_repair: bool,
    /// How often a store compares what it holds with another; 0 for never.
    pub repair_interval: DurationText,
    /// How often a node asks for a newer view of the members.
    pub view_refresh: DurationText,
    /// Whether a new view is sent to everyone at once.
    pub announce: bool,
    /// How fast one store takes keys over; as fast as the network is if not given.
    pub handover_bandwidth: Option<BitRate>,
    /// How much it takes over at a time.
    pub handover_piece: ByteSize,
    /// When a change of members that is stuck gives way to another.
    pub give_up: DurationText,
    /// How long a coordinator waits before it asks again.
    pub resend: DurationText,
    /// How long it tries.
    pub op_timeout: DurationText,
    /// Records on a disk before they are made one; 0 for never.
    pub compact_every: u32,
    /// A known bug to switch on.
    pub bug: HashingBug,
}

impl Default for HashingOptions {
    fn default() -> Self {
        Self {
            placement: PlacementKind::Ring,
            points: 128,
            ring_bits: 64,
            weights: Vec::new(),
            routers: 0,
            directory: 3,
            replicas: 3,
            read_quorum: 2,
            write_quorum: 2,
            versions: Versions::Quorum,
            sloppy: false,
            tombstone_grace: DurationText(Duration::secs(864_000)),
            read_repair: true,
            repair_interval: DurationText(Duration::millis(500)),
            view_refresh: DurationText(Duration::millis(500)),
            announce: true,
            handover_bandwidth: None,
            handover_piece: ByteSize(64 << 10),
            give_up: DurationText(Duration::secs(5)),
            resend: DurationText(Duration::millis(25)),
            op_timeout: DurationText(Duration::secs(1)),
            compact_every: 10_000,
            bug: HashingBug::None,
        }
    }
}

impl HashingOptions {
    /// The configuration of a cluster.
    ///
    /// # Errors
    /// Every option that makes no sense, alone or with another.
    pub fn validate(&self, shape: &Shape) -> Result<Config, Vec<Invalid>> {
        let mut invalid = Vec::new();
        let mut complain = |wrong: bool, key, what: String, help: &str| {
            if wrong {
                invalid.push(Invalid { key, what, help: help.to_owned() });
            }
        };
        let (nodes, members) = (shape.nodes(), shape.members() as u32);
        complain(
            nodes > NodeSet::LIMIT,
            "nodes",
            format!("{nodes} nodes"),
            "at most 128; system = \"placement\" places keys on thousands",
        );
        let stores = members.saturating_sub(self.routers);
        complain(
            stores == 0,
            "routers",
            format!("{} of {members} members route, and nobody stores", self.routers),
            "fewer than cluster.nodes",
        );
        complain(
            self.directory == 0 || self.directory > members,
            "directory",
            format!("{} of {members} members keep the directory", self.directory),
            "from 1 to cluster.nodes; three or five are usual",
        );
        complain(self.replicas == 0, "replicas", "nobody holds a key".into(), "three are usual");
        complain(
            stores > 0 && self.replicas > stores,
            "replicas",
            format!("{} holders of a key, and {stores} stores", self.replicas),
            "at most as many as there are members that store",
        );
        for (key, quorum) in [("read_quorum", self.read_quorum), ("write_quorum", self.write_quorum)] {
            let wrong = quorum == 0 || quorum > self.replicas;
            complain(wrong, key, format!("{quorum} of {} holders", self.replicas), "from 1 to replicas");
        }
        complain(self.points == 0, "points", "a ring without points".into(), "for example 128");
        complain(
            self.ring_bits == 0 || self.ring_bits > 64,
            "ring_bits",
            format!("{} bits of a 64-bit hash", self.ring_bits),
            "from 1 to 64",
        );
        complain(
            !self.weights.is_empty() && self.weights.len() != nodes,
            "weights",
            format!("{} weights for {nodes} nodes", self.weights.len()),
            "one for each node, spares and routers included, or none",
        );
        complain(self.weights.contains(&0), "weights", "a node of no weight".into(), "at least 1 each");
        let zero = |time: DurationText| time.0 == Duration::ZERO;
        complain(zero(self.view_refresh), "view_refresh", "asking without pause".into(), "for example \"500ms\"");
        complain(zero(self.resend), "resend", "asking without pause".into(), "for example \"25ms\"");
        complain(zero(self.op_timeout), "op_timeout", "no time to answer".into(), "for example \"1s\"");
        complain(
            self.handover_bandwidth == Some(BitRate(0)),
            "handover_bandwidth",
            "nothing can be taken over".into(),
            "for example \"100 Mbit\", or leave it out",
        );
        complain(
            self.handover_piece.0 == 0 || self.handover_piece.0 > 1 << 30,
            "handover_piece",
            format!("{} at a time", self.handover_piece),
            "write for example \"64 KiB\"",
        );
        if !invalid.is_empty() {
            return Err(invalid);
        }
        Ok(Rc::new(Setup {
            nodes: nodes as u32,
            members,
            routers: self.routers,
            directory: self.directory,
            zones: shape.node_zones.clone(),
            weights: self.weights.clone(),
            placement: self.placement,
            points: self.points,
            ring_bits: self.ring_bits,
            replicas: self.replicas,
            read_quorum: self.read_quorum,
            write_quorum: self.write_quorum,
            versions: self.versions,
            sloppy: self.sloppy,
            tombstone_grace: self.tombstone_grace.0,
            read_repair: self.read_repair,
            repair_interval: self.repair_interval.0,
            view_refresh: self.view_refresh.0,
            announce: self.announce,
            handover_bandwidth: self.handover_bandwidth.map_or(0, |rate| rate.0),
            handover_piece: self.handover_piece.0 as u32,
            give_up: self.give_up.0,
            resend: self.resend.0,
            op_timeout: self.op_timeout.0,
            compact_every: self.compact_every,
            bug: self.bug,
            shards: Lazily::default(),
        }))
    }
}

/// A sharded, replicated key-value store.
#[derive(Debug)]
pub struct HashingSystem;

static GAUGES: &[MetricKind] = &[
    MetricKind::new("keys", "keys held", Unit::Number, "the keys that each store holds"),
    MetricKind::new("epoch", "epoch", Unit::Number, "the epoch of the view that each store goes by"),
];

impl System for HashingSystem {
    const NAME: &'static str = "hashing";
    const MODEL: Option<&'static str> = Some("kv");
    const ABOUT: &'static str =
        "a sharded key-value store in the manner of Dynamo: placements, quorums, hand-over and repair";
    const TIMERS: u16 = TIMERS;
    const MESSAGE_KINDS: &'static [&'static str] = MESSAGE_KINDS;
    const FACT_KINDS: &'static [&'static str] = FACT_KINDS;
    const ORDERS: &'static [&'static str] = &[Order::KINDS[0]];
    const BUGS: &'static [Bug] = CATALOGUE;
    const METRICS: &'static [MetricKind] = METRICS;
    const GAUGES: &'static [MetricKind] = GAUGES;
    const LOAD: LoadUnit = LoadUnit::Work("reads and writes of stores");
    const RULES: &'static [&'static [Rule]] = &[checks::RULES, placing::RULES, orders::RULES];
    type Node = Machine;
    type Client = HashingClient;
    type Checks = HashingChecks;
    type Options = HashingOptions;

    fn configure(options: HashingOptions, shape: &Shape) -> Result<Config, Vec<Invalid>> {
        options.validate(shape)
    }

    fn client(_: &Config, load: Load) -> HashingClient {
        client(load)
    }

    fn checks(config: &Config) -> HashingChecks {
        HashingChecks::new(config)
    }

    fn operation(request: &KvCommand) -> Operation {
        let operation = kv::operation(request);
        // Appends and compare-and-set are puts here: see `coordinate.rs`.
        let name = match request {
            KvCommand::Get { .. } | KvCommand::Delete { .. } => operation.name,
            _ => "put",
        };
        Operation { name, ..operation }
    }

    fn profile(config: &Config) -> Profile {
        Profile { shards: config.shard_count(), ..Profile::default() }
    }

    fn shard(config: &Config, key: u64) -> u16 {
        config.shard_of(key)
    }

    fn carries(config: &Config, node: NodeId) -> bool {
        !config.is_router(node)
    }

    fn keys(node: &Machine) -> u64 {
        node.keys()
    }

    fn gauge(node: &Machine, which: usize) -> u64 {
        if which == 0 { node.keys() } else { node.view().epoch }
    }

    fn measure(run: &Finished<'_, Self>) -> Measures {
        measure(run.config, run.checks, run.nodes, run.span)
    }

    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        let mut verdicts = run.checks.verdicts(run.nodes);
        if run.linearizable {
            verdicts.push(kv::judge_linearizable(run.history, run.budget));
        }
        verdicts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_reported_at_once() {
        let shape = |nodes: u16, spares| Shape {
            node_zones: vec![0; usize::from(nodes)],
            zones: vec!["a".to_owned()],
            spares,
            max_drift_ppm: 0,
        };
        let options = HashingOptions {
            routers: 2,
            directory: 9,
            replicas: 4,
            read_quorum: 0,
            write_quorum: 5,
            points: 0,
            ring_bits: 65,
            weights: vec![0],
            ..HashingOptions::default()
        };
        let invalid = options.validate(&shape(6, 1)).unwrap_err();
        let keys: Vec<_> = invalid.iter().map(|i| i.key).collect();
        let expected =
            ["directory", "replicas", "read_quorum", "write_quorum", "points", "ring_bits", "weights", "weights"];
        assert_eq!(keys, expected);
        let config = HashingOptions { routers: 2, ..HashingOptions::default() }.validate(&shape(6, 1)).unwrap();
        assert!(config.is_regular());
        assert_eq!((config.copy_quorum(), config.stores(config.first()).len()), (2, 3));
        let weak = HashingOptions { read_quorum: 1, ..HashingOptions::default() }.validate(&shape(6, 1)).unwrap();
        assert!(!weak.is_regular());
    }
}
