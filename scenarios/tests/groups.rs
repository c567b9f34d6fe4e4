//! Machines of several kinds: how they are numbered, what targets they make, and that a resolved file says the same again.

use crate::common::parse;
use scenarios::{expand, to_toml};
use sim_core::fault::Target;
use sim_core::{Duration, NodeId};

const TEXT: &str = r#"
[scenario]
name = "groups"
system = "raft"
duration = "10s"

[cluster]
zones = ["a", "b"]
cpu_cost = "10us"

[[cluster.group]]
role = "server"
nodes = 3

[[cluster.group]]
role = "worker"
nodes = 4
zones = ["b"]
cpu_cost = "1ms"
disk = { sync = "5ms", at_once = 2 }
"#;

fn with_fault(target: &str) -> String {
    format!("{TEXT}\n[[fault]]\nkind = \"crash\"\ntarget = {target}\nat = \"1s\"\nduration = \"1s\"\n")
}

fn nodes(numbers: &[u32]) -> Vec<NodeId> {
    numbers.iter().map(|n| NodeId(n - 1)).collect()
}

#[test]
fn nodes_are_numbered_group_by_group() {
    let cluster = parse(TEXT, &[]).expect("sound").cluster;
    assert_eq!(cluster.nodes(), 7);
    assert_eq!(cluster.nodes_of("server"), nodes(&[1, 2, 3]));
    assert_eq!(cluster.nodes_of("worker"), nodes(&[4, 5, 6, 7]));
    assert_eq!(cluster.node_zones, [0, 1, 0, 1, 1, 1, 1], "the group's own zones, and the cluster's for the others");
    let worker = cluster.group_of(NodeId(3)).expect("it has one");
    assert_eq!((worker.cpu_cost, worker.disk.at_once), (Some(Duration::millis(1)), Some(2)));
    assert_eq!(cluster.group_of(NodeId(0)).expect("it has one").cpu_cost, None);
}

#[test]
fn spares_belong_to_the_last_group() {
    let cluster = parse(TEXT, &["cluster.spares=2"]).expect("sound").cluster;
    assert_eq!((cluster.nodes(), cluster.members()), (9, 7));
    assert_eq!(cluster.nodes_of("worker"), nodes(&[4, 5, 6, 7, 8, 9]));
}

#[test]
fn groups_are_targets() {
    let target = |text: &str| parse(&with_fault(&format!("{text:?}")), &[]).expect("sound").faults[0].target.clone();
    assert_eq!(target("worker:3"), Target::Node(NodeId(5)));
    assert_eq!(target("every:worker"), Target::Nodes(nodes(&[4, 5, 6, 7])));
    assert_eq!(target("zone_of:worker:3"), Target::Zone(1, "b".to_owned()));
    assert_eq!(target("machine_of:worker:3"), Target::Machine(5, "m6".to_owned()));
    assert_eq!(target("a worker"), Target::OneOf("worker".to_owned(), nodes(&[4, 5, 6, 7])));
    let listed = parse(&with_fault(r#"["server:1", "every:worker"]"#), &[]).expect("sound").faults[0].target.clone();
    assert_eq!(listed, Target::Nodes(nodes(&[1, 4, 5, 6, 7])));
}

#[test]
fn a_resolved_file_says_the_same_again() {
    for target in ["worker:3", "every:worker", "a worker", "zone_of:worker:1"] {
        let meant = parse(&with_fault(&format!("{target:?}")), &["cluster.spares=1"]).expect("sound");
        let again = parse(&to_toml(&meant, &expand(&meant, meant.seed), meant.seed), &[])
            .unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(again.cluster, meant.cluster, "{target}");
        assert_eq!(again.faults[0].target, meant.faults[0].target, "{target}");
    }
}

#[test]
fn what_is_wrong_is_said_all_at_once() {
    let told = |text: &str, sets: &[&str]| parse(text, sets).expect_err("it is wrong").to_string();
    let both = told(TEXT, &["cluster.nodes=5"]);
    assert!(both.contains("the groups say how many nodes there are"), "{both}");
    let number = told(&with_fault("\"worker:5\""), &[]);
    assert!(number.contains("there is no `worker:5`") && number.contains("worker:1 to worker:4"), "{number}");
    let wrong = told(
        &TEXT.replace("\"worker\"", "\"leader\"").replace("zones = [\"b\"]", "zones = [\"c\"]").replace("5ms", "5"),
        &[],
    );
    assert!(wrong.contains("`leader` means somebody else in a target"), "{wrong}");
    assert!(wrong.contains("needs a unit") || wrong.contains("unit"), "{wrong}");
    let twice = told(&TEXT.replace("\"worker\"", "\"server\""), &[]);
    assert!(twice.contains("there is a group `server` already"), "{twice}");
    let zone = told(&TEXT.replace("zones = [\"b\"]", "zones = [\"c\"]"), &[]);
    assert!(zone.contains("does not list zone `c`"), "{zone}");
}
