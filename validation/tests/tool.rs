//! The tool as a person meets it: what it says of bad files and missing packages, and that nothing goes on after it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn tool() -> Command {
    Command::new(env!("CARGO_BIN_EXE_validation"))
}

/// What was said, and with which code it ended.
fn ended(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned())
}

fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    fs::create_dir_all(&path).expect("a folder");
    path
}

fn installed(program: &str) -> bool {
    let there = Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
    there.is_ok_and(|status| status.success())
}

#[test]
fn a_file_with_mistakes_is_refused_with_all_of_them() {
    let folder = folder("mistakes");
    let file = folder.join("bad.toml");
    let text = "[validation]\nname = \"x\"\ntitle = \"y\"\nsystem = \"etcd\"\ntrails = 3\n\n\
                [[fault]]\nkind = \"crush\"\ntarget = \"leader\"\n";
    fs::write(&file, text).expect("written");
    let (code, said) = ended(&tool().arg(&file).arg("nowhere").output().expect("it runs"));
    assert_eq!(code, Some(2), "{said}");
    for wanted in [
        "bad.toml:5:1: [validation] has no key `trails`",
        "bad.toml:8:8: there is no fault \"crush\"",
        "nowhere: no system",
    ] {
        assert!(said.contains(wanted), "{said}");
    }
    let (code, _) = ended(&tool().output().expect("it runs"));
    assert_eq!(code, Some(2), "nothing was asked for");
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn what_is_not_installed_is_named() {
    let empty = folder("no-programs");
    // Programs of root's lie where this looks anyway: HAProxy and Slurm may be there.
    let (code, said) = ended(&tool().args(["etcd", "serf"]).env("PATH", &empty).output().expect("it runs"));
    assert_eq!(code, Some(74), "{said}");
    for wanted in
        ["etcd is not installed (apt-get install etcd-server)", "serf is not installed", "nothing was measured"]
    {
        assert!(said.contains(wanted), "{said}");
    }
    let (code, said) = ended(&tool().args(["all", "--check"]).env("PATH", &empty).output().expect("it runs"));
    assert_eq!(code, Some(0), "{said}");
    for wanted in ["etcd-leader-killed is left out", "redis-sentinel-primary-killed is left out", "no namespaces"] {
        assert!(said.contains(wanted), "{said}");
    }
    fs::remove_dir_all(empty).expect("removed");
}

/// Processes whose command names the folder of the tool with this number.
fn left(tool: u32) -> Vec<String> {
    let name = format!("splitbrain-validation-{tool}/");
    let lines = fs::read_dir("/proc").expect("/proc").flatten().filter_map(|entry| {
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(&name).then_some(line)
    });
    lines.collect()
}

fn own(tool: u32) -> PathBuf {
    std::env::temp_dir().join(format!("splitbrain-validation-{tool}"))
}

/// The tool measuring etcd, with its first trial over.
fn at_work(out: &Path, more: &[&str]) -> Child {
    let mut child = tool()
        .args(["etcd-leader-killed", "--trials", "50", "--out"])
        .arg(out)
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let trial = lines.map_while(Result::ok).find(|line| line.contains("1 of 50"));
    assert!(trial.is_some(), "no trial came to an end");
    child
}

fn nothing_left(tool: u32, how: &str) {
    let began = Instant::now();
    while (!left(tool).is_empty() || own(tool).exists()) && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(left(tool).is_empty(), "after {how}: {:?}", left(tool));
    assert!(!own(tool).exists(), "after {how}: its folder is still there");
}

#[test]
fn a_real_cluster_is_measured_and_nothing_is_left_however_it_ends() {
    if !installed("etcd") {
        eprintln!("LEFT OUT: etcd is not installed, so no real cluster is measured (apt-get install etcd-server)");
        return;
    }
    let out = folder("trials");
    let output = tool().args(["etcd-leader-killed", "--trials", "1", "--out"]).arg(&out).output().expect("it runs");
    let (code, said) = ended(&output);
    assert_eq!(code, Some(0), "{said}");
    let text = fs::read_to_string(out.join("etcd-leader-killed.json")).expect("it is written");
    let trials: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let ms = trials["trials"][0].as_f64().expect("a trial");
    assert!((800.0..30_000.0).contains(&ms), "{ms} ms: elections begin 1 s after the last heartbeat");

    let kill = |signal: &str, id: u32| {
        let status = Command::new("kill").args([signal, &id.to_string()]).status().expect("kill");
        assert!(status.success());
    };
    for (more, signal, code) in [
        (&[][..], "-INT", Some(130)),
        (&[], "-TERM", Some(130)),
        (&[], "-KILL", None),
        (&["--loopback"], "-INT", Some(130)),
    ] {
        let mut child = at_work(&out, more);
        assert!(!left(child.id()).is_empty(), "its members can be seen");
        kill(signal, child.id());
        assert_eq!(child.wait().expect("it ends").code(), code, "{signal} {more:?}");
        nothing_left(child.id(), signal);
    }
    // Without namespaces the kernel kills the members with the tool; its folder stays.
    let mut child = at_work(&out, &["--loopback"]);
    kill("-KILL", child.id());
    child.wait().expect("it ends");
    let began = Instant::now();
    while !left(child.id()).is_empty() && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(left(child.id()).is_empty(), "{:?}", left(child.id()));
    let _ = fs::remove_dir_all(own(child.id()));
    fs::remove_dir_all(out).expect("removed");
}
