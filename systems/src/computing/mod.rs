//! Computing: how work is cut into tasks, handed to machines and finished once, whatever dies.

pub mod mapreduce;
pub mod scheduling;
pub mod spark;
pub mod tasks;
