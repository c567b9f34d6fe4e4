//! What a system measured of a run beyond what every system has: keys that moved, recoveries, what was lost, figures of
//! its own, and formulas to hold beside the simulation. Plain data, kept in the [`crate::record::RunRecord`].

use crate::curve::Curve;
use crate::metric::{Metric, MetricKind, Unit};
use crate::record::OpRecord;
use crate::recovery::Recoveries;
use crate::table::Table;
use crate::track::Track;
use crate::{Class, ClientId, Duration, Fate, Instant};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything a system measured; empty for one that measures nothing of its own. Times are simulated nanoseconds since
/// the start of the run, nodes are counted from 0 (`n1`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Measures {
    /// Keys of each node in the end, where they are counted for the cluster as a whole and not by each node.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<u64>,
    /// What each change of membership moved, in order of time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys_moved: Vec<KeysMoved>,
    /// Operations that were not served, by the reason the system gives.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, u64>,
    /// What clients were promised and did not get, where the system keeps account of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub losses: Option<Losses>,
    /// What it did in steps while clients waited, where it has such a thing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recoveries: Option<Recoveries>,
    /// Times in which something was wrong that is no fault of the plan.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Its own figures ([`crate::System::METRICS`]), as far as this run has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// Closed forms, each beside what the run came to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub formulas: Vec<Formula>,
    /// Its own tables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<Table>,
    /// Who held, ran or led what from when to when.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tracks: Vec<Track>,
    /// Its own figures over time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub curves: Vec<Curve>,
}

impl Measures {
    /// Gives the system's figure `name` its value; `kinds` is where the system has named it.
    ///
    /// # Panics
    /// When it has not.
    pub fn set(&mut self, kinds: &[MetricKind], name: &str, value: f64) {
        let kind = kinds.iter().find(|kind| kind.name == name);
        let kind = kind.unwrap_or_else(|| panic!("the system names no figure {name:?} in its metrics()"));
        self.metrics.push(kind.clone().with(value));
    }

    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What one change of membership moved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeysMoved {
    /// When it began.
    pub at_ns: u64,
    /// What happened, e.g. `n7 joined`.
    pub event: String,
    /// Keys that changed owner (copies of keys, where a key has several).
    pub moved: u64,
    /// Keys there were (copies, likewise).
    pub total: u64,
    /// The fewest that had to move for the result to be balanced by weight.
    pub ideal: u64,
    /// When the last of them was durable at its destination; `None` if that was not seen.
    pub done_ns: Option<u64>,
    /// Keys of each node before.
    pub before: Vec<u64>,
    /// Keys of each node after.
    pub after: Vec<u64>,
}

/// A time in which something was wrong that is no fault of the plan: a server that was gray, a link that was full.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// `gray`, `overload`, `slow_link`, ...
    pub kind: String,
    /// One line for people, with the names of what it is about.
    pub label: String,
    /// The nodes it is about.
    pub nodes: Vec<u32>,
    /// Since when.
    pub from_ns: u64,
    /// Until when.
    pub to_ns: u64,
    /// For an overload: how many of the clients' operations per second all of those it is about can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity_per_second: Option<f64>,
    /// How many clients would begin if they could; what they did begin, where nobody says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offered_per_second: Option<f64>,
}

/// Conditions as they come and go, each named by its label.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    open: BTreeMap<String, (Condition, bool)>,
    done: Vec<Condition>,
}

impl Conditions {
    /// What is seen again within this is the same condition.
    const PATIENCE: Duration = Duration::secs(1);

    /// It begins, and lasts until [`Conditions::end`].
    pub fn begin(&mut self, at: Instant, condition: Condition) {
        let condition = Condition { from_ns: at.0, to_ns: at.0, ..condition };
        self.open.entry(condition.label.clone()).or_insert((condition, true));
    }

    /// It is over.
    pub fn end(&mut self, at: Instant, label: &str) {
        if let Some((condition, _)) = self.open.remove(label) {
            self.done.push(Condition { to_ns: at.0, ..condition });
        }
    }

    /// It shows at a moment; from one moment to the next, if that is soon, it lasts.
    pub fn seen(&mut self, at: Instant, label: &str, condition: impl FnOnce() -> Condition) {
        let lasts = self.open.get(label).is_some_and(|(open, _)| at.0 <= open.to_ns.saturating_add(Self::PATIENCE.0));
        if !lasts {
            if let Some((over, _)) = self.open.remove(label) {
                self.done.push(over);
            }
            let new = Condition { label: label.to_owned(), from_ns: at.0, ..condition() };
            self.open.insert(label.to_owned(), (new, false));
        }
        if let Some((open, _)) = self.open.get_mut(label) {
            open.to_ns = at.0;
        }
    }

    /// All of them in order of time; those that are not over end with the run.
    #[must_use]
    pub fn finish(&self, end: Instant) -> Vec<Condition> {
        let open = self.open.values().map(|(open, lasts)| match lasts {
            true => Condition { to_ns: end.0, ..open.clone() },
            false => open.clone(),
        });
        let mut all: Vec<Condition> = self.done.iter().cloned().chain(open).collect();
        all.sort_by(|a, b| (a.from_ns, a.to_ns, &a.label).cmp(&(b.from_ns, b.to_ns, &b.label)));
        all
    }
}

/// What clients were promised and did not get. Probes are nobody's clients: what they wrote and read does not count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Losses {
    /// Acknowledged writes that are lost: no node that serves has them, nor will.
    pub lost: u64,
    /// The lost ones. A system lists all that its nodes acknowledged, each operation once; what a record keeps are the
    /// first [`Losses::LISTED`] of those whose client saw the acknowledgement.
    pub lost_writes: Vec<LostWrite>,
    /// Reads that saw less than had been acknowledged before they began; `None` where nobody looked.
    pub stale_reads: Option<u64>,
    /// Which those were, as the system saw them, until they are counted.
    #[serde(skip)]
    pub stale: Vec<(ClientId, u64)>,
    /// Times in which two nodes accepted writes for the same data; `None` where nobody looked.
    pub two_primaries: Option<Vec<TwoPrimaries>>,
}

impl Losses {
    /// Lost writes that are listed in a record; the others are counted.
    pub const LISTED: usize = 100;

    /// Counts what clients saw: of what the system lists as lost or stale, the operations in `ops` that were served and
    /// are no probes, each of them once. Who acknowledged a lost write, and when, is what its client saw, too.
    pub fn count(&mut self, ops: &[OpRecord]) {
        let mut listed: Vec<(u32, u64)> = self.lost_writes.iter().map(|w| (w.client, w.op)).collect();
        listed.extend(self.stale.iter().map(|(client, op)| (client.0 + 1, *op)));
        listed.sort_unstable();
        let mut seen: Vec<(u32, u64, Class, u64, Option<u32>)> = Vec::new();
        if !listed.is_empty() {
            let served = ops.iter().filter(|op| op.outcome == Fate::Ok && !op.probe);
            let of_interest = served.filter(|op| listed.binary_search(&(op.client, op.op)).is_ok());
            seen.extend(of_interest.map(|op| (op.client, op.op, op.class, op.return_ns, op.node)));
            seen.sort_unstable_by_key(|(client, op, ..)| (*client, *op));
        }
        let saw = |client: u32, op: u64, wanted| {
            let at = seen.binary_search_by_key(&(client, op), |(client, op, ..)| (*client, *op)).ok()?;
            let (_, _, class, return_ns, node) = seen[at];
            (class == wanted).then_some((return_ns, node))
        };
        self.lost_writes.retain_mut(|w| {
            let seen = saw(w.client, w.op, Class::Write);
            if let Some((return_ns, node)) = seen {
                (w.acknowledged_ns, w.node) = (return_ns, node.unwrap_or(w.node));
            }
            seen.is_some()
        });
        self.lost = self.lost_writes.len() as u64;
        self.lost_writes.truncate(Self::LISTED);
        if let Some(reads) = &mut self.stale_reads {
            *reads = self.stale.drain(..).filter(|(client, op)| saw(client.0 + 1, *op, Class::Read).is_some()).count()
                as u64;
        }
    }
}

/// An acknowledged write that is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostWrite {
    /// Whose it was: the client's number, 5 is `c5`.
    pub client: u32,
    /// The operation's number within the client.
    pub op: u64,
    /// Its key.
    pub key: u64,
    /// What was written, for people.
    pub what: String,
    /// When it was acknowledged.
    pub acknowledged_ns: u64,
    /// By whom.
    pub node: u32,
    /// Why it is gone, as far as is known.
    pub why: String,
}

/// A time in which two nodes or more accepted writes for the same data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TwoPrimaries {
    /// Since when.
    pub from_ns: u64,
    /// Until when.
    pub to_ns: u64,
    /// Who did.
    pub nodes: Vec<u32>,
    /// Writes that were acknowledged meanwhile by any but the newest of them.
    pub writes: u64,
}

/// A closed form, beside what the run came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Formula {
    /// What it says, by its right name: `steady-state availability of one repairable node`.
    pub name: String,
    /// The formula, for people: `MTTF / (MTTF + MTTR)`.
    pub formula: String,
    /// What it comes to with this scenario's figures.
    pub predicted: f64,
    /// What the run came to; `None` where a single run can not show it.
    pub measured: Option<f64>,
    /// What both count in.
    pub unit: Unit,
    /// What it assumes, and where the run is different.
    pub note: String,
}

/// The probability that at least `k` of `n` are up, each with probability `up`, independently of the others: the sum
/// over i = k..n of C(n, i) up^i (1 - up)^(n - i).
#[must_use]
pub fn k_of_n(k: u32, n: u32, up: f64) -> f64 {
    let ways = |i: u32| (1..=i).fold(1.0, |ways, j| ways * f64::from(n - i + j) / f64::from(j));
    // Products, because powers of floats differ between platforms.
    let powers = |i: u32| (0..i).map(|_| up).chain((i..n).map(|_| 1.0 - up)).product::<f64>();
    (k..=n).map(|i| ways(i) * powers(i)).sum()
}

/// How the nodes were over time: samples at 200 points of the whole run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// When the samples were taken.
    pub at_ns: Vec<u64>,
    /// What each node did since the sample before: pieces of work, or client requests where the system counts no work.
    pub work: Vec<Vec<u64>>,
    /// How long each node's CPU was busy since the sample before, nanoseconds.
    pub busy_ns: Vec<Vec<u64>>,
    /// What the system measures of its nodes.
    pub gauges: Vec<Gauge>,
}

impl Timeline {
    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.at_ns.is_empty()
    }
}

/// One figure of each node over time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gauge {
    /// What it is.
    #[serde(flatten)]
    pub kind: MetricKind,
    /// The samples of each node.
    pub nodes: Vec<Vec<u64>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_come_and_go() {
        let named = |label: &str| Condition { label: label.into(), ..Condition::default() };
        let secs = |s: u64| Instant(s * 1_000_000_000);
        let mut all = Conditions::default();
        all.begin(secs(1), named("gray"));
        for ms in [2_000, 2_900, 3_500, 9_000] {
            all.seen(Instant(ms * 1_000_000), "full", Condition::default);
        }
        all.end(secs(5), "gray");
        all.end(secs(6), "never begun");
        all.begin(secs(8), named("gray"));
        let spans: Vec<_> =
            all.finish(secs(20)).into_iter().map(|c| (c.label, c.from_ns / 1_000_000, c.to_ns / 1_000_000)).collect();
        let span = |label: &str, from, to| (label.to_owned(), from, to);
        let expected =
            [span("gray", 1000, 5000), span("full", 2000, 3500), span("gray", 8000, 20_000), span("full", 9000, 9000)];
        assert_eq!(spans, expected);
    }

    #[test]
    fn losses_are_what_clients_saw() {
        let op = |client, op, class, outcome, probe| OpRecord {
            client,
            op,
            class,
            probe,
            zone: 0,
            shard: 0,
            invoke_ns: 0,
            return_ns: 1,
            outcome,
            node: None,
            attempts: 1,
        };
        let (read, write) = (Class::Read, Class::Write);
        let ops = [
            op(0, 1, write, Fate::Ok, false),
            op(0, 2, write, Fate::Unknown, false),
            op(1, 1, read, Fate::Ok, false),
            op(9, 1, write, Fate::Ok, true),
        ];
        let lost = |client, op| LostWrite { client, op, ..LostWrite::default() };
        let mut losses = Losses {
            lost_writes: vec![lost(0, 1), lost(0, 2), lost(9, 1), lost(0, 7)],
            stale_reads: Some(0),
            stale: vec![(ClientId(0), 1), (ClientId(0), 2)],
            ..Losses::default()
        };
        losses.count(&ops);
        assert_eq!((losses.lost, losses.stale_reads), (1, Some(1)));
        let seen = LostWrite { acknowledged_ns: 1, ..lost(0, 1) };
        assert_eq!(losses.lost_writes, [seen], "no acknowledgement that its client did not see, and no probe");
    }

    #[test]
    fn k_of_n_is_the_textbook_figure() {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(near(k_of_n(2, 3, 0.9), 0.972));
        assert!((k_of_n(3, 5, 0.99) - 0.999_990_149_4).abs() < 1e-10);
        assert!(near(k_of_n(2, 2, 0.9), 0.81), "two need both");
        assert!(near(k_of_n(1, 4, 0.5), 1.0 - 1.0 / 16.0));
        assert!(near(k_of_n(1, 4, 0.0), 0.0) && near(k_of_n(4, 4, 1.0), 1.0));
    }
}
