//! A map from numbers to values that can be copied in constant time: a radix tree whose pages are shared until written.

use super::Value;
use std::rc::Rc;

/// Bits of a key that one level decides.
const BITS: u32 = 5;
const FANOUT: usize = 1 << BITS;

#[derive(Clone, Debug)]
enum Page {
    Inner([Option<Rc<Page>>; FANOUT]),
    Leaf([Option<Value>; FANOUT]),
}

/// The map. Small keys make shallow trees: a thousand keys from 0 on are two levels.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    root: Rc<Page>,
    /// Levels above the leaves.
    height: u32,
}

impl Default for Tree {
    fn default() -> Self {
        Self { root: Rc::new(Page::Leaf([const { None }; FANOUT])), height: 0 }
    }
}

const fn digit(key: u64, level: u32) -> usize {
    ((key >> (BITS * level)) as usize) & (FANOUT - 1)
}

impl Tree {
    /// Whether `key` needs more levels than there are.
    const fn is_beyond(&self, key: u64) -> bool {
        let shift = BITS * (self.height + 1);
        shift < u64::BITS && key >> shift != 0
    }

    pub fn get(&self, key: u64) -> Option<&Value> {
        if self.is_beyond(key) {
            return None;
        }
        let (mut page, mut level) = (&self.root, self.height);
        loop {
            match &**page {
                Page::Inner(children) => page = children[digit(key, level)].as_ref()?,
                Page::Leaf(values) => return values[digit(key, 0)].as_ref(),
            }
            level -= 1;
        }
    }

    /// The place of `key`, to be written.
    pub fn slot(&mut self, key: u64) -> &mut Option<Value> {
        while self.is_beyond(key) {
            let mut children = [const { None }; FANOUT];
            children[0] = Some(Rc::clone(&self.root));
            self.root = Rc::new(Page::Inner(children));
            self.height += 1;
        }
        let (mut page, mut level) = (&mut self.root, self.height);
        loop {
            // Copies the page if a snapshot still shares it.
            match Rc::make_mut(page) {
                Page::Inner(children) => {
                    page = children[digit(key, level)].get_or_insert_with(|| {
                        Rc::new(if level == 1 {
                            Page::Leaf([const { None }; FANOUT])
                        } else {
                            Page::Inner([const { None }; FANOUT])
                        })
                    });
                }
                Page::Leaf(values) => return &mut values[digit(key, 0)],
            }
            level -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sim_core::sorted::SortedMap;

    proptest! {
        #[test]
        fn is_a_map_and_copies_do_not_change(keys in proptest::collection::vec((any::<u64>(), 0..64_u32), 1..200)) {
            let (mut tree, mut model) = (Tree::default(), SortedMap::new());
            let mut copies = Vec::new();
            for (i, (key, shift)) in keys.iter().enumerate() {
                let key = key >> shift;
                *tree.slot(key) = Some(Value::number(i as u64, 0));
                model.insert(key, Value::number(i as u64, 0));
                if i % 16 == 0 {
                    copies.push((tree.clone(), model.clone()));
                }
            }
            copies.push((tree, model));
            for (tree, model) in &copies {
                for (key, shift) in &keys {
                    prop_assert_eq!(tree.get(key >> shift), model.get(&(key >> shift)));
                }
            }
        }
    }
}
