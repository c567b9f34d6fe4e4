//! Registration: the options as written in `[system]`, their validation, and the [`System`] itself.

use super::checks::{self, PlacementChecks};
use super::client::{PlacementClient, client};
use super::message::{FACT_KINDS, Lookup};
use super::node::Owner;
use crate::storage::hashing::placement::{
    Algorithm, AnyPlacement, Layout, Member, Members, Placement, RingShape, Spread,
};
use core::cell::OnceCell;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::measures::{Formula, Measures};
use sim_core::metric::Unit;
use sim_core::units::{DurationText, ProbabilityText};
use sim_core::workload::Load;
use sim_core::{Class, Duration, Finished, Invalid, LoadUnit, NodeId, Operation, Rule, Shape, System, Verdict};
use std::collections::BTreeSet;
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

/// The `[system]` options of `system = "placement"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PlacementOptions {
    /// Which rule gives every key a node.
    pub algorithm: Algorithm,
    /// How many keys are counted over the nodes.
    pub keys: u64,
    /// How many nodes hold each key.
    pub replicas: u32,
    /// Whether copies are kept in different zones as long as there are any.
    pub spread_zones: bool,
    /// The weights of the nodes, in order, those that join later included; equal weights if empty.
    pub weights: Vec<u32>,
    /// Points on the ring for each unit of weight.
    pub points: u32,
    /// How often a key looks under `multi_probe`.
    pub probes: u32,
    /// Entries of Maglev's table, a prime; 0 for at least a hundred a node.
    pub table: u32,
    /// The slots that are taken first under `modulo_slots`.
    pub slots: u64,
    /// How much more than its share a node may hold under `bounded`.
    pub slack: ProbabilityText,
    /// Changes of the members, in order of time.
    pub changes: Vec<ChangeText>,
}

impl Default for PlacementOptions {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::default(),
            keys: 100_000,
            replicas: 1,
            spread_zones: true,
            weights: Vec::new(),
            points: 100,
            probes: 21,
            table: 0,
            slots: 1024,
            slack: ProbabilityText::per_billion(250_000_000),
            changes: Vec::new(),
        }
    }
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
struct Plan {
    layout: Layout,
    first: Members,
    /// When, who, and whether it joins.
    changes: Vec<(Duration, Member, bool)>,
    epochs: OnceCell<Box<[Epoch]>>,
}

impl Plan {
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

/// What is placed where, and when.
#[derive(Clone, Debug)]
pub struct PlacementConfig {
    /// Nodes, those that join later included.
    pub nodes: u32,
    /// Which rule.
    pub algorithm: Algorithm,
    /// Its figures.
    pub layout: Layout,
    /// Keys to count.
    pub keys: u64,
    /// Copies of each.
    pub replicas: u32,
    /// How they are kept apart.
    pub spread: Spread,
    plan: Rc<Plan>,
}

impl PlacementConfig {
    /// The members over time: never none.
    #[must_use]
    pub fn epochs(&self) -> &[Epoch] {
        self.plan.epochs.get_or_init(|| self.plan.make())
    }

    /// Who is a member in each epoch by what was ordered, whatever the placement made of it.
    #[must_use]
    pub fn ordered(&self) -> Vec<BTreeSet<NodeId>> {
        let mut members: BTreeSet<NodeId> = self.plan.first.iter().map(|member| member.node).collect();
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

impl PlacementOptions {
    /// The configuration of a cluster.
    ///
    /// # Errors
    /// Every option that makes no sense, alone or with another.
    pub fn validate(&self, shape: &Shape) -> Result<PlacementConfig, Vec<Invalid>> {
        let mut invalid = Vec::new();
        let mut complain = |wrong: bool, key, what: String, help: &str| {
            if wrong {
                invalid.push(Invalid { key, what, help: help.to_owned() });
            }
        };
        let nodes = shape.nodes() as u32;
        let at_first: Vec<u32> = (0..nodes).filter(|node| self.is_member_at_first(*node)).collect();
        let fewest = at_first.len() as u32;
        let copies = u64::from(self.replicas);
        complain(self.keys == 0, "keys", "no keys to place".into(), "at least 1");
        let too_many = self.keys.saturating_mul(copies.max(1)) > MOST_KEYS;
        complain(too_many, "keys", format!("{} keys times {copies} copies", self.keys), "200,000,000 in all at most");
        complain(self.replicas == 0, "replicas", "keys that nobody holds".into(), "at least 1");
        complain(
            self.replicas > fewest,
            "replicas",
            format!("{} copies on {fewest} nodes", self.replicas),
            "at most one a node",
        );
        complain(
            self.algorithm == Algorithm::Bounded && self.replicas > 1,
            "replicas",
            "bounded loads are known for single copies only".into(),
            "1 with `bounded`",
        );
        complain(
            !self.weights.is_empty() && self.weights.len() != nodes as usize,
            "weights",
            format!("{} weights for {nodes} nodes", self.weights.len()),
            "one for each node, or none",
        );
        complain(self.weights.contains(&0), "weights", "a node of no weight".into(), "at least 1 each");
        complain(
            !self.weights.is_empty() && !self.algorithm.weighs(),
            "weights",
            format!("`{}` knows no weights", self.algorithm.name()),
            "ring, bounded, rendezvous or maglev, or no weights",
        );
        complain(self.points == 0, "points", "a ring without points".into(), "100 is usual");
        complain(self.probes == 0, "probes", "a key that does not look".into(), "21 is usual");
        complain(self.slots == 0, "slots", "no slots".into(), "at least as many as nodes");
        complain(
            self.table != 0 && (self.table > MOST_TABLE || self.table < nodes || !is_prime(self.table)),
            "table",
            format!("a table of {} entries", self.table),
            "a prime that is at least the number of nodes, such as 65537, or 0",
        );
        let problems = self.changes(nodes).err();
        for what in problems.unwrap_or_default() {
            complain(true, "changes", what, "for example { at = \"10s\", join = \"n11\" }, in order of time");
        }
        if !invalid.is_empty() {
            return Err(invalid);
        }
        let layout = Layout {
            algorithm: self.algorithm,
            ring: RingShape::with_points(self.points),
            probes: self.probes,
            table: (self.table != 0).then_some(self.table),
            slots: self.slots,
            slack_ppm: (self.slack.probability().as_f64() * 1e6) as u32,
            room: nodes,
        };
        let member = |node: u32| Member {
            node: NodeId(node),
            weight: self.weights.get(node as usize).copied().unwrap_or(1),
            zone: shape.node_zones[node as usize],
        };
        let first = Members::new(at_first.into_iter().map(member)).expect("there are members, with weights");
        let changes = self.changes(nodes).expect("was looked at").into_iter();
        let changes = changes.map(|(at, node, joins)| (at, member(node.0), joins)).collect();
        Ok(PlacementConfig {
            nodes,
            algorithm: self.algorithm,
            layout,
            keys: self.keys,
            replicas: self.replicas,
            spread: if self.spread_zones { Spread::Zones } else { Spread::Nodes },
            plan: Rc::new(Plan { layout, first, changes, epochs: OnceCell::new() }),
        })
    }

    /// Whether a node is a member before any change: unless the first thing that is said of it is that it joins.
    fn is_member_at_first(&self, node: u32) -> bool {
        let name = NodeId(node).to_string();
        let mut named = self.changes.iter().filter_map(|change| match (&change.join, &change.leave) {
            (Some(join), _) if *join == name => Some(false),
            (_, Some(leave)) if *leave == name => Some(true),
            _ => None,
        });
        named.next().unwrap_or(true)
    }

    /// The changes as meant: when, whom, and whether it joins.
    fn changes(&self, nodes: u32) -> Result<Vec<(Duration, NodeId, bool)>, Vec<String>> {
        let mut member: Vec<bool> = (0..nodes).map(|node| self.is_member_at_first(node)).collect();
        let (mut good, mut bad, mut last) = (Vec::new(), Vec::new(), Duration::ZERO);
        for change in &self.changes {
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
            if member.iter().filter(|is| **is).count() < self.replicas.max(1) as usize {
                bad.push(format!("without {name} there are fewer members than copies of a key"));
            }
            good.push((change.at.0, NodeId(node), joins));
        }
        if bad.is_empty() { Ok(good) } else { Err(bad) }
    }
}

fn is_prime(n: u32) -> bool {
    n > 1 && (2..).take_while(|d| u64::from(*d) * u64::from(*d) <= u64::from(n)).all(|d| !n.is_multiple_of(d))
}

/// Placement alone.
#[derive(Debug)]
pub struct PlacementSystem;

impl System for PlacementSystem {
    const NAME: &'static str = "placement";
    const ABOUT: &'static str =
        "which node owns which key: how even a placement is and what a change of the members moves";
    const TIMERS: u16 = 1;
    const FACT_KINDS: &'static [&'static str] = FACT_KINDS;
    const LOAD: LoadUnit = LoadUnit::Work("lookups answered");
    const RULES: &'static [&'static [Rule]] = &[checks::RULES];
    type Node = Owner;
    type Client = PlacementClient;
    type Checks = PlacementChecks;
    type Options = PlacementOptions;

    fn configure(options: PlacementOptions, shape: &Shape) -> Result<PlacementConfig, Vec<Invalid>> {
        options.validate(shape)
    }

    fn client(_: &PlacementConfig, load: Load) -> PlacementClient {
        client(load)
    }

    fn checks(config: &PlacementConfig) -> PlacementChecks {
        PlacementChecks::new(config.clone())
    }

    /// Redirections are no load: whoever owns nothing carries none.
    fn operation(request: &Lookup) -> Operation {
        Operation { class: Class::Read, name: "lookup", key: Some(request.key) }
    }

    /// Not that of a node that is never a member.
    fn carries(config: &PlacementConfig, node: NodeId) -> bool {
        config.epochs().iter().any(|epoch| epoch.placement.members().get(node).is_some())
    }

    fn measure(run: &Finished<'_, Self>) -> Measures {
        let survey = run.checks.survey();
        Measures {
            keys: survey.last().to_vec(),
            keys_moved: survey.waves.iter().map(|wave| wave.moved.clone()).collect(),
            formulas: formulas(run.config, survey.last()),
            ..Measures::default()
        }
    }

    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        let mut verdicts = run.checks.verdicts();
        if run.linearizable {
            let why = "owners hold no state that could be read".to_owned();
            verdicts.push(Verdict::Inconclusive { rule: "linearizable", why });
        }
        verdicts
    }
}

/// How even theory says the last placement is, where all weights are the same.
fn formulas(config: &PlacementConfig, keys: &[u64]) -> Vec<Formula> {
    let members = config.epochs().last().expect("never none").placement.members();
    let weight = members.at(0).weight;
    if config.replicas > 1 || members.iter().any(|member| member.weight != weight) {
        return Vec::new();
    }
    let n = members.len() as f64;
    let mean = config.keys as f64 / n;
    let squares = members.iter().map(|m| (keys[m.node.index()] as f64 / mean - 1.0).powi(2));
    let measured = Some((squares.sum::<f64>() / n).sqrt());
    // Keys fall on nodes like dice: sqrt(n / K) of the mean, beside what the shares themselves vary.
    let dice = n / config.keys as f64;
    let formula = |name: &str, formula: &str, variance: f64, note: &str| Formula {
        name: name.to_owned(),
        formula: formula.to_owned(),
        predicted: variance.sqrt(),
        measured,
        unit: Unit::Number,
        note: note.to_owned(),
    };
    match config.algorithm {
        Algorithm::Ring => {
            let points = f64::from(config.layout.ring.points) * f64::from(weight);
            let arcs = (n - 1.0) / (n * points + 1.0);
            vec![formula(
                "standard deviation of keys per node over their mean, of a ring",
                "sqrt((n - 1) / (n v + 1) + n / K)",
                arcs + dice,
                "n nodes of v points each, K keys; the mean over all rings, of which this is one",
            )]
        }
        Algorithm::Jump | Algorithm::Rendezvous | Algorithm::Anchor | Algorithm::Modulo => vec![formula(
            "standard deviation of keys per node over their mean, of dice",
            "sqrt(n / K)",
            dice,
            "n nodes, K keys that fall on them independently",
        )],
        _ => Vec::new(),
    }
}
