//! Fixed-point probabilities, so that no float decides what happens in a run.

use core::fmt;

/// A probability in units of 2^-32, from 0 to 1 inclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Probability(u64);

impl Probability {
    /// Never.
    pub const NEVER: Self = Self(0);
    /// Always.
    pub const ALWAYS: Self = Self(1 << 32);

    /// `parts` in a billion; anything over a billion is certainty.
    #[must_use]
    pub const fn per_billion(parts: u64) -> Self {
        let parts = if parts > 1_000_000_000 { 1_000_000_000 } else { parts };
        Self((parts << 32).div_ceil(1_000_000_000))
    }

    /// Whether 32 uniform random bits fall inside.
    #[inline]
    #[must_use]
    pub const fn hit(self, bits: u32) -> bool {
        (bits as u64) < self.0
    }

    /// Whether it can never happen.
    #[must_use]
    pub const fn is_never(self) -> bool {
        self.0 == 0
    }

    /// The complement.
    #[must_use]
    pub const fn not(self) -> Self {
        Self((1 << 32) - self.0)
    }

    /// As a fraction, for people and charts.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / (1_u64 << 32) as f64
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", (self.as_f64() * 1e8).round() / 1e6)
    }
}
