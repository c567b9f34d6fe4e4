//! The coordinator of a group: whoever leads the partition that holds its offsets. Members join and are dealt
//! partitions by one of them, are heard from, and commit how far they have come; all that must outlive the coordinator
//! is in that partition (Kafka's classic group protocol).

use super::broker::Broker;
use super::bugs::QueueBug;
use super::log::{Body, Item, Member, Offset};
use super::message::{CommitNumber, Denial, Me, QueueFact, QueueMessage, Why};
use super::metadata::Partition;
use super::node::{Fx, GROUPS};
use super::replica::For;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, Effect, LocalInstant, NodeId};
use std::rc::Rc;

/// How far a group is with a rebalance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nobody is in it.
    Empty,
    /// Members join, until all have, or until then.
    Joining(LocalInstant),
    /// One of them deals.
    Dealing(LocalInstant),
    /// Everybody has been dealt something, or nothing.
    Stable,
}

/// A member, as its coordinator knows it.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub node: NodeId,
    /// When it is out, unless it is heard from.
    until: LocalInstant,
    /// It has joined in this round: what it has, and of which generation.
    joins: Option<(Vec<u32>, u32)>,
    /// It waits to hear what it was dealt.
    waits: bool,
    pub dealt: Vec<u32>,
}

/// A group.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub generation: u32,
    pub stage: Stage,
    pub members: SortedMap<u64, Peer>,
    /// Who deals.
    leader: u64,
    pub offsets: SortedMap<u32, Offset>,
    /// Whether what was dealt is being written down.
    writing: bool,
}

/// The groups whose offsets are in one partition.
#[derive(Clone, Debug, Default)]
pub struct Desk {
    pub(super) groups: SortedMap<u32, Group>,
    /// Where the log ended that it was read from.
    read_to: Offset,
    /// Whether all of that is committed. Before, it serves nobody: what it was dealt by may be lost yet, and then the
    /// next coordinator gives the same generation to another plan. (Kafka's own answers at once.)
    open: bool,
}

impl Desk {
    /// A member that waits to hear what it was dealt, though that is settled, and its group.
    pub(super) fn untold(&self) -> Option<(u32, NodeId)> {
        let settled = self.groups.iter().filter(|(_, of)| of.stage == Stage::Stable);
        let mut waits = settled.flat_map(|(group, of)| of.members.values().map(move |peer| (*group, peer)));
        waits.find(|(_, peer)| peer.waits).map(|(group, peer)| (group, peer.node))
    }
}

impl Group {
    fn new() -> Self {
        let (members, offsets) = (SortedMap::new(), SortedMap::new());
        Self { generation: 0, stage: Stage::Empty, members, leader: 0, offsets, writing: false }
    }

    fn due(&self) -> Option<LocalInstant> {
        let stage = match self.stage {
            Stage::Joining(until) | Stage::Dealing(until) => Some(until),
            Stage::Empty | Stage::Stable => None,
        };
        let waiting = matches!(self.stage, Stage::Joining(_));
        // Who waits for an answer is not asked for a sign of life.
        let sessions = self.members.values().filter(|peer| !(waiting && peer.joins.is_some())).map(|peer| peer.until);
        sessions.chain(stage).min()
    }
}

impl Broker {
    /// It begins to lead a partition, or stops: if that holds offsets, it is the coordinator of groups, or is not.
    pub(super) fn come_or_go(&mut self, partition: Partition, fx: &mut Fx<'_>) {
        if !self.config.holds_offsets(partition) {
            return;
        }
        if let Some(desk) = self.desks.remove(&partition) {
            // Whoever waits for an answer has to look for another coordinator.
            for (group, of) in desk.groups {
                for (id, peer) in of.members.iter().filter(|(_, peer)| peer.waits || peer.joins.is_some()) {
                    let me = Me { group, id: *id, generation: of.generation };
                    fx.send(peer.node, QueueMessage::Denied { me, why: Denial::NotCoordinator });
                }
            }
        }
        let Some(replica) = self.replicas.get(&partition).filter(|replica| replica.leads().is_some()) else { return };
        let until = fx.now() + self.config.session_timeout;
        let mut desk = Desk { groups: SortedMap::new(), read_to: replica.log.end(), open: false };
        for (_, item) in replica.log.items(replica.log.start(), replica.log.end()) {
            match &item.body {
                Body::Value(_) => {}
                Body::Committed { group, partition, offset } => {
                    desk.groups.entry(*group).or_insert_with(Group::new).offsets.insert(*partition, *offset);
                }
                Body::Members { group, generation, members } => {
                    let group = desk.groups.entry(*group).or_insert_with(Group::new);
                    let peer = |member: &Member| {
                        let dealt = member.dealt.clone();
                        (member.id, Peer { node: member.node, until, joins: None, waits: false, dealt })
                    };
                    (group.generation, group.members) = (*generation, members.iter().map(peer).collect());
                    group.stage = if members.is_empty() { Stage::Empty } else { Stage::Stable };
                    group.leader = group.members.keys().next().copied().unwrap_or(0);
                }
            }
        }
        self.desks.insert(partition, desk);
        self.open_desk(partition, fx);
    }

    /// More of a partition is committed: all that its groups were read from may be by now. Members have their time from
    /// then on.
    pub(super) fn open_desk(&mut self, partition: Partition, fx: &mut Fx<'_>) {
        let Some(watermark) = self.replicas.get(&partition).map(|replica| replica.watermark) else { return };
        let Some(desk) = self.desks.get_mut(&partition).filter(|desk| !desk.open && desk.read_to <= watermark) else {
            return;
        };
        desk.open = true;
        let until = fx.now() + self.config.session_timeout;
        desk.groups.values_mut().flat_map(|group| group.members.values_mut()).for_each(|peer| peer.until = until);
        self.arm_groups(fx);
    }

    fn group(&mut self, group: u32) -> Option<&mut Group> {
        let partition = self.config.offsets_of(group);
        let desk = self.desks.get_mut(&partition).filter(|desk| desk.open)?;
        Some(desk.groups.entry(group).or_insert_with(Group::new))
    }

    /// A member says something.
    pub(super) fn on_member(&mut self, from: NodeId, message: QueueMessage, fx: &mut Fx<'_>) {
        let (QueueMessage::Join { me, .. }
        | QueueMessage::Sync { me, .. }
        | QueueMessage::Beat(me)
        | QueueMessage::Leave(me)
        | QueueMessage::Commit { me, .. }
        | QueueMessage::AskOffsets { me, .. }) = message
        else {
            return;
        };
        let denied = match message {
            QueueMessage::Join { me, owned } => self.on_join(from, me, owned, fx),
            QueueMessage::Sync { me, plan } => self.on_sync(from, me, plan, fx),
            QueueMessage::Beat(me) => self.on_beat(from, me, fx),
            QueueMessage::Leave(me) => self.on_leave(me, fx),
            QueueMessage::Commit { me, number, offsets } => {
                if let Err(why) = self.on_commit(from, me, number, &offsets, fx) {
                    fx.send(from, QueueMessage::CommitDenied { me, number, why });
                }
                Ok(())
            }
            QueueMessage::AskOffsets { me, partitions } => self.on_ask_offsets(from, me, &partitions, fx),
            _ => Ok(()),
        };
        if let Err(why) = denied {
            fx.send(from, QueueMessage::Denied { me, why });
        }
        self.arm_groups(fx);
    }

    /// Whether a member is one, and of this generation; if so, it was heard from.
    fn check(&mut self, me: Me, now: LocalInstant) -> Result<(), Denial> {
        let session = self.config.session_timeout;
        let group = self.group(me.group).ok_or(Denial::NotCoordinator)?;
        let generation = group.generation;
        let peer = group.members.get_mut(&me.id).ok_or(Denial::UnknownMember)?;
        if me.generation != generation {
            return Err(Denial::OtherGeneration);
        }
        peer.until = now + session;
        Ok(())
    }

    fn on_join(&mut self, from: NodeId, me: Me, owned: Vec<u32>, fx: &mut Fx<'_>) -> Result<(), Denial> {
        let now = fx.now();
        let (session, initial) = (self.config.session_timeout, self.config.initial_delay);
        let group = self.group(me.group).ok_or(Denial::NotCoordinator)?;
        let is_new = !group.members.contains_key(&me.id);
        if is_new && me.generation > 0 {
            // It was out for so long that nobody knows it.
            return Err(Denial::UnknownMember);
        }
        let joins = Some((owned, me.generation));
        let until = now + session;
        let peer = Peer { node: from, until, joins: None, waits: false, dealt: Vec::new() };
        let peer = group.members.entry(me.id).or_insert(peer);
        (peer.joins, peer.until, peer.waits) = (joins, until, false);
        let was_empty = group.stage == Stage::Empty;
        match group.stage {
            Stage::Joining(_) => {}
            _ => {
                let why = if is_new { Why::Joined } else { Why::Again };
                self.rebalance(me.group, if was_empty { Some(initial) } else { None }, why, fx);
            }
        }
        self.end_joining(me.group, false, fx);
        Ok(())
    }

    /// The group is dealt anew.
    fn rebalance(&mut self, group: u32, waits: Option<Duration>, why: Why, fx: &mut Fx<'_>) {
        let until = fx.now() + waits.unwrap_or(self.config.rebalance_timeout);
        let Some(of) = self.group(group) else { return };
        // Whoever waits to hear what it was dealt has to join again.
        let mut turned_away = Vec::new();
        for (id, peer) in &mut of.members {
            if core::mem::take(&mut peer.waits) {
                turned_away.push((peer.node, Me { group, id: *id, generation: of.generation }));
            }
        }
        (of.stage, of.writing) = (Stage::Joining(until), false);
        let (generation, members) = (of.generation, of.members.len() as u32);
        for (node, me) in turned_away {
            fx.send(node, QueueMessage::Denied { me, why: Denial::Rebalancing });
        }
        fx.note(QueueFact::Rebalances { group, generation, members, why });
    }

    /// All have joined, or those that have not had time enough: one of those that have deals.
    fn end_joining(&mut self, group: u32, late: bool, fx: &mut Fx<'_>) {
        let now = fx.now();
        let (session, rebalance) = (self.config.session_timeout, self.config.rebalance_timeout);
        let (initial, partition) = (self.config.initial_delay, self.config.offsets_of(group));
        let Some(of) = self.group(group) else { return };
        let Stage::Joining(until) = of.stage else { return };
        let all = of.members.values().all(|peer| peer.joins.is_some());
        // A group that begins waits for its members, whoever has come so far.
        let begins = of.generation == 0 && initial > Duration::ZERO;
        if !late && (begins || !all) {
            return;
        }
        debug_assert!(all || until <= now || late, "nobody is left behind before its time");
        let gone: Vec<(u64, NodeId)> =
            of.members.iter().filter(|(_, peer)| peer.joins.is_none()).map(|(id, peer)| (*id, peer.node)).collect();
        for (id, node) in gone {
            of.members.remove(&id);
            fx.note(QueueFact::Out { group, node });
        }
        of.generation += 1;
        let generation = of.generation;
        if of.members.is_empty() {
            of.stage = Stage::Empty;
            let body = Body::Members { group, generation, members: Rc::new([]) };
            self.write(partition, vec![item(group, body)], fx);
            fx.note(QueueFact::Settles { group, generation, members: 0 });
            return;
        }
        of.stage = Stage::Dealing(now + rebalance);
        if !of.members.contains_key(&of.leader) {
            of.leader = of.members.keys().next().copied().unwrap_or(0);
        }
        let leader = of.leader;
        let mut roll = Vec::new();
        for (id, peer) in &mut of.members {
            let (owned, known) = peer.joins.take().unwrap_or_default();
            peer.until = now + session;
            roll.push((Member { id: *id, node: peer.node, dealt: owned }, known));
        }
        let roll: Rc<[(Member, u32)]> = roll.into();
        for (id, peer) in &of.members {
            let me = Me { group, id: *id, generation };
            let deals = (*id == leader).then(|| Rc::clone(&roll));
            fx.send(peer.node, QueueMessage::Joined { me, deals });
        }
    }

    fn on_sync(&mut self, from: NodeId, me: Me, plan: Option<Rc<[Member]>>, fx: &mut Fx<'_>) -> Result<(), Denial> {
        self.check(me, fx.now())?;
        let partition = self.config.offsets_of(me.group);
        let group = self.group(me.group).ok_or(Denial::NotCoordinator)?;
        let (stage, writing) = (group.stage, group.writing);
        let Some(peer) = group.members.get_mut(&me.id) else { return Err(Denial::UnknownMember) };
        match stage {
            Stage::Joining(_) => return Err(Denial::Rebalancing),
            Stage::Stable | Stage::Empty => {
                let dealt = peer.dealt.clone();
                fx.send(from, QueueMessage::Synced { me, dealt });
                return Ok(());
            }
            Stage::Dealing(_) => peer.waits = true,
        }
        let Some(plan) = plan.filter(|_| !writing) else { return Ok(()) };
        // What was dealt is written down first: a coordinator that follows this one knows it.
        let body = Body::Members { group: me.group, generation: me.generation, members: plan };
        let Some(end) = self.write(partition, vec![item(me.group, body)], fx) else { return Err(Denial::Rebalancing) };
        if let Some(group) = self.group(me.group) {
            group.writing = true;
        }
        self.wait_for_all(partition, end, For::Plan(me.group, me.generation), fx);
        Ok(())
    }

    /// What was dealt is written down.
    pub(super) fn on_planned(&mut self, partition: Partition, group: u32, generation: u32, fx: &mut Fx<'_>) {
        let Some(replica) = self.replicas.get(&partition) else { return };
        let written =
            replica.log.items(replica.log.start(), replica.log.end()).filter_map(|(_, item)| match &item.body {
                Body::Members { group: of, generation: number, members } if (*of, *number) == (group, generation) => {
                    Some(Rc::clone(members))
                }
                _ => None,
            });
        let Some(plan) = written.last() else { return };
        let Some(of) = self.group(group).filter(|of| of.generation == generation) else { return };
        if !matches!(of.stage, Stage::Dealing(_)) {
            return;
        }
        (of.stage, of.writing) = (Stage::Stable, false);
        for (id, peer) in &mut of.members {
            let dealt = plan.iter().find(|member| member.id == *id).map(|member| member.dealt.clone());
            peer.dealt = dealt.unwrap_or_default();
            if core::mem::take(&mut peer.waits) {
                let me = Me { group, id: *id, generation };
                fx.send(peer.node, QueueMessage::Synced { me, dealt: peer.dealt.clone() });
            }
        }
        let members = of.members.len() as u32;
        fx.note(QueueFact::Settles { group, generation, members });
        self.arm_groups(fx);
    }

    fn on_beat(&mut self, from: NodeId, me: Me, fx: &mut Fx<'_>) -> Result<(), Denial> {
        self.check(me, fx.now())?;
        let silent = self.config.has(QueueBug::RebalanceNeverEnds);
        let group = self.group(me.group).ok_or(Denial::NotCoordinator)?;
        if matches!(group.stage, Stage::Joining(_)) && !silent {
            return Err(Denial::Rebalancing);
        }
        fx.send(from, QueueMessage::Beaten(me));
        Ok(())
    }

    fn on_leave(&mut self, me: Me, fx: &mut Fx<'_>) -> Result<(), Denial> {
        let group = self.group(me.group).ok_or(Denial::NotCoordinator)?;
        if let Some(peer) = group.members.remove(&me.id) {
            fx.note(QueueFact::Out { group: me.group, node: peer.node });
            self.someone_left(me.group, fx);
        }
        Ok(())
    }

    fn someone_left(&mut self, group: u32, fx: &mut Fx<'_>) {
        let stage = self.group(group).map(|of| of.stage);
        if let Some(Stage::Stable | Stage::Dealing(_)) = stage {
            self.rebalance(group, None, Why::Left, fx);
        }
        self.end_joining(group, false, fx);
    }

    fn on_commit(
        &mut self,
        from: NodeId,
        me: Me,
        number: CommitNumber,
        offsets: &[(u32, Offset)],
        fx: &mut Fx<'_>,
    ) -> Result<(), Denial> {
        let partition = self.config.offsets_of(me.group);
        let zombies = self.config.has(QueueBug::ZombieCommits);
        let early = self.config.has(QueueBug::OffsetsNotReplicated);
        match self.check(me, fx.now()) {
            Err(Denial::UnknownMember | Denial::OtherGeneration) if zombies => {}
            checked => checked?,
        }
        let group = self.group(me.group).ok_or(Denial::NotCoordinator)?;
        if matches!(group.stage, Stage::Dealing(_)) && !zombies {
            return Err(Denial::Rebalancing);
        }
        let committed = |(of, offset): &(u32, Offset)| {
            item(me.group, Body::Committed { group: me.group, partition: *of, offset: *offset })
        };
        let items = offsets.iter().map(committed).collect();
        let Some(end) = self.write(partition, items, fx) else { return Err(Denial::NotCoordinator) };
        if let Some(group) = self.group(me.group) {
            group.offsets.extend(offsets.iter().copied());
        }
        if early {
            self.on_committed((from, me.group, me.generation, me.id), number, end, fx);
        } else {
            self.wait_for_all(partition, end, For::Commit(from, me.group, me.generation, me.id, number), fx);
        }
        Ok(())
    }

    pub(super) fn on_committed(
        &self,
        (node, group, generation, id): (NodeId, u32, u32, u64),
        number: CommitNumber,
        end: Offset,
        fx: &mut Fx<'_>,
    ) {
        let message = QueueMessage::Committed { me: Me { group, id, generation }, number };
        self.acknowledge(self.config.offsets_of(group), end, true, Effect::Send { to: node, message }, fx);
    }

    fn on_ask_offsets(&mut self, from: NodeId, me: Me, partitions: &[u32], fx: &mut Fx<'_>) -> Result<(), Denial> {
        let group = self.group(me.group).ok_or(Denial::NotCoordinator)?;
        let offsets = partitions.iter().map(|partition| (*partition, group.offsets.get(partition).copied())).collect();
        fx.send(from, QueueMessage::Offsets { me, offsets });
        Ok(())
    }

    /// Members that were silent for too long are out; rebalances that last for too long go on without the late.
    pub(super) fn on_groups_timer(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let all: Vec<u32> = self.desks.values().flat_map(|desk| desk.groups.keys().copied()).collect();
        for group in all {
            let Some(of) = self.group(group) else { continue };
            let stage = of.stage;
            let waiting = matches!(stage, Stage::Joining(_));
            let silent = |peer: &Peer| peer.until <= now && !(waiting && peer.joins.is_some());
            let out: Vec<(u64, NodeId)> =
                of.members.iter().filter(|(_, peer)| silent(peer)).map(|(id, peer)| (*id, peer.node)).collect();
            for (id, node) in &out {
                of.members.remove(id);
                fx.note(QueueFact::Out { group, node: *node });
            }
            match stage {
                Stage::Joining(until) if until <= now => self.end_joining(group, true, fx),
                Stage::Dealing(until) if until <= now => self.rebalance(group, None, Why::Left, fx),
                _ if !out.is_empty() => self.someone_left(group, fx),
                _ => {}
            }
        }
        self.arm_groups(fx);
    }

    fn arm_groups(&self, fx: &mut Fx<'_>) {
        let groups = self.desks.values().filter(|desk| desk.open).flat_map(|desk| desk.groups.values());
        match groups.filter_map(Group::due).min() {
            Some(due) => fx.arm(GROUPS, Duration(due.0.saturating_sub(fx.now().0).max(1))),
            None => fx.disarm(GROUPS),
        }
    }
}

/// A message for the partition that holds a group's offsets.
const fn item(group: u32, body: Body) -> Item {
    Item { offset: 0, key: group as u64, bytes: 24, body }
}
