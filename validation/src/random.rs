//! Where in its range a fault begins: drawn from the file's seed, so that two people try the same moments.

use std::time::Duration;

/// SplitMix64.
pub struct Random(u64);

impl Random {
    /// The numbers of this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A time of this range, each microsecond of it equally likely.
    pub fn time(&mut self, (from, to): (Duration, Duration)) -> Duration {
        let wide = to.saturating_sub(from).as_micros() as u64;
        from + Duration::from_micros(self.next() % (wide + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_lie_in_their_range_and_come_again() {
        let range = (Duration::from_millis(10), Duration::from_millis(20));
        let draw = |seed| {
            let mut random = Random::new(seed);
            (0..1000).map(|_| random.time(range)).collect::<Vec<_>>()
        };
        let times = draw(1);
        assert!(times.iter().all(|time| (range.0..=range.1).contains(time)));
        let mean = times.iter().sum::<Duration>() / 1000;
        assert!(mean.abs_diff(Duration::from_millis(15)) < Duration::from_millis(1), "{mean:?}");
        assert_eq!(times, draw(1));
        assert_ne!(times, draw(2));
    }
}
