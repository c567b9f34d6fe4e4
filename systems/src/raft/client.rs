//! The clients: generated load on the key-value store.

use super::node::Raft;
use crate::kv::{self, Kv};
use sim_core::workload::{Generated, Load};

/// A client of the replicated key-value store.
pub type RaftClient = Generated<Raft<Kv>>;

/// A client with this load.
#[must_use]
pub const fn client(load: Load) -> RaftClient {
    Generated::new(load, kv::request)
}
