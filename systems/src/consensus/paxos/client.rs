//! The clients: generated load on the key-value store.

use super::node::Paxos;
use crate::shared::kv::{Kv, KvClient};
use sim_core::workload::Load;

/// A client of the replicated key-value store.
pub type PaxosClient = KvClient<Paxos<Kv>>;

/// A client with this load.
#[must_use]
pub fn client(load: Load) -> PaxosClient {
    KvClient::new(load)
}
