//! Sweeps on other engines: what is written for them makes the same bytes as one machine, and tells what went wrong.

use crate::support::{Scratch, ended, root, splitbrain};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

const SWEEP: [&str; 7] =
    ["sweep", "raft/steady", "--seeds", "1..6", "--set", "scenario.duration=3s", "--set=report.charts=false"];

fn sweep(more: &[&str]) -> crate::support::Ran {
    splitbrain(&[&SWEEP, more].concat())
}

/// `SBATCH` stands for Slurm: it runs each task of an array at once, and says a number.
const SBATCH: &str = r#"#!/bin/bash
tasks=1
for arg in "$@"; do case $arg in --array=1-*) tasks=${arg#--array=1-};; esac; done
script=$(cat)
for k in $(seq "$tasks"); do SLURM_ARRAY_TASK_ID=$k bash -c "$script" >>"$LOG" 2>&1 || echo "task $k: $?" >>"$LOG"; done
echo 7
"#;

fn bash(script: &str, path: &str, log: &Path) -> crate::support::Ran {
    let mut bash = Command::new("/bin/bash");
    bash.arg("-c").arg(script).env("PATH", path).env("LOG", log).current_dir(root());
    ended(bash.stdin(Stdio::null()).output().expect("bash runs"))
}

#[test]
fn a_list_of_commands_and_a_job_array_give_the_bytes_of_one_machine() {
    let scratch = Scratch::new();
    let at = |name: &str| scratch.path().join(name).display().to_string();
    let whole = sweep(&["--out", &at("whole")]);
    assert_eq!(whole.status.code(), Some(0), "{}", whole.stderr);
    let results = |name: &str| {
        let file = scratch.path().join(name).join("raft-steady/sweep/results.jsonl");
        fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };

    let list = sweep(&["--out", &at("list"), "--emit", "list", "--shards", "3", "--cpus", "1"]);
    let (shards, merge): (Vec<&str>, Vec<&str>) = list.stdout.lines().partition(|line| !line.starts_with('#'));
    assert_eq!((shards.len(), merge.len()), (3, 1), "{}", list.stdout);
    let path = "/usr/local/bin:/usr/bin:/bin";
    let log = scratch.path().join("log");
    // Two of three have run: who waits for the rest is told.
    shards[..2].iter().for_each(|line| assert_eq!(bash(line, path, &log).status.code(), Some(0), "{line}"));
    let watched = splitbrain(&["sweep", "--watch", &at("list/raft-steady"), "--patience", "1s"]);
    assert_eq!(watched.status.code(), Some(3));
    assert!(watched.stdout.contains("4 of 6 runs, 0 did not hold; 2 of 3 shards finished"), "{}", watched.stdout);
    assert!(watched.stderr.contains("of 3 shards these are not finished: 3;"), "{}", watched.stderr);
    assert_eq!(bash(shards[2], path, &log).status.code(), Some(0));
    let watched = splitbrain(&["sweep", "--watch", &at("list/raft-steady")]);
    assert_eq!(watched.status.code(), Some(0));
    let command = merge[0].split_once(": ").expect("a command").1;
    assert_eq!(bash(command, path, &log).status.code(), Some(0), "{command}");
    assert!(results("list") == results("whole"));

    let slurm = sweep(&["--out", &at("slurm"), "--emit", "slurm", "--shards", "2", "--cpus", "1"]);
    let bin = scratch.path().join("bin");
    fs::create_dir(&bin).expect("a folder");
    fs::write(bin.join("sbatch"), SBATCH).expect("a file");
    fs::set_permissions(bin.join("sbatch"), fs::Permissions::from_mode(0o755)).expect("its own file");
    let ran = bash(&slurm.stdout, &format!("{}:{path}", bin.display()), &log);
    let log = fs::read_to_string(&log).unwrap_or_default();
    assert_eq!(ran.status.code(), Some(0), "{}{log}", ran.stderr);
    assert!(results("slurm") == results("whole"), "{log}");

    // Without it nothing begins.
    let none = bash(&slurm.stdout, "/nowhere", &scratch.path().join("log"));
    assert_eq!((none.status.code(), none.stderr.trim()), (Some(74), "there is no Slurm here: sbatch was not found"));
}

#[test]
fn an_indexed_job_has_its_scenario_its_shards_and_a_merge() {
    let text = sweep(&["--emit", "kubernetes", "--shards", "4", "--image", "registry/splitbrain:1"]).stdout;
    for line in [
        "  completionMode: Indexed",
        "  completions: 4",
        "  backoffLimit: 12",
        "        image: registry/splitbrain:1",
        "        persistentVolumeClaim: { claimName: splitbrain-results }",
        "    [scenario]",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    assert!(
        text.contains("--set scenario.duration=3s --set report.charts=false --shard $((JOB_COMPLETION_INDEX + 1))/4")
    );
    assert!(text.contains("splitbrain sweep --watch /results/raft-steady && splitbrain merge "), "{text}");
}

#[test]
fn what_makes_no_sense_on_other_engines_is_refused() {
    for (more, says) in [
        (&["--emit", "slurm", "--shards", "7"][..], "6 runs are too few for 7 shards"),
        (&["--emit", "list", "--shard", "1/2"], "--shard makes no sense"),
        (&["--emit", "pbs"], "possible values: slurm, kubernetes, list"),
        (&["--shards", "2"], "--emit"),
    ] {
        let refused = sweep(more);
        assert_eq!(refused.status.code(), Some(2), "{}", refused.stdout);
        assert!(refused.stderr.contains(says), "{more:?}: {}", refused.stderr);
    }
    let scratch = Scratch::new();
    let nothing = splitbrain(&["sweep", "--watch", scratch.path().to_str().expect("UTF-8"), "--patience", "10ms"]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(nothing.stderr.contains("no shard of a sweep is here"), "{}", nothing.stderr);
}

/// Submits the jobs to a Slurm of two nodes, and takes one of them away as soon as it has made a run.
const NODE_DIES: &str = r#"
set -euo pipefail
SLURM_CONF=$("$ROOT"/scripts/slurm-local start "$DIR")
export SLURM_CONF
trap '"$ROOT"/scripts/slurm-local stop "$DIR"' EXIT
until [ "$(sinfo --noheader --states=idle --format=%D)" = 2 ]; do sleep 0.2; done
bash "$DIR/jobs"
# The processes of the node's jobs, and before them those that watch over them there.
running() {
    # One process that looks at all: a loop of them takes longer than a job.
    for p in $(grep -lzx SLURMD_NODENAME=node1 /proc/[0-9]*/environ 2>/dev/null); do
        p=${p%/environ}
        parent=$(awk '/^PPid:/ {print $2}' "$p/status" 2>/dev/null) || continue
        [ "$(cat "/proc/$parent/comm" 2>/dev/null)" != slurmstepd ] || echo "$parent"
        echo "${p#/proc/}"
    done 2>/dev/null
}
until ls "$DIR"/out/raft-steady/*/results.partial.jsonl >/dev/null 2>&1 && [ -n "$(running)" ]; do
    sleep 0.1
    [ ! -e "$DIR/out/raft-steady/sweep" ] || { echo "all was done before node1 could die"; exit 1; }
done
# The machine is gone: its daemon and all that runs there. Slurm waits two minutes before it begins a job again.
kill -9 "$(cat "$DIR/node1.pid")" $(running) 2>/dev/null || :
echo "node1 died"
"$SPLITBRAIN" sweep --watch "$DIR/out/raft-steady" --patience 5m
until [ -z "$(squeue --noheader)" ]; do sleep 0.2; done
cat "$DIR"/out/raft-steady/logs/merge.log
"#;

#[test]
fn a_real_slurm_loses_a_node_and_no_result() {
    let has = |program: &str| {
        let dirs = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"];
        dirs.iter().any(|dir| Path::new(dir).join(program).exists())
    };
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if !is_root || !["sbatch", "slurmctld", "slurmd", "munged"].into_iter().all(has) {
        eprintln!("LEFT OUT: there is no Slurm for root here (apt-get install slurm-wlm munge): no job array was run");
        return;
    }
    let scratch = Scratch::new();
    let at = |name: &str| scratch.path().join(name).display().to_string();
    let sweep = |more: &[&str]| {
        let set = ["--set", "scenario.duration=3s", "--set", "report.charts=false"];
        splitbrain(&[&["sweep", "raft/steady", "--seeds", "1..1200"], &set[..], more].concat())
    };
    assert_eq!(sweep(&["--out", &at("whole")]).status.code(), Some(0));
    let jobs = sweep(&["--out", &at("out"), "--emit", "slurm", "--shards", "6", "--cpus", "2", "--memory", "1000"]);
    fs::write(scratch.path().join("jobs"), jobs.stdout).expect("a file");
    let mut bash = Command::new("/bin/bash");
    bash.args(["-c", NODE_DIES]).env("DIR", scratch.path()).env("ROOT", root());
    bash.env("SPLITBRAIN", std::env::var_os("SPLITBRAIN_BINARY").unwrap_or(env!("CARGO_BIN_EXE_splitbrain").into()));
    let ran = ended(bash.stdin(Stdio::null()).output().expect("bash runs"));
    let told = format!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.status.code(), Some(0), "{told}");
    assert!(ran.stdout.contains("node1 died"), "{told}");
    let results = |name: &str| fs::read(scratch.path().join(name).join("raft-steady/sweep/results.jsonl")).ok();
    assert!(results("out").is_some() && results("out") == results("whole"), "{told}");
}
