//! The clients: generated load.

use super::message::MeshRequest;
use super::node::Machine;
use sim_core::workload::{Generated, Load, Op, OperationKind};

/// What clients ask.
pub(super) const OPERATIONS: &[OperationKind] = &[
    OperationKind::read("read", "asks the first service for something; caches on the way may answer"),
    OperationKind::write("write", "asks it to change something; an edge queues that"),
];

/// A client of the mesh.
pub type MeshClient = Generated<Machine>;

fn request(op: &Op) -> MeshRequest {
    MeshRequest { key: op.key, write: op.kind == 1, unique: op.unique }
}

/// A client with this load.
#[must_use]
pub fn client(load: Load) -> MeshClient {
    Generated::new(load, request)
}
