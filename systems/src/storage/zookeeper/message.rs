//! What nodes tell each other, write to their disks and announce.

use super::tree::{Change, Tree};
use super::txn::{Answer, Call, Entry, Path, Session, Xid, Zxid};
use crate::shared::fenced::Write;
use core::fmt;
use sim_core::NodeId;
use sim_core::hash::Hashed;
use std::rc::Rc;

/// A vote: who shall lead, and why that one. The newest epoch counts first, then the newest transaction, then the
/// number of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vote {
    /// The epoch that the candidate has taken part in.
    pub epoch: u32,
    /// The newest transaction in its log.
    pub zxid: Zxid,
    /// The candidate.
    pub leader: NodeId,
}

impl fmt::Display for Vote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (epoch {}, {})", self.leader, self.epoch, self.zxid)
    }
}

/// What a server is doing, as it tells others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doing {
    /// It looks for a leader.
    Looking,
    /// It follows one.
    Following,
    /// It leads.
    Leading,
}

sim_core::messages! {
    /// Between servers, and between them, applications and a store.
    pub enum ZkMessage of 40 bytes {
        /// Fast leader election: what the sender votes and does.
        Notification {
            /// Its vote.
            vote: Vote,
            /// Which of its elections it is in.
            round: u64,
            /// What it does.
            doing: Doing,
        } = "Notification" bytes { 36 } ("{vote}, round {round}, {doing:?}"),
        /// Discovery: a learner has found its leader.
        FollowerInfo {
            /// The newest epoch it has agreed to.
            accepted: u32,
            /// Its own number for this attempt to follow.
            attempt: u64,
        } = "FollowerInfo" ("epoch {accepted}"),
        /// The receiver does not lead, or not yet.
        NotLeading = "NotLeading" (""),
        /// Discovery: the new epoch.
        LeaderInfo {
            /// The epoch.
            epoch: u32,
            /// Of which attempt.
            attempt: u64,
        } = "LeaderInfo" ("epoch {epoch}"),
        /// The learner agrees, and has this.
        AckEpoch {
            /// The epoch it has last taken part in.
            current: u32,
            /// The newest transaction in its log.
            last: Zxid,
            /// The oldest that it can go back to.
            floor: Zxid,
            /// Whether it had not agreed to this epoch before.
            fresh: bool,
            /// Of which attempt.
            attempt: u64,
        } = "AckEpoch" ("epoch {current}, {last}"),
        /// Synchronisation: what the learner lacks follows.
        Diff = "Diff" (""),
        /// Synchronisation: the learner forgets what is newer than this first.
        Trunc {
            /// The newest transaction that it keeps.
            last: Zxid,
        } = "Trunc" ("{last}"),
        /// Synchronisation: all there is.
        Snap(tree: Rc<Hashed<Tree>>) = "Snap" bytes { tree.bytes().min(1 << 30) as u32 } ("{}", tree.last()),
        /// The learner is up to date with the beginning of an epoch once all before is durable.
        NewLeader {
            /// The epoch.
            epoch: u32,
        } = "NewLeader" ("epoch {epoch}"),
        /// All before that is durable.
        AckNewLeader = "AckNewLeader" (""),
        /// The learner may serve.
        UpToDate {
            /// The newest transaction that is committed.
            committed: Zxid,
        } = "UpToDate" ("{committed}"),
        /// Broadcast: write this.
        Propose(entry: Rc<Entry>) = "Propose" bytes { entry.bytes() } ("{entry}"),
        /// It is durable.
        Ack {
            /// Which.
            zxid: Zxid,
        } = "Ack" ("{zxid}"),
        /// A quorum has it.
        Commit {
            /// Which, and all before.
            zxid: Zxid,
        } = "Commit" ("{zxid}"),
        /// The same for an observer, which has not been asked.
        Inform(entry: Rc<Entry>) = "Inform" bytes { entry.bytes() } ("{entry}"),
        /// The leader is there.
        Ping = "Ping" (""),
        /// The learner is there, and so are these sessions.
        Pong {
            /// Those that it has heard of since the last one.
            touched: Vec<Session>,
        } = "Pong" bytes { 12 * touched.len() as u32 } ("{} sessions", touched.len()),
        /// A learner passes a client's call on.
        Forward {
            /// Whose.
            session: Session,
            /// Which of its calls.
            xid: Xid,
            /// What.
            call: Call,
        } = "Forward" bytes { 40 } ("{:x}/{xid} {call:?}", session.0),
        /// A learner asks for a new session.
        OpenSession {
            /// Its number.
            session: Session,
            /// How long it may be silent, in nanoseconds.
            timeout: u64,
        } = "OpenSession" ("{:x}", session.0),
        /// A learner asks whether a session is alive that has come to it.
        Revalidate {
            /// Which.
            session: Session,
        } = "Revalidate" ("{:x}", session.0),
        /// The answer.
        Revalidated {
            /// Which.
            session: Session,
            /// Whether it is.
            alive: bool,
        } = "Revalidated" ("{:x} {alive}", session.0),
        /// The leader has told the learner all that was committed when `sync` came.
        SyncDone {
            /// Whose.
            session: Session,
            /// Which of its calls.
            xid: Xid,
        } = "SyncDone" ("{:x}/{xid}", session.0),

        /// A client comes, with its session if it has one.
        Connect {
            /// Its session.
            session: Option<Session>,
            /// The newest transaction that it has seen.
            seen: Zxid,
            /// How long its session may be silent, in nanoseconds.
            timeout: u64,
        } = "Connect" bytes { 16 } ("seen {seen}"),
        /// It is welcome.
        Connected {
            /// Its session.
            session: Session,
        } = "Connected" ("{:x}", session.0),
        /// Its session is over.
        Expired = "Expired" (""),
        /// The server serves nobody now, or the client has seen more than it has.
        Bye = "Bye" (""),
        /// A call.
        Call {
            /// Its number.
            xid: Xid,
            /// What is asked.
            call: Call,
        } = "Call" bytes { 40 } ("{xid} {call:?}"),
        /// The answer, in the order of the calls.
        Reply {
            /// To which.
            xid: Xid,
            /// The newest transaction the server had.
            zxid: Zxid,
            /// What it says.
            answer: Answer,
        } = "Reply" bytes { 40 } ("{xid} at {zxid}: {answer:?}"),
        /// What was watched has changed.
        Event {
            /// What.
            path: Path,
            /// How.
            change: Change,
            /// By which transaction.
            zxid: Zxid,
        } = "Event" bytes { 24 } ("{path} {change:?} at {zxid}"),
        /// A client that has come again to a server watches these still, and knows the state of this time.
        SetWatches {
            /// The newest transaction it has seen.
            seen: Zxid,
            /// Nodes whose data it watches, and whether it knows of a node there.
            data: Vec<(Path, bool)>,
            /// Nodes whose children it watches.
            children: Vec<Path>,
        } = "SetWatches" bytes { 24 * (data.len() + children.len()) as u32 } ("seen {seen}"),
        /// The client is there.
        ClientPing = "ClientPing" (""),
        /// So is the server.
        ClientPong {
            /// The newest transaction the server has.
            zxid: Zxid,
        } = "ClientPong" ("{zxid}"),

        /// An application writes to a store under a lock.
        Write(write: Write) = "Write" ("{write}"),
        /// Whether it was taken.
        Wrote {
            /// The application's number for it.
            number: u64,
            /// Whether.
            accepted: bool,
        } = "Wrote" ("{number}: {accepted}"),
    }
}

sim_core::records! {
    /// One append to a server's disk.
    pub enum ZkRecord {
        /// `acceptedEpoch`: the newest epoch it has agreed to.
        Accepted {
            /// The epoch.
            epoch: u32,
        } = ("accepted epoch {epoch}"),
        /// `currentEpoch`: the newest one it has taken part in.
        Current {
            /// The epoch.
            epoch: u32,
        } = ("current epoch {epoch}"),
        /// A transaction at the end of the log.
        Txn(entry: Rc<Entry>) = ("{entry}"),
        /// The end of the log is cut off.
        Truncated {
            /// The newest transaction that is left.
            last: Zxid,
        } = ("truncated to {last}"),
        /// All up to a transaction.
        Snapshot(tree: Rc<Hashed<Tree>>) = ("snapshot of {}", tree.last()),
        /// A store has taken this.
        Wrote(write: Write) = ("{write}"),
    }
}

/// How a learner is brought up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SyncWay {
    /// It gets what it lacks.
    Diff,
    /// It forgets what it has too much of.
    Trunc,
    /// It gets everything.
    Snap,
}

sim_core::facts! {
    /// What nodes announce.
    pub enum ZkFact {
        /// A server looks for a leader.
        Looking {
            /// Which of its elections it is.
            round: u64,
        } = "looking" landmark ("round {round}"),
        /// It has been elected, by its own count.
        Elected {
            /// The epoch it has taken part in last.
            epoch: u32,
        } = "elected" landmark ("after epoch {epoch}"),
        /// A quorum has agreed to its epoch and has its history.
        Established {
            /// The epoch.
            epoch: u32,
            /// All up to here is committed.
            last: Zxid,
        } = "established" landmark ("epoch {epoch}, {last}"),
        /// It brings a learner up to date.
        Synchronises {
            /// Whom.
            learner: NodeId,
            /// How.
            way: SyncWay,
        } = "sync_diff" | "sync_trunc" | "sync_snap" [way as usize] ("{learner}"),
        /// A learner serves.
        Follows {
            /// Whom.
            leader: NodeId,
            /// In which epoch.
            epoch: u32,
        } = "follows" landmark ("{leader} in epoch {epoch}"),
        /// A leader has lost its quorum.
        SteppedDown {
            /// Its epoch.
            epoch: u32,
        } = "stepped_down" landmark ("epoch {epoch}"),
        /// A leader proposes.
        Proposed {
            /// What.
            zxid: Zxid,
        } = "proposed" ("{zxid}"),
        /// A server has applied everything up to here.
        Applied {
            /// The newest transaction.
            zxid: Zxid,
            /// The running hash of all of them.
            chain: u64,
        } = "applied" ("{zxid}"),
        /// A session begins.
        Opened {
            /// Which.
            session: Session,
        } = "session_opened" landmark ("{:x}", session.0),
        /// The leader ends one that was silent too long.
        Expires {
            /// Which.
            session: Session,
            /// For how long, in nanoseconds of the leader's clock.
            silent: u64,
        } = "session_expires" landmark ("{:x}", session.0),
        /// An application has lost its server.
        Disconnected {
            /// Its session.
            session: Session,
        } = "disconnected" ("{:x}", session.0),
        /// It has another one.
        Reconnected {
            /// Its session.
            session: Session,
        } = "reconnected" ("{:x}", session.0),
        /// It was answered from an older state than it had seen.
        WentBack {
            /// What it had seen.
            seen: Zxid,
            /// As of when it was answered.
            zxid: Zxid,
        } = "went_back" landmark ("{zxid} after {seen}"),
        /// A follower is told to commit what does not come next.
        CommitGap {
            /// What.
            zxid: Zxid,
        } = "commit_gap" landmark ("{zxid}"),
        /// It has learned that its session is over.
        LostSession {
            /// Which.
            session: Session,
        } = "session_lost" landmark ("{:x}", session.0),
        /// An application believes that it holds a lock from now on.
        Holds {
            /// Which.
            lock: u64,
            /// Its place in the queue: the fencing token.
            token: u32,
            /// In which session.
            session: Session,
        } = "lock_held" ("lock {lock}, {token}"),
        /// It does not any more.
        LetsGo {
            /// Which.
            lock: u64,
            /// Its place in the queue.
            token: u32,
        } = "lock_let_go" ("lock {lock}, {token}"),
        /// An application knows the newest configuration.
        Configured {
            /// What it says.
            data: u64,
        } = "configured" ("{data:x}"),
        /// An application believes that it is elected from now on.
        Leads {
            /// Its place in the queue.
            number: u32,
            /// In which session.
            session: Session,
        } = "leads" ("{number}"),
        /// It does not any more.
        Resigns {
            /// Its place in the queue.
            number: u32,
        } = "resigns" ("{number}"),
        /// An application is past the first door of a double barrier.
        Enters {
            /// Which.
            barrier: u64,
            /// Its own number.
            number: u32,
            /// Numbers below this came in with it.
            mark: u32,
            /// In which session.
            session: Session,
        } = "enters" ("barrier {barrier}, {number} of those below {mark}"),
        /// Its work inside is done.
        Finishes {
            /// Which.
            barrier: u64,
            /// Its own number.
            number: u32,
        } = "finishes" ("barrier {barrier}, {number}"),
        /// It is past the second door.
        Leaves {
            /// Which.
            barrier: u64,
            /// Its own number.
            number: u32,
            /// Numbers below this came in with it.
            mark: u32,
        } = "leaves" ("barrier {barrier}, {number} of those below {mark}"),
        /// A store was written to under a lock.
        Written {
            /// What.
            write: Write,
            /// Whether it was taken.
            accepted: bool,
        } = "store_accepted" | "store_refused" [usize::from(!accepted)] ("{write}"),
    }
}

/// What the program that an application runs asks of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ZkRequest {
    /// What a key holds, as the server at hand knows it.
    Get {
        /// The key.
        key: u64,
    },
    /// The same after `sync`.
    SyncedGet {
        /// The key.
        key: u64,
    },
    /// A key shall hold this.
    Set {
        /// The key.
        key: u64,
        /// The value.
        value: u64,
    },
    /// A key shall hold this if it has not changed since this application last looked.
    Cas {
        /// The key.
        key: u64,
        /// The value.
        value: u64,
    },
    /// This key and the next shall hold this, both or neither.
    Pair {
        /// The key.
        key: u64,
        /// The value.
        value: u64,
    },
    /// Take a lock, hold it for a while, let it go.
    Lock {
        /// Which.
        lock: u64,
    },
    /// Everybody shall know this.
    Configure {
        /// The configuration.
        value: u64,
    },
    /// Stand for election, lead for a while, resign.
    Elect,
    /// Work between the doors of a double barrier.
    Meet {
        /// Which.
        barrier: u64,
    },
}

/// What it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ZkResponse {
    /// The value, and as of which transaction.
    Value {
        /// The value.
        value: u64,
        /// The transaction.
        zxid: Zxid,
    },
    /// Done, by this transaction.
    Done {
        /// The transaction.
        zxid: Zxid,
    },
    /// Whether the key had not changed, and so was set.
    Swapped(bool),
    /// The lock was held under this token, and let go.
    Held {
        /// The token.
        token: u32,
    },
    /// It was inside with all the others, and so are they.
    Met {
        /// Its number.
        number: u32,
    },
}
