//! Real systems beside the model: starts them from Debian's packages, kills what a file says, and times how long
//! service is gone, with the simulator's definition of an outage.

mod place;
mod plan;
mod probe;
mod process;
mod random;
mod stage;
mod systems;
mod trials;
mod wire;

use clap::Parser;
use place::Hosts;
use plan::Plan;
use process::Folder;
use random::Random;
use stage::{Stage, Trial};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use trials::Conditions;

/// The files that come along.
const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/files");
/// A trial did not end, or lost what a system promises to keep.
const FAILED: u8 = 1;
/// Bad usage, or a file with mistakes.
const USAGE: u8 = 2;
/// The machine would not: not installed, not allowed, no such folder.
const ENVIRONMENT: u8 = 74;

/// Measures real systems under the faults of the simulator.
#[derive(Parser)]
#[command(
    name = "validation",
    after_help = "Exit codes: 0 all was measured; 1 a trial did not come to an end; 2 bad usage or a file with \
                  mistakes; 70 a bug in this tool; 74 the machine would not (not installed, not allowed, a full disk); \
                  130 interrupted. Of `all`, what is not installed is named and left out."
)]
struct Args {
    /// What to measure: a system (etcd, sentinel, redis-cluster, zookeeper, serf, haproxy, slurm), `all`, or files.
    #[arg(required = true)]
    what: Vec<String>,
    /// Make so many trials instead of as many as each file says.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    trials: Option<u64>,
    /// Draw the moments of the faults from this seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Write the trials into this folder.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/trials"))]
    out: PathBuf,
    /// Only read the files, and say what is missing on this machine.
    #[arg(long)]
    check: bool,
    /// Run on the machine's own loopback, without namespaces.
    #[arg(long)]
    loopback: bool,
}

/// Why nothing more is done: a code, and what is said.
struct Stop(u8, String);

impl Stop {
    fn machine(said: String) -> Self {
        Self(ENVIRONMENT, said)
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let ended = if let Some(folder) = place::inside() {
        place::watch_parent(&folder);
        place::run(&place::words("ip link set lo up")).map_err(Stop::machine).and_then(|()| measure(&args, &folder))
    } else {
        outside(&args)
    };
    match ended {
        Ok(code) => code,
        Err(Stop(code, said)) => {
            eprintln!("validation: {}", said.trim_end());
            ExitCode::from(code)
        }
    }
}

/// Reads the files, makes the folder, and goes inside where that is allowed.
fn outside(args: &Args) -> Result<ExitCode, Stop> {
    let plans = chosen(args)?;
    let all = args.what.iter().any(|what| what == "all");
    let absent: Vec<String> = plans.iter().filter_map(absent).collect();
    for said in &absent {
        eprintln!("validation: {said}");
    }
    if !absent.is_empty() && !all {
        return Err(Stop::machine("nothing was measured".to_owned()));
    }
    let flags = if args.loopback { Err("--loopback".to_owned()) } else { place::allowed() };
    if let Err(why) = &flags {
        let said = why.lines().next().unwrap_or_default();
        eprintln!("validation: no namespaces ({said}): on the machine's own loopback, and no links can be cut");
    }
    if args.check {
        let there = plans.iter().filter(|plan| absent_of(plan).is_empty());
        for plan in there {
            println!("{}: {} trials of {}: {}", plan.name, plan.trials, plan.system.title, plan.title);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let folder = Folder::new().map_err(Stop::machine)?;
    match flags {
        Ok(flags) => place::enter(&flags, folder.path()).map_err(Stop::machine),
        Err(_) => {
            place::watch_interrupt(folder.path());
            measure(args, folder.path())
        }
    }
}

/// Why a plan can not be measured here.
fn absent(plan: &Plan) -> Option<String> {
    let missing = absent_of(plan);
    (!missing.is_empty()).then(|| format!("{} is left out: {}", plan.name, missing.join("; ")))
}

fn absent_of(plan: &Plan) -> Vec<String> {
    systems::missing(plan.system)
}

/// The files that are meant.
fn chosen(args: &Args) -> Result<Vec<Plan>, Stop> {
    let mut paths = Vec::new();
    let mut own: Vec<PathBuf> = std::fs::read_dir(FILES)
        .map_err(|error| Stop::machine(format!("{FILES}: {error}")))?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    own.sort();
    let mut wrong = String::new();
    for what in &args.what {
        let path = Path::new(what);
        let kind = systems::KINDS.iter().find(|kind| kind.name == what);
        let own_name = Path::new(FILES).join(format!("{what}.toml"));
        if what == "all" || kind.is_some() {
            let of =
                |path: &&PathBuf| kind.is_none_or(|kind| plan::read(path).is_ok_and(|p| p.system.name == kind.name));
            paths.extend(own.iter().filter(of).cloned());
        } else if own_name.exists() {
            paths.push(own_name);
        } else if path.exists() {
            paths.push(path.to_owned());
        } else {
            let names: Vec<&str> = systems::KINDS.iter().map(|kind| kind.name).collect();
            wrong.push_str(&format!("{what}: no system and no file; systems are {}, all\n", names.join(", ")));
        }
    }
    let mut plans = Vec::new();
    for path in paths {
        match plan::read(&path) {
            Ok(plan) => plans.push(plan),
            Err(problems) => wrong.push_str(&problems),
        }
    }
    if !wrong.is_empty() {
        return Err(Stop(USAGE, wrong));
    }
    for plan in &mut plans {
        plan.trials = args.trials.map_or(plan.trials, |trials| trials as usize);
        plan.seed = args.seed.unwrap_or(plan.seed);
    }
    Ok(plans)
}

/// Makes the trials of every file.
fn measure(args: &Args, folder: &Path) -> Result<ExitCode, Stop> {
    let (mut failed, mut left_out) = (false, 0);
    let plans = chosen(args)?;
    for plan in plans.iter().filter(|plan| absent_of(plan).is_empty()) {
        if (plan.hosts || plan.system.root) && place::inside().is_none() {
            eprintln!("validation: {} is left out: it needs namespaces", plan.name);
            left_out += 1;
            continue;
        }
        match trials_of(plan, &folder.join(&plan.name), &args.out) {
            Ok(()) => {}
            Err(Stop(FAILED, said)) => {
                eprintln!("validation: {}: {said}", plan.name);
                failed = true;
            }
            Err(stop) => return Err(Stop(stop.0, format!("{}: {}", plan.name, stop.1))),
        }
    }
    if left_out > 0 && left_out == plans.len() {
        return Err(Stop::machine("nothing was measured".to_owned()));
    }
    Ok(if failed { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

/// Makes the trials of one file.
fn trials_of(plan: &Plan, folder: &Path, out: &Path) -> Result<(), Stop> {
    let mut conditions = Conditions::now(plan.system);
    println!("{}: {} {}, {}", plan.name, plan.system.title, conditions.version, plan.title);
    std::fs::create_dir_all(folder).map_err(|error| Stop::machine(format!("{}: {error}", folder.display())))?;
    let hosts = if plan.hosts { Hosts::separate(plan.nodes, folder) } else { Ok(Hosts::loopback(plan.nodes)) };
    let hosts = hosts.map_err(Stop::machine)?;
    // What the machine does not allow is better known before a cluster has started.
    for fault in &plan.faults {
        hosts.try_out(fault).map_err(Stop::machine)?;
    }
    let mut system = (plan.system.start)(plan, hosts, folder).map_err(Stop::machine)?;
    let mut random = Random::new(plan.seed);
    let mut all: Vec<Trial> = Vec::new();
    for number in 1..=plan.trials {
        system.ready().map_err(Stop::machine)?;
        let mut stage = Stage::new(plan, &mut random);
        let trial = system.trial(&mut stage).map_err(|said| Stop(FAILED, said))?;
        println!("  {number} of {}: {}", plan.trials, told(&trial));
        all.push(trial);
    }
    drop(system);
    conditions.done();
    let written = trials::write(out, plan, &all, &conditions).map_err(Stop::machine)?;
    for path in written {
        println!("  {}", path.display());
    }
    Ok(())
}

/// A trial in a line.
fn told(trial: &Trial) -> String {
    let mut words: Vec<String> = trial.figures.iter().map(|ms| format!("{ms:.0} ms")).collect();
    words.extend(trial.outage.map(|ms| format!("outage {ms:.0} ms")));
    words.extend(trial.lost.map(|lost| format!("{lost} acknowledged writes lost")));
    words.join(", ")
}
