//! The client library of the API: one connection with one API server, over which a machine's components make their
//! calls and watch what concerns them. It keeps what it has heard, goes on from there with another server when one is
//! silent, and lists anew when nobody remembers that far back.

use super::store::{Answer, Key, Obj, Verb};
use crate::control::kubernetes::message::{Event, KubeMessage};
use crate::control::kubernetes::node::Fx;
use crate::control::kubernetes::objects::{Kind, Object, Uid};
use crate::control::kubernetes::options::Config;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{Duration, LocalInstant, NodeId};
use std::collections::VecDeque;
use std::rc::Rc;

/// What a call was for, by the component that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tag {
    /// Nobody waits for its answer.
    Nothing,
    /// A lease: of a worker, or of an office.
    Lease(u16),
    /// The object of a worker.
    Node,
    /// The taints of a worker.
    Taints,
    /// How a pod is, as its kubelet says.
    Pod(Uid),
    /// A pod that a controller, by its object, wants to be there.
    Create(Uid),
    /// Or gone.
    Delete(Uid, Uid),
    /// An object that a controller has changed.
    Write(Uid),
    /// A pod that was given a node.
    Bind(Uid),
    /// A pod that an operator wants to be gone.
    Evict(Uid),
    /// The first objects of the cluster.
    Seed,
}

/// What has changed.
#[derive(Clone, Debug)]
pub struct Update {
    /// Which object.
    pub key: Key,
    /// As it was known before.
    pub old: Option<Obj>,
    /// As it is now.
    pub new: Option<Obj>,
}

/// What a machine hears over its connection.
#[derive(Clone, Debug)]
pub enum Heard {
    /// All that there is: it is in the cache, and said one by one before.
    Synced,
    /// A change.
    Changed(Update),
    /// The answer to a call.
    Answered(Tag, Answer),
}

/// What has been heard: a copy of the store, a little behind it.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    objects: SortedMap<Key, Obj>,
    /// Objects by the controller that they belong to.
    owned: SortedMap<Uid, SortedSet<Key>>,
    /// The revision that it is of.
    pub version: u64,
}

impl Cache {
    /// An object.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Obj> {
        self.objects.get(key)
    }

    /// All of a kind, by their names.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Obj> {
        let first = Key { kind, namespace: "".into(), name: "".into() };
        self.objects.range(first..).take_while(move |(key, _)| key.kind == kind).map(|(_, object)| object)
    }

    /// What belongs to a controller.
    pub fn owned(&self, uid: Uid) -> impl Iterator<Item = &Obj> {
        self.owned.get(&uid).into_iter().flatten().filter_map(|key| self.objects.get(key))
    }

    /// Puts an object in or takes it out. Gives what was there.
    fn set(&mut self, key: &Key, new: Option<Obj>) -> Option<Obj> {
        let owner = |object: &Obj| object.meta().owner.as_ref().map(|owner| owner.uid);
        let old = match new {
            Some(new) => {
                if let Some(owner) = owner(&new) {
                    self.owned.entry(owner).or_default().insert(key.clone());
                }
                self.objects.insert(key.clone(), new)
            }
            None => self.objects.remove(key),
        };
        // Who was deleted and made anew may have another owner.
        if let Some(before) = old.as_ref().and_then(owner)
            && self.objects.get(key).and_then(owner) != Some(before)
            && let Some(keys) = self.owned.get_mut(&before)
        {
            keys.remove(key);
            if keys.is_empty() {
                self.owned.remove(&before);
            }
        }
        old
    }
}

/// The connection.
#[derive(Clone, Debug)]
pub struct Link {
    config: Rc<Config>,
    me: NodeId,
    server: NodeId,
    numbers: u64,
    stream: u64,
    /// Whether the server has begun to answer the watch.
    live: bool,
    /// When it was last heard, and whether it was asked since whether it is there.
    heard: LocalInstant,
    pinged: bool,
    calls: SortedMap<u64, (Tag, LocalInstant)>,
    news: VecDeque<Heard>,
    synced: bool,
    /// What it has heard.
    pub cache: Cache,
}

impl Link {
    /// A new connection: of a control machine with its own API server, of a worker with any.
    pub fn boot(config: &Rc<Config>, me: NodeId, fx: &mut Fx<'_>) -> Self {
        let any = NodeId(fx.rng().below(u64::from(config.control)) as u32);
        let numbers = fx.rng().next_u64() >> 16;
        let mut link = Self {
            config: Rc::clone(config),
            me,
            server: if me.0 < config.control { me } else { any },
            numbers,
            stream: 0,
            live: false,
            heard: fx.now(),
            pinged: false,
            calls: SortedMap::new(),
            news: VecDeque::new(),
            synced: false,
            cache: Cache::default(),
        };
        link.watch(None, fx);
        link
    }

    /// Whether it has heard everything once.
    #[must_use]
    pub const fn synced(&self) -> bool {
        self.synced
    }

    /// What was heard since.
    pub fn news(&mut self) -> Option<Heard> {
        self.news.pop_front()
    }

    fn watch(&mut self, since: Option<u64>, fx: &mut Fx<'_>) {
        self.numbers += 1;
        (self.stream, self.live) = (self.numbers, false);
        (self.heard, self.pinged) = (fx.now(), true);
        fx.send(self.server, KubeMessage::Watch { stream: self.stream, since });
    }

    fn since(&self) -> Option<u64> {
        self.synced.then_some(self.cache.version)
    }

    /// Makes a call.
    pub fn call(&mut self, tag: Tag, verb: Verb, fx: &mut Fx<'_>) {
        self.numbers += 1;
        let number = self.numbers;
        self.calls.insert(number, (tag, fx.now() + self.config.call_timeout));
        fx.send(self.server, KubeMessage::Call { number, verb });
    }

    /// Tries another server. Nobody knows what has become of the calls.
    pub fn switch(&mut self, fx: &mut Fx<'_>) {
        for (tag, _) in core::mem::take(&mut self.calls).into_values() {
            self.news.push_back(Heard::Answered(tag, Answer::Unknown));
        }
        if self.me.0 >= self.config.control && self.config.control > 1 {
            let step = 1 + fx.rng().below(u64::from(self.config.control) - 1) as u32;
            self.server = NodeId((self.server.0 + step) % self.config.control);
        }
        self.watch(self.since(), fx);
    }

    /// The connection with another machine is over.
    pub fn on_closed(&mut self, peer: NodeId, fx: &mut Fx<'_>) {
        if peer == self.server && peer != self.me {
            self.switch(fx);
        }
    }

    /// Some time has passed.
    pub fn on_tick(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let silent = now.since(self.heard);
        let late = self.calls.values().any(|(_, deadline)| *deadline <= now);
        // A connection may be silent for 30 s, and then for 15 s more when it is tested (HTTP/2's pings).
        let timeout = self.config.call_timeout;
        let (idle, ping) = (timeout.times(3), Duration(timeout.0 * 3 / 2));
        if late || self.pinged && silent >= ping {
            return self.switch(fx);
        }
        if !self.pinged && silent >= idle {
            (self.pinged, self.heard) = (true, now);
            fx.send(self.server, KubeMessage::Ping { stream: self.stream });
        }
    }

    /// A message of an API server. Gives it back if it is none.
    pub fn on_message(&mut self, from: NodeId, message: KubeMessage, fx: &mut Fx<'_>) -> Option<KubeMessage> {
        match message {
            KubeMessage::Reply { number, answer } => {
                if let Some((tag, _)) = self.calls.remove(&number) {
                    self.news.push_back(Heard::Answered(tag, answer));
                }
            }
            KubeMessage::Listed { stream, version, objects } if stream == self.stream && from == self.server => {
                self.on_heard(fx);
                self.live = true;
                self.on_listed(version, &objects);
            }
            KubeMessage::Events { stream, upto, events } if stream == self.stream => {
                self.on_heard(fx);
                self.live = true;
                for Event { object, gone } in events.iter() {
                    self.change(Key::of(object), (!gone).then(|| object.clone()));
                }
                self.cache.version = self.cache.version.max(upto);
            }
            KubeMessage::Bookmark { stream, upto } if stream == self.stream => {
                self.on_heard(fx);
                self.cache.version = self.cache.version.max(upto);
            }
            KubeMessage::TooOld { stream } if stream == self.stream => self.watch(None, fx),
            KubeMessage::NotWatched { stream } if stream == self.stream => self.watch(self.since(), fx),
            KubeMessage::Listed { .. }
            | KubeMessage::Events { .. }
            | KubeMessage::Bookmark { .. }
            | KubeMessage::NotWatched { .. }
            | KubeMessage::TooOld { .. } => {}
            other => return Some(other),
        }
        None
    }

    fn on_heard(&mut self, fx: &Fx<'_>) {
        (self.heard, self.pinged) = (fx.now(), false);
    }

    fn change(&mut self, key: Key, new: Option<Obj>) {
        let version = |object: &Obj| object.meta().version;
        if let (Some(old), Some(new)) = (self.cache.get(&key), &new)
            && version(old) >= version(new)
        {
            return;
        }
        let old = self.cache.set(&key, new.clone());
        // One that was made anew under its name is another one.
        let uid = |object: &Option<Obj>| object.as_ref().map(|object| object.meta().uid);
        if old.is_some() && new.is_some() && uid(&old) != uid(&new) {
            self.news.push_back(Heard::Changed(Update { key: key.clone(), old, new: None }));
            self.news.push_back(Heard::Changed(Update { key, old: None, new }));
        } else if old.is_some() || new.is_some() {
            self.news.push_back(Heard::Changed(Update { key, old, new }));
        }
    }

    fn on_listed(&mut self, version: u64, objects: &[Obj]) {
        let listed: SortedSet<Key> = objects.iter().map(|object| Key::of(object)).collect();
        let gone: Vec<Key> = self.cache.objects.keys().filter(|key| !listed.contains(key)).cloned().collect();
        for key in gone {
            self.change(key, None);
        }
        for object in objects {
            self.change(Key::of(object), Some(object.clone()));
        }
        self.cache.version = version;
        self.synced = true;
        self.news.push_back(Heard::Synced);
    }

    /// Takes in an object that a call has changed, before it is heard of: who writes sees what it has written.
    pub fn learn(&mut self, object: &Obj) {
        let known = self.cache.get(&Key::of(object));
        if known.is_some_and(|known| known.meta().version < object.meta().version) {
            self.change(Key::of(object), Some(object.clone()));
        }
    }
}

/// A pod.
#[must_use]
pub fn pod(object: &Obj) -> Option<&crate::control::kubernetes::objects::Pod> {
    if let Object::Pod(pod) = &**object { Some(pod) } else { None }
}
