//! When did a run become doomed? Where to fork it, and what the forks' fates say.
//!
//! At points along time a failing run is forked and finished with fresh luck, several times each. Where the rule then
//! fails more often than just before, something happened that failure followed from. FoundationDB's people call the
//! curve a bug probability graph. Half of the points lie evenly over the run; the others halve, again and again, the
//! stretch over which the share of failing forks rises most.

use sim_core::{Duration, Instant};

/// What became of the forks at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When the run forked.
    pub at: Instant,
    /// How many forks there were.
    pub forks: u32,
    /// In how many of them the rule was broken.
    pub failed: u32,
}

impl Sample {
    /// The share of forks that failed.
    #[must_use]
    pub fn probability(&self) -> f64 {
        f64::from(self.failed) / f64::from(self.forks.max(1))
    }

    /// Where the probability lies with 95 % confidence: Wilson's interval (JASA 1927), which is right for small
    /// numbers and at 0 and 1 too.
    #[must_use]
    pub fn interval(&self) -> (f64, f64) {
        const Z: f64 = 1.959_964;
        let (n, p) = (f64::from(self.forks.max(1)), self.probability());
        let scale = 1.0 + Z * Z / n;
        let middle = (p + Z * Z / (2.0 * n)) / scale;
        let half = Z / scale * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        ((middle - half).max(0.0), (middle + half).min(1.0))
    }
}

/// `points` times from the start to `end`, both included, evenly.
#[must_use]
pub fn grid(end: Instant, points: u32) -> Vec<Instant> {
    let steps = u128::from(points.max(2) - 1);
    let at = |i: u128| Instant((u128::from(end.0) * i / steps) as u64);
    let mut all: Vec<Instant> = (0..=steps).map(at).collect();
    all.dedup();
    all
}

/// Stretches shorter than this are not divided: a microsecond holds an event or two.
pub const FINEST: Duration = Duration(1_000);

/// The middle of the steepest stretch between two of the samples, which are in order of time; `None` if it is short
/// enough.
#[must_use]
pub fn next(samples: &[Sample]) -> Option<Instant> {
    let (from, to) = steepest(samples)?;
    let length = to.at.since(from.at);
    (length > FINEST).then(|| Instant(from.at.0 + length.0 / 2))
}

/// The neighbours between which the share of failing forks rises most; the first of several.
#[must_use]
pub fn steepest(samples: &[Sample]) -> Option<(Sample, Sample)> {
    let rise = |pair: &[Sample]| pair[1].probability() - pair[0].probability();
    let mut best: Option<&[Sample]> = None;
    for pair in samples.windows(2) {
        if best.is_none_or(|best| rise(pair) > rise(best)) {
            best = Some(pair);
        }
    }
    best.map(|pair| (pair[0], pair[1]))
}

/// What the curve says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It fails more often than not whatever happens: forked at the very start, too.
    FromTheStart,
    /// At one place the probability jumps, beyond what chance would do.
    Jump,
    /// It jumps only in the last stretch: until then nothing was lost.
    AtTheEnd,
    /// It rises, but no step stands out.
    Gradual,
    /// It hardly ever fails, wherever it is forked: what broke the rule was luck in the very last moment.
    Never,
}

/// Reads the curve: samples in order of time, the last just before the rule was broken.
#[must_use]
pub fn finding(samples: &[Sample]) -> Finding {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return Finding::Never };
    if first.interval().0 > 0.5 {
        return Finding::FromTheStart;
    }
    let clear = |(from, to): &(Sample, Sample)| to.interval().0 > from.interval().1;
    match steepest(samples).filter(clear) {
        Some((_, to)) if to.at == last.at => Finding::AtTheEnd,
        Some(_) => Finding::Jump,
        None if samples.iter().all(|s| s.interval().0 < 0.1) => Finding::Never,
        None => Finding::Gradual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: u64, failed: u32) -> Sample {
        Sample { at: Instant(at), forks: 20, failed }
    }

    #[test]
    fn intervals_are_wilsons() {
        // Newcombe 1998, table I: 81 of 263, and 0 of 20.
        let (lo, hi) = Sample { at: Instant::ZERO, forks: 263, failed: 81 }.interval();
        assert!((lo - 0.2553).abs() < 1e-4 && (hi - 0.3662).abs() < 1e-4, "{lo} {hi}");
        let (lo, hi) = sample(0, 0).interval();
        assert!(lo.abs() < 1e-9 && (hi - 0.1611).abs() < 1e-4, "{lo} {hi}");
    }

    #[test]
    fn the_grid_has_both_ends() {
        assert_eq!(grid(Instant(90), 4), [0, 30, 60, 90].map(Instant));
        assert_eq!(grid(Instant(1), 9), [0, 1].map(Instant));
    }

    /// A run that is doomed from `doom` on, forked as the command forks it.
    fn search(doom: u64, end: u64) -> Vec<Sample> {
        let fate = |at: Instant| sample(at.0, if at.0 >= doom { 20 } else { 2 });
        let mut samples: Vec<Sample> = grid(Instant(end), 12).into_iter().map(fate).collect();
        for _ in 0..20 {
            let Some(at) = next(&samples) else { break };
            samples.push(fate(at));
            samples.sort_by_key(|s| s.at);
        }
        samples
    }

    #[test]
    fn the_moment_of_doom_is_found() {
        let doom = 3_141_592_653;
        let samples = search(doom, 10_000_000_000);
        let (from, to) = steepest(&samples).expect("there is a step");
        assert!(from.at.0 < doom && to.at.0 >= doom && to.at.since(from.at) < Duration(100_000), "{from:?} {to:?}");
        assert_eq!(finding(&samples), Finding::Jump);
    }

    #[test]
    fn what_is_no_jump_is_not_called_one() {
        assert_eq!(finding(&search(0, 1_000_000)), Finding::FromTheStart);
        assert_eq!(finding(&search(999_999, 999_999)), Finding::AtTheEnd);
        let slope: Vec<Sample> = (0..=10).map(|i| sample(u64::from(i) * 10, i * 2)).collect();
        assert_eq!(finding(&slope), Finding::Gradual);
        let calm: Vec<Sample> = (0..=10).map(|i| sample(i * 10, 1)).collect();
        assert_eq!(finding(&calm), Finding::Never);
    }
}
