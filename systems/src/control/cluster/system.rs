//! Registration: the options as written in `[system]`, their validation, and the [`System`] itself.

use super::bugs::{CATALOGUE, ClusterBug};
use super::checks::{self, ClusterChecks};
use super::client::ClusterClient;
use super::config::{Config, Fsync};
use super::duties;
use super::message::{ClusterRequest, FACT_KINDS, MESSAGE_KINDS};
use super::node::{Cluster, TIMERS};
use super::slots::{SLOTS, SlotMap, slot_of};
use crate::shared::fail_over;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::measures::Measures;
use sim_core::metric::MetricKind;
use sim_core::units::DurationText;
use sim_core::workload::Load;
use sim_core::{
    Bug, Class, Duration, Finished, Invalid, NodeSet, Operation, Phase, Profile, Rule, Shape, System, Verdict,
};
use std::rc::Rc;

/// A shorter node timeout has no room for the ticks in which nodes look at each other.
const SHORTEST_TIMEOUT: Duration = Duration::millis(20);

/// The `[system]` options of `system = "failover-cluster"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterOptions {
    /// How many of the nodes, the first ones, are primaries at first; the others are dealt to them as replicas.
    pub primaries: u32,
    /// How long a ping may be without an answer before the node is suspected. A node is pinged when its last answer is
    /// half as old.
    pub node_timeout: DurationText,
    /// How long a replica waits before it asks for votes; as much again at random.
    pub election_delay: DurationText,
    /// How much longer it waits for each replica of the same primary that has more data.
    pub rank_delay: DurationText,
    /// How long a replica may have been out of touch with its primary and still be promoted, in node timeouts; 0 for
    /// any time.
    pub validity_factor: u32,
    /// How long a primary that was in a minority, or has restarted, waits before it serves again.
    pub rejoin_delay: DurationText,
    /// How many replicas must have a write before it is acknowledged; 0 for asynchronous replication.
    pub wait: u32,
    /// Whether nothing is served while any slot has no owner in order.
    pub cluster_require_full_coverage: bool,
    /// How many writes a node keeps for replicas that lag; one further behind gets all data.
    pub backlog: u32,
    /// When writes become durable: `always` before they are acknowledged, `everysec`, or `no` hurry.
    pub fsync: Fsync,
    /// A known bug to re-introduce, by name (see `splitbrain list bugs`).
    pub bug: ClusterBug,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        let ms = |n| DurationText(Duration::millis(n));
        Self {
            primaries: 3,
            node_timeout: ms(2000),
            election_delay: ms(500),
            rank_delay: ms(1000),
            validity_factor: 10,
            rejoin_delay: ms(2000),
            wait: 0,
            cluster_require_full_coverage: true,
            backlog: 10_000,
            fsync: Fsync::default(),
            bug: ClusterBug::default(),
        }
    }
}

impl ClusterOptions {
    /// The configuration of a cluster of `nodes`, whose clocks drift at most `drift_ppm` parts per million.
    ///
    /// # Errors
    /// Every option that makes no sense, alone or with another.
    pub fn validate(&self, nodes: u32, drift_ppm: u32) -> Result<Rc<Config>, Vec<Invalid>> {
        let mut invalid = Vec::new();
        let mut complain = |wrong: bool, key, what: String, help: &str| {
            if wrong {
                invalid.push(Invalid { key, what, help: help.to_owned() });
            }
        };
        let most = NodeSet::LIMIT as u32;
        complain(nodes > most, "nodes", format!("{nodes} nodes in one cluster"), "at most 128");
        complain(self.primaries == 0, "primaries", "nobody owns a slot".into(), "3 is usual");
        complain(
            self.primaries > nodes || self.primaries > u32::from(SLOTS),
            "primaries",
            format!("{} primaries among {nodes} nodes", self.primaries),
            "at most cluster.nodes",
        );
        let zero = |time: DurationText| time.0 == Duration::ZERO;
        complain(
            self.node_timeout.0 < SHORTEST_TIMEOUT,
            "node_timeout",
            format!("answers within {}", self.node_timeout),
            "at least 20ms; Redis has 15s unless told otherwise",
        );
        complain(zero(self.election_delay), "election_delay", "replicas that all stand at once".into(), "\"500ms\"");
        let replicas = nodes.saturating_sub(self.primaries).checked_div(self.primaries).unwrap_or(0);
        complain(
            self.primaries > 0 && self.wait > replicas,
            "wait",
            format!("{} replicas must have a write, but some primary has {replicas}", self.wait),
            "at most (cluster.nodes - primaries) / primaries, rounded down",
        );
        complain(self.backlog == 0, "backlog", "no write is kept".into(), "at least 1; 10000 is usual");
        if !invalid.is_empty() {
            return Err(invalid);
        }
        Ok(Rc::new(Config {
            nodes,
            primaries: self.primaries,
            slots: Rc::new(SlotMap::even(self.primaries, nodes)),
            node_timeout: self.node_timeout.0,
            ping_after: Duration(self.node_timeout.0.0 / 2),
            repeat_after: Duration(self.node_timeout.0.0 / 8),
            keepalive: Duration(self.node_timeout.0.0 / 4),
            // Redis looks ten times a second. At timeouts below 2 s, for which it was not made, this model looks more
            // often.
            tick: Duration((self.node_timeout.0.0 / 20).clamp(1_000_000, 100_000_000)),
            election_delay: self.election_delay.0,
            rank_delay: self.rank_delay.0,
            validity_factor: self.validity_factor,
            rejoin_delay: self.rejoin_delay.0,
            wait: self.wait,
            full_coverage: self.cluster_require_full_coverage,
            backlog: self.backlog as usize,
            fsync: self.fsync,
            drift_ppm,
            bug: self.bug,
        }))
    }
}

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
    const MESSAGE_KINDS: &'static [&'static str] = MESSAGE_KINDS;
    const FACT_KINDS: &'static [&'static str] = FACT_KINDS;
    const BUGS: &'static [Bug] = CATALOGUE;
    const RULES: &'static [&'static [Rule]] = &[checks::RULES, duties::RULES];
    type Node = Cluster;
    type Client = ClusterClient;
    type Checks = ClusterChecks;
    type Options = ClusterOptions;

    fn configure(options: ClusterOptions, shape: &Shape) -> Result<Rc<Config>, Vec<Invalid>> {
        options.validate(shape.nodes() as u32, shape.max_drift_ppm)
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::NodeId;

    #[test]
    fn all_problems_are_reported_at_once() {
        let options = ClusterOptions {
            primaries: 4,
            node_timeout: DurationText(Duration::millis(10)),
            wait: 2,
            backlog: 0,
            ..ClusterOptions::default()
        };
        let keys: Vec<_> = options.validate(9, 0).unwrap_err().iter().map(|invalid| invalid.key).collect();
        assert_eq!(keys, ["node_timeout", "wait", "backlog"]);
        assert!(ClusterOptions { primaries: 0, ..ClusterOptions::default() }.validate(3, 0).is_err());
    }

    #[test]
    fn replicas_are_dealt_to_primaries_of_other_zones() {
        let config = ClusterOptions::default().validate(9, 0).unwrap();
        for node in 3..9 {
            let primary = config.primary_of(NodeId(node)).unwrap();
            assert!(primary.0 < 3 && primary.0 % 3 != node % 3, "n{}", node + 1);
        }
        let of = |primary| (3..9).filter(|node| config.primary_of(NodeId(*node)) == Some(NodeId(primary))).count();
        assert_eq!([of(0), of(1), of(2)], [2, 2, 2]);
    }
}
