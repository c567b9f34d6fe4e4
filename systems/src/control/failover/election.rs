//! Who leads: a node that hears no primary asks around, and is promoted if the arbiter agrees and its log lacks
//! nothing.

use super::FailoverBug;
use super::arbiter::{Petition, Ruling, Seat};
use super::log::Position;
use super::message::{FailoverFact, FailoverMessage, InSync, SetVersion};
use super::node::{BALLOT, Failover, Fx, Stage, WATCH};
use super::options::{Arbiter, Mode, Promote};
use sim_core::{Duration, LocalInstant, NodeId, NodeSet};

/// What a candidate knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ballot {
    asked: LocalInstant,
    /// Whether the primary itself wants it.
    transfer: bool,
    answered: NodeSet,
    granted: NodeSet,
    /// When it asked for the seat that it was given.
    claimed: Option<LocalInstant>,
}

impl Failover {
    /// Waits for the primary anew.
    pub(super) fn await_primary(&self, fx: &mut Fx<'_>) {
        if !self.holds_data() || self.config.has_sentinels() {
            return;
        }
        // Two that wait from the same moment should not come forward at the same moment.
        let more = fx.rng().below(self.config.heartbeat.0 / 2 + 1);
        if self.primary.is_some_and(|primary| self.answers_probes(primary)) {
            // The probes will tell.
            return fx.disarm(WATCH);
        }
        let deadline = self.primary.and_then(|primary| self.detector.deadline(primary));
        let patience = deadline.map_or(self.config.failure_timeout, |deadline| deadline.since(fx.now()));
        fx.arm(WATCH, Duration(patience.0 + more));
    }

    /// Whether it hears no primary.
    fn is_deserted(&self, now: LocalInstant) -> bool {
        self.primary.is_none_or(|primary| self.detector.suspects(primary, now) && !self.answers_probes(primary))
    }

    /// Whether it has given its word to a primary that may still trust it.
    fn is_bound(&self, now: LocalInstant) -> bool {
        self.config.excludes() && self.pledged.is_some_and(|since| now.since(since) < self.config.lease)
    }

    /// The primary was silent for long, or a ballot came to nothing.
    pub(super) fn on_watch(&mut self, fx: &mut Fx<'_>) {
        if self.stage != Stage::Backup {
            return;
        }
        if !self.is_deserted(fx.now()) {
            return self.await_primary(fx);
        }
        if !core::mem::replace(&mut self.suspects, true) {
            fx.note(FailoverFact::Suspected { primary: self.primary, epoch: self.epoch });
        }
        let now = fx.now();
        let early = self.changed.is_some_and(|at| now.since(at) < self.config.min_between);
        if early || self.is_bound(now) { self.try_later(fx) } else { self.seek_to_lead(fx) }
    }

    /// Tries again in a while; not at the same moment as others.
    fn try_later(&self, fx: &mut Fx<'_>) {
        let least = self.config.failure_timeout.0 / 4 + 1;
        let wait = fx.rng().between(least, 2 * least);
        fx.arm(WATCH, Duration(wait));
    }

    /// Wants to lead: asks around first, unless there is nobody to ask.
    pub(super) fn seek_to_lead(&mut self, fx: &mut Fx<'_>) {
        if self.config.arbiter == Arbiter::None {
            return self.campaign(false, fx);
        }
        self.stage = Stage::Polling;
        self.ask(true, false, None, fx);
    }

    /// Asks everybody, as a question or for good.
    fn ask(&mut self, poll: bool, transfer: bool, claimed: Option<LocalInstant>, fx: &mut Fx<'_>) {
        let granted = if poll || self.disk.knows_promise() { NodeSet::one(self.me) } else { NodeSet::EMPTY };
        self.ballot = Some(Ballot { asked: fx.now(), transfer, answered: granted, granted, claimed });
        let epoch = if poll { self.epoch + 1 } else { self.epoch };
        let ask = FailoverMessage::Ask { epoch, last: self.log.position(), poll, transfer, in_sync: self.in_sync };
        if self.config.arbiter != Arbiter::None {
            for node in self.config.listeners().without(self.me).iter() {
                self.answer(node, ask.clone(), fx);
            }
        }
        // A poll need not wait for the dead; a vote is worth waiting for.
        let wait = if poll { self.config.heartbeat } else { Duration(self.config.failure_timeout.0 / 2) };
        fx.arm(BALLOT, wait);
        self.count(false, fx);
    }

    /// The primary is there after all.
    pub(super) fn forget_poll(&mut self) {
        if self.stage == Stage::Polling {
            self.stage = Stage::Backup;
            self.ballot = None;
        }
    }

    /// Somebody wants to lead.
    pub(super) fn on_ask(
        &mut self,
        from: NodeId,
        epoch: u64,
        last: Position,
        (poll, transfer): (bool, bool),
        fx: &mut Fx<'_>,
    ) {
        let granted = self.goes_along(from, epoch, last, (poll, transfer), fx);
        if granted && !poll {
            self.follow(epoch, None, fx);
            self.vote = Some(from);
            self.write_promise(fx);
            self.pledged = Some(fx.now());
            fx.note(FailoverFact::Voted { epoch, candidate: from });
        }
        let epoch = if granted { epoch } else { self.epoch };
        self.answer(from, FailoverMessage::Voice { epoch, poll, granted, in_sync: self.in_sync }, fx);
    }

    /// Whether it may vote for a candidate.
    fn goes_along(
        &mut self,
        from: NodeId,
        epoch: u64,
        last: Position,
        (poll, transfer): (bool, bool),
        fx: &mut Fx<'_>,
    ) -> bool {
        let now = fx.now();
        if epoch < self.epoch || epoch == self.epoch && self.vote != Some(from) {
            return false;
        }
        let content = if self.lead.is_some() { self.holds(now) } else { !self.is_deserted(now) };
        // What the arbiter has decided is decided.
        let decided = transfer || !poll && self.config.arbiter == Arbiter::Quorum;
        if !decided && (content || self.is_bound(now)) {
            return false;
        }
        // Who is not in sync could not lead instead.
        let sync = self.config.mode == Mode::Sync;
        let able = self.holds_data()
            && !self.config.is_shared()
            && (!sync || self.config.arbiter != Arbiter::Quorum && self.is_in_sync());
        let ahead = able && self.log.position() > last;
        if ahead && self.config.promote == Promote::MostAdvanced && !self.config.has(FailoverBug::StaleBackupPromoted) {
            // Then this one should lead, and need not wait for its own turn to find out.
            if self.stage == Stage::Backup {
                let wait = fx.rng().below(self.config.heartbeat.0 / 4 + 1);
                fx.arm(WATCH, Duration(wait));
            }
            return false;
        }
        true
    }

    /// An answer.
    pub(super) fn on_voice(&mut self, from: NodeId, epoch: u64, (poll, granted): (bool, bool), fx: &mut Fx<'_>) {
        let stage = if poll { Stage::Polling } else { Stage::Campaigning };
        if self.stage != stage {
            return;
        }
        if !granted && epoch > self.epoch {
            // It must get there before anybody votes for it.
            self.follow(epoch, None, fx);
            return self.try_later(fx);
        }
        if granted && epoch != self.epoch + u64::from(poll) {
            return;
        }
        let Some(ballot) = &mut self.ballot else { return };
        ballot.answered.insert(from);
        if granted {
            ballot.granted.insert(from);
        }
        self.count(false, fx);
    }

    /// Its own vote counts like anybody else's: once it is durable.
    pub(super) fn count_own_vote(&mut self, fx: &mut Fx<'_>) {
        if self.stage == Stage::Campaigning
            && self.disk.knows_promise()
            && let Some(ballot) = &mut self.ballot
            && ballot.granted.insert(self.me)
        {
            self.count(false, fx);
        }
    }

    /// It has waited long enough.
    pub(super) fn on_ballot_due(&mut self, fx: &mut Fx<'_>) {
        self.count(true, fx);
        if matches!(self.stage, Stage::Polling | Stage::Claiming | Stage::Campaigning)
            && self.ballot.is_none_or(|b| b.asked != fx.now())
        {
            if self.stage == Stage::Campaigning && self.config.arbiter == Arbiter::Quorum {
                // Somebody else may want the seat.
                self.petition(Petition::Release { epoch: self.epoch }, fx);
            }
            self.stage = Stage::Backup;
            self.ballot = None;
            self.try_later(fx);
        }
    }

    /// Whether those who granted are enough.
    fn is_enough(&self, ballot: &Ballot) -> bool {
        let config = &self.config;
        let votes = config.voters().is_empty() || ballot.granted.common(config.voters()).len() >= config.majority();
        let logs = ballot.granted.common(config.data_nodes()).len();
        let logs = logs >= config.logs_needed() || config.has(FailoverBug::StaleBackupPromoted);
        let in_sync = config.mode != Mode::Sync
            || config.promote == Promote::First
            || matches!(config.arbiter, Arbiter::None | Arbiter::Quorum)
            || self.is_in_sync();
        votes && logs && in_sync
    }

    /// Looks whether it can go on. A poll waits a while for all, to find who is most advanced.
    fn count(&mut self, due: bool, fx: &mut Fx<'_>) {
        let Some(ballot) = self.ballot else { return };
        if !ballot.granted.has(self.me) || !self.is_enough(&ballot) {
            return;
        }
        match self.stage {
            Stage::Polling => {
                let suspect = self.primary.map_or(NodeSet::EMPTY, NodeSet::one);
                let missing = self.config.data_nodes().minus(ballot.answered).minus(suspect);
                if due || missing.is_empty() || self.config.promote == Promote::First {
                    self.campaign(false, fx);
                }
            }
            Stage::Campaigning => {
                let in_sync = match self.config.promote {
                    Promote::MostAdvanced => self.named_in_sync(),
                    Promote::First => NodeSet::one(self.me),
                };
                let asked = ballot.claimed.unwrap_or(ballot.asked);
                self.begin_to_lead(ballot.granted, asked, ballot.transfer, in_sync, fx);
            }
            Stage::Backup | Stage::Claiming | Stage::Primary => {}
        }
    }

    /// Begins a new epoch and asks for votes. Without an arbiter there is nobody to ask (the two-node mistake), but
    /// every epoch is one node's alone.
    fn campaign(&mut self, transfer: bool, fx: &mut Fx<'_>) {
        if self.config.arbiter == Arbiter::Quorum {
            return self.claim(transfer, fx);
        }
        let data = u64::from(self.config.data());
        let turn = match self.config.arbiter {
            Arbiter::None => (u64::from(self.me.0) + data - self.epoch % data) % data,
            _ => 0,
        };
        self.stand(self.epoch + turn + 1, transfer, None, fx);
    }

    /// Asks the arbiter for the seat.
    fn claim(&mut self, transfer: bool, fx: &mut Fx<'_>) {
        self.stage = Stage::Claiming;
        self.ballot = None;
        let unclean = self.config.mode != Mode::Sync || self.config.promote == Promote::First;
        let epoch = self.epoch.max(self.seat_epoch);
        self.petition(Petition::Claim { node: self.me, epoch, renewals: 0, transfer, unclean }, fx);
        fx.arm(BALLOT, self.config.failure_timeout);
    }

    /// The arbiter has said who gets the seat.
    pub(super) fn on_claimed(&mut self, ruling: Ruling, since: LocalInstant, transfer: bool, fx: &mut Fx<'_>) {
        let mine = ruling.granted && ruling.seat.epoch > self.epoch;
        if self.stage != Stage::Claiming || !mine {
            if ruling.granted {
                self.petition(Petition::Release { epoch: ruling.seat.epoch }, fx);
            }
            if self.stage == Stage::Claiming && transfer && !ruling.granted && ruling.seat.epoch == self.epoch {
                // A renewal of the one that has stepped down was still under way.
                return self.claim(true, fx);
            }
            if self.stage == Stage::Claiming {
                self.stage = Stage::Backup;
                self.try_later(fx);
            }
            return;
        }
        let Seat { epoch, in_sync: nodes, .. } = ruling.seat;
        self.in_sync = InSync { epoch, version: SetVersion(0), nodes };
        self.stand(epoch, transfer, Some(since), fx);
    }

    /// Asks for the votes of an epoch.
    fn stand(&mut self, epoch: u64, transfer: bool, claimed: Option<LocalInstant>, fx: &mut Fx<'_>) {
        self.epoch = epoch;
        self.vote = Some(self.me);
        self.joined = false;
        self.write_promise(fx);
        self.stage = Stage::Campaigning;
        self.ask(false, transfer, claimed, fx);
    }

    /// The primary has stepped down in this node's favour.
    pub(super) fn take_over(&mut self, fx: &mut Fx<'_>) {
        self.campaign(true, fx);
    }
}
