//! `splitbrain sweep`: one scenario under many seeds and settings, on all cores.

pub mod folder;
pub mod job;
pub mod kept;
pub mod text;
pub mod workers;

use crate::args::{Format, SweepArgs};
use crate::exit::Exit;
use crate::run::say;
use crate::wall::Stopwatch;
use folder::{Folder, FolderError};
use kept::Kept;
use scenarios::sweep::{Job, JobResult, Outcome, Plan, Shard, Summary};
use scenarios::{Override, Registry, Scenario};

/// Runs the command.
pub fn sweep(registry: &Registry, args: &SweepArgs) -> Exit {
    let plan = match Plan::new(args.seeds.clone(), args.vary.clone(), args.shard) {
        Ok(plan) => plan,
        Err(why) => {
            eprintln!("splitbrain: {why}");
            return Exit::Usage;
        }
    };
    let Some(scenarios) = load(registry, args, &plan) else { return Exit::Usage };
    match whole(registry, args, &plan, &scenarios) {
        Ok(exit) => exit,
        Err(error) => {
            eprintln!("splitbrain: {error}");
            match error {
                FolderError::Refused(_) => Exit::Usage,
                FolderError::Io(..) => Exit::Failed,
            }
        }
    }
}

/// Every cell's scenario, or everything that is wrong with the first cell that has a problem.
fn load(registry: &Registry, args: &SweepArgs, plan: &Plan) -> Option<Vec<Scenario>> {
    let set: Vec<Override> = args.set.iter().map(Override::new).collect();
    let cell = |values: &scenarios::sweep::Cell| {
        let varied = plan.axes().iter().map(|axis| format!("{}={}", axis.key, values[&axis.key]));
        let overrides: Vec<Override> =
            set.iter().cloned().chain(varied.map(|text| Override::from_flag("--vary", text))).collect();
        crate::check::load(registry, &args.file, &overrides)
    };
    plan.cells().iter().map(cell).collect()
}

fn whole(registry: &Registry, args: &SweepArgs, plan: &Plan, scenarios: &[Scenario]) -> Result<Exit, FolderError> {
    let manifest = plan.manifest(env!("CARGO_PKG_VERSION"), scenarios);
    let name = match args.shard {
        Shard::WHOLE => "sweep".to_owned(),
        Shard { k, n } => format!("sweep-{k}-of-{n}"),
    };
    if args.format == Format::Text {
        say(&text::head(args, plan, &scenarios[0]));
    }
    let dir = args.out.join(&manifest.scenario).join(name);
    let mut folder = Folder::open(dir, plan, manifest, &mut |note| eprintln!("splitbrain: {note}"))?;
    let threads = args.jobs.map_or_else(cores, usize::from);
    let pool = workers::pool(threads).map_err(|error| {
        FolderError::Refused(format!("can not start {threads} threads: {error}; try fewer with --jobs"))
    })?;
    let earlier = folder.done();
    if earlier > 0 {
        eprintln!("{earlier} of {} runs were made earlier", plan.share());
    }
    let watch = Stopwatch::start();
    {
        let _quiet = job::Quiet::begin();
        let run = |job: Job| job::run(registry, &scenarios[job.cell], job, &plan.cells()[job.cell]);
        workers::make(&pool, plan, &folder, run)?;
    }
    let seconds = watch.elapsed().as_secs_f64();
    let (summary, failed) = folder.finish(kept::MOST)?;
    let cell = |result: &JobResult| {
        let job = plan.job(result.job).expect("results were checked against the plan");
        &scenarios[job.cell]
    };
    let wrong = kept::keep(&pool, registry, folder.dir(), &failed, cell);
    match args.format {
        Format::Json => say(&summary.to_json()),
        Format::Text => say(&text::body(&summary, folder.dir(), &text::Again::of(args))),
    }
    let made = plan.share() - earlier;
    if made > 0 {
        let rate = made as f64 / seconds.max(1e-9);
        eprintln!("{made} runs in {seconds:.2} s of wall time, {rate:.0} runs a second on {threads} threads");
    }
    let mut exit = exit_of(&summary);
    for what in wrong {
        let (why, code) = match what {
            Kept::Differed(why) => (why, Exit::Differed),
            Kept::Trouble(why) => (why, Exit::Failed),
        };
        eprintln!("splitbrain: {why}");
        exit = exit.max(code);
    }
    Ok(exit)
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

/// How many runs are made at a time unless somebody says otherwise.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
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
            fingerprint: "0123456789abcdef".to_owned(),
            scenario: name.to_owned(),
            title: name.to_owned(),
            system: "none".to_owned(),
            seeds: plan.seeds().to_string(),
            vary: Vec::new(),
            jobs: plan.jobs(),
            shard: Shard::WHOLE,
        };
        let dir = std::env::temp_dir().join(format!("splitbrain-sweep-{name}-{}", std::process::id()));
        let mut folder =
            Folder::open(dir.clone(), &plan, manifest.clone(), &mut |note| panic!("{note}")).expect("opens");
        let second = Folder::open(dir.clone(), &plan, manifest, &mut |_| {}).expect_err("it is in use");
        assert!(second.to_string().contains("another splitbrain"), "{second}");
        let pool = workers::pool(2).expect("two threads");
        {
            let _quiet = job::Quiet::begin();
            workers::make(&pool, &plan, &folder, run).expect("the disk is fine");
        }
        let done = folder.finish(3).expect("finishes");
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
        assert!(first.detail.starts_with("seed 3 is unlucky at "), "{}", first.detail);
    }
}
