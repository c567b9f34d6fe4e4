//! Servers of Redis, and Redis Cluster made of them: primaries that own slots, and a replica for each.

use super::{Kind, Setting, System};
use crate::place::{Hosts, wait, words};
use crate::plan::Plan;
use crate::probe::Ask;
use crate::process::Process;
use crate::wire::resp::{Answer, Client};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What there is to know of Redis Cluster.
pub const CLUSTER: Kind = Kind {
    name: "redis-cluster",
    title: "Redis Cluster",
    programs: &[("redis-server", "redis-server")],
    version: &["redis-server", "--version"],
    root: false,
    nodes: (6, (6, 18)),
    targets: &["primary", "replica"],
    settings: &[("cluster-node-timeout", Setting::Time(15_000))],
    figures: &[("", "until a write to its slots, asked after the fault, has succeeded at its replica")],
    start,
};

/// Where clients ask.
pub const PORT: u16 = 6379;
/// How long an answer may take while nothing is wrong.
pub const PATIENCE: Duration = Duration::from_secs(2);
const SLOTS: usize = 16_384;

/// One server.
pub struct Server {
    /// Its process.
    pub process: Process,
    /// Where it is asked.
    pub address: String,
}

impl Server {
    /// Starts one that keeps its data in memory alone; what it knew is forgotten, but for its place in a cluster.
    ///
    /// # Errors
    /// It can not be started.
    pub fn start(hosts: &Hosts, number: usize, folder: &Path, more: &[String]) -> Result<Self, String> {
        let name = format!("n{}", number + 1);
        let (own, address) = (folder.join(&name), hosts.address(number));
        fs::create_dir_all(&own).map_err(|error| format!("{}: {error}", own.display()))?;
        // Its peers know it by where it connects from; to Redis, 127.0.0.1 alone is not a stranger.
        let line = format!(
            "redis-server --port {PORT} --bind {address} --bind-source-addr {address} --protected-mode no \
             --appendonly no --dir {}",
            own.display()
        );
        let mut command = words(&line);
        command.extend(["--save".to_owned(), String::new()]);
        command.extend(more.iter().cloned());
        let log = folder.join(format!("{name}.log"));
        let process = Process::start(&name, &hosts.command(number, &command), &log)?;
        Ok(Self { process, address: format!("{address}:{PORT}") })
    }

    /// A line of `INFO`.
    pub fn info(&self, key: &str) -> Option<String> {
        let answer = Client::new(&self.address).ask(&["info", "replication"], PATIENCE).ok()?;
        let line = answer.text()?.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.map(|value| value.trim().to_owned())
    }

    /// Whether it is a replica that has all and gets more.
    pub fn follows(&self) -> bool {
        self.info("master_link_status").as_deref() == Some("up")
    }

    /// Who sets `key` here, again and again.
    pub fn setter(&self, key: String) -> Ask {
        let mut client = Client::new(&self.address);
        Box::new(move |timeout| client.ok(&["set", &key, "1"], timeout))
    }
}

struct Cluster {
    hosts: Hosts,
    folder: PathBuf,
    more: Vec<String>,
    servers: Vec<Server>,
    /// Trials so far: each is about another key, and so about another primary.
    trials: usize,
}

/// A line of `CLUSTER NODES`.
#[derive(Debug, PartialEq)]
struct Line {
    id: String,
    address: String,
    flags: String,
    of: String,
    connected: bool,
}

fn lines(text: &str) -> Vec<Line> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let connected = words.get(7).copied() == Some("connected");
        let word = |at: usize| words.get(at).map(|word| (*word).to_owned());
        let address = word(1)?.split('@').next()?.to_owned();
        Some(Line { id: word(0)?, address, flags: word(2)?, of: word(3)?, connected })
    };
    text.lines().filter_map(line).collect()
}

fn start(plan: &Plan, hosts: Hosts, folder: &Path) -> Result<Box<dyn System>, String> {
    if !plan.nodes.is_multiple_of(2) {
        return Err(format!("{} nodes: each primary has one replica, so their number is even", plan.nodes));
    }
    let mut more = words("--cluster-enabled yes --cluster-config-file nodes.conf --cluster-node-timeout");
    more.push(plan.settings["cluster-node-timeout"].to_string());
    let mut cluster = Cluster { hosts, folder: folder.to_owned(), more, servers: Vec::new(), trials: 0 };
    for number in 0..plan.nodes {
        cluster.servers.push(Server::start(&cluster.hosts, number, folder, &cluster.more)?);
    }
    cluster.form()?;
    Ok(Box::new(cluster))
}

impl Cluster {
    fn ask(&self, number: usize, words: &[&str]) -> Result<Answer, String> {
        let answer = Client::new(&self.servers[number].address).ask(words, PATIENCE);
        match answer.map_err(|error| format!("n{}: {error}", number + 1))? {
            Answer::Error(said) => Err(format!("n{}: {}: {said}", number + 1, words.join(" "))),
            answer => Ok(answer),
        }
    }

    /// Makes a cluster of servers that do not know each other.
    fn form(&self) -> Result<(), String> {
        let primaries = self.servers.len() / 2;
        let up = || (0..self.servers.len()).all(|number| self.ask(number, &["ping"]).is_ok()).then_some(());
        wait(Duration::from_secs(10), "servers that answer", up)?;
        for number in 0..self.servers.len() {
            self.ask(number, &["cluster", "set-config-epoch", &(number + 1).to_string()])?;
            if number > 0 {
                self.ask(number, &["cluster", "meet", &self.hosts.address(0), &PORT.to_string()])?;
            }
            if number < primaries {
                let (from, past) = (SLOTS * number / primaries, SLOTS * (number + 1) / primaries);
                self.ask(number, &["cluster", "addslotsrange", &from.to_string(), &(past - 1).to_string()])?;
            }
        }
        for number in primaries..self.servers.len() {
            let of = self.ask(number - primaries, &["cluster", "myid"])?;
            let of = of.text().unwrap_or_default().to_owned();
            // Refused until the two have met.
            let told = || self.ask(number, &["cluster", "replicate", &of]).ok();
            wait(Duration::from_secs(20), "a replica that knows its primary", told)?;
        }
        Ok(())
    }

    fn nodes(&self, number: usize) -> Option<Vec<Line>> {
        self.ask(number, &["cluster", "nodes"]).ok()?.text().map(lines)
    }

    /// Whether a member sees all others up, and half of them as replicas.
    fn sees_all(&self, number: usize) -> bool {
        let well = |line: &Line| {
            let wrong = ["fail", "handshake", "noaddr"].iter().any(|word| line.flags.contains(word));
            !wrong && (line.connected || line.flags.contains("myself"))
        };
        let Some(all) = self.nodes(number) else { return false };
        let replicas = all.iter().filter(|line| line.flags.contains("slave")).count();
        let state = self.ask(number, &["cluster", "info"]).ok();
        let serves = state.is_some_and(|said| said.text().is_some_and(|text| text.contains("cluster_state:ok")));
        all.len() == self.servers.len() && 2 * replicas == all.len() && all.iter().all(well) && serves
    }

    fn key(&self) -> String {
        format!("probe:{}", self.trials)
    }

    /// Who owns the slot of this trial's key.
    fn owner(&self) -> Option<usize> {
        let key = self.key();
        (0..self.servers.len())
            .find(|number| Client::new(&self.servers[*number].address).ok(&["set", &key, "1"], PATIENCE))
    }

    /// The replica of a primary.
    fn replica(&self, primary: usize) -> Option<usize> {
        let all = self.nodes(primary)?;
        let own = &all.iter().find(|line| line.flags.contains("myself"))?.id;
        let address = &all.iter().find(|line| line.of == *own)?.address;
        self.servers.iter().position(|server| server.address == *address)
    }
}

impl System for Cluster {
    fn ready(&mut self) -> Result<(), String> {
        self.trials += 1;
        let whole = |cluster: &Self| {
            let all = (0..cluster.servers.len()).all(|number| cluster.sees_all(number));
            let follow = cluster.servers.iter().filter(|server| server.follows()).count();
            (all && 2 * follow == cluster.servers.len()).then_some(())
        };
        wait(Duration::from_secs(60), "a cluster that is whole", || whole(self)).or_else(|waited| {
            self.servers.iter_mut().try_for_each(|server| server.process.check())?;
            Err(waited)
        })
    }

    fn find(&mut self, target: &str) -> Result<usize, String> {
        let owner = self.owner().ok_or("no primary owns the key")?;
        if target == "primary" { Ok(owner) } else { self.replica(owner).ok_or_else(|| "it has no replica".to_owned()) }
    }

    fn process(&mut self, member: usize) -> &mut Process {
        &mut self.servers[member].process
    }

    fn start(&self, member: usize) -> Result<Process, String> {
        Ok(Server::start(&self.hosts, member, &self.folder, &self.more)?.process)
    }

    fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    fn asks(&mut self, victim: usize, clients: usize) -> Vec<Ask> {
        // Only its own replica takes over its slots; if a replica is the victim, its primary serves on.
        let heir = self.replica(victim).or_else(|| self.owner());
        let server = heir.map(|heir| &self.servers[heir]);
        (0..clients).filter_map(|_| Some(server?.setter(self.key()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_cluster_nodes_are_read() {
        let text = "07c3 127.0.0.1:6379@16379,, myself,master - 0 1426238317239 4 connected 0-5460\n\
                    67ed 127.0.0.4:6379@16379 slave,fail 07c3 0 1426238316232 2 disconnected\n\n";
        let lines = lines(text);
        assert_eq!(lines.len(), 2);
        assert_eq!((&*lines[0].address, lines[0].connected), ("127.0.0.1:6379", true));
        assert_eq!((&*lines[1].of, &*lines[1].flags, lines[1].connected), ("07c3", "slave,fail", false));
    }
}
