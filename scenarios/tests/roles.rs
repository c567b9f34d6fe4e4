//! Systems that tell kinds of nodes apart: what their files may say, and whom clients and faults mean.

use scenarios::runner::{RunRequest, TraceMode};
use scenarios::{Diagnostics, Override, Registry, Scenario, expand, to_toml};
use sim_core::record::RunRecord;
use sim_core::workload::{Generated, Load, OperationKind};
use sim_core::{
    Argument, Duration, Effects, Fate, Message, Node, NodeId, Operation, Order, OrderKind, Replay, RoleKind, Shape,
    System, Ticket, Timer,
};

/// A server answers; an application asks a server for everybody who asks it, and of its own accord every second.
#[derive(Clone, Debug)]
struct Machine {
    servers: u32,
    me: NodeId,
    waiting: Vec<Ticket>,
}

#[derive(Clone, Copy, Debug, Hash)]
enum Said {
    Ask,
    Answer,
}
impl Message for Said {}

sim_core::facts! {
    /// What a server did.
    enum Did {
        /// What it was ordered.
        Obeyed {
            /// Which order.
            kind: u16,
            /// About what.
            argument: u64,
        } = "rested" | "evicted" | "swept" [usize::from(kind)] ("{argument}"),
    }
}

impl Node for Machine {
    type Config = Config;
    type Message = Said;
    type Request = u16;
    type Response = ();
    type Record = ();
    type Fact = Did;
    fn boot(Config { shape }: &Config, me: NodeId, _: Replay<'_, ()>, fx: &mut Effects<'_, Self>) -> Self {
        if shape.role_of(me) == Some("app") {
            fx.arm(Timer(0), Duration::secs(1));
        }
        Self { servers: shape.role("server").len() as u32, me, waiting: Vec::new() }
    }
    fn on_message(&mut self, from: NodeId, message: Said, fx: &mut Effects<'_, Self>) {
        match message {
            Said::Ask => fx.send(from, Said::Answer),
            Said::Answer => self.waiting.drain(..).for_each(|ticket| fx.reply(ticket, ())),
        }
    }
    fn on_timer(&mut self, timer: Timer, fx: &mut Effects<'_, Self>) {
        fx.send(NodeId(self.me.0 % self.servers), Said::Ask);
        fx.arm(timer, Duration::secs(1));
    }
    fn on_request(&mut self, ticket: Ticket, _: u16, fx: &mut Effects<'_, Self>) {
        if self.me.0 < self.servers {
            return fx.reply(ticket, ());
        }
        self.waiting.push(ticket);
        fx.send(NodeId(self.me.0 % self.servers), Said::Ask);
    }
    fn on_order(&mut self, order: Order, fx: &mut Effects<'_, Self>) {
        if let Order::Own { kind, argument } = order {
            fx.note(Did::Obeyed { kind, argument });
        }
    }
    fn takes_orders(&self) -> bool {
        self.me.0 < self.servers
    }
    fn is_read(request: &u16) -> bool {
        *request == 2
    }
}

sim_core::options! {
    struct Options;

    /// Who there is.
    #[derive(Clone)]
    struct Config of shape {
        shape: Shape = shape.clone();
    }

    options {}
}

/// Servers, and applications that use them.
struct Cell;

static OPERATIONS: &[OperationKind] = &[
    OperationKind::write("acquire", "takes the lock"),
    OperationKind::write("release", "gives it back"),
    OperationKind::read("holder", "tells who has it"),
];

static OWN_ORDERS: &[OrderKind] = &[
    OrderKind { name: "rest", about: "the cluster rests for so many milliseconds", takes: Argument::Number },
    OrderKind { name: "evict", about: "the node has no session any more", takes: Argument::Node },
    OrderKind { name: "sweep", about: "there is nothing old", takes: Argument::Nothing },
];

impl System for Cell {
    const NAME: &'static str = "cell";
    const ABOUT: &'static str = "servers and applications";
    const TIMERS: u16 = 1;
    const ROLES: &'static [RoleKind] =
        &[RoleKind::member("server", "serves").at_least(3), RoleKind::other("app", "uses the servers")];
    const OPERATIONS: &'static [OperationKind] = OPERATIONS;
    const ORDERS: &'static [&'static str] = &["members"];
    const OWN_ORDERS: &'static [OrderKind] = OWN_ORDERS;
    type Node = Machine;
    type Client = Generated<Machine>;
    type Checks = ();
    type Options = Options;
    fn client(_: &Config, load: Load) -> Self::Client {
        Generated::new(load, |op| op.kind)
    }
    fn checks(_: &Config) {}
    fn operation(request: &u16) -> Operation {
        let OperationKind { class, name, .. } = OPERATIONS[usize::from(*request)];
        Operation { class, name, key: None }
    }
}

const TEXT: &str = r#"
[scenario]
name = "roles"
system = "cell"
duration = "10s"

[cluster]
zones = ["a", "b", "c"]

[[cluster.group]]
role = "server"
nodes = 3

[[cluster.group]]
role = "app"
nodes = 4

[[workload]]
clients = 5
rate = "100/s"
"#;

fn read(text: &str, sets: &[&str]) -> Result<Scenario, Diagnostics> {
    let overrides: Vec<Override> = sets.iter().map(|set| Override::new(*set)).collect();
    let files = scenarios::Beside::new(std::path::Path::new("roles.toml"));
    let text = scenarios::Text { name: "roles.toml", text, json: false, overrides: &overrides, files: &files };
    scenarios::parse(&text, &Registry::new().with::<Cell>())
}

fn sound(text: &str, sets: &[&str]) -> Scenario {
    read(text, sets).unwrap_or_else(|wrong| panic!("{}", wrong.render(false)))
}

fn told(text: &str, sets: &[&str]) -> String {
    read(text, sets).map(|scenario| scenario.name).expect_err("it is wrong").render(false)
}

fn run(scenario: &Scenario, seed: u64) -> RunRecord {
    run_into(scenario, seed, None)
}

fn history(scenario: &Scenario, seed: u64) -> String {
    let mut lines = Vec::new();
    run_into(scenario, seed, Some(&mut lines));
    String::from_utf8(lines).expect("UTF-8")
}

fn run_into(scenario: &Scenario, seed: u64, lines: Option<&mut Vec<u8>>) -> RunRecord {
    let schedule = expand(scenario, seed);
    let request = RunRequest {
        scenario,
        schedule: &schedule,
        seed,
        history: lines.map(|lines| lines as &mut (dyn std::io::Write + Send)),
        trace: None,
        trace_mode: TraceMode::default(),
        keep_ops: true,
        evidence: None,
        progress: &mut |_| {},
    };
    Registry::new().with::<Cell>().get("cell").expect("it is there").run(request).expect("nothing is written")
}

fn with_fault(fault: &str) -> String {
    format!("{TEXT}\n[[fault]]\nat = \"1s\"\nduration = \"1s\"\n{fault}\n")
}

#[test]
fn a_system_knows_its_groups() {
    let shape = sound(TEXT, &["cluster.spares=1"]).cluster.shape();
    // The spare is the last server: it may become a member, which no application may.
    assert_eq!((shape.role("server"), shape.role("app"), shape.members()), (0..4, 4..8, 3));
    let plain = TEXT.split("[[cluster.group]]").next().expect("a head");
    let plain = sound(&format!("{plain}nodes = 5\n[[workload]]\nrate = \"1/s\""), &[]).cluster;
    assert_eq!((plain.shape().role("server"), plain.groups.len()), (0..5, 1), "everybody has the first role");
}

#[test]
fn a_resolved_file_says_the_same_again() {
    for sets in [&["cluster.spares=1"][..], &[]] {
        let meant = sound(TEXT, sets);
        assert_eq!(sound(&to_toml(&meant, &expand(&meant, 1), 1), &[]).cluster, meant.cluster);
    }
}

#[test]
fn wrong_roles_are_said() {
    let unknown = told(&TEXT.replace("\"server\"", "\"sever\""), &[]);
    assert!(unknown.contains("`cell` has no role `sever`") && unknown.contains("did you mean `server`?"), "{unknown}");
    let few = told(&TEXT.replace("nodes = 3", "nodes = 2"), &[]);
    assert!(few.contains("2 nodes of role `server`") && few.contains("3 to 128"), "{few}");
    let none = told(&TEXT.replace("role = \"server\"\nnodes = 3\n\n[[cluster.group]]\n", ""), &[]);
    assert!(none.contains("`cell` has no nodes of role `server`") && none.contains("3 at least: serves"), "{none}");
    let (servers, apps) = ("role = \"server\"\nnodes = 3", "role = \"app\"\nnodes = 4");
    let many =
        TEXT.replace(servers, "SERVERS").replace(apps, servers).replace("SERVERS", "role = \"app\"\nnodes = 200");
    let late = told(&many, &[]);
    assert!(late.contains("the nodes of role `server` begin with n201") && late.contains("put this group"), "{late}");
}

#[test]
fn clients_ask_members_and_load_is_theirs() {
    let record = run(&sound(TEXT, &[]), 1);
    let requests: Vec<bool> = record.nodes.iter().map(|node| node.requests > 0).collect();
    assert_eq!(requests, [true, true, true, false, false, false, false]);
    assert_eq!(record.nodes.iter().map(|node| node.carries).collect::<Vec<_>>(), requests);
    assert!(record.nodes[6].messages_out > 5, "an application has work of its own");
}

#[test]
fn faults_choose_among_members() {
    for (seed, target) in (0..20).flat_map(|seed| [(seed, "random"), (seed, "minority"), (seed, "an app")]) {
        let fault = format!("kind = \"crash\"\ntarget = \"{target}\"");
        let hit = &run(&sound(&with_fault(&fault), &[]), seed).faults[0].resolved;
        let number: u32 = hit[0].trim_start_matches('n').parse().expect("a node");
        assert_eq!((hit.len(), number > 3), (1, target == "an app"), "{target}: {hit:?}");
    }
}

/// Every application has two clients.
const SEATED: &str = r#"
[[workload]]
at = "app"
clients = 8
rate = "400/s"
timeout = "500ms"
mix = { acquire = 1, holder = 3 }
"#;

fn seated(faults: &str) -> String {
    format!("{}{SEATED}{faults}", TEXT.split("[[workload]]").next().expect("a head"))
}

#[test]
fn main_programs_ask_their_own_node_over_no_network() {
    let whole = run(&sound(&seated(""), &[]), 1);
    let asked: Vec<bool> = whole.nodes.iter().map(|node| node.requests > 0).collect();
    assert_eq!(asked, [false, false, false, true, true, true, true]);
    assert!(whole.nodes[3].answered > 800, "{}", whole.nodes[3].answered);
    // All that comes in and goes out is what nodes say to each other.
    let (node, bytes) = (&whole.nodes[3], |messages: u64| messages * 64);
    assert_eq!((node.bytes_in, node.bytes_out), (bytes(node.messages_in), bytes(node.messages_out)), "{node:?}");
    let probes: Vec<u16> = whole.ops.iter().filter(|op| op.probe).map(|op| op.zone).collect();
    assert!((0..3).all(|zone| probes.contains(&zone)) && whole.nodes[..3].iter().all(|n| n.probes.requests == 0));
    // Nobody can cut a program off from the machine it runs on, though its node may be: `every:app` alone.
    let cut = "[[fault]]\nkind = \"partition\"\ntarget = \"every:app\"\npeers = \"clients\"\nat = \"2s\"\n\
               duration = \"5s\"\nmust_bite = false\n";
    let cut = run(&sound(&seated(cut), &[]), 1);
    assert_eq!((cut.faults[0].touched, cut.ops.len()), (0, whole.ops.len()));
    assert!(cut.ops.iter().all(|op| op.outcome == Fate::Ok));
}

#[test]
fn a_main_program_waits_while_its_machine_is_down() {
    let crash = |duration: &str| {
        let fault =
            format!("[[fault]]\nkind = \"crash\"\ntarget = \"app:1\"\nat = \"2s\"\nduration = \"{duration}\"\n");
        run(&sound(&seated(&fault), &["probe.enabled=false"]), 3)
    };
    const SECOND: u64 = 1_000_000_000;
    let of_first = |op: &&sim_core::record::OpRecord| (op.client - 1).is_multiple_of(4);
    // For so short a time everybody has patience: what was asked meanwhile is done when the machine is back.
    let short = crash("300ms");
    let waited = |op: &&sim_core::record::OpRecord| (2 * SECOND..2 * SECOND + 290_000_000).contains(&op.invoke_ns);
    let while_down: Vec<_> = short.ops.iter().filter(of_first).filter(waited).collect();
    assert!(while_down.len() > 10, "{}", while_down.len());
    assert!(while_down.iter().all(|op| op.outcome == Fate::Ok && op.return_ns >= 2 * SECOND + 300_000_000));
    // Longer, and what was never asked has failed for sure; only what was under way may have happened.
    let long = crash("2s");
    let fates = |fate: Fate| long.ops.iter().filter(move |op| op.outcome == fate);
    assert!(fates(Fate::Failed).count() > 100 && fates(Fate::Failed).all(|op| of_first(&op)));
    assert!(fates(Fate::Failed).all(|op| op.invoke_ns >= 2 * SECOND));
    assert!(fates(Fate::Unknown).all(|op| of_first(&op) && op.invoke_ns < 2 * SECOND));
    assert!(fates(Fate::Unknown).count() <= 8, "only what was under way");
}

#[test]
fn operations_have_the_names_and_weights_of_the_system() {
    let count = |lines: &str, name: &str| lines.lines().filter(|line| line.contains(&format!("\"{name}\""))).count();
    let lines = history(&sound(&seated(""), &["probe.enabled=false"]), 5);
    // The probes that prove recovery come at the end: a holder for every acquire.
    let (acquire, holder) = (count(&lines, "acquire") as f64, count(&lines, "holder") as f64);
    assert!((2.0..3.4).contains(&(holder / acquire)), "{holder} and {acquire}");
    assert_eq!(count(&lines, "release"), 0, "neither clients nor probes ask for it");
    // Whoever says nothing has as many of each.
    let even = history(&sound(TEXT, &["probe.enabled=false", "scenario.settle=10ms"]), 5);
    for kind in OPERATIONS {
        assert!((250..420).contains(&count(&even, kind.name)), "{} times {}", count(&even, kind.name), kind.name);
    }
}

#[test]
fn seats_and_mixes_survive_being_written() {
    let meant = sound(&seated("[[fault]]\nkind = \"order\"\norder = \"rest\"\nnumber = 5\nat = \"1s\"\n"), &[]);
    let again = sound(&to_toml(&meant, &expand(&meant, 1), 1), &[]);
    assert_eq!(again.workloads, meant.workloads);
    assert_eq!(again.faults[0].fault, meant.faults[0].fault);
}

#[test]
fn wrong_seats_mixes_and_orders_are_said() {
    let text = seated("").replace("\"app\"\nclients", "\"apps\"\nclients");
    assert!(told(&text, &[]).contains("there is no group `apps`"), "{}", told(&text, &[]));
    let both = told(&seated("").replace("timeout =", "routing = \"random\"\nread_ratio = 0.5\ntimeout ="), &[]);
    assert!(both.contains("`routing` does not belong to clients that sit `at` a node"), "{both}");
    assert!(both.contains("`read_ratio` and `mix` exclude each other"), "{both}");
    let name = told(&seated("").replace("acquire = 1", "aquire = 1"), &[]);
    assert!(name.contains("there is no operation `aquire`") && name.contains("did you mean `acquire`?"), "{name}");
    let nothing = told(&seated("").replace("acquire = 1, holder = 3", "acquire = 0"), &[]);
    assert!(nothing.contains("a mix of nothing"), "{nothing}");
    let own = told(&TEXT.replace("rate =", "read_ratio = 0.5\nrate ="), &[]);
    assert!(own.contains("the system has operations of its own") && own.contains("acquire = 1"), "{own}");
    let order = |rest: &str| told(&with_fault(&format!("kind = \"order\"\n{rest}")), &[]);
    let slip = order("order = \"evikt\"\ntarget = \"n1\"");
    assert!(slip.contains("the system takes no order `evikt`") && slip.contains("did you mean `evict`?"), "{slip}");
    assert!(order("order = \"rest\"").contains("order `rest` is about a number"));
    assert!(order("order = \"sweep\"\nnumber = 3").contains("order `sweep` is about no number"));
    assert!(order("order = \"sweep\"\ntarget = \"n1\"").contains("order `sweep` is about no node"));
    assert!(order("order = \"evict\"").contains("needs `target`"));
}

#[test]
fn a_system_has_orders_of_its_own() {
    let order = |rest: &str| {
        let text = format!("{TEXT}\n[[fault]]\nkind = \"order\"\nat = \"1s\"\n{rest}\n");
        let record = run(&sound(&text, &[]), 1);
        assert!(record.faults[0].bit, "{:?}", record.faults[0]);
        (record.facts.clone(), record.faults[0].label.clone(), record.faults[0].resolved.clone())
    };
    let (facts, label, _) = order("order = \"rest\"\nnumber = 50");
    assert_eq!((facts.get("rested"), label.as_str()), (Some(&1), "order (rest) of 50"));
    let (facts, label, about) = order("order = \"evict\"\ntarget = \"app:2\"");
    assert_eq!((facts.get("evicted"), label.as_str(), about), (Some(&1), "order (evict) of n5", vec!["n5".to_owned()]));
    let (facts, label, _) = order("order = \"sweep\"");
    assert_eq!((facts.get("swept"), label.as_str()), (Some(&1), "order (sweep)"));
}

#[test]
fn ten_thousand_machines_run() {
    let text = TEXT.replace("nodes = 4", "nodes = 9997").replace("\"10s\"", "\"60s\"");
    let text =
        format!("{text}\n[[fault]]\nkind = \"crash\"\ntarget = \"every:app\"\nat = \"20s\"\nduration = \"1s\"\n");
    let record = run(&sound(&text, &[]), 1);
    assert_eq!((record.nodes.len(), record.faults[0].resolved.len()), (10_000, 9_997));
    assert!(record.messages.sent > 1_000_000, "{}", record.messages.sent);
}
