//! The floor under all systems: what several of them need and none of them is.

#[cfg(test)]
pub(crate) mod contents;
pub(crate) mod fail_over;
pub mod fenced;
pub(crate) mod holders;
pub(crate) mod in_the_end;
pub mod kv;
pub mod linearizable;
pub(crate) mod number;
pub mod replication;
pub mod swim;
pub(crate) mod words;
