//! The clients: generated load on the key-value store.

use super::node::Failover;
use crate::kv;
use sim_core::workload::{Generated, Load};

/// A client of the replicated store.
pub type FailoverClient = Generated<Failover>;

/// A client with this load.
#[must_use]
pub const fn client(load: Load) -> FailoverClient {
    Generated::new(load, kv::request)
}
