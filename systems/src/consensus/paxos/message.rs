//! What Paxos nodes send each other, what they write to disk, and what they announce.

use super::ballot::Ballot;
use super::log::{Run, Slice};
use super::members::Members;
use super::rejoin::Lives;
use crate::shared::number::numbers;
use crate::shared::replication::{Image, ReadRound};
use sim_core::{ClientId, Kind, Message, NodeId, NodeSet, StateMachine};
use std::rc::Rc;

/// Header of every message on the wire, in bytes.
const HEADER: u32 = 48;

/// The kinds of messages, by [`Kind::index`].
pub const MESSAGE_KINDS: &[&str] = &[
    "Prepare",
    "Promise",
    "Outbid",
    "Accept",
    "Accepted",
    "Heartbeat",
    "HeartbeatReply",
    "Learn",
    "Learned",
    "SnapshotPiece",
    "Rejoin",
    "Welcome",
    "TakeOver",
];

/// The kinds of facts, by [`Kind::index`].
pub const FACT_KINDS: &[&str] = &[
    "campaign",
    "elected",
    "stepped_down",
    "first_commit",
    "promised",
    "accepted",
    "chosen",
    "executed",
    "applied",
    "snapshot_taken",
    "snapshot_installed",
    "read_served",
    "wiped",
    "rebuilt",
    "unreadable",
    "configured",
    "disk_timed_out",
    "lease_expired",
];

numbers! {
    /// Tells the lives of one replica apart, which a wiped disk ends; the first one is 0, and later ones are larger.
    Life;
}

/// A snapshot: the replicated state, and up to which slot it has applied.
#[derive(Clone, Debug, Hash)]
pub struct Snapshot<M: StateMachine> {
    /// The last slot it covers.
    pub slot: u64,
    /// The running hash of the values up to it.
    pub chain: u64,
    /// Size on the wire and on disk, in bytes; never 0.
    pub bytes: u64,
    /// The state.
    pub image: Image<M>,
    /// The configurations of the slots behind it.
    pub members: Members,
}

/// What an acceptor tells a new leader, or a replica that lost its disk.
#[derive(Clone, Debug, Hash)]
pub struct Report<C> {
    /// All slots up to this one are chosen, and known to the sender.
    pub commit: u64,
    /// What it has accepted behind the slot it was asked about. Up to `commit` these are the chosen values.
    pub runs: Rc<[Run<C>]>,
    /// Whose disks were wiped, as far as the sender knows.
    pub lives: Lives,
}

impl<C> Report<C> {
    fn bytes(&self) -> u32 {
        self.runs.iter().map(|run| 24 + run.entries.bytes()).sum()
    }
}

/// What another replica tells one whose disk was wiped.
#[derive(Clone, Debug, Hash)]
pub struct Welcome<C> {
    /// The life that asked.
    pub life: Life,
    /// Whether the sender has lost its memory too, and knows nothing.
    pub blank: bool,
    /// The sender's promise.
    pub promised: Ballot,
    /// Everything it has accepted and not compacted.
    pub report: Report<C>,
    /// The configurations of the slots behind those that it knows to be chosen.
    pub members: Members,
}

/// One message.
#[derive(Clone, Debug, Hash)]
pub enum PaxosMessage<M: StateMachine> {
    /// Phase 1a, for all slots behind `after` at once: help no ballot below this one, and say what you have accepted.
    Prepare {
        /// The ballot.
        ballot: Ballot,
        /// The newest slot up to which the candidate knows everything chosen.
        after: u64,
        /// The ballot whose leader has asked the candidate to take over; none if it comes of its own accord.
        handed: Ballot,
    },
    /// Phase 1b.
    Promise {
        /// The ballot promised to.
        ballot: Ballot,
        /// The sender's life (see `rejoin.rs`).
        life: Life,
        /// What it has accepted.
        report: Report<M::Command>,
    },
    /// The answer to a ballot that was outbid.
    Outbid {
        /// The ballot this answers.
        ballot: Ballot,
        /// The one that outbids it.
        promised: Ballot,
    },
    /// Phase 2a.
    Accept {
        /// The slots, the ballot and the values.
        run: Run<M::Command>,
        /// All slots up to this one are chosen.
        commit: u64,
    },
    /// Phase 2b: the slots are durable at the sender.
    Accepted {
        /// The ballot.
        ballot: Ballot,
        /// The first slot.
        first: u64,
        /// The sender's life.
        life: Life,
        /// Whose disks were wiped, as far as the sender knows.
        lives: Lives,
    },
    /// The leader is alive.
    Heartbeat {
        /// Its ballot.
        ballot: Ballot,
        /// All slots up to this one are chosen.
        commit: u64,
        /// The newest read round (see `read.rs`); an answer confirms it.
        round: ReadRound,
    },
    /// The sender has promised nothing above this ballot.
    Alive {
        /// The ballot.
        ballot: Ballot,
        /// The read round it confirms.
        round: ReadRound,
        /// All slots up to this one are chosen, and held as such.
        commit: u64,
    },
    /// Tell me what was chosen behind `after`.
    Learn {
        /// The newest slot up to which the sender knows everything chosen.
        after: u64,
        /// The snapshot it is receiving, by its slot, and how many bytes it has without a gap.
        snapshot: (u64, u64),
    },
    /// These values were chosen.
    Learned {
        /// The first slot.
        first: u64,
        /// The values.
        entries: Slice<M::Command>,
        /// All slots up to this one are chosen: there may be more to ask for.
        commit: u64,
    },
    /// A piece of a snapshot, for those who ask about slots that are gone from the log. The piece's bytes are charged
    /// for; the content arrives by reference with each piece, and is used once all pieces have arrived.
    Piece {
        /// Where the piece begins, in bytes.
        offset: u64,
        /// Its length, in bytes.
        length: u32,
        /// The snapshot it is a piece of.
        snapshot: Rc<Snapshot<M>>,
    },
    /// The sender's disk was wiped: what does it have to know before it may take part again?
    Rejoin {
        /// Its new life.
        life: Life,
    },
    /// This. Boxed, because it is rare and long.
    Welcome(Box<Welcome<M::Command>>),
    /// The leader of this ballot leads no more: the receiver is to take over at once.
    TakeOver {
        /// The ballot.
        ballot: Ballot,
    },
}

impl<M: StateMachine> Message for PaxosMessage<M> {
    fn kind(&self) -> Kind {
        let named = |index: u8| Kind::new(index, MESSAGE_KINDS[index as usize]);
        match self {
            Self::Prepare { .. } => named(0),
            Self::Promise { .. } => named(1),
            Self::Outbid { .. } => named(2),
            Self::Accept { .. } => named(3),
            Self::Accepted { .. } => named(4),
            Self::Heartbeat { .. } => named(5),
            Self::Alive { .. } => named(6),
            Self::Learn { .. } => named(7),
            Self::Learned { .. } => named(8),
            Self::Piece { .. } => named(9),
            Self::Rejoin { .. } => named(10),
            Self::Welcome(_) => named(11),
            Self::TakeOver { .. } => named(12),
        }
    }

    fn bytes(&self) -> u32 {
        HEADER
            + match self {
                Self::Accept { run, .. } => run.entries.bytes(),
                Self::Learned { entries, .. } => entries.bytes(),
                Self::Promise { report, .. } => report.bytes(),
                Self::Welcome(welcome) => welcome.report.bytes(),
                Self::Piece { length, .. } => *length,
                _ => 0,
            }
    }

    fn describe(&self, out: &mut dyn core::fmt::Write) -> core::fmt::Result {
        super::describe::message(self, out)
    }
}

/// What a node writes to its disk. Replayed in order, the records give back promise, slots and snapshot.
#[derive(Clone, Debug, Hash)]
pub enum Record<M: StateMachine> {
    /// The first write of a node that finds an empty disk.
    Blank,
    /// What an acceptor must never forget beside what it accepted. A disk without this record is a new one, or was
    /// wiped.
    Hard {
        /// No ballot below this one gets its help.
        promised: Ballot,
        /// Its life.
        life: Life,
        /// Whose disks were wiped.
        lives: Lives,
    },
    /// Accepted or learned values. They replace whatever the slots held before.
    Run {
        /// The slots, the ballot and the values.
        run: Run<M::Command>,
        /// All slots up to this one are chosen, and held as such.
        commit: u64,
        /// Where the record before this one ends: a failed sync can leave a gap that nobody was told of.
        after: u64,
    },
    /// The state up to some slot.
    Snapshot {
        /// The state.
        snapshot: Rc<Snapshot<M>>,
        /// The slots up to here are gone from the log.
        base: u64,
        /// Where the record before this one ends.
        after: u64,
    },
}

/// What a node announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PaxosFact {
    /// It has not heard from a leader for too long and prepares a ballot of its own.
    Campaign {
        /// The ballot.
        ballot: Ballot,
    },
    /// A quorum has promised: it leads.
    Elected {
        /// The ballot.
        ballot: Ballot,
        /// The slots up to this one are chosen already.
        chosen: u64,
        /// The first slot that is free for new commands.
        first: u64,
    },
    /// It led `ballot` and does no more.
    SteppedDown {
        /// The ballot.
        ballot: Ballot,
    },
    /// As a leader it knows everything chosen that was open when it was elected.
    FirstCommit {
        /// The ballot.
        ballot: Ballot,
        /// The newest chosen slot.
        slot: u64,
    },
    /// It has told a candidate of its promise.
    Promised {
        /// The ballot.
        ballot: Ballot,
        /// The candidate.
        candidate: NodeId,
    },
    /// It has told a leader, or itself, that it accepted values.
    Accepted {
        /// The ballot.
        ballot: Ballot,
        /// The first slot.
        first: u64,
    },
    /// As a leader it found that a quorum accepted values.
    Chosen {
        /// The ballot.
        ballot: Ballot,
        /// The first slot.
        first: u64,
        /// The last slot.
        last: u64,
    },
    /// As a leader it applied one command.
    Executed {
        /// The slot.
        slot: u64,
        /// The running hash of the values up to it.
        chain: u64,
        /// The session that asked.
        client: ClientId,
        /// The operation's number in it.
        op: u64,
        /// Whether it was executed now; false for a retry that was answered from the session.
        fresh: bool,
    },
    /// It has applied all slots up to `slot`.
    Applied {
        /// The newest applied slot.
        slot: u64,
        /// The running hash of the values up to it.
        chain: u64,
        /// Of the replicated state.
        digest: u64,
    },
    /// It took a snapshot of its own state.
    SnapshotTaken {
        /// The last slot it covers.
        slot: u64,
    },
    /// It replaced its state by another replica's snapshot.
    SnapshotInstalled {
        /// The last slot it covers.
        slot: u64,
        /// The running hash of the values up to it.
        chain: u64,
        /// Of the replicated state.
        digest: u64,
    },
    /// A read was served.
    ReadServed {
        /// The state it was served from.
        slot: u64,
        /// The session that asked.
        client: ClientId,
        /// The operation's number in it.
        op: u64,
    },
    /// Its own disk has kept it waiting for too long, and it leads no longer.
    DiskTimedOut {
        /// The ballot it led.
        ballot: Ballot,
    },
    /// Its disk is empty though it was written to before.
    Wiped {
        /// Its new life.
        life: Life,
    },
    /// It knows again what it may have promised and accepted, and takes part.
    Rebuilt {
        /// Its life.
        life: Life,
    },
    /// It found a record on its disk that it can not read, or misses one.
    Unreadable {
        /// Which record.
        record: u64,
    },
    /// It has learned who the acceptors are from some slot on.
    Configured {
        /// The first slot.
        from: u64,
        /// The acceptors.
        members: NodeSet,
    },
    /// Its lease has run out: a read finds that nobody has renewed it, and waits for a round of messages.
    LeaseExpired {
        /// The ballot it leads.
        ballot: Ballot,
    },
}

impl sim_core::Fact for PaxosFact {
    fn kind(&self) -> Kind {
        let named = |index: u8| Kind::new(index, FACT_KINDS[index as usize]);
        match self {
            Self::Campaign { .. } => named(0),
            Self::Elected { .. } => named(1),
            Self::SteppedDown { .. } => named(2),
            Self::FirstCommit { .. } => named(3),
            Self::Promised { .. } => named(4),
            Self::Accepted { .. } => named(5),
            Self::Chosen { .. } => named(6),
            Self::Executed { .. } => named(7),
            Self::Applied { .. } => named(8),
            Self::SnapshotTaken { .. } => named(9),
            Self::SnapshotInstalled { .. } => named(10),
            Self::ReadServed { .. } => named(11),
            Self::Wiped { .. } => named(12),
            Self::Rebuilt { .. } => named(13),
            Self::Unreadable { .. } => named(14),
            Self::Configured { .. } => named(15),
            Self::DiskTimedOut { .. } => named(16),
            Self::LeaseExpired { .. } => named(17),
        }
    }

    fn describe(&self, out: &mut dyn core::fmt::Write) -> core::fmt::Result {
        super::describe::fact(self, out)
    }

    fn landmark(&self) -> bool {
        matches!(
            self,
            Self::Campaign { .. }
                | Self::Elected { .. }
                | Self::SteppedDown { .. }
                | Self::DiskTimedOut { .. }
                | Self::LeaseExpired { .. }
                | Self::FirstCommit { .. }
                | Self::SnapshotInstalled { .. }
                | Self::Wiped { .. }
                | Self::Rebuilt { .. }
                | Self::Unreadable { .. }
                | Self::Configured { .. }
        )
    }
}
