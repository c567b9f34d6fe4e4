//! What transactions are made of: names, keys, acts and what they find.

use core::fmt;
use sim_core::NodeId;

/// A transaction, or rather one try of it: a restart is another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct TxnId {
    /// Who coordinates it.
    pub coordinator: u32,
    /// Its number there: how often the coordinator had started, in the upper half, and a count.
    pub number: u64,
}

impl TxnId {
    /// Who coordinates it.
    #[must_use]
    pub const fn home(self) -> NodeId {
        NodeId(self.coordinator)
    }
}

impl fmt::Display for TxnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (epoch, number) = (self.number >> 32, self.number & 0xffff_ffff);
        if epoch > 1 { write!(f, "{}-{epoch}.{number}", self.home()) } else { write!(f, "{}-{number}", self.home()) }
    }
}

/// When a transaction began, by its coordinator's clock, for the rules of who waits for whom: a restart keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Age {
    /// By the clock, in nanoseconds.
    pub at: u64,
    /// Of two at the same time, the one with the smaller name is the older.
    pub first: TxnId,
}

/// What a key is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Space {
    /// An account of the bank.
    Account,
    /// A list.
    List,
    /// A register.
    Register,
    /// An idempotency key: that of one operation of one client.
    Once,
}

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Key {
    /// Of what.
    pub space: Space,
    /// Which.
    pub id: u64,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.space {
            Space::Account => 'a',
            Space::List => 'l',
            Space::Register => 'r',
            Space::Once => 'o',
        };
        write!(f, "{letter}{}", self.id)
    }
}

/// A value that is written once: which operation has, and at which try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Mark {
    /// The operation, unique in the run.
    pub unique: u64,
    /// The try.
    pub txn: TxnId,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}.{}@{}", (self.unique >> 40) + 1, self.unique & 0xff_ffff_ffff, self.txn)
    }
}

/// What a transaction does to one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Reads it; and, if so, is going to change it, so that it is locked for that at once.
    Read(Key, bool),
    /// Adds its mark to the list.
    Append(Key, Mark),
    /// Sets the register to its mark.
    Write(Key, Mark),
    /// Moves so much to the account, which must not fall below zero.
    Add(Key, i64),
}

impl Act {
    /// On which key.
    #[must_use]
    pub const fn key(&self) -> Key {
        match *self {
            Self::Read(key, _) | Self::Append(key, _) | Self::Write(key, _) | Self::Add(key, _) => key,
        }
    }

    /// Whether it changes it.
    #[must_use]
    pub const fn writes(&self) -> bool {
        !matches!(self, Self::Read(..))
    }

    /// Whether nobody else may read the key meanwhile.
    #[must_use]
    pub const fn is_exclusive(&self) -> bool {
        !matches!(self, Self::Read(_, false))
    }
}

/// What an act found.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// The list.
    List(Vec<Mark>),
    /// The register.
    Register(Option<Mark>),
    /// The balance; after an addition, the new one.
    Balance(i64),
    /// Nothing: it wrote.
    Done,
}

/// Why a transaction was aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It would have waited for an older one (wait-die).
    Died,
    /// An older one wanted its lock (wound-wait).
    Wounded,
    /// It was the youngest in a circle of those who wait for each other.
    Deadlock,
    /// It waited for a lock for too long, or a shard did not answer.
    TimedOut,
    /// Somebody else had committed a write to its key since its snapshot.
    WriteConflict,
    /// Not enough money on an account.
    Insufficient,
    /// A shard has lost what it had done for it: a restart, or another leader.
    Forgotten,
    /// A participant's vote did not come.
    NoVote,
    /// It was decided while its coordinator was away.
    Recovered,
    /// The same operation had been carried out before.
    Repeated,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Died,
        Self::Wounded,
        Self::Deadlock,
        Self::TimedOut,
        Self::WriteConflict,
        Self::Insufficient,
        Self::Forgotten,
        Self::NoVote,
        Self::Recovered,
        Self::Repeated,
    ];

    /// What reports call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Died => "died: a lock was an older one's",
            Self::Wounded => "wounded: an older one wanted its lock",
            Self::Deadlock => "youngest in a deadlock",
            Self::TimedOut => "waited too long",
            Self::WriteConflict => "write conflict: another committed first",
            Self::Insufficient => "not enough money",
            Self::Forgotten => "a shard had lost its locks",
            Self::NoVote => "a vote did not come",
            Self::Recovered => "decided while its coordinator was away",
            Self::Repeated => "done before, by its idempotency key",
        }
    }

    /// Whether another try may end otherwise.
    #[must_use]
    pub const fn is_worth_a_try(self) -> bool {
        !matches!(self, Self::Insufficient | Self::Repeated | Self::Recovered)
    }
}

/// What a participant has made of its part of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Vote {
    /// It is prepared; a snapshot that was taken at this time or later has to see what it wrote.
    Yes(u64),
    /// It has aborted.
    No(Reason),
    /// It has only read: it is done, whatever the others say.
    ReadOnly,
}

/// Where a participant is in a transaction, for those who have to end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It has not voted, and never will.
    Never,
    /// It has voted yes.
    Uncertain(u64),
    /// It knows that all have.
    PreCommitted(u64),
    /// It helps others to abort.
    PreAborted,
    /// It has committed, as of this time.
    Committed(u64),
    /// It has aborted.
    Aborted,
    /// It has forgotten.
    Unknown,
}

/// A set of shards: a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Shards(pub u64);

impl Shards {
    /// With one more.
    pub const fn insert(&mut self, shard: u32) {
        self.0 |= 1 << shard;
    }

    /// Without one.
    pub const fn remove(&mut self, shard: u32) {
        self.0 &= !(1 << shard);
    }

    /// Whether one is among them.
    #[must_use]
    pub const fn has(self, shard: u32) -> bool {
        self.0 >> shard & 1 == 1
    }

    /// How many.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those of either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are not in the other.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = u32> {
        (0..64).filter(move |shard| self.has(*shard))
    }
}

impl fmt::Display for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.iter().map(|shard| format!("s{}", shard + 1)).collect();
        f.write_str(&names.join(","))
    }
}
