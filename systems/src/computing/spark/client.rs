//! Clients: each runs applications, or asks how far they are.

use super::message::SparkRequest;
use super::node::Machine;
use super::program::Kind;
use sim_core::workload::{Generated, Load, Op, OperationKind};

/// What clients ask.
pub(super) const OPERATIONS: &[OperationKind] = &[
    OperationKind::read("status", "asks the driver how far it is"),
    OperationKind::write("submit", "hands in an application of no tasks: answered when the driver has taken it"),
    OperationKind::write("word_count", "counts every word of a text; answered when the counts are there"),
    OperationKind::write("k_means", "finds clusters of points: an action for each iteration"),
    OperationKind::write("page_rank", "ranks pages by their links: one action over all iterations"),
];

/// A client.
pub type SparkClient = Generated<Machine>;

fn request(op: &Op) -> SparkRequest {
    match op.kind {
        0 => SparkRequest::Status,
        1 => SparkRequest::Empty,
        2 => SparkRequest::Run(Kind::WordCount),
        3 => SparkRequest::Run(Kind::KMeans),
        _ => SparkRequest::Run(Kind::PageRank),
    }
}

/// A client with this load.
#[must_use]
pub fn client(load: Load) -> SparkClient {
    Generated::new(load, request)
}
