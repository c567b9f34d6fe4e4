//! `splitbrain explore`: a guided search for a run that breaks a rule.

mod told;

use crate::args::{Budget, ExploreArgs, Format};
use crate::exit::Exit;
use crate::interrupt;
use crate::run::say;
use crate::sweep::folder::FolderError;
use crate::sweep::kept::{self, Kept};
use crate::sweep::{job, workers};
use crate::wall::{Stopwatch, SweepBar};
use rayon::prelude::*;
use scenarios::explore::{Attempt, Explorer};
use scenarios::runner::Coverage;
use scenarios::sweep::{Job, JobResult, Outcome};
use scenarios::{Registry, Scenario};
use std::path::Path;
use std::time::Duration;

/// Runs the command.
pub fn explore(registry: &Registry, args: &ExploreArgs) -> Exit {
    let Some(scenario) = crate::check::load_all(registry, std::slice::from_ref(&args.file), &args.set) else {
        return Exit::Usage;
    };
    search(registry, args, &scenario[0]).unwrap_or_else(|error| error.tell())
}

fn search(registry: &Registry, args: &ExploreArgs, scenario: &Scenario) -> Result<Exit, FolderError> {
    let start = args.seed.unwrap_or(scenario.seed);
    if args.format == Format::Text {
        say(&told::head(args, scenario, start));
    }
    let pool = workers::pool_of(args.jobs)?;
    let dir = args.out.join(&scenario.name).join(format!("explore-{start}"));
    let watch = Stopwatch::start();
    let mut hunt = Hunt {
        registry,
        scenario,
        explorer: Explorer::new(start, scenario),
        found: Vec::new(),
        runs: 0,
        failed: 0,
        inconclusive: 0,
        bugs: 0,
    };
    hunt.all(args, &pool, watch);
    let simulated = watch.elapsed();
    let results: Vec<JobResult> = hunt.found.iter().map(|found| found.result.clone()).collect();
    let of = |result: &JobResult| {
        let found = hunt.found.iter().find(|found| found.result.job == result.job);
        &found.expect("it is one of them").scenario
    };
    let (_, wrong) = kept::keep(&pool, registry, &dir, &results, of);
    let found = Found { args, scenario, start, dir: &dir, hunt: &hunt };
    match args.format {
        Format::Text => say(&told::text(&found)),
        Format::Json => say(&told::json(&found)),
    }
    for found in &hunt.found {
        interrupt::keeps(interrupt::Kept::Run(kept::path(&dir, found.result.job, found.result.seed)));
    }
    effort(hunt.runs, simulated, pool.current_num_threads());
    Ok(hunt.exit().max(told_of(&wrong)))
}

/// What went wrong when failing runs were made again to be kept.
fn told_of(wrong: &[Kept]) -> Exit {
    wrong.iter().fold(Exit::Held, |exit, what| {
        let (why, code) = match what {
            Kept::Differed(why) => (why, Exit::Differed),
            Kept::Trouble(why, code) => (why, *code),
        };
        complain!("{why}");
        exit.max(code)
    })
}

fn effort(runs: u64, simulated: Duration, threads: usize) {
    let seconds = simulated.as_secs_f64();
    let rate = runs as f64 / seconds.max(1e-9);
    eprintln!("{runs} runs in {seconds:.2} s, {rate:.0} runs a second on {threads} threads");
}

/// A search and what came of it.
struct Found<'a> {
    args: &'a ExploreArgs,
    scenario: &'a Scenario,
    start: u64,
    dir: &'a Path,
    hunt: &'a Hunt<'a>,
}

/// A run that did not hold.
struct Failing {
    scenario: Scenario,
    result: JobResult,
}

/// A search that is under way.
struct Hunt<'a> {
    registry: &'a Registry,
    scenario: &'a Scenario,
    explorer: Explorer,
    /// The first that did not hold, as many as are kept.
    found: Vec<Failing>,
    runs: u64,
    failed: u64,
    inconclusive: u64,
    bugs: u64,
}

impl Hunt<'_> {
    /// Makes all runs, batch by batch.
    fn all(&mut self, args: &ExploreArgs, pool: &rayon::ThreadPool, watch: Stopwatch) {
        let bar = match args.budget {
            Budget::Runs(runs) => SweepBar::new(runs, 0),
            Budget::Time(time) => SweepBar::timed(time),
        };
        loop {
            let most = match args.budget {
                Budget::Runs(runs) => runs - self.runs,
                Budget::Time(time) if watch.elapsed() < time => u64::MAX,
                Budget::Time(_) => 0,
            };
            let batch = self.explorer.next(most);
            if batch.is_empty() || !self.batch(&batch, pool, &bar, args.keep_going) {
                break;
            }
        }
        bar.clear();
    }

    /// Makes the runs of a batch, and learns from them in their order; false if one of them ends the search.
    fn batch(&mut self, batch: &[Attempt], pool: &rayon::ThreadPool, bar: &SweepBar, on: bool) -> bool {
        let (registry, scenario, first) = (self.registry, self.scenario, self.runs + 1);
        let made: Vec<(Failing, Option<Coverage>)> = pool.install(|| {
            let one = |(i, attempt): (usize, &Attempt)| {
                let scenario = Scenario { reseed: attempt.reseed.clone(), ..scenario.clone() };
                let job = Job { index: first + i as u64, cell: 0, seed: attempt.seed };
                let (result, coverage) = job::covered(registry, &scenario, job);
                bar.advance(result.ruling == Outcome::Pass);
                (Failing { scenario, result }, coverage)
            };
            batch.par_iter().enumerate().map(one).collect()
        });
        for (attempt, (failing, coverage)) in batch.iter().zip(made) {
            self.runs += 1;
            if let Some(coverage) = coverage {
                self.explorer.learn(attempt, &coverage);
            }
            let ruling = failing.result.ruling;
            self.failed += u64::from(ruling == Outcome::Fail);
            self.inconclusive += u64::from(ruling == Outcome::Inconclusive);
            self.bugs += u64::from(ruling == Outcome::Bug);
            let ends = matches!(ruling, Outcome::Fail | Outcome::Bug);
            if ends && self.found.len() < kept::MOST {
                self.found.push(failing);
            }
            if ends && !on {
                return false;
            }
        }
        true
    }

    const fn exit(&self) -> Exit {
        match (self.bugs, self.failed, self.inconclusive) {
            (0, 0, 0) => Exit::Held,
            (0, 0, _) => Exit::Inconclusive,
            (0, ..) => Exit::Failed,
            _ => Exit::Bug,
        }
    }
}
