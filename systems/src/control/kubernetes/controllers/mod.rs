//! The controller manager while it acts: controllers that each make of what is what shall be, by what was heard.

mod autoscaling;
mod budgets;
mod daemon_set;
mod deployment;
mod endpoints;
mod job;
mod nodes;
mod replica_set;
mod rolling;
mod stateful_set;
mod workers;

use super::api::{Answer, Key, Obj, Part, Tag, Update, Verb, pod};
use super::control::{Ctx, Due};
use super::message::KubeMessage;
use super::objects::{Kind, Labels, Object, Owner, Text, Uid};
use autoscaling::Autoscalers;
use daemon_set::DaemonSets;
pub(super) use deployment::HASH;
use job::Jobs;
use nodes::NodeLifecycle;
use replica_set::ReplicaSets;
use sim_core::sorted::SortedSet;
use std::rc::Rc;
use workers::Workqueue;

/// A controller manager that acts.
#[derive(Clone, Debug)]
pub(super) struct Manager {
    queue: Workqueue,
    sets: ReplicaSets,
    nodes: NodeLifecycle,
    daemons: DaemonSets,
    jobs: Jobs,
    scalers: Autoscalers,
}

impl Manager {
    /// One that begins with what was heard.
    pub fn new(ctx: &mut Ctx<'_, '_>) -> Self {
        let mut manager = Self {
            queue: Workqueue::default(),
            sets: ReplicaSets::default(),
            nodes: NodeLifecycle::new(ctx),
            daemons: DaemonSets::default(),
            jobs: Jobs::default(),
            scalers: Autoscalers::default(),
        };
        ctx.agenda.after(autoscaling::PERIOD, Due::Scale, ctx.fx);
        let all: Vec<Obj> = KINDS.iter().flat_map(|kind| ctx.link.cache.of(*kind)).cloned().collect();
        for object in all {
            manager.queue.add(Key::of(&object));
        }
        manager
    }

    /// Something has changed: who looks after it looks again.
    pub fn on_change(&mut self, update: &Update, ctx: &mut Ctx<'_, '_>) {
        let Update { key, old, new } = update;
        match key.kind {
            Kind::Pod => {
                self.sets.on_pod(old.as_ref(), new.as_ref());
                if let (None, Some(new)) = (old, new) {
                    self.daemons.on_pod(new);
                    self.jobs.on_pod(new);
                }
                for object in [old, new].into_iter().flatten() {
                    if let Some(owner) = owner_key(object) {
                        self.queue.add(owner);
                    }
                    self.add_matching(object, ctx);
                }
                self.nodes.on_pod(key, old.as_ref(), new.as_ref(), ctx);
            }
            Kind::ReplicaSet => {
                self.queue.add(key.clone());
                if let Some(owner) = new.as_ref().or(old.as_ref()).and_then(owner_key) {
                    self.queue.add(owner);
                }
            }
            Kind::Node => {
                self.nodes.on_node(key, new.as_ref(), ctx);
                ctx.link.cache.of(Kind::DaemonSet).for_each(|set| self.queue.add(Key::of(set)));
            }
            Kind::Lease => self.nodes.on_lease(key, new.as_ref(), ctx),
            kind if KINDS.contains(&kind) => self.queue.add(key.clone()),
            _ => {}
        }
    }

    /// Services and budgets that select a pod look again.
    fn add_matching(&mut self, object: &Obj, ctx: &Ctx<'_, '_>) {
        let labels = &object.meta().labels;
        for kind in [Kind::Service, Kind::PodDisruptionBudget] {
            for other in ctx.link.cache.of(kind) {
                let chosen = match &**other {
                    Object::Service(service) => service.selector.as_ref().is_some_and(|wanted| has_all(labels, wanted)),
                    Object::PodDisruptionBudget(budget) => {
                        budget.selector.as_ref().is_some_and(|selector| selector.matches(labels))
                    }
                    _ => false,
                };
                if chosen && other.meta().namespace == object.meta().namespace {
                    self.queue.add(Key::of(other));
                }
            }
        }
    }

    /// Something is due.
    pub fn on_due(&mut self, due: Due, ctx: &mut Ctx<'_, '_>) {
        match due {
            Due::Sync(key) => self.queue.add(key),
            Due::Monitor => self.nodes.monitor(ctx),
            Due::Evict(zone) => self.nodes.on_evict(&zone, ctx),
            Due::Taint(pod) => self.nodes.on_taint(pod, ctx),
            Due::Scale => self.scale(ctx),
            _ => {}
        }
    }

    /// What pods of a worker use.
    pub fn on_usage(&mut self, pods: &[(Uid, u32)], ctx: &mut Ctx<'_, '_>) {
        self.scalers.on_usage(pods, ctx.fx.now());
    }

    /// Autoscalers look at what pods used when that was last asked, and it is asked again.
    fn scale(&mut self, ctx: &mut Ctx<'_, '_>) {
        ctx.agenda.after(autoscaling::PERIOD, Due::Scale, ctx.fx);
        let all: Vec<Obj> = ctx.link.cache.of(Kind::HorizontalPodAutoscaler).cloned().collect();
        for object in &all {
            self.scalers.sync(object, &mut self.queue, ctx);
        }
        if !all.is_empty() {
            for worker in ctx.config.workers() {
                ctx.fx.send(worker, KubeMessage::Usage);
            }
        }
    }

    /// The answer to a call of a controller's.
    pub fn on_answer(&mut self, tag: Tag, answer: &Answer, ctx: &mut Ctx<'_, '_>) {
        match tag {
            Tag::Create(uid) => {
                let made = matches!(answer, Answer::Done(_));
                self.sets.on_created(uid, made, &mut self.queue, ctx);
                if !made {
                    self.jobs.on_failed(uid);
                    self.daemons.on_failed(uid);
                }
            }
            Tag::Delete(uid, pod) if !matches!(answer, Answer::Done(_) | Answer::Gone(_)) => {
                self.sets.on_delete_failed(uid, pod, &mut self.queue, ctx);
            }
            Tag::Write(uid) => {
                if let Answer::Done(object) = answer {
                    ctx.link.learn(object);
                }
                self.queue.written(uid, answer, ctx);
            }
            Tag::Node => self.nodes.on_answer(answer, ctx),
            Tag::Taints => {
                if let Answer::Done(object) = answer {
                    ctx.link.learn(object);
                }
            }
            _ => {}
        }
    }

    /// Looks at all that has changed.
    pub fn work(&mut self, ctx: &mut Ctx<'_, '_>) {
        while let Some(key) = self.queue.take() {
            let Some(object) = ctx.link.cache.get(&key).cloned() else {
                if key.kind == Kind::Service {
                    endpoints::remove(&key, ctx);
                }
                continue;
            };
            match key.kind {
                Kind::Deployment => deployment::sync(&key, &object, &mut self.queue, ctx),
                Kind::ReplicaSet => self.sets.sync(&key, &object, &mut self.queue, ctx),
                Kind::StatefulSet => stateful_set::sync(&object, &mut self.queue, ctx),
                Kind::DaemonSet => self.daemons.sync(&object, &mut self.queue, ctx),
                Kind::Job => self.jobs.sync(&key, &object, &mut self.queue, ctx),
                Kind::Service => endpoints::sync(&key, &object, &mut self.queue, ctx),
                Kind::PodDisruptionBudget => budgets::sync(&key, &object, &mut self.queue, ctx),
                _ => {}
            }
        }
    }
}

/// What controllers look at.
const KINDS: [Kind; 8] = [
    Kind::Deployment,
    Kind::ReplicaSet,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::Job,
    Kind::Service,
    Kind::PodDisruptionBudget,
    Kind::HorizontalPodAutoscaler,
];

/// The controller that an object belongs to.
fn owner_key(object: &Obj) -> Option<Key> {
    let owner = object.meta().owner.as_ref()?;
    Some(Key { kind: owner.kind, namespace: Rc::clone(&object.meta().namespace), name: Rc::clone(&owner.name) })
}

/// As what an object's pods belong to it.
fn owner(object: &Obj) -> Owner {
    Owner { kind: object.kind(), name: Rc::clone(&object.meta().name), uid: object.meta().uid }
}

fn has_all(labels: &Labels, wanted: &Labels) -> bool {
    !wanted.is_empty() && wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// Whether a pod is neither at its end nor told to go.
fn is_active(object: &Obj) -> bool {
    pod(object).is_some_and(|pod| !pod.status.phase.ended() && !pod.meta.deleting())
}

/// A name of five letters and digits behind a prefix, as the API server draws them.
fn draw_name(prefix: &str, ctx: &mut Ctx<'_, '_>) -> Text {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let rng = ctx.fx.rng();
    let drawn: String = (0..5).map(|_| LETTERS[rng.below(LETTERS.len() as u64) as usize] as char).collect();
    format!("{prefix}-{drawn}").into()
}

/// A number in the same letters.
fn letters(mut number: u64) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut text = String::new();
    for _ in 0..8 {
        text.push(LETTERS[(number % 27) as usize] as char);
        number /= 27;
    }
    text
}

/// Writes an object that a controller has changed; until the answer it does not look at it again.
fn write(object: &Obj, changed: Obj, part: Part, queue: &mut Workqueue, ctx: &mut Ctx<'_, '_>) {
    if changed == *object {
        return;
    }
    queue.writes(object.meta().uid, Key::of(object));
    ctx.call(Tag::Write(object.meta().uid), Verb::Update(changed, part));
}

/// How many pods an object wants, if it is one that says so.
fn replicas_of(object: &Obj) -> Option<i32> {
    match &**object {
        Object::Deployment(set) => Some(set.replicas),
        Object::ReplicaSet(set) => Some(set.replicas),
        Object::StatefulSet(set) => Some(set.replicas),
        _ => None,
    }
}

/// It shall want so many.
fn set_replicas(object: &mut Object, replicas: i32) {
    match object {
        Object::Deployment(set) => Rc::make_mut(set).replicas = replicas,
        Object::ReplicaSet(set) => Rc::make_mut(set).replicas = replicas,
        Object::StatefulSet(set) => Rc::make_mut(set).replicas = replicas,
        _ => {}
    }
}

/// The pods of a set.
fn pods_of<'a>(uid: Uid, ctx: &'a Ctx<'_, '_>) -> impl Iterator<Item = &'a Obj> {
    ctx.link.cache.owned(uid).filter(|object| object.kind() == Kind::Pod)
}

/// Keys in order, each once.
type Keys = SortedSet<Key>;
