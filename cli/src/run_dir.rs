//! A run's folder: filled under a temporary name and renamed when it is whole, so that nothing half-written stays.

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
        write!(f, "{}: can not {}: {}", self.path.display(), self.what, self.source)
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
        let temporary = parent.join(format!(".{name}.partial-{}", std::process::id()));
        if temporary.exists() {
            tell(fs::remove_dir_all(&temporary), &temporary, "remove what an interrupted run left")?;
        }
        tell(fs::create_dir(&temporary), &temporary, "create a temporary folder")?;
        Ok(Self { temporary, target: parent.join(name), latest: false, finished: false })
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

    /// Puts the folder in its place, instead of an older one of the same seed, and points `latest` at it.
    pub fn finish(mut self) -> Result<PathBuf, DirError> {
        let older = self.temporary.with_extension("older");
        if self.target.exists() {
            tell(fs::rename(&self.target, &older), &self.target, "move the older run of this seed away")?;
        }
        tell(fs::rename(&self.temporary, &self.target), &self.target, "put the finished run in its place")?;
        self.finished = true;
        if older.exists() {
            tell(fs::remove_dir_all(&older), &older, "remove the older run of this seed")?;
        }
        if self.latest {
            self.point_latest()?;
        }
        Ok(self.target.clone())
    }

    #[cfg(unix)]
    fn point_latest(&self) -> Result<(), DirError> {
        let (Some(parent), Some(name)) = (self.target.parent(), self.target.file_name()) else { return Ok(()) };
        let fresh = parent.join(format!(".latest-{}", std::process::id()));
        let _ = fs::remove_file(&fresh);
        tell(std::os::unix::fs::symlink(name, &fresh), &fresh, "create a link")?;
        tell(fs::rename(&fresh, parent.join("latest")), &parent.join("latest"), "point the link at the newest run")
    }

    #[cfg(not(unix))]
    fn point_latest(&self) -> Result<(), DirError> {
        let (Some(parent), Some(name)) = (self.target.parent(), self.target.file_name()) else { return Ok(()) };
        let path = parent.join("latest.txt");
        tell(fs::write(&path, name.to_string_lossy().as_bytes()), &path, "note the newest run")
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.finished {
            // Best effort: what is left has a name that no reader takes for a run.
            let _ = fs::remove_dir_all(&self.temporary);
        }
    }
}
