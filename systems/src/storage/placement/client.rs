//! The clients: each operation asks for the owner of a key.

use super::message::Lookup;
use super::node::Owner;
use sim_core::workload::{Generated, Load};

/// A client that looks keys up.
pub type PlacementClient = Generated<Owner>;

/// A client with this load.
#[must_use]
pub fn client(load: Load) -> PlacementClient {
    Generated::new(load, |op| Lookup { key: op.key })
}
