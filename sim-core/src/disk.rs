//! A node's disk: an append-only log of records with group commit, and what a crash leaves of it.

use crate::fault::OnCrash;
use crate::network::{Latency, Luck};
use crate::{Duration, Instant, Probability, Replay, Rng, SyncError, WriteId, hash};
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
    /// How many syncs may be in flight at the same time; what is asked for beyond waits and is then one.
    pub at_once: u32,
}

impl Default for DiskPolicy {
    fn default() -> Self {
        Self {
            sync: Latency::Fixed(Duration::micros(500)),
            read: Latency::Fixed(Duration::micros(100)),
            fail: Probability::NEVER,
            at_once: 1,
        }
    }
}

/// A sync in flight.
#[derive(Clone, Copy, Debug)]
struct Flight {
    /// Names it, until a crash overtakes it.
    number: u32,
    /// It covers the records before this one.
    before: WriteId,
    /// It can not go on: a stall holds it.
    held: bool,
}

/// What faults do to a disk, and what they have done. Made on first use: most disks never see one.
#[derive(Clone, Debug, Default)]
pub(crate) struct DiskTrouble {
    /// Slow-downs in force: fault number, added latency, and what it is drawn from.
    pub slow: Vec<(usize, Latency, Luck)>,
    /// Stalls in force: fault numbers.
    pub stalls: Vec<usize>,
    /// Failing syncs in force: fault number, probability, and what decides.
    pub failing: Vec<(usize, Probability, Luck)>,
    /// Lies about syncs in force: fault numbers.
    pub lies: Vec<usize>,
    /// What leaves no space, in force: fault numbers.
    pub full: Vec<usize>,
    /// What tears every crash, in force: fault numbers.
    pub torn: Vec<usize>,
    /// What syncs claimed to have made durable while a fault lied, and no honest sync has covered since.
    belied: Vec<(usize, WriteId, WriteId)>,
    /// The first and the last record that found no space since the last sync.
    refused: Option<(WriteId, WriteId)>,
    /// Records that have rotted, by which fault, and were not read since.
    rotten: Vec<(WriteId, usize)>,
}

impl DiskTrouble {
    /// A sync claims to have made the records of a range durable: whether that is true.
    fn claim(&mut self, from: WriteId, before: WriteId) -> bool {
        if self.lies.is_empty() {
            self.belied.clear();
            return true;
        }
        for fault in &self.lies {
            match self.belied.iter_mut().find(|(lie, ..)| lie == fault) {
                Some((.., end)) => *end = before,
                None => self.belied.push((*fault, from, before)),
            }
        }
        false
    }

    /// A fault is over.
    pub fn end(&mut self, fault: usize) {
        self.slow.retain(|(other, ..)| *other != fault);
        self.failing.retain(|(other, ..)| *other != fault);
        for faults in [&mut self.stalls, &mut self.lies, &mut self.full, &mut self.torn] {
            faults.retain(|other| *other != fault);
        }
    }
}

/// What a finished sync did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    /// The newest record it covered.
    pub upto: WriteId,
    /// Whether it worked, as far as the node is told.
    pub result: Result<(), SyncError>,
}

/// What a crash took from a disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// How many records.
    pub records: usize,
    /// How many of them a sync had covered while a fault lied about it, for each such fault.
    pub belied: Vec<(usize, u64)>,
}

/// One node's disk.
#[derive(Clone, Debug)]
pub(crate) struct Disk<R> {
    /// `None` for what has rotted.
    records: VecDeque<(WriteId, u16, Option<R>)>,
    /// Every record before this one survives a crash.
    durable_before: WriteId,
    /// Every record before this one has been covered by a sync that claimed to have worked.
    claimed_before: WriteId,
    /// The syncs in flight, in the order in which they began; none if the disk is idle.
    flights: Vec<Flight>,
    /// How many syncs have begun.
    begun: u32,
    /// Another sync was asked for while no more could begin.
    again: bool,
    /// Tells completions of reads that a crash has overtaken from those that count.
    pub token: u32,
    /// Whether embedded nodes write here too, so that records of several lanes are interleaved.
    many_lanes: bool,
    trouble: Option<Box<DiskTrouble>>,
    /// Since when the time it is busy has not been counted.
    busy_since: Instant,
    /// What failed syncs covered: the kernel took those pages for clean, so no later sync writes them.
    unwritten: Vec<(WriteId, WriteId)>,
}

impl<R: Clone> Disk<R> {
    pub const fn new() -> Self {
        Self {
            records: VecDeque::new(),
            durable_before: WriteId(1),
            claimed_before: WriteId(1),
            flights: Vec::new(),
            begun: 0,
            again: false,
            token: 0,
            many_lanes: false,
            trouble: None,
            busy_since: Instant::ZERO,
            unwritten: Vec::new(),
        }
    }

    /// What faults do to it, if any ever did anything.
    #[inline]
    pub fn trouble(&mut self) -> Option<&mut DiskTrouble> {
        self.trouble.as_deref_mut()
    }

    /// What faults do to it, to add to.
    pub fn make_trouble(&mut self) -> &mut DiskTrouble {
        self.trouble.get_or_insert_default()
    }

    /// Whether a fault keeps syncs from completing.
    pub fn is_stalled(&self) -> bool {
        self.trouble.as_ref().is_some_and(|trouble| !trouble.stalls.is_empty())
    }

    /// Takes in a record, unless there is no space. Once one was refused, so is all that is written before the node has
    /// heard of it: a log has no gaps.
    #[inline]
    pub fn append(&mut self, id: WriteId, lane: u16, record: R) -> bool {
        self.many_lanes |= lane != 0;
        if let Some(trouble) = &mut self.trouble
            && (!trouble.full.is_empty() || trouble.refused.is_some())
        {
            trouble.refused = Some((trouble.refused.map_or(id, |(first, _)| first), id));
            return false;
        }
        self.records.push_back((id, lane, Some(record)));
        true
    }

    /// A sync is asked for: its number, if it starts now (otherwise it waits for one in flight). At most `at_once` are.
    #[inline]
    pub fn request_sync(&mut self, next_write: WriteId, now: Instant, at_once: u32) -> Option<u32> {
        if self.flights.len() >= at_once as usize {
            self.again = true;
            return None;
        }
        if self.flights.is_empty() {
            self.busy_since = now;
        }
        self.begun = self.begun.wrapping_add(1);
        self.flights.push(Flight { number: self.begun, before: next_write, held: false });
        Some(self.begun)
    }

    /// How long the disk has been busy since a sync was last done.
    pub fn busy(&self, now: Instant) -> Duration {
        if self.flights.is_empty() { Duration::ZERO } else { now.since(self.busy_since) }
    }

    /// Whether that sync is still in flight.
    #[inline]
    pub fn is_in_flight(&self, number: u32) -> bool {
        self.flights.iter().any(|flight| flight.number == number)
    }

    /// A stall holds that sync.
    pub fn hold(&mut self, number: u32) {
        self.flights.iter_mut().filter(|flight| flight.number == number).for_each(|flight| flight.held = true);
    }

    /// Whether a stall holds a sync.
    pub fn is_held(&self) -> bool {
        self.flights.iter().any(|flight| flight.held)
    }

    /// Lets go of what a stall held: the numbers of those syncs.
    pub fn release(&mut self) -> Vec<u32> {
        let held = |flight: &mut Flight| core::mem::take(&mut flight.held).then_some(flight.number);
        self.flights.iter_mut().filter_map(held).collect()
    }

    /// A sync in flight is over; `ok` unless the device failed. The number is of the sync that starts at once, if one
    /// does.
    pub fn finish_sync(
        &mut self,
        number: u32,
        ok: bool,
        next_write: WriteId,
        now: Instant,
        at_once: u32,
    ) -> (Finished, Option<u32>) {
        self.busy_since = now;
        let place = self.flights.iter().position(|flight| flight.number == number);
        let before = self.flights.remove(place.expect("a sync finished that was not in flight")).before;
        let mut result = if ok { Ok(()) } else { Err(SyncError::Io) };
        let mut honest = true;
        // One that began later may have been done sooner, and has covered the same and more.
        let news = before > self.claimed_before;
        if let Some(trouble) = &mut self.trouble {
            if let Some((first, last)) = trouble.refused
                && first < before
            {
                result = result.and(Err(SyncError::NoSpace));
                trouble.refused = (last >= before).then_some((before, last));
            }
            if ok && news {
                honest = trouble.claim(self.claimed_before, before);
            }
        }
        if !ok {
            if news {
                self.unwritten.push((self.claimed_before, before));
            }
        } else if news {
            self.claimed_before = before;
            if honest {
                self.durable_before = before;
            }
        }
        let again = core::mem::take(&mut self.again);
        let next = if again { self.request_sync(next_write, now, at_once) } else { None };
        (Finished { upto: WriteId(before.0 - 1), result }, next)
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
        self.records.get(at).filter(|(other, ..)| *other == id).and_then(|(.., record)| record.clone())
    }

    /// Whether a power loss now could take anything.
    pub fn has_unsynced(&self) -> bool {
        self.records.back().is_some_and(|(id, ..)| *id >= self.durable_before)
    }

    /// Each durable record goes bad with probability `share`; `luck` decides, for each record by itself.
    pub fn rot(&mut self, fault: usize, share: Probability, luck: u64) {
        let trouble = self.trouble.get_or_insert_default();
        for (id, _, record) in &mut self.records {
            let id = *id;
            let durable = id < self.durable_before && !self.unwritten.iter().any(|(from, to)| *from <= id && id < *to);
            if durable && share.hit(hash::of(&[luck, id.0]) as u32) && record.take().is_some() {
                trouble.rotten.push((id, fault));
            }
        }
    }

    /// Record `only`, or everything, was read: the faults whose rot has come to light, once for each record.
    pub fn find_rot(&mut self, only: Option<WriteId>) -> Vec<usize> {
        let Some(trouble) = &mut self.trouble else { return Vec::new() };
        let records = &self.records;
        let there = |id: WriteId| records.binary_search_by_key(&id, |(other, ..)| *other).is_ok();
        let read = trouble.rotten.extract_if(.., |(id, _)| only.is_none_or(|only| only == *id));
        read.filter(|(id, _)| there(*id)).map(|(_, fault)| fault).collect()
    }

    /// How many records of a range there are.
    fn count(&self, from: WriteId, before: WriteId) -> u64 {
        let place = |id: WriteId| self.records.partition_point(|(other, ..)| *other < id) as u64;
        place(before) - place(from)
    }

    /// What is there, oldest first, and whether each record would survive a power loss.
    pub fn records(&self) -> impl DoubleEndedIterator<Item = (WriteId, u16, Option<&R>, bool)> {
        let durable = self.durable_before;
        self.records.iter().map(move |(id, lane, record)| (*id, *lane, record.as_ref(), *id < durable))
    }

    /// The record at a place of the log goes bad.
    pub fn rot_at(&mut self, at: usize) -> WriteId {
        self.records[at].2 = None;
        self.records[at].0
    }

    /// The machine goes down: what is lost.
    pub fn crash(&mut self, how: OnCrash, next_write: WriteId, rng: &mut Rng) -> Lost {
        // A prefix of the unsynced survives when the disk is torn.
        let unsynced = self.records.len() - self.records.partition_point(|(id, ..)| *id < self.durable_before);
        let kept = if how == OnCrash::Torn { rng.below(unsynced as u64 + 1) as usize } else { 0 };
        self.lose(how, kept, next_write)
    }

    /// The power is lost while the disk writes: the oldest `kept` of the records that are not durable are whole.
    pub fn tear(&mut self, kept: usize, next_write: WriteId) -> Lost {
        self.lose(OnCrash::Torn, kept, next_write)
    }

    fn lose(&mut self, how: OnCrash, kept: usize, next_write: WriteId) -> Lost {
        let had = self.records.len();
        let lies: Vec<(usize, WriteId, WriteId)> = self.trouble.iter().flat_map(|t| t.belied.iter().copied()).collect();
        let belied: Vec<u64> = lies.iter().map(|(_, from, to)| self.count(*from, *to)).collect();
        let synced = self.records.partition_point(|(id, ..)| *id < self.durable_before);
        match how {
            OnCrash::Keep => {}
            OnCrash::LoseUnsynced => self.records.truncate(synced),
            OnCrash::Torn => {
                // The record after those kept may be half there: its checksum shows that, so to the node it is as if it
                // were not there.
                // What a failed sync dropped is a gap, behind which nobody reads.
                let gap =
                    self.unwritten.iter().map(|(from, _)| *from).filter(|from| *from >= self.durable_before).min();
                let readable = gap.map_or(had, |gap| self.records.partition_point(|(id, ..)| *id < gap));
                self.records.truncate((synced + kept).min(readable));
            }
            OnCrash::Wipe => self.records.clear(),
        }
        if how != OnCrash::Keep && !self.unwritten.is_empty() {
            let unwritten = core::mem::take(&mut self.unwritten);
            self.records.retain(|(id, ..)| !unwritten.iter().any(|(from, before)| from <= id && id < before));
        }
        self.flights.clear();
        self.again = false;
        self.token += 1;
        if let Some(trouble) = &mut self.trouble {
            trouble.refused = None;
        }
        let mut lost = Lost { records: had - self.records.len(), belied: Vec::new() };
        if how == OnCrash::Keep {
            // A process that dies empties neither the page cache nor the disk's own: it finds there what it has
            // written, and until a sync of its next life covers that, a power loss still takes it.
            return lost;
        }
        // What is on the disk when it comes back is what it has: there is no cache left to lose it from.
        self.claimed_before = next_write;
        self.durable_before = next_write;
        if let Some(trouble) = &mut self.trouble {
            trouble.belied.clear();
        }
        if how != OnCrash::Wipe {
            // A replaced disk takes everything, lies or not.
            let taken =
                lies.into_iter().zip(belied).map(|((fault, from, to), had)| (fault, had - self.count(from, to)));
            lost.belied = taken.filter(|(_, records)| *records > 0).collect();
        }
        lost
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

    /// Asks for a sync of all records before this one: its number.
    fn begin(disk: &mut Disk<u64>, next: u64) -> u32 {
        disk.request_sync(WriteId(next), Instant::ZERO, 1).expect("an idle disk")
    }

    fn finish(disk: &mut Disk<u64>, number: u32, ok: bool, next: u64) -> (Finished, Option<u32>) {
        disk.finish_sync(number, ok, WriteId(next), Instant::ZERO, 1)
    }

    fn disk_with(synced: u64, unsynced: u64) -> Disk<u64> {
        let mut disk = Disk::new();
        for i in 1..=synced + unsynced {
            disk.append(WriteId(i), 0, i);
            if i == synced {
                begin(&mut disk, i + 1);
                finish(&mut disk, 1, true, i + 1);
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
    fn what_was_not_synced_before_a_process_died_is_lost_with_the_power_until_it_is_synced() {
        let mut rng = Rng::stream(1, Purpose::Disk, 0);
        let mut left = |synced_again: bool| {
            let mut disk = disk_with(3, 2);
            disk.crash(OnCrash::Keep, WriteId(6), &mut rng);
            assert_eq!(disk.len(), 5);
            if synced_again {
                let sync = begin(&mut disk, 6);
                assert_eq!(finish(&mut disk, sync, true, 6).0, Finished { upto: WriteId(5), result: Ok(()) });
            }
            disk.crash(OnCrash::LoseUnsynced, WriteId(6), &mut rng);
            disk.len()
        };
        assert_eq!((left(false), left(true)), (3, 5));
    }

    #[test]
    fn a_torn_write_leaves_nothing_behind_what_a_failed_sync_dropped() {
        for seed in 0..20 {
            let mut disk = disk_with(3, 2);
            let sync = begin(&mut disk, 6);
            disk.append(WriteId(6), 0, 6);
            assert_eq!(finish(&mut disk, sync, false, 7).0.result, Err(SyncError::Io));
            disk.crash(OnCrash::Torn, WriteId(7), &mut Rng::stream(seed, Purpose::Disk, 0));
            assert_eq!(disk.len(), 3);
        }
    }

    #[test]
    fn one_sync_covers_all_that_was_appended_while_the_last_was_in_flight() {
        let mut disk = disk_with(0, 1);
        let first = begin(&mut disk, 2);
        for id in 2..5 {
            disk.append(WriteId(id), 0, 0);
            assert_eq!(disk.request_sync(WriteId(id + 1), Instant::ZERO, 1), None);
        }
        let covers = |upto| Finished { upto: WriteId(upto), result: Ok(()) };
        let (done, second) = finish(&mut disk, first, true, 5);
        assert_eq!(done, covers(1));
        assert_eq!(finish(&mut disk, second.expect("the next one"), true, 5), (covers(4), None));
    }

    #[test]
    fn what_a_later_sync_has_made_durable_stays_so_when_an_earlier_one_is_done() {
        let mut disk = disk_with(0, 1);
        let first = disk.request_sync(WriteId(2), Instant::ZERO, 2).expect("room for two");
        disk.append(WriteId(2), 0, 2);
        let second = disk.request_sync(WriteId(3), Instant::ZERO, 2).expect("room for two");
        disk.append(WriteId(3), 0, 3);
        assert_eq!(disk.request_sync(WriteId(4), Instant::ZERO, 2), None);
        let mut finish = |number| disk.finish_sync(number, true, WriteId(4), Instant::ZERO, 2);
        let (done, third) = finish(second);
        assert_eq!((done.upto, third.is_some()), (WriteId(2), true));
        assert_eq!(finish(first), (Finished { upto: WriteId(1), result: Ok(()) }, None));
        // The third is still in flight: its record is lost, the others are not.
        disk.crash(OnCrash::LoseUnsynced, WriteId(4), &mut Rng::stream(1, Purpose::Disk, 0));
        assert_eq!((disk.len(), disk.is_in_flight(third.unwrap())), (2, false));
    }

    #[test]
    fn a_sync_overtaken_by_a_crash_protects_nothing() {
        let mut disk = disk_with(0, 2);
        begin(&mut disk, 3);
        let lost = disk.crash(OnCrash::LoseUnsynced, WriteId(3), &mut Rng::stream(1, Purpose::Disk, 0));
        assert_eq!((lost.records, disk.len()), (2, 0));
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
