//! In what order members are probed: each once, in an order that is drawn anew for each round (SWIM, section 4.3).
//! Drawn one by one (Fisher and Yates, from the back), so that a member of a large group need not keep all of its
//! order.

use sim_core::Rng;
use sim_core::sorted::SortedMap;

/// What is left of a round over numbers below some bound.
#[derive(Clone, Debug, Default)]
pub struct Round {
    left: u32,
    /// What stands at places whose own number has been moved away.
    moved: SortedMap<u32, u32>,
}

impl Round {
    /// A whole round over numbers below `n`.
    pub fn begin(&mut self, n: u32) {
        self.left = n;
        self.moved.clear();
    }

    /// The next number; `None` at the end of the round.
    pub fn next(&mut self, rng: &mut Rng) -> Option<u32> {
        let last = self.left.checked_sub(1)?;
        let at = rng.below(u64::from(self.left)) as u32;
        let tail = self.moved.remove(&last).unwrap_or(last);
        self.left = last;
        if at == last {
            return Some(tail);
        }
        Some(self.moved.insert(at, tail).unwrap_or(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::Purpose;

    #[test]
    fn a_round_holds_each_number_once_and_every_order_is_as_likely() {
        let mut rng = Rng::stream(7, Purpose::Node, 0);
        let mut orders: SortedMap<Vec<u32>, u32> = SortedMap::new();
        let mut round = Round::default();
        for _ in 0..24_000 {
            round.begin(4);
            let order: Vec<u32> = core::iter::from_fn(|| round.next(&mut rng)).collect();
            *orders.entry(order).or_default() += 1;
        }
        assert_eq!(orders.len(), 24);
        for (order, times) in &orders {
            assert!((850..1150).contains(times), "{order:?} came {times} times of 24,000");
        }
    }
}
