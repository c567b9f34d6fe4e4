//! Computing: work that is cut into tasks, spread over many machines, and done once whatever dies.

pub mod scheduling;
