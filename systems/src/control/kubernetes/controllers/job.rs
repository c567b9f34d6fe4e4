//! Jobs: pods that come to an end, so many of them well, so many at a time, and no more once too many have failed.

use super::workers::Workqueue;
use super::{draw_name, is_active, owner, pods_of, write};
use crate::control::kubernetes::api::{Key, Obj, Part, Tag, Verb, pod};
use crate::control::kubernetes::control::{Ctx, Due};
use crate::control::kubernetes::objects::{Condition, Job, JobStatus, Meta, Object, Phase, Pod, Truth, Uid};
use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant};
use std::rc::Rc;

/// How long a job waits after a failure, at first and at most.
const FIRST: Duration = Duration::secs(10);
const LAST: Duration = Duration::secs(360);

/// What jobs have done and not heard of.
#[derive(Clone, Debug, Default)]
pub(super) struct Jobs {
    making: SortedMap<Uid, i32>,
    /// How many pods had failed when that was seen, and when.
    failures: SortedMap<Uid, (i32, LocalInstant)>,
}

impl Jobs {
    /// A pod of a job is new.
    pub fn on_pod(&mut self, object: &Obj) {
        if let Some(making) = object.meta().owner.as_ref().and_then(|owner| self.making.get_mut(&owner.uid)) {
            *making -= 1;
        }
    }

    /// A pod could not be made.
    pub fn on_failed(&mut self, uid: Uid) {
        if let Some(making) = self.making.get_mut(&uid) {
            *making -= 1;
        }
    }

    /// One look at a job.
    pub fn sync(&mut self, key: &Key, object: &Obj, queue: &mut Workqueue, ctx: &mut Ctx<'_, '_>) {
        let Object::Job(job) = &**object else { return };
        let uid = job.meta.uid;
        if job.status.complete.holds() || job.status.failed_for_good.holds() || queue.is_writing(uid) {
            return;
        }
        let now = ctx.fx.now();
        let count = |phase: Phase| {
            let in_phase = |one: &&Obj| pod(one).is_some_and(|pod| pod.status.phase == phase);
            pods_of(uid, ctx).filter(in_phase).count() as i32
        };
        let (succeeded, failed) = (count(Phase::Succeeded), count(Phase::Failed));
        let active: Vec<(Key, Uid)> =
            pods_of(uid, ctx).filter(|one| is_active(one)).map(|one| (Key::of(one), one.meta().uid)).collect();
        let seen = self.failures.entry(uid).or_insert((failed, LocalInstant(0)));
        if failed > seen.0 {
            *seen = (failed, now);
        }
        let since = seen.1;
        let started = job.status.started.unwrap_or(now);
        let deadline = job.spec.active_deadline.map(|seconds| started + Duration::secs(u64::from(seconds)));
        let gives_up = failed > job.spec.backoff_limit || deadline.is_some_and(|deadline| deadline <= now);
        let complete = match job.spec.completions {
            Some(completions) => succeeded >= completions,
            None => succeeded > 0 && active.is_empty(),
        };
        report(object, job, (active.len() as i32, succeeded, failed, started), (complete, gives_up), queue, ctx);
        if gives_up || complete || job.spec.suspend {
            for (key, pod) in active {
                ctx.delete(Tag::Nothing, &key, pod, None);
            }
            return;
        }
        if let Some(deadline) = deadline {
            ctx.agenda.at(deadline, Due::Sync(key.clone()));
        }
        // After a failure the next pod waits, longer each time.
        if failed > 0 {
            let wait = Duration((FIRST.0 << (failed - 1).min(8)).min(LAST.0));
            if now < since + wait {
                return ctx.agenda.at(since + wait, Due::Sync(key.clone()));
            }
        }
        let making = self.making.entry(uid).or_default();
        if *making > 0 {
            return;
        }
        let left = match job.spec.completions {
            Some(completions) => (completions - succeeded).min(job.spec.parallelism),
            None if succeeded > 0 => 0,
            None => job.spec.parallelism,
        };
        let more = (left - active.len() as i32).max(0);
        *making = more;
        for _ in 0..more {
            make(object, job, ctx);
        }
    }
}

fn make(object: &Obj, job: &Job, ctx: &mut Ctx<'_, '_>) {
    let template = &job.spec.template;
    let pod = Pod {
        meta: Meta {
            labels: template.labels.with("job-name", &job.meta.name),
            owner: Some(owner(object)),
            ..Meta::new(&job.meta.namespace, &draw_name(&job.meta.name, ctx))
        },
        spec: Rc::clone(&template.spec),
        ..Pod::default()
    };
    ctx.call(Tag::Create(job.meta.uid), Verb::Create(Obj::new(pod)));
}

fn report(
    object: &Obj,
    job: &Job,
    (active, succeeded, failed, started): (i32, i32, i32, LocalInstant),
    (complete, gives_up): (bool, bool),
    queue: &mut Workqueue,
    ctx: &mut Ctx<'_, '_>,
) {
    let now = ctx.fx.now();
    let condition = |holds: bool, before: Condition| {
        if holds { Condition { status: Truth::True, since: Some(now), reason: "" } } else { before }
    };
    let status = JobStatus {
        active,
        succeeded,
        failed,
        started: Some(started),
        complete: condition(complete, job.status.complete),
        failed_for_good: condition(gives_up && !complete, job.status.failed_for_good),
    };
    let changed = object.with(|object| {
        if let Object::Job(job) = object {
            Rc::make_mut(job).status = status;
        }
    });
    write(object, changed, Part::Status, queue, ctx);
}
