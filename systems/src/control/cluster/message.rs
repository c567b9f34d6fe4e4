//! What nodes tell each other, what clients ask, and what is announced.

use super::data::{Data, Entry, Position, StreamId};
use super::slots::Runs;
use crate::shared::kv::{KvCommand, KvResponse, Value};
use crate::shared::number::numbers;
use core::fmt;
use serde::Serialize;
use sim_core::{Duration, NodeId, NodeSet};
use std::rc::Rc;

/// What a client asks. Keys are numbers, shown as `k17`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Hash)]
#[serde(rename_all = "snake_case")]
pub enum ClusterRequest {
    /// The value of a key.
    Get {
        /// The key.
        key: u64,
    },
    /// Set a key.
    Set {
        /// The key.
        key: u64,
        /// What is written: a number unique in the run.
        number: u64,
        /// Its size, in bytes.
        size: u32,
    },
}

impl ClusterRequest {
    /// The key it touches.
    #[must_use]
    pub const fn key(&self) -> u64 {
        match self {
            Self::Get { key } | Self::Set { key, .. } => *key,
        }
    }

    /// The same asked of the store that rules about reads and writes are made for.
    pub(super) fn as_kv(&self) -> KvCommand {
        match self {
            Self::Get { key } => KvCommand::Get { key: *key },
            Self::Set { key, number, .. } => KvCommand::Put { key: *key, value: Value::number(*number, 0) },
        }
    }
}

/// What a client is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Hash)]
#[serde(rename_all = "snake_case")]
pub enum ClusterResponse {
    /// The value of the key, if there is one.
    Value(Option<u64>),
    /// Written, here.
    Done(Position),
}

impl ClusterResponse {
    /// The same answered by that store.
    pub(super) fn as_kv(&self) -> KvResponse {
        match self {
            Self::Value(number) => KvResponse::Value(number.map(|number| Value::number(number, 0))),
            Self::Done(_) => KvResponse::Done,
        }
    }
}

numbers! {
    /// Names the question of a replica, drawn at random; 0 is none.
    Nonce;
    /// Counts how often a node has started.
    Start;
    /// Counts what a node has told since it started.
    HeaderNumber;
}

/// What a node tells of another one.
#[derive(Clone, Copy, Debug, Hash)]
pub struct Gossip {
    /// Which one.
    pub node: NodeId,
    /// It has not answered a ping for too long.
    pub suspected: bool,
    /// It has failed by the word of a majority.
    pub failed: bool,
    /// When it last answered, in whole seconds on the teller's clock.
    pub answered: u64,
}

/// What every node tells of itself and of some others.
#[derive(Clone, Debug, Hash)]
pub struct Header {
    /// Which start of the sender, and which of its headers: an older one is no news.
    pub stamp: (Start, HeaderNumber),
    /// The newest epoch it knows.
    pub epoch: u64,
    /// Its configuration epoch; a replica's, that of its primary.
    pub config_epoch: u64,
    /// Whose replica it is; `None` for a primary.
    pub primary: Option<NodeId>,
    /// Its slots; a replica's, those of its primary.
    pub slots: Runs,
    /// How much of the stream of writes it has.
    pub offset: u64,
    /// What it tells of others.
    pub gossip: Vec<Gossip>,
}

impl Header {
    fn bytes(&self) -> u32 {
        HEADER + GOSSIP * self.gossip.len() as u32
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.primary {
            None => write!(f, "primary with {} runs of slots", self.slots.len())?,
            Some(primary) => write!(f, "replica of {primary}")?,
        }
        write!(f, ", epoch {}, config epoch {}, offset {}", self.epoch, self.config_epoch, self.offset)?;
        let told = |which: fn(&&Gossip) -> bool| -> NodeSet {
            self.gossip.iter().filter(which).map(|word| word.node).collect()
        };
        let (suspects, failed) = (told(|word| word.suspected), told(|word| word.failed));
        if !suspects.is_empty() {
            write!(f, ", suspects {suspects}")?;
        }
        if failed.is_empty() { Ok(()) } else { write!(f, ", failed {failed}") }
    }
}

sim_core::messages! {
    /// Between nodes.
    pub enum ClusterMessage of 0 bytes {
        /// Answer me.
        Ping(header: Rc<Header>) = "ping" bytes { header.bytes() } ("{header}"),
        /// An answer.
        Pong(header: Rc<Header>) = "pong" bytes { header.bytes() } ("{header}"),
        /// A majority of the primaries holds this node for failed.
        Fail(node: NodeId) = "fail" bytes { 64 } ("{node} has failed"),
        /// Somebody else has these slots, by a newer configuration.
        Update {
            /// Who.
            owner: NodeId,
            /// By which configuration epoch.
            config_epoch: u64,
            /// All of its slots.
            slots: Runs,
        } = "update" bytes { HEADER }
            ("{owner} has {} runs of slots by config epoch {config_epoch}", slots.len()),
        /// A replica asks for a vote.
        VoteRequest(header: Rc<Header>) = "vote_request" bytes { header.bytes() } ("{header}"),
        /// A primary gives it.
        Vote {
            /// In which epoch.
            epoch: u64,
        } = "vote" bytes { 64 } ("epoch {epoch}"),
        /// A replica asks for the writes after those it has.
        Psync {
            /// Those.
            at: Position,
            /// Names the question.
            nonce: Nonce,
        } = "psync" bytes { 64 } ("after {at}"),
        /// Writes. None, to say that all is well.
        Writes {
            /// What they follow.
            after: Position,
            /// The stream they belong to.
            stream: StreamId,
            /// The writes.
            entries: Rc<[Entry]>,
        } = "writes" bytes { 64 + entries.iter().map(|entry| 24 + entry.cell.size).sum::<u32>() }
            ("{} after {after}", entries.len()),
        /// All data.
        Full {
            /// Up to where.
            at: Position,
            /// What.
            data: Rc<Data>,
            /// The question it answers.
            nonce: Nonce,
        } = "full" bytes { 64_u32.saturating_add(data.bytes().min(u64::from(u32::MAX)) as u32) }
            ("{} keys, up to {at}", data.len()),
        /// A replica has all up to here.
        Replicated(at: Position) = "replicated" bytes { 64 } ("up to {at}"),
        /// A pong that nobody has asked for.
        News(header: Rc<Header>) = "news" bytes { header.bytes() } ("{header}"),
    }
}

impl ClusterMessage {
    /// What it tells of nodes other than its sender.
    pub(super) fn gossip(&self) -> &[Gossip] {
        match self {
            Self::Ping(header) | Self::Pong(header) | Self::News(header) | Self::VoteRequest(header) => &header.gossip,
            _ => &[],
        }
    }

    /// Whether it travels on the cluster bus, so that it shows its sender to be there; replication has connections of
    /// its own.
    pub(super) const fn is_on_bus(&self) -> bool {
        !matches!(self, Self::Psync { .. } | Self::Writes { .. } | Self::Full { .. } | Self::Replicated(_))
    }
}

/// What a header weighs: Redis sends a bitmap of all slots.
const HEADER: u32 = 2048 + 208;
/// What it weighs to tell of another node.
const GOSSIP: u32 = 104;

/// Why a request was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Somebody else has the slot.
    Moved,
    /// The node does not serve: it sees no majority, or not all slots are covered, or it has only just come back.
    ClusterDown,
}

/// How somebody came to write for some slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum How {
    /// A primary started.
    Started,
    /// A replica was elected.
    Promoted,
}

sim_core::facts! {
    /// What nodes announce.
    pub enum ClusterFact {
        /// A ping to a node has been without an answer for the node timeout.
        Suspected {
            /// Which.
            node: NodeId,
        } = "suspected" ("{node} has not answered for too long"),
        /// A majority of the primaries suspects it.
        Failed {
            /// Which.
            node: NodeId,
        } = "failed" landmark ("a majority holds {node} for failed"),
        /// A failed node is back.
        Back {
            /// Which.
            node: NodeId,
        } = "back" landmark ("{node} is back"),
        /// A replica asks for votes.
        Campaigned {
            /// In which epoch.
            epoch: u64,
        } = "campaigned" landmark ("asks for votes in epoch {epoch}"),
        /// A primary votes.
        Voted {
            /// In which epoch.
            epoch: u64,
            /// For whom.
            candidate: NodeId,
        } = "voted" landmark ("votes for {candidate} in epoch {epoch}"),
        /// A node begins a stream of writes where another one was left.
        Began {
            /// How it came to.
            how: How,
            /// Its configuration epoch.
            epoch: u64,
            /// Where the earlier stream was left, as far as this node has it.
            after: Position,
            /// The new stream.
            stream: StreamId,
            /// Whom it replaces, if it was promoted.
            old: Option<NodeId>,
        } = "started" | "promoted" [how as usize] landmark (|out| match (how, old) {
            (How::Started, _) => write!(out, "starts as primary, after {after}"),
            (How::Promoted, None) => write!(out, "is primary by epoch {epoch}, after {after}"),
            (How::Promoted, Some(old)) => write!(out, "is primary by epoch {epoch}, after {after} of {old}"),
    }),
        /// A primary has become a replica.
        Demoted {
            /// Of whom.
            primary: NodeId,
        } = "demoted" landmark ("is a replica of {primary}"),
        /// A primary took a new configuration epoch, because another one has the same.
        EpochRaised {
            /// The new one.
            epoch: u64,
        } = "epoch_raised" landmark
            ("takes config epoch {epoch}, as another primary has its own"),
        /// A node serves again.
        Up = "up" landmark ("serves"),
        /// A node serves no longer.
        Down = "down" landmark ("does not serve"),
        /// A write was carried out.
        Wrote {
            /// In which slot.
            slot: u16,
            /// On which key.
            key: u64,
            /// Under which configuration epoch.
            epoch: u64,
            /// Where it stands.
            at: Position,
            /// Which write it overwrote; nothing, if that is the default.
            over: Position,
        } = "wrote" ("wrote k{key} at {at}"),
        /// A replica got all data.
        FullSync {
            /// How long it had been out of touch.
            after: Duration,
        } = "full_sync" ("got all data, {after} after it last heard its primary"),
        /// A request was not served.
        Refused {
            /// Why.
            why: Refusal,
        } = "moved" | "cluster_down" [why as usize] (|out| match why {
            Refusal::Moved => out.write_str("sends a client elsewhere"),
            Refusal::ClusterDown => out.write_str("refuses a client"),
    }),
    }
}
