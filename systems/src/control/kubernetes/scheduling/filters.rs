//! Which nodes a pod fits, in the order in which the scheduler asks.

use super::Profile;
use super::cluster::{Cluster, Host, Key, NONE, Resident, chooses};
use super::plan::{Plan, affinity_allows, node_allowed};
use super::tally::Count;
use crate::control::kubernetes::objects::{Effect, Port, Taint, Text};
use core::fmt;

/// The parts that can refuse a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Plugin {
    /// The node takes no new pods.
    NodeUnschedulable,
    /// The pod names another node.
    NodeName,
    /// The node has a taint that the pod does not tolerate.
    TaintToleration,
    /// The pod's node selector or affinity leaves the node out.
    NodeAffinity,
    /// A port of the node is taken.
    NodePorts,
    /// The node has no room.
    NodeResourcesFit,
    /// The pod would make a spread uneven.
    PodTopologySpread,
    /// Other pods are too near, or too far.
    InterPodAffinity,
}

impl Plugin {
    /// All of them, in the order in which they are asked.
    pub const ALL: [Self; 8] = [
        Self::NodeUnschedulable,
        Self::NodeName,
        Self::TaintToleration,
        Self::NodeAffinity,
        Self::NodePorts,
        Self::NodeResourcesFit,
        Self::PodTopologySpread,
        Self::InterPodAffinity,
    ];
}

/// Why a pod does not go to a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// It takes no new pods.
    Unschedulable,
    /// The pod names another.
    NodeName,
    /// It has a taint that the pod does not tolerate.
    Taint {
        /// The taint.
        key: Text,
        /// Its value.
        value: Text,
    },
    /// The pod leaves it out.
    NodeAffinity,
    /// The scheduler does.
    AddedAffinity,
    /// A port is taken.
    Ports,
    /// It lacks room: for one more pod, or of these resources.
    NoRoom {
        /// It has as many pods as it takes.
        pods: bool,
        /// What is short.
        of: Vec<Text>,
    },
    /// It lacks a label of a spread constraint.
    SpreadLabel,
    /// The spread would be uneven.
    Spread,
    /// Nobody is near whom the pod must be near to.
    PodAffinity,
    /// Somebody is near from whom the pod must be far.
    PodAntiAffinity,
    /// Somebody is near who must be far from such pods.
    ExistingAntiAffinity,
    /// The pod's affinity names an impossible value.
    Invalid(Text),
}

impl Refusal {
    /// Whether the node might do if pods went from it. Upstream's word otherwise is `UnschedulableAndUnresolvable`.
    #[must_use]
    pub const fn resolvable(&self) -> bool {
        match self {
            Self::Ports | Self::NoRoom { .. } | Self::Spread | Self::PodAntiAffinity | Self::ExistingAntiAffinity => {
                true
            }
            Self::Unschedulable
            | Self::NodeName
            | Self::Taint { .. }
            | Self::NodeAffinity
            | Self::AddedAffinity
            | Self::SpreadLabel
            | Self::PodAffinity
            | Self::Invalid(_) => false,
        }
    }

    /// Who says so.
    #[must_use]
    pub const fn plugin(&self) -> Plugin {
        match self {
            Self::Unschedulable => Plugin::NodeUnschedulable,
            Self::NodeName => Plugin::NodeName,
            Self::Taint { .. } => Plugin::TaintToleration,
            Self::NodeAffinity | Self::AddedAffinity => Plugin::NodeAffinity,
            Self::Ports => Plugin::NodePorts,
            Self::NoRoom { .. } => Plugin::NodeResourcesFit,
            Self::SpreadLabel | Self::Spread => Plugin::PodTopologySpread,
            Self::PodAffinity | Self::PodAntiAffinity | Self::ExistingAntiAffinity | Self::Invalid(_) => {
                Plugin::InterPodAffinity
            }
        }
    }

    /// The reasons in the words of Kubernetes 1.23.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let one = match self {
            Self::Unschedulable => "node(s) were unschedulable",
            Self::NodeName => "node(s) didn't match the requested node name",
            Self::Taint { key, value } => {
                return vec![format!("node(s) had taint {{{key}: {value}}}, that the pod didn't tolerate")];
            }
            Self::NodeAffinity => "node(s) didn't match Pod's node affinity/selector",
            Self::AddedAffinity => "node(s) didn't match scheduler-enforced node affinity",
            Self::Ports => "node(s) didn't have free ports for the requested pod ports",
            Self::NoRoom { pods, of } => {
                let pods = pods.then(|| "Too many pods".to_owned());
                return pods.into_iter().chain(of.iter().map(|name| format!("Insufficient {name}"))).collect();
            }
            Self::SpreadLabel => "node(s) didn't match pod topology spread constraints (missing required label)",
            Self::Spread => "node(s) didn't match pod topology spread constraints",
            Self::PodAffinity => "node(s) didn't match pod affinity rules",
            Self::PodAntiAffinity => "node(s) didn't match pod anti-affinity rules",
            Self::ExistingAntiAffinity => "node(s) didn't satisfy existing pods anti-affinity rules",
            Self::Invalid(value) => return vec![format!("Invalid value: \"{value}\"")],
        };
        vec![one.to_owned()]
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reasons().join(", "))
    }
}

/// Pods that a node is looked at without, or with, other than it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Change<'a> {
    pub without: Vec<&'a Resident>,
    pub with: Vec<&'a Resident>,
}

impl Change<'_> {
    /// By how many pods of a sort a node's number differs.
    fn differs(&self, sort: impl Fn(&Resident) -> bool) -> i64 {
        let of = |pods: &[&Resident]| pods.iter().filter(|one| sort(one)).count() as i64;
        of(&self.with) - of(&self.without)
    }
}

/// Whether two ports of one node can not both be taken.
fn clash(one: &Port, other: &Port) -> bool {
    let any = |port: &Port| port.host_ip.is_empty() || &*port.host_ip == "0.0.0.0";
    one.host_port == other.host_port
        && one.protocol == other.protocol
        && (any(one) || any(other) || one.host_ip == other.host_ip)
}

/// One node, asked about one pod.
pub(super) struct Question<'a> {
    pub cluster: &'a Cluster,
    pub profile: &'a Profile,
    pub plan: &'a Plan,
    pub host: &'a Host,
    pub change: &'a Change<'a>,
}

impl Question<'_> {
    /// The first refusal.
    pub fn refusal(&self) -> Option<Refusal> {
        Plugin::ALL.into_iter().find_map(|plugin| self.ask(plugin))
    }

    /// What one part says.
    pub fn ask(&self, plugin: Plugin) -> Option<Refusal> {
        match plugin {
            Plugin::NodeUnschedulable => self.unschedulable(),
            Plugin::NodeName => {
                let wanted = self.plan.resident.pod.node.as_ref();
                wanted.is_some_and(|name| *name != self.host.node.meta.name).then_some(Refusal::NodeName)
            }
            Plugin::TaintToleration => self.taints(),
            Plugin::NodeAffinity => self.node_affinity(),
            Plugin::NodePorts => self.ports(),
            Plugin::NodeResourcesFit => self.room(),
            Plugin::PodTopologySpread => self.spread(),
            Plugin::InterPodAffinity => self.pods(),
        }
    }

    fn unschedulable(&self) -> Option<Refusal> {
        let taint = || Taint {
            key: "node.kubernetes.io/unschedulable".into(),
            value: "".into(),
            effect: Effect::NoSchedule,
            added: None,
        };
        let spec = &self.plan.resident.pod.spec;
        let tolerated = || spec.tolerations.iter().any(|one| one.tolerates(&taint()));
        (self.host.node.unschedulable && !tolerated()).then_some(Refusal::Unschedulable)
    }

    fn taints(&self) -> Option<Refusal> {
        let tolerations = &self.plan.resident.pod.spec.tolerations;
        let repels = |taint: &&Taint| {
            taint.effect != Effect::PreferNoSchedule && !tolerations.iter().any(|one| one.tolerates(taint))
        };
        let taint = self.host.node.taints.iter().find(repels)?;
        Some(Refusal::Taint { key: taint.key.clone(), value: taint.value.clone() })
    }

    fn node_affinity(&self) -> Option<Refusal> {
        if !affinity_allows(&self.profile.added, &self.host.node) {
            return Some(Refusal::AddedAffinity);
        }
        (!node_allowed(&self.plan.resident.pod, &self.host.node)).then_some(Refusal::NodeAffinity)
    }

    fn ports(&self) -> Option<Refusal> {
        let wanted = &self.plan.resident.shape.ports;
        if wanted.is_empty() {
            return None;
        }
        let gone = |pod: &Resident| self.change.without.iter().any(|one| one.pod.meta.uid == pod.pod.meta.uid);
        let stay = self.host.residents.iter().filter(|pod| !gone(pod)).chain(self.change.with.iter().copied());
        let mut taken = stay.flat_map(|pod| &pod.shape.ports);
        taken.any(|port| wanted.iter().any(|one| clash(one, port))).then_some(Refusal::Ports)
    }

    fn room(&self) -> Option<Refusal> {
        let (has, takes, wants) = (&self.host.node.allocatable, &self.host.demand, &self.plan.resident.shape.demand);
        let pods = self.host.residents.len() as i64 + self.change.differs(|_| true);
        let pods = pods + 1 > has.pods.unwrap_or(0);
        let mut of = Vec::new();
        let some = wants.cpu | wants.memory | wants.ephemeral_storage != 0 || !wants.other.is_empty();
        if some {
            let sum = |of: &[&Resident], part: fn(&Resident) -> i64| of.iter().map(|pod| part(pod)).sum::<i64>();
            let lacks = |name: &str, has: Option<i64>, takes: i64, wants: i64, part: fn(&Resident) -> i64| {
                let takes = takes + sum(&self.change.with, part) - sum(&self.change.without, part);
                (wants > has.unwrap_or(0) - takes).then(|| Text::from(name))
            };
            of.extend(lacks("cpu", has.cpu, takes.cpu, wants.cpu, |pod| pod.shape.demand.cpu));
            of.extend(lacks("memory", has.memory, takes.memory, wants.memory, |pod| pod.shape.demand.memory));
            let (disk, taken) = (has.ephemeral_storage, takes.ephemeral_storage);
            let wanted = wants.ephemeral_storage;
            of.extend(lacks("ephemeral-storage", disk, taken, wanted, |pod| pod.shape.demand.ephemeral_storage));
            for (name, wanted) in &wants.other {
                let group = name.split_once('/').map_or("", |(group, _)| group);
                if self.profile.ignored_groups.iter().any(|ignored| **ignored == *group) {
                    continue;
                }
                let sum = |of: &[&Resident]| of.iter().map(|pod| pod.shape.demand.named(name)).sum::<i64>();
                let takes = takes.named(name) + sum(&self.change.with) - sum(&self.change.without);
                if *wanted > has.named(name).unwrap_or(0) - takes {
                    of.push(name.clone());
                }
            }
        }
        (pods || !of.is_empty()).then_some(Refusal::NoRoom { pods, of })
    }

    fn spread(&self) -> Option<Refusal> {
        let namespace = &self.plan.resident.pod.meta.namespace;
        self.plan.hard.iter().find_map(|even| {
            let value = self.host.values[even.key];
            if value == NONE {
                return Some(Refusal::SpreadLabel);
            }
            let here = even.at(self.cluster, value) + self.change.differs(|one| even.counts(namespace, &one.pod));
            let skew = here + i64::from(even.own) - even.minimum(value, here);
            (skew > even.max_skew).then_some(Refusal::Spread)
        })
    }

    /// Pods of a sort where the node's value of a key is.
    fn near(&self, key: Key, there: impl Fn(u32) -> Count, sort: impl Fn(&Resident) -> bool) -> bool {
        let value = self.host.values[key];
        value != NONE && i64::from(there(value).all) + self.change.differs(sort) > 0
    }

    fn pods(&self) -> Option<Refusal> {
        let (plan, cluster) = (self.plan, self.cluster);
        let pod = &plan.resident.pod;
        if let Some(value) = &plan.invalid {
            return Some(Refusal::Invalid(value.as_str().into()));
        }
        let chosen = |of: &Resident, term| {
            chooses(&cluster.namespaces, term, &pod.meta.namespace, &of.pod.meta.namespace, &of.pod.meta.labels)
        };
        let required = &pod.spec.affinity.pod_required;
        let wanted = |of: &Resident| required.iter().all(|term| chosen(of, term));
        let has_key = |key: &Key| self.host.values[*key] != NONE;
        let met = |key: &Key| self.near(*key, |value| cluster.count(&plan.near, *key, value), wanted);
        let first = plan.first && self.change.differs(wanted) <= 0;
        if !plan.near_keys.iter().all(has_key) || !(first || plan.near_keys.iter().all(met)) {
            return Some(Refusal::PodAffinity);
        }
        for ((key, groups), term) in plan.far.iter().zip(&pod.spec.affinity.anti_required) {
            if self.near(*key, |value| cluster.count(groups, *key, value), |of| chosen(of, term)) {
                return Some(Refusal::PodAntiAffinity);
            }
        }
        let shuns = |of: &Resident, key: Key| {
            let terms = of.pod.spec.affinity.anti_required.iter();
            let asked = |term| {
                chooses(&cluster.namespaces, term, &of.pod.meta.namespace, &pod.meta.namespace, &pod.meta.labels)
            };
            terms.filter(|term| asked(term)).any(|term| term.topology_key == cluster.keys[key].name)
        };
        // A change adds or takes pods that shun this one: each bearer's count is held against its own pods only.
        for (key, bearers) in &plan.shunned {
            let bearers = &cluster.bearers[*bearers];
            let there = |value: u32| bearers.counts[*key].at(value);
            let theirs = |of: &Resident| {
                of.pod.meta.namespace == bearers.namespace
                    && of.pod.spec.affinity == bearers.spec.affinity
                    && shuns(of, *key)
            };
            if self.near(*key, there, theirs) {
                return Some(Refusal::ExistingAntiAffinity);
            }
        }
        let newcomer = |of: &&Resident| (0..cluster.keys.len()).any(|key| has_key(&key) && shuns(of, key));
        self.change.with.iter().any(newcomer).then_some(Refusal::ExistingAntiAffinity)
    }
}
