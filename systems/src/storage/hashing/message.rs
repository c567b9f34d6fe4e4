//! What nodes of the store tell each other, what they write to their disks, and what they announce.

use super::directory::{Directory, View};
use super::version::{Held, Version};
use crate::consensus::raft::{self, Raft};
use crate::shared::number::numbers;
use crate::shared::replication::{Landmark, Minute};
use sim_core::{ClientId, NodeId};
use std::rc::Rc;

/// How many leaves a Merkle tree has: the key space in equal parts, by the first bits of the hash.
pub const LEAVES: usize = 64;

numbers! {
    /// A coordinator's own number for an operation of a client.
    OpNumber;
    /// A node's own number for what it brings to those for whom it kept it.
    HintNumber;
    /// Tells one loss of a disk from others.
    Life;
}

/// On whose behalf something is stored: the answer goes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Behalf {
    /// An operation of a client's, its own or one that it repairs for.
    Op(OpNumber),
    /// A hint that is delivered.
    Hint(HintNumber),
}

/// A leaf of a Merkle tree: the hash of all that is held in its part of the key space; 0 for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Leaf(pub u64);

sim_core::messages! {
    /// Between nodes. `epoch` is that of the sender's view: a receiver of another one refuses.
    pub enum HashingMessage of 24 bytes {
        /// A coordinator asks what a key holds.
        Ask {
            /// The coordinator's own number for the operation.
            op: OpNumber,
            /// See above.
            epoch: u64,
            /// The key.
            key: u64,
            /// Whether the version is enough.
            bare: bool,
        } = "ask" bytes { 16 } ("k{key} epoch={epoch}{}", if *bare { ", the version" } else { "" }),
        /// What it holds.
        Told {
            /// The operation.
            op: OpNumber,
            /// That of the question.
            epoch: u64,
            /// What it holds, if anything.
            held: Option<Held>,
            /// Whether only the version was wanted.
            bare: bool,
            /// The largest counter of a tombstone that it has forgotten: a write must win against that too.
            floor: u64,
        } = "told" bytes { floor_bytes(*floor) + held.as_ref().map_or(1, |held| if *bare { 20 } else { held.bytes() }) }
            (|out| match held {
        Some(held) => write!(out, "{held}"),
        None => out.write_str("nothing"),
    }),
        /// A coordinator, or one who kept it for somebody, has a value stored.
        Store {
            /// On whose behalf.
            behalf: Behalf,
            /// See above.
            epoch: u64,
            /// The key.
            key: u64,
            /// What it shall hold, unless it holds something newer.
            held: Held,
            /// Whether it is only kept for those whose it is.
            hint: bool,
        } = "store" bytes { 8 + held.bytes() } (|out| {
            let kept = if *hint { ", kept for others" } else { "" };
            let is = if held.value().is_some() { "= " } else { "" };
            write!(out, "k{key} {is}{held} epoch={epoch}{kept}")
    }),
        /// It is on the disk.
        Stored {
            /// On whose behalf.
            behalf: Behalf,
            /// That of the order to store.
            epoch: u64,
        } = "stored" bytes { 16 } ("epoch={epoch}"),
        /// The epochs differ.
        Refused {
            /// On whose behalf.
            behalf: Behalf,
            /// The receiver's view.
            view: View,
        } = "refused" bytes { view.bytes() } ("{view}"),
        /// A view.
        View(view: View) = "view" bytes { view.bytes() } ("{view}"),
        /// Somebody wants a newer view than this.
        Seek {
            /// The epoch it has.
            epoch: u64,
        } = "seek" ("epoch={epoch}"),
        /// One who takes over keys, or repairs: the digest of all it shares with the receiver.
        Compare {
            /// See above.
            epoch: u64,
            /// The digest.
            digest: u64,
        } = "compare" bytes { 8 } ("epoch={epoch}"),
        /// The receiver's tree, leaf by leaf, if it differs.
        Tree {
            /// See above.
            epoch: u64,
            /// `None` if it is the same.
            leaves: Option<Rc<[Leaf; LEAVES]>>,
            /// The largest counter of a tombstone that it has forgotten.
            floor: u64,
        } = "tree" bytes { floor_bytes(*floor) + leaves.as_ref().map_or(1, |_| 8 * LEAVES as u32) }
            ("epoch={epoch}, {}", if leaves.is_none() { "the same" } else { "another one" }),
        /// The next keys of a leaf.
        Fetch {
            /// See above.
            epoch: u64,
            /// Which leaf.
            leaf: u8,
            /// Those behind this place, a hash and a key.
            after: Option<(u64, u64)>,
        } = "fetch" bytes { 16 } ("epoch={epoch} leaf={leaf}"),
        /// They are here.
        Piece {
            /// See above.
            epoch: u64,
            /// Which leaf.
            leaf: u8,
            /// That of the question.
            after: Option<(u64, u64)>,
            /// Keys and what they hold, in the order of their hashes.
            entries: Rc<[(u64, Held)]>,
            /// Whether there are more.
            more: bool,
        } = "piece" bytes { entries.iter().map(|(_, held)| 8 + held.bytes()).sum::<u32>() } (|out| {
            let more = if *more { ", not all" } else { "" };
            write!(out, "epoch={epoch} leaf={leaf}, {} keys{more}", entries.len())
    }),
        /// The sender has all keys that this change gives it on its disk.
        Copied {
            /// See above.
            epoch: u64,
        } = "copied" ("epoch={epoch}"),
        /// The sender's disk was wiped: from which epoch on does what it promised before not count?
        Wiped {
            /// Which loss.
            life: Life,
        } = "wiped" bytes { 8 } ("life={}", life.0),
        /// The sender has lost its keys and is not full again: it has nothing to compare.
        Blank {
            /// See above.
            epoch: u64,
        } = "blank" ("epoch={epoch}"),
        /// Between the nodes that keep the directory.
        Directory(inner: raft::RaftMessage<Directory>) = "directory" bytes { inner.bytes() } (|out| {
            write!(out, "{}: ", inner.kind().name)?;
            inner.describe(out)
    }),
    }

    impl {
        fn client(&self) -> Option<ClientId> {
            match self {
                Self::Told { held: Some(held), .. } | Self::Store { held, .. } => Some(held.version.writer()),
                _ => None,
            }
        }
    }
}

/// The size of a floor: most stores have none.
const fn floor_bytes(floor: u64) -> u32 {
    if floor > 0 { 8 } else { 0 }
}

/// One append to a node's disk.
#[derive(Clone, Debug, Hash)]
pub enum Record {
    /// A key holds this.
    Put {
        /// The key.
        key: u64,
        /// What it holds.
        held: Held,
    },
    /// This is kept for those whose key it is.
    Hint {
        /// The key.
        key: u64,
        /// What it shall hold.
        held: Held,
    },
    /// They have it.
    Delivered {
        /// The key.
        key: u64,
        /// The version they have.
        version: Version,
    },
    /// The node goes by this view.
    View(View),
    /// The disk was wiped: from here on it is filled again.
    Wiped {
        /// Which loss.
        life: Life,
    },
    /// It is full again.
    Refilled,
    /// Another store has forgotten tombstones up to this counter.
    Floor {
        /// The counter.
        counter: u64,
    },
    /// Everything so far.
    Image(Rc<Image>),
    /// Of the directory.
    Directory(raft::Record<Directory>),
}

impl sim_core::Record for Record {}

/// All that a store holds.
#[derive(Clone, Debug, Hash)]
pub struct Image {
    /// The view it goes by.
    pub view: View,
    /// Keys and what they hold.
    pub data: Vec<(u64, Held)>,
    /// What it keeps for others.
    pub hints: Vec<(u64, Held)>,
    /// The largest counter of a tombstone that it has forgotten.
    pub floor: u64,
    /// That of the loss after which it is not full again.
    pub life: Option<Life>,
}

fn is_elected(minute: Minute<raft::RaftFact>) -> bool {
    matches!(minute.landmark::<Raft<Directory>>(), Some(Landmark::Elected(_)))
}

sim_core::facts! {
    /// What nodes announce.
    pub enum HashingFact {
        /// One of those who keep the directory announces something of their group.
        Directory(inner: Minute<raft::RaftFact>) = "elected" | "directory" [usize::from(!is_elected(inner))]
            landmark { is_elected(inner) }
            (|out| match inner {
                Minute::Said(raft::RaftFact::Elected { term, .. }) => write!(out, "term={term}"),
                inner => inner.describe(out),
            }),
        /// A change of members begins: the first one who keeps the directory knows.
        Changing {
            /// The epoch of the change.
            epoch: u64,
        } = "changing" landmark ("epoch={epoch}"),
        /// A change of members is over.
        Changed {
            /// The epoch after it.
            epoch: u64,
        } = "changed" landmark ("epoch={epoch}"),
        /// The node goes by another view.
        Viewed {
            /// Its epoch.
            epoch: u64,
        } = "viewed" ("epoch={epoch}"),
        /// A store takes a write, or says what it has, that was addressed by the view of `asked`.
        Taken {
            /// The epoch it was addressed by.
            asked: u64,
            /// The store's own.
            epoch: u64,
        } = "taken" ("asked by epoch={asked}, here {epoch}"),
        /// A store refuses what was addressed by another view than its own.
        Stale {
            /// The epoch it was addressed by.
            asked: u64,
            /// The store's own.
            epoch: u64,
        } = "stale" ("asked by epoch={asked}, here {epoch}"),
        /// A write was acknowledged.
        Acknowledged {
            /// The key.
            key: u64,
            /// Its version.
            version: Version,
            /// Whether it was a delete.
            deleted: bool,
        } = "acknowledged" ("k{key} {}at {version}", if deleted { "deleted " } else { "" }),
        /// A store has forgotten that a key was deleted: the time of grace is over.
        Collected {
            /// The key.
            key: u64,
            /// The version of the tombstone.
            version: Version,
        } = "collected" ("k{key} at {version}"),
        /// A read found holders that had less, and brought it to them.
        ReadRepaired {
            /// The key.
            key: u64,
        } = "read_repaired" ("k{key}"),
        /// A store found something newer with another one, or took over what that has.
        Fetched {
            /// The other one.
            from: NodeId,
            /// How many keys.
            keys: u32,
        } = "fetched" ("{keys} keys from {from}"),
        /// A store has all that a change gives it on its disk.
        Copied {
            /// The epoch of the change.
            epoch: u64,
        } = "copied" landmark ("epoch={epoch}"),
        /// A store keeps a write for another one.
        Hinted {
            /// The key.
            key: u64,
        } = "hinted" ("k{key}"),
        /// All who should have it do.
        Delivered {
            /// The key.
            key: u64,
            /// The version they have, or a larger one.
            version: Version,
        } = "delivered" ("k{key} at {version}"),
        /// The disk can not be read.
        Unreadable = "unreadable" (""),
        /// The disk is empty, and was not before.
        Wiped = "wiped" landmark (""),
        /// What it promised before its disk was wiped counts no more: an epoch has begun since.
        Fenced {
            /// That epoch.
            epoch: u64,
        } = "fenced" ("epoch={epoch}"),
        /// It has again on its disk all that was acknowledged.
        Refilled {
            /// How many bytes it was sent for that.
            bytes: u64,
        } = "refilled" landmark ("{bytes} bytes"),
    }
}
