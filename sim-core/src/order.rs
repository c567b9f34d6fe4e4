//! What an operator asks of a running cluster.

use crate::{NodeId, NodeSet};
use core::fmt;

/// What an operator asks of the node that leads. Asked again and again until it is done, so it says what shall be, not
/// what shall change: obeying twice is obeying once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// The voters shall be exactly these.
    Members(NodeSet),
    /// This node shall lead.
    Lead(NodeId),
    /// One that only its system knows.
    Own {
        /// Which of [`crate::System::OWN_ORDERS`].
        kind: u16,
        /// What it is about: a number, or the index of a node.
        argument: u64,
    },
}

/// An order that only its system knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderKind {
    /// What files call it.
    pub name: &'static str,
    /// What shall be, in one sentence.
    pub about: &'static str,
    /// What it is about.
    pub takes: Argument,
}

/// What an order of a system's own is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// The cluster.
    Nothing,
    /// A number.
    Number,
    /// A node.
    Node,
}

impl Order {
    /// The kinds of orders, as [`crate::System::ORDERS`] lists them.
    pub const KINDS: &'static [&'static str] = &["members", "lead"];

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Members(_) => "members",
            Self::Lead(_) => "lead",
            Self::Own { .. } => "own",
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Members(set) => write!(f, "the members shall be {set}"),
            Self::Lead(node) => write!(f, "{node} shall lead"),
            Self::Own { kind, argument } => write!(f, "order {kind} of the system's own, {argument}"),
        }
    }
}
