//! What nodes of the store tell each other, what they write to their disks, and what they announce.

use super::directory::{Directory, View};
use super::version::{Held, Version};
use crate::consensus::raft;
use crate::shared::number::numbers;
use core::fmt;
use sim_core::{ClientId, Fact, Kind, Message, NodeId};
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

/// Between nodes. `epoch` is that of the sender's view: a receiver of another one refuses.
#[derive(Clone, Debug, Hash)]
pub enum HashingMessage {
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
    },
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
    },
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
    },
    /// It is on the disk.
    Stored {
        /// On whose behalf.
        behalf: Behalf,
        /// That of the order to store.
        epoch: u64,
    },
    /// The epochs differ.
    Refused {
        /// On whose behalf.
        behalf: Behalf,
        /// The receiver's view.
        view: View,
    },
    /// A view.
    View(View),
    /// Somebody wants a newer view than this.
    Seek {
        /// The epoch it has.
        epoch: u64,
    },
    /// One who takes over keys, or repairs: the digest of all it shares with the receiver.
    Compare {
        /// See above.
        epoch: u64,
        /// The digest.
        digest: u64,
    },
    /// The receiver's tree, leaf by leaf, if it differs.
    Tree {
        /// See above.
        epoch: u64,
        /// `None` if it is the same.
        leaves: Option<Rc<[Leaf; LEAVES]>>,
        /// The largest counter of a tombstone that it has forgotten.
        floor: u64,
    },
    /// The next keys of a leaf.
    Fetch {
        /// See above.
        epoch: u64,
        /// Which leaf.
        leaf: u8,
        /// Those behind this place, a hash and a key.
        after: Option<(u64, u64)>,
    },
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
    },
    /// The sender has all keys that this change gives it on its disk.
    Copied {
        /// See above.
        epoch: u64,
    },
    /// The sender's disk was wiped: from which epoch on does what it promised before not count?
    Wiped {
        /// Which loss.
        life: Life,
    },
    /// The sender has lost its keys and is not full again: it has nothing to compare.
    Blank {
        /// See above.
        epoch: u64,
    },
    /// Between the nodes that keep the directory.
    Directory(raft::RaftMessage<Directory>),
}

/// The names of the kinds of messages.
pub(super) const MESSAGE_KINDS: &[&str] = &[
    "ask",
    "told",
    "store",
    "stored",
    "refused",
    "view",
    "seek",
    "compare",
    "tree",
    "fetch",
    "piece",
    "copied",
    "directory",
    "wiped",
    "blank",
];

impl Message for HashingMessage {
    fn kind(&self) -> Kind {
        let at = match self {
            Self::Ask { .. } => 0,
            Self::Told { .. } => 1,
            Self::Store { .. } => 2,
            Self::Stored { .. } => 3,
            Self::Refused { .. } => 4,
            Self::View(_) => 5,
            Self::Seek { .. } => 6,
            Self::Compare { .. } => 7,
            Self::Tree { .. } => 8,
            Self::Fetch { .. } => 9,
            Self::Piece { .. } => 10,
            Self::Copied { .. } => 11,
            Self::Directory(_) => 12,
            Self::Wiped { .. } => 13,
            Self::Blank { .. } => 14,
        };
        Kind::new(at, MESSAGE_KINDS[usize::from(at)])
    }

    fn client(&self) -> Option<ClientId> {
        match self {
            Self::Told { held: Some(held), .. } | Self::Store { held, .. } => Some(held.version.writer()),
            _ => None,
        }
    }

    fn bytes(&self) -> u32 {
        24 + match self {
            Self::Ask { .. } | Self::Stored { .. } | Self::Fetch { .. } => 16,
            Self::Told { held, bare, floor, .. } => {
                floor_bytes(*floor)
                    + match held {
                        Some(_) if *bare => 20,
                        Some(held) => held.bytes(),
                        None => 1,
                    }
            }
            Self::Store { held, .. } => 8 + held.bytes(),
            Self::Refused { view, .. } | Self::View(view) => view.bytes(),
            Self::Seek { .. } | Self::Copied { .. } | Self::Blank { .. } => 0,
            Self::Compare { .. } | Self::Wiped { .. } => 8,
            Self::Tree { leaves, floor, .. } => floor_bytes(*floor) + leaves.as_ref().map_or(1, |_| 8 * LEAVES as u32),
            Self::Piece { entries, .. } => entries.iter().map(|(_, held)| 8 + held.bytes()).sum(),
            Self::Directory(inner) => inner.bytes(),
        }
    }

    fn describe(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        match self {
            Self::Ask { epoch, key, bare: true, .. } => write!(out, "k{key} epoch={epoch}, the version"),
            Self::Ask { epoch, key, .. } => write!(out, "k{key} epoch={epoch}"),
            Self::Told { held: Some(held), .. } => write!(out, "{held}"),
            Self::Told { held: None, .. } => out.write_str("nothing"),
            Self::Store { epoch, key, held, hint, .. } => {
                let kept = if *hint { ", kept for others" } else { "" };
                let is = if held.value().is_some() { "= " } else { "" };
                write!(out, "k{key} {is}{held} epoch={epoch}{kept}")
            }
            Self::Stored { epoch, .. }
            | Self::Seek { epoch }
            | Self::Copied { epoch }
            | Self::Blank { epoch }
            | Self::Compare { epoch, .. } => {
                write!(out, "epoch={epoch}")
            }
            Self::Wiped { life } => write!(out, "life={}", life.0),
            Self::Refused { view, .. } | Self::View(view) => match view.next {
                Some(next) => write!(out, "epoch={}, the members will be {next}", view.epoch),
                None => write!(out, "epoch={}", view.epoch),
            },
            Self::Tree { epoch, leaves: None, .. } => write!(out, "epoch={epoch}, the same"),
            Self::Tree { epoch, .. } => write!(out, "epoch={epoch}, another one"),
            Self::Fetch { epoch, leaf, .. } => write!(out, "epoch={epoch} leaf={leaf}"),
            Self::Piece { epoch, leaf, entries, more, .. } => {
                let more = if *more { ", not all" } else { "" };
                write!(out, "epoch={epoch} leaf={leaf}, {} keys{more}", entries.len())
            }
            Self::Directory(inner) => {
                write!(out, "{}: ", inner.kind().name)?;
                inner.describe(out)
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

/// What nodes announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashingFact {
    /// One of those who keep the directory announces something of their Raft.
    Directory(raft::RaftFact),
    /// Their leader wants a step taken.
    Proposed {
        /// Its number for it.
        op: u64,
    },
    /// A change of members begins: the first one who keeps the directory knows.
    Changing {
        /// The epoch of the change.
        epoch: u64,
    },
    /// A change of members is over.
    Changed {
        /// The epoch after it.
        epoch: u64,
    },
    /// The node goes by another view.
    Viewed {
        /// Its epoch.
        epoch: u64,
    },
    /// A store takes a write, or says what it has, that was addressed by the view of `asked`.
    Taken {
        /// The epoch it was addressed by.
        asked: u64,
        /// The store's own.
        epoch: u64,
    },
    /// A store refuses what was addressed by another view than its own.
    Stale {
        /// The epoch it was addressed by.
        asked: u64,
        /// The store's own.
        epoch: u64,
    },
    /// A write was acknowledged.
    Acknowledged {
        /// The key.
        key: u64,
        /// Its version.
        version: Version,
        /// Whether it was a delete.
        deleted: bool,
    },
    /// A store has forgotten that a key was deleted: the time of grace is over.
    Collected {
        /// The key.
        key: u64,
        /// The version of the tombstone.
        version: Version,
    },
    /// A read found holders that had less, and brought it to them.
    ReadRepaired {
        /// The key.
        key: u64,
    },
    /// A store found something newer with another one, or took over what that has.
    Fetched {
        /// The other one.
        from: NodeId,
        /// How many keys.
        keys: u32,
    },
    /// A store has all that a change gives it on its disk.
    Copied {
        /// The epoch of the change.
        epoch: u64,
    },
    /// A store keeps a write for another one.
    Hinted {
        /// The key.
        key: u64,
    },
    /// All who should have it do.
    Delivered {
        /// The key.
        key: u64,
        /// The version they have, or a larger one.
        version: Version,
    },
    /// The disk can not be read.
    Unreadable,
    /// The disk is empty, and was not before.
    Wiped,
    /// What it promised before its disk was wiped counts no more: an epoch has begun since.
    Fenced {
        /// That epoch.
        epoch: u64,
    },
    /// It has again on its disk all that was acknowledged.
    Refilled {
        /// How many bytes it was sent for that.
        bytes: u64,
    },
}

/// The names of the kinds of facts.
pub(super) const FACT_KINDS: &[&str] = &[
    "elected",
    "changing",
    "changed",
    "viewed",
    "taken",
    "stale",
    "acknowledged",
    "read_repaired",
    "fetched",
    "copied",
    "hinted",
    "delivered",
    "unreadable",
    "collected",
    "wiped",
    "fenced",
    "refilled",
    "directory",
    "proposed",
];

impl Fact for HashingFact {
    fn kind(&self) -> Kind {
        let at = match self {
            Self::Directory(raft::RaftFact::Elected { .. }) => 0,
            Self::Changing { .. } => 1,
            Self::Changed { .. } => 2,
            Self::Viewed { .. } => 3,
            Self::Taken { .. } => 4,
            Self::Stale { .. } => 5,
            Self::Acknowledged { .. } => 6,
            Self::ReadRepaired { .. } => 7,
            Self::Fetched { .. } => 8,
            Self::Copied { .. } => 9,
            Self::Hinted { .. } => 10,
            Self::Delivered { .. } => 11,
            Self::Unreadable => 12,
            Self::Collected { .. } => 13,
            Self::Wiped => 14,
            Self::Fenced { .. } => 15,
            Self::Refilled { .. } => 16,
            Self::Directory(_) => 17,
            Self::Proposed { .. } => 18,
        };
        Kind::new(at, FACT_KINDS[usize::from(at)])
    }

    fn landmark(&self) -> bool {
        matches!(
            self,
            Self::Directory(raft::RaftFact::Elected { .. })
                | Self::Changing { .. }
                | Self::Changed { .. }
                | Self::Copied { .. }
                | Self::Wiped
                | Self::Refilled { .. }
        )
    }

    fn describe(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        match self {
            Self::Directory(raft::RaftFact::Elected { term, .. }) => write!(out, "term={term}"),
            Self::Directory(inner) => {
                write!(out, "{} ", inner.kind().name)?;
                inner.describe(out)
            }
            Self::Proposed { op } => write!(out, "op={op}"),
            Self::Changing { epoch }
            | Self::Changed { epoch }
            | Self::Viewed { epoch }
            | Self::Copied { epoch }
            | Self::Fenced { epoch } => {
                write!(out, "epoch={epoch}")
            }
            Self::Refilled { bytes } => write!(out, "{bytes} bytes"),
            Self::Taken { asked, epoch } | Self::Stale { asked, epoch } => {
                write!(out, "asked by epoch={asked}, here {epoch}")
            }
            Self::Acknowledged { key, version, deleted: true } => write!(out, "k{key} deleted at {version}"),
            Self::Acknowledged { key, version, .. }
            | Self::Collected { key, version }
            | Self::Delivered { key, version } => {
                write!(out, "k{key} at {version}")
            }
            Self::ReadRepaired { key } | Self::Hinted { key } => write!(out, "k{key}"),
            Self::Fetched { from, keys } => write!(out, "{keys} keys from {from}"),
            Self::Unreadable | Self::Wiped => Ok(()),
        }
    }
}
