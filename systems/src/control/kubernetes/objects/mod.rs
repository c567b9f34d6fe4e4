//! What the API server keeps: plain values under the names and with the defaults of the Kubernetes API.
//!
//! Processors are counted in thousandths of a core, memory in bytes, periods in whole seconds as the API has them, and
//! points in time as the clock of whoever wrote them showed them. What many objects share is behind an [`Rc`]: a
//! thousand pods of one template are a thousand pointers to it.

mod meta;
mod node;
mod pod;
mod policy;
mod resources;
mod selector;
mod workload;

pub use meta::{Condition, Deletion, Kind, Labels, Meta, Owner, Text, Truth, Uid};
pub use node::{Effect, Image, Node, NodeCondition, NodeConditions, Taint};
pub use pod::{
    Affinity, Container, ContainerState, ContainerStatus, Handler, Phase, Pod, PodSpec, PodStatus, PodTemplate,
    PodTerm, Port, PortRef, PreferredNode, PreferredPod, Probe, Protocol, RestartPolicy, Spread, Toleration,
    WhenUnsatisfiable,
};
pub use policy::{
    Autoscaler, AutoscalerStatus, Behavior, Budget, BudgetStatus, Endpoint, Endpoints, Lease, Metric, MetricSource,
    MetricTarget, Namespace, PriorityClass, RatePolicy, RateUnit, ScalingRules, Select, Service, ServicePort,
};
pub use resources::{Demand, NONZERO_CPU, NONZERO_MEMORY, Resources};
pub use selector::{NodeTerm, Operator, Requirement, Selector, is_label_value};
pub use workload::{
    Concurrency, Cron, CronJob, CronJobStatus, DaemonSet, DaemonSetStatus, DaemonStrategy, Deployment,
    DeploymentStatus, IntOrPercent, Job, JobSpec, JobStatus, PodManagement, ReplicaSet, ReplicaSetStatus, Revision,
    StatefulSet, StatefulSetStatus, StatefulStrategy, Strategy,
};

use std::rc::Rc;

/// Declares [`Object`] and what holds for each of its kinds alike.
macro_rules! objects {
    ($($(#[doc = $doc:literal])* $kind:ident($type:ty),)*) => {
        /// Any object of the API. Clones share it; writing to one that is shared copies it first.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Object {
            $($(#[doc = $doc])* $kind(Rc<$type>),)*
        }

        impl Object {
            /// Its kind.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind,)* }
            }

            /// What every object has.
            #[must_use]
            pub fn meta(&self) -> &Meta {
                match self { $(Self::$kind(object) => &object.meta,)* }
            }

            /// The same, to be changed.
            pub fn meta_mut(&mut self) -> &mut Meta {
                match self { $(Self::$kind(object) => &mut Rc::make_mut(object).meta,)* }
            }
        }

        $(impl From<$type> for Object {
            fn from(object: $type) -> Self {
                Self::$kind(Rc::new(object))
            }
        }

        impl From<Rc<$type>> for Object {
            fn from(object: Rc<$type>) -> Self {
                Self::$kind(object)
            }
        })*
    };
}

objects! {
    /// A pod.
    Pod(Pod),
    /// A machine that runs pods.
    Node(Node),
    /// A rolling set of equal pods.
    Deployment(Deployment),
    /// A number of equal pods.
    ReplicaSet(ReplicaSet),
    /// Pods with names of their own, in order.
    StatefulSet(StatefulSet),
    /// One pod a node.
    DaemonSet(DaemonSet),
    /// Pods that end.
    Job(Job),
    /// Jobs by the calendar.
    CronJob(CronJob),
    /// A name for pods that answer requests.
    Service(Service),
    /// Who answers for a service now.
    Endpoints(Endpoints),
    /// How many pods may be taken away on purpose.
    PodDisruptionBudget(Budget),
    /// How many pods there should be, by what they use.
    HorizontalPodAutoscaler(Autoscaler),
    /// A name for a priority.
    PriorityClass(PriorityClass),
    /// A name space.
    Namespace(Namespace),
    /// Who holds an office, or is alive, and until when.
    Lease(Lease),
    /// A template that a stateful or daemon set had.
    ControllerRevision(Revision),
}
