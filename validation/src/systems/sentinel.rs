//! Redis with Sentinels: one primary, replicas, and arbiters that agree that it is gone.
//!
//! A trial begins with a cluster of its own: Sentinel tries no second fail-over within twice the fail-over's time-out.

use super::redis::{self, PATIENCE, Server};
use super::{Kind, Setting, System};
use crate::place::{Hosts, wait, words};
use crate::plan::Plan;
use crate::probe::Ask;
use crate::process::Process;
use crate::wire::resp::{Answer, Client};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What there is to know of it.
pub const KIND: Kind = Kind {
    name: "sentinel",
    title: "Redis Sentinel",
    programs: &[("redis-server", "redis-server"), ("redis-sentinel", "redis-sentinel")],
    version: &["redis-server", "--version"],
    root: false,
    nodes: (3, (2, 9)),
    targets: &["primary", "replica", "sentinel"],
    settings: &[
        ("sentinels", Setting::Count(3)),
        ("down-after-milliseconds", Setting::Time(30_000)),
        ("failover-timeout", Setting::Time(180_000)),
    ],
    figures: &[("", "until a write that was asked after the fault has succeeded at the primary whom a Sentinel names")],
    start,
};

const PORT: u16 = 26379;

struct Sentinel {
    hosts: Hosts,
    folder: PathBuf,
    nodes: usize,
    sentinels: usize,
    /// What each Sentinel is told beside its address.
    config: String,
    servers: Vec<Server>,
    arbiters: Vec<Process>,
    /// A primary has been lost: the next trial gets a new cluster.
    used: bool,
    /// Numbers of writes that the primary has acknowledged.
    acknowledged: Arc<Mutex<Vec<u64>>>,
}

fn start(plan: &Plan, hosts: Hosts, folder: &Path) -> Result<Box<dyn System>, String> {
    let sentinels = plan.settings["sentinels"] as usize;
    if sentinels == 0 || sentinels > plan.nodes {
        return Err(format!("{sentinels} sentinels: there is one a host, so 1 to {}", plan.nodes));
    }
    let mut config = format!("sentinel monitor m {} {} {}\n", hosts.address(0), redis::PORT, sentinels / 2 + 1);
    for (name, _) in &KIND.settings[1..] {
        config.push_str(&format!("sentinel {name} m {}\n", plan.settings[name]));
    }
    let mut system = Sentinel {
        hosts,
        folder: folder.to_owned(),
        nodes: plan.nodes,
        sentinels,
        config,
        servers: Vec::new(),
        arbiters: Vec::new(),
        used: false,
        acknowledged: Arc::default(),
    };
    system.begin()?;
    Ok(Box::new(system))
}

impl Sentinel {
    /// A new cluster.
    fn begin(&mut self) -> Result<(), String> {
        self.arbiters.clear();
        self.servers.clear();
        for number in 0..self.nodes {
            let mut more = Vec::new();
            if number > 0 {
                more = words(&format!("--replicaof {} {}", self.hosts.address(0), redis::PORT));
            }
            self.servers.push(Server::start(&self.hosts, number, &self.folder, &more)?);
        }
        for number in 0..self.sentinels {
            let name = format!("sentinel-{}", number + 1);
            let own = self.folder.join(&name);
            let file = own.join("sentinel.conf");
            let address = self.hosts.address(number);
            let text = format!(
                "port {PORT}\nprotected-mode no\nbind {address}\nbind-source-addr {address}\ndir {}\n{}",
                own.display(),
                self.config
            );
            let _ = fs::remove_dir_all(&own);
            let written = fs::create_dir_all(&own).and_then(|()| fs::write(&file, text));
            written.map_err(|error| format!("{}: {error}", file.display()))?;
            let command = words(&format!("redis-sentinel {}", file.display()));
            let log = self.folder.join(format!("{name}.log"));
            self.arbiters.push(Process::start(&name, &self.hosts.command(number, &command), &log)?);
        }
        self.used = false;
        Ok(())
    }

    /// Whether an arbiter knows all replicas and all other arbiters.
    fn knows_all(&self, number: usize) -> bool {
        let mut client = Client::new(&format!("{}:{PORT}", self.hosts.address(number)));
        let Ok(Answer::List(said)) = client.ask(&["sentinel", "master", "m"], PATIENCE) else { return false };
        let value = |key: &str| {
            let at = said.chunks(2).find(|pair| pair[0].text() == Some(key))?;
            at.get(1)?.text()?.parse::<usize>().ok()
        };
        value("num-slaves") == Some(self.nodes - 1) && value("num-other-sentinels") == Some(self.sentinels - 1)
    }

    /// A client as clients of Sentinel are: it asks an arbiter who the primary is, and writes there.
    fn asker(&self, arbiter: usize) -> Ask {
        let mut told = Client::new(&format!("{}:{PORT}", self.hosts.address(arbiter)));
        let mut primary: Option<(String, Client)> = None;
        Box::new(move |timeout| {
            let began = Instant::now();
            let answer = told.ask(&["sentinel", "get-master-addr-by-name", "m"], timeout);
            let Ok(Answer::List(pair)) = answer else { return false };
            let [Some(host), Some(port)] = [0, 1].map(|at| pair.get(at).and_then(Answer::text)) else { return false };
            let address = format!("{host}:{port}");
            if primary.as_ref().is_none_or(|(known, _)| *known != address) {
                primary = Some((address.clone(), Client::new(&address)));
            }
            let left = timeout.saturating_sub(began.elapsed());
            primary.as_mut().is_some_and(|(_, client)| client.ok(&["set", "probe", "1"], left))
        })
    }

    /// Who says that it is the primary, of those that live.
    fn primary(&self) -> Option<usize> {
        (0..self.nodes).rev().find(|number| self.servers[*number].info("role").as_deref() == Some("master"))
    }
}

impl System for Sentinel {
    fn ready(&mut self) -> Result<(), String> {
        if self.used {
            self.begin()?;
        }
        let replicas = |system: &Self| system.servers[1..].iter().all(Server::follows);
        wait(Duration::from_secs(30), "replicas that follow", || replicas(self).then_some(()))?;
        let known = |system: &Self| (0..system.sentinels).all(|number| system.knows_all(number));
        wait(Duration::from_secs(30), "Sentinels that know each other", || known(self).then_some(())).or_else(
            |waited| {
                self.arbiters.iter_mut().try_for_each(Process::check)?;
                Err(waited)
            },
        )
    }

    fn find(&mut self, target: &str) -> Result<usize, String> {
        let primary = self.primary().ok_or("there is no primary")?;
        Ok(match target {
            "primary" => primary,
            "replica" => (primary + 1) % self.nodes,
            _ => self.nodes,
        })
    }

    fn process(&mut self, member: usize) -> &mut Process {
        if member < self.nodes { &mut self.servers[member].process } else { &mut self.arbiters[member - self.nodes] }
    }

    fn start(&self, member: usize) -> Result<Process, String> {
        if member >= self.nodes {
            return Err("a Sentinel is not started again".to_owned());
        }
        Ok(Server::start(&self.hosts, member, &self.folder, &[])?.process)
    }

    fn renew(&mut self, _member: usize) -> Result<(), String> {
        self.used = true;
        Ok(())
    }

    fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    fn asks(&mut self, _victim: usize, clients: usize) -> Vec<Ask> {
        (0..clients * self.sentinels).map(|number| self.asker(number % self.sentinels)).collect()
    }

    fn writer(&mut self, victim: usize) -> Option<Ask> {
        let mut client = Client::new(&self.servers.get(victim)?.address);
        self.acknowledged = Arc::default();
        let acknowledged = Arc::clone(&self.acknowledged);
        let mut number = 0;
        Some(Box::new(move |timeout| {
            number += 1;
            let said = client.ok(&["set", &format!("w:{number}"), "1"], timeout);
            if said {
                acknowledged.lock().unwrap_or_else(PoisonError::into_inner).push(number);
            }
            said
        }))
    }

    fn lost(&mut self) -> Result<Option<u64>, String> {
        let primary = self.primary().ok_or("there is no new primary")?;
        let acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let keys: Vec<String> = acknowledged.iter().map(|number| format!("w:{number}")).collect();
        let mut question = vec!["exists"];
        question.extend(keys.iter().map(String::as_str));
        match Client::new(&self.servers[primary].address).ask(&question, PATIENCE) {
            Ok(Answer::Number(there)) => Ok(Some(keys.len() as u64 - there as u64)),
            _ if keys.is_empty() => Ok(Some(0)),
            other => Err(format!("the new primary says {other:?}")),
        }
    }
}
