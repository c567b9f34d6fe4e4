//! Registration: the [`System`] itself.

use super::checks::{self, ClusterChecks};
use super::client::ClusterClient;
use super::duties;
use super::message::ClusterRequest;
use super::node::{Cluster, TIMERS};
use super::options::{ClusterOptions, Config};
use super::slots::slot_of;
use crate::shared::fail_over;
use sim_core::measures::Measures;
use sim_core::metric::MetricKind;
use sim_core::workload::Load;
use sim_core::{Class, Finished, Operation, Phase, Profile, Rule, System, Verdict};
use std::rc::Rc;

/// Several primaries over hash slots, each with replicas, that vote on fail-over.
#[derive(Debug)]
pub struct ClusterSystem;

impl System for ClusterSystem {
    const NAME: &'static str = "failover-cluster";
    const ABOUT: &'static str =
        "primaries over hash slots with replicas, gossip and votes on fail-over, as Redis Cluster";
    const TIMERS: u16 = TIMERS;
    const METRICS: &'static [MetricKind] = fail_over::METRICS;
    const PHASES: &'static [Phase] = &[
        Phase { name: "detect", ends_with: Some("failed") },
        Phase { name: "decide", ends_with: Some("voted") },
        Phase { name: "promote", ends_with: Some("promoted") },
        Phase { name: "clients back", ends_with: None },
    ];
    const RULES: &'static [&'static [Rule]] = &[checks::RULES, duties::RULES];
    type Node = Cluster;
    type Client = ClusterClient;
    type Checks = ClusterChecks;
    type Options = ClusterOptions;

    fn client(config: &Rc<Config>, load: Load) -> ClusterClient {
        ClusterClient::new(config, load)
    }

    fn checks(config: &Rc<Config>) -> ClusterChecks {
        ClusterChecks::new(config)
    }

    fn profile(config: &Rc<Config>) -> Profile {
        Profile { shards: config.primaries as u16, recovery: Some(config.node_timeout), ..Profile::default() }
    }

    /// A shard is what a primary had at first: its slots stay together whoever takes them over.
    fn shard(config: &Rc<Config>, key: u64) -> u16 {
        config.slots.owner(slot_of(key)).map_or(0, |owner| owner.0 as u16)
    }

    fn operation(request: &ClusterRequest) -> Operation {
        let (class, name) = match request {
            ClusterRequest::Get { .. } => (Class::Read, "get"),
            ClusterRequest::Set { .. } => (Class::Write, "set"),
        };
        Operation { class, name, key: Some(request.key()) }
    }

    fn keys(node: &Cluster) -> u64 {
        if node.primary().is_none() { node.data().len() as u64 } else { 0 }
    }

    fn measure(run: &Finished<'_, Self>) -> Measures {
        run.checks.measures(run.nodes)
    }

    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        let mut verdicts = run.checks.verdicts(run.nodes);
        if run.linearizable {
            let why = "asynchronous replication does not promise it: see losses_allowed".to_owned();
            verdicts.push(Verdict::Inconclusive { rule: "linearizable", why });
        }
        verdicts
    }
}
