//! Communication: how requests find a server that has time for them, and what happens when it has none.

pub mod balancing;
