//! `examples/counter`, a protocol outside of this workspace: it is as short as it says, and has every verb.

use crate::support::{Ran, Scratch, ended, root};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

fn example() -> PathBuf {
    root().join("examples/counter")
}

/// The program, built if nobody has: it shares all that is built for these tests.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let folder = Path::new(env!("CARGO_BIN_EXE_splitbrain")).parent().expect("it lies in a folder");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--offline", "--workspace", "--example", "counter"]).current_dir(root());
        if folder.ends_with("release") {
            build.arg("--release");
        }
        let built = ended(build.output().expect("cargo runs"));
        assert!(built.status.success(), "{}", built.stderr);
        folder.join("examples/counter")
    })
}

fn counter(args: &[&str]) -> Ran {
    let mut command = Command::new(program());
    ended(command.args(args).current_dir(example()).env("NO_COLOR", "1").output().expect("it runs"))
}

#[track_caller]
fn ends_with(code: i32, args: &[&str]) -> Ran {
    let ran = counter(args);
    assert_eq!(ran.status.code(), Some(code), "{args:?}: {}{}", ran.stdout, ran.stderr);
    ran
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("is there")).expect("JSON")
}

#[test]
fn it_is_short_and_its_plumbing_is_shorter() {
    let source = fs::read_to_string(example().join("src/main.rs")).expect("is there");
    let plumbing = source.split_once("// From here on it is plumbing").expect("it says where that begins").1;
    assert!(source.lines().count() < 150, "{} lines", source.lines().count());
    assert!(plumbing.lines().count() < 40, "{} lines of plumbing", plumbing.lines().count());
}

#[test]
fn it_knows_itself_alone() {
    let systems = ends_with(0, &["list", "systems"]).stdout;
    assert!(systems.starts_with("counter\n") && !systems.contains("raft"), "{systems}");
    assert!(ends_with(0, &["list", "rules"]).stdout.contains("promises_kept"));
    assert!(ends_with(0, &["list", "metrics"]).stdout.contains("metric_behind"));
    ends_with(0, &["check", "scenarios/steady.toml", "scenarios/chaos.toml", "scenarios/rot.toml"]);
    let caught = ends_with(0, &["bugs", "scenarios/chaos.toml", "--seeds", "1..10"]).stdout;
    assert!(caught.contains("1 of 1 bugs caught"), "{caught}");
}

#[test]
fn it_runs_and_designs_of_it_compare() {
    let scratch = Scratch::new();
    let out = ["--out", shown(scratch.path())];
    let ran = ends_with(0, &[&["run", "scenarios/steady.toml", "--twin"][..], &out].concat());
    assert!(ran.stdout.contains("counter replay "), "commands begin with its own name: {}", ran.stdout);
    let report = json(&scratch.path().join("counter-steady/1/report.json"));
    let metrics = report["metrics"].as_array().expect("figures");
    assert!(
        metrics.iter().any(|metric| metric["name"] == "behind" && metric["value"].as_f64() > Some(0.0)),
        "{report}"
    );
    ends_with(0, &["replay", shown(&scratch.path().join("counter-steady/1"))]);

    let slow = scratch.path().join("slow.toml");
    let steady = fs::read_to_string(example().join("scenarios/steady.toml")).expect("is there");
    fs::write(&slow, steady.replace("counter-steady", "counter-slow") + "\n[system]\nround = \"500ms\"\n")
        .expect("writes");
    let args = ["compare", "scenarios/steady.toml", shown(&slow), "--seeds", "1..8"];
    let compared = ends_with(0, &[&args[..], &out].concat()).stdout;
    assert!(compared.contains("behind"), "{compared}");
}

#[test]
fn its_bug_is_swept_and_shrunk() {
    let scratch = Scratch::new();
    let bug = ["--set", "system.bug=say_before_sync", "--set", "report.charts=false"];
    let out = ["--out", shown(scratch.path())];
    let swept = ends_with(1, &[&["sweep", "scenarios/chaos.toml", "--seeds", "1..6"][..], &bug, &out].concat());
    assert!(swept.stdout.contains("promises_kept: failed in "), "{}", swept.stdout);
    let failing = fs::read_dir(scratch.path().join("counter-chaos/sweep/failures")).expect("some are kept");
    let failing = failing.map(|entry| entry.expect("readable").path()).min().expect("some are kept");
    let small = scratch.path().join("small");
    ends_with(0, &["shrink", shown(&failing), "--out", shown(&small)]);
    ends_with(1, &["replay", shown(&small)]);
    let scenario = fs::read_to_string(small.join("scenario.toml")).expect("is there");
    assert!(scenario.contains("bug = \"say_before_sync\""), "the same bug: {scenario}");
    assert_eq!(scenario.matches("[[fault]]").count(), 1, "one crash is enough: {scenario}");
}

/// The whole way of a run that a panic ended: it is one like any other that broke a rule.
#[test]
fn its_panic_is_a_broken_rule() {
    let scratch = Scratch::new();
    let bare = ["--set", "expect.violates=[]", "--set", "report.charts=false"];
    let out = ["--out", shown(scratch.path())];
    let ran = ends_with(1, &[&["run", "scenarios/rot.toml"][..], &bare, &out].concat());
    assert!(ran.stdout.contains("failed      no_panic: at 1.6s on n2: a disk never rots"), "{}", ran.stdout);
    assert!(!ran.stderr.contains("bug in splitbrain") && !ran.stderr.contains("panicked"), "{}", ran.stderr);
    let dir = scratch.path().join("counter-rot/1");
    let report = json(&dir.join("report.json"));
    let broken: Vec<_> =
        report["verdicts"].as_array().expect("verdicts").iter().filter(|v| v["verdict"] == "fail").collect();
    let [panic] = &broken[..] else { panic!("{broken:?}") };
    let detail = panic["detail"].as_str().expect("text");
    let place = detail.strip_prefix("at 1.6s on n2: a disk never rots: Unreadable (").expect("what it says");
    assert!(panic["rule"] == "no_panic" && place.contains("examples/counter/src/main.rs:"), "{detail}");

    ends_with(1, &["replay", shown(&dir)]);
    assert!(ends_with(0, &["trace", shown(&dir), "--event", "crashed"]).stdout.contains("n2"));
    let small = scratch.path().join("small");
    let shrunk = ends_with(0, &["shrink", shown(&dir), "--out", shown(&small)]).stdout;
    assert!(shrunk.contains("no_panic fails: "), "{shrunk}");
    ends_with(1, &["replay", shown(&small)]);
    let swept = ends_with(1, &[&["sweep", "scenarios/rot.toml", "--seeds", "1..3"][..], &bare, &out].concat());
    assert!(swept.stdout.contains("0 held, 3 failed, 0 inconclusive\n"), "{}", swept.stdout);
}

/// The source without its blank lines, which pages have in other places.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect()
}

#[test]
fn the_page_about_it_is_its_source() {
    let page = fs::read_to_string(root().join("docs/5-your-protocol.md")).expect("is there");
    let blocks: Vec<&str> =
        page.split("```rust\n").skip(1).map(|rest| rest.split_once("```").expect("it ends").0).collect();
    let source = fs::read_to_string(example().join("src/main.rs")).expect("is there");
    let (shown, real) = (blocks.concat(), lines(&source));
    let shown = lines(&shown);
    for (shown, real) in shown.iter().zip(&real) {
        assert_eq!(shown, real, "docs/5-your-protocol.md shows another line than examples/counter/src/main.rs");
    }
    assert_eq!(shown.len(), real.len());
}
