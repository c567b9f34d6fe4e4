//! How a node waits: by timers, or in ticks, as etcd and tikv do.
//!
//! With `tick` a node knows no time but the number of its ticks. A ticker, of a phase of its own, advances two
//! counters; what arrives sets them to zero, and an election, a count of the quorum and a heartbeat are due when a
//! counter has reached a whole number. Waits are shorter than they say by up to a tick. That is more than a detail: two
//! nodes draw the same number often (one pair of ten, at ten ticks and defaults), and one whose leader has been silent
//! for ten of its own ticks may ask another that has counted nine, which still takes that leader for alive and does not
//! answer. Elections that fail so make the tail of real fail-over times.

use super::node::{ELECTION, Fx, HEARTBEAT, Raft, Stage};
use sim_core::{Duration, StateMachine};

/// What the ticks have counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ticks {
    /// Since a leader was heard, a vote given or a campaign begun; on a leader, since it last counted who is there.
    election: u64,
    /// Since a leader's last heartbeat.
    heartbeat: u64,
}

impl<M: StateMachine> Raft<M> {
    /// How many ticks make `time`.
    fn ticks_in(&self, time: Duration) -> u64 {
        self.config.tick.map_or(0, |tick| time.0 / tick.0)
    }

    /// Draws a new election timeout: in whole ticks, where there are some.
    pub(super) fn draw_timeout(&mut self, fx: &mut Fx<'_, M>) {
        let unit = self.config.tick.map_or(1, |tick| tick.0);
        let (lo, hi) = (self.config.election_min.0, self.config.election_max.0);
        let drawn = fx.rng().between(lo / unit, hi / unit) * unit;
        self.timeout = Duration(if self.config.has(super::RaftBug::FixedElectionTimeout) { lo } else { drawn });
    }

    /// Begins to wait, when the node starts.
    pub(super) fn begin_waiting(&mut self, fx: &mut Fx<'_, M>) {
        self.draw_timeout(fx);
        self.await_leader(fx);
        if let Some(tick) = self.config.tick {
            let phase = fx.rng().below(tick.0);
            fx.arm(ELECTION, Duration(phase + 1));
        }
    }

    /// Starts waiting for a leader anew.
    #[inline]
    pub(super) fn await_leader(&mut self, fx: &mut Fx<'_, M>) {
        match self.config.tick {
            None => fx.arm(ELECTION, self.timeout),
            Some(_) => self.ticks.election = 0,
        }
    }

    /// A leader starts to count anew who is there.
    pub(super) fn await_quorum(&mut self, fx: &mut Fx<'_, M>) {
        match self.config.tick {
            None if self.config.check_quorum => fx.arm(ELECTION, self.config.election_min),
            None => fx.disarm(ELECTION),
            Some(_) => self.ticks.election = 0,
        }
    }

    /// A leader has sent its heartbeats.
    pub(super) fn await_heartbeat(&mut self, fx: &mut Fx<'_, M>) {
        match self.config.tick {
            None => fx.arm(HEARTBEAT, self.config.heartbeat),
            Some(_) => self.ticks.heartbeat = 0,
        }
    }

    /// Whether its leader was heard within the shortest election timeout.
    pub(super) fn heard_lately(&self, fx: &Fx<'_, M>) -> bool {
        match self.config.tick {
            None => fx.now().since(self.heard) < self.config.election_min,
            Some(_) => self.ticks.election < self.ticks_in(self.config.election_min),
        }
    }

    /// A tick. Those of a loop that stands still count nothing towards elections: its ticker is part of it.
    pub(super) fn on_tick(&mut self, tick: Duration, fx: &mut Fx<'_, M>) {
        fx.arm(ELECTION, tick);
        if self.standstill.is_on() {
            self.ticks.heartbeat += 1;
            if self.gives_up_for_disk(fx) {
                self.go_on(fx);
            } else if self.ticks.heartbeat >= self.ticks_in(self.config.heartbeat) {
                self.heartbeat_at_standstill(fx);
            }
            return;
        }
        self.ticks.election += 1;
        self.ticks.heartbeat += 1;
        let leads = self.stage == Stage::Leader;
        let wait = if leads { self.config.election_min } else { self.timeout };
        if self.ticks.election >= self.ticks_in(wait) {
            self.on_election_due(fx);
        }
        if self.stage == Stage::Leader && leads && self.ticks.heartbeat >= self.ticks_in(self.config.heartbeat) {
            self.on_heartbeat_due(fx);
        }
    }

    /// It has waited for long enough: a leader for a quorum, anybody else for a leader.
    pub(super) fn on_election_due(&mut self, fx: &mut Fx<'_, M>) {
        if self.stage == Stage::Leader {
            self.check_quorum(fx);
        } else if self.config.priorities.of(self.me) == 0 || self.disk_hangs(fx.now()) {
            self.await_leader(fx);
        } else {
            self.campaign(self.config.pre_vote, fx);
        }
    }
}
