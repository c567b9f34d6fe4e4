//! What may be written in `[system]`, and the configuration of a node that is made of it.

use super::bugs::RedlockBug;
use sim_core::units::DurationText;
use sim_core::{Duration, NodeId};

sim_core::choices! {
    /// What an instance knows of its keys when it comes back from a crash.
    pub enum Restarts {
        /// Nothing, and it serves at once.
        Empty,
        /// Nothing, and it serves when every key that it may have had has gone.
        #[default]
        Delayed,
        /// Everything: it answers once what it has done is on its disk.
        Synced,
    }
}

sim_core::options! {
    /// The `[system]` options of `system = "redlock"`.
    pub struct RedlockOptions;

    /// The configuration that all nodes share: instances, then stores, then applications.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Config of shape {
        /// How many instances there are.
        pub instances: u32 = shape.number_of("instance", shape.nodes() as u32);
        /// How many stores.
        pub stores: u32 = shape.role("store").len() as u32;
        /// No honest clock drifts more than this, in parts per million.
        pub max_drift_ppm: u32 = shape.max_drift_ppm;
    }

    options {
        /// How long a key lives that nobody deletes.
        ttl: DurationText = DurationText::millis(10_000),
            wrong if ttl.0 < Duration::millis(10) => ("a lock of {ttl}"), "at least 10ms; 10s is usual";
        /// How long a client waits for the instances' answers to one try.
        answer_timeout: DurationText = DurationText::millis(50),
            wrong if answer_timeout.0 == Duration::ZERO || answer_timeout.0 >= ttl.0 =>
                ("a wait of {answer_timeout} for a lock of {ttl}"), "shorter than the lock; \"50ms\" is usual";
        /// How long a client that has not got a lock waits at most, at random, before it tries again.
        retry_delay: DurationText = DurationText::millis(200),
            wrong if retry_delay.0 == Duration::ZERO => ("no wait between two tries"), "\"200ms\" is usual";
        /// What an instance has of its keys after a crash: `empty`, `delayed` (nothing, but it is silent until they
        /// would have gone), or `synced`.
        restarts: Restarts = Restarts::default();
        /// How long an application holds a lock.
        hold: DurationText = DurationText::millis(20);
        /// A known bug to re-introduce, by name (see `splitbrain list bugs`).
        bug: RedlockBug = RedlockBug::default();
    }
}

/// What a node is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// It keeps keys.
    Instance,
    /// It is written to under locks.
    Store,
    /// It runs a program that takes locks.
    App,
}

impl Config {
    /// What a node is there for.
    #[must_use]
    pub const fn duty(&self, node: NodeId) -> Duty {
        if node.0 < self.instances {
            Duty::Instance
        } else if node.0 < self.instances + self.stores {
            Duty::Store
        } else {
            Duty::App
        }
    }

    /// The store, if there is one.
    #[must_use]
    pub const fn store(&self) -> Option<NodeId> {
        if self.stores == 0 { None } else { Some(NodeId(self.instances)) }
    }

    /// The instances.
    pub fn all(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.instances).map(NodeId)
    }

    /// How many instances hold a lock.
    #[must_use]
    pub fn quorum(&self) -> u32 {
        if self.has(RedlockBug::MinorityIsEnough) { (self.instances / 2).max(1) } else { self.instances / 2 + 1 }
    }

    /// What a client takes off a lock's time because clocks drift: a hundredth of it and 2 ms, as the libraries have
    /// it, or what honest clocks may come to, if that is more.
    #[must_use]
    pub const fn drift(&self) -> Duration {
        let usual = self.ttl.0 / 100 + 2_000_000;
        let honest = (self.ttl.0 as u128 * 2 * self.max_drift_ppm as u128 / 1_000_000) as u64;
        Duration(if honest > usual { honest } else { usual })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::Shape;

    #[test]
    fn all_problems_are_reported_at_once() {
        let options = RedlockOptions {
            ttl: DurationText::millis(5),
            answer_timeout: DurationText::millis(7),
            retry_delay: DurationText::millis(0),
            ..RedlockOptions::default()
        };
        let keys: Vec<_> = options.validate(&Shape::plain(5)).unwrap_err().iter().map(|i| i.key).collect();
        assert_eq!(keys, ["ttl", "answer_timeout", "retry_delay"]);
        let config = RedlockOptions::default().validate(&Shape::plain(5)).unwrap();
        assert_eq!((config.quorum(), config.drift()), (3, Duration::millis(102)));
    }
}
