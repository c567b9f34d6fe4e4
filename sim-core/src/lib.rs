//! sim-core

pub mod queue;
