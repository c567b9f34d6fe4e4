//! A run's folder: filled under a temporary name and renamed when it is whole, so that nothing half-written stays. It never
//! replaces another run, nor anything that somebody put beside it.

use crate::interrupt;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

/// What could not be done to which path.
#[derive(Debug)]
pub struct DirError {
    path: PathBuf,
    what: &'static str,
    source: io::Error,
}

impl std::fmt::Display for DirError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: can not {}: {}", self.path.display(), self.what, reports::reason(&self.source))
    }
}

fn tell<T>(result: io::Result<T>, path: &Path, what: &'static str) -> Result<T, DirError> {
    result.map_err(|source| DirError { path: path.to_owned(), what, source })
}

/// A folder being filled. Dropped before [`Partial::finish`], it takes everything with it.
#[derive(Debug)]
pub struct Partial {
    temporary: PathBuf,
    target: PathBuf,
    /// Whether the newest of the folders beside it gets a link.
    latest: bool,
    finished: bool,
    /// Says that somebody is at work here; the system takes it away however the process ends. Not every system locks folders.
    _lock: Option<File>,
}

/// Where a folder has come to be.
#[derive(Debug)]
pub struct Placed {
    /// The folder.
    pub dir: PathBuf,
    /// What is in the place where it should have been, and stays there.
    pub beside: Option<PathBuf>,
}

impl Partial {
    /// Begins the folder `out/name/seed`, which `out/name/latest` will point to.
    pub fn begin(out: &Path, name: &str, seed: u64) -> Result<Self, DirError> {
        let mut folder = Self::within(&out.join(name), &seed.to_string())?;
        folder.latest = true;
        Ok(folder)
    }

    /// Begins the folder `parent/name`.
    pub fn within(parent: &Path, name: &str) -> Result<Self, DirError> {
        tell(fs::create_dir_all(parent), parent, "create the results folder")?;
        let target = parent.join(name);
        clean(parent, name, &target);
        let temporary = parent.join(format!(".{name}.partial-{}", std::process::id()));
        if temporary.exists() {
            tell(fs::remove_dir_all(&temporary), &temporary, "remove what an interrupted run left")?;
        }
        interrupt::begun(&temporary);
        let made = tell(fs::create_dir(&temporary), &temporary, "create a temporary folder");
        if made.is_err() {
            interrupt::ended(&temporary);
        }
        made?;
        let lock = File::open(&temporary).ok().filter(|lock| lock.try_lock().is_ok());
        Ok(Self { temporary, target, latest: false, finished: false, _lock: lock })
    }

    /// That some file of it can not be written.
    pub fn unwritten(&self, source: io::Error) -> DirError {
        DirError { path: self.target.clone(), what: "write its files", source }
    }

    /// Where files go for now.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Creates a file in the folder.
    pub fn create(&self, name: &str) -> Result<BufWriter<File>, DirError> {
        let path = self.temporary.join(name);
        Ok(BufWriter::new(tell(File::create(&path), &path, "create the file")?))
    }

    /// Writes a whole file into the folder.
    pub fn write(&self, name: &str, text: &str) -> Result<(), DirError> {
        let path = self.temporary.join(name);
        tell(fs::write(&path, text), &path, "write the file")
    }

    /// Puts the folder of a run with this digest in its place and points `latest` at it. The same run is replaced there, and
    /// what somebody added to its folder stays; anything else stays, and the folder goes beside it under its digest.
    pub fn finish(mut self, digest: &str) -> Result<Placed, DirError> {
        let short: String = digest.chars().take(8).collect();
        let beside = |n: u32| match n {
            0 => self.target.clone(),
            1 => with_suffix(&self.target, &format!("-{short}")),
            n => with_suffix(&self.target, &format!("-{short}-{n}")),
        };
        let free = |path: &PathBuf| !path.exists() || is_run(path, digest);
        let dir = (0..).map(beside).find(free).expect("some name is free");
        self.put(&dir)?;
        if self.latest {
            self.point_latest(&dir)?;
        }
        let beside = (dir != self.target).then(|| self.target.clone());
        Ok(Placed { dir, beside })
    }

    /// Puts the folder in its place, whatever was there: for what can be made again from what is kept elsewhere.
    pub fn replace(mut self) -> Result<PathBuf, DirError> {
        let target = self.target.clone();
        self.put(&target)?;
        Ok(target)
    }

    fn put(&mut self, dir: &Path) -> Result<(), DirError> {
        let older = aside(dir);
        if dir.exists() {
            tell(fs::rename(dir, &older), dir, "move the older run away")?;
        }
        tell(fs::rename(&self.temporary, dir), dir, "put the finished run in its place")?;
        self.finished = true;
        interrupt::ended(&self.temporary);
        if older.exists() {
            tell(keep_foreign(&older, dir), &older, "keep what was added to the older run")?;
            tell(fs::remove_dir_all(&older), &older, "remove the older run")?;
        }
        Ok(())
    }

    #[cfg(unix)]
    fn point_latest(&self, dir: &Path) -> Result<(), DirError> {
        let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else { return Ok(()) };
        let fresh = parent.join(format!(".latest-{}", std::process::id()));
        let _ = fs::remove_file(&fresh);
        tell(std::os::unix::fs::symlink(name, &fresh), &fresh, "create a link")?;
        tell(fs::rename(&fresh, parent.join("latest")), &parent.join("latest"), "point the link at the newest run")
    }

    #[cfg(not(unix))]
    fn point_latest(&self, dir: &Path) -> Result<(), DirError> {
        let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else { return Ok(()) };
        let path = parent.join("latest.txt");
        tell(fs::write(&path, name.to_string_lossy().as_bytes()), &path, "note the newest run")
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.finished {
            // Best effort: what is left has a name that no reader takes for a run, and the next run removes it.
            let _ = fs::remove_dir_all(&self.temporary);
            interrupt::ended(&self.temporary);
        }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// Where an older folder is while a newer takes its place.
fn aside(dir: &Path) -> PathBuf {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    dir.with_file_name(format!(".{name}.older"))
}

/// Whether the folder is that of the run with this digest.
fn is_run(dir: &Path, digest: &str) -> bool {
    reports::load_record(dir).is_ok_and(|record| record.digest == digest)
}

/// Removes what killed processes left under temporary names, and puts back a run that one of them was about to replace.
/// Best effort: none of these names is taken for a run by anybody.
fn clean(parent: &Path, name: &str, target: &Path) {
    let older = aside(target);
    if older.exists() && !target.exists() {
        let _ = fs::rename(&older, target);
    }
    let prefix = format!(".{name}.partial-");
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix)
            && File::open(entry.path()).is_ok_and(|folder| folder.try_lock().is_ok())
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Moves what is in `older` and not in `dir` there.
fn keep_foreign(older: &Path, dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(older)? {
        let entry = entry?;
        let target = dir.join(entry.file_name());
        if !target.exists() {
            fs::rename(entry.path(), target)?;
        } else if entry.file_type()?.is_dir() && target.is_dir() {
            keep_foreign(&entry.path(), &target)?;
        }
    }
    Ok(())
}
