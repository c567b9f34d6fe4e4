//! What clients ask of owners. Owners tell each other nothing.

use serde::Serialize;
use sim_core::{Fact, Kind, Message};

/// Whose is this key?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Hash)]
pub struct Lookup {
    /// The key.
    pub key: u64,
}

/// Mine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Hash)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// The node that answers owns it.
    Here,
}

/// There are no messages between owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlacementMessage {}

impl Message for PlacementMessage {
    fn kind(&self) -> Kind {
        match *self {}
    }
    fn bytes(&self) -> u32 {
        match *self {}
    }
}

/// What owners announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlacementFact {
    /// A request came to a node that does not own its key, and was sent on.
    Redirected,
}

/// The names of the kinds of facts.
pub(super) const FACT_KINDS: &[&str] = &["redirected"];

impl Fact for PlacementFact {
    fn kind(&self) -> Kind {
        Kind::new(0, FACT_KINDS[0])
    }
}
