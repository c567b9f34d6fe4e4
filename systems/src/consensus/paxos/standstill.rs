//! A leader and its own disk: a loop that stands still while the disk syncs, and a watchdog that ends a leadership the
//! disk holds up.

use super::message::PaxosFact;
use super::node::{ELECTION, Fx, HEARTBEAT, Paxos, Stage};
use crate::shared::replication::{Input, LeaderDisk};
use sim_core::{LocalInstant, StateMachine, Timer};

impl<M: StateMachine> Paxos<M> {
    /// A timer of a loop that stands still: only the watchdog is not part of it. The loop's own clock stands still,
    /// too, so a quorum is not missed because nobody was listened to.
    pub(super) fn on_timer_at_standstill(&mut self, timer: Timer, fx: &mut Fx<'_, M>) {
        match timer {
            ELECTION => fx.arm(ELECTION, self.config.election_min),
            HEARTBEAT if self.gives_up_for_disk(fx) => self.go_on(fx),
            HEARTBEAT => {
                // Where heartbeats are sent beside the loop they go out, and say nothing new.
                match self.config.leader_disk {
                    LeaderDisk::BeforeSending => self.send_heartbeats(fx),
                    LeaderDisk::Parallel | LeaderDisk::Blocking => self.standstill.heartbeat = true,
                }
                fx.arm(HEARTBEAT, self.config.heartbeat);
            }
            other => panic!("{} has no timer {other:?}", self.me),
        }
    }

    /// The loop goes on: with all that has come meanwhile, and a heartbeat if one was due.
    pub(super) fn go_on(&mut self, fx: &mut Fx<'_, M>) {
        while let Some(input) = self.standstill.pop() {
            match input {
                Input::Message(from, message) => self.take_message(from, message, fx),
                Input::Request(ticket, request) => self.take_request(ticket, request, fx),
                Input::Order(order) => self.take_order(order, fx),
            }
        }
        if core::mem::take(&mut self.standstill.heartbeat) && self.stage == Stage::Leader {
            self.on_heartbeat_due(fx);
        }
    }

    /// Whether a proposal has been on its way to the own disk for as long as the watchdog allows.
    pub(super) fn disk_hangs(&self, now: LocalInstant) -> bool {
        let hangs = |most| self.own.front().is_some_and(|(.., since)| now.since(*since) >= most);
        self.config.disk_timeout.is_some_and(hangs)
    }

    /// A leader whose disk hangs steps down: nobody else would notice as long as it is heard. Returns whether it did.
    pub(super) fn gives_up_for_disk(&mut self, fx: &mut Fx<'_, M>) -> bool {
        let hangs = self.stage == Stage::Leader && self.disk_hangs(fx.now());
        if hangs {
            fx.note(PaxosFact::DiskTimedOut { ballot: self.promised });
            self.standstill.end();
            self.follow(self.promised, None, fx);
        }
        hangs
    }
}
