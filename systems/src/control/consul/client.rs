//! The applications at agents: generated operations.

use super::message::{Consistency, ConsulRequest};
use super::node::Machine;
use super::options::Config;
use sim_core::workload::{Generated, Load, Op, OperationKind};

/// What applications ask.
pub(super) const OPERATIONS: &[OperationKind] = &[
    OperationKind::read("get", "reads a key from the leader's own state"),
    OperationKind::read("consistent_get", "reads a key once a quorum has confirmed the leader"),
    OperationKind::read("stale_get", "reads a key from any server"),
    OperationKind::write("set", "sets a key"),
    OperationKind::write("cas", "reads a key and sets it if nobody else has changed it"),
    OperationKind::write("lock", "takes a lock, writes to the store if there is one, and lets it go"),
    OperationKind::read("call", "calls a service wherever the catalog says that it runs"),
    OperationKind::read("members", "asks the agent how many members are alive"),
    OperationKind::write("event", "says something that everybody shall know"),
    OperationKind::write("reload", "has the agent read its configuration anew: what a probe does without servers"),
];

/// An application at an agent.
pub type ConsulClient = Generated<Machine>;

fn request(op: &Op) -> ConsulRequest {
    let (key, value) = (op.key, op.unique);
    match op.kind {
        0 => ConsulRequest::Get { key, consistency: Consistency::Default },
        1 => ConsulRequest::Get { key, consistency: Consistency::Consistent },
        2 => ConsulRequest::Get { key, consistency: Consistency::Stale },
        3 => ConsulRequest::Set { key, value },
        4 => ConsulRequest::Cas { key, value },
        5 => ConsulRequest::Lock { lock: key },
        6 => ConsulRequest::Call { service: key },
        7 => ConsulRequest::Members,
        8 => ConsulRequest::Event { what: value },
        _ => ConsulRequest::Reload,
    }
}

/// Without servers there is nothing to get or to set: a probe asks the agent alone.
fn of_the_agent(op: &Op) -> ConsulRequest {
    match op.kind {
        0 => ConsulRequest::Members,
        3 => ConsulRequest::Reload,
        _ => request(op),
    }
}

/// A client with this load.
#[must_use]
pub fn client(config: &Config, load: Load) -> ConsulClient {
    Generated::new(load, if config.servers > 0 { request } else { of_the_agent })
}
