//! What a key holds: a value and the version that orders it against every other value of that key.

use crate::shared::kv::Value;
use core::fmt;
use sim_core::{ClientId, LocalInstant, Ticket};

/// When a value was written, relative to the others of its key: the larger one wins wherever two meet, so all replicas
/// end with the same. Whose write it is breaks ties, so two writes never have the same version, and a retry has that of
/// the first try if nothing came between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// A Lamport counter, or a hybrid clock in microseconds.
    pub counter: u64,
    /// The client.
    pub client: u32,
    /// Its operation.
    pub op: u64,
}

impl Version {
    /// The version of a write that must win against everything up to `counter`.
    pub(super) const fn above(counter: u64, ticket: Ticket) -> Self {
        Self { counter: counter + 1, client: ticket.client.0, op: ticket.op }
    }

    /// Whether it is that of this operation.
    pub(super) const fn is_of(self, ticket: Ticket) -> bool {
        self.client == ticket.client.0 && self.op == ticket.op
    }

    /// Whose write it is. Probes have keys of their own, so what is held under a key says whether it is a probe's.
    pub(super) const fn writer(self) -> ClientId {
        ClientId(self.client)
    }

    /// Its share in digests.
    pub(super) fn hash(self) -> u64 {
        sim_core::hash::of(&[self.counter, u64::from(self.client), self.op])
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.c{}/{}", self.counter, self.client + 1, self.op)
    }
}

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// A value.
    Value(Value),
    /// Nothing any more, and that must be remembered (a tombstone, or death certificate: Demers et al. 1987, section
    /// 1.4): whoever has the value still would bring it back to those who only lack it.
    Tombstone {
        /// When it was deleted, by the clock of who coordinated that.
        at: LocalInstant,
    },
}

/// A value or a tombstone, with its version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    /// When it was written.
    pub version: Version,
    /// What was.
    pub what: What,
}

impl Held {
    /// The value, if it is one.
    #[must_use]
    pub const fn value(&self) -> Option<&Value> {
        match &self.what {
            What::Value(value) => Some(value),
            What::Tombstone { .. } => None,
        }
    }

    /// Size on the wire and on disk, in bytes: the version and the value.
    pub(super) fn bytes(&self) -> u32 {
        20 + self.value().map_or(8, Value::bytes)
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Value(value) => write!(f, "{value} at {}", self.version),
            What::Tombstone { .. } => write!(f, "deleted at {}", self.version),
        }
    }
}

/// The newer of two, where either may be missing.
pub(super) fn newer(a: Option<Held>, b: Option<Held>) -> Option<Held> {
    match (a, b) {
        (Some(a), Some(b)) if b.version > a.version => Some(b),
        (a, b) => a.or(b),
    }
}
