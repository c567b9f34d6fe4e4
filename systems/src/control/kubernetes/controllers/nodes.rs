//! The node lifecycle controller: nodes that say nothing for the grace period are not ready, their pods leave
//! services at once, and go when they have tolerated it for long enough; how many nodes lose their pods at a time
//! depends on how many are not well, and where none is heard from at all it is the control plane that is cut off.

use crate::control::kubernetes::api::{Answer, Key, Obj, Part, Patch, Tag, Verb, machine_of, pod};
use crate::control::kubernetes::bugs::KubeBug;
use crate::control::kubernetes::control::{Ctx, Due};
use crate::control::kubernetes::formulas::{ZoneState, all_lost, shortest, zone_state};
use crate::control::kubernetes::message::KubeFact;
use crate::control::kubernetes::objects::{Condition, Effect, Kind, Node, Object, Pod, Taint, Text, Truth, Uid};
use crate::control::kubernetes::scheduler::machine_of_pod;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant, NodeId};
use std::collections::VecDeque;
use std::rc::Rc;

pub(super) const NOT_READY: &str = "node.kubernetes.io/not-ready";
pub(super) const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

/// How often it looks whether a node may lose its pods.
const LOOK: Duration = Duration::millis(100);

/// What is known of a node's life, by this machine's own clock.
#[derive(Clone, Copy, Debug)]
struct Health {
    /// When something was last heard of it.
    heard: LocalInstant,
}

/// A zone whose nodes lose their pods one after the other.
#[derive(Clone, Debug, Default)]
struct Zone {
    waits: VecDeque<Text>,
    /// When the next one may.
    next: Option<LocalInstant>,
}

/// The controller's memory.
#[derive(Clone, Debug)]
pub(super) struct NodeLifecycle {
    health: SortedMap<NodeId, Health>,
    zones: SortedMap<Text, Zone>,
    /// Whether no node at all was well when it looked last.
    all_lost: bool,
    /// Pods that are to go: since when, and when.
    doomed: SortedMap<Uid, (LocalInstant, LocalInstant)>,
}

impl NodeLifecycle {
    /// One that begins with what was heard. It has listened to nobody yet.
    pub fn new(ctx: &mut Ctx<'_, '_>) -> Self {
        let now = ctx.fx.now();
        let mut lifecycle =
            Self { health: SortedMap::new(), zones: SortedMap::new(), all_lost: false, doomed: SortedMap::new() };
        let leases: SortedMap<NodeId, LocalInstant> = ctx
            .link
            .cache
            .of(Kind::Lease)
            .filter_map(|object| match &**object {
                Object::Lease(lease) => Some((machine_of(&lease.meta.name)?, lease.renewed?)),
                _ => None,
            })
            .collect();
        for node in nodes(ctx) {
            let Some(machine) = machine_of(&node.meta.name) else { continue };
            let stored = leases.get(&machine).copied().filter(|_| ctx.config.has(KubeBug::TrustHeartbeats));
            lifecycle.health.insert(machine, Health { heard: stored.unwrap_or(now) });
        }
        for node in nodes(ctx) {
            lifecycle.look_at_pods(&node, ctx);
        }
        ctx.agenda.after(ctx.config.monitor_period, Due::Monitor, ctx.fx);
        lifecycle
    }

    /// The object of a node has changed.
    pub fn on_node(&mut self, _: &Key, new: Option<&Obj>, ctx: &mut Ctx<'_, '_>) {
        let Some(Object::Node(node)) = new.map(|object| &**object) else { return };
        let Some(machine) = machine_of(&node.meta.name) else { return };
        let now = ctx.fx.now();
        let health = self.health.entry(machine).or_insert(Health { heard: now });
        if node.conditions.ready.condition.holds() {
            health.heard = now;
        }
        let node = Rc::clone(node);
        self.look_at_pods(&node, ctx);
    }

    /// A lease has changed.
    pub fn on_lease(&mut self, key: &Key, new: Option<&Obj>, ctx: &Ctx<'_, '_>) {
        if &*key.namespace == "kube-node-lease"
            && new.is_some()
            && let Some(machine) = machine_of(&key.name)
        {
            self.health.insert(machine, Health { heard: ctx.fx.now() });
        }
    }

    /// A pod has changed: it may have come to a node that evicts.
    pub fn on_pod(&mut self, key: &Key, old: Option<&Obj>, new: Option<&Obj>, ctx: &mut Ctx<'_, '_>) {
        let Some(object) = new else {
            if let Some(old) = old {
                self.doomed.remove(&old.meta().uid);
            }
            return;
        };
        let node = |object: &Obj| pod(object).and_then(|pod| pod.node.clone());
        let bound = old.and_then(node) != node(object);
        if bound
            && let Some(Object::Node(node)) = node(object)
                .and_then(|name| ctx.link.cache.get(&Key::global(Kind::Node, &name)))
                .map(|object| &**object)
        {
            let node = Rc::clone(node);
            let uid = object.meta().uid;
            self.doom(&node, key, uid, ctx);
        }
    }

    /// Looks at all nodes.
    pub fn monitor(&mut self, ctx: &mut Ctx<'_, '_>) {
        ctx.agenda.after(ctx.config.monitor_period, Due::Monitor, ctx.fx);
        let now = ctx.fx.now();
        let all = nodes(ctx);
        for node in &all {
            self.look_at(node, now, ctx);
        }
        let all_lost = all_lost(zone_states(&all, ctx).into_values());
        if all_lost && !ctx.config.has(KubeBug::EvictAlways) {
            // Nobody is heard from: nobody is evicted.
            self.zones.clear();
            for node in &all {
                set_taints(node, Effect::NoExecute, None, ctx);
            }
        } else if self.all_lost && !all_lost {
            // Whoever could not be heard has the full time again.
            for health in self.health.values_mut() {
                health.heard = now;
            }
        }
        self.all_lost = all_lost;
    }

    fn look_at(&mut self, node: &Rc<Node>, now: LocalInstant, ctx: &mut Ctx<'_, '_>) {
        let Some(machine) = machine_of(&node.meta.name) else { return };
        let health = *self.health.entry(machine).or_insert(Health { heard: now });
        let silent = now.since(health.heard) > ctx.config.monitor_grace;
        let before = node.conditions.ready.condition.status;
        if silent && before != Truth::Unknown {
            ctx.fx.note(KubeFact::NodeLost { node: machine });
            let mut conditions = node.conditions;
            let unknown = Condition { status: Truth::Unknown, since: Some(now), reason: "NodeStatusUnknown" };
            for one in [
                &mut conditions.ready,
                &mut conditions.memory_pressure,
                &mut conditions.disk_pressure,
                &mut conditions.pid_pressure,
            ] {
                one.condition = unknown;
            }
            ctx.call(
                Tag::Node,
                Verb::Patch(Key::global(Kind::Node, &node.meta.name), None, Patch::Node(Rc::new(conditions))),
            );
        }
        let ready = if silent { Truth::Unknown } else { before };
        let taint = match ready {
            Truth::True => None,
            Truth::False => Some(NOT_READY),
            Truth::Unknown => Some(UNREACHABLE),
        };
        if taint.is_some() {
            // Whoever has written the condition may have been stopped before it came to this.
            if !ctx.config.has(KubeBug::MarkOnce) {
                mark_pods(machine, ctx);
            }
            self.queue_eviction(node, ctx);
        } else {
            self.call_off(node, ctx);
        }
        set_taints(node, Effect::NoSchedule, taint, ctx);
    }

    /// A node is not well: it waits for its turn to lose its pods.
    fn queue_eviction(&mut self, node: &Node, ctx: &mut Ctx<'_, '_>) {
        let name = &node.meta.name;
        let evicts = node.taints.iter().any(|taint| taint.effect == Effect::NoExecute && is_of_life(&taint.key));
        let zone = zone_of(node);
        let queue = self.zones.entry(Rc::clone(&zone)).or_default();
        if !evicts && !queue.waits.contains(name) {
            queue.waits.push_back(Rc::clone(name));
            let at = queue.next.unwrap_or(LocalInstant(0)).max(ctx.fx.now());
            ctx.agenda.at(at, Due::Evict(zone));
        }
    }

    /// It is well again.
    fn call_off(&mut self, node: &Rc<Node>, ctx: &mut Ctx<'_, '_>) {
        for zone in self.zones.values_mut() {
            zone.waits.retain(|name| *name != node.meta.name);
        }
        if node.taints.iter().any(|taint| is_of_life(&taint.key)) {
            if let Some(machine) = machine_of(&node.meta.name) {
                ctx.fx.note(KubeFact::NodeBack { node: machine });
            }
            set_taints(node, Effect::NoExecute, None, ctx);
        }
    }

    /// A zone may lose its next node.
    pub fn on_evict(&mut self, zone: &Text, ctx: &mut Ctx<'_, '_>) {
        let now = ctx.fx.now();
        let all = nodes(ctx);
        let states = zone_states(&all, ctx);
        let state = states.get(zone).copied().unwrap_or(ZoneState::Normal);
        let in_zone = all.iter().filter(|node| zone_of(node) == *zone).count();
        let all_lost = all_lost(states.values().copied()) && !ctx.config.has(KubeBug::EvictAlways);
        let Some(queue) = self.zones.get_mut(zone) else { return };
        if queue.waits.is_empty() || queue.next.is_some_and(|next| next > now) || all_lost {
            return;
        }
        let every = match state {
            ZoneState::Partial if in_zone <= ctx.config.large_zone as usize => None,
            ZoneState::Partial => Some(ctx.config.secondary_every),
            ZoneState::Normal | ZoneState::Full => Some(ctx.config.eviction_every),
        };
        let Some(every) = every else {
            // A small zone with much that is not well loses nothing, until that changes.
            return ctx.agenda.after(ctx.config.monitor_period, Due::Evict(Rc::clone(zone)), ctx.fx);
        };
        let Some(node) = queue.waits.front().and_then(|name| all.iter().find(|node| node.meta.name == *name)) else {
            queue.waits.pop_front();
            return ctx.agenda.after(LOOK, Due::Evict(Rc::clone(zone)), ctx.fx);
        };
        let name = Rc::clone(&node.meta.name);
        let taint = match node.conditions.ready.condition.status {
            // It was given up a moment ago, and that is not heard of yet.
            Truth::True => return ctx.agenda.after(LOOK, Due::Evict(Rc::clone(zone)), ctx.fx),
            Truth::False => NOT_READY,
            Truth::Unknown => UNREACHABLE,
        };
        queue.waits.pop_front();
        queue.next = Some(now + every);
        if !queue.waits.is_empty() {
            ctx.agenda.at(now + every, Due::Evict(Rc::clone(zone)));
        }
        if let Some(machine) = machine_of(&name) {
            ctx.fx.note(KubeFact::Evicts { node: machine });
        }
        set_taints(node, Effect::NoExecute, Some(taint), ctx);
    }

    /// The taints of a node may have changed: its pods may have to go, or may stay.
    fn look_at_pods(&mut self, node: &Rc<Node>, ctx: &mut Ctx<'_, '_>) {
        let Some(machine) = machine_of(&node.meta.name) else { return };
        let evicts = node.taints.iter().any(|taint| taint.effect == Effect::NoExecute);
        if !evicts && self.doomed.is_empty() {
            return;
        }
        let pods: Vec<(Key, Uid)> = ctx
            .link
            .cache
            .of(Kind::Pod)
            .filter(|object| machine_of_pod(object) == Some(machine))
            .map(|object| (Key::of(object), object.meta().uid))
            .collect();
        for (key, uid) in pods {
            self.doom(node, &key, uid, ctx);
        }
    }

    /// How long a pod may stay on its node.
    fn doom(&mut self, node: &Node, key: &Key, uid: Uid, ctx: &mut Ctx<'_, '_>) {
        let Some(pod) = ctx.link.cache.get(key).and_then(pod) else { return };
        let now = ctx.fx.now();
        let mut taints = node.taints.iter().filter(|taint| taint.effect == Effect::NoExecute).peekable();
        if taints.peek().is_none() {
            self.doomed.remove(&uid);
            return;
        }
        match tolerates_for(pod, taints) {
            Some(seconds) if seconds <= 0 => {
                self.doomed.insert(uid, (now, now));
                ctx.agenda.at(now, Due::Taint(uid));
            }
            Some(seconds) => {
                let since = self.doomed.get(&uid).map_or(now, |(since, _)| *since);
                let due = LocalInstant(since.0 + seconds as u64 * 1_000_000_000);
                self.doomed.insert(uid, (since, due));
                ctx.agenda.at(due, Due::Taint(uid));
            }
            // It tolerates what is left for ever.
            None if ctx.config.has(KubeBug::KeepTimer) => {}
            None => _ = self.doomed.remove(&uid),
        }
    }

    /// A pod has tolerated its node for long enough.
    pub fn on_taint(&mut self, uid: Uid, ctx: &mut Ctx<'_, '_>) {
        let now = ctx.fx.now();
        if self.doomed.get(&uid).is_none_or(|(_, due)| *due > now) {
            return;
        }
        self.doomed.remove(&uid);
        let found = ctx.link.cache.of(Kind::Pod).find(|object| object.meta().uid == uid).cloned();
        let Some(object) = found.filter(|object| !object.meta().deleting()) else { return };
        if let Some(node) = machine_of_pod(&object) {
            ctx.fx.note(KubeFact::TaintDeletes { pod: uid, node });
        }
        ctx.delete(Tag::Nothing, &Key::of(&object), uid, None);
    }

    /// What it has written about a node is known before it is heard of.
    pub fn on_answer(&mut self, answer: &Answer, ctx: &mut Ctx<'_, '_>) {
        let Answer::Done(object) = answer else { return };
        ctx.link.learn(object);
        if let Object::Node(node) = &**object
            && node.conditions.ready.condition.status == Truth::Unknown
            && let Some(machine) = machine_of(&node.meta.name)
        {
            mark_pods(machine, ctx);
        }
    }
}

/// For how many seconds a pod tolerates these taints; `None` for ever.
fn tolerates_for<'a>(pod: &Pod, taints: impl Iterator<Item = &'a Taint>) -> Option<i64> {
    let mut tolerated = Vec::new();
    for taint in taints {
        let before = tolerated.len();
        let matching = pod.spec.tolerations.iter().filter(|toleration| toleration.tolerates(taint));
        tolerated.extend(matching.map(|toleration| toleration.seconds));
        if tolerated.len() == before {
            return Some(0);
        }
    }
    shortest(&tolerated)
}

fn is_of_life(key: &str) -> bool {
    key == NOT_READY || key == UNREACHABLE
}

fn nodes(ctx: &Ctx<'_, '_>) -> Vec<Rc<Node>> {
    let node = |object: &Obj| if let Object::Node(node) = &**object { Some(Rc::clone(node)) } else { None };
    ctx.link.cache.of(Kind::Node).filter_map(node).collect()
}

fn zone_of(node: &Node) -> Text {
    node.meta.labels.value("topology.kubernetes.io/zone").cloned().unwrap_or_else(|| "".into())
}

/// How much of each zone is well.
fn zone_states(all: &[Rc<Node>], ctx: &Ctx<'_, '_>) -> SortedMap<Text, ZoneState> {
    let mut counts: SortedMap<Text, (usize, usize)> = SortedMap::new();
    for node in all {
        let (ready, not) = counts.entry(zone_of(node)).or_default();
        if node.conditions.ready.condition.holds() { *ready += 1 } else { *not += 1 }
    }
    let state = |(ready, not)| zone_state(ready, not, ctx.config.unhealthy_zone as usize);
    counts.into_iter().map(|(zone, counts)| (zone, state(counts))).collect()
}

/// The pods of a node that is not well are not ready.
fn mark_pods(machine: NodeId, ctx: &mut Ctx<'_, '_>) {
    let at = ctx.fx.now();
    let ready: Vec<(Key, Uid)> = ctx
        .link
        .cache
        .of(Kind::Pod)
        .filter(|object| machine_of_pod(object) == Some(machine))
        .filter(|object| pod(object).is_some_and(|pod| pod.status.ready.holds()))
        .map(|object| (Key::of(object), object.meta().uid))
        .collect();
    for (key, uid) in ready {
        ctx.call(Tag::Nothing, Verb::Patch(key, Some(uid), Patch::PodLost(at)));
    }
}

/// Of the taints about its life, a node shall have this one with this effect, or none. The object as it is known now
/// decides; who has seen an older one tries again in the next round.
fn set_taints(node: &Rc<Node>, effect: Effect, wanted: Option<&str>, ctx: &mut Ctx<'_, '_>) {
    let key = Key::global(Kind::Node, &node.meta.name);
    let Some(object) = ctx.link.cache.get(&key).cloned() else { return };
    let now = ctx.fx.now();
    let changed = object.with(|object| {
        let Object::Node(node) = object else { return };
        let of_life = |taint: &Taint| taint.effect == effect && is_of_life(&taint.key);
        let has = |key: &str| node.taints.iter().any(|taint| of_life(taint) && *taint.key == *key);
        let others = node.taints.iter().any(|taint| of_life(taint) && Some(&*taint.key) != wanted);
        if !others && wanted.is_none_or(has) {
            return;
        }
        let node = Rc::make_mut(node);
        node.taints.retain(|taint| !(of_life(taint) && Some(&*taint.key) != wanted));
        if let Some(key) = wanted
            && !node.taints.iter().any(|taint| of_life(taint) && *taint.key == *key)
        {
            node.taints.push(Taint { key: key.into(), value: "".into(), effect, added: Some(now) });
        }
    });
    if changed != object {
        ctx.call(Tag::Taints, Verb::Update(changed, Part::Spec));
    }
}
