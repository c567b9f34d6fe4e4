//! Sweeps: the same bytes however the work was divided, interrupted or ordered; failures kept so that they replay; bad
//! input refused with nothing lost.

use crate::support::{Scratch, splitbrain};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A short scenario in which some seeds fail: the bound lies in the middle of what a crash costs.
const SHORT: &str = r#"
[scenario]
name = "short"
system = "raft"
duration = "4s"
warmup = "1s"
settle = "2s"
[cluster]
nodes = 3
[network]
latency = "0.5ms..2ms"
loss = "0.5%"
[[workload]]
clients = 2
rate = "50/s"
timeout = "200ms"
[[fault]]
kind = "crash"
target = "leader"
at = "2s"
duration = "1s"
[expect]
longest_outage = "<= 250ms"
[report]
charts = false
"#;

/// A replica that acknowledges what its disk has not synced yet, and a power loss: the first of the known bugs.
const ACK_BEFORE_SYNC: &str = r#"
[scenario]
name = "short"
system = "raft"
duration = "10s"
warmup = "1s"
[cluster]
nodes = 5
[system]
bug = "ack_before_sync"
[disk]
sync = "5ms..20ms"
[[workload]]
clients = 10
rate = "500/s"
read_ratio = 0.2
timeout = "1s"
[[fault]]
kind = "crash"
target = "all"
at = "3s"
duration = "1s"
every = "3s"
on_crash = "lose_unsynced"
[report]
charts = false
"#;

const RESULTS: &str = "results.jsonl";
const SUMMARY: &str = "summary.json";
const JOURNAL: &str = "results.partial.jsonl";

struct Bench {
    scratch: Scratch,
    file: String,
}

impl Bench {
    fn new(text: &str) -> Self {
        let scratch = Scratch::new();
        let file = scratch.path().join("scenario.toml");
        std::fs::write(&file, text).expect("can be written");
        Self { file: file.to_str().expect("UTF-8").to_owned(), scratch }
    }

    fn out(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn args<'a>(&'a self, out: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
        let mut args = vec!["sweep", &self.file, "--out", out.to_str().expect("UTF-8")];
        args.extend(more);
        args
    }

    fn sweep(&self, name: &str, more: &[&str]) -> (crate::support::Ran, PathBuf) {
        let out = self.out(name);
        let ran = splitbrain(&self.args(&out, more));
        (ran, out.join("short/sweep"))
    }
}

fn bytes(path: impl AsRef<Path>) -> Vec<u8> {
    std::fs::read(path.as_ref()).unwrap_or_else(|e| panic!("{}: {e}", path.as_ref().display()))
}

/// Every file of the kept failures, without those that tell wall time.
fn failures(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(base: &Path, dir: &Path, all: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in std::fs::read_dir(dir).expect("failures are kept").flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(base, &path, all);
            } else if !path.ends_with("run.json") {
                all.insert(path.strip_prefix(base).expect("below").to_owned(), bytes(&path));
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(&dir.join("failures"), &dir.join("failures"), &mut all);
    all
}

fn assert_same(a: &Path, b: &Path) {
    for name in [RESULTS, SUMMARY] {
        let (a, b) = (bytes(a.join(name)), bytes(b.join(name)));
        assert!(a == b, "{name} differs:\n{}\n{}", String::from_utf8_lossy(&a), String::from_utf8_lossy(&b));
    }
}

fn json(path: impl AsRef<Path>) -> serde_json::Value {
    serde_json::from_slice(&bytes(path)).expect("JSON")
}

/// Runs a sweep and kills it with SIGKILL as soon as `ready`; whether it had to be killed.
fn killed(bench: &Bench, out: &Path, more: &[&str], ready: impl Fn() -> bool) -> bool {
    let mut child = Command::new(env!("CARGO_BIN_EXE_splitbrain"))
        .args(bench.args(out, more))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    while !ready() {
        if child.try_wait().expect("a child can be asked").is_some() {
            return false;
        }
        std::thread::yield_now();
    }
    let _ = child.kill();
    !child.wait().expect("it ends").success()
}

#[test]
fn killed_ten_times_at_random_gives_the_same_bytes() {
    let bench = Bench::new(SHORT);
    let flags = ["--seeds", "1..300", "--jobs", "2"];
    let (whole, calm) = bench.sweep("calm", &flags);
    assert!([Some(0), Some(1)].contains(&whole.status.code()), "{}{}", whole.stdout, whole.stderr);
    let out = bench.out("killed");
    let dir = out.join("short/sweep");
    let journal = dir.join(JOURNAL);
    let lines = || std::fs::read(&journal).map_or(0, |text| text.iter().filter(|b| **b == b'\n').count());
    // Ten places in the first 200 runs; where within a run each kill falls is up to the machine.
    let mut rng = sim_core::Rng::stream(1, sim_core::Purpose::Report, 0);
    let mut places: Vec<usize> = (0..10).map(|_| rng.below(200) as usize).collect();
    places.sort_unstable();
    for (kill, place) in places.into_iter().enumerate() {
        assert!(killed(&bench, &out, &flags, || lines() >= place.max(1)), "it ended before run {place}");
        // The most a kill can leave besides whole lines is the beginning of one.
        if kill % 3 == 1 {
            let mut text = bytes(&journal);
            text.extend_from_slice(br#"{"job":299,"se"#);
            std::fs::write(&journal, text).expect("can be written");
        }
        assert!(lines() >= place, "a finished run was lost: {} of {place}", lines());
    }
    // While results are put in order, while failures are kept, while pages are written: it may end before it is killed.
    for name in [".results.jsonl.partial", RESULTS, "failures", "summary.md"] {
        killed(&bench, &out, &flags, || dir.join(name).exists());
    }
    let resumed = splitbrain(&bench.args(&out, &flags));
    assert_eq!(resumed.status.code(), whole.status.code(), "{}", resumed.stderr);
    assert!(resumed.stderr.contains("runs were made earlier"), "{}", resumed.stderr);
    assert_same(&calm, &dir);
    assert!(bytes(calm.join("summary.html")) == bytes(dir.join("summary.html")));
    assert!(!journal.exists());
    assert!(failures(&calm) == failures(&dir));
}

#[test]
fn a_line_that_was_cut_off_is_made_again_and_said() {
    let bench = Bench::new(SHORT);
    let flags = ["--seeds", "1..12", "--set", "expect={}"];
    let (_, calm) = bench.sweep("calm", &flags);
    for (from, name) in [(JOURNAL, "journal"), (RESULTS, "results")] {
        let (_, dir) = bench.sweep(name, &flags);
        let text = String::from_utf8(bytes(dir.join(RESULTS))).expect("UTF-8");
        std::fs::remove_file(dir.join(RESULTS)).expect("it is there");
        std::fs::remove_file(dir.join(SUMMARY)).expect("it is there");
        std::fs::write(dir.join(from), &text[..text.len() - 40]).expect("can be written");
        let (again, dir) = bench.sweep(name, &flags);
        assert_eq!(again.status.code(), Some(0), "{}", again.stderr);
        assert!(again.stderr.contains("cut off"), "{}", again.stderr);
        assert!(again.stderr.contains("11 of 12 runs were made earlier"), "{}", again.stderr);
        assert_same(&calm, &dir);
    }
    // A finished sweep is not made again, and says the same.
    let (again, dir) = bench.sweep("calm", &flags);
    assert!(again.stderr.contains("12 of 12"), "{}", again.stderr);
    assert!(!again.stderr.contains("wall time"), "{}", again.stderr);
    assert!(!dir.join(JOURNAL).exists());
}

#[test]
fn shards_merged_are_the_whole_on_one_thread_or_two() {
    let bench = Bench::new(SHORT);
    let flags = [
        "--seeds",
        "1..7,20..26",
        "--vary",
        "cluster.nodes=3,5",
        "--vary",
        "fault.0.duration=500ms,1s",
        "--set",
        "report.charts=true",
    ];
    let with = |more: &[&'static str]| [flags.as_slice(), more].concat();
    let (one, whole) = bench.sweep("whole", &with(&["--jobs", "1"]));
    assert_eq!(one.status.code(), Some(1), "{}{}", one.stdout, one.stderr);
    let (_, two) = bench.sweep("two", &with(&["--jobs", "2"]));
    assert_same(&whole, &two);
    let shards: Vec<PathBuf> = [("3/3", 3), ("1/3", 1), ("2/3", 2)]
        .into_iter()
        .map(|(shard, k)| {
            bench.sweep("shards", &with(&["--shard", shard]));
            bench.out("shards").join(format!("short/sweep-{k}-of-3"))
        })
        .collect();
    let merged = bench.out("merged");
    let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let names: Vec<String> = shards.iter().map(|s| path(s)).collect();
    let merge =
        |dirs: &[&str], out: &Path| splitbrain(&[&["merge"], dirs, &["--out", out.to_str().expect("UTF-8")]].concat());
    let ran = merge(&[&names[0], &names[1], &names[2]], &merged);
    assert_eq!(ran.status.code(), Some(1), "{}{}", ran.stdout, ran.stderr);
    assert_same(&whole, &merged);
    assert_eq!(bytes(whole.join("sweep.json")), bytes(merged.join("sweep.json")));
    assert!(failures(&whole) == failures(&merged));
    // The folder that `--out` named finds them all; merging again changes nothing.
    let ran = merge(&[&path(&bench.out("shards"))], &merged);
    assert_eq!(ran.status.code(), Some(1), "{}", ran.stderr);
    assert_same(&whole, &merged);

    let refused = |dirs: &[&str], word: &str| {
        let ran = merge(dirs, &bench.out("refused"));
        assert_eq!(ran.status.code(), Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
        assert!(!bench.out("refused").exists());
    };
    refused(&[&names[0], &names[1]], "shard 2/3 is missing");
    refused(&[&names[0], &names[1], &names[1], &names[2]], "shard 1/3 is there twice");
    refused(&[&names[0], &names[1], &names[2], &path(&whole)], "divided only one way");
    refused(&["no/such/folder"], "no such folder");
    refused(&["fixtures"], "not a sweep");
    let (_, other) = bench.sweep("other", &["--seeds", "1..2"]);
    refused(&[&names[0], &path(&other)], "over seeds 1..2, not 1..7,20..26");
    // What is drawn of the merged results is what is drawn of the whole.
    for name in ["summary.html", "summary.md"] {
        assert!(bytes(whole.join(name)) == bytes(merged.join(name)), "{name}");
    }
    let charts = |dir: &Path| -> Vec<(String, Vec<u8>)> {
        let mut all: Vec<_> = std::fs::read_dir(dir.join("charts")).expect("charts").flatten().collect();
        all.sort_by_key(std::fs::DirEntry::file_name);
        all.iter().map(|e| (e.file_name().to_string_lossy().into_owned(), bytes(e.path()))).collect()
    };
    assert!(charts(&whole) == charts(&merged));
    let drawn: Vec<String> = charts(&whole).into_iter().map(|(name, _)| name).collect();
    let expected = ["availability.png", "availability.svg", "grid.png", "grid.svg", "longest-outage.png"];
    assert_eq!(drawn[..5], expected);
    // `report` makes them again, of a sweep and of a shard.
    std::fs::remove_dir_all(merged.join("charts")).expect("can be removed");
    std::fs::remove_file(merged.join(SUMMARY)).expect("can be removed");
    let again = splitbrain(&["report", &path(&merged), &path(&shards[1])]);
    assert_eq!(again.status.code(), Some(1), "{}", again.stderr);
    assert!(charts(&whole) == charts(&merged));
    assert_same(&whole, &merged);
    // Onto one of its own shards.
    let ran = merge(&[&names[0], &names[1], &names[2]], &shards[0]);
    assert_eq!(ran.status.code(), Some(2), "{}", ran.stderr);

    // Shards that were edited, cut off, or made by another version.
    let edit = |name: &str, change: &dyn Fn(String) -> String| {
        let file = shards[1].join(name);
        let text = String::from_utf8(bytes(&file)).expect("UTF-8");
        std::fs::write(&file, change(text.clone())).expect("can be written");
        let ran = merge(&[&names[0], &names[1], &names[2]], &bench.out("edited"));
        std::fs::write(&file, text).expect("can be written");
        assert_eq!(ran.status.code(), Some(2), "{}", ran.stderr);
        assert!(!bench.out("edited").join(RESULTS).exists());
        ran.stderr
    };
    assert!(edit(RESULTS, &|t| t[..t.len() - 9].to_owned()).contains("cut off"));
    assert!(edit(RESULTS, &|t| t.lines().skip(1).map(|l| format!("{l}\n")).collect()).contains("job 3, where job 0"));
    assert!(edit(RESULTS, &|t| format!("{t}{}\n", t.lines().next().unwrap())).contains("more results"));
    assert!(edit(RESULTS, &|t| t.replacen("\"seed\":1,", "\"seed\":9,", 1)).contains("job 0 has seed 1, not 9"));
    assert!(edit(RESULTS, &|t| t.replacen("\"ruling\":\"fail\"", "\"ruling\":\"pass\"", 1)).contains("was edited"));
    assert!(edit("sweep.json", &|t| t.replace("\"version\": \"", "\"version\": \"9.")).contains("version 9."));
    std::fs::rename(shards[1].join(RESULTS), shards[1].join(JOURNAL)).expect("it is there");
    refused(&[&names[0], &names[1], &names[2]], "is not finished");
}

#[test]
fn another_sweeps_folder_is_refused_and_left_alone() {
    let bench = Bench::new(SHORT);
    let (_, dir) = bench.sweep("out", &["--seeds", "1..4"]);
    let before = (bytes(dir.join(RESULTS)), bytes(dir.join(SUMMARY)));
    for (flags, word) in [
        (vec!["--seeds", "1..5"], "over seeds 1..4, not 1..5"),
        (vec!["--seeds", "1..4", "--set", "cluster.nodes=5"], "other contents"),
        (vec!["--seeds", "1..4", "--vary", "cluster.nodes=3,5"], "varying nothing, not cluster.nodes=3,5"),
    ] {
        let (ran, _) = bench.sweep("out", &flags);
        assert_eq!(ran.status.code(), Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains(word) && ran.stderr.contains("--out"), "{}", ran.stderr);
    }
    assert!(before == (bytes(dir.join(RESULTS)), bytes(dir.join(SUMMARY))));
    // A journal with a line of another sweep, an impossible line, or a run that is there twice.
    let line = String::from_utf8(before.0).expect("UTF-8").lines().next().expect("a line").to_owned();
    let line = line + "\n";
    let edited = |from: &str, to: &str| {
        assert!(line.contains(from), "{line}");
        line.replacen(from, to, 1)
    };
    // The same run in a sweep of something else.
    let (_, other) = bench.sweep("other", &["--seeds", "1..4", "--set", "cluster.nodes=5"]);
    let foreign = String::from_utf8(bytes(other.join(RESULTS))).expect("UTF-8");
    let foreign = foreign.lines().next().expect("a line").to_owned() + "\n";
    std::fs::remove_file(dir.join(RESULTS)).expect("it is there");
    for (text, word) in [
        (foreign, "line 1: job 0 was edited, or is the result of another sweep"),
        ("not a result\n".to_owned(), "line 1: this is not the result of a run"),
        (line.repeat(2), "line 2: job 0 is there twice"),
        (edited("\"job\":0", "\"job\":7"), "job 7 is not one of this sweep's"),
        (edited("\"seed\":1,", "\"seed\":2,"), "job 0 has seed 1, not 2"),
        (edited("\"ruling\":\"", "\"ruling\": \""), "job 0 was edited"),
        (edited("\"digest\":\"", "\"digest\":\"0"), "job 0 was edited"),
        (edited(",\"check\":\"", ",\"check\":\"0"), "job 0 was edited"),
    ] {
        std::fs::write(dir.join(JOURNAL), &text).expect("can be written");
        let (ran, _) = bench.sweep("out", &["--seeds", "1..4"]);
        assert_eq!(ran.status.code(), Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
        assert_eq!(String::from_utf8(bytes(dir.join(JOURNAL))).expect("UTF-8"), text, "nothing is lost");
    }
    // Of another version.
    let manifest = String::from_utf8(bytes(dir.join("sweep.json"))).expect("UTF-8");
    std::fs::write(dir.join("sweep.json"), manifest.replace("\"version\": \"", "\"version\": \"9.")).expect("written");
    let (ran, _) = bench.sweep("out", &["--seeds", "1..4"]);
    assert_eq!(ran.status.code(), Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("made by version 9."), "{}", ran.stderr);
    // A description that is not one, with results beside it.
    std::fs::write(dir.join("sweep.json"), "{").expect("can be written");
    let (ran, _) = bench.sweep("out", &["--seeds", "1..4"]);
    assert_eq!(ran.status.code(), Some(2), "{}", ran.stderr);
}

#[test]
fn bad_flags_get_one_clear_message() {
    let bench = Bench::new(SHORT);
    for (flags, word) in [
        (vec!["--seeds", "5..1"], "did you mean `1..5`"),
        (vec!["--seeds", "1..x"], "`x` is not a seed"),
        (vec!["--seeds", ""], "names no seed"),
        (vec!["--seeds", "1..3,2"], "seed 2 is named twice"),
        (vec!["--seeds", "0..18446744073709551615"], "at most"),
        (vec!["--shard", "5/4"], "no shard 5 of 4"),
        (vec!["--shard", "0/4"], "counted from 1"),
        (vec!["--shard", "1/0"], "0 shards"),
        (vec!["--shard", "one"], "not a shard"),
        (vec!["--jobs", "0"], "0"),
        (vec!["--vary", "cluster.nodes"], "no `=`"),
        (vec!["--vary", "cluster.nodes="], "names no value"),
        (vec!["--vary", "cluster.nodes=3,,5"], "value 2"),
        (vec!["--vary", "cluster.nodes=3,3"], "twice"),
        (vec!["--vary", "cluster.nods=3,5"], "did you mean `nodes`?"),
        (vec!["--vary", "cluster.nods=3,5", "--vary", "system.pre_vote=maybe,true,never"], "3 problems"),
        (vec!["--vary", "cluster.nodes=3,none", "--vary", "fault.0.at=1s,late"], "late"),
        (vec!["--vary", "nowhere.at_all=3,5"], "nowhere"),
        (vec!["--vary", "system.no_such_option=1"], "no_such_option"),
        (vec!["--vary", "cluster.nodes=3,none"], "none"),
        (vec!["--vary", "cluster.nodes=3", "--vary", "cluster.nodes=5"], "varied twice"),
        (vec!["--vary", "scenario.seed=1,2"], "--seeds"),
        (vec!["--set", "fault.7.at=1s"], "fault.7"),
        (vec!["--format", "xml"], "xml"),
    ] {
        let (ran, dir) = bench.sweep("bad", &flags);
        assert_eq!(ran.status.code(), Some(2), "{flags:?}\n{}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(word), "{flags:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        assert!(!dir.exists(), "{flags:?} left something behind");
    }
    assert_eq!(splitbrain(&["sweep", "no/such/file.toml"]).status.code(), Some(2));
    assert_eq!(splitbrain(&["merge", "a"]).status.code(), Some(2));
    // A file where the folder should be.
    std::fs::write(bench.out("blocked"), "in the way").expect("can be written");
    let (ran, _) = bench.sweep("blocked", &["--seeds", "1"]);
    assert_eq!(ran.status.code(), Some(74), "{}", ran.stderr);
    assert!(ran.stderr.contains("blocked"), "{}", ran.stderr);
}

#[test]
fn a_known_bug_is_found_and_its_failure_replays() {
    let bench = Bench::new(ACK_BEFORE_SYNC);
    let (ran, dir) = bench.sweep("out", &["--seeds", "1..6", "--format", "json"]);
    assert_eq!(ran.status.code(), Some(1), "{}{}", ran.stdout, ran.stderr);
    let summary: serde_json::Value = serde_json::from_str(&ran.stdout).expect("standard output is JSON alone");
    assert_eq!(summary, json(dir.join(SUMMARY)));
    assert!(summary["counts"]["fail"].as_u64().expect("a count") > 0, "{summary}");
    let first = &summary["failures"][0];
    let kept = dir.join(format!("failures/{}-seed{}", first["job"], first["seed"]));
    for name in ["scenario.toml", "record.json", "history.jsonl", "trace.jsonl", "report.json"] {
        assert!(kept.join(name).exists(), "{name}");
    }
    let results = String::from_utf8(bytes(dir.join(RESULTS))).expect("UTF-8");
    let line = results.lines().nth(first["job"].as_u64().expect("a job") as usize).expect("its line");
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(line["digest"], json(kept.join("record.json"))["digest"]);
    let replayed = splitbrain(&["replay", kept.to_str().expect("UTF-8")]);
    assert_eq!(replayed.status.code(), Some(1), "{}{}", replayed.stdout, replayed.stderr);
    // The page says what to type next, and `report` knows runs, sweeps, and what is neither.
    let page = String::from_utf8(bytes(dir.join("summary.html"))).expect("UTF-8").replace("&#x2f;", "/");
    let name = format!("failures/{}-seed{}", first["job"], first["seed"]);
    assert!(page.contains(&format!("splitbrain shrink {name}")), "{name}");
    let report = |path: &Path| splitbrain(&["report", path.to_str().expect("UTF-8")]);
    assert_eq!(report(&kept).status.code(), Some(1));
    assert_eq!(report(&dir).status.code(), Some(1));
    for neither in [dir.join("failures"), dir.join("..")] {
        let ran = report(&neither);
        assert_eq!(ran.status.code(), Some(2), "{}", ran.stdout);
        assert!(ran.stderr.contains("not a run itself"), "{}", ran.stderr);
    }
    std::fs::rename(dir.join(RESULTS), dir.join(JOURNAL)).expect("it is there");
    assert!(report(&dir).stderr.contains("is not finished"));
    assert!(replayed.stdout.contains(line["digest"].as_str().expect("a digest")), "{}", replayed.stdout);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_in_the_middle_loses_nothing() {
    let bench = Bench::new(SHORT);
    let flags = ["--seeds", "1..60", "--set", "expect={}", "--set", "report.charts=true"];
    let (_, calm) = bench.sweep("calm", &flags);
    let out = bench.out("full");
    let dir = out.join("short/sweep");
    // A limit on file sizes (in blocks of 512 bytes) lets a write fail: first in the journal, then, when that has room,
    // in the charts, which are larger than anything before them.
    let limited = |blocks: u32| {
        let ran = Command::new("sh")
            .arg("-c")
            .arg(format!("ulimit -f {blocks}; trap '' XFSZ; exec \"$0\" \"$@\""))
            .arg(env!("CARGO_BIN_EXE_splitbrain"))
            .args(bench.args(&out, &flags))
            .output()
            .expect("sh runs");
        let stderr = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(74), "{stderr}");
        stderr
    };
    let stderr = limited(24);
    assert!(stderr.contains(JOURNAL) && stderr.contains("the same command"), "{stderr}");
    assert!(!dir.join(RESULTS).exists() && !dir.join(SUMMARY).exists());
    let most = bytes(calm.join(RESULTS)).len().max(bytes(calm.join("summary.html")).len());
    let largest = std::fs::read_dir(calm.join("charts")).expect("charts").flatten();
    let largest = largest.map(|e| bytes(e.path()).len()).max().expect("a chart");
    assert!(most + 1024 < largest, "no limit lies between {most} and {largest}");
    let stderr = limited((most as u32).div_ceil(512) + 1);
    assert!(stderr.contains("of 60 runs were made earlier"), "{stderr}");
    assert!(stderr.contains("charts"), "{stderr}");
    let resumed = splitbrain(&bench.args(&out, &flags));
    assert_eq!(resumed.status.code(), Some(0), "{}", resumed.stderr);
    assert!(resumed.stderr.contains("60 of 60 runs were made earlier"), "{}", resumed.stderr);
    assert_same(&calm, &dir);
    // A file system that takes nothing at all, not even from root.
    let ran = splitbrain(&bench.args(Path::new("/proc/nowhere"), &["--seeds", "1"]));
    assert_eq!(ran.status.code(), Some(74), "{}", ran.stderr);
    assert!(ran.stderr.contains("/proc/nowhere"), "{}", ran.stderr);
}
