//! Horizontal autoscalers: every 15 s, as many pods as bring what they use to what was aimed at
//! (`podautoscaler/replica_calculator.go`).

use super::workers::Workqueue;
use super::{pods_of, write};
use crate::control::kubernetes::api::{Key, Obj, Part, pod};
use crate::control::kubernetes::bugs::KubeBug;
use crate::control::kubernetes::control::Ctx;
use crate::control::kubernetes::message::KubeFact;
use crate::control::kubernetes::objects::{
    Autoscaler, MetricSource, MetricTarget, Object, Phase, Pod, RateUnit, ScalingRules, Select, Uid,
};
use sim_core::{Duration, LocalInstant};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// How often it looks.
pub(super) const PERIOD: Duration = Duration::secs(15);
/// How far from the target it does nothing, in percent.
const TOLERANCE: f64 = 0.1;
/// How long a pod's start may take processor time that says nothing about its load.
const INITIALISATION: Duration = Duration::secs(300);
/// How long after its start a pod that was never ready is taken to be still starting.
const INITIAL_READINESS: Duration = Duration::secs(30);

/// What counts of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is ready and has been looked at.
    Counts,
    /// It is not ready, or just begins.
    Unready,
    /// Nobody knows what it uses.
    Missing,
}

/// A pod as an autoscaler sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub standing: Standing,
    /// What it requests.
    pub request: i64,
    /// What it uses; nothing where nobody knows.
    pub usage: i64,
}

/// How many pods there shall be, and the ratio of use to target that says so; `None` if nothing is known.
pub(super) fn replicas(samples: &[Sample], current: i32, target: i64, directed: bool) -> Option<(i32, f64)> {
    let ratio = |samples: &[(i64, i64)]| {
        let (usage, request) = samples.iter().fold((0, 0), |(used, asked), (usage, request)| (used + usage, asked + request));
        (request > 0).then(|| (usage * 100 / request) as f64 / target as f64)
    };
    let of = |standing| samples.iter().filter(move |sample: &&Sample| sample.standing == standing);
    let mut counted: Vec<(i64, i64)> = of(Standing::Counts).map(|sample| (sample.usage, sample.request)).collect();
    let ready = counted.len();
    let first = ratio(&counted)?;
    let rebalance = of(Standing::Unready).count() > 0 && first > 1.0;
    let keeps = |ratio: f64| (1.0 - ratio).abs() <= TOLERANCE;
    if !rebalance && of(Standing::Missing).count() == 0 {
        let wanted = if keeps(first) { current } else { ceil(first * ready as f64) };
        return Some((wanted, first));
    }
    // Who is missing is taken to use what speaks against a change.
    counted.extend(of(Standing::Missing).filter(|_| first != 1.0).map(|sample| {
        (if first < 1.0 { sample.request } else { 0 }, sample.request)
    }));
    if rebalance {
        counted.extend(of(Standing::Unready).map(|sample| (0, sample.request)));
    }
    let second = ratio(&counted)?;
    if keeps(second) || first < 1.0 && second > 1.0 || first > 1.0 && second < 1.0 {
        return Some((current, first));
    }
    let wanted = ceil(second * counted.len() as f64);
    let against = second < 1.0 && wanted > current || second > 1.0 && wanted < current;
    Some((if against && directed { current } else { wanted }, first))
}

fn ceil(value: f64) -> i32 {
    let whole = value as i32;
    if value > f64::from(whole) { whole + 1 } else { whole }
}

/// What is remembered of an autoscaler.
#[derive(Clone, Debug, Default)]
struct Memory {
    /// What it wanted, and when.
    wanted: VecDeque<(LocalInstant, i32)>,
    /// By how much it changed the number, and when.
    changes: VecDeque<(LocalInstant, i32)>,
}

/// All autoscalers, and what pods use.
#[derive(Clone, Debug, Default)]
pub(super) struct Autoscalers {
    usage: BTreeMap<Uid, (i64, LocalInstant)>,
    memory: BTreeMap<Uid, Memory>,
}

impl Autoscalers {
    /// A worker says what its pods use.
    pub fn on_usage(&mut self, pods: &[(Uid, u32)], now: LocalInstant) {
        for (pod, milli) in pods {
            self.usage.insert(*pod, (i64::from(*milli), now));
        }
        // Of who is gone nobody says anything any more.
        self.usage.retain(|_, (_, at)| now.since(*at) < PERIOD.times(4));
    }

    /// One look at an autoscaler.
    pub fn sync(&mut self, object: &Obj, queue: &mut Workqueue, ctx: &mut Ctx<'_, '_>) {
        let Object::HorizontalPodAutoscaler(scaler) = &**object else { return };
        let Some(kind) = scaler.target_kind else { return };
        let key = Key { kind, namespace: Rc::clone(&scaler.meta.namespace), name: Rc::clone(&scaler.target) };
        let Some(target) = ctx.link.cache.get(&key).cloned() else { return };
        let Object::Deployment(deployment) = &*target else { return };
        let current = deployment.replicas;
        let sets: Vec<Uid> =
            ctx.link.cache.owned(deployment.meta.uid).map(|object| object.meta().uid).collect();
        let now = ctx.fx.now();
        let mut samples = Vec::new();
        for one in sets.iter().flat_map(|set| pods_of(*set, ctx)).filter_map(pod) {
            if !one.meta.deleting() && one.status.phase != Phase::Failed {
                samples.push(self.sample(one, now));
            }
        }
        let goals = scaler.metrics.iter().filter_map(|metric| match (&metric.source, metric.target) {
            (MetricSource::Resource { resource, .. }, MetricTarget::Utilization(percent)) if **resource == *"cpu" => {
                Some(percent)
            }
            _ => None,
        });
        let directed = !ctx.config.has(KubeBug::LoseDirection);
        let proposals: Vec<(i32, f64)> = goals.filter_map(|goal| replicas(&samples, current, goal, directed)).collect();
        let Some((proposed, ratio)) = proposals.into_iter().max_by_key(|(wanted, _)| *wanted) else { return };
        let memory = self.memory.entry(scaler.meta.uid).or_default();
        let wanted = memory.limit(scaler, current, proposed, now);
        if wanted == current || current == 0 || queue.is_writing(deployment.meta.uid) {
            return;
        }
        memory.changes.push_back((now, wanted - current));
        ctx.fx.note(KubeFact::Scales { from: current, to: wanted, ratio: (ratio * 1000.0) as u32, least: scaler.min });
        let changed = target.with(|object| {
            if let Object::Deployment(deployment) = object {
                Rc::make_mut(deployment).replicas = wanted;
            }
        });
        write(&target, changed, Part::Spec, queue, ctx);
    }

    fn sample(&self, pod: &Pod, now: LocalInstant) -> Sample {
        let request = pod.spec.demand().cpu;
        let known = self.usage.get(&pod.meta.uid);
        let ready = pod.status.ready;
        let standing = match (pod.status.phase, known, pod.status.started) {
            (Phase::Pending, ..) => Standing::Unready,
            (_, None, _) => Standing::Missing,
            (_, _, None) => Standing::Unready,
            (_, Some((_, at)), Some(started)) => {
                let since = ready.since.unwrap_or(now);
                let unready = if now.since(started) < INITIALISATION {
                    // A sample from before it was ready, or of its start, says nothing.
                    !ready.holds() || *at < since + PERIOD
                } else {
                    !ready.holds() && started + INITIAL_READINESS > since
                };
                if unready { Standing::Unready } else { Standing::Counts }
            }
        };
        Sample { standing, request, usage: known.map_or(0, |(usage, _)| *usage) }
    }
}

impl Memory {
    /// What comes of a proposal: not less than was wanted lately, not faster than its rules allow, and within bounds.
    fn limit(&mut self, scaler: &Autoscaler, current: i32, proposed: i32, now: LocalInstant) -> i32 {
        let behavior = scaler.behavior.clone().unwrap_or_default();
        let window = |rules: &ScalingRules, usual: u32| Duration::secs(u64::from(rules.window.unwrap_or(usual)));
        let (up, down) = (window(&behavior.up, 0), window(&behavior.down, 300));
        let proposed = proposed.clamp(scaler.min.max(1), scaler.max);
        let longest = up.max(down).max(Duration::secs(1));
        self.wanted.retain(|(at, _)| now.since(*at) < longest);
        let within = |window: Duration| self.wanted.iter().filter(move |(at, _)| now.since(*at) < window).map(|(_, n)| *n);
        let highest = within(down).fold(proposed, i32::max);
        let lowest = within(up).fold(proposed, i32::min);
        let mut wanted = current;
        if wanted < lowest {
            wanted = lowest;
        }
        if wanted > highest {
            wanted = highest;
        }
        self.wanted.push_back((now, proposed));
        self.changes.retain(|(at, _)| now.since(*at) < Duration::secs(1800));
        if wanted > current {
            wanted = wanted.min(self.most(&behavior.up, current, now));
        } else if wanted < current {
            wanted = wanted.max(self.least(&behavior.down, current, now));
        }
        wanted.clamp(scaler.min.max(1), scaler.max)
    }

    fn changed(&self, period: u32, now: LocalInstant, sign: i32) -> i32 {
        let period = Duration::secs(u64::from(period));
        let lately = self.changes.iter().filter(|(at, change)| now.since(*at) < period && change * sign > 0);
        lately.map(|(_, change)| change * sign).sum()
    }

    fn most(&self, rules: &ScalingRules, current: i32, now: LocalInstant) -> i32 {
        let limits = rules.policies.iter().map(|policy| {
            let before = current - self.changed(policy.period, now, 1);
            match policy.unit {
                RateUnit::Pods => before + policy.value as i32,
                RateUnit::Percent => ceil(f64::from(before) * (1.0 + policy.value as f64 / 100.0)),
            }
        });
        match rules.select {
            Select::Disabled => current,
            Select::Min => limits.min().unwrap_or(current),
            Select::Max => limits.max().unwrap_or(current),
        }
    }

    fn least(&self, rules: &ScalingRules, current: i32, now: LocalInstant) -> i32 {
        let limits = rules.policies.iter().map(|policy| {
            let before = current + self.changed(policy.period, now, -1);
            match policy.unit {
                RateUnit::Pods => before - policy.value as i32,
                RateUnit::Percent => (f64::from(before) * (1.0 - policy.value as f64 / 100.0)) as i32,
            }
        });
        match rules.select {
            Select::Disabled => current,
            Select::Min => limits.max().unwrap_or(current),
            Select::Max => limits.min().unwrap_or(current),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Upstream's cases about processor time, as far as they have no errors, read in place.
    #[test]
    fn replicas_are_upstreams() {
        let file = "/work/shared/data/kubernetes/controllers.json";
        let Ok(text) = std::fs::read_to_string(file) else { return eprintln!("{file} is not here") };
        let all: Value = serde_json::from_str(&text).unwrap();
        let mut looked = 0;
        for case in all["tests"]["hpaReplicaCalculator"]["cases"].as_array().unwrap() {
            let resource = &case["resource"];
            let list = |key: &str| case[key].as_array().cloned().unwrap_or_default();
            if resource.is_null() || resource["name"] != "cpu" || case["expectError"] == true {
                continue;
            }
            let Some(target) = resource["targetUtilization"].as_i64() else { continue };
            if !resource["metricPodNames"].is_null() {
                continue;
            }
            let current = case["currentReplicas"].as_i64().unwrap() as i32;
            let (readiness, starts) = (list("podReadiness"), list("podStartSecondsAgo"));
            let (phases, deleting) = (list("podPhase"), list("podDeletion"));
            let levels = resource["levels"].as_array().unwrap();
            let requests = resource["requestsPerContainer"].as_array().unwrap();
            let pods = (current as usize).max(phases.len());
            let mut samples = Vec::new();
            for at in 0..pods {
                if deleting.get(at).is_some_and(|going| *going == true) || phases.get(at).is_some_and(|p| p == "Failed") {
                    continue;
                }
                let request = requests.get(at).map_or(0, |text| {
                    let text = text.as_str().unwrap();
                    match text.strip_suffix('m') {
                        Some(milli) => milli.parse::<i64>().unwrap(),
                        None => (text.parse::<f64>().unwrap() * 1000.0) as i64,
                    }
                });
                let usage = levels.get(at).and_then(Value::as_i64);
                let unready = readiness.get(at).is_some_and(|ready| ready != "True");
                let young = starts.get(at).and_then(Value::as_i64).is_some_and(|ago| ago < 120);
                let pending = phases.get(at).is_some_and(|phase| phase == "Pending");
                let standing = match usage {
                    _ if pending => Standing::Unready,
                    None => Standing::Missing,
                    Some(_) if unready || young => Standing::Unready,
                    Some(_) => Standing::Counts,
                };
                samples.push(Sample { standing, request: 2 * request, usage: 2 * usage.unwrap_or(0) });
            }
            let wanted = replicas(&samples, current, target, true).map(|(wanted, _)| wanted);
            assert_eq!(wanted.map(i64::from), case["expectedReplicas"].as_i64(), "{case}");
            looked += 1;
        }
        assert!(looked >= 15, "{looked} cases");
    }
}
