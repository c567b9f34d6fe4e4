//! `splitbrain bugs`: proves that the given storms find every known bug of their systems, and nothing where there is none.
//!
//! Every bug of a system is switched on in each of its storms, seed by seed, until a named rule is broken; if none is, in its
//! other files. Ends with 1 if a bug escapes, or if a seed that was needed is not clean without a bug.

mod catch;

pub use catch::{Catch, Ended, Storm, files, first, load, run};

use crate::args::BugsArgs;
use crate::exit::Exit;
use crate::run::say;
use crate::sweep::workers;
use scenarios::Registry;
use scenarios::sweep::Seeds;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs the command.
pub(crate) fn bugs(registry: &Registry, args: &BugsArgs) -> Exit {
    let pool = match workers::pool_of(args.jobs) {
        Ok(pool) => pool,
        Err(error) => return error.tell(),
    };
    match hunt(registry, &pool, args) {
        Ok(true) => Exit::Held,
        Ok(false) => Exit::Failed,
        Err(errors) => {
            complain!("{errors}");
            Exit::Usage
        }
    }
}

/// Whether every bug was caught, and by nothing that also happens without it.
fn hunt(registry: &Registry, pool: &rayon::ThreadPool, args: &BugsArgs) -> Result<bool, String> {
    let (seeds, only) = (&args.seeds, &args.bug);
    let given = catch::files(&args.files)?;
    let plain = [load(registry, &given[0], None)?, load(registry, &given[1], None)?];
    let mut good = true;
    let (mut needed, mut escaped) = (Vec::new(), 0);
    for name in only {
        if !registry.iter().any(|system| system.bugs().iter().any(|bug| bug.name == name)) {
            return Err(format!("no system has a bug {name:?}; `list bugs` shows all"));
        }
    }
    for system in registry.iter() {
        // Its files, and what they are without a bug.
        let groups: [Vec<(&PathBuf, &Storm)>; 2] = std::array::from_fn(|group| {
            let of_it = given[group].iter().zip(&plain[group]);
            of_it.filter(|(_, storm)| storm.scenario.system == system.name()).collect()
        });
        let asked = |name: &str| only.is_empty() || only.iter().any(|only| only == name);
        if groups.iter().all(Vec::is_empty) || !system.bugs().iter().any(|bug| asked(bug.name)) {
            continue;
        }
        say(&format!(
            "{:28} {:4} {:32} {:24} {:>5} {:>6} {:>10} {:>7}\n",
            "bug", "id", "broken rule", "file", "seed", "runs", "simulated", "panics"
        ));
        let mut furthest = [vec![0; groups[0].len()], vec![0; groups[1].len()]];
        for bug in system.bugs().iter().filter(|bug| asked(bug.name)) {
            let id = bug.source.split(':').next().unwrap_or("");
            // The stories are asked only about what no storm has found: they expect more of availability.
            let mut caught = None;
            for (group, files) in groups.iter().enumerate() {
                let files: Vec<PathBuf> = files.iter().map(|(path, _)| (*path).clone()).collect();
                let storms = load(registry, &files, Some(bug.name))?;
                caught = first(pool, registry, &storms, seeds).map(|catch| (group, catch));
                if caught.is_some() {
                    break;
                }
                furthest[group].fill(seeds.count());
            }
            let Some((group, Catch { file, seed, seeds: tried, rules, runs, simulated_ns, panics })) = caught else {
                say(&format!("{:28} {id:4} ESCAPED {} seeds of each file\n", bug.name, seeds.count()));
                escaped += 1;
                good = false;
                continue;
            };
            let name = &groups[group][file].1.name;
            let (rules, seconds) = (rules.join(","), simulated_ns as f64 / 1e9);
            say(&format!(
                "{:28} {id:4} {rules:32} {name:24} {seed:>5} {runs:>6} {seconds:>9.1}s {panics:>7}\n",
                bug.name
            ));
            needed.push(runs);
            for (at, upto) in furthest[group].iter_mut().enumerate() {
                *upto = (*upto).max(if at <= file { tried } else { tried - 1 });
            }
        }
        for (files, furthest) in groups.iter().zip(&furthest) {
            for ((_, storm), &upto) in files.iter().zip(furthest) {
                let dirty = dirty(pool, registry, storm, seeds, upto);
                match dirty.first() {
                    None if upto == 0 => {}
                    None => say(&format!("{}: the {upto} seeds it took are clean without a bug\n", storm.name)),
                    Some((seed, ended)) => {
                        let (name, count) = (&storm.name, dirty.len());
                        say(&format!(
                            "{name}: {count} of the {upto} seeds it took are NOT clean without a bug, first {seed}: {ended:?}\n"
                        ));
                        good = false;
                    }
                }
            }
        }
    }
    if needed.len() + escaped == 0 {
        return Err("none of these files is of a system that has such a bug; `list bugs` shows all".to_owned());
    }
    needed.sort_unstable();
    let all = needed.len() + escaped;
    let median = needed.get(all / 2).map_or("more than were made".to_owned(), u64::to_string);
    say(&format!("{} of {all} bugs caught, median runs needed: {median}\n", needed.len()));
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
