//! What the controllers agree on: which brokers there are, which may serve, and who leads and is in sync in each
//! partition. A state machine on Raft, as KRaft's metadata log is; brokers and applications get whole images of it.

use sim_core::sorted::SortedMap;
use sim_core::{NodeId, NodeSet, StateMachine};
use std::rc::Rc;

/// A partition of a topic, by its number among all partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Partition(pub u32);

/// How many producer ids a broker gets at a time.
pub const BLOCK: u64 = 1000;

/// What the cluster promises, as far as elections depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Promises {
    /// How many must be in sync.
    pub min_isr: u32,
    /// Whether one that is not may lead.
    pub unclean: bool,
    /// Whether those are remembered who have all that is committed.
    pub eligible: bool,
    /// `bug = "stale_replica_elected"`.
    pub any_replica: bool,
    /// `bug = "old_leader_alters"`.
    pub any_epoch: bool,
}

/// How the cluster is laid out at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Layout {
    /// How many brokers.
    pub brokers: u32,
    /// How many partitions.
    pub partitions: u32,
    /// In how many copies.
    pub copies: u32,
    /// What is promised.
    pub promises: Promises,
}

/// A registration of a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Broker {
    /// Its number: the version of the image that has it first.
    pub epoch: u64,
    /// Which life of the broker it is, as the broker says.
    pub life: u64,
    /// Whether it may not serve.
    pub fenced: bool,
}

/// How a leader came to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
pub enum How {
    /// It was in sync.
    #[default]
    InSync,
    /// It has all that is committed, for not fewer than `min_isr` did when it was last in sync.
    Eligible,
    /// Everybody who was in sync has come back from an unclean shutdown: it was the last of them.
    LastKnown,
    /// It was not in sync, and nobody else could lead.
    Unclean,
}

impl How {
    /// Whether committed messages may be lost by it.
    #[must_use]
    pub const fn may_lose(self) -> bool {
        matches!(self, Self::LastKnown | Self::Unclean)
    }

    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InSync => "in sync",
            Self::Eligible => "eligible",
            Self::LastKnown => "last known",
            Self::Unclean => "unclean",
        }
    }
}

/// Who leads a partition, and who is in sync.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct State {
    /// Who has a copy, the preferred leader first.
    pub replicas: Vec<NodeId>,
    /// Who is in sync.
    #[serde(skip)]
    pub isr: NodeSet,
    /// Who is not, but has all that is committed.
    #[serde(skip)]
    pub eligible: NodeSet,
    /// Who leads.
    pub leader: Option<NodeId>,
    /// Grows with every leader.
    pub leader_epoch: u32,
    /// Grows with every change.
    pub epoch: u32,
    /// Who led last, or was the last in sync.
    pub last_known: Option<NodeId>,
    /// How the leader came to be.
    pub how: How,
    /// The epoch of the last leader that may have lost what was committed; 0 if none did.
    pub lossy: u32,
}

/// All of it at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Image {
    /// How many changes it has seen.
    pub version: u64,
    /// How the cluster is laid out; `None` before anything.
    pub layout: Option<Layout>,
    /// Who is registered.
    pub brokers: SortedMap<NodeId, Broker>,
    /// The partitions, by number.
    pub partitions: Vec<State>,
    /// Blocks of producer ids that were given out.
    pub blocks: u64,
}

impl Image {
    /// A partition.
    #[must_use]
    pub fn of(&self, partition: Partition) -> Option<&State> {
        self.partitions.get(partition.0 as usize)
    }

    /// Who leads a partition.
    #[must_use]
    pub fn leader(&self, partition: Partition) -> Option<NodeId> {
        self.of(partition)?.leader
    }

    /// Whether a broker is registered and may serve.
    #[must_use]
    pub fn serves(&self, broker: NodeId) -> bool {
        self.brokers.get(&broker).is_some_and(|broker| !broker.fenced)
    }

    /// Roughly what it weighs, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        32 + 24 * self.brokers.len() as u32 + 48 * self.partitions.len() as u32
    }

    fn promises(&self) -> Promises {
        self.layout.map_or_else(Promises::default, |layout| layout.promises)
    }

    fn begin(&mut self, layout: Layout) {
        if self.layout.is_some() {
            return;
        }
        self.layout = Some(layout);
        for partition in 0..layout.partitions {
            let replicas: Vec<NodeId> =
                (0..layout.copies).map(|copy| NodeId((partition + copy) % layout.brokers)).collect();
            let all = replicas.iter().fold(NodeSet::EMPTY, |set, node| set.with(*node));
            let serve =
                replicas.iter().filter(|node| self.serves(**node)).fold(NodeSet::EMPTY, |set, node| set.with(*node));
            let isr = if serve.is_empty() { all } else { serve };
            self.partitions.push(State {
                last_known: replicas.first().copied(),
                replicas,
                isr,
                eligible: NodeSet::EMPTY,
                leader: None,
                leader_epoch: 0,
                epoch: 0,
                how: How::InSync,
                lossy: 0,
            });
            self.settle(partition as usize, self.partitions[partition as usize].clone());
        }
    }

    /// A broker begins a life. What it had in its page cache before may be gone.
    fn register(&mut self, node: NodeId, life: u64) {
        if self.brokers.get(&node).is_some_and(|broker| broker.life == life) {
            return;
        }
        let was_there = self.brokers.contains_key(&node);
        self.brokers.insert(node, Broker { epoch: self.version, life, fenced: true });
        if was_there {
            self.leave(node, self.promises().eligible);
        }
    }

    /// A broker serves no longer: it is in sync nowhere, and leads nothing. After an unclean shutdown it is not
    /// eligible, either.
    fn leave(&mut self, node: NodeId, unclean: bool) {
        let promises = self.promises();
        for at in 0..self.partitions.len() {
            let before = self.partitions[at].clone();
            let state = &mut self.partitions[at];
            if state.isr.has(node) && (state.isr.len() > 1 || promises.eligible) {
                state.isr = state.isr.without(node);
                if state.isr.is_empty() {
                    state.last_known = Some(node);
                }
                let few = state.isr.len() < promises.min_isr as usize;
                if promises.eligible && few && !unclean {
                    state.eligible = state.eligible.with(node);
                }
            }
            if unclean {
                state.eligible = state.eligible.without(node);
            }
            if state.leader == Some(node) {
                state.leader = None;
            }
            self.settle(at, before);
        }
    }

    /// A partition without a leader gets one, if anybody can; whatever changed is counted.
    fn settle(&mut self, at: usize, before: State) {
        let promises = self.promises();
        let serves = |node: &NodeId| self.brokers.get(node).is_some_and(|broker| !broker.fenced);
        let state = &self.partitions[at];
        let mut chosen = None;
        if state.leader.is_none() {
            let up = || state.replicas.iter().copied().filter(serves);
            let last = state.isr.is_empty() && state.eligible.is_empty();
            chosen = if promises.any_replica {
                up().next().map(|node| (node, How::InSync))
            } else {
                let of = |set: NodeSet, how| up().find(|node| set.has(*node)).map(|node| (node, how));
                of(state.isr, How::InSync)
                    .or_else(|| of(state.eligible, How::Eligible))
                    .or_else(|| {
                        let known = up().find(|node| Some(*node) == state.last_known);
                        known.filter(|_| last).map(|node| (node, How::LastKnown))
                    })
                    .or_else(|| up().next().filter(|_| promises.unclean).map(|node| (node, How::Unclean)))
            };
        }
        let state = &mut self.partitions[at];
        if let Some((leader, how)) = chosen {
            (state.leader, state.how, state.last_known) = (Some(leader), how, Some(leader));
            if how != How::InSync {
                state.isr = NodeSet::one(leader);
                state.eligible = if how == How::Eligible { state.eligible.without(leader) } else { NodeSet::EMPTY };
            }
            if !state.isr.has(leader) {
                state.isr = state.isr.with(leader);
            }
        }
        if state.leader != before.leader {
            state.leader_epoch += 1;
            if state.leader.is_some() && state.how.may_lose() {
                state.lossy = state.leader_epoch;
            }
        }
        if *state != before {
            state.epoch += 1;
        }
    }

    fn fence(&mut self, node: NodeId, epoch: u64) {
        if let Some(broker) = self.brokers.get_mut(&node).filter(|broker| broker.epoch == epoch && !broker.fenced) {
            broker.fenced = true;
            self.leave(node, false);
        }
    }

    fn unfence(&mut self, node: NodeId, epoch: u64) {
        let Some(broker) = self.brokers.get_mut(&node).filter(|broker| broker.epoch == epoch && broker.fenced) else {
            return;
        };
        broker.fenced = false;
        for at in 0..self.partitions.len() {
            if self.partitions[at].leader.is_none() && self.partitions[at].replicas.contains(&node) {
                self.settle(at, self.partitions[at].clone());
            }
        }
    }

    /// A leader asks that others be in sync than were.
    fn alter(&mut self, alter: &Alter) -> Altered {
        let promises = self.promises();
        let Some(state) = self.partitions.get(alter.partition.0 as usize) else { return Altered::Refused };
        let current = state.leader == Some(alter.leader) && state.leader_epoch == alter.leader_epoch;
        if (!current || state.epoch != alter.epoch) && !promises.any_epoch {
            return Altered::Refused;
        }
        let may = |(node, epoch): &(NodeId, u64)| {
            self.brokers.get(node).is_some_and(|broker| !broker.fenced && broker.epoch == *epoch)
        };
        if !alter.isr.iter().all(may) || alter.isr.is_empty() {
            return Altered::Refused;
        }
        let before = state.clone();
        let state = &mut self.partitions[alter.partition.0 as usize];
        let isr = alter.isr.iter().fold(NodeSet::EMPTY, |set, (node, _)| set.with(*node));
        let few = isr.len() < promises.min_isr as usize;
        state.eligible = match promises.eligible && few {
            true => state.eligible.union(state.isr).minus(isr),
            false => NodeSet::EMPTY,
        };
        state.isr = isr;
        state.epoch = before.epoch + 1;
        Altered::Done { epoch: state.epoch }
    }

    /// Every partition whose preferred leader is in sync and serves is led by it.
    fn prefer(&mut self) {
        for at in 0..self.partitions.len() {
            let before = self.partitions[at].clone();
            let preferred = before.replicas[0];
            if before.leader != Some(preferred) && before.isr.has(preferred) && self.serves(preferred) {
                let state = &mut self.partitions[at];
                (state.leader, state.how, state.last_known) = (Some(preferred), How::InSync, Some(preferred));
                self.settle(at, before);
            }
        }
    }
}

/// That these are in sync from now on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Alter {
    /// Where.
    pub partition: Partition,
    /// Who says so.
    pub leader: NodeId,
    /// As the leader of this epoch.
    pub leader_epoch: u32,
    /// Of the state that it knows.
    pub epoch: u32,
    /// Who, each by its registration.
    pub isr: Vec<(NodeId, u64)>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub enum Altered {
    /// It is so.
    Done {
        /// The partition's epoch since.
        epoch: u32,
    },
    /// It is not: the asker does not lead any more, does not know the newest state, or names somebody who does not
    /// serve.
    Refused,
}

/// A change.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub enum Command {
    /// The cluster begins.
    Begin(Layout),
    /// A broker begins a life.
    Register {
        /// Which.
        node: NodeId,
        /// A number that no other life of it has.
        life: u64,
    },
    /// A broker may serve.
    Unfence {
        /// Which.
        node: NodeId,
        /// By its registration.
        epoch: u64,
    },
    /// A broker may not.
    Fence {
        /// Which.
        node: NodeId,
        /// By its registration.
        epoch: u64,
    },
    /// Others are in sync.
    Alter(Alter),
    /// A broker needs producer ids to give out.
    Block {
        /// Which.
        node: NodeId,
    },
    /// Preferred leaders lead.
    Prefer,
}

/// What a change came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub enum Answer {
    /// It is done.
    Done,
    /// To a request of a leader.
    Altered(Altered),
    /// The first of the producer ids.
    Block(u64),
}

/// The state machine: an image, shared with whoever was sent it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Metadata(pub Rc<Image>);

impl StateMachine for Metadata {
    type Command = Command;
    type Response = Answer;
    type Snapshot = Rc<Image>;

    fn start() -> Self {
        Self::default()
    }

    fn apply(&mut self, command: &Command) -> Answer {
        let image = Rc::make_mut(&mut self.0);
        image.version += 1;
        match command {
            Command::Begin(layout) => image.begin(*layout),
            Command::Register { node, life } => image.register(*node, *life),
            Command::Unfence { node, epoch } => image.unfence(*node, *epoch),
            Command::Fence { node, epoch } => image.fence(*node, *epoch),
            Command::Alter(alter) => return Answer::Altered(image.alter(alter)),
            Command::Block { .. } => {
                image.blocks += 1;
                return Answer::Block((image.blocks - 1) * BLOCK + 1);
            }
            Command::Prefer => image.prefer(),
        }
        Answer::Done
    }

    fn read(&self, _: &Command) -> Answer {
        Answer::Done
    }
    fn is_read(_: &Command) -> bool {
        false
    }
    fn snapshot(&self) -> Rc<Image> {
        Rc::clone(&self.0)
    }
    fn restore(snapshot: &Rc<Image>) -> Self {
        Self(Rc::clone(snapshot))
    }
    fn command_bytes(_: &Command) -> u32 {
        48
    }
    fn response_bytes(_: &Answer) -> u32 {
        16
    }
    fn snapshot_bytes(snapshot: &Rc<Image>) -> u64 {
        u64::from(snapshot.bytes())
    }
    fn digest(&self) -> u64 {
        sim_core::hash::content(&*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: Partition = Partition(0);

    /// Three brokers that serve, and a partition on all of them.
    fn cluster(eligible: bool, unclean: bool) -> Metadata {
        let promises = Promises { min_isr: 2, unclean, eligible, ..Promises::default() };
        let mut metadata = Metadata::start();
        for node in (0..3).map(NodeId) {
            metadata.apply(&Command::Register { node, life: 1 });
            let epoch = metadata.0.brokers[&node].epoch;
            metadata.apply(&Command::Unfence { node, epoch });
        }
        metadata.apply(&Command::Begin(Layout { brokers: 3, partitions: 1, copies: 3, promises }));
        metadata
    }

    fn fence(metadata: &mut Metadata, node: u32) {
        let epoch = metadata.0.brokers[&NodeId(node)].epoch;
        metadata.apply(&Command::Fence { node: NodeId(node), epoch });
    }

    fn back(metadata: &mut Metadata, node: u32, life: u64) {
        metadata.apply(&Command::Register { node: NodeId(node), life });
        let epoch = metadata.0.brokers[&NodeId(node)].epoch;
        metadata.apply(&Command::Unfence { node: NodeId(node), epoch });
    }

    fn state(metadata: &Metadata) -> (Option<u32>, Vec<u32>, How) {
        let state = metadata.0.of(P).expect("it is there");
        (state.leader.map(|node| node.0), state.isr.iter().map(|node| node.0).collect(), state.how)
    }

    #[test]
    fn whoever_is_in_sync_leads_next() {
        let mut metadata = cluster(true, false);
        assert_eq!(state(&metadata), (Some(0), vec![0, 1, 2], How::InSync));
        fence(&mut metadata, 0);
        assert_eq!(state(&metadata), (Some(1), vec![1, 2], How::InSync));
        assert_eq!(metadata.0.of(P).map(|state| state.leader_epoch), Some(2));
    }

    /// KIP-966: who fell out when too few were left has all that is committed, unless it restarts.
    #[test]
    fn who_is_eligible_leads_when_nobody_is_in_sync() {
        let mut metadata = cluster(true, false);
        (0..3).for_each(|node| fence(&mut metadata, node));
        assert_eq!(state(&metadata), (None, vec![], How::InSync));
        let epoch = metadata.0.brokers[&NodeId(1)].epoch;
        metadata.apply(&Command::Unfence { node: NodeId(1), epoch });
        assert_eq!(state(&metadata), (Some(1), vec![1], How::Eligible));
    }

    #[test]
    fn the_last_known_leads_when_all_have_restarted() {
        let mut metadata = cluster(true, false);
        back(&mut metadata, 0, 2);
        back(&mut metadata, 1, 2);
        assert_eq!(state(&metadata), (Some(2), vec![2], How::InSync));
        back(&mut metadata, 2, 2);
        assert_eq!(state(&metadata), (Some(2), vec![2], How::LastKnown));
        assert!(metadata.0.of(P).is_some_and(|state| state.lossy == state.leader_epoch));
    }

    #[test]
    fn a_replica_that_is_not_in_sync_leads_only_where_that_is_asked_for() {
        for unclean in [false, true] {
            let mut metadata = cluster(false, unclean);
            (0..3).for_each(|node| fence(&mut metadata, node));
            assert_eq!(state(&metadata).1, [2], "the last one stays");
            back(&mut metadata, 0, 2);
            assert_eq!(state(&metadata).0, unclean.then_some(0));
        }
    }

    #[test]
    fn only_the_leader_of_the_newest_state_says_who_is_in_sync() {
        let mut metadata = cluster(true, false);
        let of = |metadata: &Metadata, node: u32| (NodeId(node), metadata.0.brokers[&NodeId(node)].epoch);
        let (epoch, leader_epoch) = metadata.0.of(P).map(|state| (state.epoch, state.leader_epoch)).expect("there");
        let isr = vec![of(&metadata, 0), of(&metadata, 1)];
        let alter = Alter { partition: P, leader: NodeId(0), leader_epoch, epoch, isr };
        let late = Command::Alter(alter.clone());
        assert_eq!(metadata.apply(&late), Answer::Altered(Altered::Done { epoch: epoch + 1 }));
        assert_eq!(metadata.apply(&late), Answer::Altered(Altered::Refused), "of a state that is over");
        let other = Command::Alter(Alter { epoch: epoch + 1, leader: NodeId(1), ..alter.clone() });
        assert_eq!(metadata.apply(&other), Answer::Altered(Altered::Refused), "not the leader");
        back(&mut metadata, 2, 2);
        let stale = (NodeId(2), 1);
        let (epoch, isr) = (metadata.0.of(P).expect("there").epoch, vec![of(&metadata, 0), stale]);
        let other = Command::Alter(Alter { epoch, isr, ..alter });
        assert_eq!(metadata.apply(&other), Answer::Altered(Altered::Refused), "an earlier life (KIP-903)");
    }
}
