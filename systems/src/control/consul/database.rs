//! What the servers agree on: keys with their locks, sessions, and the catalog of nodes and services, as a state
//! machine.

use super::bugs::ConsulBug;
use core::fmt;
use serde::Serialize;
use sim_core::sorted::SortedMap;
use sim_core::{NodeId, StateMachine, hash};

crate::shared::number::numbers! {
    /// A session: of a node (its number and 1, in the upper 24 bits) and drawn by it.
    Session;
    /// Counts what was put into the log: the index of whatever was changed by it.
    Index;
}

impl Session {
    /// One of a node.
    #[must_use]
    pub const fn of(node: NodeId, drawn: u64) -> Self {
        Self((node.0 as u64 + 1) << 40 | drawn & ((1 << 40) - 1))
    }

    /// The node that it is of.
    #[must_use]
    pub const fn node(self) -> NodeId {
        NodeId((self.0 >> 40) as u32 - 1)
    }
}

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// `key/17`, which holds a value.
    Value(u64),
    /// `lock/3`, which is there for its lock.
    Lock(u64),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(key) => write!(f, "key/{key}"),
            Self::Lock(lock) => write!(f, "lock/{lock}"),
        }
    }
}

/// How a node or a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Its check passes.
    Passing,
    /// It does not.
    Critical,
}

sim_core::choices! {
    /// What becomes of the keys that a session holds when it ends.
    pub enum Behavior {
        /// They stay, and are let go.
        #[default]
        Release,
        /// They are deleted.
        Delete,
    }
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Nobody has renewed it in time.
    Expired,
    /// Its application does not want it any more.
    Destroyed,
}

/// Which of its looks the database takes; all of them in correct code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Looks {
    /// Whether who is given a lock has a session still.
    session: bool,
    /// Whether who lets a lock go holds it.
    owner: bool,
}

impl Looks {
    /// Those of servers with this bug.
    #[must_use]
    pub fn with(bug: ConsulBug) -> Self {
        Self { session: bug != ConsulBug::GrantToTheDead, owner: bug != ConsulBug::UnlockOfOthers }
    }
}

/// What is put into the log, or asked of the leader's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Changes nothing, and is not in the log: whoever is answered leads.
    Confirm,
    /// A new leader has applied all that was before it.
    Barrier {
        /// What the database looks at from now on.
        looks: Looks,
    },
    /// A key shall hold this.
    Set {
        /// Which.
        key: Key,
        /// What.
        value: u64,
    },
    /// The same, if it was last changed at this index (0: if it is not there).
    Cas {
        /// Which.
        key: Key,
        /// What.
        value: u64,
        /// When.
        index: Index,
    },
    /// A session wants a key's lock.
    Acquire {
        /// Which.
        key: Key,
        /// Whose.
        session: Session,
    },
    /// It lets it go.
    Release {
        /// Which.
        key: Key,
        /// Whose.
        session: Session,
    },
    /// A session begins.
    Open {
        /// Which.
        session: Session,
        /// What becomes of its keys.
        behavior: Behavior,
    },
    /// It ends.
    End {
        /// Which.
        session: Session,
        /// Why.
        why: Why,
    },
    /// A node is registered, or its `serfHealth` is another.
    Node {
        /// Which.
        node: NodeId,
        /// How it is.
        health: Health,
    },
    /// A node is gone from the catalog, with all of its services.
    NoNode {
        /// Which.
        node: NodeId,
    },
    /// A service is registered at a node, or its check says something else.
    Service {
        /// At which.
        node: NodeId,
        /// Which.
        service: u64,
        /// How it is.
        health: Health,
    },
    /// A service is gone from a node.
    NoService {
        /// From which.
        node: NodeId,
        /// Which.
        service: u64,
    },
    /// An operator has restored an old snapshot: what is from now on has lower indexes.
    Restore,
}

/// What a command comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Done, at this index.
    Done(Index),
    /// The lock is the session's.
    Locked {
        /// Counts how often the lock was taken.
        lock_index: u64,
    },
    /// Somebody else has it, or it was not as it should be.
    No,
    /// There is no such session, or no such node.
    Nobody,
}

/// A key's row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Row {
    /// What it holds.
    pub value: u64,
    /// When it was changed last.
    pub modify: Index,
    /// How often its lock was taken.
    pub lock_index: u64,
    /// Who holds its lock.
    pub session: Option<Session>,
}

/// A service at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Service {
    /// How it is.
    pub health: Health,
    /// Since when.
    pub modify: Index,
}

/// A node in the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// Its `serfHealth`.
    pub health: Health,
    /// Since when.
    pub modify: Index,
    /// What runs there.
    pub services: SortedMap<u64, Service>,
}

/// The database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Database {
    looks: Looks,
    index: Index,
    keys: SortedMap<Key, Row>,
    /// When a key was changed, or deleted, last.
    keys_index: Index,
    sessions: SortedMap<Session, Behavior>,
    nodes: SortedMap<NodeId, Node>,
    /// When each service was changed last, anywhere: of those that are gone, too.
    services: SortedMap<u64, Index>,
    /// When the session that held a key ended last.
    freed: SortedMap<Key, Index>,
    /// How many commands were carried out: indexes are that, until somebody restores a snapshot.
    carried: u64,
}

impl Database {
    /// A key's row.
    #[must_use]
    pub fn row(&self, key: Key) -> Option<Row> {
        self.keys.get(&key).copied()
    }

    /// The index of what a query for a key answers: that of the row, or of the newest change to any if there is none.
    #[must_use]
    pub fn index_of(&self, key: Key) -> Index {
        let index = self.keys.get(&key).map_or(self.keys_index, |row| row.modify);
        // 0 means "at once": it is no index of anything.
        index.max(Index(1))
    }

    /// The index of what a query for a service answers.
    #[must_use]
    pub fn index_of_service(&self, service: u64) -> Index {
        self.services.get(&service).copied().unwrap_or(Index(0)).max(Index(1))
    }

    /// Where a service runs and passes its check, at a node that passes its own.
    pub fn passing(&self, service: u64) -> impl Iterator<Item = NodeId> {
        let runs = move |node: &Node| node.services.get(&service).is_some_and(|it| it.health == Health::Passing);
        let nodes = self.nodes.iter().filter(move |(_, node)| node.health == Health::Passing && runs(node));
        nodes.map(|(id, _)| *id)
    }

    /// The nodes in the catalog.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().map(|(id, node)| (*id, node))
    }

    /// One of them.
    #[must_use]
    pub fn node(&self, node: NodeId) -> Option<&Node> {
        self.nodes.get(&node)
    }

    /// The sessions.
    pub fn sessions(&self) -> impl Iterator<Item = Session> {
        self.sessions.keys().copied()
    }

    /// Whether there is this session.
    #[must_use]
    pub fn has(&self, session: Session) -> bool {
        self.sessions.contains_key(&session)
    }

    /// The keys whose holder's session ended by this command: the first was 1.
    pub fn freed_by(&self, number: u64) -> impl Iterator<Item = Key> {
        self.freed.iter().filter(move |(_, at)| at.0 == number).map(|(key, _)| *key)
    }

    /// How many commands were carried out.
    #[must_use]
    pub const fn carried(&self) -> u64 {
        self.carried
    }

    fn set(&mut self, key: Key, value: u64) -> Answer {
        let index = self.index;
        let row = self.keys.entry(key).or_default();
        (row.value, row.modify) = (value, index);
        self.keys_index = index;
        Answer::Done(index)
    }

    fn acquire(&mut self, key: Key, session: Session) -> Answer {
        if self.looks.session && !self.has(session) {
            return Answer::Nobody;
        }
        let index = self.index;
        let row = self.keys.entry(key).or_default();
        match row.session {
            Some(holder) if holder != session => return Answer::No,
            Some(_) => {}
            None => (row.session, row.lock_index) = (Some(session), row.lock_index + 1),
        }
        row.modify = index;
        self.keys_index = index;
        Answer::Locked { lock_index: row.lock_index }
    }

    fn release(&mut self, key: Key, session: Session) -> Answer {
        let (index, looks) = (self.index, self.looks);
        let Some(row) = self.keys.get_mut(&key) else { return Answer::No };
        if row.session.is_none() || looks.owner && row.session != Some(session) {
            return Answer::No;
        }
        (row.session, row.modify) = (None, index);
        self.keys_index = index;
        Answer::Done(index)
    }

    /// A session is over: what it holds is let go, or deleted.
    fn end(&mut self, session: Session) -> bool {
        let Some(behavior) = self.sessions.remove(&session) else { return false };
        let held: Vec<Key> =
            self.keys.iter().filter(|(_, row)| row.session == Some(session)).map(|(key, _)| *key).collect();
        for key in held {
            self.freed.insert(key, Index(self.carried));
            self.keys_index = self.index;
            if behavior == Behavior::Delete {
                self.keys.remove(&key);
            } else if let Some(row) = self.keys.get_mut(&key) {
                (row.session, row.modify) = (None, self.index);
            }
        }
        true
    }

    /// The sessions of a node that is critical, or gone, are over.
    fn end_all(&mut self, node: NodeId) {
        let of: Vec<Session> = self.sessions.keys().filter(|session| session.node() == node).copied().collect();
        of.into_iter().for_each(|session| _ = self.end(session));
    }

    fn touch(&mut self, node: NodeId) {
        let services: Vec<u64> =
            self.nodes.get(&node).into_iter().flat_map(|node| node.services.keys().copied()).collect();
        services.into_iter().for_each(|service| _ = self.services.insert(service, self.index));
    }

    fn register(&mut self, id: NodeId, health: Health) -> Answer {
        let index = self.index;
        let node = self.nodes.entry(id).or_insert(Node { health, modify: index, services: SortedMap::new() });
        (node.health, node.modify) = (health, index);
        self.touch(id);
        if health == Health::Critical {
            self.end_all(id);
        }
        Answer::Done(index)
    }

    fn register_service(&mut self, id: NodeId, service: u64, health: Health) -> Answer {
        let index = self.index;
        let node = self.nodes.entry(id);
        let node = node.or_insert(Node { health: Health::Passing, modify: index, services: SortedMap::new() });
        node.services.insert(service, Service { health, modify: index });
        self.services.insert(service, index);
        Answer::Done(index)
    }
}

impl StateMachine for Database {
    type Command = Command;
    type Response = Answer;
    type Snapshot = Self;

    fn start() -> Self {
        Self {
            looks: Looks::with(ConsulBug::None),
            index: Index(0),
            keys: SortedMap::new(),
            keys_index: Index(0),
            sessions: SortedMap::new(),
            nodes: SortedMap::new(),
            services: SortedMap::new(),
            freed: SortedMap::new(),
            carried: 0,
        }
    }

    fn apply(&mut self, command: &Command) -> Answer {
        self.carried += 1;
        self.index = Index(self.index.0 + 1);
        match *command {
            Command::Confirm => {}
            Command::Barrier { looks } => self.looks = looks,
            Command::Set { key, value } => return self.set(key, value),
            Command::Cas { key, value, index } => {
                if self.keys.get(&key).map_or(Index(0), |row| row.modify) != index {
                    return Answer::No;
                }
                return self.set(key, value);
            }
            Command::Acquire { key, session } => return self.acquire(key, session),
            Command::Release { key, session } => return self.release(key, session),
            Command::Open { session, behavior } => {
                // On a node that is not there, or is critical, no session begins.
                if self.nodes.get(&session.node()).is_none_or(|node| node.health == Health::Critical) {
                    return Answer::Nobody;
                }
                self.sessions.insert(session, behavior);
            }
            Command::End { session, .. } => {
                if !self.end(session) {
                    return Answer::Nobody;
                }
            }
            Command::Node { node, health } => return self.register(node, health),
            Command::NoNode { node } => {
                self.touch(node);
                self.nodes.remove(&node);
                self.end_all(node);
            }
            Command::Service { node, service, health } => return self.register_service(node, service, health),
            Command::NoService { node, service } => {
                if let Some(node) = self.nodes.get_mut(&node) {
                    node.services.remove(&service);
                }
                self.services.insert(service, self.index);
            }
            Command::Restore => self.lower(),
        }
        Answer::Done(self.index)
    }

    fn read(&self, _: &Command) -> Answer {
        Answer::Done(self.index)
    }

    fn is_read(command: &Command) -> bool {
        *command == Command::Confirm
    }

    fn snapshot(&self) -> Self {
        self.clone()
    }

    fn restore(snapshot: &Self) -> Self {
        snapshot.clone()
    }

    fn command_bytes(_: &Command) -> u32 {
        48
    }

    fn response_bytes(_: &Answer) -> u32 {
        16
    }

    fn snapshot_bytes(snapshot: &Self) -> u64 {
        let services: usize = snapshot.nodes.values().map(|node| node.services.len()).sum();
        64 + 48 * snapshot.keys.len() as u64 + 32 * (snapshot.sessions.len() + snapshot.nodes.len() + services) as u64
    }

    fn digest(&self) -> u64 {
        hash::content(self)
    }
}

impl Database {
    /// A restored snapshot holds what was there, as of lower indexes: those who watch have to begin anew.
    fn lower(&mut self) {
        self.index = Index(1);
        self.keys_index = self.index;
        self.keys.values_mut().for_each(|row| row.modify = Index(1));
        self.services.values_mut().for_each(|index| *index = Index(1));
        for node in self.nodes.values_mut() {
            node.modify = Index(1);
            node.services.values_mut().for_each(|service| service.modify = Index(1));
        }
    }
}
