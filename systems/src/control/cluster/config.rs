//! What all nodes of the cluster are configured with.

use super::bugs::ClusterBug;
use super::slots::SlotMap;
use sim_core::{Duration, NodeId};
use std::rc::Rc;

/// When a write is made durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fsync {
    /// Before it is acknowledged.
    Always,
    /// Once a second.
    #[default]
    Everysec,
    /// When the configuration happens to be synced.
    No,
}

/// The configuration of a cluster.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many nodes there are.
    pub nodes: u32,
    /// How many of them, the first ones, are primaries at first.
    pub primaries: u32,
    /// Who owns which slots at first.
    pub slots: Rc<SlotMap>,
    /// How long a ping may be without an answer before the node is suspected.
    pub node_timeout: Duration,
    /// How old a node's last answer may be before it is pinged.
    pub ping_after: Duration,
    /// How long a ping is without an answer before it is sent again.
    pub repeat_after: Duration,
    /// How often a primary that has nothing to write lets its replicas hear of it.
    pub keepalive: Duration,
    /// How often a node looks after everything.
    pub tick: Duration,
    /// How long a replica waits before it asks for votes; as much again at random.
    pub election_delay: Duration,
    /// How much longer it waits for each replica of its primary that has more data.
    pub rank_delay: Duration,
    /// How old its data may be, in node timeouts; 0 for any age.
    pub validity_factor: u32,
    /// How long a primary that was in a minority, or restarted, waits before it serves again.
    pub rejoin_delay: Duration,
    /// How many replicas must have a write before it is acknowledged.
    pub wait: u32,
    /// Whether nothing is served while any slot has no owner in order.
    pub full_coverage: bool,
    /// How many writes are kept for replicas that lag.
    pub backlog: usize,
    /// When a write is made durable.
    pub fsync: Fsync,
    /// How far a clock may drift from the true time, in parts per million.
    pub drift_ppm: u32,
    /// The bug that is switched on.
    pub bug: ClusterBug,
}

impl Config {
    /// Whose replica a node is at first; `None` for a primary. Dealt so that replica and primary sit in different
    /// zones, where zones are dealt round-robin and there are as many as primaries.
    #[must_use]
    pub const fn primary_of(&self, node: NodeId) -> Option<NodeId> {
        let round = node.0 / self.primaries;
        if round == 0 { None } else { Some(NodeId((node.0 + round) % self.primaries)) }
    }

    /// Whether this bug is switched on.
    #[must_use]
    pub fn has(&self, bug: ClusterBug) -> bool {
        self.bug == bug
    }
}
