//! The clients: generated load, one piece of work an operation.

use super::message::Work;
use super::node::Machine;
use sim_core::workload::{Generated, Load, Verb};

/// A client of the balancers.
pub type BalancingClient = Generated<Machine>;

/// A client with this load.
#[must_use]
pub const fn client(load: Load) -> BalancingClient {
    Generated::new(load, |op| Work { key: op.key, write: op.verb != Verb::Get })
}
