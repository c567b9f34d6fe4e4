//! What an operator asks for while the cluster runs (`kubectl`): another template, another number of pods, a node that
//! is emptied. The machine that leads the store does it, again and again until it is so.

use super::api::{Answer, Key, Obj, Part, Tag, Verb, machine_of, pod};
use super::control::{Control, Due};
use super::message::{KubeFact, KubeMessage};
use super::node::Fx;
use super::objects::{Kind, Object, Uid};
use super::seed::{RELEASE, release};
use sim_core::{Argument, Duration, NodeId, OrderKind};
use std::rc::Rc;

/// How often `kubectl drain` tries again what a budget does not allow.
const AGAIN: Duration = Duration::secs(5);

/// The orders.
pub(super) const ORDERS: &[OrderKind] = &[
    OrderKind {
        name: "rollout",
        about: "the pods of all deployments shall be of the release of this number",
        takes: Argument::Number,
    },
    OrderKind { name: "scale", about: "all deployments shall have so many pods", takes: Argument::Number },
    OrderKind { name: "drain", about: "the node shall be empty, and stay so", takes: Argument::Node },
    OrderKind { name: "uncordon", about: "the node may have pods again", takes: Argument::Node },
    OrderKind { name: "restart_kubelet", about: "the kubelet of the node is started anew", takes: Argument::Node },
];

/// What an operator has asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Wishes {
    /// The node that is being emptied.
    drains: Option<NodeId>,
    /// Whether a kubelet has been told to start anew.
    told: Option<NodeId>,
}

impl Control {
    /// An operator wants something.
    pub(super) fn on_order(&mut self, kind: u16, argument: u64, fx: &mut Fx<'_>) {
        let node = NodeId(argument as u32);
        match kind {
            0 | 1 => self.change_deployments(kind, argument, fx),
            2 => {
                self.cordon(node, true, fx);
                self.operator(fx).0.drains = Some(node);
                self.operate(fx);
            }
            3 => self.cordon(node, false, fx),
            _ => {
                self.operator(fx).0.told = Some(node);
                fx.send(node, KubeMessage::RestartKubelet);
            }
        }
    }

    /// Whether it is as an operator wants it.
    pub(super) fn has_obeyed(&self, kind: u16, argument: u64) -> bool {
        let node = NodeId(argument as u32);
        let store = self.api.store();
        let mut deployments = store.of(Kind::Deployment).filter_map(|object| match &**object {
            Object::Deployment(deployment) => Some(deployment),
            _ => None,
        });
        let closed = || match store.get(&Key::global(Kind::Node, &node.to_string())).map(|object| &**object) {
            Some(Object::Node(node)) => node.unschedulable,
            _ => false,
        };
        match kind {
            0 => deployments.all(|deployment| release(&deployment.template.labels) == argument),
            1 => deployments.all(|deployment| i64::from(deployment.replicas) == argument as i64),
            2 => closed() && !store.of(Kind::Pod).any(|object| goes(object, node)),
            3 => !closed(),
            _ => self.wishes.told == Some(node),
        }
    }

    fn change_deployments(&mut self, kind: u16, argument: u64, fx: &mut Fx<'_>) {
        let all: Vec<Obj> = self.api.store().of(Kind::Deployment).cloned().collect();
        for object in all {
            let changed = object.with(|object| {
                let Object::Deployment(deployment) = object else { return };
                let deployment = Rc::make_mut(deployment);
                if kind == 0 {
                    deployment.template.labels.insert(RELEASE, &argument.to_string());
                } else {
                    deployment.replicas = argument as i32;
                }
            });
            if changed != object {
                self.operator(fx).1.call(Tag::Nothing, Verb::Update(changed, Part::Spec));
            }
        }
    }

    fn cordon(&mut self, node: NodeId, closed: bool, fx: &mut Fx<'_>) {
        let Some(object) = self.api.store().get(&Key::global(Kind::Node, &node.to_string())) else { return };
        let changed = object.with(|object| {
            if let Object::Node(node) = object {
                let node = Rc::make_mut(node);
                node.unschedulable = closed;
                node.taints.retain(|taint| &*taint.key != "node.kubernetes.io/unschedulable");
                if closed {
                    node.taints.push(super::objects::Taint {
                        key: "node.kubernetes.io/unschedulable".into(),
                        value: "".into(),
                        effect: super::objects::Effect::NoSchedule,
                        added: None,
                    });
                }
            }
        });
        if changed != *object {
            self.operator(fx).1.call(Tag::Nothing, Verb::Update(changed, Part::Spec));
        }
    }

    /// The next step of what takes several: pods of a node that is drained are evicted, as their budgets allow.
    pub(super) fn operate(&mut self, fx: &mut Fx<'_>) {
        let Some(node) = self.wishes.drains else { return };
        let all: Vec<(Key, Uid)> = self
            .api
            .store()
            .of(Kind::Pod)
            .filter(|object| goes(object, node))
            .map(|object| (Key::of(object), object.meta().uid))
            .collect();
        let (wishes, mut ctx) = self.operator(fx);
        if all.is_empty() {
            wishes.drains = None;
            return;
        }
        for (key, uid) in all {
            ctx.call(Tag::Evict(uid), Verb::Evict(key, uid));
        }
        ctx.agenda.after(AGAIN, Due::Operate, ctx.fx);
    }

    pub(super) fn on_evicted(&mut self, uid: Uid, answer: &Answer, fx: &mut Fx<'_>) {
        if *answer == Answer::TooMany {
            fx.note(KubeFact::Held { pod: uid });
        }
    }
}

/// Whether a pod has to leave a node that is drained: not one of a daemon set.
fn goes(object: &Obj, node: NodeId) -> bool {
    pod(object).is_some_and(|pod| {
        let daemon = pod.meta.owner.as_ref().is_some_and(|owner| owner.kind == Kind::DaemonSet);
        !daemon && pod.node.as_deref().and_then(machine_of) == Some(node) && !pod.meta.deleting()
    })
}
