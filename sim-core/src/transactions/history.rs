//! Transactions as the checker takes them: keys and versions are numbers, one for each name and each value of a key.

use crate::sorted::SortedMap;

/// A key, counted from 0.
pub type Key = u32;

/// A value of a key, counted from 0 over all keys: what one append or write made, if nobody else wrote the same.
pub type Version = u32;

/// What came of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was committed.
    Committed,
    /// It never took effect.
    Aborted,
    /// Nobody was told.
    Unknown,
}

/// What a transaction did to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It added an element to the list.
    Append(Version),
    /// It read the list.
    ReadList(Vec<Version>),
    /// It wrote the register.
    Write(Version),
    /// It read the register; `None` if nothing was written to it yet.
    ReadRegister(Option<Version>),
}

/// One operation of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// On which key.
    pub key: Key,
    /// What.
    pub doing: Doing,
}

/// One transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Whose; a process has one at a time.
    pub process: u32,
    /// What came of it.
    pub fate: Fate,
    /// When it began, in any unit.
    pub invoked: u64,
    /// When it ended; of no meaning if nobody was told.
    pub completed: u64,
    /// Its operations, in their order; reads of one that was not committed are left out.
    pub steps: Vec<Step>,
}

/// A history of transactions, in the order in which they began.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The transactions.
    pub transactions: Vec<Transaction>,
    /// How many keys there are.
    pub keys: u32,
    /// The key of each version.
    pub key_of: Vec<Key>,
}

/// Numbers keys and values as they come.
#[derive(Debug)]
pub struct Builder<K, V> {
    /// What is built.
    pub history: History,
    keys: SortedMap<K, Key>,
    versions: SortedMap<(Key, V), Version>,
}

impl<K: Ord + Clone, V: Ord + Clone> Default for Builder<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Ord + Clone, V: Ord + Clone> Builder<K, V> {
    /// An empty history.
    #[must_use]
    pub fn new() -> Self {
        Self { history: History::default(), keys: SortedMap::new(), versions: SortedMap::new() }
    }

    /// The number of a key.
    pub fn key(&mut self, key: &K) -> Key {
        if let Some(found) = self.keys.get(key) {
            return *found;
        }
        let number = self.history.keys;
        self.history.keys += 1;
        self.keys.insert(key.clone(), number);
        number
    }

    /// The number of a value of a key.
    pub fn version(&mut self, key: Key, value: V) -> Version {
        let history = &mut self.history;
        *self.versions.entry((key, value)).or_insert_with(|| {
            history.key_of.push(key);
            history.key_of.len() as Version - 1
        })
    }

    /// The names of keys and the values of versions, by their numbers.
    #[must_use]
    pub fn names(&self) -> (Vec<K>, Vec<V>) {
        let mut keys: Vec<(Key, &K)> = self.keys.iter().map(|(name, key)| (*key, name)).collect();
        keys.sort_by_key(|(key, _)| *key);
        let mut values: Vec<(Version, &V)> =
            self.versions.iter().map(|((_, value), number)| (*number, value)).collect();
        values.sort_by_key(|(number, _)| *number);
        (
            keys.into_iter().map(|(_, name)| name.clone()).collect(),
            values.into_iter().map(|(_, value)| value.clone()).collect(),
        )
    }
}
