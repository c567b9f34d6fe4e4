//! What nodes send each other, what they write to disk, and what they announce.

use super::arbiter::{Petition, Ruling, Seat};
use super::detector::SwimMessage;
use super::log::{Entry, Position, Snapshot};
use crate::consensus::raft::{self, RaftFact, RaftMessage};
use crate::shared::number::numbers;
use sim_core::{ClientId, Kind, LocalInstant, Message, NodeId, NodeSet};
use std::rc::Rc;

/// Header of every message on the wire, in bytes.
const HEADER: u32 = 48;

/// The kinds of messages, by [`Kind::index`].
pub const MESSAGE_KINDS: &[&str] = &[
    "Heartbeat",
    "Alive",
    "Replicate",
    "Stored",
    "Join",
    "Joined",
    "Install",
    "Poll",
    "PollReply",
    "RequestVote",
    "Vote",
    "Newer",
    "TakeOver",
    "SetInSync",
    "InSyncSet",
    "Petition",
    "Ruled",
    "NotHere",
    // Those of the arbiter's Raft, in its order.
    "ArbiterRequestVote",
    "ArbiterVote",
    "ArbiterPreVote",
    "ArbiterPreVoteReply",
    "ArbiterAppendEntries",
    "ArbiterAppendReply",
    "ArbiterAppendReject",
    "ArbiterHeartbeat",
    "ArbiterHeartbeatReply",
    "ArbiterInstallSnapshot",
    "ArbiterSnapshotReply",
    "ArbiterTimeoutNow",
    "ArbiterReadIndex",
    "ArbiterReadIndexReply",
    // Those of SWIM.
    "Ping",
    "PingReq",
    "Ack",
    // Those of a shared storage.
    "Mount",
    "Mounted",
];

/// The kinds of facts, by [`Kind::index`].
pub const FACT_KINDS: &[&str] = &[
    "suspected",
    "decided",
    "promoted",
    "first_ack",
    "stepped_down",
    "voted",
    "joined",
    "truncated",
    "executed",
    "acknowledged",
    "read_served",
    "applied",
    "snapshot_taken",
    "snapshot_installed",
    "in_sync",
    "handing_over",
    "unreadable",
    "arbiter_elected",
    "arbiter",
];

/// Where the kinds of the arbiter's Raft begin.
const RAFT_KINDS: u8 = 18;
/// Where those of SWIM begin; those of a shared storage follow.
const SWIM_KINDS: u8 = 32;

numbers! {
    /// A data node's own number for what it asks the arbiter.
    PetitionNumber;
    /// A primary's own number for a change of who is in sync.
    SetVersion;
}

/// Who is in sync, as said by the primary of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct InSync {
    /// The primary's epoch.
    pub epoch: u64,
    /// Counts its changes.
    pub version: SetVersion,
    /// Those in sync, the primary included.
    pub nodes: NodeSet,
}

impl InSync {
    /// Which of two is newer.
    #[must_use]
    pub const fn age(&self) -> (u64, SetVersion) {
        (self.epoch, self.version)
    }
}

/// One message.
#[derive(Clone, Debug, Hash)]
pub enum FailoverMessage {
    /// The primary is alive.
    Heartbeat {
        /// Its epoch.
        epoch: u64,
        /// Everything up to here is committed.
        committed: u64,
        /// When it was sent, on the primary's clock.
        sent: LocalInstant,
    },
    /// So is who heard it, and takes the sender for its primary until a lease after that.
    Alive {
        /// The epoch.
        epoch: u64,
        /// Of the heartbeat.
        sent: LocalInstant,
        /// The last entry in memory; `None` if it does not know yet where its log and the primary's part.
        last: Option<u64>,
        /// The last entry on disk.
        durable: u64,
    },
    /// New entries.
    Replicate {
        /// The primary's epoch.
        epoch: u64,
        /// The entry before the first.
        previous: u64,
        /// Everything up to here is committed.
        committed: u64,
        /// The entries.
        entries: Rc<[Entry]>,
    },
    /// How far the sender's log has got.
    Stored {
        /// The epoch.
        epoch: u64,
        /// The last entry on disk.
        durable: u64,
        /// The last entry in memory.
        last: u64,
    },
    /// A backup asks where its log and the primary's part (KIP-101, `OffsetsForLeaderEpoch`).
    Join {
        /// The primary's epoch.
        epoch: u64,
        /// Where its own ends.
        last: Position,
    },
    /// The primary's newest epoch that is not newer than the one asked for, and where that ends in its log.
    Joined {
        /// The primary's epoch.
        epoch: u64,
        /// What was asked.
        asked: Position,
        /// See above.
        end: Position,
    },
    /// The state, because the log that the receiver lacks is forgotten.
    Install {
        /// The primary's epoch.
        epoch: u64,
        /// The state.
        snapshot: Rc<Snapshot>,
    },
    /// May I lead? As a question (`poll`), or for good.
    Ask {
        /// The epoch that would begin.
        epoch: u64,
        /// Where the sender's log ends.
        last: Position,
        /// Whether it is only a question.
        poll: bool,
        /// Whether the primary itself wants it.
        transfer: bool,
        /// Who is in sync, as far as the sender knows.
        in_sync: InSync,
    },
    /// The answer.
    Voice {
        /// That epoch if granted, else the sender's own.
        epoch: u64,
        /// Whether it answers a question.
        poll: bool,
        /// Whether it may.
        granted: bool,
        /// Who is in sync, as far as the sender knows.
        in_sync: InSync,
    },
    /// There is a newer epoch than the receiver's.
    Newer {
        /// That epoch.
        epoch: u64,
    },
    /// The primary has stepped down in favour of the receiver.
    TakeOver {
        /// Its epoch.
        epoch: u64,
    },
    /// The primary says who is in sync.
    SetInSync {
        /// That.
        in_sync: InSync,
    },
    /// A data node asks the arbiter something.
    Petition {
        /// The sender's number for it.
        number: PetitionNumber,
        /// What.
        petition: Petition,
    },
    /// The arbiter has agreed on an answer.
    Ruled {
        /// The receiver's number.
        number: PetitionNumber,
        /// The answer.
        ruling: Ruling,
    },
    /// The sender does not lead the arbiters.
    NotHere {
        /// The receiver's number.
        number: PetitionNumber,
        /// Who may.
        hint: Option<NodeId>,
    },
    /// Between arbiters.
    Raft(Box<RaftMessage<Seat>>),
    /// A primary wants the journal of the shared storage.
    Mount {
        /// Its epoch.
        epoch: u64,
    },
    /// The journal.
    Mounted {
        /// The primary's epoch.
        epoch: u64,
        /// All of it.
        entries: Rc<[Entry]>,
    },
    /// A probe, or what belongs to one.
    Swim(SwimMessage),
    /// The sender has written that down.
    InSyncSet {
        /// The epoch.
        epoch: u64,
        /// Which change.
        version: SetVersion,
    },
}

impl Message for FailoverMessage {
    fn kind(&self) -> Kind {
        let named = |index: u8| Kind::new(index, MESSAGE_KINDS[index as usize]);
        match self {
            Self::Heartbeat { .. } => named(0),
            Self::Alive { .. } => named(1),
            Self::Replicate { .. } => named(2),
            Self::Stored { .. } => named(3),
            Self::Join { .. } => named(4),
            Self::Joined { .. } => named(5),
            Self::Install { .. } => named(6),
            Self::Ask { poll: true, .. } => named(7),
            Self::Voice { poll: true, .. } => named(8),
            Self::Ask { poll: false, .. } => named(9),
            Self::Voice { poll: false, .. } => named(10),
            Self::Newer { .. } => named(11),
            Self::TakeOver { .. } => named(12),
            Self::SetInSync { .. } => named(13),
            Self::InSyncSet { .. } => named(14),
            Self::Petition { .. } => named(15),
            Self::Ruled { .. } => named(16),
            Self::NotHere { .. } => named(17),
            Self::Raft(inner) => named(RAFT_KINDS + inner.kind().index),
            Self::Mount { .. } => named(SWIM_KINDS + 3),
            Self::Mounted { .. } => named(SWIM_KINDS + 4),
            Self::Swim(SwimMessage::Ping { .. }) => named(SWIM_KINDS),
            Self::Swim(SwimMessage::PingReq { .. }) => named(SWIM_KINDS + 1),
            Self::Swim(SwimMessage::Ack { .. }) => named(SWIM_KINDS + 2),
        }
    }

    fn bytes(&self) -> u32 {
        HEADER
            + match self {
                Self::Raft(inner) => return inner.bytes(),
                Self::Swim(inner) => return inner.bytes(),
                Self::Replicate { entries, .. } | Self::Mounted { entries, .. } => {
                    entries.iter().map(Entry::bytes).sum()
                }
                Self::Install { snapshot, .. } => u32::try_from(snapshot.bytes).unwrap_or(u32::MAX - HEADER),
                _ => 0,
            }
    }

    fn describe(&self, out: &mut dyn core::fmt::Write) -> core::fmt::Result {
        super::describe::message(self, out)
    }
}

/// What a node writes to its disk. Replayed in order, the records give back what it has promised, its log and its
/// snapshot.
#[derive(Clone, Debug, Hash)]
pub enum Record {
    /// It goes along with no older epoch, and in this one with nobody else than this node.
    Promise {
        /// The epoch.
        epoch: u64,
        /// Whom it voted for.
        vote: Option<NodeId>,
    },
    /// Who is in sync, as the primary said.
    InSync(InSync),
    /// Entries of the log.
    Entries {
        /// The first.
        first: u64,
        /// The entries.
        entries: Rc<[Entry]>,
        /// What it knew to be committed.
        committed: u64,
    },
    /// The log ends before this entry.
    Truncate {
        /// The first that is gone.
        from: u64,
    },
    /// The log begins anew behind a snapshot.
    Snapshot(Rc<Snapshot>),
    /// Of the arbiter's Raft.
    Raft(raft::Record<Seat>),
}

/// What a node announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailoverFact {
    /// It takes the primary for dead.
    Suspected {
        /// The primary, if it knew one.
        primary: Option<NodeId>,
        /// The newest epoch it knows.
        epoch: u64,
    },
    /// It is the primary now: enough others have agreed.
    Decided {
        /// Of this epoch.
        epoch: u64,
        /// Those who agreed, itself included.
        supporters: NodeSet,
        /// Whether the primary before wanted it.
        planned: bool,
    },
    /// As the primary it begins to serve.
    Promoted {
        /// Its epoch.
        epoch: u64,
    },
    /// As the primary it acknowledges the first write of a client.
    FirstAck {
        /// Its epoch.
        epoch: u64,
    },
    /// It was the primary and is no more.
    SteppedDown {
        /// Its epoch.
        epoch: u64,
        /// Why.
        why: &'static str,
    },
    /// It goes along with a candidate.
    Voted {
        /// The epoch.
        epoch: u64,
        /// The candidate.
        candidate: NodeId,
    },
    /// As a backup it has found where its log and the primary's part.
    Joined {
        /// The epoch.
        epoch: u64,
        /// Where its log ends now.
        last: u64,
    },
    /// Its log was cut.
    Truncated {
        /// The first entry that is gone.
        from: u64,
        /// The last it had.
        last: u64,
    },
    /// As the primary it applied one write.
    Executed {
        /// The entry.
        entry: Position,
        /// The session that asked.
        client: ClientId,
        /// The operation's number in it.
        op: u64,
        /// Whether it was executed now; false for a retry.
        fresh: bool,
    },
    /// It acknowledges a write.
    Acknowledged {
        /// The entry it rests on, or the last one applied if that is not known.
        entry: Position,
        /// Of which epoch it is the primary.
        epoch: u64,
        /// The session that asked.
        client: ClientId,
        /// The operation's number in it.
        op: u64,
        /// The key.
        key: u64,
    },
    /// It answers a read.
    ReadServed {
        /// The last entry of the state it was served from.
        entry: Position,
        /// Whether it did so as the primary.
        primary: bool,
        /// The session that asked.
        client: ClientId,
        /// The operation's number in it.
        op: u64,
    },
    /// It has applied entries up to here.
    Applied {
        /// The last.
        entry: Position,
        /// The running hash of the log up to it.
        chain: u64,
        /// Of the state.
        digest: u64,
    },
    /// It took a snapshot of its own state.
    SnapshotTaken {
        /// The last entry it covers.
        offset: u64,
    },
    /// It replaced its state by the primary's.
    SnapshotInstalled {
        /// The last entry it covers.
        entry: Position,
        /// The running hash of the log up to it.
        chain: u64,
        /// Of the state.
        digest: u64,
    },
    /// As the primary it has agreed with the arbiter who is in sync.
    InSyncChanged {
        /// Its epoch.
        epoch: u64,
        /// Those.
        nodes: NodeSet,
    },
    /// As the primary it begins to hand over.
    HandingOver {
        /// Its epoch.
        epoch: u64,
        /// To this node.
        to: NodeId,
        /// Whether to give the lead back to the preferred node.
        back: bool,
    },
    /// As an arbiter it announces something of their Raft.
    Arbiter(RaftFact),
    /// It found a record on its disk that it can not read, or misses one, and does not start.
    Unreadable {
        /// Which record.
        record: u64,
    },
}

impl sim_core::Fact for FailoverFact {
    fn kind(&self) -> Kind {
        let named = |index: u8| Kind::new(index, FACT_KINDS[index as usize]);
        match self {
            Self::Suspected { .. } => named(0),
            Self::Decided { .. } => named(1),
            Self::Promoted { .. } => named(2),
            Self::FirstAck { .. } => named(3),
            Self::SteppedDown { .. } => named(4),
            Self::Voted { .. } => named(5),
            Self::Joined { .. } => named(6),
            Self::Truncated { .. } => named(7),
            Self::Executed { .. } => named(8),
            Self::Acknowledged { .. } => named(9),
            Self::ReadServed { .. } => named(10),
            Self::Applied { .. } => named(11),
            Self::SnapshotTaken { .. } => named(12),
            Self::SnapshotInstalled { .. } => named(13),
            Self::InSyncChanged { .. } => named(14),
            Self::HandingOver { .. } => named(15),
            Self::Unreadable { .. } => named(16),
            Self::Arbiter(RaftFact::Elected { .. }) => named(17),
            Self::Arbiter(_) => named(18),
        }
    }

    fn why(&self) -> Option<&'static str> {
        match self {
            Self::SteppedDown { why, .. } => Some(why),
            _ => None,
        }
    }

    fn landmark(&self) -> bool {
        if let Self::Arbiter(inner) = self {
            return matches!(inner, RaftFact::Elected { .. });
        }
        !matches!(
            self,
            Self::Executed { .. }
                | Self::Acknowledged { .. }
                | Self::ReadServed { .. }
                | Self::Applied { .. }
                | Self::SnapshotTaken { .. }
        )
    }

    fn describe(&self, out: &mut dyn core::fmt::Write) -> core::fmt::Result {
        super::describe::fact(self, out)
    }
}
