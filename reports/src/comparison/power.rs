//! How many more seeds would settle what these have not.
//!
//! *Settled* is a difference that the same rule would show with another set of so many seeds in [`POWER`] of all cases,
//! if designs differ as much as they do in these seeds. Two rules decide, so there are two numbers. The interval of the
//! median is the inverse of the sign test: what counts is the share of seeds in which one is better (Noether, "Sample
//! size determination for some common nonparametric tests", 1987, with the correction for whole numbers of Fleiss). The
//! interval of the mean asks for the variance of the differences.

use super::{CONFIDENCE, Interval};
use crate::units;
use serde::Serialize;

/// In which share of cases so many seeds show the difference.
pub(crate) const POWER: f64 = 0.8;

/// Nobody runs more seeds than this to tell two designs apart: what needs more is as good as equal.
const MOST: f64 = 1e6;

/// Fewer seeds than this show nothing, whatever they say, so they tell no number either.
const LEAST: u64 = 6;

/// How many more seeds would settle which is better, or why no number would.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ToSettle {
    /// So many more; 0 where the difference is shown already.
    pub more_seeds: Option<u64>,
    /// Why there is no such number.
    pub why_not: Option<&'static str>,
}

impl ToSettle {
    pub(crate) const DONE: Self = Self { more_seeds: Some(0), why_not: None };

    const fn never(why: &'static str) -> Self {
        Self { more_seeds: None, why_not: Some(why) }
    }

    fn total(total: f64, seeds: u64) -> Self {
        if total > MOST {
            return Self::never("the difference is so small that a million seeds would not settle it");
        }
        Self { more_seeds: Some((libm::ceil(total) as u64).saturating_sub(seeds).max(1)), why_not: None }
    }

    /// For a cell of a table.
    pub(crate) fn cell(&self) -> String {
        match self.more_seeds {
            Some(0) => "shown".into(),
            Some(more) => units::count(more),
            None => self.why_not.unwrap_or_default().into(),
        }
    }

    /// `140 more seeds would settle it`.
    pub(crate) fn words(&self) -> String {
        match self.more_seeds {
            Some(1) => "1 more seed would settle it".into(),
            Some(more) => format!("{} more seeds would settle it", units::count(more)),
            None => self.why_not.unwrap_or_default().into(),
        }
    }

    /// The same as a sentence that has its assumption.
    pub(crate) fn sentence(&self) -> String {
        let words = self.words();
        if self.more_seeds.is_some() {
            return format!("If the designs differ as much as in these seeds, {words}");
        }
        let (first, rest) = words.split_at(1);
        first.to_uppercase() + rest
    }

    /// For a rule that counts in how many of `of` seeds one is better, at a level of `level`; `seeds` were run.
    pub(crate) fn by_signs((a, b): (u64, u64), of: u64, seeds: u64, level: f64) -> Self {
        if seeds < LEAST {
            return Self::never("these are too few seeds to tell how many would settle it");
        }
        if a + b == 0 {
            return Self::never("both are equal in every seed, so more seeds would not settle it");
        }
        if a == b {
            return Self::never("each is better equally often, so these seeds tell no number that would settle it");
        }
        let share = a.max(b) as f64 / of as f64;
        if share <= 0.5 {
            return Self::never(
                "neither is better in more than half of the seeds, so more like these would not settle it",
            );
        }
        // Seeds that are left out come again as often.
        Self::total(seeds_by_signs(share, level) * seeds as f64 / of as f64, seeds)
    }

    /// For the interval of the mean of these differences.
    pub(crate) fn by_mean(differences: &[f64], interval: Option<Interval>) -> Self {
        let n = differences.len() as f64;
        if (differences.len() as u64) < LEAST {
            return Self::never("these are too few seeds to tell how many would settle it");
        }
        if interval.is_some_and(|interval| !interval.holds_zero()) {
            return Self::DONE;
        }
        let mean = differences.iter().sum::<f64>() / n;
        let variance = differences.iter().map(|d| (d - mean) * (d - mean)).sum::<f64>() / (n - 1.0);
        if variance == 0.0 {
            return Self::never("both are equal in every seed, so more seeds would not settle it");
        }
        if mean == 0.0 {
            return Self::never("the averages are equal, so these seeds tell no number that would settle it");
        }
        Self::total(seeds_by_mean(mean, variance), differences.len() as u64)
    }
}

/// For a design that is better in this share of seeds, more than half of them.
fn seeds_by_signs(share: f64, level: f64) -> f64 {
    let edge = share - 0.5;
    let root = quantile(1.0 - level / 2.0) * 0.5 + quantile(POWER) * libm::sqrt(share * (1.0 - share));
    let smooth = root * root / (edge * edge);
    let whole = 1.0 + libm::sqrt(1.0 + 2.0 / (smooth * edge));
    smooth / 4.0 * whole * whole
}

/// For differences of this mean and variance.
fn seeds_by_mean(mean: f64, variance: f64) -> f64 {
    let level = quantile(0.5 + CONFIDENCE / 2.0);
    let root = level + quantile(POWER);
    // The last part is for the variance, which the seeds tell only about.
    root * root * variance / (mean * mean) + level * level / 2.0
}

/// Below which value a normal variable is with this chance.
fn quantile(chance: f64) -> f64 {
    let (mut low, mut high) = (-9.0, 9.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if 0.5 * libm::erfc(-middle / core::f64::consts::SQRT_2) < chance {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::super::stats;
    use super::*;
    use sim_core::{Purpose, Rng};

    fn normal(rng: &mut Rng) -> f64 {
        let uniform = |rng: &mut Rng| ((rng.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        libm::sqrt(-2.0 * libm::log(uniform(rng))) * libm::cos(core::f64::consts::TAU * uniform(rng))
    }

    #[test]
    fn as_tables_have_it() {
        for (chance, z) in [(0.5, 0.0), (0.8, 0.841_621), (0.975, 1.959_964), (0.025, -1.959_964)] {
            assert!((quantile(chance) - z).abs() < 1e-6, "{chance}: {}", quantile(chance));
        }
        // A difference of half a standard deviation wants 31.4 pairs and two for the variance (Cohen: 33 with Student).
        let mut values: Vec<f64> = (0..20).map(|i| if i % 2 == 0 { -0.5 } else { 1.5 }).collect();
        let sd = libm::sqrt(20.0 / 19.0);
        values.iter_mut().for_each(|v| *v = (*v - 0.5) / sd + 0.5);
        let zero = Some(Interval { low: -1.0, high: 1.0 });
        assert_eq!(ToSettle::by_mean(&values, zero).more_seeds, Some(34 - 20));
        // Six seeds that all say the same are what the exact sign test wants.
        assert_eq!(ToSettle::by_signs((0, 100), 100, 100, 0.05), ToSettle { more_seeds: Some(1), why_not: None });
    }

    /// Differences of normal designs, one in `ties` of which is none.
    fn draw(rng: &mut Rng, n: u64, (shift, ties): (f64, f64)) -> Vec<f64> {
        (0..n).map(|_| if (rng.below(1000) as f64) < ties * 1000.0 { 0.0 } else { shift + normal(rng) }).collect()
    }

    fn split(values: &[f64]) -> (u64, u64) {
        (values.iter().filter(|d| **d < 0.0).count() as u64, values.iter().filter(|d| **d > 0.0).count() as u64)
    }

    const DESIGNS: [(f64, f64); 4] = [(0.3, 0.0), (0.5, 0.0), (0.5, 0.1), (0.6, 0.2)];

    /// So many seeds as are said to settle it do so in about 80 of 100 draws, by the very rules that decide.
    #[test]
    fn so_many_seeds_settle_it_as_often_as_is_said() {
        for (number, design) in (0..).zip(DESIGNS) {
            let mut rng = Rng::stream(number, Purpose::Report, 4_242);
            let many = draw(&mut rng, 200_000, design);
            let mean = many.iter().sum::<f64>() / 2e5;
            let variance = many.iter().map(|d| (d - mean) * (d - mean)).sum::<f64>() / 2e5;
            let by_signs = libm::ceil(seeds_by_signs(split(&many).1 as f64 / 2e5, 0.05)) as u64;
            let by_mean = libm::ceil(seeds_by_mean(mean, variance)) as u64;
            let (mut signs, mut means, mut half) = (0, 0, 0);
            for round in 0..200 {
                let settled = |values: &mut Vec<f64>| {
                    values.sort_unstable_by(f64::total_cmp);
                    u32::from(stats::median_interval(values).is_some_and(|i| !i.holds_zero()))
                };
                signs += settled(&mut draw(&mut rng, by_signs, design));
                half += settled(&mut draw(&mut rng, by_signs / 2, design));
                let (_, interval) = stats::mean_interval(&draw(&mut rng, by_mean, design), round);
                means += u32::from(interval.is_some_and(|i| !i.holds_zero()));
            }
            // 160 of 200; four standard deviations are 23, and whole numbers and the bootstrap, which is a bit narrow
            // where seeds are few, have their part.
            let said = format!("{design:?}: {by_signs} seeds {signs}, half {half}; {by_mean} seeds {means}");
            assert!((137..=187).contains(&signs) && (137..=187).contains(&means) && half < 135, "{said}");
        }
    }

    /// A number is said, or a reason, and never both; what few seeds say is right in order of magnitude.
    #[test]
    fn what_seeds_say_is_about_right_or_is_not_said() {
        for (number, design) in (10..).zip(DESIGNS) {
            let mut rng = Rng::stream(number, Purpose::Report, 4_242);
            let exact = seeds_by_signs(split(&draw(&mut rng, 200_000, design)).1 as f64 / 2e5, 0.05);
            let mut said: Vec<f64> = Vec::new();
            for _ in 0..300 {
                let n = 3 + rng.below(60);
                let few = draw(&mut rng, n, design);
                let to = [ToSettle::by_signs(split(&few), n, n, 0.05), ToSettle::by_mean(&few, None)];
                assert!(to.iter().all(|to| to.more_seeds.is_some() != to.why_not.is_some()), "{to:?}");
                assert!(n >= LEAST || to.iter().all(|to| to.more_seeds.is_none()), "{n}: {to:?}");
                said.extend(to[0].more_seeds.map(|more| (more + n) as f64));
            }
            said.sort_unstable_by(f64::total_cmp);
            let half = said[said.len() / 2];
            assert!((0.5..2.0).contains(&(half / exact)), "{design:?}: {half} for {exact}");
        }
    }

    #[test]
    fn no_number_where_none_makes_sense() {
        let none = |to: ToSettle| to.why_not.unwrap_or_else(|| panic!("{to:?}"));
        assert!(none(ToSettle::by_signs((0, 0), 50, 50, 0.05)).contains("equal in every seed"));
        assert!(none(ToSettle::by_signs((20, 20), 50, 50, 0.05)).contains("equally often"));
        assert!(none(ToSettle::by_signs((20, 0), 50, 50, 0.05)).contains("more than half"));
        assert!(none(ToSettle::by_signs((5, 0), 5, 5, 0.05)).contains("too few"));
        assert!(none(ToSettle::by_signs((50_000, 50_001), 100_001, 100_001, 0.05)).contains("a million"));
        assert!(none(ToSettle::by_mean(&[0.0; 50], None)).contains("equal in every seed"));
        assert!(none(ToSettle::by_mean(&[1.0, -1.0].repeat(9), None)).contains("averages are equal"));
        assert_eq!(ToSettle::by_mean(&[3.0; 50], Some(Interval { low: 3.0, high: 3.0 })), ToSettle::DONE);
    }
}
