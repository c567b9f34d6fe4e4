//! The leader: proposals, batches, and how far each follower has got (Raft paper 5.3; dissertation 10.2.1).

use super::RaftBug;
use super::log::{Entry, Slice};
use super::message::{Append, RaftFact, RaftMessage};
use super::node::{Fx, Raft};
use super::options::Config;
use super::progress::{Flow, Peer};
use super::read::Reads;
use super::reconfigure::Newcomer;
use super::transfer::Transfer;
use crate::shared::replication::{LeaderDisk, ReadRound, Stamp, Standing, pop_if};
use sim_core::{LocalInstant, NodeId, NodeSet, StateMachine, Ticket};
use std::collections::VecDeque;

/// What a node knows only while it leads.
#[derive(Clone, Debug)]
pub struct Lead<M: StateMachine> {
    /// The term it leads.
    pub(super) term: u64,
    /// The first entry of its term.
    pub(super) first: u64,
    /// One for each node, its own included.
    pub(super) peers: Vec<Peer<M>>,
    /// Entries that wait for their batch: not in the log yet.
    proposals: VecDeque<Entry<M::Command>>,
    proposal_bytes: u64,
    /// Last entries of the batches that are not committed yet.
    batches: VecDeque<u64>,
    pub(super) reads: Reads<M::Command>,
    /// Those whose acknowledgements count, and how many of them are a majority.
    pub(super) voters: Electorate,
    /// The same of the voters that are being replaced; nobody at all other times.
    pub(super) outgoing: Electorate,
    /// Leadership is being handed over.
    pub(super) transfer: Option<Transfer>,
    /// Until then it does not try to hand over on its own accord.
    pub(super) stay_until: LocalInstant,
    /// For finding a quorum's minimum without allocating.
    scratch: Vec<u64>,
    /// What an operator wants the voters to be.
    pub(super) goal: Option<NodeSet>,
    /// How far servers without a vote have caught up.
    pub(super) newcomers: Vec<Newcomer>,
}

/// Voters, and how many of them are a majority.
#[derive(Clone, Debug, Default)]
pub struct Electorate {
    set: NodeSet,
    pub(super) voters: Vec<NodeId>,
    pub(super) majority: usize,
}

impl Electorate {
    /// These vote. Returns whether others did before.
    pub(super) fn fill(&mut self, voters: NodeSet, config: &Config) -> bool {
        let changed = self.set != voters;
        if changed {
            self.set = voters;
            self.voters.clear();
            self.voters.extend(voters.iter());
            self.majority = config.majority(voters.len());
        }
        changed
    }

    /// The largest number that a majority of them has reached.
    #[inline]
    fn reached<M: StateMachine>(&self, peers: &[Peer<M>], scratch: &mut Vec<u64>, of: impl Fn(&Peer<M>) -> u64) -> u64 {
        scratch.clear();
        scratch.extend(self.voters.iter().map(|voter| of(&peers[voter.index()])));
        scratch.sort_unstable_by(|a, b| b.cmp(a));
        scratch[self.majority - 1]
    }
}

impl<M: StateMachine> Lead<M> {
    pub(super) fn new(nodes: u32, term: u64, last: u64) -> Self {
        Self {
            term,
            first: last + 1,
            peers: (0..nodes).map(|_| Peer::new(last + 1)).collect(),
            proposals: VecDeque::new(),
            proposal_bytes: 0,
            batches: VecDeque::new(),
            reads: Reads::default(),
            voters: Electorate::default(),
            outgoing: Electorate::default(),
            transfer: None,
            stay_until: LocalInstant(0),
            scratch: Vec::with_capacity(nodes as usize),
            goal: None,
            newcomers: Vec::new(),
        }
    }

    /// Who was heard from since the last count.
    pub(super) fn take_active(&mut self) -> NodeSet {
        let heard = |(id, peer): (NodeId, &mut Peer<M>)| core::mem::take(&mut peer.active).then_some(id);
        (0..).map(NodeId).zip(&mut self.peers).filter_map(heard).collect()
    }

    /// The largest number that a quorum has reached: a majority of the voters, and of those they replace.
    #[inline]
    pub(super) fn reached(&mut self, of: impl Fn(&Peer<M>) -> u64) -> u64 {
        let reached = self.voters.reached(&self.peers, &mut self.scratch, &of);
        if self.outgoing.voters.is_empty() {
            return reached;
        }
        reached.min(self.outgoing.reached(&self.peers, &mut self.scratch, &of))
    }
}

impl<M: StateMachine> Raft<M> {
    /// A client wants a command replicated.
    pub(super) fn propose(&mut self, ticket: Ticket, command: M::Command, fx: &mut Fx<'_, M>) {
        let stamp = Stamp::from(ticket);
        if !self.config.has(RaftBug::NoSessionFilter) {
            match self.state.standing(stamp) {
                Standing::New => {}
                Standing::Done(response) => return fx.reply(ticket, response),
                // Its client has stopped asking: there is nobody to answer.
                Standing::Expired => return,
            }
        }
        if ticket.attempt > 0 {
            // A retry of something that is on its way: answer the retry when it arrives.
            if self.waiters.renew(ticket) {
                return;
            }
        }
        let Some(lead) = &mut self.lead else { return };
        let entry = Entry::command(self.term, stamp, command);
        lead.proposal_bytes += u64::from(entry.bytes::<M>());
        lead.proposals.push_back(entry);
        // Only this leader appends in this term, so its place is known before it is there.
        self.waiters.push(self.log.last() + lead.proposals.len() as u64, ticket);
        self.flush(fx);
    }

    /// Appends waiting proposals as batches, as far as the pipeline allows, and sends them.
    pub(super) fn flush(&mut self, fx: &mut Fx<'_, M>) {
        let mut flushed = false;
        while let Some(lead) = &mut self.lead
            && !lead.proposals.is_empty()
            && lead.transfer.is_none()
            && lead.batches.len() < self.config.pipeline as usize
        {
            let limit = u64::from(self.config.max_batch);
            let (count, bytes) = if lead.proposal_bytes <= limit && lead.proposals.len() <= usize::from(u16::MAX) {
                (lead.proposals.len(), lead.proposal_bytes)
            } else {
                let mut bytes = 0_u64;
                let fits = |entry: &&Entry<M::Command>| {
                    let first = bytes == 0;
                    bytes += u64::from(entry.bytes::<M>());
                    first || bytes <= limit
                };
                let count = lead.proposals.iter().take(usize::from(u16::MAX)).take_while(fits).count();
                (count, lead.proposals.range(..count).map(|e| u64::from(e.bytes::<M>())).sum())
            };
            lead.proposal_bytes -= bytes;
            let batch = lead.proposals.drain(..count).collect();
            self.append_batch(Slice::new(batch, bytes as u32), fx);
            flushed = true;
        }
        if flushed {
            self.broadcast(fx);
        }
    }

    /// Appends one batch of its own term.
    pub(super) fn append_batch(&mut self, batch: Slice<M::Command>, fx: &mut Fx<'_, M>) {
        self.append(batch, fx);
        if let Some(lead) = &mut self.lead {
            lead.batches.push_back(self.log.last());
        }
    }

    /// Up to where its log may be sent: all of it, while its own disk write goes on (dissertation 10.2.1), or what it
    /// has itself.
    fn sendable(&self) -> u64 {
        match self.config.leader_disk {
            LeaderDisk::BeforeSending => self.log.last().min(self.tail.durable()),
            LeaderDisk::Parallel | LeaderDisk::Blocking => self.log.last(),
        }
    }

    /// Sends every follower what it may be sent.
    pub(super) fn broadcast(&mut self, fx: &mut Fx<'_, M>) {
        for to in self.listeners() {
            self.feed(to, fx);
        }
    }

    /// Sends `to` the entries it lacks, as far as flow control allows.
    pub(super) fn feed(&mut self, to: NodeId, fx: &mut Fx<'_, M>) {
        let last = self.sendable();
        loop {
            let Some(lead) = &mut self.lead else { return };
            let peer = &mut lead.peers[to.index()];
            let go = match peer.flow {
                Flow::Probe { waiting } => !waiting,
                Flow::Replicate => peer.next <= last && peer.has_window(&self.config),
                Flow::Snapshot => false,
            };
            if !go || !self.send_append(to, self.config.max_batch, fx) {
                return;
            }
        }
    }

    /// Sends `to` one append with entries from its `next` on, at most `max_bytes` of them; or a snapshot, if those
    /// entries are gone. Returns whether more may follow.
    pub(super) fn send_append(&mut self, to: NodeId, max_bytes: u32, fx: &mut Fx<'_, M>) -> bool {
        let sendable = self.sendable();
        let Some(lead) = &mut self.lead else { return false };
        let peer = &mut lead.peers[to.index()];
        let prev_index = peer.next - 1;
        let Some(prev_term) = self.log.term(prev_index) else {
            self.start_snapshot(to, fx);
            return false;
        };
        let mut entries = if max_bytes == 0 { Slice::EMPTY } else { self.log.slice(peer.next, max_bytes) };
        let most = (sendable + 1).saturating_sub(peer.next) as usize;
        if entries.len() > most {
            entries = entries.part(0, most, Entry::bytes::<M>);
        }
        match &mut peer.flow {
            Flow::Probe { waiting } => *waiting = true,
            _ => peer.launch(&entries),
        }
        peer.sent = fx.now();
        let round = lead.reads.newest();
        let append = Append { term: self.term, prev_index, prev_term, commit: self.commit, round, entries };
        fx.send(to, RaftMessage::Append(append));
        true
    }

    /// Follower `from` has durably stored entries up to `match_index`.
    pub(super) fn on_appended(&mut self, from: NodeId, match_index: u64, round: ReadRound, fx: &mut Fx<'_, M>) {
        let Some(lead) = &mut self.lead else { return };
        let peer = &mut lead.peers[from.index()];
        peer.heard();
        let stored = if self.config.has(RaftBug::MatchFromNext) { peer.next - 1 } else { match_index };
        let news = peer.acknowledge(stored);
        let confirms = peer.confirm(round);
        if news {
            self.advance_commit(stored, fx);
        }
        if confirms {
            self.on_round(fx);
        }
        self.feed(from, fx);
        self.on_progress(from, fx);
        if news {
            self.advance_transfer_to(from, fx);
        }
    }

    /// Follower `from` lacks the entry before those it was sent, or has another one there.
    pub(super) fn on_rejected(
        &mut self,
        from: NodeId,
        prev_index: u64,
        (conflict_term, conflict_index): (u64, u64),
        round: ReadRound,
        fx: &mut Fx<'_, M>,
    ) {
        let Some(lead) = &mut self.lead else { return };
        let peer = &mut lead.peers[from.index()];
        peer.heard();
        let confirms = peer.confirm(round);
        if peer.rejected(prev_index) {
            // Skip a whole term at a time: go on behind our last entry of the follower's term there, or before all of
            // its entries of that term if we have none.
            let same = self.log.last_at_most(prev_index.saturating_sub(1), conflict_term);
            let shares = conflict_term > 0 && self.log.term(same) == Some(conflict_term);
            let hint = if shares { same + 1 } else { conflict_index };
            peer.probe_at(if self.config.has(RaftBug::BacktrackOffByOne) { hint + 1 } else { hint.min(prev_index) });
            self.feed(from, fx);
        }
        if confirms {
            self.on_round(fx);
        }
    }

    /// Follower `from` answered a heartbeat: it is there, so whatever was lost is sent again.
    pub(super) fn on_alive(&mut self, from: NodeId, round: ReadRound, fx: &mut Fx<'_, M>) {
        let Some(lead) = &mut self.lead else { return };
        let last = self.log.last();
        let peer = &mut lead.peers[from.index()];
        peer.heard();
        let confirms = peer.confirm(round);
        match &mut peer.flow {
            Flow::Probe { waiting } => {
                *waiting = false;
                if peer.match_index < last {
                    self.feed(from, fx);
                }
            }
            // Something sent before the heartbeat has not been acknowledged: ask where the follower is.
            Flow::Replicate if peer.match_index + 1 < peer.mark => {
                peer.mark = 0;
                self.send_append(from, 0, fx);
            }
            Flow::Replicate => {}
            Flow::Snapshot => self.resend_chunk(from, fx),
        }
        if confirms {
            self.on_round(fx);
        }
        self.on_progress(from, fx);
    }

    /// More of its own log is durable: only that counts towards a quorum.
    pub(super) fn on_own_disk(&mut self, fx: &mut Fx<'_, M>) {
        let durable = self.tail.durable();
        let Some(lead) = &mut self.lead else { return };
        let own = &mut lead.peers[self.me.index()];
        if own.match_index != durable {
            own.match_index = durable;
            if self.config.leader_disk == LeaderDisk::BeforeSending {
                self.broadcast(fx);
            }
            self.advance_commit(durable, fx);
        }
    }

    /// Commits what a quorum holds, now that one more node has stored everything up to `stored`, if it is of this term:
    /// an older entry on a quorum may still be replaced (Raft paper
    /// 5.4.2 and figure 8).
    fn advance_commit(&mut self, stored: u64, fx: &mut Fx<'_, M>) {
        if stored <= self.commit {
            return;
        }
        let Some(lead) = &mut self.lead else { return };
        // What the newest acknowledgement is about is usually the answer, or there is none.
        let voters = &lead.voters.voters;
        let holders = voters.iter().filter(|voter| lead.peers[voter.index()].match_index >= stored).count();
        let usual = holders == lead.voters.majority && lead.outgoing.voters.is_empty();
        let index = if usual { stored } else { lead.reached(|peer| peer.match_index) };
        let own_term = index >= lead.first || self.config.has(RaftBug::CommitOldTerm);
        if index <= self.commit || !own_term {
            return;
        }
        let first = self.commit < lead.first && index >= lead.first;
        while pop_if(&mut lead.batches, |last| *last <= index).is_some() {}
        let before = core::mem::replace(&mut self.commit, index);
        fx.note(RaftFact::Committed { index, term: self.term });
        self.apply(fx);
        if first {
            fx.note(RaftFact::FirstCommit { term: self.term, index });
            self.start_round(fx);
        }
        if first || self.log.configuration_index() > before {
            self.on_configuration_committed(fx);
        }
        self.flush(fx);
    }

    /// Followers must hear from their leader: from an append if one has just been sent, otherwise from a heartbeat.
    pub(super) fn on_heartbeat_due(&mut self, fx: &mut Fx<'_, M>) {
        if self.gives_up_for_disk(fx) {
            return;
        }
        let now = fx.now();
        let recent = self.config.heartbeat.0 / 2;
        // Every answer renews the lease, so everybody is asked.
        let renew = self.config.leases;
        if renew {
            self.begin_round(fx);
        }
        for to in self.listeners() {
            let Some(lead) = &mut self.lead else { return };
            let peer = &mut lead.peers[to.index()];
            let fresh = !renew && matches!(peer.flow, Flow::Replicate) && now.since(peer.sent).0 < recent;
            peer.idle_ticks = peer.idle_ticks.saturating_add(1);
            if !fresh {
                peer.mark = peer.next;
                self.send_heartbeat(to, fx);
            }
        }
        self.await_heartbeat(fx);
        self.watch_transfer(fx);
    }

    /// Sends `to` a heartbeat.
    pub(super) fn send_heartbeat(&mut self, to: NodeId, fx: &mut Fx<'_, M>) {
        let Some(lead) = &mut self.lead else { return };
        let peer = &lead.peers[to.index()];
        // Not beyond what the follower is known to have: it could not tell its own entries from ours.
        let commit = self.commit.min(peer.match_index);
        fx.send(to, RaftMessage::Heartbeat { term: self.term, commit, round: lead.reads.newest() });
    }
}
