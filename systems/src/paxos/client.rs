//! The clients: generated load on the key-value store.

use super::node::Paxos;
use crate::kv::{self, Kv};
use sim_core::workload::{Generated, Load};

/// A client of the replicated key-value store.
pub type PaxosClient = Generated<Paxos<Kv>>;

/// A client with this load.
#[must_use]
pub const fn client(load: Load) -> PaxosClient {
    Generated::new(load, kv::request)
}
