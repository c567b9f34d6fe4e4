//! The clients: generated load, one piece of work an operation.

use super::node::Machine;
use sim_core::workload::Generated;

/// A client of the balancers.
pub type BalancingClient = Generated<Machine>;
