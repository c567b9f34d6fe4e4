//! Guided search for runs that break a rule: seeds are not only drawn.
//!
//! What a run went through is known by its features ([`crate::runner::Coverage`]). A run with rare ones is forked
//! where one of them came first, or a little before, and goes on with fresh luck; what comes of that is forked again.
//! So what is unlikely step by step can be reached step by step (importance splitting; in fuzzing, the power schedule
//! of AFLFast, Böhme et al., CCS 2016, which prefers rare paths). A fork is the run of a seed with a chain of
//! [`Reseed`]s: an ordinary run of an ordinary file.
//!
//! The search makes no runs and has no clock. What it tries next depends on its start and on the results so far, which
//! it is given in order, a batch at a time: as many threads as there are may make the runs.

mod atlas;

pub use atlas::Atlas;

use crate::Scenario;
use crate::runner::{Coverage, Family};
use crate::scenario::Reseed;
use sim_core::{Instant, Purpose, Rng, hash};
use std::collections::BTreeMap;

/// How many runs are thought of at once: fixed, so that nothing depends on the number of threads.
pub const BATCH: usize = 16;
/// A rich run is forked within this part of its beginning: what is kept of it is its mixture of faults.
const BEGINNING: u64 = 4;
/// A chain of forks is at most so long.
const DEPTH: usize = 12;
/// Of a feature so many of the runs are known that have it.
const EXAMPLES: usize = 4;
/// So many features of a family are drawn, of which the rarest is forked at.
const DRAWN: u64 = 8;
/// A fork before a feature is so much earlier at most.
const EARLIER: u64 = 200_000_000;

/// A run: of a seed, with fresh luck at some moments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// Its seed.
    pub seed: u64,
    /// Where it gets fresh luck.
    pub reseed: Vec<Reseed>,
    /// Whether it was forked from another.
    pub forked: bool,
}

/// What is known of a feature.
#[derive(Clone, Debug, Default)]
struct Known {
    /// How many runs have it.
    runs: u64,
    /// How many forks were made at it.
    forks: u64,
    /// Some that have it, and since when.
    examples: Vec<(usize, Instant)>,
}

/// A run that was made.
#[derive(Clone, Debug)]
struct Made {
    attempt: Attempt,
    /// How rare its features were when it was made: the sum of the shares that it has in each, in thousandths.
    rarity: u64,
    /// How many forks were made of it for that.
    forks: u64,
}

/// How many runs were made, by how they came about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Runs of seeds.
    pub fresh: u64,
    /// Runs that were forked.
    pub forked: u64,
}

/// The search.
pub struct Explorer {
    rng: Rng,
    start: u64,
    /// When a run is over.
    end: Instant,
    /// What the file says itself.
    reseed: Vec<Reseed>,
    /// How many seeds were drawn.
    drawn: u64,
    effort: Effort,
    made: Vec<Made>,
    features: BTreeMap<u64, Known>,
    /// The features of each family, in the order in which they were found.
    families: [Vec<u64>; Family::ALL.len()],
    atlas: Atlas,
}

impl Explorer {
    /// A search among the runs of `scenario` that depends on `start` alone.
    #[must_use]
    pub fn new(start: u64, scenario: &Scenario) -> Self {
        Self::of(start, scenario.end(), scenario.reseed.clone())
    }

    fn of(start: u64, end: Instant, reseed: Vec<Reseed>) -> Self {
        Self {
            rng: Rng::stream(start, Purpose::Explore, 0),
            start,
            end,
            reseed,
            drawn: 0,
            effort: Effort::default(),
            made: Vec::new(),
            features: BTreeMap::new(),
            families: Default::default(),
            atlas: Atlas::default(),
        }
    }

    /// What to run next, `most` runs at most.
    pub fn next(&mut self, most: u64) -> Vec<Attempt> {
        let count = most.min(BATCH as u64);
        (0..count).map(|_| self.attempt()).collect()
    }

    /// What became of one of them: they are told in the order in which they were given.
    pub fn learn(&mut self, attempt: &Attempt, coverage: &Coverage) {
        let fresh = self.take(attempt, coverage.features());
        self.atlas.add(coverage, fresh);
    }

    /// Takes in the features of a run; how many no run had before.
    fn take(&mut self, attempt: &Attempt, features: impl Iterator<Item = (u64, Instant)>) -> u64 {
        match attempt.forked {
            true => self.effort.forked += 1,
            false => self.effort.fresh += 1,
        }
        let index = self.made.len();
        let (mut fresh, mut rarity) = (0, 0);
        for (feature, at) in features {
            let known = self.features.entry(feature).or_default();
            if known.runs == 0 {
                self.families[Family::of(feature) as usize].push(feature);
                fresh += 1;
            }
            known.runs += 1;
            rarity += 1000 / known.runs;
            // Any of them is as likely to be kept: the newest are mostly forks of the others.
            if known.examples.len() < EXAMPLES {
                known.examples.push((index, at));
            } else {
                let place = self.rng.below(known.runs) as usize;
                if let Some(example) = known.examples.get_mut(place) {
                    *example = (index, at);
                }
            }
        }
        // Early on everything is rare: by how much of what is known is settled later.
        let rarity = rarity * (index as u64 + 1) / (self.features.len() as u64).max(1);
        self.made.push(Made { attempt: attempt.clone(), rarity, forks: 0 });
        fresh
    }

    /// How many features there are by now.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features.len()
    }

    /// Which runs were made.
    #[must_use]
    pub const fn effort(&self) -> Effort {
        self.effort
    }

    /// What all runs together went through.
    #[must_use]
    pub const fn atlas(&self) -> &Atlas {
        &self.atlas
    }

    fn attempt(&mut self) -> Attempt {
        let fork = match self.rng.below(16) {
            0..7 => None,
            7..12 => self.at_a_stall(),
            12..14 => self.of_a_rich_run(),
            _ => self.at_a_rare_feature(),
        };
        fork.unwrap_or_else(|| {
            self.drawn += 1;
            // What a file can hold, which knows no whole numbers beyond 63 bits.
            let seed = hash::of(&[self.start, self.drawn]) >> 1;
            Attempt { seed, reseed: self.reseed.clone(), forked: false }
        })
    }

    /// Goes on with an outage: what follows its longest so far has fresh luck.
    fn at_a_stall(&mut self) -> Option<Attempt> {
        let (index, first) = self.rare(Family::Stall)?;
        self.fork(index, first)
    }

    /// A run with much in it that few runs have, from nearly its start: a mixture of faults that is worth more runs.
    fn of_a_rich_run(&mut self) -> Option<Attempt> {
        let count = self.made.len() as u64;
        let drawn: Vec<usize> = (0..DRAWN.min(count)).map(|_| self.rng.below(count) as usize).collect();
        let worth = |index: &usize| self.made[*index].rarity / (1 + self.made[*index].forks);
        let index = drawn.into_iter().max_by_key(worth)?;
        self.made[index].forks += 1;
        let at = Instant(self.rng.below(self.end.0 / BEGINNING));
        self.fork(index, at)
    }

    /// A run with a feature that few runs have, where it came first, or before.
    fn at_a_rare_feature(&mut self) -> Option<Attempt> {
        let family = *self.rng.pick(&Family::ALL)?;
        let (index, first) = self.rare(family)?;
        let at = match self.rng.below(4) {
            // What happens is as it was: what follows may be different.
            0 | 1 => first,
            2 => Instant(first.0.saturating_sub(1)),
            _ => Instant(first.0.saturating_sub(1 << self.rng.below(u64::from(EARLIER.ilog2())))),
        };
        self.fork(index, at)
    }

    /// A run with a feature of this family that few runs have, and when it came.
    fn rare(&mut self, family: Family) -> Option<(usize, Instant)> {
        let family = &self.families[family as usize];
        let cost = |feature: u64| {
            let known = &self.features[&feature];
            known.runs + known.forks
        };
        let drawn: Vec<u64> = (0..DRAWN).filter_map(|_| self.rng.pick(family).copied()).collect();
        let aim = drawn.into_iter().min_by_key(|feature| cost(*feature))?;
        let known = self.features.get_mut(&aim)?;
        known.forks += 1;
        self.rng.pick(&known.examples).copied()
    }

    /// The run again up to `at`, and from there with fresh luck.
    fn fork(&mut self, index: usize, at: Instant) -> Option<Attempt> {
        let base = &self.made[index].attempt;
        let mut reseed: Vec<Reseed> = base.reseed.iter().copied().filter(|reseed| reseed.at < at).collect();
        if reseed.len() >= DEPTH || at >= self.end {
            return None;
        }
        reseed.push(Reseed { at, seed: self.rng.next_u64() >> 1 });
        Some(Attempt { seed: base.seed, reseed, forked: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::Duration;

    /// Steps of a toy run, a second each. At each the run gets on with a chance of one in eight, or never again.
    const STEPS: u64 = 5;

    /// How far a run of the toy gets: a feature for each step, when it was made.
    fn toy(attempt: &Attempt) -> Vec<(u64, Instant)> {
        let at = |step| Instant::ZERO + Duration::secs(step);
        let luck = |step| attempt.reseed.iter().rfind(|reseed| reseed.at < at(step)).map_or(attempt.seed, |r| r.seed);
        let on = |step: &u64| hash::of(&[luck(*step), *step]).is_multiple_of(8);
        (1..=STEPS).take_while(on).map(|step| (Family::Stall.feature(step << 3), at(step))).collect()
    }

    /// How many runs it takes to get through, and all that were made.
    fn search(start: u64) -> (u64, Vec<Attempt>) {
        let mut explorer = Explorer::of(start, Instant::ZERO + Duration::secs(STEPS + 1), Vec::new());
        let mut made = Vec::new();
        loop {
            for attempt in explorer.next(u64::MAX) {
                let features = toy(&attempt);
                made.push(attempt.clone());
                if features.len() as u64 == STEPS {
                    return (made.len() as u64, made);
                }
                explorer.take(&attempt, features.into_iter());
            }
        }
    }

    #[test]
    fn what_is_unlikely_step_by_step_is_found_step_by_step() {
        let mut runs: Vec<u64> = (1..=20).map(|start| search(start).0).collect();
        runs.sort_unstable();
        // By luck alone the median is 22,713 runs: ln 2 times 8^5.
        assert!(runs[10] < 300 && runs[19] < 1000, "{runs:?}");
    }

    #[test]
    fn the_same_start_makes_the_same_search() {
        assert_eq!(search(3), search(3));
        assert_ne!(search(3).1[0], search(4).1[0]);
        let chains = search(3).1;
        assert!(chains.iter().all(|a| a.reseed.is_sorted_by(|a, b| a.at < b.at) && a.reseed.len() <= DEPTH));
        assert!(chains.iter().any(|a| a.reseed.len() > 2), "forks of forks");
    }

    #[test]
    fn a_search_is_no_larger_than_it_may_be() {
        let mut explorer = Explorer::of(1, Instant::ZERO + Duration::secs(1), Vec::new());
        assert_eq!(explorer.next(3).len(), 3);
        assert_eq!(explorer.next(0).len(), 0);
        assert_eq!(explorer.next(1000).len(), BATCH);
    }
}
