//! `splitbrain sweep`: one scenario under many seeds and settings, on all cores.

pub mod again;
mod emit;
pub mod folder;
pub mod grid;
pub mod job;
pub mod kept;
pub mod pages;
pub mod text;
mod watch;
pub mod workers;

use crate::args::{Output, SweepArgs};
use crate::ci;
use crate::executable;
use crate::exit::Exit;
use crate::interrupt;
use crate::run::say;
use crate::wall::Stopwatch;
use folder::{Folder, FolderError};
use kept::Kept;
use pages::Pages;
use scenarios::sweep::{Job, JobResult, Outcome, Plan, Shard, Summary};
use scenarios::{Registry, Scenario};
use sim_core::metric::MetricKind;
use std::path::PathBuf;
use std::time::Duration;

/// Runs the command.
pub fn sweep(registry: &Registry, args: &SweepArgs) -> Exit {
    if let Some(dir) = &args.emit.watch {
        return watch::watch(dir, Duration::from_nanos(args.emit.patience.0.0));
    }
    let plan = match Plan::new(args.seeds.clone(), args.vary.clone(), args.shard) {
        Ok(plan) => plan,
        Err(why) => {
            complain!("{why}");
            return Exit::Usage;
        }
    };
    let scenarios = match grid::load(registry, args.file(), &args.set, &plan) {
        Ok(scenarios) => scenarios,
        Err(problems) => {
            crate::check::tell(&problems);
            return Exit::Usage;
        }
    };
    if let Some(how) = args.emit.emit {
        return emit::emit(args, how, &plan, &scenarios[0]);
    }
    whole(registry, args, &plan, &scenarios).unwrap_or_else(|error| error.tell())
}

fn whole(registry: &Registry, args: &SweepArgs, plan: &Plan, scenarios: &[Scenario]) -> Result<Exit, FolderError> {
    let name = match args.shard {
        Shard::WHOLE => "sweep".to_owned(),
        Shard { k, n } => format!("sweep-{k}-of-{n}"),
    };
    if args.format == Output::Text {
        say(&text::head(args, plan, &scenarios[0]));
    }
    let dir = args.out.join(&scenarios[0].name).join(name);
    let pool = workers::pool_of(args.jobs)?;
    let mut pages = Pages::new(plan);
    let again = text::Again::of(args);
    let (for_ci, mut cases) = (matches!(args.format, Output::Junit | Output::Github), Vec::new());
    let made = make(registry, &pool, plan, scenarios, dir, &mut |result| {
        pages.add(result);
        if for_ci {
            cases.push(ci::Case::of(result, &again.of_run(result.seed, &result.values)));
        }
    })?;
    pages.write(&made.dir, &made.summary, scenarios[0].report.charts)?;
    match args.format {
        Output::Json => say(&made.summary.to_json()),
        Output::Text => say(&text::body(&made.summary, &made.dir, &again)),
        Output::Junit | Output::Github => {
            let properties = vec![
                ("system", scenarios[0].system.clone()),
                ("again", text::command(args, plan)),
                ("report", made.dir.join("summary.html").display().to_string()),
            ];
            let (name, file) = (scenarios[0].name.clone(), args.file().display().to_string());
            let caution = text::caution(&made.summary);
            say(&ci::told(args.format, &[ci::Suite { name, file, properties, caution, cases }]).unwrap_or_default());
        }
    }
    Ok(made.close())
}

/// A sweep that was made, or found finished.
pub struct Made {
    /// What it came to.
    pub summary: Summary,
    /// Where it is.
    pub dir: PathBuf,
    wrong: Vec<Kept>,
    effort: Effort,
}

impl Made {
    /// Says what there is to say last, and what all of it means for the exit code.
    pub fn close(&self) -> Exit {
        eprint!("{}", self.effort.told());
        self.troubles().max(exit_of(&self.summary))
    }

    /// Says what went wrong when failing runs were made again to be kept.
    pub fn troubles(&self) -> Exit {
        let mut exit = Exit::Held;
        for what in &self.wrong {
            let (why, code) = match what {
                Kept::Differed(why) => (why, Exit::Differed),
                Kept::Trouble(why, exit) => (why, *exit),
            };
            complain!("{why}");
            exit = exit.max(code);
        }
        exit
    }
}

/// Makes every run of the plan that `dir` does not have yet, sums up, and keeps failing runs. `scenarios` has one entry a
/// cell; `look` sees every result in job order.
pub fn make(
    registry: &Registry,
    pool: &rayon::ThreadPool,
    plan: &Plan,
    scenarios: &[Scenario],
    dir: PathBuf,
    look: &mut dyn FnMut(&JobResult),
) -> Result<Made, FolderError> {
    let executable = executable::hash()
        .map_err(|error| FolderError::Machine(format!("the running program can not be read: {error}")))?;
    let program = (env!("CARGO_PKG_VERSION"), executable.as_str());
    let manifest = plan.manifest(program, scenarios, metrics(registry, scenarios));
    let mut folder = Folder::open(dir, plan, manifest, &mut |note| complain!("{note}"))?;
    let earlier = folder.done();
    if earlier > 0 {
        eprintln!("{earlier} of {} runs were made earlier", plan.share());
    }
    interrupt::keeps(interrupt::Kept::Results(folder.dir().join(folder::JOURNAL), folder.dir().join(folder::RESULTS)));
    let watch = Stopwatch::start();
    {
        let run = |job: Job| job::run(registry, &scenarios[job.cell], job, &plan.cells()[job.cell]);
        workers::make(pool, plan, &folder, run).inspect_err(|_| {
            complain!("the finished runs are kept; the same command goes on from there");
        })?;
    }
    let simulated = watch.elapsed();
    let (summary, failed) = folder.finish(kept::MOST, look)?;
    let cell = |result: &JobResult| {
        let job = plan.job(result.job).expect("results were checked against the plan");
        &scenarios[job.cell]
    };
    let (again, wrong) = kept::keep(pool, registry, folder.dir(), &failed, cell);
    let made = plan.share() - earlier;
    let threads = pool.current_num_threads();
    Ok(Made { summary, dir: folder.dir().to_owned(), wrong, effort: Effort { watch, simulated, made, again, threads } })
}

/// What a sweep took.
struct Effort {
    watch: Stopwatch,
    /// Wall time of the runs of the plan.
    simulated: Duration,
    /// How many of them were made now.
    made: u64,
    /// How many were made once more, to be kept.
    again: u64,
    threads: usize,
}

impl Effort {
    /// Told when all is done, for people; nothing if nothing was made.
    fn told(&self) -> String {
        let (made, again) = (self.made, self.again);
        let (seconds, whole) = (self.simulated.as_secs_f64(), self.watch.elapsed().as_secs_f64());
        let kept = format!("{again} made again to be kept");
        match (made, again) {
            (0, 0) => String::new(),
            (0, _) => format!("{kept}, {whole:.2} s of wall time\n"),
            _ => {
                let rate = made as f64 / seconds.max(1e-9);
                let kept = if again > 0 { format!("; {kept}") } else { String::new() };
                format!(
                    "{made} runs in {seconds:.2} s, {rate:.0} runs a second on {} threads{kept}; {whole:.2} s of wall time with \
                     summary and pages\n",
                    self.threads
                )
            }
        }
    }
}

/// The figures that are followed beside availability and latency: those of all systems, then these systems' own.
pub fn metrics<'a>(registry: &Registry, scenarios: impl IntoIterator<Item = &'a Scenario>) -> Vec<MetricKind> {
    let mut all = reports::followed();
    for kind in scenarios.into_iter().filter_map(|s| registry.get(&s.system)).flat_map(|system| system.metrics()) {
        if !all.contains(kind) {
            all.push(kind.clone());
        }
    }
    all
}

/// What a summary means for the exit code: the worst of its runs.
pub fn exit_of(summary: &Summary) -> Exit {
    match summary.ruling {
        Outcome::Pass => Exit::Held,
        Outcome::Inconclusive => Exit::Inconclusive,
        Outcome::Fail => Exit::Failed,
        Outcome::Bug => Exit::Bug,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scenarios::sweep::Manifest;

    /// A sweep whose runs are made by `run`, in a folder of its own.
    fn made(name: &str, run: impl Fn(Job) -> JobResult + Sync) -> (Summary, Vec<JobResult>) {
        let plan = Plan::new("1..40".parse().expect("seeds"), Vec::new(), Shard::WHOLE).expect("a plan");
        let manifest = Manifest {
            schema_version: scenarios::sweep::SCHEMA_VERSION,
            version: "test".to_owned(),
            executable: "fedcba9876543210".to_owned(),
            fingerprint: "0123456789abcdef".to_owned(),
            scenario: name.to_owned(),
            title: name.to_owned(),
            system: "none".to_owned(),
            seeds: plan.seeds().to_string(),
            vary: Vec::new(),
            jobs: plan.jobs(),
            shard: Shard::WHOLE,
            charts: true,
            metrics: Vec::new(),
        };
        let dir = std::env::temp_dir().join(format!("splitbrain-sweep-{name}-{}", std::process::id()));
        let mut folder =
            Folder::open(dir.clone(), &plan, manifest.clone(), &mut |note| panic!("{note}")).expect("opens");
        let second = Folder::open(dir.clone(), &plan, manifest, &mut |_| {}).expect_err("it is in use");
        assert!(second.to_string().contains("another splitbrain"), "{second}");
        let pool = workers::pool(2).expect("two threads");
        workers::make(&pool, &plan, &folder, run).expect("the disk is fine");
        let done = folder.finish(3, &mut |_| {}).expect("finishes");
        std::fs::remove_dir_all(&dir).expect("can be removed");
        done
    }

    #[test]
    fn a_panic_is_a_result_with_its_seed_and_the_sweep_goes_on() {
        let values = scenarios::sweep::Cell::new();
        let (summary, kept) = made("panics", |job| {
            job::guard(job, &values, || {
                assert!(job.seed % 10 != 3, "seed {} is unlucky", job.seed);
                let mut result = JobResult::of_panic(job.index, job.seed, values.clone(), String::new());
                (result.ruling, result.failed_rules) = (Outcome::Pass, Vec::new());
                result
            })
        });
        assert_eq!((summary.runs, summary.counts.bug, summary.counts.pass), (40, 4, 36));
        assert_eq!(exit_of(&summary), Exit::Bug);
        assert_eq!(kept.iter().map(|r| r.seed).collect::<Vec<_>>(), [3, 13, 23]);
        let first = &summary.failures[0];
        assert_eq!((first.job, first.rules.as_slice()), (2, ["panic".to_owned()].as_slice()));
        assert!(first.detail.starts_with("seed 3 is unlucky ("), "{}", first.detail);
    }
}
