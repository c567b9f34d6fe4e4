//! The data tree: nodes with versions, sessions, and what goes with a session. Every server has one, and the leader one
//! more that is ahead by what it has proposed.

use super::txn::{Answer, Call, Entry, Path, Place, Refusal, Session, Txn, Zxid};
use crate::shared::replication::link;
use sim_core::hash::content;
use sim_core::sorted::{SortedMap, SortedSet};

/// One node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Znode {
    /// What it holds.
    pub data: u64,
    /// How often that was set.
    pub version: u32,
    /// The session it goes with.
    pub owner: Option<Session>,
    /// When it was last set or made.
    pub changed: Zxid,
    /// When a child last came or went.
    pub children_changed: Zxid,
    /// The number of its next child.
    pub next_child: u32,
}

/// What a transaction has changed, for those who watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// A node came.
    Created,
    /// It holds something else.
    Data,
    /// It went.
    Deleted,
    /// Its children are others.
    Children,
}

/// The tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tree {
    nodes: SortedMap<Path, Znode>,
    /// How long each session may be silent, in nanoseconds.
    sessions: SortedMap<Session, u64>,
    ephemerals: SortedMap<Session, SortedSet<Path>>,
    last: Zxid,
    /// The running hash of all that was applied.
    chain: u64,
}

impl Tree {
    /// The newest transaction in it.
    #[must_use]
    pub const fn last(&self) -> Zxid {
        self.last
    }

    /// Equal for trees that came about by the same transactions.
    #[must_use]
    pub const fn chain(&self) -> u64 {
        self.chain
    }

    /// A node. What stands below nothing is there from the beginning.
    #[must_use]
    pub fn get(&self, path: Path) -> Option<Znode> {
        let found = self.nodes.get(&path).copied();
        if path.child.is_none() { Some(found.unwrap_or_default()) } else { found }
    }

    /// The children of a place, lowest first: their numbers, and what they hold.
    pub fn children(&self, place: Place) -> impl Iterator<Item = (u32, u64)> + '_ {
        let below = self.nodes.range(Path::child(place, 0)..=Path::child(place, u32::MAX));
        below.filter_map(|(path, node)| Some((path.child?, node.data)))
    }

    /// Barriers that somebody stands at, up to which number each lets in, and how many wait for more.
    pub fn barriers(&self) -> impl Iterator<Item = (Path, u64, usize)> + '_ {
        let all = self.nodes.iter().filter(|(path, _)| matches!(path.place, Place::Barrier(_)) && path.child.is_none());
        all.map(|(path, node)| {
            let waiting = self.children(path.place).filter(|(number, _)| u64::from(*number) >= node.data);
            (*path, node.data, waiting.count())
        })
    }

    /// The sessions, and how long each may be silent.
    pub fn sessions(&self) -> impl Iterator<Item = (Session, u64)> + '_ {
        self.sessions.iter().map(|(session, timeout)| (*session, *timeout))
    }

    /// How long a session may be silent, in nanoseconds; `None` if there is no such session.
    #[must_use]
    pub fn session(&self, session: Session) -> Option<u64> {
        self.sessions.get(&session).copied()
    }

    /// What goes with a session.
    pub fn ephemerals(&self, session: Session) -> impl Iterator<Item = Path> + '_ {
        self.ephemerals.get(&session).into_iter().flatten().copied()
    }

    /// How many nodes it holds.
    #[must_use]
    pub fn nodes(&self) -> u64 {
        self.nodes.len() as u64
    }

    /// Size of a snapshot of it, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        64 * (self.nodes.len() + self.sessions.len()) as u64 + 64
    }

    /// Answers a call that changes nothing.
    #[must_use]
    pub fn read(&self, call: &Call) -> Answer {
        match call {
            Call::Get { path, .. } => self.get(*path).map_or(Answer::Refused(Refusal::NoNode), |node| Answer::Data {
                data: node.data,
                version: node.version,
            }),
            Call::Exists { path, .. } => Answer::There(self.get(*path).is_some()),
            Call::Children { place, .. } => Answer::Children(self.children(*place).collect()),
            _ => Answer::Done,
        }
    }

    /// What a call comes to here, after all that has been proposed.
    #[must_use]
    pub fn prepare(&self, session: Session, call: &Call) -> Txn {
        if !self.sessions.contains_key(&session) {
            return Txn::Refused(Refusal::SessionExpired);
        }
        match call {
            Call::Create { place, ephemeral, data } => {
                let number = self.get(Path::of(*place)).unwrap_or_default().next_child;
                Txn::Create { path: Path::child(*place, number), ephemeral: *ephemeral, data: *data }
            }
            Call::Set { path, data, version } => match self.get(*path) {
                None => Txn::Refused(Refusal::NoNode),
                Some(node) if version.is_some_and(|wanted| wanted != node.version) => Txn::Refused(Refusal::BadVersion),
                Some(node) => Txn::Set { path: *path, data: *data, version: node.version + 1 },
            },
            Call::Delete { path } if path.child.is_some() && self.get(*path).is_some() => Txn::Delete { path: *path },
            Call::Delete { .. } => Txn::Refused(Refusal::NoNode),
            Call::Multi(all) => {
                let parts: Vec<Txn> = all.iter().map(|one| self.prepare(session, one)).collect();
                let refused = parts.iter().find(|part| matches!(part, Txn::Refused(_))).cloned();
                refused.unwrap_or(Txn::Multi(parts))
            }
            Call::Close => Txn::Close,
            Call::Get { .. } | Call::Exists { .. } | Call::Watch { .. } | Call::Children { .. } | Call::Sync => {
                Txn::Refused(Refusal::NoNode)
            }
        }
    }

    /// Carries out a transaction: what its session is answered, and what has changed.
    pub fn apply(&mut self, entry: &Entry) -> (Answer, Vec<(Path, Change)>) {
        (self.last, self.chain) = (entry.zxid, link(self.chain, content(entry)));
        let mut changes = Vec::new();
        let answer = self.change(entry, &entry.txn, &mut changes);
        (answer, changes)
    }

    fn change(&mut self, entry: &Entry, txn: &Txn, changes: &mut Vec<(Path, Change)>) -> Answer {
        match txn {
            Txn::Open { timeout } => {
                self.sessions.insert(entry.session, *timeout);
            }
            Txn::Close => {
                self.sessions.remove(&entry.session);
                for path in self.ephemerals.remove(&entry.session).unwrap_or_default() {
                    self.remove(path, entry.zxid, changes);
                }
            }
            Txn::Create { path, ephemeral, data } => {
                let owner = ephemeral.then_some(entry.session);
                let node = Znode { data: *data, owner, changed: entry.zxid, ..Znode::default() };
                self.nodes.insert(*path, node);
                if *ephemeral {
                    self.ephemerals.entry(entry.session).or_default().insert(*path);
                }
                let number = path.child.unwrap_or(0);
                let above = self.nodes.entry(Path::of(path.place)).or_default();
                (above.next_child, above.children_changed) = (number + 1, entry.zxid);
                changes.extend([(*path, Change::Created), (Path::of(path.place), Change::Children)]);
                return Answer::Created(number);
            }
            Txn::Set { path, data, version } => {
                let node = self.nodes.entry(*path).or_default();
                (node.data, node.version, node.changed) = (*data, *version, entry.zxid);
                changes.push((*path, Change::Data));
            }
            Txn::Delete { path } => self.remove(*path, entry.zxid, changes),
            Txn::Multi(all) => all.iter().for_each(|one| {
                self.change(entry, one, changes);
            }),
            Txn::Refused(why) => return Answer::Refused(*why),
        }
        Answer::Done
    }

    fn remove(&mut self, path: Path, zxid: Zxid, changes: &mut Vec<(Path, Change)>) {
        if let Some(node) = self.nodes.remove(&path) {
            if let Some(all) = node.owner.and_then(|owner| self.ephemerals.get_mut(&owner)) {
                all.remove(&path);
            }
            self.nodes.entry(Path::of(path.place)).or_default().children_changed = zxid;
            changes.extend([(path, Change::Deleted), (Path::of(path.place), Change::Children)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::txn::Xid;
    use super::*;

    #[test]
    fn ephemerals_go_with_their_session_and_numbers_are_never_given_twice() {
        let (mut tree, session) = (Tree::default(), Session(7));
        let mut zxid = Zxid::of_epoch(1);
        let mut does = |tree: &mut Tree, txn: Txn| {
            zxid = zxid.next();
            tree.apply(&Entry { zxid, session, xid: Xid(1), txn })
        };
        does(&mut tree, Txn::Open { timeout: 1 });
        let call = Call::Create { place: Place::Lock(1), ephemeral: true, data: 5 };
        for number in 0..2 {
            let txn = tree.prepare(session, &call);
            assert_eq!(does(&mut tree, txn).0, Answer::Created(number));
        }
        let (_, changes) = does(&mut tree, Txn::Close);
        assert_eq!((changes.len(), tree.children(Place::Lock(1)).count()), (4, 0));
        assert_eq!(tree.prepare(session, &call), Txn::Refused(Refusal::SessionExpired));
        does(&mut tree, Txn::Open { timeout: 1 });
        assert!(matches!(tree.prepare(session, &call), Txn::Create { path: Path { child: Some(2), .. }, .. }));
    }

    #[test]
    fn versions_guard_and_all_of_a_multi_is_done_or_nothing() {
        let (mut tree, session) = (Tree::default(), Session(7));
        let entry = |counter, txn| Entry { zxid: Zxid { epoch: 1, counter }, session, xid: Xid(0), txn };
        tree.apply(&entry(1, Txn::Open { timeout: 1 }));
        let set = |key, version| Call::Set { path: Path::of(Place::Key(key)), data: 9, version };
        let txn = tree.prepare(session, &Call::Multi(vec![set(1, Some(0)), set(2, None)]));
        tree.apply(&entry(2, txn));
        let version = |tree: &Tree, key| tree.get(Path::of(Place::Key(key))).expect("always there").version;
        assert_eq!((version(&tree, 1), version(&tree, 2)), (1, 1));
        let refused = tree.prepare(session, &Call::Multi(vec![set(2, Some(1)), set(1, Some(0))]));
        assert_eq!(refused, Txn::Refused(Refusal::BadVersion));
    }
}
