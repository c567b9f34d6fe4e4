//! What is worked out about a pod once, before any node is looked at.

use super::Profile;
use super::cluster::{Cluster, Group, Key, NONE, Resident, chooses};
use super::tally::Tally;
use crate::control::kubernetes::objects::{
    Affinity, Labels, Node, Operator, Pod, PodTerm, Requirement, Selector, Spread, Text, WhenUnsatisfiable,
};
use sim_core::sorted::SortedMap;
use std::rc::Rc;

/// So many values of a key are a few.
const FEW: usize = 64;

/// A spread constraint of the pod at hand.
#[derive(Clone, Debug)]
pub(super) struct Even {
    pub key: Key,
    pub max_skew: i64,
    selector: Selector,
    groups: Vec<Group>,
    /// Whether it chooses the pod itself.
    pub own: bool,
    /// Pods by value, where not all nodes count; otherwise the cluster's own counts do.
    counted: Option<SortedMap<u32, i64>>,
    /// The cluster's counts, looked up once where there are only a few values.
    few: Vec<i64>,
    /// The value with the fewest pods, and how many those are.
    least: (u32, i64),
    /// The fewest pods of any other value.
    second: i64,
    /// The fewest pods are taken to be none: there are too few values.
    too_few: bool,
}

impl Even {
    /// Pods that count at a value.
    pub fn at(&self, cluster: &Cluster, value: u32) -> i64 {
        match &self.counted {
            Some(counted) => counted.get(&value).copied().unwrap_or(0),
            None if !self.few.is_empty() => self.few[value as usize],
            None => i64::from(cluster.count(&self.groups, self.key, value).live),
        }
    }

    /// Whether only some nodes count, and none with this value does.
    pub fn leaves_out(&self, value: u32) -> bool {
        self.counted.as_ref().is_some_and(|counted| !counted.contains_key(&value))
    }

    /// Pods that count on one node, whoever else has its value.
    pub fn on(&self, residents: &[Resident]) -> i64 {
        let counts = |one: &&Resident| self.groups.contains(&one.group) && !one.pod.meta.deleting();
        residents.iter().filter(counts).count() as i64
    }

    /// Whether a pod counts.
    pub fn counts(&self, namespace: &Text, pod: &Pod) -> bool {
        !pod.meta.deleting() && pod.meta.namespace == *namespace && self.selector.matches(&pod.meta.labels)
    }

    /// The fewest pods of any value, if a node's value had `here` pods.
    pub fn minimum(&self, value: u32, here: i64) -> i64 {
        if self.too_few {
            0
        } else if self.leaves_out(value) {
            self.least.1
        } else if self.least.0 == value {
            here.min(self.second)
        } else {
            here.min(self.least.1)
        }
    }
}

/// What is known about the pod at hand.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub resident: Resident,
    /// Spread constraints that must hold.
    pub hard: Vec<Even>,
    /// Those that had better hold.
    pub soft: Vec<Even>,
    /// Whether a node needs all keys of [`Self::soft`] to be scored.
    pub needs_all_keys: bool,
    /// The groups that all terms of its required affinity choose.
    pub near: Vec<Group>,
    /// The keys of its required affinity.
    pub near_keys: Vec<Key>,
    /// Whether it may be the first of its kind: its own affinity chooses it, and nobody else yet.
    pub first: bool,
    /// What it must not be near to.
    pub far: Vec<(Key, Vec<Group>)>,
    /// Who must not be near to it: keys, and bearers.
    pub shunned: Vec<(Key, usize)>,
    /// What nodes gain by the pods at their value of a key.
    pub drawn: SortedMap<Key, SortedMap<u32, i64>>,
    /// Its affinity can not be worked out: this value is impossible.
    pub invalid: Option<String>,
}

/// Whether a node is one that a pod's node selector and affinity allow.
pub fn node_allowed(pod: &Pod, node: &Node) -> bool {
    let labels = &node.meta.labels;
    pod.spec.node_selector.iter().all(|(key, value)| labels.get(key) == Some(value))
        && affinity_allows(&pod.spec.affinity, node)
}

/// Whether a node is one that a required node affinity allows.
pub(super) fn affinity_allows(affinity: &Affinity, node: &Node) -> bool {
    let matches = |terms: &Vec<super::super::objects::NodeTerm>| {
        terms.iter().any(|term| term.matches(&node.meta.name, &node.meta.labels))
    };
    affinity.node_required.as_ref().is_none_or(matches)
}

/// Whether a pod tolerates all that keeps pods from being placed on a node.
pub(super) fn taints_tolerated(pod: &Pod, node: &Node) -> bool {
    use super::super::objects::Effect;
    let repels = |effect| matches!(effect, Effect::NoSchedule | Effect::NoExecute);
    let tolerated = |taint| pod.spec.tolerations.iter().any(|one| one.tolerates(taint));
    node.taints.iter().filter(|taint| repels(taint.effect)).all(tolerated)
}

/// The first impossible value that a pod's affinity to pods names, which the API would have refused.
fn impossible<'a>(terms: impl Iterator<Item = &'a PodTerm>) -> Option<String> {
    let named = |term: &'a PodTerm| [&term.selector, &term.namespace_selector].into_iter().flatten();
    terms.flat_map(named).find_map(Selector::impossible).map(str::to_owned)
}

/// A constraint's selector with the pod's own values of the labels that it names.
fn with_own_labels(spread: &Spread, labels: &Labels, ignored: bool) -> Selector {
    let mut selector = spread.selector.clone().unwrap_or_else(nothing);
    for key in spread.match_label_keys.iter().filter(|_| !ignored) {
        if let Some(value) = labels.get(key) {
            let values = vec![value.clone()];
            selector.expressions.push(Requirement { key: key.clone(), operator: Operator::In, values });
        }
    }
    selector
}

/// A selector that chooses nothing: no label is and is not there.
fn nothing() -> Selector {
    let one = |operator| Requirement { key: "".into(), operator, values: Vec::new() };
    Selector { labels: Labels::default(), expressions: vec![one(Operator::Exists), one(Operator::DoesNotExist)] }
}

impl Plan {
    /// Looks at a pod. `likes` chooses the pods that belong with it, where it has no spread constraints of its own.
    pub fn new(cluster: &mut Cluster, profile: &Profile, pod: &Rc<Pod>, likes: Option<&Selector>) -> Self {
        let resident = cluster.resident(pod);
        let affinity = &pod.spec.affinity;
        let required = affinity.pod_required.iter().chain(&affinity.anti_required);
        let preferred = affinity.pod_preferred.iter().chain(&affinity.anti_preferred).map(|one| &one.term);
        let mut plan = Self {
            resident,
            hard: Vec::new(),
            soft: Vec::new(),
            needs_all_keys: !pod.spec.spread.is_empty() || profile.default_needs_all_keys,
            near: Vec::new(),
            near_keys: Vec::new(),
            first: false,
            far: Vec::new(),
            shunned: Vec::new(),
            drawn: SortedMap::new(),
            invalid: impossible(required.chain(preferred)),
        };
        plan.spread(cluster, profile, pod, likes);
        plan.affinity(cluster, profile, pod);
        plan
    }

    fn spread(&mut self, cluster: &mut Cluster, profile: &Profile, pod: &Rc<Pod>, likes: Option<&Selector>) {
        let by_default = |(max_skew, key): &(i64, Text)| Spread {
            max_skew: *max_skew,
            topology_key: key.clone(),
            when: WhenUnsatisfiable::ScheduleAnyway,
            selector: likes.cloned(),
            match_label_keys: Vec::new(),
            min_domains: None,
            honor_affinity: true,
            honor_taints: false,
        };
        let defaults: Vec<Spread> = match likes {
            Some(likes) if pod.spec.spread.is_empty() && !likes.is_empty() => {
                profile.default_spread.iter().map(by_default).collect()
            }
            _ => Vec::new(),
        };
        for when in [WhenUnsatisfiable::DoNotSchedule, WhenUnsatisfiable::ScheduleAnyway] {
            let hard = when == WhenUnsatisfiable::DoNotSchedule;
            let chosen = pod.spec.spread.iter().chain(&defaults).filter(|spread| spread.when == when);
            let chosen: Vec<&Spread> = chosen.collect();
            let keys: Vec<Key> = chosen.iter().map(|spread| cluster.key(&spread.topology_key)).collect();
            let needs_all = hard || self.needs_all_keys;
            let everywhere = !needs_all || keys.iter().all(|key| cluster.keys[*key].carried == cluster.nodes());
            let evens = chosen.iter().zip(&keys).map(|(spread, &key)| {
                let ignored = profile.bent.match_label_keys_ignored;
                let selector = with_own_labels(spread, &pod.meta.labels, ignored);
                let groups = cluster.selected(&selector, &pod.meta.namespace);
                let chosen_nodes = pod.spec.affinity.node_required.is_some() || !pod.spec.node_selector.is_empty();
                let all_count = everywhere
                    && !(spread.honor_affinity && chosen_nodes)
                    && !(spread.honor_taints && cluster.tainted > 0);
                let mut even = Even {
                    key,
                    max_skew: spread.max_skew,
                    own: selector.matches(&pod.meta.labels),
                    selector,
                    groups,
                    counted: None,
                    few: Vec::new(),
                    least: (NONE, i64::from(i32::MAX)),
                    second: i64::from(i32::MAX),
                    too_few: false,
                };
                if !all_count {
                    even.counted = Some(even.count_some(cluster, pod, spread, needs_all.then_some(&keys)));
                } else if cluster.keys[key].nodes.len() <= FEW {
                    let live = |value| i64::from(cluster.count(&even.groups, key, value).live);
                    even.few = (0..cluster.keys[key].nodes.len() as u32).map(live).collect();
                }
                if hard {
                    even.find_least(cluster, spread.min_domains);
                }
                even
            });
            let evens = evens.collect();
            if hard {
                self.hard = evens;
            } else {
                self.soft = evens;
            }
        }
    }

    fn affinity(&mut self, cluster: &mut Cluster, profile: &Profile, pod: &Rc<Pod>) {
        let (namespace, affinity) = (&pod.meta.namespace, &pod.spec.affinity);
        // What the pod must be near to, and far from.
        for (at, term) in affinity.pod_required.iter().enumerate() {
            let chosen = cluster.matching(term, namespace);
            self.near.retain(|group| chosen.contains(group));
            if at == 0 {
                self.near = chosen;
            }
            self.near_keys.push(cluster.key(&term.topology_key));
        }
        let own = |term: &PodTerm| chooses(&cluster.namespaces, term, namespace, namespace, &pod.meta.labels);
        self.first = affinity.pod_required.iter().all(own);
        let empty = |key: &Key| self.near.iter().all(|group| cluster.groups[*group].counts[*key].is_empty());
        self.first &= self.near_keys.iter().all(empty);
        for term in &affinity.anti_required {
            let chosen = cluster.matching(term, namespace);
            self.far.push((cluster.key(&term.topology_key), chosen));
        }
        // What it prefers.
        let mut draw = |counts: &Tally, key: Key, weight: i64| {
            if weight != 0 {
                let drawn = self.drawn.entry(key).or_default();
                counts.for_each(|value, count| *drawn.entry(value).or_default() += weight * i64::from(count.all));
            }
        };
        let signed = affinity.pod_preferred.iter().map(|one| (one, 1));
        for (preferred, sign) in signed.chain(affinity.anti_preferred.iter().map(|one| (one, -1))) {
            let chosen = cluster.matching(&preferred.term, namespace);
            let key = cluster.key(&preferred.term.topology_key);
            for group in chosen {
                draw(&cluster.groups[group].counts[key], key, sign * preferred.weight);
            }
        }
        // What the pods that are there ask of it.
        let (namespaces, keys) = (&cluster.namespaces, &cluster.keys);
        for (number, bearers) in cluster.bearers.iter().enumerate().filter(|(_, bearers)| bearers.number > 0) {
            let key = |term: &PodTerm| keys.iter().position(|key| key.name == term.topology_key).expect("counted");
            let asks = |term: &PodTerm| chooses(namespaces, term, &bearers.namespace, namespace, &pod.meta.labels);
            let theirs = &bearers.spec.affinity;
            for term in theirs.anti_required.iter().filter(|term| asks(term)) {
                self.shunned.push((key(term), number));
            }
            for term in theirs.pod_required.iter().filter(|term| asks(term)) {
                draw(&bearers.counts[key(term)], key(term), profile.hard_pod_affinity_weight);
            }
            let signed = theirs.pod_preferred.iter().map(|one| (one, 1));
            for (one, sign) in signed.chain(theirs.anti_preferred.iter().map(|one| (one, -1))) {
                if asks(&one.term) {
                    draw(&bearers.counts[key(&one.term)], key(&one.term), sign * one.weight);
                }
            }
        }
    }
}

impl Even {
    /// Counts pods by value on those nodes only that count.
    fn count_some(
        &self,
        cluster: &Cluster,
        pod: &Pod,
        spread: &Spread,
        keys: Option<&Vec<Key>>,
    ) -> SortedMap<u32, i64> {
        let mut counted = SortedMap::new();
        for host in cluster.hosts.iter().flatten() {
            let has_keys = keys.is_none_or(|keys| keys.iter().all(|key| host.values[*key] != NONE));
            if host.values[self.key] != NONE
                && has_keys
                && (!spread.honor_affinity || node_allowed(pod, &host.node))
                && (!spread.honor_taints || taints_tolerated(pod, &host.node))
            {
                *counted.entry(host.values[self.key]).or_default() += self.on(&host.residents);
            }
        }
        counted
    }

    /// Finds the values with the fewest pods.
    fn find_least(&mut self, cluster: &Cluster, min_domains: Option<i64>) {
        let topology = &cluster.keys[self.key];
        let values = self.counted.as_ref().map_or(topology.distinct, SortedMap::len);
        self.too_few = min_domains.is_some_and(|least| (values as i64) < least);
        let mut look = |value: u32, count: i64| {
            if count < self.least.1 {
                self.second = self.least.1;
                self.least = (value, count);
            } else {
                self.second = self.second.min(count);
            }
        };
        if let Some(counted) = &self.counted {
            counted.iter().for_each(|(value, count)| look(*value, *count));
            return;
        }
        let counts = self.groups.iter().map(|group| &cluster.groups[*group].counts[self.key]);
        if counts.clone().map(Tally::len).sum::<usize>() + 2 <= topology.distinct {
            // Two values have no pods at all: whichever node is looked at, another one is empty.
            look(NONE, 0);
            look(NONE, 0);
            return;
        }
        for value in (0..topology.nodes.len() as u32).filter(|value| topology.nodes[*value as usize] > 0) {
            let live = counts.clone().map(|counts| i64::from(counts.at(value).live)).sum();
            look(value, live);
        }
    }
}
