//! What nodes send each other, what they write to disk, and what they announce.

use super::arbiter::{Petition, Ruling, Seat};
use super::detector::SwimMessage;
use super::log::{Entry, Position, Snapshot};
use super::sentinel::{self, Notes, SentinelMessage};
use crate::consensus::raft::{self, Raft, RaftFact, RaftMessage};
use crate::shared::number::numbers;
use crate::shared::replication::{Landmark, Minute};
use crate::shared::words;
use sim_core::{ClientId, LocalInstant, NodeId, NodeSet};
use std::rc::Rc;

/// Header of every message on the wire, in bytes.
const HEADER: u32 = 48;

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

sim_core::messages! {
    /// One message.
    pub enum FailoverMessage of HEADER bytes {
        /// The primary is alive.
        Heartbeat {
            /// Its epoch.
            epoch: u64,
            /// Everything up to here is committed.
            committed: u64,
            /// When it was sent, on the primary's clock.
            sent: LocalInstant,
        } = "Heartbeat" ("epoch {epoch}, committed up to {committed}"),
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
        } = "Alive" (|out| match last {
        Some(last) => write!(out, "epoch {epoch}, has all up to {last}, on disk up to {durable}"),
        None => write!(out, "epoch {epoch}"),
    }),
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
        } = "Replicate" bytes { entries.iter().map(Entry::bytes).sum::<u32>() }
            ("epoch {epoch}, {}, committed up to {committed}", words::entries(previous + 1, entries.len())),
        /// How far the sender's log has got.
        Stored {
            /// The epoch.
            epoch: u64,
            /// The last entry on disk.
            durable: u64,
            /// The last entry in memory.
            last: u64,
        } = "Stored" ("epoch {epoch}, has all up to {last}, on disk up to {durable}"),
        /// A backup asks where its log and the primary's part (KIP-101, `OffsetsForLeaderEpoch`).
        Join {
            /// The primary's epoch.
            epoch: u64,
            /// Where its own ends.
            last: Position,
        } = "Join"
            ("epoch {epoch}, its log ends at {} of epoch {}: where do we part?", last.offset, last.epoch),
        /// The primary's newest epoch that is not newer than the one asked for, and where that ends in its log.
        Joined {
            /// The primary's epoch.
            epoch: u64,
            /// What was asked.
            asked: Position,
            /// See above.
            end: Position,
        } = "Joined"
            ("epoch {epoch}, up to epoch {}: epoch {} ends at {}", asked.epoch, end.epoch, end.offset),
        /// The state, because the log that the receiver lacks is forgotten.
        Install {
            /// The primary's epoch.
            epoch: u64,
            /// The state.
            snapshot: Rc<Snapshot>,
        } = "Install" bytes { u32::try_from(snapshot.bytes).unwrap_or(u32::MAX - HEADER) }
            ("epoch {epoch}, the state at {}, {} bytes", snapshot.offset, snapshot.bytes),
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
        } = "RequestVote" | "Poll" [usize::from(*poll)] (|out| {
            let asked = if *transfer { ", at its primary's wish" } else { "" };
            write!(out, "epoch {epoch}, its log ends at {} of epoch {}{asked}", last.offset, last.epoch)
    }),
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
        } = "Vote" | "PollReply" [usize::from(*poll)]
            ("epoch {epoch}, {}", if *granted { "granted" } else { "refused" }),
        /// There is a newer epoch than the receiver's.
        Newer {
            /// That epoch.
            epoch: u64,
        } = "Newer" ("epoch {epoch} has begun"),
        /// The primary has stepped down in favour of the receiver.
        TakeOver {
            /// Its epoch.
            epoch: u64,
        } = "TakeOver" ("epoch {epoch} is over: lead now"),
        /// The primary says who is in sync.
        SetInSync {
            /// That.
            in_sync: InSync,
        } = "SetInSync"
            ("epoch {}, change {}: in sync are {}", in_sync.epoch, in_sync.version, in_sync.nodes),
        /// A data node asks the arbiter something.
        Petition {
            /// The sender's number for it.
            number: PetitionNumber,
            /// What.
            petition: Petition,
        } = "Petition" ("{petition:?}"),
        /// The arbiter has agreed on an answer.
        Ruled {
            /// The receiver's number.
            number: PetitionNumber,
            /// The answer.
            ruling: Ruling,
        } = "Ruled"
            ("{}, epoch {}", if ruling.granted { "granted" } else { "refused" }, ruling.seat.epoch),
        /// The sender does not lead the arbiters.
        NotHere {
            /// The receiver's number.
            number: PetitionNumber,
            /// Who may.
            hint: Option<NodeId>,
        } = "NotHere" ("it does not lead the arbiters"),
        /// Between arbiters.
        Arbiter(inner: RaftMessage<Seat>) = "Arbiter" of [raft::MESSAGE_KINDS]
            whole { inner.bytes() } (|out| inner.describe(out)),
        /// A primary wants the journal of the shared storage.
        Mount {
            /// Its epoch.
            epoch: u64,
        } = "Mount" ("epoch {epoch}: what is on the storage?"),
        /// The journal.
        Mounted {
            /// The primary's epoch.
            epoch: u64,
            /// All of it.
            entries: Rc<[Entry]>,
        } = "Mounted" bytes { entries.iter().map(Entry::bytes).sum::<u32>() }
            ("epoch {epoch}, {}", words::entries(1, entries.len())),
        /// A probe, or what belongs to one.
        Swim(inner: SwimMessage) = "Ping" | "PingReq" | "Ack" [usize::from(inner.kind().index)]
            whole { inner.bytes() } (|out| inner.describe(out)),
        /// The sender has written that down.
        InSyncSet {
            /// The epoch.
            epoch: u64,
            /// Which change.
            version: SetVersion,
        } = "InSyncSet" ("epoch {epoch}, change {version} is written down"),
        /// Of sentinels, or to one.
        Sentinel(inner: SentinelMessage) = "Sentinel" of [sentinel::MESSAGE_KINDS]
            whole { inner.bytes() } (|out| inner.describe(out)),
    }
}

sim_core::records! {
    /// What a node writes to its disk. Replayed in order, the records give back what it has promised, its log and its
    /// snapshot.
    pub enum Record {
        /// It goes along with no older epoch, and in this one with nobody else than this node.
        Promise {
            /// The epoch.
            epoch: u64,
            /// Whom it voted for.
            vote: Option<NodeId>,
        } = (|out| match vote {
            None => write!(out, "epoch {epoch}"),
        Some(vote) => write!(out, "epoch {epoch}, for {vote}"),
    }),
        /// Who is in sync, as the primary said.
        InSync(in_sync: InSync) = ("epoch {}, in sync are {}", in_sync.epoch, in_sync.nodes),
        /// Entries of the log.
        Entries {
            /// The first.
            first: u64,
            /// The entries.
            entries: Rc<[Entry]>,
            /// What it knew to be committed.
            committed: u64,
        } = ("{}", words::entries(*first, entries.len())),
        /// The log ends before this entry.
        Truncate {
            /// The first that is gone.
            from: u64,
        } = ("the log ends before {from}"),
        /// The log begins anew behind a snapshot.
        Snapshot(snapshot: Rc<Snapshot>) = ("snapshot up to {}", snapshot.offset),
        /// Of the arbiters' group.
        Arbiter(inner: raft::Record<Seat>) = ("{inner:?}"),
        /// A sentinel has told it whom to follow.
        Told {
            /// The epoch of that sentinel.
            epoch: u64,
            /// Whom; itself if it leads.
            primary: NodeId,
        } = ("follows {primary}, as told in epoch {epoch}"),
        /// What a sentinel knows and has promised.
        Sentinel(notes: Notes) = ("epoch {}, vote {:?}, {:?}", notes.epoch, notes.vote, notes.config),
    }
}

/// What an arbiter announces: the rise of a leader, a disk that can not be read, or what nobody looks for.
fn sort(minute: Minute<RaftFact>) -> usize {
    match minute.landmark::<Raft<Seat>>() {
        Some(Landmark::Elected(_)) => 0,
        Some(Landmark::Unreadable { .. }) => 1,
        None => 2,
    }
}

sim_core::facts! {
    /// What a node announces.
    pub enum FailoverFact {
        /// It takes the primary for dead.
        Suspected {
            /// The primary, if it knew one.
            primary: Option<NodeId>,
            /// The newest epoch it knows.
            epoch: u64,
        } = "suspected" landmark (|out| match primary {
        Some(primary) => write!(out, "{primary}, the primary of epoch {epoch}"),
        None => write!(out, "nobody leads after epoch {epoch}"),
    }),
        /// It is the primary now: enough others have agreed.
        Decided {
            /// Of this epoch.
            epoch: u64,
            /// Those who agreed, itself included.
            supporters: NodeSet,
            /// Whether the primary before wanted it.
            planned: bool,
        } = "decided" landmark
            ("primary of epoch {epoch}, with {supporters}{}", if planned { ", as planned" } else { "" }),
        /// As the primary it begins to serve.
        Promoted {
            /// Its epoch.
            epoch: u64,
        } = "promoted" landmark ("serves as primary of epoch {epoch}"),
        /// As the primary it acknowledges the first write of a client.
        FirstAck {
            /// Its epoch.
            epoch: u64,
        } = "first_ack" landmark ("epoch {epoch}"),
        /// It was the primary and is no more.
        SteppedDown {
            /// Its epoch.
            epoch: u64,
            /// Why.
            why: &'static str,
        } = "stepped_down" landmark ("no longer primary of epoch {epoch}: {why}"),
        /// It goes along with a candidate.
        Voted {
            /// The epoch.
            epoch: u64,
            /// The candidate.
            candidate: NodeId,
        } = "voted" landmark ("for {candidate} in epoch {epoch}"),
        /// As a backup it has found where its log and the primary's part.
        Joined {
            /// The epoch.
            epoch: u64,
            /// Where its log ends now.
            last: u64,
        } = "joined" landmark ("epoch {epoch}, its log is the primary's up to {last}"),
        /// Its log was cut.
        Truncated {
            /// The first entry that is gone.
            from: u64,
            /// The last it had.
            last: u64,
        } = "truncated" landmark
            ("{}", words::entries(from, (last + 1).saturating_sub(from) as usize)),
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
        } = "executed" ("entry {}: {client} op {op}{}", entry.offset, words::again(fresh)),
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
        } = "acknowledged" ("entry {}: {client} op {op}", entry.offset),
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
        } = "read_served" ("{client} op {op}, from the state at {}", entry.offset),
        /// It has applied entries up to here.
        Applied {
            /// The last.
            entry: Position,
            /// The running hash of the log up to it.
            chain: u64,
            /// Of the state.
            digest: u64,
        } = "applied" ("up to {}", entry.offset),
        /// It took a snapshot of its own state.
        SnapshotTaken {
            /// The last entry it covers.
            offset: u64,
        } = "snapshot_taken" ("up to {offset}"),
        /// It replaced its state by the primary's.
        SnapshotInstalled {
            /// The last entry it covers.
            entry: Position,
            /// The running hash of the log up to it.
            chain: u64,
            /// Of the state.
            digest: u64,
        } = "snapshot_installed" landmark ("up to {}", entry.offset),
        /// As the primary it has agreed with the arbiter who is in sync.
        InSyncChanged {
            /// Its epoch.
            epoch: u64,
            /// Those.
            nodes: NodeSet,
        } = "in_sync" landmark ("epoch {epoch}: {nodes}"),
        /// As the primary it begins to hand over.
        HandingOver {
            /// Its epoch.
            epoch: u64,
            /// To this node.
            to: NodeId,
            /// Whether to give the lead back to the preferred node.
            back: bool,
        } = "handing_over" landmark
            ("epoch {epoch}, to {to}{}", if back { ", which is preferred" } else { "" }),
        /// As an arbiter it announces something of their group.
        Arbiter(inner: Minute<RaftFact>) = "arbiter_elected" | "unreadable" | "arbiter" [sort(inner)]
            landmark { sort(inner) < 2 }
            (|out| match inner {
                Minute::Said(RaftFact::Elected { term, .. }) => write!(out, "leads the arbiters in term {term}"),
                Minute::Said(RaftFact::Unreadable { record }) => write!(out, "record {record}"),
                inner => inner.describe(out),
            }),
        /// It found a record on its disk that it can not read, or misses one, and does not start.
        Unreadable {
            /// Which record.
            record: u64,
        } = "unreadable" landmark ("record {record}"),
        /// As a sentinel it votes for who leads the sentinels.
        SentinelVoted {
            /// In this epoch.
            epoch: u64,
            /// For this sentinel.
            leader: NodeId,
        } = "sentinel_voted" ("for {leader} in epoch {epoch}"),
        /// It leads the sentinels, and fails over.
        SentinelElected {
            /// In this epoch.
            epoch: u64,
            /// With their votes.
            votes: NodeSet,
        } = "sentinel_elected" landmark ("leads the sentinels in epoch {epoch}, with the votes of {votes}"),
        /// As a sentinel it gives a fail-over up.
        Aborted {
            /// The epoch in which it stood, or was elected.
            epoch: u64,
            /// Why.
            why: &'static str,
        } = "fail_over_aborted" landmark ("epoch {epoch}: {why}"),
        /// As a sentinel it watches another primary from now on.
        ConfigSwitched {
            /// Of the fail-over of this epoch.
            epoch: u64,
            /// The primary.
            primary: NodeId,
        } = "config_switched" landmark ("the primary is {primary}, as of epoch {epoch}"),
    }

    impl {
        fn why(&self) -> Option<&'static str> {
            match self {
                Self::SteppedDown { why, .. } | Self::Aborted { why, .. } => Some(why),
                _ => None,
            }
        }
    }
}
