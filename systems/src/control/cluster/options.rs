//! What may be written in `[system]`, and the configuration of a node that is made of it.

use super::bugs::ClusterBug;
use super::slots::{SLOTS, SlotMap};
use sim_core::units::DurationText;
use sim_core::{Duration, NodeId, NodeSet};
use std::rc::Rc;

/// A shorter node timeout has no room for the ticks in which nodes look at each other.
const SHORTEST_TIMEOUT: Duration = Duration::millis(20);

sim_core::choices! {
    /// When a write is made durable.
    pub enum Fsync {
        /// Before it is acknowledged.
        Always,
        /// Once a second.
        #[default]
        Everysec,
        /// When the configuration happens to be synced.
        No,
    }
}

sim_core::options! {
    /// The `[system]` options of `system = "failover-cluster"`.
    pub struct ClusterOptions;

    /// The configuration of a cluster.
    #[derive(Clone, Debug)]
    pub struct Config of shape {
        /// How many nodes there are.
        pub nodes: u32 = shape.nodes() as u32,
            wrong if nodes > NodeSet::LIMIT as u32 => ("{nodes} nodes in one cluster"), "at most 128";
        /// Worst honest clock drift, in parts per million.
        pub drift_ppm: u32 = shape.max_drift_ppm;
        /// How old a node's last answer may be before it is pinged.
        pub ping_after: Duration = Duration(node_timeout.0.0 / 2);
        /// How long a ping is without an answer before it is sent again.
        pub repeat_after: Duration = Duration(node_timeout.0.0 / 8);
        /// How often a primary that has nothing to write lets its replicas hear of it.
        pub keepalive: Duration = Duration(node_timeout.0.0 / 4);
        /// How often a node looks after everything. Redis looks ten times a second. At timeouts below 2 s, for which it
        /// was not made, this model looks more often.
        pub tick: Duration = Duration((node_timeout.0.0 / 20).clamp(1_000_000, 100_000_000));
    }

    options {
        /// How many of the nodes, the first ones, are primaries at first; the others are dealt to them as replicas.
        primaries: u32 = 3 => {
            primaries: u32 = *primaries,
            slots: Rc<SlotMap> = Rc::new(SlotMap::even(*primaries, nodes)),
        },
            wrong if *primaries == 0 => ("nobody owns a slot"), "3 is usual",
            wrong if *primaries > nodes || *primaries > u32::from(SLOTS) =>
                ("{primaries} primaries among {nodes} nodes"), "at most cluster.nodes";
        /// How long a ping may be without an answer before the node is suspected. A node is pinged when its last answer
        /// is half as old.
        node_timeout: DurationText = DurationText::millis(2000),
            wrong if node_timeout.0 < SHORTEST_TIMEOUT =>
                ("answers within {node_timeout}"), "at least 20ms; Redis has 15s unless told otherwise";
        /// How long a replica waits before it asks for votes; as much again at random.
        election_delay: DurationText = DurationText::millis(500),
            wrong if election_delay.0 == Duration::ZERO => ("replicas that all stand at once"), "\"500ms\"";
        /// How much longer it waits for each replica of the same primary that has more data.
        rank_delay: DurationText = DurationText::millis(1000);
        /// How long a replica may have been out of touch with its primary and still be promoted, in node timeouts; 0
        /// for any time.
        validity_factor: u32 = 10;
        /// How long a primary that was in a minority, or has restarted, waits before it serves again.
        rejoin_delay: DurationText = DurationText::millis(2000);
        /// How many replicas must have a write before it is acknowledged; 0 for asynchronous replication.
        wait: u32 = 0,
            wrong if *primaries > 0 && *wait > replicas(nodes, *primaries) =>
                ("{wait} replicas must have a write, but some primary has {}", replicas(nodes, *primaries)),
                "at most (cluster.nodes - primaries) / primaries, rounded down";
        /// Whether nothing is served while any slot has no owner in order.
        cluster_require_full_coverage: bool = true => { full_coverage: bool = *cluster_require_full_coverage };
        /// How many writes a node keeps for replicas that lag; one further behind gets all data.
        backlog: u32 = 10_000 => { backlog: usize = *backlog as usize },
            wrong if *backlog == 0 => ("no write is kept"), "at least 1; 10000 is usual";
        /// When writes become durable: `always` before they are acknowledged, `everysec`, or `no` hurry.
        fsync: Fsync = Fsync::default();
        /// A known bug to re-introduce, by name (see `splitbrain list bugs`).
        bug: ClusterBug = ClusterBug::default();
    }
}

/// Replicas that every primary has at least, at first.
fn replicas(nodes: u32, primaries: u32) -> u32 {
    nodes.saturating_sub(primaries).checked_div(primaries).unwrap_or(0)
}

impl Config {
    /// Whose replica a node is at first; `None` for a primary. Dealt so that replica and primary sit in different
    /// zones, where zones are dealt round-robin and there are as many as primaries.
    #[must_use]
    pub const fn primary_of(&self, node: NodeId) -> Option<NodeId> {
        let round = node.0 / self.primaries;
        if round == 0 { None } else { Some(NodeId((node.0 + round) % self.primaries)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use sim_core::Shape;

    #[test]
    fn all_problems_are_reported_at_once() {
        let options = ClusterOptions {
            primaries: 4,
            node_timeout: DurationText::millis(10),
            wait: 2,
            backlog: 0,
            ..ClusterOptions::default()
        };
        let keys: Vec<_> = options.validate(&Shape::plain(9)).unwrap_err().iter().map(|invalid| invalid.key).collect();
        assert_eq!(keys, ["node_timeout", "wait", "backlog"]);
        assert!(ClusterOptions { primaries: 0, ..ClusterOptions::default() }.validate(&Shape::plain(3)).is_err());
    }

    #[test]
    fn replicas_are_dealt_to_primaries_of_other_zones() {
        let config = ClusterOptions::default().validate(&Shape::plain(9)).unwrap();
        for node in 3..9 {
            let primary = config.primary_of(NodeId(node)).unwrap();
            assert!(primary.0 < 3 && primary.0 % 3 != node % 3, "n{}", node + 1);
        }
        let of = |primary| (3..9).filter(|node| config.primary_of(NodeId(*node)) == Some(NodeId(primary))).count();
        assert_eq!([of(0), of(1), of(2)], [2, 2, 2]);
    }
}
