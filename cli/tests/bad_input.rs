//! What bad input gets from the command line: one clear message per problem, the right exit code, nothing half-written.

use crate::support::{Scratch, root, splitbrain};

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
fn ticks_that_do_not_fit_and_a_watchdog_that_can_not_look_are_refused() {
    let file = root().join("fixtures/invalid/ticks-and-watchdog.toml");
    let ran = splitbrain(&["check", file.to_str().unwrap()]);
    let (tick, watchdog) =
        ("ticks of 70ms in an election timeout", "10ms, where the leader looks at its disk every 50ms");
    assert!(ran.stderr.contains(tick) && ran.stderr.contains(watchdog), "{}", ran.stderr);
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
    assert_eq!(ran.status.code(), Some(74), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("blocked") && ran.stderr.contains("not a folder"), "{}", ran.stderr);
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
    assert_eq!(ran.status.code(), Some(74), "{stderr}");
    let folder = scratch.path().join("out/raft-steady");
    let left: Vec<_> = std::fs::read_dir(&folder).map(|d| d.flatten().map(|e| e.path()).collect()).unwrap_or_default();
    assert!(left.is_empty(), "left behind: {left:?}");
}

/// What `check` says of a scenario with these lines in it.
fn checked(lines: &str, set: &[&str]) -> crate::support::Ran {
    let scratch = Scratch::new();
    let file = scratch.path().join("x.toml");
    let text = format!(
        "[scenario]\nname = \"x\"\nsystem = \"raft\"\nduration = \"20s\"\n[cluster]\nnodes = 3\n\
         [[workload]]\nrate = \"50/s\"\n{lines}\n"
    );
    std::fs::write(&file, text).expect("can be written");
    let sets: Vec<String> = set.iter().map(|s| format!("--set={s}")).collect();
    let args: Vec<&str> =
        ["check", file.to_str().unwrap()].into_iter().chain(sets.iter().map(String::as_str)).collect();
    splitbrain(&args)
}

#[test]
fn units_are_read_as_people_write_them() {
    let good = [
        "scenario.duration=1h30m",
        "scenario.duration=60sec",
        "scenario.duration=1 minute",
        "network.latency=500\u{b5}s",
        "network.latency=500\u{3bc}s",
        "network.latency=1ms..1.5ms",
        "workload.0.rate=50/min",
        "workload.0.rate=3000/h",
        "workload.0.rate=50 ops/s",
        "network.bandwidth=100MB/s",
        "network.bandwidth=1Gbps",
        "network.bandwidth=10 Mb/s",
    ];
    for set in good {
        let ran = checked("", &[set]);
        assert_eq!(ran.status.code(), Some(0), "{set}: {}{}", ran.stdout, ran.stderr);
    }
    let bad = [
        ("scenario.duration=170141183460469231731687303715884105728", "170141183460469231731687303715884105728"),
        ("scenario.duration=20", "`20` has no unit"),
        ("scenario.duration=30m1h", "largest unit first"),
        ("network.bandwidth=100 MB", "did you mean `100MB/s`?"),
        ("network.bandwidth=100 MBps", "did you mean `100MB/s`?"),
        ("workload.0.rate=50/fortnight", "/h, /min, /s"),
        ("workload.0.value_size=64K", "`64KiB` or `64KB`"),
    ];
    for (set, word) in bad {
        let ran = checked("", &[set]);
        assert_eq!(ran.status.code(), Some(2), "{set}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(word), "{set}: {}", ran.stderr);
    }
}

#[test]
fn names_that_nobody_knows_get_the_near_ones() {
    let cases = [
        ("[expect]\nfact_electd = \"== 1\"", "did you mean `elected`?"),
        ("[expect]\nviolates = [\"no_such_rule\"]", "no rule is called `no_such_rule`"),
        ("[expect]\nviolates = [\"election_safty\"]", "did you mean `election_safety`?"),
        ("[expect]\np99 = \"<= 5ms\"", "did you mean `all_p99`, `read_p99` or `write_p99`?"),
        ("[[fault]]\nkind = \"restart\"\ntarget = \"n1\"", "did you mean `crash`? with a `duration`"),
        ("[[fault]]\nkind = \"netsplit\"", "did you mean `partition`?"),
    ];
    for (lines, word) in cases {
        let ran = checked(lines, &[]);
        assert_eq!(ran.status.code(), Some(2), "{lines}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(word), "{lines}: {}", ran.stderr);
    }
    // Every rule of every run may be named.
    assert_eq!(checked("[expect]\nviolates = [\"recovery\", \"linearizable\"]", &[]).status.code(), Some(0));
}

#[test]
fn yaml_gets_one_sentence() {
    let scratch = Scratch::new();
    let text = "# A cluster.\nscenario:\n  name: x\n  duration: 60s\ncluster:\n  nodes: 5\n";
    for name in ["x.yaml", "x.yml", "x.toml"] {
        let file = scratch.path().join(name);
        std::fs::write(&file, text).expect("can be written");
        let ran = splitbrain(&["check", file.to_str().unwrap()]);
        assert_eq!(ran.status.code(), Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains("this is YAML") && ran.stderr.contains("[scenario]"), "{}", ran.stderr);
        assert_eq!(ran.stderr.matches('\u{d7}').count(), 1, "{}", ran.stderr);
    }
}

/// Mistakes about sessions and locks: one message each, all at once, with the line and what would be right.
#[test]
fn coordination_that_makes_no_sense_is_refused() {
    let servers = |role: &str| format!("[[cluster.group]]\nrole = \"{role}\"\nnodes = 3\n");
    let cases: [(&str, &str, &str, &str, &[&str]); 5] = [
        (
            "zookeeper",
            "server",
            "session_timeout = \"3s\"",
            "lock",
            &["sessions of 3s at ticks of 2s", "2 to 20 ticks"],
        ),
        (
            "zookeeper",
            "server",
            "session_timeout = \"41s\"\nbarrier = 0",
            "share",
            &["sessions of 41s at ticks of 2s", "a barrier that waits for nobody", "there is no operation `share`"],
        ),
        (
            "zookeeper",
            "voter",
            "",
            "lock",
            &["`zookeeper` has no role `voter`", "one of: server, observer, store, app"],
        ),
        (
            "chubby",
            "server",
            "lease = \"1s\"\nmaster_lease = \"2s\"",
            "elect",
            &[
                "a master's lease of 2s and sessions of 1s",
                "there is no operation `elect`",
                "one of: get, set, lock, share, appear",
            ],
        ),
        (
            "redlock",
            "instance",
            "answer_timeout = \"10s\"",
            "set",
            &["a wait of 10s for a lock of 10s", "there is no operation `set`"],
        ),
    ];
    for (system, role, options, operation, words) in cases {
        let scratch = Scratch::new();
        let file = scratch.path().join("x.toml");
        let text = format!(
            "[scenario]\nname = \"x\"\nsystem = \"{system}\"\nduration = \"20s\"\n{}{}[system]\n{options}\n\
             [[workload]]\nat = \"app\"\nrate = \"5/s\"\nmix = {{ {operation} = 1 }}\n",
            servers(role),
            servers("app"),
        );
        std::fs::write(&file, text).expect("can be written");
        let ran = splitbrain(&["check", file.to_str().unwrap()]);
        assert_eq!(ran.status.code(), Some(2), "{system}: {}{}", ran.stdout, ran.stderr);
        let told = ran.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.iter().all(|word| told.contains(word)), "{system}: {}", ran.stderr);
        assert!(told.contains("x.toml:"), "{system}: {}", ran.stderr);
    }
}

#[test]
fn a_level_is_of_transactions_known_and_one() {
    let refused = |file: &str, set: &[&str]| {
        let mut args = vec!["check", file];
        set.iter().for_each(|set| args.extend(["--set", set]));
        let ran = splitbrain(&args);
        assert_eq!(ran.status.code(), Some(2), "{}{}", ran.stdout, ran.stderr);
        ran.stderr
    };
    let said = refused("raft/steady", &["expect.level=serializable"]);
    assert!(said.contains("the operations of `raft` are no transactions"), "{said}");
    let said = refused("negative/write-skew", &["expect.level=causal"]);
    assert!(said.contains("snapshot-isolation") && said.contains("causal"), "{said}");
    let said = refused("negative/write-skew", &["system.level=snapshot-isolation"]);
    assert!(said.contains("[system] has another `level` than is expected here"), "{said}");
}
