//! From the faults as planned to the concrete schedule: pure, and the same for every reader.

use crate::scenario::{Plan, Scenario};
use sim_core::fault::{Injection, Schedule};
use sim_core::{Duration, Instant, hash};

/// The concrete schedule of a scenario, for one seed.
///
/// An injection's id names its luck. It depends on the fault itself and on which repetition it is, never on the other
/// faults. All flaps of one repetition share an id: it is the same link that flaps, not another one each time.
#[must_use]
pub fn expand(scenario: &Scenario, _seed: u64) -> Schedule {
    Schedule::new(scenario.faults.iter().flat_map(|plan| injections(plan, scenario.duration)).collect())
}

fn injections(plan: &Plan, run: Duration) -> Vec<Injection> {
    let end = Instant(run.0);
    let mut all = Vec::new();
    for (k, (from, to)) in spells(plan, run).into_iter().enumerate() {
        let id = if k == 0 { plan.id } else { hash::of(&[u64::from(plan.id), k as u64]) as u32 };
        for (at, until) in flaps(plan, from, to) {
            // What would end with everything else has no end of its own.
            let until = if until >= end { Instant::FAR } else { until };
            let (fault, target) = (plan.fault.clone(), plan.target.clone());
            all.push(Injection { id, fault, target, at, until, after: plan.after.clone(), must_bite: plan.must_bite });
        }
    }
    all
}

/// From when to when each repetition lasts, within a run of this length.
#[must_use]
pub fn spells(plan: &Plan, run: Duration) -> Vec<(Instant, Instant)> {
    let end = Instant(run.0);
    let lasts = plan.duration.unwrap_or(Duration::MAX);
    (0..repetitions(plan, run))
        .map(|k| plan.at + plan.every.unwrap_or(Duration::ZERO).times(k))
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

fn repetitions(plan: &Plan, run: Duration) -> u64 {
    let left = run.0.saturating_sub(plan.at.0);
    match plan.every {
        _ if left == 0 => 0,
        None => 1,
        Some(every) => left.div_ceil(every.0.max(1)).min(plan.count.map_or(u64::MAX, u64::from)),
    }
}

/// How many injections a plan becomes at most, without making them.
#[must_use]
pub fn number(plan: &Plan, run: Duration) -> u64 {
    let each = plan.flap.map_or(1, |flap| cycles(plan.duration.unwrap_or(Duration::MAX).min(run), flap.period));
    repetitions(plan, run).saturating_mul(each)
}
