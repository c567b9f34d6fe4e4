//! Simulated time: integer nanoseconds since the start of the run, and the possibly wrong clock a node sees.

use core::fmt;
use core::ops::{Add, AddAssign, Sub};
use serde::{Deserialize, Serialize};

/// A point in simulated time, in nanoseconds since the start of the run. Only the engine, clients and observers see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(pub u64);

/// What a node's own clock shows, in nanoseconds. Offset and drift make it differ from [`Instant`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LocalInstant(pub u64);

/// A length of time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Duration(pub u64);

impl Instant {
    /// The start of the run.
    pub const ZERO: Self = Self(0);
    /// Later than everything that can be scheduled.
    pub const FAR: Self = Self(u64::MAX);

    /// How long ago `earlier` was; zero if it lies in the future.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

impl LocalInstant {
    /// How long ago `earlier` was on this clock; zero if the clock was set back behind it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// Longer than any run.
    pub const MAX: Self = Self(u64::MAX);

    /// `n` nanoseconds.
    #[must_use]
    pub const fn nanos(n: u64) -> Self {
        Self(n)
    }
    /// `n` microseconds.
    #[must_use]
    pub const fn micros(n: u64) -> Self {
        Self(n * 1_000)
    }
    /// `n` milliseconds.
    #[must_use]
    pub const fn millis(n: u64) -> Self {
        Self(n * 1_000_000)
    }
    /// `n` seconds.
    #[must_use]
    pub const fn secs(n: u64) -> Self {
        Self(n * 1_000_000_000)
    }
    /// The length in seconds, for people and charts only: nothing that steers a run may use it.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
    /// `self * n`, stopping at the longest duration.
    #[must_use]
    pub const fn times(self, n: u64) -> Self {
        Self(self.0.saturating_mul(n))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(d.0))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

impl Add<Duration> for LocalInstant {
    type Output = Self;
    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(d.0))
    }
}

impl Add for Duration {
    type Output = Self;
    fn add(self, d: Self) -> Self {
        Self(self.0.saturating_add(d.0))
    }
}

impl Sub for Duration {
    type Output = Self;
    fn sub(self, d: Self) -> Self {
        Self(self.0.saturating_sub(d.0))
    }
}

/// Exact, in seconds, as people read a timeline: `10s`, `11.220464383s`.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        if rest == 0 {
            return f.pad(&format!("{whole}s"));
        }
        f.pad(&format!("{whole}.{}s", format!("{rest:09}").trim_end_matches('0')))
    }
}

/// Exact, in the largest unit that keeps it whole up to three decimals: `1.5ms`, `60s`, `20us`, `17ns`.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0;
        if n == 0 {
            return f.pad("0s");
        }
        let (unit, name) = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")]
            .into_iter()
            .find(|(unit, _)| n >= *unit && n.is_multiple_of(unit / 1_000))
            .unwrap_or((1, "ns"));
        let (whole, rest) = (n / unit, n % unit);
        if rest == 0 {
            return f.pad(&format!("{whole}{name}"));
        }
        let decimals = format!("{:03}", rest / (unit / 1_000));
        f.pad(&format!("{whole}.{}{name}", decimals.trim_end_matches('0')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_print_exactly() {
        for (d, text) in [
            (Duration::secs(60), "60s"),
            (Duration::micros(1500), "1.5ms"),
            (Duration::nanos(1), "1ns"),
            (Duration::nanos(1_000_001), "1000.001us"),
            (Duration::ZERO, "0s"),
        ] {
            assert_eq!(d.to_string(), text);
        }
        assert_eq!(Instant(11_220_464_383).to_string(), "11.220464383s");
        assert_eq!(Instant(10_500_000_000).to_string(), "10.5s");
    }
}
