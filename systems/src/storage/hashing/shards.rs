//! Shards of the store: keys that share a fate, so that an outage can be named after those that are gone.
//!
//! What decides whether a key is served is which stores hold it. So a shard is the keys of one set of holders, as long
//! as there are few such sets ([`MOST`]); of larger clusters, where sets are many and each holds little, it is the keys
//! of one first holder, and there are as many as stores. Both by the placement that the store begins with: a key stays
//! in its shard whoever takes it over.

use super::key;
use super::options::Setup;
use super::placement::Placement;
use super::rule::Rule;
use sim_core::NodeSet;
use std::cell::OnceCell;
use std::rc::Rc;

/// Sets of holders that are shards of their own at most: as many as probes touch within a window.
const MOST: usize = 16;
/// Keys whose holders are looked at to find the sets; one that none of them lies in is taken for its nearest.
const SAMPLES: u64 = 1 << 10;

/// The shards of one cluster.
#[derive(Clone, Debug)]
struct Shards {
    rule: Rc<Rule>,
    stores: NodeSet,
    /// The sets of holders in order; none if there are too many.
    sets: Vec<NodeSet>,
}

impl Shards {
    fn of(setup: &Setup) -> Self {
        let rule = Rule::replay(setup, setup.first(), &[]);
        let mut sets: Vec<NodeSet> = Vec::new();
        for number in 0..SAMPLES {
            let set: NodeSet = rule.holders(setup, key::of_number(number)).into_iter().collect();
            if let Err(place) = sets.binary_search(&set) {
                sets.insert(place, set);
            }
            if sets.len() > MOST {
                sets.clear();
                break;
            }
        }
        Self { rule, stores: setup.stores(setup.first()), sets }
    }

    fn count(&self) -> usize {
        if self.sets.is_empty() { self.stores.len() } else { self.sets.len() }
    }

    fn shard(&self, setup: &Setup, hash: u64) -> usize {
        if self.sets.is_empty() {
            let owner = self.rule.owner(hash);
            return self.stores.iter().position(|store| store == owner).unwrap_or(0);
        }
        let set: NodeSet = self.rule.holders(setup, hash).into_iter().collect();
        let nearest = || {
            let common = |at: &usize| self.sets[*at].common(set).len();
            (0..self.sets.len()).max_by_key(common).unwrap_or(0)
        };
        self.sets.binary_search(&set).unwrap_or_else(|_| nearest())
    }
}

/// The shards as soon as anybody asks for them. No part of what makes two configurations different: they follow from
/// the rest.
#[derive(Clone, Debug, Default)]
pub struct Lazily(OnceCell<Shards>);

impl PartialEq for Lazily {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Lazily {}

impl Setup {
    fn shards(&self) -> &Shards {
        self.shards.0.get_or_init(|| Shards::of(self))
    }

    /// How many shards there are.
    pub(super) fn shard_count(&self) -> u16 {
        self.shards().count() as u16
    }

    /// The shard of a key.
    pub(super) fn shard_of(&self, number: u64) -> u16 {
        self.shards().shard(self, key::of_number(number)) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::HashingOptions;
    use super::*;
    use sim_core::Shape;
    use sim_core::sorted::SortedMap;

    fn setup(nodes: usize, zones: usize, options: HashingOptions) -> Rc<Setup> {
        let node_zones = (0..nodes).map(|node| (node % zones) as u16).collect();
        let zones = (0..zones).map(|zone| format!("z{zone}")).collect();
        Rc::new(options.validate(&Shape { node_zones, zones, ..Shape::plain(0) }).expect("it is sound"))
    }

    #[test]
    fn keys_of_a_shard_have_the_same_holders() {
        let options =
            |replicas| HashingOptions { replicas, read_quorum: 1, write_quorum: 1, ..HashingOptions::default() };
        // Every choice of three out of five; one of each of three zones of two; all three; each alone.
        for (nodes, zones, replicas, expected) in [(5, 1, 3, 10), (6, 3, 3, 8), (3, 1, 3, 1), (5, 1, 1, 5)] {
            let setup = setup(nodes, zones, options(replicas));
            assert_eq!(setup.shard_count(), expected, "{replicas} of {nodes}");
            let rule = Rule::replay(&setup, setup.first(), &[]);
            let mut sets: SortedMap<u16, NodeSet> = SortedMap::new();
            for number in 0..10_000 {
                let set: NodeSet = rule.holders(&setup, key::of_number(number)).into_iter().collect();
                assert_eq!(*sets.entry(setup.shard_of(number)).or_insert(set), set, "{replicas} of {nodes}");
            }
            assert_eq!(sets.len(), usize::from(expected));
        }
    }

    #[test]
    fn of_many_stores_each_has_a_shard() {
        let setup = setup(13, 1, HashingOptions { routers: 1, ..HashingOptions::default() });
        assert_eq!(setup.shard_count(), 12);
        let rule = Rule::replay(&setup, setup.first(), &[]);
        for number in 0..1_000 {
            assert_eq!(u32::from(setup.shard_of(number)) + 1, rule.owner(key::of_number(number)).0);
        }
    }
}
