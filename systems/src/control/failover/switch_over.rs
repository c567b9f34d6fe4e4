//! Handing over without loss: because an operator wants it, or because the preferred node is back.

use super::FailoverBug;
use super::message::{FailoverFact, FailoverMessage};
use super::node::{Failover, Fx};
use super::options::Mode;
use super::primary::HandOver;
use sim_core::NodeId;

/// Who gets the lead back, if anybody.
const PREFERRED: NodeId = NodeId(0);

impl Failover {
    /// Begins to hand over to `to`: takes no more writes, and steps down once that node has all.
    pub(super) fn hand_over(&mut self, to: NodeId, back: bool, fx: &mut Fx<'_>) {
        if to == self.me || !self.config.holds_data(to) || self.config.has_sentinels() {
            return;
        }
        let Some(lead) = self.lead.as_mut().filter(|lead| lead.handing.is_none() && lead.serving) else { return };
        lead.handing = Some(HandOver { to, since: fx.now() });
        let heir = &mut lead.peers[to.index()];
        // Clients wait: what it may lack goes out at once, whether or not it was on its way.
        (heir.next, heir.rewound) = (heir.next.min(heir.durable + 1), fx.now());
        fx.note(FailoverFact::HandingOver { epoch: self.epoch, to, back });
        if !self.config.is_shared() {
            self.push(to, fx);
        }
        self.look_after_hand_over(fx);
    }

    /// Looks how a hand-over stands, or whether it is time for one.
    pub(super) fn look_after_hand_over(&mut self, fx: &mut Fx<'_>) {
        let (now, last) = (fx.now(), self.log.last());
        let Some(lead) = &mut self.lead else { return };
        let Some(HandOver { to, since }) = lead.handing else { return self.look_after_preferred(fx) };
        let peer = &lead.peers[to.index()];
        let has_all = self.config.is_shared() || peer.joined && peer.durable == last;
        // Who is out of sync, or just being left out, may not lead, whatever it has by now.
        let may_lead = self.config.mode != Mode::Sync
            || lead.in_sync.has(to) && lead.change.as_ref().is_none_or(|change| change.nodes.has(to));
        if has_all && may_lead && self.committed == last {
            // From here on it is over: what has been said can not be taken back.
            let epoch = self.epoch;
            self.step_down("it has handed over", Some(to), fx);
            self.answer(to, FailoverMessage::TakeOver { epoch }, fx);
            // The other may take its epoch's primary's word only while it knows no newer one.
            self.primary = None;
        } else if now.since(since) >= self.config.failure_timeout {
            lead.handing = None;
            self.unpark(fx);
        }
    }

    /// The preferred node gets the lead back once it has been in good order for a while.
    fn look_after_preferred(&mut self, fx: &mut Fx<'_>) {
        if !self.config.fail_back || self.me == PREFERRED {
            return;
        }
        let (now, timeout, shared) = (fx.now(), self.config.failure_timeout, self.config.is_shared());
        let hysteresis = !self.config.has(FailoverBug::FailBackFlapping);
        let Some(lead) = &mut self.lead else { return };
        let since = lead.since;
        let peer = &mut lead.peers[PREFERRED.index()];
        let heard = peer.confirmed.is_some_and(|at| now.since(at) < timeout);
        if !heard || !shared && (!peer.joined || now.since(peer.caught_up) > timeout) {
            peer.sound_since = None;
            return;
        }
        let sound = now.since(*peer.sound_since.get_or_insert(now));
        let long = |time: sim_core::Duration| time >= self.config.fail_back_after;
        if lead.serving && (!hysteresis || long(sound) && long(now.since(since))) {
            self.hand_over(PREFERRED, true, fx);
        }
    }
}
