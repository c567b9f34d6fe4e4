//! The code under test: protocols without I/O, each a function from input to effects. Knows `sim_core` only.
//!
//! Every system has the same rooms: `mod.rs` says what it is and which papers it follows, `node.rs` is the participant,
//! `message.rs` what nodes send, `client.rs` the load, `checks.rs` the invariants, `bugs.rs` the published bugs that can
//! be switched on, `system.rs` the options and the registration.

pub mod balancing;
mod catalogue;
#[cfg(test)]
mod contents;
pub mod failover;
pub mod hashing;
pub mod kv;
mod number;
pub mod paxos;
pub mod placement;
pub mod raft;
pub mod replication;

/// Registers every system of this crate.
pub fn collect(registry: &mut impl sim_core::Collect) {
    registry.add::<balancing::BalancingSystem>();
    registry.add::<failover::FailoverSystem>();
    registry.add::<hashing::HashingSystem>();
    registry.add::<failover::cluster::ClusterSystem>();
    registry.add::<paxos::PaxosSystem>();
    registry.add::<paxos::SynodSystem>();
    registry.add::<placement::PlacementSystem>();
    registry.add::<raft::RaftSystem>();
}
