//! What a report shows of a run: pods over nodes and over time, rollouts, who acted, what waited.

use super::world::{Life, World};
use crate::control::kubernetes::api::pod;
use crate::control::kubernetes::controllers::HASH;
use crate::control::kubernetes::objects::{Demand, Effect, Kind, Node, Object, Pod, Text, Truth, Uid};
use crate::control::kubernetes::office::Office;
use sim_core::curve::{Curve, Line};
use sim_core::measures::Measures;
use sim_core::metric::{MetricKind, Unit};
use sim_core::sorted::SortedMap;
use sim_core::table::{Cell, Column, Holds, Table};
use sim_core::track::Track;
use sim_core::{Duration, Instant, NodeId};

/// Its own figures.
pub(in crate::control::kubernetes) const METRICS: &[MetricKind] = &[
    MetricKind::new("nodes_lost", "nodes given up", Unit::Number, "how often a node was taken for not ready"),
    MetricKind::new(
        "time_to_lost",
        "crash to NotReady",
        Unit::Time,
        "from a node's crash until it was given up, at most",
    ),
    MetricKind::new("pods_evicted", "pods evicted", Unit::Number, "pods that went because of their node's taints"),
    MetricKind::new(
        "time_to_evicted",
        "NotReady to deletion",
        Unit::Time,
        "from a node's being given up until the first of its pods was deleted, at most",
    ),
    MetricKind::new("evictions_held", "evictions held", Unit::Number, "how often a budget did not let a pod go"),
    MetricKind::new("pods_preempted", "pods preempted", Unit::Number, "pods that made room for more important ones"),
    MetricKind::new("pods_made", "pods made", Unit::Number, "how many pods there ever were"),
    MetricKind::new("pending_time", "longest pending", Unit::Time, "from a pod's creation to its node, at most"),
    MetricKind::new(
        "time_to_ready",
        "longest to ready",
        Unit::Time,
        "from a pod's creation until it was ready, at most",
    ),
    MetricKind::new("restarts", "restarts", Unit::Number, "how often a container was started again"),
    MetricKind::new("most_pods", "most pods of a deployment", Unit::Number, "pods that were neither ended nor going"),
    MetricKind::new(
        "fewest_ready",
        "fewest ready",
        Unit::Number,
        "ready pods of the services, at the worst moment after the first had been ready",
    )
    .more_is_better(),
    MetricKind::new("packing", "requested of allocatable", Unit::Fraction, "processor time requested in the end")
        .more_is_better(),
    MetricKind::new("spread", "most against fewest pods", Unit::Number, "how many more pods one node had than another"),
];

const ROLLOUT: MetricKind = MetricKind::new(
    "rollout",
    "pods by template",
    Unit::Number,
    "pods of old templates, of the newest, and ready ones",
);
const ON_NODES: MetricKind = MetricKind::new("pods_on_nodes", "pods on nodes", Unit::Number, "pods bound to each node");
const REQUESTED: MetricKind =
    MetricKind::new("requested", "requested of allocatable", Unit::Fraction, "processor time that pods request");

/// What is written down of a run.
#[derive(Clone, Debug)]
pub(super) struct Book {
    pods: Track,
    nodes: Track,
    offices: Track,
    /// Of which kind the span is that each row of pods, and of nodes, is in.
    open: SortedMap<String, usize>,
    at: Vec<u64>,
    /// Old, new, ready, waiting.
    counts: Vec<[f64; 4]>,
    on_nodes: SortedMap<NodeId, Vec<f64>>,
    requested: Vec<f64>,
    crashed: SortedMap<NodeId, Instant>,
    lost: SortedMap<NodeId, Instant>,
    ever_lost: u64,
    time_to_lost: Duration,
    time_to_evicted: Duration,
    evicted: u64,
    restarts: u64,
    pub held: u64,
    pub preempted: u64,
    fewest_ready: Option<u64>,
    most_pods: u64,
    was_ready: bool,
}

impl Book {
    pub fn new() -> Self {
        let about = "Where the containers of each pod ran, and whether the pod was ready.";
        let pods = Track::new("pods", "Pods on nodes", about, "ready").or("runs, not ready", false);
        let about =
            "What the control plane took each node for; one that evicts sends pods away that do not tolerate it.";
        let nodes = Track::new("nodes", "Nodes as the control plane saw them", about, "ready")
            .or("not ready", true)
            .or("evicts", true);
        let about = "Which machine acted as scheduler and as controller manager.";
        let offices = Track::new("offices", "Who acted", about, "acts");
        Self {
            pods,
            nodes,
            offices,
            open: SortedMap::new(),
            at: Vec::new(),
            counts: Vec::new(),
            on_nodes: SortedMap::new(),
            requested: Vec::new(),
            crashed: SortedMap::new(),
            lost: SortedMap::new(),
            ever_lost: 0,
            time_to_lost: Duration::ZERO,
            time_to_evicted: Duration::ZERO,
            evicted: 0,
            restarts: 0,
            held: 0,
            preempted: 0,
            fewest_ready: None,
            most_pods: 0,
            was_ready: false,
        }
    }

    /// Whether a node was ever given up.
    pub const fn any_lost(&self) -> bool {
        self.ever_lost > 0
    }

    pub fn leads(&mut self, at: Instant, node: NodeId, office: Office) {
        self.offices.begin(at, format!("{office} on {node}"), "");
    }

    pub fn steps_down(&mut self, at: Instant, node: NodeId, office: Office) {
        self.offices.end(at, format!("{office} on {node}"));
    }

    pub fn crashed(&mut self, at: Instant, node: NodeId) {
        self.crashed.insert(node, at);
        for office in Office::ALL {
            self.steps_down(at, node, office);
        }
        let prefix = format!("{node} ");
        let rows: Vec<String> = self.open.keys().filter(|row| row.starts_with(&prefix)).cloned().collect();
        rows.into_iter().for_each(|row| self.end_pod(at, row));
    }

    pub fn booted(&mut self, _: Instant, node: NodeId) {
        self.crashed.remove(&node);
    }

    pub fn lost(&mut self, at: Instant, node: NodeId) {
        self.ever_lost += 1;
        self.lost.insert(node, at);
        if let Some(crashed) = self.crashed.get(&node) {
            self.time_to_lost = self.time_to_lost.max(at.since(*crashed));
        }
    }

    /// A pod goes because of its node's taints.
    pub fn evicted(&mut self, at: Instant, node: NodeId) {
        self.evicted += 1;
        if let Some(lost) = self.lost.remove(&node) {
            self.time_to_evicted = self.time_to_evicted.max(at.since(lost));
        }
    }

    pub fn runs(&mut self, at: Instant, node: NodeId, pod: &str, restarts: u32) {
        self.restarts += u64::from(restarts > 0);
        self.begin_pod(1, at, format!("{node} {pod}"));
    }

    fn begin_pod(&mut self, kind: usize, at: Instant, row: String) {
        self.open.insert(row.clone(), kind);
        self.pods.begin_as(kind, at, row, "");
    }

    fn end_pod(&mut self, at: Instant, row: String) {
        self.open.remove(&row);
        self.pods.end(at, row);
    }

    pub fn stops(&mut self, at: Instant, node: NodeId, pod: &str) {
        self.end_pod(at, format!("{node} {pod}"));
    }

    /// A pod has changed.
    pub fn pod(&mut self, at: Instant, pod: &Pod, life: Option<&Life>, gone: bool) {
        let Some(node) = life.and_then(|life| life.node) else { return };
        let row = format!("{node} {}", pod.meta.name);
        match self.open.get(&row) {
            Some(1) if pod.status.ready.holds() => self.begin_pod(0, at, row),
            Some(0) if !pod.status.ready.holds() => self.begin_pod(1, at, row),
            // Its machine may go on running it; nobody counts on that any more.
            Some(_) if gone => self.end_pod(at, row),
            _ => {}
        }
    }

    /// A node has changed.
    pub fn node(&mut self, at: Instant, node: &Node) {
        let evicts = node.taints.iter().any(|taint| taint.effect == Effect::NoExecute);
        let kind = match (node.conditions.ready.condition.status, evicts) {
            (Truth::True, _) => 0,
            (_, false) => 1,
            (_, true) => 2,
        };
        let row = node.meta.name.to_string();
        if self.open.insert(row.clone(), kind) != Some(kind) {
            self.nodes.begin_as(kind, at, row, "");
        }
    }

    /// A second has passed.
    pub fn sample(&mut self, at: Instant, world: &World) {
        let mut newest: SortedMap<Uid, (Uid, Text)> = SortedMap::new();
        for object in world.of(Kind::ReplicaSet) {
            if let (Object::ReplicaSet(set), Some(owner)) = (&**object, &object.meta().owner) {
                let hash = set.meta.labels.value(HASH).cloned().unwrap_or_else(|| "".into());
                let known = newest.entry(owner.uid).or_insert_with(|| (set.meta.uid, hash.clone()));
                if set.meta.uid > known.0 {
                    *known = (set.meta.uid, hash);
                }
            }
        }
        let is_new =
            |pod: &Pod| pod.meta.owner.as_ref().is_none_or(|owner| newest.values().any(|(uid, _)| *uid == owner.uid));
        let (mut old, mut new, mut ready, mut waits) = (0, 0, 0, 0);
        let mut on_nodes: SortedMap<NodeId, u64> = world.nodes().map(|(node, _)| (node, 0)).collect();
        let mut demand = Demand::default();
        for one in world.of(Kind::Pod).filter_map(pod).filter(|pod| !pod.status.phase.ended()) {
            if let Some(node) = world.pods.get(&one.meta.uid).and_then(|life| life.node) {
                *on_nodes.entry(node).or_default() += 1;
                demand.add(&one.spec.demand());
            }
            if one.meta.deleting() {
                continue;
            }
            if is_new(one) {
                new += 1
            } else {
                old += 1
            }
            ready += u64::from(one.status.ready.holds());
            waits += u64::from(one.node.is_none());
        }
        let all: i64 = world.nodes().map(|(_, node)| node.allocatable.cpu.unwrap_or(0)).sum();
        let samples = self.at.len();
        self.at.push(at.0);
        self.counts.push([old as f64, new as f64, ready as f64, waits as f64]);
        self.requested.push(if all > 0 { demand.cpu as f64 / all as f64 } else { 0.0 });
        for (node, pods) in on_nodes {
            let line = self.on_nodes.entry(node).or_default();
            line.resize(samples, 0.0);
            line.push(pods as f64);
        }
        self.most_pods = self.most_pods.max(old + new);
        // The first pods take their time.
        self.was_ready |= ready > 0 && ready == old + new;
        if self.was_ready {
            self.fewest_ready = Some(self.fewest_ready.map_or(ready, |fewest| fewest.min(ready)));
        }
    }

    pub fn measures(&self, world: &World, end: Instant) -> Measures {
        let tracks = vec![self.pods.finish(end), self.nodes.finish(end), self.offices.finish(end)];
        let mut measures =
            Measures { tracks, curves: self.curves(), tables: vec![table(world)], ..Measures::default() };
        let lives = || world.pods.values();
        let longest = |time: fn(&Life) -> Option<Instant>| {
            lives().filter_map(|life| Some(time(life)?.since(life.created).0)).max().unwrap_or(0) as f64
        };
        let last = self.on_nodes.values().filter_map(|line| line.last().copied());
        let (most, least) = last.fold((0.0_f64, f64::MAX), |(most, least), pods| (most.max(pods), least.min(pods)));
        for (name, value) in [
            ("nodes_lost", self.ever_lost as f64),
            ("pods_evicted", self.evicted as f64),
            ("evictions_held", self.held as f64),
            ("pods_preempted", self.preempted as f64),
            ("pods_made", world.pods.len() as f64),
            ("pending_time", longest(|life| life.bound)),
            ("time_to_ready", longest(|life| life.first_ready)),
            ("restarts", self.restarts as f64),
            ("most_pods", self.most_pods as f64),
            ("packing", self.requested.last().copied().unwrap_or(0.0)),
            ("spread", (most - least).max(0.0)),
        ] {
            measures.set(METRICS, name, value);
        }
        if let Some(fewest) = self.fewest_ready {
            measures.set(METRICS, "fewest_ready", fewest as f64);
        }
        for (name, time) in [("time_to_lost", self.time_to_lost), ("time_to_evicted", self.time_to_evicted)] {
            if time > Duration::ZERO {
                measures.set(METRICS, name, time.0 as f64);
            }
        }
        measures
    }

    fn curves(&self) -> Vec<Curve> {
        let column = |which: usize| self.counts.iter().map(|counts| counts[which]).collect();
        let names = ["old template", "newest template", "ready", "waiting for a node"];
        let lines = names.into_iter().enumerate();
        let rollout = Curve {
            kind: ROLLOUT,
            at_ns: self.at.clone(),
            lines: lines.map(|(which, name)| Line { name: name.to_owned(), values: column(which) }).collect(),
        };
        let on_nodes = self.on_nodes.iter().map(|(node, line)| {
            let mut values = line.clone();
            values.resize(self.at.len(), 0.0);
            Line { name: node.to_string(), values }
        });
        let on_nodes = Curve { kind: ON_NODES, at_ns: self.at.clone(), lines: on_nodes.collect() };
        let requested = Line { name: "all nodes".to_owned(), values: self.requested.clone() };
        let requested = Curve { kind: REQUESTED, at_ns: self.at.clone(), lines: vec![requested] };
        vec![rollout, on_nodes, requested]
    }
}

/// Pods that are listed at most.
const LISTED: usize = 60;

/// A row a pod: where it went and when.
fn table(world: &World) -> Table {
    let columns = [
        Column::new("pod", "Pod", Holds::Text),
        Column::new("node", "Node", Holds::Text),
        Column::new("created_ns", "Created", Holds::Moment),
        Column::new("pending_ns", "Until it had a node", Holds::Time),
        Column::new("ready_ns", "Until it was ready", Holds::Time),
        Column::new("told_to_go_ns", "Told to go", Holds::Moment),
        Column::new("gone_ns", "Gone", Holds::Moment),
    ];
    let mut table = Table::new("pods", "Pods", &columns);
    let all = world.pods.len();
    table.about = format!("Where each pod went, and when: {} of {all}.", all.min(LISTED));
    let moment = |at: Option<Instant>| Cell::from(at.map(|at| at.0));
    for life in world.pods.values().take(LISTED) {
        let since = |at: Option<Instant>| Cell::from(at.map(|at| at.since(life.created).0));
        table.rows.push(vec![
            Cell::from(life.name.clone()),
            Cell::from(life.node.map(|node| node.to_string())),
            moment(Some(life.created)),
            since(life.bound),
            since(life.first_ready),
            moment(life.deleting),
            moment(life.gone),
        ]);
    }
    table
}
