//! The horizontal autoscaler: from what pods use to how many there should be.

use crate::control::kubernetes::objects::{RatePolicy, RateUnit, ScalingRules, Select};

/// How far from its target a number may be without a change: a tenth.
const TOLERANCE: f64 = 0.1;

/// How a pod counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is being deleted, or has failed: not at all.
    Ignored,
    /// It waits for a node, or has not been ready for long enough: as one that uses nothing, where more pods would
    /// help.
    Unready,
    /// It counts.
    Counted,
}

/// A pod, as its autoscaler sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// How it counts.
    pub standing: Standing,
    /// What it uses, if that is known.
    pub used: Option<i64>,
    /// What it requests; where pods are held against what they request, all must.
    pub requested: Option<i64>,
}

/// Nothing is known that a decision could be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmeasured;

/// How many pods there should be, and the number that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// How many.
    pub replicas: i64,
    /// What was measured: per cent of what is requested, or the average or whole value.
    pub measured: i64,
}

/// How a running pod counts for its processor: not while it starts. `started` and `changed` are when it began and when
/// its readiness last changed, in seconds before now, `sampled` whether its use was measured since it was ready.
#[must_use]
pub const fn cpu_standing(
    ready: bool,
    started: u64,
    changed: u64,
    sampled: bool,
    initial: u64,
    delay: u64,
) -> Standing {
    let unready = if started < initial {
        !ready || !sampled
    } else {
        // It has never been ready: the last change was at its start.
        !ready && started < changed + delay
    };
    if unready { Standing::Unready } else { Standing::Counted }
}

const fn close(ratio: f64) -> bool {
    (1.0 - ratio).abs() <= TOLERANCE
}

fn up(ratio: f64, pods: usize) -> i64 {
    (ratio * pods as f64).ceil() as i64
}

/// What both ways of counting pods have in common: `ratio` gives the ratio to the target, and the number it is made of,
/// of what pods use; `fill` what a pod is taken to use of which nothing is known, where fewer pods might do.
fn by_pods(
    current: i64,
    pods: &[Usage],
    directed: bool,
    ratio: impl Fn(&[(i64, Option<i64>)]) -> Option<(f64, i64)>,
    fill: impl Fn(&Usage) -> i64,
) -> Result<Wanted, Unmeasured> {
    let counts = |pod: &&Usage| pod.standing == Standing::Counted;
    let known = |pod: &Usage| pod.used.map(|used| (used, pod.requested));
    let mut used: Vec<_> = pods.iter().filter(counts).filter_map(known).collect();
    let missing: Vec<&Usage> = pods.iter().filter(counts).filter(|pod| pod.used.is_none()).collect();
    let unready: Vec<&Usage> = pods.iter().filter(|pod| pod.standing == Standing::Unready).collect();
    let (first, measured) = ratio(&used).ok_or(Unmeasured)?;
    let keep = Wanted { replicas: current, measured };
    let with_unready = !unready.is_empty() && first > 1.0;
    if !with_unready && missing.is_empty() {
        return Ok(if close(first) { keep } else { Wanted { replicas: up(first, used.len()), measured } });
    }
    if first < 1.0 {
        used.extend(missing.iter().map(|pod| (fill(pod), pod.requested)));
    } else if first > 1.0 {
        used.extend(missing.iter().map(|pod| (0, pod.requested)));
    }
    if with_unready {
        used.extend(unready.iter().map(|pod| (0, pod.requested)));
    }
    let (second, _) = ratio(&used).ok_or(Unmeasured)?;
    if close(second) || first < 1.0 && second > 1.0 || first > 1.0 && second < 1.0 {
        return Ok(keep);
    }
    let replicas = up(second, used.len());
    let turned = second < 1.0 && replicas > current || second > 1.0 && replicas < current;
    Ok(if turned && directed { keep } else { Wanted { replicas, measured } })
}

/// By what pods use of what they request, in per cent. `directed` keeps more pods than replicas from turning the
/// direction: without it a ratio below 1 may raise the number (kubernetes #84142).
///
/// # Errors
/// Where nothing is measured, or a pod requests nothing.
pub fn by_resource(current: i64, target: i64, pods: &[Usage], directed: bool) -> Result<Wanted, Unmeasured> {
    if pods.iter().any(|pod| pod.requested.is_none() && pod.standing != Standing::Ignored) {
        return Err(Unmeasured);
    }
    let ratio = |used: &[(i64, Option<i64>)]| {
        let requested: i64 = used.iter().filter_map(|(_, requested)| *requested).sum();
        let percent = 100 * used.iter().map(|(used, _)| used).sum::<i64>();
        (requested > 0).then(|| (percent / requested, (percent / requested) as f64 / target as f64))
    };
    let ratio = |used: &[(i64, Option<i64>)]| ratio(used).map(|(measured, ratio)| (ratio, measured));
    by_pods(current, pods, directed, ratio, |pod| pod.requested.unwrap_or(0))
}

/// By a number that each pod has.
///
/// # Errors
/// Where nothing is measured.
pub fn by_average(current: i64, target: i64, pods: &[Usage], directed: bool) -> Result<Wanted, Unmeasured> {
    let ratio = |used: &[(i64, Option<i64>)]| {
        let average = used.iter().map(|(used, _)| used).sum::<i64>().checked_div(used.len() as i64)?;
        Some((average as f64 / target as f64, average))
    };
    by_pods(current, pods, directed, ratio, |_| target)
}

/// By one number for all pods, `ready` of which are.
#[must_use]
pub fn by_value(current: i64, target: i64, value: i64, ready: usize) -> Wanted {
    let ratio = value as f64 / target as f64;
    let replicas = match current {
        0 => up(ratio, 1),
        current if close(ratio) => current,
        _ => up(ratio, ready),
    };
    Wanted { replicas, measured: value }
}

/// By one number for all pods, held against so much a pod.
#[must_use]
pub fn by_value_per_pod(current: i64, target: i64, value: i64) -> Wanted {
    let ratio = value as f64 / (target as f64 * current as f64);
    let replicas = if close(ratio) { current } else { up(value as f64 / target as f64, 1) };
    Wanted { replicas, measured: up(value as f64 / current as f64, 1) }
}

/// Why the number is not what was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// It is.
    DesiredWithinRange,
    /// There must be more.
    TooFewReplicas,
    /// There may not be so many.
    TooManyReplicas,
    /// Not so many more at once.
    ScaleUpLimit,
    /// Not so many fewer at once.
    ScaleDownLimit,
}

/// Without rules: at most twice as many as now, or 4.
#[must_use]
pub fn limited(current: i64, desired: i64, min: i64, max: i64) -> (i64, Limited) {
    let most = (2 * current).max(4);
    if desired < min {
        (min, Limited::TooFewReplicas)
    } else if desired > max.min(most) {
        if max > most { (most, Limited::ScaleUpLimit) } else { (max, Limited::TooManyReplicas) }
    } else {
        (desired, Limited::DesiredWithinRange)
    }
}

/// A change of the number of pods, and how many seconds ago it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScaleEvent {
    /// By how many.
    pub change: i64,
    /// When.
    pub ago: u64,
}

/// How far the number may go in one direction by now.
fn limit(current: i64, rules: &ScalingRules, events: &[ScaleEvent], upwards: bool) -> i64 {
    let proposed = |policy: &RatePolicy| {
        let recent = events.iter().filter(|event| event.ago < u64::from(policy.period));
        let changed: i64 = recent.map(|event| event.change).sum();
        let share = policy.value as f64 / 100.0;
        if upwards {
            let before = current - changed;
            match policy.unit {
                RateUnit::Pods => before + policy.value,
                RateUnit::Percent => (before as f64 * (1.0 + share)).ceil() as i64,
            }
        } else {
            let before = current + changed;
            match policy.unit {
                RateUnit::Pods => before - policy.value,
                RateUnit::Percent => (before as f64 * (1.0 - share)) as i64,
            }
        }
    };
    let all = rules.policies.iter().map(proposed);
    let furthest = match (rules.select, upwards) {
        (Select::Disabled, _) => None,
        (Select::Max, true) | (Select::Min, false) => all.max(),
        (Select::Min, true) | (Select::Max, false) => all.min(),
    };
    let furthest = furthest.unwrap_or(current);
    if upwards { furthest.max(current) } else { furthest.min(current) }
}

/// With rules: as far as they allow by now.
#[must_use]
pub fn limited_by_rules(
    (current, desired): (i64, i64),
    (min, max): (i64, i64),
    (up, ups): (&ScalingRules, &[ScaleEvent]),
    (down, downs): (&ScalingRules, &[ScaleEvent]),
) -> (i64, Limited) {
    if desired > current {
        let most = limit(current, up, ups, true);
        if desired > max.min(most) {
            return if max > most { (most, Limited::ScaleUpLimit) } else { (max, Limited::TooManyReplicas) };
        }
    } else if desired < current {
        let least = limit(current, down, downs, false);
        if desired < min.max(least) {
            return if min < least { (least, Limited::ScaleDownLimit) } else { (min, Limited::TooFewReplicas) };
        }
    }
    (desired, Limited::DesiredWithinRange)
}

/// What was wanted before, and how many seconds ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recommendation {
    /// How many.
    pub replicas: i64,
    /// When.
    pub ago: u64,
}

/// Remembers what is wanted, in the place of the last that is too old, if there is one.
fn remember(log: &mut Vec<Recommendation>, desired: i64, oldest: u64) {
    let now = Recommendation { replicas: desired, ago: 0 };
    match log.iter().rposition(|one| one.ago > oldest) {
        Some(at) => log[at] = now,
        None => log.push(now),
    }
}

/// The most that was wanted within so many seconds, this included.
pub fn stabilised(log: &mut Vec<Recommendation>, desired: i64, window: u64) -> i64 {
    let recent = log.iter().filter(|one| one.ago <= window).map(|one| one.replicas);
    let most = recent.fold(desired, i64::max);
    remember(log, desired, window);
    most
}

/// The same with a window for each direction: downwards the most, upwards the least that was wanted within it.
pub fn stabilised_by_rules(log: &mut Vec<Recommendation>, current: i64, desired: i64, up: u64, down: u64) -> i64 {
    let (window, better): (u64, fn(i64, i64) -> i64) =
        if desired >= current { (up, i64::min) } else { (down, i64::max) };
    let recent = log.iter().filter(|one| one.ago < window).map(|one| one.replicas);
    let best = recent.fold(desired, better);
    remember(log, desired, up.max(down));
    best
}
