//! What the command-line tests share: the binary, the repository, scratch folders.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod browser;
pub mod pages;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the crate lies in the repository")
}

/// What a command did.
pub struct Ran {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// The binary, in the repository's root: the one these tests were built with, or another build of it.
pub fn command(args: &[&str]) -> Command {
    let built = env!("CARGO_BIN_EXE_splitbrain").into();
    let mut command = Command::new(std::env::var_os("SPLITBRAIN_BINARY").unwrap_or(built));
    command.args(args).current_dir(root()).env("NO_COLOR", "1").env_remove("COLUMNS");
    command
}

/// What a command did, when it has ended.
pub fn ended(out: Output) -> Ran {
    Ran {
        status: out.status,
        stdout: String::from_utf8(out.stdout).expect("UTF-8"),
        stderr: String::from_utf8(out.stderr).expect("UTF-8"),
    }
}

/// Runs the binary in the repository's root.
pub fn splitbrain(args: &[&str]) -> Ran {
    ended(command(args).output().expect("the binary runs"))
}

/// Runs it on a terminal of so many columns, as far as a pipe can be one.
pub fn in_columns(columns: usize, args: &[&str]) -> Ran {
    ended(command(args).env("COLUMNS", columns.to_string()).output().expect("the binary runs"))
}

/// Runs it with this on its standard input.
pub fn piped(text: &str, args: &[&str]) -> Ran {
    let mut child = command(args);
    let child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("the binary runs");
    // A command that does not want it all closes the pipe, which is no trouble of this side.
    let _ = child.stdin.take().expect("a pipe").write_all(text.as_bytes());
    ended(child.wait_with_output().expect("it ends"))
}

/// A folder that goes away with the value.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("splitbrain-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a temporary folder");
        Self(dir)
    }
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
