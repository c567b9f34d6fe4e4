//! Disruption budgets: how many of the pods that one selects may be let go now.

use super::workers::Workqueue;
use super::{owner_key, replicas_of, write};
use crate::control::kubernetes::api::{Key, Obj, Part, pod};
use crate::control::kubernetes::control::{Ctx, Due};
use crate::control::kubernetes::formulas::{Health, allowance};
use crate::control::kubernetes::objects::{BudgetStatus, Kind, Object, Pod};
use sim_core::Duration;
use sim_core::sorted::SortedMap;
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
    let mut disrupted = SortedMap::new();
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
    let scale = scale(&chosen, ctx);
    let Health { allowed, desired, expected } =
        allowance(budget.min_available, budget.max_unavailable, chosen.len() as i64, healthy, scale);
    let observed = budget.meta.generation;
    let status = BudgetStatus { observed, allowed, healthy, desired, expected, disrupted };
    let changed = object.with(|object| {
        if let Object::PodDisruptionBudget(budget) = object {
            Rc::make_mut(budget).status = status;
        }
    });
    write(object, changed, Part::Status, queue, ctx);
}

/// How many pods their controllers want in all; `None` if one has no controller that says so.
fn scale(chosen: &[&Pod], ctx: &Ctx<'_, '_>) -> Option<i64> {
    let mut wanted: SortedMap<Key, i64> = SortedMap::new();
    for pod in chosen {
        let owner = pod.meta.owner.as_ref()?;
        let key = Key { kind: owner.kind, namespace: Rc::clone(&pod.meta.namespace), name: Rc::clone(&owner.name) };
        let object = ctx.link.cache.get(&key)?;
        // A deployment speaks for its replica sets.
        let above =
            owner_key(object).and_then(|key| ctx.link.cache.get(&key)).filter(|_| owner.kind == Kind::ReplicaSet);
        let object = above.unwrap_or(object);
        wanted.insert(Key::of(object), i64::from(replicas_of(object)?));
    }
    Some(wanted.values().sum())
}
