//! The clients: generated load on the key-value store.

use super::node::Raft;
use crate::shared::kv::{Kv, KvClient};
use sim_core::workload::Load;

/// A client of the replicated key-value store.
pub type RaftClient = KvClient<Raft<Kv>>;

/// A client with this load.
#[must_use]
pub fn client(load: Load) -> RaftClient {
    KvClient::new(load)
}
