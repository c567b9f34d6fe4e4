//! Clocks in the engine: timers that run on a wrong clock, and what faults do to both.

use super::Engine;
use crate::{Client, Duration, Node, NodeId, Observer, Timer};

impl<N: Node, C: Client<N>, O: Observer<N>> Engine<N, C, O> {
    /// Arms a timer on a clock that is not honest.
    #[inline(never)]
    pub(super) fn arm_by(&mut self, id: NodeId, timer: Timer, after: Duration) {
        let machine = &mut self.machines[id.index()];
        if machine.clock.is_frozen() {
            self.disarm(id, timer);
            self.machines[id.index()].cold.frozen.push((timer, after));
            return;
        }
        let due = self.now + machine.clock.wait(after);
        if let Some(index) = self.timers.arm(id, timer, due) {
            self.queue_timer(index, due);
        }
    }

    pub(super) fn disarm(&mut self, id: NodeId, timer: Timer) {
        self.timers.disarm(id, timer);
        self.machines[id.index()].cold.frozen.retain(|(other, _)| *other != timer);
    }

    /// A clock stops. What its timers still had to wait, they wait when it goes on.
    pub(super) fn freeze_clock(&mut self, node: NodeId) {
        let now = self.now;
        let machine = &mut self.machines[node.index()];
        if !machine.clock.is_frozen() {
            let held = self.timers.hold(node).into_iter();
            machine.cold.frozen = held.map(|(timer, due)| (timer, machine.clock.shown_in(due.since(now)))).collect();
        }
        machine.clock.freeze(now);
        self.update_flags(node);
    }

    /// A clock that was stopped goes on, unless something else holds it too.
    pub(super) fn thaw_clock(&mut self, node: NodeId) {
        let machine = &mut self.machines[node.index()];
        let goes_on = machine.clock.thaw(self.now);
        let held = if goes_on { core::mem::take(&mut machine.cold.frozen) } else { Vec::new() };
        self.update_flags(node);
        for (timer, after) in held {
            self.arm_by(node, timer, after);
        }
    }

    /// A clock changes its rate: timers that run on it come due earlier or later.
    pub(super) fn add_drift(&mut self, node: NodeId, ppm: i64) {
        let now = self.now;
        let clock = &mut self.machines[node.index()].clock;
        let before = clock.clone();
        clock.add_drift(now, ppm);
        let clock = clock.clone();
        self.update_flags(node);
        let moved = self.timers.rescale(node, |due| now + clock.wait(before.shown_in(due.since(now))));
        for (index, due) in moved {
            self.queue_timer(index, due);
        }
    }
}
