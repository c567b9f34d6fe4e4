//! The programs that run at producers: generated operations.

use super::message::QueueRequest;
use super::node::Machine;
use sim_core::workload::{Generated, Load, Op, OperationKind};

/// What programs ask.
pub(super) const OPERATIONS: &[OperationKind] = &[
    OperationKind::write("send", "sends a message, and waits for the acknowledgement that the producer waits for"),
    OperationKind::read("end_offset", "asks the leader up to where consumers may read"),
];

/// A program at a producer.
pub type QueueClient = Generated<Machine>;

fn request(op: &Op) -> QueueRequest {
    match op.kind {
        0 => QueueRequest::Send { key: op.key, value: op.unique, bytes: op.size },
        _ => QueueRequest::End { key: op.key },
    }
}

/// A client with this load.
#[must_use]
pub fn client(load: Load) -> QueueClient {
    Generated::new(load, request)
}
