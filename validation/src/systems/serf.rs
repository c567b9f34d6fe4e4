//! Serf: agents that gossip, and find out by SWIM who is gone.

use super::{Kind, Setting, System};
use crate::place::{Hosts, wait, words};
use crate::plan::Plan;
use crate::process::Process;
use crate::stage::{Stage, Trial, millis};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What there is to know of it.
pub const KIND: Kind = Kind {
    name: "serf",
    title: "Serf",
    programs: &[("serf", "serf")],
    version: &["serf", "version"],
    root: false,
    nodes: (10, (3, 60)),
    targets: &["agent"],
    // Of its timing nothing can be set but the profile, which is that for a LAN.
    settings: &[("join-wait", Setting::Time(3000))],
    figures: &[
        ("-first", "until the first of the others says that it has failed"),
        ("-last", "until the last of the others says that it has failed"),
    ],
    start,
};

struct Serf {
    hosts: Hosts,
    folder: PathBuf,
    agents: Vec<Process>,
    /// How long members have to find each other before something goes wrong.
    wait: Duration,
    trials: usize,
}

fn start(plan: &Plan, hosts: Hosts, folder: &Path) -> Result<Box<dyn System>, String> {
    let wait = Duration::from_millis(plan.settings["join-wait"]);
    let mut serf = Serf { hosts, folder: folder.to_owned(), agents: Vec::new(), wait, trials: 0 };
    for number in 0..plan.nodes {
        let agent = serf.start(number)?;
        serf.agents.push(agent);
    }
    Ok(Box::new(serf))
}

impl Serf {
    fn log(&self, number: usize) -> PathBuf {
        self.folder.join(format!("n{}.log", number + 1))
    }

    /// How many members an agent holds for alive.
    fn alive(&self, number: usize) -> usize {
        let address = format!("-rpc-addr={}:7373", self.hosts.address(number));
        let ask = ["serf", "members", "-status=alive", &address].map(str::to_owned);
        let ask = self.hosts.command(number, &ask);
        let said = std::process::Command::new(&ask[0]).args(&ask[1..]).output();
        said.map_or(0, |said| String::from_utf8_lossy(&said.stdout).lines().count())
    }
}

/// Whether one of these lines of an agent's log says, to its handlers, that a member has failed.
fn says_failed(log: &str) -> bool {
    log.lines().any(|line| line.contains("agent: Received event: member-failed"))
}

impl System for Serf {
    fn ready(&mut self) -> Result<(), String> {
        let all = self.agents.len();
        let known = |serf: &Self| (0..all).all(|number| serf.alive(number) == all).then_some(());
        wait(Duration::from_secs(60), "agents that know each other", || known(self)).or_else(|waited| {
            self.agents.iter_mut().try_for_each(Process::check)?;
            Err(waited)
        })?;
        std::thread::sleep(self.wait);
        Ok(())
    }

    /// Each in turn.
    fn find(&mut self, _target: &str) -> Result<usize, String> {
        self.trials += 1;
        Ok(self.trials % self.agents.len())
    }

    fn process(&mut self, member: usize) -> &mut Process {
        &mut self.agents[member]
    }

    fn start(&self, number: usize) -> Result<Process, String> {
        let (name, address) = (format!("n{}", number + 1), self.hosts.address(number));
        let mut command = words(&format!("serf agent -node={name} -bind={address}:7946 -rpc-addr={address}:7373"));
        // Whoever comes back asks somebody else than itself to let it in.
        let other = self.hosts.address(usize::from(number == 0));
        command.extend(words(&format!("-retry-join={other}:7946 -retry-interval=1s")));
        Process::start(&name, &self.hosts.command(number, &command), &self.log(number))
    }

    fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    fn trial(&mut self, stage: &mut Stage<'_>) -> Result<Trial, String> {
        let victim = self.find(stage.target())?;
        let began = stage.begin();
        let fail = |error: std::io::Error| format!("a log: {error}");
        let mut logs = Vec::new();
        for number in (0..self.agents.len()).filter(|number| *number != victim) {
            let mut log = File::open(self.log(number)).map_err(fail)?;
            log.seek(SeekFrom::End(0)).map_err(fail)?;
            logs.push((log, String::new(), None));
        }
        let (first, told) = stage.run(self, victim, |first| {
            for (log, text, told) in logs.iter_mut().filter(|(.., told)| told.is_none()) {
                let mut more = Vec::new();
                let _ = log.read_to_end(&mut more);
                text.push_str(&String::from_utf8_lossy(&more));
                if says_failed(text) {
                    *told = Some(began.elapsed() - first);
                }
            }
            logs.iter().map(|(.., told)| *told).collect::<Option<Vec<Duration>>>()
        })?;
        debug_assert!(first <= began.elapsed());
        let ends = [told.iter().min(), told.iter().max()];
        stage.mend(self, victim)?;
        Ok(Trial { figures: ends.into_iter().flatten().copied().map(millis).collect(), ..Trial::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_agents_say_is_read() {
        let log = "    2026/12/01 03:00:00 [INFO] serf: EventMemberFailed: n2 127.0.0.2\n";
        assert!(!says_failed(log), "it holds its news back for a second");
        assert!(says_failed(&format!("{log}    2026/12/01 03:00:01 [INFO] agent: Received event: member-failed\n")));
    }
}
