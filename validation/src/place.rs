//! Where the real systems run: in namespaces of their own, or on the machine's loopback.
//!
//! In namespaces the tool starts itself once more under `unshare`: with a network in which nothing but its own
//! processes can be reached, and with process numbers of its own, so that the kernel ends all of them with the first.
//! Members share that network's loopback, or sit on hosts of their own behind a bridge, whose links can be cut.

use crate::plan::{Fault, Kind};
use crate::process::{self, Process};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How the tool that runs inside knows that it does: the folder that is its.
const INSIDE: &str = "SPLITBRAIN_VALIDATION_FOLDER";

/// The folder, if this is the tool inside of its namespaces.
pub fn inside() -> Option<PathBuf> {
    std::env::var_os(INSIDE).map(PathBuf::from)
}

/// What `unshare` is asked for, if the machine allows it: as root, or as anybody who may have a user namespace.
pub fn allowed() -> Result<Vec<&'static str>, String> {
    let plain = vec!["--net", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"];
    let mapped: Vec<_> = ["--user", "--map-root-user"].into_iter().chain(plain.iter().copied()).collect();
    let mut why = String::new();
    for flags in [plain, mapped] {
        let tried = Command::new("unshare").args(&flags).args(["ip", "link", "set", "lo", "up"]).output();
        match tried {
            Ok(output) if output.status.success() => return Ok(flags),
            Ok(output) => why = String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => why = format!("unshare: {error}"),
        }
    }
    Err(why)
}

/// Runs the tool once more, inside; what it ends with.
///
/// # Errors
/// It can not be started.
pub fn enter(flags: &[&str], folder: &Path) -> Result<ExitCode, String> {
    let fail = |error: std::io::Error| format!("unshare: {error}");
    let program = std::env::current_exe().map_err(fail)?;
    let mut command: Vec<String> = vec!["unshare".to_owned()];
    command.extend(flags.iter().map(|flag| (*flag).to_owned()));
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, folder)
        // Its end is how the tool inside learns that nobody waits for it any more.
        .stdin(Stdio::piped())
        .spawn()
        .map_err(fail)?;
    // `wait` would close it.
    let _stdin = child.stdin.take();
    let folder = folder.to_owned();
    let id = child.id();
    let interrupted = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&interrupted);
    let _ = ctrlc::set_handler(move || {
        told.store(true, Ordering::SeqCst);
        let _ = Command::new("kill").args(["-KILL", &id.to_string()]).status();
        stop(&folder);
    });
    let status = child.wait().map_err(fail)?;
    while interrupted.load(Ordering::SeqCst) {
        // Who was interrupted tidies up and ends the tool.
        std::thread::park();
    }
    Ok(ExitCode::from(match status.code() {
        Some(code @ 0..=100) => code as u8,
        // A panic, which has said what it is.
        Some(_) | None => 70,
    }))
}

/// Begins to watch, inside, for the end of whoever started it.
pub fn watch_parent(folder: &Path) {
    let folder = folder.to_owned();
    std::thread::spawn(move || {
        let mut nothing = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut nothing);
        stop(&folder);
    });
}

/// Begins to watch, without namespaces, for an interruption.
pub fn watch_interrupt(folder: &Path) {
    let folder = folder.to_owned();
    let _ = ctrlc::set_handler(move || {
        process::end_all();
        stop(&folder);
    });
}

fn stop(folder: &Path) {
    if inside().is_some() {
        process::end_all();
    }
    process::remove(folder);
    eprintln!("\nvalidation: interrupted; finished trials are kept only where all of a file were made");
    std::process::exit(130);
}

/// The machines that the members of a cluster think they are on.
pub struct Hosts {
    /// A process that holds the network of each, where each has its own.
    holders: Vec<Process>,
    count: usize,
}

impl Hosts {
    /// So many addresses of the loopback.
    pub const fn loopback(count: usize) -> Self {
        Self { holders: Vec::new(), count }
    }

    /// So many hosts, each with a network of its own, behind one bridge.
    ///
    /// # Errors
    /// What the machine does not allow.
    pub fn separate(count: usize, folder: &Path) -> Result<Self, String> {
        if inside().is_none() {
            return Err("hosts of their own need network namespaces, and these are not allowed here".to_owned());
        }
        let mut hosts = Self { holders: Vec::new(), count };
        for line in ["link add sb type bridge", "addr add 10.77.0.254/24 dev sb", "link set sb up"] {
            run(&words(&format!("ip {line}")))?;
        }
        for number in 0..count {
            let held = words("unshare --net sleep infinity");
            let holder =
                Process::start(&format!("the network of n{}", number + 1), &held, &folder.join("network.log"))?;
            let network = format!("/proc/{}/ns/net", holder.id());
            let own = std::fs::read_link("/proc/self/ns/net").map_err(|error| error.to_string())?;
            wait(Duration::from_secs(5), "a network of its own", || {
                std::fs::read_link(&network).is_ok_and(|link| link != own).then_some(())
            })?;
            let (id, address) = (holder.id(), address_of(number));
            hosts.holders.push(holder);
            run(&words(&format!("ip link add sb{number} type veth peer name eth0 netns {id}")))?;
            run(&words(&format!("ip link set sb{number} master sb up")))?;
            for line in [format!("addr add {address}/24 dev eth0"), "link set eth0 up".into(), "link set lo up".into()]
            {
                run(&hosts.command(number, &words(&format!("ip {line}"))))?;
            }
        }
        Ok(hosts)
    }

    /// The address of a member.
    pub fn address(&self, number: usize) -> String {
        assert!(number < self.count, "there are {} hosts", self.count);
        if self.holders.is_empty() { format!("127.0.0.{}", number + 1) } else { address_of(number) }
    }

    /// A command as it is run on a member's host.
    pub fn command(&self, number: usize, command: &[String]) -> Vec<String> {
        let Some(holder) = self.holders.get(number) else { return command.to_vec() };
        let enter = ["nsenter".to_owned(), format!("--net=/proc/{}/ns/net", holder.id()), "--".to_owned()];
        enter.into_iter().chain(command.iter().cloned()).collect()
    }

    /// Cuts a member off from all other members; clients still reach it, as in the simulator unless told otherwise.
    ///
    /// # Errors
    /// `nft` is not there, or not allowed.
    fn isolate(&self, number: usize) -> Result<(), String> {
        let others: Vec<String> = (0..self.count).filter(|other| *other != number).map(address_of).collect();
        let others = others.join(", ");
        let rules = format!(
            "table inet sb {{ chain to {{ type filter hook input priority 0; ip saddr {{ {others} }} drop; }}; \
             chain from {{ type filter hook output priority 0; ip daddr {{ {others} }} drop; }}; }}"
        );
        run(&self.command(number, &["nft".to_owned(), rules]))
    }

    /// Makes everything that a member sends later by this much.
    ///
    /// # Errors
    /// `tc` is not there, or the kernel has no `netem`.
    fn delay(&self, number: usize, by: Duration) -> Result<(), String> {
        let line = format!("tc qdisc add dev eth0 root netem delay {}us", by.as_micros());
        run(&self.command(number, &words(&line)))
    }

    /// Does to a member's link what a fault does to it; nothing for other faults.
    ///
    /// # Errors
    /// As [`Self::isolate`] and [`Self::delay`].
    pub fn bite(&self, number: usize, fault: &Fault) -> Result<(), String> {
        match fault.kind {
            Kind::Partition => self.isolate(number),
            Kind::Delay => self.delay(number, fault.by.unwrap_or_default()),
            Kind::Crash | Kind::Pause => Ok(()),
        }
    }

    /// Takes back what was done to a member's link.
    ///
    /// # Errors
    /// As it was done.
    pub fn heal(&self, number: usize, kind: Kind) -> Result<(), String> {
        match kind {
            Kind::Partition => run(&self.command(number, &words("nft delete table inet sb"))),
            Kind::Delay => run(&self.command(number, &words("tc qdisc del dev eth0 root"))),
            Kind::Crash | Kind::Pause => Ok(()),
        }
    }

    /// Whether a fault can be carried out here: does it to the first member's link, and takes it back.
    ///
    /// # Errors
    /// What the machine says.
    pub fn try_out(&self, fault: &Fault) -> Result<(), String> {
        self.bite(0, fault).and_then(|()| self.heal(0, fault.kind))
    }
}

fn address_of(number: usize) -> String {
    format!("10.77.0.{}", number + 1)
}

/// The words of a command without quotes.
pub fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// Runs a short command to its end.
///
/// # Errors
/// It is not there or ends with another code than 0: what it said.
pub fn run(command: &[String]) -> Result<(), String> {
    let output = Command::new(&command[0]).args(&command[1..]).stdin(Stdio::null()).output();
    let line = command.join(" ");
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{line}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("{line}: {error}")),
    }
}

/// Asks again and again until there is an answer.
///
/// # Errors
/// There was none in time: `what` was waited for.
pub fn wait<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> Result<T, String> {
    let began = std::time::Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Ok(answer);
        }
        if began.elapsed() > limit {
            return Err(format!("{what}: not within {} s", limit.as_secs_f64()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_addresses_are_different_and_commands_are_left_alone() {
        let hosts = Hosts::loopback(3);
        assert_eq!((hosts.address(0), hosts.address(2)), ("127.0.0.1".to_owned(), "127.0.0.3".to_owned()));
        assert_eq!(hosts.command(1, &words("etcd --name m1")), ["etcd", "--name", "m1"]);
    }

    #[test]
    fn commands_that_fail_say_what_they_said() {
        assert_eq!(run(&words("true")), Ok(()));
        let said = run(&words("ls /there/is/no/such/folder")).expect_err("it fails");
        assert!(said.contains("ls /there/is/no/such/folder: "), "{said}");
        assert!(run(&words("there-is-no-such-program")).is_err());
        assert!(
            wait::<()>(Duration::from_millis(30), "a miracle", || None).is_err_and(|said| said.contains("a miracle"))
        );
    }
}
