//! Services and who answers for them, budgets, autoscalers, priorities, name spaces and leases.

use super::workload::IntOrPercent;
use super::{Condition, Kind, Labels, Meta, PortRef, Protocol, Selector, Text, Uid};
use sim_core::LocalInstant;
use sim_core::sorted::SortedMap;

/// A port of a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServicePort {
    /// Its name; may be empty where there is only one.
    pub name: Text,
    /// The port callers use.
    pub port: u16,
    /// The port of the pods.
    pub target: PortRef,
    /// What it speaks.
    pub protocol: Protocol,
}

/// A name for pods that answer requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Service {
    /// What every object has.
    pub meta: Meta,
    /// Which pods; `None` is none of them.
    pub selector: Option<Labels>,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// It has no address of its own (`clusterIP: None`): callers choose among the pods themselves.
    pub headless: bool,
    /// Pods that are not ready are named, too.
    pub publish_not_ready: bool,
    /// Seconds for which a caller stays with its pod (`sessionAffinity: ClientIP`).
    pub affinity: Option<u32>,
    /// Callers on a node reach only its own pods (`internalTrafficPolicy: Local`).
    pub local: bool,
}

/// A pod that answers for a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The pod.
    pub pod: Text,
    /// Which pod of that name.
    pub uid: Uid,
    /// Where it runs.
    pub node: Text,
}

/// Who answers for the service of the same name now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Endpoints {
    /// What every object has.
    pub meta: Meta,
    /// Those that get requests.
    pub ready: Vec<Endpoint>,
    /// Those that do not yet, or no longer.
    pub not_ready: Vec<Endpoint>,
}

/// How many pods may be taken away on purpose (`PodDisruptionBudget`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// What every object has.
    pub meta: Meta,
    /// Which pods; `None` is none of them.
    pub selector: Option<Selector>,
    /// How many must stay; goes without [`Self::max_unavailable`].
    pub min_available: Option<IntOrPercent>,
    /// How many may be missing.
    pub max_unavailable: Option<IntOrPercent>,
    /// Whether pods that do not work may always go (`unhealthyPodEvictionPolicy: AlwaysAllow`).
    pub evict_unhealthy: bool,
    /// How it is.
    pub status: BudgetStatus,
}

/// How a budget is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct BudgetStatus {
    /// The generation that its controller has seen.
    pub observed: u64,
    /// How many may go now.
    pub allowed: i64,
    /// How many work.
    pub healthy: i64,
    /// How many must.
    pub desired: i64,
    /// How many there should be.
    pub expected: i64,
    /// Those that were let go and are not gone yet, and since when.
    pub disrupted: SortedMap<Text, LocalInstant>,
}

/// What an autoscaler aims at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricTarget {
    /// So many per cent of what pods request.
    Utilization(i64),
    /// So much a pod, in thousandths.
    AverageValue(i64),
    /// So much in all, in thousandths.
    Value(i64),
}

/// Where an autoscaler's number comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MetricSource {
    /// What pods use of a resource, `cpu` or `memory`.
    Resource {
        /// The resource.
        resource: Text,
        /// Of one container only.
        container: Option<Text>,
    },
    /// A number of that name that pods give themselves.
    Pods {
        /// The name.
        name: Text,
    },
}

/// A number that an autoscaler looks at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Metric {
    /// Where it comes from.
    pub source: MetricSource,
    /// What it aims at.
    pub target: MetricTarget,
}

/// What a [`RatePolicy`] counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RateUnit {
    /// Pods.
    Pods,
    /// Per cent of the pods there were.
    Percent,
}

/// How much may change within a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RatePolicy {
    /// What it counts in.
    pub unit: RateUnit,
    /// How much.
    pub value: i64,
    /// Within how many seconds.
    pub period: u32,
}

/// Which of several policies counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Select {
    /// The one that allows most.
    #[default]
    Max,
    /// The one that allows least.
    Min,
    /// None: nothing changes in this direction.
    Disabled,
}

/// How an autoscaler may change the number in one direction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ScalingRules {
    /// Seconds it looks back over its own proposals; `None` is the controller's own.
    pub window: Option<u32>,
    /// Which policy counts.
    pub select: Select,
    /// The policies.
    pub policies: Vec<RatePolicy>,
}

/// How an autoscaler may change the number. Whatever the manifest does not say has the API's default.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Behavior {
    /// Upwards.
    pub up: ScalingRules,
    /// Downwards.
    pub down: ScalingRules,
}

impl Default for Behavior {
    fn default() -> Self {
        let policy = |unit, value| RatePolicy { unit, value, period: 15 };
        let (four, all) = (policy(RateUnit::Pods, 4), policy(RateUnit::Percent, 100));
        Self {
            up: ScalingRules { window: Some(0), select: Select::Max, policies: vec![four, all] },
            down: ScalingRules { window: None, select: Select::Max, policies: vec![all] },
        }
    }
}

/// How many pods there should be, by what they use (`HorizontalPodAutoscaler`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Autoscaler {
    /// What every object has.
    pub meta: Meta,
    /// The kind of what it scales; `None` until it is set.
    pub target_kind: Option<Kind>,
    /// Its name.
    pub target: Text,
    /// Never fewer.
    pub min: i32,
    /// Never more.
    pub max: i32,
    /// What it looks at.
    pub metrics: Vec<Metric>,
    /// How it may change the number; `None` is the rule from before there were any (at most twice as many, or 4).
    pub behavior: Option<Behavior>,
    /// How it is.
    pub status: AutoscalerStatus,
}

/// How an autoscaler is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AutoscalerStatus {
    /// How many pods there are.
    pub current: i32,
    /// How many it wants.
    pub desired: i32,
    /// When it last changed the number.
    pub scaled: Option<LocalInstant>,
    /// Whether it can tell.
    pub active: Condition,
}

/// A name for a priority.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PriorityClass {
    /// What every object has.
    pub meta: Meta,
    /// The priority.
    pub value: i32,
    /// Pods that name no class are of this one.
    pub global_default: bool,
    /// Whether its pods may push others aside.
    pub preempts: bool,
}

/// A name space.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Namespace {
    /// What every object has.
    pub meta: Meta,
}

/// Who holds an office, or is alive, and until when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lease {
    /// What every object has.
    pub meta: Meta,
    /// Who; empty is nobody.
    pub holder: Text,
    /// For how many seconds from [`Self::renewed`].
    pub seconds: u32,
    /// Since when, by the holder's clock.
    pub acquired: Option<LocalInstant>,
    /// When it was last said, by the holder's clock.
    pub renewed: Option<LocalInstant>,
    /// How often the holder has changed.
    pub transitions: u32,
}
