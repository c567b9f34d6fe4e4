//! The clients: each operation proposes a value of its own.

use super::node::Synod;
use sim_core::workload::Generated;

/// A client that proposes.
pub type SynodClient = Generated<Synod>;
