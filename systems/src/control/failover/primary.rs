//! What a primary does: takes requests, sends its log, counts who has it, acknowledges, and knows when it must stop.

use super::FailoverBug;
use super::arbiter::Petition;
use super::log::{Entry, Payload, Position};
use super::message::{FailoverFact, FailoverMessage, SetVersion};
use super::node::{BALLOT, Failover, Fx, HEARTBEAT, Stage, WATCH};
use super::options::{Arbiter, Mode};
use crate::shared::kv::{Kv, KvCommand};
use crate::shared::replication::{Stamp, Standing};
use sim_core::{LocalInstant, NodeId, NodeSet, StateMachine, Ticket};
use std::collections::VecDeque;

/// What a primary knows about another node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    /// Whether it knows where the two logs part.
    pub joined: bool,
    /// The last entry on its disk.
    pub durable: u64,
    /// The next entry to send.
    pub next: u64,
    /// When sending last began again from an earlier entry.
    pub rewound: LocalInstant,
    /// When the newest heartbeat was sent that it has answered.
    pub confirmed: Option<LocalInstant>,
    /// It had everything then.
    pub caught_up: LocalInstant,
    /// Once it has the first, it had everything at the second.
    mark: (u64, LocalInstant),
    /// Since when it has been heard from and had everything without a break.
    pub sound_since: Option<LocalInstant>,
}

/// A change of those in sync that the arbiter has not confirmed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub nodes: NodeSet,
    pub version: SetVersion,
    /// Who has written it down.
    pub written: NodeSet,
    /// Where it ends on the primary's own disk.
    pub upto: u64,
}

/// A hand-over under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct HandOver {
    pub to: NodeId,
    pub since: LocalInstant,
}

/// What only a primary has.
#[derive(Clone, Debug)]
pub(super) struct Lead {
    /// Since when.
    pub since: LocalInstant,
    /// Whether it has the journal, if the storage is shared.
    pub mounted: bool,
    /// Its first entry.
    pub start: u64,
    /// Whether that is committed.
    pub serving: bool,
    acked: bool,
    /// When it asked the arbiter to go on, the last time that was granted.
    pub renewed: LocalInstant,
    pub peers: Vec<Peer>,
    /// Requests that wait until it serves, or for the end of a hand-over.
    parked: VecDeque<(Ticket, KvCommand)>,
    /// Those in sync, as confirmed by the arbiter.
    pub in_sync: NodeSet,
    pub version: SetVersion,
    /// Whether the arbiter has confirmed any of this epoch.
    pub recorded: bool,
    pub change: Option<Change>,
    pub handing: Option<HandOver>,
}

impl Failover {
    /// Whether it is the primary of this epoch.
    pub(super) fn leads_in(&self, epoch: u64) -> bool {
        self.lead.is_some() && self.epoch == epoch
    }

    /// Becomes the primary: `supporters` were asked at `asked`.
    pub(super) fn begin_to_lead(
        &mut self,
        supporters: NodeSet,
        asked: LocalInstant,
        planned: bool,
        in_sync: NodeSet,
        fx: &mut Fx<'_>,
    ) {
        let (now, me, before) = (fx.now(), self.me, self.primary);
        fx.note(FailoverFact::Decided { epoch: self.epoch, supporters, planned });
        self.stage = Stage::Primary;
        self.ballot = None;
        self.primary = Some(me);
        self.directory.learned(me, now);
        self.changed = Some(now);
        self.joined = false;
        self.suspects = false;
        fx.disarm(WATCH);
        fx.disarm(BALLOT);
        let peer = |node: NodeId| Peer {
            joined: false,
            durable: 0,
            next: 0,
            rewound: now,
            confirmed: (supporters.has(node) && node != me).then_some(asked),
            caught_up: now,
            mark: (0, now),
            sound_since: None,
        };
        self.lead = Some(Box::new(Lead {
            since: now,
            mounted: !self.config.is_shared(),
            start: if self.config.is_shared() { u64::MAX } else { self.log.last() + 1 },
            serving: false,
            acked: false,
            renewed: asked,
            peers: sim_core::node_ids(self.config.nodes as usize).map(peer).collect(),
            parked: VecDeque::new(),
            in_sync,
            version: SetVersion(0),
            recorded: false,
            change: None,
            handing: None,
        }));
        if self.config.is_shared() {
            self.mount(fx);
        } else {
            self.append([Entry::new(self.epoch, Payload::Start)].into(), fx);
        }
        if self.config.mode == Mode::Sync {
            // A primary that was given up is not in sync any more; one that handed over is.
            let gone = before.filter(|_| !planned).map_or(NodeSet::EMPTY, NodeSet::one).without(me);
            self.propose_in_sync(in_sync.minus(gone), fx);
        }
        self.beat(fx);
    }

    /// Stops to lead. Whoever waits for a write stays without an answer: it may yet count, or not.
    pub(super) fn step_down(&mut self, why: &'static str, successor: Option<NodeId>, fx: &mut Fx<'_>) {
        let Some(lead) = self.lead.take() else { return };
        fx.note(FailoverFact::SteppedDown { epoch: self.epoch, why });
        for (ticket, _) in lead.parked {
            fx.redirect(ticket, successor);
        }
        self.waiters.clear();
        self.stage = Stage::Backup;
        self.primary = None;
        self.joined = false;
        fx.disarm(HEARTBEAT);
        self.await_primary(fx);
    }

    /// Whether nobody else can lead now, as far as it knows: enough of the others have confirmed that they hear it.
    pub(super) fn holds(&self, now: LocalInstant) -> bool {
        let Some(lead) = &self.lead else { return false };
        if !self.config.excludes() {
            return true;
        }
        let held = self.config.lease_held();
        if self.config.arbiter == Arbiter::Quorum {
            return now.since(lead.renewed) < held;
        }
        let fresh = |node: &NodeId| lead.peers[node.index()].confirmed.is_some_and(|at| now.since(at) < held);
        let others = self.config.voters().without(self.me);
        others.iter().filter(fresh).count() + 1 >= self.config.majority()
    }

    /// Makes sure that it may still lead; steps down if not.
    pub(super) fn confirm(&mut self, fx: &mut Fx<'_>) -> bool {
        let holds = self.holds(fx.now());
        if !holds {
            self.step_down("its lease has run out", None, fx);
        }
        holds
    }

    /// Sends a heartbeat to everybody.
    fn beat(&mut self, fx: &mut Fx<'_>) {
        let (epoch, committed, sent) = (self.epoch, self.committed, fx.now());
        let storage = self.config.storage_node().map_or(NodeSet::EMPTY, NodeSet::one);
        for node in self.config.listeners().union(storage).without(self.me).iter() {
            self.answer(node, FailoverMessage::Heartbeat { epoch, committed, sent }, fx);
        }
        fx.arm(HEARTBEAT, self.config.heartbeat);
    }

    /// Asks the arbiter to go on, unless it is asked something already.
    fn renew(&mut self, fx: &mut Fx<'_>) {
        if self.config.arbiter == Arbiter::Quorum && self.asked.is_none() {
            self.petition(Petition::Renew { epoch: self.epoch }, fx);
        }
    }

    /// It is time for a heartbeat.
    pub(super) fn on_tick(&mut self, fx: &mut Fx<'_>) {
        if !self.confirm(fx) {
            return;
        }
        self.beat(fx);
        self.mount(fx);
        self.renew(fx);
        self.look_after_in_sync(fx);
        self.look_after_hand_over(fx);
    }

    /// A client asks something.
    pub(super) fn serve(&mut self, ticket: Ticket, request: KvCommand, fx: &mut Fx<'_>) {
        let now = fx.now();
        let reads = Kv::is_read(&request);
        if reads && self.config.backup_reads && self.lead.is_none() && self.holds_data() {
            return self.read(ticket, &request, fx);
        }
        let asked = self.directory.asked(ticket.client, &self.config, now);
        if self.lead.is_none() || asked != Some(self.me) {
            // A replica of Redis says no more than that it is one.
            return fx.redirect(ticket, asked.filter(|node| *node != self.me && !self.config.has_sentinels()));
        }
        if !self.confirm(fx) {
            return fx.refuse(ticket);
        }
        let Some(lead) = &mut self.lead else { return };
        if lead.handing.is_some() || (reads || self.config.is_shared()) && !lead.serving {
            lead.parked.push_back((ticket, request));
        } else if reads {
            self.read(ticket, &request, fx);
        } else {
            self.accept(ticket, request, fx);
        }
    }

    fn read(&self, ticket: Ticket, request: &KvCommand, fx: &mut Fx<'_>) {
        let entry = self.applied_position();
        let primary = self.lead.is_some();
        fx.note(FailoverFact::ReadServed { entry, primary, client: ticket.client, op: ticket.op });
        fx.reply(ticket, self.state.machine().read(request));
    }

    /// The last entry it has applied.
    pub(super) fn applied_position(&self) -> Position {
        Position { epoch: self.log.epoch_at(self.applied).unwrap_or(0), offset: self.applied }
    }

    /// Takes a write into the log.
    fn accept(&mut self, ticket: Ticket, command: KvCommand, fx: &mut Fx<'_>) {
        let stamp = Stamp::from(ticket);
        match self.state.standing(stamp) {
            Standing::Done(response) => {
                let (entry, key) = (self.applied_position(), command.key());
                self.note_ack(entry, ticket, key, fx);
                return fx.reply(ticket, response);
            }
            Standing::Expired => return fx.refuse(ticket),
            Standing::New => {}
        }
        let Some(lead) = &self.lead else { return };
        if self.config.mode == Mode::Sync && lead.in_sync.len() < self.config.min_in_sync as usize {
            return fx.refuse(ticket);
        }
        self.append([Entry::new(self.epoch, Payload::Write { stamp, command })].into(), fx);
        self.waiters.push_back((self.log.last(), ticket));
        for node in self.copies().iter() {
            self.push(node, fx);
        }
    }

    fn note_ack(&mut self, entry: Position, ticket: Ticket, key: u64, fx: &mut Fx<'_>) {
        let epoch = self.epoch;
        if let Some(lead) = &mut self.lead
            && !core::mem::replace(&mut lead.acked, true)
        {
            fx.note(FailoverFact::FirstAck { epoch });
        }
        fx.note(FailoverFact::Acknowledged { entry, epoch, client: ticket.client, op: ticket.op, key });
    }

    /// Sends a backup what it lacks.
    pub(super) fn push(&mut self, to: NodeId, fx: &mut Fx<'_>) {
        let Some(lead) = &mut self.lead else { return };
        let peer = &mut lead.peers[to.index()];
        if !peer.joined {
            return;
        }
        if peer.next <= self.log.base() {
            return self.install(to, fx);
        }
        // A primary that may go on in the same epoch after a restart sends nothing that it might have forgotten then.
        let restarts = self.config.has_sentinels();
        let (end, most) = (if restarts { self.tail.durable() } else { self.log.last() }, self.config.max_batch);
        while peer.next <= end {
            let most = most.min(u32::try_from(end - peer.next + 1).unwrap_or(most));
            let entries = self.log.part(peer.next, most);
            let previous = peer.next - 1;
            peer.next += entries.len() as u64;
            fx.send(to, FailoverMessage::Replicate { epoch: self.epoch, previous, committed: self.committed, entries });
        }
    }

    /// Sends a backup the state, because what it lacks of the log is forgotten.
    fn install(&mut self, to: NodeId, fx: &mut Fx<'_>) {
        let Some(snapshot) = self.snapshot.clone() else { return };
        if let Some(lead) = &mut self.lead {
            lead.peers[to.index()].next = snapshot.offset + 1;
        }
        fx.send(to, FailoverMessage::Install { epoch: self.epoch, snapshot });
    }

    /// A backup asks where its log and this one part.
    pub(super) fn on_join(&mut self, from: NodeId, asked: Position, fx: &mut Fx<'_>) {
        let end = self.log.end_of(asked.epoch);
        if end.offset.min(asked.offset) < self.log.base() {
            return self.install(from, fx);
        }
        fx.send(from, FailoverMessage::Joined { epoch: self.epoch, asked, end });
    }

    /// A node hears it.
    pub(super) fn on_alive(
        &mut self,
        from: NodeId,
        sent: LocalInstant,
        last: Option<u64>,
        durable: u64,
        fx: &mut Fx<'_>,
    ) {
        let Some(lead) = &mut self.lead else { return };
        let peer = &mut lead.peers[from.index()];
        peer.confirmed = peer.confirmed.max(Some(sent));
        match last {
            Some(last) => self.on_stored(from, durable, last, fx),
            None => peer.sound_since = None,
        }
    }

    /// A backup's log has got so far.
    pub(super) fn on_stored(&mut self, from: NodeId, durable: u64, last: u64, fx: &mut Fx<'_>) {
        let (now, end) = (fx.now(), self.log.last());
        let Some(lead) = self.lead.as_mut().filter(|lead| lead.mounted) else { return };
        let peer = &mut lead.peers[from.index()];
        if !peer.joined {
            (peer.joined, peer.next) = (true, last + 1);
        } else if last + 1 < peer.next && now.since(peer.rewound) >= self.config.heartbeat {
            // Something was lost on the way.
            (peer.next, peer.rewound) = (last + 1, now);
        }
        peer.durable = peer.durable.max(durable);
        if peer.durable >= peer.mark.0 {
            peer.caught_up = peer.mark.1;
            peer.mark = (end, now);
        }
        let may_return = self.config.mode == Mode::Sync && lead.change.is_none() && !lead.in_sync.has(from);
        self.push(from, fx);
        if may_return && durable >= self.committed {
            self.look_after_in_sync(fx);
        }
        self.advance(fx);
    }

    /// The last entry that enough nodes have on disk.
    fn stored_by_enough(&self) -> u64 {
        let Some(lead) = &self.lead else { return 0 };
        let own = self.tail.durable();
        let others = self.config.data_nodes().without(self.me);
        let of =
            |node: NodeId| Some(&lead.peers[node.index()]).filter(|peer| peer.joined).map_or(0, |peer| peer.durable);
        if let Some(storage) = self.config.storage_node() {
            return of(storage);
        }
        match self.config.mode {
            Mode::Async => own,
            Mode::SemiSync => {
                let acks = if self.config.has(FailoverBug::AckBeforeReplication) { 0 } else { self.config.acks };
                let mut stored: Vec<u64> = others.iter().map(of).collect();
                stored.sort_unstable_by(|a, b| b.cmp(a));
                let kth = (acks as usize).checked_sub(1).map_or(own, |at| stored.get(at).copied().unwrap_or(0));
                own.min(kth)
            }
            Mode::Sync if !lead.recorded => 0,
            Mode::Sync => {
                let wanted = lead.change.map_or(NodeSet::EMPTY, |change| change.nodes);
                lead.in_sync.union(wanted).common(others).iter().map(of).fold(own, u64::min)
            }
        }
    }

    /// Commits what enough nodes have, applies it, and tells who waits for it.
    pub(super) fn advance(&mut self, fx: &mut Fx<'_>) {
        let upto = self.stored_by_enough();
        // Entries of earlier epochs count only once one of this epoch does (Raft paper, figure 8).
        if upto <= self.committed || self.lead.as_ref().is_none_or(|lead| upto < lead.start) || !self.confirm(fx) {
            return;
        }
        self.committed = upto;
        self.apply(fx);
        self.look_after_hand_over(fx);
    }

    /// Applies what is committed.
    pub(super) fn apply(&mut self, fx: &mut Fx<'_>) {
        let upto = self.committed.min(self.log.last());
        if self.applied >= upto {
            return;
        }
        while self.applied < upto {
            self.apply_one(Some(fx));
        }
        let (entry, digest) = (self.applied_position(), self.state.digest());
        if let Some(chain) = self.log.chain_at(self.applied) {
            fx.note(FailoverFact::Applied { entry, chain, digest });
        }
        self.take_snapshot(fx);
    }

    /// Applies the next entry. Without `fx` nobody is told, because the node only builds its state anew.
    pub(super) fn apply_one(&mut self, fx: Option<&mut Fx<'_>>) {
        let offset = self.applied + 1;
        let entry = self.log.get(offset).expect("what is committed and not applied is in the log").clone();
        self.applied = offset;
        let (stamp, command) = match &entry.payload {
            Payload::Start => {
                if let Some(fx) = fx {
                    self.begin_to_serve(offset, fx);
                }
                return;
            }
            Payload::Write { stamp, command } => (*stamp, command),
        };
        let (response, fresh) = self.state.apply(stamp, command, true);
        let (Some(fx), true) = (fx, self.lead.is_some()) else { return };
        let entry = Position { epoch: entry.epoch, offset };
        fx.note(FailoverFact::Executed { entry, client: stamp.client, op: stamp.op, fresh });
        while let Some((_, ticket)) = crate::shared::replication::pop_if(&mut self.waiters, |(at, _)| *at <= offset) {
            match &response {
                Some(response) => {
                    self.note_ack(entry, ticket, command.key(), fx);
                    fx.reply(ticket, response.clone());
                }
                None => fx.refuse(ticket),
            }
        }
    }

    /// Its first entry is committed, and so all before: it knows what is true.
    fn begin_to_serve(&mut self, offset: u64, fx: &mut Fx<'_>) {
        let Some(lead) = self.lead.as_mut().filter(|lead| lead.start == offset) else { return };
        lead.serving = true;
        let parked = core::mem::take(&mut lead.parked);
        fx.note(FailoverFact::Promoted { epoch: self.epoch });
        for (ticket, request) in parked {
            self.serve(ticket, request, fx);
        }
    }

    /// Serves those who waited for a hand-over that did not happen.
    pub(super) fn unpark(&mut self, fx: &mut Fx<'_>) {
        let Some(lead) = &mut self.lead else { return };
        for (ticket, request) in core::mem::take(&mut lead.parked) {
            self.serve(ticket, request, fx);
        }
    }
}
