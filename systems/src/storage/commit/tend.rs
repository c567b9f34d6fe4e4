//! What a shard looks after as time goes by: transactions that nothing is heard of, doubts, and circles of those who
//! wait for each other.

use super::message::{CommitFact, CommitMessage};
use super::node::{CLOCK, Fx};
use super::options::Deadlocks;
use super::shard::{Active, Shard};
use super::txn::{Age, Shards, TxnId};

/// How often a transaction that has not voted may leave a question unanswered.
const QUESTIONS: u32 = 5;

impl Shard {
    /// Unvoted transactions that nothing was heard of for long, and doubts.
    pub(super) fn on_clock(&mut self, fx: &mut Fx<'_>) {
        if !self.log.serves() {
            return;
        }
        let now = fx.now();
        let idle = |active: &Active| active.preparing.is_none() && now.since(active.heard) >= self.config.idle_timeout;
        let idle: Vec<TxnId> = self.active.iter().filter(|(_, active)| idle(active)).map(|(txn, _)| *txn).collect();
        for txn in idle {
            let Some(active) = self.active.get_mut(&txn) else { continue };
            (active.heard, active.asked) = (now, active.asked + 1);
            if active.asked > QUESTIONS {
                self.on_decision(txn, None, 0, None, fx);
            } else {
                let (shard, participants) = (self.number, Shards::default());
                fx.send(txn.home(), CommitMessage::Inquire { txn, shard, prepared: false, participants });
            }
        }
        self.doubt(fx);
        if self.probes.is_some_and(|due| due <= now) {
            self.probes = None;
            self.probed.clear();
            self.sent.clear();
            self.send_probes(fx);
        }
    }

    pub(super) fn on_working(&mut self, txn: TxnId, fx: &mut Fx<'_>) {
        if let Some(active) = self.active.get_mut(&txn) {
            (active.heard, active.asked) = (fx.now(), 0);
        }
        if let Some(doubt) = self.doubts.get_mut(&txn) {
            doubt.asked = 0;
        }
    }

    /// Everybody who waits asks round whether those he waits for wait for him.
    fn send_probes(&mut self, fx: &mut Fx<'_>) {
        for claim in self.locks.waiting().collect::<Vec<_>>() {
            let youngest = (claim.age, claim.txn);
            self.probe(claim.txn, claim.txn, youngest, 1, fx);
        }
    }

    /// One question a pair and a turn, as Chandy, Misra and Haas have it: a hundred who wait for one key would ask each
    /// about all before it in the queue, for each who asks.
    fn probe(&mut self, origin: TxnId, waiter: TxnId, youngest: (Age, TxnId), hops: u32, fx: &mut Fx<'_>) {
        for before in self.locks.waits_for(waiter).into_iter().filter(|claim| self.active.contains_key(&claim.txn)) {
            let youngest = youngest.max((before.age, before.txn));
            if before.txn == origin {
                // Each in the circle finds it; the youngest's coordinator ends it once.
                let (_, victim) = youngest;
                if origin == victim {
                    fx.note(CommitFact::Deadlock { victim, length: hops });
                }
                fx.send(victim.home(), CommitMessage::Kill { txn: victim });
            } else if hops < 64 && self.sent.insert((origin, before.txn)) {
                fx.send(before.txn.home(), CommitMessage::Probe { origin, youngest, at: before.txn, hops });
            }
        }
    }

    pub(super) fn on_probe(&mut self, origin: TxnId, youngest: (Age, TxnId), at: TxnId, hops: u32, fx: &mut Fx<'_>) {
        if self.probed.insert((origin, at)) {
            self.probe(origin, at, youngest, hops + 1, fx);
        }
    }

    pub(super) fn arm(&mut self, fx: &mut Fx<'_>) {
        if !self.log.serves() {
            return;
        }
        if self.config.deadlocks == Deadlocks::Detect && self.probes.is_none() && self.locks.waiting().next().is_some()
        {
            self.probes = Some(fx.now() + self.config.detect_every);
        }
        let open = self.active.values().filter(|active| active.preparing.is_none());
        let idle = open.map(|active| active.heard + self.config.idle_timeout);
        let doubts = self.doubts.values().map(|doubt| doubt.due);
        match idle.chain(doubts).chain(self.probes).min() {
            Some(due) => fx.arm(CLOCK, sim_core::Duration(due.0.saturating_sub(fx.now().0).max(1))),
            None => fx.disarm(CLOCK),
        }
    }
}
