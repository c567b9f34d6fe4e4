//! The scheduler's decisions as functions of a snapshot: which nodes a pod fits (`filters`), which of those it goes to
//! (`scores`), whom it may push aside (`preemption`), and in which order pods are tried (`queue`).
//!
//! Modelled is `kube-scheduler` of Kubernetes 1.23 with the weights of its configuration `v1beta3`, and three later
//! changes, each of which a [`Profile`] can take back: spread scores are rounded, not truncated; a pod that asks for
//! nothing is not scored for balance; pods that were tried while the cluster changed are told of the change. Spread
//! constraints know `matchLabelKeys`, `minDomains` and the two node policies of 1.25 and later.
//!
//! The snapshot ([`Cluster`]) is kept up with every pod and node and never made anew. Pods with the same labels are
//! counted together, by node and by each label of nodes that some constraint has asked about, so that a pod costs what
//! its scored nodes cost, however many pods there are.

#[cfg(test)]
mod cases;
mod cluster;
mod cycle;
mod filters;
mod plan;
mod preemption;
mod profile;
mod queue;
mod scores;
mod tally;
#[cfg(test)]
mod tests;

pub use cluster::Cluster;
pub use cycle::{Placement, Unfit, nodes_to_find};
pub use filters::{Plugin, Refusal};
pub use plan::node_allowed as allows;
pub use preemption::{Preemption, choose};
pub use profile::{Bent, Profile, Strategy};
pub use queue::{Event, Queue, QueueRules, backoff};
