//! What time it is for a hosted stack.
//!
//! `smoltcp` waits one second at least before it sends a segment again (RFC 6298, 2.4), and that constant can not be
//! set. Servers wait 200 ms. So the stack's clock is what is set: once a connection stands, its second lasts
//! [`crate::network::TcpPolicy::min_rto`]. Everything the stack is told in time (delayed acknowledgements, keep-alive,
//! time-outs) is told by that clock, so only its constants shrink: the least time-out to `min_rto`, the greatest from
//! 60 s to 60 times that, the wait after a close from 10 s to 10 times that. While a connection is being made the clock
//! is an honest one: the initial time-out is one second, as RFC 6298 and Linux have it.

use crate::{Duration, Instant};
use smoltcp::time;

/// A second of the stack while a connection is being made.
const HONEST: Duration = Duration::secs(1);

/// A clock that may change its pace, but never goes back.
#[derive(Clone, Copy, Debug)]
pub(super) struct StackClock {
    /// Since when it has its pace.
    since: Instant,
    /// What it showed then, in microseconds.
    showed: u64,
    /// How long its second lasts.
    second: Duration,
}

impl StackClock {
    pub const fn new(now: Instant) -> Self {
        Self { since: now, showed: 0, second: HONEST }
    }

    /// Microseconds of the stack that pass in `time`, rounded down.
    fn micros(self, time: Duration) -> u64 {
        let micros = u128::from(time.0) * 1_000_000 / u128::from(self.second.0.max(1));
        // An `i64` of microseconds is what the stack counts in.
        u64::try_from(micros).unwrap_or(u64::MAX).min(i64::MAX as u64 / 4)
    }

    /// From `since` on, which may have been a moment ago, its second lasts `second`.
    pub fn set_pace(&mut self, since: Instant, second: Duration) {
        let since = since.max(self.since);
        *self = Self { since, showed: self.showed + self.micros(since.since(self.since)), second };
    }

    pub fn shows(self, now: Instant) -> time::Instant {
        time::Instant::from_micros((self.showed + self.micros(now.since(self.since))) as i64)
    }

    /// When it will show `at`, or later.
    pub fn is_due(self, at: time::Instant) -> Instant {
        let left = u64::try_from(at.total_micros()).unwrap_or(0).saturating_sub(self.showed);
        let nanos = (u128::from(left) * u128::from(self.second.0)).div_ceil(1_000_000);
        self.since + Duration(u64::try_from(nanos).unwrap_or(u64::MAX / 2))
    }

    /// How long `time` is for the stack.
    pub fn lasts(self, time: Duration) -> time::Duration {
        time::Duration::from_micros(self.micros(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_changes_its_pace_never_goes_back_and_is_due_when_it_shows() {
        let mut clock = StackClock::new(Instant(500));
        let at = Instant::ZERO + Duration::millis(100);
        let before = clock.shows(at);
        clock.set_pace(at, Duration::millis(200));
        assert_eq!(clock.shows(at), before);
        assert_eq!((clock.shows(at + Duration::millis(200)) - before).total_micros(), 1_000_000);
        for micros in [100_000, 100_001, 123_457, 99_999_999] {
            let due = clock.is_due(time::Instant::from_micros(micros));
            assert!(clock.shows(due).total_micros() >= micros);
            assert!(clock.shows(Instant(due.0 - 201)).total_micros() < micros, "{micros}");
        }
    }
}
