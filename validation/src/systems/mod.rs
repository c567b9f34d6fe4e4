//! The real systems: how each is started, who is who in it, and how it is asked.

mod etcd;
mod haproxy;
mod redis;
mod sentinel;
mod serf;
mod slurm;
mod zookeeper;

use crate::place::Hosts;
use crate::plan::Plan;
use crate::probe::Ask;
use crate::process::Process;
use crate::stage::{self, Stage, Trial};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A setting and its default.
#[derive(Clone, Copy, Debug)]
pub enum Setting {
    /// Milliseconds.
    Time(u64),
    /// A number.
    Count(u64),
}

/// How a system is started.
type Start = fn(&Plan, Hosts, &Path) -> Result<Box<dyn System>, String>;

/// What there is to know of a system before it runs.
#[derive(Debug)]
pub struct Kind {
    /// As in `cargo run -- NAME`.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// What must be there, and Debian's package that brings it.
    pub programs: &'static [(&'static str, &'static str)],
    /// A command that says the version.
    pub version: &'static [&'static str],
    /// Whether only root may start it.
    pub root: bool,
    /// How many members without a word, and from how many to how many.
    pub nodes: (u64, (u64, u64)),
    /// Whom a fault may hit.
    pub targets: &'static [&'static str],
    /// What may be set, and the defaults.
    pub settings: &'static [(&'static str, Setting)],
    /// What a trial measures: the end of the name of its file, and words. The first is the plan's own.
    pub figures: &'static [(&'static str, &'static str)],
    /// Starts it.
    pub start: Start,
}

/// All of them, simplest first.
pub const KINDS: &[Kind] =
    &[sentinel::KIND, redis::CLUSTER, etcd::KIND, zookeeper::KIND, serf::KIND, haproxy::KIND, slurm::KIND];

/// A real system that runs.
pub trait System {
    /// Waits until all of it is up and serves.
    ///
    /// # Errors
    /// It does not come up; what it said.
    fn ready(&mut self) -> Result<(), String>;

    /// Which member is meant.
    ///
    /// # Errors
    /// Nobody has that role.
    fn find(&mut self, target: &str) -> Result<usize, String>;

    /// The process of a member.
    fn process(&mut self, member: usize) -> &mut Process;

    /// Starts the process of a member.
    ///
    /// # Errors
    /// It can not be started.
    fn start(&self, member: usize) -> Result<Process, String>;

    /// Starts a member again that was killed.
    ///
    /// # Errors
    /// It can not be started.
    fn restart(&mut self, member: usize) -> Result<(), String> {
        *self.process(member) = self.start(member)?;
        Ok(())
    }

    /// Makes the cluster whole once more after a trial that lost a member for good.
    ///
    /// # Errors
    /// It can not be started.
    fn renew(&mut self, member: usize) -> Result<(), String> {
        self.restart(member)
    }

    /// Where links are cut.
    fn hosts(&self) -> &Hosts;

    /// Who asks: so many clients of each member but `victim`. Nobody, where members themselves say what they know.
    fn asks(&mut self, _victim: usize, _clients: usize) -> Vec<Ask> {
        Vec::new()
    }

    /// Who writes to the victim as long as it lives, and keeps what was acknowledged; for systems that may lose it.
    fn writer(&mut self, _victim: usize) -> Option<Ask> {
        None
    }

    /// How many acknowledged writes are gone.
    ///
    /// # Errors
    /// Nobody can be asked.
    fn lost(&mut self) -> Result<Option<u64>, String> {
        Ok(None)
    }

    /// Makes one trial: the fault, and what was seen.
    ///
    /// # Errors
    /// It did not come to an end.
    fn trial(&mut self, stage: &mut Stage<'_>) -> Result<Trial, String> {
        stage::by_probes(self, stage, stage::first_success)
    }
}

/// Why this system can not be measured here; all that is missing.
pub fn missing(kind: &Kind) -> Vec<String> {
    let mut missing = Vec::new();
    for (program, package) in kind.programs {
        if !there(program) {
            missing.push(format!("{program} is not installed (apt-get install {package})"));
        }
    }
    if kind.root && !is_root() {
        missing.push("only root may start it".to_owned());
    }
    missing
}

/// Where a program or a file is.
fn there(program: &str) -> bool {
    if program.starts_with('/') {
        return Path::new(program).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let also = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(also).any(|folder| folder.join(program).is_file())
}

/// Whether root runs this.
pub fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// A system's version: that of Debian's package, or else what its program says. (Debian's `serf` says another.)
pub fn version(kind: &Kind) -> String {
    let said = |command: &[&str]| {
        let output = Command::new(command[0]).args(&command[1..]).output().ok();
        output
            .map_or_else(String::new, |said| String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned())
    };
    // The last is the system's own; what comes before is what it needs.
    let package = kind.programs.last().map_or("", |(_, package)| *package);
    let packed = said(&["dpkg-query", "-W", "-f=${Version}", package]);
    let packed = packed.split_once(':').map_or(&*packed, |(_, after)| after);
    let found = version_in(packed);
    if found == UNKNOWN { version_in(&said(kind.version)) } else { found }
}

const UNKNOWN: &str = "of unknown version";

fn version_in(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || "=,:".contains(c));
    let plain = words.map(|word| word.trim_start_matches('v'));
    let mut dotted = plain.filter(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'));
    let found = dotted.next().unwrap_or(UNKNOWN);
    found.split(['-', '~', '+']).next().unwrap_or(found).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        assert_eq!(version_in("etcd Version: 3.4.23\nGit SHA: Not provided"), "3.4.23");
        assert_eq!(version_in("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0"), "7.0.15");
        assert_eq!(version_in("Serf v0.9.4\nAgent Protocol: 5"), "0.9.4");
        assert_eq!(version_in("HAProxy version 2.6.12-1+deb12u4 2026/01/01"), "2.6.12");
        assert_eq!(version_in("0.9.4~ds1-1+b13"), "0.9.4");
        assert_eq!(version_in("dpkg-query: no packages found"), UNKNOWN);
    }

    #[test]
    fn what_is_not_installed_is_named_with_its_package() {
        let kind = Kind {
            programs: &[("there-is-no-such-program", "no-such-package"), ("sh", "dash"), ("/no/such.jar", "jar")],
            ..KINDS[0]
        };
        let missing = missing(&kind);
        assert_eq!(missing.len(), 2, "{missing:?}");
        assert!(missing[0].contains("apt-get install no-such-package") && missing[1].contains("/no/such.jar"));
    }
}
