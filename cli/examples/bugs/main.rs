//! `make bugs`: proves that the shipped chaos files find every known bug, and nothing where there is none.
//!
//! Usage: `bugs [SEEDS [BUG...]]`. Every bug of every system that has chaos files is switched on in each of them, seed by
//! seed, until a named rule is broken; if none is, in the system's other stories. Ends with 1 if a bug escapes, or if a seed that was needed is not clean without a bug.

mod catch;

use catch::{Catch, Ended, Storm, first, load, registry, run};
use scenarios::Registry;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

/// As much as the main thread has.
const STACK: usize = 8 << 20;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Ok(seeds) = args.next().map_or(Ok(2_000), |text| text.parse()) else {
        eprintln!("bugs [SEEDS [BUG...]]: SEEDS is a number, such as 2000");
        return ExitCode::from(2);
    };
    match hunt(seeds, &args.collect::<Vec<_>>()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(errors) => {
            eprintln!("{errors}");
            ExitCode::from(2)
        }
    }
}

/// Whether every bug was caught, and by nothing that also happens without it.
fn hunt(seeds: u64, only: &[String]) -> Result<bool, String> {
    // A panic is counted, not caught: thousands of messages about one would help nobody.
    std::panic::set_hook(Box::new(|_| {}));
    let pool = rayon::ThreadPoolBuilder::new().stack_size(STACK).build().map_err(|error| error.to_string())?;
    let registry = registry();
    let mut good = true;
    let mut needed = Vec::new();
    for system in registry.iter() {
        let groups = catch::files(system.name());
        if groups[0].is_empty() {
            continue;
        }
        println!(
            "{:28} {:4} {:32} {:24} {:>5} {:>6} {:>10} {:>7}",
            "bug", "id", "broken rule", "file", "seed", "runs", "simulated", "panics"
        );
        let mut furthest = [vec![0; groups[0].len()], vec![0; groups[1].len()]];
        for bug in system.bugs().iter().filter(|bug| only.is_empty() || only.iter().any(|name| name == bug.name)) {
            let id = bug.source.split(':').next().unwrap_or("");
            // The stories are asked only about what no storm has found: they expect more of availability.
            let mut caught = None;
            for (group, files) in groups.iter().enumerate() {
                let storms = load(&registry, files, Some(bug.name))?;
                caught = first(&pool, &registry, &storms, seeds).map(|catch| (group, catch));
                if caught.is_some() {
                    break;
                }
                furthest[group].fill(seeds);
            }
            let Some((group, Catch { file, seed, rules, runs, simulated_ns, panics })) = caught else {
                println!("{:28} {id:4} ESCAPED {seeds} seeds of each file", bug.name);
                needed.push(u64::MAX);
                good = false;
                continue;
            };
            let name = groups[group][file].file_stem().unwrap_or_default().display().to_string();
            let (rules, seconds) = (rules.join(","), simulated_ns as f64 / 1e9);
            println!("{:28} {id:4} {rules:32} {name:24} {seed:>5} {runs:>6} {seconds:>9.1}s {panics:>7}", bug.name);
            needed.push(runs);
            for (at, upto) in furthest[group].iter_mut().enumerate() {
                *upto = (*upto).max(if at <= file { seed } else { seed - 1 });
            }
        }
        for (files, furthest) in groups.iter().zip(&furthest) {
            for (storm, &upto) in load(&registry, files, None)?.iter().zip(furthest) {
                let dirty = dirty(&pool, &registry, storm, upto);
                match dirty.first() {
                    None if upto == 0 => {}
                    None => println!("{}: seeds 1..{upto} are clean without a bug", storm.name),
                    Some((seed, ended)) => {
                        let (name, count) = (&storm.name, dirty.len());
                        println!(
                            "{name}: {count} of seeds 1..{upto} are NOT clean without a bug, first {seed}: {ended:?}"
                        );
                        good = false;
                    }
                }
            }
        }
    }
    needed.sort_unstable();
    if let Some(&median) = needed.get(needed.len() / 2) {
        let caught = needed.iter().filter(|runs| **runs != u64::MAX).count();
        println!("{caught} of {} bugs caught, median of {median} runs", needed.len());
    }
    Ok(good)
}

/// Which of seeds `1..=upto` are not clean, and how they ended.
fn dirty(pool: &rayon::ThreadPool, registry: &Registry, storm: &Storm, upto: u64) -> Vec<(u64, Ended)> {
    let next = AtomicU64::new(1);
    let dirty = pool.broadcast(|_| {
        let seeds = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed)).take_while(|seed| *seed <= upto);
        let ended = seeds.map(|seed| (seed, run(registry, &storm.scenario, seed).0));
        ended.filter(|(_, ended)| *ended != Ended::Clean).collect::<Vec<_>>()
    });
    let mut dirty: Vec<_> = dirty.into_iter().flatten().collect();
    dirty.sort_by_key(|(seed, _)| *seed);
    dirty
}
