//! Horizontal autoscalers: every 15 s, as many pods as bring what they use to what was aimed at.

use super::workers::Workqueue;
use super::{pods_of, write};
use crate::control::kubernetes::api::{Key, Obj, Part, pod};
use crate::control::kubernetes::bugs::KubeBug;
use crate::control::kubernetes::control::Ctx;
use crate::control::kubernetes::formulas::{
    Recommendation, ScaleEvent, Standing, Usage, by_resource, cpu_standing, limited_by_rules, stabilised_by_rules,
};
use crate::control::kubernetes::message::KubeFact;
use crate::control::kubernetes::objects::{Autoscaler, MetricSource, MetricTarget, Object, Phase, Pod, Uid};
use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant};
use std::rc::Rc;

/// How often it looks.
pub(super) const PERIOD: Duration = Duration::secs(15);
/// For how many seconds a pod's use says nothing about its load, because it starts.
const INITIALISATION: u64 = 300;
/// For how many seconds one that was never ready is taken to be still starting.
const READINESS: u64 = 30;
/// For how many seconds it remembers what it wanted, where nobody says so.
const WINDOW: u32 = 300;
/// Changes are remembered for so long.
const REMEMBERED: Duration = Duration::secs(1800);

/// What is remembered of an autoscaler.
#[derive(Clone, Debug, Default)]
struct Memory {
    /// What it wanted, and when.
    wanted: Vec<(LocalInstant, i64)>,
    /// By how much it changed the number, and when.
    changes: Vec<(LocalInstant, i64)>,
}

/// All autoscalers, and what pods use.
#[derive(Clone, Debug, Default)]
pub(super) struct Autoscalers {
    usage: SortedMap<Uid, (i64, LocalInstant)>,
    memory: SortedMap<Uid, Memory>,
}

const fn ago(now: LocalInstant, at: LocalInstant) -> u64 {
    now.0.saturating_sub(at.0) / 1_000_000_000
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
        let (current, now) = (super::replicas_of(&target), ctx.fx.now());
        let Some(current) = current.filter(|current| *current > 0 && !queue.is_writing(target.meta().uid)) else {
            return;
        };
        // Its pods belong to it, or to its replica sets.
        let mut owners: Vec<Uid> = ctx.link.cache.owned(target.meta().uid).map(|object| object.meta().uid).collect();
        owners.push(target.meta().uid);
        let pods = owners.iter().flat_map(|owner| pods_of(*owner, ctx)).filter_map(pod);
        let samples: Vec<Usage> = pods.map(|one| self.sample(one, now)).collect();
        let goals = scaler.metrics.iter().filter_map(|metric| match (&metric.source, metric.target) {
            (MetricSource::Resource { resource, .. }, MetricTarget::Utilization(percent)) if **resource == *"cpu" => {
                Some(percent)
            }
            _ => None,
        });
        let directed = !ctx.config.has(KubeBug::LoseDirection);
        let proposals =
            goals.filter_map(|goal| Some((by_resource(i64::from(current), goal, &samples, directed).ok()?, goal)));
        let Some((proposed, goal)) = proposals.max_by_key(|(wanted, _)| wanted.replicas) else { return };
        let ratio = (proposed.measured * 1000 / goal.max(1)) as u32;
        let memory = self.memory.entry(scaler.meta.uid).or_default();
        let wanted = memory.limit(scaler, i64::from(current), proposed.replicas, now) as i32;
        if wanted == current {
            return;
        }
        memory.changes.push((now, i64::from(wanted - current)));
        ctx.fx.note(KubeFact::Scales { from: current, to: wanted, ratio, least: scaler.min });
        let changed = target.with(|object| super::set_replicas(object, wanted));
        write(&target, changed, Part::Spec, queue, ctx);
    }

    fn sample(&self, pod: &Pod, now: LocalInstant) -> Usage {
        let requested = Some(pod.spec.demand().cpu).filter(|cpu| *cpu > 0);
        let known = self.usage.get(&pod.meta.uid);
        let ready = pod.status.ready;
        let since = ready.since.unwrap_or(now);
        let standing = match (pod.status.phase, known, pod.status.started) {
            (Phase::Failed, ..) => Standing::Ignored,
            _ if pod.meta.deleting() => Standing::Ignored,
            (Phase::Pending, ..) | (_, Some(_), None) => Standing::Unready,
            (_, None, _) => Standing::Counted,
            (_, Some((_, at)), Some(started)) => {
                let sampled = *at >= since + PERIOD;
                cpu_standing(ready.holds(), ago(now, started), ago(now, since), sampled, INITIALISATION, READINESS)
            }
        };
        Usage { standing, used: known.map(|(usage, _)| *usage), requested }
    }
}

impl Memory {
    /// What comes of a proposal: not less than was wanted lately, not faster than its rules allow, and within bounds.
    fn limit(&mut self, scaler: &Autoscaler, current: i64, proposed: i64, now: LocalInstant) -> i64 {
        let behavior = scaler.behavior.clone().unwrap_or_default();
        let (up, down) = (behavior.up.window.unwrap_or(0), behavior.down.window.unwrap_or(WINDOW));
        let (min, max) = (i64::from(scaler.min.max(1)), i64::from(scaler.max));
        let mut log: Vec<Recommendation> = self
            .wanted
            .iter()
            .map(|(at, replicas)| Recommendation { replicas: *replicas, ago: ago(now, *at) })
            .collect();
        let wanted = stabilised_by_rules(&mut log, current, proposed.clamp(min, max), u64::from(up), u64::from(down));
        let longest = Duration::secs(u64::from(up.max(down).max(1)));
        self.wanted.retain(|(at, _)| now.since(*at) <= longest);
        self.wanted.push((now, proposed.clamp(min, max)));
        self.changes.retain(|(at, _)| now.since(*at) < REMEMBERED);
        let events = |sign: i64| -> Vec<ScaleEvent> {
            let same = self.changes.iter().filter(|(_, change)| change * sign > 0);
            same.map(|(at, change)| ScaleEvent { change: change * sign, ago: ago(now, *at) }).collect()
        };
        let (ups, downs) = (events(1), events(-1));
        limited_by_rules((current, wanted), (min, max), (&behavior.up, &ups), (&behavior.down, &downs)).0
    }
}
