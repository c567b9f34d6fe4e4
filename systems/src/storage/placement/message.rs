//! What clients ask of owners. Owners tell each other nothing.

use serde::Serialize;

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

sim_core::messages! {
    /// There are no messages between owners.
    pub enum PlacementMessage of 0 bytes {}
}

sim_core::facts! {
    /// What owners announce.
    pub enum PlacementFact {
        /// A request came to a node that does not own its key, and was sent on.
        Redirected = "redirected",
    }
}
