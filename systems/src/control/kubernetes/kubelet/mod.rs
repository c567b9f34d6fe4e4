//! A worker: the kubelet, which makes of the pods that are bound to its node containers that run, and the proxy, which
//! takes requests for services to ready pods, wherever they are.

mod pods;
mod probes;
mod proxy;

use super::agenda::Agenda;
use super::api::{Answer, Heard, Key, Link, Obj, Patch, Tag, Update, Verb};
use super::message::{KubeFact, KubeMessage, KubeRecord, KubeRequest};
use super::node::Fx;
use super::objects::{
    Condition, Demand, Kind, Labels, Lease, Meta, Node, NodeCondition, NodeConditions, Object, Resources, Text, Truth,
    Uid,
};
use super::options::Config;
use pods::Local;
use proxy::Proxy;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant, NodeId, Replay, Ticket};
use std::rc::Rc;

/// How often the machine looks whether anybody is late.
const TICK: Duration = Duration::secs(1);
/// How often a kubelet looks at its node's status, and at what it has not been able to say.
const STATUS: Duration = Duration::secs(10);
/// How often it says it though nothing has changed.
const REPORT: Duration = Duration::secs(300);

/// What a worker does later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// See [`TICK`].
    Tick,
    /// The lease is renewed.
    Lease,
    /// See [`STATUS`].
    Status,
    /// A pod goes on to its next state.
    Pod(Uid),
    /// A pod is asked whether it is ready, or alive.
    Probe(Uid, probes::Which),
    /// A request is served.
    Served(u64),
}

/// A worker.
#[derive(Clone, Debug)]
pub struct Worker {
    config: Rc<Config>,
    me: NodeId,
    name: Text,
    link: Link,
    agenda: Agenda<Due>,
    pods: SortedMap<Uid, Local>,
    /// How often containers were started before this start of the machine.
    before: SortedMap<Uid, u32>,
    registered: bool,
    /// When it last said how its node is.
    reported: Option<LocalInstant>,
    proxy: Proxy,
    /// Since when what pods use is counted.
    measured: LocalInstant,
}

impl Worker {
    pub(super) fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, KubeRecord>, fx: &mut Fx<'_>) -> Self {
        let mut before = SortedMap::new();
        for (_, record) in disk.iter() {
            match record {
                Ok(KubeRecord::Started { pod, restarts }) => _ = before.insert(*pod, *restarts),
                Ok(KubeRecord::Cleaned { pod }) => _ = before.remove(pod),
                // How often a container was started nobody relies on.
                Ok(KubeRecord::Group(_)) | Err(_) => {}
            }
        }
        let mut agenda = Agenda::new();
        agenda.after(TICK, Due::Tick, fx);
        let mut worker = Self {
            config: Rc::clone(config),
            me,
            name: me.to_string().into(),
            link: Link::boot(config, me, fx),
            agenda,
            pods: SortedMap::new(),
            before,
            registered: false,
            reported: None,
            proxy: Proxy::new(fx),
            measured: fx.now(),
        };
        worker.register(fx);
        worker.renew(fx);
        worker.agenda.after(STATUS, Due::Status, fx);
        worker.agenda.arm(fx);
        worker
    }

    /// What a manifest says of this node.
    fn described(&self) -> Option<Rc<Node>> {
        super::seed::node(&self.config, self.me.index().checked_sub(self.config.control as usize)?)
    }

    /// What it has for pods: what options say, and what a manifest says otherwise or besides.
    fn allocatable(&self) -> Resources {
        let described = self.described().map(|node| node.allocatable.clone()).unwrap_or_default();
        let usual = Resources {
            cpu: Some(i64::from(self.config.node_cpu)),
            memory: Some(i64::from(self.config.node_memory) << 20),
            pods: Some(i64::from(self.config.node_pods)),
            ephemeral_storage: Some(100 << 30),
            ..Resources::default()
        };
        Resources {
            cpu: described.cpu.or(usual.cpu),
            memory: described.memory.or(usual.memory),
            ephemeral_storage: described.ephemeral_storage.or(usual.ephemeral_storage),
            pods: described.pods.or(usual.pods),
            other: described.other,
        }
    }

    fn conditions(&self, now: LocalInstant) -> NodeConditions {
        let says = |status| NodeCondition {
            condition: Condition { status, since: Some(now), reason: "" },
            heartbeat: Some(now),
        };
        NodeConditions {
            ready: says(Truth::True),
            memory_pressure: says(Truth::False),
            disk_pressure: says(Truth::False),
            pid_pressure: says(Truth::False),
        }
    }

    /// There is an object of this node, which says that it is in order.
    fn register(&mut self, fx: &mut Fx<'_>) {
        let described = self.described().unwrap_or_default();
        let mut labels: Labels = described.meta.labels.clone();
        labels.insert("kubernetes.io/hostname", &self.name);
        labels.insert("topology.kubernetes.io/zone", self.config.zone(self.me));
        let taints = super::seed::taints(&self.config).into_iter().chain(described.taints.iter().cloned());
        let node = Node {
            meta: Meta { labels, ..Meta::new("", &self.name) },
            taints: taints.collect(),
            unschedulable: described.unschedulable,
            images: described.images.clone(),
            allocatable: self.allocatable(),
            conditions: self.conditions(fx.now()),
        };
        self.reported = Some(fx.now());
        self.link.call(Tag::Node, Verb::Create(Obj::new(node)), fx);
    }

    fn key(&self) -> Key {
        Key::global(Kind::Node, &self.name)
    }

    fn renew(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let key = Key { kind: Kind::Lease, namespace: "kube-node-lease".into(), name: Rc::clone(&self.name) };
        self.link.call(Tag::Lease(0), Verb::Patch(key, None, Patch::Renew(now)), fx);
        self.agenda.after(self.config.lease_renew, Due::Lease, fx);
    }

    fn create_lease(&mut self, fx: &mut Fx<'_>) {
        let now = Some(fx.now());
        let lease = Lease {
            meta: Meta::new("kube-node-lease", &self.name),
            holder: Rc::clone(&self.name),
            seconds: 40,
            acquired: now,
            renewed: now,
            transitions: 0,
        };
        self.link.call(Tag::Nothing, Verb::Create(Obj::new(lease)), fx);
    }

    /// What pods that are here take.
    fn taken(&self) -> Demand {
        let mut sum = Demand::default();
        for pod in self.pods.values().filter(|pod| !pod.ended()) {
            sum.add(&pod.spec.demand());
        }
        sum
    }

    pub(super) fn on_message(&mut self, from: NodeId, message: KubeMessage, fx: &mut Fx<'_>) {
        match self.link.on_message(from, message, fx) {
            Some(KubeMessage::Request { number, pod }) => self.on_request(from, number, pod, fx),
            Some(KubeMessage::Response { number, served }) => self.proxy.on_response(number, served, fx),
            Some(KubeMessage::Usage) => self.on_usage(from, fx),
            Some(KubeMessage::RestartKubelet) => self.restart_kubelet(fx),
            _ => {}
        }
        self.follow(fx);
    }

    pub(super) fn on_closed(&mut self, peer: NodeId, fx: &mut Fx<'_>) {
        self.link.on_closed(peer, fx);
        self.proxy.on_closed(peer, fx);
        self.follow(fx);
    }

    pub(super) fn on_caller(&mut self, ticket: Ticket, request: KubeRequest, fx: &mut Fx<'_>) {
        self.proxy.on_caller(&self.link.cache, ticket, request, fx);
    }

    pub(super) fn on_timer(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        while let Some((when, due)) = self.agenda.take(now) {
            match due {
                Due::Tick => {
                    self.link.on_tick(fx);
                    self.proxy.on_tick(now);
                    self.agenda.after(TICK, Due::Tick, fx);
                }
                Due::Lease => self.renew(fx),
                Due::Status => self.on_status(fx),
                Due::Pod(pod) => self.go_on(pod, when, fx),
                Due::Probe(pod, which) => self.probe(pod, which, when, fx),
                Due::Served(number) => self.on_served(number, fx),
            }
        }
        self.follow(fx);
    }

    /// Says how its node is, if that is not known or long ago, and what of its pods is not known.
    fn on_status(&mut self, fx: &mut Fx<'_>) {
        self.agenda.after(STATUS, Due::Status, fx);
        let now = fx.now();
        if !self.registered {
            self.register(fx);
        } else {
            let known = self.link.cache.get(&self.key()).map(|object| &**object);
            let ready = matches!(known, Some(Object::Node(node)) if node.conditions.ready.condition.holds());
            if !ready || self.reported.is_none_or(|at| now.since(at) >= REPORT) {
                self.reported = Some(now);
                let patch = Patch::Node(Rc::new(self.conditions(now)));
                self.link.call(Tag::Node, Verb::Patch(self.key(), None, patch), fx);
            }
        }
        let all: Vec<Uid> = self.pods.keys().copied().collect();
        for pod in all {
            self.tell(pod, fx);
        }
    }

    /// Takes in what the link has heard.
    fn follow(&mut self, fx: &mut Fx<'_>) {
        while let Some(heard) = self.link.news() {
            match heard {
                Heard::Synced => {}
                Heard::Changed(Update { key, old, new }) if key.kind == Kind::Pod => self.on_pod(&key, old, new, fx),
                Heard::Changed(_) => {}
                Heard::Answered(tag, answer) => self.on_answer(tag, &answer, fx),
            }
        }
        self.agenda.arm(fx);
    }

    fn on_answer(&mut self, tag: Tag, answer: &Answer, fx: &mut Fx<'_>) {
        match (tag, answer) {
            (Tag::Node, Answer::Done(_)) => self.registered = true,
            (Tag::Node, Answer::Exists) => {
                self.registered = true;
                self.reported = None;
                let patch = Patch::Node(Rc::new(self.conditions(fx.now())));
                self.link.call(Tag::Node, Verb::Patch(self.key(), None, patch), fx);
            }
            (Tag::Node, Answer::NotFound) => self.register(fx),
            (Tag::Lease(_), Answer::NotFound) => self.create_lease(fx),
            (Tag::Pod(pod), answer) => self.on_told(pod, answer, fx),
            _ => {}
        }
    }

    /// The kubelet's process is started anew: containers run on, and what it knew of probes is gone.
    fn restart_kubelet(&mut self, fx: &mut Fx<'_>) {
        fx.note(KubeFact::KubeletRestarts);
        let all: Vec<Uid> = self.pods.keys().copied().collect();
        for pod in all {
            self.forget_probes(pod, fx);
        }
        self.reported = None;
    }

    /// What it has heard.
    pub(super) const fn link(&self) -> &Link {
        &self.link
    }

    /// The pods that run here now.
    pub(super) fn running(&self) -> impl Iterator<Item = Uid> {
        self.pods.values().filter(|pod| pod.runs()).map(|pod| pod.uid)
    }
}
