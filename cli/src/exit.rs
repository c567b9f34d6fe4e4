//! Exit codes: documented, fixed, and ordered by how bad they are.

use std::process::ExitCode;

/// How a command ended. Later ones outrank earlier ones when several runs end differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// All held: 0.
    Held,
    /// A checker ran out of budget, or a fault never bit: 3.
    Inconclusive,
    /// A safety rule or an expectation failed: 1.
    Failed,
    /// Bad usage or a bad scenario: 2.
    Usage,
    /// The machine would not: a full disk, a read-only folder, no such folder, no threads: 74, as `sysexits.h` has it.
    Environment,
    /// A replay or twin run differed: 4.
    Differed,
    /// A bug in splitbrain: 70.
    Bug,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Held => 0,
            Exit::Inconclusive => 3,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Environment => 74,
            Exit::Differed => 4,
            Exit::Bug => 70,
        })
    }
}
