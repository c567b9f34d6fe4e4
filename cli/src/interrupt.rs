//! Ctrl-C: what was only begun is taken away, and what was kept is said.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// With which code an interrupted command ends: 128 and the number of the signal, as shells have it.
pub const CODE: i32 = 130;

/// Folders under temporary names.
static BEGUN: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
/// What stays, however the command ends.
static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

/// What stays when a command is interrupted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A finished run in its folder.
    Run(PathBuf),
    /// The results of a sweep, a line each, and where they will be once all are there.
    Results(PathBuf, PathBuf),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A list of paths is whole whatever happened to whoever held it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins to watch for it. Where that can not be done the system ends the command as ever.
pub fn watch() {
    let _ = ctrlc::set_handler(stop);
}

/// A folder was begun.
pub fn begun(dir: &Path) {
    lock(&BEGUN).push(dir.to_owned());
}

/// It has its name now, or is gone.
pub fn ended(dir: &Path) {
    lock(&BEGUN).retain(|begun| begun != dir);
}

/// This stays.
pub fn keeps(kept: Kept) {
    let mut all = lock(&KEPT);
    if !all.contains(&kept) {
        all.push(kept);
    }
}

fn stop() {
    let begun = lock(&BEGUN);
    for dir in begun.iter() {
        // The run still writes into it: what it makes while this removes is removed by the next round.
        for _ in 0..1000 {
            if fs::remove_dir_all(dir).is_ok() || !dir.exists() {
                break;
            }
        }
    }
    eprintln!("\n{}: interrupted; {}", reports::program(), told(&lock(&KEPT)));
    // Nobody begins or ends a folder any more: the list stays locked.
    std::process::exit(CODE);
}

fn told(kept: &[Kept]) -> String {
    let mut all = Vec::new();
    for kept in kept {
        match kept {
            Kept::Run(dir) => all.push(format!("{} is kept", dir.display())),
            Kept::Results(journal, whole) => {
                let lines = |path: &Path| fs::read(path).map_or(0, |text| text.iter().filter(|b| **b == b'\n').count());
                let (path, lines) = if whole.exists() { (whole, lines(whole)) } else { (journal, lines(journal)) };
                all.push(format!("{lines} finished runs are kept in {}", path.display()));
            }
        }
    }
    let resumes = kept.iter().any(|kept| matches!(kept, Kept::Results(..)));
    match (all.as_slice(), resumes) {
        ([], _) => "nothing was kept".to_owned(),
        (_, true) => format!("{}; the same command goes on from there", all.join(", ")),
        (_, false) => format!("{}; of the run under way nothing is", all.join(", ")),
    }
}
