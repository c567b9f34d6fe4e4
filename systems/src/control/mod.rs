//! Control: noticing that a node is gone, deciding who takes over, and what that costs.

pub mod cluster;
pub mod failover;
pub mod kubernetes;
