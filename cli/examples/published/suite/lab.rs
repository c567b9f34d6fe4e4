//! The laboratory: runs a file of `scenarios/library/published/` with many seeds and asks each run one question.

use rayon::prelude::*;
use reports::trace::{self, Line};
use scenarios::runner::{RunRequest, TraceMode};
use scenarios::{Override, Registry, Scenario};
use sim_core::record::{Ruling, RunRecord};
use std::path::{Path, PathBuf};

/// As much as the main thread has.
const STACK: usize = 8 << 20;
/// Rules that a cluster without a leader can not keep, and that say nothing about safety.
const LIVENESS: &[&str] = &["recovery", "convergence", "answered_within"];

/// Runs scenarios, a thread for each processor.
pub struct Lab {
    registry: Registry,
    pool: rayon::ThreadPool,
    /// One of how many runs is made: 1 for all of them.
    share: u64,
}

/// One finished run.
pub struct Run {
    /// Its record.
    pub record: RunRecord,
    /// Its trace, one event a line; empty if nobody asked for one.
    trace: String,
}

impl Run {
    /// A figure of the system's own, in the unit that the system states; `None` where this run has none.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let of = self.record.measures.metrics.iter().find(|metric| metric.kind.name == name);
        of.map(|metric| metric.value)
    }

    /// The lines of the trace from `from_ns` on that have `part` in them, in order of time.
    pub fn lines<'a>(&'a self, from_ns: u64, part: &'a str) -> impl Iterator<Item = Line> + 'a {
        let late = move |line: &&str| trace::at(line).is_some_and(|at| at >= from_ns);
        let hits = self.trace.lines().filter(move |line| line.contains(part)).filter(late);
        hits.map(|line| Line::parse(line).expect("the trace is made of lines that its reader understands"))
    }
}

/// What is run.
pub struct Study<'a> {
    /// The file in `scenarios/library/published/`, without `.toml`.
    pub file: &'a str,
    /// What differs from the file: `system.bug=none`.
    pub set: &'a [String],
    /// How many seeds, from 1 on; a short lab makes fewer.
    pub seeds: u64,
    /// Whether the runs are traced.
    pub trace: bool,
}

impl Lab {
    /// A lab that makes one of `share` runs of every study.
    ///
    /// # Errors
    /// No threads.
    pub fn new(share: u64) -> Result<Self, String> {
        let pool = rayon::ThreadPoolBuilder::new().stack_size(STACK).build().map_err(|error| error.to_string())?;
        Ok(Self { registry: splitbrain::registry(), pool, share })
    }

    /// Whether fewer runs are made than the bands were published for.
    pub const fn is_short(&self) -> bool {
        self.share > 1
    }

    /// How many runs are made of so many.
    pub fn runs(&self, seeds: u64) -> u64 {
        (seeds / self.share).max(1)
    }

    /// What a band is wider by because a short lab makes fewer runs than it was published for: `stray`, or nothing.
    pub const fn room(&self, stray: f64) -> f64 {
        if self.is_short() { stray } else { 0.0 }
    }

    /// What `of` gives for each of so many numbers from 0 on; a short lab asks for fewer.
    pub fn each<T: Send>(&self, all: u64, of: impl Fn(u64) -> T + Send + Sync) -> Vec<T> {
        self.pool.install(|| (0..self.runs(all)).into_par_iter().map(of).collect())
    }

    /// The problems of a file with these changes; `Ok` if it has none.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&self, file: &str, set: &[String]) -> Result<Scenario, String> {
        let path = library().join(format!("{file}.toml"));
        let set: Vec<Override> = set.iter().map(Override::new).collect();
        scenarios::load(&path, &set, &self.registry).map_err(|errors| errors.to_string())
    }

    /// The answer of every run, in order of the seeds.
    ///
    /// # Errors
    /// What is wrong with the file, or the first run that broke a safety rule.
    pub fn ask<T: Send>(&self, study: &Study<'_>, of: impl Fn(&Run) -> T + Sync) -> Result<Vec<T>, String> {
        let scenario = self.read(study.file, study.set)?;
        let one = |seed: u64| {
            let run = self.run(&scenario, seed, study.trace)?;
            let mut broken = run.record.verdicts.iter().filter(|verdict| verdict.verdict == Ruling::Fail);
            match broken.find(|verdict| !LIVENESS.contains(&verdict.rule.as_str())) {
                Some(verdict) => Err(format!("{}, seed {seed}: {} {}", study.file, verdict.rule, verdict.detail)),
                None => Ok(of(&run)),
            }
        };
        self.pool.install(|| (1..=self.runs(study.seeds)).into_par_iter().map(one).collect())
    }

    fn run(&self, scenario: &Scenario, seed: u64, traced: bool) -> Result<Run, String> {
        let system = self.registry.get(&scenario.system).expect("a checked scenario names a registered system");
        let schedule = scenarios::expand(scenario, seed);
        let mut trace = Vec::new();
        let record = system.run(RunRequest {
            scenario,
            schedule: &schedule,
            seed,
            history: None,
            trace: traced.then_some(&mut trace),
            trace_mode: TraceMode::All,
            keep_ops: true,
            evidence: None,
            progress: &mut |_| {},
        });
        let trace = String::from_utf8(trace).map_err(|error| error.to_string())?;
        Ok(Run { record: record.map_err(|error| error.to_string())?, trace })
    }
}

fn library() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/library/published")
}
