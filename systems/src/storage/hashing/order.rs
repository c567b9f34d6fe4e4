//! The order of writes as their versions tell it, which excuses no write that was tried again: later writes have larger
//! versions, and reads see no smaller one than was acknowledged before they began.

use super::message::{Behalf, HashingMessage};
use super::version::{Held, Version, What};
use crate::shared::kv::{KvCommand, KvResponse};
use sim_core::sorted::SortedMap;
use sim_core::{ClientId, Instant, Outcome, Ticket};

/// An operation.
type Operation = (ClientId, u64);

const fn operation(version: Version) -> Operation {
    (ClientId(version.client), version.op)
}

/// A write.
#[derive(Clone, Debug)]
struct Write {
    begun: Instant,
    /// How often a node was asked for it.
    tries: usize,
    /// The versions it was to be stored under.
    versions: Vec<Version>,
    /// The first one that was acknowledged.
    acknowledged: Option<Version>,
}

/// What of a key was acknowledged.
#[derive(Clone, Debug, Default)]
struct Key {
    /// When, and the largest version until then, and whether that was a delete.
    acknowledged: Vec<(Instant, Version, bool)>,
    /// The largest version of a delete.
    deleted: Option<Version>,
}

impl Key {
    /// The largest version that was acknowledged before `at`, and whether it was a delete.
    fn before(&self, at: Instant) -> Option<(Version, bool)> {
        let behind = self.acknowledged.partition_point(|(end, ..)| *end < at);
        self.acknowledged[..behind].last().map(|(_, version, delete)| (*version, *delete))
    }
}

/// All writes.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    writes: SortedMap<Operation, Write>,
    /// By the value's hash.
    values: SortedMap<u64, Operation>,
    keys: SortedMap<u64, Key>,
    /// Tries that came late: they gave a write a larger version than what was acknowledged since it was itself.
    pub late: u64,
    /// Acknowledgements that were looked at.
    pub compared: u64,
}

/// What is wrong with a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stale {
    /// Whether it saw what was deleted.
    pub deleted: bool,
    pub detail: String,
}

impl Order {
    /// A client begins an operation.
    pub fn invoked(&mut self, at: Instant, ticket: Ticket, request: &KvCommand) {
        let value = match request {
            KvCommand::Get { .. } => return,
            KvCommand::Put { value, .. } | KvCommand::Append { value, .. } | KvCommand::Cas { value, .. } => {
                Some(value)
            }
            KvCommand::Delete { .. } => None,
        };
        let this = (ticket.client, ticket.op);
        let write = Write { begun: at, tries: 0, versions: Vec::new(), acknowledged: None };
        self.writes.insert(this, write);
        self.values.extend(value.map(|value| (value.hash(), this)));
    }

    /// A node is asked for it.
    pub fn requested(&mut self, ticket: Ticket) {
        if let Some(write) = self.writes.get_mut(&(ticket.client, ticket.op)) {
            write.tries += 1;
        }
    }

    /// A coordinator has something stored. Says so if an operation has more versions by now than tries were made of it.
    pub fn sent(&mut self, message: &HashingMessage) -> Option<String> {
        let HashingMessage::Store { behalf: Behalf::Op(_), key, held: Held { version, what }, .. } = message else {
            return None;
        };
        let write = self.writes.get_mut(&operation(*version))?;
        if write.versions.contains(version) {
            return None;
        }
        write.versions.push(*version);
        let known = self.keys.entry(*key).or_default();
        if matches!(what, What::Tombstone { .. }) {
            known.deleted = known.deleted.max(Some(*version));
        }
        let newest = known.acknowledged.last().map(|(_, newest, _)| *newest);
        let since = |first: Version| newest.is_some_and(|newest| first < newest && newest < *version);
        self.late += u64::from(write.acknowledged.is_some_and(since));
        (write.versions.len() > write.tries).then(|| {
            let (versions, tries) = (write.versions.len(), write.tries);
            format!("a write of k{key} was to be stored under {versions} versions, and {tries} tries were made of it")
        })
    }

    /// A write was acknowledged. Says so if one that was acknowledged before it began has a larger version.
    pub fn acknowledged(&mut self, at: Instant, key: u64, version: Version, deleted: bool) -> Option<String> {
        let known = self.keys.entry(key).or_default();
        let newest = known.acknowledged.last().map_or((version, deleted), |(_, newest, deleted_before)| {
            (version, deleted).max((*newest, *deleted_before))
        });
        let write = self.writes.get_mut(&operation(version));
        let before = write.as_ref().and_then(|write| known.before(write.begun));
        known.acknowledged.push((at, newest.0, newest.1));
        write?.acknowledged.get_or_insert(version);
        let (before, _) = before?;
        self.compared += 1;
        (before > version).then(|| {
            format!(
                "a write of k{key} was acknowledged at {version}; before it began another one had been, at {before}"
            )
        })
    }

    /// A read ended. Says what is wrong with what it saw.
    pub fn returned(&self, (invoked, request): (Instant, &KvCommand), outcome: &Outcome<KvResponse>) -> Option<Stale> {
        let (KvCommand::Get { key }, Outcome::Ok(KvResponse::Value(seen))) = (request, outcome) else { return None };
        let known = self.keys.get(key)?;
        let (newest, deleted) = known.before(invoked)?;
        let (saw, version) = match seen {
            Some(value) => {
                let write = self.values.get(&value.hash()).and_then(|write| self.writes.get(write))?;
                (value.to_string(), write.versions.iter().max().copied())
            }
            // A tombstone may be forgotten.
            None if deleted => return None,
            None => ("nothing".to_owned(), known.deleted),
        };
        (version < Some(newest)).then(|| {
            let under = version.map_or_else(String::new, |version| format!(" ({version} at most)"));
            let what = if deleted { "a delete" } else { "a write" };
            let detail = format!(
                "a read of k{key} begun at {invoked} saw {saw}{under}, but {what} at {newest} had been acknowledged"
            );
            Stale { deleted, detail }
        })
    }
}
