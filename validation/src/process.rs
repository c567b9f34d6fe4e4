//! A process of a real system: in a group of its own, and gone with whoever started it.
//!
//! However the tool ends, nothing goes on: a group is killed when its [`Process`] is dropped (an error, a panic), when
//! the tool is interrupted ([`end_all`]), and by the kernel when the tool itself is killed (`setpriv --pdeathsig`).

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// The groups that live.
static GROUPS: Mutex<Vec<u32>> = Mutex::new(Vec::new());

fn groups() -> std::sync::MutexGuard<'static, Vec<u32>> {
    // A list of numbers is whole whatever happened to whoever held it.
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends a signal to a whole group, whether it is there or not.
fn signal(name: &str, group: u32) {
    let group = format!("-{group}");
    let _ = Command::new("kill").args([name, "--", &group]).stderr(Stdio::null()).status();
}

/// Kills every group that lives. Nothing can be started after this.
pub fn end_all() {
    let groups = groups();
    for group in groups.iter() {
        signal("-KILL", *group);
    }
    // Nobody begins or ends one any more: the list stays locked.
    std::mem::forget(groups);
}

/// One process and all that it has started.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; what it says goes to `log`.
    ///
    /// # Errors
    /// It can not be started, or the file not be written.
    pub fn start(name: &str, command: &[String], log: &Path) -> Result<Self, String> {
        let fail = |error: io::Error| format!("{name} can not be started ({}): {error}", command.join(" "));
        let to = File::options().create(true).append(true).open(log).map_err(fail)?;
        let mut groups = groups();
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .args(command)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(to.try_clone().map_err(fail)?)
            .stderr(to)
            .spawn()
            .map_err(fail)?;
        groups.push(child.id());
        Ok(Self { name: name.to_owned(), child, log: log.to_owned() })
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it and all that it has started, with no chance to say farewell.
    pub fn kill(&mut self) {
        // The first of the group at once: a command to kill the rest takes a millisecond to start.
        let _ = self.child.kill();
        signal("-KILL", self.child.id());
        let _ = self.child.wait();
        groups().retain(|group| *group != self.child.id());
    }

    /// Stops it where it stands (SIGSTOP).
    pub fn pause(&self) {
        signal("-STOP", self.child.id());
    }

    /// Lets it go on.
    pub fn resume(&self) {
        signal("-CONT", self.child.id());
    }

    /// Its last words, if it has ended by itself.
    ///
    /// # Errors
    /// It has: what it said last.
    pub fn check(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(format!("{} has ended by itself ({status}): {}", self.name, last_words(&self.log))),
            Err(error) => Err(format!("{}: {error}", self.name)),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The last line of a log.
fn last_words(log: &Path) -> String {
    let mut text = Vec::new();
    let read = File::open(log).and_then(|mut file| file.read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty());
    match (read, last) {
        (Ok(_), Some(line)) => line.to_owned(),
        _ => "it has said nothing".to_owned(),
    }
}

/// A folder under a name of its own, removed with all that is in it.
pub struct Folder(PathBuf);

impl Folder {
    /// A new one, below the folder for temporary files.
    ///
    /// # Errors
    /// It can not be made.
    pub fn new() -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("splitbrain-validation-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Removes a folder into which somebody who has just been killed may still write.
pub fn remove(path: &Path) {
    for _ in 0..100 {
        if fs::remove_dir_all(path).is_ok() || !path.exists() {
            return;
        }
    }
    eprintln!("validation: {} could not be removed", path.display());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn lives(id: u32) -> bool {
        // A zombie has a folder, and no command line.
        fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|line| !line.is_empty())
    }

    fn wait(what: impl Fn() -> bool) -> bool {
        let began = Instant::now();
        while !what() && began.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(5));
        }
        what()
    }

    /// A shell that has started another process, whose number it writes down.
    fn family(folder: &Path) -> (Process, u32) {
        let file = folder.join("child");
        let script = format!("sleep 600 & echo $! > {0}.part; mv {0}.part {0}; wait", file.display());
        let command = ["sh".to_owned(), "-c".to_owned(), script];
        let process = Process::start("family", &command, &folder.join("log")).expect("a shell");
        assert!(wait(|| file.exists()));
        let child = fs::read_to_string(file).expect("a number").trim().parse().expect("a number");
        (process, child)
    }

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("splitbrain-validation-test-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        path
    }

    #[test]
    fn a_group_is_gone_when_it_is_dropped_and_after_a_panic() {
        let folder = folder("dropped");
        let (process, child) = family(&folder);
        let id = process.id();
        assert!(lives(id) && lives(child));
        drop(process);
        assert!(wait(|| !lives(id) && !lives(child)), "dropped");

        fs::remove_file(folder.join("child")).expect("removed");
        let inner = folder.clone();
        let ids = Mutex::new((0, 0));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let (process, child) = family(&inner);
            *ids.lock().expect("unlocked") = (process.id(), child);
            panic!("as a bug would");
        }));
        assert!(panicked.is_err());
        let (id, child) = *ids.lock().expect("unlocked");
        assert!(id > 0 && wait(|| !lives(id) && !lives(child)), "panicked");
        remove(&folder);
        assert!(!folder.exists());
    }

    #[test]
    fn who_ends_by_itself_is_quoted() {
        let folder = folder("quoted");
        let command = ["sh".to_owned(), "-c".to_owned(), "echo no such port >&2; exit 7".to_owned()];
        let mut process = Process::start("n1", &command, &folder.join("log")).expect("a shell");
        let began = Instant::now();
        while process.check().is_ok() && began.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let said = process.check().expect_err("it has ended");
        assert!(said.contains("n1") && said.contains("no such port") && said.contains('7'), "{said}");
        remove(&folder);
    }

    #[test]
    fn paused_is_stopped_and_goes_on() {
        let folder = folder("paused");
        let process =
            Process::start("n1", &["sleep".to_owned(), "600".to_owned()], &folder.join("log")).expect("sleep");
        let state = || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", process.id())).expect("it lives");
            stat.rsplit_once(") ").expect("a name").1.chars().next()
        };
        assert!(wait(
            || fs::read(format!("/proc/{}/cmdline", process.id())).is_ok_and(|line| line.starts_with(b"sleep"))
        ));
        process.pause();
        assert!(wait(|| state() == Some('T')));
        process.resume();
        assert!(wait(|| state() == Some('S')));
        drop(process);
        remove(&folder);
    }
}
