//! Times, counted by size: sixteen steps for every doubling, so that a quantile is within 5 %.

use sim_core::Duration;

const STEPS: u32 = 16;

/// So many times of each size.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    counts: Vec<u64>,
    all: u64,
}

impl Histogram {
    /// One more.
    pub fn add(&mut self, time: Duration) {
        let ns = time.0.max(1);
        let log = ns.ilog2();
        let step = if log >= 4 { (ns >> (log - 4)) as u32 & (STEPS - 1) } else { 0 };
        let at = (log * STEPS + step) as usize;
        if at >= self.counts.len() {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] += 1;
        self.all += 1;
    }

    /// These, too.
    pub fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, more)| *mine += more);
        self.all += other.all;
    }

    /// The time that this share of them, in thousandths, does not exceed; `None` without any.
    #[must_use]
    pub fn quantile(&self, thousandths: u64) -> Option<Duration> {
        let wanted = (self.all * thousandths).div_ceil(1000).max(1);
        let mut seen = 0;
        let at = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        })? as u32;
        let (log, step) = (at / STEPS, u64::from(at % STEPS));
        let width = if log >= 4 { 1_u64 << (log - 4) } else { 1 };
        Some(Duration((1_u64 << log) + step * width + width / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_step() {
        let mut times = Histogram::default();
        (1..=1000).for_each(|ms| times.add(Duration::millis(ms)));
        for (thousandths, ms) in [(500, 500.0), (990, 990.0), (1000, 1000.0)] {
            let found = times.quantile(thousandths).unwrap().0 as f64 / 1e6;
            assert!((found / ms - 1.0).abs() < 0.05, "{thousandths}: {found}");
        }
        assert!(Histogram::default().quantile(500).is_none());
    }
}
