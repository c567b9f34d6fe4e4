//! What `run`, `check` and `sweep` write to standard output.

use clap::ValueEnum;

/// What goes to standard output where something is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A summary for people
    Text,
    /// JSON alone
    Json,
    /// JUnit's XML alone, for whatever shows the results of tests
    Junit,
    /// Annotations of a GitHub workflow alone
    Github,
}
