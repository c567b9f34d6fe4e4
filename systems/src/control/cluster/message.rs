//! What nodes tell each other, what clients ask, and what is announced.

use super::data::{Data, Entry, Position, StreamId};
use super::slots::Runs;
use crate::shared::kv::{KvCommand, KvResponse, Value};
use crate::shared::number::numbers;
use core::fmt;
use serde::Serialize;
use sim_core::{Duration, Fact, Kind, Message, NodeId, NodeSet};
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

/// Between nodes.
#[derive(Clone, Debug, Hash)]
pub enum ClusterMessage {
    /// Answer me.
    Ping(Rc<Header>),
    /// An answer.
    Pong(Rc<Header>),
    /// A majority of the primaries holds this node for failed.
    Fail(NodeId),
    /// Somebody else has these slots, by a newer configuration.
    Update {
        /// Who.
        owner: NodeId,
        /// By which configuration epoch.
        config_epoch: u64,
        /// All of its slots.
        slots: Runs,
    },
    /// A replica asks for a vote.
    VoteRequest(Rc<Header>),
    /// A primary gives it.
    Vote {
        /// In which epoch.
        epoch: u64,
    },
    /// A replica asks for the writes after those it has.
    Psync {
        /// Those.
        at: Position,
        /// Names the question.
        nonce: Nonce,
    },
    /// Writes. None, to say that all is well.
    Writes {
        /// What they follow.
        after: Position,
        /// The stream they belong to.
        stream: StreamId,
        /// The writes.
        entries: Rc<[Entry]>,
    },
    /// All data.
    Full {
        /// Up to where.
        at: Position,
        /// What.
        data: Rc<Data>,
        /// The question it answers.
        nonce: Nonce,
    },
    /// A replica has all up to here.
    Replicated(Position),
    /// A pong that nobody has asked for.
    News(Rc<Header>),
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

/// The names of the kinds of messages.
pub(super) const MESSAGE_KINDS: &[&str] =
    &["ping", "pong", "fail", "update", "vote_request", "vote", "psync", "writes", "full", "replicated", "news"];

/// What a header weighs: Redis sends a bitmap of all slots.
const HEADER: u32 = 2048 + 208;
/// What it weighs to tell of another node.
const GOSSIP: u32 = 104;

impl Message for ClusterMessage {
    fn kind(&self) -> Kind {
        let at = match self {
            Self::Ping(_) => 0,
            Self::Pong(_) => 1,
            Self::Fail(_) => 2,
            Self::Update { .. } => 3,
            Self::VoteRequest(_) => 4,
            Self::Vote { .. } => 5,
            Self::Psync { .. } => 6,
            Self::Writes { .. } => 7,
            Self::Full { .. } => 8,
            Self::Replicated(_) => 9,
            Self::News(_) => 10,
        };
        Kind::new(at, MESSAGE_KINDS[usize::from(at)])
    }

    fn bytes(&self) -> u32 {
        match self {
            Self::Ping(h) | Self::Pong(h) | Self::News(h) | Self::VoteRequest(h) => {
                HEADER + GOSSIP * h.gossip.len() as u32
            }
            Self::Update { .. } => HEADER,
            Self::Fail(_) | Self::Vote { .. } | Self::Psync { .. } | Self::Replicated(_) => 64,
            Self::Writes { entries, .. } => 64 + entries.iter().map(|entry| 24 + entry.cell.size).sum::<u32>(),
            Self::Full { data, .. } => 64_u32.saturating_add(data.bytes().min(u64::from(u32::MAX)) as u32),
        }
    }

    fn describe(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        match self {
            Self::Ping(h) | Self::Pong(h) | Self::News(h) | Self::VoteRequest(h) => {
                match h.primary {
                    None => write!(out, "primary with {} runs of slots", h.slots.len())?,
                    Some(primary) => write!(out, "replica of {primary}")?,
                }
                write!(out, ", epoch {}, config epoch {}, offset {}", h.epoch, h.config_epoch, h.offset)?;
                let told = |which: fn(&&Gossip) -> bool| -> NodeSet {
                    h.gossip.iter().filter(which).map(|word| word.node).collect()
                };
                let (suspects, failed) = (told(|word| word.suspected), told(|word| word.failed));
                if !suspects.is_empty() {
                    write!(out, ", suspects {suspects}")?;
                }
                if failed.is_empty() { Ok(()) } else { write!(out, ", failed {failed}") }
            }
            Self::Fail(node) => write!(out, "{node} has failed"),
            Self::Update { owner, config_epoch, slots } => {
                write!(out, "{owner} has {} runs of slots by config epoch {config_epoch}", slots.len())
            }
            Self::Vote { epoch } => write!(out, "epoch {epoch}"),
            Self::Psync { at, .. } => write!(out, "after {at}"),
            Self::Writes { after, entries, .. } => write!(out, "{} after {after}", entries.len()),
            Self::Full { at, data, .. } => write!(out, "{} keys, up to {at}", data.len()),
            Self::Replicated(at) => write!(out, "up to {at}"),
        }
    }
}

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

/// What nodes announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClusterFact {
    /// A ping to a node has been without an answer for the node timeout.
    Suspected {
        /// Which.
        node: NodeId,
    },
    /// A majority of the primaries suspects it.
    Failed {
        /// Which.
        node: NodeId,
    },
    /// A failed node is back.
    Back {
        /// Which.
        node: NodeId,
    },
    /// A replica asks for votes.
    Campaigned {
        /// In which epoch.
        epoch: u64,
    },
    /// A primary votes.
    Voted {
        /// In which epoch.
        epoch: u64,
        /// For whom.
        candidate: NodeId,
    },
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
    },
    /// A primary has become a replica.
    Demoted {
        /// Of whom.
        primary: NodeId,
    },
    /// A primary took a new configuration epoch, because another one has the same.
    EpochRaised {
        /// The new one.
        epoch: u64,
    },
    /// A node serves again.
    Up,
    /// A node serves no longer.
    Down,
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
    },
    /// A replica got all data.
    FullSync {
        /// How long it had been out of touch.
        after: Duration,
    },
    /// A request was not served.
    Refused {
        /// Why.
        why: Refusal,
    },
}

/// The names of the kinds of facts.
pub(super) const FACT_KINDS: &[&str] = &[
    "suspected",
    "failed",
    "back",
    "campaigned",
    "voted",
    "promoted",
    "demoted",
    "epoch_raised",
    "up",
    "down",
    "wrote",
    "full_sync",
    "moved",
    "cluster_down",
    "started",
];

impl Fact for ClusterFact {
    fn kind(&self) -> Kind {
        let at = match self {
            Self::Suspected { .. } => 0,
            Self::Failed { .. } => 1,
            Self::Back { .. } => 2,
            Self::Campaigned { .. } => 3,
            Self::Voted { .. } => 4,
            Self::Began { how: How::Promoted, .. } => 5,
            Self::Demoted { .. } => 6,
            Self::EpochRaised { .. } => 7,
            Self::Up => 8,
            Self::Down => 9,
            Self::Wrote { .. } => 10,
            Self::FullSync { .. } => 11,
            Self::Refused { why: Refusal::Moved } => 12,
            Self::Refused { why: Refusal::ClusterDown } => 13,
            Self::Began { how: How::Started, .. } => 14,
        };
        Kind::new(at, FACT_KINDS[usize::from(at)])
    }

    fn landmark(&self) -> bool {
        !matches!(self, Self::Suspected { .. } | Self::Wrote { .. } | Self::Refused { .. } | Self::FullSync { .. })
    }

    fn describe(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        match self {
            Self::Suspected { node } => write!(out, "{node} has not answered for too long"),
            Self::Failed { node } => write!(out, "a majority holds {node} for failed"),
            Self::Back { node } => write!(out, "{node} is back"),
            Self::Campaigned { epoch } => write!(out, "asks for votes in epoch {epoch}"),
            Self::Voted { epoch, candidate } => write!(out, "votes for {candidate} in epoch {epoch}"),
            Self::Began { how: How::Promoted, epoch, after, old, .. } => {
                write!(out, "is primary by epoch {epoch}, after {after}")?;
                old.map_or(Ok(()), |old| write!(out, " of {old}"))
            }
            Self::Began { after, .. } => write!(out, "starts as primary, after {after}"),
            Self::Demoted { primary } => write!(out, "is a replica of {primary}"),
            Self::EpochRaised { epoch } => write!(out, "takes config epoch {epoch}, as another primary has its own"),
            Self::Up => out.write_str("serves"),
            Self::Down => out.write_str("does not serve"),
            Self::Wrote { key, at, .. } => write!(out, "wrote k{key} at {at}"),
            Self::FullSync { after } => write!(out, "got all data, {after} after it last heard its primary"),
            Self::Refused { why: Refusal::Moved } => out.write_str("sends a client elsewhere"),
            Self::Refused { why: Refusal::ClusterDown } => out.write_str("refuses a client"),
        }
    }
}
