//! What a Paxos node is configured with: the options as meant, validated (see `system.rs` for the options as written).

use super::bugs::PaxosBug;
use sim_core::Duration;

/// The configuration all nodes of one cluster share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// How many replicas there are: each is proposer, acceptor and learner.
    pub nodes: u32,
    /// Acceptors whose promises a new leader needs (phase 1).
    pub q1: u32,
    /// Acceptors that must accept a value for it to be chosen (phase 2). `q1 + q2 > nodes`.
    pub q2: u32,
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
            q1: nodes / 2 + 1,
            q2: nodes / 2 + 1,
            election_min: Duration::millis(150),
            election_max: Duration::millis(300),
            heartbeat: Duration::millis(50),
            check_quorum: true,
            back_off: true,
            leases: false,
            drift_ppm: 0,
            snapshot_every: 10_000,
            snapshot_keep: 1_000,
            snapshot_chunk: 256 << 10,
            max_batch: 64 << 10,
            pipeline: 4,
            bug: PaxosBug::None,
        }
    }

    /// Promises that make a leader.
    pub(super) fn phase_one(&self) -> u32 {
        if self.has(PaxosBug::QuorumsDoNotMeet) { (self.nodes - self.q2).max(1) } else { self.q1 }
    }

    /// Acceptors that choose a value, confirm a read and grant a lease.
    pub(super) const fn phase_two(&self) -> u32 {
        self.q2
    }

    /// Other replicas that a replica with a wiped disk must have asked: enough to meet every quorum that it may have been
    /// part of, itself not counted.
    pub(super) const fn rejoin(&self) -> u32 {
        let smaller = if self.q1 < self.q2 { self.q1 } else { self.q2 };
        self.nodes - smaller + 1
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
