//! What is replicated: transactions under their zxids, and what a session asks that becomes one.

use core::fmt;
use serde::Serialize;

/// The number of a transaction: the epoch of the leader that proposed it, and its place there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Zxid {
    /// The epoch.
    pub epoch: u32,
    /// Counted from 1 in each epoch.
    pub counter: u32,
}

impl Zxid {
    /// Before the first transaction.
    pub const ZERO: Self = Self { epoch: 0, counter: 0 };

    /// The beginning of an epoch: what NEWLEADER carries.
    #[must_use]
    pub const fn of_epoch(epoch: u32) -> Self {
        Self { epoch, counter: 0 }
    }

    /// The next one of the same epoch.
    #[must_use]
    pub const fn next(self) -> Self {
        Self { epoch: self.epoch, counter: self.counter + 1 }
    }
}

impl fmt::Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.counter)
    }
}

crate::shared::number::numbers! {
    /// A session: of the server that opened it (its number and 1, in the upper 24 bits) and drawn by it.
    Session;
    /// A session's own number for one of its calls.
    Xid;
}

/// The directories and registers that exist from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// `/k17`, which holds a value.
    Key(u64),
    /// `/lock3`, whose children queue for it.
    Lock(u64),
    /// `/election`, whose children stand for it.
    Election,
    /// `/barrier2`, whose children have come to it.
    Barrier(u64),
    /// `/config`, which everybody watches.
    Config,
}

/// A path of one or two parts: that is as deep as the recipes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Path {
    /// The first part.
    pub place: Place,
    /// The number of the child below it, if it is one.
    pub child: Option<u32>,
}

impl Path {
    /// A directory or register.
    #[must_use]
    pub const fn of(place: Place) -> Self {
        Self { place, child: None }
    }

    /// A child below it.
    #[must_use]
    pub const fn child(place: Place, number: u32) -> Self {
        Self { place, child: Some(number) }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Key(key) => write!(f, "/k{key}")?,
            Place::Lock(lock) => write!(f, "/lock{lock}")?,
            Place::Election => f.write_str("/election")?,
            Place::Barrier(barrier) => write!(f, "/barrier{barrier}")?,
            Place::Config => f.write_str("/config")?,
        }
        self.child.map_or(Ok(()), |child| write!(f, "/n{child:010}"))
    }
}

/// What a session asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// Data and version of a node.
    Get {
        /// Which.
        path: Path,
        /// Tell me once when it changes.
        watch: bool,
    },
    /// Whether a node is there.
    Exists {
        /// Which.
        path: Path,
        /// Tell me once when it comes or goes.
        watch: bool,
    },
    /// The children of a node.
    Children {
        /// Of which.
        place: Place,
        /// Tell me once when others come or go.
        watch: bool,
    },
    /// What the leader has committed by now shall be here before you answer.
    Sync,
    /// A new child, with the next number of its directory.
    Create {
        /// Below which.
        place: Place,
        /// It goes with the session.
        ephemeral: bool,
        /// What it holds.
        data: u64,
    },
    /// Other data for a node.
    Set {
        /// Which.
        path: Path,
        /// The data.
        data: u64,
        /// The version it must have.
        version: Option<u32>,
    },
    /// A child shall go.
    Delete {
        /// Which.
        path: Path,
    },
    /// All of these, or none.
    Multi(Vec<Self>),
    /// The session ends.
    Close,
    /// Tell me of every change of a node from now on.
    Watch {
        /// Of which.
        path: Path,
    },
}

impl Call {
    /// Whether a server answers it from what it has.
    #[must_use]
    pub const fn is_read(&self) -> bool {
        matches!(self, Self::Get { .. } | Self::Exists { .. } | Self::Watch { .. } | Self::Children { .. })
    }
}

/// Why a call was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// There is no such node.
    NoNode,
    /// It has another version.
    BadVersion,
    /// The session is over.
    SessionExpired,
    /// The session is at another server by now.
    SessionMoved,
}

/// What a session is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Data and version.
    Data {
        /// The data.
        data: u64,
        /// How often it was set.
        version: u32,
    },
    /// Whether it is there.
    There(bool),
    /// The children, lowest first: their numbers, and what they hold, which is part of their names in the recipes.
    Children(Vec<(u32, u64)>),
    /// The leader's state is here.
    Synced,
    /// The new child's number.
    Created(u32),
    /// Carried out.
    Done,
    /// Not carried out.
    Refused(Refusal),
}

/// A change that is the same however often and wherever it is made: the leader has worked out what it comes to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Txn {
    /// A session begins.
    Open {
        /// How long it may be silent, in nanoseconds.
        timeout: u64,
    },
    /// It ends, and what was to go with it.
    Close,
    /// A new child.
    Create {
        /// The node.
        path: Path,
        /// It goes with the session that asked.
        ephemeral: bool,
        /// What it holds.
        data: u64,
    },
    /// Other data.
    Set {
        /// Of which node.
        path: Path,
        /// The data.
        data: u64,
        /// Its version from now on.
        version: u32,
    },
    /// A child goes.
    Delete {
        /// Which.
        path: Path,
    },
    /// All of these at once.
    Multi(Vec<Self>),
    /// Nothing: what was asked can not be done. In the log, because its answer has its place among the others.
    Refused(Refusal),
}

/// A transaction with its number and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Its number.
    pub zxid: Zxid,
    /// For which session.
    pub session: Session,
    /// Which of its calls; 0 where the leader ends the session.
    pub xid: Xid,
    /// What changes.
    pub txn: Txn,
}

impl Entry {
    /// Size on the wire and on disk, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        fn of(txn: &Txn) -> u32 {
            match txn {
                Txn::Open { .. } | Txn::Close | Txn::Refused(_) => 8,
                Txn::Create { .. } | Txn::Set { .. } => 64,
                Txn::Delete { .. } => 24,
                Txn::Multi(all) => all.iter().map(of).sum(),
            }
        }
        40 + of(&self.txn)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn tell(txn: &Txn, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match txn {
                Txn::Open { .. } => f.write_str("open session"),
                Txn::Close => f.write_str("close session"),
                Txn::Create { path, ephemeral, .. } => {
                    write!(f, "create {path}{}", if *ephemeral { " ephemeral" } else { "" })
                }
                Txn::Set { path, data, version } => write!(f, "set {path} {data:x} version {version}"),
                Txn::Delete { path } => write!(f, "delete {path}"),
                Txn::Multi(all) => all.iter().enumerate().try_for_each(|(i, one)| {
                    f.write_str(if i == 0 { "" } else { ", " })?;
                    tell(one, f)
                }),
                Txn::Refused(why) => write!(f, "refused {why:?}"),
            }
        }
        write!(f, "{} of {:x}/{}: ", self.zxid, self.session.0, self.xid)?;
        tell(&self.txn, f)
    }
}
