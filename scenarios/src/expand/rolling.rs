//! Faults that come to one after another: how far apart, how many at a time, and in which order they let go.

use super::repetitions;
use crate::scenario::{Heal, Plan, Rolling};
use sim_core::{Duration, Instant, Purpose, Rng, hash};

/// From when to when each repetition lasts for one part, within a run of this length.
pub fn spells(plan: &Plan, rolling: &Rolling, unit: u64, run: Duration, seed: u64) -> Vec<(Instant, Instant)> {
    let end = Instant(run.0);
    let parts = plan.each.len() as u64;
    let lasts = plan.duration.unwrap_or(Duration::MAX);
    let offsets = offsets(rolling, lasts, parts);
    let own = offsets[unit as usize];
    (0..repetitions(plan, plan.at + own, run))
        .map(|k| {
            let round = plan.at + every(plan, rolling).times(k);
            let from = round + own + spread(plan, unit, seed);
            let healed = match rolling.heal {
                // It keeps its length whatever its own beginning.
                Heal::InOrder => from + lasts,
                Heal::Reverse => round + offsets[(parts - 1 - unit) as usize] + lasts,
                Heal::Random => round + offsets[place(plan, k, unit, parts, seed) as usize] + lasts,
            };
            // What a swarm has made too short to heal in another order does so at once.
            (from, healed.max(from + Duration::nanos(1)).min(end))
        })
        .filter(|(from, _)| *from < end)
        .collect()
}

/// How long a round takes from the first beginning to the last end, if it ends by itself.
#[must_use]
pub fn round(rolling: &Rolling, lasts: Duration, parts: u64) -> Duration {
    let last = offsets(rolling, lasts, parts).last().copied().unwrap_or_default();
    Duration(last.0.saturating_add(lasts.0))
}

/// When each part's turn comes, counted from the first.
fn offsets(rolling: &Rolling, lasts: Duration, parts: u64) -> Vec<Duration> {
    let mut offsets: Vec<Duration> = Vec::new();
    for unit in 0..parts as usize {
        let apart = offsets.last().map_or(0, |before| before.0.saturating_add(rolling.apart.0));
        let free = rolling.at_once.and_then(|at_once| unit.checked_sub(at_once as usize));
        let free = free.map_or(0, |before| offsets[before].0.saturating_add(lasts.0));
        offsets.push(Duration(apart.max(free)));
    }
    offsets
}

/// How far apart rounds are. Where only so many may be held at a time, a round ends before the next begins, whatever a
/// swarm has made of its length.
fn every(plan: &Plan, rolling: &Rolling) -> Duration {
    let every = plan.every.unwrap_or(Duration::ZERO);
    match rolling.at_once {
        Some(_) => every.max(round(rolling, plan.duration.unwrap_or(Duration::ZERO), plan.each.len() as u64)),
        None => every,
    }
}

/// How much later than planned a part's turn comes: drawn once, so that repetitions keep their distance.
fn spread(plan: &Plan, unit: u64, seed: u64) -> Duration {
    if plan.spread == Duration::ZERO {
        return Duration::ZERO;
    }
    let own = hash::of(&[plan.id, unit]);
    Duration(Rng::stream(seed, Purpose::Plan, own).between(0, plan.spread.0))
}

/// The place of a part in the random order of healing of repetition `k`.
fn place(plan: &Plan, k: u64, unit: u64, parts: u64, seed: u64) -> u64 {
    let mut order: Vec<u64> = (0..parts).collect();
    let own = hash::of(&[plan.id, k, parts, u64::from_be_bytes(*b"swizzle ")]);
    Rng::stream(seed, Purpose::Plan, own).shuffle(&mut order);
    order[unit as usize]
}
