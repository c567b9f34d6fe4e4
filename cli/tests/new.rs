//! `splitbrain new`: a first scenario of any system that checks and runs, and the example's crate under another name.

use crate::support::{Ran, Scratch, command, ended, root};
use std::fs;
use std::path::Path;

fn within(scratch: &Scratch, args: &[&str]) -> Ran {
    ended(command(args).current_dir(scratch.path()).output().expect("the binary runs"))
}

#[test]
fn a_new_protocol_is_the_example_under_another_name() {
    let scratch = Scratch::new();
    let new = |args: &[&str]| within(&scratch, &[&["new", "--protocol"][..], args].concat());
    let made = new(&["tally-two"]);
    assert_eq!(made.status.code(), Some(0), "{}", made.stderr);
    let folder = scratch.path().join("tally-two");
    for file in ["src/main.rs", "scenarios/steady.toml", "scenarios/chaos.toml", "scenarios/rot.toml"] {
        let text = fs::read_to_string(folder.join(file)).expect("it was written");
        let back = text.replace("TallyTwo", "Counter").replace("tally-two", "counter");
        assert_eq!(back, fs::read_to_string(root().join("examples/counter").join(file)).expect("is there"), "{file}");
        assert!(text.contains("tally-two") && !text.contains("ounter"), "{file}: {text}");
    }
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("it was written");
    assert!(manifest.contains("name = \"tally-two\"") && !manifest.contains("../../cli"), "{manifest}");
    let library =
        manifest.split_once("path = \"").and_then(|(_, rest)| rest.split_once('"')).expect("from a checkout").0;
    assert!(Path::new(library).join("Cargo.toml").exists(), "{manifest}");

    for (name, says) in [("tally-two", "is there already"), ("Tally", "lower-case letters")] {
        let refused = new(&[name]);
        assert_eq!(refused.status.code(), Some(2), "{}", refused.stderr);
        assert!(refused.stderr.contains(says), "{}", refused.stderr);
    }
}

#[test]
fn a_first_scenario_of_any_system_checks_and_runs() {
    let scratch = Scratch::new();
    let splitbrain = |args: &[&str]| ended(command(args).current_dir(scratch.path()).output().expect("it runs"));
    for system in splitbrain::registry().iter().map(scenarios::AnySystem::name) {
        let made = splitbrain(&["new", system]);
        assert_eq!(made.status.code(), Some(0), "{system}: {}", made.stderr);
        let file = format!("my-{system}.toml");
        let text = fs::read_to_string(scratch.path().join(&file)).expect("it was written");
        // Of what is no story of the library, less will do.
        let is_story = text.contains("goes into [system]");
        let short = ["scenario.duration=4s", "scenario.settle=20s", "fault.0.at=2s", "fault.0.duration=500ms"];
        let mut args = vec!["run", file.as_str(), "--set", "report.charts=false"];
        short.iter().filter(|_| !is_story).for_each(|option| args.extend(["--set", option]));
        let ran = splitbrain(&args);
        let allowed: &[i32] = if is_story { &[0] } else { &[0, 3] };
        assert!(
            ran.status.code().is_some_and(|code| allowed.contains(&code)),
            "{system}: {}{}",
            ran.stdout,
            ran.stderr
        );
        // What somebody has begun to write is never written over.
        let again = splitbrain(&["new", system]);
        assert!(again.status.code() == Some(2) && again.stderr.contains("is there already"), "{}", again.stderr);
        assert_eq!(fs::read_to_string(scratch.path().join(&file)).expect("is there"), text);
    }
    let elsewhere = splitbrain(&["new", "raft", "first/one.toml"]);
    assert_eq!(elsewhere.status.code(), Some(0), "{}", elsewhere.stderr);
    let text = fs::read_to_string(scratch.path().join("first/one.toml")).expect("it was written");
    assert!(text.contains("# pre_vote = true\n"), "{text}");
    let unknown = splitbrain(&["new", "raftt"]);
    assert!(
        unknown.status.code() == Some(2) && unknown.stderr.contains("there is no system \"raftt\""),
        "{}",
        unknown.stderr
    );
}

/// The library travels in the program: no checkout is needed to list it, read it and run it.
#[test]
fn the_library_works_anywhere() {
    let scratch = Scratch::new();
    let splitbrain = |args: &[&str]| within(&scratch, args);
    let listed = splitbrain(&["list", "scenarios"]).stdout;
    assert!(listed.lines().any(|line| line.starts_with("raft/leader-crash ")), "{listed}");
    let shown = splitbrain(&["show", "raft/leader-crash"]);
    let on_disk = fs::read_to_string(root().join("scenarios/library/raft/leader-crash.toml")).expect("is there");
    assert_eq!((shown.status.code(), &shown.stdout), (Some(0), &on_disk));

    // A scenario with a file beside it, too.
    for name in ["raft/leader-crash", "kubernetes/essay"] {
        let ran = splitbrain(&["run", "--set", "report.charts=false", name]);
        assert_eq!(ran.status.code(), Some(0), "{}{}", ran.stdout, ran.stderr);
    }
    // A file of that name comes first.
    fs::create_dir(scratch.path().join("raft")).expect("an empty folder");
    fs::write(scratch.path().join("raft/leader-crash"), "nonsense").expect("a file");
    assert_eq!(splitbrain(&["check", "raft/leader-crash"]).status.code(), Some(2));

    for args in [["show", "raft/leadr-crash"], ["check", "raft/leadr-crash"]] {
        let refused = splitbrain(&args);
        assert_eq!(refused.status.code(), Some(2));
        assert!(refused.stderr.contains("did you mean `raft/leader-crash"), "{}", refused.stderr);
    }
}
