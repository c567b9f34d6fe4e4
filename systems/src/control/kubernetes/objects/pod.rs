//! Pods: containers that live and die together on one node.

use super::{Condition, Effect, Labels, Meta, NodeTerm, Resources, Selector, Taint, Text};
use sim_core::LocalInstant;
use sim_core::sorted::SortedMap;
use std::rc::Rc;

/// What carries the bytes of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// A port of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Port {
    /// Its name; may be empty.
    pub name: Text,
    /// The port in the pod.
    pub container_port: u16,
    /// The port it takes on the node; 0 is none.
    pub host_port: u16,
    /// The address of the node it takes it on; empty is all of them.
    pub host_ip: Text,
    /// What it speaks.
    pub protocol: Protocol,
}

/// A port by its number or its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PortRef {
    /// By number.
    Number(u16),
    /// By the name that a container gave it.
    Named(Text),
}

/// What a probe does. All of them ask the container whether it works, in their own words.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Handler {
    /// A request that must be answered below 400.
    HttpGet {
        /// Of which page.
        path: Text,
        /// At which port.
        port: PortRef,
    },
    /// A connection that must open.
    TcpSocket {
        /// At which port.
        port: PortRef,
    },
    /// A remote procedure call to the health service.
    Grpc {
        /// At which port.
        port: u16,
    },
    /// A command that must succeed.
    Exec,
}

/// A probe, with the API's defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Probe {
    /// What it does.
    pub handler: Handler,
    /// Seconds from the start of the container to the first one.
    pub initial_delay: u32,
    /// Seconds from one to the next.
    pub period: u32,
    /// Seconds until one without an answer has failed.
    pub timeout: u32,
    /// How many must succeed in a row after a failure.
    pub success_threshold: u32,
    /// How many must fail in a row.
    pub failure_threshold: u32,
}

impl Probe {
    /// One with the API's defaults.
    #[must_use]
    pub const fn new(handler: Handler) -> Self {
        Self { handler, initial_delay: 0, period: 10, timeout: 1, success_threshold: 1, failure_threshold: 3 }
    }
}

/// A container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Container {
    /// Its name, unique in its pod.
    pub name: Text,
    /// What it runs.
    pub image: Text,
    /// What it is promised. A limit without a request is a request as well, which whoever reads the manifest sees to.
    pub requests: Resources,
    /// What it may take at most.
    pub limits: Resources,
    /// Its ports.
    pub ports: Vec<Port>,
    /// Whether it has started; until then no other probe asks.
    pub startup: Option<Probe>,
    /// Whether it is to be restarted.
    pub liveness: Option<Probe>,
    /// Whether it is to get requests.
    pub readiness: Option<Probe>,
    /// Seconds that `preStop` sleeps before it is told to end.
    pub pre_stop_sleep: u32,
}

/// When containers that ended are started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RestartPolicy {
    /// Always.
    #[default]
    Always,
    /// When they failed.
    OnFailure,
    /// Never.
    Never,
}

/// A taint that a pod tolerates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Toleration {
    /// The taint's name; `None`, which goes with [`Self::exists`], is all of them.
    pub key: Option<Text>,
    /// Whether any value will do (`operator: Exists`).
    pub exists: bool,
    /// The value it must have otherwise.
    pub value: Text,
    /// The effect; `None` is all of them.
    pub effect: Option<Effect>,
    /// For how many seconds, if the taint evicts; `None` is for ever.
    pub seconds: Option<i64>,
}

impl Toleration {
    /// Whether it covers a taint.
    #[must_use]
    pub fn tolerates(&self, taint: &Taint) -> bool {
        self.effect.is_none_or(|effect| effect == taint.effect)
            && self.key.as_ref().is_none_or(|key| *key == taint.key)
            && (self.exists || self.value == taint.value)
    }
}

/// A preference for nodes, and how much it weighs: 1 to 100.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PreferredNode {
    /// What it weighs.
    pub weight: i64,
    /// The nodes.
    pub term: NodeTerm,
}

/// Pods to be near to, or far from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PodTerm {
    /// Which pods; `None` is none of them.
    pub selector: Option<Selector>,
    /// In these name spaces. Where neither these nor [`Self::namespace_selector`] are given, in the pod's own.
    pub namespaces: Vec<Text>,
    /// And in those with such labels.
    pub namespace_selector: Option<Selector>,
    /// The label of nodes whose value they are to share, or not.
    pub topology_key: Text,
}

/// A preference for or against pods, and how much it weighs: 1 to 100.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PreferredPod {
    /// What it weighs.
    pub weight: i64,
    /// The pods.
    pub term: PodTerm,
}

/// What a pod is drawn to and kept away from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Affinity {
    /// Nodes it must run on: any of the terms. `None` is all nodes; an empty list is none.
    pub node_required: Option<Vec<NodeTerm>>,
    /// Nodes it prefers.
    pub node_preferred: Vec<PreferredNode>,
    /// Pods it must be near to.
    pub pod_required: Vec<PodTerm>,
    /// Pods it prefers to be near to.
    pub pod_preferred: Vec<PreferredPod>,
    /// Pods it must not be near to.
    pub anti_required: Vec<PodTerm>,
    /// Pods it prefers not to be near to.
    pub anti_preferred: Vec<PreferredPod>,
}

/// What happens where a pod would make a spread uneven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WhenUnsatisfiable {
    /// It is not placed there.
    #[default]
    DoNotSchedule,
    /// Other nodes are preferred.
    ScheduleAnyway,
}

/// A topology spread constraint: how evenly pods lie over the values of a label of nodes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Spread {
    /// How many pods one value may have more than another.
    pub max_skew: i64,
    /// The label of nodes.
    pub topology_key: Text,
    /// What happens otherwise.
    pub when: WhenUnsatisfiable,
    /// Which pods count; `None` is none of them.
    pub selector: Option<Selector>,
    /// Labels whose values the counted pods share with the pod itself, `pod-template-hash` say.
    pub match_label_keys: Vec<Text>,
    /// With fewer values of the label than this, the least count is 0.
    pub min_domains: Option<i64>,
    /// Whether only nodes count that the pod's node selector and affinity allow (`nodeAffinityPolicy: Honor`).
    pub honor_affinity: bool,
    /// Whether only nodes count whose taints the pod tolerates (`nodeTaintsPolicy: Honor`).
    pub honor_taints: bool,
}

/// What a pod is to be. Pods of one template share it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodSpec {
    /// Its containers.
    pub containers: Vec<Container>,
    /// Those that run before them, one after the other.
    pub init: Vec<Container>,
    /// Labels that its node must have.
    pub node_selector: SortedMap<Text, Text>,
    /// What it is drawn to and kept away from.
    pub affinity: Affinity,
    /// How its likes are spread.
    pub spread: Vec<Spread>,
    /// The taints it tolerates.
    pub tolerations: Vec<Toleration>,
    /// The class its priority is of; may be empty.
    pub priority_class: Text,
    /// Its priority. Whoever admits the pod takes it from the class.
    pub priority: i32,
    /// Whether it may push pods of lower priority aside.
    pub preempts: bool,
    /// Seconds it has to end.
    pub grace: u32,
    /// Seconds it may run at all.
    pub active_deadline: Option<u32>,
    /// When its containers are started again.
    pub restart: RestartPolicy,
    /// Whether its ports are its node's.
    pub host_network: bool,
    /// What it takes besides its containers.
    pub overhead: Resources,
    /// Its rank among its likes when some must go: lower goes first.
    pub deletion_cost: i32,
}

impl Default for PodSpec {
    fn default() -> Self {
        Self {
            containers: Vec::new(),
            init: Vec::new(),
            node_selector: SortedMap::new(),
            affinity: Affinity::default(),
            spread: Vec::new(),
            tolerations: Vec::new(),
            priority_class: "".into(),
            priority: 0,
            preempts: true,
            grace: 30,
            active_deadline: None,
            restart: RestartPolicy::Always,
            host_network: false,
            overhead: Resources::default(),
            deletion_cost: 0,
        }
    }
}

impl PodSpec {
    /// What it takes of its node.
    #[must_use]
    pub fn demand(&self) -> super::Demand {
        super::Demand::of_pod(
            self.containers.iter().map(|container| &container.requests),
            self.init.iter().map(|container| &container.requests),
            &self.overhead,
        )
    }
}

/// What pods are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PodTemplate {
    /// Their labels.
    pub labels: Labels,
    /// What they are to be.
    pub spec: Rc<PodSpec>,
    /// The node they name, past the scheduler.
    pub node: Option<Text>,
}

/// Where a pod is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Not all of its containers have started.
    #[default]
    Pending,
    /// They have.
    Running,
    /// All have ended well.
    Succeeded,
    /// All have ended, one not well.
    Failed,
    /// Nobody knows.
    Unknown,
}

impl Phase {
    /// Whether it has ended, well or not.
    #[must_use]
    pub const fn ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// What a container is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ContainerState {
    /// It waits for its image, or for those before it.
    #[default]
    Waiting,
    /// It has failed and waits to be started again.
    CrashLoopBackOff,
    /// It runs.
    Running {
        /// Since when.
        since: LocalInstant,
    },
    /// It has ended.
    Terminated {
        /// When.
        at: LocalInstant,
        /// With which code.
        code: i32,
    },
}

/// How a container is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ContainerStatus {
    /// What it is doing.
    pub state: ContainerState,
    /// Whether it has started, as its start-up probe says.
    pub started: bool,
    /// Whether it is to get requests.
    pub ready: bool,
    /// How often it was started again.
    pub restarts: u32,
}

/// How a pod is, as its node's agent last said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PodStatus {
    /// Where it is in its life.
    pub phase: Phase,
    /// Whether it has a node.
    pub scheduled: Condition,
    /// Whether it is to get requests.
    pub ready: Condition,
    /// Whether its node's agent has given it an address.
    pub has_ip: bool,
    /// When its node's agent took it up.
    pub started: Option<LocalInstant>,
    /// Its containers, in the order of its specification.
    pub containers: Vec<ContainerStatus>,
    /// Why it ended, or was evicted, as one word of the API.
    pub reason: &'static str,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pod {
    /// What every object has.
    pub meta: Meta,
    /// What it is to be.
    pub spec: Rc<PodSpec>,
    /// The node it is bound to (`spec.nodeName`).
    pub node: Option<Text>,
    /// The node that is being made free for it (`status.nominatedNodeName`).
    pub nominated: Option<Text>,
    /// How it is.
    pub status: PodStatus,
}
