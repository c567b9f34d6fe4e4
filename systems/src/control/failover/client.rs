//! The clients: generated load on the key-value store.

use super::node::Failover;
use crate::shared::kv::KvClient;
use sim_core::workload::Load;

/// A client of the replicated store.
pub type FailoverClient = KvClient<Failover>;

/// A client with this load.
#[must_use]
pub fn client(load: Load) -> FailoverClient {
    KvClient::new(load)
}
