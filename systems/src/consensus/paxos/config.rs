//! What a Paxos node is configured with: the options as meant, validated (see `system.rs` for the options as written).

use super::bugs::PaxosBug;
use crate::shared::replication::LeaderDisk;
use sim_core::{Duration, NodeSet};

/// The configuration all nodes of one cluster share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// How many replicas the cluster begins with: each is proposer, acceptor and learner.
    pub nodes: u32,
    /// How many more machines run, until an operator makes them replicas.
    pub spares: u32,
    /// Acceptors whose promises a new leader needs (phase 1), while there are as many replicas as in the beginning.
    pub q1: u32,
    /// Acceptors that must accept a value for it to be chosen (phase 2), likewise. `q1 + q2 > nodes`.
    pub q2: u32,
    /// A configuration chosen in some slot governs the slots from so many later on; so many may be open at a time.
    pub alpha: u32,
    /// The shortest time a follower waits for its leader. Acceptors that heard from one more recently do not help to
    /// replace it.
    pub election_min: Duration,
    /// The longest.
    pub election_max: Duration,
    /// How often a leader is heard from.
    pub heartbeat: Duration,
    /// Whether a leader that does not hear from a quorum steps down, and acceptors are loyal to a live leader.
    pub check_quorum: bool,
    /// Whether every failed attempt to lead doubles the time before the next.
    pub back_off: bool,
    /// Whether the leader reads from its own state under a lease of `election_min`, rather than asking a quorum.
    pub leases: bool,
    /// Which waits for which: the leader's own write, or its messages.
    pub leader_disk: LeaderDisk,
    /// A leader whose write is not durable for so long steps down. Looked at with every heartbeat.
    pub disk_timeout: Option<Duration>,
    /// Worst honest clock drift, in parts per million: what leases rest on.
    pub drift_ppm: u32,
    /// Slots applied between snapshots; 0 never takes one.
    pub snapshot_every: u64,
    /// Slots kept in the log behind a snapshot, for replicas that lag a little.
    pub snapshot_keep: u64,
    /// Bytes of a snapshot in one message.
    pub snapshot_chunk: u32,
    /// Bytes of entries in one message.
    pub max_batch: u32,
    /// Batches that are not chosen yet before the leader lets requests gather for the next one.
    pub pipeline: u32,
    /// A known bug to re-introduce.
    pub bug: PaxosBug,
}

impl Config {
    /// The defaults for a cluster of `nodes`.
    #[must_use]
    pub const fn new(nodes: u32) -> Self {
        Self {
            nodes,
            spares: 0,
            q1: nodes / 2 + 1,
            q2: nodes / 2 + 1,
            alpha: 1_000,
            election_min: Duration::millis(150),
            election_max: Duration::millis(300),
            heartbeat: Duration::millis(50),
            check_quorum: true,
            back_off: true,
            leases: false,
            leader_disk: LeaderDisk::Parallel,
            disk_timeout: None,
            drift_ppm: 0,
            snapshot_every: 10_000,
            snapshot_keep: 1_000,
            snapshot_chunk: 256 << 10,
            max_batch: 64 << 10,
            pipeline: 4,
            bug: PaxosBug::None,
        }
    }

    /// All machines: replicas and spares.
    pub(super) const fn machines(&self) -> u32 {
        self.nodes + self.spares
    }

    /// From how many slots later on a configuration governs.
    pub(super) const fn alpha(&self) -> u64 {
        self.alpha as u64
    }

    /// Sizes of the quorums of a configuration: majorities stay majorities; otherwise the smaller one stays what it is,
    /// or becomes a majority, and the other one meets it as before.
    const fn quorums(&self, members: NodeSet) -> (u32, u32) {
        let (n, majority) = (members.len() as u32, self.nodes / 2 + 1);
        if n == self.nodes {
            return (self.q1, self.q2);
        }
        if self.q1 == majority && self.q2 == majority {
            return (n / 2 + 1, n / 2 + 1);
        }
        let smaller = if self.q1 < self.q2 { self.q1 } else { self.q2 };
        let smaller = if smaller < n / 2 + 1 { smaller } else { n / 2 + 1 };
        let larger = n + self.q1 + self.q2 - self.nodes - smaller;
        let larger = if larger < n { larger } else { n };
        if self.q1 < self.q2 { (smaller, larger) } else { (larger, smaller) }
    }

    /// Promises of these acceptors that make a leader.
    pub(super) fn phase_one(&self, members: NodeSet) -> u32 {
        let (q1, q2) = self.quorums(members);
        if self.has(PaxosBug::QuorumsDoNotMeet) { (members.len() as u32 - q2).max(1) } else { q1 }
    }

    /// How many of these acceptors choose a value, confirm a read and grant a lease.
    #[inline]
    pub(super) const fn phase_two(&self, members: NodeSet) -> u32 {
        self.quorums(members).1
    }

    /// How many of these acceptors, itself not counted, a replica with a wiped disk must have asked: enough to meet
    /// every quorum that it may have been part of.
    pub(super) const fn rejoin(&self, members: NodeSet) -> u32 {
        let (q1, q2) = self.quorums(members);
        let smaller = if q1 < q2 { q1 } else { q2 };
        members.len() as u32 - smaller + 1
    }

    /// How long a leader may trust a lease, on its own clock, from when it asked for it: both clocks may be wrong.
    pub(super) const fn lease(&self) -> Duration {
        let ns = self.election_min.0;
        Duration(ns - (ns / 1_000_000 + 1) * 2 * self.drift_ppm as u64)
    }

    /// Whether this known bug is switched on.
    #[inline]
    #[must_use]
    pub(super) fn has(&self, bug: PaxosBug) -> bool {
        self.bug == bug
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quorums_of_every_configuration_meet() {
        for nodes in 1..=6 {
            for (q1, q2) in (1..=nodes).flat_map(|q1| (nodes + 1 - q1..=nodes).map(move |q2| (q1, q2))) {
                let config = Config { q1, q2, ..Config::new(nodes) };
                for n in 1..=8 {
                    let (p1, p2) = config.quorums(NodeSet::first(n as usize));
                    assert!(p1 + p2 > n && p1 <= n && p2 <= n, "({q1}, {q2}) of {nodes}: ({p1}, {p2}) of {n}");
                    assert!(n < 3 || nodes < 3 || q1.min(q2) < 2 || p1.min(p2) >= 2, "({p1}, {p2}) of {n}");
                }
            }
        }
        let three = Config { q1: 4, q2: 2, ..Config::new(5) };
        assert_eq!([3, 4, 5, 7].map(|n| three.quorums(NodeSet::first(n))), [(2, 2), (3, 2), (4, 2), (6, 2)]);
        assert_eq!([3, 4, 7].map(|n| Config::new(5).quorums(NodeSet::first(n))), [(2, 2), (3, 3), (4, 4)]);
    }
}
