//! `make bugs`: proves that the shipped chaos files find every known bug, and nothing where there is none.
//!
//! Usage: `bugs [SEEDS [BUG...]]`, seeds as in `splitbrain sweep`. Every bug of every system is switched on in each of its
//! chaos files, seed by seed, until a named rule is broken; if none is, in the system's other stories. Ends with 1 if a
//! bug escapes, or if a seed that was needed is not clean without a bug.

mod catch;

use catch::{Catch, Ended, Storm, first, load, run};
use scenarios::Registry;
use scenarios::sweep::Seeds;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

/// As much as the main thread has.
const STACK: usize = 8 << 20;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let seeds: Seeds = match args.next().as_deref().unwrap_or("1..2000").parse() {
        Ok(seeds) => seeds,
        Err(error) => {
            eprintln!("bugs [SEEDS [BUG...]]: {error}");
            return ExitCode::from(2);
        }
    };
    match hunt(&seeds, &args.collect::<Vec<_>>()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(errors) => {
            eprintln!("{errors}");
            ExitCode::from(2)
        }
    }
}

/// Whether every bug was caught, and by nothing that also happens without it.
fn hunt(seeds: &Seeds, only: &[String]) -> Result<bool, String> {
    // A panic is counted, not caught: thousands of messages about one would help nobody.
    std::panic::set_hook(Box::new(|_| {}));
    let pool = rayon::ThreadPoolBuilder::new().stack_size(STACK).build().map_err(|error| error.to_string())?;
    let registry = splitbrain::registry();
    let mut good = true;
    let (mut needed, mut escaped) = (Vec::new(), 0);
    for name in only {
        if !registry.iter().any(|system| system.bugs().iter().any(|bug| bug.name == name)) {
            return Err(format!("no system has a bug {name:?}; `splitbrain list bugs` shows all"));
        }
    }
    for system in registry.iter() {
        let groups = catch::files(system.name());
        let asked = |name: &str| only.is_empty() || only.iter().any(|only| only == name);
        if !system.bugs().iter().any(|bug| asked(bug.name)) {
            continue;
        }
        println!(
            "{:28} {:4} {:32} {:24} {:>5} {:>6} {:>10} {:>7}",
            "bug", "id", "broken rule", "file", "seed", "runs", "simulated", "panics"
        );
        let mut furthest = [vec![0; groups[0].len()], vec![0; groups[1].len()]];
        for bug in system.bugs().iter().filter(|bug| asked(bug.name)) {
            let id = bug.source.split(':').next().unwrap_or("");
            // The stories are asked only about what no storm has found: they expect more of availability.
            let mut caught = None;
            for (group, files) in groups.iter().enumerate() {
                let storms = load(&registry, files, Some(bug.name))?;
                caught = first(&pool, &registry, &storms, seeds).map(|catch| (group, catch));
                if caught.is_some() {
                    break;
                }
                furthest[group].fill(seeds.count());
            }
            let Some((group, Catch { file, seed, seeds: tried, rules, runs, simulated_ns, panics })) = caught else {
                println!("{:28} {id:4} ESCAPED {} seeds of each file", bug.name, seeds.count());
                escaped += 1;
                good = false;
                continue;
            };
            let name = groups[group][file].file_stem().unwrap_or_default().display().to_string();
            let (rules, seconds) = (rules.join(","), simulated_ns as f64 / 1e9);
            println!("{:28} {id:4} {rules:32} {name:24} {seed:>5} {runs:>6} {seconds:>9.1}s {panics:>7}", bug.name);
            needed.push(runs);
            for (at, upto) in furthest[group].iter_mut().enumerate() {
                *upto = (*upto).max(if at <= file { tried } else { tried - 1 });
            }
        }
        for (files, furthest) in groups.iter().zip(&furthest) {
            for (storm, &upto) in load(&registry, files, None)?.iter().zip(furthest) {
                let dirty = dirty(&pool, &registry, storm, seeds, upto);
                match dirty.first() {
                    None if upto == 0 => {}
                    None => println!("{}: the {upto} seeds it took are clean without a bug", storm.name),
                    Some((seed, ended)) => {
                        let (name, count) = (&storm.name, dirty.len());
                        println!(
                            "{name}: {count} of the {upto} seeds it took are NOT clean without a bug, first {seed}: {ended:?}"
                        );
                        good = false;
                    }
                }
            }
        }
    }
    needed.sort_unstable();
    let all = needed.len() + escaped;
    let median = needed.get(all / 2).map_or("more than were made".to_owned(), u64::to_string);
    println!("{} of {all} bugs caught, median runs needed: {median}", needed.len());
    Ok(good)
}

/// Which of the first `upto` of `seeds` are not clean, and how they ended.
fn dirty(pool: &rayon::ThreadPool, registry: &Registry, storm: &Storm, seeds: &Seeds, upto: u64) -> Vec<(u64, Ended)> {
    let next = AtomicU64::new(0);
    let dirty = pool.broadcast(|_| {
        let rounds = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed)).take_while(|round| *round < upto);
        let ended =
            rounds.filter_map(|round| seeds.get(round)).map(|seed| (seed, run(registry, &storm.scenario, seed).0));
        ended.filter(|(_, ended)| *ended != Ended::Clean).collect::<Vec<_>>()
    });
    let mut dirty: Vec<_> = dirty.into_iter().flatten().collect();
    dirty.sort_by_key(|(seed, _)| *seed);
    dirty
}
