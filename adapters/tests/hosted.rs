//! Hosted libraries and programs, by the program that people use.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder for runs that ends with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn hosted(arguments: &[&str], scratch: Option<&Scratch>) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hosted"));
    command.args(arguments).current_dir(here());
    if let Some(Scratch(path)) = scratch {
        command.arg("--out").arg(path);
    }
    let Output { status, stdout, stderr } = command.output().expect("it starts");
    let said = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    (status.code().unwrap_or(-1), said.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn scenarios(below: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![here().join("scenarios").join(below)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                found.push(entry.strip_prefix(here()).expect("it is below").display().to_string());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_same_seed_is_the_same_run_in_one_process_and_in_another() {
    for file in scenarios("") {
        let scratch = Scratch::new("twins");
        let (code, said) = hosted(&["run", &file, "--twin"], Some(&scratch));
        // A library may break its promise in a storm (docs/findings.md), but by the same seed in the same way: runs
        // that differ end with 4.
        assert!(code <= 1, "{file}: {said}");
        let name = std::fs::read_dir(&scratch.0).expect("runs").next().expect("a run").expect("a folder").path();
        let run =
            name.join(std::fs::read_link(name.join("latest")).map_or("1".into(), |path| path.display().to_string()));
        let (again, said) = hosted(&["replay", &run.display().to_string()], None);
        assert_eq!(again, code, "{file}: {said}");
    }
}

#[test]
fn storms_hold_and_switched_on_bugs_are_caught() {
    for library in ["raft-rs", "omnipaxos", "noraft"] {
        let file = format!("scenarios/{library}/elections.toml");
        let (code, said) = hosted(&["bugs", &file, "--seeds", "1..200"], None);
        assert_eq!(code, 0, "{library}: {said}");
        assert!(said.contains("2 of 2 bugs caught"), "{library}: {said}");
    }
    for file in ["raft-rs/chaos", "noraft/chaos", "foca/chaos", "foca/returns"] {
        let scratch = Scratch::new("storms");
        let (code, said) = hosted(&["sweep", &format!("scenarios/{file}.toml"), "--seeds", "1..20"], Some(&scratch));
        assert_eq!(code, 0, "{file}: {said}");
    }
}

/// What is a library's fault holds with another version of it, or without the part that is wrong.
#[test]
fn findings_are_the_libraries() {
    let held = |file: &str, change: &str| {
        let scratch = Scratch::new("findings");
        let (code, said) = hosted(&["run", file, "--set", change], Some(&scratch));
        assert_eq!(code, 1, "{said}");
        assert!(
            said.contains("1 of") && said.contains("and none was"),
            "nothing but the expected breach is missing: {said}"
        );
    };
    held("scenarios/raftbare/negative/shorter-term-wins.toml", "scenario.system=noraft");
    held("scenarios/omnipaxos/negative/follower-returns.toml", "system.snapshot_every=0");
    held("scenarios/raft-rs/negative/campaign-while-installing.toml", "system.tick_while_installing=false");
}

#[test]
fn a_program_that_goes_wrong_is_told_apart_and_leaves_nothing_running() {
    for (how, why) in [
        ("dies", "the program ended by itself (exit status: 1); its last words: ValueError: I can not go on"),
        ("hangs", "has not said `done` within 1s: it hangs"),
        ("closes", "the program closed its standard output"),
        ("prints", "what its program wrote to its standard output is no JSON: `hello,"),
        ("nonsense", "its program said what makes no sense: `dest` is no node"),
    ] {
        let scratch = Scratch::new(how);
        let command = format!("system.command=[\"tests/programs/bad.py\", {how:?}]");
        let wanted = ["run", "scenarios/external/minimal.toml", "--set", &command, "--set", "system.patience=1s"];
        let (code, said) = hosted(&wanted, Some(&scratch));
        assert_eq!(code, 1, "{how}: {said}");
        assert!(said.contains("programs_answer") && said.contains(why), "{how}: {said}");
        let left = Command::new("pgrep").args(["-f", &format!("bad.py {how}")]).output();
        assert!(left.is_ok_and(|left| left.stdout.is_empty()), "{how}: something still runs");
    }
    for (program, why) in [("nowhere.py", "there is no program"), ("Cargo.toml", "is no executable file")] {
        let command = format!("system.command=[\"./{program}\"]");
        let (code, said) = hosted(&["check", "scenarios/external/minimal.toml", "--set", &command], None);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(why), "{said}");
    }
}
