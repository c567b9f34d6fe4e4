//! Less time: what comes after the violation is cut off, what comes before it is drawn together, and times become
//! round.

use super::{Sighting, ladder};
use crate::Scenario;
use crate::runner::ANSWERED_WITHIN;
use crate::scenario::{Pace, Plan};
use sim_core::{Duration, Instant};

const MS: u64 = 1_000_000;

/// `ns` with its two leading digits.
pub(super) const fn nice(ns: u64) -> u64 {
    let mut unit = 1;
    while ns / unit >= 100 {
        unit *= 10;
    }
    ns / unit * unit
}

/// The run cut short: behind where it ended, or to a part of its length.
pub(super) fn shorter(scenario: &Scenario, sighting: &Sighting, keep_warmup: bool) -> Vec<Scenario> {
    let length = scenario.duration.0;
    let mut all = Vec::new();
    let mut add = |ns: u64| {
        let fits = ns >= MS && (!keep_warmup || ns > scenario.warmup.0);
        if fits && ns < length {
            all.push(lasting(scenario, Duration(ns)));
        }
    };
    let early = sighting.ended < scenario.end();
    if early {
        // It ended while load was on: the same run, but for what would have come after.
        for unit in [MS, 10 * MS, 100 * MS] {
            add((sighting.ended.0 + 1).div_ceil(unit) * unit);
        }
    }
    for part in [10, 4, 2] {
        add(length / part / MS * MS);
    }
    add(length / 4 * 3 / MS * MS);
    if length > 100 * MS {
        add((length - 1) / (100 * MS) * 100 * MS);
    }
    if early && sighting.ended > scenario.heal_at() {
        // The rule was broken while settling, and ended the run: the rest of the settling never happened.
        let needed = Duration((sighting.ended.since(scenario.heal_at()).0 + 1).div_ceil(10 * MS) * 10 * MS);
        if needed < scenario.settle {
            all.push(Scenario { settle: needed, ..scenario.clone() });
        }
    }
    if !keep_warmup && scenario.warmup > Duration::ZERO {
        all.push(Scenario { warmup: Duration::ZERO, ..scenario.clone() });
    }
    all
}

/// Less time for what comes after the load, and no demand on it but what the rule makes itself. A rule that was judged
/// in the end may be about what has settled by then: with less time it would be broken by anything.
pub(super) fn settling(scenario: &Scenario, sighting: &Sighting, rule: &str) -> Vec<Scenario> {
    let mut all = Vec::new();
    let with = |settle: Duration| Scenario { settle, ..scenario.clone() };
    if rule == ANSWERED_WITHIN {
        let needed = scenario.expect.answered_within.map_or(scenario.settle, |within| within.times(2));
        all.extend((needed < scenario.settle).then(|| with(needed)));
        return all;
    }
    if scenario.expect.answered_within.is_some() {
        let mut s = scenario.clone();
        s.expect.answered_within = None;
        all.push(s);
    }
    if sighting.ended < scenario.end() {
        let shorter = ladder(scenario.settle.0 / MS, 0).into_iter().map(|ms| with(Duration(ms * MS)));
        all.extend(shorter);
    }
    all
}

/// The scenario with this length; what would lie beyond goes.
fn lasting(scenario: &Scenario, duration: Duration) -> Scenario {
    let mut s = Scenario { duration, ..scenario.clone() };
    let end = s.heal_at();
    if s.warmup >= duration {
        s.warmup = Duration::ZERO;
    }
    s.report.window = s.report.window.min(duration);
    s.workloads.retain(|w| w.start < end);
    for workload in &mut s.workloads {
        workload.stop = workload.stop.min(end);
    }
    s.faults.retain(|plan| plan.at < end);
    s
}

/// Fewer moments of fresh luck: none, then each left out alone.
pub(super) fn steadier(scenario: &Scenario) -> Vec<Scenario> {
    let with = |reseed| Scenario { reseed, ..scenario.clone() };
    let without = |i: usize| [&scenario.reseed[..i], &scenario.reseed[i + 1..]].concat();
    let count = scenario.reseed.len();
    let none = (count > 0).then(Vec::new);
    let each = (0..count).filter(|_| count > 1).map(without);
    none.into_iter().chain(each).map(with).collect()
}

/// Everything moved towards the start by the idle time before the first fault, or before each later one.
pub(super) fn earlier(scenario: &Scenario) -> Vec<Scenario> {
    let mut all = Vec::new();
    let mut edge = Instant::ZERO;
    for plan in &scenario.faults {
        let idle = plan.at.0.saturating_sub(edge.0);
        for part in [idle, idle / 4 * 3, idle / 2, idle / 4] {
            let by = part / MS * MS;
            if by > 0 {
                all.push(moved(scenario, plan.at, by));
            }
        }
        edge = plan.at;
    }
    // After the last fault, too, time may pass for nothing; `shorter` sees to that.
    all
}

/// Everything from `from` on happens `by` nanoseconds earlier.
fn moved(scenario: &Scenario, from: Instant, by: u64) -> Scenario {
    let sooner = |at: Instant| if at >= from { Instant(at.0 - by) } else { at };
    let mut s = scenario.clone();
    for plan in &mut s.faults {
        plan.at = sooner(plan.at);
    }
    s.reseed.iter_mut().for_each(|reseed| reseed.at = sooner(reseed.at));
    for workload in &mut s.workloads {
        workload.start = sooner(workload.start);
        workload.stop = Instant(workload.stop.0.saturating_sub(by));
        if let Pace::Open(stages) = &mut workload.pace {
            stages.iter_mut().for_each(|stage| stage.at = sooner(stage.at));
        }
    }
    lasting(&s, Duration(s.duration.0 - by))
}

/// Each time of each fault with fewer digits.
pub(super) fn rounder(scenario: &Scenario) -> Vec<Scenario> {
    let units = [100 * MS, 10 * MS, MS];
    let mut all = Vec::new();
    for unit in units {
        let mut s = scenario.clone();
        s.faults.iter_mut().for_each(|plan| plan.at = rounded(plan.at, unit));
        all.push(s);
    }
    for (i, plan) in scenario.faults.iter().enumerate() {
        for unit in units.into_iter().filter(|unit| digits(rounded(plan.at, *unit).0) < digits(plan.at.0)) {
            let mut s = scenario.clone();
            s.faults[i] = Plan { at: rounded(plan.at, unit), ..plan.clone() };
            all.push(s);
        }
    }
    all
}

fn rounded(at: Instant, unit: u64) -> Instant {
    Instant((at.0 + unit / 2) / unit * unit)
}

/// How many digits there are before the trailing zeros.
const fn digits(mut ns: u64) -> u32 {
    if ns == 0 {
        return 0;
    }
    while ns.is_multiple_of(10) {
        ns /= 10;
    }
    ns.ilog10() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nice_numbers_have_two_digits() {
        assert_eq!([0, 7, 99, 123, 98_765].map(nice), [0, 7, 99, 120, 98_000]);
        assert_eq!([0, 5, 120, 1_203_000].map(digits), [0, 1, 2, 4]);
    }
}
