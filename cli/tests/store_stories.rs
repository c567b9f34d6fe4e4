//! What the stories of the sharded store claim in numbers, each beside the setting that its file says to compare with.

use crate::support::{Scratch, splitbrain};
use serde_json::Value;

/// The report of a story of the store, with these settings.
fn run(name: &str, sets: &[&str]) -> Value {
    let scratch = Scratch::new();
    run_file(&format!("scenarios/library/hashing/{name}"), sets, &scratch)
}

/// The report of a file.
fn run_file(file: &str, sets: &[&str], scratch: &Scratch) -> Value {
    let mut args = vec!["run", "--format", "json", "--set", "report.charts=false"];
    args.extend(sets.iter().flat_map(|set| ["--set", *set]));
    args.extend(["--out", scratch.path().to_str().expect("UTF-8"), file]);
    let ran = splitbrain(&args);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{file}: {}{}", ran.stdout, ran.stderr))
}

/// What the report says of a rule that held.
fn held<'a>(report: &'a Value, rule: &str) -> &'a str {
    let verdict = report["verdicts"].as_array().and_then(|all| all.iter().find(|verdict| verdict["rule"] == rule));
    let verdict = verdict.unwrap_or_else(|| panic!("no verdict on {rule}"));
    assert_eq!(verdict["verdict"], "pass", "{verdict}");
    verdict["detail"].as_str().expect("a text")
}

/// The formula with this in its name: what it says and what the run came to.
fn formula(report: &Value, name: &str) -> (f64, f64) {
    let named = |formula: &&Value| formula["name"].as_str().is_some_and(|text| text.contains(name));
    let formula = report["formulas"].as_array().and_then(|all| all.iter().find(named));
    let formula = formula.unwrap_or_else(|| panic!("no formula on {name}: {}", report["formulas"]));
    (formula["predicted"].as_f64().expect("a number"), formula["measured"].as_f64().expect("a run shows it"))
}

#[test]
fn what_was_deleted_comes_back_only_if_a_store_is_away_for_longer_than_the_grace() {
    let back = |report: &Value| {
        let metrics = report["metrics"].as_array().expect("a list");
        let reads = metrics.iter().find(|metric| metric["name"] == "deleted_reads");
        reads.and_then(|reads| reads["value"].as_f64()).expect("it is measured")
    };
    let short = run("short-grace.toml", &[]);
    assert!(back(&short) > 50.0, "{} reads saw what was deleted", back(&short));
    let detail = held(&short, "deleted_keys_stay_deleted");
    assert!(detail.contains("keys are back"), "{detail}");

    let long = run("short-grace.toml", &["system.tombstone_grace=11s"]);
    assert_eq!(back(&long), 0.0);
    // They were not kept for ever: the first ones are forgotten before the end.
    let detail = held(&long, "deleted_keys_stay_deleted");
    assert!(!detail.contains(" 0 keys whose") && !detail.contains("keys are back"), "{detail}");
}

#[test]
fn a_store_that_lost_its_disk_is_filled_as_fast_as_the_bandwidth_allows() {
    // Round trips and syncs come on top of what the bandwidth allows.
    for (rate, times, most) in [("5 Mbit", 1.0, 1.6), ("1 Mbit", 5.0, 1.2)] {
        let report = run("wiped-store.toml", &[&format!("system.handover_bandwidth={rate}")]);
        let (predicted, measured) = formula(&report, "n5, which had lost its disk");
        // More than a hundred keys of 4 KiB.
        assert!((0.7e9..1.3e9).contains(&(predicted / times)), "{predicted} ns at {rate}");
        assert!(
            (1.0..most).contains(&(measured / predicted)),
            "{measured} ns at {rate}, of {predicted} ns by bandwidth"
        );
        for rule in ["acknowledged_writes_survive", "reads_see_acknowledged_writes", "converged"] {
            held(&report, rule);
        }
    }
}

#[test]
fn the_formula_for_quorums_holds_if_nodes_fail_each_on_its_own_and_not_if_zones_do() {
    let (predicted, measured) = formula(&run("k-of-n.toml", &[]), "read quorum, 2 of 3");
    assert!((0.95..0.99).contains(&predicted), "{predicted}");
    assert!((measured - predicted).abs() < 0.01, "{measured}, of {predicted} by the formula");
    let (predicted, measured) = formula(&run("k-of-n-zones.toml", &[]), "read quorum, 2 of 3");
    assert!(predicted - measured > 0.04, "{measured}, of {predicted} by the formula");
    // With a zone for each holder the zones are what fails independently.
    let three = run("k-of-n-zones.toml", &["cluster.zones=[\"a\", \"b\", \"c\"]"]);
    let (predicted, measured) = formula(&three, "read quorum, 2 of 3");
    assert!((measured - predicted).abs() < 0.02, "{measured}, of {predicted} by the formula");
}

/// Four stores that neither compare nor repair what they read, so that what one of them lacks it goes on lacking.
const FOUR: &str = r#"
[scenario]
name = "x"
system = "hashing"
duration = "11s"
warmup = "1s"
settle = "2s"

[cluster]
nodes = 4

[system]
directory = 1
repair_interval = "0s"
read_repair = false
op_timeout = "3s"

[network]
latency = "0.5ms..1.5ms"

[[workload]]
clients = 6
rate = "400/s"
read_ratio = 0.5
keys = 1000
timeout = "3s"
attempt_timeout = "3s"
routing = "random"
"#;

/// What reads must see after a disk was lost, with these settings and faults.
fn lost(sets: &[&str], faults: &str) {
    let scratch = Scratch::new();
    let file = scratch.path().join("x.toml");
    std::fs::write(&file, format!("{FOUR}\n{faults}")).expect("a file");
    let report = run_file(file.to_str().expect("UTF-8"), sets, &scratch);
    held(&report, "reads_see_acknowledged_writes");
    assert!(report["facts"]["refilled"].as_u64().is_some_and(|n| n > 0), "{}", report["facts"]);
}

#[test]
fn a_store_that_lost_its_disk_hears_everyone_who_may_have_what_it_acknowledged() {
    // Only n3 has what n4 acknowledged while n2 was down.
    lost(
        &[],
        "[[fault]]\nkind = \"crash\"\ntarget = \"n2\"\nat = \"4s\"\nduration = \"1900ms\"\n\
         [[fault]]\nkind = \"crash\"\non_crash = \"wipe\"\ntarget = \"n4\"\nat = \"6s\"\nduration = \"100ms\"\n",
    );
}

#[test]
fn an_answer_that_was_given_before_a_disk_was_lost_counts_no_more() {
    // n4 says that it has a write and loses its disk; n3 can not store it yet, and n2 never hears of it.
    lost(
        &[],
        "[[fault]]\nkind = \"crash\"\non_crash = \"wipe\"\ntarget = \"n4\"\nat = \"6s\"\nduration = \"100ms\"\n\
         [[fault]]\nkind = \"disk\"\ntarget = \"n3\"\nstall = true\nat = \"5500ms\"\nduration = \"1500ms\"\n\
         [[fault]]\nkind = \"packet\"\ntarget = \"n2\"\ndirection = \"to\"\nloss = \"100%\"\nmessages = [\"store\"]\n\
         at = \"5s\"\nduration = \"4s\"\n",
    );
}

#[test]
fn each_way_of_repair_does_its_part_alone() {
    let facts = |report: &Value, kind: &str| report["facts"][kind].as_u64().unwrap_or(0);
    let by_reading = run("zone-loss-nrw.toml", &["system.repair_interval=0s"]);
    assert!(facts(&by_reading, "read_repaired") > 500, "{}", by_reading["facts"]);
    // Probes write the same few keys again and again: most of their hints give way to newer ones.
    let by_hints = run("hinted-handoff.toml", &["probe.enabled=false"]);
    let (hinted, delivered) = (facts(&by_hints, "hinted"), facts(&by_hints, "delivered"));
    assert!(hinted > 100 && 2 * delivered > hinted, "{delivered} of {hinted} hints were delivered");
    // All of the tree, down to its last leaf.
    held(&run("join.toml", &["system.read_repair=false"]), "converged");
}
