//! What a program for somebody else's protocol has: the verbs of the library, over a registry of its own.

use crate::support::{Ran, Scratch, ended, splitbrain};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;

#[test]
fn bugs_are_looked_for_in_the_files_that_are_named() {
    let file = "scenarios/library/raft/chaos.toml";
    let ran = splitbrain(&["bugs", file, "--bug", "no_up_to_date_check", "--seeds", "1..2", "--jobs", "2"]);
    assert_eq!(ran.status.code(), Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("1 of 1 bugs caught"), "{}", ran.stdout);
    assert!(ran.stdout.contains("clean without a bug"), "{}", ran.stdout);
}

#[test]
fn a_bug_that_no_file_can_show_is_bad_usage() {
    let placement = "scenarios/library/placement";
    for (args, says) in [
        (&["bugs", "scenarios/library/raft", "--bug", "no_such_bug"][..], "no system has a bug \"no_such_bug\""),
        (&["bugs", placement], "none of these files is of a system that has such a bug"),
        (&["bugs", "no/such/file.toml"], "no/such/file.toml"),
    ] {
        let ran = splitbrain(args);
        assert_eq!(ran.status.code(), Some(2), "{args:?}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(says), "{args:?}: {}", ran.stderr);
    }
}

/// A scenario of few events.
const SMALL: &str = r#"
[scenario]
name = "small"
system = "synod"
duration = "1s"
settle = "500ms"
[cluster]
nodes = 3
[[workload]]
clients = 1
rate = "10/s"
[report]
charts = false
"#;

fn shown(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn results_that_other_code_made_are_not_continued() {
    let scratch = Scratch::new();
    let file = scratch.path().join("small.toml");
    fs::write(&file, SMALL).expect("writes");
    let copy = scratch.path().join("copied");
    fs::copy(env!("CARGO_BIN_EXE_splitbrain"), &copy).expect("a program can be copied");
    let sweep = |program: &Path| -> Ran {
        let args = ["sweep", shown(&file), "--seeds", "1..3", "--out", shown(scratch.path())];
        ended(Command::new(program).args(args).output().expect("it runs"))
    };
    let first = sweep(Path::new(env!("CARGO_BIN_EXE_splitbrain")));
    assert!(matches!(first.status.code(), Some(0 | 3)), "{}{}", first.stdout, first.stderr);

    let same = sweep(&copy);
    assert_eq!(same.status.code(), first.status.code(), "{}{}", same.stdout, same.stderr);
    assert!(same.stderr.contains("3 of 3 runs were made earlier"), "{}", same.stderr);
    // People are told to use the program that they started.
    assert!(same.stdout.contains("copied sweep ") && !same.stdout.contains("splitbrain sweep "), "{}", same.stdout);

    // What follows a program in its file is no part of it for the system, and other code for us.
    let mut program = OpenOptions::new().append(true).open(&copy).expect("it can be opened");
    program.write_all(b"other code").expect("it can be written");
    drop(program);
    let other = sweep(&copy);
    assert_eq!(other.status.code(), Some(2), "{}{}", other.stdout, other.stderr);
    assert!(other.stderr.contains("made by another build of this program"), "{}", other.stderr);
}
