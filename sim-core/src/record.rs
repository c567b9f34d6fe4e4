//! What a finished run leaves: plain data from which every report is made, and can be made again from files.
//!
//! `record.json` holds a [`RunRecord`] without its operations; `history.jsonl` holds those, one [`OpRecord`] a line
//! (with the request and response beside it). The two together rebuild the report.

use crate::measures::{Condition, Measures, Timeline};
use crate::{Class, Fate};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of [`RunRecord`], `report.json` and `history.jsonl`.
pub const SCHEMA_VERSION: u32 = 1;

/// Everything a report needs to know about one run. Times are simulated nanoseconds since its start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`SCHEMA_VERSION`] when it was written.
    pub schema_version: u32,
    /// The version of splitbrain that wrote it.
    #[serde(default)]
    pub version: String,
    /// The fingerprint of the resolved scenario beside it, so that an edited one is known.
    #[serde(default)]
    pub scenario_fingerprint: String,
    /// The scenario's `name`.
    pub scenario: String,
    /// The scenario's `title`: one sentence for people.
    pub title: String,
    /// The system under test.
    pub system: String,
    /// The model that its history is judged against (`splitbrain history --model`); empty if there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// The seed.
    pub seed: u64,
    /// 16 hexadecimal digits, equal for equal runs.
    pub digest: String,
    /// When the run ended.
    pub simulated_ns: u64,
    /// How many events were handled.
    pub events: u64,
    /// Start of the measured window (end of the warm-up).
    pub measure_from_ns: u64,
    /// End of the measured window (start of the healing).
    pub measure_to_ns: u64,
    /// Length of an availability window.
    pub window_ns: u64,
    /// An operation that takes longer than this counts as failed for availability.
    pub timeout_ns: u64,
    /// Spacing of the probe grid; 0 without probes.
    pub probe_every_ns: u64,
    /// An operation that takes longer than this does not count as served where outages are found; 0 for `timeout_ns`.
    #[serde(default, skip_serializing_if = "nothing")]
    pub probe_timeout_ns: u64,
    /// How many shards the keys lie in; 0 where the system places no keys.
    #[serde(default, skip_serializing_if = "no_shard")]
    pub shards: u16,
    /// What people call them where that is not `shards`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub shards_name: String,
    /// The cluster's zones.
    pub zones: Vec<String>,
    /// What `requests` of the nodes counts, in the plural.
    #[serde(default)]
    pub load_unit: String,
    /// The nodes: load and position.
    pub nodes: Vec<NodeRecord>,
    /// Faults in order of time.
    pub faults: Vec<FaultRecord>,
    /// The phases an outage of this system goes through.
    pub phases: Vec<PhaseRecord>,
    /// Landmark facts in order of time.
    pub marks: Vec<Mark>,
    /// Facts counted by kind.
    pub facts: BTreeMap<String, u64>,
    /// Message counts.
    pub messages: Messages,
    /// What the rules said. Expectations are judged later, from the report's own figures.
    pub verdicts: Vec<VerdictRecord>,
    /// What the scenario expects of the report's figures.
    pub expectations: Vec<Expectation>,
    /// What the system measured beyond what every system has.
    #[serde(default, skip_serializing_if = "Measures::is_empty")]
    pub measures: Measures,
    /// Times in which something was wrong that is no fault of the plan and that every system has: links that were full
    /// or are slow. Those that the system sees are in `measures`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// How the nodes were over time, where somebody wants to see it.
    #[serde(default, skip_serializing_if = "Timeline::is_empty")]
    pub timeline: Timeline,
    /// Things a reader should know, e.g. "fault 3 hit a node that was already down".
    pub notes: Vec<String>,
    /// What happened last before a rule was broken in the middle of the run, as lines of a trace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_events: Vec<String>,
    /// Every operation in order of its end. Not in `record.json` but in `history.jsonl`.
    #[serde(skip)]
    pub ops: Vec<OpRecord>,
}

impl RunRecord {
    /// A node's name; its number where the record does not know it.
    #[must_use]
    pub fn node_name(&self, node: u32) -> String {
        self.nodes.get(node as usize).map_or_else(|| crate::NodeId(node).to_string(), |n| n.name.clone())
    }
}

/// One operation of one client. In `history.jsonl` clients, zones and nodes are numbered from 1, as they are named on
/// the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpRecord {
    /// The client's number: 5 is `c5`, as verdicts and traces call it.
    pub client: u32,
    /// The operation's number within the client.
    pub op: u64,
    /// Whether it reads or may write.
    pub class: Class,
    /// Whether it belongs to the probe grid.
    pub probe: bool,
    /// Index of the client's zone; in files its number, 1 for the first.
    #[serde(with = "from_one")]
    pub zone: u16,
    /// The shard it is about; 0 where there are none.
    #[serde(default, skip_serializing_if = "no_shard")]
    pub shard: u16,
    /// When it began.
    pub invoke_ns: u64,
    /// When its client knew the outcome, or gave up.
    pub return_ns: u64,
    /// How it ended.
    pub outcome: Fate,
    /// Which node answered (0 is `n1`, which is 1 in files); `None` if nobody did.
    #[serde(with = "from_one")]
    pub node: Option<u32>,
    /// How many tries it took.
    pub attempts: u32,
}

/// Indices count from 0, numbers in files from 1.
mod from_one {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// An index, or none.
    pub trait Index: Sized {
        fn number(&self) -> Option<u64>;
        fn of(number: Option<u64>) -> Option<Self>;
    }

    impl Index for u16 {
        fn number(&self) -> Option<u64> {
            Some(u64::from(*self) + 1)
        }
        fn of(number: Option<u64>) -> Option<Self> {
            number?.checked_sub(1)?.try_into().ok()
        }
    }

    impl Index for Option<u32> {
        fn number(&self) -> Option<u64> {
            self.map(|index| u64::from(index) + 1)
        }
        fn of(number: Option<u64>) -> Option<Self> {
            number.map_or(Some(None), |number| Some(Some(number.checked_sub(1)?.try_into().ok()?)))
        }
    }

    pub fn serialize<S: Serializer>(index: &impl Index, serializer: S) -> Result<S::Ok, S::Error> {
        index.number().serialize(serializer)
    }

    pub fn deserialize<'de, I: Index, D: Deserializer<'de>>(deserializer: D) -> Result<I, D::Error> {
        I::of(Option::deserialize(deserializer)?).ok_or_else(|| D::Error::custom("zones and nodes are numbered from 1"))
    }
}

const fn always() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn no_shard(shard: &u16) -> bool {
    *shard == 0
}

/// One node's share of the work, counted over the measured window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its name, `n1`.
    pub name: String,
    /// Index of its zone.
    pub zone: u16,
    /// Whether its work counts in the distribution of load.
    #[serde(default = "always")]
    pub carries: bool,
    /// Its load: client requests handed to it, or whatever else the system counts (`load_unit`).
    pub requests: u64,
    /// Client requests it answered with a result.
    pub answered: u64,
    /// Bytes received from nodes and clients.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Messages received from nodes.
    pub messages_in: u64,
    /// Messages sent to nodes.
    pub messages_out: u64,
    /// Keys held, where the system places keys.
    pub keys: u64,
    /// Time its CPU was busy.
    pub busy_ns: u64,
    /// Time its disk was syncing.
    pub disk_busy_ns: u64,
    /// Syncs completed.
    pub syncs: u64,
    /// Time it was down.
    pub down_ns: u64,
    /// What it did for probes, which is in none of the figures above but times and syncs.
    #[serde(default, skip_serializing_if = "ProbeLoad::is_none")]
    pub probes: ProbeLoad,
}

/// What a node did for probes, counted over the measured window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeLoad {
    /// Client requests handed to it, or whatever else the system counts.
    pub requests: u64,
    /// Bytes received, as far as they are known to be about a probe's operation alone: what replicates many operations
    /// together is not.
    pub bytes_in: u64,
    /// Bytes sent, likewise.
    pub bytes_out: u64,
    /// Messages received from nodes, likewise.
    pub messages_in: u64,
    /// Messages sent to nodes, likewise.
    pub messages_out: u64,
}

impl ProbeLoad {
    /// Whether it did nothing for them.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// One fault as it happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// `crash`, `partition`, ...
    pub kind: String,
    /// One line for people, e.g. `partition (isolate) of leader`.
    pub label: String,
    /// The target as written.
    pub target: String,
    /// The nodes it hit, e.g. `["n3"]`.
    pub resolved: Vec<String>,
    /// When it began.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// Whether it changed anything.
    pub bit: bool,
    /// How much: messages dropped, inputs delayed, nodes taken down.
    pub touched: u64,
    /// Whether not biting makes the run inconclusive.
    pub must_bite: bool,
    /// How much of it the scenario's limits held back: nodes, or 1 for a partition as a whole.
    #[serde(default, skip_serializing_if = "nothing")]
    pub held: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn nothing(number: &u64) -> bool {
    *number == 0
}

impl FaultRecord {
    /// What people call it: the label, or else the kind, with the nodes it hit unless the label already says so:
    /// `crash of leader (n3)`.
    #[must_use]
    pub fn name(&self) -> String {
        let label = if self.label.is_empty() { &self.kind } else { &self.label };
        let says = |node: &String| label.split(|c: char| !c.is_alphanumeric()).any(|word| word == node);
        match &self.resolved[..] {
            nodes if nodes.iter().all(says) => label.clone(),
            nodes if nodes.len() <= 3 => format!("{label} ({})", nodes.join(", ")),
            nodes => format!("{label} ({} nodes)", nodes.len()),
        }
    }
}

/// One phase of an outage: it lasts from the end of the phase before to the first landmark of kind `ends_with`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseRecord {
    /// What people call it, e.g. `election`.
    pub name: String,
    /// The kind of the fact that ends it; `None` for the last one, which ends with the outage.
    pub ends_with: Option<String>,
}

/// A landmark fact.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// When.
    pub at_ns: u64,
    /// Who (0 is `n1`).
    pub node: u32,
    /// Its kind, e.g. `elected`.
    pub kind: String,
    /// The whole fact, for people.
    pub detail: String,
    /// Why it came to that, where the system says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Message counts between nodes, over the whole run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Messages {
    /// Sent.
    pub sent: u64,
    /// Delivered (duplicates included).
    pub delivered: u64,
    /// Not delivered, for whatever reason.
    pub lost: u64,
    /// Lost, by reason.
    pub lost_by: BTreeMap<String, u64>,
    /// Sent, by kind.
    pub by_kind: BTreeMap<String, u64>,
}

/// What a rule said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictRecord {
    /// The rule's name.
    pub rule: String,
    /// Pass, fail or inconclusive.
    pub verdict: Ruling,
    /// What was seen.
    pub detail: String,
    /// The rule was broken, as the scenario expects: `verdict` says that it held.
    #[serde(default, skip_serializing_if = "is_false")]
    pub broken_as_expected: bool,
    /// When it was seen to be broken, in simulated nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_ns: Option<u64>,
}

/// Three-valued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// It held.
    Pass,
    /// Nobody knows.
    Inconclusive,
    /// It was broken.
    Fail,
}

/// A bound on one figure of the report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// Which figure, e.g. `availability`, `longest_outage`, `write_p99`, `max_over_mean`.
    pub metric: String,
    /// How it is compared.
    pub comparison: Comparison,
    /// With what: a fraction, a number, or nanoseconds, as the metric has it.
    pub bound: f64,
    /// The expectation as written, e.g. `>= 99.5%`.
    pub text: String,
}

/// How a figure is compared with its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// At least.
    AtLeast,
    /// At most.
    AtMost,
    /// More than.
    MoreThan,
    /// Less than.
    LessThan,
    /// Exactly.
    Equal,
}
