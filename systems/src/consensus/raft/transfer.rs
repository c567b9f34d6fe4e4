//! Handing leadership over (dissertation 3.10): the leader lets requests wait, brings its successor up to date, and
//! tells it to campaign at once, with leave to disturb everybody.
//!
//! Requests that wait are not in the log, so when the leader steps down their clients can be sent to the successor. If
//! nothing has come of it after an election timeout, the leader takes them up again. What it can not take back is the
//! word it has sent: that may arrive late, so it has no lease any more in this term.

use super::RaftBug;
use super::message::{RaftFact, RaftMessage};
use super::node::{Fx, Raft, Stage};
use super::progress::Flow;
use sim_core::{LocalInstant, NodeId, StateMachine};

/// Heartbeats in a row that a node must have answered, up to date, before it is taken for healthy.
const STEADY: u8 = 4;
/// Election timeouts before a leader tries again to hand over on its own accord.
const PAUSE: u64 = 10;

/// A transfer under way.
#[derive(Clone, Copy, Debug)]
pub struct Transfer {
    /// To whom.
    pub(super) to: NodeId,
    /// When it began, on the leader's own clock.
    since: LocalInstant,
}

impl<M: StateMachine> Raft<M> {
    /// Begins to hand leadership over to `to`. Nothing happens on a node that does not lead, or does so already.
    pub(super) fn hand_over(&mut self, to: NodeId, fx: &mut Fx<'_, M>) {
        let (now, votes) = (fx.now(), self.configuration().votes(to));
        let Some(lead) = &mut self.lead else { return };
        if to == self.me || !votes || lead.transfer.is_some_and(|transfer| transfer.to == to) {
            return;
        }
        lead.transfer = Some(Transfer { to, since: now });
        fx.note(RaftFact::HandingOver { term: self.term, to });
        self.advance_transfer(fx);
    }

    /// Tells the successor to take over if it holds the whole log, otherwise sends it what it lacks.
    pub(super) fn advance_transfer(&mut self, fx: &mut Fx<'_, M>) {
        let last = self.log.last();
        let Some(lead) = &mut self.lead else { return };
        let Some(Transfer { to, .. }) = lead.transfer else { return };
        if lead.peers[to.index()].match_index < last {
            return self.feed(to, fx);
        }
        if !self.config.has(RaftBug::LeaseKeptInTransfer) {
            lead.reads.lease.revoke();
        }
        fx.send(to, RaftMessage::TimeoutNow { term: self.term });
    }

    /// More is stored at `from`: is it the successor?
    pub(super) fn advance_transfer_to(&mut self, from: NodeId, fx: &mut Fx<'_, M>) {
        if self.lead.as_ref().and_then(|lead| lead.transfer).is_some_and(|transfer| transfer.to == from) {
            self.advance_transfer(fx);
        }
    }

    /// A heartbeat is due: asks again, gives up, or begins by itself if another node should lead.
    pub(super) fn watch_transfer(&mut self, fx: &mut Fx<'_, M>) {
        let now = fx.now();
        let Some(lead) = &mut self.lead else { return };
        let Some(Transfer { to, since }) = lead.transfer else { return self.prefer(fx) };
        if now.since(since) < self.config.election_min {
            return self.advance_transfer(fx);
        }
        lead.transfer = None;
        lead.stay_until = LocalInstant(now.0 + PAUSE * self.config.election_max.0);
        fx.note(RaftFact::HandOverFailed { term: self.term, to });
        self.flush(fx);
    }

    /// Hands over to a node of higher priority that has been healthy and up to date for a while.
    fn prefer(&mut self, fx: &mut Fx<'_, M>) {
        if !self.config.priorities.matter() {
            return;
        }
        let (now, commit, own) = (fx.now(), self.commit, self.config.priorities.of(self.me));
        let voters = self.configuration().electorate().without(self.me);
        let priorities = &self.config.priorities;
        let Some(lead) = &mut self.lead else { return };
        for peer in &mut lead.peers {
            let good =
                core::mem::take(&mut peer.answered) && peer.flow == Flow::Replicate && peer.match_index >= commit;
            peer.steady = if good { peer.steady.saturating_add(1) } else { 0 };
        }
        let steady = lead.peers.iter().zip(0..).filter(|(peer, _)| peer.steady >= STEADY).map(|(_, id)| NodeId(id));
        // Of equals the one that comes first.
        let best = steady.filter(|id| voters.has(*id)).max_by_key(|id| (priorities.of(*id), core::cmp::Reverse(*id)));
        if let Some(to) = best
            && priorities.of(to) > own
            && now >= lead.stay_until
        {
            self.hand_over(to, fx);
        }
    }

    /// The leader wants this node to take over.
    pub(super) fn on_timeout_now(&mut self, from: NodeId, fx: &mut Fx<'_, M>) {
        if self.stage == Stage::Follower && self.leader == Some(from) {
            self.campaign_as(false, true, fx);
        }
    }
}
