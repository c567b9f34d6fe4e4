//! One program: started, told, listened to, and ended with all that it has started.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The longest line that a program may write, in bytes.
const LONGEST: u64 = 16 << 20;
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
    /// The last line of its standard error, and word that there will be no other.
    words: Arc<Mutex<String>>,
    silent: Receiver<()>,
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
        let words = Arc::new(Mutex::new(String::new()));
        let (kept, (ends, silent)) = (words.clone(), channel());
        mover(move || {
            each_line(stderr, |line| {
                if let (false, Ok(mut last)) = (line.is_empty(), kept.lock()) {
                    *last = line;
                }
                true
            });
            let _ = ends.send(());
        });
        Ok(Self { child, to: Some(to), from, words, silent })
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
                self.end();
                Err(format!(
                    "the program has not said `done` within {patience:?}: it hangs{}",
                    self.last_words(patience)
                ))
            }
            Err(RecvTimeoutError::Disconnected) => {
                // It has closed its output. If it has ended, its standard error ends, too.
                self.to = None;
                let words = self.last_words(patience);
                let how = match self.ended(patience) {
                    Some(status) => format!("ended by itself ({status})"),
                    None => "closed its standard output".to_owned(),
                };
                self.end();
                Err(format!("the program {how}{words}"))
            }
        }
    }

    /// What it said to people last, once it says nothing any more.
    fn last_words(&mut self, patience: Duration) -> String {
        let _ = self.silent.recv_timeout(patience);
        let words = self.words.lock().map(|words| words.clone()).unwrap_or_default();
        if words.is_empty() { String::new() } else { format!("; its last words: {words}") }
    }

    /// How it has ended, if it does within its time.
    fn ended(&mut self, patience: Duration) -> Option<ExitStatus> {
        const STEP: Duration = Duration::from_millis(5);
        // Nobody ever says anything here: what is waited for is the time.
        let (_mute, time) = channel::<()>();
        (0..=patience.as_millis() / STEP.as_millis()).find_map(|_| match self.child.try_wait() {
            Ok(None) => time.recv_timeout(STEP).ok().and(None),
            ended => ended.ok().flatten(),
        })
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
