//! Pods: which of them go first, which belong behind a service, how fast they come and how soon they are started again.

use crate::control::kubernetes::objects::{Phase, RestartPolicy};
use core::cmp::Reverse;
use sim_core::Duration;

/// How much a pod is worth to its set: when some must go, the least go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    bound: bool,
    phase: u8,
    ready: bool,
    cost: i32,
    beside: Reverse<usize>,
    ready_for: u32,
    restarts: Reverse<u32>,
    age: u32,
}

/// Ages are compared by powers of two of seconds; one that is not known is less than any.
fn magnitude(age: Option<Duration>) -> u32 {
    age.map_or(0, |age| 65 - (age.0 / 1_000_000_000).leading_zeros())
}

impl Rank {
    /// Of a pod that has a node or not, in this phase, ready or not; `cost` is what its deletion costs, `beside` how
    /// many ready pods of its kind are on its node, `ages` how long it has been ready, and there at all.
    #[must_use]
    pub fn new(
        (bound, phase, ready): (bool, Phase, bool),
        cost: i32,
        beside: usize,
        restarts: u32,
        ages: (Option<Duration>, Option<Duration>),
    ) -> Self {
        let phase = match phase {
            Phase::Pending => 0,
            Phase::Unknown => 1,
            Phase::Running | Phase::Succeeded | Phase::Failed => 2,
        };
        let ready_for = if ready { magnitude(ages.0) } else { 0 };
        let (beside, restarts) = (Reverse(beside), Reverse(restarts));
        Self { bound, phase, ready, cost, beside, ready_for, restarts, age: magnitude(ages.1) }
    }
}

/// Whether a pod is behind the services that choose it, ready or not.
#[must_use]
pub const fn in_endpoints(
    has_ip: bool,
    deleting: bool,
    publish_not_ready: bool,
    phase: Phase,
    restart: RestartPolicy,
) -> bool {
    let over = match restart {
        RestartPolicy::Never => phase.ended(),
        RestartPolicy::OnFailure => matches!(phase, Phase::Succeeded),
        RestartPolicy::Always => false,
    };
    has_ip && (!deleting || publish_not_ready) && !over
}

/// The sizes of the batches in which so many pods are made: 1, 2, 4, ...
pub fn slow_start(count: usize) -> impl Iterator<Item = usize> {
    let mut left = count;
    core::iter::successors(Some(1usize), |size| Some(size * 2)).map_while(move |size| {
        let batch = size.min(left);
        left -= batch;
        (batch > 0).then_some(batch)
    })
}

/// How long a container waits until it is started for the `restarts`-th time again: not at all, then 10 s, twice as
/// long each time, 300 s at most.
#[must_use]
pub const fn crash_back_off(restarts: u32) -> Duration {
    match restarts {
        0 => Duration::ZERO,
        1..=5 => Duration::secs(10 << (restarts - 1)),
        _ => Duration::secs(300),
    }
}
