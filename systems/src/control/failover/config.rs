//! What a node is configured with: the options as meant, validated (see `system.rs` for the options as written), and
//! what a design promises with them.

use super::bugs::FailoverBug;
use super::detector::{Detector, FixedTimeout, Gaps, PhiAccrual, PhiConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{Duration, NodeId, NodeSet, node_ids};

/// When a write is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Once the primary has it on its disk; backups get it when they get it.
    Async,
    /// Once `acks` backups have it on their disks too, whichever.
    #[default]
    SemiSync,
    /// Once every backup that is in sync has it; one that lags leaves the set, and comes back when it has caught up.
    Sync,
}

/// Who decides which node is the primary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arbiter {
    /// Nobody: whoever does not hear the primary promotes itself.
    None,
    /// A majority of the nodes that hold data.
    Peers,
    /// A majority of those and of the last node, which votes and holds no data.
    #[default]
    Witness,
    /// The last `arbiters` nodes, which keep the seat of the primary in a Raft of their own.
    Quorum,
}

/// Which backup follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Promote {
    /// The one with the most advanced log of those that can be reached, and only if no acknowledged write can be
    /// missing.
    #[default]
    MostAdvanced,
    /// The first that notices, whatever its log holds.
    First,
}

/// How a silent primary is taken for dead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Suspicion {
    /// After a fixed time.
    #[default]
    Timeout,
    /// When so long a silence is improbable by the gaps between heartbeats seen so far (phi accrual).
    Phi,
    /// When neither it nor anybody it asks gets an answer to a probe, and nobody objects in time (SWIM).
    Swim,
}

/// Where the data is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Storage {
    /// On every node that may lead.
    #[default]
    Replicated,
    /// On the last node, which all others write to: a shared disk.
    Shared,
}

/// How clients find the new primary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Redirect {
    /// Any node tells them.
    #[default]
    Hints,
    /// They use one address, which moves to the new primary after `address_delay`.
    VirtualIp,
    /// Each asks a directory every `discovery_interval`.
    Discovery,
}

/// Gaps between heartbeats that phi accrual remembers (Hayashibara et al. 2004, section 5.1).
const WINDOW: usize = 1000;
/// The most improbable silence that may be waited for: doubles end at phi 300.
pub const MOST_PHI: u32 = 100;

/// The configuration all nodes of one cluster share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// How many nodes there are, those without data included.
    pub nodes: u32,
    /// When a write is acknowledged.
    pub mode: Mode,
    /// Backups that must have a write on disk, in [`Mode::SemiSync`].
    pub acks: u32,
    /// How far a backup may lag, in time, before it is out of sync ([`Mode::Sync`]).
    pub lag: Duration,
    /// Copies, the primary's included, without which no write is accepted ([`Mode::Sync`]).
    pub min_in_sync: u32,
    /// Where the data is.
    pub storage: Storage,
    /// Who decides.
    pub arbiter: Arbiter,
    /// Nodes of the arbiter's Raft ([`Arbiter::Quorum`]).
    pub arbiters: u32,
    /// How often a primary is heard from.
    pub heartbeat: Duration,
    /// How long it may be silent.
    pub failure_timeout: Duration,
    /// How it is taken for dead.
    pub detector: Suspicion,
    /// With [`Suspicion::Phi`]: a silence of probability ten to the minus this is a death.
    pub phi_threshold: u32,
    /// How often each node probes another, with [`Suspicion::Swim`]: the protocol period.
    pub probe_interval: Duration,
    /// How long an answer may take before others are asked to probe.
    pub probe_timeout: Duration,
    /// How many others are asked.
    pub indirect_probes: u32,
    /// How long a suspect has to object; zero for a death without suspicion.
    pub suspicion_time: Duration,
    /// How long a primary may lead after it was last confirmed, and nobody else may be voted for.
    pub lease: Duration,
    /// Worst honest clock drift, in parts per million: what leases rest on.
    pub drift_ppm: u32,
    /// Whether a primary that is not confirmed in time stops by itself.
    pub fencing: bool,
    /// Which backup follows.
    pub promote: Promote,
    /// How clients find it.
    pub redirect: Redirect,
    /// How long the address takes to move ([`Redirect::VirtualIp`]).
    pub address_delay: Duration,
    /// How often clients ask the directory ([`Redirect::Discovery`]).
    pub discovery_interval: Duration,
    /// Whether backups answer reads from what they know to be committed.
    pub backup_reads: bool,
    /// Whether the first node gets the lead back.
    pub fail_back: bool,
    /// How long it must have been a backup in good order before that.
    pub fail_back_after: Duration,
    /// The shortest time between two fail-overs that nobody asked for.
    pub min_between: Duration,
    /// Entries applied between snapshots; 0 never takes one.
    pub snapshot_every: u64,
    /// Entries kept in the log behind a snapshot.
    pub snapshot_keep: u64,
    /// Entries in one message at most.
    pub max_batch: u32,
    /// A known bug to re-introduce.
    pub bug: FailoverBug,
}

impl Config {
    /// What a backup watches its primary with.
    #[must_use]
    pub fn watch(&self) -> Detector {
        match self.detector {
            Suspicion::Timeout => Detector::Timeout(FixedTimeout::new(self.failure_timeout)),
            Suspicion::Phi => Detector::Phi(PhiAccrual::new(PhiConfig {
                gaps: Gaps::Normal,
                threshold_milli: self.phi_threshold * 1000,
                window: WINDOW,
                first_gap: self.heartbeat,
                // As in Akka, whose heartbeats of a second deviate by a tenth of that at least.
                min_deviation: Duration(self.heartbeat.0 / 10),
                // One lost heartbeat is nothing unusual.
                pause: self.heartbeat,
            })),
            // What it hears itself, beside what SWIM finds: see `probing.rs`.
            Suspicion::Swim => Detector::Timeout(FixedTimeout::new(self.heartbeat.times(2))),
        }
    }

    /// The defaults for a cluster of `nodes`.
    #[must_use]
    pub const fn new(nodes: u32) -> Self {
        Self {
            nodes,
            mode: Mode::SemiSync,
            acks: 1,
            lag: Duration::millis(500),
            min_in_sync: 1,
            storage: Storage::Replicated,
            arbiter: Arbiter::Witness,
            arbiters: 3,
            heartbeat: Duration::millis(100),
            failure_timeout: Duration::millis(500),
            detector: Suspicion::Timeout,
            phi_threshold: 8,
            probe_interval: Duration::millis(100),
            probe_timeout: Duration::millis(50),
            indirect_probes: 3,
            suspicion_time: Duration::millis(300),
            lease: Duration::millis(500),
            drift_ppm: 0,
            fencing: true,
            promote: Promote::MostAdvanced,
            redirect: Redirect::Hints,
            address_delay: Duration::millis(500),
            discovery_interval: Duration::secs(1),
            backup_reads: false,
            fail_back: false,
            fail_back_after: Duration::secs(10),
            min_between: Duration::ZERO,
            snapshot_every: 10_000,
            snapshot_keep: 1_000,
            max_batch: 256,
            bug: FailoverBug::None,
        }
    }

    /// How many of the last nodes hold no data.
    #[must_use]
    pub const fn without_data(&self) -> u32 {
        let arbiters = match self.arbiter {
            Arbiter::None | Arbiter::Peers => 0,
            Arbiter::Witness => 1,
            Arbiter::Quorum => self.arbiters,
        };
        arbiters + if self.is_shared() { 1 } else { 0 }
    }

    /// Whether the data is on a storage that all share.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        matches!(self.storage, Storage::Shared)
    }

    /// The shared storage, the last node.
    #[must_use]
    pub const fn storage_node(&self) -> Option<NodeId> {
        if self.is_shared() { Some(NodeId(self.nodes - 1)) } else { None }
    }

    /// How many nodes, the first ones, may lead; unless the storage is shared, they hold the data.
    #[must_use]
    pub const fn data(&self) -> u32 {
        self.nodes.saturating_sub(self.without_data())
    }

    /// Whether `node` may lead.
    #[must_use]
    pub const fn holds_data(&self, node: NodeId) -> bool {
        node.0 < self.data()
    }

    /// The nodes that may lead.
    #[must_use]
    pub const fn data_nodes(&self) -> NodeSet {
        NodeSet::first(self.data() as usize)
    }

    /// Those who vote on who leads.
    #[must_use]
    pub const fn voters(&self) -> NodeSet {
        match self.arbiter {
            Arbiter::None | Arbiter::Quorum => NodeSet::EMPTY,
            Arbiter::Peers => self.data_nodes(),
            Arbiter::Witness => NodeSet::first(self.data() as usize + 1),
        }
    }

    /// Those a primary sends heartbeats to, itself included.
    #[must_use]
    pub const fn listeners(&self) -> NodeSet {
        self.data_nodes().union(self.voters())
    }

    /// The nodes of the arbiter's Raft.
    pub fn arbiter_nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        let (first, raft) = (self.data(), self.arbiter == Arbiter::Quorum);
        let end = first + self.arbiters;
        node_ids(self.nodes as usize).filter(move |node| raft && (first..end).contains(&node.0))
    }

    /// Votes that make a primary: more than half of all.
    #[must_use]
    pub(super) fn majority(&self) -> usize {
        if self.has(FailoverBug::QuorumOfOne) { 1 } else { self.voters().len() / 2 + 1 }
    }

    /// Logs that must have been looked at before anybody follows: so many that one of them holds every acknowledged
    /// write.
    #[must_use]
    pub(super) const fn logs_needed(&self) -> usize {
        if self.is_shared() {
            return 1;
        }
        match (self.mode, self.promote, self.arbiter) {
            (_, _, Arbiter::None) => 1,
            (Mode::SemiSync, Promote::MostAdvanced, _) => self.data().saturating_sub(self.acks) as usize,
            _ => 1,
        }
    }

    /// Whether no acknowledged write may ever be lost, as long as disks keep what they have synced.
    #[must_use]
    pub fn keeps(&self) -> bool {
        if self.is_shared() {
            // Nobody but the newest primary can write.
            return self.fencing;
        }
        let copies = match self.mode {
            Mode::Async => false,
            // Whoever promotes itself holds all that was acknowledged, because everybody must.
            Mode::SemiSync => self.arbiter != Arbiter::None || self.data() == self.acks + 1,
            Mode::Sync => self.arbiter != Arbiter::None,
        };
        copies && self.promote == Promote::MostAdvanced
    }

    /// Whether no two nodes may ever accept writes at once, as long as clocks drift no more than they may.
    #[must_use]
    pub fn excludes(&self) -> bool {
        self.fencing && self.arbiter != Arbiter::None
    }

    /// How long a primary may trust its lease, on its own clock, from when it asked for it: its clock may be as slow,
    /// and the others' as fast, as clocks may be.
    #[must_use]
    pub(super) const fn lease_held(&self) -> Duration {
        const MILLION: u128 = 1_000_000;
        let drift = self.drift_ppm as u128;
        Duration((self.lease.0 as u128 * MILLION.saturating_sub(drift) / (MILLION + drift)) as u64)
    }

    /// Whether this known bug is switched on.
    #[inline]
    #[must_use]
    pub(super) fn has(&self, bug: FailoverBug) -> bool {
        self.bug == bug
    }
}
