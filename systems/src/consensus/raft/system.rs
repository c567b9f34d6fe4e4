//! Registration: the options as written in `[system]`, their validation, and the [`System`] itself.

use super::bugs::{CATALOGUE, RaftBug};
use super::checks::{self, RaftChecks};
use super::client::{RaftClient, client};
use super::config::Config;
use super::member_checks;
use super::message::{FACT_KINDS, MESSAGE_KINDS};
use super::node::{Raft, TIMERS};
use super::priorities::Priorities;
use super::promise_checks;
use crate::shared::kv::{self, Kv, KvCommand};
use crate::shared::replication::{LeaderDisk, audit, held_reads, kept_snapshots};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::measures::Measures;
use sim_core::units::{ByteSize, DurationText, RangeText};
use sim_core::workload::Load;
use sim_core::{Bug, Duration, Finished, Invalid, Operation, Order, Phase, Profile, Rule, Shape, System, Verdict};
use std::collections::BTreeMap;

/// Voters that one group may have: beyond this nobody runs Raft.
const MOST_NODES: usize = 99;
/// Largest message payload, in bytes.
const LARGEST_PAYLOAD: u64 = 1 << 30;

/// What a leader asks before it answers a read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reads {
    /// A quorum, each time, whether anybody else has been elected. No clock matters.
    #[default]
    ReadIndex,
    /// Its own clock, while a quorum that has answered it must not elect anybody else. Right as long as no clock drifts
    /// more than `[cluster] max_drift` says.
    Lease,
}

/// How one set of voters replaces another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Membership {
    /// All at once, through a joint configuration that takes a majority of both (dissertation 4.3).
    #[default]
    Joint,
    /// One server after another (4.1).
    Single,
}

/// The `[system]` options of `system = "raft"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RaftOptions {
    /// How long a follower waits for its leader before it campaigns; drawn anew from this range every time.
    pub election_timeout: RangeText,
    /// How often a leader is heard from at least.
    pub heartbeat_interval: DurationText,
    /// In which steps a node waits: all of its timeouts are whole numbers of them, and drawn as such, as in etcd and
    /// tikv. etcd's defaults are `tick = "100ms"`, `election_timeout = "1s..1900ms"`, `heartbeat_interval = "100ms"`.
    /// By exact timers, unless given.
    pub tick: Option<DurationText>,
    /// Whether a node asks around before it disturbs the others with a new term.
    pub pre_vote: bool,
    /// Whether a leader that does not hear from a quorum steps down, and voters are loyal to a leader they hear from.
    pub check_quorum: bool,
    /// What a leader asks before it answers a read: a quorum (`read_index`) or its own clock (`lease`).
    pub reads: Reads,
    /// Whether followers answer reads themselves, once they have asked the leader how far they must have got. Whom
    /// clients ask is the workload's `reads_from`.
    pub follower_reads: bool,
    /// What a leader's messages have to do with its own disk: nothing (`parallel`), entries wait for its own write, and
    /// its loop with them, reads included, but for heartbeats (`before_sending`, as hashicorp/raft), or all it does
    /// waits while a sync is under way, heartbeats too (`blocking`, as the loop of etcd).
    pub leader_disk: LeaderDisk,
    /// A leader whose write is not durable for so long steps down, and stands for no election while that lasts. Looked
    /// at with every heartbeat; never, unless given.
    pub disk_timeout: Option<DurationText>,
    /// How the members change: all at once (`joint`) or one after another (`single`).
    pub membership: Membership,
    /// How many rounds of replication a new server has to catch up before it gets a vote.
    pub catch_up_rounds: u32,
    /// Entries applied between two snapshots; 0 never takes one.
    pub snapshot_every: u64,
    /// Entries kept in the log behind a snapshot, for followers that lag a little.
    pub snapshot_keep: u64,
    /// How much of a snapshot one message carries.
    pub snapshot_chunk: ByteSize,
    /// How many bytes of entries one message carries at most.
    pub max_batch: ByteSize,
    /// How many messages with entries may be on their way to one follower.
    pub max_inflight: u32,
    /// How many bytes of entries may be on their way to one follower.
    pub max_inflight_bytes: ByteSize,
    /// How many batches may be uncommitted before requests gather for the next one.
    pub pipeline: u32,
    /// Who should lead rather than others: `{ "zone:a" = 2, n4 = 0 }`. A node's own number counts more than its zone's;
    /// 1 is what nobody has said. A leader hands over to a healthy, up-to-date node of higher priority. A node of
    /// priority 0 never campaigns by itself, even if nobody else can.
    pub priorities: BTreeMap<String, u8>,
    /// A known bug to re-introduce, by name (see `splitbrain list bugs`).
    pub bug: RaftBug,
}

impl Default for RaftOptions {
    fn default() -> Self {
        let c = Config::new(1);
        Self {
            election_timeout: RangeText { lo: c.election_min, hi: c.election_max },
            heartbeat_interval: DurationText(c.heartbeat),
            tick: c.tick.map(DurationText),
            pre_vote: c.pre_vote,
            check_quorum: c.check_quorum,
            reads: Reads::default(),
            follower_reads: c.follower_reads,
            leader_disk: c.leader_disk,
            disk_timeout: c.disk_timeout.map(DurationText),
            membership: Membership::default(),
            catch_up_rounds: c.catch_up_rounds,
            snapshot_every: c.snapshot_every,
            snapshot_keep: c.snapshot_keep,
            snapshot_chunk: ByteSize(u64::from(c.snapshot_chunk)),
            max_batch: ByteSize(u64::from(c.max_batch)),
            max_inflight: c.max_inflight,
            max_inflight_bytes: ByteSize(c.max_inflight_bytes),
            pipeline: c.pipeline,
            priorities: BTreeMap::new(),
            bug: c.bug,
        }
    }
}

impl RaftOptions {
    /// The configuration for a cluster of this shape.
    ///
    /// # Errors
    /// Every option that makes no sense, alone or with another.
    pub fn validate(&self, shape: &Shape) -> Result<Config, Vec<Invalid>> {
        let (nodes, drift_ppm) = (shape.nodes(), shape.max_drift_ppm);
        let mut invalid = Vec::new();
        let mut complain = |wrong: bool, key, what: String, help: &str| {
            if wrong {
                invalid.push(Invalid { key, what, help: help.to_owned() });
            }
        };
        let (timeout, heartbeat) = (self.election_timeout, self.heartbeat_interval.0);
        complain(nodes == 0, "nodes", "a cluster of no nodes".into(), "three or five are usual");
        complain(
            nodes > MOST_NODES,
            "nodes",
            format!("{nodes} voters in one Raft group"),
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
        let tick = self.tick.map(|tick| tick.0);
        let broken = |time: Duration| tick.is_some_and(|tick| !time.0.is_multiple_of(tick.0));
        complain(
            broken(timeout.lo) || broken(timeout.hi) || broken(heartbeat),
            "tick",
            format!(
                "ticks of {} in an election timeout of {timeout} and heartbeats every {heartbeat}",
                tick.unwrap_or_default()
            ),
            "election_timeout (both ends) and heartbeat_interval must be whole numbers of ticks",
        );
        let watch = self.disk_timeout.map(|timeout| timeout.0);
        complain(
            watch.is_some_and(|watch| watch < heartbeat || watch == Duration::ZERO),
            "disk_timeout",
            format!("{}, where the leader looks at its disk every {heartbeat}", watch.unwrap_or_default()),
            "at least heartbeat_interval; the longest election timeout is a good choice",
        );
        let leases = self.reads == Reads::Lease;
        complain(
            leases && !self.check_quorum,
            "reads",
            "a lease from voters that are loyal to nobody".into(),
            "reads = \"lease\" needs check_quorum = true",
        );
        let clocks = Config { election_min: timeout.lo, drift_ppm, ..Config::new(1) };
        complain(
            leases && timeout.lo > heartbeat && clocks.lease() <= heartbeat,
            "reads",
            format!("clocks that drift {drift_ppm}ppm leave {} of a lease, renewed every {heartbeat}", clocks.lease()),
            "make [cluster] max_drift smaller, election_timeout longer, or write reads = \"read_index\"",
        );
        let mut size = |key, value: ByteSize| {
            complain(value.0 == 0, key, "nothing at all".into(), "write for example \"64 KiB\"");
            complain(value.0 > LARGEST_PAYLOAD, key, format!("{value} in one message"), "at most 1 GiB");
        };
        size("snapshot_chunk", self.snapshot_chunk);
        size("max_batch", self.max_batch);
        complain(
            self.max_inflight_bytes.0 == 0,
            "max_inflight_bytes",
            "nothing may be on its way".into(),
            "write for example \"4 MiB\"",
        );
        complain(self.max_inflight == 0, "max_inflight", "no message may be on its way".into(), "at least 1");
        complain(
            self.catch_up_rounds == 0,
            "catch_up_rounds",
            "new servers would get their votes with an empty log".into(),
            "at least 1; the dissertation suggests 10",
        );
        complain(self.pipeline == 0, "pipeline", "no batch may be uncommitted".into(), "at least 1");
        let priorities = Priorities::new(&self.priorities, shape, &mut invalid);
        if !invalid.is_empty() {
            return Err(invalid);
        }
        Ok(Config {
            nodes: nodes as u32,
            members: shape.members() as u32,
            first: 0,
            joint: self.membership == Membership::Joint,
            catch_up_rounds: self.catch_up_rounds,
            election_min: timeout.lo,
            election_max: timeout.hi,
            heartbeat,
            tick,
            pre_vote: self.pre_vote,
            check_quorum: self.check_quorum,
            leases,
            leader_disk: self.leader_disk,
            disk_timeout: watch,
            follower_reads: self.follower_reads,
            drift_ppm,
            snapshot_every: self.snapshot_every,
            snapshot_keep: self.snapshot_keep,
            snapshot_chunk: self.snapshot_chunk.0 as u32,
            max_batch: self.max_batch.0 as u32,
            max_inflight: self.max_inflight,
            max_inflight_bytes: self.max_inflight_bytes.0,
            pipeline: self.pipeline,
            priorities,
            bug: self.bug,
        })
    }
}

/// A key-value store replicated by Raft.
#[derive(Debug)]
pub struct RaftSystem;

impl System for RaftSystem {
    const NAME: &'static str = "raft";
    const MODEL: Option<&'static str> = Some("kv");
    const ABOUT: &'static str = "a key-value store replicated by Raft, as in Ongaro's dissertation";
    const TIMERS: u16 = TIMERS;
    const PHASES: &'static [Phase] = &[
        Phase { name: "undetected", ends_with: Some("campaign") },
        Phase { name: "election", ends_with: Some("elected") },
        Phase { name: "first commit", ends_with: Some("first_commit") },
        Phase { name: "clients find the leader", ends_with: None },
    ];
    const MESSAGE_KINDS: &'static [&'static str] = MESSAGE_KINDS;
    const FACT_KINDS: &'static [&'static str] = FACT_KINDS;
    const ORDERS: &'static [&'static str] = Order::KINDS;
    const BUGS: &'static [Bug] = CATALOGUE;
    const RULES: &'static [&'static [Rule]] = &[
        checks::RULES,
        member_checks::RULES,
        promise_checks::RULES,
        audit::RULES,
        audit::OF_SESSIONS,
        held_reads::RULES,
        kept_snapshots::RULES,
    ];
    type Node = Raft<Kv>;
    type Client = RaftClient;
    type Checks = RaftChecks;
    type Options = RaftOptions;

    fn configure(options: RaftOptions, shape: &Shape) -> Result<Config, Vec<Invalid>> {
        options.validate(shape)
    }

    fn client(_: &Config, load: Load) -> RaftClient {
        client(load)
    }

    fn checks(config: &Config) -> RaftChecks {
        RaftChecks::new(config.nodes)
    }

    fn profile(config: &Config) -> Profile {
        Profile { recovery: Some(config.election_min), ..Profile::default() }
    }

    fn operation(request: &KvCommand) -> Operation {
        kv::operation(request)
    }

    fn keys(node: &Raft<Kv>) -> u64 {
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

    fn shape(nodes: u16, max_drift_ppm: u32) -> Shape {
        let zones = vec!["a".to_owned(), "b".to_owned()];
        Shape { node_zones: (0..nodes).map(|node| node % 2).collect(), zones, spares: 0, max_drift_ppm }
    }

    #[test]
    fn priorities_are_those_of_zones_unless_a_node_has_its_own() {
        let read = |given: &[(&str, u8)]| {
            let priorities = given.iter().map(|(name, priority)| ((*name).to_owned(), *priority)).collect();
            RaftOptions { priorities, ..RaftOptions::default() }.validate(&shape(4, 0))
        };
        let of = |given: &[(&str, u8)]| {
            let config = read(given).unwrap();
            sim_core::node_ids(4).map(|node| config.priorities.of(node)).collect::<Vec<_>>()
        };
        assert_eq!(of(&[]), [1, 1, 1, 1]);
        assert_eq!(of(&[("zone:a", 3), ("n3", 0)]), [3, 1, 0, 1]);
        assert!(!read(&[("n1", 1)]).unwrap().priorities.matter());
        let wrong = [("zone:c", 1), ("n5", 2), ("x", 2), ("zone:a", 0), ("zone:b", 0)];
        let what: Vec<_> = read(&wrong).unwrap_err().into_iter().map(|invalid| invalid.what).collect();
        let expected = ["there is no zone c", "there is no node n5", "there is no node x", "nobody would ever lead"];
        assert_eq!(what, expected);
    }

    #[test]
    fn leases_need_loyal_voters_and_good_clocks() {
        let options = RaftOptions { reads: Reads::Lease, check_quorum: false, ..RaftOptions::default() };
        let keys: Vec<_> = options.validate(&shape(5, 600_000)).unwrap_err().iter().map(|i| i.key).collect();
        assert_eq!(keys, ["reads", "reads"]);
        let leases = |drift| {
            let config = RaftOptions { check_quorum: true, ..options.clone() }.validate(&shape(5, drift)).unwrap();
            assert!(config.leases);
            config.lease()
        };
        assert_eq!(leases(0), Duration::millis(150));
        assert_eq!(leases(200_000), Duration::millis(100), "the leader's clock at 0.8, a voter's at 1.2");
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let options = RaftOptions {
            election_timeout: "10ms..20ms".parse().unwrap(),
            max_batch: ByteSize(0),
            pipeline: 0,
            tick: Some(DurationText(Duration::ZERO)),
            disk_timeout: Some(DurationText(Duration::millis(49))),
            ..RaftOptions::default()
        };
        let invalid = options.validate(&shape(0, 0)).unwrap_err();
        let keys: Vec<_> = invalid.iter().map(|i| i.key).collect();
        assert_eq!(keys, ["nodes", "election_timeout", "tick", "disk_timeout", "max_batch", "pipeline"]);
        assert_eq!(RaftOptions::default().validate(&shape(5, 0)), Ok(Config::new(5)));
    }
}
