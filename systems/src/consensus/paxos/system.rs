//! Registration: the options as written in `[system]`, their validation, and the [`System`] itself.

use super::bugs::{CATALOGUE, PaxosBug};
use super::checks::{self, PaxosChecks};
use super::client::{PaxosClient, client};
use super::config::Config;
use super::message::{FACT_KINDS, MESSAGE_KINDS};
use super::node::{Paxos, TIMERS};
use crate::shared::kv::{self, Kv, KvCommand};
use crate::shared::replication::{LeaderDisk, audit, held_reads, kept_snapshots};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::measures::Measures;
use sim_core::units::{ByteSize, DurationText, RangeText};
use sim_core::workload::Load;
use sim_core::{Bug, Duration, Finished, Invalid, Operation, Order, Phase, Profile, Rule, Shape, System, Verdict};

/// Replicas that one group may have: beyond this nobody runs Paxos.
const MOST_NODES: usize = 99;
/// Slots that may be open at a time at most: a new configuration fills as many with nothing.
const MOST_ALPHA: u32 = 1_000_000;
/// Largest message payload, in bytes.
const LARGEST_PAYLOAD: u64 = 1 << 30;

/// The `[system]` options of `system = "paxos"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PaxosOptions {
    /// How long a follower waits for its leader before it prepares a ballot; drawn anew from this range every time.
    pub election_timeout: RangeText,
    /// How often a leader is heard from.
    pub heartbeat_interval: DurationText,
    /// Acceptors whose promises a new leader needs (phase 1); a majority unless given.
    pub q1: Option<u32>,
    /// Acceptors that must accept a value for it to be chosen (phase 2); a majority unless given.
    pub q2: Option<u32>,
    /// A configuration that is chosen governs the slots from so many later on; no more may be open at a time.
    pub alpha: u32,
    /// Whether a leader that does not hear from a quorum steps down, and acceptors are loyal to a leader they hear
    /// from.
    pub check_quorum: bool,
    /// Whether every failed attempt to lead doubles the range of the time before the next.
    pub back_off: bool,
    /// Whether the leader serves reads from its own state under a lease as long as the shortest election timeout,
    /// instead of asking a quorum. Right as long as no clock drifts more than `clock_drift` says.
    pub leases: bool,
    /// What a leader's messages have to do with its own disk: nothing (`parallel`), values are proposed to others once
    /// they are durable here, and all else waits too, reads included, but for heartbeats (`before_sending`), or all it
    /// does waits while a sync is under way, heartbeats too (`blocking`).
    pub leader_disk: LeaderDisk,
    /// A leader whose write is not durable for so long steps down, and prepares no ballot while that lasts. Looked at
    /// with every heartbeat; never, unless given.
    pub disk_timeout: Option<DurationText>,
    /// Slots applied between two snapshots; 0 never takes one.
    pub snapshot_every: u64,
    /// Slots kept in the log behind a snapshot, for replicas that lag a little.
    pub snapshot_keep: u64,
    /// How much of a snapshot one message carries.
    pub snapshot_chunk: ByteSize,
    /// How many bytes of commands one message carries at most.
    pub max_batch: ByteSize,
    /// How many batches may be open before requests gather for the next one.
    pub pipeline: u32,
    /// A known bug to re-introduce, by name (see `splitbrain list bugs`).
    pub bug: PaxosBug,
}

impl Default for PaxosOptions {
    fn default() -> Self {
        let c = Config::new(1);
        Self {
            election_timeout: RangeText { lo: c.election_min, hi: c.election_max },
            heartbeat_interval: DurationText(c.heartbeat),
            q1: None,
            q2: None,
            alpha: c.alpha,
            check_quorum: c.check_quorum,
            back_off: c.back_off,
            leases: c.leases,
            leader_disk: c.leader_disk,
            disk_timeout: c.disk_timeout.map(DurationText),
            snapshot_every: c.snapshot_every,
            snapshot_keep: c.snapshot_keep,
            snapshot_chunk: ByteSize(u64::from(c.snapshot_chunk)),
            max_batch: ByteSize(u64::from(c.max_batch)),
            pipeline: c.pipeline,
            bug: c.bug,
        }
    }
}

impl PaxosOptions {
    /// The configuration of a cluster of `nodes` replicas and `spares` that may become replicas, whose clocks drift at
    /// most `drift_ppm` parts per million.
    ///
    /// # Errors
    /// Every option that makes no sense, alone or with another.
    pub fn validate(&self, nodes: usize, spares: u32, drift_ppm: u32) -> Result<Config, Vec<Invalid>> {
        let mut invalid = Vec::new();
        let mut complain = |wrong: bool, key, what: String, help: &str| {
            if wrong {
                invalid.push(Invalid { key, what, help: help.to_owned() });
            }
        };
        let (timeout, heartbeat) = (self.election_timeout, self.heartbeat_interval.0);
        complain(nodes == 0, "nodes", "a cluster of no nodes".into(), "three or five are usual");
        complain(
            nodes + spares as usize > MOST_NODES,
            "nodes",
            format!("{} acceptors in one Paxos group", nodes + spares as usize),
            &format!("at most {MOST_NODES}; three or five are usual"),
        );
        complain(
            heartbeat == Duration::ZERO,
            "heartbeat_interval",
            "a heartbeat without pause".into(),
            "a third of the election timeout is usual, for example \"50ms\"",
        );
        complain(
            timeout.lo <= heartbeat,
            "election_timeout",
            format!("followers may wait {} for a leader that is heard from every {heartbeat}", timeout.lo),
            "the shortest election timeout must be longer than heartbeat_interval; three times as long is usual",
        );
        let watch = self.disk_timeout.map(|timeout| timeout.0);
        complain(
            watch.is_some_and(|watch| watch < heartbeat || watch == Duration::ZERO),
            "disk_timeout",
            format!("{}, where the leader looks at its disk every {heartbeat}", watch.unwrap_or_default()),
            "at least heartbeat_interval; the longest election timeout is a good choice",
        );
        let n = nodes.min(MOST_NODES) as u32;
        let (q1, q2) = (self.q1.unwrap_or(n / 2 + 1), self.q2.unwrap_or(n / 2 + 1));
        let mut quorum = |key, size: u32| {
            complain(
                size == 0 || size > n,
                key,
                format!("a quorum of {size} of {n} acceptors"),
                &format!("from 1 to {n}; a majority is {}", n / 2 + 1),
            );
        };
        quorum("q1", q1);
        quorum("q2", q2);
        complain(
            q1.saturating_add(q2) <= n,
            "q2",
            format!("quorums of {q1} and {q2} of {n} acceptors need not meet, so two values could be chosen"),
            &format!("q1 + q2 must be at least {}, for example q1 = {}", n + 1, n.saturating_sub(q2) + 1),
        );
        complain(
            self.leases && !self.check_quorum,
            "leases",
            "a lease from acceptors that are loyal to nobody".into(),
            "leases need check_quorum = true",
        );
        complain(
            self.leases && drift_ppm >= 250_000,
            "leases",
            format!("clocks that drift {drift_ppm} parts per million grant no leases"),
            "make [cluster] clock_drift smaller, or leave leases off",
        );
        let mut size = |key, value: ByteSize| {
            complain(value.0 == 0, key, "nothing at all".into(), "write for example \"64 KiB\"");
            complain(value.0 > LARGEST_PAYLOAD, key, format!("{value} in one message"), "at most 1 GiB");
        };
        size("snapshot_chunk", self.snapshot_chunk);
        size("max_batch", self.max_batch);
        complain(
            self.alpha == 0 || self.alpha > MOST_ALPHA,
            "alpha",
            format!("{} slots open at a time", self.alpha),
            &format!("from 1 to {MOST_ALPHA}"),
        );
        complain(self.pipeline == 0, "pipeline", "no batch may be open".into(), "at least 1");
        if !invalid.is_empty() {
            return Err(invalid);
        }
        Ok(Config {
            nodes: n,
            spares,
            q1,
            q2,
            alpha: self.alpha,
            election_min: timeout.lo,
            election_max: timeout.hi,
            heartbeat,
            check_quorum: self.check_quorum,
            back_off: self.back_off,
            leases: self.leases,
            leader_disk: self.leader_disk,
            disk_timeout: watch,
            drift_ppm,
            snapshot_every: self.snapshot_every,
            snapshot_keep: self.snapshot_keep,
            snapshot_chunk: self.snapshot_chunk.0 as u32,
            max_batch: self.max_batch.0 as u32,
            pipeline: self.pipeline,
            bug: self.bug,
        })
    }
}

/// A key-value store replicated by Multi-Paxos.
#[derive(Debug)]
pub struct PaxosSystem;

impl System for PaxosSystem {
    const NAME: &'static str = "paxos";
    const MODEL: Option<&'static str> = Some("kv");
    const ABOUT: &'static str =
        "a key-value store replicated by Multi-Paxos, with a stable leader and flexible quorums";
    const TIMERS: u16 = TIMERS;
    const PHASES: &'static [Phase] = &[
        Phase { name: "undetected", ends_with: Some("campaign") },
        Phase { name: "prepare", ends_with: Some("elected") },
        Phase { name: "open slots", ends_with: Some("first_commit") },
        Phase { name: "clients find the leader", ends_with: None },
    ];
    const MESSAGE_KINDS: &'static [&'static str] = MESSAGE_KINDS;
    const FACT_KINDS: &'static [&'static str] = FACT_KINDS;
    const ORDERS: &'static [&'static str] = Order::KINDS;
    const BUGS: &'static [Bug] = CATALOGUE;
    const RULES: &'static [&'static [Rule]] =
        &[checks::RULES, audit::RULES, audit::OF_SESSIONS, held_reads::RULES, kept_snapshots::RULES];
    type Node = Paxos<Kv>;
    type Client = PaxosClient;
    type Checks = PaxosChecks;
    type Options = PaxosOptions;

    fn configure(options: PaxosOptions, shape: &Shape) -> Result<Config, Vec<Invalid>> {
        options.validate(shape.members(), shape.spares, shape.max_drift_ppm)
    }

    fn client(_: &Config, load: Load) -> PaxosClient {
        client(load)
    }

    fn checks(config: &Config) -> PaxosChecks {
        PaxosChecks::new(config)
    }

    fn profile(config: &Config) -> Profile {
        Profile { recovery: Some(config.election_min), ..Profile::default() }
    }

    fn operation(request: &KvCommand) -> Operation {
        kv::operation(request)
    }

    fn keys(node: &Paxos<Kv>) -> u64 {
        node.machine().keys()
    }

    fn measure(run: &Finished<'_, Self>) -> Measures {
        run.checks.measures(run.history, run.nodes, run.span.end)
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

    #[test]
    fn all_problems_are_reported_at_once() {
        let options = PaxosOptions {
            election_timeout: "10ms..20ms".parse().unwrap(),
            q1: Some(6),
            q2: Some(0),
            leases: true,
            check_quorum: false,
            max_batch: ByteSize(0),
            pipeline: 0,
            disk_timeout: Some(DurationText(Duration::millis(49))),
            alpha: 0,
            ..PaxosOptions::default()
        };
        let invalid = options.validate(5, 0, 300_000).unwrap_err();
        let keys: Vec<_> = invalid.iter().map(|i| i.key).collect();
        assert_eq!(
            keys,
            ["election_timeout", "disk_timeout", "q1", "q2", "leases", "leases", "max_batch", "alpha", "pipeline"]
        );
        assert_eq!(PaxosOptions::default().validate(5, 0, 0), Ok(Config::new(5)));
    }

    #[test]
    fn quorums_must_meet() {
        let sizes =
            |n, q1, q2| PaxosOptions { q1: Some(q1), q2: Some(q2), ..PaxosOptions::default() }.validate(n, 0, 0);
        for n in 1..=6 {
            for q1 in 1..=n {
                for q2 in 1..=n {
                    assert_eq!(sizes(n as usize, q1, q2).is_ok(), q1 + q2 > n, "{q1} and {q2} of {n}");
                }
            }
        }
    }
}
