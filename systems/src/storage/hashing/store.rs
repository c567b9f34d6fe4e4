//! What one node holds: keys on its disk, those it keeps for others, and what is on its way to the disk.
//!
//! What was written counts only once it is durable: nobody is told of it before, so nobody sees what a crash takes
//! back.

use super::directory::View;
use super::key;
use super::message::{Behalf, HashingFact, Image, LEAVES, Leaf, Life, Record};
use super::node::Fx;
use super::version::{Held, Version, What};
use sim_core::hash;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{Duration, LocalInstant, NodeId, NodeSet, Replay, Unreadable, WriteId};
use std::collections::VecDeque;
use std::rc::Rc;

/// Where a key stands in the order of hashes.
pub(super) type Place = (u64, u64);

/// The place of a key.
pub(super) fn place(key: u64) -> Place {
    (key::of_number(key), key)
}

/// The leaf of the Merkle tree that a hash belongs to.
const fn leaf_of(hash: u64) -> usize {
    (hash >> (u64::BITS - LEAVES.trailing_zeros())) as usize
}

/// A key that is here, and whose it is.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub held: Held,
    /// Its holders, under both sets of members while they change.
    pub holders: NodeSet,
}

/// Something that happens when a record is durable.
#[derive(Clone, Debug)]
enum Pending {
    Put {
        key: u64,
        held: Held,
        answer: Option<Answer>,
    },
    Hint {
        key: u64,
        held: Held,
        answer: Option<Answer>,
    },
    Delivered {
        key: u64,
        version: Version,
    },
    View {
        epoch: u64,
    },
    /// Nothing: that it is on the disk is all.
    Noted,
    Image,
    /// All of a piece that was fetched is there.
    Piece,
}

/// Whom to tell that it is stored: who asked, for which operation, by which epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub to: NodeId,
    pub behalf: Behalf,
    pub epoch: u64,
}

/// What a sync has brought.
#[derive(Debug, Default)]
pub(super) struct Durable {
    pub answers: Vec<Answer>,
    /// Whether a piece is complete.
    pub piece: bool,
}

/// A node's keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    data: SortedMap<Place, Entry>,
    hints: SortedMap<u64, Held>,
    /// Tombstones by when the keys were deleted; some of these have been overwritten or given away since.
    graves: SortedSet<(LocalInstant, Place)>,
    /// The largest counter of a tombstone that was forgotten, here or by one whose keys are taken over. A write must
    /// win against that too: somebody whose clock is behind may remember it still.
    pub floor: u64,
    /// The disk was wiped, and has not been filled again; tells this loss from others.
    pub life: Option<Life>,
    /// How many bytes of others it has been sent in pieces.
    pub taken: u64,
    pending: VecDeque<(WriteId, Pending)>,
    /// The newest view that is durable.
    pub epoch: u64,
    /// Records since all was made one.
    records: u32,
}

impl Store {
    /// Reads the disk of `me`. Gives what is on it, and the newest view if there is one. `holders` says whose keys are
    /// whose under a view: what the node let go of then must not be there when it is its own again, because it may have
    /// been deleted meanwhile.
    pub fn replay<H: Fn(u64) -> NodeSet>(
        disk: Replay<'_, Record>,
        me: NodeId,
        holders: impl Fn(&View) -> H,
    ) -> Result<(Self, Option<View>), Unreadable> {
        let (mut data, mut hints): (SortedMap<Place, Held>, _) = (SortedMap::new(), SortedMap::new());
        let (mut view, mut records, mut floor, mut life) = (None, 0, 0, None);
        let put = |data: &mut SortedMap<Place, Held>, key: u64, held: &Held| {
            let entry = data.entry(place(key)).or_insert_with(|| held.clone());
            if held.version > entry.version {
                *entry = held.clone();
            }
        };
        for (_, record) in disk.iter() {
            records += 1;
            match record? {
                Record::Put { key, held } => put(&mut data, *key, held),
                Record::Hint { key, held } => keep(&mut hints, *key, held.clone()),
                Record::Delivered { key, version } => drop_hint(&mut hints, *key, *version),
                Record::View(newer) => {
                    // While the members change, nobody lets go of anything.
                    if newer.next.is_none() && !data.is_empty() {
                        let holders = holders(newer);
                        data.retain(|(hash, _), _| holders(*hash).has(me));
                    }
                    view = Some(newer.clone());
                }
                Record::Floor { counter } => floor = floor.max(*counter),
                Record::Wiped { life: lost } => life = Some(*lost),
                Record::Refilled => life = None,
                Record::Image(image) => {
                    (floor, life) = (image.floor, image.life);
                    data.clear();
                    hints.clear();
                    image.data.iter().for_each(|(key, held)| put(&mut data, *key, held));
                    image.hints.iter().for_each(|(key, held)| keep(&mut hints, *key, held.clone()));
                    view = Some(image.view.clone());
                    records = 0;
                }
                Record::Directory(_) => {}
            }
        }
        let graves = data.iter().filter_map(|(place, held)| grave(*place, held)).collect();
        let entry = |(place, held)| (place, Entry { held, holders: NodeSet::EMPTY });
        let data = data.into_iter().map(entry).collect();
        let epoch = view.as_ref().map_or(0, |view: &View| view.epoch);
        Ok((Self { data, hints, graves, floor, life, taken: 0, pending: VecDeque::new(), epoch, records }, view))
    }

    /// How many keys are here.
    pub fn keys(&self) -> u64 {
        self.data.len() as u64
    }

    /// All keys and what they hold.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Held)> {
        self.data.iter().map(|((_, key), entry)| (*key, &entry.held))
    }

    /// What a key holds here, whether as one's own or for others.
    pub fn get(&self, key: u64) -> Option<&Held> {
        match (self.own(key), self.hints.get(&key)) {
            (Some(own), Some(kept)) if kept.version > own.version => Some(kept),
            (own, kept) => own.or(kept),
        }
    }

    /// What a key holds here as one's own.
    pub fn own(&self, key: u64) -> Option<&Held> {
        self.data.get(&place(key)).map(|entry| &entry.held)
    }

    /// What is kept for others.
    pub fn hints(&self) -> impl Iterator<Item = (u64, &Held)> {
        self.hints.iter().map(|(key, held)| (*key, held))
    }

    /// The members, or who holds what under them, have changed: finds out anew whose each key is, and lets go of those
    /// that are no longer `me`'s. What is still on its way to the disk stands there before this view, and is let go of
    /// as well when the disk is read: so it is here, or a key that is `me`'s again before the disk is done would be
    /// there until the next crash only.
    pub fn regroup(&mut self, me: NodeId, holders: impl Fn(u64) -> NodeSet) {
        for (_, pending) in &mut self.pending {
            if matches!(pending, Pending::Put { key, .. } if !holders(place(*key).0).has(me)) {
                *pending = Pending::Noted;
            }
        }
        self.data.retain(|(hash, _), entry| {
            entry.holders = holders(*hash);
            entry.holders.has(me)
        });
    }

    /// The disk was wiped.
    pub fn wiped(&mut self, life: Life, fx: &mut Fx<'_>) {
        self.life = Some(life);
        fx.note(HashingFact::Wiped);
        let id = fx.append(Record::Wiped { life });
        self.wait(id, Pending::Noted, fx);
    }

    /// It is full again.
    pub fn refilled(&mut self, fx: &mut Fx<'_>) {
        self.life = None;
        fx.note(HashingFact::Refilled { bytes: self.taken });
        let id = fx.append(Record::Refilled);
        self.wait(id, Pending::Noted, fx);
    }

    /// Forgets the tombstones of keys that were deleted `grace` ago or before. They are still on the disk, and are
    /// forgotten again when that is read.
    pub fn collect(&mut self, grace: Duration, fx: &mut Fx<'_>) {
        while let Some((at, place)) = self.graves.first().copied()
            && fx.now().0 >= at.0.saturating_add(grace.0)
        {
            self.graves.pop_first();
            let held = self.data.get(&place).map(|entry| &entry.held);
            if let Some(Held { version, .. }) = held.filter(|held| held.what == What::Tombstone { at }) {
                let version = *version;
                self.floor = self.floor.max(version.counter);
                self.data.remove(&place);
                fx.note(HashingFact::Collected { key: place.1, version });
            }
        }
    }

    /// Another store has forgotten tombstones up to this counter, which is news: on the disk it counts as a piece that
    /// was fetched.
    pub fn raise(&mut self, floor: u64, fx: &mut Fx<'_>) {
        self.floor = floor;
        let id = fx.append(Record::Floor { counter: floor });
        self.wait(id, Pending::Piece, fx);
    }

    /// Writes a value to the disk; `answer` is for when it is durable.
    pub fn put(&mut self, key: u64, held: Held, answer: Option<Answer>, fx: &mut Fx<'_>) {
        let id = fx.append(Record::Put { key, held: held.clone() });
        self.wait(id, Pending::Put { key, held, answer }, fx);
    }

    /// Writes what is kept for others.
    pub fn hint(&mut self, key: u64, held: Held, answer: Option<Answer>, fx: &mut Fx<'_>) {
        let id = fx.append(Record::Hint { key, held: held.clone() });
        self.wait(id, Pending::Hint { key, held, answer }, fx);
    }

    /// Those whose it is have it.
    pub fn delivered(&mut self, key: u64, version: Version, fx: &mut Fx<'_>) {
        let id = fx.append(Record::Delivered { key, version });
        self.wait(id, Pending::Delivered { key, version }, fx);
    }

    /// Goes by another view.
    pub fn view(&mut self, view: View, fx: &mut Fx<'_>) {
        let epoch = view.epoch;
        let id = fx.append(Record::View(view));
        self.wait(id, Pending::View { epoch }, fx);
    }

    /// Writes what was fetched; said to be complete once all of it is durable.
    pub fn piece(&mut self, entries: impl Iterator<Item = (u64, Held)>, fx: &mut Fx<'_>) -> u32 {
        let mut keys = 0;
        for (key, held) in entries {
            self.put(key, held, None, fx);
            keys += 1;
        }
        if let Some((id, _)) = self.pending.back().filter(|_| keys > 0) {
            self.pending.push_back((*id, Pending::Piece));
        }
        keys
    }

    fn wait(&mut self, id: WriteId, pending: Pending, fx: &mut Fx<'_>) {
        self.pending.push_back((id, pending));
        self.records += 1;
        fx.sync();
    }

    /// Everything up to `upto` is durable: takes it in.
    pub fn synced(&mut self, upto: WriteId, me: NodeId, holders: impl Fn(u64) -> NodeSet, fx: &mut Fx<'_>) -> Durable {
        let mut durable = Durable::default();
        while let Some((id, _)) = self.pending.front()
            && *id <= upto
        {
            let (id, pending) = self.pending.pop_front().expect("looked at");
            match pending {
                Pending::Put { key, held, answer } => {
                    let place = place(key);
                    self.graves.extend(grave(place, &held));
                    match self.data.get_mut(&place) {
                        Some(entry) if entry.held.version >= held.version => {}
                        Some(entry) => entry.held = held,
                        None => {
                            let holders = holders(place.0);
                            // The members may have changed while it was on its way to the disk.
                            if holders.has(me) {
                                self.data.insert(place, Entry { held, holders });
                            }
                        }
                    }
                    durable.answers.extend(answer);
                }
                Pending::Hint { key, held, answer } => {
                    keep(&mut self.hints, key, held);
                    durable.answers.extend(answer);
                }
                Pending::Delivered { key, version } => drop_hint(&mut self.hints, key, version),
                Pending::View { epoch } => self.epoch = epoch,
                Pending::Noted => {}
                Pending::Image => fx.forget(id),
                Pending::Piece => durable.piece = true,
            }
        }
        durable
    }

    /// Makes all records one when there are `every` of them.
    pub fn compact(&mut self, every: u32, view: &View, fx: &mut Fx<'_>) {
        if every == 0 || self.records < every {
            return;
        }
        let mut image = Image {
            view: view.clone(),
            data: self.iter().map(|(key, held)| (key, held.clone())).collect(),
            hints: self.hints().map(|(key, held)| (key, held.clone())).collect(),
            floor: self.floor,
            life: self.life,
        };
        // What is on its way to the disk stands before the image there, and would be forgotten with the rest. The
        // newest version of a key wins when it is read back, in whatever order.
        for (_, pending) in &self.pending {
            match pending {
                Pending::Put { key, held, .. } => image.data.push((*key, held.clone())),
                Pending::Hint { key, held, .. } => image.hints.push((*key, held.clone())),
                _ => {}
            }
        }
        let id = fx.append(Record::Image(Rc::new(image)));
        self.wait(id, Pending::Image, fx);
        self.records = 0;
    }

    /// The leaves of the Merkle tree over what `me` and `other` both hold.
    pub fn leaves(&self, me: NodeId, other: NodeId) -> [Leaf; LEAVES] {
        let mut leaves = [Leaf::default(); LEAVES];
        for ((hash, key), entry) in &self.data {
            if entry.holders.has(me) && entry.holders.has(other) {
                let leaf = &mut leaves[leaf_of(*hash)];
                leaf.0 = hash::of(&[leaf.0, *key, entry.held.version.hash()]);
            }
        }
        leaves
    }

    /// The next keys of a leaf that `me` and `other` both hold, behind `after`, until they are `bytes` or more; and
    /// whether there are others.
    pub fn leaf(
        &self,
        (me, other): (NodeId, NodeId),
        leaf: u8,
        after: Option<Place>,
        bytes: u32,
    ) -> (Vec<(u64, Held)>, bool) {
        let first = u64::from(leaf) << (u64::BITS - LEAVES.trailing_zeros());
        let start = after.map_or(core::ops::Bound::Included((first, 0)), core::ops::Bound::Excluded);
        let (mut entries, mut size) = (Vec::new(), 0);
        for ((hash, key), entry) in self.data.range((start, core::ops::Bound::Unbounded)) {
            if leaf_of(*hash) != usize::from(leaf) {
                break;
            }
            if !(entry.holders.has(me) && entry.holders.has(other)) {
                continue;
            }
            if size >= bytes {
                return (entries, true);
            }
            size += 8 + entry.held.bytes();
            entries.push((*key, entry.held.clone()));
        }
        (entries, false)
    }
}

/// A tombstone's place among those that are to be forgotten.
fn grave(place: Place, held: &Held) -> Option<(LocalInstant, Place)> {
    match held.what {
        What::Tombstone { at } => Some((at, place)),
        What::Value(_) => None,
    }
}

fn keep(hints: &mut SortedMap<u64, Held>, key: u64, held: Held) {
    match hints.get_mut(&key) {
        Some(old) if old.version >= held.version => {}
        Some(old) => *old = held,
        None => {
            hints.insert(key, held);
        }
    }
}

fn drop_hint(hints: &mut SortedMap<u64, Held>, key: u64, version: Version) {
    if hints.get(&key).is_some_and(|held| held.version <= version) {
        hints.remove(&key);
    }
}
