//! What may be written in `[system]`, the configuration of a node that is made of it, and what a design promises with
//! it.

use super::bugs::FailoverBug;
use super::detector::{Detector, FixedTimeout, Gaps, PhiAccrual, PhiConfig};
use sim_core::units::DurationText;
use sim_core::{Duration, NodeId, NodeSet, Shape, node_ids};

/// Nodes of one cluster at most.
const MOST_NODES: u32 = 99;

sim_core::choices! {
    /// When a write is acknowledged.
    pub enum Mode {
        /// Once the primary has it on its disk; backups get it when they get it.
        Async,
        /// Once `acks` backups have it on their disks too, whichever.
        #[default]
        SemiSync,
        /// Once every backup that is in sync has it; one that lags leaves the set, and comes back when it has caught
        /// up.
        Sync,
    }

    /// Who decides which node is the primary.
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
        /// The last `arbiters` nodes, which watch the others as Redis Sentinel does, and promote one.
        Sentinel,
    }

    /// Which backup follows.
    pub enum Promote {
        /// The one with the most advanced log of those that can be reached, and only if no acknowledged write can be
        /// missing.
        #[default]
        MostAdvanced,
        /// The first that notices, whatever its log holds.
        First,
    }

    /// How a silent primary is taken for dead.
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
    pub enum Storage {
        /// On every node that may lead.
        #[default]
        Replicated,
        /// On the last node, which all others write to: a shared disk.
        Shared,
    }

    /// How clients find the new primary.
    pub enum Redirect {
        /// Any node tells them.
        #[default]
        Hints,
        /// They use one address, which moves to the new primary after `address_delay`.
        VirtualIp,
        /// Each asks a directory every `discovery_interval`.
        Discovery,
    }
}

/// Gaps between heartbeats that phi accrual remembers (Hayashibara et al. 2004, section 5.1).
const WINDOW: usize = 1000;
/// The most improbable silence that may be waited for: doubles end at phi 300.
pub const MOST_PHI: u32 = 100;

sim_core::options! {
    /// The `[system]` options of `system = "failover"`.
    pub struct FailoverOptions;

    /// The configuration all nodes of one cluster share.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Config of shape as config {
        /// How many nodes there are, those without data included.
        pub nodes: u32 = shape.nodes() as u32,
            wrong if config.data() < 2 =>
                ("{nodes} nodes, of which {} hold data", config.data()),
                "a primary needs a backup: with a witness at least 3 nodes, else 2; one more with a shared storage",
            wrong if nodes > MOST_NODES => ("{nodes} nodes"), format!("at most {MOST_NODES}");
        /// Spare machines: a fail-over cluster has none.
        pub spares: u32 = shape.spares,
            wrong if spares > 0 =>
                ("{spares} spare nodes"), "a fail-over cluster does not change its members: leave spares out";
        /// Worst honest clock drift, in parts per million: what leases rest on.
        pub drift_ppm: u32 = shape.max_drift_ppm;
    }

    options {
        /// When a write is acknowledged: once the primary has it (`async`), once `acks` backups have it too
        /// (`semi_sync`), or once all that are in sync have it (`sync`).
        mode: Mode = Mode::SemiSync => { mode: Mode = if *storage == Storage::Shared { Mode::Async } else { *mode } },
            wrong if *arbiter == Arbiter::Sentinel && *mode != Mode::Async =>
                ("replicas that a primary waits for, with sentinels"), "Redis does not wait: write mode = \"async\"";
        /// Backups that must have a write on disk before it is acknowledged, with `semi_sync`.
        acks: u32 = 1,
            wrong if config.mode == Mode::SemiSync && (*acks == 0 || *acks >= config.data().max(1)) =>
                ("{acks} backups of {} must have every write", config.data().saturating_sub(1)),
                "at least 1 and at most all backups; for none write mode = \"async\"";
        /// How long a backup may lag before it is out of sync, with `sync`.
        lag: DurationText = DurationText::millis(500);
        /// Copies in sync, the primary's included, without which no write is accepted, with `sync`.
        min_in_sync: u32 = 1,
            wrong if *min_in_sync == 0 || *min_in_sync > config.data().max(1) =>
                ("{min_in_sync} copies of {} must be in sync", config.data()),
                "at least 1 and at most as many as nodes hold data";
        /// Where the data is: on every node that may lead (`replicated`), or on the last node, which takes no part in
        /// anything else and is written to by whoever leads (`shared`). With `shared` there are no copies, so `mode`
        /// means nothing.
        storage: Storage = Storage::Replicated,
            wrong if *arbiter == Arbiter::Sentinel && *storage == Storage::Shared =>
                ("sentinels for a shared storage"), "leave storage out: a sentinel promotes a node that has the data";
        /// Who decides which node leads: nobody (`none`: whoever does not hear the primary promotes itself), a majority
        /// of the data nodes (`peers`), a majority of those and of the last node, which only votes (`witness`), or a
        /// Raft of the last `arbiters` nodes (`quorum`), or the last `arbiters` nodes as Redis Sentinel does it
        /// (`sentinel`).
        arbiter: Arbiter = Arbiter::Witness;
        /// How many of the last nodes run the arbiter's Raft, with `quorum`, or are sentinels, with `sentinel`.
        arbiters: u32 = 3,
            wrong if *arbiter == Arbiter::Quorum && *arbiters == 0 => ("a quorum of nobody"), "three or five are usual",
            wrong if *arbiter == Arbiter::Sentinel && *arbiters == 0 =>
                ("no sentinels"), "three or five are usual";
        /// With `sentinel`: how many sentinels must hold the primary for down before one of them stands; whatever it
        /// is, a majority of them must vote for that one (`sentinel monitor`; 2 in Redis' example).
        quorum: u32 = 2,
            wrong if *arbiter == Arbiter::Sentinel && !(1..=(*arbiters).max(1)).contains(quorum) =>
                ("{quorum} sentinels of {arbiters} must hold the primary for down"),
                "at least 1 and at most as many as there are";
        /// With `sentinel`: how long a node may leave a ping without an answer before a sentinel holds it for down
        /// (`down-after-milliseconds`).
        down_after: DurationText = DurationText::millis(30_000),
            wrong if down_after.0 == Duration::ZERO =>
                ("nodes that are down at once"), "as long as a machine may pause; Redis' default is \"30s\"";
        /// With `sentinel`: how long a step of a fail-over may take; the next one begins no sooner than after twice
        /// that (`failover-timeout`).
        failover_timeout: DurationText = DurationText::millis(180_000),
            wrong if failover_timeout.0 == Duration::ZERO =>
                ("fail-overs that take no time"), "longer than down_after; Redis' default is \"3m\"";
        /// With `sentinel`: how many replicas at a time are told to follow the new primary (`parallel-syncs`).
        parallel_syncs: u32 = 1,
            wrong if *parallel_syncs == 0 => ("no replica may follow the new primary"), "at least 1";
        /// With `sentinel`: after how long without a word of its primary a replica says that it has no link with it
        /// (`repl-timeout`); it says so at once if the connection is closed.
        repl_timeout: DurationText = DurationText::millis(60_000),
            wrong if repl_timeout <= heartbeat_interval =>
                ("a primary that is heard from every {heartbeat_interval} is lost after {repl_timeout}"),
                "longer than heartbeat_interval";
        /// How often a primary is heard from.
        heartbeat_interval as heartbeat: DurationText = DurationText::millis(100),
            wrong if heartbeat_interval.0 == Duration::ZERO =>
                ("a heartbeat without pause"), "a fifth of the failure timeout is usual, for example \"100ms\"";
        /// How long a primary may be silent before it is taken for dead.
        failure_timeout: DurationText = DurationText::millis(500),
            wrong if failure_timeout <= heartbeat_interval =>
                ("a primary that is heard from every {heartbeat_interval} is dead after {failure_timeout}"),
                "longer than heartbeat_interval; five times as long is usual";
        /// How a silent primary is taken for dead: after `failure_timeout` (`timeout`), or when so long a silence is
        /// improbable by the gaps between heartbeats seen so far (`phi`, phi accrual), or when it answers neither this
        /// node's probes nor those of others, and does not object to being suspected (`swim`, Das et al. 2002: the
        /// nodes probe each other).
        detector: Suspicion = Suspicion::Timeout,
            wrong if *arbiter == Arbiter::Sentinel && *detector != Suspicion::Timeout =>
                ("replicas that watch the primary, with sentinels"), "leave detector out: sentinels do, by down_after";
        /// With `phi`: a silence of probability ten to the minus this is a death.
        phi_threshold: u32 = 8,
            wrong if !(1..=MOST_PHI).contains(phi_threshold) =>
                ("a silence of probability 10 to the minus {phi_threshold}"), "from 1 to 100; 8 is usual";
        /// With `swim`: how often each node probes another, the protocol period (T' in Das et al. 2002, section 3).
        probe_interval: DurationText = DurationText::millis(100);
        /// With `swim`: how long an answer may take before others are asked to probe; shorter than the period.
        probe_timeout: DurationText = DurationText::millis(50),
            wrong if probe_interval <= probe_timeout =>
                ("{probe_timeout} for an answer, when the next probe comes after {probe_interval}"),
                "shorter than probe_interval, and longer than a message there and back: half of it is usual";
        /// With `swim`: how many others are asked (k in section 3.1); 0 asks nobody.
        indirect_probes: u32 = 3;
        /// With `swim`: how long who does not answer is only suspected and may object (section 4.2); "0s" takes it for
        /// dead at once.
        suspicion_time: DurationText = DurationText::millis(300);
        /// How long a primary may lead on its own after it was last confirmed; whoever confirmed it votes for nobody
        /// else that long. `failure_timeout` unless it is written.
        lease: Option<DurationText> = None => { lease: Duration = lease.unwrap_or(*failure_timeout).0 },
            wrong if config.excludes()
                && heartbeat_interval < failure_timeout
                && config.lease_held() <= heartbeat_interval.0 =>
                ("{} of a lease, confirmed every {heartbeat_interval}", config.lease_held()),
                "make it longer, [cluster] max_drift smaller, or write fencing = false";
        /// Whether a primary that is not confirmed for a lease stops by itself. Without it an old primary goes on until
        /// it hears of its successor. With `storage = "shared"` it is also whether the storage refuses writes with an
        /// older epoch than the newest it has seen (fencing tokens). With sentinels there are no leases.
        fencing: bool = true;
        /// Which backup follows: the one with the most advanced log, and only if no acknowledged write can be missing
        /// (`most_advanced`), or the first that notices (`first`).
        promote: Promote = Promote::MostAdvanced;
        /// How clients find the new primary: any node tells them (`hints`), an address moves (`virtual_ip`), or each
        /// asks a directory now and then (`discovery`).
        redirect: Redirect = Redirect::Hints,
            wrong if *arbiter == Arbiter::Sentinel && *redirect != Redirect::Hints =>
                ("another directory than the sentinels"), "leave redirect out: clients ask the sentinels";
        /// How long the address takes to move, with `virtual_ip`.
        address_delay: DurationText = DurationText::millis(500);
        /// How often each client asks, with `discovery`.
        discovery_interval: DurationText = DurationText::millis(1000),
            wrong if discovery_interval.0 == Duration::ZERO =>
                ("clients that ask without pause"), "write for example \"1s\"";
        /// Whether backups answer reads, however old their state is. Whom clients ask is the workload's `reads_from`.
        backup_reads: bool = false,
            wrong if *storage == Storage::Shared && *backup_reads =>
                ("backups that hold nothing answer reads"), "leave it out with storage = \"shared\"";
        /// Whether `n1` gets the lead back once it is in order again.
        fail_back: bool = false,
            wrong if *arbiter == Arbiter::Sentinel && *fail_back =>
                ("a preferred primary, with sentinels"), "leave fail_back out: Sentinel has none";
        /// How long it must have been in order before that, and how long the last change of primaries must lie back.
        fail_back_after: DurationText = DurationText::millis(10000);
        /// The shortest time between two fail-overs that nobody asked for.
        min_between_failovers as min_between: DurationText = DurationText(Duration::ZERO);
        /// Entries applied between two snapshots; 0 never takes one.
        snapshot_every: u64 = 10_000;
        /// Entries kept in the log behind a snapshot, for backups that lag a little.
        snapshot_keep: u64 = 1_000;
        /// Entries in one message at most.
        max_batch: u32 = 256,
            wrong if *max_batch == 0 => ("no entries in a message"), "at least 1";
        /// A known bug to re-introduce, by name (see `splitbrain list bugs`).
        bug: FailoverBug = FailoverBug::None;
    }
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
    pub fn new(nodes: u32) -> Self {
        FailoverOptions::default().meant(&Shape::plain(nodes as usize))
    }

    /// How many of the last nodes hold no data.
    #[must_use]
    pub const fn without_data(&self) -> u32 {
        let arbiters = match self.arbiter {
            Arbiter::None | Arbiter::Peers => 0,
            Arbiter::Witness => 1,
            Arbiter::Quorum | Arbiter::Sentinel => self.arbiters,
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
            Arbiter::None | Arbiter::Quorum | Arbiter::Sentinel => NodeSet::EMPTY,
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
        // Sentinels tell an old primary that it is one, once they reach it; until then it goes on.
        self.fencing && !matches!(self.arbiter, Arbiter::None | Arbiter::Sentinel)
    }

    /// How long a primary may trust its lease, on its own clock, from when it asked for it: its clock may be as slow,
    /// and the others' as fast, as clocks may be.
    #[must_use]
    pub(super) const fn lease_held(&self) -> Duration {
        const MILLION: u128 = 1_000_000;
        let drift = self.drift_ppm as u128;
        Duration((self.lease.0 as u128 * MILLION.saturating_sub(drift) / (MILLION + drift)) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_reported_at_once() {
        let options = FailoverOptions {
            acks: 0,
            min_in_sync: 9,
            failure_timeout: "50ms".parse().unwrap(),
            max_batch: 0,
            ..FailoverOptions::default()
        };
        let keys: Vec<_> = options.validate(&Shape::plain(2)).unwrap_err().iter().map(|i| i.key).collect();
        assert_eq!(keys, ["nodes", "acks", "min_in_sync", "failure_timeout", "max_batch"]);
        assert_eq!(FailoverOptions::default().validate(&Shape::plain(3)), Ok(Config::new(3)));
    }

    #[test]
    fn sentinels_go_with_what_redis_has() {
        let sentinels = FailoverOptions { arbiter: Arbiter::Sentinel, mode: Mode::Async, ..FailoverOptions::default() };
        let config = sentinels.clone().validate(&Shape::plain(6)).unwrap();
        assert!(!config.keeps() && !config.excludes() && config.sentinels().count() == 3 && config.data() == 3);
        let keys = |options: FailoverOptions, nodes| -> Vec<&'static str> {
            options.validate(&Shape::plain(nodes)).unwrap_err().iter().map(|problem| problem.key).collect()
        };
        let all = FailoverOptions {
            mode: Mode::Sync,
            quorum: 4,
            down_after: "0s".parse().unwrap(),
            failover_timeout: "0s".parse().unwrap(),
            parallel_syncs: 0,
            repl_timeout: "50ms".parse().unwrap(),
            detector: Suspicion::Swim,
            redirect: Redirect::VirtualIp,
            fail_back: true,
            ..sentinels.clone()
        };
        assert_eq!(
            keys(all, 4),
            [
                "nodes",
                "mode",
                "quorum",
                "down_after",
                "failover_timeout",
                "parallel_syncs",
                "repl_timeout",
                "detector",
                "redirect",
                "fail_back"
            ]
        );
        assert_eq!(keys(FailoverOptions { arbiters: 0, quorum: 1, ..sentinels }, 3), ["arbiters"]);
    }

    #[test]
    fn promises_are_those_of_the_design() {
        let of = |mode, arbiter, fencing| {
            let nodes = if arbiter == Arbiter::Witness { 3 } else { 2 };
            let options = FailoverOptions { mode, arbiter, fencing, ..FailoverOptions::default() };
            let config = options.validate(&Shape::plain(nodes)).unwrap();
            (config.keeps(), config.excludes())
        };
        assert_eq!(of(Mode::Async, Arbiter::None, true), (false, false));
        assert_eq!(of(Mode::Async, Arbiter::Witness, true), (false, true));
        assert_eq!(of(Mode::SemiSync, Arbiter::Witness, false), (true, false));
        assert_eq!(of(Mode::SemiSync, Arbiter::None, true), (true, false), "both have all that was acknowledged");
        assert_eq!(
            of(Mode::Sync, Arbiter::None, true),
            (false, false),
            "the primary goes on alone, and so does the backup"
        );
    }
}
