//! What Raft nodes send each other, what they write to disk, and what they announce.

use super::configuration::Configuration;
use super::log::Slice;
use crate::shared::number::numbers;
use crate::shared::replication::{Image, ReadRound};
use crate::shared::words;
use core::fmt;
use sim_core::{ClientId, Duration, NodeId, NodeSet, StateMachine};
use std::rc::Rc;

/// Header of every message on the wire, in bytes.
const HEADER: u32 = 48;

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

impl<C> fmt::Display for Append<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { term, prev_index, prev_term, commit, entries, .. } = self;
        let entries = words::entries(prev_index + 1, entries.len());
        write!(f, "term {term}, {entries} after {prev_index} of term {prev_term}, commit {commit}")
    }
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

sim_core::messages! {
    /// One message.
    pub enum RaftMessage<M: StateMachine> of HEADER bytes {
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
        } = "RequestVote" | "PreVote" [usize::from(*pre)]
            (|out| {
                let asked = if *transfer { ", at its leader's wish" } else { "" };
                write!(out, "term {term}, its log ends at {last_index} of term {last_term}{asked}")
            }),
        /// The answer. A granted pre-vote carries the term that was asked for, everything else the voter's own.
        Vote {
            /// See above.
            term: u64,
            /// Whether it was granted.
            granted: bool,
            /// Whether it answers a pre-vote.
            pre: bool,
        } = "Vote" | "PreVoteReply" [usize::from(*pre)]
            ("term {term}, {}", if *granted { "granted" } else { "refused" }),
        /// New entries.
        Append(append: Append<M::Command>) = "AppendEntries" bytes { append.entries.bytes() } ("{append}"),
        /// Entries up to `match_index` are durable at the sender and equal to the leader's.
        Appended {
            /// The sender's term.
            term: u64,
            /// See above.
            match_index: u64,
            /// The read round it confirms.
            round: ReadRound,
        } = "AppendReply" ("term {term}, has all up to {match_index}"),
        /// The entry before the new ones is missing or another one. The fields let the leader skip a whole term at a
        /// time (Raft paper, end of section 5.3).
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
        } = "AppendReject"
            ("term {term}, no match at {prev_index}, try {conflict_index} of term {conflict_term}"),
        /// The leader is alive.
        Heartbeat {
            /// Its term.
            term: u64,
            /// Its commit index, as far as the receiver is known to have the entries.
            commit: u64,
            /// The newest read round.
            round: ReadRound,
        } = "Heartbeat" ("term {term}, commit {commit}, round {round}"),
        /// So is the follower. With a higher term it tells a stale leader, or anyone else, to catch up.
        Alive {
            /// The sender's term.
            term: u64,
            /// The read round it confirms.
            round: ReadRound,
        } = "HeartbeatReply" ("term {term}, round {round}"),
        /// A piece of a snapshot. The piece's bytes are charged for; the content arrives by reference with each piece,
        /// and is used once all pieces have arrived.
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
        } = "InstallSnapshot" bytes { *length }
            ("term {term}, snapshot up to {}, {length} bytes of {} from {offset}", snapshot.index, snapshot.bytes),
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
        } = "SnapshotReply" ("term {term}, snapshot up to {index}, {received} bytes have arrived"),
        /// The leader wants the receiver, which holds the whole log, to take over at once (dissertation 3.10).
        TimeoutNow {
            /// The leader's term.
            term: u64,
        } = "TimeoutNow" ("term {term}, take over now"),
        /// A follower asks how far it must have applied the log to answer reads (dissertation 6.4).
        ReadIndex {
            /// Its term.
            term: u64,
            /// Its number for the question.
            number: Question,
        } = "ReadIndex" ("term {term}, how far must reads have got?"),
        /// So far.
        ReadIndexReply {
            /// The leader's term.
            term: u64,
            /// The follower's number.
            number: Question,
            /// The newest entry that was committed when the question came.
            index: u64,
        } = "ReadIndexReply" ("term {term}, reads must see all up to {index}"),
    }
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

impl<M: StateMachine> RaftMessage<M> {
    /// Whether `next`, to the same node, says all that this acknowledgement does: what only this one knows goes into
    /// it.
    pub(super) fn goes_into(&self, next: &mut Self) -> bool {
        match (self, next) {
            (
                Self::Appended { term, match_index, round },
                Self::Appended { term: next_term, match_index: next, round: next_round },
            ) if term == next_term => {
                *next = (*next).max(*match_index);
                *next_round = (*next_round).max(*round);
                true
            }
            _ => false,
        }
    }
}

sim_core::records! {
    /// What a node writes to its disk. Replayed in order, the records give back term, vote, log and snapshot.
    pub enum Record<M: StateMachine> {
        /// Term and vote, written together (writing them one after the other is a published bug).
        Hard {
            /// The current term.
            term: u64,
            /// Who got the vote in it.
            vote: Option<NodeId>,
        } = ("term {term}, {}", vote.map_or("no vote".to_owned(), |vote| format!("vote for {vote}"))),
        /// Entries of the log. Those that are there already change nothing.
        Entries {
            /// Index of the first.
            first: u64,
            /// Term of the entry before the first, so that the log can begin here after compaction.
            prev_term: u64,
            /// The entries.
            entries: Slice<M::Command>,
        } = ("{}", words::entries(*first, entries.len())),
        /// The log ends before this index.
        Truncate {
            /// The first entry that is gone.
            from: u64,
        } = ("the log ends before {from}"),
        /// The state up to some entry. The log goes on behind it if it has that entry, or begins anew there.
        Snapshot(snapshot: Rc<Snapshot<M>>) = ("snapshot up to {} of term {}", snapshot.index, snapshot.term),
    }
}

sim_core::facts! {
    /// What a node announces.
    pub enum RaftFact {
        /// It has not heard from a leader for an election timeout and looks for votes.
        Campaign {
            /// The term it campaigns for.
            term: u64,
            /// Whether it only asks around first.
            pre: bool,
        } = "campaign" landmark
            ("asks {} in term {term}", if pre { "whether it would get votes" } else { "for votes" }),
        /// It won.
        Elected {
            /// In this term.
            term: u64,
            /// Its last entry, before the term's own first.
            last_index: u64,
        } = "elected" landmark ("leader of term {term}, its log ends at {last_index}"),
        /// It was leader of `term` and is no more.
        SteppedDown {
            /// The term it led.
            term: u64,
        } = "stepped_down" landmark ("no longer leader of term {term}"),
        /// As a leader it has committed the first entry of its own term.
        FirstCommit {
            /// The term.
            term: u64,
            /// The entry.
            index: u64,
        } = "first_commit" landmark ("entry {index} of term {term}"),
        /// It gave its vote.
        Voted {
            /// In this term.
            term: u64,
            /// To this node.
            candidate: NodeId,
        } = "voted" ("for {candidate} in term {term}"),
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
        } = "appended" ("{} of term {term}", words::entries(first, (last + 1).saturating_sub(first) as usize)),
        /// Its log was cut.
        Truncated {
            /// The first entry that is gone.
            from: u64,
        } = "truncated" ("its log ends before {from}"),
        /// As leader of `term` it knows entries up to `index` to be committed.
        Committed {
            /// The newest committed entry.
            index: u64,
            /// The leader's term.
            term: u64,
        } = "committed" ("up to {index}, as leader of term {term}"),
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
        } = "executed" ("entry {index}: {client} op {op}{}", words::again(fresh)),
        /// It has applied entries up to `index`.
        Applied {
            /// The newest applied entry.
            index: u64,
            /// The running hash of the log up to it.
            chain: u64,
            /// Of the replicated state.
            digest: u64,
        } = "applied" ("up to {index}"),
        /// It took a snapshot of its own state.
        SnapshotTaken {
            /// The last entry it covers.
            index: u64,
        } = "snapshot_taken" ("up to {index}"),
        /// It replaced its state by the leader's snapshot.
        SnapshotInstalled {
            /// The last entry it covers.
            index: u64,
            /// The running hash of the log up to it.
            chain: u64,
            /// Of the replicated state.
            digest: u64,
        } = "snapshot_installed" landmark ("up to {index}"),
        /// A read was confirmed by a quorum and served.
        ReadServed {
            /// The state it was served from.
            index: u64,
            /// The session that asked.
            client: ClientId,
            /// The operation's number in it.
            op: u64,
        } = "read_served" ("{client} op {op}, from the state at {index}"),
        /// The newest configuration of its log is another one than before: it was appended, or one behind it was
        /// removed.
        Configured {
            /// Where it stands.
            index: u64,
            /// The voters.
            voters: NodeSet,
            /// Whether a majority of those before is needed too.
            joint: bool,
        } = "configured" landmark ("entry {index}: {voters}{}", if joint { ", jointly with those before" } else { "" }),
        /// That configuration has servers without a vote.
        Learning {
            /// Where it stands.
            index: u64,
            /// Those.
            learners: NodeSet,
        } = "learning" ("entry {index}: {learners}"),
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
        } = "catch_up_round" ("round {round}: {node} has all up to {upto}, after {took}"),
        /// As a leader it adds a new server not yet: after all rounds that server is still too slow.
        GaveUp {
            /// The new server.
            node: NodeId,
        } = "gave_up" ("{node} is too slow to get a vote now"),
        /// It led the cluster out of which it has now been removed.
        Left {
            /// The configuration without it.
            index: u64,
        } = "left" landmark ("removed by entry {index}"),
        /// It found a record on its disk that it can not read, or misses one, and does not start.
        Unreadable {
            /// Which record.
            record: u64,
        } = "unreadable" landmark ("record {record}"),
        /// As leader of `term` it begins to hand leadership over.
        HandingOver {
            /// The term it leads.
            term: u64,
            /// To this node.
            to: NodeId,
        } = "handing_over" landmark ("term {term}, to {to}"),
        /// Nothing came of it, and it goes on to lead.
        HandOverFailed {
            /// The term it leads.
            term: u64,
            /// Who did not take over.
            to: NodeId,
        } = "hand_over_failed" landmark ("{to} did not take over term {term}"),
        /// Its own disk has kept it waiting for too long, and it leads no longer.
        DiskTimedOut {
            /// The term it led.
            term: u64,
        } = "disk_timed_out" landmark ("its disk hangs: it leads term {term} no longer"),
        /// Its lease has run out: a read finds that nobody has renewed it, and waits for a round of messages.
        LeaseExpired {
            /// The term it leads.
            term: u64,
        } = "lease_expired" landmark ("nobody has renewed the lease of term {term}"),
    }
}
