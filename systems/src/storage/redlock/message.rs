//! What nodes tell each other, write to their disks and announce.

use crate::shared::fenced::Write;
use core::fmt;

/// What one try to take a lock sets its key to: random, so that nobody else's is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Value(pub u64);

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

sim_core::messages! {
    /// Between applications and instances, and between them and a store.
    pub enum RedlockMessage of 40 bytes {
        /// `SET lock value NX PX ttl`.
        Set {
            /// The lock.
            lock: u64,
            /// Whose.
            value: Value,
        } = "Set" ("lock {lock} {value}"),
        /// The answer.
        SetDone {
            /// To which try.
            value: Value,
            /// Whether the key was free.
            set: bool,
        } = "SetDone" ("{value} {set}"),
        /// The key shall go if it holds this.
        Delete {
            /// The lock.
            lock: u64,
            /// Whose.
            value: Value,
        } = "Delete" ("lock {lock} {value}"),
        /// The answer.
        Deleted {
            /// To which.
            value: Value,
            /// Whether it held that.
            held: bool,
        } = "Deleted" ("{value} {held}"),
        /// `EXISTS lock`.
        Look {
            /// The lock.
            lock: u64,
            /// The question's own value.
            value: Value,
        } = "Look" ("lock {lock}"),
        /// The answer.
        Seen {
            /// To which question.
            value: Value,
            /// Whether somebody has it.
            taken: bool,
        } = "Seen" ("{value} {taken}"),
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
    pub enum RedlockRecord {
        /// An instance has begun: whoever finds this has been there before.
        Began = (""),
        /// A key was set.
        Set {
            /// The lock.
            lock: u64,
            /// Whose.
            value: Value,
            /// When it goes, by the instance's clock; `u64::MAX` for never.
            until: u64,
        } = ("lock {lock} {value}"),
        /// A key was deleted.
        Deleted {
            /// The lock.
            lock: u64,
        } = ("lock {lock} free"),
        /// A store has taken this.
        Wrote(write: Write) = ("{write}"),
    }
}

sim_core::facts! {
    /// What nodes announce.
    pub enum RedlockFact {
        /// An instance that may have lost its keys is silent.
        Silent = "silent" landmark (""),
        /// It serves, with nothing, or with what it had.
        Serves = "serves" landmark (""),
        /// A client has a majority of the instances, in time.
        Holds {
            /// The lock.
            lock: u64,
            /// By which value.
            value: Value,
            /// For how long from now, in nanoseconds of its clock.
            valid: u64,
            /// Whether it works under it, or lets it go at once.
            works: bool,
        } = "lock_held" | "lock_touched" [usize::from(!works)]
            ("lock {lock} by {value} for {}ms", valid / 1_000_000),
        /// It does not believe so any more.
        LetsGo {
            /// The lock.
            lock: u64,
            /// By which value.
            value: Value,
        } = "lock_let_go" ("lock {lock}"),
        /// A try has failed.
        Missed {
            /// The lock.
            lock: u64,
        } = "lock_missed" ("lock {lock}"),
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
pub enum RedlockRequest {
    /// Whether a majority holds a lock for somebody.
    Look {
        /// Which.
        lock: u64,
    },
    /// Take a lock, if it is free, and let it go at once.
    Touch {
        /// Which.
        lock: u64,
    },
    /// Take a lock, hold it for a while, let it go.
    Lock {
        /// Which.
        lock: u64,
    },
}

/// What it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RedlockResponse {
    /// Whether it is taken, by a majority.
    Taken(bool),
    /// The lock was held, and let go.
    Held {
        /// By which value.
        value: Value,
    },
}
