//! Disks in the engine: syncs and reads take their time, and faults slow, stall, fail, fill, rot, tear and belie them.

use super::machine::Input;
use super::{Engine, Event};
use crate::digest::Code;
use crate::fault::OnCrash;
use crate::network::Latency;
use crate::{Client, Completion, Effect, Node, NodeId, Observed, Observer, WriteId};

impl<N: Node, C: Client<N>, O: Observer<N>> Engine<N, C, O> {
    /// Sync `number` of the node's disk begins.
    pub(super) fn start_sync(&mut self, id: NodeId, number: u32) {
        let machine = &mut self.machines[id.index()];
        if machine.cold.disk.is_stalled() {
            machine.cold.disk.hold(number);
            return;
        }
        let mut took = match &machine.cold.disk_policy.sync {
            Latency::Fixed(took) => *took,
            latency => latency.clone().sample(machine.disk_rng().next_u32()),
        };
        for (fault, latency, luck) in machine.cold.disk.trouble().into_iter().flat_map(|t| &mut t.slow) {
            took = took + latency.sample(luck.of(id.0).next_u32());
            self.faults.touch(*fault, 1);
        }
        let due = self.now + took;
        self.push(due, Event::Disk { node: id, number });
        self.observer.observe(self.now, &Observed::SyncStarted { node: id, due });
    }

    pub(super) fn start_read(&mut self, id: NodeId, write: WriteId) {
        let machine = &mut self.machines[id.index()];
        let token = machine.cold.disk.token;
        let after = match &machine.cold.disk_policy.read {
            Latency::Fixed(after) => *after,
            latency => latency.clone().sample(machine.disk_rng().next_u32()),
        };
        self.push(self.now + after, Event::DiskRead { node: id, token, id: write });
    }

    /// A stall is over: what it held starts (over) now.
    pub(super) fn release_disk(&mut self, id: NodeId) {
        for number in self.machines[id.index()].cold.disk.release() {
            self.start_sync(id, number);
        }
    }

    pub(super) fn sync_done(&mut self, id: NodeId, number: u32) {
        let machine = &mut self.machines[id.index()];
        if !machine.cold.disk.is_in_flight(number) {
            // A crash has overtaken it.
            return;
        }
        if machine.cold.disk.is_stalled() {
            machine.cold.disk.hold(number);
            return;
        }
        let mut ok = true;
        if !machine.cold.disk_policy.fail.is_never() {
            let fail = machine.cold.disk_policy.fail;
            ok = !machine.disk_rng().chance(fail);
        }
        for (fault, fail, luck) in machine.cold.disk.trouble().into_iter().flat_map(|t| &mut t.failing) {
            if luck.of(id.0).chance(*fail) {
                ok = false;
                self.faults.touch(*fault, 1);
            }
        }
        machine.stats.disk_busy_ns += machine.cold.disk.busy(self.now).0;
        machine.stats.syncs += 1;
        let (next_write, at_once) = (self.writes[id.index()].next(), machine.cold.disk_policy.at_once);
        let (finished, next) = machine.cold.disk.finish_sync(number, ok, next_write, self.now, at_once);
        let upto = finished.upto;
        let done = match finished.result {
            Ok(()) => Completion::Synced { upto },
            Err(why) => Completion::SyncFailed { upto, why },
        };
        let ok = finished.result.is_ok();
        self.record(id.0, Code::Disk, upto.0 << 1 | u64::from(ok));
        self.observer.observe(self.now, &Observed::Synced { node: id, upto, ok });
        if let Some(number) = next {
            self.start_sync(id, number);
        }
        self.disk_input(id, done);
    }

    pub(super) fn read_done(&mut self, id: NodeId, token: u32, write: WriteId) {
        let disk = &self.machines[id.index()].cold.disk;
        if disk.token != token {
            return;
        }
        let record = disk.read(write);
        self.find_rot(id, Some(write));
        let found = record.is_some();
        self.record(id.0, Code::Read, write.0 << 1 | u64::from(found));
        self.observer.observe(self.now, &Observed::ReadDone { node: id, write, found });
        self.disk_input(id, Completion::Read { id: write, record });
    }

    fn disk_input(&mut self, id: NodeId, done: Completion<N::Record>) {
        if self.is_gated(id) {
            self.wait_at_gate(id, Input::Disk(done));
        } else {
            self.tell_of_disk(id, done);
        }
    }

    /// The node hears from its disk. What has waited for that comes before what it does about it.
    pub(super) fn tell_of_disk(&mut self, id: NodeId, done: Completion<N::Record>) {
        if let Completion::Synced { upto } = done {
            let cold = &mut self.machines[id.index()].cold;
            cold.settled = cold.settled.max(upto);
            for (write, what) in cold.waiting.take().into_iter().flat_map(|waiting| *waiting) {
                // What is not ready waits again, in the same order.
                self.do_after(id, write, what);
            }
        }
        self.step_node(id, |n, fx| n.on_disk(done, fx));
    }

    /// Does `what` now if the node knows `write` to be durable, or when it is told.
    pub(super) fn do_after(&mut self, id: NodeId, write: WriteId, what: Effect<N>) {
        let cold = &mut self.machines[id.index()].cold;
        if write > cold.settled {
            return cold.waiting.get_or_insert_default().push_back((write, what));
        }
        match what {
            Effect::Send { to, message } => self.send(id, to, message),
            Effect::Arm { timer, after } => self.arm(id, timer, after),
            other => self.carry_out_other(id, other),
        }
    }

    /// Records were read back, one or all: those found rotten for the first time make their fault count.
    pub(super) fn find_rot(&mut self, id: NodeId, only: Option<WriteId>) {
        for fault in self.machines[id.index()].cold.disk.find_rot(only) {
            self.faults.touch(fault, 1);
        }
    }

    /// The machine's disk loses what `how` and the faults in force say; how many records that were.
    pub(super) fn crash_disk(&mut self, id: NodeId, how: OnCrash) -> usize {
        let next_write = self.writes[id.index()].next();
        let machine = &mut self.machines[id.index()];
        let disk = &mut machine.cold.disk;
        // With nothing unsynced there is nothing to tear.
        let tears = disk.has_unsynced() && matches!(how, OnCrash::Keep | OnCrash::LoseUnsynced);
        let mut how = how;
        for fault in disk.trouble().filter(|_| tears).into_iter().flat_map(|t| &t.torn) {
            self.faults.touch(*fault, 1);
            how = OnCrash::Torn;
        }
        let lost = machine.crash_disk(how, next_write);
        for (fault, records) in lost.belied {
            self.faults.touch(fault, records);
        }
        lost.records
    }
}
