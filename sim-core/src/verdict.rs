//! What a check says: pass, fail, or inconclusive. Running out of budget is never a pass.

use crate::{Instant, NodeId};
use serde::{Deserialize, Serialize};

/// A rule was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The rule's name, e.g. `election_safety`.
    pub rule: String,
    /// When it was seen, in nanoseconds.
    pub at: Instant,
    /// On which node, if on one.
    pub node: Option<NodeId>,
    /// What was seen and what should have been, with the operands.
    pub detail: String,
}

impl Violation {
    /// Says that `rule` is broken on `node`, unless it holds.
    ///
    /// # Errors
    /// When it does not: what `detail` says was seen.
    #[inline]
    pub fn unless(
        holds: bool,
        rule: &str,
        at: Instant,
        node: NodeId,
        detail: impl FnOnce() -> String,
    ) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self { rule: rule.to_owned(), at, node: Some(node), detail: detail() }) }
    }
}

/// What one rule says about a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The rule held. `detail` says over how much (an empty check is worth nothing).
    Pass {
        /// The rule's name.
        rule: &'static str,
        /// What was looked at, e.g. "12 elections, 12 terms".
        detail: String,
    },
    /// The rule was broken.
    Fail(Violation),
    /// Nobody knows: the checker ran out of budget, or never got anything to check.
    Inconclusive {
        /// The rule's name.
        rule: &'static str,
        /// Why there is no answer.
        why: String,
    },
}

/// How much work a checker may do before it must say [`Verdict::Inconclusive`]. Counted in states, never in wall time:
/// the verdict must not depend on the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// States a search may visit.
    pub states: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { states: 2_000_000 }
    }
}
