//! Life and death of nodes: they boot from their disks, crash, halt, and are started again.

use super::machine::Input;
use super::{Engine, Event};
use crate::digest::Code;
use crate::fault::OnCrash;
use crate::{Client, Drop, Duration, Effects, Node, NodeId, Observed, Observer, Parcel, Peer, WriteId, panics};

/// The least time a supervisor takes to start a node that has halted.
const SOONEST_RESTART: Duration = Duration::millis(1);

impl<N: Node, C: Client<N>, O: Observer<N>> Engine<N, C, O> {
    pub(super) fn boot(&mut self, id: NodeId) {
        let machine = &mut self.machines[id.index()];
        assert!(self.nodes[id.index()].is_none(), "{id} boots while it is up");
        if let Some(since) = machine.cold.down_since.take() {
            machine.stats.down_ns += self.now.since(since).0;
        }
        let records = machine.cold.disk.len();
        self.record(id.0, Code::Boot, records as u64);
        self.observer.observe(self.now, &Observed::Booted { node: id, records });
        self.find_rot(id, None);
        let machine = &mut self.machines[id.index()];
        let local = machine.clock.show(self.now);
        let rng = &mut self.node_rngs[id.index()];
        let mut fx = Effects::new(id, local, rng, &mut self.writes[id.index()], &mut self.effects);
        let node = panics::within(id, || N::boot(&self.config, id, machine.cold.disk.replay(), &mut fx));
        machine.cold.outsider = !machine.cold.member || !node.can_be_member();
        self.nodes[id.index()] = Some(node);
        self.forget_connections_of(id);
        self.carry_out(id);
        self.check(id);
        self.machine_is_back(id);
    }

    /// Starts a node that is down, unless crashes or pauses in force keep it from running.
    pub(super) fn boot_if_it_may(&mut self, id: NodeId) {
        let cold = &mut self.machines[id.index()].cold;
        if self.nodes[id.index()].is_some() {
            return;
        }
        if cold.downs > 0 {
            self.touch_crashes(id);
        } else if let Some(gate) = cold.gate.as_mut().filter(|gate| gate.pauses > 0) {
            gate.boots = true;
            self.faults.touch_pauses(id);
        } else {
            self.boot(id);
        }
    }

    /// The node goes down; what `on_crash` says survives on its disk.
    pub(super) fn crash(&mut self, id: NodeId, on_crash: OnCrash, halted: Option<&'static str>) {
        if self.nodes[id.index()].take().is_none() {
            return;
        }
        self.timers.clear(id);
        self.break_connections(id);
        let machine_lives = on_crash == OnCrash::Keep || halted.is_some();
        self.machines[id.index()].cold.refuses = machine_lives;
        self.close_connections_of(id, machine_lives);
        self.process_dies(id, machine_lives);
        let now = self.now;
        let machine = &mut self.machines[id.index()];
        machine.cold.frozen.clear();
        machine.cold.waiting = None;
        machine.cold.settled = WriteId(0);
        machine.cold.down_since = Some(now);
        machine.stats.disk_busy_ns += machine.cold.disk.busy(now).0;
        let lost_records = self.crash_disk(id, on_crash);
        let machine = &mut self.machines[id.index()];
        machine.charge_work(now);
        let mut dropped = Vec::new();
        if let Some(gate) = &mut machine.cold.gate {
            gate.work = None;
            gate.token += 1;
            dropped.extend(gate.waiting.drain(..));
        }
        self.update_flags(id);
        for input in dropped {
            match input {
                Input::Message { from, number, message } => {
                    self.lose_message(from, id, number, &message, Drop::Stale);
                }
                Input::Request { ticket, .. } => {
                    let (client, node) = (Peer::Client(ticket.client), Peer::Node(id));
                    self.drop_message(client, node, Parcel::Request(ticket), Drop::Stale, 0);
                }
                Input::Timer(_) | Input::Disk(_) | Input::Order(_) | Input::Closed { .. } => {}
            }
        }
        self.record(id.0, Code::Crash, lost_records as u64);
        self.observer.observe(self.now, &Observed::Crashed { node: id, halted, lost_records });
        self.check(id);
    }

    /// The node stopped itself. Its supervisor starts it again, unless a fault keeps it down; never at once, because
    /// one that refuses to start (its disk is unreadable) would then be started forever without time going on. It comes
    /// back to what was durable, as if its machine had lost power: no page cache outlives it (fsyncgate, PostgreSQL
    /// 2018).
    pub(super) fn halt(&mut self, id: NodeId, why: &'static str) {
        self.crash(id, OnCrash::LoseUnsynced, Some(why));
        let token = self.machines[id.index()].cold.disk.token;
        let after = self.restart_halted.max(SOONEST_RESTART);
        self.push(self.now + after, Event::Revive { node: id, token });
    }

    pub(super) fn revive(&mut self, id: NodeId, token: u32) {
        if self.machines[id.index()].cold.disk.token == token {
            self.boot_if_it_may(id);
        }
    }
}
