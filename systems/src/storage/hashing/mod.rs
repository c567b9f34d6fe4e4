//! Consistent hashing: which node owns which key, by the algorithms people use, what a change of the members moves, and
//! a sharded, replicated key-value store on top of it.
//!
//! [`placement`] is a library of real algorithms behind one trait; [`key`] is the hash they all start from, xxh3 of the
//! key's bytes, so that a placement is the same on every machine. The rest is the system `hashing`: a store in the
//! manner of Dynamo (SOSP 2007), whose members change as those of a replicated configuration do, in epochs.
//!
//! | What | Where in the literature | File |
//! |---|---|---|
//! | Placements, replica sets over nodes and zones | see [`placement`] | `placement/`, `rule.rs` |
//! | N, R and W; any node coordinates, or routers do | Dynamo 4.5 | `coordinate.rs` |
//! | Versions above what a quorum has | Attiya, Bar-Noy, Dolev 1995; Lynch and Shvartsman 1997 | `coordinate.rs`, `version.rs` |
//! | Versions by clocks, the last writer wins | Cassandra | the same |
//! | Hinted hand-off, sloppy quorums | Dynamo 4.6 | `hints.rs` |
//! | Read repair; anti-entropy by Merkle trees | Dynamo 4.5, 4.7 | `coordinate.rs`, `exchange.rs` |
//! | Deletes: tombstones, and a time of grace for them | Demers et al. 1987 (1.4); Cassandra's `gc_grace_seconds` | `store.rs` |
//! | A lost disk: a new epoch, then filled again | Michael et al. 2017, for the first half | `exchange.rs`, `directory.rs` |
//! | Quorums that are up, beside the closed form | k of n | `quorums.rs` |
//! | The directory: members in epochs, on the project's own Raft | 6.824 shard controllers | `directory.rs`, `keeper.rs` |
//! | A change of members with a joint epoch between | Raft dissertation 4.3; RAMBO (Lynch, Shvartsman 2002) | `node.rs`, `exchange.rs` |
//!
//! # How a change of members goes
//!
//! 1. The leader of the directory is ordered other members. The next epoch has both sets: whoever goes by it writes to
//!    W holders under the old set *and* to W under the new one, and reads R of both.
//! 2. Everyone refuses what was addressed by another epoch than its own and shows its view, so routers with stale views
//!    learn by being refused. What a node has promised under an epoch, it remembers over crashes.
//! 3. Each store of the new set compares Merkle trees with the old members and fetches what it lacks, piece by piece,
//!    within `handover_bandwidth`, until so many old members have been heard *in the new epoch* that every quorum of
//!    the old one meets them: no write can be acknowledged behind their backs any more. All of it is on its disk before
//!    it says so. A crash of either end costs what was under way; the next comparison finds only what is still missing.
//! 4. When all stores of the new set have said so, the next epoch has the new set alone, and the others let go of their
//!    keys.
//!
//! # What it promises
//!
//! With R + W > N, strict quorums and `versions = "quorum"`, a key is a regular register: a read sees the last write
//! that was acknowledged before it began, or one that was not. With `read_repair` a read also makes sure that later
//! reads see what it saw. A write that its client tried again may take effect twice, the second time even after it was
//! acknowledged, as nothing remembers it once it was overwritten: there are no sessions, as there are none in Dynamo.
//! Then it overwrites what others have been told is written (`by_hand.rs` has the schedule); each try gives it one
//! version at most, and the rules go by those. With `versions = "clock"` the larger clock wins: a write that was
//! acknowledged can lose against an earlier one of a faster clock, and of writes at the same time only one stays in any
//! case. A sloppy quorum keeps what was acknowledged, but not where reads look for it.
//!
//! # Deletes
//!
//! A delete is a write of a *tombstone*, which is stored, kept for others, repaired and handed over like a value.
//! Each store forgets it when by its own clock `tombstone_grace` has passed since the delete. A store that is away
//! for longer still has the value, and brings it back to everybody, and so does one that the delete never reached, if
//! nothing repairs it meanwhile: the rule about it holds as long as stores are repaired, and nobody is away, and no
//! clock off, by half of that time. What was forgotten leaves its counter behind (the *floor*), so that a later write
//! wins against the tombstone where that is remembered still.
//!
//! # A lost disk
//!
//! A store that finds its disk empty, and used before, has lost what it acknowledged and what it promised. Answers it
//! gave before may still be on their way, so the directory begins an epoch for it (`Step::Fence`), in which no older
//! answer counts. In that epoch it takes writes, but tells nobody what it holds until it has all from so many others
//! that every write which it had acknowledged is among it. As long as fewer than W stores have lost their disks and are
//! not full again, one copy of every acknowledged write is left and is found; that is what the rule about survival
//! excuses and what not. A node that keeps the directory must not lose its disk: its Raft would vote twice.
//!
//! # What is not
//!
//! Vector clocks and siblings: of two writes at the same time only one stays. The Raft of the directory keeps its own
//! members. A change waits for all old members but N minus a quorum; one that waits too long gives way to the
//! operator's next order. Maglev and modulo move more than they must: so does the hand-over then.

pub mod key;
pub mod placement;

mod bugs;
#[cfg(test)]
mod by_hand;
mod checks;
mod client;
mod coordinate;
mod directory;
mod exchange;
mod hints;
mod keeper;
mod measure;
mod message;
mod node;
mod options;
mod order;
mod orders;
mod placing;
mod quorums;
mod rule;
mod shards;
mod store;
mod system;
mod version;

pub use bugs::HashingBug;
pub use checks::{
    ACKNOWLEDGED_WRITES_SURVIVE, CONVERGED, DELETED_KEYS_STAY_DELETED, DELIVERED_HINTS_ARE_THERE, HashingChecks,
    LATER_WRITES_WIN, ONE_VERSION_PER_TRY, READS_SEE_ACKNOWLEDGED_WRITES, STALE_OWNER_REJECTED,
};
pub use client::HashingClient;
pub use directory::{Directory, Step, View};
pub use message::{Behalf, HashingFact, HashingMessage, HintNumber, Image, LEAVES, Leaf, Life, OpNumber, Record};
pub use node::{Machine, TIMERS};
pub use options::{Config, HashingOptions, Setup, Versions};
pub use placing::{
    BALANCED, CLIENTS_WITH_ONE_VIEW_AGREE, EVERY_KEY_HAS_AN_OWNER, NO_MOVE_BETWEEN_SURVIVORS, REPLICAS_ARE_APART,
};
pub use rule::PlacementKind;
pub use system::HashingSystem;
pub use version::{Held, Version, What};
