//! Work that goes on as time passes: a worker's slots advance together, a quantum at most at a time, so that a machine
//! that is paused, or slow to see its own timer, gets no further meanwhile.

use sim_core::{Duration, LocalInstant};

/// How much of the time since the last look counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meter {
    last: LocalInstant,
    /// Work goes on until then; after that the machine has overslept.
    until: LocalInstant,
    quantum: Duration,
    /// Work that a unit of time does, in thousandths.
    speed: u64,
}

impl Meter {
    /// Work in pieces of at most this.
    #[must_use]
    pub const fn new(quantum: Duration, now: LocalInstant) -> Self {
        Self { last: now, until: now, quantum, speed: 1000 }
    }

    /// The work that each slot has done since the last look.
    pub fn look(&mut self, now: LocalInstant) -> u64 {
        let counted = now.min(self.until).0.saturating_sub(self.last.0);
        self.last = now;
        (u128::from(counted) * u128::from(self.speed) / 1000) as u64
    }

    /// Work goes on, at this speed in thousandths; `left` is the least that a slot has left. When to look again.
    pub fn go_on(&mut self, now: LocalInstant, left: u64, speed: u64) -> Duration {
        self.speed = speed.max(1);
        let needs = (u128::from(left) * 1000).div_ceil(u128::from(self.speed)).min(u128::from(self.quantum.0)) as u64;
        let after = Duration(needs.max(1));
        (self.last, self.until) = (now, now + after);
        after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_oversleeps_gets_no_further() {
        let at = LocalInstant;
        let mut meter = Meter::new(Duration(100), at(0));
        assert_eq!(meter.go_on(at(0), 1_000, 1000), Duration(100));
        assert_eq!(meter.look(at(40)), 40);
        assert_eq!(meter.go_on(at(40), 960, 500), Duration(100));
        assert_eq!(meter.look(at(900)), 50);
        assert_eq!(meter.go_on(at(900), 10, 500), Duration(20));
    }
}
