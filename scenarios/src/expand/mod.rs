//! From the faults as planned to the concrete schedule: pure, and the same for every reader.

mod process;
mod rolling;

pub use rolling::round;

use crate::limits;
use crate::scenario::{Plan, Scenario};
use sim_core::fault::{Injection, Schedule, Target};
use sim_core::{Duration, Instant, Purpose, Rng, hash};

/// The concrete schedule of a scenario, for one seed.
///
/// An injection's id names its luck. It depends on the fault itself, on which repetition it is and for whom, never on
/// the other faults. All flaps of one repetition share an id: it is the same link that flaps, not another one each
/// time.
#[must_use]
pub fn expand(scenario: &Scenario, seed: u64) -> Schedule {
    let drawn = scenario.drawn(seed);
    let each = |plan| injections(plan, drawn.duration, seed);
    let mut all: Vec<Injection> = drawn.faults.iter().flat_map(each).collect();
    if all.len() as u64 > limits::INJECTIONS {
        // Only random processes come here: what they may make is known only on average.
        all.sort_by_key(|injection| (injection.at, injection.id));
        all.truncate(limits::INJECTIONS as usize);
    }
    Schedule::new(all).within(drawn.limits.clone())
}

fn injections(plan: &Plan, run: Duration, seed: u64) -> Vec<Injection> {
    let end = Instant(run.0);
    let mut all = Vec::new();
    for (unit, target) in units(plan) {
        for (k, (from, to)) in spells(plan, unit, run, seed).into_iter().enumerate() {
            let id = match (k, unit) {
                (0, 0) => plan.id,
                (_, 0) => fault_id(hash::of(&[plan.id, k as u64])),
                _ => fault_id(hash::of(&[plan.id, k as u64, unit])),
            };
            for (at, until) in flaps(plan, from, to) {
                // What would end with everything else has no end of its own.
                let until = if until >= end { Instant::FAR } else { until };
                let (fault, target) = (plan.fault.clone(), target.clone());
                let (after, must_bite) = (plan.after.clone(), plan.must_bite);
                all.push(Injection { id, name: plan.name.clone(), fault, target, at, until, after, must_bite });
            }
        }
    }
    all
}

/// An id made of a hash: of its 64 bits those that a file can hold, which knows no whole numbers beyond 63.
pub const fn fault_id(hash: u64) -> u64 {
    hash >> 1
}

/// Those that the plan goes for one by one, numbered: the target as a whole, or its parts.
pub fn units(plan: &Plan) -> impl Iterator<Item = (u64, &Target)> {
    let parts = if plan.each.is_empty() { core::slice::from_ref(&plan.target) } else { plan.each.as_slice() };
    (0..).zip(parts)
}

/// From when to when each repetition lasts for one unit, within a run of this length.
#[must_use]
pub fn spells(plan: &Plan, unit: u64, run: Duration, seed: u64) -> Vec<(Instant, Instant)> {
    let end = Instant(run.0);
    let own = hash::of(&[plan.id, unit]);
    let mut begin = plan.at;
    if let Some(rolling) = &plan.rolling {
        return rolling::spells(plan, rolling, unit, run, seed);
    }
    if let Some(process) = &plan.process {
        return process::spells(process, begin, end, seed, plan.id, unit);
    }
    if plan.spread > Duration::ZERO {
        // Drawn once: repetitions keep their distance.
        begin += Duration(Rng::stream(seed, Purpose::Plan, own).between(0, plan.spread.0));
    }
    let lasts = plan.duration.unwrap_or(Duration::MAX);
    (0..repetitions(plan, begin, run))
        .map(|k| begin + plan.every.unwrap_or(Duration::ZERO).times(k))
        .map(|from| (from, (from + lasts).min(end)))
        .collect()
}

fn flaps(plan: &Plan, from: Instant, to: Instant) -> Vec<(Instant, Instant)> {
    let Some(flap) = plan.flap else { return vec![(from, to)] };
    let cut = flap.period - flap.up;
    (0..cycles(to.since(from), flap.period))
        .map(|k| from + flap.period.times(k))
        .map(|start| (start, (start + cut).min(to)))
        .collect()
}

fn cycles(length: Duration, period: Duration) -> u64 {
    length.0.div_ceil(period.0.max(1))
}

fn repetitions(plan: &Plan, begin: Instant, run: Duration) -> u64 {
    let left = run.0.saturating_sub(begin.0);
    match plan.every {
        _ if left == 0 => 0,
        None => 1,
        Some(every) => left.div_ceil(every.0.max(1)).min(plan.count.map_or(u64::MAX, u64::from)),
    }
}

/// How many injections a plan becomes at most, or on average if it is a random process, without making them.
#[must_use]
pub fn number(plan: &Plan, run: Duration) -> u64 {
    let each = plan.flap.map_or(1, |flap| cycles(plan.duration.unwrap_or(Duration::MAX).min(run), flap.period));
    let times = match &plan.process {
        Some(process) => process::number(process, run),
        None => repetitions(plan, plan.at, run),
    };
    times.saturating_mul(each).saturating_mul(units(plan).count() as u64)
}
