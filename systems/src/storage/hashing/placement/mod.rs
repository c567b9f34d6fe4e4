//! Where keys live: algorithms that give every key a node, from nothing but the members.
//!
//! | Algorithm | Paper | Weights | Moves on join, leave | Lookup |
//! |---|---|---|---|---|
//! | [`Modulo`] | none: what people start with | no | nearly everything | O(1) |
//! | [`Ring`] | Karger et al. 1997; virtual nodes: Dynamo 2007, 4.2 | points | what must | O(1), a search at worst |
//! | [`Rendezvous`] | Thaler and Ravishankar 1998 | logarithmic method | what must | O(n) |
//! | [`Jump`] | Lamping and Veach 2014 | no | what must, if the last one leaves | O(log n) |
//! | [`Maglev`] | Eisenbud et al. 2016, 3.4 | turns | a little more than it must | O(1) |
//! | [`MultiProbe`] | Appleton and O'Reilly 2015 | no | what must | O(probes) |
//! | [`Anchor`] | Mendelson et al. 2020 | no | what must | O(1), until many have left |
//! | [`Bounded`] | Mirrokni, Thorup and Zadimoghaddam 2016 | points | what must and what overflows | as the ring |
//!
//! All of them take the same hash of the key ([`super::key`]), and none depends on the order in which members were
//! named or joined, [`Anchor`] and [`Jump`] apart: what they remember of joins and leaves is part of what they are, and
//! clients that should agree must have seen the same of them.

mod anchor;
mod any;
mod bounded;
mod jump;
mod maglev;
mod members;
mod modulo;
mod multi_probe;
mod points;
mod rendezvous;
mod replicas;
mod ring;

pub use anchor::Anchor;
pub use any::{Algorithm, AnyPlacement, Layout};
pub use bounded::Bounded;
pub use jump::{Jump, jump};
pub use maglev::Maglev;
pub use members::{Member, Members, Refused};
pub use modulo::Modulo;
pub use multi_probe::MultiProbe;
pub use rendezvous::Rendezvous;
pub use replicas::{Spread, replicas};
pub use ring::{Collisions, Ring, RingShape, Ties};

use super::key;
use sim_core::NodeId;

/// How many other hashes of a key are tried for further candidates before the members are gone through in order.
const MOST_REHASHES: u64 = 64;

/// A rule that gives every key a node, with at least one member at all times.
pub trait Placement: Clone {
    /// The node that owns the key with this hash.
    fn owner(&self, key: u64) -> NodeId;
    /// The members.
    fn members(&self) -> &Members;
    /// A node comes in.
    ///
    /// # Errors
    /// It is a member already, or there is no room for it.
    fn join(&mut self, member: Member) -> Result<(), Refused>;
    /// A node goes.
    ///
    /// # Errors
    /// It is no member, or the last one.
    fn leave(&mut self, node: NodeId) -> Result<(), Refused>;
    /// Memory it takes, in bytes.
    fn bytes(&self) -> usize;

    /// Offers nodes for the key in the order in which they should hold it, the owner first, some perhaps more than
    /// once, until `take` wants no more or every member was offered.
    fn prefer(&self, key: u64, mut take: impl FnMut(NodeId) -> bool) {
        let (members, mut hash) = (self.members(), key);
        for attempt in 1..=MOST_REHASHES {
            if !take(self.owner(hash)) {
                return;
            }
            hash = key::again(key, attempt);
        }
        // So many duplicates mean that few nodes are left to find.
        let start = key::below(hash, members.len() as u64) as usize;
        for i in 0..members.len() {
            if !take(members.at((start + i) % members.len()).node) {
                return;
            }
        }
    }
}
