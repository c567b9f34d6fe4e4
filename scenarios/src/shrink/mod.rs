//! Shrinking: from a scenario that breaks a rule to the smallest one that still breaks the same rule.
//!
//! A deterministic search over scenarios. It knows no flags, no threads and no clock: an [`Oracle`] makes the runs, and
//! what the search asks next depends only on which candidate was the first to fail. Every candidate is a whole run
//! with a seed of its own, the original's as long as that does. Streams of random numbers are keyed by purpose, so
//! leaving out a fault shifts nobody else's luck, which is what makes the same seed go on failing.
//!
//! A round goes from what saves most to what saves least: the time after the violation, the faults, the load, the
//! noise, the nodes, the parameters of each fault. Rounds repeat until one of them changes nothing: then no single
//! step makes it any smaller.

mod cluster;
mod ddmin;
mod faults;
mod keep;
mod load;
mod size;
mod time;

pub use faults::injection;
pub use keep::Keep;
pub use size::Size;

use crate::{Beside, Scenario, Systems, Text, expand, parse, to_toml};
use sim_core::hash::Mixer;
use sim_core::{Instant, NodeId};
use std::collections::BTreeSet;
use std::path::Path;

/// What a run looked like in which the rule was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// What the rule said.
    pub detail: String,
    /// When the run ended: where the rule was seen broken, if that ended it.
    pub ended: Instant,
    /// The faults that began, and whom they hit.
    pub hits: Vec<Hit>,
}

/// A fault that began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// When.
    pub at: Instant,
    /// What it was, as the injection prints itself.
    pub label: String,
    /// Whom it hit.
    pub nodes: Vec<NodeId>,
    /// Whether it changed anything.
    pub bit: bool,
}

/// Makes runs and says whether they break the rule.
pub trait Oracle {
    /// The first of `candidates` whose run breaks the rule and, where `said` is given, says that of it but for numbers
    /// ([`gist`]). May make runs behind it as well, at the same time; that must not change the answer.
    fn first(&mut self, candidates: &[Scenario], said: Option<&str>) -> Option<(usize, Sighting)>;
}

/// What is shrunk, and how hard.
pub struct Task<'a> {
    /// A resolved scenario: its faults are concrete and its seed is the run's.
    pub scenario: Scenario,
    /// What its run looked like.
    pub sighting: Sighting,
    /// The rule that must stay broken.
    pub rule: &'a str,
    /// At most this many runs.
    pub max_runs: u64,
    /// Where no step works with the seed at hand, steps are tried with this many others.
    pub other_seeds: u64,
    /// What stays as it is.
    pub keep: Keep,
    /// Who knows the systems' options.
    pub systems: &'a dyn Systems,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smallest scenario found, resolved.
    pub scenario: Scenario,
    /// What its run looks like.
    pub sighting: Sighting,
    /// How many runs were looked at.
    pub runs: u64,
    /// Whether [`Task::max_runs`] ended the search, so that more might be possible.
    pub cut_short: bool,
}

/// Shrinks.
pub fn shrink(task: Task<'_>, oracle: &mut dyn Oracle) -> Shrunk {
    let Task { scenario, sighting, rule, max_runs, other_seeds, keep, systems } = task;
    let current = normal(&scenario);
    let tried = [key(&current)].into_iter().collect();
    let mut search = Search { oracle, systems, rule, keep, max_runs, other_seeds, runs: 0, tried, current, sighting };
    while search.round() || search.reseeded() {}
    // Last: with less time, steps whose runs break the rule a little later would not work any more.
    search.all(|s| time::settling(&s.current, &s.sighting, s.rule));
    Shrunk {
        cut_short: search.runs >= search.max_runs,
        scenario: search.current,
        sighting: search.sighting,
        runs: search.runs,
    }
}

/// More faults than these, and other seeds are tried early: a run with this few is read in minutes.
const FEW: usize = 4;
/// How many candidates are handed out at once: fixed, so that nothing depends on the number of threads.
const BATCH: usize = 64;

struct Search<'a> {
    oracle: &'a mut dyn Oracle,
    systems: &'a dyn Systems,
    rule: &'a str,
    keep: Keep,
    max_runs: u64,
    other_seeds: u64,
    runs: u64,
    /// What was looked at, by the hash of its text.
    tried: BTreeSet<u64>,
    current: Scenario,
    sighting: Sighting,
}

impl Search<'_> {
    /// One round; whether anything became smaller.
    fn round(&mut self) -> bool {
        let start = self.current.clone();
        self.adopt(vec![unjudged(&start)]);
        self.all(|s| time::shorter(&s.current, &s.sighting, s.keeps_warmup()));
        self.fewer_faults();
        // A storm that does not give way to a few seeds may to many.
        self.calm(8 * self.other_seeds);
        self.calm(32 * self.other_seeds);
        self.fewer_faults();
        self.all(|s| time::steadier(&s.current));
        self.all(|s| load::simpler(&s.current));
        self.all(|s| cluster::quieter(&s.current));
        // Options decide which code runs: the same rule broken by other code is another bug, and mostly says other
        // things.
        while self
            .adopt_saying(cluster::plainer(&self.current, self.systems), Some(gist(&self.sighting.detail)))
            .is_some()
        {}
        self.all(|s| cluster::smaller(&s.current, &s.sighting));
        self.all(|s| faults::simpler(&s.current, &s.sighting));
        self.all(|s| time::earlier(&s.current));
        self.all(|s| time::rounder(&s.current));
        self.current != start
    }

    /// The steps that a seed of their own may help; whether anything became smaller.
    fn reseeded(&mut self) -> bool {
        let steps = [
            cluster::smaller(&self.current, &self.sighting),
            load::simpler(&self.current),
            faults::without_one(&self.current),
            time::earlier(&self.current),
            cluster::quieter(&self.current),
        ];
        // A step that changes nothing would only change the seed.
        let steps: Vec<Scenario> = steps.into_iter().flatten().filter(|step| normal(step) != self.current).collect();
        steps.into_iter().any(|step| {
            let candidates = (1..=self.other_seeds).map(|seed| Scenario { seed, ..step.clone() });
            self.adopt(candidates.collect()).is_some()
        })
    }

    /// Takes steps of one sort as long as one of them works.
    fn all(&mut self, steps: impl Fn(&Self) -> Vec<Scenario>) {
        while self.adopt(steps(self)).is_some() {}
    }

    fn fewer_faults(&mut self) {
        // What did nothing goes first, all of it.
        self.adopt(faults::that_bit(&self.current, &self.sighting));
        ddmin::ddmin(self.current.faults.clone(), |candidates| {
            let with = |faults: &Vec<_>| Scenario { faults: faults.clone(), ..self.current.clone() };
            self.adopt(candidates.iter().map(with).collect())
        });
    }

    /// Leaves out parts of a storm of faults with other seeds than the one at hand. In a storm every fault steers all
    /// that comes after it, so each is needed for this seed's violation, where another seed does without.
    ///
    /// Few large parts are tried with many seeds, many small parts with few: about as many runs each.
    fn calm(&mut self, runs_each: u64) {
        let mut parts = 2;
        while self.current.faults.len() > FEW && parts <= self.current.faults.len() {
            let seeds = runs_each / parts as u64;
            let without = ddmin::complements(&self.current.faults, parts);
            let with = |seed, faults: &Vec<_>| Scenario { seed, faults: faults.clone(), ..self.current.clone() };
            let candidates = (1..=seeds).flat_map(|seed| without.iter().map(move |faults| with(seed, faults)));
            if self.adopt(candidates.collect()).is_some() {
                self.all(|s| time::shorter(&s.current, &s.sighting, s.keeps_warmup()));
                self.adopt(faults::that_bit(&self.current, &self.sighting));
                parts = (parts / 2).max(2);
            } else {
                parts *= 2;
            }
        }
    }

    /// The rule is about figures that depend on where measuring begins.
    fn keeps_warmup(&self) -> bool {
        self.rule.starts_with("expect.")
    }

    /// Goes on with the first candidate that still fails, if there is one, and says which it was.
    fn adopt(&mut self, candidates: Vec<Scenario>) -> Option<usize> {
        self.adopt_saying(candidates, None)
    }

    /// The same, where the rule must say the same as well.
    fn adopt_saying(&mut self, candidates: Vec<Scenario>, said: Option<String>) -> Option<usize> {
        let mut fresh: Vec<(usize, Scenario)> = Vec::new();
        for (i, candidate) in candidates.iter().enumerate() {
            let candidate = normal(candidate);
            if self.keep.holds(&candidate) && self.tried.insert(key(&candidate)) {
                fresh.push((i, candidate));
            }
        }
        while !fresh.is_empty() && self.runs < self.max_runs {
            let left = usize::try_from(self.max_runs - self.runs).unwrap_or(usize::MAX);
            let size = fresh.len().min(BATCH).min(left);
            let batch: Vec<Scenario> = fresh[..size].iter().map(|(_, scenario)| scenario.clone()).collect();
            let found = self.oracle.first(&batch, said.as_deref());
            let looked_at = found.as_ref().map_or(size, |(i, _)| i + 1);
            self.runs += looked_at as u64;
            let last = fresh.drain(..looked_at).next_back();
            if let (Some((_, sighting)), Some((index, scenario))) = (found, last)
                && self.can_be_written(&scenario)
            {
                // What was not looked at may be asked again.
                for (_, scenario) in &fresh {
                    self.tried.remove(&key(scenario));
                }
                (self.current, self.sighting) = (scenario, sighting);
                return Some(index);
            }
        }
        None
    }

    /// Whether a file can say it: what was run is exactly what is read back.
    fn can_be_written(&self, scenario: &Scenario) -> bool {
        let text = text_of(scenario);
        let files = Beside::new(Path::new("scenario.toml"));
        let text = Text { name: "scenario.toml", text: &text, json: false, overrides: &[], files: &files };
        parse(&text, self.systems).is_ok_and(|read| read == *scenario)
    }
}

/// What a rule said, without what differs from run to run: words with digits in them (times, counts, names of nodes and
/// clients), however many of them stand in a row.
#[must_use]
pub fn gist(detail: &str) -> String {
    let parts = detail.split_inclusive(|c: char| !c.is_alphanumeric() && !"._".contains(c));
    let mut gist = String::new();
    for part in parts {
        let word = part.trim_end_matches(|c: char| !c.is_alphanumeric());
        if !word.contains(|c: char| c.is_ascii_digit()) {
            // What only separates numbers is one of their row.
            let between = word.is_empty() && gist.ends_with('#');
            gist.push_str(if between { "" } else { part });
        } else if !gist.ends_with('#') {
            gist.push('#');
        }
    }
    gist
}

/// The same run, but the costliest of the rules is not judged.
fn unjudged(scenario: &Scenario) -> Scenario {
    let mut s = scenario.clone();
    s.expect.linearizable = false;
    s
}

/// The same run, as its resolved file has it: faults in order of time, none beyond the end.
fn normal(scenario: &Scenario) -> Scenario {
    scenario.resolved(&expand(scenario, scenario.seed), scenario.seed)
}

fn text_of(scenario: &Scenario) -> String {
    to_toml(scenario, &expand(scenario, scenario.seed), scenario.seed)
}

fn key(scenario: &Scenario) -> u64 {
    let mut mixer = Mixer::default();
    mixer.bytes(text_of(scenario).as_bytes());
    mixer.finish()
}

/// Smaller numbers to try instead of `n`, the boldest first, none below `least`.
fn ladder(n: u64, least: u64) -> Vec<u64> {
    let steps = [least, least.saturating_add(1), n / 10, n / 4, n / 2, n / 4 * 3, n.saturating_sub(1)];
    let mut smaller: Vec<u64> = steps.into_iter().filter(|m| (least..n).contains(m)).collect();
    smaller.sort_unstable();
    smaller.dedup();
    smaller
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gist_is_what_stays_the_same_from_run_to_run() {
        let same = |a: &str, b: &str| assert_eq!(gist(a), gist(b));
        same("at 0.146917858s on n2: key 17 is gone", "at 12ms on n31: key 4 is gone");
        same("n1, n2 and n3 agree on [1, 2]", "n1, n2, n4 and n5 agree on [7, 8, 9]");
        same("c3 waited 1.5s", "c11 waited 17ms");
        assert_ne!(gist("n1 has two leaders"), gist("n1 has no leader"));
        assert_ne!(gist("no luck (src/main.rs:7)"), gist("no luck (src/node.rs:7)"));
    }

    #[test]
    fn ladders_go_down_boldly_and_never_stand_still() {
        assert_eq!(ladder(100, 1), [1, 2, 10, 25, 50, 75, 99]);
        assert_eq!(ladder(2, 1), [1]);
        assert!(ladder(1, 1).is_empty() && ladder(0, 1).is_empty());
    }
}
