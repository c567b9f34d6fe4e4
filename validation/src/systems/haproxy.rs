//! HAProxy before servers that are HAProxies themselves, which answer every request alone.

use super::{Kind, Setting, System};
use crate::place::{Hosts, wait, words};
use crate::plan::Plan;
use crate::probe::Ask;
use crate::process::Process;
use crate::stage::{self, Stage, Trial};
use crate::wire::http;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What there is to know of it.
pub const KIND: Kind = Kind {
    name: "haproxy",
    title: "HAProxy",
    programs: &[("haproxy", "haproxy")],
    version: &["haproxy", "-v"],
    root: false,
    nodes: (3, (1, 20)),
    targets: &["server"],
    settings: &[
        ("inter", Setting::Time(2000)),
        ("fall", Setting::Count(3)),
        ("rise", Setting::Count(2)),
        ("retries", Setting::Count(3)),
        ("redispatch", Setting::Count(0)),
        ("timeout-connect", Setting::Time(5000)),
    ],
    figures: &[("", "until no request fails or waits for the dead server any more")],
    start,
};

const PORT: u16 = 8080;
const SERVER: u16 = 8081;
/// How long an answer may take while nothing is wrong.
const PATIENCE: Duration = Duration::from_secs(2);

struct HaProxy {
    hosts: Hosts,
    folder: PathBuf,
    servers: Vec<Process>,
    proxy: Process,
    trials: usize,
}

fn start(plan: &Plan, hosts: Hosts, folder: &Path) -> Result<Box<dyn System>, String> {
    let of = |name: &str| plan.settings[name];
    let mut config = format!(
        "defaults\n  mode http\n  timeout client 60s\n  timeout server 60s\n  timeout connect {}ms\n  retries {}\n",
        of("timeout-connect"),
        of("retries")
    );
    if of("redispatch") > 0 {
        config.push_str(&format!("  option redispatch {}\n", of("redispatch")));
    }
    config.push_str(&format!("listen all\n  bind {}:{PORT}\n", hosts.address(0)));
    let checks = format!("check inter {}ms fall {} rise {}", of("inter"), of("fall"), of("rise"));
    for number in 0..plan.nodes {
        config.push_str(&format!("  server n{} {}:{SERVER} {checks}\n", number + 1, hosts.address(number)));
    }
    let servers = (0..plan.nodes).map(|number| server(&hosts, folder, number)).collect::<Result<_, _>>()?;
    let proxy = process("proxy", &config, &hosts, 0, folder)?;
    Ok(Box::new(HaProxy { hosts, folder: folder.to_owned(), servers, proxy, trials: 0 }))
}

fn server(hosts: &Hosts, folder: &Path, number: usize) -> Result<Process, String> {
    let config = format!(
        "defaults\n  mode http\n  timeout client 60s\n  timeout server 60s\n  timeout connect 5s\n\
         frontend all\n  bind {}:{SERVER}\n  http-request return status 200\n",
        hosts.address(number)
    );
    process(&format!("n{}", number + 1), &config, hosts, number, folder)
}

fn process(name: &str, config: &str, hosts: &Hosts, number: usize, folder: &Path) -> Result<Process, String> {
    let file = folder.join(format!("{name}.cfg"));
    fs::write(&file, config).map_err(|error| format!("{}: {error}", file.display()))?;
    let command = words(&format!("haproxy -db -f {}", file.display()));
    Process::start(name, &hosts.command(number, &command), &folder.join(format!("{name}.log")))
}

fn get(address: &str, timeout: Duration) -> bool {
    http::ask(address, "/", None, timeout).is_ok_and(|(code, _)| code == 200)
}

impl System for HaProxy {
    fn ready(&mut self) -> Result<(), String> {
        let address = format!("{}:{PORT}", self.hosts.address(0));
        // As many in a row as it takes to have asked each server twice, again and again until the last is back.
        let mut row = 0;
        let wanted = 6 * self.servers.len();
        let quick = Duration::from_millis(200);
        let all = || {
            row = if get(&address, quick) { row + 1 } else { 0 };
            (row >= wanted).then_some(())
        };
        wait(Duration::from_secs(60), "answers through the proxy", all).or_else(|waited| {
            self.proxy.check()?;
            self.servers.iter_mut().try_for_each(Process::check)?;
            Err(waited)
        })?;
        // A server that is back is used after as many good checks as `rise` says.
        for number in 0..self.servers.len() {
            let own = format!("{}:{SERVER}", self.hosts.address(number));
            wait(PATIENCE, "every server", || get(&own, PATIENCE).then_some(()))?;
        }
        std::thread::sleep(Duration::from_secs(5));
        Ok(())
    }

    /// Each in turn.
    fn find(&mut self, _target: &str) -> Result<usize, String> {
        self.trials += 1;
        Ok(self.trials % self.servers.len())
    }

    fn process(&mut self, member: usize) -> &mut Process {
        &mut self.servers[member]
    }

    fn start(&self, member: usize) -> Result<Process, String> {
        server(&self.hosts, &self.folder, member)
    }

    fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    fn asks(&mut self, _victim: usize, clients: usize) -> Vec<Ask> {
        let one = |_| -> Ask {
            let address = format!("{}:{PORT}", self.hosts.address(0));
            Box::new(move |timeout| get(&address, timeout))
        };
        (0..clients).map(one).collect()
    }

    fn trial(&mut self, stage: &mut Stage<'_>) -> Result<Trial, String> {
        stage::by_probes(self, stage, stage::after_last_failure)
    }
}
