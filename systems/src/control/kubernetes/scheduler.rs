//! The scheduler while it acts: it keeps its picture of the cluster up with what it hears, takes one waiting pod after
//! the other and tells the API server where each goes. A pod that it has given a node counts there from then on,
//! whatever it has heard of that (it is assumed).

use super::api::{Answer, Key, Obj, Patch, Tag, Update, Verb, machine_of, pod};
use super::bugs::KubeBug;
use super::control::{Ctx, Due};
use super::message::KubeFact;
use super::objects::{Budget, Kind, Node, Object, Pod, Selector, Text, Uid};
use super::scheduling::{Bent, Cluster, Event, Plugin, Preemption, Profile, Queue, QueueRules, Unfit};
use sim_core::Duration;
use sim_core::sorted::{SortedMap, SortedSet};
use std::rc::Rc;

/// How often it looks whether waits are over.
const FLUSH: Duration = Duration::secs(1);

/// What it has decided about a pod: by what it knew when it took it, carried out when it has thought.
#[derive(Clone, Debug)]
enum Decision {
    /// It goes to this node.
    Place(Text),
    /// No node will do, for these parts' sake; others may have to go.
    Unfit(SortedSet<Plugin>, Option<Preemption>),
}

/// A scheduler that acts.
#[derive(Clone, Debug)]
pub(super) struct Scheduler {
    profile: Profile,
    cluster: Cluster,
    queue: Queue,
    /// The pod that it thinks about, and what it will come to.
    tries: Option<(Rc<Pod>, Decision)>,
    /// Pods that it has given a node, and has not heard of since.
    assumed: SortedMap<Uid, Rc<Pod>>,
}

impl Scheduler {
    /// One that begins with what was heard.
    pub fn new(ctx: &mut Ctx<'_, '_>) -> Self {
        let has = |bug| ctx.config.has(bug);
        let bent = Bent { match_label_keys_ignored: has(KubeBug::IgnoreLabelKeys), ..Bent::default() };
        let rules = QueueRules {
            initial: ctx.config.backoff.0,
            longest: ctx.config.backoff.1,
            marks_are_lost: has(KubeBug::LostMarks),
            ..QueueRules::default()
        };
        let mut scheduler = Self {
            profile: Profile { bent, ..Profile::default() },
            cluster: Cluster::default(),
            queue: Queue::new(rules),
            tries: None,
            assumed: SortedMap::new(),
        };
        let all: Vec<Obj> =
            [Kind::Node, Kind::Pod].into_iter().flat_map(|kind| ctx.link.cache.of(kind)).cloned().collect();
        for object in all {
            scheduler.on_change(&Update { key: Key::of(&object), old: None, new: Some(object) }, ctx);
        }
        ctx.agenda.after(FLUSH, Due::Schedule, ctx.fx);
        scheduler
    }

    /// Something has changed.
    pub fn on_change(&mut self, update: &Update, ctx: &mut Ctx<'_, '_>) {
        match update.key.kind {
            Kind::Node => self.on_node(update, ctx),
            Kind::Pod => self.on_pod(update, ctx),
            _ => {}
        }
    }

    fn on_node(&mut self, update: &Update, ctx: &Ctx<'_, '_>) {
        let now = ctx.fx.now();
        let node = |object: &Option<Obj>| -> Option<Rc<Node>> {
            if let Object::Node(node) = &**object.as_ref()? { Some(Rc::clone(node)) } else { None }
        };
        let (old, new) = (node(&update.old), node(&update.new));
        let Some(new) = new else {
            self.cluster.remove_node(&update.key.name);
            return self.queue.happened(Event::NodeDeleted, now);
        };
        self.cluster.set_node(Rc::clone(&new));
        match old {
            None => self.queue.happened(Event::NodeAdded, now),
            Some(old) => {
                if old.allocatable != new.allocatable {
                    self.queue.happened(Event::NodeRoom, now);
                }
                if old.meta.labels != new.meta.labels {
                    self.queue.happened(Event::NodeLabels, now);
                }
                if old.taints != new.taints || old.unschedulable != new.unschedulable {
                    self.queue.happened(Event::NodeTaints, now);
                }
            }
        }
    }

    fn on_pod(&mut self, update: &Update, ctx: &Ctx<'_, '_>) {
        let now = ctx.fx.now();
        let pod = |object: &Option<Obj>| -> Option<Rc<Pod>> {
            if let Object::Pod(pod) = &**object.as_ref()? { Some(Rc::clone(pod)) } else { None }
        };
        let (old, new) = (pod(&update.old), pod(&update.new));
        let alive = new.filter(|pod| !pod.status.phase.ended());
        let Some(new) = alive else {
            let Some(uid) = old.map(|pod| pod.meta.uid) else { return };
            self.assumed.remove(&uid);
            self.queue.remove(uid);
            if self.cluster.place_of(uid).is_some() {
                self.cluster.remove(uid);
                self.queue.happened(Event::PodDeleted, now);
            }
            return;
        };
        let uid = new.meta.uid;
        match &new.node {
            Some(node) => {
                self.assumed.remove(&uid);
                self.queue.remove(uid);
                let known = self.cluster.place_of(uid).is_some();
                self.cluster.place(&new, node);
                self.queue.happened(if known { Event::PodChanged } else { Event::PodAdded }, now);
            }
            None if new.meta.deleting() => self.queue.remove(uid),
            None if self.assumed.contains_key(&uid) => {}
            None => {
                if let Some(node) = &new.nominated {
                    self.cluster.nominate(&new, node);
                }
                self.queue.add(new, now);
            }
        }
    }

    /// Goes on with what there is to do.
    pub fn work(&mut self, ctx: &mut Ctx<'_, '_>) {
        if self.tries.is_none()
            && let Some(pod) = self.queue.pop()
        {
            let decision = self.decide(&pod, ctx);
            self.tries = Some((pod, decision));
            ctx.agenda.after(ctx.config.think, Due::Schedule, ctx.fx);
        }
    }

    /// It has thought, or waits may be over.
    pub fn on_due(&mut self, ctx: &mut Ctx<'_, '_>) {
        let now = ctx.fx.now();
        self.queue.tick(now);
        match self.tries.take() {
            Some((pod, decision)) => self.carry_out(&pod, decision, ctx),
            None => ctx.agenda.after(FLUSH, Due::Schedule, ctx.fx),
        }
        self.work(ctx);
        if self.tries.is_none() {
            ctx.agenda.after(FLUSH, Due::Schedule, ctx.fx);
        }
    }

    fn decide(&mut self, pod: &Rc<Pod>, ctx: &mut Ctx<'_, '_>) -> Decision {
        let likes = likes(pod, ctx);
        let rng = ctx.fx.rng();
        match self.cluster.schedule(&self.profile, pod, likes.as_ref(), |n| rng.below(n)) {
            Ok(placement) => Decision::Place(placement.node),
            Err(unfit) => {
                let preemption = self.preemption(pod, &unfit, likes.as_ref(), ctx);
                let refused_by = unfit.refusals.iter().map(|(_, refusal)| refusal.plugin()).collect();
                Decision::Unfit(refused_by, preemption)
            }
        }
    }

    fn preemption(
        &mut self,
        pod: &Rc<Pod>,
        unfit: &Unfit,
        likes: Option<&Selector>,
        ctx: &mut Ctx<'_, '_>,
    ) -> Option<Preemption> {
        let budgets: Vec<Rc<Budget>> = ctx
            .link
            .cache
            .of(Kind::PodDisruptionBudget)
            .filter_map(|object| match &**object {
                Object::PodDisruptionBudget(budget) => Some(Rc::clone(budget)),
                _ => None,
            })
            .collect();
        let rng = ctx.fx.rng();
        self.cluster.preempt(&self.profile, pod, likes, unfit, &budgets, |n| rng.below(n))
    }

    fn carry_out(&mut self, pod: &Rc<Pod>, decision: Decision, ctx: &mut Ctx<'_, '_>) {
        let (uid, now) = (pod.meta.uid, ctx.fx.now());
        // It may be gone by now, or have a node.
        if self.queue.pod(uid).is_none() {
            return;
        }
        match decision {
            Decision::Place(node) => {
                if let Some(machine) = machine_of(&node) {
                    ctx.fx.note(KubeFact::Placed { pod: uid, node: machine });
                }
                if !ctx.config.has(KubeBug::ForgetAssumed) {
                    self.cluster.place(pod, &node);
                }
                self.assumed.insert(uid, Rc::clone(pod));
                ctx.call(Tag::Bind(uid), Verb::Patch(key_of(pod), Some(uid), Patch::Bind(node)));
            }
            Decision::Unfit(refused_by, preemption) => {
                ctx.fx.note(KubeFact::Unschedulable { pod: uid });
                if let Some(preemption) = preemption {
                    for victim in &preemption.victims {
                        ctx.fx.note(KubeFact::Preempts { pod: victim.meta.uid });
                        ctx.delete(Tag::Nothing, &key_of(victim), victim.meta.uid, None);
                    }
                    self.cluster.nominate(pod, &preemption.node);
                    let nominate = Patch::Nominate(Some(preemption.node));
                    ctx.call(Tag::Nothing, Verb::Patch(key_of(pod), Some(uid), nominate));
                }
                self.queue.retry(uid, refused_by, now);
            }
        }
    }

    /// The API server has answered a binding.
    pub fn on_bound(&mut self, uid: Uid, answer: &Answer, ctx: &mut Ctx<'_, '_>) {
        if let Answer::Done(object) = answer {
            ctx.link.learn(object);
            return self.queue.remove(uid);
        }
        // Nobody has it there, as far as is known: it is forgotten, and tried again.
        if self.assumed.remove(&uid).is_some() {
            self.cluster.remove(uid);
            self.queue.happened(Event::PodDeleted, ctx.fx.now());
        }
        self.queue.retry(uid, SortedSet::new(), ctx.fx.now());
    }
}

fn key_of(pod: &Pod) -> Key {
    Key { kind: Kind::Pod, namespace: Rc::clone(&pod.meta.namespace), name: Rc::clone(&pod.meta.name) }
}

/// What the services and the set of a pod select: the pods that it belongs with.
fn likes(of: &Pod, ctx: &Ctx<'_, '_>) -> Option<Selector> {
    let mut labels = super::objects::Labels::default();
    for object in ctx.link.cache.of(Kind::Service) {
        if let Object::Service(service) = &**object
            && let Some(selector) = &service.selector
            && service.meta.namespace == of.meta.namespace
            && Selector::of(selector.clone()).matches(&of.meta.labels)
        {
            selector.iter().for_each(|(key, value)| labels.insert(key, value));
        }
    }
    let owner = of.meta.owner.as_ref().map(|owner| Key {
        kind: owner.kind,
        namespace: Rc::clone(&of.meta.namespace),
        name: Rc::clone(&owner.name),
    });
    let mut likes = Selector::of(labels);
    if let Some(owner) = owner.and_then(|key| ctx.link.cache.get(&key)) {
        let own = match &**owner {
            Object::ReplicaSet(set) => Some(&set.selector),
            Object::StatefulSet(set) => Some(&set.selector),
            _ => None,
        };
        if let Some(own) = own {
            own.labels.iter().for_each(|(key, value)| likes.labels.insert(key, value));
            likes.expressions.extend(own.expressions.iter().cloned());
        }
    }
    (!likes.is_empty()).then_some(likes)
}

/// The node that a pod is bound to.
pub(super) fn machine_of_pod(object: &Obj) -> Option<sim_core::NodeId> {
    pod(object)?.node.as_deref().and_then(machine_of)
}
