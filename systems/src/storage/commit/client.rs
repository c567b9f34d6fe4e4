//! The load: generated transactions.

use super::message::{CommitRequest, What};
use super::node::Machine;
use sim_core::workload::{Generated, Load, Op, OperationKind};

/// What clients ask.
pub(super) const OPERATIONS: &[OperationKind] = &[
    OperationKind::read("audit", "reads all accounts of the bank"),
    OperationKind::write("transfer", "moves money from one account to another"),
    OperationKind::read("lists", "reads lists"),
    OperationKind::write("append", "reads some lists and appends to others"),
    OperationKind::read("registers", "reads registers"),
    OperationKind::write("write", "reads some registers and writes others"),
    OperationKind::write("skew", "reads two lists and appends to one of them"),
    OperationKind::write("long", "as append, on many lists"),
    OperationKind::read("get", "reads one list"),
    OperationKind::write("put", "appends to one list"),
];

const WHATS: [What; 10] = [
    What::Audit,
    What::Transfer,
    What::Lists,
    What::Append,
    What::Registers,
    What::Write,
    What::Skew,
    What::Long,
    What::Get,
    What::Put,
];

/// A client.
pub type CommitClient = Generated<Machine>;

fn request(op: &Op) -> CommitRequest {
    let what = WHATS.get(usize::from(op.kind)).copied().unwrap_or(What::Append);
    CommitRequest { what, key: op.key, unique: op.unique }
}

/// Which of the operations a request is.
pub(super) fn kind(request: &CommitRequest) -> &'static OperationKind {
    &OPERATIONS[WHATS.iter().position(|what| *what == request.what).unwrap_or(0)]
}

/// A client with this load.
#[must_use]
pub fn client(load: Load) -> CommitClient {
    Generated::new(load, request)
}
