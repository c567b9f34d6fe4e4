//! The scenario format: what a person writes, what it means, and the concrete schedule it expands to.
//!
//! [`Scenario`] is a file as meant.

pub mod diagnostics;
pub mod options;
pub mod registry;
pub mod runner;
pub mod scenario;
pub mod suggest;
pub mod written;

pub use diagnostics::{Diagnostic, Diagnostics};
pub use options::{OptionProblem, Systems, check_options};
pub use registry::{AnySystem, Registry};
pub use scenario::Scenario;
pub use written::Override;
