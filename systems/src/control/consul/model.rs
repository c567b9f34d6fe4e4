//! What the log says, as the rules read it: the history of each key, who holds which lock, which sessions there are. It
//! is no part of the database, and looks at everything that the database should look at.

use super::database::{Answer, Behavior, Command, Health, Key, Session};
use super::records::{LOCK_INDEX_GROWS, ONE_HOLDER};
use sim_core::NodeId;
use sim_core::sorted::{SortedMap, SortedSet};

/// A lock.
#[derive(Clone, Debug, Default)]
struct Lock {
    holder: Option<Session>,
    lock_index: u64,
}

/// All that was decided.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    /// How many commands.
    pub decided: u64,
    open: SortedMap<Session, Behavior>,
    pub ended: SortedSet<Session>,
    /// What each key held from which command on.
    history: SortedMap<Key, Vec<(u64, u64)>>,
    locks: SortedMap<Key, Lock>,
    pub grants: u64,
    /// Keys whose holder's session this command has ended.
    pub freed: Vec<Key>,
    /// When each service was changed last, and by how many commands.
    pub services: SortedMap<u64, u64>,
    at: SortedMap<NodeId, SortedSet<u64>>,
}

impl Model {
    /// A command was carried out, with this answer. The rule that this breaks, and how.
    pub fn decide(&mut self, command: Command, answer: Answer) -> Result<(), (&'static str, String)> {
        self.decided += 1;
        self.freed.clear();
        match (command, answer) {
            (Command::Set { key, value } | Command::Cas { key, value, .. }, Answer::Done(_)) => self.write(key, value),
            (Command::Open { session, behavior }, Answer::Done(_)) => _ = self.open.insert(session, behavior),
            (Command::End { session, .. }, Answer::Done(_)) => self.end(session),
            (Command::Acquire { key, session }, Answer::Locked { lock_index }) => {
                return self.acquire(key, session, lock_index);
            }
            (Command::Release { key, session }, Answer::Done(_)) => {
                let lock = self.locks.entry(key).or_default();
                let holder = lock.holder.take();
                if holder.is_some_and(|holder| holder != session) {
                    let detail = format!("session {:x} does not hold {key}, and lets it go", session.0);
                    return Err((ONE_HOLDER, detail));
                }
            }
            (Command::Node { node, health }, _) => {
                self.touch(node);
                if health == Health::Critical {
                    self.end_all(node);
                }
            }
            (Command::NoNode { node }, _) => {
                self.touch(node);
                self.at.remove(&node);
                self.end_all(node);
            }
            (Command::Service { node, service, .. }, _) => {
                self.at.entry(node).or_default().insert(service);
                self.services.insert(service, self.decided);
            }
            (Command::NoService { service, .. }, _) => _ = self.services.insert(service, self.decided),
            _ => {}
        }
        Ok(())
    }

    fn touch(&mut self, node: NodeId) {
        for service in self.at.get(&node).into_iter().flatten() {
            self.services.insert(*service, self.decided);
        }
    }

    fn write(&mut self, key: Key, value: u64) {
        self.history.entry(key).or_default().push((self.decided, value));
    }

    fn acquire(&mut self, key: Key, session: Session, lock_index: u64) -> Result<(), (&'static str, String)> {
        let is_open = self.open.contains_key(&session);
        let lock = self.locks.entry(key).or_default();
        let before = lock.holder.replace(session);
        let expected = lock.lock_index + u64::from(before.is_none());
        lock.lock_index = lock_index;
        self.grants += 1;
        if !is_open {
            return Err((ONE_HOLDER, format!("session {:x} is not open, and is given {key}", session.0)));
        }
        if let Some(other) = before.filter(|other| *other != session) {
            return Err((ONE_HOLDER, format!("session {:x} is given {key}, which {:x} holds", session.0, other.0)));
        }
        if lock_index != expected {
            return Err((LOCK_INDEX_GROWS, format!("{key}: lock index {lock_index}, not {expected}")));
        }
        Ok(())
    }

    fn end(&mut self, session: Session) {
        let Some(behavior) = self.open.remove(&session) else { return };
        self.ended.insert(session);
        for (key, lock) in &mut self.locks {
            if lock.holder == Some(session) {
                lock.holder = None;
                self.freed.push(*key);
                if behavior == Behavior::Delete {
                    lock.lock_index = 0;
                }
            }
        }
        self.freed.sort_unstable();
    }

    fn end_all(&mut self, node: NodeId) {
        let of: Vec<Session> = self.open.keys().filter(|session| session.node() == node).copied().collect();
        of.into_iter().for_each(|session| self.end(session));
    }

    /// What a key held when so many commands had been carried out.
    pub fn held(&self, key: Key, as_of: u64) -> u64 {
        let history = self.history.get(&key).map_or(&[][..], Vec::as_slice);
        let at = history.partition_point(|(number, _)| *number <= as_of);
        at.checked_sub(1).map_or(0, |at| history[at].1)
    }

    /// Which command made a key hold this, if one did.
    pub fn written(&self, key: Key, value: u64) -> Option<u64> {
        self.history.get(&key)?.iter().rev().find(|(_, held)| *held == value).map(|(number, _)| *number)
    }

    /// Whether somebody holds a lock by this index.
    pub fn is_held(&self, key: Key, lock_index: u64) -> bool {
        self.locks.get(&key).is_some_and(|lock| lock.lock_index == lock_index && lock.holder.is_some())
    }
}
