//! What every object has: its name, its labels, whose it is and whether it is being deleted.

use core::fmt;
use core::ops::Deref;
use sim_core::LocalInstant;
use sim_core::sorted::SortedMap;
use std::rc::Rc;

/// Text that is shared, not copied.
pub type Text = Rc<str>;

/// The kinds of objects, in the order in which a cluster is made of a manifest: what others name comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// See [`super::Namespace`].
    Namespace,
    /// See [`super::PriorityClass`].
    PriorityClass,
    /// See [`super::Node`].
    Node,
    /// See [`super::Service`].
    Service,
    /// See [`super::Endpoints`].
    Endpoints,
    /// See [`super::Budget`].
    PodDisruptionBudget,
    /// See [`super::Deployment`].
    Deployment,
    /// See [`super::ReplicaSet`].
    ReplicaSet,
    /// See [`super::StatefulSet`].
    StatefulSet,
    /// See [`super::DaemonSet`].
    DaemonSet,
    /// See [`super::Job`].
    Job,
    /// See [`super::CronJob`].
    CronJob,
    /// See [`super::Autoscaler`].
    HorizontalPodAutoscaler,
    /// See [`super::Pod`].
    Pod,
    /// See [`super::Lease`].
    Lease,
    /// See [`super::Revision`].
    ControllerRevision,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// An object's number, given by the API server and never again: two objects of one name are told apart by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(pub u64);

/// Keys and values by which objects find each other. Clones share them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Rc<SortedMap<Text, Text>>);

impl Labels {
    /// The same labels and one more, or one changed.
    #[must_use]
    pub fn with(&self, key: &str, value: &str) -> Self {
        let mut labels = self.clone();
        labels.insert(key, value);
        labels
    }

    /// Sets one.
    pub fn insert(&mut self, key: &str, value: &str) {
        Rc::make_mut(&mut self.0).insert(key.into(), value.into());
    }

    /// The value of a key.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&Text> {
        self.0.get(key)
    }

    /// Whether both are one and the same map in memory: equal without a look into them.
    #[must_use]
    pub fn shared_with(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for Labels {
    type Target = SortedMap<Text, Text>;

    fn deref(&self) -> &SortedMap<Text, Text> {
        &self.0
    }
}

impl<K: Into<Text>, V: Into<Text>> FromIterator<(K, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(labels: I) -> Self {
        Self(Rc::new(labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect()))
    }
}

/// The controller an object belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: Text,
    /// Which object of that name.
    pub uid: Uid,
}

/// That an object is being deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Deletion {
    /// When it is to be gone.
    pub due: LocalInstant,
    /// How many seconds it was given.
    pub grace: u32,
}

/// What every object has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Meta {
    /// Its name, unique among its kind and name space.
    pub name: Text,
    /// Its name space; empty for what lies in none.
    pub namespace: Text,
    /// Its labels.
    pub labels: Labels,
    /// Its number; 0 until the API server has given one.
    pub uid: Uid,
    /// The revision of the store that last changed it; 0 until it is stored.
    pub version: u64,
    /// How often its specification was written.
    pub generation: u64,
    /// Its controller.
    pub owner: Option<Owner>,
    /// When it was created.
    pub created: Option<LocalInstant>,
    /// Set once it is being deleted.
    pub deletion: Option<Deletion>,
}

impl Default for Meta {
    fn default() -> Self {
        Self::new("", "")
    }
}

impl Meta {
    /// A new object's.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            name: name.into(),
            namespace: namespace.into(),
            labels: Labels::default(),
            uid: Uid::default(),
            version: 0,
            generation: 0,
            owner: None,
            created: None,
            deletion: None,
        }
    }

    /// Whether the object is being deleted.
    #[must_use]
    pub const fn deleting(&self) -> bool {
        self.deletion.is_some()
    }
}

/// True, false or not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Truth {
    /// Not known, or no longer.
    #[default]
    Unknown,
    /// It does not hold.
    False,
    /// It holds.
    True,
}

/// A condition of an object, and since when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Condition {
    /// Whether it holds.
    pub status: Truth,
    /// When that last changed.
    pub since: Option<LocalInstant>,
    /// Why, as one word of the API.
    pub reason: &'static str,
}

impl Condition {
    /// Whether it is known to hold.
    #[must_use]
    pub const fn holds(&self) -> bool {
        matches!(self.status, Truth::True)
    }
}
