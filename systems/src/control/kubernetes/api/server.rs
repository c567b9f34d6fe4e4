//! An API server: it puts changes into the store, wherever the leader of that is, and tells who watches what has
//! changed. Lists are consistent and come from memory, as since Kubernetes 1.31: it asks the store for the newest
//! revision and waits until it has seen that.

use super::store::{Answer, Command, Key, Obj, Part, Patch, Store, Verb, machine_of};
use crate::consensus::raft::{Raft, RaftProtocol};
use crate::control::kubernetes::bugs::KubeBug;
use crate::control::kubernetes::message::{Event, KubeFact, KubeMessage, KubeRecord};
use crate::control::kubernetes::node::{Fx, Machine};
use crate::control::kubernetes::objects::{Effect, Kind, Object, PodSpec, Text, Toleration, Uid};
use crate::control::kubernetes::options::Config;
use crate::shared::replication::{Council, Group, News, Proposal, Protocol as _, hosts};
use sim_core::sorted::SortedMap;
use sim_core::{Completion, LocalInstant, NodeId, Replay, Timer};
use std::collections::VecDeque;
use std::rc::Rc;

/// The first timer slot of the group.
pub const TIMERS_FROM: u16 = 1;
/// Its log on the disk.
pub const LANE: u16 = 1;

/// A member of the group.
pub type Member = Raft<Store>;

hosts! {
    Machine: Member => KubeMessage::Group, KubeRecord::Group, KubeFact::Group;
    |node| node.control().map(|control| &control.api.council)
}

/// What an answer of the store is for.
#[derive(Clone, Debug)]
enum Purpose {
    /// The call of this number.
    Call(NodeId, u64),
    /// The list that a watch begins with.
    List(NodeId, u64),
    /// The budget has been charged: now the pod may go.
    Charge(NodeId, u64, Key, Uid),
}

/// What becomes of an eviction.
enum Eviction {
    /// No budget minds.
    Free,
    /// One allows it, and is to be this from then on.
    Charged(Obj),
    /// It does not take place.
    Refused(Answer),
}

/// A command on its way to the store and back.
#[derive(Clone, Debug)]
struct Pending {
    purpose: Purpose,
    command: Command,
    deadline: LocalInstant,
    /// Whether the store has it, as far as is known.
    sent: bool,
}

/// The API server of a control machine, with its member of the store.
#[derive(Clone, Debug)]
pub struct ApiServer {
    config: Rc<Config>,
    me: NodeId,
    /// The member.
    pub council: Council<Member>,
    /// The newest changes, by their revisions.
    window: VecDeque<Event>,
    /// All changes behind this revision are in the window.
    from: u64,
    /// Who watches, by which stream, from which revision on.
    watchers: SortedMap<NodeId, (u64, u64)>,
    /// Lists that wait until this server has seen a revision.
    waiting: Vec<(u64, NodeId, u64)>,
    numbers: u64,
    pending: SortedMap<u64, Pending>,
    /// While its member leads: whose commands these proposals are.
    proposals: SortedMap<Proposal, (NodeId, u64)>,
}

impl ApiServer {
    /// Boots the server from its member's log.
    pub fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, KubeRecord>, fx: &mut Fx<'_>) -> Self {
        let group = Group {
            nodes: config.nodes,
            heartbeat: config.heartbeat,
            election: config.election,
            snapshot_every: config.snapshot_every,
            snapshot_keep: config.snapshot_keep,
            ..Group::of(config.control)
        };
        let council = Council::boot(&RaftProtocol::group(&group), (TIMERS_FROM, LANE), disk, fx);
        let from = council.machine().revision();
        let numbers = fx.rng().next_u64() >> 16;
        Self {
            config: Rc::clone(config),
            me,
            council,
            window: VecDeque::new(),
            from,
            watchers: SortedMap::new(),
            waiting: Vec::new(),
            numbers,
            pending: SortedMap::new(),
            proposals: SortedMap::new(),
        }
    }

    /// The objects, as far as this server has seen what was decided.
    #[must_use]
    pub fn store(&self) -> &Store {
        self.council.machine()
    }

    /// A message for the server or its member.
    pub fn on_message(&mut self, from: NodeId, message: KubeMessage, fx: &mut Fx<'_>) {
        match message {
            KubeMessage::Group(inner) => self.council.on_message(from, inner, fx),
            KubeMessage::Call { number, verb } => self.on_call(from, number, verb, fx),
            KubeMessage::Watch { stream, since } => self.on_watch(from, stream, since, fx),
            KubeMessage::Ping { stream } => {
                let watches = self.watchers.get(&from).is_some_and(|(watched, _)| *watched == stream);
                let upto = self.seen();
                fx.send(
                    from,
                    if watches { KubeMessage::Bookmark { stream, upto } } else { KubeMessage::NotWatched { stream } },
                );
            }
            KubeMessage::Put { number, command } => match self.council.propose(command, fx) {
                Some(proposal) => _ = self.proposals.insert(proposal, (from, number)),
                None => fx.send(from, KubeMessage::NotLeader { number }),
            },
            KubeMessage::Stored { number, answer } => self.on_stored(number, answer, fx),
            KubeMessage::NotLeader { number } => {
                if let Some(pending) = self.pending.get_mut(&number) {
                    pending.sent = false;
                }
            }
            _ => {}
        }
        self.follow(fx);
    }

    /// A timer of its member.
    pub fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        self.council.on_timer(timer, fx);
        self.follow(fx);
    }

    /// The disk of its member.
    pub fn on_disk(&mut self, done: &Completion<KubeRecord>, fx: &mut Fx<'_>) {
        self.council.on_disk(done, fx);
        self.follow(fx);
    }

    /// Another machine is gone: it watches no longer, and what the store has of this server nobody knows.
    pub fn on_closed(&mut self, peer: NodeId, fx: &mut Fx<'_>) {
        self.watchers.remove(&peer);
        self.waiting.retain(|(_, node, _)| *node != peer);
        self.follow(fx);
    }

    /// Some time has passed: commands that nobody has answered are given up, and who watches hears how far it is.
    pub fn on_tick(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let late: Vec<u64> =
            self.pending.iter().filter(|(_, pending)| pending.deadline <= now).map(|(number, _)| *number).collect();
        for number in late {
            self.on_stored(number, Answer::Unknown, fx);
        }
        self.follow(fx);
    }

    /// Tells all who watch how far this server is, so that they can go on from there.
    pub fn bookmark(&mut self, fx: &mut Fx<'_>) {
        let upto = self.seen();
        for (node, (stream, since)) in &self.watchers {
            if upto >= *since {
                fx.send(*node, KubeMessage::Bookmark { stream: *stream, upto });
            }
        }
    }

    /// For those who look at a run: what has changed behind a revision; `None` if this server does not remember all
    /// of it.
    #[must_use]
    pub fn changes(&self, since: u64) -> Option<impl Iterator<Item = &Event>> {
        let behind = self.window.partition_point(|event| event.version() <= since);
        (since >= self.from).then(|| self.window.range(behind..))
    }

    /// The newest revision that it has seen.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.window.back().map_or(self.from, |event| event.object.meta().version)
    }

    fn on_call(&mut self, from: NodeId, number: u64, verb: Verb, fx: &mut Fx<'_>) {
        let verb = self.admit(verb, fx.now());
        if let Verb::Evict(key, uid) = &verb {
            return self.evict(from, number, key.clone(), *uid, fx);
        }
        self.submit(Purpose::Call(from, number), Command::Change(verb), fx);
    }

    /// What admission makes of a change: new objects get their time, new pods the usual tolerations.
    fn admit(&self, verb: Verb, now: LocalInstant) -> Verb {
        let Verb::Create(object) = verb else { return verb };
        Verb::Create(object.with(|object| {
            object.meta_mut().created = Some(now);
            if let Object::Pod(pod) = object {
                let missing: Vec<Toleration> = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]
                    .into_iter()
                    .filter(|key| !tolerates(&pod.spec, key))
                    .map(|key| self.usual(key))
                    .collect();
                if !missing.is_empty() {
                    let pod = Rc::make_mut(pod);
                    Rc::make_mut(&mut pod.spec).tolerations.extend(missing);
                }
            }
        }))
    }

    /// The toleration that every pod has which says nothing else (`DefaultTolerationSeconds`).
    fn usual(&self, key: &str) -> Toleration {
        let seconds = Some(self.config.toleration.0 as i64 / 1_000_000_000);
        Toleration {
            key: Some(key.into()),
            exists: true,
            effect: Some(Effect::NoExecute),
            seconds,
            ..Default::default()
        }
    }

    /// The eviction API: the budget is charged first, and then the pod is deleted.
    fn evict(&mut self, from: NodeId, number: u64, key: Key, uid: Uid, fx: &mut Fx<'_>) {
        match self.verdict(&key, fx.now()) {
            Eviction::Free => {
                let delete = Verb::Patch(key, Some(uid), Patch::Delete(fx.now(), None));
                self.submit(Purpose::Call(from, number), Command::Change(delete), fx);
            }
            Eviction::Charged(charge) => {
                let command = Command::Change(Verb::Update(charge, Part::Status));
                self.submit(Purpose::Charge(from, number, key, uid), command, fx);
            }
            Eviction::Refused(answer) => fx.send(from, KubeMessage::Reply { number, answer }),
        }
    }

    /// What the budgets say about a pod that is to be evicted.
    fn verdict(&self, key: &Key, now: LocalInstant) -> Eviction {
        let store = self.council.machine();
        let Some(Object::Pod(pod)) = store.get(key).map(|object| &**object) else {
            return Eviction::Refused(Answer::NotFound);
        };
        let budgets = store.of(Kind::PodDisruptionBudget).filter_map(|object| match &**object {
            Object::PodDisruptionBudget(budget) => Some((object, budget)),
            _ => None,
        });
        let charged = budgets
            .filter(|(_, budget)| budget.meta.namespace == pod.meta.namespace)
            .find(|(_, budget)| budget.selector.as_ref().is_some_and(|selector| selector.matches(&pod.meta.labels)));
        let settled = pod.status.phase.ended() || pod.node.is_none() || pod.meta.deleting();
        let Some((object, budget)) = charged.filter(|_| !settled) else { return Eviction::Free };
        let status = &budget.status;
        // One that does not work may go as long as enough others do (`IfHealthyBudget`), or always.
        let spare = status.healthy >= status.desired && status.desired > 0 || budget.evict_unhealthy;
        if !pod.status.ready.holds() && spare {
            return Eviction::Free;
        }
        if status.observed < budget.meta.generation || status.allowed <= 0 {
            return Eviction::Refused(Answer::TooMany);
        }
        let name = Rc::clone(&pod.meta.name);
        Eviction::Charged(object.with(|object| {
            if let Object::PodDisruptionBudget(budget) = object {
                let budget = Rc::make_mut(budget);
                budget.status.allowed -= 1;
                budget.status.disrupted.insert(name, now);
            }
        }))
    }

    fn submit(&mut self, purpose: Purpose, command: Command, fx: &mut Fx<'_>) {
        self.numbers += 1;
        let deadline = fx.now() + self.config.store_timeout;
        self.pending.insert(self.numbers, Pending { purpose, command, deadline, sent: false });
    }

    /// Sends what has not been sent, if it is known where to.
    fn send_all(&mut self, fx: &mut Fx<'_>) {
        let Some((leader, _)) = self.council.led_by() else { return };
        let leads = self.council.leads().is_some();
        let unsent: Vec<u64> =
            self.pending.iter().filter(|(_, pending)| !pending.sent).map(|(number, _)| *number).collect();
        for number in unsent {
            let Some(pending) = self.pending.get_mut(&number) else { continue };
            let command = pending.command.clone();
            if leads {
                if let Some(proposal) = self.council.propose(command, fx) {
                    pending.sent = true;
                    self.proposals.insert(proposal, (self.me, number));
                }
            } else if leader != self.me {
                pending.sent = true;
                fx.send(leader, KubeMessage::Put { number, command });
            }
        }
    }

    fn on_stored(&mut self, number: u64, answer: Answer, fx: &mut Fx<'_>) {
        let Some(pending) = self.pending.remove(&number) else { return };
        match pending.purpose {
            Purpose::Call(node, number) => fx.send(node, KubeMessage::Reply { number, answer }),
            Purpose::List(node, stream) => {
                if let Answer::Current(revision) = answer {
                    self.waiting.push((revision, node, stream));
                }
            }
            Purpose::Charge(node, number, key, uid) => match answer {
                Answer::Done(_) => {
                    let delete = Verb::Patch(key, Some(uid), Patch::Delete(fx.now(), None));
                    self.submit(Purpose::Call(node, number), Command::Change(delete), fx);
                }
                answer => fx.send(node, KubeMessage::Reply { number, answer }),
            },
        }
    }

    fn on_watch(&mut self, from: NodeId, stream: u64, since: Option<u64>, fx: &mut Fx<'_>) {
        self.watchers.remove(&from);
        match since {
            // What it has missed is in memory.
            Some(since) if since >= self.from => {
                self.watchers.insert(from, (stream, since));
                let missed: Vec<Event> = self
                    .window
                    .iter()
                    .filter(|event| event.version() > since && self.concerns(from, event))
                    .cloned()
                    .collect();
                let upto = self.seen().max(since);
                fx.send(from, KubeMessage::Events { stream, upto, events: missed.into() });
            }
            Some(_) => fx.send(from, KubeMessage::TooOld { stream }),
            None if self.config.has(KubeBug::StaleList) => self.waiting.push((0, from, stream)),
            None => self.submit(Purpose::List(from, stream), Command::Current, fx),
        }
    }

    /// Whether a machine is told of this: a control machine of everything, a worker of what it runs and what is behind
    /// services.
    fn concerns(&self, machine: NodeId, event: &Event) -> bool {
        machine.0 < self.config.control || {
            match &*event.object {
                Object::Pod(pod) => pod.node.as_deref().and_then(machine_of) == Some(machine),
                Object::Node(node) => machine_of(&node.meta.name) == Some(machine),
                Object::Service(_) | Object::Endpoints(_) => true,
                _ => false,
            }
        }
    }

    /// Takes in what the store has decided, and tells whom it concerns.
    fn follow(&mut self, fx: &mut Fx<'_>) {
        let mut fresh: Vec<Event> = Vec::new();
        loop {
            self.send_all(fx);
            let Some(news) = self.council.news() else { break };
            match news {
                News::Anew => self.on_anew(fx),
                News::Decided(decided) => {
                    let (object, gone) = match decided.response {
                        Answer::Done(object) => (object, false),
                        Answer::Gone(object) => (object, true),
                        _ => continue,
                    };
                    if object.meta().version > self.seen() {
                        let event = Event { object, gone };
                        self.window.push_back(event.clone());
                        fresh.push(event);
                    }
                }
                News::Settled(proposal, answer) => {
                    let Some((node, number)) = self.proposals.remove(&proposal) else { continue };
                    let answer = answer.unwrap_or(Answer::Unknown);
                    if node == self.me {
                        self.on_stored(number, answer, fx);
                    } else {
                        fx.send(node, KubeMessage::Stored { number, answer });
                    }
                }
                News::Answer(..) => {}
            }
        }
        while self.window.len() > self.config.watch_window {
            self.from = self.window.pop_front().map_or(self.from, |event| event.version());
        }
        self.tell(&fresh, fx);
        self.list(fx);
    }

    /// The whole state is another one: nobody can be told what has changed.
    fn on_anew(&mut self, fx: &mut Fx<'_>) {
        self.window.clear();
        self.from = self.council.machine().revision();
        for (node, (stream, _)) in core::mem::take(&mut self.watchers) {
            fx.send(node, KubeMessage::TooOld { stream });
        }
    }

    fn tell(&self, fresh: &[Event], fx: &mut Fx<'_>) {
        if fresh.is_empty() {
            return;
        }
        let upto = self.seen();
        for (node, (stream, since)) in &self.watchers {
            let events: Vec<Event> =
                fresh.iter().filter(|event| event.version() > *since && self.concerns(*node, event)).cloned().collect();
            if !events.is_empty() {
                fx.send(*node, KubeMessage::Events { stream: *stream, upto, events: events.into() });
            }
        }
    }

    /// Answers the lists for which enough has been seen.
    fn list(&mut self, fx: &mut Fx<'_>) {
        let revision = self.council.machine().revision();
        let (ready, waiting): (Vec<_>, Vec<_>) =
            core::mem::take(&mut self.waiting).into_iter().partition(|(wanted, ..)| *wanted <= revision);
        self.waiting = waiting;
        for (_, node, stream) in ready {
            let store = self.council.machine();
            let all = store.all().map(|(_, object)| Event { object: object.clone(), gone: false });
            let objects: Vec<Obj> = all.filter(|event| self.concerns(node, event)).map(|event| event.object).collect();
            fx.send(node, KubeMessage::Listed { stream, version: revision, objects: objects.into() });
            self.watchers.insert(node, (stream, revision));
        }
    }
}

/// Whether a pod says itself how long it tolerates this.
fn tolerates(spec: &PodSpec, key: &str) -> bool {
    spec.tolerations.iter().any(|toleration| {
        toleration.key.as_ref().is_none_or(|named: &Text| **named == *key)
            && toleration.effect.is_none_or(|effect| effect == Effect::NoExecute)
    })
}
