//! What the scheduler knows of the cluster, kept up change by change.

use super::tally::{Count, Tally};
use crate::control::kubernetes::objects::{Demand, Labels, Node, Pod, PodSpec, PodTerm, Port, Selector, Text, Uid};
use sim_core::hash;
use sim_core::sorted::SortedMap;
use std::rc::Rc;

/// The value of a topology key that a node does not have.
pub(super) const NONE: u32 = u32::MAX;

/// A topology key, as an index into [`Cluster::keys`].
pub(super) type Key = usize;
/// Pods of one name space and equal labels, as an index into [`Cluster::groups`].
pub(super) type Group = usize;

/// Counts by the value of a topology key, for each key.
type Counts = Vec<Tally>;

/// A label of nodes that some constraint has asked about.
#[derive(Clone, Debug)]
pub(super) struct TopologyKey {
    pub name: Text,
    values: SortedMap<Text, u32>,
    /// How many nodes have each value.
    pub nodes: Vec<u32>,
    /// How many nodes have the label at all.
    pub carried: usize,
    /// How many values some node has.
    pub distinct: usize,
}

/// Pods with the same labels.
#[derive(Clone, Debug)]
pub(super) struct Likes {
    namespace: Text,
    labels: Labels,
    pub counts: Counts,
}

/// Pods whose affinity says the same about other pods.
#[derive(Clone, Debug)]
pub(super) struct Bearers {
    pub namespace: Text,
    pub spec: Rc<PodSpec>,
    pub counts: Counts,
    pub number: u32,
}

/// What follows from a specification, worked out once.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub spec: Rc<PodSpec>,
    pub demand: Demand,
    pub ports: Vec<Port>,
}

/// A pod on a node.
#[derive(Clone, Debug)]
pub(super) struct Resident {
    pub pod: Rc<Pod>,
    pub group: Group,
    pub shape: Rc<Shape>,
    bearers: Option<usize>,
}

/// A node and what is on it.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub node: Rc<Node>,
    pub demand: Demand,
    pub residents: Vec<Resident>,
    /// Pods for which room is being made here.
    pub nominated: Vec<Resident>,
    /// Its value of each topology key.
    pub values: Vec<u32>,
    pub images: SortedMap<Text, i64>,
}

/// What a selector was found to choose, as far as it was looked.
#[derive(Clone, Debug)]
struct Matched {
    term: PodTerm,
    namespace: Text,
    groups: Vec<Group>,
    seen: usize,
}

/// A snapshot of nodes and the pods on them.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    pub(super) hosts: Vec<Option<Host>>,
    free: Vec<usize>,
    by_name: SortedMap<Text, usize>,
    /// Nodes in the order in which they are tried: one of each zone in turn.
    order: Vec<usize>,
    stale_order: bool,
    /// Where the next pod begins to look.
    pub(super) start: usize,
    pub(super) keys: Vec<TopologyKey>,
    pub(super) groups: Vec<Likes>,
    group_of: SortedMap<u64, Vec<Group>>,
    pub(super) bearers: Vec<Bearers>,
    bearers_of: SortedMap<u64, Vec<usize>>,
    shapes: SortedMap<u64, Vec<Rc<Shape>>>,
    matched: SortedMap<u64, Vec<Matched>>,
    pub(super) namespaces: SortedMap<Text, Labels>,
    /// Where each pod is.
    places: SortedMap<Uid, Text>,
    /// Pods on nodes that are not known (yet, or any more).
    strays: SortedMap<Text, SortedMap<Uid, Rc<Pod>>>,
    nominations: SortedMap<Uid, Text>,
    /// How many nodes have each image.
    pub(super) images: SortedMap<Text, u32>,
    /// How many nodes have taints.
    pub(super) tainted: usize,
}

/// How many selectors and specifications are remembered before all are forgotten.
const REMEMBERED: usize = 20_000;

impl Cluster {
    /// How many nodes there are.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.by_name.len()
    }

    /// How many pods have a node.
    #[must_use]
    pub fn pods(&self) -> usize {
        self.places.len()
    }

    /// A node by its name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Rc<Node>> {
        Some(&self.host(*self.by_name.get(name)?).node)
    }

    /// What the pods on a node take of it.
    #[must_use]
    pub fn demand(&self, name: &str) -> Option<&Demand> {
        Some(&self.host(*self.by_name.get(name)?).demand)
    }

    /// The pods on a node.
    pub fn pods_on(&self, name: &str) -> impl Iterator<Item = &Rc<Pod>> {
        let host = self.by_name.get(name).map(|slot| self.host(*slot));
        host.into_iter().flat_map(|host| host.residents.iter().map(|resident| &resident.pod))
    }

    /// The node that a pod is on, as far as the scheduler knows.
    #[must_use]
    pub fn place_of(&self, pod: Uid) -> Option<&Text> {
        self.places.get(&pod)
    }

    /// A node that there is.
    pub(super) fn host(&self, slot: usize) -> &Host {
        self.hosts[slot].as_ref().expect("the node is known")
    }

    pub(super) fn slot(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// All nodes, one of each zone in turn.
    pub(super) fn order(&mut self) -> Vec<usize> {
        if self.stale_order {
            let mut zones: SortedMap<(Text, Text), Vec<usize>> = SortedMap::new();
            for (slot, host) in self.hosts.iter().enumerate() {
                if let Some(host) = host {
                    let label = |key| host.node.meta.labels.value(key).cloned().unwrap_or_default();
                    let zone = (label("topology.kubernetes.io/region"), label("topology.kubernetes.io/zone"));
                    zones.entry(zone).or_default().push(slot);
                }
            }
            let longest = zones.values().map(Vec::len).max().unwrap_or(0);
            let row = |at: usize| zones.values().filter_map(move |zone| zone.get(at).copied());
            self.order = (0..longest).flat_map(row).collect();
            self.stale_order = false;
        }
        std::mem::take(&mut self.order)
    }

    /// Gives back what [`Self::order`] lent.
    pub(super) fn order_back(&mut self, order: Vec<usize>) {
        self.order = order;
    }

    /// A node is new, or has changed.
    pub fn set_node(&mut self, node: Rc<Node>) {
        let name = node.meta.name.clone();
        if let Some(&slot) = self.by_name.get(&name) {
            let host = self.hosts[slot].as_ref().expect("the node is known");
            if host.node.meta.labels == node.meta.labels {
                self.count_node(slot, false);
                self.hosts[slot].as_mut().expect("the node is known").node = node;
                self.count_node(slot, true);
                return;
            }
        }
        let (residents, nominated) = self.take_node(&name);
        let values = self.keys.iter_mut().map(|key| key.value(&node.meta.labels)).collect();
        let host = Host {
            node,
            demand: Demand::default(),
            residents: Vec::new(),
            nominated: Vec::new(),
            values,
            images: SortedMap::new(),
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.hosts.push(None);
            self.hosts.len() - 1
        });
        self.hosts[slot] = Some(host);
        self.by_name.insert(name.clone(), slot);
        self.count_node(slot, true);
        self.stale_order = true;
        let strays = self.strays.remove(&name).unwrap_or_default();
        for pod in residents.into_iter().chain(strays.into_values()) {
            self.place(&pod, &name);
        }
        for pod in nominated {
            self.nominate(&pod, &name);
        }
    }

    /// A node is gone. Its pods are remembered until they go, too.
    pub fn remove_node(&mut self, name: &str) {
        let (residents, _) = self.take_node(name);
        for pod in residents {
            self.place(&pod, name);
        }
    }

    /// Takes a node out, and gives its pods and those nominated for it.
    fn take_node(&mut self, name: &str) -> (Vec<Rc<Pod>>, Vec<Rc<Pod>>) {
        let Some(slot) = self.by_name.get(name).copied() else { return Default::default() };
        let pods = |of: &[Resident]| of.iter().map(|resident| resident.pod.clone()).collect::<Vec<_>>();
        let (residents, nominated) = (pods(&self.host(slot).residents), pods(&self.host(slot).nominated));
        for pod in &residents {
            self.remove(pod.meta.uid);
        }
        for pod in &nominated {
            self.forget_nomination(pod.meta.uid);
        }
        self.count_node(slot, false);
        self.by_name.remove(name);
        let host = self.hosts[slot].take().expect("the node is known");
        for (key, value) in self.keys.iter_mut().zip(host.values) {
            key.leave(value);
        }
        self.free.push(slot);
        self.stale_order = true;
        (residents, nominated)
    }

    /// Counts a node's images and taints in, or out.
    fn count_node(&mut self, slot: usize, inward: bool) {
        let host = self.hosts[slot].as_mut().expect("the node is known");
        if inward {
            let named = |image: &super::super::objects::Image| {
                let bytes = image.bytes;
                image.names.iter().map(move |name| (name.clone(), bytes)).collect::<Vec<_>>()
            };
            host.images = host.node.images.iter().flat_map(named).collect();
        }
        for name in host.images.keys() {
            let nodes = self.images.entry(name.clone()).or_default();
            *nodes = if inward { *nodes + 1 } else { *nodes - 1 };
        }
        let tainted = usize::from(!host.node.taints.is_empty());
        self.tainted = if inward { self.tainted + tainted } else { self.tainted - tainted };
    }

    /// A name space and its labels are as said.
    pub fn set_namespace(&mut self, name: &str, labels: Labels) {
        if self.namespaces.get(name) != Some(&labels) {
            self.namespaces.insert(name.into(), labels);
            self.matched.clear();
        }
    }

    /// A pod is on a node, or is taken to be: from the decision on, not from the time when the node has it. A pod that
    /// was there already is as it is now.
    pub fn place(&mut self, pod: &Rc<Pod>, node: &str) {
        self.remove(pod.meta.uid);
        self.forget_nomination(pod.meta.uid);
        self.places.insert(pod.meta.uid, node.into());
        let Some(slot) = self.slot(node) else {
            self.strays.entry(node.into()).or_default().insert(pod.meta.uid, pod.clone());
            return;
        };
        let resident = self.resident(pod);
        self.count_pod(&resident, slot, true);
        let host = self.hosts[slot].as_mut().expect("the node is known");
        host.demand.add(&resident.shape.demand);
        host.residents.push(resident);
    }

    /// A pod is gone from its node, or its binding has failed.
    pub fn remove(&mut self, pod: Uid) {
        let Some(node) = self.places.remove(&pod) else { return };
        let Some(slot) = self.slot(&node) else {
            if let Some(strays) = self.strays.get_mut(&node) {
                strays.remove(&pod);
                if strays.is_empty() {
                    self.strays.remove(&node);
                }
            }
            return;
        };
        let host = self.hosts[slot].as_mut().expect("the node is known");
        let at = host.residents.iter().position(|resident| resident.pod.meta.uid == pod).expect("the pod is there");
        let resident = host.residents.remove(at);
        host.demand.remove(&resident.shape.demand);
        self.count_pod(&resident, slot, false);
    }

    /// Room is being made for a pod on a node.
    pub fn nominate(&mut self, pod: &Rc<Pod>, node: &str) {
        self.forget_nomination(pod.meta.uid);
        if let Some(slot) = self.slot(node) {
            let resident = self.resident(pod);
            self.nominations.insert(pod.meta.uid, node.into());
            self.hosts[slot].as_mut().expect("the node is known").nominated.push(resident);
        }
    }

    /// No room is being made for a pod any more.
    pub fn forget_nomination(&mut self, pod: Uid) {
        if let Some(slot) = self.nominations.remove(&pod).and_then(|node| self.slot(&node)) {
            let host = self.hosts[slot].as_mut().expect("the node is known");
            host.nominated.retain(|resident| resident.pod.meta.uid != pod);
        }
    }

    /// A pod as it would be counted on a node.
    pub(super) fn resident(&mut self, pod: &Rc<Pod>) -> Resident {
        let group = self.group(&pod.meta.namespace, &pod.meta.labels);
        let shape = self.shape(&pod.spec);
        let affinity = &pod.spec.affinity;
        let speaks = !(affinity.pod_required.is_empty()
            && affinity.pod_preferred.is_empty()
            && affinity.anti_required.is_empty()
            && affinity.anti_preferred.is_empty());
        let bearers = speaks.then(|| self.bearers(&pod.meta.namespace, &pod.spec));
        Resident { pod: pod.clone(), group, shape, bearers }
    }

    /// Counts a pod in, or out, wherever its node belongs.
    fn count_pod(&mut self, resident: &Resident, slot: usize, inward: bool) {
        let live = u32::from(!resident.pod.meta.deleting());
        let host = self.hosts[slot].as_ref().expect("the node is known");
        let change = |counts: &mut Counts| {
            for (key, &value) in host.values.iter().enumerate().filter(|(_, value)| **value != NONE) {
                counts[key].change(value, live, inward);
            }
        };
        change(&mut self.groups[resident.group].counts);
        if let Some(bearers) = resident.bearers {
            let bearers = &mut self.bearers[bearers];
            change(&mut bearers.counts);
            bearers.number = if inward { bearers.number + 1 } else { bearers.number - 1 };
        }
    }

    fn group(&mut self, namespace: &Text, labels: &Labels) -> Group {
        let same = self.group_of.entry(hash::content(&(namespace, labels))).or_default();
        let known = same.iter().find(|group| {
            let likes = &self.groups[**group];
            likes.namespace == *namespace && (likes.labels.shared_with(labels) || likes.labels == *labels)
        });
        known.copied().unwrap_or_else(|| {
            let group = self.groups.len();
            same.push(group);
            let counts = vec![Tally::default(); self.keys.len()];
            self.groups.push(Likes { namespace: namespace.clone(), labels: labels.clone(), counts });
            group
        })
    }

    fn bearers(&mut self, namespace: &Text, spec: &Rc<PodSpec>) -> usize {
        let affinity = &spec.affinity;
        let said = (namespace, &affinity.pod_required, &affinity.pod_preferred);
        let same = self.bearers_of.entry(hash::content(&(said, &affinity.anti_required, &affinity.anti_preferred)));
        let same = same.or_default();
        let known = same.iter().find(|bearers| {
            let bearers = &self.bearers[**bearers];
            let own = &bearers.spec.affinity;
            bearers.namespace == *namespace
                && own.pod_required == affinity.pod_required
                && own.pod_preferred == affinity.pod_preferred
                && own.anti_required == affinity.anti_required
                && own.anti_preferred == affinity.anti_preferred
        });
        if let Some(known) = known {
            return *known;
        }
        let bearers = self.bearers.len();
        same.push(bearers);
        let counts = vec![Tally::default(); self.keys.len()];
        self.bearers.push(Bearers { namespace: namespace.clone(), spec: spec.clone(), counts, number: 0 });
        // What pods ask about others is counted by these keys from now on.
        let terms = affinity.pod_required.iter().chain(&affinity.anti_required);
        let preferred = affinity.pod_preferred.iter().chain(&affinity.anti_preferred).map(|one| &one.term);
        for term in terms.chain(preferred) {
            self.key(&term.topology_key);
        }
        bearers
    }

    /// What follows from a specification.
    pub(super) fn shape(&mut self, spec: &Rc<PodSpec>) -> Rc<Shape> {
        if self.shapes.len() > REMEMBERED {
            self.shapes.clear();
        }
        let same = self.shapes.entry(hash::content(spec)).or_default();
        if let Some(known) = same.iter().find(|shape| Rc::ptr_eq(&shape.spec, spec) || shape.spec == *spec) {
            return known.clone();
        }
        let ports = spec.containers.iter().flat_map(|container| &container.ports);
        let ports = ports.filter(|port| port.host_port != 0).cloned().collect();
        let shape = Rc::new(Shape { spec: spec.clone(), demand: spec.demand(), ports });
        same.push(shape.clone());
        shape
    }

    /// A topology key; from its first use on pods are counted by it.
    pub(super) fn key(&mut self, name: &Text) -> Key {
        if let Some(known) = self.keys.iter().position(|key| key.name == *name) {
            return known;
        }
        let key = self.keys.len();
        let mut topology =
            TopologyKey { name: name.clone(), values: SortedMap::new(), nodes: Vec::new(), carried: 0, distinct: 0 };
        for counts in self.groups.iter_mut().map(|likes| &mut likes.counts) {
            counts.push(Tally::default());
        }
        for counts in self.bearers.iter_mut().map(|bearers| &mut bearers.counts) {
            counts.push(Tally::default());
        }
        for host in self.hosts.iter_mut().flatten() {
            let value = topology.value(&host.node.meta.labels);
            host.values.push(value);
            for resident in host.residents.iter().filter(|_| value != NONE) {
                let live = u32::from(!resident.pod.meta.deleting());
                let add = |counts: &mut Counts| counts[key].change(value, live, true);
                add(&mut self.groups[resident.group].counts);
                if let Some(bearers) = resident.bearers {
                    add(&mut self.bearers[bearers].counts);
                }
            }
        }
        self.keys.push(topology);
        key
    }

    /// The groups whose pods a term of a pod in `namespace` chooses.
    pub(super) fn matching(&mut self, term: &PodTerm, namespace: &Text) -> Vec<Group> {
        if self.matched.len() > REMEMBERED {
            self.matched.clear();
        }
        let parts = (&term.selector, &term.namespaces, &term.namespace_selector, namespace);
        let same = self.matched.entry(hash::content(&parts)).or_default();
        let known = same.iter().position(|matched| {
            matched.namespace == *namespace
                && matched.term.selector == term.selector
                && matched.term.namespaces == term.namespaces
                && matched.term.namespace_selector == term.namespace_selector
        });
        let known = known.unwrap_or_else(|| {
            same.push(Matched { term: term.clone(), namespace: namespace.clone(), groups: Vec::new(), seen: 0 });
            same.len() - 1
        });
        let matched = &mut same[known];
        for (group, likes) in self.groups.iter().enumerate().skip(matched.seen) {
            if chooses(&self.namespaces, term, namespace, &likes.namespace, &likes.labels) {
                matched.groups.push(group);
            }
        }
        matched.seen = self.groups.len();
        matched.groups.clone()
    }

    /// The groups in a name space that a selector chooses.
    pub(super) fn selected(&mut self, selector: &Selector, namespace: &Text) -> Vec<Group> {
        self.matching(&PodTerm { selector: Some(selector.clone()), ..PodTerm::default() }, namespace)
    }

    /// How many pods of these groups are where a key has this value.
    pub(super) fn count(&self, groups: &[Group], key: Key, value: u32) -> Count {
        let counts = groups.iter().map(|group| self.groups[*group].counts[key].at(value));
        counts.fold(Count::default(), |sum, one| Count { all: sum.all + one.all, live: sum.live + one.live })
    }
}

/// Whether a term of a pod in `namespace` chooses pods of another name space and labels.
pub(super) fn chooses(
    namespaces: &SortedMap<Text, Labels>,
    term: &PodTerm,
    namespace: &Text,
    of: &Text,
    labels: &Labels,
) -> bool {
    let near = if term.namespaces.is_empty() && term.namespace_selector.is_none() {
        of == namespace
    } else {
        let chosen = |selector: &Selector| {
            selector.is_empty() || namespaces.get(of).is_some_and(|labels| selector.matches(labels))
        };
        term.namespaces.contains(of) || term.namespace_selector.as_ref().is_some_and(chosen)
    };
    near && term.selector.as_ref().is_some_and(|selector| selector.matches(labels))
}

impl TopologyKey {
    /// A node with these labels comes: its value of the key.
    fn value(&mut self, labels: &Labels) -> u32 {
        let Some(text) = labels.get(&self.name) else { return NONE };
        let next = self.values.len() as u32;
        let value = *self.values.entry(text.clone()).or_insert(next);
        if value == next {
            self.nodes.push(0);
        }
        self.nodes[value as usize] += 1;
        self.distinct += usize::from(self.nodes[value as usize] == 1);
        self.carried += 1;
        value
    }

    /// A node with this value goes.
    fn leave(&mut self, value: u32) {
        if value != NONE {
            self.nodes[value as usize] -= 1;
            self.distinct -= usize::from(self.nodes[value as usize] == 0);
            self.carried -= 1;
        }
    }
}
