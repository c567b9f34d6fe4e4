//! What a Raft node is configured with: the options as meant, validated (see `system.rs` for the options as written).

use super::bugs::RaftBug;
use super::configuration::Configuration;
use super::priorities::Priorities;
use crate::shared::replication::LeaderDisk;
use sim_core::{Duration, NodeSet};

/// The configuration all nodes of one cluster share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// How many nodes there are, spares included.
    pub nodes: u32,
    /// How many of them vote at first. The others wait to be added, or have nothing to do with this Raft.
    pub members: u32,
    /// The first of those who vote at first.
    pub first: u32,
    /// Whether the voters are replaced all at once, through a joint configuration (dissertation 4.3), or one by one
    /// (4.1).
    pub joint: bool,
    /// How many rounds of replication a new server has to catch up (4.2.1).
    pub catch_up_rounds: u32,
    /// The shortest election timeout. Followers that heard from a leader more recently do not help to replace it.
    pub election_min: Duration,
    /// The longest election timeout.
    pub election_max: Duration,
    /// How often a leader is heard from at least.
    pub heartbeat: Duration,
    /// In which steps a node waits, if not by timers.
    pub tick: Option<Duration>,
    /// Whether a node asks around before it disturbs anyone with a new term (dissertation 9.6).
    pub pre_vote: bool,
    /// Whether a leader that does not hear from a quorum steps down, and voters are loyal to a live leader (6.2,
    /// 4.2.3).
    pub check_quorum: bool,
    /// Whether the leader reads from its own state under a lease of `election_min`, rather than asking a quorum
    /// (6.4.1).
    pub leases: bool,
    /// Whether followers answer reads, once they have asked their leader how far they must have got (6.4).
    pub follower_reads: bool,
    /// Which waits for which: the leader's own write, or its messages.
    pub leader_disk: LeaderDisk,
    /// A leader whose write is not durable for so long steps down. Looked at with every heartbeat.
    pub disk_timeout: Option<Duration>,
    /// Worst honest clock drift, in parts per million: what leases rest on.
    pub drift_ppm: u32,
    /// Entries applied between snapshots; 0 never takes one.
    pub snapshot_every: u64,
    /// Entries kept in the log behind a snapshot, for followers that lag a little.
    pub snapshot_keep: u64,
    /// Bytes of a snapshot in one message.
    pub snapshot_chunk: u32,
    /// Bytes of entries in one message.
    pub max_batch: u32,
    /// Messages with entries on the way to one follower.
    pub max_inflight: u32,
    /// Bytes of entries on the way to one follower.
    pub max_inflight_bytes: u64,
    /// Uncommitted batches before the leader lets requests gather for the next one.
    pub pipeline: u32,
    /// Who should lead rather than others.
    pub priorities: Priorities,
    /// A known bug to re-introduce.
    pub bug: RaftBug,
}

impl Config {
    /// The defaults for a cluster of `nodes`.
    #[must_use]
    pub const fn new(nodes: u32) -> Self {
        Self {
            nodes,
            members: nodes,
            first: 0,
            joint: true,
            catch_up_rounds: 10,
            election_min: Duration::millis(150),
            election_max: Duration::millis(300),
            heartbeat: Duration::millis(50),
            tick: None,
            pre_vote: true,
            check_quorum: true,
            leases: false,
            follower_reads: false,
            leader_disk: LeaderDisk::Parallel,
            disk_timeout: None,
            drift_ppm: 0,
            snapshot_every: 10_000,
            snapshot_keep: 1_000,
            snapshot_chunk: 256 << 10,
            max_batch: 64 << 10,
            max_inflight: 64,
            max_inflight_bytes: 4 << 20,
            pipeline: 4,
            priorities: Priorities::EQUAL,
            bug: RaftBug::None,
        }
    }

    /// Those who vote at first.
    #[must_use]
    pub(super) const fn first_voters(&self) -> NodeSet {
        NodeSet::first((self.first + self.members) as usize).minus(NodeSet::first(self.first as usize))
    }

    /// How many of `voters` are a majority: more than half.
    #[must_use]
    pub(super) fn majority(&self, voters: usize) -> usize {
        if self.has(RaftBug::QuorumHalf) { voters.div_ceil(2).max(1) } else { voters / 2 + 1 }
    }

    /// Whether `nodes` can decide something under a configuration, with so many votes more than nodes.
    #[must_use]
    pub(super) fn decides(&self, configuration: &Configuration, nodes: NodeSet, surplus: usize) -> bool {
        let of = |voters: NodeSet| nodes.common(voters).len() + surplus >= self.majority(voters.len());
        of(configuration.voters) && (!configuration.is_joint() || of(configuration.outgoing))
    }

    /// How long a leader may trust a lease, on its own clock, from when it asked for it: its clock may be as slow, and
    /// the voters' as fast, as clocks may be.
    pub(super) const fn lease(&self) -> Duration {
        const MILLION: u128 = 1_000_000;
        let drift = self.drift_ppm as u128;
        Duration((self.election_min.0 as u128 * MILLION.saturating_sub(drift) / (MILLION + drift)) as u64)
    }

    /// Whether this known bug is switched on.
    #[inline]
    #[must_use]
    pub(super) fn has(&self, bug: RaftBug) -> bool {
        self.bug == bug
    }
}
