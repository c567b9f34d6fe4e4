//! One program: started, told, listened to, and ended with all that it has started.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The longest line that a program may write, in bytes.
const LONGEST: u64 = 16 << 20;
/// Lines of its standard error that are kept.
const LAST_WORDS: usize = 5;

/// A thread that moves lines between a pipe and the run, which waits for them no longer than its patience. No run's
/// outcome depends on it.
#[expect(clippy::disallowed_methods, reason = "a pipe that nobody reads can not be waited for with a limit otherwise")]
fn mover(work: impl FnOnce() + Send + 'static) {
    std::thread::spawn(work);
}

/// Why a program can not be started, if that can be told before.
pub fn cannot_start(command: &[String]) -> Option<String> {
    let name = command.first()?;
    let runs = |path: &Path| path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    let path = PathBuf::from(name);
    if name.contains('/') {
        return match path.metadata() {
            Err(_) => Some(format!("there is no program {name:?}")),
            Ok(_) if runs(&path) => None,
            Ok(_) => Some(format!("{name:?} is no executable file")),
        };
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).any(|folder| runs(&folder.join(&path)));
    (!found).then(|| format!("there is no program {name:?} in PATH"))
}

/// A program that runs.
pub struct Program {
    child: Child,
    to: Option<Sender<String>>,
    from: Receiver<String>,
    words: Arc<Mutex<VecDeque<String>>>,
}

impl Program {
    /// Starts it, in an environment that is the same everywhere but for PATH.
    ///
    /// # Errors
    /// Why it can not be started.
    pub fn start(command: &[String]) -> Result<Self, String> {
        let Some((name, arguments)) = command.split_first() else { return Err("there is no program to start".into()) };
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut child = Command::new(name)
            .args(arguments)
            .env_clear()
            .env("PATH", path)
            .env("PYTHONHASHSEED", "0")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("LC_ALL", "C.UTF-8")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the program {name:?} can not be started: {error}"))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else { return Err("it has no streams".into()) };
        let (to, lines) = channel::<String>();
        mover(move || {
            for line in lines {
                // One that listens no more is found out by what it says.
                if stdin.write_all(line.as_bytes()).and_then(|()| stdin.flush()).is_err() {
                    return;
                }
            }
        });
        let (said, from) = channel();
        mover(move || each_line(stdout, |line| said.send(line).is_ok()));
        let words = Arc::new(Mutex::new(VecDeque::new()));
        let kept = words.clone();
        mover(move || {
            each_line(stderr, |line| {
                let Ok(mut words) = kept.lock() else { return false };
                words.push_back(line);
                if words.len() > LAST_WORDS {
                    words.pop_front();
                }
                true
            });
        });
        Ok(Self { child, to: Some(to), from, words })
    }

    /// Hands it a line.
    pub fn tell(&self, mut line: String) {
        line.push('\n');
        // One that listens no more is found out by what it says.
        let _ = self.to.as_ref().map(|to| to.send(line));
    }

    /// What it says next.
    ///
    /// # Errors
    /// That it says nothing in time, or has ended.
    pub fn hear(&mut self, patience: Duration) -> Result<String, String> {
        match self.from.recv_timeout(patience) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => {
                Err(format!("the program has not said `done` within {patience:?}: it hangs{}", self.last_words()))
            }
            Err(RecvTimeoutError::Disconnected) => {
                // It has closed its output; if it has not ended, it is ended.
                let how = match self.child.try_wait() {
                    Ok(None) => {
                        self.end();
                        "closed its standard output".to_owned()
                    }
                    Ok(Some(status)) => format!("ended by itself ({status})"),
                    Err(error) => format!("is gone ({error})"),
                };
                Err(format!("the program {how}{}", self.last_words()))
            }
        }
    }

    fn last_words(&self) -> String {
        let words = self.words.lock().map(|words| Vec::from(words.clone()).join(" | ")).unwrap_or_default();
        if words.is_empty() { String::new() } else { format!("; its last words: {words}") }
    }

    /// Ends it, and whatever it has started.
    fn end(&mut self) {
        self.to = None;
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}

/// Calls `each` with every line until it says that this is enough.
fn each_line(stream: impl Read, mut each: impl FnMut(String) -> bool) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        match stream.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
        while line.last().is_some_and(u8::is_ascii_whitespace) {
            line.pop();
        }
        if !each(String::from_utf8_lossy(&line).into_owned()) {
            return;
        }
    }
}
