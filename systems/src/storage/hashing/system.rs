//! Registration: the [`System`] itself.

use super::checks::{self, HashingChecks};
use super::client::HashingClient;
use super::measure::{METRICS, measure};
use super::node::{Machine, TIMERS};
use super::options::{Config, HashingOptions, ROLES};
use super::{orders, placing};
use crate::shared::kv::{self, KvCommand};
use sim_core::measures::Measures;
use sim_core::metric::{MetricKind, Unit};
use sim_core::workload::{Generated, Load};
use sim_core::{Finished, LoadUnit, NodeId, Operation, Order, Profile, RoleKind, Rule, System, Verdict};

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
    const ROLES: &'static [RoleKind] = ROLES;
    const ORDERS: &'static [&'static str] = &[Order::KINDS[0]];
    const METRICS: &'static [MetricKind] = METRICS;
    const GAUGES: &'static [MetricKind] = GAUGES;
    const LOAD: LoadUnit = LoadUnit::Work("reads and writes of stores");
    const RULES: &'static [&'static [Rule]] = &[checks::RULES, placing::RULES, orders::RULES];
    type Node = Machine;
    type Client = HashingClient;
    type Checks = HashingChecks;
    type Options = HashingOptions;

    fn default_groups(_: u32) -> Vec<(&'static str, u32)> {
        // The option `routers` says it.
        Vec::new()
    }

    fn client(_: &Config, load: Load) -> HashingClient {
        Generated::new(load, kv::request)
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
