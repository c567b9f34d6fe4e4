//! What Raft nodes send each other, what they write to disk, and what they announce.

use super::configuration::Configuration;
use super::log::Slice;
use crate::shared::number::numbers;
use crate::shared::replication::{Image, ReadRound};
use sim_core::{ClientId, Duration, Kind, Message, NodeId, NodeSet, StateMachine};
use std::rc::Rc;

/// Header of every message on the wire, in bytes.
const HEADER: u32 = 48;

/// The kinds of messages, by [`Kind::index`].
pub const MESSAGE_KINDS: &[&str] = &[
    "RequestVote",
    "Vote",
    "PreVote",
    "PreVoteReply",
    "AppendEntries",
    "AppendReply",
    "AppendReject",
    "Heartbeat",
    "HeartbeatReply",
    "InstallSnapshot",
    "SnapshotReply",
    "TimeoutNow",
    "ReadIndex",
    "ReadIndexReply",
];

/// The kinds of facts, by [`Kind::index`].
pub const FACT_KINDS: &[&str] = &[
    "campaign",
    "elected",
    "stepped_down",
    "first_commit",
    "voted",
    "appended",
    "truncated",
    "committed",
    "executed",
    "applied",
    "snapshot_taken",
    "snapshot_installed",
    "read_served",
    "unreadable",
    "configured",
    "learning",
    "catch_up_round",
    "gave_up",
    "left",
    "handing_over",
    "hand_over_failed",
    "disk_timed_out",
    "lease_expired",
];

numbers! {
    /// A follower's own number for what it asks its leader about reads.
    Question;
}

/// `AppendEntries` (Raft paper, figure 2).
#[derive(Clone, Debug, Hash)]
pub struct Append<C> {
    /// The leader's term.
    pub term: u64,
    /// Index of the entry before `entries`.
    pub prev_index: u64,
    /// Term of that entry.
    pub prev_term: u64,
    /// The leader's commit index.
    pub commit: u64,
    /// The newest read round (see `read.rs`); an answer confirms it.
    pub round: ReadRound,
    /// New entries, shared with the leader's own log; may be empty.
    pub entries: Slice<C>,
}

/// A snapshot: the replicated state, and where in the log it stands.
#[derive(Clone, Debug, Hash)]
pub struct Snapshot<M: StateMachine> {
    /// The last entry it covers.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// The running hash of the log up to it.
    pub chain: u64,
    /// The configuration in force there.
    pub configuration: Configuration,
    /// Size on the wire and on disk, in bytes; never 0.
    pub bytes: u64,
    /// The state.
    pub image: Image<M>,
}

/// One message.
#[derive(Clone, Debug, Hash)]
pub enum RaftMessage<M: StateMachine> {
    /// A candidate asks for a vote (`pre`: asks whether it would get one, dissertation 9.6).
    RequestVote {
        /// The term it campaigns for.
        term: u64,
        /// Its last entry.
        last_index: u64,
        /// That entry's term.
        last_term: u64,
        /// Whether this is only a question.
        pre: bool,
        /// Whether the leader itself wants to be replaced, so that nobody need be loyal to it (3.10).
        transfer: bool,
    },
    /// The answer. A granted pre-vote carries the term that was asked for, everything else the voter's own.
    Vote {
        /// See above.
        term: u64,
        /// Whether it was granted.
        granted: bool,
        /// Whether it answers a pre-vote.
        pre: bool,
    },
    /// New entries.
    Append(Append<M::Command>),
    /// Entries up to `match_index` are durable at the sender and equal to the leader's.
    Appended {
        /// The sender's term.
        term: u64,
        /// See above.
        match_index: u64,
        /// The read round it confirms.
        round: ReadRound,
    },
    /// The entry before the new ones is missing or another one. The fields let the leader skip a whole term at a time
    /// (Raft paper, end of section 5.3).
    Rejected {
        /// The sender's term.
        term: u64,
        /// `prev_index` of the append this answers.
        prev_index: u64,
        /// Term of the sender's entry there; 0 if its log ends before.
        conflict_term: u64,
        /// The sender's first entry of that term, or the end of its log plus one.
        conflict_index: u64,
        /// The read round it confirms.
        round: ReadRound,
    },
    /// The leader is alive.
    Heartbeat {
        /// Its term.
        term: u64,
        /// Its commit index, as far as the receiver is known to have the entries.
        commit: u64,
        /// The newest read round.
        round: ReadRound,
    },
    /// So is the follower. With a higher term it tells a stale leader, or anyone else, to catch up.
    Alive {
        /// The sender's term.
        term: u64,
        /// The read round it confirms.
        round: ReadRound,
    },
    /// A piece of a snapshot. The piece's bytes are charged for; the content arrives by reference with each piece, and
    /// is used once all pieces have arrived.
    InstallSnapshot {
        /// The leader's term.
        term: u64,
        /// Where the piece begins, in bytes.
        offset: u64,
        /// The newest read round.
        round: ReadRound,
        /// Its length, in bytes.
        length: u32,
        /// The snapshot it is a piece of.
        snapshot: Rc<Snapshot<M>>,
    },
    /// How much of a snapshot has arrived.
    SnapshotReceived {
        /// The sender's term.
        term: u64,
        /// Index of the snapshot.
        index: u64,
        /// How many bytes have arrived from the start without a gap.
        received: u64,
        /// The read round it confirms.
        round: ReadRound,
    },
    /// The leader wants the receiver, which holds the whole log, to take over at once (dissertation 3.10).
    TimeoutNow {
        /// The leader's term.
        term: u64,
    },
    /// A follower asks how far it must have applied the log to answer reads (dissertation 6.4).
    ReadIndex {
        /// Its term.
        term: u64,
        /// Its number for the question.
        number: Question,
    },
    /// So far.
    ReadIndexReply {
        /// The leader's term.
        term: u64,
        /// The follower's number.
        number: Question,
        /// The newest entry that was committed when the question came.
        index: u64,
    },
}

impl<M: StateMachine> RaftMessage<M> {
    /// The term it carries.
    #[must_use]
    pub const fn term(&self) -> u64 {
        match self {
            Self::Append(append) => append.term,
            Self::RequestVote { term, .. }
            | Self::Vote { term, .. }
            | Self::Appended { term, .. }
            | Self::Rejected { term, .. }
            | Self::Heartbeat { term, .. }
            | Self::Alive { term, .. }
            | Self::InstallSnapshot { term, .. }
            | Self::SnapshotReceived { term, .. }
            | Self::TimeoutNow { term }
            | Self::ReadIndex { term, .. }
            | Self::ReadIndexReply { term, .. } => *term,
        }
    }
}

impl<M: StateMachine> Message for RaftMessage<M> {
    fn kind(&self) -> Kind {
        let named = |index: u8| Kind::new(index, MESSAGE_KINDS[index as usize]);
        match self {
            Self::RequestVote { pre: false, .. } => named(0),
            Self::Vote { pre: false, .. } => named(1),
            Self::RequestVote { pre: true, .. } => named(2),
            Self::Vote { pre: true, .. } => named(3),
            Self::Append(_) => named(4),
            Self::Appended { .. } => named(5),
            Self::Rejected { .. } => named(6),
            Self::Heartbeat { .. } => named(7),
            Self::Alive { .. } => named(8),
            Self::InstallSnapshot { .. } => named(9),
            Self::SnapshotReceived { .. } => named(10),
            Self::TimeoutNow { .. } => named(11),
            Self::ReadIndex { .. } => named(12),
            Self::ReadIndexReply { .. } => named(13),
        }
    }

    fn bytes(&self) -> u32 {
        HEADER
            + match self {
                Self::Append(append) => append.entries.bytes(),
                Self::InstallSnapshot { length, .. } => *length,
                _ => 0,
            }
    }

    fn describe(&self, out: &mut dyn core::fmt::Write) -> core::fmt::Result {
        super::describe::message(self, out)
    }
}

/// What a node writes to its disk. Replayed in order, the records give back term, vote, log and snapshot.
#[derive(Clone, Debug, Hash)]
pub enum Record<M: StateMachine> {
    /// Term and vote, written together (writing them one after the other is a published bug).
    Hard {
        /// The current term.
        term: u64,
        /// Who got the vote in it.
        vote: Option<NodeId>,
    },
    /// Entries of the log. Those that are there already change nothing.
    Entries {
        /// Index of the first.
        first: u64,
        /// Term of the entry before the first, so that the log can begin here after compaction.
        prev_term: u64,
        /// The entries.
        entries: Slice<M::Command>,
    },
    /// The log ends before this index.
    Truncate {
        /// The first entry that is gone.
        from: u64,
    },
    /// The state up to some entry. The log goes on behind it if it has that entry, or begins anew there.
    Snapshot(Rc<Snapshot<M>>),
}

/// What a node announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RaftFact {
    /// It has not heard from a leader for an election timeout and looks for votes.
    Campaign {
        /// The term it campaigns for.
        term: u64,
        /// Whether it only asks around first.
        pre: bool,
    },
    /// It won.
    Elected {
        /// In this term.
        term: u64,
        /// Its last entry, before the term's own first.
        last_index: u64,
    },
    /// It was leader of `term` and is no more.
    SteppedDown {
        /// The term it led.
        term: u64,
    },
    /// As a leader it has committed the first entry of its own term.
    FirstCommit {
        /// The term.
        term: u64,
        /// The entry.
        index: u64,
    },
    /// It gave its vote.
    Voted {
        /// In this term.
        term: u64,
        /// To this node.
        candidate: NodeId,
    },
    /// Its log grew.
    Appended {
        /// The first new entry.
        first: u64,
        /// The last new entry.
        last: u64,
        /// The last one's term.
        term: u64,
        /// The running hash of its log up to the last.
        chain: u64,
    },
    /// Its log was cut.
    Truncated {
        /// The first entry that is gone.
        from: u64,
    },
    /// As leader of `term` it knows entries up to `index` to be committed.
    Committed {
        /// The newest committed entry.
        index: u64,
        /// The leader's term.
        term: u64,
    },
    /// As a leader it applied one entry.
    Executed {
        /// The entry.
        index: u64,
        /// The running hash of the log up to it.
        chain: u64,
        /// The session that asked.
        client: ClientId,
        /// The operation's number in it.
        op: u64,
        /// Whether it was executed now; false for a retry that was answered from the session.
        fresh: bool,
    },
    /// It has applied entries up to `index`.
    Applied {
        /// The newest applied entry.
        index: u64,
        /// The running hash of the log up to it.
        chain: u64,
        /// Of the replicated state.
        digest: u64,
    },
    /// It took a snapshot of its own state.
    SnapshotTaken {
        /// The last entry it covers.
        index: u64,
    },
    /// It replaced its state by the leader's snapshot.
    SnapshotInstalled {
        /// The last entry it covers.
        index: u64,
        /// The running hash of the log up to it.
        chain: u64,
        /// Of the replicated state.
        digest: u64,
    },
    /// A read was confirmed by a quorum and served.
    ReadServed {
        /// The state it was served from.
        index: u64,
        /// The session that asked.
        client: ClientId,
        /// The operation's number in it.
        op: u64,
    },
    /// The newest configuration of its log is another one than before: it was appended, or one behind it was removed.
    Configured {
        /// Where it stands.
        index: u64,
        /// The voters.
        voters: NodeSet,
        /// Whether a majority of those before is needed too.
        joint: bool,
    },
    /// That configuration has servers without a vote.
    Learning {
        /// Where it stands.
        index: u64,
        /// Those.
        learners: NodeSet,
    },
    /// As a leader it sees that a new server holds all that it itself held when the round began.
    CatchUpRound {
        /// The new server.
        node: NodeId,
        /// Which round this was, counted from 1.
        round: u32,
        /// What it held.
        upto: u64,
        /// How long it took.
        took: Duration,
    },
    /// As a leader it adds a new server not yet: after all rounds that server is still too slow.
    GaveUp {
        /// The new server.
        node: NodeId,
    },
    /// It led the cluster out of which it has now been removed.
    Left {
        /// The configuration without it.
        index: u64,
    },
    /// It found a record on its disk that it can not read, or misses one, and does not start.
    Unreadable {
        /// Which record.
        record: u64,
    },
    /// As leader of `term` it begins to hand leadership over.
    HandingOver {
        /// The term it leads.
        term: u64,
        /// To this node.
        to: NodeId,
    },
    /// Nothing came of it, and it goes on to lead.
    HandOverFailed {
        /// The term it leads.
        term: u64,
        /// Who did not take over.
        to: NodeId,
    },
    /// Its own disk has kept it waiting for too long, and it leads no longer.
    DiskTimedOut {
        /// The term it led.
        term: u64,
    },
    /// Its lease has run out: a read finds that nobody has renewed it, and waits for a round of messages.
    LeaseExpired {
        /// The term it leads.
        term: u64,
    },
}

impl sim_core::Fact for RaftFact {
    fn kind(&self) -> Kind {
        let named = |index: u8| Kind::new(index, FACT_KINDS[index as usize]);
        match self {
            Self::Campaign { .. } => named(0),
            Self::Elected { .. } => named(1),
            Self::SteppedDown { .. } => named(2),
            Self::FirstCommit { .. } => named(3),
            Self::Voted { .. } => named(4),
            Self::Appended { .. } => named(5),
            Self::Truncated { .. } => named(6),
            Self::Committed { .. } => named(7),
            Self::Executed { .. } => named(8),
            Self::Applied { .. } => named(9),
            Self::SnapshotTaken { .. } => named(10),
            Self::SnapshotInstalled { .. } => named(11),
            Self::ReadServed { .. } => named(12),
            Self::Unreadable { .. } => named(13),
            Self::Configured { .. } => named(14),
            Self::Learning { .. } => named(15),
            Self::CatchUpRound { .. } => named(16),
            Self::GaveUp { .. } => named(17),
            Self::Left { .. } => named(18),
            Self::HandingOver { .. } => named(19),
            Self::HandOverFailed { .. } => named(20),
            Self::DiskTimedOut { .. } => named(21),
            Self::LeaseExpired { .. } => named(22),
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
                | Self::FirstCommit { .. }
                | Self::SnapshotInstalled { .. }
                | Self::Unreadable { .. }
                | Self::Configured { .. }
                | Self::Left { .. }
                | Self::HandingOver { .. }
                | Self::HandOverFailed { .. }
                | Self::DiskTimedOut { .. }
                | Self::LeaseExpired { .. }
        )
    }
}
