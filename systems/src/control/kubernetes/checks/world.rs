//! What the rules remember: the store as it is by its own one history, and since when what is so.

use crate::control::kubernetes::api::{Key, Obj, machine_of, pod};
use crate::control::kubernetes::message::Event;
use crate::control::kubernetes::objects::{Demand, Effect, Kind, Node, Object, Pod, Text, Truth, Uid};
use crate::control::kubernetes::scheduling::Cluster;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{Duration, Instant, NodeId};
use std::rc::Rc;

/// What is remembered of a pod.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub name: String,
    pub node: Option<NodeId>,
    pub created: Instant,
    pub bound: Option<Instant>,
    /// When it was first ready.
    pub first_ready: Option<Instant>,
    /// Since when it is ready, or is not.
    pub ready: (bool, Instant),
    pub gone: Option<Instant>,
    /// Whether it was told to go, and when.
    pub deleting: Option<Instant>,
    pub ended: bool,
}

/// An office, by the renewals of its lease.
#[derive(Clone, Debug)]
pub(super) struct Reign {
    holder: String,
    since: Instant,
    renewed: Instant,
}

/// Since when there is a taint, when it went, and its value.
pub(super) type Tainted = (Instant, Option<Instant>, Text);

/// The store, by its history.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    /// The revision that it is of.
    pub seen: u64,
    pub objects: SortedMap<Key, Obj>,
    pub pods: SortedMap<Uid, Life>,
    /// Taints by node, key and effect: since when, when they went, and their value.
    pub taints: SortedMap<(NodeId, String, Effect), Tainted>,
    /// Since when each node is, or is not, ready.
    pub ready: SortedMap<NodeId, (bool, Instant)>,
    /// When each node's lease last changed.
    pub renewed: SortedMap<NodeId, Instant>,
    reigns: SortedMap<String, Reign>,
    /// Whoever renews within this acts.
    renews: Duration,
    /// When a node last came, came back or was emptied of something.
    pub room: Instant,
    /// Replica sets that were made smaller once.
    pub shrunk: SortedSet<Uid>,
    /// When the number or the template of a deployment last changed.
    pub changed: SortedMap<Key, Instant>,
}

impl World {
    /// One in which nothing was seen yet, and whoever renews within so long acts.
    pub fn new(renews: Duration) -> Self {
        Self { renews, ..Self::default() }
    }

    /// All of a kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Obj> {
        let first = Key { kind, namespace: "".into(), name: "".into() };
        self.objects.range(first..).take_while(move |(key, _)| key.kind == kind).map(|(_, object)| object)
    }

    /// The nodes.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Rc<Node>)> {
        self.of(Kind::Node).filter_map(|object| match &**object {
            Object::Node(node) => Some((machine_of(&node.meta.name)?, node)),
            _ => None,
        })
    }

    /// The pods.
    pub fn all_pods(&self) -> impl Iterator<Item = &Rc<Pod>> {
        self.of(Kind::Pod).filter_map(|object| if let Object::Pod(pod) = &**object { Some(pod) } else { None })
    }

    /// All that a scheduler would know that has heard everything.
    pub fn snapshot(&self) -> Cluster {
        let mut cluster = Cluster::default();
        self.nodes().for_each(|(_, node)| cluster.set_node(Rc::clone(node)));
        for pod in self.all_pods().filter(|pod| !pod.status.phase.ended()) {
            if let Some(node) = &pod.node {
                cluster.place(pod, node);
            }
        }
        cluster
    }

    /// The pods that are bound to a node and have not ended.
    pub fn pods_on(&self, node: NodeId) -> impl Iterator<Item = &Pod> {
        let here =
            move |pod: &&Pod| pod.node.as_deref().and_then(machine_of) == Some(node) && !pod.status.phase.ended();
        self.of(Kind::Pod).filter_map(pod).filter(here)
    }

    /// What those take.
    pub fn demand_on(&self, node: NodeId) -> (Demand, i64) {
        let (mut sum, mut many) = (Demand::default(), 0);
        for pod in self.pods_on(node) {
            sum.add(&pod.spec.demand());
            many += 1;
        }
        (sum, many)
    }

    /// Since when somebody acts in an office without a break; `None` if nobody does.
    pub fn acting_since(&self, office: &str, now: Instant) -> Option<Instant> {
        let reign = self.reigns.get(office)?;
        (now.since(reign.renewed) < self.renews).then_some(reign.since)
    }

    /// Who has the lease of an office, and since when.
    pub fn holder(&self, office: &str) -> Option<(NodeId, Instant)> {
        let reign = self.reigns.get(office)?;
        Some((machine_of(reign.holder.split('_').next()?)?, reign.since))
    }

    /// How long an office has been acted in by now.
    pub fn acting_for(&self, office: &str, now: Instant) -> Duration {
        self.acting_since(office, now).map_or(Duration::ZERO, |since| now.since(since))
    }

    /// The state is another one than could be told change by change.
    pub fn replace(&mut self, at: Instant, revision: u64, all: impl Iterator<Item = Obj>) {
        let all: SortedMap<Key, Obj> = all.map(|object| (Key::of(&object), object)).collect();
        let gone: Vec<Obj> =
            self.objects.iter().filter(|(key, _)| !all.contains_key(key)).map(|(_, object)| object.clone()).collect();
        for object in gone {
            self.take(at, &Event { object, gone: true });
        }
        for object in all.into_values() {
            self.take(at, &Event { object, gone: false });
        }
        self.seen = revision;
    }

    /// A change. Gives the object as it was before.
    pub fn take(&mut self, at: Instant, event: &Event) -> Option<Obj> {
        let key = Key::of(&event.object);
        self.seen = self.seen.max(event.version());
        let old =
            if event.gone { self.objects.remove(&key) } else { self.objects.insert(key.clone(), event.object.clone()) };
        match &*event.object {
            Object::Pod(pod) => self.on_pod(at, pod, event.gone),
            Object::Node(node) => self.on_node(at, node),
            Object::Lease(lease) if &*key.namespace == "kube-node-lease" => {
                if let Some(machine) = machine_of(&lease.meta.name) {
                    self.renewed.insert(machine, at);
                }
            }
            Object::Lease(lease) => {
                let fresh = Reign { holder: lease.holder.to_string(), since: at, renewed: at };
                let reign = self.reigns.entry(key.name.to_string()).or_insert_with(|| fresh.clone());
                if *reign.holder != *lease.holder || at.since(reign.renewed) >= self.renews {
                    *reign = fresh;
                }
                reign.renewed = at;
            }
            Object::ReplicaSet(set) => {
                if let Some(Object::ReplicaSet(before)) = old.as_deref()
                    && before.replicas > set.replicas
                {
                    self.shrunk.insert(set.meta.uid);
                }
            }
            Object::Deployment(deployment) => {
                let same = old.as_ref().is_some_and(|old| old.meta().generation == deployment.meta.generation);
                if !same {
                    self.changed.insert(key, at);
                }
            }
            _ => {}
        }
        old
    }

    fn on_pod(&mut self, at: Instant, pod: &Pod, gone: bool) {
        let life = self.pods.entry(pod.meta.uid).or_insert_with(|| Life {
            name: pod.meta.name.to_string(),
            node: None,
            created: at,
            bound: None,
            first_ready: None,
            ready: (false, at),
            gone: None,
            deleting: None,
            ended: false,
        });
        let node = pod.node.as_deref().and_then(machine_of);
        if node.is_some() && life.bound.is_none() {
            (life.node, life.bound) = (node, Some(at));
        }
        let ready = pod.status.ready.holds() && !gone;
        if ready != life.ready.0 {
            life.ready = (ready, at);
        }
        if ready && life.first_ready.is_none() {
            life.first_ready = Some(at);
        }
        if pod.meta.deleting() && life.deleting.is_none() {
            life.deleting = Some(at);
        }
        let over = gone || pod.status.phase.ended();
        if over && !life.ended {
            life.ended = true;
            self.room = at;
        }
        if gone && life.gone.is_none() {
            life.gone = Some(at);
        }
    }

    fn on_node(&mut self, at: Instant, node: &Node) {
        let Some(machine) = machine_of(&node.meta.name) else { return };
        let ready = node.conditions.ready.condition.status == Truth::True;
        let known = self.ready.entry(machine).or_insert((!ready, at));
        if known.0 != ready {
            *known = (ready, at);
            self.room = at;
        }
        let has: Vec<(String, Effect, Text)> =
            node.taints.iter().map(|taint| (taint.key.to_string(), taint.effect, Rc::clone(&taint.value))).collect();
        for ((of, key, effect), (_, until, _)) in &mut self.taints {
            let still = has.iter().any(|(has, of, _)| has == key && of == effect);
            if *of == machine && until.is_none() && !still {
                *until = Some(at);
                self.room = at;
            }
        }
        for (key, effect, value) in has {
            let known = self.taints.entry((machine, key, effect)).or_insert_with(|| (at, None, Rc::clone(&value)));
            if known.1.is_some() {
                *known = (at, None, value);
            }
        }
    }

    /// Whether no node at all is ready, and since when.
    pub fn all_lost(&self) -> Option<Instant> {
        let last = self.ready.values().map(|(_, since)| *since).max()?;
        self.ready.values().all(|(ready, _)| !ready).then_some(last)
    }
}
