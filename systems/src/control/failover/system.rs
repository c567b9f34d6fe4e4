//! Registration: the options as written in `[system]`, their validation, and the [`System`] itself.

use super::bugs::{CATALOGUE, FailoverBug};
use super::checks::{self, FailoverChecks};
use super::client::{FailoverClient, client};
use super::config::{Arbiter, Config, MOST_PHI, Mode, Promote, Redirect, Storage, Suspicion};
use super::message::{FACT_KINDS, MESSAGE_KINDS};
use super::node::{Failover, TIMERS};
use super::promises;
use crate::shared::fail_over;
use crate::shared::kv::{self, KvCommand};
use crate::shared::replication::audit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::measures::Measures;
use sim_core::metric::{MetricKind, Unit};
use sim_core::units::DurationText;
use sim_core::workload::Load;
use sim_core::{Bug, Duration, Finished, Invalid, NodeId, Operation, Phase, Profile, Rule, Shape, System, Verdict};

/// Nodes of one cluster at most.
const MOST_NODES: usize = 99;

/// The `[system]` options of `system = "failover"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FailoverOptions {
    /// When a write is acknowledged: once the primary has it (`async`), once `acks` backups have it too (`semi_sync`),
    /// or once all that are in sync have it (`sync`).
    pub mode: Mode,
    /// Backups that must have a write on disk before it is acknowledged, with `semi_sync`.
    pub acks: u32,
    /// How long a backup may lag before it is out of sync, with `sync`.
    pub lag: DurationText,
    /// Copies in sync, the primary's included, without which no write is accepted, with `sync`.
    pub min_in_sync: u32,
    /// Where the data is: on every node that may lead (`replicated`), or on the last node, which takes no part in
    /// anything else and is written to by whoever leads (`shared`). With `shared` there are no copies, so `mode` means
    /// nothing.
    pub storage: Storage,
    /// Who decides which node leads: nobody (`none`: whoever does not hear the primary promotes itself), a majority of
    /// the data nodes (`peers`), a majority of those and of the last node, which only votes (`witness`), or a Raft of
    /// the last `arbiters` nodes (`quorum`).
    pub arbiter: Arbiter,
    /// How many of the last nodes run the arbiter's Raft, with `quorum`.
    pub arbiters: u32,
    /// How often a primary is heard from.
    pub heartbeat_interval: DurationText,
    /// How long a primary may be silent before it is taken for dead.
    pub failure_timeout: DurationText,
    /// How a silent primary is taken for dead: after `failure_timeout` (`timeout`), or when so long a silence is
    /// improbable by the gaps between heartbeats seen so far (`phi`, phi accrual), or when it answers neither this
    /// node's probes nor those of others, and does not object to being suspected (`swim`, Das et al. 2002: the nodes
    /// probe each other).
    pub detector: Suspicion,
    /// With `phi`: a silence of probability ten to the minus this is a death.
    pub phi_threshold: u32,
    /// With `swim`: how often each node probes another, the protocol period (T' in Das et al. 2002, section 3).
    pub probe_interval: DurationText,
    /// With `swim`: how long an answer may take before others are asked to probe; shorter than the period.
    pub probe_timeout: DurationText,
    /// With `swim`: how many others are asked (k in section 3.1); 0 asks nobody.
    pub indirect_probes: u32,
    /// With `swim`: how long who does not answer is only suspected and may object (section 4.2); "0s" takes it for dead
    /// at once.
    pub suspicion_time: DurationText,
    /// How long a primary may lead on its own after it was last confirmed; whoever confirmed it votes for nobody else
    /// that long. `failure_timeout` unless it is written.
    pub lease: Option<DurationText>,
    /// Whether a primary that is not confirmed for a lease stops by itself. Without it an old primary goes on until it
    /// hears of its successor. With `storage = "shared"` it is also whether the storage refuses writes with an older
    /// epoch than the newest it has seen (fencing tokens).
    pub fencing: bool,
    /// Which backup follows: the one with the most advanced log, and only if no acknowledged write can be missing
    /// (`most_advanced`), or the first that notices (`first`).
    pub promote: Promote,
    /// How clients find the new primary: any node tells them (`hints`), an address moves (`virtual_ip`), or each asks a
    /// directory now and then (`discovery`).
    pub redirect: Redirect,
    /// How long the address takes to move, with `virtual_ip`.
    pub address_delay: DurationText,
    /// How often each client asks, with `discovery`.
    pub discovery_interval: DurationText,
    /// Whether backups answer reads, however old their state is. Whom clients ask is the workload's `reads_from`.
    pub backup_reads: bool,
    /// Whether `n1` gets the lead back once it is in order again.
    pub fail_back: bool,
    /// How long it must have been in order before that, and how long the last change of primaries must lie back.
    pub fail_back_after: DurationText,
    /// The shortest time between two fail-overs that nobody asked for.
    pub min_between_failovers: DurationText,
    /// Entries applied between two snapshots; 0 never takes one.
    pub snapshot_every: u64,
    /// Entries kept in the log behind a snapshot, for backups that lag a little.
    pub snapshot_keep: u64,
    /// Entries in one message at most.
    pub max_batch: u32,
    /// A known bug to re-introduce, by name (see `splitbrain list bugs`).
    pub bug: FailoverBug,
}

impl Default for FailoverOptions {
    fn default() -> Self {
        let c = Config::new(3);
        Self {
            mode: c.mode,
            acks: c.acks,
            lag: DurationText(c.lag),
            min_in_sync: c.min_in_sync,
            storage: c.storage,
            arbiter: c.arbiter,
            arbiters: c.arbiters,
            heartbeat_interval: DurationText(c.heartbeat),
            failure_timeout: DurationText(c.failure_timeout),
            detector: c.detector,
            phi_threshold: c.phi_threshold,
            probe_interval: DurationText(c.probe_interval),
            probe_timeout: DurationText(c.probe_timeout),
            indirect_probes: c.indirect_probes,
            suspicion_time: DurationText(c.suspicion_time),
            lease: None,
            fencing: c.fencing,
            promote: c.promote,
            redirect: c.redirect,
            address_delay: DurationText(c.address_delay),
            discovery_interval: DurationText(c.discovery_interval),
            backup_reads: c.backup_reads,
            fail_back: c.fail_back,
            fail_back_after: DurationText(c.fail_back_after),
            min_between_failovers: DurationText(c.min_between),
            snapshot_every: c.snapshot_every,
            snapshot_keep: c.snapshot_keep,
            max_batch: c.max_batch,
            bug: c.bug,
        }
    }
}

impl FailoverOptions {
    /// The configuration for a cluster of this shape.
    ///
    /// # Errors
    /// Every option that makes no sense, alone or with another.
    pub fn validate(&self, shape: &Shape) -> Result<Config, Vec<Invalid>> {
        let nodes = shape.nodes();
        let config = Config {
            nodes: nodes as u32,
            mode: if self.storage == Storage::Shared { Mode::Async } else { self.mode },
            acks: self.acks,
            lag: self.lag.0,
            min_in_sync: self.min_in_sync,
            storage: self.storage,
            arbiter: self.arbiter,
            arbiters: self.arbiters,
            heartbeat: self.heartbeat_interval.0,
            failure_timeout: self.failure_timeout.0,
            detector: self.detector,
            phi_threshold: self.phi_threshold,
            probe_interval: self.probe_interval.0,
            probe_timeout: self.probe_timeout.0,
            indirect_probes: self.indirect_probes,
            suspicion_time: self.suspicion_time.0,
            lease: self.lease.unwrap_or(self.failure_timeout).0,
            drift_ppm: shape.max_drift_ppm,
            fencing: self.fencing,
            promote: self.promote,
            redirect: self.redirect,
            address_delay: self.address_delay.0,
            discovery_interval: self.discovery_interval.0,
            backup_reads: self.backup_reads,
            fail_back: self.fail_back,
            fail_back_after: self.fail_back_after.0,
            min_between: self.min_between_failovers.0,
            snapshot_every: self.snapshot_every,
            snapshot_keep: self.snapshot_keep,
            max_batch: self.max_batch,
            bug: self.bug,
        };
        let mut invalid = Vec::new();
        let mut complain = |wrong: bool, key, what: String, help: &str| {
            if wrong {
                invalid.push(Invalid { key, what, help: help.to_owned() });
            }
        };
        let data = config.data();
        complain(
            data < 2,
            "nodes",
            format!("{nodes} nodes, of which {data} hold data"),
            "a primary needs a backup: with a witness at least 3 nodes, else 2; one more with a shared storage",
        );
        complain(nodes > MOST_NODES, "nodes", format!("{nodes} nodes"), &format!("at most {MOST_NODES}"));
        complain(
            shape.spares > 0,
            "spares",
            format!("{} spare nodes", shape.spares),
            "a fail-over cluster does not change its members: leave spares out",
        );
        complain(
            self.storage == Storage::Shared && self.backup_reads,
            "backup_reads",
            "backups that hold nothing answer reads".into(),
            "leave it out with storage = \"shared\"",
        );
        complain(
            config.mode == Mode::SemiSync && (self.acks == 0 || self.acks >= data.max(1)),
            "acks",
            format!("{} backups of {} must have every write", self.acks, data.saturating_sub(1)),
            "at least 1 and at most all backups; for none write mode = \"async\"",
        );
        complain(
            self.min_in_sync == 0 || self.min_in_sync > data.max(1),
            "min_in_sync",
            format!("{} copies of {data} must be in sync", self.min_in_sync),
            "at least 1 and at most as many as nodes hold data",
        );
        complain(
            config.heartbeat == Duration::ZERO,
            "heartbeat_interval",
            "a heartbeat without pause".into(),
            "a fifth of the failure timeout is usual, for example \"100ms\"",
        );
        complain(
            config.failure_timeout <= config.heartbeat,
            "failure_timeout",
            format!("a primary that is heard from every {} is dead after {}", config.heartbeat, config.failure_timeout),
            "longer than heartbeat_interval; five times as long is usual",
        );
        complain(
            self.phi_threshold == 0 || self.phi_threshold > MOST_PHI,
            "phi_threshold",
            format!("a silence of probability 10 to the minus {}", self.phi_threshold),
            "from 1 to 100; 8 is usual",
        );
        complain(
            config.probe_interval <= config.probe_timeout,
            "probe_timeout",
            format!(
                "{} for an answer, when the next probe comes after {}",
                config.probe_timeout, config.probe_interval
            ),
            "shorter than probe_interval, and longer than a message there and back: half of it is usual",
        );
        complain(
            config.excludes() && config.heartbeat < config.failure_timeout && config.lease_held() <= config.heartbeat,
            "lease",
            format!("{} of a lease, confirmed every {}", config.lease_held(), config.heartbeat),
            "make it longer, [cluster] max_drift smaller, or write fencing = false",
        );
        complain(
            config.discovery_interval == Duration::ZERO,
            "discovery_interval",
            "clients that ask without pause".into(),
            "write for example \"1s\"",
        );
        complain(
            self.arbiter == Arbiter::Quorum && self.arbiters == 0,
            "arbiters",
            "a quorum of nobody".into(),
            "three or five are usual",
        );
        complain(self.max_batch == 0, "max_batch", "no entries in a message".into(), "at least 1");
        if invalid.is_empty() { Ok(config) } else { Err(invalid) }
    }
}

/// A key-value store on a primary and its backups.
#[derive(Debug)]
pub struct FailoverSystem;

static GAUGES: &[MetricKind] = &[
    MetricKind::new("log_end", "log end", Unit::Number, "the newest entry that each node has in its log")
        .more_is_better(),
    MetricKind::new("epoch", "epoch", Unit::Number, "the newest epoch that each node knows of"),
];

impl System for FailoverSystem {
    const NAME: &'static str = "failover";
    const MODEL: Option<&'static str> = Some("kv");
    const ABOUT: &'static str =
        "a key-value store on a primary and its backups, with arbiters, fencing and redirection";
    const TIMERS: u16 = TIMERS;
    const METRICS: &'static [MetricKind] = fail_over::METRICS;
    const PHASES: &'static [Phase] = &[
        Phase { name: "detect", ends_with: Some("suspected") },
        Phase { name: "decide", ends_with: Some("decided") },
        Phase { name: "promote", ends_with: Some("promoted") },
        Phase { name: "clients back", ends_with: None },
    ];
    const MESSAGE_KINDS: &'static [&'static str] = MESSAGE_KINDS;
    const FACT_KINDS: &'static [&'static str] = FACT_KINDS;
    const ORDERS: &'static [&'static str] = &["lead"];
    const BUGS: &'static [Bug] = CATALOGUE;
    const GAUGES: &'static [MetricKind] = GAUGES;
    const RULES: &'static [&'static [Rule]] = &[checks::RULES, promises::RULES, audit::RULES, audit::OF_SESSIONS];
    type Node = Failover;
    type Client = FailoverClient;
    type Checks = FailoverChecks;
    type Options = FailoverOptions;

    fn configure(options: FailoverOptions, shape: &Shape) -> Result<Config, Vec<Invalid>> {
        options.validate(shape)
    }

    fn client(_: &Config, load: Load) -> FailoverClient {
        client(load)
    }

    fn checks(config: &Config) -> FailoverChecks {
        FailoverChecks::new(config)
    }

    fn profile(config: &Config) -> Profile {
        let recovery = match config.detector {
            Suspicion::Timeout => config.failure_timeout,
            _ => config.heartbeat,
        };
        Profile { recovery: Some(recovery), ..Profile::default() }
    }

    fn operation(request: &KvCommand) -> Operation {
        kv::operation(request)
    }

    fn carries(config: &Config, node: NodeId) -> bool {
        config.holds_data(node) || config.storage_node() == Some(node)
    }

    fn keys(node: &Failover) -> u64 {
        node.store().keys()
    }

    fn gauge(node: &Failover, which: usize) -> u64 {
        if which == 0 { node.log().last() } else { node.epoch() }
    }

    fn measure(run: &Finished<'_, Self>) -> Measures {
        run.checks.measured(run.nodes, run.span)
    }

    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        let mut verdicts = run.checks.verdicts(run.nodes);
        if run.linearizable {
            verdicts.push(kv::judge_linearizable(run.history, run.budget));
        }
        verdicts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(nodes: usize) -> Shape {
        Shape { node_zones: vec![0; nodes], zones: vec!["a".to_owned()], spares: 0, max_drift_ppm: 0 }
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let options = FailoverOptions {
            acks: 0,
            min_in_sync: 9,
            failure_timeout: "50ms".parse().unwrap(),
            max_batch: 0,
            ..FailoverOptions::default()
        };
        let keys: Vec<_> = options.validate(&shape(2)).unwrap_err().iter().map(|i| i.key).collect();
        assert_eq!(keys, ["nodes", "acks", "min_in_sync", "failure_timeout", "max_batch"]);
        assert_eq!(FailoverOptions::default().validate(&shape(3)), Ok(Config::new(3)));
    }

    #[test]
    fn promises_are_those_of_the_design() {
        let of = |mode, arbiter, fencing| {
            let nodes = if arbiter == Arbiter::Witness { 3 } else { 2 };
            let options = FailoverOptions { mode, arbiter, fencing, ..FailoverOptions::default() };
            let config = options.validate(&shape(nodes)).unwrap();
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
