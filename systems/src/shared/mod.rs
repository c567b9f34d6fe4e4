//! The floor under all systems: what several of them need and none of them is.

#[cfg(test)]
pub(crate) mod contents;
pub mod kv;
pub(crate) mod number;
pub mod replication;
