//! Two designs under the same seeds: which is down for less time, by how much, and how sure that is.
//!
//! A pair is one seed under both. Both meet the same luck, so their difference says more than two separate averages.

mod conclusion;
mod power;
mod ranking;
mod stats;

pub use power::ToSettle;
pub use ranking::{Against, Contrast, RANKING_SCHEMA_VERSION, Ranked, Ranking, Standing};
pub use stats::{CONFIDENCE, Interval};

use crate::units;
use serde::Serialize;
use sim_core::metric::{self, MetricKind, Unit};
use std::collections::BTreeMap;

/// The version of `compare.json`.
pub const COMPARE_SCHEMA_VERSION: u32 = 1;

/// The figures of one run by name; one that the run had nothing to measure for is not there.
pub type RunFigures = BTreeMap<String, f64>;

/// What is compared of every system, the deciding one first; what systems measure beyond follows.
#[must_use]
pub fn basic() -> Vec<MetricKind> {
    let of = |name, title, unit| MetricKind::new(name, title, unit, "");
    vec![
        of("total_outage_ns", "total outage", Unit::Time),
        of("longest_outage_ns", "longest outage", Unit::Time),
        of("availability", "availability", Unit::Fraction).more_is_better(),
        of("read_p99_ns", "read p99", Unit::Time),
        of("write_p99_ns", "write p99", Unit::Time),
    ]
}

/// One of the two.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// What it is called here: the scenario's name, or the file's where both have the same.
    pub label: String,
    /// The file.
    pub file: String,
    /// The scenario's title.
    pub title: String,
    /// The system under test.
    pub system: String,
    /// Runs in which all held.
    pub held: u64,
    /// Runs in which a rule or an expectation was broken.
    pub failed: u64,
    /// Runs nobody can judge.
    pub inconclusive: u64,
    /// Runs in which splitbrain panicked.
    pub bugs: u64,
    /// The safety rules that were broken, with the number of runs.
    pub broken: Vec<BrokenRule>,
    /// The first seeds that failed.
    pub failing_seeds: Vec<u64>,
}

/// A rule and how often it was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BrokenRule {
    /// The rule.
    pub rule: String,
    /// In so many runs.
    pub runs: u64,
}

/// A field in which the two scenarios differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its dotted path.
    pub path: String,
    /// In the first; nothing where it is absent.
    pub a: Option<String>,
    /// In the second.
    pub b: Option<String>,
}

impl Difference {
    /// Whether it is one of the designs: of the system or of the cluster. The load, the faults and the network are not.
    #[must_use]
    pub fn is_design(&self) -> bool {
        matches!(self.section(), "system" | "cluster") || self.path == "scenario.system"
    }

    /// The section of the file.
    pub(crate) fn section(&self) -> &str {
        self.path.split('.').next().unwrap_or_default()
    }
}

/// Which is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// The first.
    A,
    /// The second.
    B,
    /// Nobody can tell from these seeds.
    NotShown,
}

/// One figure of both, seed by seed. Differences are B minus A.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// Its name: `total_outage_ns`, `longest_outage_ns`, `availability`, `read_p99_ns`, `write_p99_ns`, then the
    /// followed metrics.
    pub figure: String,
    /// What it is and counts in.
    #[serde(skip)]
    pub kind: MetricKind,
    /// Seeds for which both have it.
    pub pairs: u64,
    /// Half of A's runs have at most this.
    pub a_median: Option<f64>,
    /// Half of B's.
    pub b_median: Option<f64>,
    /// The worst of A's runs.
    pub a_worst: Option<f64>,
    /// The worst of B's.
    pub b_worst: Option<f64>,
    /// The difference in the median pair.
    pub median_difference: Option<f64>,
    /// Where that lies with 95 % confidence; nothing when there are too few pairs.
    pub median_interval: Option<Interval>,
    /// The difference on average.
    pub mean_difference: Option<f64>,
    /// Where that lies with 95 % confidence.
    pub mean_interval: Option<Interval>,
    /// Pairs in which A is better.
    pub a_better: u64,
    /// Pairs in which B is better.
    pub b_better: u64,
    /// Pairs in which they are equal.
    pub ties: u64,
    /// The chance of so lopsided a split if neither were better.
    pub sign_test: f64,
    /// What that shows: neither when the interval of the median holds no difference.
    pub better: Better,
    /// How many more seeds would settle that, if the designs differ as much as in these.
    pub to_settle: ToSettle,
    /// How many would settle which is better on average.
    pub to_settle_mean: ToSettle,
    #[serde(skip)]
    pub(crate) values: Columns,
}

impl Compared {
    /// In how many seeds one of the two has more than none of it.
    pub(crate) fn harmed(&self, side: Better) -> u64 {
        let values = match side {
            Better::A => &self.values.a,
            Better::B => &self.values.b,
            Better::NotShown => return 0,
        };
        values.iter().filter(|value| **value > 0.0).count() as u64
    }
}

/// Both columns and their differences, each sorted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Columns {
    pub(crate) a: Vec<f64>,
    pub(crate) b: Vec<f64>,
    pub(crate) differences: Vec<f64>,
}

/// `compare.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// [`COMPARE_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The seeds, as `--seeds` takes them.
    pub seeds: String,
    /// How many there are.
    pub pairs: u64,
    /// The first design.
    pub a: Side,
    /// The second.
    pub b: Side,
    /// Which is down for less time; what they lose is in `figures`.
    pub better: Better,
    /// That in plain words, and what else must be known.
    pub conclusion: Vec<String>,
    /// Why the comparison may not be a fair one; empty when only the design differs.
    pub warnings: Vec<String>,
    /// Fields of the system and the cluster that differ: the designs.
    pub design: Vec<Difference>,
    /// Other fields that differ: the load, the faults, the network, how it is measured.
    pub conditions: Vec<Difference>,
    /// Figure by figure; the first decides.
    pub figures: Vec<Compared>,
}

impl Comparison {
    /// Compares runs of equal seeds.
    #[must_use]
    pub fn of(
        seeds: String,
        (a, b): (Side, Side),
        differences: Vec<Difference>,
        metrics: &[MetricKind],
        pairs: &[(RunFigures, RunFigures)],
    ) -> Self {
        let mut figures: Vec<Compared> = (0..).zip(basic()).map(|(i, kind)| compare(kind, pairs, i)).collect();
        let more = (figures.len() as u64..).zip(metrics).map(|(i, kind)| compare(kind.clone(), pairs, i));
        figures.extend(more.filter(|f| f.pairs > 0));
        let (design, conditions) = differences.into_iter().partition(Difference::is_design);
        let mut comparison = Self {
            schema_version: COMPARE_SCHEMA_VERSION,
            seeds,
            pairs: pairs.len() as u64,
            a,
            b,
            better: figures[0].better,
            conclusion: Vec::new(),
            warnings: Vec::new(),
            design,
            conditions,
            figures,
        };
        comparison.warnings = conclusion::warnings(&comparison);
        comparison.conclusion = conclusion::sentences(&comparison);
        comparison
    }

    /// The gravest harm that one of the two does: `lost writes in 6 of 6 seeds`.
    pub(crate) fn harm_of(&self, side: Better) -> Option<String> {
        self.harms().find_map(|f| match f.harmed(side) {
            0 => None,
            n => Some(format!("{} in {} of {} seeds", f.title(), units::count(n), units::count(f.pairs))),
        })
    }

    /// The figures any of which is harm: what clients were promised and did not get.
    pub(crate) fn harms(&self) -> impl Iterator<Item = &Compared> {
        self.figures.iter().filter(|f| f.kind.harm)
    }

    /// `compare.json`: two-space indents, a newline at the end.
    ///
    /// # Panics
    /// Never: plain data becomes JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("plain data becomes JSON");
        text.push('\n');
        text
    }
}

fn compare(kind: MetricKind, pairs: &[(RunFigures, RunFigures)], stream: u64) -> Compared {
    let more_is_better = kind.better == metric::Better::More;
    let pick = |figures: &RunFigures| figures.get(&*kind.name).copied();
    let mut columns = Columns::default();
    for (a, b) in pairs {
        if let (Some(a), Some(b)) = (pick(a), pick(b)) {
            columns.a.push(a);
            columns.b.push(b);
            columns.differences.push(b - a);
        }
    }
    // Before sorting: the bootstrap draws from pairs in the order of their seeds.
    let (mean_difference, mean_interval) = stats::mean_interval(&columns.differences, stream);
    let to_settle_mean = ToSettle::by_mean(&columns.differences, mean_interval);
    for column in [&mut columns.a, &mut columns.b, &mut columns.differences] {
        column.sort_unstable_by(f64::total_cmp);
    }
    let d = &columns.differences;
    let (less, more) = (d.iter().filter(|d| **d < 0.0).count() as u64, d.iter().filter(|d| **d > 0.0).count() as u64);
    let (a_better, b_better) = if more_is_better { (less, more) } else { (more, less) };
    let worst = |sorted: &[f64]| if more_is_better { sorted.first() } else { sorted.last() }.copied();
    let median_interval = stats::median_interval(d);
    let better = match median_interval {
        Some(i) if !i.holds_zero() => {
            if (i.low > 0.0) == more_is_better {
                Better::B
            } else {
                Better::A
            }
        }
        _ => Better::NotShown,
    };
    let pairs = d.len() as u64;
    let to_settle = match better {
        Better::NotShown => ToSettle::by_signs((a_better, b_better), pairs, pairs, 1.0 - CONFIDENCE),
        Better::A | Better::B => ToSettle::DONE,
    };
    Compared {
        figure: kind.name.to_string(),
        kind,
        pairs: d.len() as u64,
        a_median: stats::median(&columns.a),
        b_median: stats::median(&columns.b),
        a_worst: worst(&columns.a),
        b_worst: worst(&columns.b),
        median_difference: stats::median(d),
        median_interval,
        mean_difference,
        mean_interval,
        a_better,
        b_better,
        ties: d.len() as u64 - less - more,
        sign_test: stats::sign_test(a_better, b_better),
        better,
        to_settle,
        to_settle_mean,
        values: columns,
    }
}
