//! The clients: each operation asks for the owner of a key.

use super::node::Owner;
use sim_core::workload::Generated;

/// A client that looks keys up.
pub type PlacementClient = Generated<Owner>;
