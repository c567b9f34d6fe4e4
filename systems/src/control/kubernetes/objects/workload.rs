//! What makes pods: the sets, and jobs.

use super::{Condition, Meta, PodTemplate, Selector, Text};
use core::fmt;
use sim_core::LocalInstant;

/// A number, or a share of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntOrPercent {
    /// So many.
    Int(i32),
    /// So many of a hundred.
    Percent(i32),
}

impl IntOrPercent {
    /// The number it means of a total; a share that comes out uneven is rounded up.
    #[must_use]
    pub fn of_rounded_up(self, total: i64) -> i64 {
        match self {
            Self::Int(number) => i64::from(number),
            Self::Percent(percent) => (i64::from(percent) * total + 99).div_euclid(100),
        }
    }

    /// The same, rounded down.
    #[must_use]
    pub fn of_rounded_down(self, total: i64) -> i64 {
        match self {
            Self::Int(number) => i64::from(number),
            Self::Percent(percent) => (i64::from(percent) * total).div_euclid(100),
        }
    }
}

impl fmt::Display for IntOrPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => write!(f, "{number}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// How a deployment gets from one template to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// All old pods go before new ones come.
    Recreate,
    /// A few at a time.
    RollingUpdate {
        /// How many more than wanted there may be.
        max_surge: IntOrPercent,
        /// How many fewer may be available.
        max_unavailable: IntOrPercent,
    },
}

impl Default for Strategy {
    fn default() -> Self {
        Self::RollingUpdate { max_surge: IntOrPercent::Percent(25), max_unavailable: IntOrPercent::Percent(25) }
    }
}

/// A deployment: it moves pods from set to set as its template changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Deployment {
    /// What every object has.
    pub meta: Meta,
    /// How many pods.
    pub replicas: i32,
    /// Which pods are its own.
    pub selector: Selector,
    /// What they are made of.
    pub template: PodTemplate,
    /// How it gets from one template to the next.
    pub strategy: Strategy,
    /// Seconds that a pod must be ready to be available.
    pub min_ready: u32,
    /// How many sets of old templates it keeps.
    pub revision_history: i32,
    /// Seconds without progress until it says that it is stuck.
    pub progress_deadline: u32,
    /// It makes no new set.
    pub paused: bool,
    /// How it is.
    pub status: DeploymentStatus,
}

/// How a deployment is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeploymentStatus {
    /// The generation that its controller has seen.
    pub observed: u64,
    /// Pods of all its sets.
    pub replicas: i32,
    /// Pods of the newest template.
    pub updated: i32,
    /// Pods that are ready.
    pub ready: i32,
    /// Pods that have been ready for long enough.
    pub available: i32,
    /// Whether enough are available.
    pub enough: Condition,
    /// Whether it gets on.
    pub progressing: Condition,
}

/// A number of equal pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReplicaSet {
    /// What every object has.
    pub meta: Meta,
    /// How many pods.
    pub replicas: i32,
    /// Which pods are its own.
    pub selector: Selector,
    /// What they are made of.
    pub template: PodTemplate,
    /// Seconds that a pod must be ready to be available.
    pub min_ready: u32,
    /// Which of its deployment's templates it has, counted from 1; 0 without a deployment.
    pub revision: u64,
    /// What its deployment wanted in all when it last gave this set its number (`desired-replicas`).
    pub desired: Option<i32>,
    /// What its deployment allowed in all at that time (`max-replicas`).
    pub max: Option<i32>,
    /// How it is.
    pub status: ReplicaSetStatus,
}

/// How a replica set is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReplicaSetStatus {
    /// The generation that its controller has seen.
    pub observed: u64,
    /// Its pods.
    pub replicas: i32,
    /// Those that are ready.
    pub ready: i32,
    /// Those that have been ready for long enough.
    pub available: i32,
}

/// Whether the pods of a stateful set come one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PodManagement {
    /// Each waits until those before it are ready.
    #[default]
    OrderedReady,
    /// All at once.
    Parallel,
}

/// How a stateful set gets from one template to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatefulStrategy {
    /// From the highest number down to this one, each when the one before it is ready.
    RollingUpdate {
        /// Pods below it keep their template.
        partition: i32,
    },
    /// When somebody deletes a pod.
    OnDelete,
}

impl Default for StatefulStrategy {
    fn default() -> Self {
        Self::RollingUpdate { partition: 0 }
    }
}

/// Pods with names of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct StatefulSet {
    /// What every object has.
    pub meta: Meta,
    /// How many pods.
    pub replicas: i32,
    /// Which pods are its own.
    pub selector: Selector,
    /// What they are made of.
    pub template: PodTemplate,
    /// The service that names them; may be empty.
    pub service: Text,
    /// Whether they come one after the other.
    pub management: PodManagement,
    /// How it gets from one template to the next.
    pub strategy: StatefulStrategy,
    /// Seconds that a pod must be ready to be available.
    pub min_ready: u32,
    /// How many old templates it keeps.
    pub revision_history: i32,
    /// How it is.
    pub status: StatefulSetStatus,
}

/// How a stateful set is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct StatefulSetStatus {
    /// The generation that its controller has seen.
    pub observed: u64,
    /// Its pods.
    pub replicas: i32,
    /// Those that are ready.
    pub ready: i32,
    /// Those of the newest template.
    pub updated: i32,
    /// The name of the [`Revision`] that most pods have.
    pub current_revision: Text,
    /// The name of the newest.
    pub update_revision: Text,
}

/// How a daemon set gets from one template to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DaemonStrategy {
    /// A few at a time.
    RollingUpdate {
        /// How many nodes may be without.
        max_unavailable: IntOrPercent,
        /// How many nodes may have two.
        max_surge: IntOrPercent,
    },
    /// When somebody deletes a pod.
    OnDelete,
}

impl Default for DaemonStrategy {
    fn default() -> Self {
        Self::RollingUpdate { max_unavailable: IntOrPercent::Int(1), max_surge: IntOrPercent::Int(0) }
    }
}

/// One pod a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DaemonSet {
    /// What every object has.
    pub meta: Meta,
    /// Which pods are its own.
    pub selector: Selector,
    /// What they are made of.
    pub template: PodTemplate,
    /// How it gets from one template to the next.
    pub strategy: DaemonStrategy,
    /// Seconds that a pod must be ready to be available.
    pub min_ready: u32,
    /// How it is.
    pub status: DaemonSetStatus,
}

/// How a daemon set is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DaemonSetStatus {
    /// The generation that its controller has seen.
    pub observed: u64,
    /// How many nodes should have a pod.
    pub desired: i32,
    /// How many have one.
    pub current: i32,
    /// How many have a ready one.
    pub ready: i32,
    /// How many have one of the newest template.
    pub updated: i32,
}

/// A template that a stateful or daemon set had (`ControllerRevision`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Revision {
    /// What every object has.
    pub meta: Meta,
    /// Its number, counted from 1.
    pub revision: u64,
    /// The template.
    pub template: PodTemplate,
}

/// What a job is to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JobSpec {
    /// How many pods must end well; `None` is any one, and then none are started any more.
    pub completions: Option<i32>,
    /// How many run at a time.
    pub parallelism: i32,
    /// How many may fail.
    pub backoff_limit: i32,
    /// Seconds it may take.
    pub active_deadline: Option<u32>,
    /// Seconds after its end when it is deleted, its pods with it.
    pub ttl: Option<u32>,
    /// It starts no pods.
    pub suspend: bool,
    /// What its pods are made of.
    pub template: PodTemplate,
}

impl Default for JobSpec {
    fn default() -> Self {
        Self {
            completions: Some(1),
            parallelism: 1,
            backoff_limit: 6,
            active_deadline: None,
            ttl: None,
            suspend: false,
            template: PodTemplate::default(),
        }
    }
}

/// Pods that end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Job {
    /// What every object has.
    pub meta: Meta,
    /// What it is to do.
    pub spec: JobSpec,
    /// How it is.
    pub status: JobStatus,
}

/// How a job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct JobStatus {
    /// Pods that run.
    pub active: i32,
    /// Pods that ended well.
    pub succeeded: i32,
    /// Pods that did not.
    pub failed: i32,
    /// When it began.
    pub started: Option<LocalInstant>,
    /// Whether it has ended well.
    pub complete: Condition,
    /// Whether it has given up.
    pub failed_for_good: Condition,
}

/// When a cron job fires: a set of minutes, hours, days, months and weekdays, a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cron {
    /// Minutes 0 to 59.
    pub minutes: u64,
    /// Hours 0 to 23.
    pub hours: u32,
    /// Days of the month, 1 to 31.
    pub days: u32,
    /// Months 1 to 12.
    pub months: u16,
    /// Days of the week, 0 (Sunday) to 6.
    pub weekdays: u8,
    /// Whether one of days and weekdays was `*`: then both must fit, otherwise one is enough.
    pub both_days: bool,
}

/// What a cron job does when its last job still runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Concurrency {
    /// It starts another.
    #[default]
    Allow,
    /// It waits.
    Forbid,
    /// It ends the old one.
    Replace,
}

/// Jobs by the calendar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CronJob {
    /// What every object has.
    pub meta: Meta,
    /// When.
    pub schedule: Cron,
    /// What happens when the last one still runs.
    pub concurrency: Concurrency,
    /// How many seconds late one may start.
    pub starting_deadline: Option<u32>,
    /// It starts none.
    pub suspend: bool,
    /// How many that ended well it keeps.
    pub keep_successful: i32,
    /// How many that failed it keeps.
    pub keep_failed: i32,
    /// The labels of its jobs.
    pub job_labels: super::Labels,
    /// What its jobs are to do.
    pub job: JobSpec,
    /// How it is.
    pub status: CronJobStatus,
}

/// How a cron job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CronJobStatus {
    /// When it last fired.
    pub last: Option<LocalInstant>,
    /// How many of its jobs run.
    pub active: i32,
}
