//! What nodes tell each other, write to their disks and announce.

use super::ledger::{Entry, Ledger};
use super::txn::{Act, Age, Found, Key, Mark, Reason, Shards, State, TxnId, Vote};
use crate::consensus::raft::{self, RaftFact, RaftMessage};
use crate::shared::replication::Minute;
use core::fmt;
use sim_core::{Fact, Kind, Message, NodeId};
use std::rc::Rc;

/// A ballot of Paxos Commit; the votes of participants are those of ballot 0.
pub type Ballot = u64;

/// What the acceptors of a transaction have of each participant: in which ballot, and what.
pub type Votes = Vec<(u32, Ballot, Vote)>;

/// What a shard is told when it is to vote.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Finish {
    /// The participants whose votes decide.
    pub participants: Shards,
    /// Which acceptors beside the coordinator get the vote (Paxos Commit).
    pub acceptors: Vec<NodeId>,
    /// What was found elsewhere, at the shard that keeps the operation's idempotency key.
    pub once: Option<Vec<Found>>,
}

/// What came of executing acts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// What they found.
    Found(Vec<Found>),
    /// The transaction has to be aborted.
    No(Reason),
    /// The operation was done before, at this try, and found this.
    Repeated(TxnId, Vec<Found>),
}

/// What is known of a transaction's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Known {
    /// It has committed, as of this time.
    Commit(u64),
    /// It has aborted.
    Abort,
    /// It goes on.
    Working,
}

/// A message of the group of a shard.
#[derive(Clone, Debug, Hash)]
pub struct Grouped {
    /// Which shard.
    pub shard: u32,
    /// What.
    pub inner: RaftMessage<Ledger>,
}

impl Message for Grouped {
    fn kind(&self) -> Kind {
        self.inner.kind()
    }
    fn bytes(&self) -> u32 {
        2 + self.inner.bytes()
    }
}

/// A fact of the group of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Said {
    /// Which shard.
    pub shard: u32,
    /// What.
    pub inner: Minute<RaftFact>,
}

impl Said {
    fn sort(self) -> usize {
        match self.inner {
            Minute::Said(fact) if fact.kind().name == "elected" => 0,
            _ => 1,
        }
    }
}

impl Fact for Said {
    fn describe(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "s{} ", self.shard + 1)?;
        self.inner.describe(out)
    }
}

sim_core::messages! {
    /// Between coordinators, shards and acceptors.
    pub enum CommitMessage of 48 bytes {
        /// A coordinator has a shard carry out the next acts of a transaction.
        Execute {
            /// Which.
            txn: TxnId,
            /// How old it is.
            age: Age,
            /// How many such messages the shard has had for it, this one included.
            seq: u32,
            /// The acts.
            acts: Rc<[Act]>,
            /// The client and the number of its operation, where that has an idempotency key that this shard keeps.
            once: Option<(u32, u64)>,
            /// As of when it reads, where it reads snapshots.
            snapshot: u64,
            /// Everything of this coordinator below is over.
            floor: u64,
            /// They are its last ones: the shard votes, too.
            finish: Option<Rc<Finish>>,
        } = "Execute" | "ExecutePrepare" [usize::from(finish.is_some())] bytes { 24 * acts.len() as u32 }
            ("{txn} #{seq} {} acts", acts.len()),
        /// What came of it, with the vote if one was asked for.
        Executed {
            /// Which.
            txn: TxnId,
            /// Where.
            shard: u32,
            /// Of which of those messages.
            seq: u32,
            /// What.
            answer: Answer,
            /// The vote.
            vote: Option<Vote>,
        } = "Executed" | "ExecutedVote" [usize::from(vote.is_some())] bytes { weight(answer) } (|out| {
            write!(out, "{txn} s{} #{seq}", shard + 1)?;
            match answer {
                Answer::Found(_) => {}
                Answer::No(reason) => write!(out, " no: {}", reason.name())?,
                Answer::Repeated(..) => write!(out, " done before")?,
            }
            vote.map_or(Ok(()), |vote| write!(out, " {vote:?}"))
        }),
        /// A shard is to vote.
        Prepare {
            /// On which.
            txn: TxnId,
            /// How many messages it must have had for it.
            seq: u32,
            /// What it has to know.
            finish: Rc<Finish>,
        } = "Prepare" bytes { 16 } ("{txn} of {}", finish.participants),
        /// The vote: to the coordinator, and in Paxos Commit to acceptors.
        Voted {
            /// On which.
            txn: TxnId,
            /// Whose.
            shard: u32,
            /// What.
            vote: Vote,
            /// All whose votes decide.
            participants: Shards,
        } = "Vote" ("{txn} s{} {vote:?}", shard + 1),
        /// Three-phase commit: all have voted yes, or this participant is to help to abort.
        Pre {
            /// Which.
            txn: TxnId,
            /// Which of the two.
            commit: bool,
            /// As of when it commits.
            at: u64,
        } = "PreAbort" | "PreCommit" [usize::from(*commit)] ("{txn}"),
        /// Where a participant is now: it answers `Pre` and `Poll`.
        Stands {
            /// In which.
            txn: TxnId,
            /// Who.
            shard: u32,
            /// Where.
            state: State,
        } = "Stands" ("{txn} s{} {state:?}", shard + 1),
        /// A participant that ends a transaction itself asks the others where they are.
        Poll {
            /// In which.
            txn: TxnId,
            /// Who asks.
            shard: u32,
        } = "Poll" ("{txn} by s{}", shard + 1),
        /// The decision.
        Decision {
            /// On which.
            txn: TxnId,
            /// What.
            commit: bool,
            /// As of when it commits.
            at: u64,
            /// Everything of this coordinator below is over.
            floor: u64,
        } = "Abort" | "Commit" [usize::from(*commit)] ("{txn}"),
        /// It is on the participant's disk.
        Ack {
            /// Which.
            txn: TxnId,
            /// Whose.
            shard: u32,
            /// Which decision.
            commit: bool,
            /// As of when.
            at: u64,
        } = "Ack" ("{txn} s{}", shard + 1),
        /// What became of it? Asked by a participant, of the coordinator or of another.
        Inquire {
            /// Of which.
            txn: TxnId,
            /// Who asks.
            shard: u32,
            /// Whether it has voted yes.
            prepared: bool,
            /// All whose votes decide, as far as it knows.
            participants: Shards,
        } = "Inquire" ("{txn} by s{}", shard + 1),
        /// What one knows.
        Outcome {
            /// Of which.
            txn: TxnId,
            /// What.
            known: Known,
            /// Whether who has asked had voted yes then: to who had not, an abort is no news of what came after.
            prepared: bool,
        } = "Outcome" ("{txn} {known:?}"),
        /// A node is no leader of its shard; this one may be.
        NotLeader {
            /// Of which.
            shard: u32,
            /// Who.
            hint: Option<NodeId>,
        } = "NotLeader" ("s{}", shard + 1),
        /// Paxos Commit: who ends a transaction for its coordinator asks the acceptors for what they have accepted.
        Phase1a {
            /// Which.
            txn: TxnId,
            /// In which ballot.
            ballot: Ballot,
        } = "Phase1a" ("{txn} ballot {ballot}"),
        /// They promise to accept nothing older.
        Phase1b {
            /// Which.
            txn: TxnId,
            /// In which ballot.
            ballot: Ballot,
            /// What they have accepted.
            votes: Votes,
            /// All whose votes decide, as far as the acceptor knows.
            participants: Shards,
        } = "Phase1b" bytes { 20 * votes.len() as u32 } ("{txn} ballot {ballot}"),
        /// What is to be accepted in that ballot.
        Phase2a {
            /// Which.
            txn: TxnId,
            /// In which ballot.
            ballot: Ballot,
            /// What of whom.
            votes: Votes,
            /// All whose votes decide.
            participants: Shards,
        } = "Phase2a" bytes { 20 * votes.len() as u32 } ("{txn} ballot {ballot}"),
        /// It was: to the coordinator, or, in Faster Paxos Commit, to the participants.
        Phase2b {
            /// Which.
            txn: TxnId,
            /// In which ballot.
            ballot: Ballot,
            /// All that it has of it.
            votes: Votes,
        } = "Phase2b" bytes { 20 * votes.len() as u32 } ("{txn} ballot {ballot}"),
        /// An older transaction wants a lock of this one.
        Wound {
            /// Which one has it.
            txn: TxnId,
            /// Which one wants it.
            by: TxnId,
        } = "Wound" ("{txn} by {by}"),
        /// A probe for deadlocks: whom does this one wait for?
        Probe {
            /// Who began it.
            origin: TxnId,
            /// The youngest so far.
            youngest: (Age, TxnId),
            /// Who is asked about now.
            at: TxnId,
            /// How many it has passed.
            hops: u32,
        } = "Probe" ("{origin} at {at}"),
        /// The youngest of a circle has to go.
        Kill {
            /// Which.
            txn: TxnId,
        } = "Kill" ("{txn}"),
        /// Of the group of a shard.
        Group(inner: Grouped) = "" of [raft::MESSAGE_KINDS] whole { inner.bytes() } (|out| inner.inner.describe(out)),
    }
}

fn weight(answer: &Answer) -> u32 {
    let of = |found: &Found| if let Found::List(marks) = found { 12 * marks.len() as u32 } else { 12 };
    match answer {
        Answer::Found(all) | Answer::Repeated(_, all) => all.iter().map(of).sum(),
        Answer::No(_) => 4,
    }
}

sim_core::records! {
    /// One append to a disk.
    pub enum CommitRecord {
        /// A process has begun: its number among those of this machine.
        Began {
            /// Which.
            epoch: u64,
        } = ("{epoch}"),
        /// A coordinator that presumes commits is going to ask for votes.
        Collecting {
            /// For which.
            txn: TxnId,
            /// From whom.
            participants: Shards,
        } = ("{txn} of {participants}"),
        /// Decisions, of one or, by group commit, of several.
        Decided {
            /// Which committed, with whom, as of when.
            commits: Vec<(TxnId, Shards, u64)>,
        } = ("{} commits", commits.len()),
        /// All have acknowledged the end of a transaction.
        Ended {
            /// Which.
            txn: TxnId,
        } = ("{txn}"),
        /// An acceptor has promised.
        Promised {
            /// For which.
            txn: TxnId,
            /// To accept nothing below.
            ballot: Ballot,
        } = ("{txn} ballot {ballot}"),
        /// An acceptor has accepted.
        Accepted {
            /// For which.
            txn: TxnId,
            /// All whose votes decide.
            participants: Shards,
            /// What, in which ballot.
            votes: Votes,
        } = ("{txn} {} votes", votes.len()),
        /// A shard of one node: an entry of its log.
        Entry(entry: Entry) = ("{entry}"),
        /// All that was before.
        Snapshot(ledger: Rc<Ledger>) = ("of {} entries", ledger.carried()),
        /// Of the group of a shard.
        Group(inner: raft::Record<Ledger>) = (|out| inner.describe(out)),
    }
}

sim_core::facts! {
    /// What nodes announce.
    pub enum CommitFact {
        /// A coordinator begins a transaction for a client.
        Begins {
            /// Which.
            txn: TxnId,
            /// Whose.
            client: u32,
            /// Which of its operations.
            op: u64,
        } = "begins" ("{txn} for c{} op {op}", client + 1),
        /// A coordinator asks for votes: from here on others may be in doubt.
        Collects {
            /// On which.
            txn: TxnId,
            /// Whose votes decide.
            participants: Shards,
        } = "collects" | "collects_one" [usize::from(participants.len() < 2)] ("{txn} of {participants}"),
        /// It has: all are asked, and none but the first has voted.
        Asks {
            /// On which.
            txn: TxnId,
        } = "asks" ("{txn}"),
        /// A shard waits for a lock on behalf of a transaction.
        Waits {
            /// Which.
            txn: TxnId,
            /// For which key.
            key: Key,
            /// Which one has it, or comes before it.
            holder: TxnId,
            /// Whether that one is in doubt.
            in_doubt: bool,
        } = "waits" ("{txn} for {key} of {holder}"),
        /// It waits no more: it has the lock, or gives up.
        Waited {
            /// Which.
            txn: TxnId,
            /// Whether it has it.
            granted: bool,
        } = "waited" ("{txn} granted {granted}"),
        /// A shard has taken locks for a transaction.
        Locks {
            /// Which.
            txn: TxnId,
            /// Where.
            shard: u32,
        } = "locks" ("{txn} at s{}", shard + 1),
        /// A shard has let all of them go.
        Unlocks {
            /// Which.
            txn: TxnId,
            /// Where.
            shard: u32,
        } = "unlocks" ("{txn} at s{}", shard + 1),
        /// A participant has voted yes: it is in doubt from here on.
        Prepared {
            /// Which.
            txn: TxnId,
            /// Where.
            shard: u32,
        } = "prepared" ("{txn} at s{}", shard + 1),
        /// A shard has told that it voted no, or has aborted what it does not know: that stays.
        Refused {
            /// Which.
            txn: TxnId,
            /// Where.
            shard: u32,
        } = "refused" ("{txn} at s{}", shard + 1),
        /// A participant in doubt has asked, and was not answered.
        Blocked {
            /// On which.
            txn: TxnId,
            /// Where.
            shard: u32,
        } = "blocked" landmark ("{txn} at s{}", shard + 1),
        /// It is decided: by the coordinator once that is on its disk, or by who has ended it in its place.
        Decides {
            /// What.
            txn: TxnId,
            /// Which of the two.
            commit: bool,
            /// Why, of an abort.
            why: Option<Reason>,
        } = "aborts" | "commits" [usize::from(commit)] (|out| match why {
            Some(why) => write!(out, "{txn}: {}", why.name()),
            None => write!(out, "{txn}"),
        }),
        /// A shard has carried out a decision.
        Applies {
            /// Which.
            txn: TxnId,
            /// Where.
            shard: u32,
            /// Which of the two.
            commit: bool,
        } = "applies_abort" | "applies_commit" [usize::from(commit)] ("{txn} at s{}", shard + 1),
        /// Who is not the coordinator, or is again, ends a transaction.
        TakesOver {
            /// Which.
            txn: TxnId,
            /// In which ballot; 0 where there are none.
            ballot: Ballot,
        } = "takes_over" landmark ("{txn} ballot {ballot}"),
        /// A coordinator is back, and knows of so many decisions that not all have heard.
        Recovers {
            /// So many.
            open: u64,
        } = "recovers" landmark ("{open} decisions to tell"),
        /// A circle of those who wait for each other was found.
        Deadlock {
            /// Who has to go.
            victim: TxnId,
            /// How many were in it.
            length: u32,
        } = "deadlock" ("{length} wait for each other, {victim} goes"),
        /// A coordinator tells a client that its transaction has committed, or was done before.
        Answers {
            /// Which.
            txn: TxnId,
            /// Whether it was done before.
            repeated: bool,
        } = "answers" ("{txn}"),
        /// A shard serves from now on: it has applied all that was decided before.
        Serves {
            /// Which.
            shard: u32,
        } = "serves" landmark ("s{}", shard + 1),
        /// Of the group of a shard.
        Group(inner: Said) = "elected" | "group" [inner.sort()] landmark { inner.sort() == 0 }
            (|out| inner.describe(out)),
    }
}

/// What kind of transaction a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Reads all accounts.
    Audit,
    /// Moves money from one account to another.
    Transfer,
    /// Reads lists.
    Lists,
    /// Reads some lists and appends to others.
    Append,
    /// Reads registers.
    Registers,
    /// Reads some registers and writes others.
    Write,
    /// Reads two lists and appends to one of them.
    Skew,
    /// Reads one list.
    Get,
    /// Appends to one list.
    Put,
    /// As `append`, on many lists.
    Long,
}

/// What a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct CommitRequest {
    /// What.
    pub what: What,
    /// From which key on.
    pub key: u64,
    /// Unique in the run: what it writes is named after it, and all else is drawn from it.
    pub unique: u64,
}

/// What it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CommitResponse {
    /// It has committed.
    Committed {
        /// At which try.
        txn: TxnId,
        /// What each of its acts found.
        found: Vec<Found>,
    },
    /// It was aborted, and nothing of it is there.
    Aborted(Reason),
}

/// The marks that are told in words.
#[must_use]
pub fn told(marks: &[Mark]) -> String {
    let all: Vec<String> = marks.iter().map(ToString::to_string).collect();
    format!("[{}]", all.join(" "))
}
