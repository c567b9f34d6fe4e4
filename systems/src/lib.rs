//! The code under test: protocols without I/O, each a function from input to effects. Knows `sim_core` only.
//!
//! They are grouped as the field is taught: [`consensus`], [`storage`], [`communication`], [`control`], [`computing`];
//! [`shared`] is the floor they stand on.
//!
//! Every system has the same rooms: `mod.rs` says what it is and which papers it follows, `node.rs` is the participant,
//! `message.rs` what nodes send, `client.rs` the load, `checks.rs` the invariants, `bugs.rs` the published bugs that
//! can be switched on, `options.rs` the options, `system.rs` the registration.

pub mod communication;
pub mod computing;
pub mod consensus;
pub mod control;
#[cfg(test)]
mod digests;
pub mod shared;
pub mod storage;

use communication::{balancing::BalancingSystem, mesh::MeshSystem, queue::QueueSystem};
use computing::{mapreduce::MapReduceSystem, scheduling::SchedulingSystem, spark::SparkSystem};
use consensus::{paxos::PaxosSystem, raft::RaftSystem, synod::SynodSystem};
use control::{cluster::ClusterSystem, consul::ConsulSystem, failover::FailoverSystem, kubernetes::KubernetesSystem};
use storage::{
    chubby::ChubbySystem, commit::CommitSystem, hashing::HashingSystem, placement::PlacementSystem,
    redlock::RedlockSystem, zookeeper::ZooKeeperSystem,
};

/// Registers every system of this crate.
pub fn collect(registry: &mut impl sim_core::Collect) {
    registry.add::<BalancingSystem>();
    registry.add::<FailoverSystem>();
    registry.add::<HashingSystem>();
    registry.add::<ChubbySystem>();
    registry.add::<ClusterSystem>();
    registry.add::<CommitSystem>();
    registry.add::<ConsulSystem>();
    registry.add::<KubernetesSystem>();
    registry.add::<MapReduceSystem>();
    registry.add::<MeshSystem>();
    registry.add::<PaxosSystem>();
    registry.add::<SynodSystem>();
    registry.add::<PlacementSystem>();
    registry.add::<QueueSystem>();
    registry.add::<RaftSystem>();
    registry.add::<RedlockSystem>();
    registry.add::<SchedulingSystem>();
    registry.add::<SparkSystem>();
    registry.add::<ZooKeeperSystem>();
}
