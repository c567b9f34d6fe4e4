//! Callers of services: generated requests, each to one of the services there are.

use super::message::KubeRequest;
use super::node::Machine;
use sim_core::workload::{Generated, Load, Op, OperationKind};

/// What callers ask.
pub(super) const OPERATIONS: &[OperationKind] = &[
    OperationKind::read("get", "asks a service for something, by way of any node"),
    OperationKind::write("post", "asks a service to change something, by way of any node"),
];

/// A caller.
pub type KubeClient = Generated<Machine>;

fn request(op: &Op) -> KubeRequest {
    match op.kind {
        0 => KubeRequest::Get { service: op.key },
        _ => KubeRequest::Post { service: op.key },
    }
}

/// A client with this load.
#[must_use]
pub fn client(load: Load) -> KubeClient {
    Generated::new(load, request)
}
