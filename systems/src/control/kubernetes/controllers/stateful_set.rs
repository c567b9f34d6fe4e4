//! Stateful sets: pods with names that stay, started one after the other and ended from the last to the first.

use super::workers::Workqueue;
use super::{letters, owner, pods_of, write};
use crate::control::kubernetes::api::{Key, Obj, Part, Tag, Verb, pod};
use crate::control::kubernetes::control::Ctx;
use crate::control::kubernetes::objects::{
    Meta, Object, Pod, PodManagement, StatefulSet, StatefulSetStatus, StatefulStrategy, Text,
};
use sim_core::hash::content;
use sim_core::sorted::SortedMap;
use std::rc::Rc;

/// The label that tells by which template a pod was made.
const REVISION: &str = "controller-revision-hash";

/// One look at a set: at most one pod is made, or told to go, where they come one after the other.
pub(super) fn sync(object: &Obj, queue: &mut Workqueue, ctx: &mut Ctx<'_, '_>) {
    let Object::StatefulSet(set) = &**object else { return };
    let revision: Text = letters(content(&set.template)).into();
    let prefix = format!("{}-", set.meta.name);
    let pods: SortedMap<i32, Obj> = pods_of(set.meta.uid, ctx)
        .filter_map(|one| Some((one.meta().name.strip_prefix(&prefix)?.parse().ok()?, one.clone())))
        .collect();
    report(object, set, &pods, &revision, queue, ctx);
    let ordered = set.management == PodManagement::OrderedReady;
    let works = |one: &Obj| pod(one).is_some_and(|pod| pod.status.ready.holds() && !pod.meta.deleting());
    for ordinal in 0..set.replicas {
        match pods.get(&ordinal) {
            None => make(object, set, ordinal, &revision, ctx),
            // One that has ended is replaced once it is gone.
            Some(one) if ended(one) && !one.meta().deleting() => {
                ctx.delete(Tag::Nothing, &Key::of(one), one.meta().uid, None);
            }
            Some(one) if works(one) => continue,
            Some(_) => {}
        }
        if ordered {
            return;
        }
    }
    // Those that are too many go, the last first, each when the one before it is gone.
    for (ordinal, one) in pods.iter().rev().filter(|(ordinal, _)| **ordinal >= set.replicas) {
        if !one.meta().deleting() {
            ctx.delete(Tag::Nothing, &Key::of(one), one.meta().uid, None);
        }
        if ordered || *ordinal == set.replicas {
            return;
        }
    }
    let StatefulStrategy::RollingUpdate { partition } = set.strategy else { return };
    for (_, one) in pods.iter().rev().filter(|(ordinal, _)| **ordinal >= partition) {
        let new = one.meta().labels.value(REVISION) == Some(&revision);
        if !new && !one.meta().deleting() {
            ctx.delete(Tag::Nothing, &Key::of(one), one.meta().uid, None);
        }
        if !new || !works(one) {
            return;
        }
    }
}

fn ended(object: &Obj) -> bool {
    pod(object).is_some_and(|pod| pod.status.phase.ended())
}

fn make(object: &Obj, set: &StatefulSet, ordinal: i32, revision: &Text, ctx: &mut Ctx<'_, '_>) {
    let labels = set.template.labels.with(REVISION, revision);
    let pod = Pod {
        meta: Meta {
            labels,
            owner: Some(owner(object)),
            ..Meta::new(&set.meta.namespace, &format!("{}-{ordinal}", set.meta.name))
        },
        spec: Rc::clone(&set.template.spec),
        ..Pod::default()
    };
    ctx.call(Tag::Nothing, Verb::Create(Obj::new(pod)));
}

fn report(
    object: &Obj,
    set: &StatefulSet,
    pods: &SortedMap<i32, Obj>,
    revision: &Text,
    queue: &mut Workqueue,
    ctx: &mut Ctx<'_, '_>,
) {
    if queue.is_writing(set.meta.uid) {
        return;
    }
    let count = |counts: &dyn Fn(&Obj) -> bool| pods.values().filter(|one| counts(one)).count() as i32;
    let status = StatefulSetStatus {
        observed: set.meta.generation,
        replicas: pods.len() as i32,
        ready: count(&|one| pod(one).is_some_and(|pod| pod.status.ready.holds())),
        updated: count(&|one| one.meta().labels.value(REVISION) == Some(revision)),
        current_revision: Rc::clone(&set.status.current_revision),
        update_revision: Rc::clone(revision),
    };
    let changed = object.with(|object| {
        if let Object::StatefulSet(set) = object {
            Rc::make_mut(set).status = status;
        }
    });
    write(object, changed, Part::Status, queue, ctx);
}
