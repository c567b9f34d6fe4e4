//! A token bucket: so many requests a second, and a burst of so many.

use sim_core::LocalInstant;

/// Tokens are counted in billionths, so that a nanosecond's share is whole.
const ONE: u64 = 1_000_000_000;

/// Admits requests at a rate.
#[derive(Clone, Debug)]
pub struct Limiter {
    rate: u64,
    burst: u64,
    tokens: u64,
    since: LocalInstant,
    /// With the bug: how many were admitted in this second.
    window: Option<(u64, u64)>,
}

impl Limiter {
    /// A full bucket.
    #[must_use]
    pub const fn new(rate: u32, burst: u32, fixed_window: bool, now: LocalInstant) -> Self {
        let burst = burst as u64 * ONE;
        let window = if fixed_window { Some((0, 0)) } else { None };
        Self { rate: rate as u64, burst, tokens: burst, since: now, window }
    }

    /// Whether one more may come in now.
    pub fn admits(&mut self, now: LocalInstant) -> bool {
        if let Some((second, count)) = &mut self.window {
            if *second != now.0 / ONE {
                (*second, *count) = (now.0 / ONE, 0);
            }
            *count += 1;
            return *count <= self.rate + self.burst / ONE;
        }
        let more = u128::from(now.since(self.since).0) * u128::from(self.rate);
        self.tokens = (u128::from(self.tokens) + more).min(u128::from(self.burst)) as u64;
        self.since = now;
        let left = self.tokens.checked_sub(ONE);
        self.tokens = left.unwrap_or(self.tokens);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let mut limiter = Limiter::new(100, 5, false, LocalInstant(0));
        let mut admitted =
            |from: u64, to: u64| (from..to).filter(|ms| limiter.admits(LocalInstant(ms * 1_000_000))).count();
        assert_eq!(admitted(0, 5), 5);
        assert_eq!(admitted(5, 1005), 100);
        assert_eq!(admitted(1005, 1010), 0);
    }
}
