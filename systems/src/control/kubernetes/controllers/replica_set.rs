//! Replica sets: as many pods of a template as there shall be. A set acts again only when it has heard of what it did
//! before (its expectations), and begins with few pods at a time.

use super::workers::Workqueue;
use super::{draw_name, is_active, owner, pods_of, write};
use crate::control::kubernetes::api::{Key, Obj, Part, Tag, Verb, pod};
use crate::control::kubernetes::control::{Ctx, Due};
use crate::control::kubernetes::formulas::Rank;
use crate::control::kubernetes::objects::{Kind, Meta, Object, Pod, ReplicaSet, ReplicaSetStatus, Uid};
use core::cmp::Reverse;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{Duration, LocalInstant};
use std::rc::Rc;

/// How many pods a set makes or deletes at a time at most.
const BURST: usize = 500;

/// What a set has done and not heard of.
#[derive(Clone, Debug, Default)]
struct Expected {
    created: i32,
    deleted: SortedSet<Uid>,
}

/// Pods that a set is making: twice as many each time, and no more once one has failed.
#[derive(Clone, Copy, Debug)]
struct Starting {
    left: i32,
    batch: i32,
    waits: i32,
    failed: bool,
}

/// What is remembered of replica sets.
#[derive(Clone, Debug, Default)]
pub(super) struct ReplicaSets {
    expected: SortedMap<Uid, Expected>,
    starting: SortedMap<Uid, Starting>,
}

/// When a pod is old enough to be available.
fn available_at(pod: &Pod, min_ready: u32) -> Option<LocalInstant> {
    let since = pod.status.ready.holds().then_some(pod.status.ready.since).flatten()?;
    Some(since + Duration::secs(u64::from(min_ready)))
}

/// How much a pod is worth to its set, with so many ready pods of its kind on its node: the least goes first, and of
/// two alike the newer.
fn rank(pod: &Pod, beside: usize, now: LocalInstant) -> (Rank, Reverse<Uid>) {
    let since = |at: Option<LocalInstant>| at.map(|at| now.since(at));
    let state = (pod.node.is_some(), pod.status.phase, pod.status.ready.holds());
    let restarts = pod.status.containers.iter().map(|one| one.restarts).max().unwrap_or(0);
    let ages = (since(pod.status.ready.since), since(pod.meta.created));
    (Rank::new(state, pod.spec.deletion_cost, beside, restarts, ages), Reverse(pod.meta.uid))
}

impl ReplicaSets {
    /// A pod has changed: expectations are met.
    pub fn on_pod(&mut self, old: Option<&Obj>, new: Option<&Obj>) {
        let set = |object: &Obj| object.meta().owner.as_ref().map(|owner| owner.uid);
        let goes = |object: Option<&Obj>| object.is_none_or(|object| object.meta().deleting());
        let Some(of) = new.or(old).and_then(set) else { return };
        let Some(expected) = self.expected.get_mut(&of) else { return };
        if old.is_none() && new.is_some() {
            expected.created -= 1;
        }
        if let Some(uid) = old.or(new).map(|object| object.meta().uid)
            && goes(new)
        {
            expected.deleted.remove(&uid);
        }
    }

    /// A pod was made, or was not.
    pub fn on_created(&mut self, uid: Uid, made: bool, queue: &mut Workqueue, ctx: &mut Ctx<'_, '_>) {
        let expected = self.expected.entry(uid).or_default();
        if !made {
            expected.created -= 1;
        }
        let Some(starting) = self.starting.get_mut(&uid) else { return };
        starting.waits -= 1;
        starting.failed |= !made;
        if starting.waits > 0 {
            return;
        }
        let set = ctx.link.cache.of(Kind::ReplicaSet).find(|object| object.meta().uid == uid).cloned();
        match set {
            Some(set) if !starting.failed && starting.left > 0 => {
                starting.batch = (starting.batch * 2).min(starting.left);
                self.make(&set, ctx);
            }
            set => {
                let failed = starting.failed;
                expected.created -= starting.left;
                self.starting.remove(&uid);
                if let Some(set) = set {
                    if failed {
                        ctx.agenda.after(Duration::millis(100), Due::Sync(Key::of(&set)), ctx.fx);
                    } else {
                        queue.add(Key::of(&set));
                    }
                }
            }
        }
    }

    /// A pod could not be deleted, or nobody knows: the set looks again.
    pub fn on_delete_failed(&mut self, uid: Uid, pod: Uid, queue: &mut Workqueue, ctx: &Ctx<'_, '_>) {
        if let Some(expected) = self.expected.get_mut(&uid) {
            expected.deleted.remove(&pod);
        }
        if let Some(set) = ctx.link.cache.of(Kind::ReplicaSet).find(|object| object.meta().uid == uid) {
            queue.add(Key::of(set));
        }
    }

    /// Makes the next pods of a set.
    fn make(&mut self, set: &Obj, ctx: &mut Ctx<'_, '_>) {
        let uid = set.meta().uid;
        let Some(starting) = self.starting.get_mut(&uid) else { return };
        (starting.waits, starting.left) = (starting.batch, starting.left - starting.batch);
        let Object::ReplicaSet(inner) = &**set else { return };
        for _ in 0..starting.batch {
            let pod = Pod {
                meta: Meta {
                    labels: inner.template.labels.clone(),
                    owner: Some(owner(set)),
                    ..Meta::new(&inner.meta.namespace, &draw_name(&inner.meta.name, ctx))
                },
                spec: Rc::clone(&inner.template.spec),
                node: inner.template.node.clone(),
                ..Pod::default()
            };
            ctx.call(Tag::Create(uid), Verb::Create(Obj::new(pod)));
        }
    }

    /// One look at a set.
    pub fn sync(&mut self, key: &Key, object: &Obj, queue: &mut Workqueue, ctx: &mut Ctx<'_, '_>) {
        let Object::ReplicaSet(set) = &**object else { return };
        let uid = set.meta.uid;
        let expected = self.expected.entry(uid).or_default();
        let met = expected.created <= 0 && expected.deleted.is_empty() && !self.starting.contains_key(&uid);
        if met {
            *expected = Expected::default();
            let active: Vec<&Obj> = pods_of(uid, ctx).filter(|pod| is_active(pod)).collect();
            let diff = active.len() as i32 - set.replicas.max(0);
            if diff < 0 {
                let many = (-diff).min(BURST as i32);
                expected.created = many;
                self.starting.insert(uid, Starting { left: many, batch: 1, waits: 0, failed: false });
                self.make(object, ctx);
            } else if diff > 0 {
                let goes = to_go(&active, diff as usize, ctx);
                expected.deleted = goes.iter().map(|(_, pod)| *pod).collect();
                for (key, pod) in goes {
                    ctx.delete(Tag::Delete(uid, pod), &key, pod, None);
                }
            }
        }
        report(key, object, set, queue, ctx);
    }
}

/// The pods that go first, as many as are too many.
fn to_go(active: &[&Obj], many: usize, ctx: &Ctx<'_, '_>) -> Vec<(Key, Uid)> {
    let mut active = active.to_vec();
    let mut on_node: SortedMap<&str, usize> = SortedMap::new();
    for pod in active.iter().filter_map(|object| pod(object)).filter(|pod| pod.status.ready.holds()) {
        *on_node.entry(pod.node.as_deref().unwrap_or("")).or_default() += 1;
    }
    let beside = |pod: &Pod| on_node.get(pod.node.as_deref().unwrap_or("")).copied().unwrap_or(0);
    let now = ctx.fx.now();
    active.sort_by_key(|object| pod(object).map(|pod| rank(pod, beside(pod), now)));
    active.into_iter().take(many.min(BURST)).map(|object| (Key::of(object), object.meta().uid)).collect()
}

/// Says how the set is.
fn report(key: &Key, object: &Obj, set: &ReplicaSet, queue: &mut Workqueue, ctx: &mut Ctx<'_, '_>) {
    if queue.is_writing(set.meta.uid) {
        return;
    }
    let now = ctx.fx.now();
    let (mut replicas, mut ready, mut available, mut next) = (0, 0, 0, None);
    for one in pods_of(set.meta.uid, ctx).filter(|one| is_active(one)).filter_map(pod) {
        replicas += 1;
        ready += i32::from(one.status.ready.holds());
        match available_at(one, set.min_ready) {
            Some(at) if at <= now => available += 1,
            Some(at) => next = Some(next.map_or(at, |next: LocalInstant| next.min(at))),
            None => {}
        }
    }
    if let Some(next) = next {
        ctx.agenda.at(next, Due::Sync(key.clone()));
    }
    let status = ReplicaSetStatus { observed: set.meta.generation, replicas, ready, available };
    let changed = object.with(|object| {
        if let Object::ReplicaSet(set) = object {
            Rc::make_mut(set).status = status;
        }
    });
    write(object, changed, Part::Status, queue, ctx);
}
