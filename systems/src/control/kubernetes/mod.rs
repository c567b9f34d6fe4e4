//! Kubernetes: the parts that are functions of a snapshot. What runs on machines is built on them.

pub mod formulas;
pub mod manifests;
pub mod objects;
pub mod scheduling;
