//! The one history that everybody's must be part of, as it is seen on disks: what is in it, what was in it and is not.

use super::txn::{Entry, Path, Place, Session, Txn, Xid, Zxid};
use sim_core::Instant;
use sim_core::sorted::SortedMap;
use std::rc::Rc;

/// What is committed, or may be.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    entries: SortedMap<Zxid, Rc<Entry>>,
    /// By epoch: where the history of its leader ended when it was established.
    begins: SortedMap<u32, Zxid>,
    /// What each register held from which transaction on.
    values: SortedMap<Path, SortedMap<Zxid, u64>>,
    /// The newest call of each session in it.
    calls: SortedMap<Session, SortedMap<Zxid, Xid>>,
    /// Nodes that stand for locks, or for those at a barrier, and the session that each goes with.
    queued: SortedMap<Path, Option<Session>>,
    /// Those of them that have gone.
    gone: SortedMap<Path, Zxid>,
    /// Sessions that were ended, and when.
    closed: SortedMap<Session, Instant>,
}

impl History {
    /// A server has written an entry. What contradicts what is known.
    pub fn add(&mut self, at: Instant, entry: &Rc<Entry>) -> Result<(), String> {
        if let Some(known) = self.entries.get(&entry.zxid) {
            let same = known == entry;
            return if same { Ok(()) } else { Err(format!("{entry}, but it was {known} before")) };
        }
        self.entries.insert(entry.zxid, Rc::clone(entry));
        // An old leader that does not know yet that it is replaced writes what never will be.
        if self.begins.range(entry.zxid.epoch + 1..).any(|(_, last)| entry.zxid > *last) {
            return Ok(());
        }
        self.note_values(entry.zxid, &entry.txn);
        self.note_locks(entry.zxid, entry.session, &entry.txn);
        if entry.txn == Txn::Close {
            self.closed.entry(entry.session).or_insert(at);
        }
        if entry.xid.0 > 0 && !matches!(entry.txn, Txn::Refused(_)) {
            let calls = self.calls.entry(entry.session).or_default();
            let before = calls.range(..entry.zxid).next_back();
            if let Some((zxid, xid)) = before.filter(|(_, xid)| **xid >= entry.xid) {
                return Err(format!("{entry}, though call {xid} of the same session has become {zxid}"));
            }
            calls.insert(entry.zxid, entry.xid);
        }
        Ok(())
    }

    fn note_values(&mut self, zxid: Zxid, txn: &Txn) {
        match txn {
            Txn::Set { path, data, .. } => {
                self.values.entry(*path).or_default().insert(zxid, *data);
            }
            Txn::Multi(all) => all.iter().for_each(|one| self.note_values(zxid, one)),
            _ => {}
        }
    }

    fn note_locks(&mut self, zxid: Zxid, session: Session, txn: &Txn) {
        match txn {
            Txn::Create { path, ephemeral, .. } if matches!(path.place, Place::Lock(_) | Place::Barrier(_)) => {
                self.queued.insert(*path, ephemeral.then_some(session));
            }
            Txn::Delete { path } if self.queued.contains_key(path) => {
                self.gone.entry(*path).or_insert(zxid);
            }
            Txn::Close => {
                for (path, _) in self.queued.iter().filter(|(_, of)| **of == Some(session)) {
                    self.gone.entry(*path).or_insert(zxid);
                }
            }
            Txn::Multi(all) => all.iter().for_each(|one| self.note_locks(zxid, session, one)),
            _ => {}
        }
    }

    /// Whether a node that stands for a lock was there as of a transaction.
    pub fn is_queued(&self, path: Path, zxid: Zxid) -> bool {
        self.queued.contains_key(&path) && self.gone.get(&path).is_none_or(|gone| *gone > zxid)
    }

    /// How many have come to a barrier that may go in by this mark, and could not by the one before it.
    pub fn came(&self, barrier: u64, mark: u32) -> usize {
        let place = Place::Barrier(barrier);
        let marks = self.values.get(&Path::of(place)).into_iter().flat_map(SortedMap::values);
        let before = marks.copied().filter(|other| *other < u64::from(mark)).max().unwrap_or(0) as u32;
        self.queued.range(Path::child(place, before)..Path::child(place, mark)).count()
    }

    /// A leader's history ends here: what is newer never was.
    pub fn end_at(&mut self, epoch: u32, last: Zxid) {
        self.begins.insert(epoch, last);
        let newer = self.entries.range(last.next()..Zxid::of_epoch(epoch)).map(|(zxid, _)| *zxid);
        for gone in newer.collect::<Vec<_>>().iter().filter_map(|zxid| self.entries.remove(zxid)) {
            if let Some(calls) = self.calls.get_mut(&gone.session) {
                calls.remove(&gone.zxid);
            }
            if gone.txn == Txn::Close {
                self.closed.remove(&gone.session);
            }
        }
        self.gone.retain(|_, zxid| *zxid <= last || zxid.epoch >= epoch);
        for values in self.values.values_mut() {
            values.split_off(&last.next());
        }
    }

    /// What a register held as of a transaction.
    pub fn value(&self, path: Path, zxid: Zxid) -> u64 {
        let values = self.values.get(&path);
        values.and_then(|values| values.range(..=zxid).next_back()).map_or(0, |(_, value)| *value)
    }

    /// When a session was ended, if it was.
    pub fn closed(&self, session: Session) -> Option<Instant> {
        self.closed.get(&session).copied()
    }

    /// Whether somebody has written this.
    pub fn has(&self, zxid: Zxid) -> bool {
        self.entries.contains_key(&zxid)
    }

    /// How many transactions it has.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}
