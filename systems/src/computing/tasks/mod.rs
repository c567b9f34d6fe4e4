//! What systems that run tasks share: tasks with attempts ([`board`]), workers with leases ([`roster`], [`talk`]), the
//! work that a slot does as time passes ([`meter`]), generated text and numbers to work on ([`data`]), and what came of
//! it all ([`gantt`]).

pub mod attempt;
pub mod board;
pub mod data;
pub mod gantt;
pub mod meter;
pub mod roster;
pub mod summary;
pub mod talk;

pub use attempt::{Attempt, Cause, How};
