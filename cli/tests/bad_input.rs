//! What bad input gets from the command line: one clear message per problem, the right exit code, nothing half-written.

mod support;

use support::{Scratch, root, splitbrain};

#[test]
fn every_invalid_fixture_is_refused_with_exit_code_2() {
    let mut seen = 0;
    for entry in std::fs::read_dir(root().join("fixtures/invalid")).expect("fixtures").flatten() {
        let path = entry.path();
        if !path.extension().is_some_and(|e| e == "toml" || e == "json") {
            continue;
        }
        seen += 1;
        let ran = splitbrain(&["check", path.to_str().unwrap()]);
        assert_eq!(ran.status.code(), Some(2), "{}\n{}{}", path.display(), ran.stdout, ran.stderr);
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    }
    assert!(seen >= 30, "only {seen} invalid scenarios");
}

#[test]
fn missing_files_and_folders_are_named() {
    for (path, word) in [("no/such/file.toml", "no/such/file.toml"), ("scenarios", "scenarios")] {
        let ran = splitbrain(&["run", path]);
        assert_eq!(ran.status.code(), Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains(word), "{}", ran.stderr);
    }
    assert_eq!(splitbrain(&["run"]).status.code(), Some(2));
    assert_eq!(splitbrain(&["fly"]).status.code(), Some(2));
    assert_eq!(splitbrain(&["replay", "no/such/run"]).status.code(), Some(2));
}

#[test]
fn a_results_folder_that_can_not_be_written_leaves_nothing() {
    let scratch = Scratch::new();
    // A file where the folder should be: not even root can create a folder under it.
    let blocked = scratch.path().join("blocked");
    std::fs::write(&blocked, "in the way").expect("can be written");
    let file = root().join("scenarios/library/raft/steady.toml");
    let ran = splitbrain(&[
        "run",
        "--set",
        "scenario.duration=3s",
        "--out",
        blocked.to_str().unwrap(),
        file.to_str().unwrap(),
    ]);
    assert_eq!(ran.status.code(), Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("blocked"), "{}", ran.stderr);
    assert_eq!(std::fs::read_dir(scratch.path()).expect("scratch").count(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let scratch = Scratch::new();
    let ran = std::process::Command::new("sh")
        .arg("-c")
        .arg(format!(
            // A limit on file sizes (in blocks of 512 bytes) makes the history's write fail part of the way through.
            "ulimit -f 64; trap '' XFSZ; exec {} run --set scenario.duration=8s --out {} scenarios/library/raft/steady.toml",
            env!("CARGO_BIN_EXE_splitbrain"),
            scratch.path().join("out").display(),
        ))
        .current_dir(root())
        .output()
        .expect("sh runs");
    let stderr = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(1), "{stderr}");
    let folder = scratch.path().join("out/raft-steady");
    let left: Vec<_> = std::fs::read_dir(&folder).map(|d| d.flatten().map(|e| e.path()).collect()).unwrap_or_default();
    assert!(left.is_empty(), "left behind: {left:?}");
}
