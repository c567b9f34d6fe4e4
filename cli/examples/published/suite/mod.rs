//! The figures that papers publish, each measured by runs of real scenario files and held to a band.
//!
//! A section is a function from a [`Lab`] to [`Findings`]; adding a figure is adding a row.

pub mod availability;
pub mod commit;
pub mod computing;
pub mod consul;
pub mod coordination;
pub mod downtime;
pub mod hashing;
pub mod kubernetes;
pub mod lab;
pub mod mesh;
pub mod paxos;
pub mod queues;
pub mod raft;
pub mod real;
pub mod replicated_log;
pub mod row;
pub mod scheduling;
pub mod stats;
pub mod transports;
pub mod validation;

use lab::Lab;
use row::Findings;

/// What one section measures.
pub type Section = fn(&Lab) -> Result<Findings, String>;

/// Every section: its number, its name, and what measures it.
pub const SECTIONS: &[(u32, &str, Section)] = &[
    (1, "Raft: downtime after a leader failure", downtime::rows),
    (2, "Raft: exact laws", raft::rows),
    (3, "Paxos: exact laws", paxos::rows),
    (4, "Consistent hashing", hashing::rows),
    (5, "Load balancing and queues", queues::rows),
    (6, "Availability", availability::rows),
    (7, "Beside the real thing", real::rows),
    (8, "Gossip: SWIM's laws", consul::rows),
    (9, "Coordination: ZooKeeper and Chubby", coordination::rows),
    (10, "Kubernetes: nodes that die", kubernetes::rows),
    (11, "Atomic commit: messages and blocking", commit::rows),
    (12, "Batch work: MapReduce and Spark", computing::rows),
    (13, "Task scheduling: queues, lists and places", scheduling::rows),
    (14, "Transports: UDP and hosted TCP", transports::rows),
    (15, "Replicated log: Kafka's time-outs", replicated_log::rows),
    (16, "Service mesh: retries, series, tails", mesh::rows),
];
