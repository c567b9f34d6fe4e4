//! The shapes of a partition: who can still talk to whom. Names follow Jepsen's nemeses.

use super::Target;
use crate::{NodeId, Rng};

/// The shape of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The targets together on one side, everyone else on the other.
    Isolate,
    /// Two random halves; with an odd number the larger one is random too.
    Halves,
    /// A random majority against the rest; with a target, the target is in the minority.
    MajorityMinority,
    /// A random third (rounded down, at least one) against the rest.
    MinorityThird,
    /// Every node sees a majority, and no two see the same one: node i reaches its n/2 neighbours on a random ring.
    MajoritiesRing,
    /// Two halves that only one node can talk to; with a target, that node is the bridge.
    Bridge,
    /// The targets can not be heard (`outbound` blocked) or can not hear (`inbound` blocked).
    OneWay {
        /// Block what the targets send; otherwise block what is sent to them.
        outbound: bool,
    },
    /// Two groups of more than half the nodes each, which share the nodes in the middle.
    Intersecting,
    /// Groups that can talk inside but not to each other; nodes in no group stay connected to all.
    Groups(Vec<Vec<Target>>),
}

/// A partition made concrete: each node has a side, and a table says which side can not send to which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sides {
    /// The side of each node.
    pub side: Vec<u16>,
    /// `blocked[a * sides + b]`: what side a sends to side b is dropped.
    pub blocked: Vec<bool>,
    /// How many sides there are.
    pub sides: usize,
}

impl Sides {
    /// A partition into `sides` sides with nothing blocked yet.
    #[must_use]
    pub fn new(side: Vec<u16>, sides: usize) -> Self {
        assert!(side.iter().all(|s| (*s as usize) < sides), "a node's side is out of range: {side:?} of {sides}");
        Self { side, blocked: vec![false; sides * sides], sides }
    }

    /// Groups that can not talk to each other.
    #[must_use]
    pub fn separate(side: Vec<u16>, sides: usize) -> Self {
        let mut this = Self::new(side, sides);
        for a in 0..sides {
            for b in 0..sides {
                this.blocked[a * sides + b] = a != b;
            }
        }
        this
    }

    /// The side of the clients where they alone are cut off.
    pub(crate) const CLIENTS: u16 = 2;

    /// Blocks what side `a` sends to side `b`.
    #[must_use]
    pub fn block(mut self, a: usize, b: usize) -> Self {
        self.blocked[a * self.sides + b] = true;
        self
    }

    /// Whether what `from` sends to `to` is dropped.
    #[inline]
    #[must_use]
    pub fn cuts(&self, from: usize, to: usize) -> bool {
        self.blocked[self.side[from] as usize * self.sides + self.side[to] as usize]
    }
}

impl Shape {
    /// The name in scenario files.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Isolate => "isolate",
            Self::Halves => "halves",
            Self::MajorityMinority => "majority_minority",
            Self::MinorityThird => "minority_third",
            Self::MajoritiesRing => "majorities_ring",
            Self::Bridge => "bridge",
            Self::OneWay { .. } => "one_way",
            Self::Intersecting => "intersecting",
            Self::Groups(_) => "groups",
        }
    }

    /// The concrete partition of `n` nodes. What a shape says of halves and majorities is about `members` (and the
    /// targets); who is neither, a spare or a balancer, is on the side of one of them at random. `targets` are the
    /// resolved target nodes, `groups` the resolved groups of [`Shape::Groups`]; the rest is drawn from `rng`.
    #[must_use]
    pub fn sides(
        &self,
        n: usize,
        members: &[NodeId],
        targets: &[NodeId],
        groups: &[Vec<NodeId>],
        rng: &mut Rng,
    ) -> Sides {
        let named = |i: usize, names: &[NodeId]| names.contains(&NodeId(i as u32));
        let mut order: Vec<usize> = (0..n).filter(|i| named(*i, members) || named(*i, targets)).collect();
        rng.shuffle(&mut order);
        // Targets first, so that "the first k" always contains them.
        order.sort_by_key(|i| !named(*i, targets));
        let mut sides = self.sides_in_order(n, &order, groups, targets.len(), rng);
        if self.is_about_numbers() {
            // A second bridge would be another shape.
            let hosts = if *self == Self::Bridge { order.get(1..).unwrap_or_default() } else { &order };
            for i in (0..n).filter(|i| !order.contains(i)) {
                sides.side[i] = rng.pick(hosts).map_or(0, |host| sides.side[*host]);
            }
        }
        sides
    }

    /// The targets of `n` nodes cut off from clients alone: one way if the shape is, both ways otherwise.
    pub(crate) fn apart_from_clients(&self, n: usize, targets: &[NodeId]) -> Sides {
        let side = (0..n as u32).map(|i| u16::from(targets.contains(&NodeId(i)))).collect();
        let (sides, clients) = (Sides::new(side, 3), usize::from(Sides::CLIENTS));
        match self {
            Self::OneWay { outbound: true } => sides.block(1, clients),
            Self::OneWay { outbound: false } => sides.block(clients, 1),
            _ => sides.block(1, clients).block(clients, 1),
        }
    }

    /// Whether it divides by numbers, rather than by name.
    const fn is_about_numbers(&self) -> bool {
        !matches!(self, Self::Isolate | Self::OneWay { .. } | Self::Groups(_))
    }

    /// The sides of those in `order`, of `all` nodes, the targets first; side 0 for everyone else.
    fn sides_in_order(
        &self,
        all: usize,
        order: &[usize],
        groups: &[Vec<NodeId>],
        targets: usize,
        rng: &mut Rng,
    ) -> Sides {
        let n = order.len();
        let first = |k: usize| {
            let mut side = vec![0_u16; all];
            order.iter().take(k).for_each(|i| side[*i] = 1);
            side
        };
        match self {
            Self::Isolate => Sides::separate(first(targets), 2),
            Self::Halves => {
                let larger = rng.below(2) as usize;
                Sides::separate(first((n + larger) / 2), 2)
            }
            Self::MajorityMinority => Sides::separate(first(n.saturating_sub(1) / 2), 2),
            Self::MinorityThird => Sides::separate(first((n / 3).max(1)), 2),
            Self::OneWay { outbound } => {
                let sides = Sides::new(first(targets), 2);
                if *outbound { sides.block(1, 0) } else { sides.block(0, 1) }
            }
            Self::Bridge => {
                let mut side = vec![0_u16; all];
                for (place, i) in order.iter().enumerate() {
                    side[*i] = if place == 0 { 2 } else { (place % 2) as u16 };
                }
                Sides::new(side, 3).block(0, 1).block(1, 0)
            }
            Self::Intersecting => {
                // A third on each flank; the middle talks to both.
                let flank = (n.saturating_sub(1) / 2).min(n / 3 + usize::from(n % 3 == 2)).max(1);
                let mut side = vec![2_u16; all];
                // Targets sit in the middle: take the flanks from the end of the order.
                for (place, i) in order.iter().rev().enumerate().take(2 * flank) {
                    side[*i] = (place % 2) as u16;
                }
                Sides::new(side, 3).block(0, 1).block(1, 0)
            }
            Self::MajoritiesRing => {
                let mut side = vec![0_u16; all];
                for (place, i) in order.iter().enumerate() {
                    side[*i] = place as u16;
                }
                let mut sides = Sides::new(side, n.max(1));
                // Each sees itself and the nearest n/2 others on the ring, which together are a majority.
                let reach = n / 2;
                for a in 0..n {
                    for b in 0..n {
                        let distance = (a + n - b) % n;
                        let near = distance.min(n - distance) <= reach.div_ceil(2).max(1);
                        sides.blocked[a * n + b] = !near;
                    }
                }
                sides
            }
            Self::Groups(_) => {
                // Side 0 is "in no group" and talks to all.
                let mut side = vec![0_u16; all];
                for (g, group) in groups.iter().enumerate() {
                    group.iter().for_each(|node| side[node.index()] = g as u16 + 1);
                }
                let mut sides = Sides::separate(side, groups.len() + 1);
                for g in 0..=groups.len() {
                    sides.blocked[g] = false;
                    sides.blocked[g * sides.sides] = false;
                }
                sides
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Purpose;

    fn reach(sides: &Sides, n: usize, from: usize) -> usize {
        (0..n).filter(|to| !sides.cuts(from, *to)).count()
    }

    fn everyone(n: usize) -> Vec<NodeId> {
        (0..n as u32).map(NodeId).collect()
    }

    #[test]
    fn halves_and_majorities_are_of_the_members() {
        // Three members and four others: the shapes of three, and everyone else beside one of the three.
        let (members, target) = (everyone(3), [NodeId(1)]);
        for seed in 0..50 {
            let mut rng = Rng::stream(seed, Purpose::Target, 0);
            let among = |sides: &Sides, from: usize| (0..3).filter(|to| !sides.cuts(from, *to)).count();
            let beside = |sides: &Sides| (3..7).all(|i| sides.side[..3].contains(&sides.side[i]));
            let s = Shape::MajorityMinority.sides(7, &members, &target, &[], &mut rng);
            assert_eq!((among(&s, 1), among(&s, 0), among(&s, 2)), (1, 2, 2), "{s:?}");
            assert!(beside(&s), "{s:?}");
            let s = Shape::Halves.sides(7, &members, &[], &[], &mut rng);
            assert!((1..=2).contains(&among(&s, 0)) && beside(&s), "{s:?}");
            let s = Shape::Bridge.sides(7, &members, &target, &[], &mut rng);
            assert_eq!((among(&s, 1), among(&s, 0), reach(&s, 7, 1)), (3, 2, 7), "{s:?}");
            assert!((0..7).filter(|i| *i != 1).all(|i| s.side[i] != s.side[1]), "one bridge: {s:?}");
            let s = Shape::MajoritiesRing.sides(7, &members, &[], &[], &mut rng);
            assert!((0..3).all(|i| among(&s, i) > 1) && beside(&s), "{s:?}");
            // Who is aimed at counts, member or not.
            let s = Shape::MajorityMinority.sides(7, &members, &[NodeId(5)], &[], &mut rng);
            assert!(s.side[5] == 1 && (0..3).all(|i| s.cuts(5, i)), "{s:?}");
        }
    }

    #[test]
    fn shapes_keep_their_promise() {
        for n in 3..12 {
            for seed in 0..50 {
                let mut rng = Rng::stream(seed, Purpose::Target, 0);
                let one = [NodeId(1)];
                let s = Shape::Isolate.sides(n, &everyone(n), &one, &[], &mut rng);
                assert_eq!((reach(&s, n, 1), reach(&s, n, 0)), (1, n - 1));
                let s = Shape::MajorityMinority.sides(n, &everyone(n), &one, &[], &mut rng);
                assert_eq!(reach(&s, n, 1), (n - 1) / 2);
                let s = Shape::MajoritiesRing.sides(n, &everyone(n), &[], &[], &mut rng);
                assert!((0..n).all(|i| reach(&s, n, i) > n / 2), "n={n}");
                if n >= 5 {
                    assert!((0..n).any(|i| reach(&s, n, i) < n), "n={n}");
                }
                let s = Shape::Bridge.sides(n, &everyone(n), &one, &[], &mut rng);
                assert_eq!(reach(&s, n, 1), n);
                assert!((0..n).filter(|i| *i != 1).all(|i| reach(&s, n, i) < n));
                let s = Shape::Intersecting.sides(n, &everyone(n), &[], &[], &mut rng);
                assert!((0..n).all(|i| reach(&s, n, i) > n / 2), "n={n} {s:?}");
                assert!((0..n).any(|i| reach(&s, n, i) < n), "n={n} {s:?}");
                let s = Shape::OneWay { outbound: true }.sides(n, &everyone(n), &one, &[], &mut rng);
                assert!(s.cuts(1, 0) && !s.cuts(0, 1));
                let s = Shape::Halves.sides(n, &everyone(n), &[], &[], &mut rng);
                assert!(reach(&s, n, 0) == n / 2 || reach(&s, n, 0) == n.div_ceil(2));
            }
        }
    }

    #[test]
    fn nodes_in_no_group_talk_to_all() {
        let mut rng = Rng::stream(1, Purpose::Target, 0);
        let groups = vec![vec![NodeId(0)], vec![NodeId(1), NodeId(2)]];
        let s = Shape::Groups(vec![]).sides(4, &everyone(4), &[], &groups, &mut rng);
        assert!(s.cuts(0, 1) && s.cuts(2, 0) && !s.cuts(1, 2) && !s.cuts(3, 0) && !s.cuts(1, 3));
    }
}
