//! What may be written in `[system]`, and the members over time that come of it.

use crate::storage::hashing::placement::{
    Algorithm, AnyPlacement, Layout, Member, Members, Placement, RingShape, Spread,
};
use core::cell::OnceCell;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::sorted::SortedSet;
use sim_core::units::{DurationText, ProbabilityText};
use sim_core::{Duration, Invalid, NodeId};
use std::rc::Rc;

/// The most keys a survey counts: four bytes each are kept.
const MOST_KEYS: u64 = 200_000_000;
/// The longest table Maglev may have here.
const MOST_TABLE: u32 = 50_000_000;

/// One change of the members: exactly one of `join` and `leave`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChangeText {
    /// When.
    pub at: DurationText,
    /// A node that becomes a member, for example "n11". If this is its first change, it is none before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join: Option<String>,
    /// A member that goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leave: Option<String>,
}

sim_core::options! {
    /// The `[system]` options of `system = "placement"`.
    pub struct PlacementOptions;

    /// What is placed where, and when.
    #[derive(Clone, Debug)]
    pub struct PlacementConfig of shape {
        /// Nodes, those that join later included.
        pub nodes: u32 = shape.nodes() as u32;
        /// The figures of the rule.
        pub layout: Layout = Layout {
            algorithm: *algorithm,
            ring: RingShape::with_points(*points),
            probes: *probes,
            table: (*table != 0).then_some(*table),
            slots: *slots,
            slack_ppm: (slack.probability().as_f64() * 1e6) as u32,
            room: nodes,
        };
    }

    options {
        /// Which rule gives every key a node.
        algorithm: Algorithm = Algorithm::default();
        /// How many keys are counted over the nodes.
        keys: u64 = 100_000,
            wrong if *keys == 0 => ("no keys to place"), "at least 1",
            wrong if keys.saturating_mul(u64::from(*replicas).max(1)) > MOST_KEYS =>
                ("{keys} keys times {replicas} copies"), "200,000,000 in all at most";
        /// How many nodes hold each key.
        replicas: u32 = 1,
            wrong if *replicas == 0 => ("keys that nobody holds"), "at least 1",
            wrong if *replicas > at_first(changes, nodes).count() as u32 =>
                ("{replicas} copies on {} nodes", at_first(changes, nodes).count()), "at most one a node",
            wrong if *algorithm == Algorithm::Bounded && *replicas > 1 =>
                ("bounded loads are known for single copies only"), "1 with `bounded`";
        /// Whether copies are kept in different zones as long as there are any.
        spread_zones: bool = true => { spread: Spread = if *spread_zones { Spread::Zones } else { Spread::Nodes } };
        /// The weights of the nodes, in order, those that join later included; equal weights if empty.
        weights: Vec<u32> = Vec::new() => {},
            wrong if !weights.is_empty() && weights.len() != nodes as usize =>
                ("{} weights for {nodes} nodes", weights.len()), "one for each node, or none",
            wrong if weights.contains(&0) => ("a node of no weight"), "at least 1 each",
            wrong if !weights.is_empty() && !algorithm.weighs() =>
                ("`{}` knows no weights", algorithm.name()), "ring, bounded, rendezvous or maglev, or no weights";
        /// Points on the ring for each unit of weight.
        points: u32 = 100 => {},
            wrong if *points == 0 => ("a ring without points"), "100 is usual";
        /// How often a key looks under `multi_probe`.
        probes: u32 = 21 => {},
            wrong if *probes == 0 => ("a key that does not look"), "21 is usual";
        /// Entries of Maglev's table, a prime; 0 for at least a hundred a node.
        table: u32 = 0 => {},
            wrong if *table != 0 && (*table > MOST_TABLE || *table < nodes || !is_prime(*table)) =>
                ("a table of {table} entries"), "a prime that is at least the number of nodes, such as 65537, or 0";
        /// The slots that are taken first under `modulo_slots`.
        slots: u64 = 1024 => {},
            wrong if *slots == 0 => ("no slots"), "at least as many as nodes";
        /// How much more than its share a node may hold under `bounded`.
        slack: ProbabilityText = ProbabilityText::per_billion(250_000_000) => {};
        /// Changes of the members, in order of time.
        changes: Vec<ChangeText> = Vec::new() => {
            plan: Rc<Plan> = Rc::new(Plan::of(layout, changes, *replicas, |node| Member {
                node: NodeId(node),
                weight: weights.get(node as usize).copied().unwrap_or(1),
                zone: shape.node_zones[node as usize],
            }, nodes))
        };
    }

    also change_problems(changes, *replicas, nodes);
}

/// The members from one moment to the next.
#[derive(Clone, Debug)]
pub struct Epoch {
    /// Since when.
    pub at: Duration,
    /// What made it: `n11 joins`.
    pub event: String,
    /// Who owns what.
    pub placement: AnyPlacement,
}

/// The members over time, and who owns what under each: tables that are made when somebody first asks, once for all
/// copies of a configuration.
#[derive(Debug)]
pub struct Plan {
    layout: Layout,
    first: Members,
    /// When, who, and whether it joins.
    changes: Vec<(Duration, Member, bool)>,
    epochs: OnceCell<Box<[Epoch]>>,
}

impl Plan {
    /// That of changes that are sound.
    fn of(layout: Layout, changes: &[ChangeText], replicas: u32, member: impl Fn(u32) -> Member, nodes: u32) -> Self {
        let first = Members::new(at_first(changes, nodes).map(&member)).expect("there are members, with weights");
        let read = read_changes(changes, replicas, nodes).expect("was looked at").into_iter();
        let changes = read.map(|(at, node, joins)| (at, member(node.0), joins)).collect();
        Self { layout, first, changes, epochs: OnceCell::new() }
    }

    fn make(&self) -> Box<[Epoch]> {
        let mut placement = self.layout.place(self.first.clone());
        let mut epochs = vec![Epoch { at: Duration::ZERO, event: "at first".into(), placement: placement.clone() }];
        for (at, member, joins) in &self.changes {
            let refused = "a change that was found possible";
            let event = if *joins {
                placement.join(*member).expect(refused);
                format!("{} joins", member.node)
            } else {
                placement.leave(member.node).expect(refused);
                format!("{} leaves", member.node)
            };
            epochs.push(Epoch { at: *at, event, placement: placement.clone() });
        }
        epochs.into()
    }
}

impl PlacementConfig {
    /// The members over time: never none.
    #[must_use]
    pub fn epochs(&self) -> &[Epoch] {
        self.plan.epochs.get_or_init(|| self.plan.make())
    }

    /// Who is a member in each epoch by what was ordered, whatever the placement made of it.
    #[must_use]
    pub fn ordered(&self) -> Vec<SortedSet<NodeId>> {
        let mut members: SortedSet<NodeId> = self.plan.first.iter().map(|member| member.node).collect();
        let mut ordered = vec![members.clone()];
        for (_, member, joins) in &self.plan.changes {
            if *joins {
                members.insert(member.node);
            } else {
                members.remove(&member.node);
            }
            ordered.push(members.clone());
        }
        ordered
    }
}

/// The members before any change.
fn at_first(changes: &[ChangeText], nodes: u32) -> impl Iterator<Item = u32> {
    (0..nodes).filter(|node| is_member_at_first(changes, *node))
}

/// Whether a node is a member before any change: unless the first thing that is said of it is that it joins.
fn is_member_at_first(changes: &[ChangeText], node: u32) -> bool {
    let name = NodeId(node).to_string();
    let mut named = changes.iter().filter_map(|change| match (&change.join, &change.leave) {
        (Some(join), _) if *join == name => Some(false),
        (_, Some(leave)) if *leave == name => Some(true),
        _ => None,
    });
    named.next().unwrap_or(true)
}

/// The changes as meant: when, whom, and whether it joins.
fn read_changes(
    changes: &[ChangeText],
    replicas: u32,
    nodes: u32,
) -> Result<Vec<(Duration, NodeId, bool)>, Vec<String>> {
    let mut member: Vec<bool> = (0..nodes).map(|node| is_member_at_first(changes, node)).collect();
    let (mut good, mut bad, mut last) = (Vec::new(), Vec::new(), Duration::ZERO);
    for change in changes {
        let (name, joins) = match (&change.join, &change.leave) {
            (Some(name), None) => (name, true),
            (None, Some(name)) => (name, false),
            _ => {
                bad.push(format!("the change at {} names not exactly one of `join` and `leave`", change.at));
                continue;
            }
        };
        let number = name.strip_prefix('n').and_then(|n| n.parse::<u32>().ok()).and_then(|n| n.checked_sub(1));
        let Some(node) = number.filter(|node| *node < nodes) else {
            bad.push(format!("`{name}` is no node: they are n1 to n{nodes}"));
            continue;
        };
        if change.at.0 <= last {
            bad.push(format!("the change at {} comes not after the one before it, or at the start", change.at));
        }
        last = change.at.0;
        let is = &mut member[node as usize];
        if *is == joins {
            bad.push(format!("{name} {}", if joins { "is a member already" } else { "is no member" }));
        }
        *is = joins;
        if member.iter().filter(|is| **is).count() < replicas.max(1) as usize {
            bad.push(format!("without {name} there are fewer members than copies of a key"));
        }
        good.push((change.at.0, NodeId(node), joins));
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

fn change_problems(changes: &[ChangeText], replicas: u32, nodes: u32) -> Vec<Invalid> {
    let help = "for example { at = \"10s\", join = \"n11\" }, in order of time";
    let problems = read_changes(changes, replicas, nodes).err().unwrap_or_default().into_iter();
    problems.map(|what| Invalid { key: "changes", what, help: help.to_owned() }).collect()
}

fn is_prime(n: u32) -> bool {
    n > 1 && (2..).take_while(|d| u64::from(*d) * u64::from(*d) <= u64::from(n)).all(|d| !n.is_multiple_of(d))
}
