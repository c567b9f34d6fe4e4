//! Folders and commands: evidence is never replaced, an interrupted command leaves nothing begun, what is printed can be
//! pasted and fits, what is listed is all there is, and what was edited is refused.

use crate::support::{Ran, Scratch, command, in_columns, piped, root, splitbrain};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SMALL: &str = r#"
[scenario]
name = "small"
system = "raft"
duration = "3s"
settle = "1s"
[cluster]
nodes = 3
[[workload]]
clients = 2
rate = "50/s"
[[fault]]
kind = "crash"
target = "leader"
at = "1s"
duration = "500ms"
[report]
charts = false
"#;

/// A scratch folder with a scenario in it.
struct Bench(Scratch);

impl Bench {
    fn new() -> Self {
        let scratch = Scratch::new();
        fs::write(scratch.path().join("small.toml"), SMALL).expect("can be written");
        Self(scratch)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    /// A command on the scenario, with `--out runs` and more.
    fn on(&self, name: &str, more: &[&str]) -> Ran {
        splitbrain(&[&[name, &self.text("small.toml"), "--out", &self.text("runs")], more].concat())
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("it is there")).expect("JSON")
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_run_never_takes_the_place_of_other_evidence() {
    let bench = Bench::new();
    let runs = bench.path("runs/small");
    assert_eq!(bench.on("run", &[]).status.code(), Some(0));
    let first = fs::read(runs.join("1/record.json")).expect("a run");
    fs::write(runs.join("1/notes.txt"), "seen by me").expect("can be written");
    fs::create_dir_all(runs.join("1/charts")).expect("a folder");
    fs::write(runs.join("1/charts/own.svg"), "drawn by me").expect("can be written");
    // The same run again takes its own place, and leaves what somebody added.
    let again = bench.on("run", &[]);
    assert_eq!(again.status.code(), Some(0), "{}", again.stderr);
    assert_eq!(names(&runs), ["1", "latest"]);
    assert_eq!(fs::read(runs.join("1/record.json")).expect("a run"), first);
    for (name, text) in [("notes.txt", "seen by me"), ("charts/own.svg", "drawn by me")] {
        assert_eq!(fs::read_to_string(runs.join("1").join(name)).expect("it stays"), text);
    }
    // Another run of that name and seed goes beside it, and says so; made twice, it is there once.
    for _ in 0..2 {
        let other = bench.on("run", &["--set", "network.latency=7ms"]);
        assert_eq!(other.status.code(), Some(0), "{}", other.stderr);
        let beside: Vec<String> = names(&runs).into_iter().filter(|name| name.starts_with("1-")).collect();
        let [beside] = beside.as_slice() else { panic!("{:?}", names(&runs)) };
        assert!(other.stderr.contains("small/1 ") && other.stderr.contains(beside.as_str()), "{}", other.stderr);
        assert!(json(&runs.join(beside).join("record.json"))["digest"].as_str().unwrap().starts_with(&beside[2..]));
        assert_eq!(fs::read_link(runs.join("latest")).expect("a link"), Path::new(beside));
        assert_eq!(fs::read(runs.join("1/record.json")).expect("a run"), first);
    }
    // What is no run at all stays, too.
    fs::create_dir_all(runs.join("9")).expect("a folder");
    fs::write(runs.join("9/thesis.txt"), "years of work").expect("can be written");
    let ran = bench.on("run", &["--seed", "9"]);
    assert!(ran.stderr.contains("holds something else and stays"), "{}", ran.stderr);
    assert_eq!(names(&runs.join("9")), ["thesis.txt"]);
}

/// Starts a command that would take long, interrupts it once `ready`, and waits for its end.
#[cfg(unix)]
fn interrupted(args: &[&str], signal: &str, ready: impl Fn() -> bool) -> Ran {
    let child = command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("the binary runs");
    while !ready() {
        assert!(child.try_wait().expect("a child can be asked").is_none(), "it ended before it could be interrupted");
        std::thread::yield_now();
    }
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
    crate::support::ended(child.wait_with_output().expect("it ends"))
}

#[cfg(unix)]
#[test]
fn an_interrupted_command_says_what_it_kept_and_leaves_nothing_begun() {
    let bench = Bench::new();
    let (file, out) = (bench.text("small.toml"), bench.text("runs"));
    let long = ["--set", "scenario.duration=10h", "--set", "workload.0.rate=5k/s", "--out", &out];
    let run = [&["run", &file], long.as_slice()].concat();
    let folder = bench.path("runs/small");
    let begun = || names(&folder).iter().any(|name| name.contains("partial"));
    let ran = interrupted(&run, "-INT", begun);
    assert_eq!(ran.status.code(), Some(130), "{}", ran.stderr);
    assert!(ran.stderr.contains("interrupted; nothing was kept"), "{}", ran.stderr);
    assert_eq!(names(&folder), [""; 0]);
    // A second run of the same name, killed so that it can clean nothing: the next one does it.
    let ran = interrupted(&run, "-KILL", begun);
    assert_eq!(ran.status.code(), None);
    assert!(begun());
    assert_eq!(bench.on("run", &[]).status.code(), Some(0));
    assert_eq!(names(&folder), ["1", "latest"]);
    // A sweep goes on from what it kept.
    let sweep = ["sweep", &file, "--out", &out, "--seeds", "1..100000", "--jobs", "1"];
    let journal = bench.path("runs/small/sweep/results.partial.jsonl");
    let lines = || fs::read(&journal).map_or(0, |text| text.iter().filter(|b| **b == b'\n').count());
    let ran = interrupted(&sweep, "-INT", || lines() >= 2);
    assert_eq!(ran.status.code(), Some(130), "{}", ran.stderr);
    let kept = format!("{} finished runs are kept in {}", lines(), journal.display());
    assert!(ran.stderr.contains(&kept) && ran.stderr.contains("the same command goes on"), "{kept}\n{}", ran.stderr);
}

/// The command behind "again: ", run by a shell.
fn pasted(stdout: &str) -> Ran {
    let again = stdout.lines().find_map(|line| line.split_once("again: ")).expect("the command that makes it again").1;
    let binary = env!("CARGO_BIN_EXE_splitbrain");
    let line = again.replacen("splitbrain", &format!("'{binary}'"), 1);
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).current_dir(root()).env("NO_COLOR", "1");
    crate::support::ended(shell.output().expect("sh runs"))
}

#[test]
fn commands_that_are_printed_can_be_pasted() {
    let scratch = Scratch::new();
    let dir = scratch.path().join("a folder; of 'mine'");
    fs::create_dir_all(&dir).expect("a folder");
    let (file, out) = (dir.join("it's.toml"), dir.join("the runs"));
    fs::write(&file, SMALL).expect("can be written");
    let (file, out) = (file.to_str().unwrap(), out.to_str().unwrap());
    let set = "scenario.title=what's \"this\"? $HOME";
    let digest = |ran: &Ran| ran.stdout.lines().find(|line| line.starts_with("digest")).expect("a digest").to_owned();
    let run = splitbrain(&["run", file, "--out", out, "--set", set, "--seed", "4", "--trace"]);
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr);
    let again = pasted(&run.stdout);
    assert_eq!((again.status.code(), digest(&again)), (Some(0), digest(&run)), "{}{}", run.stdout, again.stderr);
    assert!(again.stdout.contains("what's \"this\"? $HOME"), "{}", again.stdout);
    assert!(names(&Path::new(out).join("small")).contains(&"4".to_owned()));
    // The last "again" replays the folder.
    let replay =
        run.stdout.lines().rfind(|line| line.starts_with("again")).expect("a line").replacen("again ", "again: ", 1);
    assert_eq!(
        pasted(&replay.replace("again:        ", "again: ").replace("again:  ", "again: ")).status.code(),
        Some(0),
        "{replay}"
    );
    let sweep =
        splitbrain(&["sweep", file, "--out", out, "--set", set, "--seeds", "1..2", "--vary", "cluster.nodes=3,5"]);
    assert_eq!(sweep.status.code(), Some(0), "{}", sweep.stderr);
    let resumed = pasted(&sweep.stdout);
    assert!(resumed.stderr.contains("4 of 4 runs were made earlier"), "{}{}", sweep.stdout, resumed.stderr);
    let compare = splitbrain(&["compare", file, file, "--out", out, "--set", set, "--seeds", "1..2"]);
    assert!(pasted(&compare.stdout).stderr.contains("2 of 2 runs were made earlier"), "{}", compare.stdout);
}

#[test]
fn text_fits_the_terminal() {
    let bench = Bench::new();
    let (file, out) = (bench.text("small.toml"), bench.text("runs"));
    let swarm = "fixtures/valid/swarm.toml";
    let commands: [&[&str]; 11] = [
        &["--help"],
        &["list", "systems"],
        &["list", "faults"],
        &["list", "bugs"],
        &["list", "rules"],
        &["list", "metrics"],
        &["check", swarm],
        &["check", swarm, "--seeds", "1..5"],
        &["run", &file, "--out", &out],
        &[
            "compare",
            &file,
            "scenarios/library/raft/steady.toml",
            "--set",
            "scenario.duration=3s",
            "--set",
            "scenario.warmup=0s",
            "--seeds",
            "1..3",
            "--out",
            &out,
        ],
        &["sweep", &file, "--out", &out, "--seeds", "1..3", "--vary", "cluster.nodes=3,5"],
    ];
    for (columns, shown) in [(60, 60), (80, 80), (0, 100)] {
        for args in commands {
            let ran = if columns == 0 { splitbrain(args) } else { in_columns(columns, args) };
            assert!(ran.status.code().is_some_and(|code| code < 4), "{args:?}: {}", ran.stderr);
            for line in ran.stdout.lines() {
                // Commands and paths are of no use unless they are whole.
                let whole = line.contains("again") || line.contains(&out) || line.contains("splitbrain ");
                assert!(whole || line.chars().count() <= shown, "{args:?} in {shown} columns: {line}");
            }
        }
    }
}

#[test]
fn what_is_listed_is_all_there_is() {
    let list = |what: &str| parsed(&splitbrain(&["list", what, "--format", "json"]).stdout);
    let rules = list("rules");
    let listed: BTreeSet<&str> =
        rules.as_array().expect("a list").iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert!(rules.as_array().unwrap().iter().all(|rule| rule["about"].as_str().unwrap().len() > 10), "{rules}");
    let metrics = list("metrics");
    let metrics_listed = metrics["metrics"].as_array().expect("a list");
    let named: Vec<&str> = metrics_listed.iter().map(|metric| metric["name"].as_str().unwrap()).collect();
    // What bugs break is a rule, or a figure that gets too bad.
    for bug in list("bugs").as_array().expect("a list") {
        let breaks = bug["violates"].as_str().unwrap();
        assert!(listed.contains(breaks) || named.contains(&breaks), "{bug}");
    }
    // So is whatever a run is judged by.
    let scratch = Scratch::new();
    let runs = ["raft", "paxos", "failover", "failover-cluster", "hashing", "balancing", "placement", "synod"];
    for system in runs {
        let text = format!(
            "[scenario]\nname = \"{system}\"\nsystem = \"{system}\"\nduration = \"3s\"\n[cluster]\nnodes = 6\n\
             [[workload]]\nrate = \"50/s\"\n[expect]\nlinearizable = true\nanswered_within = \"2s\"\navailability = \">= 0%\"\n\
             [report]\ncharts = false\n"
        );
        let ran = piped(&text, &["run", "-", "--out", scratch.path().to_str().unwrap(), "--format", "json"]);
        assert!(ran.status.code().is_some_and(|code| code < 4 && code != 2), "{system}: {}", ran.stderr);
        for verdict in parsed(&ran.stdout)["verdicts"].as_array().expect("verdicts") {
            let rule = verdict["rule"].as_str().unwrap();
            assert!(listed.contains(rule) || rule.starts_with("expect."), "{system}: {rule} is not listed");
        }
    }
    assert!(named.contains(&"all_p99") && named.contains(&"fact_*"), "{named:?}");
    assert!(metrics["facts"]["raft"].as_array().expect("facts").contains(&"elected".into()));
    // Options and keys that take one of some words say which.
    let systems = list("systems");
    let option = |system: &str, name: &str| {
        let all = systems.as_array().expect("a list").iter().find(|s| s["name"] == system).expect("a system");
        all["options"].as_array().expect("options").iter().find(|o| o["name"] == name).expect("an option")["values"]
            .clone()
    };
    assert!(option("failover", "mode").as_array().expect("words").contains(&"semi_sync".into()));
    assert!(splitbrain(&["list", "systems"]).stdout.contains("semi_sync"));
    let faults = splitbrain(&["list", "faults"]).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(faults.contains("one of: keep, lose_unsynced, torn, wipe"), "{faults}");
    assert_eq!(list("faults")["kinds"]["crash"][0]["values"][1], "lose_unsynced");
    assert!(list("scenarios").as_array().expect("files").len() > 50);
}

#[test]
fn check_and_diff_speak_json() {
    let bench = Bench::new();
    let (good, bad) = (bench.text("small.toml"), "fixtures/invalid/expect.toml");
    let ran = splitbrain(&["check", &good, bad, "--format", "json"]);
    assert_eq!((ran.status.code(), ran.stderr.as_str()), (Some(2), ""));
    let lines: Vec<Value> = ran.stdout.lines().map(parsed).collect();
    assert_eq!((&lines[0]["ok"], &lines[0]["nodes"], &lines[1]["ok"]), (&true.into(), &3.into(), &false.into()));
    let first = &lines[1]["problems"][0];
    assert_eq!((&first["place"]["line"], &first["file"]), (&14.into(), &bad.into()), "{first}");
    assert!(first["help"].as_str().unwrap().contains(">= 99.5%"));
    assert_eq!(bench.on("run", &[]).status.code(), Some(0));
    assert_eq!(bench.on("run", &["--seed", "2"]).status.code(), Some(0));
    let (a, b) = (bench.text("runs/small/1"), bench.text("runs/small/2"));
    let same = splitbrain(&["diff", &a, &a, "--format", "json"]);
    assert_eq!((same.status.code(), &parsed(&same.stdout)["same"]), (Some(0), &true.into()), "{}", same.stderr);
    let other = splitbrain(&["diff", &a, &b, "--format", "json"]);
    let told = parsed(&other.stdout);
    assert_eq!(
        (other.status.code(), &told["same"], &told["inputs"][0]["path"]),
        (Some(1), &false.into(), &"seed".into())
    );
    assert!(told["parted"]["at_ns"].is_u64() && told["a"]["digest"] != told["b"]["digest"], "{told}");
}

/// Whoever keeps what was printed has only a part of it.
#[cfg(target_os = "linux")]
#[test]
fn what_could_not_be_printed_is_no_success() {
    let bench = Bench::new();
    let (file, out) = (bench.text("small.toml"), bench.text("runs"));
    for args in [&["run", &file, "--out", &out, "--format", "json"][..], &["list", "rules"]] {
        let full = fs::File::options().write(true).open("/dev/full").expect("Linux has one");
        let ran = command(args).stdout(full).stderr(Stdio::piped()).output().expect("the binary runs");
        let said = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(74), "{args:?}: {said}");
        assert!(said.contains("standard output can not be written: the disk is full"), "{said}");
    }
}

#[test]
fn standard_input_is_a_file() {
    let scratch = Scratch::new();
    let out = scratch.path().to_str().unwrap();
    let ran = piped(SMALL, &["run", "-", "--out", out]);
    assert_eq!(ran.status.code(), Some(0), "{}", ran.stderr);
    assert_eq!(pasted(&ran.stdout).status.code(), Some(0), "{}", ran.stdout);
    let json = r#"{"scenario": {"name": "x", "system": "raft", "duration": "3s"}, "cluster": {"nodes": 3}}"#;
    let ran = piped(json, &["check", "-"]);
    assert_eq!(ran.status.code(), Some(0), "{}", ran.stderr);
    let queue = std::fs::read_to_string(root().join("fixtures/histories/queue-twice.edn")).expect("it is there");
    let ran = piped(&queue, &["history", "-", "--model", "queue"]);
    assert_eq!(ran.status.code(), Some(1), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("standard input: NOT linearizable: "), "{}", ran.stdout);
    let bad = piped("[scenario]\nname = 5\n", &["check", "-"]);
    assert_eq!(bad.status.code(), Some(2));
    assert!(bad.stderr.contains("standard input:2"), "{}", bad.stderr);
}

/// Clients, nodes and zones have the numbers in files that they have on the screen: the first is 1.
#[test]
fn a_history_counts_from_one() {
    let bench = Bench::new();
    assert_eq!(bench.on("run", &[]).status.code(), Some(0));
    let text = fs::read_to_string(bench.path("runs/small/1/history.jsonl")).expect("it is there");
    let ops: Vec<serde_json::Value> = text.lines().map(parsed).collect();
    let numbers = |field: &str| ops.iter().filter_map(|op| op[field].as_u64()).collect::<BTreeSet<u64>>();
    assert_eq!(numbers("zone"), BTreeSet::from([1]));
    assert_eq!(numbers("client"), BTreeSet::from([1, 2, 3, 4]));
    assert!(numbers("node").iter().all(|node| (1..=3).contains(node)), "{:?}", numbers("node"));
    let answered = format!("\"node\":{}", numbers("node").first().expect("somebody answered"));
    let op = |node: &str| {
        let line = text.lines().find(|line| line.contains(&answered)).expect("its line");
        serde_json::from_str::<sim_core::record::OpRecord>(&line.replace(&answered, &format!("\"node\":{node}")))
    };
    assert_eq!((op("2").unwrap().node, op("2").unwrap().zone, op("null").unwrap().node), (Some(1), 0, None));
    assert!(op("0").unwrap_err().to_string().contains("numbered from 1"));
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("it is there");
    assert!(text.contains(from), "{} holds no {from}", path.display());
    fs::write(path, text.replacen(from, to, 1)).expect("can be written");
}

#[test]
fn a_report_is_only_made_of_what_was_recorded() {
    let bench = Bench::new();
    let dir = bench.path("runs/small/1");
    let refused = |word: &str, dir: &Path| {
        let ran = splitbrain(&["report", dir.to_str().unwrap()]);
        assert_eq!(ran.status.code(), Some(2), "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
    };
    let fresh = || {
        let _ = fs::remove_dir_all(bench.path("runs"));
        assert_eq!(bench.on("run", &[]).status.code(), Some(0));
        assert_eq!(splitbrain(&["report", dir.to_str().unwrap()]).status.code(), Some(0));
    };
    fresh();
    edit(&dir.join("record.json"), "\"verdict\": \"pass\"", "\"verdict\": \"fail\"");
    refused("has been changed since the run", &dir);
    fresh();
    edit(&dir.join("history.jsonl"), "\"ok\"", "\"failed\"");
    refused("has been changed since the run", &dir);
    fresh();
    edit(&dir.join("scenario.toml"), "seed = 1", "seed = 2");
    refused("scenario.toml has been changed", &dir);
    fresh();
    edit(&dir.join("record.json"), "\"version\": \"", "\"version\": \"9.");
    refused("recorded by version 9.", &dir);
    fresh();
    edit(&dir.join("record.json"), "\"seal\"", "\"sealed\"");
    refused("another version wrote it", &dir);
    // A sweep's results and its description.
    assert_eq!(bench.on("sweep", &["--seeds", "1..3"]).status.code(), Some(0));
    let sweep = bench.path("runs/small/sweep");
    assert_eq!(splitbrain(&["report", sweep.to_str().unwrap()]).status.code(), Some(0));
    edit(&sweep.join("sweep.json"), "\"title\": \"small\"", "\"title\": \"the best\"");
    refused("it has been edited", &sweep);
    edit(&sweep.join("sweep.json"), "\"title\": \"the best\"", "\"title\": \"small\"");
    edit(&sweep.join("results.jsonl"), "\"ok\":", "\"ok\":1");
    refused("line 1", &sweep);
}

#[test]
fn the_schema_is_whole() {
    let schema = parsed(&splitbrain(&["schema"]).stdout);
    fn walk(value: &Value, at_root: bool, see: &mut impl FnMut(&str)) {
        match value {
            Value::Object(object) => {
                let nested = object.contains_key("$defs") || object.contains_key("$schema");
                assert!(at_root || !nested, "a part with definitions of its own: {value}");
                if let Some(to) = object.get("$ref") {
                    see(to.as_str().expect("a reference"));
                }
                object.values().for_each(|inner| walk(inner, false, see));
            }
            Value::Array(items) => items.iter().for_each(|inner| walk(inner, false, see)),
            _ => {}
        }
    }
    let mut references = 0;
    walk(&schema, true, &mut |to| {
        references += 1;
        let pointer = to.strip_prefix('#').expect("within the schema");
        assert!(schema.pointer(pointer).is_some(), "{to} leads nowhere");
    });
    assert!(references > 5, "only {references} references");
}

/// A public validator holds the whole library to the schema. `check-jsonschema` is a Python program; without it this says
/// so aloud, and `the_schema_is_whole` is what is left.
#[test]
fn a_public_validator_accepts_the_library() {
    let has = Command::new("check-jsonschema").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !has.is_ok_and(|status| status.success()) {
        eprintln!(
            "LEFT OUT: there is no check-jsonschema here (pip install check-jsonschema): the library was not validated"
        );
        return;
    }
    let scratch = Scratch::new();
    let schema = scratch.path().join("schema.json");
    fs::write(&schema, splitbrain(&["schema"]).stdout).expect("can be written");
    let files = parsed(&splitbrain(&["list", "scenarios", "--format", "json"]).stdout);
    let on_disk = |f: &serde_json::Value| format!("scenarios/library/{}.toml", f["name"].as_str().unwrap());
    let files: Vec<String> = files.as_array().expect("files").iter().map(on_disk).collect();
    let validate = |files: &[String]| {
        let mut validator = Command::new("check-jsonschema");
        validator.args(["--default-filetype", "toml", "--schemafile", schema.to_str().unwrap()]).args(files);
        crate::support::ended(validator.current_dir(root()).output().expect("it runs"))
    };
    let ran = validate(&files);
    assert!(ran.status.success(), "{}{}", ran.stdout, ran.stderr);
    // It would notice.
    let bad = scratch.path().join("bad.toml");
    fs::write(&bad, SMALL.replace("nodes = 3", "nodes = \"three\"")).expect("can be written");
    assert!(!validate(&[bad.to_str().unwrap().to_owned()]).status.success());
}
