//! What a run went through, in features: short hashes of what happened to whom, in which state of the cluster.
//!
//! A search for rare runs needs to know what is rare. A feature says little of a run, so that many runs have it; which
//! features a run has, and when each of them first came, says where it went that others did not go. What a role is
//! called and how high it ranks ([`sim_core::Role`]: the term, the ballot) is all that is known of a protocol here.

use super::meeting::{Meeting, Meetings};
use crate::Scenario;
use sim_core::hash;
use sim_core::sorted::SortedMap;
use sim_core::{Drop, Duration, Fact, Instant, Kind, Message, Node, NodeId, Observed, Outcome, Parcel, Peer};

/// What a feature is about. A search that serves each family alike is not lost in the one that has most features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// What was delivered or dropped: to a node of which role, how far behind the ranks of sender and receiver.
    Mail,
    /// What a node announced, in which role, under which faults.
    Fact,
    /// What a node announced or became after what.
    Step,
    /// The roles and ranks of all nodes, whoever has which.
    Shape,
    /// For how long most were not answered.
    Stall,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Mail, Self::Fact, Self::Step, Self::Shape, Self::Stall];

    /// That of a feature.
    #[must_use]
    pub const fn of(feature: u64) -> Self {
        Self::ALL[(feature & 7) as usize]
    }

    /// The feature of this family with this hash, or nearly.
    pub(crate) const fn feature(self, hash: u64) -> u64 {
        hash & !7 | self as u64
    }
}

/// A node counts as just booted for so many inputs.
const FRESH: u32 = 16;
/// Ranks further apart than this are all alike.
const FAR: u64 = 3;
/// The shape of larger clusters says too much to come twice.
const LARGEST: usize = 12;
/// Most were not answered for so long: the first level; each further one takes half as long again, or a third.
const FIRST_STALL: u64 = 1 << 24;

/// What is known of a node.
#[derive(Clone, Debug, Default)]
struct At {
    role: u8,
    rank: u64,
    up: bool,
    /// Inputs since it booted, up to [`FRESH`].
    inputs: u32,
    /// The faults that hit it now, by [`Meetings::fault`], a bit each.
    faults: u16,
    /// Those that took it down: they stay with it until it is no longer fresh.
    felled: u16,
    /// What it announced or became last.
    last: u64,
    /// Its messages so far.
    sent: u32,
    /// From which message on it had which rank.
    ranks: Vec<(u32, u64)>,
}

/// Whether operations of one class are answered.
#[derive(Clone, Copy, Debug)]
struct Service {
    /// How the newest of them ended, a bit each: most were answered if most bits are set.
    ends: u8,
    /// When most were answered last.
    since: Instant,
    /// How many levels of waiting have passed since.
    level: u32,
}

/// What a run went through.
#[derive(Clone, Debug)]
pub struct Coverage {
    first: SortedMap<u64, (Instant, u32)>,
    meetings: Meetings,
    nodes: Vec<At>,
    /// Of writes, and of reads.
    service: [Service; 2],
    /// Nobody need be answered after this.
    until: Instant,
}

impl Coverage {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            first: SortedMap::new(),
            meetings: Meetings::default(),
            nodes: vec![At::default(); scenario.cluster.nodes()],
            service: [Service { ends: u8::MAX, since: Instant::ZERO, level: 0 }; 2],
            until: scenario.heal_at() + Duration(scenario.settle.0 / 2),
        }
    }

    /// Its features and when each came first, in order of the features.
    pub fn features(&self) -> impl Iterator<Item = (u64, Instant)> {
        self.first.iter().map(|(feature, (at, _))| (*feature, *at))
    }

    /// Which faults met what.
    pub fn meetings(&self) -> impl Iterator<Item = Meeting> {
        self.meetings.iter()
    }

    fn add(&mut self, at: Instant, family: Family, words: &[u64]) {
        let feature = family.feature(hash::of(words));
        let (_, count) = self.first.entry(feature).or_insert((at, 0));
        *count += 1;
        // How often it came matters by order of magnitude.
        if matches!(family, Family::Mail | Family::Fact)
            && *count > 1
            && count.is_power_of_two()
            && count.trailing_zeros() % 2 == 0
        {
            let often = hash::of(&[feature, u64::from(*count)]);
            self.first.entry(family.feature(often)).or_insert((at, 0));
        }
    }

    /// Something happened.
    #[inline(never)]
    pub(super) fn see<N: Node>(&mut self, at: Instant, what: &Observed<'_, N>) {
        self.wait(at);
        match *what {
            Observed::Sent { from, number, .. } => self.nodes[from.index()].sent = number,
            Observed::Delivered { from, to, number, message } => {
                let kind = message.kind();
                let age = self.age(from, number, to);
                let node = &self.nodes[to.index()];
                let (role, fresh) = (node.role, node.inputs < FRESH);
                let word = self.meetings.word(role);
                self.add(at, Family::Mail, &[1, kind.index.into(), word, age, fresh.into()]);
                self.meet(to, false, kind);
            }
            Observed::Dropped { from, to: Peer::Node(to), what: Parcel::Message(kind, _), why }
                if why != Drop::Loss =>
            {
                let role = self.nodes[to.index()].role;
                let sender = if let Peer::Node(from) = from { self.nodes[from.index()].role } else { 0 };
                let words = [2, kind.index.into(), self.meetings.word(role), self.meetings.word(sender), why as u64];
                self.add(at, Family::Mail, &words);
            }
            Observed::Noted { node: id, fact } => {
                let kind = fact.kind();
                let node = &self.nodes[id.index()];
                let (role, fresh) = (self.meetings.word(node.role), node.inputs < FRESH);
                let faults = self.meetings.words(node.faults | node.felled);
                self.add(at, Family::Fact, &[kind.index.into(), role, faults, fresh.into()]);
                self.step(at, id, hash::of(&[3, kind.index.into()]));
                self.meet(id, true, kind);
            }
            Observed::Crashed { node, halted, .. } => {
                let state = &mut self.nodes[node.index()];
                (state.up, state.felled) = (false, state.faults);
                self.step(at, node, hash::of(&[4, halted.is_some().into()]));
                self.shape(at);
            }
            Observed::Booted { node, records } => {
                let state = &mut self.nodes[node.index()];
                (state.up, state.inputs) = (true, 0);
                self.step(at, node, hash::of(&[5, (records > 0).into()]));
            }
            Observed::Paused { node, paused } => self.step(at, node, hash::of(&[6, paused.into()])),
            Observed::FaultStarted { injection, resolved, .. } => {
                let bit = self.meetings.fault(injection.fault.kind());
                resolved.iter().for_each(|node| self.nodes[node.index()].faults |= bit);
            }
            Observed::FaultEnded { injection, .. } => {
                // Of two of one kind that overlap, the first to end ends both: that is near enough.
                let bit = self.meetings.fault(injection.fault.kind());
                self.nodes.iter_mut().for_each(|node| node.faults &= !bit);
            }
            Observed::Returned { request, outcome, .. } => {
                let service = &mut self.service[usize::from(N::is_read(request))];
                service.ends = service.ends << 1 | u8::from(matches!(outcome, Outcome::Ok(_)));
                if service.ends.count_ones() >= u8::BITS / 2 {
                    (service.since, service.level) = (at, 0);
                }
            }
            _ => {}
        }
    }

    /// A node has handled an input.
    #[inline(never)]
    pub(super) fn stepped<N: Node>(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<N>]) {
        let Some(node) = &nodes[stepped.index()] else { return };
        let role = node.role();
        let index = self.meetings.role(role.name);
        let state = &mut self.nodes[stepped.index()];
        let before = (state.role, state.rank);
        state.inputs = state.inputs.saturating_add(1);
        if state.inputs == FRESH {
            state.felled = 0;
        }
        if (index, role.rank) == before && state.inputs > 1 {
            return;
        }
        (state.role, state.rank) = (index, role.rank);
        if role.rank != before.1 {
            // What it has sent in this very step has the new rank, or nearly always.
            state.ranks.push((state.sent, role.rank));
        }
        let higher = role.rank.saturating_sub(before.1).min(2);
        self.step(at, stepped, hash::of(&[7, self.meetings.word(before.0), self.meetings.word(index), higher]));
        self.shape(at);
    }

    /// How old a message is: by how much its sender's rank, when it sent it, lies behind that of its receiver now; and
    /// whether the sender has gone on since.
    fn age(&self, from: NodeId, number: u32, to: NodeId) -> u64 {
        let (sender, receiver) = (&self.nodes[from.index()], &self.nodes[to.index()]);
        let place = sender.ranks.partition_point(|(first, _)| *first <= number);
        let sent = place.checked_sub(1).map_or(0, |i| sender.ranks[i].1);
        let behind = receiver.rank.saturating_sub(sent).min(FAR);
        let ahead = sent.saturating_sub(receiver.rank).min(1);
        behind | ahead << 8 | u64::from(sender.rank != sent) << 16
    }

    fn step(&mut self, at: Instant, node: NodeId, what: u64) {
        let state = &mut self.nodes[node.index()];
        let before = std::mem::replace(&mut state.last, what);
        let role = self.meetings.word(state.role);
        self.add(at, Family::Step, &[before, what, role]);
    }

    /// The roles and ranks of all nodes: who has which does not matter.
    fn shape(&mut self, at: Instant) {
        if self.nodes.len() > LARGEST {
            return;
        }
        let shape = self.shape_now();
        self.add(at, Family::Shape, &[8, shape]);
    }

    fn shape_now(&self) -> u64 {
        let highest = self.nodes.iter().filter(|node| node.up).map(|node| node.rank).max().unwrap_or(0);
        let of = |node: &At| match node.up {
            true => hash::of(&[self.meetings.word(node.role), (highest - node.rank).min(FAR)]),
            false => 0,
        };
        let mut all: Vec<u64> = self.nodes.iter().map(of).collect();
        all.sort_unstable();
        hash::of(&all)
    }

    /// Most were not answered for another while, if that is so.
    fn wait(&mut self, at: Instant) {
        for class in 0..self.service.len() {
            let Service { since, level, .. } = self.service[class];
            if at.since(since).0 < threshold(level) || at > self.until {
                continue;
            }
            self.service[class].level += 1;
            self.add(at, Family::Stall, &[9, class as u64, level.into()]);
            if level > 2 && self.nodes.len() <= LARGEST {
                let shape = self.shape_now();
                self.add(at, Family::Shape, &[10, class as u64, level.into(), shape]);
            }
        }
    }

    fn meet(&mut self, node: NodeId, fact: bool, kind: Kind) {
        let node = &self.nodes[node.index()];
        self.meetings.meet(node.faults | node.felled, node.role, fact, kind);
    }
}

/// How long most have not been answered at this level: powers of two, and the middle between each two.
const fn threshold(level: u32) -> u64 {
    let power = FIRST_STALL << if level > 80 { 40 } else { level / 2 };
    if level.is_multiple_of(2) { power } else { power / 2 * 3 }
}
