//! The report: every figure of `report.json`, under the names other programs read.

mod bug_probability;
pub(crate) mod condition;
mod distributions;
mod goodput;
mod losses;
mod moves;
mod queues;
mod recovery;
mod setup;
mod witness;

pub use bug_probability::{BugProbability, ForkPoint, Jump, JumpEvent};
pub use condition::Condition;
pub use distributions::{Curve, Distributions, Panel};
pub use goodput::{Goodput, GoodputBin};
pub use losses::{Losses, LostWrite, TwoPrimaries};
pub use moves::Moved;
pub use queues::{NodeQueue, Queues};
pub use recovery::{Recoveries, Recovery, Steps, ZoneRecovery};
pub use setup::{Setup, SetupLink, SetupPart, SetupZone};
pub use sim_core::record::{FaultRecord as Fault, Messages, VerdictRecord as Verdict};
pub use witness::{Cycle, Witness, Witnessed};

use serde::{Serialize, Serializer};
use sim_core::Class;
use sim_core::curve;
use sim_core::measures::Formula;
use sim_core::metric::Metric;
use sim_core::record::{ProbeLoad, Ruling};
use sim_core::table::Table;
use sim_core::track::Track;
use std::collections::BTreeMap;

/// The version of `report.json`.
pub const REPORT_SCHEMA_VERSION: u32 = 1;

/// All that is said about one run. Times are simulated nanoseconds since its start.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// [`REPORT_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The scenario's title, one sentence.
    pub title: String,
    /// The system under test.
    pub system: String,
    /// The seed.
    pub seed: u64,
    /// 16 hexadecimal digits, equal for equal runs.
    pub digest: String,
    /// When the run ended.
    pub simulated_ns: u64,
    /// Events handled.
    pub events: u64,
    /// Start of the measured window.
    pub measure_from_ns: u64,
    /// End of the measured window.
    pub measure_to_ns: u64,
    /// The worst of the verdicts.
    pub ruling: Ruling,
    /// 0 all held, 1 something failed, 3 nobody knows.
    pub exit_code: u8,
    /// What the rules said, then the expectations (`expect.*`), then whether the run tested anything at all.
    pub verdicts: Vec<Verdict>,
    /// How much of the time, and of the operations, was served.
    pub availability: Availability,
    /// What clients were promised and did not get.
    pub losses: Losses,
    /// How long the operations that succeeded took.
    pub latency: Latencies,
    /// Who did the work.
    pub load: Load,
    /// What was asked and what was served, where the system measures load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goodput: Option<Goodput>,
    /// What the system did not serve, by the reason it gives, in the whole run.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, u64>,
    /// What the system did in steps while clients waited, under the name that it has for it.
    #[serde(flatten)]
    pub recoveries: Option<Recoveries>,
    /// The figures that sweeps and comparisons follow beside availability and latency, with the system's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// Closed forms beside what the run came to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub formulas: Vec<Formula>,
    /// The system's own tables, but for those within a part.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<Table>,
    /// Who held, ran or led what from when to when, as the system tells it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tracks: Vec<Track>,
    /// The system's own figures over time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub curves: Vec<curve::Curve>,
    /// Messages between nodes, over the whole run.
    pub messages: Messages,
    /// What was done to the cluster.
    pub faults: Vec<Fault>,
    /// Times in which something was wrong that is no fault: gray servers, overloads, links that are full or slow.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// What the system announced, counted by kind.
    pub facts: BTreeMap<String, u64>,
    /// Things a reader should know.
    pub notes: Vec<String>,
}

/// Availability over the measured window. `outages` says how it is measured (see the crate's `outages` module).
///
/// Only operations *invoked* in the measured window count, and probes only in `probes`, `scopes` and `outages`.
/// `operations = ok + failed + unknown`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Availability {
    /// Operations invoked in the measured window.
    pub operations: u64,
    /// Those that succeeded within `timeout_ns`.
    pub ok: u64,
    /// Those that failed, or succeeded too late.
    pub failed: u64,
    /// Those of `failed` that succeeded too late.
    pub late: u64,
    /// Those that may or may not have happened.
    pub unknown: u64,
    /// `ok / operations`; `null` without operations. Rounded to 9 digits, as every fraction here.
    pub fraction: Option<f64>,
    /// The share of the measured window in which no scope was down; `null` where nobody asked anything.
    pub time_fraction: Option<f64>,
    /// `-log10(1 - time_fraction)`, 4 digits. `null` when there was no outage (it would be infinite, which a finite run
    /// can not show) or nothing was measured.
    pub nines: Option<f64>,
    /// The longest outage of any scope; 0 without any.
    pub longest_outage_ns: u64,
    /// The longest outage of writes, wherever they were asked for and whatever shard they were about.
    pub longest_write_outage_ns: u64,
    /// The longest outage of reads.
    pub longest_read_outage_ns: u64,
    /// The longest time in which the clients of one zone had neither reads nor writes, of any shard.
    pub longest_zone_outage_ns: u64,
    /// The longest time in which nobody had anything.
    pub longest_full_outage_ns: u64,
    /// The time in which some scope was down.
    pub total_outage_ns: u64,
    /// Every outage in order of time; they do not overlap.
    pub outages: Vec<Outage>,
    /// Each scope of which anything is known.
    pub scopes: Vec<ScopeAvailability>,
    /// Whether probes decided what was down; otherwise the workload's operations did.
    pub decided_by_probes: bool,
    /// The longest time in which no operation returned successfully, however short: it shows what `timeout_ns`
    /// forgives.
    pub longest_stall: Stall,
    /// An operation slower than this does not count as `ok`.
    pub timeout_ns: u64,
    /// An operation slower than this does not count as served where outages are found.
    pub probe_timeout_ns: u64,
    /// Length of a window.
    pub window_ns: u64,
    /// Windows in the measured window; the last may be shorter.
    pub windows: u64,
    /// Windows in which some scope was down.
    pub windows_down: u64,
    /// Windows in which nothing was asked that decides; they continue the state before them.
    pub windows_empty: u64,
    /// The probe clients' operations, which count in nothing else here but `scopes` and `outages`.
    pub probes: Share,
    /// Reads alone.
    pub read: Share,
    /// Writes alone.
    pub write: Share,
    /// By the client's zone; empty when the cluster has fewer than two.
    pub by_zone: BTreeMap<String, Share>,
}

/// Some of the operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Share {
    /// How many.
    pub operations: u64,
    /// How many of them succeeded within the timeout.
    pub ok: u64,
    /// `ok / operations`, or `null`.
    pub fraction: Option<f64>,
}

/// A time without a success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stall {
    /// When it began.
    pub start_ns: u64,
    /// How long it lasted.
    pub duration_ns: u64,
}

/// A class of operations asked from a zone, of a shard where keys lie in shards.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScopeAvailability {
    /// Reads or writes.
    pub class: Class,
    /// The clients' zone.
    pub zone: String,
    /// The shard, counted from 0; `null` where keys lie in no shards.
    pub shard: Option<u16>,
    /// Operations that decided: probes or, without them, the workload's.
    pub operations: u64,
    /// Those of them that were served within `probe_timeout_ns`.
    pub ok: u64,
    /// `ok / operations`.
    pub fraction: Option<f64>,
    /// The share of the measured window in which it was not down.
    pub time_fraction: Option<f64>,
    /// How often it was down.
    pub outages: u64,
    /// For how long at most.
    pub longest_outage_ns: u64,
    /// Time of which nothing is known, because too few asked; always 0 with probes.
    pub unknown_ns: u64,
}

/// A time in which one scope was down.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScopeOutage {
    /// Reads or writes.
    pub class: Class,
    /// The clients' zone.
    pub zone: String,
    /// The shard, counted from 0; `null` where keys lie in no shards.
    pub shard: Option<u16>,
    /// The first operation that was not served.
    pub start_ns: u64,
    /// When the first success after it returned, or the end of the measured window.
    pub end_ns: u64,
    /// It had not ended when the measured window did.
    pub open: bool,
    /// The share of the requests that failed, of an outage of a share; `null` where (nearly) all did.
    pub share: Option<f64>,
}

/// A time in which some scopes were down: outages of scopes that overlap are one. Its ends are those of the scope that
/// was down for longest.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Outage {
    /// The first operation that was not served.
    pub start_ns: u64,
    /// When the first success after it returned, or the end of the measured window.
    pub end_ns: u64,
    /// `end_ns - start_ns`.
    pub duration_ns: u64,
    /// It had not ended when the measured window did.
    pub open: bool,
    /// What was down, for people: `everything`, `writes`, `zone b`, `1 of 3 shards`, `34 % of all requests`.
    pub scope: String,
    /// The share of the requests that failed, of an outage of a share (a service that lost some of its servers); `null`
    /// where (nearly) all did.
    pub share: Option<f64>,
    /// The workload's operations that were under way while their scope was down, and were not served.
    pub operations_lost: u64,
    /// Those that were under way then and had no answer, or a refusal.
    pub operations_failed: u64,
    /// Those that were answered after all, but so late that a probe would have given up.
    pub operations_late: u64,
    /// The faults that were active, for people.
    pub cause: String,
    /// Their indices in `faults`.
    pub cause_faults: Vec<usize>,
    /// What it was spent on; they cover it exactly.
    pub phases: Vec<Phase>,
    /// Each scope that was down, in order of time.
    pub scopes: Vec<ScopeOutage>,
}

/// One part of an outage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Phase {
    /// Its name, e.g. `election`.
    pub name: String,
    /// When it began.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
}

/// Latencies of successful operations invoked in the measured window, late ones included: what a client saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Latencies {
    /// Reads.
    pub read: Latency,
    /// Writes.
    pub write: Latency,
    /// Both.
    pub all: Latency,
}

/// One distribution, to three significant digits (`max` and `min` are exact). `null` where `count` is 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Operations counted.
    pub count: u64,
    /// The fastest.
    pub min_ns: Option<u64>,
    /// The mean.
    pub mean_ns: Option<u64>,
    /// Half were at most this slow.
    pub p50_ns: Option<u64>,
    /// Nine in ten.
    pub p90_ns: Option<u64>,
    /// 99 in 100.
    pub p99_ns: Option<u64>,
    /// 999 in 1000.
    pub p999_ns: Option<u64>,
    /// The slowest.
    pub max_ns: Option<u64>,
}

/// How the work was spread, over the measured window. Figures of spread are over the nodes that carry load.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Load {
    /// What `requests` counts, e.g. `client requests` or `lookups answered`.
    pub unit: String,
    /// One entry a node.
    pub per_node: Vec<NodeLoad>,
    /// The busiest node's requests over the mean; 1 is even. `null` without requests.
    pub requests_max_over_mean: Option<f64>,
    /// Standard deviation over mean; 0 is even.
    pub requests_cov: Option<f64>,
    /// Jain's index, `(sum x)^2 / (n sum x^2)`; 1 is even, `1/n` is one node doing all.
    pub requests_jain: Option<f64>,
    /// Gini coefficient; 0 is even.
    pub requests_gini: Option<f64>,
    /// As `requests_max_over_mean`, for keys held. `null` where the system places no keys.
    pub keys_max_over_mean: Option<f64>,
    /// As `requests_cov`, for keys.
    pub keys_cov: Option<f64>,
    /// As `requests_jain`, for keys.
    pub keys_jain: Option<f64>,
    /// As `requests_gini`, for keys.
    pub keys_gini: Option<f64>,
    /// As `requests_max_over_mean`, for bytes received and sent.
    pub bytes_max_over_mean: Option<f64>,
    /// As `requests_cov`, for bytes.
    pub bytes_cov: Option<f64>,
    /// As `requests_jain`, for bytes.
    pub bytes_jain: Option<f64>,
    /// As `requests_gini`, for bytes.
    pub bytes_gini: Option<f64>,
    /// As `requests_max_over_mean`, for the time CPUs were busy. `null` where work costs no time.
    pub busy_max_over_mean: Option<f64>,
    /// As `requests_cov`, for busy time.
    pub busy_cov: Option<f64>,
    /// As `requests_jain`, for busy time.
    pub busy_jain: Option<f64>,
    /// As `requests_gini`, for busy time.
    pub busy_gini: Option<f64>,
    /// The busiest CPU's `busy_fraction`.
    pub busy_max: Option<f64>,
    /// Keys moved by each change of membership.
    pub keys_moved: Vec<Moved>,
    /// The system's own tables about it.
    #[serde(flatten)]
    pub tables: Part,
    /// How long the queues were, where the system has queues.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queues: Option<Queues>,
}

/// Tables of a system within a part of the report: each is a list under its name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part(pub Vec<Table>);

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|table| (&table.name, table.objects().collect::<Vec<_>>())))
    }
}

/// One node's share.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct NodeLoad {
    /// Its name.
    pub node: String,
    /// Its zone's name, or empty.
    pub zone: String,
    /// Whether it has a share in the load; what only passes work on has not.
    #[serde(skip_serializing_if = "is_true")]
    pub carries: bool,
    /// Its load: client requests handed to it, or whatever else the system counts (`unit`).
    pub requests: u64,
    /// Client requests it answered with a result.
    pub answered: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Messages received from nodes.
    pub messages_in: u64,
    /// Messages sent to nodes.
    pub messages_out: u64,
    /// Keys held.
    pub keys: u64,
    /// Share of the measured window its CPU was busy.
    pub busy_fraction: f64,
    /// Share of the measured window its disk was syncing.
    pub disk_busy_fraction: f64,
    /// Syncs completed.
    pub syncs: u64,
    /// Time it was down.
    pub down_ns: u64,
    /// What it did for probes, which is in none of the figures above but shares of time and syncs.
    #[serde(skip_serializing_if = "ProbeLoad::is_none")]
    pub probes: ProbeLoad,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_true(flag: &bool) -> bool {
    *flag
}

impl Report {
    /// The figures that say what harm was done, whatever held.
    pub fn harmed(&self) -> impl Iterator<Item = &Metric> {
        self.metrics.iter().filter(|metric| metric.kind.harm && metric.value > 0.0)
    }

    /// Length of the measured window, nanoseconds.
    #[must_use]
    pub fn measured_ns(&self) -> u64 {
        self.measure_to_ns.saturating_sub(self.measure_from_ns)
    }

    /// The nodes that have a share in the load.
    pub fn carriers(&self) -> impl Iterator<Item = &NodeLoad> {
        self.load.per_node.iter().filter(|node| node.carries)
    }

    /// What charts shade: the faults, and what else was wrong for a time.
    pub(crate) fn troubles(&self) -> Vec<Fault> {
        let passing = self.conditions.iter().filter(|c| !c.is_standing(self.measure_from_ns, self.measure_to_ns));
        self.faults.iter().cloned().chain(passing.map(Condition::as_fault)).collect()
    }

    /// The names of all phases of outages, in the order that decides how they look: those of recoveries, then those of
    /// the longest outage, then as they come.
    pub(crate) fn phase_names(&self) -> Vec<&str> {
        let steps = self.recoveries.iter().flat_map(|r| r.kind.steps.iter().map(|step| &*step.name));
        let outages = self.worst_outage().into_iter().chain(&self.availability.outages);
        let mut names: Vec<&str> = steps.collect();
        for name in outages.flat_map(|outage| &outage.phases).map(|phase| phase.name.as_str()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The longest outage (the first of equals).
    #[must_use]
    pub fn worst_outage(&self) -> Option<&Outage> {
        self.availability.outages.iter().min_by_key(|o| (std::cmp::Reverse(o.duration_ns), o.start_ns))
    }

    /// `report.json`: two-space indents, fields in the order of this type, a newline at the end.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a report holds only strings, numbers and lists");
        text.push('\n');
        text
    }

    /// The same on one line, without a newline.
    #[must_use]
    pub fn to_json_line(&self) -> String {
        serde_json::to_string(self).expect("a report holds only strings, numbers and lists")
    }
}

impl Share {
    /// Counts one more operation.
    pub(crate) fn count(&mut self, ok: bool) {
        self.operations += 1;
        self.ok += u64::from(ok);
    }

    /// Fills in the fraction.
    pub(crate) fn close(&mut self) {
        self.fraction = crate::units::fraction(self.ok, self.operations);
    }
}
