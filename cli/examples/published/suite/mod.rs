//! The figures that papers publish, each measured by runs of real scenario files and held to a band.
//!
//! A section is a function from a [`Lab`] to [`Row`]s; adding a figure is adding a row.

pub mod downtime;
pub mod lab;
pub mod row;
pub mod stats;

use lab::Lab;
use row::Row;

/// What one section measures.
pub type Section = fn(&Lab) -> Result<Vec<Row>, String>;

/// Every section: its number, its name, and what measures it.
pub const SECTIONS: &[(u32, &str, Section)] = &[(1, "Raft: downtime after a leader failure", downtime::rows)];
