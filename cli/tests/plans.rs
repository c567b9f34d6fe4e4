//! Plans as a person meets them: a swarm that bites, limits that hold back, clients that wait too long, seeds that
//! once found something, and a leader whose disk hangs.

use crate::support::{Ran, Scratch, root, splitbrain};
use serde_json::Value;

fn run(file: &str, more: &[&str]) -> Ran {
    let scratch = Scratch::new();
    let out = scratch.path().to_str().expect("UTF-8").to_owned();
    let mut args = vec!["run", "--format", "json", "--set", "report.charts=false", "--out", &out];
    args.extend(more);
    args.push(file);
    splitbrain(&args)
}

fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr))
}

fn verdict(report: &Value, rule: &str) -> (String, String) {
    let all = report["verdicts"].as_array().expect("verdicts");
    let found = all.iter().find(|v| v["rule"] == rule).unwrap_or_else(|| panic!("no {rule} in {all:?}"));
    let text = |key: &str| found[key].as_str().expect("text").to_owned();
    (text("verdict"), text("detail"))
}

#[test]
fn a_swarm_bites() {
    for seed in ["1", "2", "3"] {
        let report = report(&run("scenarios/library/raft/chaos.toml", &["--seed", seed]));
        let faults = report["faults"].as_array().expect("faults");
        let bit = faults.iter().filter(|f| f["bit"] == true).count();
        assert!(faults.len() >= 10 && bit * 3 > faults.len(), "seed {seed}: {bit} of {} bit", faults.len());
        assert_eq!(report["exit_code"], 0, "seed {seed}: {}", report["verdicts"]);
    }
}

/// The answers to compare-and-sets in a run's history: how many there were, and how many succeeded.
fn compare_and_sets(history: &str) -> (usize, usize) {
    let all = || history.lines().filter(|line| line.contains("\"f\":\"cas\""));
    (all().count(), all().filter(|line| line.contains("{\"swapped\":true}")).count())
}

#[test]
fn a_third_of_the_compare_and_sets_succeed_in_every_chaos_file() {
    let mut files = Vec::new();
    for folder in ["raft", "paxos", "failover", "hashing"] {
        let inside = std::fs::read_dir(root().join("scenarios/library").join(folder)).expect("a folder");
        files.extend(inside.map(|entry| entry.expect("an entry").path()));
    }
    let asks = |path: &std::path::PathBuf| {
        let is_chaos = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("chaos"));
        is_chaos && std::fs::read_to_string(path).expect("a file").contains("cas_ratio")
    };
    files.retain(asks);
    assert!(files.len() >= 15, "{files:?}");
    for path in files {
        let (mut all, mut good) = (0, 0);
        for seed in ["1", "2", "3"] {
            let scratch = Scratch::new();
            let out = scratch.path().to_str().expect("UTF-8");
            let file = path.to_str().expect("UTF-8");
            splitbrain(&["run", "--seed", seed, "--set", "report.charts=false", "--out", out, file]);
            for folder in std::fs::read_dir(scratch.path()).expect("runs").map(|entry| entry.expect("a run").path()) {
                let history = std::fs::read_to_string(folder.join(seed).join("history.jsonl")).expect("a history");
                let (asked, swapped) = compare_and_sets(&history);
                (all, good) = (all + asked, good + swapped);
            }
        }
        assert!(good * 3 >= all && all > 50, "{}: {good} of {all} succeeded", path.display());
    }
}

const BASE: &str = "[scenario]\nname = \"x\"\nsystem = \"raft\"\nduration = \"4s\"\nsettle = \"8s\"\n[cluster]\nnodes = 5\n\
                    [[workload]]\nclients = 3\nrate = \"30/s\"\n";

fn written(scratch: &Scratch, rest: &str) -> String {
    let path = scratch.path().join("x.toml");
    std::fs::write(&path, format!("{BASE}{rest}")).expect("can be written");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn what_limits_hold_back_is_said() {
    let scratch = Scratch::new();
    let two = "[[fault]]\nkind = \"crash\"\ntarget = \"n1\"\nat = \"1s\"\nduration = \"1s\"\n\
               [[fault]]\nkind = \"pause\"\ntarget = \"n2\"\nat = \"1500ms\"\nduration = \"200ms\"\n";
    let file = written(&scratch, &format!("{two}[limits]\nmax_down = 1\n"));
    let limited = report(&run(&file, &[]));
    assert_eq!(limited["faults"][1]["held"], 1);
    assert_eq!(limited["faults"][1]["bit"], false);
    let (ruling, detail) = verdict(&limited, "fault_bit");
    assert_eq!((ruling.as_str(), detail.as_str()), ("pass", "1 faults bit, 1 were held back by limits"));
    let out = scratch.path().join("out");
    let text = splitbrain(&["run", "--set", "report.charts=false", "--out", out.to_str().expect("UTF-8"), &file]);
    assert!(text.stdout.contains("2, of which 1 held back by limits"), "{}", text.stdout);
    let free = report(&run(&written(&scratch, two), &[]));
    assert!(free["faults"][1].get("held").is_none() && free["faults"][1]["bit"] == true, "{}", free["faults"]);
}

#[test]
fn whoever_waits_too_long_after_the_storm_is_named() {
    let scratch = Scratch::new();
    // Everyone is down until the storm is over; then an election takes 2 s at least.
    let rest = "[system]\nelection_timeout = \"2s..3s\"\n[[fault]]\nkind = \"crash\"\ntarget = \"all\"\nat = \"3s\"\n[expect]\n";
    let slow = report(&run(&written(&scratch, &format!("{rest}answered_within = \"1s\"\n")), &[]));
    let (ruling, detail) = verdict(&slow, "answered_within");
    assert_eq!(ruling, "fail", "{detail}");
    assert!(detail.starts_with("5 of 5 clients waited longer than 1s: c1 asked for 1"), "{detail}");
    assert!(detail.contains("the write probe of zone a waited 2"), "{detail}");
    let patient = report(&run(&written(&scratch, &format!("{rest}answered_within = \"4s\"\n")), &[]));
    let (ruling, detail) = verdict(&patient, "answered_within");
    assert_eq!(ruling, "pass", "{detail}");
    assert!(detail.starts_with("all 5 clients that asked were answered, the last after 2"), "{detail}");
}

/// `fixtures/seeds.txt`: one run a line, with what must come of it.
#[test]
fn seeds_that_once_found_something() {
    let path = root().join("fixtures/seeds.txt");
    let text = std::fs::read_to_string(&path).expect("fixtures/seeds.txt is there");
    let mut lines = 0;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong =
            || format!("fixtures/seeds.txt:{number}: not `FILE SEED [KEY=VALUE ...] : holds|RULE : why`: {line}");
        let parts: Vec<&str> = line.splitn(3, " : ").collect();
        let [what, expected, why] = parts.as_slice() else { panic!("{}", wrong()) };
        let mut words = what.split_whitespace();
        let (Some(file), Some(seed)) = (words.next(), words.next()) else { panic!("{}", wrong()) };
        assert!(!why.trim().is_empty() && seed.parse::<u64>().is_ok(), "{}", wrong());
        let file = format!("scenarios/library/{file}");
        let mut more = vec!["--seed", seed];
        words.for_each(|set| more.extend(["--set", set]));
        let ran = run(&file, &more);
        let report = report(&ran);
        match expected.trim() {
            "holds" => assert_eq!(report["exit_code"], 0, "line {number}, {line}: {}", report["verdicts"]),
            rule => {
                let (ruling, detail) = verdict(&report, rule);
                assert_eq!(ruling, "fail", "line {number}, {line}: {detail}");
            }
        }
        lines += 1;
    }
    assert!(lines > 0, "no seeds");
}

#[test]
fn what_somebody_set_is_not_drawn() {
    let file = "scenarios/library/raft/chaos.toml";
    let drawn = splitbrain(&["check", file]).stdout;
    assert!(drawn.contains("system.snapshot_every = "), "{drawn}");
    let set = splitbrain(&["check", file, "--set", "system.snapshot_every=7"]).stdout;
    assert!(set.contains("system.max_batch = ") && !set.contains("snapshot_every"), "{set}");
}

/// What became of a case in which the leader's disk fails it: the share of operations served, the median write in milliseconds, the longest
/// outage in seconds, and how many leaders there were.
fn disk_case(case: &str, leader_disk: &str, disk_timeout: Option<&str>) -> (f64, f64, f64, u64) {
    let leader_disk = format!("system.leader_disk={leader_disk}");
    let mut sets = vec!["--set", &leader_disk];
    let watch = disk_timeout.map(|time| format!("system.disk_timeout={time}"));
    sets.extend(watch.iter().flat_map(|watch| ["--set", watch.as_str()]));
    let report = report(&run(&format!("fixtures/cases/{case}.toml"), &sets));
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{value}"));
    let elected = report["facts"]["elected"].as_u64().expect("a leader");
    assert_eq!(report["facts"]["disk_timed_out"].is_u64(), disk_timeout.is_some(), "{case} {sets:?}");
    let outage = number(&report["availability"]["longest_outage_ns"]) / 1e9;
    let median = number(&report["latency"]["write"]["p50_ns"]) / 1e6;
    (number(&report["availability"]["fraction"]), median, outage, elected)
}

#[test]
fn a_leaders_disk_that_hangs_is_noticed_by_the_clients_or_by_a_watchdog() {
    let case = |leader_disk, timeout| disk_case("07-disk-stall", leader_disk, timeout);
    let (served, _, outage, elected) = case("parallel", None);
    assert!(served > 0.999 && outage < 0.5 && elected == 1, "{served} {outage} {elected}");
    // All stops, for as long as the disk does, and nobody else leads.
    let (served, _, outage, elected) = case("before_sending", None);
    assert!(served < 0.6 && outage > 39.0 && elected == 1, "{served} {outage} {elected}");
    for (leader_disk, timeout) in [("before_sending", Some("500ms")), ("blocking", None), ("blocking", Some("500ms"))] {
        let (served, _, outage, elected) = case(leader_disk, timeout);
        assert!(served > 0.98 && outage < 2.0 && elected == 2, "{leader_disk}: {served} {outage} {elected}");
    }
}

#[test]
fn a_leaders_disk_that_is_slow_makes_writes_slow_until_a_watchdog_moves_the_lead() {
    let case = |leader_disk, timeout| disk_case("18-roblox", leader_disk, timeout);
    let (_, median, _, elected) = case("parallel", None);
    assert!(median < 300.0 && elected == 1, "{median} {elected}");
    for leader_disk in ["before_sending", "blocking"] {
        let (_, median, _, elected) = case(leader_disk, None);
        assert!(median > 2_000.0 && elected == 1, "{leader_disk}: {median} {elected}");
        let (_, median, _, elected) = case(leader_disk, Some("1s"));
        assert!(median < 300.0 && elected == 2, "{leader_disk}: {median} {elected}");
    }
}
