//! A stand-in for Raft and Paxos with their options and nothing behind them: the format must not know the real ones.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

use scenarios::{OptionProblem, Override, Scenario, Systems, check_options};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::metric::{MetricKind, Unit};
use sim_core::units::RangeText;
use sim_core::workload::{Generated, Load, OperationKind};
use sim_core::{
    Argument, Class, Effects, Fact, Invalid, Kind, Message, Node, NodeId, Operation, OrderKind, Replay, RoleKind,
    Shape, System, Timer,
};
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    election_timeout: RangeText,
    heartbeat_interval: sim_core::units::DurationText,
    pre_vote: bool,
    check_quorum: bool,
    reads: Option<String>,
    follower_reads: bool,
    priorities: std::collections::BTreeMap<String, u8>,
    q1: Option<u32>,
    q2: Option<u32>,
    alpha: u32,
    back_off: bool,
    leases: bool,
    pipeline: u32,
    snapshot_every: u64,
    membership: Option<String>,
    catch_up_rounds: u32,
    snapshot_keep: u64,
    max_batch: sim_core::units::ByteSize,
    snapshot_chunk: sim_core::units::ByteSize,
    acceptors: Option<u32>,
    proposers: u32,
    patience: sim_core::units::DurationText,
    leader_disk: Option<String>,
    disk_timeout: Option<sim_core::units::DurationText>,
    tick: Option<sim_core::units::DurationText>,
    bug: Option<String>,
}

impl sim_core::Options for Options {
    type Config = ();

    fn configure(&self, _: &Shape) -> Result<(), Vec<Invalid>> {
        let mut invalid = Vec::new();
        if self.heartbeat_interval.0 >= self.election_timeout.lo {
            invalid.push(Invalid {
                key: "heartbeat_interval",
                what: format!("a heartbeat every {} comes too late", self.heartbeat_interval),
                help: format!("shorter than the shortest election timeout, {}", self.election_timeout.lo),
            });
        }
        let whole = |tick: &sim_core::units::DurationText| self.heartbeat_interval.0.0.is_multiple_of(tick.0.0);
        let wrong = [
            ("tick", self.tick.filter(|tick| !whole(tick))),
            ("disk_timeout", self.disk_timeout.filter(|timeout| timeout.0 < self.heartbeat_interval.0)),
        ];
        for (key, time) in wrong.into_iter().filter_map(|(key, time)| Some((key, time?))) {
            let what = format!("{time} does not go with a heartbeat every {}", self.heartbeat_interval);
            invalid.push(Invalid { key, what, help: String::new() });
        }
        if let Some(bug) = &self.bug
            && !["ack_before_sync", "commit_old_term", "vote_not_persisted", "no_back_off"].contains(&bug.as_str())
        {
            let what = format!("there is no bug `{bug}`");
            invalid.push(Invalid { key: "bug", what, help: "`splitbrain list bugs` names them".to_owned() });
        }
        if invalid.is_empty() { Ok(()) } else { Err(invalid) }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            election_timeout: "150ms..300ms".parse().expect("a range"),
            heartbeat_interval: "50ms".parse().expect("a duration"),
            pre_vote: true,
            check_quorum: true,
            reads: None,
            follower_reads: false,
            priorities: std::collections::BTreeMap::new(),
            q1: None,
            q2: None,
            alpha: 1_000,
            back_off: true,
            leases: false,
            pipeline: 4,
            snapshot_every: 10_000,
            membership: None,
            catch_up_rounds: 10,
            snapshot_keep: 1_000,
            max_batch: sim_core::units::ByteSize(65_536),
            snapshot_chunk: sim_core::units::ByteSize(65_536),
            acceptors: None,
            proposers: 1,
            patience: "100ms".parse().expect("a duration"),
            leader_disk: None,
            disk_timeout: None,
            tick: None,
            bug: None,
        }
    }
}

#[derive(Clone, Copy, Debug, Hash)]
pub struct Nothing;

impl Message for Nothing {
    fn kind(&self) -> Kind {
        Kind::new(0, "nothing")
    }
    fn bytes(&self) -> u32 {
        0
    }
}

impl Fact for Nothing {
    fn kind(&self) -> Kind {
        Kind::new(0, "nothing")
    }
}

#[derive(Clone, Debug)]
pub struct StandIn;

impl Node for StandIn {
    type Config = ();
    type Message = Nothing;
    type Request = ();
    type Response = ();
    type Record = ();
    type Fact = Nothing;
    fn boot(_: &(), _: NodeId, _: Replay<'_, ()>, _: &mut Effects<'_, Self>) -> Self {
        Self
    }
    fn on_message(&mut self, _: NodeId, _: Nothing, _: &mut Effects<'_, Self>) {}
    fn on_timer(&mut self, _: Timer, _: &mut Effects<'_, Self>) {}
    fn request_bytes((): &()) -> u32 {
        0
    }
    fn response_bytes((): &()) -> u32 {
        0
    }
}

impl System for StandIn {
    const NAME: &'static str = "raft";
    const ABOUT: &'static str = "a stand-in";
    const TIMERS: u16 = 1;
    type Node = Self;
    type Client = Generated<Self>;
    type Checks = ();
    type Options = Options;
    fn client((): &(), load: Load) -> Self::Client {
        Generated::new(load, |_| ())
    }
    fn checks((): &()) {}
    fn operation((): &()) -> Operation {
        Operation { class: Class::Read, name: "nothing", key: None }
    }
}

/// Some of Raft's kinds of messages.
const MESSAGES: &[&str] = &[
    "RequestVote",
    "Vote",
    "AppendEntries",
    "AppendReply",
    "Heartbeat",
    "HeartbeatReply",
    "InstallSnapshot",
    "SnapshotReply",
];
/// Some of Raft's kinds of facts.
const FACTS: &[&str] = &[
    "campaign",
    "elected",
    "voted",
    "committed",
    "chosen",
    "configured",
    "left",
    "snapshot_installed",
    "handing_over",
    "disk_timed_out",
];

/// Systems of which the stand-in knows nothing: whatever their options are, they are taken as they are.
const UNKNOWN: &[&str] = &[
    "balancing",
    "cell",
    "chubby",
    "commit",
    "consul",
    "failover",
    "failover-cluster",
    "hashing",
    "kubernetes",
    "mapreduce",
    "mesh",
    "placement",
    "queue",
    "redlock",
    "scheduling",
    "spark",
    "zookeeper",
];

/// The operations that the files of some of them name.
const OPERATIONS: &[OperationKind] = &[
    OperationKind::read("get", ""),
    OperationKind::read("read", ""),
    OperationKind::read("synced_get", ""),
    OperationKind::read("look", ""),
    OperationKind::write("touch", ""),
    OperationKind::write("set", ""),
    OperationKind::write("cas", ""),
    OperationKind::write("pair", ""),
    OperationKind::write("lock", ""),
    OperationKind::write("share", ""),
    OperationKind::write("appear", ""),
    OperationKind::write("configure", ""),
    OperationKind::read("consistent_get", ""),
    OperationKind::read("stale_get", ""),
    OperationKind::read("call", ""),
    OperationKind::read("members", ""),
    OperationKind::write("event", ""),
    OperationKind::write("reload", ""),
    OperationKind::write("post", ""),
    OperationKind::write("elect", ""),
    OperationKind::write("meet", ""),
    OperationKind::read("status", ""),
    OperationKind::write("submit", ""),
    OperationKind::write("check", ""),
    OperationKind::write("send", ""),
    OperationKind::read("end_offset", ""),
    OperationKind::write("word_count", ""),
    OperationKind::write("index", ""),
    OperationKind::write("sort", ""),
    OperationKind::write("k_means", ""),
    OperationKind::write("page_rank", ""),
    OperationKind::read("audit", ""),
    OperationKind::write("transfer", ""),
    OperationKind::read("lists", ""),
    OperationKind::write("append", ""),
    OperationKind::read("registers", ""),
    OperationKind::write("write", ""),
    OperationKind::write("skew", ""),
    OperationKind::write("long", ""),
    OperationKind::write("put", ""),
];

/// Systems whose operations have names of their own.
const NAMING: &[&str] = &[
    "chubby",
    "commit",
    "consul",
    "kubernetes",
    "mapreduce",
    "mesh",
    "queue",
    "redlock",
    "scheduling",
    "spark",
    "zookeeper",
];

/// Systems that give locks.
const LOCKS: &[&str] = &["chubby", "consul", "redlock", "zookeeper"];

/// The figures that files of `kubernetes` expect.
const PODS: &[MetricKind] = &[
    MetricKind::new("time_to_lost", "", Unit::Time, ""),
    MetricKind::new("time_to_evicted", "", Unit::Time, ""),
    MetricKind::new("pods_evicted", "", Unit::Number, ""),
    MetricKind::new("evictions_held", "", Unit::Number, ""),
    MetricKind::new("most_pods", "", Unit::Number, ""),
    MetricKind::new("fewest_ready", "", Unit::Number, ""),
];

/// The figures that files of `scheduling` expect.
const TASKS: &[MetricKind] = &[
    MetricKind::new("tasks_done", "", Unit::Number, ""),
    MetricKind::new("tasks_left", "", Unit::Number, ""),
    MetricKind::new("tasks_given_up", "", Unit::Number, ""),
    MetricKind::new("attempts_lost", "", Unit::Number, ""),
    MetricKind::new("expired", "", Unit::Number, ""),
    MetricKind::new("preempted", "", Unit::Number, ""),
    MetricKind::new("stolen", "", Unit::Number, ""),
    MetricKind::new("remote", "", Unit::Fraction, ""),
    MetricKind::new("urgent_wait", "", Unit::Time, ""),
    MetricKind::new("registrations", "", Unit::Number, ""),
    MetricKind::new("cron_missed", "", Unit::Number, ""),
    MetricKind::new("cron_doubled", "", Unit::Number, ""),
];

/// The figures that files of `mapreduce` and `spark` expect.
const BATCHES: &[MetricKind] = &[
    MetricKind::new("makespan", "", Unit::Time, ""),
    MetricKind::new("over_bound", "", Unit::Number, ""),
    MetricKind::new("jobs_done", "", Unit::Number, ""),
    MetricKind::new("jobs_not_done", "", Unit::Number, ""),
    MetricKind::new("executions", "", Unit::Number, ""),
    MetricKind::new("executed_again", "", Unit::Number, ""),
    MetricKind::new("backups", "", Unit::Number, ""),
    MetricKind::new("stragglers", "", Unit::Number, ""),
    MetricKind::new("wasted", "", Unit::Fraction, ""),
    MetricKind::new("local_maps", "", Unit::Fraction, ""),
    MetricKind::new("skipped_records", "", Unit::Number, ""),
    MetricKind::new("apps_done", "", Unit::Number, ""),
    MetricKind::new("app_took", "", Unit::Time, ""),
    MetricKind::new("first_over_steady", "", Unit::Number, ""),
    MetricKind::new("worst_over_steady", "", Unit::Number, ""),
    MetricKind::new("recomputed", "", Unit::Number, ""),
    MetricKind::new("no_space", "", Unit::Number, ""),
    MetricKind::new("saved_bytes", "", Unit::Number, ""),
];

/// The figures of `mesh`.
const CALLS: &[MetricKind] = &[
    MetricKind::new("amplification", "", Unit::Number, ""),
    MetricKind::new("worst_amplification", "", Unit::Number, ""),
    MetricKind::new("calls_failed", "", Unit::Fraction, ""),
    MetricKind::new("error_budget_used", "", Unit::Number, ""),
    MetricKind::new("hop_p99", "", Unit::Time, ""),
    MetricKind::new("far_calls", "", Unit::Fraction, ""),
    MetricKind::new("too_late", "", Unit::Fraction, ""),
    MetricKind::new("shed", "", Unit::Number, ""),
    MetricKind::new("rate_limited", "", Unit::Number, ""),
    MetricKind::new("outliers", "", Unit::Number, ""),
    MetricKind::new("cache_hits", "", Unit::Fraction, ""),
    MetricKind::new("canary_share", "", Unit::Fraction, ""),
    MetricKind::new("config_lag", "", Unit::Time, ""),
    MetricKind::new("release_late", "", Unit::Time, ""),
    MetricKind::new("config_behind", "", Unit::Number, ""),
    MetricKind::new("edge_offline", "", Unit::Time, ""),
    MetricKind::new("edge_backlog", "", Unit::Number, ""),
];

/// The figures that files of `commit` expect.
const COMMITS: &[MetricKind] = &[
    MetricKind::new("blocked", "", Unit::Number, ""),
    MetricKind::new("blocked_longest", "", Unit::Time, ""),
    MetricKind::new("commit_messages", "", Unit::Number, ""),
    MetricKind::new("decision_time", "", Unit::Time, ""),
    MetricKind::new("deadlocks", "", Unit::Number, ""),
    MetricKind::new("doubled", "", Unit::Number, ""),
    MetricKind::new("doubt_longest", "", Unit::Time, ""),
    MetricKind::new("taken_over", "", Unit::Number, ""),
];

/// The figures that their files expect.
const FIGURES: &[MetricKind] = &[
    MetricKind::new("lock_overlap", "", Unit::Time, ""),
    MetricKind::new("late_writes", "", Unit::Number, ""),
    MetricKind::new("late_writes_taken", "", Unit::Number, ""),
];

/// The figures that files of `queue` expect.
const MESSAGES_LOST: &[MetricKind] = &[
    MetricKind::new("lost", "", Unit::Number, ""),
    MetricKind::new("duplicated", "", Unit::Number, ""),
    MetricKind::new("passed_over", "", Unit::Number, ""),
    MetricKind::new("worked_twice", "", Unit::Number, ""),
    MetricKind::new("lossy_elections", "", Unit::Number, ""),
    MetricKind::new("too_few", "", Unit::Number, ""),
    MetricKind::new("isr_shrinks", "", Unit::Number, ""),
    MetricKind::new("rebalances", "", Unit::Number, ""),
    MetricKind::new("unowned", "", Unit::Time, ""),
    MetricKind::new("zombie_work", "", Unit::Number, ""),
    MetricKind::new("drain_time", "", Unit::Time, ""),
];

/// The kinds of nodes of the system `cell`.
const ROLES: &[RoleKind] =
    &[RoleKind::member("server", "serves").at_least(3), RoleKind::other("app", "uses the servers")];

/// An order that only the stand-in knows.
const OWN_ORDERS: &[OrderKind] =
    &[OrderKind { name: "compact", about: "so many snapshots are kept", takes: Argument::Number }];

/// The orders of the system `consul`.
const CONSUL_ORDERS: &[OrderKind] = &[
    OrderKind { name: "leave", about: "", takes: Argument::Node },
    OrderKind { name: "force_leave", about: "", takes: Argument::Node },
    OrderKind { name: "sicken", about: "", takes: Argument::Node },
    OrderKind { name: "cure", about: "", takes: Argument::Node },
    OrderKind { name: "restore", about: "", takes: Argument::Nothing },
    OrderKind { name: "leave_many", about: "", takes: Argument::Number },
];

/// The orders that files of `kubernetes` give.
const KUBECTL: &[OrderKind] = &[
    OrderKind { name: "rollout", about: "", takes: Argument::Number },
    OrderKind { name: "scale", about: "", takes: Argument::Number },
    OrderKind { name: "drain", about: "", takes: Argument::Node },
    OrderKind { name: "uncordon", about: "", takes: Argument::Node },
    OrderKind { name: "restart_kubelet", about: "", takes: Argument::Node },
];

/// Whether a value is, or holds, a number that is none.
fn is_nan(value: &toml::Value) -> bool {
    match value {
        toml::Value::Float(number) => number.is_nan(),
        toml::Value::Array(list) => list.iter().any(is_nan),
        toml::Value::Table(table) => table.iter().any(|(_, value)| is_nan(value)),
        _ => false,
    }
}

/// Knows only the stand-in.
pub struct Only;

impl Systems for Only {
    fn names(&self) -> Vec<&'static str> {
        [&[StandIn::NAME, "paxos", "synod", "still"], UNKNOWN].concat()
    }
    fn options(&self, system: &str, given: &toml::Table, shape: &Shape) -> Result<toml::Table, Vec<OptionProblem>> {
        if UNKNOWN.contains(&system) {
            // No option of theirs is a number that is none, and a file with one never equals itself.
            let nan = |key: &String| OptionProblem {
                key: key.clone(),
                unknown: false,
                what: "not a number".to_owned(),
                help: "a number".to_owned(),
            };
            let nans: Vec<_> = given.iter().filter(|(_, value)| is_nan(value)).map(|(key, _)| nan(key)).collect();
            return if nans.is_empty() { Ok(given.clone()) } else { Err(nans) };
        }
        check_options::<StandIn>(given, shape)
    }
    fn kinds(&self, system: &str) -> (&'static [&'static str], &'static [&'static str]) {
        if UNKNOWN.contains(&system) {
            return (&[], &[]);
        }
        (MESSAGES, FACTS)
    }
    fn roles(&self, system: &str) -> &'static [RoleKind] {
        if system == "cell" { ROLES } else { &[] }
    }
    fn operations(&self, system: &str) -> &'static [OperationKind] {
        if NAMING.contains(&system) { OPERATIONS } else { &[] }
    }
    fn metrics(&self, system: &str) -> &'static [MetricKind] {
        match system {
            "commit" => COMMITS,
            "kubernetes" => PODS,
            "scheduling" => TASKS,
            "queue" => MESSAGES_LOST,
            "mapreduce" | "spark" => BATCHES,
            "mesh" => CALLS,
            system if LOCKS.contains(&system) => FIGURES,
            _ => &[],
        }
    }
    fn connects(&self, system: &str, _: &toml::Table, _: &Shape) -> bool {
        system == "cell"
    }
    fn own_orders(&self, system: &str) -> &'static [OrderKind] {
        match system {
            "consul" => CONSUL_ORDERS,
            "kubernetes" => KUBECTL,
            system if UNKNOWN.contains(&system) => &[],
            _ => OWN_ORDERS,
        }
    }
    fn orders(&self, system: &str) -> &'static [&'static str] {
        if system == "still" { &[] } else { sim_core::Order::KINDS }
    }
}

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_path_buf()
}

/// All files with one of these endings under a folder, in order of their names.
pub fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder is there").flatten() {
            let path = entry.path();
            let ending = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if endings.contains(&ending.as_str()) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A text read as if it were a file in the fixtures.
pub fn parse(text: &str, sets: &[&str]) -> Result<Scenario, scenarios::Diagnostics> {
    let overrides: Vec<Override> = sets.iter().map(|s| Override::new(*s)).collect();
    let files = scenarios::Beside::new(&root().join("fixtures/latency/x.toml"));
    scenarios::parse(
        &scenarios::Text { name: "test.toml", text, json: false, overrides: &overrides, files: &files },
        &Only,
    )
}
