//! Deployments: a replica set for each template, the newest of which grows while the others shrink.

use super::rolling::{Size, Wanted};
use super::workers::Workqueue;
use super::{letters, owner, pods_of, write};
use crate::control::kubernetes::api::{Key, Obj, Part, Tag, Verb};
use crate::control::kubernetes::control::{Ctx, Due};
use crate::control::kubernetes::objects::{
    Condition, Deployment, DeploymentStatus, Kind, Meta, Object, ReplicaSet, Selector, Strategy, Truth,
};
use sim_core::hash::content;
use sim_core::{Duration, LocalInstant};
use std::rc::Rc;

/// The label that tells the pods of one template from those of another.
pub(in crate::control::kubernetes) const HASH: &str = "pod-template-hash";

fn size(object: &Obj) -> Size {
    let Object::ReplicaSet(set) = &**object else { return Size::default() };
    Size {
        replicas: set.replicas,
        available: set.status.available,
        desired: set.desired,
        max: set.max,
        created: set.meta.uid.0,
    }
}

/// One look at a deployment: at most one step in one direction.
pub(super) fn sync(key: &Key, object: &Obj, queue: &mut Workqueue, ctx: &mut Ctx<'_, '_>) {
    let Object::Deployment(deployment) = &**object else { return };
    let mut sets: Vec<Obj> =
        ctx.link.cache.owned(deployment.meta.uid).filter(|object| object.kind() == Kind::ReplicaSet).cloned().collect();
    if sets.iter().any(|set| queue.is_writing(set.meta().uid)) {
        return;
    }
    sets.sort_by_key(|set| set.meta().uid);
    let hash = letters(content(&deployment.template));
    let is_new = |set: &&Obj| set.meta().labels.value(HASH).is_some_and(|value| **value == *hash);
    let new = sets.iter().find(is_new).cloned();
    let old: Vec<Obj> = sets.iter().filter(|set| !is_new(set)).cloned().collect();
    let wanted =
        Wanted { replicas: deployment.replicas, strategy: deployment.strategy, now: deployment.status.replicas };
    let sizes: Vec<Size> = old.iter().map(size).collect();
    report(object, deployment, new.as_ref(), &sets, queue, ctx);
    let all: Vec<Size> = sets.iter().map(size).collect();
    if wanted.is_scaled(&all) {
        let (next, olds) = wanted.scale(new.as_ref().map(size).as_ref(), &sizes);
        if let (Some(new), Some(next)) = (&new, next) {
            resize(new, next, &wanted, queue, ctx);
        }
        for (set, next) in old.iter().zip(olds) {
            if size(set).replicas > 0 || next > 0 {
                resize(set, next, &wanted, queue, ctx);
            }
        }
        return;
    }
    let Some(new) = new else {
        if !queue.is_writing(deployment.meta.uid) {
            create(key, deployment, &hash, &sets, &wanted, queue, ctx);
        }
        return;
    };
    match deployment.strategy {
        Strategy::RollingUpdate { .. } => {
            if let Some(next) = wanted.grow_new(&size(&new), &sizes) {
                resize(&new, next, &wanted, queue, ctx);
            } else {
                for (set, next) in old.iter().zip(wanted.shrink_old(&size(&new), &sizes)) {
                    if next != size(set).replicas {
                        resize(set, next, &wanted, queue, ctx);
                    }
                }
            }
        }
        Strategy::Recreate => {
            let mut left = false;
            for set in &old {
                if size(set).replicas > 0 {
                    resize(set, 0, &wanted, queue, ctx);
                }
                left |= size(set).replicas > 0 || pods_of(set.meta().uid, ctx).any(|pod| !ended(pod));
            }
            if !left && size(&new).replicas != wanted.replicas {
                resize(&new, wanted.replicas, &wanted, queue, ctx);
            }
        }
    }
    forget(&old, deployment, ctx);
}

fn ended(object: &Obj) -> bool {
    matches!(&**object, Object::Pod(pod) if pod.status.phase.ended())
}

/// Sets a replica set's number, and writes down what it was reckoned with.
fn resize(set: &Obj, replicas: i32, wanted: &Wanted, queue: &mut Workqueue, ctx: &mut Ctx<'_, '_>) {
    let changed = set.with(|object| {
        if let Object::ReplicaSet(set) = object {
            let set = Rc::make_mut(set);
            set.replicas = replicas;
            set.desired = Some(wanted.replicas);
            set.max = Some(wanted.replicas + wanted.surge());
        }
    });
    write(set, changed, Part::Spec, queue, ctx);
}

/// The replica set of a new template.
fn create(
    key: &Key,
    deployment: &Deployment,
    hash: &str,
    sets: &[Obj],
    wanted: &Wanted,
    queue: &mut Workqueue,
    ctx: &mut Ctx<'_, '_>,
) {
    let all: i32 = sets.iter().map(|set| size(set).replicas).sum();
    let replicas = match deployment.strategy {
        Strategy::Recreate if all > 0 => 0,
        _ => wanted.new_size(0, all),
    };
    let revision = |set: &Obj| if let Object::ReplicaSet(set) = &**set { set.revision } else { 0 };
    let mut template = deployment.template.clone();
    template.labels.insert(HASH, hash);
    let mut selector: Selector = deployment.selector.clone();
    selector.labels.insert(HASH, hash);
    let set = ReplicaSet {
        meta: Meta {
            labels: template.labels.clone(),
            owner: Some(owner(&Obj::new(deployment.clone()))),
            ..Meta::new(&deployment.meta.namespace, &format!("{}-{hash}", deployment.meta.name))
        },
        replicas,
        selector,
        template,
        min_ready: deployment.min_ready,
        revision: sets.iter().map(revision).max().unwrap_or(0) + 1,
        desired: Some(wanted.replicas),
        max: Some(wanted.replicas + wanted.surge()),
        ..ReplicaSet::default()
    };
    queue.writes(deployment.meta.uid, key.clone());
    ctx.call(Tag::Write(deployment.meta.uid), Verb::Create(Obj::new(set)));
}

/// Old sets without pods are kept for a while, in case somebody wants them back.
fn forget(old: &[Obj], deployment: &Deployment, ctx: &mut Ctx<'_, '_>) {
    let done = |set: &&Obj| {
        let Object::ReplicaSet(inner) = &***set else { return false };
        inner.replicas == 0 && inner.status.replicas == 0 && inner.status.observed >= inner.meta.generation
    };
    let spare: Vec<&Obj> = old.iter().filter(done).collect();
    let many = spare.len().saturating_sub(deployment.revision_history.max(0) as usize);
    for set in &spare[..many] {
        ctx.call(Tag::Nothing, Verb::Remove(Key::of(set), set.meta().uid));
    }
}

/// Says how the deployment is.
fn report(
    object: &Obj,
    deployment: &Deployment,
    new: Option<&Obj>,
    sets: &[Obj],
    queue: &mut Workqueue,
    ctx: &mut Ctx<'_, '_>,
) {
    if queue.is_writing(deployment.meta.uid) {
        return;
    }
    let now = ctx.fx.now();
    let statuses = sets.iter().filter_map(|set| match &**set {
        Object::ReplicaSet(set) => Some(set.status),
        _ => None,
    });
    let (mut replicas, mut ready, mut available) = (0, 0, 0);
    for status in statuses {
        replicas += status.replicas;
        ready += status.ready;
        available += status.available;
    }
    let updated = new.map_or(0, |new| match &**new {
        Object::ReplicaSet(set) => set.status.replicas,
        _ => 0,
    });
    let before = deployment.status;
    let observed = deployment.meta.generation;
    let mut status = DeploymentStatus { observed, replicas, updated, ready, available, ..before };
    let wanted = Wanted { replicas: deployment.replicas, strategy: deployment.strategy, now: replicas };
    let enough = if available >= deployment.replicas - wanted.unavailable() { Truth::True } else { Truth::False };
    if status.enough.status != enough {
        status.enough = Condition { status: enough, since: Some(now), reason: "" };
    }
    let complete = updated == deployment.replicas && replicas == updated && available == updated;
    let moved = (status.observed, replicas, updated, ready, available)
        != (before.observed, before.replicas, before.updated, before.ready, before.available);
    if moved || before.progressing.since.is_none() {
        let reason = if complete { "NewReplicaSetAvailable" } else { "ReplicaSetUpdated" };
        status.progressing = Condition { status: Truth::True, since: Some(now), reason };
    } else if !complete && status.progressing.holds() {
        let since = status.progressing.since.unwrap_or(now);
        let deadline = since + Duration::secs(u64::from(deployment.progress_deadline));
        if now >= deadline {
            let reason = "ProgressDeadlineExceeded";
            status.progressing = Condition { status: Truth::False, since: Some(now), reason };
        } else {
            ctx.agenda.at(LocalInstant(deadline.0), Due::Sync(Key::of(object)));
        }
    }
    let changed = object.with(|object| {
        if let Object::Deployment(deployment) = object {
            Rc::make_mut(deployment).status = status;
        }
    });
    write(object, changed, Part::Status, queue, ctx);
}
