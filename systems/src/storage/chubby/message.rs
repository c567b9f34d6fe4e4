//! What nodes tell each other, write to their disks and announce.

use super::database::{Answer, CallNumber, Change, Command, Database, Epoch, Mode, Path, Session};
use crate::consensus::any::{self, AnyFact, AnyMessage, AnyRecord};
use crate::shared::fenced::Write;
use crate::shared::replication::{Landmark, Minute};
use core::fmt;
use sim_core::NodeId;

/// What a master tells a session unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// There is a new master: other events may have been lost.
    FailOver,
    /// A file is about to be written.
    Changed(Path),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FailOver => f.write_str("a new master"),
            Self::Changed(path) => write!(f, "{path} changes"),
        }
    }
}

/// What a session asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// What a file holds.
    Read(Path),
    /// Something that changes the database.
    Change(Change),
    /// It has an ephemeral file open, as the master before knew.
    Reopen(Path),
    /// It has it open no longer.
    Close(Path),
}

/// What it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Told {
    /// What the file holds.
    Value {
        /// That.
        value: u64,
        /// How often it was written.
        version: u64,
        /// Whether it may be kept.
        cachable: bool,
    },
    /// What the database said.
    Answer(Answer),
}

sim_core::messages! {
    /// Between servers, and between them, stores and applications.
    pub enum ChubbyMessage of 40 bytes {
        /// Of the servers' group.
        Group(inner: AnyMessage<Database>) = "" of [any::MESSAGE_KINDS] whole { inner.bytes() }
            (|out| inner.describe(out)),
        /// Who is the master?
        Find = "Find" (""),
        /// The sender is.
        Found {
            /// In this epoch.
            epoch: Epoch,
        } = "Found" ("epoch {epoch}"),
        /// The sender is not.
        NotMaster {
            /// Who may be.
            hint: Option<NodeId>,
        } = "NotMaster" ("{hint:?}"),
        /// A client wants a session.
        Open {
            /// The master's epoch.
            epoch: Epoch,
            /// Which.
            session: Session,
            /// The client's number for this question.
            number: u64,
        } = "Open" ("{:x}/{number}", session.0),
        /// It has it.
        Opened {
            /// The master's epoch.
            epoch: Epoch,
            /// Which.
            session: Session,
            /// Which question it answers.
            number: u64,
            /// For how long since that came, in nanoseconds.
            granted: u64,
        } = "Opened" ("{:x}/{number}", session.0),
        /// A session shall last; the answer comes when its lease is about to run out, or something is to be told.
        KeepAlive {
            /// The master's epoch.
            epoch: Epoch,
            /// Which.
            session: Session,
            /// The client's number for it.
            number: u64,
            /// Events up to this one are known.
            heard: u64,
        } = "KeepAlive" ("{:x}/{number}, heard {heard}", session.0),
        /// It lasts.
        KeptAlive {
            /// The master's epoch.
            epoch: Epoch,
            /// Which.
            session: Session,
            /// Which KeepAlive it answers.
            number: u64,
            /// For how long since that came, in nanoseconds.
            granted: u64,
            /// What is told, by numbers from this one on.
            first: u64,
            /// That.
            events: Vec<Event>,
        } = "KeptAlive" bytes { 24 * events.len() as u32 }
            ("{:x}/{number}, {}ms, {} events from {first}", session.0, granted / 1_000_000, events.len()),
        /// There is no such session.
        Gone {
            /// The master's epoch.
            epoch: Epoch,
            /// Which.
            session: Session,
        } = "Gone" ("{:x}", session.0),
        /// A session asks something.
        Call {
            /// The master's epoch.
            epoch: Epoch,
            /// Which.
            session: Session,
            /// Its number for it.
            number: CallNumber,
            /// The oldest that it has no answer to.
            floor: CallNumber,
            /// What.
            ask: Ask,
        } = "Call" bytes { 24 } ("{:x}/{number} {ask:?}", session.0),
        /// The answer.
        Reply {
            /// The master's epoch.
            epoch: Epoch,
            /// Which session.
            session: Session,
            /// Which of its calls.
            number: CallNumber,
            /// What it is told.
            told: Told,
        } = "Reply" bytes { 24 } ("{:x}/{number} {told:?}", session.0),
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
    /// One append to a disk.
    pub enum ChubbyRecord {
        /// Of the servers' group.
        Group(inner: AnyRecord<Database>) = (|out| inner.describe(out)),
        /// A store has taken this.
        Wrote(write: Write) = ("{write}"),
    }
}

/// What a server announces of its group: the rise of a leader, a disk that can not be read, or what nobody looks for.
fn sort(minute: Minute<AnyFact>) -> usize {
    match minute.landmark::<super::server::Member>() {
        Some(Landmark::Elected(_)) => 0,
        Some(Landmark::Unreadable { .. }) => 1,
        None => 2,
    }
}

sim_core::facts! {
    /// What nodes announce.
    pub enum ChubbyFact {
        /// A server announces something of its group.
        Group(inner: Minute<AnyFact>) = "elected" | "unreadable" | "group" [sort(inner)]
            landmark { sort(inner) < 2 } (|out| inner.describe(out)),
        /// It is the master of a new epoch.
        Claimed {
            /// The epoch.
            epoch: Epoch,
        } = "claimed" landmark ("epoch {epoch}"),
        /// The lease of the master before has run out: it takes sessions and locks over.
        TakesOver {
            /// The epoch.
            epoch: Epoch,
            /// How many sessions there are.
            sessions: u32,
        } = "takes_over" landmark ("epoch {epoch}, {sessions} sessions"),
        /// All sessions know: it serves.
        Serves {
            /// The epoch.
            epoch: Epoch,
        } = "serves" landmark ("epoch {epoch}"),
        /// It is the master no longer.
        SteppedDown {
            /// Its epoch.
            epoch: Epoch,
        } = "stepped_down" landmark ("epoch {epoch}"),
        /// A server has carried out a command.
        Decided {
            /// How many were before it, and itself.
            number: u64,
            /// What.
            command: Command,
            /// What it came to.
            answer: Answer,
        } = "decided" ("{number}: {command:?}: {answer:?}"),
        /// A master tells sessions that a file changes.
        Invalidates {
            /// How many.
            sessions: u32,
        } = "invalidates" ("{sessions} sessions"),
        /// A client's session lasts at least so long.
        Leased {
            /// Which.
            session: Session,
            /// How long, in nanoseconds of its clock.
            lasts: u64,
        } = "leased" ("{:x} for {lasts}ns", session.0),
        /// A session begins.
        Opened {
            /// Which.
            session: Session,
        } = "session_opened" landmark ("{:x}", session.0),
        /// The client's count of the lease has run out: it does not know whether its session lasts.
        Jeopardy {
            /// Which.
            session: Session,
        } = "jeopardy" landmark ("{:x}", session.0),
        /// It lasts.
        Safe {
            /// Which.
            session: Session,
        } = "safe" landmark ("{:x}", session.0),
        /// Its client has given it up, or has learned that it is over.
        Lost {
            /// Which.
            session: Session,
        } = "session_lost" landmark ("{:x}", session.0),
        /// A client hears an event.
        Heard {
            /// In which session.
            session: Session,
            /// Of which master.
            epoch: Epoch,
            /// Its number.
            number: u64,
        } = "heard" ("{:x}, event {number} of epoch {epoch}", session.0),
        /// A program believes that it holds a lock from now on.
        Holds {
            /// Which.
            lock: u64,
            /// In which session.
            session: Session,
            /// How.
            mode: Mode,
            /// Its sequencer's number.
            generation: u64,
        } = "lock_held" ("lock {lock}, {mode:?}, generation {generation}"),
        /// It does not any more.
        LetsGo {
            /// Which.
            lock: u64,
        } = "lock_let_go" ("lock {lock}"),
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
pub enum ChubbyRequest {
    /// What a file holds.
    Get {
        /// The file.
        key: u64,
    },
    /// A file shall hold this.
    Set {
        /// The file.
        key: u64,
        /// The value.
        value: u64,
    },
    /// Take a lock, hold it for a while, let it go.
    Lock {
        /// Which.
        lock: u64,
        /// How.
        mode: Mode,
    },
    /// Be seen for a while, by an ephemeral file.
    Appear,
}

/// What it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChubbyResponse {
    /// The value, and how often the file was written.
    Value {
        /// The value.
        value: u64,
        /// The version.
        version: u64,
        /// Whether it came from the cache.
        cached: bool,
    },
    /// Written, as this version.
    Written {
        /// The version.
        version: u64,
    },
    /// The lock was held, and let go.
    Held {
        /// The generation.
        generation: u64,
    },
    /// The file was there.
    Appeared,
}
