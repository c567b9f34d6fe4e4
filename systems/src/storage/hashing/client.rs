//! The clients: generated load on a key-value store.

use super::node::Machine;
use crate::shared::kv;
use sim_core::workload::{Generated, Load};

/// A client of the store.
pub type HashingClient = Generated<Machine>;

/// A client with this load.
#[must_use]
pub const fn client(load: Load) -> HashingClient {
    Generated::new(load, kv::request)
}
