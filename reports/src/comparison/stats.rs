//! What paired differences show: medians and means with intervals, and the sign test. Deterministic, and exact where it
//! can be.
//!
//! The interval of the median is read off the sorted differences (Conover, Practical Nonparametric Statistics, 3.2): it
//! is the exact inversion of the sign test and assumes nothing about the distribution. The mean's is a percentile
//! bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 13).

use serde::Serialize;
use sim_core::{Purpose, Rng};

/// How sure the intervals are.
pub const CONFIDENCE: f64 = 0.95;

/// An interval in the unit of its figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Interval {
    /// Whether no difference is within it.
    #[must_use]
    pub fn holds_zero(&self) -> bool {
        self.low <= 0.0 && self.high >= 0.0
    }
}

/// Half of the sorted values are at most this: a value some run had, as in the summary of a sweep.
pub(crate) fn median(sorted: &[f64]) -> Option<f64> {
    crate::sweeps::quantile(sorted, 50)
}

/// The interval of the median of sorted values; nothing when there are too few for any.
pub(crate) fn median_interval(sorted: &[f64]) -> Option<Interval> {
    let n = sorted.len();
    // The largest rank whose tail is within half of what may be missed.
    let mut tail = 0.0;
    let mut rank = 0;
    for k in 0..n {
        tail += half_choose(n as u64, k as u64);
        if tail > (1.0 - CONFIDENCE) / 2.0 {
            break;
        }
        rank = k + 1;
    }
    (rank > 0).then(|| Interval { low: sorted[rank - 1], high: sorted[n - rank] })
}

/// The two-sided sign test: how likely at least so lopsided a split is when neither is better.
pub(crate) fn sign_test(wins: u64, losses: u64) -> f64 {
    let n = wins + losses;
    let tail: f64 = (0..=wins.min(losses)).map(|k| half_choose(n, k)).sum();
    (2.0 * tail).min(1.0)
}

/// The chance of `k` heads of `n`.
fn half_choose(n: u64, k: u64) -> f64 {
    let log = |x: u64| libm::lgamma(x as f64 + 1.0);
    libm::exp(log(n) - log(k) - log(n - k) - n as f64 * core::f64::consts::LN_2)
}

/// The mean, and its bootstrap interval when there are at least two values. `figure` keeps the draws of different
/// figures apart.
pub(crate) fn mean_interval(values: &[f64], figure: u64) -> (Option<f64>, Option<Interval>) {
    let n = values.len();
    if n == 0 {
        return (None, None);
    }
    let mean = |sum: f64| sum / n as f64;
    let centre = mean(values.iter().sum());
    if n < 2 {
        return (Some(centre), None);
    }
    // Many draws for few pairs, and no more than a second's worth for very many.
    let rounds = (20_000_000 / n).clamp(200, 4000);
    let mut rng = Rng::stream(0, Purpose::Report, figure);
    let mut means: Vec<f64> =
        (0..rounds).map(|_| mean((0..n).map(|_| values[rng.below(n as u64) as usize]).sum())).collect();
    means.sort_unstable_by(f64::total_cmp);
    let cut = ((1.0 - CONFIDENCE) / 2.0 * rounds as f64) as usize;
    (Some(centre), Some(Interval { low: means[cut], high: means[rounds - 1 - cut] }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_where_a_table_says_what_is_right() {
        // Conover's table for n = 10: ranks 2 and 9 hold the median with 97.9 %.
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        assert_eq!(median_interval(&values), Some(Interval { low: 2.0, high: 9.0 }));
        // n = 6 is the least that any interval of 95 % has; it is all of them.
        assert_eq!(median_interval(&values[..6]), Some(Interval { low: 1.0, high: 6.0 }));
        assert_eq!(median_interval(&values[..5]), None);
        assert_eq!(median_interval(&[]), None);
        assert!((sign_test(9, 1) - 0.021_484_375).abs() < 1e-12);
        assert!((sign_test(0, 6) - 0.031_25).abs() < 1e-12);
        assert_eq!((sign_test(5, 5), sign_test(0, 0)), (1.0, 1.0));
        assert_eq!((median(&values), median(&values[..9]), median(&[])), (Some(5.0), Some(5.0), None));
        // Large counts stay finite.
        assert!(sign_test(10_100, 9_900) > 0.1 && sign_test(11_000, 9_000) < 1e-40);
    }

    #[test]
    fn intervals_hold_what_they_should_as_often_as_they_say() {
        let (mut median_held, mut mean_held) = (0, 0);
        let rounds = 300;
        for round in 0..rounds {
            let mut rng = Rng::stream(round, Purpose::Report, 99);
            let mut values: Vec<f64> = (0..41).map(|_| rng.below(2001) as f64 - 1000.0).collect();
            let (_, mean) = mean_interval(&values, round);
            values.sort_unstable_by(f64::total_cmp);
            median_held += u32::from(median_interval(&values).is_some_and(|i| i.holds_zero()));
            mean_held += u32::from(mean.is_some_and(|i| i.holds_zero()));
        }
        // 95 % of 300 is 285; four standard deviations are 15.
        for held in [median_held, mean_held] {
            assert!((268..=300).contains(&held), "{median_held} {mean_held} of {rounds}");
        }
    }
}
