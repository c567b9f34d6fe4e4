//! The clients: each operation proposes a value of its own.

use super::node::Synod;
use sim_core::workload::{Generated, Load};

/// A client that proposes.
pub type SynodClient = Generated<Synod>;

/// A client with this load.
#[must_use]
pub fn client(load: Load) -> SynodClient {
    Generated::new(load, |op| op.unique)
}
