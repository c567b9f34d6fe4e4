//! Going through a map from both ends: what is left of the list in hand at either end, and the lists between.

use super::map::Place;
use std::iter::FusedIterator;
use std::{slice, vec};

/// What the iterators of this file have in common: an entry of the front list, else of the next list, else of the back
/// list; and the same from the back.
macro_rules! go_through {
    ($name:ident<$($life:lifetime,)? K, V>, $entry:ty, $item:ty, $list:ty, $lists:ty, $open:ident, $of:expr) => {
        #[doc = "The entries of a part of a map, in order."]
        #[derive(Debug)]
        pub struct $name<$($life,)? K, V> {
            front: $list,
            lists: $lists,
            back: $list,
        }

        impl<$($life,)? K, V> Iterator for $name<$($life,)? K, V> {
            type Item = $item;
            fn next(&mut self) -> Option<$item> {
                loop {
                    if let Some(entry) = self.front.next() {
                        return Some($of(entry));
                    }
                    match self.lists.next() {
                        Some(list) => self.front = list.$open(),
                        None => return self.back.next().map($of),
                    }
                }
            }
        }

        impl<$($life,)? K, V> DoubleEndedIterator for $name<$($life,)? K, V> {
            fn next_back(&mut self) -> Option<$item> {
                loop {
                    if let Some(entry) = self.back.next_back() {
                        return Some($of(entry));
                    }
                    match self.lists.next_back() {
                        Some(list) => self.back = list.$open(),
                        None => return self.front.next_back().map($of),
                    }
                }
            }
        }

        impl<$($life,)? K, V> FusedIterator for $name<$($life,)? K, V> {}
    };
}

fn both<K, V>(entry: &(K, V)) -> (&K, &V) {
    (&entry.0, &entry.1)
}

fn both_mut<K, V>(entry: &mut (K, V)) -> (&K, &mut V) {
    (&entry.0, &mut entry.1)
}

const fn as_is<T>(entry: T) -> T {
    entry
}

go_through!(
    Range<'a, K, V>,
    &'a (K, V),
    (&'a K, &'a V),
    slice::Iter<'a, (K, V)>,
    slice::Iter<'a, Vec<(K, V)>>,
    iter,
    both
);
go_through!(
    RangeMut<'a, K, V>,
    &'a mut (K, V),
    (&'a K, &'a mut V),
    slice::IterMut<'a, (K, V)>,
    slice::IterMut<'a, Vec<(K, V)>>,
    iter_mut,
    both_mut
);
go_through!(Whole<K, V>, (K, V), (K, V), vec::IntoIter<(K, V)>, vec::IntoIter<Vec<(K, V)>>, into_iter, as_is);

impl<K, V> Clone for Range<'_, K, V> {
    fn clone(&self) -> Self {
        Self { front: self.front.clone(), lists: self.lists.clone(), back: self.back.clone() }
    }
}

impl<'a, K, V> Range<'a, K, V> {
    /// All entries of these lists.
    pub(super) fn all(lists: &'a [Vec<(K, V)>]) -> Self {
        Self { front: [].iter(), lists: lists.iter(), back: [].iter() }
    }

    /// The entries from one place up to another.
    pub(super) fn between(lists: &'a [Vec<(K, V)>], from: Place, to: Place) -> Self {
        if from >= to {
            return Self::all(&[]);
        }
        let first = lists.get(from.0).map_or(&[][..], Vec::as_slice);
        if from.0 == to.0 {
            return Self { front: first[from.1..to.1].iter(), lists: [].iter(), back: [].iter() };
        }
        let last = lists.get(to.0).map_or(&[][..], Vec::as_slice);
        Self { front: first[from.1..].iter(), lists: lists[from.0 + 1..to.0].iter(), back: last[..to.1].iter() }
    }
}

impl<'a, K, V> RangeMut<'a, K, V> {
    /// All entries of these lists.
    pub(super) fn all(lists: &'a mut [Vec<(K, V)>]) -> Self {
        Self { front: [].iter_mut(), lists: lists.iter_mut(), back: [].iter_mut() }
    }
}

/// What counts how many entries are left.
macro_rules! counted {
    ($name:ident<$($life:lifetime,)? K, V>, $inner:ty, $item:ty) => {
        #[doc = "All entries of a map, in order."]
        #[derive(Debug)]
        pub struct $name<$($life,)? K, V> {
            inner: $inner,
            left: usize,
        }

        impl<$($life,)? K, V> Iterator for $name<$($life,)? K, V> {
            type Item = $item;
            fn next(&mut self) -> Option<$item> {
                self.left = self.left.saturating_sub(1);
                self.inner.next()
            }
            fn size_hint(&self) -> (usize, Option<usize>) {
                (self.left, Some(self.left))
            }
        }

        impl<$($life,)? K, V> DoubleEndedIterator for $name<$($life,)? K, V> {
            fn next_back(&mut self) -> Option<$item> {
                self.left = self.left.saturating_sub(1);
                self.inner.next_back()
            }
        }

        impl<$($life,)? K, V> ExactSizeIterator for $name<$($life,)? K, V> {}
        impl<$($life,)? K, V> FusedIterator for $name<$($life,)? K, V> {}
    };
}

counted!(Iter<'a, K, V>, Range<'a, K, V>, (&'a K, &'a V));
counted!(IterMut<'a, K, V>, RangeMut<'a, K, V>, (&'a K, &'a mut V));
counted!(IntoIter<K, V>, Whole<K, V>, (K, V));

impl<'a, K, V> Iter<'a, K, V> {
    pub(super) const fn new(inner: Range<'a, K, V>, left: usize) -> Self {
        Self { inner, left }
    }
}

impl<'a, K, V> IterMut<'a, K, V> {
    pub(super) const fn new(inner: RangeMut<'a, K, V>, left: usize) -> Self {
        Self { inner, left }
    }
}

impl<K, V> IntoIter<K, V> {
    pub(super) fn new(lists: Vec<Vec<(K, V)>>, left: usize) -> Self {
        let inner = Whole { front: Vec::new().into_iter(), lists: lists.into_iter(), back: Vec::new().into_iter() };
        Self { inner, left }
    }
}

impl<K, V> Clone for Iter<'_, K, V> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), left: self.left }
    }
}

/// One side of the entries of a map.
macro_rules! side {
    ($name:ident, $iter:ident, $item:ty, $side:tt, $doc:literal) => {
        #[doc = $doc]
        #[derive(Debug)]
        pub struct $name<'a, K, V>(pub(super) $iter<'a, K, V>);

        impl<'a, K, V> Iterator for $name<'a, K, V> {
            type Item = $item;
            fn next(&mut self) -> Option<$item> {
                self.0.next().map(|entry| entry.$side)
            }
            fn size_hint(&self) -> (usize, Option<usize>) {
                self.0.size_hint()
            }
        }

        impl<K, V> DoubleEndedIterator for $name<'_, K, V> {
            fn next_back(&mut self) -> Option<Self::Item> {
                self.0.next_back().map(|entry| entry.$side)
            }
        }

        impl<K, V> ExactSizeIterator for $name<'_, K, V> {}
        impl<K, V> FusedIterator for $name<'_, K, V> {}
    };
}

side!(Keys, Iter, &'a K, 0, "All keys of a map, in order.");
side!(Values, Iter, &'a V, 1, "All values of a map, in the order of their keys.");
side!(ValuesMut, IterMut, &'a mut V, 1, "All values of a map, in the order of their keys, to be changed.");

impl<K, V> Clone for Keys<'_, K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V> Clone for Values<'_, K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
