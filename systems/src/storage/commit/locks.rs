//! The lock table of a shard: strict two-phase locking, first come first served, shared and exclusive.

use super::options::Deadlocks;
use super::txn::{Age, Key, TxnId};
use sim_core::sorted::SortedMap;

/// One that holds a lock, or waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who.
    pub txn: TxnId,
    /// How old it is.
    pub age: Age,
    /// Whether nobody else may.
    pub exclusive: bool,
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It has it.
    Granted,
    /// It waits for these, and those of them that it wounds are told.
    Waits {
        /// Before it.
        before: Vec<TxnId>,
        /// Younger ones that have to go.
        wounded: Vec<TxnId>,
    },
    /// It must not wait.
    Dies,
}

#[derive(Clone, Debug, Default)]
struct Lock {
    held: Vec<Claim>,
    queue: Vec<Claim>,
}

/// All locks of a shard that anybody has.
#[derive(Clone, Debug, Default)]
pub struct Locks {
    locks: SortedMap<Key, Lock>,
    /// The keys of each.
    of: SortedMap<TxnId, Vec<Key>>,
}

impl Locks {
    /// Whether it holds any lock, or waits for one.
    #[must_use]
    pub fn has(&self, txn: TxnId) -> bool {
        self.of.contains_key(&txn)
    }

    /// Who has any.
    pub fn all(&self) -> impl Iterator<Item = TxnId> {
        self.of.keys().copied()
    }

    /// How many keys are locked.
    #[must_use]
    pub fn len(&self) -> usize {
        self.locks.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.locks.is_empty()
    }

    /// Who comes before a claim on a key, that waits in the queue or is to.
    fn before(lock: &Lock, claim: Claim) -> Vec<Claim> {
        let at = lock.queue.iter().position(|other| other.txn == claim.txn).unwrap_or(lock.queue.len());
        let all = lock.held.iter().chain(&lock.queue[..at]);
        all.filter(|other| other.txn != claim.txn && (other.exclusive || claim.exclusive)).copied().collect()
    }

    /// Asks for a lock. It is never asked for twice: whoever will write a key says so at once.
    pub fn ask(&mut self, key: Key, claim: Claim, rule: Deadlocks) -> Asked {
        let lock = self.locks.entry(key).or_default();
        if lock.held.iter().chain(&lock.queue).any(|other| other.txn == claim.txn) {
            return Asked::Granted;
        }
        let before = Self::before(lock, claim);
        if rule == Deadlocks::WaitDie && before.iter().any(|other| other.age < claim.age) {
            return Asked::Dies;
        }
        let keys = self.of.entry(claim.txn).or_default();
        keys.push(key);
        if before.is_empty() {
            lock.held.push(claim);
            return Asked::Granted;
        }
        lock.queue.push(claim);
        let younger = |other: &&Claim| rule == Deadlocks::WoundWait && other.age > claim.age;
        let wounded = before.iter().filter(younger).map(|other| other.txn).collect();
        Asked::Waits { before: before.iter().map(|other| other.txn).collect(), wounded }
    }

    /// Takes a lock if that is free, without waiting (for writes of snapshots, which wait for nobody).
    pub fn try_take(&mut self, key: Key, claim: Claim) -> bool {
        let lock = self.locks.entry(key).or_default();
        let free = Self::before(lock, claim).is_empty();
        if free && !lock.held.iter().any(|other| other.txn == claim.txn) {
            lock.held.push(claim);
            self.of.entry(claim.txn).or_default().push(key);
        }
        free
    }

    /// Whom a transaction waits for.
    #[must_use]
    pub fn waits_for(&self, txn: TxnId) -> Vec<Claim> {
        let keys = self.of.get(&txn).map_or(&[][..], Vec::as_slice);
        let waits = |key: &Key| {
            let lock = self.locks.get(key)?;
            let claim = lock.queue.iter().find(|claim| claim.txn == txn)?;
            Some(Self::before(lock, *claim))
        };
        keys.iter().find_map(waits).unwrap_or_default()
    }

    /// Those who wait.
    pub fn waiting(&self) -> impl Iterator<Item = Claim> {
        self.locks.values().flat_map(|lock| &lock.queue).copied()
    }

    /// Lets all locks of a transaction go. Those who have what they waited for, and with it whom each key went to.
    pub fn release(&mut self, txn: TxnId) -> Vec<TxnId> {
        let mut granted = Vec::new();
        for key in self.of.remove(&txn).unwrap_or_default() {
            let Some(lock) = self.locks.get_mut(&key) else { continue };
            lock.held.retain(|claim| claim.txn != txn);
            lock.queue.retain(|claim| claim.txn != txn);
            while let Some(next) = lock.queue.first().copied().filter(|next| Self::before(lock, *next).is_empty()) {
                lock.queue.remove(0);
                lock.held.push(next);
                granted.push(next.txn);
            }
            if lock.held.is_empty() && lock.queue.is_empty() {
                self.locks.remove(&key);
            }
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::super::txn::Space;
    use super::*;

    const KEY: Key = Key { space: Space::List, id: 1 };

    const fn claim(number: u64, exclusive: bool) -> Claim {
        let txn = TxnId { coordinator: 0, number };
        Claim { txn, age: Age { at: number, first: txn }, exclusive }
    }

    #[test]
    fn the_older_waits_and_the_younger_dies() {
        let mut locks = Locks::default();
        assert_eq!(locks.ask(KEY, claim(5, true), Deadlocks::WaitDie), Asked::Granted);
        assert_eq!(locks.ask(KEY, claim(7, true), Deadlocks::WaitDie), Asked::Dies);
        let waits = Asked::Waits { before: vec![claim(5, true).txn], wounded: vec![] };
        assert_eq!(locks.ask(KEY, claim(3, true), Deadlocks::WaitDie), waits);
        assert_eq!(locks.release(claim(5, true).txn), [claim(3, true).txn]);
    }

    #[test]
    fn the_older_wounds_and_the_younger_waits() {
        let mut locks = Locks::default();
        assert_eq!(locks.ask(KEY, claim(5, false), Deadlocks::WoundWait), Asked::Granted);
        assert_eq!(locks.ask(KEY, claim(6, false), Deadlocks::WoundWait), Asked::Granted);
        let (five, six) = (claim(5, false).txn, claim(6, false).txn);
        let asked = locks.ask(KEY, claim(3, true), Deadlocks::WoundWait);
        assert_eq!(asked, Asked::Waits { before: vec![five, six], wounded: vec![five, six] });
        // Behind one that waits for it alone: a shared lock does not overtake.
        assert!(matches!(locks.ask(KEY, claim(9, false), Deadlocks::WoundWait), Asked::Waits { .. }));
        assert!(locks.release(five).is_empty());
        assert_eq!(locks.release(six), [claim(3, true).txn]);
        assert_eq!(locks.release(claim(3, true).txn), [claim(9, false).txn]);
        locks.release(claim(9, false).txn);
        assert!(locks.is_empty());
    }
}
