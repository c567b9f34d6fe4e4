//! What etcd is to Kubernetes: objects by their keys, a revision that counts changes, and changes that are made only if
//! the object is still what whoever asks for them has seen. The control machines agree on it by Raft.

use crate::control::kubernetes::objects::{
    Deletion, Kind, Lease, Meta, NodeConditions, Object, PodStatus, Text, Truth, Uid,
};
use core::fmt;
use core::ops::Deref;
use serde::{Serialize, Serializer};
use sim_core::hash::{Hashed, content};
use sim_core::sorted::SortedMap;
use sim_core::{LocalInstant, NodeId, StateMachine};
use std::rc::Rc;

/// Names an object, as long as there is one of that name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its kind.
    pub kind: Kind,
    /// Its name space.
    pub namespace: Text,
    /// Its name.
    pub name: Text,
}

impl Key {
    /// That of an object.
    #[must_use]
    pub fn of(object: &Object) -> Self {
        let meta = object.meta();
        Self { kind: object.kind(), namespace: Rc::clone(&meta.namespace), name: Rc::clone(&meta.name) }
    }

    /// One of no name space.
    #[must_use]
    pub fn global(kind: Kind, name: &str) -> Self {
        Self { kind, namespace: "".into(), name: name.into() }
    }

    /// One of another kind and name in the same name space.
    #[must_use]
    pub fn beside(&self, kind: Kind, name: &Text) -> Self {
        Self { kind, namespace: Rc::clone(&self.namespace), name: Rc::clone(name) }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// The machine of a worker, by its name.
#[must_use]
pub fn machine_of(name: &str) -> Option<NodeId> {
    name.strip_prefix('n')?.parse().ok().and_then(|number: u32| number.checked_sub(1)).map(NodeId)
}

/// An object as it is stored, with a hash of all it holds.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Obj(Hashed<Object>);

impl Obj {
    /// This one.
    pub fn new(object: impl Into<Object>) -> Self {
        Self(Hashed::new(object.into()))
    }

    /// Another one that is like it but for what `change` does.
    #[must_use]
    pub fn with(&self, change: impl FnOnce(&mut Object)) -> Self {
        let mut object = Object::clone(self);
        change(&mut object);
        Self::new(object)
    }

    /// Its size on the wire, in bytes: leases and endpoints are small, what has a template is not.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        match &**self {
            Object::Lease(_) => 300,
            Object::Endpoints(all) => 400 + 200 * (all.ready.len() + all.not_ready.len()) as u32,
            _ => 1500,
        }
    }
}

impl Deref for Obj {
    type Target = Object;
    fn deref(&self) -> &Object {
        &self.0
    }
}

impl fmt::Display for Obj {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Meta { name, version, .. } = self.meta();
        write!(f, "{} {name}@{version}", self.kind())?;
        match &**self {
            Object::Pod(pod) => {
                if let Some(node) = &pod.node {
                    write!(f, " on {node}")?;
                }
                write!(f, " {:?}{}", pod.status.phase, if pod.status.ready.holds() { ", ready" } else { "" })?;
            }
            Object::Node(node) => {
                write!(f, " ready {:?}, {} taints", node.conditions.ready.condition.status, node.taints.len())?;
            }
            Object::Lease(lease) => {
                write!(f, " of {}", if lease.holder.is_empty() { "nobody" } else { &lease.holder })?
            }
            Object::Endpoints(all) => write!(f, " {} ready, {} not", all.ready.len(), all.not_ready.len())?,
            Object::ReplicaSet(set) => write!(f, " {} of {}", set.status.replicas, set.replicas)?,
            Object::Deployment(set) => write!(f, " {} of {}", set.status.replicas, set.replicas)?,
            Object::StatefulSet(set) => write!(f, " {} of {}", set.status.replicas, set.replicas)?,
            Object::PodDisruptionBudget(budget) => write!(f, " {} may go", budget.status.allowed)?,
            _ => {}
        }
        if self.meta().deleting() { f.write_str(", is to go") } else { Ok(()) }
    }
}

impl fmt::Debug for Obj {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Which part of an object is written: what shall be, which counts its generations, or what is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// What shall be.
    Spec,
    /// What is.
    Status,
}

/// A small change that the API server makes to whatever an object is then.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Patch {
    /// A pod goes to a node, if it has none.
    Bind(Text),
    /// Others were sent away for it there.
    Nominate(Option<Text>),
    /// How a pod is.
    Pod(Rc<PodStatus>),
    /// A pod is not ready any more, because its node says nothing.
    PodLost(LocalInstant),
    /// How a node is.
    Node(Rc<NodeConditions>),
    /// A lease is renewed.
    Renew(LocalInstant),
    /// A pod is to go within so many seconds, at once where no kubelet has it.
    Delete(LocalInstant, Option<u32>),
}

/// What is asked of the API server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// A new object.
    Create(Obj),
    /// An object shall be this one, if nobody has changed it since.
    Update(Obj, Part),
    /// A change to the object of this name, if it is still this one.
    Patch(Key, Option<Uid>, Patch),
    /// The object shall be gone, if it is still this one.
    Remove(Key, Uid),
    /// A pod shall go, if its budgets allow it.
    Evict(Key, Uid),
}

impl Verb {
    /// Its size on the wire, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        match self {
            Self::Create(object) | Self::Update(object, _) => object.bytes(),
            Self::Patch(..) | Self::Remove(..) | Self::Evict(..) => 300,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(object) => write!(f, "create {object}"),
            Self::Update(object, Part::Spec) => write!(f, "update {object}"),
            Self::Update(object, Part::Status) => write!(f, "update status of {object}"),
            Self::Patch(key, _, patch) => match patch {
                Patch::Bind(node) => write!(f, "bind {key} to {node}"),
                Patch::Nominate(Some(node)) => write!(f, "nominate {node} for {key}"),
                Patch::Nominate(None) => write!(f, "nominate nothing for {key}"),
                Patch::Pod(status) => {
                    let ready = if status.ready.holds() { ", ready" } else { "" };
                    write!(f, "{key} is {:?}{ready}", status.phase)
                }
                Patch::PodLost(_) => write!(f, "{key} is not ready, its node is lost"),
                Patch::Node(conditions) => write!(f, "{key} is ready: {:?}", conditions.ready.condition.status),
                Patch::Renew(_) => write!(f, "renew {key}"),
                Patch::Delete(_, None) => write!(f, "delete {key}"),
                Patch::Delete(_, Some(grace)) => write!(f, "delete {key} within {grace}s"),
            },
            Self::Remove(key, _) => write!(f, "remove {key}"),
            Self::Evict(key, _) => write!(f, "evict {key}"),
        }
    }
}

/// What is put into the log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// A change.
    Change(Verb),
    /// Which revision there is.
    Current,
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Change(verb) => serializer.collect_str(verb),
            Self::Current => serializer.serialize_str("current"),
        }
    }
}

/// What it comes to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It is done: the object as it is now.
    Done(Obj),
    /// The object is gone: as it was.
    Gone(Obj),
    /// There is one of that name.
    Exists,
    /// There is none.
    NotFound,
    /// It was changed meanwhile, or is another one.
    Conflict,
    /// A budget does not allow it.
    TooMany,
    /// The revision.
    Current(u64),
    /// Nobody knows: it may be done, or may yet be.
    Unknown,
}

impl Answer {
    /// The object, where there is one now.
    #[must_use]
    pub const fn done(&self) -> Option<&Obj> {
        if let Self::Done(object) = self { Some(object) } else { None }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(object) => write!(f, "{object}"),
            Self::Gone(object) => write!(f, "gone: {object}"),
            other => write!(f, "{other:?}"),
        }
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// All objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Store {
    /// Counts changes.
    revision: u64,
    objects: Rc<SortedMap<Key, Obj>>,
    /// A sum over all objects that does not depend on their order.
    digest: u64,
}

impl Store {
    /// How many changes there were.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// An object.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Obj> {
        self.objects.get(key)
    }

    /// All objects, by their keys.
    pub fn all(&self) -> impl Iterator<Item = (&Key, &Obj)> {
        self.objects.iter()
    }

    /// All of a kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Obj> {
        let first = Key { kind, namespace: "".into(), name: "".into() };
        self.objects.range(first..).take_while(move |(key, _)| key.kind == kind).map(|(_, object)| object)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    fn put(&mut self, key: Key, mut object: Object) -> Answer {
        if let Some(old) = self.objects.get(&key) {
            object.meta_mut().version = old.meta().version;
            // What changes nothing is no change.
            if object == **old {
                return Answer::Done(old.clone());
            }
        }
        self.revision += 1;
        object.meta_mut().version = self.revision;
        let object = Obj::new(object);
        self.digest = self.digest.wrapping_add(content(&object));
        if let Some(old) = Rc::make_mut(&mut self.objects).insert(key, object.clone()) {
            self.digest = self.digest.wrapping_sub(content(&old));
        }
        Answer::Done(object)
    }

    fn remove(&mut self, key: &Key) -> Answer {
        let Some(old) = Rc::make_mut(&mut self.objects).remove(key) else { return Answer::NotFound };
        self.digest = self.digest.wrapping_sub(content(&old));
        self.revision += 1;
        Answer::Gone(old.with(|object| object.meta_mut().version = self.revision))
    }

    fn create(&mut self, object: &Obj) -> Answer {
        let key = Key::of(object);
        if self.objects.contains_key(&key) {
            return Answer::Exists;
        }
        let mut object = Object::clone(object);
        let meta = object.meta_mut();
        (meta.uid, meta.generation) = (Uid(self.revision + 1), 1);
        self.put(key, object)
    }

    fn update(&mut self, object: &Obj, part: Part) -> Answer {
        let key = Key::of(object);
        let Some(old) = self.objects.get(&key) else { return Answer::NotFound };
        if (old.meta().uid, old.meta().version) != (object.meta().uid, object.meta().version) {
            return Answer::Conflict;
        }
        let mut object = Object::clone(object);
        if part == Part::Spec {
            object.meta_mut().generation += 1;
        }
        self.put(key, object)
    }

    fn patch(&mut self, key: &Key, uid: Option<Uid>, patch: &Patch) -> Answer {
        let Some(old) = self.objects.get(key) else { return Answer::NotFound };
        if uid.is_some_and(|uid| uid != old.meta().uid) {
            return Answer::NotFound;
        }
        let mut object = Object::clone(old);
        match (&mut object, patch) {
            (Object::Pod(pod), Patch::Bind(_)) if pod.node.is_some() || pod.meta.deleting() => {
                return Answer::Conflict;
            }
            (Object::Pod(pod), Patch::Bind(node)) => {
                let pod = Rc::make_mut(pod);
                pod.node = Some(Rc::clone(node));
                pod.nominated = None;
                pod.status.scheduled.status = Truth::True;
            }
            (Object::Pod(pod), Patch::Nominate(node)) => Rc::make_mut(pod).nominated.clone_from(node),
            (Object::Pod(pod), Patch::Pod(status)) => {
                let pod = Rc::make_mut(pod);
                let scheduled = pod.status.scheduled;
                pod.status = PodStatus { scheduled, ..PodStatus::clone(status) };
            }
            (Object::Pod(pod), Patch::PodLost(at)) => {
                let pod = Rc::make_mut(pod);
                if pod.status.ready.holds() {
                    pod.status.ready.status = Truth::False;
                    pod.status.ready.since = Some(*at);
                    pod.status.reason = "NodeLost";
                }
            }
            (Object::Pod(pod), Patch::Delete(at, grace)) => {
                let grace = grace.unwrap_or(pod.spec.grace);
                if pod.node.is_none() || pod.status.phase.ended() || grace == 0 {
                    return self.remove(key);
                }
                let due = LocalInstant(at.0 + u64::from(grace) * 1_000_000_000);
                let pod = Rc::make_mut(pod);
                // Who is to go sooner goes sooner, and never later.
                if pod.meta.deletion.is_none_or(|before| due < before.due) {
                    pod.meta.deletion = Some(Deletion { due, grace });
                }
            }
            (Object::Node(node), Patch::Node(conditions)) => Rc::make_mut(node).conditions = **conditions,
            (Object::Lease(lease), Patch::Renew(at)) => {
                let lease: &mut Lease = Rc::make_mut(lease);
                lease.renewed = Some(*at);
            }
            _ => return Answer::NotFound,
        }
        self.put(key.clone(), object)
    }
}

impl StateMachine for Store {
    type Command = Command;
    type Response = Answer;
    type Snapshot = Rc<Self>;

    fn start() -> Self {
        Self::default()
    }

    fn apply(&mut self, command: &Command) -> Answer {
        match command {
            Command::Current => Answer::Current(self.revision),
            Command::Change(Verb::Create(object)) => self.create(object),
            Command::Change(Verb::Update(object, part)) => self.update(object, *part),
            Command::Change(Verb::Patch(key, uid, patch)) => self.patch(key, *uid, patch),
            Command::Change(Verb::Remove(key, uid) | Verb::Evict(key, uid)) => {
                if self.get(key).is_some_and(|object| object.meta().uid == *uid) {
                    self.remove(key)
                } else {
                    Answer::NotFound
                }
            }
        }
    }

    fn read(&self, _: &Command) -> Answer {
        Answer::Current(self.revision)
    }

    /// None: what asks for the newest revision goes through the log, too.
    fn is_read(_: &Command) -> bool {
        false
    }

    fn snapshot(&self) -> Rc<Self> {
        Rc::new(self.clone())
    }

    fn restore(snapshot: &Rc<Self>) -> Self {
        Self::clone(snapshot)
    }

    fn command_bytes(command: &Command) -> u32 {
        if let Command::Change(verb) = command { verb.bytes() } else { 16 }
    }

    fn response_bytes(response: &Answer) -> u32 {
        match response {
            Answer::Done(object) | Answer::Gone(object) => object.bytes(),
            _ => 16,
        }
    }

    fn snapshot_bytes(snapshot: &Rc<Self>) -> u64 {
        snapshot.objects.values().map(|object| u64::from(object.bytes())).sum::<u64>() + 64
    }

    fn digest(&self) -> u64 {
        content(&(self.revision, self.digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::kubernetes::objects::{Pod, ReplicaSet};

    fn apply(store: &mut Store, verb: Verb) -> Answer {
        store.apply(&Command::Change(verb))
    }

    fn done(answer: &Answer) -> Obj {
        answer.done().cloned().unwrap_or_else(|| panic!("{answer}"))
    }

    fn pod(store: &mut Store) -> Obj {
        done(&apply(store, Verb::Create(Obj::new(Pod { meta: Meta::new("default", "a"), ..Pod::default() }))))
    }

    #[test]
    fn whoever_has_seen_an_older_object_changes_nothing() {
        let mut store = Store::start();
        let set = Obj::new(ReplicaSet { meta: Meta::new("default", "a"), replicas: 3, ..ReplicaSet::default() });
        let first = done(&apply(&mut store, Verb::Create(set.clone())));
        assert_eq!(apply(&mut store, Verb::Create(set)), Answer::Exists);
        let resized = |to: i32| {
            first.with(|object| {
                if let Object::ReplicaSet(set) = object {
                    Rc::make_mut(set).replicas = to;
                }
            })
        };
        let second = done(&apply(&mut store, Verb::Update(resized(5), Part::Spec)));
        assert_eq!((second.meta().generation, second.meta().version), (2, 2));
        assert_eq!(apply(&mut store, Verb::Update(resized(4), Part::Spec)), Answer::Conflict);
        assert_eq!(apply(&mut store, Verb::Remove(Key::of(&first), Uid(7))), Answer::NotFound);
    }

    #[test]
    fn what_changes_nothing_is_no_change() {
        let mut store = Store::start();
        let first = pod(&mut store);
        let (key, before) = (Key::of(&first), store.digest());
        let same = apply(&mut store, Verb::Patch(key.clone(), None, Patch::Nominate(None)));
        assert_eq!((done(&same), store.revision(), store.digest()), (first, 1, before));
        let other = apply(&mut store, Verb::Patch(key, None, Patch::Nominate(Some("n4".into()))));
        assert_eq!((done(&other).meta().version, store.revision()), (2, 2));
        assert_ne!(store.digest(), before);
    }

    #[test]
    fn a_pod_is_bound_once() {
        let mut store = Store::start();
        let key = Key::of(&pod(&mut store));
        let mut bind = |node: &str| apply(&mut store, Verb::Patch(key.clone(), None, Patch::Bind(node.into())));
        assert!(bind("n4").done().is_some());
        assert_eq!(bind("n5"), Answer::Conflict);
    }

    #[test]
    fn a_pod_that_a_kubelet_has_goes_in_its_time_and_any_other_at_once() {
        let now = LocalInstant(5_000_000_000);
        let mut store = Store::start();
        let key = Key::of(&pod(&mut store));
        let delete = |grace| Verb::Patch(key.clone(), None, Patch::Delete(now, grace));
        apply(&mut store, Verb::Patch(key.clone(), None, Patch::Bind("n4".into())));
        let due = |answer: Answer| done(&answer).meta().deletion.map(|deletion| deletion.due.0 / 1_000_000_000);
        assert_eq!(due(apply(&mut store, delete(None))), Some(35));
        assert_eq!(due(apply(&mut store, delete(Some(10)))), Some(15), "sooner");
        assert_eq!(due(apply(&mut store, delete(Some(20)))), Some(15), "never later");
        assert!(matches!(apply(&mut store, delete(Some(0))), Answer::Gone(_)));
        pod(&mut store);
        assert!(matches!(apply(&mut store, delete(None)), Answer::Gone(_)), "no kubelet has it");
    }

    #[test]
    fn a_snapshot_is_the_whole_state() {
        let mut store = Store::start();
        pod(&mut store);
        let other = Store::restore(&store.snapshot());
        assert_eq!((other.digest(), other.len()), (store.digest(), 1));
    }
}
