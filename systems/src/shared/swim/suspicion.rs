//! A suspect's clock (Lifeguard, section IV-B): it begins long, and each independent accuser makes it shorter, down to
//! the least.

use sim_core::{Duration, LocalInstant, NodeId};

/// How long a suspect has, with `confirmed` of `k` confirmations; less than nothing if it is late already.
#[must_use]
pub fn remaining(confirmed: u32, k: u32, elapsed: Duration, min: Duration, max: Duration) -> i64 {
    let share = libm::log(f64::from(confirmed) + 1.0) / libm::log(f64::from(k) + 1.0);
    let secs = max.as_secs_f64() - share * (max.as_secs_f64() - min.as_secs_f64());
    // memberlist counts in whole milliseconds.
    let ms = libm::floor(1000.0 * secs);
    let timeout = if ms < min.as_secs_f64() * 1000.0 { min.0 as i64 } else { ms as i64 * 1_000_000 };
    timeout - elapsed.0 as i64
}

/// The clock.
#[derive(Clone, Debug)]
pub struct Suspicion {
    since: LocalInstant,
    due: LocalInstant,
    min: Duration,
    max: Duration,
    k: u32,
    /// Who has accused it: the first one, and those who have confirmed.
    accusers: Vec<NodeId>,
}

impl Suspicion {
    /// Somebody is suspected from now on, by the word of `accuser`.
    #[must_use]
    pub fn new(accuser: NodeId, k: u32, min: Duration, max: Duration, now: LocalInstant) -> Self {
        let due = now + if k < 1 { min } else { max };
        Self { since: now, due, min, max, k, accusers: vec![accuser] }
    }

    /// Somebody accuses it, too. Whether that is news.
    pub fn confirm(&mut self, accuser: NodeId, now: LocalInstant) -> bool {
        if self.confirmed() >= self.k || self.accusers.contains(&accuser) {
            return false;
        }
        self.accusers.push(accuser);
        let left = remaining(self.confirmed(), self.k, now.since(self.since), self.min, self.max);
        self.due = now + Duration(left.max(0) as u64);
        true
    }

    /// How many have confirmed.
    #[must_use]
    pub fn confirmed(&self) -> u32 {
        self.accusers.len() as u32 - 1
    }

    /// Who accused it first.
    #[must_use]
    pub fn accuser(&self) -> NodeId {
        self.accusers[0]
    }

    /// When it is dead.
    #[must_use]
    pub const fn due(&self) -> LocalInstant {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `TestSuspicion_remainingSuspicionTime` of memberlist.
    #[test]
    fn what_remains_is_that_of_memberlist() {
        let cases = [
            (0, 0, 30_000),
            (1, 2000, 14_000),
            (2, 3000, 4810),
            (3, 4000, -2000),
            (4, 5000, -3000),
            (5, 10_000, -8000),
        ];
        for (n, elapsed, expected) in cases {
            let ms = Duration::millis;
            let left = remaining(n, 3, ms(elapsed), ms(2000), ms(30_000));
            assert_eq!(left, expected * 1_000_000, "{n} confirmations after {elapsed} ms");
        }
    }

    /// `TestSuspicion_Timer` of memberlist: all confirmations at once, at the beginning. It allows 25 ms and says 810
    /// where the formula, in whole milliseconds, gives 811.
    #[test]
    fn only_new_accusers_count() {
        let (me, foo, bar, baz, zoo) = (NodeId(0), NodeId(1), NodeId(2), NodeId(3), NodeId(4));
        let cases: [(&[(NodeId, bool)], u64); 6] = [
            (&[], 2000),
            (&[(me, false), (foo, true)], 1250),
            (&[(me, false), (foo, true), (foo, false), (foo, false)], 1250),
            (&[(me, false), (foo, true), (bar, true)], 811),
            (&[(me, false), (foo, true), (bar, true), (baz, true)], 500),
            (&[(me, false), (foo, true), (bar, true), (baz, true), (zoo, false)], 500),
        ];
        for (confirmations, fires) in cases {
            let start = LocalInstant(1_000_000_000);
            let mut timer = Suspicion::new(me, 3, Duration::millis(500), Duration::millis(2000), start);
            for (from, is_news) in confirmations {
                assert_eq!(timer.confirm(*from, start), *is_news, "{confirmations:?}");
            }
            assert_eq!(timer.due().since(start).0 / 1_000_000, fires, "{confirmations:?}");
        }
    }
}
