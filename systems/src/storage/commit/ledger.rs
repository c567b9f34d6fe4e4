//! What a shard keeps: data with the time of each version, what is prepared, what was decided. It is what its log says,
//! on one disk or on a group's.

use super::message::Finish;
use super::options::Config;
use super::txn::{Act, Found, Key, Mark, Shards, Space, State, TxnId};
use core::fmt;
use sim_core::sorted::SortedMap;
use sim_core::{StateMachine, hash};
use std::rc::Rc;

/// What was found by an operation that has an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Stored {
    /// At which try.
    pub txn: TxnId,
    /// What.
    pub found: Vec<Found>,
}

/// A part of a transaction that is prepared.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Part {
    /// All whose votes decide.
    pub participants: Shards,
    /// What it has read, so that locks outlive a restart.
    pub reads: Vec<Key>,
    /// What it changes.
    pub writes: Vec<Act>,
    /// Client and number of its operation, where this shard keeps the idempotency key.
    pub once: Option<((u32, u64), Stored)>,
    /// As of when it can commit at the earliest.
    pub at: u64,
    /// Where it is.
    pub stage: Stage,
}

/// Where a prepared part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It has voted yes.
    Uncertain,
    /// It knows that all have, and as of when it commits.
    PreCommitted(u64),
    /// It helps others to abort.
    PreAborted,
}

/// One entry of a shard's log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// A new leader has applied all that was before.
    Barrier,
    /// Does its group still follow it?
    Confirm,
    /// A part is prepared.
    Prepare(TxnId, Rc<Part>, u64),
    /// Three-phase commit: it knows that all have voted yes, or helps to abort.
    Pre(TxnId, Stage),
    /// It is decided, and everything of its coordinator below is over.
    Decide(TxnId, bool, u64, u64),
    /// Nothing commits as of this time or earlier that is not prepared yet.
    Bound(u64),
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Barrier => f.write_str("barrier"),
            Self::Confirm => f.write_str("confirm"),
            Self::Prepare(txn, part, _) => write!(f, "prepared {txn} of {}", part.participants),
            Self::Pre(txn, stage) => write!(f, "{txn} {stage:?}"),
            Self::Decide(txn, true, ..) => write!(f, "commit {txn}"),
            Self::Decide(txn, false, ..) => write!(f, "abort {txn}"),
            Self::Bound(bound) => write!(f, "bound {bound}"),
        }
    }
}

/// Versions of a key, each with the time as of which it is there. Without snapshots that is 0, and the newest is all
/// there is.
type Versions<T> = SortedMap<u64, Vec<(u64, T)>>;

/// Versions that are older than this are dropped where there are newer ones.
const KEPT: u64 = 30_000_000_000;

/// The state of a shard.
#[derive(Clone, Debug, Hash)]
pub struct Ledger {
    lists: Versions<Mark>,
    registers: Versions<Mark>,
    /// What was added to each account.
    added: Versions<i64>,
    once: SortedMap<(u32, u64), Stored>,
    prepared: SortedMap<TxnId, Rc<Part>>,
    decided: SortedMap<TxnId, Option<u64>>,
    floors: SortedMap<u32, u64>,
    bound: u64,
    carried: u64,
}

impl Ledger {
    /// How many entries it has carried out.
    #[must_use]
    pub const fn carried(&self) -> u64 {
        self.carried
    }

    /// What is prepared.
    #[must_use]
    pub const fn prepared(&self) -> &SortedMap<TxnId, Rc<Part>> {
        &self.prepared
    }

    /// Nothing commits as of this time or earlier that is not prepared yet.
    #[must_use]
    pub const fn bound(&self) -> u64 {
        self.bound
    }

    /// The time of the newest version of a key.
    #[must_use]
    pub fn newest(&self, key: Key) -> u64 {
        let last = |all: Option<u64>| all.unwrap_or(0);
        match key.space {
            Space::List => last(self.lists.get(&key.id).and_then(|all| all.last()).map(|(at, _)| *at)),
            Space::Register => last(self.registers.get(&key.id).and_then(|all| all.last()).map(|(at, _)| *at)),
            Space::Account => last(self.added.get(&key.id).and_then(|all| all.last()).map(|(at, _)| *at)),
            Space::Once => 0,
        }
    }

    /// What was done before under this idempotency key.
    #[must_use]
    pub fn done(&self, client: u32, op: u64) -> Option<&Stored> {
        self.once.get(&(client, op))
    }

    /// What a key held as of a time.
    #[must_use]
    pub fn read(&self, config: &Config, key: Key, as_of: u64) -> Found {
        fn upto<T: Copy>(all: &Versions<T>, id: u64, as_of: u64) -> &[(u64, T)] {
            let all = all.get(&id).map_or(&[][..], Vec::as_slice);
            &all[..all.partition_point(|(at, _)| *at <= as_of)]
        }
        match key.space {
            Space::List => Found::List(upto(&self.lists, key.id, as_of).iter().map(|(_, mark)| *mark).collect()),
            Space::Register => Found::Register(upto(&self.registers, key.id, as_of).last().map(|(_, mark)| *mark)),
            Space::Account => {
                let added = upto(&self.added, key.id, as_of).last().map_or(0, |(_, sum)| *sum);
                Found::Balance(config.balance as i64 + added)
            }
            Space::Once => Found::Done,
        }
    }

    /// All lists and registers as they are now.
    pub fn contents(&self) -> impl Iterator<Item = (Key, Found)> {
        let marks = |all: &Vec<(u64, Mark)>| all.iter().map(|(_, mark)| *mark).collect();
        let list =
            move |(id, all): (&u64, &Vec<(u64, Mark)>)| (Key { space: Space::List, id: *id }, Found::List(marks(all)));
        let register = |(id, all): (&u64, &Vec<(u64, Mark)>)| {
            (Key { space: Space::Register, id: *id }, Found::Register(all.last().map(|(_, mark)| *mark)))
        };
        self.lists.iter().map(list).chain(self.registers.iter().map(register))
    }

    /// All that is on the accounts of this shard.
    #[must_use]
    pub fn added(&self) -> i64 {
        self.added.values().filter_map(|all| all.last()).map(|(_, sum)| sum).sum()
    }

    /// Where it is in a transaction.
    #[must_use]
    pub fn state(&self, txn: TxnId) -> State {
        if let Some(part) = self.prepared.get(&txn) {
            return match part.stage {
                Stage::Uncertain => State::Uncertain(part.at),
                Stage::PreCommitted(at) => State::PreCommitted(at),
                Stage::PreAborted => State::PreAborted,
            };
        }
        match self.decided.get(&txn) {
            Some(Some(at)) => State::Committed(*at),
            Some(None) => State::Aborted,
            None if self.is_over(txn) => State::Unknown,
            None => State::Never,
        }
    }

    /// Whether its coordinator has said that it is over.
    #[must_use]
    pub fn is_over(&self, txn: TxnId) -> bool {
        self.floors.get(&txn.coordinator).is_some_and(|floor| txn.number < *floor)
    }

    /// Everything of this coordinator below is over.
    fn raise(&mut self, coordinator: u32, floor: u64) {
        let of = self.floors.entry(coordinator).or_insert(0);
        if floor > *of {
            *of = floor;
            let below = |number| TxnId { coordinator, number };
            let over: Vec<TxnId> = self.decided.range(below(0)..below(floor)).map(|(txn, _)| *txn).collect();
            over.iter().for_each(|txn| _ = self.decided.remove(txn));
        }
    }

    fn write(&mut self, part: &Part, at: u64) {
        fn push<T>(all: &mut Versions<T>, id: u64, at: u64, value: T) {
            let all = all.entry(id).or_default();
            // Of those that nobody reads any more the newest is kept.
            let old = all.partition_point(|(then, _)| then.saturating_add(KEPT) <= at);
            let drop = if at == 0 { all.len() } else { old.saturating_sub(1) };
            all.drain(..drop);
            all.push((at, value));
        }
        for act in &part.writes {
            match *act {
                Act::Append(key, mark) => self.lists.entry(key.id).or_default().push((at, mark)),
                Act::Write(key, mark) => push(&mut self.registers, key.id, at, mark),
                Act::Add(key, amount) => {
                    let before = self.added.get(&key.id).and_then(|all| all.last()).map_or(0, |(_, sum)| *sum);
                    push(&mut self.added, key.id, at, before + amount);
                }
                Act::Read(..) => {}
            }
        }
        if let Some((id, stored)) = &part.once {
            self.once.insert(*id, stored.clone());
        }
    }

    fn decide(&mut self, txn: TxnId, commit: bool, at: u64) {
        let state = self.state(txn);
        // What was decided stays, and what is forgotten was.
        if matches!(state, State::Committed(_) | State::Aborted | State::Unknown) {
            return;
        }
        if let Some(part) = self.prepared.remove(&txn)
            && commit
        {
            self.write(&part, at);
        }
        self.decided.insert(txn, commit.then_some(at));
    }
}

impl StateMachine for Ledger {
    type Command = Entry;
    /// Of a decision: whether it is committed now.
    type Response = Option<bool>;
    type Snapshot = Self;

    fn start() -> Self {
        Self {
            lists: SortedMap::new(),
            registers: SortedMap::new(),
            added: SortedMap::new(),
            once: SortedMap::new(),
            prepared: SortedMap::new(),
            decided: SortedMap::new(),
            floors: SortedMap::new(),
            bound: 0,
            carried: 0,
        }
    }

    fn apply(&mut self, entry: &Entry) -> Option<bool> {
        self.carried += 1;
        match entry {
            Entry::Barrier | Entry::Confirm => {}
            Entry::Prepare(txn, part, floor) => {
                self.raise(txn.coordinator, *floor);
                if self.state(*txn) == State::Never {
                    self.prepared.insert(*txn, Rc::clone(part));
                }
            }
            Entry::Pre(txn, stage) => {
                // Neither state is left for the other.
                if let Some(part) = self.prepared.get_mut(txn)
                    && part.stage == Stage::Uncertain
                {
                    Rc::make_mut(part).stage = *stage;
                }
            }
            Entry::Decide(txn, commit, at, floor) => {
                self.raise(txn.coordinator, *floor);
                self.decide(*txn, *commit, *at);
                return match self.state(*txn) {
                    State::Committed(_) => Some(true),
                    State::Aborted => Some(false),
                    _ => None,
                };
            }
            Entry::Bound(bound) => self.bound = self.bound.max(*bound),
        }
        None
    }

    fn read(&self, _: &Entry) -> Option<bool> {
        None
    }

    fn is_read(entry: &Entry) -> bool {
        matches!(entry, Entry::Confirm)
    }

    fn snapshot(&self) -> Self {
        self.clone()
    }

    fn restore(snapshot: &Self) -> Self {
        snapshot.clone()
    }

    fn command_bytes(entry: &Entry) -> u32 {
        match entry {
            Entry::Prepare(_, part, _) => 40 + 12 * part.reads.len() as u32 + 24 * part.writes.len() as u32,
            _ => 32,
        }
    }

    fn response_bytes(_: &Option<bool>) -> u32 {
        8
    }

    fn snapshot_bytes(snapshot: &Self) -> u64 {
        let lists: usize = snapshot.lists.values().map(Vec::len).sum();
        let rest = snapshot.registers.len() + snapshot.added.len() + snapshot.once.len() + snapshot.decided.len();
        64 + 24 * (lists + rest) as u64
    }

    fn digest(&self) -> u64 {
        hash::content(self)
    }
}

/// What a part that keeps the idempotency key stores: what was found before, and here.
#[must_use]
pub fn stored(txn: TxnId, finish: &Finish, once: Option<(u32, u64)>, here: &[Found]) -> Option<((u32, u64), Stored)> {
    let (id, before) = (once?, finish.once.as_ref()?);
    Some((id, Stored { txn, found: before.iter().chain(here).cloned().collect() }))
}
