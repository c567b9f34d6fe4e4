//! Machines that run pods, as the API server knows them.

use super::{Condition, Meta, Resources, Text};
use sim_core::LocalInstant;

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// None is placed there.
    NoSchedule,
    /// Others are preferred.
    PreferNoSchedule,
    /// None is placed there, and those that run are evicted.
    NoExecute,
}

/// A taint: it keeps pods away that do not tolerate it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Taint {
    /// Its name.
    pub key: Text,
    /// Its value, often empty.
    pub value: Text,
    /// What it does.
    pub effect: Effect,
    /// When it was added; set for those that evict.
    pub added: Option<LocalInstant>,
}

/// An image that lies on a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Image {
    /// All names it goes by, each with its tag.
    pub names: Vec<Text>,
    /// Its size in bytes.
    pub bytes: i64,
}

/// A condition that a node's own agent reports, with the time it last did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NodeCondition {
    /// The condition.
    pub condition: Condition,
    /// When the agent last reported it.
    pub heartbeat: Option<LocalInstant>,
}

/// The conditions of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NodeConditions {
    /// It takes and runs pods.
    pub ready: NodeCondition,
    /// Its memory runs out.
    pub memory_pressure: NodeCondition,
    /// Its disk runs out.
    pub disk_pressure: NodeCondition,
    /// It has too many processes.
    pub pid_pressure: NodeCondition,
}

/// A machine that runs pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Node {
    /// What every object has.
    pub meta: Meta,
    /// `kubectl cordon` was here: no new pods.
    pub unschedulable: bool,
    /// Its taints.
    pub taints: Vec<Taint>,
    /// What pods may take of it.
    pub allocatable: Resources,
    /// The images that lie on it.
    pub images: Vec<Image>,
    /// How it is.
    pub conditions: NodeConditions,
}
