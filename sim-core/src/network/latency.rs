//! Delay distributions, as integer arithmetic on 32 random bits: no float steers a run.

use crate::Duration;
use std::sync::{Arc, LazyLock};

/// How many intervals a quantile table has. 1024 equal steps of probability, and a finer tail behind the last.
const STEPS: usize = 1024;
/// The tail table refines the last step: it reaches the 1 - 2^-20 quantile.
const TAIL: usize = 1024;

/// A distribution of delays.
#[derive(Clone, Debug, PartialEq)]
pub enum Latency {
    /// Always this long.
    Fixed(Duration),
    /// Every length from the first to the last equally likely.
    Uniform(Duration, Duration),
    /// A quantile table, interpolated linearly: what lognormal, exponential and recorded delays become.
    Table(Arc<Quantiles>),
}

/// What a [`Latency::Table`] was made of, so that a resolved scenario can write it down again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Law {
    /// Exponential with this mean.
    Exponential {
        /// The mean.
        mean: Duration,
    },
    /// Lognormal.
    Lognormal {
        /// Half of all delays are shorter.
        median: Duration,
        /// 99 % of all delays are shorter.
        p99: Duration,
    },
    /// These samples, every one equally likely.
    Recorded(Vec<Duration>),
}

/// Quantiles of a distribution, in nanoseconds, at equal steps of probability, with the last step refined once more.
#[derive(Debug, PartialEq, Eq)]
pub struct Quantiles {
    law: Law,
    body: Vec<u64>,
    tail: Vec<u64>,
}

impl Quantiles {
    /// The table of the distribution whose inverse cumulative distribution is `quantile`, in nanoseconds for a
    /// probability strictly between 0 and 1.
    fn of(law: Law, quantile: impl Fn(f64) -> f64) -> Self {
        let steps = STEPS as f64;
        let tail = TAIL as f64;
        let at = |p: f64| quantile(p).clamp(0.0, 9e18) as u64;
        let first = 0.5 / steps;
        Self {
            law,
            body: (0..=STEPS).map(|i| at((i as f64 / steps).clamp(first, 1.0 - 1.0 / steps))).collect(),
            tail: (0..=TAIL).map(|i| at((1.0 - 1.0 / steps) + (i as f64).min(tail - 0.5) / tail / steps)).collect(),
        }
    }

    /// What the table was made of.
    #[must_use]
    pub const fn law(&self) -> &Law {
        &self.law
    }

    #[inline]
    fn sample(&self, bits: u32) -> u64 {
        let step = (bits >> 22) as usize;
        // The top ten bits choose the step, the rest the place in it; in the last step they choose again.
        let (table, step, place) = if step == STEPS - 1 {
            (&self.tail, ((bits >> 12) & 1023) as usize, u64::from(bits & 0xfff) << 10)
        } else {
            (&self.body, step, u64::from(bits & 0x3f_ffff))
        };
        let (lo, hi) = (table[step], table[step + 1]);
        lo + ((u128::from(hi - lo) * u128::from(place)) >> 22) as u64
    }
}

impl Latency {
    /// No delay.
    pub const ZERO: Self = Self::Fixed(Duration::ZERO);

    /// Uniform from `lo` to `hi`.
    #[must_use]
    pub fn uniform(lo: Duration, hi: Duration) -> Self {
        assert!(lo <= hi, "a range must not be upside down: {lo} > {hi}");
        if lo == hi { Self::Fixed(lo) } else { Self::Uniform(lo, hi) }
    }

    /// Exponential with this mean.
    #[must_use]
    pub fn exponential(mean: Duration) -> Self {
        let scale = mean.0 as f64;
        Self::Table(Arc::new(Quantiles::of(Law::Exponential { mean }, |p| -libm::log(1.0 - p) * scale)))
    }

    /// Lognormal with this median and 99th percentile.
    #[must_use]
    pub fn lognormal(median: Duration, p99: Duration) -> Self {
        assert!(median <= p99, "the median must not be above the p99: {median} > {p99}");
        let sigma = libm::log((p99.0.max(1) as f64) / (median.0.max(1) as f64)) / NORMAL_P99;
        let law = Law::Lognormal { median, p99 };
        let median = median.0 as f64;
        Self::Table(Arc::new(Quantiles::of(law, |p| median * libm::exp(sigma * normal_quantile(p)))))
    }

    /// The distribution of recorded `samples`: every one equally likely, with straight lines between neighbours.
    #[must_use]
    pub fn recorded(samples: &[Duration]) -> Self {
        assert!(!samples.is_empty(), "a recorded distribution needs at least one sample");
        let mut sorted: Vec<u64> = samples.iter().map(|d| d.0).collect();
        sorted.sort_unstable();
        let last = (sorted.len() - 1) as f64;
        let law = Law::Recorded(samples.to_vec());
        Self::Table(Arc::new(Quantiles::of(law, |p| {
            let place = p * last;
            let below = place as usize;
            let (lo, hi) = (sorted[below], sorted[(below + 1).min(sorted.len() - 1)]);
            lo as f64 + (hi - lo) as f64 * (place - below as f64)
        })))
    }

    /// The delay that 32 uniform random bits stand for.
    #[inline]
    #[must_use]
    pub fn sample(&self, bits: u32) -> Duration {
        match self {
            Self::Fixed(d) => *d,
            Self::Uniform(lo, hi) => Duration(lo.0 + ((u128::from(hi.0 - lo.0 + 1) * u128::from(bits)) >> 32) as u64),
            Self::Table(table) => Duration(table.sample(bits)),
        }
    }

    /// The median.
    #[must_use]
    pub fn median(&self) -> Duration {
        self.sample(1 << 31)
    }
}

/// An exponential delay with this mean for 32 random bits, from one table of the unit exponential.
#[must_use]
pub fn exponential(mean: Duration, bits: u32) -> Duration {
    static UNIT: LazyLock<Quantiles> = LazyLock::new(|| {
        let law = Law::Exponential { mean: Duration(1 << 40) };
        Quantiles::of(law, |p| -libm::log(1.0 - p) * (1_u64 << 40) as f64)
    });
    let unit = u128::from(UNIT.sample(bits));
    // Never 0: arrivals are strictly after one another.
    Duration((((u128::from(mean.0) * unit) >> 40) as u64).max(1))
}

const NORMAL_P99: f64 = 2.326_347_874_040_841;

/// The inverse of the standard normal distribution (Wichura 1988, algorithm AS 241, PPND7: seven figures).
fn normal_quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * (((59.109_374_720 * r + 159.291_132_02) * r + 50.434_271_938) * r + 3.387_132_717_9)
            / (((67.187_563_600 * r + 78.757_757_664) * r + 17.895_169_469) * r + 1.0);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    let r = libm::sqrt(-libm::log(tail));
    let magnitude = if r <= 5.0 {
        let r = r - 1.6;
        (((0.170_238_210_3 * r + 1.306_728_481_6) * r + 2.756_815_390_0) * r + 1.423_437_277_7)
            / ((0.120_211_326_97 * r + 0.737_001_640_27) * r + 1.0)
    } else {
        let r = r - 5.0;
        (((0.017_337_203_997 * r + 0.428_682_943_37) * r + 3.081_226_386_0) * r + 6.657_905_115_0)
            / ((0.012_258_202_635 * r + 0.241_978_942_33) * r + 1.0)
    };
    if q < 0.0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Purpose, Rng};

    fn quantiles(latency: &Latency) -> (f64, f64, f64, f64) {
        let mut rng = Rng::stream(1, Purpose::Link, 0);
        let mut all: Vec<u64> = (0..200_000).map(|_| latency.sample(rng.next_u32()).0).collect();
        all.sort_unstable();
        let mean = all.iter().sum::<u64>() as f64 / all.len() as f64;
        let at = |p: f64| all[(p * all.len() as f64) as usize] as f64;
        (mean, at(0.5), at(0.99), at(0.999))
    }

    fn close(got: f64, want: f64, share: f64) {
        assert!((got - want).abs() <= want * share, "got {got}, want {want} within {share}");
    }

    #[test]
    fn distributions_have_their_quantiles() {
        let ms = Duration::millis;
        let (mean, p50, ..) = quantiles(&Latency::uniform(ms(1), ms(3)));
        close(mean, 2e6, 0.01);
        close(p50, 2e6, 0.01);
        let (mean, p50, p99, p999) = quantiles(&Latency::exponential(ms(10)));
        close(mean, 1e7, 0.01);
        close(p50, 6.931e6, 0.01);
        close(p99, 4.605e7, 0.02);
        close(p999, 6.908e7, 0.06);
        let (_, p50, p99, p999) = quantiles(&Latency::lognormal(ms(2), ms(12)));
        close(p50, 2e6, 0.01);
        close(p99, 1.2e7, 0.03);
        // sigma = ln 6 / 2.3263, p999 = 2 ms * exp(3.0902 sigma)
        close(p999, 2.161e7, 0.08);
        let samples: Vec<Duration> = (0..=100).map(Duration::millis).collect();
        let (mean, p50, p99, _) = quantiles(&Latency::recorded(&samples));
        close(mean, 5e7, 0.01);
        close(p50, 5e7, 0.01);
        close(p99, 9.9e7, 0.01);
    }

    #[test]
    fn ends_are_inside_the_range() {
        let uniform = Latency::uniform(Duration(5), Duration(7));
        assert_eq!((uniform.sample(0), uniform.sample(u32::MAX)), (Duration(5), Duration(7)));
        assert!(exponential(Duration::millis(1), 0).0 >= 1);
        let recorded = Latency::recorded(&[Duration(9)]);
        assert_eq!((recorded.sample(0), recorded.sample(u32::MAX)), (Duration(9), Duration(9)));
    }
}
