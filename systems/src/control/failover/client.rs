//! The clients: generated load on the key-value store.

use super::node::Failover;
use crate::shared::kv::KvClient;

/// A client of the replicated store.
pub type FailoverClient = KvClient<Failover>;
