//! What the log says, as the rules read it: the history of each file, who holds which lock, which sessions there are.
//! It is no part of the database, and looks at everything that the database should look at.

use super::checks::{CALLS_OF_THEIR_EPOCH, GENERATIONS_GROW, ONE_HOLDER, WRITES_SURVIVE};
use super::database::{Answer, CallNumber, Change, Command, Epoch, Mode, Path, Session};
use sim_core::sorted::{SortedMap, SortedSet};

/// A lock.
#[derive(Clone, Debug, Default)]
struct Lock {
    holders: SortedMap<Session, Mode>,
    generation: u64,
    /// Closed until its lock-delay is over.
    delayed: bool,
}

/// All that was decided.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    /// How many commands.
    pub decided: u64,
    epoch: Epoch,
    open: SortedSet<Session>,
    ended: SortedSet<Session>,
    /// What each version of each file held.
    versions: SortedMap<Path, Vec<u64>>,
    locks: SortedMap<Path, Lock>,
    /// Calls that were carried out: a second copy of one changes nothing.
    carried: SortedSet<(Session, CallNumber)>,
    pub grants: u64,
}

impl Model {
    /// A command was carried out, with this answer. The rule that this breaks, and how.
    pub fn decide(&mut self, command: Command, answer: Answer) -> Result<(), (&'static str, String)> {
        self.decided += 1;
        match (command, answer) {
            (Command::Master { .. }, Answer::Epoch(epoch)) => self.epoch = epoch,
            (Command::Open { session, .. }, Answer::Done) => {
                // Its client may ask once more for what it never heard that it had.
                self.ended.remove(&session);
                self.open.insert(session);
            }
            (Command::Expire { session, delay, .. }, Answer::Done) => {
                self.open.remove(&session);
                self.ended.insert(session);
                for lock in self.locks.values_mut() {
                    lock.delayed |= lock.holders.remove(&session).is_some() && delay;
                }
            }
            (Command::EndDelay { path, .. }, Answer::Done) => self.locks.entry(path).or_default().delayed = false,
            (Command::Call { epoch, session, number, change, .. }, answer)
                if !matches!(answer, Answer::OldEpoch | Answer::LongAgo | Answer::NoSession | Answer::Busy) =>
            {
                if !self.carried.insert((session, number)) {
                    return Ok(());
                }
                if epoch != self.epoch {
                    let detail = format!("{change:?} of epoch {epoch} was carried out in epoch {}", self.epoch);
                    return Err((CALLS_OF_THEIR_EPOCH, detail));
                }
                return self.call(session, change, answer);
            }
            _ => {}
        }
        Ok(())
    }

    fn call(&mut self, session: Session, change: Change, answer: Answer) -> Result<(), (&'static str, String)> {
        let who = format!("session {:x}", session.0);
        match (change, answer) {
            (Change::Set { path, value }, Answer::Written { version }) => {
                let versions = self.versions.entry(path).or_default();
                versions.push(value);
                if versions.len() as u64 != version {
                    let detail = format!("{path}: version {version} came after {} others", versions.len() - 1);
                    return Err((WRITES_SURVIVE, detail));
                }
            }
            (Change::Acquire { path, mode }, Answer::Locked { generation }) => {
                let lock = self.locks.entry(path).or_default();
                let alone = lock.holders.is_empty();
                let shares = mode == Mode::Shared && lock.holders.values().all(|held| *held == Mode::Shared);
                if !self.open.contains(&session) {
                    return Err((ONE_HOLDER, format!("{who} has ended, and is given {path}")));
                }
                if !alone && !shares || lock.delayed {
                    let others: Vec<_> = lock.holders.keys().map(|other| format!("{:x}", other.0)).collect();
                    let detail = format!("{who} is given {path}, which {} holds or held", others.join(", "));
                    return Err((ONE_HOLDER, detail));
                }
                let expected = lock.generation + u64::from(alone);
                lock.generation = generation;
                lock.holders.insert(session, mode);
                self.grants += 1;
                if generation != expected {
                    return Err((GENERATIONS_GROW, format!("{path}: generation {generation}, not {expected}")));
                }
            }
            (Change::Release { path, generation }, Answer::Done) => {
                let lock = self.locks.entry(path).or_default();
                let held = lock.generation == generation && lock.holders.remove(&session).is_some();
                if !held && !lock.holders.is_empty() {
                    let detail = format!("{who} does not hold {path} by generation {generation}, and lets it go");
                    return Err((ONE_HOLDER, detail));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// How many calls were carried out.
    pub fn calls(&self) -> u64 {
        self.carried.len() as u64
    }

    /// What a version of a file held; the version 0 is the file that was not there.
    pub fn held(&self, path: Path, version: u64) -> Option<u64> {
        match version {
            0 => Some(0),
            version => self.versions.get(&path)?.get(version as usize - 1).copied(),
        }
    }

    /// Whether a session has ended.
    pub fn has_ended(&self, session: Session) -> bool {
        self.ended.contains(&session)
    }

    /// Whether somebody holds a lock by this generation.
    pub fn is_held(&self, path: Path, generation: u64) -> bool {
        self.locks.get(&path).is_some_and(|lock| lock.generation == generation && !lock.holders.is_empty())
    }
}
