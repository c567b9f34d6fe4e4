//! Quantiles of one figure over many runs: exact, by rank, without interpolation, so that each is a figure some run
//! had.

use serde::{Deserialize, Serialize};

/// A distribution in a few numbers. All are `null` when no run had the figure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles<T> {
    /// How many runs had the figure.
    pub count: u64,
    /// The smallest.
    pub min: Option<T>,
    /// 1 in 100 runs had at most this.
    pub p01: Option<T>,
    /// 10 in 100.
    pub p10: Option<T>,
    /// Half.
    pub p50: Option<T>,
    /// 90 in 100.
    pub p90: Option<T>,
    /// 99 in 100.
    pub p99: Option<T>,
    /// The largest.
    pub max: Option<T>,
}

impl<T: Copy + PartialOrd> Quantiles<T> {
    /// Of these values, which are sorted on the way.
    pub fn of(values: &mut [T]) -> Self {
        values.sort_unstable_by(|a, b| a.partial_cmp(b).expect("figures are numbers"));
        let at = |percent| quantile(values, percent);
        Self {
            count: values.len() as u64,
            min: values.first().copied(),
            p01: at(1),
            p10: at(10),
            p50: at(50),
            p90: at(90),
            p99: at(99),
            max: values.last().copied(),
        }
    }
}

/// The smallest of sorted `values` that at least `percent` of 100 do not exceed.
#[must_use]
pub fn quantile<T: Copy>(values: &[T], percent: usize) -> Option<T> {
    let rank = (values.len() * percent).div_ceil(100).max(1);
    values.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_rank() {
        let mut values: Vec<u64> = (1..=200).rev().collect();
        let q = Quantiles::of(&mut values);
        let all = (q.count, q.min, q.p01, q.p10, q.p50, q.p90, q.p99, q.max);
        assert_eq!(all, (200, Some(1), Some(2), Some(20), Some(100), Some(180), Some(198), Some(200)));
        let one = Quantiles::of(&mut [0.5]);
        assert_eq!((one.p01, one.p50, one.max), (Some(0.5), Some(0.5), Some(0.5)));
        assert_eq!(Quantiles::<u64>::of(&mut []), Quantiles::default());
    }
}
