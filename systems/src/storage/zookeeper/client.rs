//! The programs that run at applications: generated operations.

use super::message::ZkRequest;
use super::node::Machine;
use sim_core::workload::{Generated, Load, Op, OperationKind};

/// What programs ask.
pub(super) const OPERATIONS: &[OperationKind] = &[
    OperationKind::read("get", "reads a key at the server that the application is at"),
    OperationKind::read("synced_get", "reads a key after `sync`"),
    OperationKind::write("set", "sets a key"),
    OperationKind::write("cas", "reads a key and sets it if its version is still the same"),
    OperationKind::write("pair", "sets two keys, both or neither"),
    OperationKind::write("lock", "takes a lock, holds it for a while and lets it go"),
    OperationKind::write("configure", "sets the configuration that every application watches"),
    OperationKind::write("elect", "stands for election, leads for a while and resigns"),
    OperationKind::write("meet", "works for a while between the doors of a double barrier"),
];

/// A program at an application.
pub type ZkClient = Generated<Machine>;

fn request(op: &Op) -> ZkRequest {
    let (key, value) = (op.key, op.unique);
    match op.kind {
        0 => ZkRequest::Get { key },
        1 => ZkRequest::SyncedGet { key },
        2 => ZkRequest::Set { key, value },
        3 => ZkRequest::Cas { key, value },
        4 => ZkRequest::Pair { key, value },
        5 => ZkRequest::Lock { lock: key },
        6 => ZkRequest::Configure { value },
        7 => ZkRequest::Elect,
        _ => ZkRequest::Meet { barrier: key },
    }
}

/// A client with this load.
#[must_use]
pub fn client(load: Load) -> ZkClient {
    Generated::new(load, request)
}
