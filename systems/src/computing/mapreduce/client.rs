//! Clients: each runs jobs, or asks how far they are.

use super::message::MapReduceRequest;
use super::node::Machine;
use super::work::Kind;
use sim_core::workload::{Generated, Load, Op, OperationKind};

/// What clients ask.
pub(super) const OPERATIONS: &[OperationKind] = &[
    OperationKind::read("status", "asks the master how far it is"),
    OperationKind::write("submit", "hands in a job of no tasks: answered when the master has taken it"),
    OperationKind::write("word_count", "counts every word of the input; answered when the output is there"),
    OperationKind::write("index", "lists the lines in which each word of the input is"),
    OperationKind::write("sort", "sorts the records of the input"),
];

/// A client.
pub type MapReduceClient = Generated<Machine>;

fn request(op: &Op) -> MapReduceRequest {
    match op.kind {
        0 => MapReduceRequest::Status,
        1 => MapReduceRequest::Empty,
        2 => MapReduceRequest::Run(Kind::WordCount),
        3 => MapReduceRequest::Run(Kind::Index),
        _ => MapReduceRequest::Run(Kind::Sort),
    }
}

/// A client with this load.
#[must_use]
pub fn client(load: Load) -> MapReduceClient {
    Generated::new(load, request)
}
