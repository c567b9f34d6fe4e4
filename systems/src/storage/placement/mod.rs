//! Placement alone: which node owns which key, how even that is, and what every change of the members moves.
//!
//! Nothing is stored. Nodes own keys by one of the rules of [`crate::storage::hashing::placement`] and answer for those
//! that are theirs; a request that comes to another node is sent on to the owner. So the load per node is that of the
//! workload's keys, and beside it the report counts a fixed set of keys (`keys`, ten million if need be) over the
//! nodes, before and after each of the `changes`: the arithmetic people do before they choose a rule.
//!
//! # What is not (yet)
//!
//! Keys are counted, not carried: what handing them over costs is what the system `hashing` is for.

mod checks;
mod client;
mod message;
mod node;
mod options;
mod survey;
mod system;

pub use checks::{AGREEMENT, BOUNDED, EVERY_KEY_HAS_AN_OWNER, NO_MOVE_BETWEEN_SURVIVORS, PlacementChecks};
pub use client::PlacementClient;
pub use message::{Found, Lookup, PlacementFact, PlacementMessage};
pub use node::Owner;
pub use options::{ChangeText, Epoch, PlacementConfig, PlacementOptions, Plan};
pub use survey::{Survey, Wave};
pub use system::PlacementSystem;
