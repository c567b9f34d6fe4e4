//! The scenario format: what a person writes, what it means, and the concrete schedule it expands to.
//!
//! A file goes through four hands: [`written`] makes one tree of values with their places of it, whether it is TOML or
//! JSON, and `--set` changes that tree; `read` makes a [`Scenario`] of it, or every problem at once; [`expand()`] makes
//! the concrete schedule.

pub mod bisect;
pub mod diagnostics;
mod differences;
pub mod expand;
pub mod explore;
pub mod forecast;
pub mod history;
pub mod keys;
pub mod library;
pub mod limits;
mod notes;
pub mod options;
mod read;
pub mod registry;
pub mod runner;
pub mod scenario;
mod schema;
pub mod shrink;
pub mod suggest;
pub mod swarm;
pub mod sweep;
pub mod transport;
mod write;
pub mod written;

pub use diagnostics::{Diagnostic, Diagnostics};
pub use differences::{FieldDifference, differences, differences_of_files};
pub use expand::expand;
pub use notes::notes;
pub use options::{OptionProblem, Systems, check_options};
pub use read::{Beside, Files, Text, is_standard_input, load, parse, source};
pub use registry::{AnySystem, Registry};
pub use scenario::Scenario;
pub use schema::{schema, schema_values};
pub use write::to_toml;
pub use written::Override;
