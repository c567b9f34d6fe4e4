//! ZooKeeper: servers that agree by Zab, and sessions that end when nobody is heard of them.

use super::{Kind, Setting, System};
use crate::place::{Hosts, wait};
use crate::plan::Plan;
use crate::probe::Ask;
use crate::process::Process;
use crate::stage::{self, LIMIT, Stage, Trial, millis};
use crate::wire::jute::{self, NO_NODE, NODE_EXISTS, Session};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What there is to know of it.
pub const KIND: Kind = Kind {
    name: "zookeeper",
    title: "ZooKeeper",
    programs: &[("java", "default-jre-headless"), (JAR, "zookeeper")],
    version: &["java", "-cp", JAR, "org.apache.zookeeper.version.VersionInfoMain"],
    root: false,
    nodes: (3, (1, 9)),
    targets: &["leader", "follower", "client"],
    settings: &[
        ("tickTime", Setting::Time(2000)),
        ("initLimit", Setting::Count(10)),
        ("syncLimit", Setting::Count(5)),
        ("session", Setting::Time(10_000)),
    ],
    figures: &[(
        "",
        "until a new session has written; or, where it was the client that died, until its own node is gone",
    )],
    start,
};

const JAR: &str = "/usr/share/java/zookeeper.jar";
const PORT: u16 = 2181;
const MAIN: &str = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
/// How long an answer may take while nothing is wrong.
const PATIENCE: Duration = Duration::from_secs(2);
/// The node that probes write to.
const PROBE: &str = "/probe";
/// How often it is looked whether a dead client's node is still there.
const LOOK: Duration = Duration::from_millis(10);

struct ZooKeeper {
    hosts: Hosts,
    folder: PathBuf,
    servers: Vec<Process>,
    session: Duration,
    trials: usize,
}

fn start(plan: &Plan, hosts: Hosts, folder: &Path) -> Result<Box<dyn System>, String> {
    let session = Duration::from_millis(plan.settings["session"]);
    let mut zookeeper = ZooKeeper { hosts, folder: folder.to_owned(), servers: Vec::new(), session, trials: 0 };
    let peers: String = (0..plan.nodes)
        .map(|number| format!("server.{}={}:2888:3888\n", number + 1, zookeeper.hosts.address(number)))
        .collect();
    let settings: String =
        KIND.settings[..3].iter().map(|(name, _)| format!("{name}={}\n", plan.settings[name])).collect();
    for number in 0..plan.nodes {
        let own = zookeeper.own(number);
        let config = format!(
            "{settings}dataDir={0}/data\nclientPort={PORT}\nclientPortAddress={1}\nadmin.enableServer=false\n\
             4lw.commands.whitelist=srvr\nmaxClientCnxns=0\n{peers}",
            own.display(),
            zookeeper.hosts.address(number)
        );
        let log = "log4j.rootLogger=WARN, C\nlog4j.appender.C=org.apache.log4j.ConsoleAppender\n\
                   log4j.appender.C.layout=org.apache.log4j.PatternLayout\n\
                   log4j.appender.C.layout.ConversionPattern=%d %p %c: %m%n\n";
        fs::create_dir_all(own.join("data"))
            .and_then(|()| fs::write(own.join("data/myid"), format!("{}\n", number + 1)))
            .and_then(|()| fs::write(own.join("zoo.cfg"), config))
            .and_then(|()| fs::write(own.join("log4j.properties"), log))
            .map_err(|error| format!("{}: {error}", own.display()))?;
        let process = zookeeper.start(number)?;
        zookeeper.servers.push(process);
    }
    Ok(Box::new(zookeeper))
}

impl ZooKeeper {
    fn own(&self, number: usize) -> PathBuf {
        self.folder.join(format!("n{}", number + 1))
    }

    fn address(&self, number: usize) -> String {
        format!("{}:{PORT}", self.hosts.address(number))
    }

    /// Whether it leads or follows, as it says.
    fn mode(&self, number: usize) -> Option<String> {
        let said = jute::word(&self.address(number), "srvr", PATIENCE).ok()?;
        said.lines().find_map(|line| line.strip_prefix("Mode: ").map(str::to_owned))
    }

    /// A client with a node of its own dies. That its server noticed changes nothing: the session ends by its time.
    fn session_dies(&mut self, stage: &mut Stage<'_>) -> Result<Trial, String> {
        self.trials += 1;
        let (path, at) = (format!("/session-{}", self.trials), self.trials % self.servers.len());
        let fail = |error: std::io::Error| format!("a session: {error}");
        let mut client = Session::open(&self.address(at), self.session, PATIENCE).map_err(fail)?;
        let made = client.ask(jute::Ask::Create(&path, true), PATIENCE).map_err(fail)?;
        if made != 0 {
            return Err(format!("{path} can not be made: {made}"));
        }
        let other = self.address((at + 1) % self.servers.len());
        let mut watcher = Session::open(&other, self.session, PATIENCE).map_err(fail)?;
        stage.begin();
        // As ZooKeeper's clients do: a ping after a third of the time-out.
        let (dies, every) = (stage.first(), self.session / 3);
        let began = Instant::now();
        let mut next = every;
        while began.elapsed() < dies {
            std::thread::sleep(next.min(dies).saturating_sub(began.elapsed()));
            if began.elapsed() >= next {
                client.ask(jute::Ask::Ping, PATIENCE).map_err(fail)?;
                next += every;
            }
        }
        let died = Instant::now();
        // What the kernel does for a process that was killed: its connection is closed.
        drop(client);
        loop {
            let asked = Instant::now();
            if watcher.ask(jute::Ask::Exists(&path), PATIENCE).map_err(fail)? == NO_NODE {
                return Ok(Trial { figures: vec![millis(died.elapsed())], ..Trial::default() });
            }
            if died.elapsed() > LIMIT {
                return Err(format!("{path} was still there after {} s", LIMIT.as_secs()));
            }
            std::thread::sleep(LOOK.saturating_sub(asked.elapsed()));
        }
    }
}

impl System for ZooKeeper {
    fn ready(&mut self) -> Result<(), String> {
        let modes = |zookeeper: &Self| {
            let modes: Option<Vec<_>> = (0..zookeeper.servers.len()).map(|number| zookeeper.mode(number)).collect();
            let leads = |mode: &&String| matches!(mode.as_str(), "leader" | "standalone");
            (modes?.iter().filter(leads).count() == 1).then_some(())
        };
        wait(Duration::from_secs(60), "servers with one leader", || modes(self)).or_else(|waited| {
            self.servers.iter_mut().try_for_each(Process::check)?;
            Err(waited)
        })?;
        let written = |zookeeper: &Self, number: usize| {
            let mut session = Session::open(&zookeeper.address(number), zookeeper.session, PATIENCE).ok()?;
            let said = session.ask(jute::Ask::Create(PROBE, false), PATIENCE).ok()?;
            let _ = session.ask(jute::Ask::Close, PATIENCE);
            (said == 0 || said == NODE_EXISTS).then_some(())
        };
        (0..self.servers.len())
            .try_for_each(|number| wait(Duration::from_secs(30), "a write at every server", || written(self, number)))
    }

    fn find(&mut self, target: &str) -> Result<usize, String> {
        let wanted = |mode: Option<String>| match mode.as_deref() {
            Some("leader" | "standalone") => target == "leader",
            Some("follower") => target == "follower",
            _ => false,
        };
        let found = (0..self.servers.len()).find(|number| wanted(self.mode(*number)));
        found.ok_or_else(|| format!("there is no {target}"))
    }

    fn process(&mut self, member: usize) -> &mut Process {
        &mut self.servers[member]
    }

    fn start(&self, number: usize) -> Result<Process, String> {
        let (own, name) = (self.own(number), format!("n{}", number + 1));
        let config = own.join("zoo.cfg").display().to_string();
        let path = format!("{}:{JAR}", own.display());
        let command = ["java", "-Xmx256m", "-cp", &path, MAIN, &config].map(str::to_owned);
        Process::start(&name, &self.hosts.command(number, &command), &self.folder.join(format!("{name}.log")))
    }

    fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    fn asks(&mut self, victim: usize, clients: usize) -> Vec<Ask> {
        let live = (0..self.servers.len()).filter(|number| *number != victim).map(|number| self.address(number));
        let live: Vec<String> = live.collect();
        let session = self.session;
        let one = |number: usize| -> Ask {
            let address = live[number % live.len()].clone();
            Box::new(move |timeout| {
                let began = Instant::now();
                let Ok(mut client) = Session::open(&address, session, timeout) else { return false };
                let set = client.ask(jute::Ask::Set(PROBE), timeout.saturating_sub(began.elapsed()));
                let _ = client.ask(jute::Ask::Close, timeout.saturating_sub(began.elapsed()));
                set.is_ok_and(|said| said == 0)
            })
        };
        (0..clients * live.len()).map(one).collect()
    }

    fn trial(&mut self, stage: &mut Stage<'_>) -> Result<Trial, String> {
        if stage.target() == "client" {
            return self.session_dies(stage);
        }
        stage::by_probes(self, stage, stage::first_success)
    }
}
