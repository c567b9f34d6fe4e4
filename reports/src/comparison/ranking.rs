//! More than two designs under the same seeds: who is shown to be better than whom.
//!
//! Among many pairs one differs by luck sooner or later. So what is claimed of a figure is claimed of all of its pairs
//! together: the sign tests are adjusted by Holm's step-down method ("A simple sequentially rejective multiple test
//! procedure", 1979), and the chance that any of the claims is wrong is 5 % at most.

use super::{Better, CONFIDENCE, Compared, Difference, RunFigures, Side, ToSettle, basic, compare, stats};
use serde::Serialize;
use sim_core::metric::{self, MetricKind};

/// The version of `ranking.json`.
pub const RANKING_SCHEMA_VERSION: u32 = 1;

/// Which pairs are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    /// Each with each.
    Each,
    /// The first, which has everything, with each of the others, which lack something.
    First,
}

/// `ranking.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranking {
    /// [`RANKING_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The seeds, as `--seeds` takes them.
    pub seeds: String,
    /// How many there are.
    pub runs: u64,
    /// Which pairs are compared.
    pub against: Against,
    /// The designs, as they were named.
    pub designs: Vec<Side>,
    /// Sections in which some differ from the first beside the design: the load, the faults, the network, how it is
    /// measured.
    pub conditions: Vec<String>,
    /// What is concluded.
    pub conclusion: Vec<String>,
    /// What must be known beside it.
    pub warnings: Vec<String>,
    /// Figure by figure; the first decides.
    pub figures: Vec<Ranked>,
}

/// A figure of all designs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranked {
    /// Its name.
    pub figure: String,
    /// What it is and counts in.
    #[serde(skip)]
    pub kind: MetricKind,
    /// Each design's, in their order.
    pub standings: Vec<Standing>,
    /// The pairs.
    pub contrasts: Vec<Contrast>,
}

impl Ranked {
    /// Whether any of the designs is shown to be better in it than another.
    #[must_use]
    pub fn tells(&self) -> bool {
        self.contrasts.iter().any(|contrast| contrast.shown != Better::NotShown)
    }
}

/// How a design stands in a figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// Half of its runs have at most this.
    pub median: Option<f64>,
    /// The worst of its runs.
    pub worst: Option<f64>,
    /// One more than there are designs that are shown to be better.
    pub place: usize,
}

/// Two designs in a figure. Differences are B minus A.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contrast {
    /// The number of the first design, counted from 0.
    pub a: usize,
    /// The number of the second.
    pub b: usize,
    /// Seed by seed.
    #[serde(flatten)]
    pub compared: Compared,
    /// The sign test, adjusted for all pairs.
    pub adjusted: f64,
    /// What that shows.
    pub shown: Better,
}

impl Ranking {
    /// Ranks designs by their runs, which are of equal seeds.
    ///
    /// # Panics
    /// Never: the figures that decide are always among them.
    #[must_use]
    pub fn of(
        seeds: String,
        designs: Vec<Side>,
        (against, differences): (Against, &[Difference]),
        metrics: &[MetricKind],
        runs: &[Vec<RunFigures>],
    ) -> Self {
        let kinds = basic().into_iter().chain(metrics.iter().cloned());
        let figures: Vec<Ranked> = (0..).zip(kinds).map(|(i, kind)| rank(kind, against, runs, i)).collect();
        let (decides, more) = figures.split_first().expect("the basic figures");
        let more = more.iter().filter(|ranked| ranked.standings.iter().any(|standing| standing.median.is_some()));
        let figures: Vec<Ranked> = core::iter::once(decides).chain(more).cloned().collect();
        let conditions = differences.iter().filter(|d| against == Against::Each && !d.is_design());
        let mut conditions: Vec<String> = conditions.map(|d| d.section().to_owned()).collect();
        conditions.sort();
        conditions.dedup();
        let mut ranking = Self {
            schema_version: RANKING_SCHEMA_VERSION,
            seeds,
            runs: runs.first().map_or(0, |runs| runs.len() as u64),
            against,
            designs,
            conditions,
            conclusion: Vec::new(),
            warnings: Vec::new(),
            figures,
        };
        ranking.warnings = ranking.why_not();
        ranking.conclusion = match against {
            Against::Each => ranking.places(),
            Against::First => ranking.costs(),
        };
        ranking
    }

    /// `ranking.json`: two-space indents, a newline at the end.
    ///
    /// # Panics
    /// Never: plain data becomes JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("plain data becomes JSON");
        text.push('\n');
        text
    }

    /// The designs in the order of their places in the figure that decides, and of its median among equals.
    #[must_use]
    pub fn order(&self) -> Vec<usize> {
        let standing = |i: usize| &self.figures[0].standings[i];
        let mut order: Vec<usize> = (0..self.designs.len()).collect();
        if self.against == Against::Each {
            let median = |i: usize| standing(i).median.unwrap_or(f64::INFINITY);
            order.sort_by(|a, b| standing(*a).place.cmp(&standing(*b).place).then(median(*a).total_cmp(&median(*b))));
        }
        order
    }

    /// What makes claims doubtful.
    fn why_not(&self) -> Vec<String> {
        let mut out = Vec::new();
        if !self.conditions.is_empty() {
            let sections: Vec<String> = self.conditions.iter().map(|section| format!("[{section}]")).collect();
            out.push(format!(
                "Apples and pears: besides the design, the scenarios differ in {}. Part of the outcome may come from \
                 that.",
                sections.join(", ")
            ));
        }
        for side in &self.designs {
            for broken in &side.broken {
                out.push(format!("{} breaks {} in {} of {} runs", side.label, broken.rule, broken.runs, self.runs));
            }
            if side.inconclusive > 0 {
                out.push(format!("{} is inconclusive in {} of {} runs", side.label, side.inconclusive, self.runs));
            }
        }
        // What is needed when every seed says the same: 2 / 2^n, times the number of pairs.
        let pairs = self.figures[0].contrasts.len() as f64;
        let least = libm::ceil(libm::log2(2.0 * pairs / (1.0 - CONFIDENCE)));
        if (self.runs as f64) < least {
            out.push(format!(
                "{} seeds are too few for any conclusion about {pairs} pairs; use at least {least}",
                self.runs
            ));
        }
        out
    }

    fn places(&self) -> Vec<String> {
        // What is lost for good weighs more than for how long it is down.
        let deciding = self.figures.iter().filter(|ranked| ranked.kind.harm).chain([&self.figures[0]]);
        let mut out: Vec<String> = deciding.filter_map(|ranked| self.leaders(ranked)).collect();
        if out.is_empty() {
            out.push(
                "No difference shown: of no design it is shown that it is down for less time than another".to_owned(),
            );
        }
        let (decides, more) = self.figures.split_first().expect("the basic figures");
        let also: Vec<&str> = more.iter().filter(|r| r.tells() && !r.kind.harm).map(|r| &*r.kind.title).collect();
        let claims = decides.contrasts.iter().filter(|c| c.shown != Better::NotShown).count();
        out.push(format!(
            "{claims} of {} pairs differ in {}, with {:.0} % confidence in all of that together (sign tests, Holm)",
            decides.contrasts.len(),
            decides.kind.title,
            CONFIDENCE * 100.0,
        ));
        let open = |c: &&Contrast| c.compared.to_settle.more_seeds.is_some_and(|more| more > 0);
        let nearest = decides.contrasts.iter().filter(open).min_by_key(|c| c.compared.to_settle.more_seeds);
        if let Some(pair) = nearest {
            let [a, b] = [pair.a, pair.b].map(|i| &self.designs[i].label);
            let words = pair.compared.to_settle.words().replacen("settle it", "settle", 1);
            out.push(format!("If designs differ as much as in these seeds, {words} the next pair: {a} and {b}"));
        }
        if !also.is_empty() {
            out.push(format!("Some are also shown to differ in {}", also.join(", ")));
        }
        out
    }

    /// Who is first in a figure, if that says anything.
    fn leaders(&self, ranked: &Ranked) -> Option<String> {
        let first = |i: &usize| ranked.standings[*i].place == 1;
        let (leaders, others): (Vec<usize>, Vec<usize>) = (0..self.designs.len()).partition(first);
        if others.is_empty() {
            return None;
        }
        let names = |of: &[usize]| of.iter().map(|i| self.designs[*i].label.as_str()).collect::<Vec<_>>().join(", ");
        let what = match ranked.figure.as_str() {
            "total_outage_ns" => "is down for less time".to_owned(),
            _ => format!("does better in {}", ranked.kind.title),
        };
        let are = if others.len() == 1 { "is" } else { "are" };
        Some(match leaders[..] {
            // Signs may go round in a circle.
            [] => format!("In {} each is shown to be worse than another", ranked.kind.title),
            [one] => format!("{} {what} than {}", self.designs[one].label, self.beaten(ranked, one)),
            _ => format!(
                "{} share the first place in {}; {} {are} shown to be worse than another",
                names(&leaders),
                ranked.kind.title,
                names(&others),
            ),
        })
    }

    /// Whom a design is shown to be better than.
    fn beaten(&self, ranked: &Ranked, by: usize) -> String {
        let beaten = ranked.contrasts.iter().filter_map(|c| match c.shown {
            Better::A if c.a == by => Some(c.b),
            Better::B if c.b == by => Some(c.a),
            _ => None,
        });
        let beaten: Vec<&str> = beaten.map(|i| self.designs[i].label.as_str()).collect();
        if beaten.len() + 1 == self.designs.len() { "all others".to_owned() } else { beaten.join(", ") }
    }

    /// What the first design pays for each thing that another lacks.
    fn costs(&self) -> Vec<String> {
        let decides = &self.figures[0];
        let mut costs: Vec<(f64, String)> = Vec::new();
        for contrast in &decides.contrasts {
            let (label, f) = (&self.designs[contrast.b].label, &contrast.compared);
            let (Some(median), Some(interval)) = (f.median_difference, f.median_interval) else { continue };
            let range =
                format!("{}; less in {} of {} seeds, more in {}", f.range(interval), f.b_better, f.pairs, f.a_better);
            let word = if contrast.shown == Better::A { "more" } else { "less" };
            let said = match contrast.shown {
                Better::NotShown => format!("{label}: no difference shown ({range}); {}", f.to_settle.words()),
                _ => format!("{label}: {} {word} {} in the median seed ({range})", f.amount(median), f.title()),
            };
            costs.push((median, said));
        }
        costs.sort_by(|a, b| a.0.total_cmp(&b.0));
        costs.into_iter().map(|(_, said)| said).collect()
    }
}

/// One figure of all designs, over the seeds for which both of a pair have it.
fn rank(kind: MetricKind, against: Against, runs: &[Vec<RunFigures>], stream: u64) -> Ranked {
    let more_is_better = kind.better == metric::Better::More;
    let pairs: Vec<(usize, usize)> = match against {
        Against::First => (1..runs.len()).map(|b| (0, b)).collect(),
        Against::Each => (0..runs.len()).flat_map(|a| (a + 1..runs.len()).map(move |b| (a, b))).collect(),
    };
    let both = |(a, b): &(usize, usize)| -> Compared {
        let pairs: Vec<(RunFigures, RunFigures)> = runs[*a].iter().cloned().zip(runs[*b].iter().cloned()).collect();
        compare(kind.clone(), &pairs, stream)
    };
    let compared: Vec<Compared> = pairs.iter().map(both).collect();
    let adjusted = holm(&compared.iter().map(|f| f.sign_test).collect::<Vec<_>>());
    // What all pairs need together is what each needs at its share of the level: no more than Holm asks for.
    let level = (1.0 - CONFIDENCE) / pairs.len().max(1) as f64;
    let contrasts: Vec<Contrast> = pairs
        .into_iter()
        .zip(compared)
        .zip(adjusted)
        .map(|(((a, b), mut compared), adjusted)| {
            let shown = match compared.a_better.cmp(&compared.b_better) {
                core::cmp::Ordering::Greater if adjusted <= 1.0 - CONFIDENCE => Better::A,
                core::cmp::Ordering::Less if adjusted <= 1.0 - CONFIDENCE => Better::B,
                _ => Better::NotShown,
            };
            let split = (compared.a_better, compared.b_better);
            compared.to_settle = match shown {
                Better::NotShown => ToSettle::by_signs(split, split.0 + split.1, compared.pairs, level),
                Better::A | Better::B => ToSettle::DONE,
            };
            Contrast { a, b, compared, adjusted, shown }
        })
        .collect();
    let standings = (0..runs.len()).map(|i| {
        let mut values: Vec<f64> = runs[i].iter().filter_map(|figures| figures.get(&*kind.name).copied()).collect();
        values.sort_unstable_by(f64::total_cmp);
        let worst = if more_is_better { values.first() } else { values.last() }.copied();
        let better = contrasts.iter().filter(|c| match c.shown {
            Better::A => c.b == i,
            Better::B => c.a == i,
            Better::NotShown => false,
        });
        Standing { median: stats::median(&values), worst, place: 1 + better.count() }
    });
    let standings = standings.collect();
    Ranked { figure: kind.name.to_string(), kind, standings, contrasts }
}

/// Holm's adjusted values: the smallest counts for as many as there are, the next for one less, and none is below the
/// one before.
fn holm(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut adjusted = vec![0.0; values.len()];
    let mut before = 0.0_f64;
    for (rank, i) in order.into_iter().enumerate() {
        before = before.max((values[i] * (values.len() - rank) as f64).min(1.0));
        adjusted[i] = before;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjusted_as_holm_has_it() {
        // Holm's own procedure by hand: 0.01 * 4, then 0.013 * 3 and no less than that, 0.03 * 2, 0.9.
        let adjusted = holm(&[0.03, 0.01, 0.9, 0.013]);
        let expected = [0.06, 0.04, 0.9, 0.04];
        assert!(adjusted.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{adjusted:?}");
        assert_eq!(holm(&[]), Vec::<f64>::new());
        assert_eq!(holm(&[0.6, 0.7]), [1.0, 1.0]);
    }

    /// Among designs that are all the same, some pair differs "with 95 % confidence" in more than a few of a hundred
    /// tries, unless all pairs are looked at together.
    #[test]
    fn many_pairs_make_no_difference_out_of_luck() {
        let (mut wrong, mut alone) = (0, 0);
        for round in 0..200_u64 {
            let mut rng = sim_core::Rng::stream(round, sim_core::Purpose::Report, 7);
            let mut draw = || -> Vec<RunFigures> {
                let run = |v: u64| RunFigures::from([("total_outage_ns".to_owned(), v as f64)]);
                (0..30).map(|_| run(rng.below(1_000_000))).collect()
            };
            let runs: Vec<Vec<RunFigures>> = (0..6).map(|_| draw()).collect();
            let pairs: Vec<(usize, usize)> = (0..6).flat_map(|a| (a + 1..6).map(move |b| (a, b))).collect();
            let sign = |(a, b): &(usize, usize)| {
                let less = (0..30).filter(|i| runs[*a][*i]["total_outage_ns"] < runs[*b][*i]["total_outage_ns"]);
                let less = less.count() as u64;
                stats::sign_test(less, 30 - less)
            };
            let values: Vec<f64> = pairs.iter().map(sign).collect();
            wrong += u32::from(holm(&values).iter().any(|p| *p <= 0.05));
            alone += u32::from(values.iter().any(|p| *p <= 0.05));
        }
        assert!(wrong <= 16 && alone > 40, "{wrong} and {alone} of 200");
    }
}
