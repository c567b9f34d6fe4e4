//! Kubernetes: the parts that are functions of a snapshot. What runs on machines is built on them.

pub mod objects;
pub mod scheduling;
