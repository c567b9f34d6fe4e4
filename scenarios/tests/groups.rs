//! Machines of several kinds: how they are numbered, which targets they make, and that a resolved file says the same.

use crate::common::parse;
use scenarios::runner::{RunRequest, TraceMode};
use scenarios::{Registry, expand, to_toml};
use sim_core::fault::Target;
use sim_core::workload::{Generated, Load};
use sim_core::{Collect, Duration, Effects, Fact, Message, Node, NodeId, Replay, System, Timer, node_ids};

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
    assert_eq!(target("an worker"), target("a worker"));
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
    let near = told(&with_fault("\"a wroker\""), &[]);
    assert!(near.contains("did you mean `worker`?"), "{near}");
    let twice = told(&TEXT.replace("\"worker\"", "\"server\""), &[]);
    assert!(twice.contains("there is a group `server` already"), "{twice}");
    let zone = told(&TEXT.replace("zones = [\"b\"]", "zones = [\"c\"]"), &[]);
    assert!(zone.contains("does not list zone `c`"), "{zone}");
}

sim_core::options! {
    struct Options;

    /// Who there is.
    #[derive(Clone)]
    struct Config of shape {
        nodes: usize = shape.nodes();
    }

    options {}
}

/// Every 10 ms each node writes, and tells all others.
#[derive(Clone, Debug)]
struct Beating(usize);

#[derive(Clone, Copy, Debug, Hash)]
struct Beat;
impl Message for Beat {}
impl Fact for Beat {}

impl Node for Beating {
    type Config = Config;
    type Message = Beat;
    type Request = ();
    type Response = ();
    type Record = u8;
    type Fact = Beat;
    fn boot(config: &Config, _: NodeId, _: Replay<'_, u8>, fx: &mut Effects<'_, Self>) -> Self {
        fx.arm(Timer(0), Duration::millis(10));
        Self(config.nodes)
    }
    fn on_message(&mut self, _: NodeId, _: Beat, _: &mut Effects<'_, Self>) {}
    fn on_timer(&mut self, timer: Timer, fx: &mut Effects<'_, Self>) {
        fx.append(0);
        fx.sync();
        node_ids(self.0).for_each(|to| fx.send(to, Beat));
        fx.arm(timer, Duration::millis(10));
    }
}

struct Beats;

impl System for Beats {
    const NAME: &'static str = "beats";
    const ABOUT: &'static str = "writes and tells all, again and again";
    const TIMERS: u16 = 1;
    type Node = Beating;
    type Client = Generated<Beating>;
    type Checks = ();
    type Options = Options;
    fn client(_: &Config, load: Load) -> Self::Client {
        Generated::new(load, |_| ())
    }
    fn checks(_: &Config) {}
}

#[test]
fn the_machines_of_a_group_are_as_it_says() {
    let mut registry = Registry::new();
    registry.add::<Beats>();
    let text = with_fault("\"worker:4\"").replace("\"raft\"", "\"beats\"");
    let files = scenarios::Beside::new(std::path::Path::new("beats.toml"));
    let text = scenarios::Text { name: "beats.toml", text: &text, json: false, overrides: &[], files: &files };
    let scenario = scenarios::parse(&text, &registry).unwrap_or_else(|wrong| panic!("{}", wrong.render(false)));
    let schedule = expand(&scenario, 1);
    let request = RunRequest {
        scenario: &scenario,
        schedule: &schedule,
        seed: 1,
        history: None,
        trace: None,
        trace_mode: TraceMode::default(),
        keep_ops: true,
        evidence: None,
        progress: &mut |_| {},
    };
    let record = registry.get("beats").expect("it is registered").run(request).expect("nothing is written");
    let (server, worker) = (&record.nodes[0], &record.nodes[4]);
    // 10 us against 1 ms an input; at most 1 ms against 5 ms a sync.
    assert!(worker.busy_ns > 50 * server.busy_ns, "{} and {}", worker.busy_ns, server.busy_ns);
    assert!(worker.disk_busy_ns > 3 * server.disk_busy_ns, "{} and {}", worker.disk_busy_ns, server.disk_busy_ns);
    let crashed: Vec<bool> = record.nodes.iter().map(|node| node.down_ns > 0).collect();
    assert_eq!(crashed, [false, false, false, false, false, false, true], "worker:4 is n7");
}
