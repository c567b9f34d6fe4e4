//! Slurm: a controller and nodes that run its jobs. It is run in namespaces alone: what a node's daemon starts leaves
//! its group, and only the kernel ends all of that with certainty.

use super::{Kind, Setting, System};
use crate::place::{self, Hosts, wait, words};
use crate::plan::Plan;
use crate::process::Process;
use crate::stage::{Stage, Trial, millis};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What there is to know of it.
pub const KIND: Kind = Kind {
    name: "slurm",
    title: "Slurm",
    programs: &[("munged", "munge"), ("slurmctld", "slurm-wlm"), ("slurmd", "slurm-wlm")],
    version: &["slurmctld", "-V"],
    root: true,
    nodes: (2, (2, 16)),
    targets: &["node"],
    settings: &[("SlurmdTimeout", Setting::Count(300))],
    figures: &[("", "until its job runs on another node")],
    start,
};

struct Slurm {
    hosts: Hosts,
    folder: PathBuf,
    config: PathBuf,
    nodes: Vec<Process>,
    controller: Process,
    _munge: Process,
    job: String,
}

fn start(plan: &Plan, hosts: Hosts, folder: &Path) -> Result<Box<dyn System>, String> {
    if place::inside().is_none() || plan.hosts {
        return Err("Slurm runs in namespaces alone, and there on their loopback".to_owned());
    }
    let config = folder.join("slurm.conf");
    let at = folder.display();
    let name = Command::new("hostname").output().map_err(|error| format!("hostname: {error}"))?;
    let name = String::from_utf8_lossy(&name.stdout).trim().to_owned();
    let (count, last) = (plan.nodes, 17_000 + plan.nodes);
    let text = format!(
        "ClusterName=local\nSlurmctldHost={name}(127.0.0.1)\nAuthType=auth/munge\nAuthInfo=socket={at}/munge.socket\n\
         CredType=cred/munge\nSlurmUser=root\nSlurmdUser=root\nStateSaveLocation={at}/state\n\
         SlurmdSpoolDir={at}/spool/%n\n\
         SlurmctldPidFile={at}/controller.pid\nSlurmdPidFile={at}/%n.pid\nSlurmdTimeout={}\n\
         ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSelectType=select/cons_tres\n\
         SelectTypeParameters=CR_Core\nReturnToService=2\n\
         NodeName=node[1-{count}] NodeHostname={name} NodeAddr=127.0.0.1 Port=[17001-{last}] CPUs=2 State=UNKNOWN\n\
         PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n",
        plan.settings["SlurmdTimeout"]
    );
    // It does not start on a machine without any address but the loopback's.
    for line in ["link add sb0 type bridge", "addr add 10.77.1.1/24 dev sb0", "link set sb0 up"] {
        place::run(&words(&format!("ip {line}")))?;
    }
    let made = ["state", "spool"].into_iter().try_for_each(|name| fs::create_dir_all(folder.join(name)));
    made.and_then(|()| fs::write(&config, text))
        .and_then(|()| fs::write(folder.join("munge.key"), [7; 128]))
        .map_err(|error| format!("{}: {error}", folder.display()))?;
    place::run(&words(&format!("chmod 600 {at}/munge.key")))?;
    let munge = words(&format!(
        "munged -F --force --key-file={at}/munge.key --socket={at}/munge.socket --pid-file={at}/munge.pid \
         --seed-file={at}/munge.seed --log-file={at}/munged.log"
    ));
    let munge = Process::start("munged", &munge, &folder.join("munge.log"))?;
    wait(Duration::from_secs(10), "munged", || folder.join("munge.socket").exists().then_some(()))?;
    let command = words(&format!("slurmctld -D -f {}", config.display()));
    let controller = Process::start("slurmctld", &command, &folder.join("controller.log"))?;
    let mut slurm = Slurm {
        hosts,
        folder: folder.to_owned(),
        config,
        nodes: Vec::new(),
        controller,
        _munge: munge,
        job: String::new(),
    };
    for number in 0..plan.nodes {
        let node = slurm.start(number)?;
        slurm.nodes.push(node);
    }
    Ok(Box::new(slurm))
}

impl Slurm {
    /// What one of Slurm's commands says.
    fn ask(&self, command: &[&str]) -> Option<String> {
        let mut asked = Command::new(command[0]);
        asked.args(&command[1..]).env("SLURM_CONF", &self.config).current_dir(&self.folder);
        let output = asked.output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The node on which the job runs.
    fn runs_at(&self) -> Option<usize> {
        let said = self.ask(&["squeue", "-h", "-j", &self.job, "-o", "%T %N"])?;
        let number: usize = said.strip_prefix("RUNNING node")?.parse().ok()?;
        number.checked_sub(1)
    }

    /// Kills what a node's daemon has started: all that is the job's.
    fn kill_steps() {
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line);
            if line.starts_with("slurmstepd") || line.contains("slurm_script") {
                let id = entry.file_name().to_string_lossy().into_owned();
                let _ = Command::new("kill").args(["-KILL", &id]).status();
            }
        }
    }
}

impl System for Slurm {
    fn ready(&mut self) -> Result<(), String> {
        let all = self.nodes.len();
        let idle = |slurm: &Self| {
            let said = slurm.ask(&["sinfo", "-h", "-N", "-o", "%T"])?;
            (said.lines().filter(|state| *state == "idle").count() == all).then_some(())
        };
        wait(Duration::from_secs(120), "idle nodes", || idle(self)).or_else(|waited| {
            self.controller.check()?;
            self.nodes.iter_mut().try_for_each(Process::check)?;
            Err(waited)
        })?;
        let submitted = ["sbatch", "--parsable", "--requeue", "-o", "/dev/null", "--wrap", "sleep 3600"];
        self.job = self.ask(&submitted).ok_or("sbatch refuses a job")?;
        wait(Duration::from_secs(60), "a job that runs", || self.runs_at()).map(|_| ())
    }

    /// The one that has the job.
    fn find(&mut self, _target: &str) -> Result<usize, String> {
        self.runs_at().ok_or_else(|| "the job runs nowhere".to_owned())
    }

    fn process(&mut self, member: usize) -> &mut Process {
        &mut self.nodes[member]
    }

    fn start(&self, number: usize) -> Result<Process, String> {
        let name = format!("node{}", number + 1);
        let command = words(&format!("slurmd -D -f {} -N {name}", self.config.display()));
        Process::start(&name, &command, &self.folder.join(format!("{name}.log")))
    }

    fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    fn trial(&mut self, stage: &mut Stage<'_>) -> Result<Trial, String> {
        let victim = self.find(stage.target())?;
        let began = stage.begin();
        let (config, folder, job) = (self.config.clone(), self.folder.clone(), self.job.clone());
        let mut dead = false;
        let (first, at) = stage.run(self, victim, |_| {
            if !std::mem::replace(&mut dead, true) {
                Self::kill_steps();
            }
            std::thread::sleep(Duration::from_millis(200));
            let mut asked = Command::new("squeue");
            asked.args(["-h", "-j", &job, "-o", "%T %N"]).env("SLURM_CONF", &config).current_dir(&folder);
            let said = String::from_utf8_lossy(&asked.output().ok()?.stdout).trim().to_owned();
            let elsewhere = said.starts_with("RUNNING node") && said != format!("RUNNING node{}", victim + 1);
            elsewhere.then(|| began.elapsed())
        })?;
        let _ = self.ask(&["scancel", &self.job]);
        stage.mend(self, victim)?;
        Ok(Trial { figures: vec![millis(at - first)], ..Trial::default() })
    }
}
