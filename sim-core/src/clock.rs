//! A node's own clock: it may be off, and it may run fast or slow.

use crate::{Duration, Instant, LocalInstant};

/// What clocks show at the start of the run, before any offset: far enough from 0 for any step back.
const EPOCH: u64 = 1 << 60;
const MILLION: u64 = 1_000_000;

/// A clock that maps true time to what its node sees.
#[derive(Clone, Debug)]
pub struct Clock {
    /// Parts per million it runs fast.
    drift_ppm: i32,
    /// How many faults hold it.
    frozen: u32,
    /// The sum of everything that makes it drift; `drift_ppm` unless that would turn it backwards.
    asked_ppm: i64,
    /// True time and shown time at the last change of rate.
    base: (Instant, LocalInstant),
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(0, 0)
    }
}

impl Clock {
    /// A clock `offset` nanoseconds ahead (negative: behind) that runs `drift_ppm` parts per million fast.
    #[must_use]
    pub fn new(offset: i64, drift_ppm: i32) -> Self {
        assert!(drift_ppm > -1_000_000, "a clock must not run backwards: {drift_ppm} ppm");
        Self {
            drift_ppm,
            frozen: 0,
            asked_ppm: drift_ppm as i64,
            base: (Instant::ZERO, LocalInstant(EPOCH.saturating_add_signed(offset))),
        }
    }

    /// What the clock shows at true time `now`.
    #[inline]
    #[must_use]
    pub fn show(&self, now: Instant) -> LocalInstant {
        if self.frozen > 0 {
            return self.base.1;
        }
        let elapsed = now.since(self.base.0);
        if self.drift_ppm == 0 {
            return self.base.1 + elapsed;
        }
        let (shown, _) = scale(elapsed, self.rate(), MILLION);
        self.base.1 + shown
    }

    /// What a clock without offset or drift shows.
    #[inline]
    #[must_use]
    pub const fn honest(now: Instant) -> LocalInstant {
        LocalInstant(now.0.saturating_add(EPOCH))
    }

    /// Whether it shows what [`Clock::honest`] says.
    #[must_use]
    pub const fn is_honest(&self) -> bool {
        self.drift_ppm == 0 && self.frozen == 0 && self.base.1.0 == self.base.0.0 + EPOCH
    }

    /// How long `after` on this clock takes in true time. Rounded up, so that a timer never fires early.
    #[inline]
    #[must_use]
    pub fn wait(&self, after: Duration) -> Duration {
        if self.drift_ppm == 0 {
            return after;
        }
        let (wait, exact) = scale(after, MILLION, self.rate());
        wait + Duration(u64::from(!exact))
    }

    /// The clock jumps by `nanos`.
    pub fn step(&mut self, now: Instant, nanos: i64) {
        self.base = (now, LocalInstant(self.show(now).0.saturating_add_signed(nanos)));
    }

    /// The clock stands still from `now` on, until it has been thawed as often as frozen.
    pub fn freeze(&mut self, now: Instant) {
        self.base = (now, self.show(now));
        self.frozen += 1;
    }

    /// One thing less holds the clock: whether it goes on now, from where it stood.
    pub fn thaw(&mut self, now: Instant) -> bool {
        self.base = (now, self.show(now));
        self.frozen -= 1;
        self.frozen == 0
    }

    /// Whether it stands still.
    #[must_use]
    pub const fn is_frozen(&self) -> bool {
        self.frozen > 0
    }

    /// The clock runs `ppm` parts per million faster (negative: slower) from `now` on, in addition to what it did.
    /// However much that is in sum, it never runs backwards; taking it back restores the old rate.
    pub fn add_drift(&mut self, now: Instant, ppm: i64) {
        self.base = (now, self.show(now));
        self.asked_ppm += ppm;
        self.drift_ppm = self.asked_ppm.clamp(1 - MILLION as i64, i64::from(i32::MAX)) as i32;
    }

    /// What this clock will have shown by when `left` of true time has passed, rounded up.
    pub(crate) fn shown_in(&self, left: Duration) -> Duration {
        let (shown, exact) = scale(left, self.rate(), MILLION);
        shown + Duration(u64::from(!exact))
    }

    /// What it shows of a million of true time.
    const fn rate(&self) -> u64 {
        MILLION.saturating_add_signed(self.drift_ppm as i64)
    }

    /// Parts per million it runs fast now.
    #[must_use]
    pub const fn drift_ppm(&self) -> i32 {
        self.drift_ppm
    }
}

/// `time * by / of`, rounded down, and whether that is exact. Both factors are below 2^32: in 64 bits, because clocks
/// are read at every event and a division of 128 bits costs as much as the rest of it.
const fn scale(time: Duration, by: u64, of: u64) -> (Duration, bool) {
    let (whole, part) = (time.0 / of, time.0 % of * by);
    (Duration(whole.saturating_mul(by).saturating_add(part / of)), part % of == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_is_exact() {
        let mut rng = crate::Rng::stream(1, crate::Purpose::Clock, 0);
        for _ in 0..10_000 {
            let time = rng.next_u64() >> rng.between(12, 60);
            let rate = rng.between(1, MILLION + i32::MAX as u64);
            for (by, of) in [(MILLION, rate), (rate, MILLION)] {
                let product = u128::from(time) * u128::from(by);
                let (floor, exact) = (product / u128::from(of), product % u128::from(of) == 0);
                let floor = u64::try_from(floor).unwrap_or(u64::MAX);
                assert_eq!(scale(Duration(time), by, of), (Duration(floor), exact), "{time} * {by} / {of}");
            }
        }
    }

    #[test]
    fn drift_and_steps_add_up() {
        let mut clock = Clock::new(-5, 100);
        let start = clock.show(Instant::ZERO);
        let after = |clock: &Clock, secs| clock.show(Instant::ZERO + Duration::secs(secs)).since(start);
        assert_eq!(after(&clock, 10), Duration(10_000_000_000 + 1_000_000));
        clock.step(Instant::ZERO + Duration::secs(10), -1_000_000);
        assert_eq!(after(&clock, 10), Duration::secs(10));
        clock.add_drift(Instant::ZERO + Duration::secs(10), -500_100);
        assert_eq!(after(&clock, 12), Duration::secs(11));
        assert_eq!(clock.wait(Duration::secs(1)), Duration::secs(2));
    }
}
