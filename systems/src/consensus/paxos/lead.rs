//! The leader: proposals, batches, and which acceptors have accepted them (phase 2, Paxos Made Simple, section 3; the
//! commanders of Paxos Made Moderately Complex).

use super::ballot::Ballot;
use super::bugs::PaxosBug;
use super::log::{Entry, Log, Run, Slice};
use super::message::{Life, PaxosFact, PaxosMessage};
use super::node::{Fx, HEARTBEAT, Paxos};
use super::quorum::Tally;
use super::read::Reads;
use super::reconfigure::Change;
use super::rejoin::Lives;
use crate::shared::replication::{LeaderDisk, ReadRound, Stamp, Standing, pop_if};
use sim_core::{LocalInstant, NodeId, NodeSet, StateMachine, Ticket};
use std::collections::VecDeque;

/// Some consecutive slots whose values were proposed together.
#[derive(Clone, Debug)]
struct Proposal<C> {
    run: Run<C>,
    accepted: Tally,
    chosen: bool,
    /// When it was last sent, on the leader's clock.
    sent: LocalInstant,
}

/// What the leader knows about another replica.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peer {
    /// Whether it was heard from since the leader last counted.
    pub(super) active: bool,
    /// The newest read round it has confirmed.
    pub(super) round: ReadRound,
    /// Up to where it knows everything chosen, as it said last, if it has said so.
    pub(super) commit: Option<u64>,
}

/// What a node knows only while it leads.
#[derive(Clone, Debug)]
pub struct Lead<M: StateMachine> {
    /// The ballot it leads.
    pub(super) ballot: Ballot,
    /// The slots up to here were chosen before it was elected: it only has to learn them.
    pub(super) chosen: u64,
    /// The first slot of its own: those between were open when it was elected.
    pub(super) first: u64,
    /// What was accepted in those.
    pub(super) adopted: Log<M>,
    /// Whether it has announced that those are decided.
    pub(super) settled: bool,
    /// Who may know the values of the slots that it has to learn.
    pub(super) source: NodeId,
    /// The next slot it proposes in.
    pub(super) next: u64,
    /// Who has promised to its ballot, in which life.
    pub(super) promised: Vec<(NodeId, Life)>,
    /// The configurations of which a quorum has: it may propose in the slots they govern.
    pub(super) covered: Vec<NodeSet>,
    /// One for each machine, its own included.
    pub(super) peers: Vec<Peer>,
    /// What it has been asked to do about the acceptors.
    pub(super) change: Change,
    /// Commands that wait for their batch: not proposed yet.
    gathered: VecDeque<Entry<M::Command>>,
    gathered_bytes: u64,
    /// What was proposed and is not committed yet, in order of slots.
    proposals: VecDeque<Proposal<M::Command>>,
    pub(super) reads: Reads<M::Command>,
    /// For finding a quorum's minimum without allocating.
    scratch: Vec<u64>,
}

impl<M: StateMachine> Lead<M> {
    /// A leader elected for `ballot` by promises that tell of what was chosen, and accepted behind it.
    pub(super) fn new(machines: u32, ballot: Ballot, adopted: Log<M>, source: NodeId) -> Self {
        Self {
            ballot,
            chosen: adopted.base(),
            first: adopted.last() + 1,
            settled: false,
            source,
            next: adopted.base() + 1,
            adopted,
            promised: Vec::new(),
            covered: Vec::new(),
            change: Change::default(),
            peers: vec![Peer { active: true, round: ReadRound(0), commit: None }; machines as usize],
            gathered: VecDeque::new(),
            gathered_bytes: 0,
            proposals: VecDeque::new(),
            reads: Reads::default(),
            scratch: Vec::with_capacity(machines as usize),
        }
    }

    /// How many of these nodes were heard from since the last count, `me` included.
    pub(super) fn count_active(&mut self, me: NodeId, of: NodeSet) -> u32 {
        self.peers[me.index()].active = true;
        of.iter().map(|node| u32::from(self.peers[node.index()].active)).sum()
    }

    /// Begins a new count.
    pub(super) fn clear_active(&mut self) {
        for peer in &mut self.peers {
            peer.active = false;
        }
    }

    /// What `node` has accepted it has forgotten since.
    pub(super) fn discount(&mut self, node: NodeId) {
        for proposal in self.proposals.iter_mut().filter(|proposal| !proposal.chosen) {
            proposal.accepted.remove(node);
        }
    }

    /// Where the next command will be proposed that does not wait for its batch yet.
    pub(super) fn free(&self) -> u64 {
        self.next.max(self.first) + self.gathered.len() as u64
    }

    /// Lets `entry` wait for its batch.
    pub(super) fn gather(&mut self, entry: Entry<M::Command>) {
        self.gathered_bytes += u64::from(entry.bytes::<M>());
        self.gathered.push_back(entry);
    }

    /// The newest read round that at least `quorum` of these nodes have confirmed.
    pub(super) fn confirmed(&mut self, quorum: u32, of: NodeSet) -> ReadRound {
        self.scratch.clear();
        self.scratch.extend(of.iter().map(|node| self.peers[node.index()].round.0));
        self.scratch.sort_unstable_by(|a, b| b.cmp(a));
        ReadRound(self.scratch[quorum as usize - 1])
    }
}

impl<M: StateMachine> Paxos<M> {
    /// A client wants a command chosen.
    pub(super) fn propose(&mut self, ticket: Ticket, command: M::Command, fx: &mut Fx<'_, M>) {
        let stamp = Stamp::from(ticket);
        match self.state.standing(stamp) {
            Standing::New => {}
            Standing::Done(response) => return fx.reply(ticket, response),
            // Its client has stopped asking: there is nobody to answer.
            Standing::Expired => return,
        }
        if ticket.attempt > 0 {
            // A retry of something that is on its way: answer the retry when it arrives.
            if self.waiters.renew(ticket) {
                return;
            }
        }
        let Some(lead) = &mut self.lead else { return };
        // Only this leader proposes in this ballot, so the slot is known before it is proposed.
        self.waiters.push(lead.free(), ticket);
        lead.gather(Entry::command(stamp, command));
        self.flush(fx);
    }

    /// How many slots it may propose in from its next one on, all of one configuration: no more than `alpha` behind
    /// what it knows to be chosen, or it would not know the acceptors, and only where a quorum of those has promised.
    pub(super) fn room(&self) -> u64 {
        let Some(next) = self.lead.as_ref().map(|lead| lead.next).filter(|next| self.may_propose(*next)) else {
            return 0;
        };
        (self.commit + self.config.alpha()).min(self.members.until(next)) + 1 - next
    }

    /// Whether it leads, knows who the acceptors of `slot` are, and has promises of a quorum of them.
    #[must_use]
    pub fn may_propose(&self, slot: u64) -> bool {
        let covered = |lead: &Lead<M>| lead.covered.contains(&self.members.of(slot).1);
        slot <= self.commit + self.config.alpha() && self.lead.as_deref().is_some_and(covered)
    }

    /// Proposes gathered commands as batches, as far as the pipeline allows.
    pub(super) fn flush(&mut self, fx: &mut Fx<'_, M>) {
        while let Some(lead) = &self.lead
            && !lead.gathered.is_empty()
            && lead.proposals.len() < self.config.pipeline as usize
            && lead.next >= lead.first
        {
            let longest = Slice::<M::Command>::LONGEST.min(self.room() as usize);
            if longest == 0 {
                return;
            }
            let Some(lead) = &mut self.lead else { return };
            let limit = u64::from(self.config.max_batch);
            let (count, bytes) = if lead.gathered_bytes <= limit && lead.gathered.len() <= longest {
                (lead.gathered.len(), lead.gathered_bytes)
            } else {
                let mut bytes = 0_u64;
                let fits = |entry: &&Entry<M::Command>| {
                    let first = bytes == 0;
                    bytes += u64::from(entry.bytes::<M>());
                    first || bytes <= limit
                };
                let count = lead.gathered.iter().take(longest).take_while(fits).count();
                (count, lead.gathered.range(..count).map(|e| u64::from(e.bytes::<M>())).sum())
            };
            lead.gathered_bytes -= bytes;
            let batch = Slice::new(lead.gathered.drain(..count).collect(), bytes as u32);
            self.propose_batch(batch, fx);
        }
    }

    /// Proposes values for the slots that were open when it was elected, as far as there is room: the accepted one of
    /// the highest ballot, or nothing if no acceptor of the quorum has accepted any (Paxos Made Simple, P2c).
    pub(super) fn propose_open(&mut self, fx: &mut Fx<'_, M>) {
        while let Some(lead) = &self.lead
            && lead.next < lead.first
        {
            let room = self.room().min(lead.first - lead.next).min(Slice::<M::Command>::LONGEST as u64);
            if room == 0 {
                return;
            }
            let (mut batch, mut bytes) = (Vec::new(), 0_u32);
            for slot in lead.next..lead.next + room {
                let value = match lead.adopted.slot(slot) {
                    Some((_, entry)) if !self.config.has(PaxosBug::IgnoreAccepted) => entry.clone(),
                    None if self.config.has(PaxosBug::GapsNotFilled) => break,
                    _ => Entry::noop(),
                };
                let more = value.bytes::<M>();
                if bytes.saturating_add(more) > self.config.max_batch && !batch.is_empty() {
                    break;
                }
                bytes += more;
                batch.push(value);
            }
            let skips = batch.is_empty();
            self.propose_batch(Slice::new(batch.into(), bytes), fx);
            if skips && let Some(lead) = &mut self.lead {
                lead.next += 1;
            }
        }
    }

    /// Proposes values for its next slots: accepts them itself and asks all other acceptors to, while its own disk
    /// write goes on or, by `leader_disk`, after it.
    pub(super) fn propose_batch(&mut self, entries: Slice<M::Command>, fx: &mut Fx<'_, M>) {
        let Some(lead) = &mut self.lead else { return };
        if entries.is_empty() {
            return;
        }
        let first = lead.next;
        lead.next += entries.len() as u64;
        let run = Run { first, ballot: lead.ballot, entries };
        let (accepted, sent) = (Tally::default(), fx.now());
        lead.proposals.push_back(Proposal { run: run.clone(), accepted, chosen: false, sent });
        self.store(run.clone(), fx);
        self.own.push_back((self.disk.written(), run.ballot, first, fx.now()));
        if self.config.leader_disk != LeaderDisk::BeforeSending {
            self.ask_to_accept(&run, fx);
        }
    }

    /// Asks everybody else to accept a proposal.
    fn ask_to_accept(&self, run: &Run<M::Command>, fx: &mut Fx<'_, M>) {
        let Some(lead) = &self.lead else { return };
        let commit = self.commit;
        let audience = self.members.everybody(commit).union(lead.change.learners).without(self.me);
        for to in audience.iter() {
            fx.send(to, PaxosMessage::Accept { run: run.clone(), commit });
        }
    }

    /// The proposal that begins with slot `first` is durable here, and so may be sent.
    fn ask_to_accept_at(&mut self, first: u64, fx: &mut Fx<'_, M>) {
        let Some(lead) = &mut self.lead else { return };
        let Some(proposal) = lead.proposals.iter_mut().find(|proposal| proposal.run.first == first) else { return };
        proposal.sent = fx.now();
        let run = proposal.run.clone();
        self.ask_to_accept(&run, fx);
    }

    /// Its own acceptance is durable: only now does it count.
    pub(super) fn on_own_accept(&mut self, ballot: Ballot, first: u64, fx: &mut Fx<'_, M>) {
        if self.lead.as_ref().is_some_and(|lead| lead.ballot == ballot) {
            fx.note(PaxosFact::Accepted { ballot, first });
            if self.config.leader_disk == LeaderDisk::BeforeSending {
                self.ask_to_accept_at(first, fx);
            }
            self.count_accept(self.me, first, fx);
        }
    }

    /// Phase 2b arrived.
    pub(super) fn on_accepted(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        first: u64,
        life: Life,
        lives: &Lives,
        fx: &mut Fx<'_, M>,
    ) {
        self.learn_lives(lives);
        let forgotten = life < self.lives.of(from);
        let Some(lead) = &mut self.lead else { return };
        if ballot != lead.ballot || forgotten {
            return;
        }
        lead.peers[from.index()].active = true;
        self.count_accept(from, first, fx);
    }

    /// `node` has accepted the batch that begins with slot `first`.
    fn count_accept(&mut self, node: NodeId, first: u64, fx: &mut Fx<'_, M>) {
        let acceptors = self.members.of(first).1;
        let quorum = self.config.phase_two(acceptors);
        let Some(lead) = &mut self.lead else { return };
        let mut open = lead.proposals.iter_mut().filter(|proposal| !proposal.chosen);
        let Some(proposal) = open.find(|proposal| proposal.run.first == first) else { return };
        proposal.accepted.add(node, &self.config);
        if proposal.accepted.reaches(quorum, acceptors) {
            proposal.chosen = true;
            let last = proposal.run.last();
            fx.note(PaxosFact::Chosen { ballot: lead.ballot, first, last });
            self.advance(fx);
        }
    }

    /// Goes on with whatever is chosen behind what it knew to be: values that it has learned, and its own proposals.
    pub(super) fn advance(&mut self, fx: &mut Fx<'_, M>) {
        while let Some(lead) = &mut self.lead {
            let next = self.commit + 1;
            if self.commit < lead.chosen {
                // Proposals begin behind these.
                match self.log.ballot(next) {
                    Some((Ballot::CHOSEN, last)) => self.commit = last.min(lead.chosen),
                    _ => break,
                }
            } else if let Some(proposal) = pop_if(&mut lead.proposals, |p| p.chosen && p.run.first == next) {
                self.commit = proposal.run.last();
            } else {
                break;
            }
        }
        self.apply(fx);
        let knows = self.knows_chosen();
        let Some(lead) = &mut self.lead else { return };
        if !lead.settled && knows {
            lead.settled = true;
            fx.note(PaxosFact::FirstCommit { ballot: lead.ballot, slot: self.commit });
            self.start_round(fx);
        }
        self.propose_open(fx);
        self.flush(fx);
        self.go_on_changing(fx);
    }

    /// Whether it knows everything that is chosen: what was open when it was elected is decided, and a quorum of those
    /// who accept in the next slot has promised.
    pub(super) fn knows_chosen(&self) -> bool {
        let next = self.commit + 1;
        self.lead.as_ref().is_some_and(|lead| next >= lead.first) && self.may_propose(next)
    }

    /// The others must hear from their leader, and what was lost is sent again.
    pub(super) fn on_heartbeat_due(&mut self, fx: &mut Fx<'_, M>) {
        if self.gives_up_for_disk(fx) {
            return;
        }
        let (now, commit, recent) = (fx.now(), self.commit, self.config.heartbeat.0 / 2);
        let (me, own_first) = (self.me, self.config.leader_disk == LeaderDisk::BeforeSending);
        let Some(lead) = &mut self.lead else { return };
        let sent = |p: &Proposal<M::Command>| !own_first || p.accepted.has(me);
        let late = |p: &&mut Proposal<M::Command>| !p.chosen && sent(p) && now.since(p.sent).0 >= recent;
        for proposal in lead.proposals.iter_mut().filter(late) {
            proposal.sent = now;
            let acceptors = self.members.of(proposal.run.first).1;
            for to in acceptors.minus(proposal.accepted.who()).without(self.me).iter() {
                fx.send(to, PaxosMessage::Accept { run: proposal.run.clone(), commit });
            }
        }
        if commit < lead.chosen {
            // Whoever knew them may be down: ask the next one.
            let source = lead.source;
            lead.source = NodeId((source.0 + 1) % self.config.machines());
            if source != self.me {
                self.ask(source, fx);
            }
        }
        self.send_heartbeats(fx);
        fx.arm(HEARTBEAT, self.config.heartbeat);
        self.try_changing(fx);
    }

    /// Sends everybody a heartbeat.
    pub(super) fn send_heartbeats(&mut self, fx: &mut Fx<'_, M>) {
        let leases = self.config.leases;
        let Some(lead) = &mut self.lead else { return };
        if leases {
            // Every answer renews the lease, from when it was asked for.
            lead.reads.ask_for_lease(fx.now());
            lead.peers[self.me.index()].round = lead.reads.newest();
        }
        let (ballot, commit, round) = (lead.ballot, self.commit, lead.reads.newest());
        let audience = self.members.everybody(commit).union(lead.change.learners).without(self.me);
        for to in audience.iter() {
            fx.send(to, PaxosMessage::Heartbeat { ballot, commit, round });
        }
    }

    /// An acceptor is there, and has promised to nobody else.
    pub(super) fn on_alive(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        (round, commit): (ReadRound, u64),
        fx: &mut Fx<'_, M>,
    ) {
        let Some(lead) = &mut self.lead else { return };
        if ballot != lead.ballot {
            return;
        }
        let peer = &mut lead.peers[from.index()];
        peer.active = true;
        peer.commit = peer.commit.max(Some(commit));
        if round > peer.round {
            peer.round = round;
            self.on_round(fx);
        }
        self.on_progress(from, fx);
    }
}
