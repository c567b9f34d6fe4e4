//! What Paxos nodes send each other, what they write to disk, and what they announce.

use super::ballot::Ballot;
use super::log::{Run, Slice};
use super::members::Members;
use super::rejoin::Lives;
use crate::shared::number::numbers;
use crate::shared::replication::{Image, ReadRound};
use crate::shared::words;
use core::fmt;
use sim_core::{ClientId, NodeId, NodeSet, StateMachine};
use std::rc::Rc;

/// Header of every message on the wire, in bytes.
const HEADER: u32 = 48;

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

impl<C> fmt::Display for Report<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ", chosen up to {}", self.commit)?;
        self.runs.iter().try_for_each(|accepted| write!(f, ", {accepted}"))
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

impl<C> fmt::Display for Welcome<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { blank: true, life, .. } => write!(f, "life {life}; so was mine"),
            Self { life, promised, report, .. } => write!(f, "life {life}, promised to {promised}{report}"),
        }
    }
}

sim_core::messages! {
    /// One message.
    pub enum PaxosMessage<M: StateMachine> of HEADER bytes {
        /// Phase 1a, for all slots behind `after` at once: help no ballot below this one, and say what you have
        /// accepted.
        Prepare {
            /// The ballot.
            ballot: Ballot,
            /// The newest slot up to which the candidate knows everything chosen.
            after: u64,
            /// The ballot whose leader has asked the candidate to take over; none if it comes of its own accord.
            handed: Ballot,
        } = "Prepare" (|out| {
            write!(out, "ballot {ballot}, all slots after {after}")?;
            if *handed == Ballot::ZERO { Ok(()) } else { write!(out, ", taking over from ballot {handed}") }
    }),
        /// Phase 1b.
        Promise {
            /// The ballot promised to.
            ballot: Ballot,
            /// The sender's life (see `rejoin.rs`).
            life: Life,
            /// What it has accepted.
            report: Report<M::Command>,
        } = "Promise" bytes { report.bytes() } ("ballot {ballot}{report}"),
        /// The answer to a ballot that was outbid.
        Outbid {
            /// The ballot this answers.
            ballot: Ballot,
            /// The one that outbids it.
            promised: Ballot,
        } = "Outbid" ("ballot {ballot}, by {promised}"),
        /// Phase 2a.
        Accept {
            /// The slots, the ballot and the values.
            run: Run<M::Command>,
            /// All slots up to this one are chosen.
            commit: u64,
        } = "Accept" bytes { run.entries.bytes() } ("{run}, chosen up to {commit}"),
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
        } = "Accepted" ("ballot {ballot}, from slot {first}"),
        /// The leader is alive.
        Heartbeat {
            /// Its ballot.
            ballot: Ballot,
            /// All slots up to this one are chosen.
            commit: u64,
            /// The newest read round (see `read.rs`); an answer confirms it.
            round: ReadRound,
        } = "Heartbeat" ("ballot {ballot}, chosen up to {commit}, round {round}"),
        /// The sender has promised nothing above this ballot.
        Alive {
            /// The ballot.
            ballot: Ballot,
            /// The read round it confirms.
            round: ReadRound,
            /// All slots up to this one are chosen, and held as such.
            commit: u64,
        } = "HeartbeatReply" ("ballot {ballot}, round {round}"),
        /// Tell me what was chosen behind `after`.
        Learn {
            /// The newest slot up to which the sender knows everything chosen.
            after: u64,
            /// The snapshot it is receiving, by its slot, and how many bytes it has without a gap.
            snapshot: (u64, u64),
        } = "Learn" (|out| match snapshot {
            (_, 0) => write!(out, "what was chosen after {after}?"),
            (slot, bytes) => {
                write!(out, "what was chosen after {after}? has {bytes} bytes of the snapshot up to {slot}")
            }
    }),
        /// These values were chosen.
        Learned {
            /// The first slot.
            first: u64,
            /// The values.
            entries: Slice<M::Command>,
            /// All slots up to this one are chosen: there may be more to ask for.
            commit: u64,
        } = "Learned" bytes { entries.bytes() }
            ("{}, chosen up to {commit}", words::slots(*first, first + entries.len() as u64 - 1)),
        /// A piece of a snapshot, for those who ask about slots that are gone from the log. The piece's bytes are
        /// charged for; the content arrives by reference with each piece, and is used once all pieces have arrived.
        Piece {
            /// Where the piece begins, in bytes.
            offset: u64,
            /// Its length, in bytes.
            length: u32,
            /// The snapshot it is a piece of.
            snapshot: Rc<Snapshot<M>>,
        } = "SnapshotPiece" bytes { *length }
            ("snapshot up to {}, {length} bytes of {} from {offset}", snapshot.slot, snapshot.bytes),
        /// The sender's disk was wiped: what does it have to know before it may take part again?
        Rejoin {
            /// Its new life.
            life: Life,
        } = "Rejoin" ("my disk was wiped; I begin life {life}"),
        /// This. Boxed, because it is rare and long.
        Welcome(welcome: Box<Welcome<M::Command>>) = "Welcome" bytes { welcome.report.bytes() } ("{welcome}"),
        /// The leader of this ballot leads no more: the receiver is to take over at once.
        TakeOver {
            /// The ballot.
            ballot: Ballot,
        } = "TakeOver" ("I lead ballot {ballot} no more"),
    }
}

sim_core::records! {
    /// What a node writes to its disk. Replayed in order, the records give back promise, slots and snapshot.
    pub enum Record<M: StateMachine> {
        /// The first write of a node that finds an empty disk.
        Blank = ("nothing is known yet"),
        /// What an acceptor must never forget beside what it accepted. A disk without this record is a new one, or was
        /// wiped.
        Hard {
            /// No ballot below this one gets its help.
            promised: Ballot,
            /// Its life.
            life: Life,
            /// Whose disks were wiped.
            lives: Lives,
        } = (|out| match life {
        Life(0) => write!(out, "promised to {promised}"),
        life => write!(out, "promised to {promised}, in life {life}"),
    }),
        /// Accepted or learned values. They replace whatever the slots held before.
        Run {
            /// The slots, the ballot and the values.
            run: Run<M::Command>,
            /// All slots up to this one are chosen, and held as such.
            commit: u64,
            /// Where the record before this one ends: a failed sync can leave a gap that nobody was told of.
            after: u64,
        } = ("{run}"),
        /// The state up to some slot.
        Snapshot {
            /// The state.
            snapshot: Rc<Snapshot<M>>,
            /// The slots up to here are gone from the log.
            base: u64,
            /// Where the record before this one ends.
            after: u64,
        } = ("snapshot up to {}, the log begins after {base}", snapshot.slot),
    }
}

sim_core::facts! {
    /// What a node announces.
    pub enum PaxosFact {
        /// It has not heard from a leader for too long and prepares a ballot of its own.
        Campaign {
            /// The ballot.
            ballot: Ballot,
        } = "campaign" landmark ("prepares ballot {ballot}"),
        /// A quorum has promised: it leads.
        Elected {
            /// The ballot.
            ballot: Ballot,
            /// The slots up to this one are chosen already.
            chosen: u64,
            /// The first slot that is free for new commands.
            first: u64,
        } = "elected" landmark
            ("leader of ballot {ballot}, chosen up to {chosen}, open up to {}", first - 1),
        /// It led `ballot` and does no more.
        SteppedDown {
            /// The ballot.
            ballot: Ballot,
        } = "stepped_down" landmark ("no longer leader of ballot {ballot}"),
        /// As a leader it knows everything chosen that was open when it was elected.
        FirstCommit {
            /// The ballot.
            ballot: Ballot,
            /// The newest chosen slot.
            slot: u64,
        } = "first_commit" landmark ("up to {slot}, as leader of ballot {ballot}"),
        /// It has told a candidate of its promise.
        Promised {
            /// The ballot.
            ballot: Ballot,
            /// The candidate.
            candidate: NodeId,
        } = "promised" ("ballot {ballot} of {candidate}"),
        /// It has told a leader, or itself, that it accepted values.
        Accepted {
            /// The ballot.
            ballot: Ballot,
            /// The first slot.
            first: u64,
        } = "accepted" ("from slot {first} in ballot {ballot}"),
        /// As a leader it found that a quorum accepted values.
        Chosen {
            /// The ballot.
            ballot: Ballot,
            /// The first slot.
            first: u64,
            /// The last slot.
            last: u64,
        } = "chosen" ("{} in ballot {ballot}", words::slots(first, last)),
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
        } = "executed" ("slot {slot}: {client} op {op}{}", words::again(fresh)),
        /// It has applied all slots up to `slot`.
        Applied {
            /// The newest applied slot.
            slot: u64,
            /// The running hash of the values up to it.
            chain: u64,
            /// Of the replicated state.
            digest: u64,
        } = "applied" ("up to {slot}"),
        /// It took a snapshot of its own state.
        SnapshotTaken {
            /// The last slot it covers.
            slot: u64,
        } = "snapshot_taken" ("up to {slot}"),
        /// It replaced its state by another replica's snapshot.
        SnapshotInstalled {
            /// The last slot it covers.
            slot: u64,
            /// The running hash of the values up to it.
            chain: u64,
            /// Of the replicated state.
            digest: u64,
        } = "snapshot_installed" landmark ("up to {slot}"),
        /// A read was served.
        ReadServed {
            /// The state it was served from.
            slot: u64,
            /// The session that asked.
            client: ClientId,
            /// The operation's number in it.
            op: u64,
        } = "read_served" ("{client} op {op}, from the state at {slot}"),
        /// Its own disk has kept it waiting for too long, and it leads no longer.
        DiskTimedOut {
            /// The ballot it led.
            ballot: Ballot,
        } = "disk_timed_out" landmark ("its disk hangs: it leads ballot {ballot} no longer"),
        /// Its disk is empty though it was written to before.
        Wiped {
            /// Its new life.
            life: Life,
        } = "wiped" landmark ("begins life {life}"),
        /// It knows again what it may have promised and accepted, and takes part.
        Rebuilt {
            /// Its life.
            life: Life,
        } = "rebuilt" landmark ("takes part again, in life {life}"),
        /// It found a record on its disk that it can not read, or misses one.
        Unreadable {
            /// Which record.
            record: u64,
        } = "unreadable" landmark ("record {record}"),
        /// It has learned who the acceptors are from some slot on.
        Configured {
            /// The first slot.
            from: u64,
            /// The acceptors.
            members: NodeSet,
        } = "configured" landmark ("from slot {from} on the acceptors are {members}"),
        /// Its lease has run out: a read finds that nobody has renewed it, and waits for a round of messages.
        LeaseExpired {
            /// The ballot it leads.
            ballot: Ballot,
        } = "lease_expired" landmark ("nobody has renewed the lease of ballot {ballot}"),
    }
}
