//! The clients: generated load on a key-value store.

use super::node::Machine;
use sim_core::workload::Generated;

/// A client of the store.
pub type HashingClient = Generated<Machine>;
