//! The programs that run at applications: generated operations.

use super::message::RedlockRequest;
use super::node::Machine;
use sim_core::workload::{Generated, Load, Op, OperationKind};

/// What programs ask.
pub(super) const OPERATIONS: &[OperationKind] = &[
    OperationKind::read("look", "asks a majority of instances whether a lock is taken"),
    OperationKind::write("touch", "takes a lock if it is free, and lets it go at once"),
    OperationKind::write("lock", "takes a lock, writes to the store if there is one, and lets it go"),
];

/// A program at an application.
pub type RedlockClient = Generated<Machine>;

fn request(op: &Op) -> RedlockRequest {
    let lock = op.key;
    match op.kind {
        0 => RedlockRequest::Look { lock },
        1 => RedlockRequest::Touch { lock },
        _ => RedlockRequest::Lock { lock },
    }
}

/// A client with this load.
#[must_use]
pub fn client(load: Load) -> RedlockClient {
    Generated::new(load, request)
}
