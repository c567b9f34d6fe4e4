//! What the control plane configures sidecars with: one version of it, whole.

use sim_core::NodeId;
use sim_core::sorted::SortedSet;

/// A configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Image {
    /// Of each service, which share of its calls goes to its new version, in parts per million.
    pub weights: Vec<u32>,
    /// Replicas that are out.
    pub out: SortedSet<NodeId>,
}
