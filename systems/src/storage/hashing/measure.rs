//! What a run shows of the store beside its rules: what each change of members moved, which keys are hot, and the
//! closed forms that belong to it.

use super::checks::HashingChecks;
use super::message::HashingFact;
use super::node::Machine;
use super::options::Config;
use super::placing::spread;
use super::quorums::Power;
use super::rule::Rule;
use super::version::Version;
use sim_core::measures::{Formula, KeysMoved, Losses, Measures};
use sim_core::metric::{MetricKind, Unit};
use sim_core::sorted::SortedMap;
use sim_core::table::{Column, Holds, Table};
use sim_core::{ClientId, Instant, NodeId, NodeSet, Observed, Outcome, Span};
use std::rc::Rc;

/// How many hot keys are named.
const HOT: usize = 10;
/// Probes have keys of their own, from here on: they are not what people ask for.
const PROBED: u64 = 1 << 40;

/// What is remembered of a run for its measures.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    config: Config,
    /// The newest epoch anybody goes by.
    epoch: u64,
    /// The placement of the last epoch without a change under way, and its members.
    settled: (Rc<Rule>, NodeSet),
    /// When the change under way began, and to which members.
    begun: Option<(Instant, NodeSet)>,
    moved: Vec<KeysMoved>,
    requests: SortedMap<u64, u64>,
    errors: SortedMap<&'static str, u64>,
    pub stale_reads: Vec<(ClientId, u64)>,
    power: Power,
    /// Nodes that are being filled again after they lost their disks, since they are back.
    filling: SortedMap<NodeId, Instant>,
    /// Those that were: which, how long it took, and how many bytes that were.
    filled: Vec<(NodeId, u64, u64)>,
}

impl Watch {
    pub fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            epoch: 0,
            settled: (Rule::replay(config, config.first(), &[]), config.first()),
            begun: None,
            moved: Vec::new(),
            requests: SortedMap::new(),
            errors: SortedMap::new(),
            stale_reads: Vec::new(),
            power: Power::default(),
            filling: SortedMap::new(),
            filled: Vec::new(),
        }
    }

    /// The members, and those there will be.
    pub fn members(&self) -> NodeSet {
        self.begun.map_or(NodeSet::EMPTY, |(_, next)| next).union(self.settled.1)
    }

    pub fn observe(&mut self, at: Instant, what: &Observed<'_, Machine>) {
        match what {
            Observed::Booted { node, .. } => self.power.up(at, *node),
            Observed::Crashed { node, .. } => self.power.down(at, *node),
            Observed::Noted { node, fact: HashingFact::Wiped } => {
                self.filling.insert(*node, at);
            }
            Observed::Noted { node, fact: HashingFact::Refilled { bytes } } => {
                if let Some(since) = self.filling.remove(node) {
                    self.filled.push((*node, at.since(since).0, *bytes));
                }
            }
            Observed::Invoked { request, .. } if request.key() < PROBED => {
                *self.requests.entry(request.key()).or_default() += 1
            }
            Observed::Returned { outcome: Outcome::Failed, .. } => {
                *self.errors.entry("refused: no quorum in time").or_default() += 1
            }
            Observed::Returned { outcome: Outcome::Unknown, .. } => {
                *self.errors.entry("not answered in time").or_default() += 1
            }
            _ => {}
        }
    }

    /// The closed forms of quorums, if the members stayed the same, and of the time it takes to fill a store again.
    fn formulas(&self, span: Span, same: bool) -> Vec<Formula> {
        let (config, (rule, members)) = (&self.config, &self.settled);
        let mut formulas =
            if same { self.power.formulas(config, rule, config.stores(*members), span) } else { Vec::new() };
        let bandwidth = config.handover_bandwidth as f64;
        formulas.extend(self.filled.iter().filter(|(_, _, bytes)| *bytes > 0 && bandwidth > 0.0).map(
            |(node, took, bytes)| Formula {
                name: format!("time until {node}, which had lost its disk, was full again"),
                formula: "bytes / bandwidth".to_owned(),
                predicted: *bytes as f64 * 8e9 / bandwidth,
                measured: Some(*took as f64),
                unit: Unit::Time,
                note: format!(
                    "{bytes} bytes, one store after the other; all of a leaf comes again if one key of it \
                    differs; round trips and syncs come on top"
                ),
            },
        ));
        formulas
    }

    /// A node has handled an input: it may be the first to go by a newer view.
    pub fn look(&mut self, at: Instant, machine: &Machine, written: &SortedMap<u64, (Version, bool)>) {
        let view = machine.view();
        if view.epoch <= self.epoch {
            return;
        }
        self.epoch = view.epoch;
        if let Some(next) = view.next {
            self.begun.get_or_insert((at, next));
            return;
        }
        let members = view.members(&self.config);
        let begun = self.begun.take();
        if members != self.settled.1 {
            let since = begun.map_or(at, |(since, _)| since);
            let mut moved = self.change(since, members, &machine.rule, written);
            moved.done_ns = Some(at.0);
            self.moved.push(moved);
            self.settled = (machine.rule.clone(), members);
        }
    }

    /// What a change moves, copy by copy, of the keys that have been written.
    fn change(
        &self,
        at: Instant,
        members: NodeSet,
        rule: &Rule,
        written: &SortedMap<u64, (Version, bool)>,
    ) -> KeysMoved {
        let config = &self.config;
        let mut moved = KeysMoved {
            at_ns: at.0,
            event: event(config.stores(self.settled.1), config.stores(members)),
            before: vec![0; config.nodes as usize],
            after: vec![0; config.nodes as usize],
            ..KeysMoved::default()
        };
        for key in written.keys() {
            let hash = super::key::of_number(*key);
            let old = self.settled.0.holders(config, hash);
            let new = rule.holders(config, hash);
            old.iter().for_each(|node| moved.before[node.index()] += 1);
            new.iter().for_each(|node| moved.after[node.index()] += 1);
            moved.total += new.len() as u64;
            moved.moved += new.iter().filter(|node| !old.contains(node)).count() as u64;
        }
        // Who leaves must give up all it has, and who joins must get its share.
        let (old, new) = (config.stores(self.settled.1), config.stores(members));
        let weight = |nodes: NodeSet| nodes.iter().map(|node| u64::from(config.member(node).weight)).sum::<u64>();
        let gone: u64 = old.minus(new).iter().map(|node| moved.before[node.index()]).sum();
        moved.ideal = gone.max(moved.total * weight(new.minus(old)) / weight(new).max(1));
        moved
    }
}

/// What happened, for people.
fn event(old: NodeSet, new: NodeSet) -> String {
    let told = |nodes: NodeSet, verb: &str| (!nodes.is_empty()).then(|| format!("{nodes} {verb}"));
    let (came, went) = (new.minus(old), old.minus(new));
    [told(came, "joined"), told(went, "left")].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Reads that saw what had been deleted.
const DELETED_READS: &str = "deleted_reads";

/// This system's own figures.
pub(super) static METRICS: &[MetricKind] = &[MetricKind::new(
    DELETED_READS,
    "reads of what was deleted",
    Unit::Number,
    "reads that saw what had been deleted before they began",
)
.harm()];

/// The measures of a finished run.
pub(super) fn measure(config: &Config, checks: &HashingChecks, nodes: &[Option<Machine>], span: Span) -> Measures {
    let watch = &checks.watch;
    let newest = nodes.iter().flatten().max_by_key(|machine| machine.view().epoch);
    let mut keys_moved = watch.moved.clone();
    if let (Some((at, members)), Some(machine)) = (watch.begun, newest)
        && let Some(rule) = &machine.next_rule
    {
        let written = checks.keys().map(|key| (key, (Version { counter: 0, client: 0, op: 0 }, false))).collect();
        keys_moved.push(watch.change(at, members, rule, &written));
    }
    let mut hot: Vec<(u64, u64)> = watch.requests.iter().map(|(key, requests)| (*requests, *key)).collect();
    hot.sort_unstable_by(|a, b| b.cmp(a));
    let holders = |key: u64| newest.map_or(Vec::new(), |machine| machine.holders(key).0);
    let columns = [
        Column::new("key", "Key", Holds::Id),
        Column::new("requests", "Asked for", Holds::Count),
        Column::new("nodes", "Held by", Holds::Text),
    ];
    let mut hot_keys = Table::new("hot_keys", "Hot keys", &columns).within("load");
    hot_keys.about = "the keys asked for most often, and who holds them, the first owner first".to_owned();
    hot_keys.rows.extend(hot.into_iter().take(HOT).map(|(requests, key)| {
        let names: Vec<String> = holders(key).into_iter().map(|node| node.to_string()).collect();
        vec![key.into(), requests.into(), names.into()]
    }));
    let errors = watch.errors.iter().map(|(why, n)| ((*why).to_owned(), *n)).collect();
    let mut measures = Measures {
        losses: Some(Losses {
            lost_writes: checks.lost(nodes),
            stale_reads: Some(0),
            stale: watch.stale_reads.clone(),
            ..Losses::default()
        }),
        tables: vec![hot_keys],
        errors,
        formulas: [
            formulas(config, checks, newest, &keys_moved),
            watch.formulas(span, newest.is_some_and(|machine| machine.view().past.is_empty())),
        ]
        .concat(),
        keys_moved,
        ..Measures::default()
    };
    measures.set(METRICS, DELETED_READS, checks.brought_back() as f64);
    measures
}

fn formulas(config: &Config, checks: &HashingChecks, newest: Option<&Machine>, moved: &[KeysMoved]) -> Vec<Formula> {
    let mut formulas = Vec::new();
    let keys: Vec<u64> = checks.keys().collect();
    if let (Some(machine), Some(error)) = (newest, newest.and_then(|m| spread(config, stores(config, m).len() as f64)))
        && config.weights.is_empty()
        && !keys.is_empty()
    {
        let members = stores(config, machine);
        let (n, count) = (members.len() as f64, keys.len() as f64);
        let mut owned = vec![0_u64; config.nodes as usize];
        for key in &keys {
            owned[machine.holders(*key).0.first().map_or(0, |node: &NodeId| node.index())] += 1;
        }
        let mean = count / n;
        let variance = members.iter().map(|node| (owned[node.index()] as f64 - mean).powi(2)).sum::<f64>() / n;
        formulas.push(Formula {
            name: "relative standard deviation of the keys a node owns".to_owned(),
            formula: "sqrt(s^2 + (n - 1)/K); ring: s^2 = (n - 1)/(n v + 1)".to_owned(),
            predicted: (error * error + (n - 1.0) / count).sqrt(),
            measured: Some(variance.sqrt() / mean),
            unit: Unit::Number,
            note: format!("n = {n} nodes, K = {count} keys; s is the placement's own error, the mean over many rings"),
        });
    }
    for change in moved.iter().filter(|change| change.total > 0) {
        formulas.push(Formula {
            name: format!("share of copies that moved when {}", change.event),
            formula: "the joining nodes' share by weight, or all that the leaving ones had".to_owned(),
            predicted: change.ideal as f64 / change.total as f64,
            measured: Some(change.moved as f64 / change.total as f64),
            unit: Unit::Fraction,
            note: "the fewest that leave the result balanced; replicas that keep to different zones can cost more"
                .to_owned(),
        });
    }
    formulas
}

fn stores(config: &Config, machine: &Machine) -> NodeSet {
    config.stores(machine.view().members(config))
}
