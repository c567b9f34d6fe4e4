//! Keeps runs that did not hold: each is made once more, this time with everything that `run` leaves.

use super::folder::FAILURES;
use crate::exit::Exit;
use crate::run::{self, Bars, Folder, Place, Trouble};
use crate::run_dir::{DirError, Partial};
use scenarios::sweep::{JobResult, Outcome};
use scenarios::{Registry, Scenario};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How many are kept.
pub const MOST: usize = 20;

/// Where a kept run of the sweep in `dir` is.
pub fn path(dir: &Path, job: u64, seed: u64) -> PathBuf {
    dir.join(FAILURES).join(name(job, seed))
}

/// The name of its folder.
pub fn name(job: u64, seed: u64) -> String {
    format!("{job}-seed{seed}")
}

/// What keeping them came to, in job order: what went wrong with which.
pub enum Kept {
    /// The run was not the same when it was made again.
    Differed(String),
    /// It could not be kept, and with which code that ends the command.
    Trouble(String, Exit),
}

/// Keeps every run of `failed` that is not there yet, and says how many were made for that; `scenario` gives the scenario of a job. The caller has the folder to
/// itself, so what a killed process left there under temporary names is removed.
pub fn keep<'a>(
    pool: &rayon::ThreadPool,
    registry: &Registry,
    dir: &Path,
    failed: &[JobResult],
    scenario: impl Fn(&JobResult) -> &'a Scenario + Sync,
) -> (u64, Vec<Kept>) {
    for entry in std::fs::read_dir(dir.join(FAILURES)).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') && name.contains(".partial-") {
            // Best effort: such a name is taken for a run by nobody.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let next = AtomicUsize::new(0);
    let made = AtomicU64::new(0);
    let wrong = Mutex::new(Vec::new());
    pool.broadcast(|_| {
        while let Some(result) = failed.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(why) = one(registry, dir, result, scenario(result), &made) {
                wrong.lock().expect("nobody panicked with it").push((result.job, why));
            }
        }
    });
    let mut wrong = wrong.into_inner().expect("nobody panicked with it");
    wrong.sort_by_key(|(job, _)| *job);
    (made.into_inner(), wrong.into_iter().map(|(_, why)| why).collect())
}

fn one(registry: &Registry, dir: &Path, result: &JobResult, scenario: &Scenario, made: &AtomicU64) -> Result<(), Kept> {
    let target = path(dir, result.job, result.seed);
    let run = format!("job {}, seed {}", result.job, result.seed);
    let trouble = |error: Trouble| Kept::Trouble(format!("{run} could not be kept: {error}"), error.exit());
    let schedule = scenarios::expand(scenario, result.seed);
    if result.ruling == Outcome::Bug {
        let text = scenarios::to_toml(scenario, &schedule, result.seed);
        let why: String = result.failed_rules.iter().map(|b| format!("{}\n", b.detail)).collect();
        let write = || -> Result<(), DirError> {
            let folder = Partial::within(&dir.join(FAILURES), &name(result.job, result.seed))?;
            folder.write("scenario.toml", &text)?;
            folder.write("panic.txt", &why)?;
            folder.replace().map(drop)
        };
        return if target.exists() { Ok(()) } else { write().map_err(|e| trouble(e.into())) };
    }
    // A folder gets its name when it is whole; a resumed sweep finds what it had kept.
    let digest = match reports::load(&target) {
        Ok(record) if record.digest == result.digest => return Ok(()),
        _ => {
            let folder = Partial::within(&dir.join(FAILURES), &name(result.job, result.seed));
            let folder = folder.map_err(|e| trouble(e.into()))?;
            let how = Folder { bars: Bars::None, place: Place::Fixed, ..Folder::default() };
            made.fetch_add(1, Ordering::Relaxed);
            let finished = run::into_folder(registry, scenario, &schedule, result.seed, folder, how);
            finished.map_err(trouble)?.record.digest
        }
    };
    if digest == result.digest {
        return Ok(());
    }
    let was = &result.digest;
    Err(Kept::Differed(format!("{run} was not the same run when it was made again: digest {was}, then {digest}")))
}
