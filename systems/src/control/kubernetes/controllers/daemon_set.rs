//! Daemon sets: a pod on every node that takes it, which stays there whatever becomes of the node.

use super::workers::Workqueue;
use super::{draw_name, letters, owner, pods_of, write};
use crate::control::kubernetes::api::{Key, Obj, Part, Tag, Verb, pod};
use crate::control::kubernetes::control::Ctx;
use crate::control::kubernetes::objects::{
    DaemonSet, DaemonSetStatus, DaemonStrategy, Effect, Kind, Meta, Node, NodeTerm, Object, Operator, Pod, Requirement,
    Text, Toleration, Uid,
};
use sim_core::hash::content;
use sim_core::sorted::{SortedMap, SortedSet};
use std::rc::Rc;

const REVISION: &str = "controller-revision-hash";

/// The pods that a set is making: of each node, until it was heard of.
#[derive(Clone, Debug, Default)]
pub(super) struct DaemonSets {
    making: SortedSet<(Uid, Text)>,
}

impl DaemonSets {
    /// A pod of a set has changed: it is not being made any more.
    pub fn on_pod(&mut self, object: &Obj) {
        if let (Some(owner), Some(name)) = (&object.meta().owner, pod(object).and_then(target)) {
            self.making.remove(&(owner.uid, name));
        }
    }

    /// A pod could not be made, or nobody knows: whoever looks next sees which are there.
    pub fn on_failed(&mut self, uid: Uid) {
        self.making.retain(|(set, _)| *set != uid);
    }

    /// One look at a set.
    pub fn sync(&mut self, object: &Obj, queue: &mut Workqueue, ctx: &mut Ctx<'_, '_>) {
        let Object::DaemonSet(set) = &**object else { return };
        let revision: Text = letters(content(&set.template)).into();
        let mut by_node: SortedMap<Text, Vec<Obj>> = SortedMap::new();
        for one in pods_of(set.meta.uid, ctx) {
            if let Some(node) = pod(one).and_then(target) {
                by_node.entry(node).or_default().push(one.clone());
            }
        }
        let nodes: Vec<Rc<Node>> = ctx
            .link
            .cache
            .of(Kind::Node)
            .filter_map(|object| if let Object::Node(node) = &**object { Some(Rc::clone(node)) } else { None })
            .collect();
        let wanted: SortedSet<Text> =
            nodes.iter().filter(|node| takes(set, node)).map(|node| Rc::clone(&node.meta.name)).collect();
        report(object, set, &wanted, &by_node, &revision, queue, ctx);
        for name in &wanted {
            let there = by_node.get(name).is_some_and(|pods| pods.iter().any(|one| !ended(one)));
            if !there && self.making.insert((set.meta.uid, Rc::clone(name))) {
                make(object, set, name, &revision, ctx);
            }
        }
        for (name, pods) in &by_node {
            for one in pods.iter().filter(|one| !one.meta().deleting() && (ended(one) || !wanted.contains(name))) {
                ctx.delete(Tag::Nothing, &Key::of(one), one.meta().uid, None);
            }
        }
        self.update(set, &by_node, wanted.len(), &revision, ctx);
    }

    /// Pods of an older template go, no more at a time than may be missing.
    fn update(
        &self,
        set: &DaemonSet,
        by_node: &SortedMap<Text, Vec<Obj>>,
        wanted: usize,
        revision: &Text,
        ctx: &mut Ctx<'_, '_>,
    ) {
        let DaemonStrategy::RollingUpdate { max_unavailable, .. } = set.strategy else { return };
        let works = |one: &&Obj| pod(one).is_some_and(|pod| pod.status.ready.holds() && !pod.meta.deleting());
        let ready = by_node.values().flatten().filter(works).count();
        let most = max_unavailable.of_rounded_up(wanted as i64).max(1) as usize;
        let mut left = most.saturating_sub(wanted.saturating_sub(ready));
        let old = by_node.values().flatten().filter(|one| one.meta().labels.value(REVISION) != Some(revision));
        for one in old.filter(|one| !one.meta().deleting()) {
            if works(&one) {
                if left == 0 {
                    continue;
                }
                left -= 1;
            }
            ctx.delete(Tag::Nothing, &Key::of(one), one.meta().uid, None);
        }
    }
}

fn ended(object: &Obj) -> bool {
    pod(object).is_some_and(|pod| pod.status.phase.ended())
}

/// The node that a pod of a set is for.
fn target(pod: &Pod) -> Option<Text> {
    let of = |term: &NodeTerm| term.fields.first().and_then(|field| field.values.first()).cloned();
    pod.spec.affinity.node_required.as_ref().and_then(|terms| terms.first()).and_then(of)
}

/// Whether a node takes the pods of a set.
fn takes(set: &DaemonSet, node: &Node) -> bool {
    let spec = &set.template.spec;
    let selected = spec.node_selector.iter().all(|(key, value)| node.meta.labels.get(key) == Some(value));
    let tolerated = |key: &str| key.starts_with("node.kubernetes.io/");
    let free = node.taints.iter().all(|taint| {
        taint.effect == Effect::PreferNoSchedule
            || tolerated(&taint.key)
            || spec.tolerations.iter().any(|toleration| toleration.tolerates(taint))
    });
    selected && free
}

fn make(object: &Obj, set: &DaemonSet, node: &Text, revision: &Text, ctx: &mut Ctx<'_, '_>) {
    let mut spec = (*set.template.spec).clone();
    let field = Requirement { key: "metadata.name".into(), operator: Operator::In, values: vec![Rc::clone(node)] };
    spec.affinity.node_required = Some(vec![NodeTerm { expressions: Vec::new(), fields: vec![field] }]);
    // They stay whatever the node is like.
    for key in ["not-ready", "unreachable", "memory-pressure", "disk-pressure", "pid-pressure", "unschedulable"] {
        let key = Some(format!("node.kubernetes.io/{key}").into());
        spec.tolerations.push(Toleration { key, exists: true, ..Toleration::default() });
    }
    let pod = Pod {
        meta: Meta {
            labels: set.template.labels.with(REVISION, revision),
            owner: Some(owner(object)),
            ..Meta::new(&set.meta.namespace, &draw_name(&set.meta.name, ctx))
        },
        spec: Rc::new(spec),
        ..Pod::default()
    };
    ctx.call(Tag::Create(set.meta.uid), Verb::Create(Obj::new(pod)));
}

fn report(
    object: &Obj,
    set: &DaemonSet,
    wanted: &SortedSet<Text>,
    by_node: &SortedMap<Text, Vec<Obj>>,
    revision: &Text,
    queue: &mut Workqueue,
    ctx: &mut Ctx<'_, '_>,
) {
    if queue.is_writing(set.meta.uid) {
        return;
    }
    let nodes = |counts: &dyn Fn(&Obj) -> bool| by_node.values().filter(|pods| pods.iter().any(counts)).count() as i32;
    let status = DaemonSetStatus {
        observed: set.meta.generation,
        desired: wanted.len() as i32,
        current: nodes(&|_| true),
        ready: nodes(&|one| pod(one).is_some_and(|pod| pod.status.ready.holds())),
        updated: nodes(&|one| one.meta().labels.value(REVISION) == Some(revision)),
    };
    let changed = object.with(|object| {
        if let Object::DaemonSet(set) = object {
            Rc::make_mut(set).status = status;
        }
    });
    write(object, changed, Part::Status, queue, ctx);
}
