//! The folder of a sweep on disk: opened, locked, resumed, filled line by line, and finished under temporary names.

use crate::exit::Exit;
use scenarios::sweep::{JobResult, Manifest, Plan, Scan, ScanError, Summary, Tally, scan};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What the folder says about itself.
pub const MANIFEST: &str = "sweep.json";
/// Every result, in job order.
pub const RESULTS: &str = "results.jsonl";
/// What they come to.
pub const SUMMARY: &str = "summary.json";
/// Results in the order in which they finished, while the sweep runs.
pub const JOURNAL: &str = "results.partial.jsonl";
/// Runs that did not hold.
pub const FAILURES: &str = "failures";

/// Why a folder can not be used.
#[derive(Debug)]
pub enum FolderError {
    /// It is not what the command needs: the user has to decide.
    Refused(String),
    /// The file system would not.
    Io(PathBuf, &'static str, io::Error),
    /// The machine would not.
    Machine(String),
}

impl std::fmt::Display for FolderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(why) => f.write_str(why),
            Self::Io(path, what, error) => write!(f, "{}: can not {what}: {}", path.display(), reports::reason(error)),
            Self::Machine(why) => f.write_str(why),
        }
    }
}

impl FolderError {
    /// Says it; the exit code it stands for.
    pub fn tell(&self) -> Exit {
        complain!("{self}");
        match self {
            Self::Refused(_) => Exit::Usage,
            Self::Io(..) | Self::Machine(_) => Exit::Environment,
        }
    }
}

pub fn tell<T>(result: io::Result<T>, path: &Path, what: &'static str) -> Result<T, FolderError> {
    result.map_err(|error| FolderError::Io(path.to_owned(), what, error))
}

/// A sweep's folder. As long as it lives, no other process works in it.
#[derive(Debug)]
pub struct Folder<'a> {
    dir: PathBuf,
    plan: &'a Plan,
    manifest: Manifest,
    /// Runs made earlier.
    done: Scan,
    /// Whether `results.jsonl` is already there and whole.
    finished: bool,
    journal: Mutex<Option<File>>,
    /// Held for its lock, which the system takes away however the process ends.
    _lock: File,
}

impl<'a> Folder<'a> {
    /// Opens `dir`, which is created, resumed, or refused. Notes for the user go to `note`.
    pub fn open(
        dir: PathBuf,
        plan: &'a Plan,
        manifest: Manifest,
        note: &mut dyn FnMut(String),
    ) -> Result<Self, FolderError> {
        tell(fs::create_dir_all(&dir), &dir, "create the results folder")?;
        let lock = Self::claim(&dir, &manifest)?;
        let mut folder = Self {
            dir,
            plan,
            manifest,
            done: Scan::default(),
            finished: false,
            journal: Mutex::new(None),
            _lock: lock,
        };
        folder.resume(note)?;
        Ok(folder)
    }

    /// Locks the folder and makes sure that it is this sweep's.
    fn claim(dir: &Path, manifest: &Manifest) -> Result<File, FolderError> {
        let path = dir.join(MANIFEST);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = tell(opened, &path, "open the file")?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let why = format!("{}: another splitbrain is at work in this folder", dir.display());
                return Err(FolderError::Refused(why));
            }
            // Some network file systems have no locks. The user is then trusted not to start a shard twice.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return tell(Err(error), &path, "lock the file"),
        }
        let mut text = String::new();
        tell(file.read_to_string(&mut text), &path, "read the file")?;
        let has_results = dir.join(JOURNAL).exists() || dir.join(RESULTS).exists();
        let advice = "give another --out, or remove the folder if its results are not needed";
        match Manifest::from_json(&text) {
            Ok(found) if found == *manifest => return Ok(file),
            Ok(found) => {
                let why = manifest.differs(&found).unwrap_or_else(|| format!("shard {}", found.shard));
                let why = format!("{} holds another sweep, {why}; {advice}", dir.display());
                return Err(FolderError::Refused(why));
            }
            Err(why) if has_results => {
                let why = format!("{}: {why}, but there are results beside it; {advice}", path.display());
                return Err(FolderError::Refused(why));
            }
            // A sweep that was killed before its first run leaves this.
            Err(_) => {}
        }
        let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| {
            file.write_all(manifest.to_json().as_bytes())?;
            file.sync_all()
        });
        tell(written, &path, "write the file")?;
        Ok(file)
    }

    fn resume(&mut self, note: &mut dyn FnMut(String)) -> Result<(), FolderError> {
        let (results, journal) = (self.dir.join(RESULTS), self.dir.join(JOURNAL));
        if results.exists() {
            self.done = self.scan(&results)?;
            self.finished = self.done.found.len() as u64 == self.plan.share() && self.done.torn == 0;
            if self.finished {
                return Ok(());
            }
            note(format!(
                "{}: holds {} of {} results{}; the others are made again",
                results.display(),
                self.done.found.len(),
                self.plan.share(),
                if self.done.torn > 0 { " and a line that was cut off" } else { "" },
            ));
            // They become the journal of the runs that are left.
            self.publish(JOURNAL, |folder, out| {
                folder.each(RESULTS, |result| writeln!(out, "{}", folder.line(result)))
            })?;
            tell(fs::remove_file(&results), &results, "remove the incomplete file")?;
        }
        let opened = OpenOptions::new().read(true).append(true).create(true).open(&journal);
        let file = tell(opened, &journal, "open the file")?;
        self.done = self.scan(&journal)?;
        if self.done.torn > 0 {
            note(format!("{}: the last line was cut off; its run is made again", journal.display()));
            tell(file.set_len(self.done.whole), &journal, "cut the last line off")?;
        }
        *self.journal.get_mut().expect("nobody panicked with it") = Some(file);
        Ok(())
    }

    fn scan(&self, path: &Path) -> Result<Scan, FolderError> {
        let file = BufReader::with_capacity(1 << 16, tell(File::open(path), path, "open the file")?);
        scan(file, |line| self.read(line)).map_err(|error| match error {
            ScanError::Io(error) => FolderError::Io(path.to_owned(), "read the file", error),
            ScanError::Line { .. } => FolderError::Refused(format!("{}: {error}", path.display())),
        })
    }

    fn read(&self, line: &str) -> Result<JobResult, String> {
        JobResult::from_line(line, self.plan, &self.manifest.fingerprint)
    }

    fn line(&self, result: &JobResult) -> String {
        result.to_line(&self.manifest.fingerprint)
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether the run was made earlier.
    pub fn has(&self, job: u64) -> bool {
        self.done.found.contains_key(&job)
    }

    /// How many runs were made earlier.
    pub fn done(&self) -> u64 {
        self.done.found.len() as u64
    }

    /// Keeps a result: when this returns, no kill of the process can lose it.
    pub fn append(&self, result: &JobResult) -> Result<(), FolderError> {
        let mut line = self.line(result);
        line.push('\n');
        let mut journal = self.journal.lock().expect("nobody panicked with it");
        let file = journal.as_mut().expect("only an unfinished sweep makes runs");
        tell(file.write_all(line.as_bytes()), &self.dir.join(JOURNAL), "write a result")
    }

    /// Puts the results in job order and sums them up; `see` is shown each. Also returns the first `keep` results that did
    /// not hold.
    pub fn finish(
        &mut self,
        keep: usize,
        see: &mut dyn FnMut(&JobResult),
    ) -> Result<(Summary, Vec<JobResult>), FolderError> {
        let mut tally = Tally::new(self.plan);
        let mut kept = Vec::new();
        let mut look = |result: &JobResult| {
            tally.add(result);
            see(result);
            if result.ruling != scenarios::sweep::Outcome::Pass && kept.len() < keep {
                kept.push(result.clone());
            }
        };
        if self.finished {
            let path = self.dir.join(RESULTS);
            let read = self.each(RESULTS, |result| {
                look(result);
                Ok(())
            });
            tell(read, &path, "read the file")?;
        } else {
            self.done = self.scan(&self.dir.join(JOURNAL))?;
            assert_eq!(self.done.found.len() as u64, self.plan.share(), "a sweep ends when all of its runs are made");
            self.publish(RESULTS, |folder, out| {
                folder.each(JOURNAL, |result| {
                    look(result);
                    writeln!(out, "{}", folder.line(result))
                })
            })?;
            self.finished = true;
        }
        let summary = tally.finish(&self.manifest);
        self.publish(SUMMARY, |_, out| out.write_all(summary.to_json().as_bytes()))?;
        let journal = self.dir.join(JOURNAL);
        if journal.exists() {
            tell(fs::remove_file(&journal), &journal, "remove the file")?;
        }
        Ok((summary, kept))
    }

    /// Hands out every result in job order, reading one at a time.
    fn each(&self, name: &str, mut f: impl FnMut(&JobResult) -> io::Result<()>) -> io::Result<()> {
        let mut file = BufReader::new(File::open(self.dir.join(name))?);
        let mut line = Vec::new();
        let mut at = 0;
        for (offset, length) in self.done.found.values() {
            // Most lines are close to the one before: a relative seek keeps the buffer.
            file.seek_relative(*offset as i64 - at as i64)?;
            line.resize(*length as usize, 0);
            file.read_exact(&mut line)?;
            at = offset + u64::from(*length);
            let changed = |why: String| io::Error::other(format!("the file changed while it was read: {why}"));
            let text = core::str::from_utf8(&line).map_err(|e| changed(e.to_string()))?;
            f(&self.read(text).map_err(changed)?)?;
        }
        Ok(())
    }

    /// Writes a file under a temporary name and puts it in its place when it is whole.
    fn publish(
        &self,
        name: &str,
        write: impl FnOnce(&Self, &mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), FolderError> {
        publish(&self.dir, name, |out| write(self, out))
    }
}

/// Writes `dir/name` under a temporary name and puts it in its place when it is whole.
pub fn publish(
    dir: &Path,
    name: &str,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), FolderError> {
    let (path, temporary) = (dir.join(name), dir.join(format!(".{name}.partial")));
    let written = File::create(&temporary).and_then(|file| {
        let mut out = BufWriter::with_capacity(1 << 16, file);
        write(&mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    });
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    tell(written, &path, "write the file")?;
    tell(fs::rename(&temporary, &path), &path, "put the finished file in its place")
}
