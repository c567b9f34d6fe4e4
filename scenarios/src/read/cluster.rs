//! Reads `[cluster]`, and answers for the rest of the file which nodes and zones there are.

use super::groups::Roles;
use super::measure;
use super::section::{Context, Reader};
use crate::diagnostics::Span;
use crate::limits;
use crate::options::Names;
use crate::scenario::Cluster;
use crate::suggest;
use crate::written::{Kind, Value};
use sim_core::metric::MetricKind;
use sim_core::workload::OperationKind;
use sim_core::{Duration, NodeId, OrderKind};

/// What the rest of the file refers to.
pub struct World {
    /// The machines, or a stand-in if they could not be read.
    pub cluster: Cluster,
    /// Whether `cluster` is what was meant: otherwise nothing is wrong with names that it does not have.
    pub known: bool,
    /// When load ends, if that could be read.
    pub duration: Option<Duration>,
    /// The kinds of messages that the chosen system has; empty if nobody knows.
    pub messages: Names,
    /// The kinds of facts, likewise.
    pub facts: Names,
    /// The figures that the system names itself.
    pub metrics: &'static [MetricKind],
    /// The rules that runs of the system are judged by; empty if nobody knows.
    pub rules: Vec<&'static str>,
    /// The kind of nodes at which clients have to sit, where no kind of nodes is asked.
    pub seat: Option<&'static str>,
    /// The operations that the system names itself.
    pub operations: &'static [OperationKind],
    /// The kinds of orders it takes, if the system is known.
    pub orders: Option<Names>,
    /// Whether nodes talk over connections, so that every link is ordered.
    pub connects: bool,
    /// The orders that only the system knows, likewise.
    pub own_orders: Option<&'static [OrderKind]>,
}

impl World {
    /// The node called `text`, if `text` looks like one; one that does not exist is said.
    pub fn node(&self, text: &str, span: Span, context: &Context<'_>) -> Option<NodeId> {
        let number: u64 = text.strip_prefix('n')?.parse().ok()?;
        let nodes = self.cluster.nodes() as u64;
        if self.known && !(1..=nodes).contains(&number) {
            let help =
                if nodes == 1 { "the only node is n1".to_owned() } else { format!("the nodes are n1 to n{nodes}") };
            context.wrong(span, format!("there is no node `{text}`"), help);
        }
        // A stand-in keeps the check of everything else going.
        Some(NodeId(u32::try_from(number.clamp(1, nodes.max(1)) - 1).unwrap_or(0)))
    }

    /// The machine called `name`; one that does not exist is said.
    pub fn machine(&self, name: &str, span: Span, context: &Context<'_>) -> Option<u16> {
        let found = self.cluster.machines.iter().position(|m| m == name);
        if found.is_none() && self.known {
            let machines: Vec<&str> = self.cluster.machines.iter().map(String::as_str).take(20).collect();
            context.wrong(span, format!("there is no machine `{name}`"), suggest::help(name, &machines));
        }
        match found {
            Some(machine) => u16::try_from(machine).ok(),
            None => (!self.known).then_some(0),
        }
    }

    /// The zone called `name`; one that does not exist is said.
    pub fn zone(&self, name: &str, span: Span, context: &Context<'_>) -> Option<u16> {
        let found = self.cluster.zones.iter().position(|z| z == name);
        if found.is_none() && self.known {
            let zones: Vec<&str> = self.cluster.zones.iter().map(String::as_str).collect();
            context.wrong(span, format!("there is no zone `{name}`"), suggest::help(name, &zones));
        }
        match found {
            Some(zone) => u16::try_from(zone).ok(),
            None => (!self.known).then_some(0),
        }
    }
}

/// Reads `[cluster]`.
pub fn read(reader: &Reader<'_>, duration: Option<Duration>, roles: Roles<'_>) -> World {
    let before = reader.context.problems.count();
    let groups = super::groups::read(reader, roles);
    let nodes = match reader.value("nodes") {
        Some(_) if groups.is_empty() => reader.get("nodes", nodes),
        Some(_) => {
            reader.wrong("nodes", "the groups say how many nodes there are", "leave `nodes` out");
            None
        }
        None => groups.nodes(reader),
    };
    let spares = reader.get("spares", measure::small(0, limits::NODES)).unwrap_or(0);
    let groups = groups.or_default(nodes, roles);
    let nodes = with_spares(reader, nodes, spares);
    let zones = reader.get("zones", measure::list(measure::name));
    let node_zones = match reader.get("node_zones", measure::list(measure::name)) {
        Some(names) => Some(names),
        None => groups.zones(nodes, zones.as_deref()),
    };
    let (zones, node_zones) = match node_zones {
        Some(names) => explicit(reader, nodes, spares, zones, &names),
        None => dealt(reader, nodes, zones),
    };
    if zones.len() > limits::ZONES {
        let key = if reader.has("zones") { "zones" } else { "node_zones" };
        reader.wrong(key, format!("{} zones are too many", zones.len()), format!("at most {}", limits::ZONES));
    }
    let max_drift = reader.get("max_drift", measure::drift).unwrap_or(500);
    if max_drift < 0 {
        reader.wrong("max_drift", "a bound can not be negative", "write for example \"500ppm\"");
    }
    let clock_drift = reader.get("clock_drift", measure::span(measure::drift)).unwrap_or((0, 0));
    if max_drift >= 0 && clock_drift.0.abs().max(clock_drift.1.abs()) > max_drift {
        let what = format!("clocks drift more than `max_drift` = \"{max_drift}ppm\" lets systems rely on");
        reader.wrong("clock_drift", what, "raise `max_drift`, or break the promise with a [[fault]] of kind \"clock\"");
    }
    let (machines, node_machines) = match reader.get("machines", |value, context| machines(value, context, &node_zones))
    {
        Some(given) => given,
        None => Cluster::own_machines(node_zones.len()),
    };
    if reader.has("egress_queue") && !reader.has("egress") {
        reader.wrong("egress_queue", "`egress_queue` is what waits for a limited `egress`", "add `egress`");
    }
    let cluster = Cluster {
        zones,
        spares,
        node_groups: groups.of_nodes(node_zones.len()),
        groups: groups.into_groups(),
        node_zones,
        machines,
        node_machines,
        egress: reader.get("egress", measure::bandwidth).unwrap_or(0),
        egress_queue: reader.get("egress_queue", measure::size(1 << 40)).unwrap_or(1 << 20),
        cpu_cost: reader.get("cpu_cost", measure::duration).unwrap_or(Duration::ZERO),
        clock_offset: reader.get("clock_offset", measure::span(measure::offset)).unwrap_or((0, 0)),
        clock_drift,
        max_drift_ppm: max_drift.unsigned_abs(),
    };
    let sound = !cluster.node_zones.is_empty() && reader.context.problems.count() == before;
    let cluster = if cluster.node_zones.is_empty() {
        let (machines, node_machines) = Cluster::own_machines(1);
        let (groups, node_groups) = (Vec::new(), Vec::new());
        let zones = vec!["a".to_owned()];
        Cluster { node_zones: vec![0], spares: 0, zones, machines, node_machines, groups, node_groups, ..cluster }
    } else {
        cluster
    };
    World {
        cluster,
        known: sound,
        duration,
        messages: &[],
        facts: &[],
        metrics: &[],
        rules: Vec::new(),
        seat: None,
        operations: &[],
        orders: None,
        own_orders: None,
        connects: false,
    }
}

/// How many machines there are with the spares.
fn with_spares(reader: &Reader<'_>, nodes: Option<u32>, spares: u32) -> Option<u32> {
    let all = nodes?.saturating_add(spares);
    if u64::from(all) > limits::NODES {
        reader.wrong("spares", format!("{all} machines are too many"), format!("at most {}", limits::NODES));
        return nodes;
    }
    Some(all)
}

fn nodes(value: &Value, context: &Context<'_>) -> Option<u32> {
    match value.kind {
        Kind::Int(0) => {
            context.wrong(value.span, "a cluster of no nodes does nothing", "one node or more");
            None
        }
        Kind::Int(n) if n > i128::from(limits::NODES) => {
            let help = "at most 10,000: all of them share one machine's memory";
            context.wrong(value.span, format!("{} nodes are too many", context.written(value).replace('`', "")), help);
            None
        }
        _ => measure::small(1, limits::NODES)(value, context),
    }
}

/// The names of the machines, and which carries each node: dealt, or as listed.
fn machines(value: &Value, context: &Context<'_>, node_zones: &[u16]) -> Option<(Vec<String>, Vec<u16>)> {
    let nodes = node_zones.len();
    let of_each: Vec<String> = match &value.kind {
        Kind::List(_) => measure::list(measure::name)(value, context)?,
        Kind::Int(_) => {
            let number = measure::small(1, nodes.max(1) as u64)(value, context)?;
            (0..nodes).map(|node| format!("m{}", node % number as usize + 1)).collect()
        }
        _ => return measure::mismatch(value, context, "a number of machines, or the machine of each node"),
    };
    if nodes == 0 {
        // That there are no nodes has been said.
        return None;
    }
    if of_each.len() != nodes {
        let what = format!("`machines` lists {} nodes, but there are {nodes}", of_each.len());
        context.wrong(value.span, what, "name the machine of each node, in order");
        return None;
    }
    let mut names: Vec<String> = Vec::new();
    let mut homes: Vec<u16> = Vec::new();
    let mut node_machines = Vec::new();
    for (name, zone) in of_each.into_iter().zip(node_zones) {
        let place = names.iter().position(|other| *other == name).unwrap_or_else(|| {
            names.push(name.clone());
            homes.push(*zone);
            names.len() - 1
        });
        if homes[place] != *zone {
            let what = format!("machine `{name}` carries nodes of two zones");
            context.wrong(value.span, what, "a machine stands in one zone; a multiple of the zones keeps them apart");
            return None;
        }
        node_machines.push(u16::try_from(place).unwrap_or(u16::MAX));
    }
    Some((names, node_machines))
}

/// Zone names must differ.
fn distinct(reader: &Reader<'_>, zones: &[String]) {
    for (i, zone) in zones.iter().enumerate() {
        if zones[..i].contains(zone) {
            reader.wrong("zones", format!("zone `{zone}` is named twice"), "name each zone once");
        }
    }
}

/// `nodes` dealt to `zones` round-robin.
fn dealt(reader: &Reader<'_>, nodes: Option<u32>, zones: Option<Vec<String>>) -> (Vec<String>, Vec<u16>) {
    let said = ["nodes", "node_zones", "group"].iter().any(|key| reader.has(key));
    if !said && reader.is_there() {
        reader.context.wrong(reader.span, "[cluster] needs `nodes`", "how many machines, for example `nodes = 5`");
    }
    let zones = zones.unwrap_or_else(|| vec!["a".to_owned()]);
    distinct(reader, &zones);
    if zones.is_empty() {
        reader.wrong("zones", "a cluster has at least one zone", "leave `zones` out if zones do not matter");
    }
    let Some(nodes) = nodes else { return (zones, Vec::new()) };
    if zones.len() > nodes as usize {
        let what = format!("{} zones but only {nodes} nodes", zones.len());
        reader.wrong("zones", what, "a zone without nodes needs `node_zones`");
        return (zones, Vec::new());
    }
    let node_zones = (0..nodes as usize).map(|i| (i % zones.len().max(1)) as u16).collect();
    (zones, node_zones)
}

/// Each node's zone as listed.
fn explicit(
    reader: &Reader<'_>,
    nodes: Option<u32>,
    spares: u32,
    zones: Option<Vec<String>>,
    names: &[String],
) -> (Vec<String>, Vec<u16>) {
    let listed = zones.is_some();
    let mut zones = zones.unwrap_or_default();
    distinct(reader, &zones);
    if names.is_empty() || names.len() as u64 > limits::NODES {
        let what = format!("`node_zones` lists {} nodes", names.len());
        reader.wrong("node_zones", what, format!("1 to {}", limits::NODES));
        return (zones, Vec::new());
    }
    if let Some(nodes) = nodes
        && nodes as usize != names.len()
    {
        let said = if spares == 0 { "`nodes` says" } else { "`nodes` and `spares` make" };
        let what = format!("`node_zones` lists {} nodes, but {said} {nodes}", names.len());
        reader.wrong("node_zones", what, "leave `nodes` out");
    }
    if spares as usize >= names.len() {
        let what = format!("{spares} spares of {} nodes leave no member", names.len());
        reader.wrong("spares", what, "a cluster begins with one member or more");
    }
    let key = if reader.has("node_zones") { "node_zones" } else { "group" };
    let node_zones = names.iter().map(|name| {
        let place = zones.iter().position(|z| z == name).unwrap_or_else(|| {
            if listed {
                let known: Vec<&str> = zones.iter().map(String::as_str).collect();
                let help = suggest::help(name, &known);
                reader.wrong(key, format!("`zones` does not list zone `{name}`"), help);
            }
            zones.push(name.clone());
            zones.len() - 1
        });
        u16::try_from(place).unwrap_or(u16::MAX)
    });
    let node_zones = node_zones.collect();
    (zones, node_zones)
}
