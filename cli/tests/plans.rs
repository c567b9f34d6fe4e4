//! Plans as a person meets them: a swarm that bites, limits that hold back, clients that wait too long, and seeds that
//! once found something.

mod support;

use serde_json::Value;
use support::{Ran, Scratch, root, splitbrain};

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
