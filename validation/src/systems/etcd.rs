//! etcd: members that agree by Raft; asked over the JSON gateway that each of them has.

use super::{Kind, Setting, System};
use crate::place::{Hosts, wait};
use crate::plan::Plan;
use crate::probe::Ask;
use crate::process::Process;
use crate::wire::http;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What there is to know of it.
pub const KIND: Kind = Kind {
    name: "etcd",
    title: "etcd",
    programs: &[("etcd", "etcd-server")],
    version: &["etcd", "--version"],
    root: false,
    nodes: (3, (1, 9)),
    targets: &["leader", "follower"],
    settings: &[("heartbeat-interval", Setting::Time(100)), ("election-timeout", Setting::Time(1000))],
    figures: &[("", "until a put that was asked after the fault has succeeded")],
    start,
};

/// How long an answer may take while nothing is wrong.
const PATIENCE: Duration = Duration::from_secs(2);
/// `probe` is set to `1`, in base 64.
const PUT: &str = r#"{"key":"cHJvYmU=","value":"MQ=="}"#;

struct Etcd {
    hosts: Hosts,
    folder: PathBuf,
    /// What is the same for all members.
    common: Vec<String>,
    members: Vec<Process>,
}

fn start(plan: &Plan, hosts: Hosts, folder: &Path) -> Result<Box<dyn System>, String> {
    let peers: Vec<String> =
        (0..plan.nodes).map(|member| format!("n{}=http://{}:2380", member + 1, hosts.address(member))).collect();
    let mut common = vec![format!("--initial-cluster={}", peers.join(","))];
    common.extend(KIND.settings.iter().map(|(name, _)| format!("--{name}={}", plan.settings[name])));
    common.extend(["--initial-cluster-state=new", "--logger=zap", "--log-level=error"].map(str::to_owned));
    let mut etcd = Etcd { hosts, folder: folder.to_owned(), common, members: Vec::new() };
    for member in 0..plan.nodes {
        let process = etcd.start(member)?;
        etcd.members.push(process);
    }
    Ok(Box::new(etcd))
}

impl Etcd {
    fn client(&self, member: usize) -> String {
        format!("{}:2379", self.hosts.address(member))
    }

    /// What a member says of itself: its number, and whom it takes for the leader.
    fn status(&self, member: usize) -> Option<(String, String)> {
        let (code, body) = http::ask(&self.client(member), "/v3/maintenance/status", Some("{}"), PATIENCE).ok()?;
        let said: serde_json::Value = serde_json::from_str(&body).ok().filter(|_| code == 200)?;
        let own = said["header"]["member_id"].as_str()?.to_owned();
        Some((own, said["leader"].as_str()?.to_owned()))
    }

    fn leader(&self) -> Option<usize> {
        let said: Option<Vec<_>> = (0..self.members.len()).map(|member| self.status(member)).collect();
        let said = said?;
        let agreed = said.iter().all(|(_, leader)| *leader == said[0].1);
        said.iter().position(|(own, leader)| own == leader).filter(|_| agreed)
    }
}

fn put(address: &str, timeout: Duration) -> bool {
    http::ask(address, "/v3/kv/put", Some(PUT), timeout).is_ok_and(|(code, _)| code == 200)
}

impl System for Etcd {
    fn ready(&mut self) -> Result<(), String> {
        wait(Duration::from_secs(30), "a leader whom all members know", || self.leader()).or_else(|waited| {
            self.members.iter_mut().try_for_each(Process::check)?;
            Err(waited)
        })?;
        let all = || (0..self.members.len()).all(|member| put(&self.client(member), PATIENCE)).then_some(());
        wait(Duration::from_secs(30), "a put at every member", all)
    }

    fn find(&mut self, target: &str) -> Result<usize, String> {
        let leader = self.leader().ok_or("there is no leader")?;
        Ok(if target == "leader" { leader } else { (leader + 1) % self.members.len() })
    }

    fn process(&mut self, member: usize) -> &mut Process {
        &mut self.members[member]
    }

    fn start(&self, member: usize) -> Result<Process, String> {
        let (name, address) = (format!("n{}", member + 1), self.hosts.address(member));
        let mut command = vec!["etcd".to_owned(), format!("--name={name}")];
        command.push(format!("--data-dir={}", self.folder.join(&name).display()));
        for (what, port) in [("peer", 2380), ("client", 2379)] {
            let url = format!("http://{address}:{port}");
            let advertised = if what == "peer" { "initial-advertise-peer-urls" } else { "advertise-client-urls" };
            command.extend([format!("--listen-{what}-urls={url}"), format!("--{advertised}={url}")]);
        }
        command.extend(self.common.iter().cloned());
        Process::start(&name, &self.hosts.command(member, &command), &self.folder.join(format!("{name}.log")))
    }

    fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    fn asks(&mut self, victim: usize, clients: usize) -> Vec<Ask> {
        let live = (0..self.members.len()).filter(|member| *member != victim).map(|member| self.client(member));
        let live: Vec<String> = live.collect();
        // In turn, so that each member is asked evenly.
        let one = |number: usize| -> Ask {
            let address = live[number % live.len()].clone();
            Box::new(move |timeout| put(&address, timeout))
        };
        (0..clients * live.len()).map(one).collect()
    }
}
