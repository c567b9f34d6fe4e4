//! A node's disk: an append-only log of records with group commit, and what a crash leaves of it.

use crate::fault::OnCrash;
use crate::network::{Latency, Luck};
use crate::{Duration, Instant, Probability, Replay, Rng, WriteId};
use std::collections::VecDeque;

/// How a disk behaves when nothing is wrong with it.
#[derive(Clone, Debug, PartialEq)]
pub struct DiskPolicy {
    /// How long a sync takes.
    pub sync: Latency,
    /// How long reading a record back takes.
    pub read: Latency,
    /// How often a sync fails.
    pub fail: Probability,
}

impl Default for DiskPolicy {
    fn default() -> Self {
        Self {
            sync: Latency::Fixed(Duration::micros(500)),
            read: Latency::Fixed(Duration::micros(100)),
            fail: Probability::NEVER,
        }
    }
}

/// What a fault adds to a disk's policy. Several may hold at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct DiskTrouble {
    /// Slow-downs in force: fault number, added latency, and what it is drawn from.
    pub slow: Vec<(usize, Latency, Luck)>,
    /// Stalls in force: fault numbers.
    pub stalls: Vec<usize>,
    /// Failing syncs in force: fault number, probability, and what decides.
    pub failing: Vec<(usize, Probability, Luck)>,
}

/// One node's disk.
#[derive(Clone, Debug)]
pub(crate) struct Disk<R> {
    records: VecDeque<(WriteId, u16, R)>,
    /// Every record before this one survives a crash.
    durable_before: WriteId,
    /// The sync in flight covers the records before this one; `None` if the disk is idle.
    in_flight: Option<WriteId>,
    /// Another sync was asked for while one was in flight.
    again: bool,
    /// Tells completions of syncs that a crash has overtaken from those that count.
    pub token: u32,
    /// Whether embedded nodes write here too, so that records of several lanes are interleaved.
    many_lanes: bool,
    /// What faults do to it now.
    pub trouble: DiskTrouble,
    /// The sync in flight can not go on: a stall holds it.
    pub held: bool,
    /// When the sync in flight began.
    busy_since: Instant,
    /// What failed syncs covered: the kernel took those pages for clean, so no later sync writes them.
    unwritten: Vec<(WriteId, WriteId)>,
}

impl<R: Clone> Disk<R> {
    pub const fn new() -> Self {
        Self {
            records: VecDeque::new(),
            durable_before: WriteId(1),
            in_flight: None,
            again: false,
            token: 0,
            many_lanes: false,
            trouble: DiskTrouble { slow: Vec::new(), stalls: Vec::new(), failing: Vec::new() },
            held: false,
            busy_since: Instant::ZERO,
            unwritten: Vec::new(),
        }
    }

    #[inline]
    pub fn append(&mut self, id: WriteId, lane: u16, record: R) {
        self.many_lanes |= lane != 0;
        self.records.push_back((id, lane, record));
    }

    /// A sync is asked for: whether one starts now (otherwise it waits for the one in flight).
    #[inline]
    pub fn request_sync(&mut self, next_write: WriteId, now: Instant) -> bool {
        if self.in_flight.is_some() {
            self.again = true;
            return false;
        }
        self.in_flight = Some(next_write);
        self.busy_since = now;
        true
    }

    /// How long the sync in flight has taken so far.
    pub fn busy(&self, now: Instant) -> Duration {
        if self.in_flight.is_some() { now.since(self.busy_since) } else { Duration::ZERO }
    }

    /// The sync in flight is over: what it covered, and whether the next one starts at once.
    pub fn finish_sync(&mut self, ok: bool, next_write: WriteId, now: Instant) -> (WriteId, bool) {
        let before = self.in_flight.take().expect("a sync finished that was not in flight");
        if ok {
            self.durable_before = before;
        } else {
            self.unwritten.push((self.durable_before, before));
        }
        let again = core::mem::take(&mut self.again);
        if again {
            self.request_sync(next_write, now);
        }
        (WriteId(before.0 - 1), again)
    }

    pub fn forget(&mut self, before: WriteId, lane: u16) {
        if self.many_lanes {
            self.records.retain(|(id, l, _)| *l != lane || *id >= before);
        } else {
            while self.records.front().is_some_and(|(id, ..)| *id < before) {
                self.records.pop_front();
            }
        }
    }

    pub fn read(&self, id: WriteId) -> Option<R> {
        let at = self.records.partition_point(|(other, ..)| *other < id);
        self.records.get(at).filter(|(other, ..)| *other == id).map(|(.., record)| record.clone())
    }

    /// The machine goes down: how many records are lost.
    pub fn crash(&mut self, how: OnCrash, next_write: WriteId, rng: &mut Rng) -> usize {
        let had = self.records.len();
        let synced = self.records.partition_point(|(id, ..)| *id < self.durable_before);
        match how {
            OnCrash::Keep => {}
            OnCrash::LoseUnsynced => self.records.truncate(synced),
            OnCrash::Torn => {
                // A prefix of the unsynced survives. The record after it may be half there: its checksum shows that,
                // so to the node it is as if it were not there.
                let kept = rng.below((had - synced) as u64 + 1) as usize;
                self.records.truncate(synced + kept);
            }
            OnCrash::Wipe => self.records.clear(),
        }
        if how != OnCrash::Keep && !self.unwritten.is_empty() {
            let unwritten = core::mem::take(&mut self.unwritten);
            self.records.retain(|(id, ..)| !unwritten.iter().any(|(from, before)| from <= id && id < before));
        }
        self.in_flight = None;
        self.again = false;
        self.held = false;
        self.token += 1;
        // What is on the disk when it comes back is what it has: there is no cache left to lose it from.
        self.durable_before = next_write;
        had - self.records.len()
    }

    pub fn replay(&mut self) -> Replay<'_, R> {
        Replay::new(self.records.make_contiguous())
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Purpose;

    fn disk_with(synced: u64, unsynced: u64) -> Disk<u64> {
        let mut disk = Disk::new();
        for i in 1..=synced + unsynced {
            disk.append(WriteId(i), 0, i);
            if i == synced {
                assert!(disk.request_sync(WriteId(i + 1), Instant::ZERO));
                disk.finish_sync(true, WriteId(i + 1), Instant::ZERO);
            }
        }
        disk
    }

    #[test]
    fn a_crash_leaves_what_its_mode_says() {
        let mut rng = Rng::stream(1, Purpose::Disk, 0);
        let mut left = |how| {
            let mut disk = disk_with(3, 4);
            disk.crash(how, WriteId(8), &mut rng);
            disk.len()
        };
        assert_eq!((left(OnCrash::Keep), left(OnCrash::LoseUnsynced), left(OnCrash::Wipe)), (7, 3, 0));
        let torn: Vec<usize> = (0..50).map(|_| left(OnCrash::Torn)).collect();
        assert!(
            torn.iter().all(|n| (3..=7).contains(n)) && torn.contains(&3) && torn.contains(&5) && torn.contains(&7)
        );
    }

    #[test]
    fn one_sync_covers_all_that_was_appended_while_the_last_was_in_flight() {
        let mut disk = disk_with(0, 1);
        assert!(disk.request_sync(WriteId(2), Instant::ZERO));
        for id in 2..5 {
            disk.append(WriteId(id), 0, 0);
            assert!(!disk.request_sync(WriteId(id + 1), Instant::ZERO));
        }
        assert_eq!(disk.finish_sync(true, WriteId(5), Instant::ZERO), (WriteId(1), true));
        assert_eq!(disk.finish_sync(true, WriteId(5), Instant::ZERO), (WriteId(4), false));
    }

    #[test]
    fn a_sync_overtaken_by_a_crash_protects_nothing() {
        let mut disk = disk_with(0, 2);
        assert!(disk.request_sync(WriteId(3), Instant::ZERO));
        let lost = disk.crash(OnCrash::LoseUnsynced, WriteId(3), &mut Rng::stream(1, Purpose::Disk, 0));
        assert_eq!((lost, disk.len()), (2, 0));
    }

    #[test]
    fn lanes_forget_only_their_own() {
        let mut disk = Disk::new();
        for i in 0..6 {
            disk.append(WriteId(i), (i % 2) as u16, i);
        }
        disk.forget(WriteId(4), 1);
        let left: Vec<u64> = disk.records.iter().map(|(id, ..)| id.0).collect();
        assert_eq!(left, [0, 2, 4, 5]);
        assert_eq!((disk.read(WriteId(4)), disk.read(WriteId(3))), (Some(4), None));
    }
}
