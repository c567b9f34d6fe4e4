//! Queues as a part of the report.

use serde::Serialize;

/// Lengths of queues in the samples of the measured window: what was between two of them is not seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Queues {
    /// The longest of any node.
    pub max: u64,
    /// The mean over nodes and samples.
    pub mean: f64,
    /// The 99th percentile over nodes and samples.
    pub p99: u64,
    /// One entry a node that has a share in the load.
    pub per_node: Vec<NodeQueue>,
}

/// One node's queue.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct NodeQueue {
    /// Its name.
    pub node: String,
    /// The longest sample.
    pub max: u64,
    /// Their mean.
    pub mean: f64,
    /// Their 99th percentile.
    pub p99: u64,
}
