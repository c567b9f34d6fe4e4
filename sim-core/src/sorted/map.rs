//! The map: a list of short lists, each sorted, none empty.

use super::entry::{Entry, OccupiedEntry, VacantEntry};
use super::iter::{IntoIter, Iter, IterMut, Keys, Range, RangeMut, Values, ValuesMut};
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Bound, Index, RangeBounds};

/// The most entries of a short list. Moving half of so many costs about as much as finding the place.
pub(super) const MOST: usize = 64;

/// Where an entry is, or would be: which short list, and which entry of it.
pub(super) type Place = (usize, usize);

/// A map in the order of its keys. See the [module](super).
#[derive(Clone)]
pub struct SortedMap<K, V> {
    /// Sorted within and among each other; none is empty.
    pub(super) lists: Vec<Vec<(K, V)>>,
    pub(super) len: usize,
}

impl<K, V> SortedMap<K, V> {
    /// An empty map. Allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { lists: Vec::new(), len: 0 }
    }

    /// How many entries there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes all entries out.
    pub fn clear(&mut self) {
        self.lists.clear();
        self.len = 0;
    }

    /// All entries in the order of their keys.
    #[must_use]
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter::new(Range::all(&self.lists), self.len)
    }

    /// All entries in the order of their keys; values can be changed.
    pub fn iter_mut(&mut self) -> IterMut<'_, K, V> {
        IterMut::new(RangeMut::all(&mut self.lists), self.len)
    }

    /// All keys in order.
    #[must_use]
    pub fn keys(&self) -> Keys<'_, K, V> {
        Keys(self.iter())
    }

    /// All values in the order of their keys.
    #[must_use]
    pub fn values(&self) -> Values<'_, K, V> {
        Values(self.iter())
    }

    /// All values in the order of their keys, to be changed.
    pub fn values_mut(&mut self) -> ValuesMut<'_, K, V> {
        ValuesMut(self.iter_mut())
    }

    /// All keys in order, taken out.
    pub fn into_keys(self) -> impl DoubleEndedIterator<Item = K> + ExactSizeIterator {
        self.into_iter().map(|(key, _)| key)
    }

    /// All values in the order of their keys, taken out.
    pub fn into_values(self) -> impl DoubleEndedIterator<Item = V> + ExactSizeIterator {
        self.into_iter().map(|(_, value)| value)
    }

    /// The entry with the least key.
    #[must_use]
    pub fn first_key_value(&self) -> Option<(&K, &V)> {
        self.lists.first().and_then(|list| list.first()).map(|(key, value)| (key, value))
    }

    /// The entry with the greatest key.
    #[must_use]
    pub fn last_key_value(&self) -> Option<(&K, &V)> {
        self.lists.last().and_then(|list| list.last()).map(|(key, value)| (key, value))
    }

    /// Takes the entry with the least key out.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        (!self.is_empty()).then(|| self.take((0, 0)))
    }

    /// The entry with the least key, to be looked at and perhaps taken out.
    pub fn first_entry(&mut self) -> Option<OccupiedEntry<'_, K, V>> {
        (!self.is_empty()).then_some(OccupiedEntry { map: self, place: (0, 0) })
    }

    /// Keeps the entries for which `keep` says so. Entries are asked in order.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        let mut len = 0;
        self.lists.retain_mut(|list| {
            list.retain_mut(|(key, value)| keep(key, value));
            len += list.len();
            !list.is_empty()
        });
        self.len = len;
    }

    /// Takes the entry at `place` out. A short list that has become so short that it fits into its neighbour joins it.
    pub(super) fn take(&mut self, (at, index): Place) -> (K, V) {
        let entry = self.lists[at].remove(index);
        self.len -= 1;
        let left = self.lists[at].len();
        if left == 0 {
            self.lists.remove(at);
        } else if left < MOST / 4 && self.lists.get(at + 1).is_some_and(|next| left + next.len() <= MOST / 2) {
            let mut next = self.lists.remove(at + 1);
            self.lists[at].append(&mut next);
        }
        entry
    }

    /// Puts an entry where it belongs, and says where it came to be.
    pub(super) fn put(&mut self, (mut at, mut index): Place, entry: (K, V)) -> Place {
        self.len += 1;
        if at == self.lists.len() {
            self.lists.push(Vec::new());
        } else if self.lists[at].len() == MOST {
            if index == MOST && at + 1 == self.lists.len() {
                // Keys that only grow fill one list after the other.
                (at, index) = (at + 1, 0);
                self.lists.push(Vec::new());
            } else {
                let upper = self.lists[at].split_off(MOST / 2);
                self.lists.insert(at + 1, upper);
                if index > MOST / 2 {
                    (at, index) = (at + 1, index - MOST / 2);
                }
            }
        }
        self.lists[at].insert(index, entry);
        (at, index)
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    /// Where the entry of this key is, or else where it would be.
    pub(super) fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<Place, Place>
    where
        K: Borrow<Q>,
    {
        let at = match self.lists.len() {
            0 => return Err((0, 0)),
            1 => 0,
            _ => self.lists.partition_point(|list| list[0].0.borrow() <= key).saturating_sub(1),
        };
        match self.lists[at].binary_search_by(|(other, _)| other.borrow().cmp(key)) {
            Ok(index) => Ok((at, index)),
            Err(index) => Err((at, index)),
        }
    }

    /// The value of this key.
    #[must_use]
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let (at, index) = self.find(key).ok()?;
        Some(&self.lists[at][index].1)
    }

    /// The value of this key, to be changed.
    #[must_use]
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (at, index) = self.find(key).ok()?;
        Some(&mut self.lists[at][index].1)
    }

    /// Whether this key has a value.
    #[must_use]
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// Gives the key this value; the value that it had, if any.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok((at, index)) => Some(std::mem::replace(&mut self.lists[at][index].1, value)),
            Err(place) => {
                self.put(place, (key, value));
                None
            }
        }
    }

    /// Takes the entry of this key out; its value, if it had one.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let place = self.find(key).ok()?;
        Some(self.take(place).1)
    }

    /// The place of this key, with or without a value.
    pub fn entry(&mut self, key: K) -> Entry<'_, K, V> {
        match self.find(&key) {
            Ok(place) => Entry::Occupied(OccupiedEntry { map: self, place }),
            Err(place) => Entry::Vacant(VacantEntry { map: self, place, key }),
        }
    }

    /// The place of the first entry that is not before `bound`.
    fn begin<Q: Ord + ?Sized>(&self, bound: Bound<&Q>) -> Place
    where
        K: Borrow<Q>,
    {
        match bound {
            Bound::Unbounded => (0, 0),
            Bound::Included(key) => self.find(key).unwrap_or_else(|place| place),
            Bound::Excluded(key) => self.find(key).map_or_else(|place| place, |(at, index)| (at, index + 1)),
        }
    }

    /// The place of the first entry that is behind `bound`.
    fn end<Q: Ord + ?Sized>(&self, bound: Bound<&Q>) -> Place
    where
        K: Borrow<Q>,
    {
        match bound {
            Bound::Unbounded => (self.lists.len(), 0),
            Bound::Included(key) => self.begin(Bound::Excluded(key)),
            Bound::Excluded(key) => self.begin(Bound::Included(key)),
        }
    }

    /// The entries with keys in `range`, in order. A range that ends before it begins is empty.
    pub fn range<Q: Ord + ?Sized>(&self, range: impl RangeBounds<Q>) -> Range<'_, K, V>
    where
        K: Borrow<Q>,
    {
        Range::between(&self.lists, self.begin(range.start_bound()), self.end(range.end_bound()))
    }

    /// Takes out, as a map of their own, the entries whose keys are not less than `key`.
    pub fn split_off<Q: Ord + ?Sized>(&mut self, key: &Q) -> Self
    where
        K: Borrow<Q>,
    {
        let (at, index) = self.begin(Bound::Included(key));
        let Some(list) = self.lists.get_mut(at) else { return Self::new() };
        let mut lists = vec![list.split_off(index)];
        lists.extend(self.lists.drain(at + 1..));
        lists.retain(|list| !list.is_empty());
        if self.lists[at].is_empty() {
            self.lists.pop();
        }
        let len = lists.iter().map(Vec::len).sum();
        self.len -= len;
        Self { lists, len }
    }

    /// Takes everything out of `other` and in here. The value that is taken in counts where both have one.
    pub fn append(&mut self, other: &mut Self) {
        self.extend(std::mem::take(other));
    }
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SortedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for SortedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other)
    }
}

impl<K: Eq, V: Eq> Eq for SortedMap<K, V> {}

impl<K: PartialOrd, V: PartialOrd> PartialOrd for SortedMap<K, V> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.iter().partial_cmp(other)
    }
}

impl<K: Ord, V: Ord> Ord for SortedMap<K, V> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other)
    }
}

impl<K: Hash, V: Hash> Hash for SortedMap<K, V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.len.hash(state);
        self.iter().for_each(|entry| entry.hash(state));
    }
}

impl<K: Borrow<Q> + Ord, Q: Ord + ?Sized, V> Index<&Q> for SortedMap<K, V> {
    type Output = V;
    fn index(&self, key: &Q) -> &V {
        self.get(key).expect("the map has an entry of this key")
    }
}

impl<K: Ord, V> Extend<(K, V)> for SortedMap<K, V> {
    fn extend<T: IntoIterator<Item = (K, V)>>(&mut self, entries: T) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for SortedMap<K, V> {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(entries: T) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for SortedMap<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K, V> IntoIterator for SortedMap<K, V> {
    type Item = (K, V);
    type IntoIter = IntoIter<K, V>;
    fn into_iter(self) -> IntoIter<K, V> {
        IntoIter::new(self.lists, self.len)
    }
}

impl<'a, K, V> IntoIterator for &'a SortedMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;
    fn into_iter(self) -> Iter<'a, K, V> {
        self.iter()
    }
}

impl<'a, K, V> IntoIterator for &'a mut SortedMap<K, V> {
    type Item = (&'a K, &'a mut V);
    type IntoIter = IterMut<'a, K, V>;
    fn into_iter(self) -> IterMut<'a, K, V> {
        self.iter_mut()
    }
}
