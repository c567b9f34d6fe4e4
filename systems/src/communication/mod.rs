//! Communication: how requests find a server that has time for them, and what happens when it has none; and how
//! messages wait in a log for those who work on them.

pub mod balancing;
pub mod mesh;
pub mod queue;
