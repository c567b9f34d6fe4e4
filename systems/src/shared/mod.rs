//! The floor under all systems: what several of them need and none of them is.

#[cfg(test)]
pub(crate) mod contents;
pub mod fail_over;
pub mod fenced;
pub mod holders;
pub mod in_the_end;
pub mod kv;
pub mod linearizable;
pub mod number;
pub mod replication;
pub mod swim;
pub mod words;
