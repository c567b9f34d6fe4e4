//! Phi accrual (Hayashibara, Défago, Yared, Katayama 2004): how improbable a silence is, by the gaps between heartbeats
//! so far.
//!
//! `phi(t) = -log10 P(gap > t)`, so a threshold of 3 wrongs a live node once in a thousand heartbeats, if the gaps
//! follow the assumed law and enough of them were seen. The law is the paper's normal one (as in Akka, which also has
//! the floor under the deviation and the pause that is put up with) or the exponential one that Cassandra assumes.

use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant, NodeId};
use std::collections::VecDeque;

sim_core::choices! {
    /// What law the gaps between heartbeats are taken to follow.
    pub enum Gaps {
        /// Normal, with the mean and deviation of those in the window (the paper, section 4.2; Akka).
        #[default]
        Normal,
        /// Exponential with the mean of those in the window (Cassandra).
        Exponential,
    }
}

/// How a [`PhiAccrual`] judges.
#[derive(Clone, Debug)]
pub struct PhiConfig {
    /// The law of the gaps.
    pub gaps: Gaps,
    /// The phi from which on a node is held for gone, in thousandths: 8000 is usual.
    pub threshold_milli: u32,
    /// How many gaps are remembered: 1000 in the paper.
    pub window: usize,
    /// The gap that is assumed before any was seen.
    pub first_gap: Duration,
    /// The deviation is taken to be at least this, so that very regular heartbeats do not make a hair trigger.
    pub min_deviation: Duration,
    /// A silence that is put up with on top of what the gaps explain: a pause for garbage collection, say.
    pub pause: Duration,
}

/// What was seen of one node.
#[derive(Clone, Debug)]
struct Seen {
    last: LocalInstant,
    gaps: VecDeque<u64>,
    sum: u128,
    squares: u128,
    deadline: LocalInstant,
}

/// The phi accrual detector. What steers is integer: the threshold is turned into deviations (or means) once, with a
/// libm that is the same on every machine.
#[derive(Clone, Debug)]
pub struct PhiAccrual {
    config: PhiConfig,
    /// How far behind the mean the threshold lies, in millionths of a deviation (normal) or of the mean (exponential).
    reach_ppm: i64,
    seen: SortedMap<NodeId, Seen>,
}

/// `-log10` of the probability that a normal gap is more than `z` deviations above its mean.
fn phi_of_normal(z: f64) -> f64 {
    -libm::log10(0.5 * libm::erfc(z * core::f64::consts::FRAC_1_SQRT_2))
}

/// The `z` at which [`phi_of_normal`] reaches `phi`, by bisection: phi grows with z. At most 37, where doubles end.
fn reach_of_normal(phi: f64) -> f64 {
    let (mut low, mut high) = (-37.0, 37.0);
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        if phi_of_normal(middle) < phi {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

impl PhiAccrual {
    /// A detector that watches nobody yet.
    #[must_use]
    pub fn new(config: PhiConfig) -> Self {
        let phi = f64::from(config.threshold_milli) / 1000.0;
        let reach = match config.gaps {
            Gaps::Normal => reach_of_normal(phi),
            Gaps::Exponential => phi * core::f64::consts::LN_10,
        };
        Self { reach_ppm: (reach * 1e6) as i64, config, seen: SortedMap::new() }
    }

    /// Begins to watch `node`, as if it had been heard now.
    ///
    /// Like Akka, it begins with two made-up gaps around the first estimate, a quarter of it to either side.
    pub fn watch(&mut self, node: NodeId, now: LocalInstant) {
        let quarter = self.config.first_gap.0 / 4;
        let mut seen = Seen { last: now, gaps: VecDeque::new(), sum: 0, squares: 0, deadline: now };
        for gap in [self.config.first_gap.0 - quarter, self.config.first_gap.0 + quarter] {
            seen.remember(gap, self.config.window);
        }
        seen.deadline = self.deadline_of(&seen);
        self.seen.insert(node, seen);
    }

    /// Stops watching `node`.
    pub fn forget(&mut self, node: NodeId) {
        self.seen.remove(&node);
    }

    /// A heartbeat of `from` arrived. Of a gap much longer than was put up with, only twice that is remembered: it says
    /// how long the node was gone, not how its heartbeats vary. (Leaving such gaps out, as Akka does, lets a low
    /// threshold feed on itself.)
    pub fn heard(&mut self, from: NodeId, now: LocalInstant) {
        let Some(seen) = self.seen.get_mut(&from) else {
            return self.watch(from, now);
        };
        let most = seen.deadline.since(seen.last).times(2);
        seen.remember(now.since(seen.last).min(most).0, self.config.window);
        seen.last = now;
        let deadline = self.deadline_of(&self.seen[&from]);
        self.seen.get_mut(&from).expect("just seen").deadline = deadline;
    }

    /// From when on `node` is held for gone.
    #[must_use]
    pub fn deadline(&self, node: NodeId) -> Option<LocalInstant> {
        self.seen.get(&node).map(|seen| seen.deadline)
    }

    /// The deadlines of all that are watched.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = LocalInstant> {
        self.seen.values().map(|seen| seen.deadline)
    }

    /// Phi itself, for people: how improbable the present silence is. Nothing that steers a run uses it.
    #[must_use]
    pub fn phi(&self, node: NodeId, now: LocalInstant) -> f64 {
        let Some(seen) = self.seen.get(&node) else { return 0.0 };
        let silence = now.since(seen.last).0 as f64 - self.config.pause.0 as f64;
        let (mean, deviation) = seen.mean_and_deviation(self.config.min_deviation);
        match self.config.gaps {
            Gaps::Normal => phi_of_normal((silence - mean as f64) / deviation.max(1) as f64),
            Gaps::Exponential => silence.max(0.0) / mean.max(1) as f64 / core::f64::consts::LN_10,
        }
    }

    fn deadline_of(&self, seen: &Seen) -> LocalInstant {
        let (mean, deviation) = seen.mean_and_deviation(self.config.min_deviation);
        let (mean, reach) = (i128::from(mean), i128::from(self.reach_ppm));
        let silence = match self.config.gaps {
            Gaps::Normal => mean + i128::from(deviation) * reach / 1_000_000,
            Gaps::Exponential => mean * reach / 1_000_000,
        };
        let silence = silence.clamp(0, i128::from(u64::MAX)) as u64;
        seen.last + Duration(silence) + self.config.pause
    }
}

impl Seen {
    fn remember(&mut self, gap: u64, window: usize) {
        // Thirteen days, so that no sum of squares overflows whatever is configured.
        let gap = gap.min(1 << 50);
        self.gaps.push_back(gap);
        self.sum += u128::from(gap);
        self.squares += u128::from(gap) * u128::from(gap);
        if self.gaps.len() > window.max(1) {
            let old = u128::from(self.gaps.pop_front().expect("more than the window"));
            self.sum -= old;
            self.squares -= old * old;
        }
    }

    /// Mean and deviation of the gaps in the window, in nanoseconds.
    fn mean_and_deviation(&self, floor: Duration) -> (u64, u64) {
        let n = self.gaps.len() as u128;
        let mean = self.sum / n;
        // n * sum of squares - (sum)^2 is n^2 times the variance, and never negative.
        let scaled = (n * self.squares).saturating_sub(self.sum * self.sum);
        let deviation = (scaled.isqrt() / n) as u64;
        (mean as u64, deviation.max(floor.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_law_is_that_of_tables() {
        for (z, tail) in [(0.0, 0.5), (1.0, 0.158_655), (2.0, 0.022_750), (3.0, 0.001_349_9)] {
            let phi = -libm::log10(tail);
            assert!((phi_of_normal(z) - phi).abs() < 1e-4, "{z}");
            assert!((reach_of_normal(phi) - z).abs() < 1e-3, "{z}");
        }
    }

    #[test]
    fn a_deadline_is_where_phi_reaches_the_threshold() {
        for gaps in [Gaps::Normal, Gaps::Exponential] {
            let config = PhiConfig {
                gaps,
                threshold_milli: 3000,
                window: 100,
                first_gap: Duration::millis(100),
                min_deviation: Duration::millis(1),
                pause: Duration::millis(7),
            };
            let mut phi = PhiAccrual::new(config);
            let mut now = LocalInstant(5);
            for gap in [90, 100, 115, 95, 108, 101] {
                now = now + Duration::millis(gap);
                phi.heard(NodeId(3), now);
            }
            let deadline = phi.deadline(NodeId(3)).unwrap();
            assert!((phi.phi(NodeId(3), deadline) - 3.0).abs() < 1e-3, "{gaps:?}: {}", phi.phi(NodeId(3), deadline));
            assert!(deadline > now + Duration::millis(107));
        }
    }
}
