//! Whatever is done to a sorted map, the tree of `std` says the same.

use super::{SortedMap, SortedSet};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// The sorted lists are in order, none is empty or too long, and the count is right.
fn sound<K: Ord, V>(map: &SortedMap<K, V>) {
    assert_eq!(map.lists.iter().map(Vec::len).sum::<usize>(), map.len());
    assert!(map.lists.iter().all(|list| !list.is_empty() && list.len() <= super::map::MOST));
    assert!(map.lists.iter().flatten().is_sorted_by(|a, b| a.0 < b.0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_map_does_what_a_tree_does(steps in proptest::collection::vec((0_u8..12, 0_u16..700, 0_u16..700), 1..1500)) {
        let (mut map, mut tree) = (SortedMap::new(), BTreeMap::new());
        for (kind, key, other) in steps {
            match kind {
                0..=4 => assert_eq!(map.insert(key, other), tree.insert(key, other)),
                5 => assert_eq!(map.remove(&key), tree.remove(&key)),
                6 => {
                    *map.entry(key).and_modify(|v| *v += 1).or_insert(other) += 1;
                    *tree.entry(key).and_modify(|v| *v += 1).or_insert(other) += 1;
                }
                7 => assert_eq!(map.pop_first(), tree.pop_first()),
                9 if other < 60 => {
                    map.retain(|k, v| (*k + *v) % 3 != 0);
                    tree.retain(|k, v| (*k + *v) % 3 != 0);
                }
                10 if other < 60 => {
                    let (mut upper, mut above) = (map.split_off(&key), tree.split_off(&key));
                    sound(&upper);
                    assert!(upper.iter().eq(&above));
                    upper.insert(other, 0);
                    above.insert(other, 0);
                    map.append(&mut upper);
                    tree.append(&mut above);
                    assert!(upper.is_empty());
                }
                _ => {
                    let (low, high) = (key.min(other), key.max(other));
                    assert!(map.range(low..high).eq(tree.range(low..high)));
                    assert!(map.range(low..=high).rev().eq(tree.range(low..=high).rev()));
                    assert!(map.range(..high).eq(tree.range(..high)));
                }
            }
            assert_eq!(map.get(&key), tree.get(&key));
            assert_eq!((map.len(), map.first_key_value(), map.last_key_value()),
                (tree.len(), tree.first_key_value(), tree.last_key_value()));
        }
        sound(&map);
        assert!(map.iter().eq(&tree));
        assert!(map.iter().rev().eq(tree.iter().rev()));
        let (mut both, mut ends) = (map.iter(), tree.iter());
        while let Some(entry) = both.next() {
            assert_eq!(Some(entry), ends.next());
            assert_eq!(both.next_back(), ends.next_back());
            assert_eq!(both.len(), ends.len());
        }
        assert_eq!(format!("{map:?}"), format!("{tree:?}"));
        assert!(map.clone().into_iter().rev().eq(tree.into_iter().rev()));
    }

    #[test]
    fn a_set_does_what_a_tree_does(
        some in proptest::collection::vec(0_u8..200, 0..300),
        others in proptest::collection::vec(0_u8..200, 0..40),
    ) {
        let (a, b): (SortedSet<u8>, SortedSet<u8>) = (some.iter().copied().collect(), others.iter().copied().collect());
        let (c, d): (BTreeSet<u8>, BTreeSet<u8>) = (some.into_iter().collect(), others.into_iter().collect());
        assert!(a.iter().eq(&c) && a.len() == c.len());
        assert!(a.range(50..100).eq(c.range(50..100)) && (a.cmp(&b), a == b) == (c.cmp(&d), c == d));
        assert!(a.into_iter().eq(c));
    }
}

#[test]
fn a_range_that_ends_before_it_begins_is_empty() {
    let map: SortedMap<u32, u32> = (0..1000).map(|n| (n, n)).collect();
    assert_eq!(map.range(std::ops::RangeInclusive::new(700, 20)).count(), 0);
    assert_eq!(map.range(2000..).count(), 0);
}

#[test]
fn a_hash_is_of_what_is_in_a_map_however_it_came_there() {
    let hash = |map: &SortedMap<u32, u32>| crate::hash::content(map);
    let grown: SortedMap<u32, u32> = (0..1000).map(|n| (n, n)).collect();
    let mut shrunk: SortedMap<u32, u32> = (0..3000).rev().map(|n| (n, n)).collect();
    shrunk.retain(|key, _| *key < 1000);
    assert_eq!(grown, shrunk);
    assert_eq!(hash(&grown), hash(&shrunk));
    for change in [(500, 501), (1000, 0)] {
        let mut other = grown.clone();
        other.insert(change.0, change.1);
        assert_ne!(hash(&grown), hash(&other), "{change:?}");
    }
}
