//! Switches known bugs on in the chaos files of their system, and looks for the first run that breaks a named rule.

use scenarios::runner::{NO_PANIC, RunRequest, TraceMode};
use scenarios::sweep::Seeds;
use scenarios::{Override, Registry, Scenario};
use sim_core::panics;
use sim_core::record::Ruling;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// A scenario file: a name to show, and the scenario with one bug on, or with none.
pub struct Storm {
    /// The file's name without `.toml`.
    pub name: String,
    /// The scenario.
    pub scenario: Scenario,
}

/// The scenario files that `paths` name, files or folders of them: the storms, called `chaos*`, and the others.
///
/// # Errors
/// A folder that can not be read.
pub fn files(paths: &[PathBuf]) -> Result<[Vec<PathBuf>; 2], String> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries =
            std::fs::read_dir(path).map_err(|error| format!("{}: can not be read: {error}", path.display()))?;
        let mut all: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        all.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        all.sort();
        files.extend(all);
    }
    let storm = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("chaos"));
    let (chaos, others) = files.into_iter().partition(storm);
    Ok([chaos, others])
}

/// Reads `files` with `bug` switched on, or with no bug.
///
/// # Errors
/// Everything that is wrong with the files.
pub fn load(registry: &Registry, files: &[PathBuf], bug: Option<&str>) -> Result<Vec<Storm>, String> {
    let set: Vec<Override> = bug.map(|bug| Override::new(format!("system.bug={bug}"))).into_iter().collect();
    let load = |path: &PathBuf| {
        let scenario = scenarios::load(path, &set, registry).map_err(|errors| errors.to_string())?;
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Storm { name, scenario })
    };
    files.iter().map(load).collect()
}

/// How one run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// No rule was broken.
    Clean,
    /// These rules were.
    Broke(Vec<String>),
    /// The code panicked: that is not catching anything, unless the bug is known for it.
    Panicked,
}

/// Whether a panic is what the bug that is switched on is known for.
fn panics_by_bug(registry: &Registry, scenario: &Scenario) -> bool {
    let bugs = registry.get(&scenario.system).map_or(&[][..], |system| system.bugs());
    let on = scenario.options.get("bug").and_then(|bug| bug.as_str());
    bugs.iter().any(|bug| Some(bug.name) == on && bug.violates == NO_PANIC)
}

/// One run, and its simulated time in nanoseconds (zero if splitbrain itself panicked).
pub fn run(registry: &Registry, scenario: &Scenario, seed: u64) -> (Ended, u64) {
    let work = || {
        let system = registry.get(&scenario.system).expect("a checked scenario names a registered system");
        let schedule = scenarios::expand(scenario, seed);
        let record = system.run(RunRequest {
            scenario,
            schedule: &schedule,
            seed,
            history: None,
            trace: None,
            trace_mode: TraceMode::default(),
            keep_ops: true,
            evidence: None,
            progress: &mut |_| {},
        });
        let report = reports::analyse(&record.expect("a run that writes nothing can not fail"));
        let broken = report.verdicts.iter().filter(|verdict| verdict.verdict == Ruling::Fail);
        (broken.map(|verdict| verdict.rule.clone()).collect::<Vec<_>>(), report.simulated_ns)
    };
    match panics::caught(work) {
        Ok((broken, ns)) if broken.is_empty() => (Ended::Clean, ns),
        Ok((broken, ns)) if broken.iter().any(|rule| rule == NO_PANIC) && !panics_by_bug(registry, scenario) => {
            (Ended::Panicked, ns)
        }
        Ok((broken, ns)) => (Ended::Broke(broken), ns),
        Err(_) => (Ended::Panicked, 0),
    }
}

/// The run that caught a bug.
#[derive(Debug, PartialEq, Eq)]
pub struct Catch {
    /// Which of the files.
    pub file: usize,
    /// Its seed.
    pub seed: u64,
    /// How many seeds of this file and of every file before it were tried, this one included.
    pub seeds: u64,
    /// The rules it broke.
    pub rules: Vec<String>,
    /// Runs made until then, this one included.
    pub runs: u64,
    /// What those runs simulated together, in nanoseconds.
    pub simulated_ns: u64,
    /// How many of them panicked.
    pub panics: u64,
}

/// The first run, seed by seed and file by file within a seed, that breaks a rule. What it gives does not depend on how
/// many threads the pool has: all runs before the first are made.
pub fn first(pool: &rayon::ThreadPool, registry: &Registry, files: &[Storm], seeds: &Seeds) -> Option<Catch> {
    let (next, found) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
    let total = seeds.count() * files.len() as u64;
    let place = |i: u64| ((i % files.len() as u64) as usize, i / files.len() as u64);
    let made = pool.broadcast(|_| {
        let mut made = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::SeqCst);
            if i >= total || i > found.load(Ordering::SeqCst) {
                return made;
            }
            let (file, round) = place(i);
            let seed = seeds.get(round).expect("i is below the total");
            let (ended, ns) = run(registry, &files[file].scenario, seed);
            if let Ended::Broke(_) = ended {
                found.fetch_min(i, Ordering::SeqCst);
            }
            made.push((i, ended, ns));
        }
    });
    let last = found.into_inner();
    let mut made: Vec<_> = made.into_iter().flatten().filter(|(i, ..)| *i <= last).collect();
    made.sort_by_key(|(i, ..)| *i);
    let panics = made.iter().filter(|(_, ended, _)| *ended == Ended::Panicked).count() as u64;
    let simulated_ns = made.iter().map(|(.., ns)| ns).sum();
    let (i, ended, _) = made.pop()?;
    let Ended::Broke(rules) = ended else { return None };
    let (file, round) = place(i);
    Some(Catch { file, seed: seeds.get(round)?, seeds: round + 1, rules, runs: i + 1, simulated_ns, panics })
}
