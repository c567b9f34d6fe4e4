//! The programs that run at applications: generated operations.

use super::database::Mode;
use super::message::ChubbyRequest;
use super::node::Machine;
use sim_core::workload::{Generated, Load, Op, OperationKind};

/// What programs ask.
pub(super) const OPERATIONS: &[OperationKind] = &[
    OperationKind::read("get", "reads a file, from the cache if it is there"),
    OperationKind::write("set", "writes a file"),
    OperationKind::write("lock", "takes a lock alone, writes to the store if there is one, and lets it go"),
    OperationKind::write("share", "takes a lock beside others, and lets it go"),
    OperationKind::write("appear", "makes an ephemeral file and keeps it open for a while"),
];

/// A program at an application.
pub type ChubbyClient = Generated<Machine>;

fn request(op: &Op) -> ChubbyRequest {
    let (key, value) = (op.key, op.unique);
    match op.kind {
        0 => ChubbyRequest::Get { key },
        1 => ChubbyRequest::Set { key, value },
        2 => ChubbyRequest::Lock { lock: key, mode: Mode::Exclusive },
        3 => ChubbyRequest::Lock { lock: key, mode: Mode::Shared },
        _ => ChubbyRequest::Appear,
    }
}

/// A client with this load.
#[must_use]
pub fn client(load: Load) -> ChubbyClient {
    Generated::new(load, request)
}
