//! Disruption budgets: how many of the pods that one selects may be let go now.

use super::workers::Workqueue;
use super::{owner_key, write};
use crate::control::kubernetes::api::{Key, Obj, Part, pod};
use crate::control::kubernetes::control::{Ctx, Due};
use crate::control::kubernetes::objects::{Budget, BudgetStatus, IntOrPercent, Kind, Object, Pod};
use sim_core::Duration;
use std::collections::BTreeMap;
use std::rc::Rc;

/// How long one that was let go, and is still there, counts as gone.
const DISRUPTED: Duration = Duration::secs(120);

/// One look at a budget.
pub(super) fn sync(key: &Key, object: &Obj, queue: &mut Workqueue, ctx: &mut Ctx<'_, '_>) {
    let Object::PodDisruptionBudget(budget) = &**object else { return };
    if queue.is_writing(budget.meta.uid) {
        return;
    }
    let now = ctx.fx.now();
    let chosen: Vec<&Pod> = ctx
        .link
        .cache
        .of(Kind::Pod)
        .filter_map(pod)
        .filter(|pod| {
            let selected = budget.selector.as_ref().is_some_and(|selector| selector.matches(&pod.meta.labels));
            selected && pod.meta.namespace == budget.meta.namespace && !pod.status.phase.ended()
        })
        .collect();
    let mut disrupted = BTreeMap::new();
    for pod in &chosen {
        if let Some(since) = budget.status.disrupted.get(&pod.meta.name)
            && !pod.meta.deleting()
            && now.since(*since) < DISRUPTED
        {
            disrupted.insert(Rc::clone(&pod.meta.name), *since);
        }
    }
    if let Some(first) = disrupted.values().min() {
        ctx.agenda.at(*first + DISRUPTED, Due::Sync(key.clone()));
    }
    let healthy = chosen
        .iter()
        .filter(|pod| pod.status.ready.holds() && !pod.meta.deleting() && !disrupted.contains_key(&pod.meta.name))
        .count() as i64;
    let (expected, desired) = expected(budget, &chosen, ctx);
    let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
    let observed = budget.meta.generation;
    let status = BudgetStatus { observed, allowed, healthy, desired, expected, disrupted };
    let changed = object.with(|object| {
        if let Object::PodDisruptionBudget(budget) = object {
            Rc::make_mut(budget).status = status;
        }
    });
    write(object, changed, Part::Status, queue, ctx);
}

/// How many pods there should be, and how many must work.
fn expected(budget: &Budget, chosen: &[&Pod], ctx: &Ctx<'_, '_>) -> (i64, i64) {
    let scale = scale(chosen, ctx);
    match (budget.max_unavailable, budget.min_available) {
        (Some(most), _) => scale.map_or((0, 0), |scale| (scale, (scale - most.of_rounded_up(scale)).max(0))),
        (None, Some(IntOrPercent::Int(least))) => (chosen.len() as i64, i64::from(least)),
        (None, Some(share)) => scale.map_or((0, 0), |scale| (scale, share.of_rounded_up(scale))),
        (None, None) => (0, 0),
    }
}

/// How many pods their controllers want in all; `None` if one has no controller that says so.
fn scale(chosen: &[&Pod], ctx: &Ctx<'_, '_>) -> Option<i64> {
    let mut wanted: BTreeMap<Key, i64> = BTreeMap::new();
    for pod in chosen {
        let owner = pod.meta.owner.as_ref()?;
        let key = Key { kind: owner.kind, namespace: Rc::clone(&pod.meta.namespace), name: Rc::clone(&owner.name) };
        let object = ctx.link.cache.get(&key)?;
        // A deployment speaks for its replica sets.
        let above = owner_key(object).and_then(|key| ctx.link.cache.get(&key)).filter(|_| owner.kind == Kind::ReplicaSet);
        let object = above.unwrap_or(object);
        let replicas = match &**object {
            Object::Deployment(set) => set.replicas,
            Object::ReplicaSet(set) => set.replicas,
            Object::StatefulSet(set) => set.replicas,
            _ => return None,
        };
        wanted.insert(Key::of(object), i64::from(replicas));
    }
    Some(wanted.values().sum())
}
