//! What all runs of a sweep come to: `summary.json`. A function of the results in job order, whoever made them.

use super::{Cell, JobResult, Manifest, Outcome, Plan, Quantiles};
use serde::{Deserialize, Serialize};
use sim_core::metric::MetricKind;
use std::collections::{BTreeMap, BTreeSet};

/// More failures than this are counted but not listed; `results.jsonl` has them all.
const LISTED: usize = 1_000;

/// `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// [`super::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The scenario's title.
    pub title: String,
    /// The system under test.
    pub system: String,
    /// The fingerprint of the sweep.
    pub fingerprint: String,
    /// The seeds, as `--seeds` takes them.
    pub seeds: String,
    /// How many runs there are results of.
    pub runs: u64,
    /// The worst of them.
    pub ruling: Outcome,
    /// How they ended.
    pub counts: Counts,
    /// The runs that did not hold, the worst first, then in job order; at most the first thousand.
    pub failures: Vec<Failure>,
    /// How many more there are.
    pub failures_not_listed: u64,
    /// The rules that failed or could not be judged, with the number of runs.
    pub rules: Vec<RuleCount>,
    /// What the figures in `figures.metrics` are and count in.
    #[serde(default)]
    pub metrics: Vec<MetricKind>,
    /// Rules that some run mentions and none could judge: nothing was learnt about them.
    pub never_exercised: Vec<String>,
    /// Figures over all runs.
    pub figures: Figures,
    /// The same for each cell of the grid; empty when nothing was varied.
    pub cells: Vec<CellSummary>,
}

/// How runs ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All held.
    pub pass: u64,
    /// A rule or an expectation was broken.
    pub fail: u64,
    /// Nobody knows.
    pub inconclusive: u64,
    /// splitbrain panicked.
    pub bug: u64,
}

impl Counts {
    fn add(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Pass => &mut self.pass,
            Outcome::Fail => &mut self.fail,
            Outcome::Inconclusive => &mut self.inconclusive,
            Outcome::Bug => &mut self.bug,
        } += 1;
    }
}

/// A run that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Its place in the sweep.
    pub job: u64,
    /// Its seed.
    pub seed: u64,
    /// What the varied keys were set to.
    pub values: Cell,
    /// How it ended.
    pub ruling: Outcome,
    /// The rules that say so.
    pub rules: Vec<String>,
    /// What the first of them saw.
    pub detail: String,
}

/// One rule over all runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleCount {
    /// The rule.
    pub rule: String,
    /// Runs in which it was broken.
    pub failed: u64,
    /// Runs in which nobody knows.
    pub inconclusive: u64,
    /// Runs in which it held.
    pub held: u64,
}

/// The distributions of the main figures over runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The longest outage of each run.
    pub longest_outage_ns: Quantiles<u64>,
    /// All outages of each run together.
    pub total_outage_ns: Quantiles<u64>,
    /// The share of operations that succeeded.
    pub fraction: Quantiles<f64>,
    /// The share of the time outside of outages.
    pub time_fraction: Quantiles<f64>,
    /// 99 of 100 reads were at most this slow.
    pub read_p99_ns: Quantiles<u64>,
    /// 99 of 100 writes were at most this slow.
    pub write_p99_ns: Quantiles<u64>,
    /// Runs without any outage.
    pub without_outage: u64,
    /// The followed figures, by name, of the runs that have them.
    #[serde(default)]
    pub metrics: BTreeMap<String, Spread>,
}

/// A followed figure over runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Its distribution.
    #[serde(flatten)]
    pub quantiles: Quantiles<f64>,
    /// Runs in which it was more than nothing.
    pub above_zero: u64,
}

/// One cell of the grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellSummary {
    /// What the varied keys were set to.
    pub values: Cell,
    /// How its runs ended.
    pub counts: Counts,
    /// Their figures.
    pub figures: Figures,
}

impl Summary {
    /// `summary.json`: two-space indents, a newline at the end.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("plain data becomes JSON");
        text.push('\n');
        text
    }
}

/// Makes a [`Summary`] of results that come in job order. Keeps six numbers a run.
#[derive(Debug)]
pub struct Tally<'a> {
    plan: &'a Plan,
    counts: Counts,
    /// By how bad, in job order.
    failures: BTreeMap<std::cmp::Reverse<Outcome>, Vec<Failure>>,
    not_listed: u64,
    rules: BTreeMap<String, RuleCount>,
    /// Rules that had nothing to look at in a run that was not cut short by a broken one.
    had_nothing: BTreeSet<String>,
    cells: Vec<(Counts, Columns)>,
}

#[derive(Clone, Debug, Default)]
struct Columns {
    longest: Vec<u64>,
    total: Vec<u64>,
    fraction: Vec<f64>,
    time_fraction: Vec<f64>,
    read_p99: Vec<u64>,
    write_p99: Vec<u64>,
    metrics: BTreeMap<String, Vec<f64>>,
}

impl Columns {
    fn add(&mut self, r: &JobResult) {
        self.longest.extend(r.longest_outage_ns);
        self.total.extend(r.total_outage_ns);
        self.fraction.extend(r.fraction);
        self.time_fraction.extend(r.time_fraction);
        self.read_p99.extend(r.read_p99_ns);
        self.write_p99.extend(r.write_p99_ns);
        for (name, value) in &r.metrics {
            // Names are few and come again with every run.
            if !self.metrics.contains_key(name) {
                self.metrics.insert(name.clone(), Vec::new());
            }
            self.metrics.get_mut(name).expect("it was just put there").push(*value);
        }
    }

    fn append(&mut self, other: &mut Self) {
        self.longest.append(&mut other.longest);
        self.total.append(&mut other.total);
        self.fraction.append(&mut other.fraction);
        self.time_fraction.append(&mut other.time_fraction);
        self.read_p99.append(&mut other.read_p99);
        self.write_p99.append(&mut other.write_p99);
        for (name, values) in &mut other.metrics {
            self.metrics.entry(name.clone()).or_default().append(values);
        }
    }

    fn figures(&mut self) -> Figures {
        Figures {
            without_outage: self.longest.iter().filter(|ns| **ns == 0).count() as u64,
            longest_outage_ns: Quantiles::of(&mut self.longest),
            total_outage_ns: Quantiles::of(&mut self.total),
            fraction: Quantiles::of(&mut self.fraction),
            time_fraction: Quantiles::of(&mut self.time_fraction),
            read_p99_ns: Quantiles::of(&mut self.read_p99),
            write_p99_ns: Quantiles::of(&mut self.write_p99),
            metrics: self.metrics.iter_mut().map(|(name, values)| (name.clone(), Spread::of(values))).collect(),
        }
    }
}

impl Spread {
    fn of(values: &mut [f64]) -> Self {
        Self { above_zero: values.iter().filter(|v| **v > 0.0).count() as u64, quantiles: Quantiles::of(values) }
    }
}

impl<'a> Tally<'a> {
    /// Of a plan's results.
    #[must_use]
    pub fn new(plan: &'a Plan) -> Self {
        Self {
            plan,
            counts: Counts::default(),
            failures: BTreeMap::new(),
            not_listed: 0,
            rules: BTreeMap::new(),
            had_nothing: BTreeSet::new(),
            cells: vec![Default::default(); plan.cells().len()],
        }
    }

    /// Takes in the next result.
    pub fn add(&mut self, result: &JobResult) {
        self.counts.add(result.ruling);
        if let Some(job) = self.plan.job(result.job) {
            let (counts, columns) = &mut self.cells[job.cell];
            counts.add(result.ruling);
            columns.add(result);
        }
        let mut rule = |name: &str, count: fn(&mut RuleCount) -> &mut u64| {
            let fresh = || RuleCount { rule: name.to_owned(), failed: 0, inconclusive: 0, held: 0 };
            if !self.rules.contains_key(name) {
                self.rules.insert(name.to_owned(), fresh());
            }
            *self.rules.get_mut(name).map(count).expect("it was just put there") += 1;
        };
        result.failed_rules.iter().for_each(|b| rule(&b.rule, |c| &mut c.failed));
        result.inconclusive_rules.iter().for_each(|b| rule(&b.rule, |c| &mut c.inconclusive));
        result.held_rules.iter().for_each(|name| rule(name, |c| &mut c.held));
        if result.ruling == Outcome::Pass {
            return;
        }
        if result.ruling == Outcome::Inconclusive {
            self.had_nothing.extend(result.inconclusive_rules.iter().map(|b| b.rule.clone()));
        }
        let list = self.failures.entry(std::cmp::Reverse(result.ruling)).or_default();
        // Of each kind at most as many as are listed of all.
        if list.len() == LISTED {
            self.not_listed += 1;
            return;
        }
        let why = if result.failed_rules.is_empty() { &result.inconclusive_rules } else { &result.failed_rules };
        list.push(Failure {
            job: result.job,
            seed: result.seed,
            values: result.values.clone(),
            ruling: result.ruling,
            rules: why.iter().map(|b| b.rule.clone()).collect(),
            detail: why.first().map_or_else(String::new, |b| b.detail.clone()),
        });
    }

    /// The summary of all that was taken in.
    #[must_use]
    pub fn finish(mut self, manifest: &Manifest) -> Summary {
        let mut failures: Vec<Failure> = self.failures.into_values().flatten().collect();
        let more = failures.len().saturating_sub(LISTED);
        failures.truncate(LISTED);
        let counts = self.counts;
        let ruling = match counts {
            Counts { bug: 1.., .. } => Outcome::Bug,
            Counts { fail: 1.., .. } => Outcome::Fail,
            Counts { inconclusive: 1.., .. } => Outcome::Inconclusive,
            _ => Outcome::Pass,
        };
        let varied = !self.plan.axes().is_empty();
        let mut cells = Vec::new();
        let mut all = Columns::default();
        for (values, (counts, columns)) in self.plan.cells().iter().zip(&mut self.cells) {
            if varied {
                cells.push(CellSummary { values: values.clone(), counts: *counts, figures: columns.figures() });
            }
            all.append(columns);
        }
        let never = |r: &RuleCount| r.failed + r.held == 0 && self.had_nothing.contains(&r.rule);
        Summary {
            schema_version: super::SCHEMA_VERSION,
            scenario: manifest.scenario.clone(),
            title: manifest.title.clone(),
            system: manifest.system.clone(),
            fingerprint: manifest.fingerprint.clone(),
            seeds: manifest.seeds.clone(),
            runs: counts.pass + counts.fail + counts.inconclusive + counts.bug,
            ruling,
            counts,
            metrics: manifest.metrics.clone(),
            failures,
            failures_not_listed: self.not_listed + more as u64,
            never_exercised: self.rules.values().filter(|r| never(r)).map(|r| r.rule.clone()).collect(),
            rules: self.rules.into_values().collect(),
            figures: all.figures(),
            cells,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::{Broken, Shard};

    #[test]
    fn what_a_broken_rule_cut_short_was_not_left_without_anything_to_look_at() {
        let plan = Plan::new("1..3".parse().expect("good"), Vec::new(), Shard::WHOLE).expect("good");
        let manifest = Manifest {
            schema_version: 1,
            version: "0.1.0".into(),
            executable: "8899aabbccddeeff".into(),
            fingerprint: "0011223344556677".into(),
            scenario: "s".into(),
            title: "t".into(),
            system: "raft".into(),
            seeds: "1..3".into(),
            vary: Vec::new(),
            jobs: 3,
            shard: Shard::WHOLE,
            charts: true,
            metrics: Vec::new(),
        };
        let never = |ruling: Outcome| {
            let mut tally = Tally::new(&plan);
            let mut result = JobResult::of_panic(0, 1, Cell::default(), String::new());
            result.ruling = ruling;
            result.inconclusive_rules = vec![Broken { rule: "operations".into(), detail: "there were none".into() }];
            tally.add(&result);
            tally.finish(&manifest).never_exercised
        };
        assert_eq!(never(Outcome::Fail), Vec::<String>::new());
        assert_eq!(never(Outcome::Inconclusive), ["operations"]);
    }
}
