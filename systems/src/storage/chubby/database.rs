//! What the cell agrees on: the master's epoch, sessions, files and who holds which lock, as a state machine.

use super::bugs::ChubbyBug;
use core::fmt;
use serde::Serialize;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{NodeId, StateMachine, hash};

crate::shared::number::numbers! {
    /// A session: of the client's machine (its number and 1, in the upper 24 bits) and drawn by it.
    Session;
    /// A session's own number for one of its calls.
    CallNumber;
    /// Counts masters: each has its own.
    Epoch;
}

impl Session {
    /// One that begins at a machine.
    #[must_use]
    pub const fn of(node: NodeId, drawn: u64) -> Self {
        Self((node.0 as u64 + 1) << 40 | drawn & ((1 << 40) - 1))
    }

    /// The machine that it is of.
    #[must_use]
    pub const fn node(self) -> NodeId {
        NodeId((self.0 >> 40) as u32 - 1)
    }
}

/// A file of the name space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// `/key/17`, which holds a value.
    Key(u64),
    /// `/lock/3`, which is there for its lock.
    Lock(u64),
    /// `/here/n8`, which is there as long as somebody has it open.
    Here(u64),
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "/key/{key}"),
            Self::Lock(lock) => write!(f, "/lock/{lock}"),
            Self::Here(node) => write!(f, "/here/{}", NodeId(*node as u32)),
        }
    }
}

/// How a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Beside others that hold it so.
    Shared,
    /// Alone.
    Exclusive,
}

/// What a session asks that changes the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A file shall hold this.
    Set {
        /// Which.
        path: Path,
        /// What.
        value: u64,
    },
    /// It wants a lock.
    Acquire {
        /// Which.
        path: Path,
        /// How.
        mode: Mode,
    },
    /// It lets a lock go.
    Release {
        /// Which.
        path: Path,
        /// As of when it was given it.
        generation: u64,
    },
    /// There shall be an ephemeral file.
    Create {
        /// Which.
        path: Path,
    },
}

/// Which of its looks the database takes; all of them in correct code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Looks {
    /// Whether who is given a lock has a session still.
    session: bool,
    /// Whether who lets a lock go holds it.
    owner: bool,
    /// Whether a call was made to this master.
    epoch: bool,
    /// Whether a session that ends leaves locks behind.
    locks: bool,
}

impl Looks {
    /// Those of a cell with this bug.
    #[must_use]
    pub fn with(bug: ChubbyBug) -> Self {
        Self {
            session: bug != ChubbyBug::GrantToTheDead,
            owner: bug != ChubbyBug::UnlockOfOthers,
            epoch: bug != ChubbyBug::OldEpoch,
            locks: bug != ChubbyBug::LockWithoutLease,
        }
    }
}

/// What is put into the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// A server is the master of a new epoch.
    Master {
        /// Which.
        node: NodeId,
        /// What the database looks at from now on.
        looks: Looks,
    },
    /// The master goes on.
    Renew {
        /// Its epoch.
        epoch: Epoch,
    },
    /// A session begins.
    Open {
        /// The master's epoch.
        epoch: Epoch,
        /// Which.
        session: Session,
    },
    /// A session asks something.
    Call {
        /// The epoch of the master it was asked of.
        epoch: Epoch,
        /// Which.
        session: Session,
        /// Its number for it.
        number: CallNumber,
        /// The oldest of its calls that it has no answer to.
        floor: CallNumber,
        /// What.
        change: Change,
    },
    /// The lease of a session has run out.
    Expire {
        /// The master's epoch.
        epoch: Epoch,
        /// Which.
        session: Session,
        /// Whether its locks stay closed for a while.
        delay: bool,
    },
    /// The lock-delay of a file is over.
    EndDelay {
        /// The master's epoch.
        epoch: Epoch,
        /// Which.
        path: Path,
    },
    /// Nobody has an ephemeral file open.
    Delete {
        /// The master's epoch.
        epoch: Epoch,
        /// Which.
        path: Path,
    },
}

impl Command {
    /// The epoch that the master says it in.
    const fn epoch(&self) -> Option<Epoch> {
        match *self {
            Self::Master { .. } => None,
            Self::Renew { epoch }
            | Self::Open { epoch, .. }
            | Self::Call { epoch, .. }
            | Self::Expire { epoch, .. }
            | Self::EndDelay { epoch, .. }
            | Self::Delete { epoch, .. } => Some(epoch),
        }
    }
}

/// What a command comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The new master's epoch.
    Epoch(Epoch),
    /// Done.
    Done,
    /// Written, as this version of the file.
    Written {
        /// Counts what was written to it.
        version: u64,
    },
    /// The lock is the session's.
    Locked {
        /// Counts how often the lock was taken when nobody had it.
        generation: u64,
    },
    /// Somebody holds the lock, or it is closed for a while.
    Busy,
    /// The session does not hold the lock.
    NotHeld,
    /// There is no such session.
    NoSession,
    /// Said by a master that is not any more.
    OldEpoch,
    /// Done long ago: the answer was heard.
    LongAgo,
}

/// A file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct File {
    /// What it holds.
    pub value: u64,
    /// How often it was written.
    pub version: u64,
    /// How often its lock was taken when nobody had it.
    pub generation: u64,
    /// Who holds the lock.
    pub holders: SortedMap<Session, Mode>,
    /// Whether its lock is closed, because the session of a holder has ended.
    pub delayed: bool,
}

impl File {
    /// Whether one more may hold the lock.
    #[must_use]
    pub fn admits(&self, mode: Mode) -> bool {
        !self.delayed
            && (self.holders.is_empty()
                || mode == Mode::Shared && self.holders.values().all(|held| *held == Mode::Shared))
    }
}

/// What a session's calls came to, as long as it may ask again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Answered {
    /// It has heard the answers to all calls before this one.
    floor: CallNumber,
    answers: SortedMap<CallNumber, Answer>,
}

/// The database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Database {
    /// The newest master's epoch.
    pub epoch: Epoch,
    /// That master.
    pub master: Option<NodeId>,
    looks: Looks,
    /// Sessions that have not ended.
    sessions: SortedMap<Session, Answered>,
    files: SortedMap<Path, File>,
}

impl Database {
    /// Sessions that have not ended.
    pub fn sessions(&self) -> impl Iterator<Item = Session> + '_ {
        self.sessions.keys().copied()
    }

    /// Whether a session has not ended.
    #[must_use]
    pub fn has(&self, session: Session) -> bool {
        self.sessions.contains_key(&session)
    }

    /// A file, if there is one.
    #[must_use]
    pub fn file(&self, path: Path) -> Option<&File> {
        self.files.get(&path)
    }

    /// Files whose locks are closed for a while.
    pub fn delayed(&self) -> impl Iterator<Item = Path> + '_ {
        self.files.iter().filter(|(_, file)| file.delayed).map(|(path, _)| *path)
    }

    /// Ephemeral files.
    pub fn ephemeral(&self) -> impl Iterator<Item = Path> + '_ {
        self.files.keys().copied().filter(|path| matches!(path, Path::Here(_)))
    }

    fn call(&mut self, session: Session, number: CallNumber, floor: CallNumber, change: Change) -> Answer {
        match self.sessions.get_mut(&session) {
            Some(answered) => {
                answered.floor = answered.floor.max(floor);
                let floor = answered.floor;
                answered.answers.retain(|number, _| *number >= floor);
                if number < floor {
                    return Answer::LongAgo;
                }
                if let Some(answer) = answered.answers.get(&number) {
                    return *answer;
                }
            }
            None => match change {
                Change::Acquire { .. } if !self.looks.session => {}
                Change::Release { .. } if !self.looks.owner => {}
                _ => return Answer::NoSession,
            },
        }
        let answer = self.change(session, change);
        if answer != Answer::Busy
            && let Some(answered) = self.sessions.get_mut(&session)
        {
            answered.answers.insert(number, answer);
        }
        answer
    }

    fn change(&mut self, session: Session, change: Change) -> Answer {
        let (Change::Set { path, .. }
        | Change::Acquire { path, .. }
        | Change::Release { path, .. }
        | Change::Create { path }) = change;
        let file = self.files.entry(path).or_default();
        match change {
            Change::Set { value, .. } => {
                file.value = value;
                file.version += 1;
                Answer::Written { version: file.version }
            }
            Change::Acquire { mode, .. } => {
                if !file.admits(mode) {
                    return Answer::Busy;
                }
                file.generation += u64::from(file.holders.is_empty());
                file.holders.insert(session, mode);
                Answer::Locked { generation: file.generation }
            }
            Change::Release { generation, .. } => {
                if !self.looks.owner {
                    file.holders.clear();
                    return Answer::Done;
                }
                let held = file.generation == generation && file.holders.remove(&session).is_some();
                if held { Answer::Done } else { Answer::NotHeld }
            }
            Change::Create { .. } => Answer::Done,
        }
    }

    fn expire(&mut self, session: Session, delay: bool) -> Answer {
        if self.sessions.remove(&session).is_none() {
            return Answer::NoSession;
        }
        if self.looks.locks {
            for file in self.files.values_mut() {
                file.delayed |= file.holders.remove(&session).is_some() && delay;
            }
        }
        Answer::Done
    }
}

impl StateMachine for Database {
    type Command = Command;
    type Response = Answer;
    type Snapshot = Self;

    fn start() -> Self {
        Self {
            epoch: Epoch(0),
            master: None,
            looks: Looks::with(ChubbyBug::None),
            sessions: SortedMap::new(),
            files: SortedMap::new(),
        }
    }

    fn apply(&mut self, command: &Command) -> Answer {
        let of_a_client = matches!(command, Command::Call { .. });
        if command.epoch().is_some_and(|epoch| epoch != self.epoch) && (self.looks.epoch || !of_a_client) {
            return Answer::OldEpoch;
        }
        match *command {
            Command::Master { node, looks } => {
                self.epoch = Epoch(self.epoch.0 + 1);
                (self.master, self.looks) = (Some(node), looks);
                Answer::Epoch(self.epoch)
            }
            Command::Renew { .. } => Answer::Done,
            Command::Open { session, .. } => {
                self.sessions.entry(session).or_default();
                Answer::Done
            }
            Command::Call { session, number, floor, change, .. } => self.call(session, number, floor, change),
            Command::Expire { session, delay, .. } => self.expire(session, delay),
            Command::EndDelay { path, .. } => {
                if let Some(file) = self.files.get_mut(&path) {
                    file.delayed = false;
                }
                Answer::Done
            }
            Command::Delete { path, .. } => {
                self.files.remove(&path);
                Answer::Done
            }
        }
    }

    fn read(&self, _: &Command) -> Answer {
        Answer::Done
    }

    fn is_read(_: &Command) -> bool {
        false
    }

    fn snapshot(&self) -> Self {
        self.clone()
    }

    fn restore(snapshot: &Self) -> Self {
        snapshot.clone()
    }

    fn command_bytes(_: &Command) -> u32 {
        48
    }

    fn response_bytes(_: &Answer) -> u32 {
        16
    }

    fn snapshot_bytes(snapshot: &Self) -> u64 {
        64 + 48 * snapshot.files.len() as u64 + 32 * snapshot.sessions.len() as u64
    }

    fn digest(&self) -> u64 {
        hash::content(self)
    }
}

/// Who has which ephemeral file open, and such: sessions by file.
pub(super) type ByFile = SortedMap<Path, SortedSet<Session>>;

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: Path = Path::Lock(1);

    fn master(database: &mut Database, bug: ChubbyBug) -> Epoch {
        match database.apply(&Command::Master { node: NodeId(0), looks: Looks::with(bug) }) {
            Answer::Epoch(epoch) => epoch,
            other => panic!("{other:?}"),
        }
    }

    fn ask(database: &mut Database, session: u64, number: u64, change: Change) -> Answer {
        let (epoch, number) = (database.epoch, CallNumber(number));
        database.apply(&Command::Call { epoch, session: Session(session), number, floor: CallNumber(1), change })
    }

    fn open(database: &mut Database, session: u64) {
        let epoch = database.epoch;
        assert_eq!(database.apply(&Command::Open { epoch, session: Session(session) }), Answer::Done);
    }

    #[test]
    fn a_lock_excludes_and_its_generations_grow() {
        let mut database = Database::start();
        master(&mut database, ChubbyBug::None);
        (1..=3).for_each(|session| open(&mut database, session));
        let take = |mode| Change::Acquire { path: PATH, mode };
        assert_eq!(ask(&mut database, 1, 1, take(Mode::Shared)), Answer::Locked { generation: 1 });
        assert_eq!(ask(&mut database, 2, 1, take(Mode::Shared)), Answer::Locked { generation: 1 });
        assert_eq!(ask(&mut database, 3, 1, take(Mode::Exclusive)), Answer::Busy);
        let release = |generation| Change::Release { path: PATH, generation };
        assert_eq!(ask(&mut database, 3, 2, release(1)), Answer::NotHeld);
        assert_eq!(ask(&mut database, 1, 2, release(1)), Answer::Done);
        let epoch = database.epoch;
        database.apply(&Command::Expire { epoch, session: Session(2), delay: true });
        assert_eq!(ask(&mut database, 3, 1, take(Mode::Exclusive)), Answer::Busy, "its holder may not know yet");
        database.apply(&Command::EndDelay { epoch, path: PATH });
        assert_eq!(ask(&mut database, 3, 1, take(Mode::Exclusive)), Answer::Locked { generation: 2 });
        assert_eq!(ask(&mut database, 3, 1, take(Mode::Exclusive)), Answer::Locked { generation: 2 }, "the same call");
        assert_eq!(ask(&mut database, 2, 2, take(Mode::Shared)), Answer::NoSession);
    }

    #[test]
    fn what_an_old_master_says_is_void() {
        let mut database = Database::start();
        let old = master(&mut database, ChubbyBug::None);
        open(&mut database, 1);
        let new = master(&mut database, ChubbyBug::None);
        assert!(new > old);
        for command in [
            Command::Renew { epoch: old },
            Command::Open { epoch: old, session: Session(2) },
            Command::Expire { epoch: old, session: Session(1), delay: false },
        ] {
            assert_eq!(database.apply(&command), Answer::OldEpoch);
        }
        assert!(database.has(Session(1)) && !database.has(Session(2)));
    }
}
