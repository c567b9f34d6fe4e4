//! Nodes in the engine: inputs in, effects out, over the network, the disk and the CPU.

use super::connections::way;
use super::machine::{CLOCK_OFF, GATED, Input, Work};
use super::timers::{Due, TIMER_FLAG};
use super::{Answer, Engine, Event};
use crate::digest::Code;
use crate::hash;
use crate::network::{Crossing, Passage};
use crate::queue::{Key, Queue};
use crate::{
    Client, Clock, Drop, Duration, Effect, Effects, Fact, Instant, LocalInstant, Message, Node, NodeId, Observed,
    Observer, Parcel, Peer, Ticket, Timer, panics,
};

impl<N: Node, C: Client<N>, O: Observer<N>> Engine<N, C, O> {
    /// Gives a live node one input and carries out its effects.
    #[inline(always)]
    pub(super) fn step_node(&mut self, id: NodeId, input: impl FnOnce(&mut N, &mut Effects<'_, N>)) {
        let local = self.local_time(id);
        let Some(node) = self.nodes[id.index()].as_mut() else { return };
        let rng = &mut self.node_rngs[id.index()];
        let mut fx = Effects::new(id, local, rng, &mut self.writes[id.index()], &mut self.effects);
        panics::within(id, || input(node, &mut fx));
        if !self.effects.is_empty() {
            self.carry_out(id);
        }
        self.check(id);
    }

    /// What the node's own clock shows.
    #[inline(always)]
    fn local_time(&self, id: NodeId) -> LocalInstant {
        if self.flags[id.index()] & CLOCK_OFF == 0 {
            Clock::honest(self.now)
        } else {
            self.machines[id.index()].clock.show(self.now)
        }
    }

    /// Inputs take time or must wait.
    #[inline(always)]
    pub(super) fn is_gated(&self, id: NodeId) -> bool {
        self.flags[id.index()] & GATED != 0
    }

    pub(super) fn update_flags(&mut self, id: NodeId) {
        self.flags[id.index()] = self.machines[id.index()].flags();
    }

    #[inline]
    pub(super) fn check(&mut self, id: NodeId) {
        if let Err(violation) = self.observer.after_step(self.now, id, &self.nodes)
            && self.violation.is_none()
        {
            self.violation = Some(violation);
        }
    }

    /// Carries out what a node has put into the effects buffer.
    #[inline(always)]
    pub(super) fn carry_out(&mut self, id: NodeId) {
        if self.effects.len() == 1
            && let Some(effect) = self.effects.pop()
        {
            // The usual case; draining a buffer takes longer than arming a timer.
            if let Some(why) = self.carry_out_one(id, effect) {
                self.halt(id, why);
            }
        } else {
            self.carry_out_all(id);
        }
    }

    #[inline(never)]
    fn carry_out_all(&mut self, id: NodeId) {
        let mut effects = core::mem::take(&mut self.effects);
        let mut halted = None;
        for effect in effects.drain(..) {
            halted = self.carry_out_one(id, effect).or(halted);
        }
        self.effects = effects;
        if let Some(why) = halted {
            self.halt(id, why);
        }
    }

    /// Carries out one effect; if the node is to halt once the others have been carried out too: why.
    #[inline(always)]
    fn carry_out_one(&mut self, id: NodeId, effect: Effect<N>) -> Option<&'static str> {
        match effect {
            Effect::Send { to, message } => self.send(id, to, message),
            Effect::Arm { timer, after } => self.arm(id, timer, after),
            Effect::Halt { why } => return Some(why),
            other => self.carry_out_other(id, other),
        }
        None
    }

    /// Everything but sending and arming, out of the way of those two.
    #[inline(never)]
    pub(super) fn carry_out_other(&mut self, id: NodeId, effect: Effect<N>) {
        match effect {
            Effect::Send { .. } | Effect::Arm { .. } | Effect::Halt { .. } => {}
            Effect::Reply { ticket, response } => {
                let bytes = N::response_bytes(&response);
                let load = !self.is_for_probe(Some(ticket.client));
                self.machines[id.index()].stats.answered += u64::from(load);
                self.answer(id, ticket, Answer::Done(response), bytes);
            }
            Effect::Redirect { ticket, hint } => self.answer(id, ticket, Answer::Elsewhere(hint), 24),
            Effect::Progress { ticket } => self.answer(id, ticket, Answer::UnderWay, 24),
            Effect::Disarm { timer } => self.disarm(id, timer),
            Effect::Append { id: write, lane, record } => {
                self.digest.within(Code::Append, hash::content(&(lane, &record)));
                self.observer.observe(self.now, &Observed::Appended { node: id, write, record: &record });
                let disk = &mut self.machines[id.index()].cold.disk;
                if !disk.append(write, lane, record) {
                    disk.make_trouble().full.iter().for_each(|fault| self.faults.touch(*fault, 1));
                }
            }
            Effect::Sync => {
                let (next_write, cold) = (self.writes[id.index()].next(), &mut self.machines[id.index()].cold);
                if let Some(number) = cold.disk.request_sync(next_write, self.now, cold.disk_policy.at_once) {
                    self.start_sync(id, number);
                }
            }
            Effect::After { write, what } => self.do_after(id, write, *what),
            Effect::Read { id: write } => self.start_read(id, write),
            Effect::Forget { before, lane } => self.machines[id.index()].cold.disk.forget(before, lane),
            Effect::Work { took, client } => {
                let probe = self.is_for_probe(client);
                self.machines[id.index()].worked(took, probe);
            }
            Effect::Note { fact } => {
                let kind = fact.kind();
                self.digest.within(Code::Note, hash::content(&fact));
                self.observer.observe(self.now, &Observed::Noted { node: id, fact });
                if !self.calm {
                    self.cue(id, kind.name, true);
                }
            }
        }
    }

    #[inline(always)]
    pub(super) fn arm(&mut self, id: NodeId, timer: Timer, after: Duration) {
        if self.flags[id.index()] & CLOCK_OFF != 0 {
            return self.arm_by(id, timer, after);
        }
        let due = self.now + after;
        if let Some(index) = self.timers.arm(id, timer, due) {
            self.queue_timer(index, due);
        }
    }

    #[inline(always)]
    pub(super) fn queue_timer(&mut self, index: u32, due: Instant) {
        let rest = self.next_rest(due, |_| hash::of(&[12, u64::from(index)]));
        let key = Key { at: due.0, rest: rest | u64::from(index | TIMER_FLAG) };
        self.timers.queued(index, key);
        self.queue.push(key);
    }

    #[inline(always)]
    pub(super) fn timer_due(&mut self, index: u32, key: Key) {
        match self.timers.surface(index, key) {
            Due::Stale => {}
            Due::Later(due) => self.queue_timer(index, due),
            Due::Now(node, timer) => {
                if self.is_gated(node) {
                    self.timers.wait(node, timer);
                    self.wait_at_gate(node, Input::Timer(timer));
                } else {
                    self.fire(node, timer);
                }
            }
        }
    }

    #[inline(always)]
    fn fire(&mut self, node: NodeId, timer: Timer) {
        self.record(node.0, Code::Timer, u64::from(timer.0));
        self.observer.observe(self.now, &Observed::Fired { node, timer });
        self.step_node(node, |n, fx| n.on_timer(timer, fx));
    }

    /// A message leaves its node: one draw decides loss and latency.
    #[inline(always)]
    pub(super) fn send(&mut self, from: NodeId, to: NodeId, message: N::Message) {
        if to.index() >= self.nodes.len() {
            panics::blame(from, &format!("{from} sends to {to}, of {} nodes", self.nodes.len()));
        }
        let kind = message.kind();
        let bytes = message.bytes();
        self.tally.sent[kind.index as usize] += 1;
        self.tally.names[kind.index as usize] = kind.name;
        let probe = self.is_for_probe(message.client());
        let number = self.machines[from.index()].sent(bytes, probe);
        let bits = self.link_rngs[from.index()].next_u64();
        if from == to || !self.calm {
            self.send_with_care(from, to, number, message, bits);
            return;
        }
        let policy = self.network.policy(self.network.node_site[from.index()], self.network.node_site[to.index()]);
        let arrives = self.now + policy.latency.sample(bits as u32);
        let lost = policy.loss.hit((bits >> 32) as u32);
        self.observer.observe(self.now, &Observed::Sent { from, to, message: &message, arrives, number });
        if lost {
            self.lose_message(from, to, number, &message, Drop::Loss);
        } else {
            self.push(arrives, Event::Message { from, to, number, message });
        }
    }

    /// A message to oneself, or one whose fate more than loss and latency decide. Apart, because most are not.
    #[inline(never)]
    fn send_with_care(&mut self, from: NodeId, to: NodeId, number: u32, message: N::Message, bits: u64) {
        if from == to {
            // To itself: not over the network, but not within the same step either.
            self.observer.observe(self.now, &Observed::Sent { from, to, message: &message, arrives: self.now, number });
            self.push(self.now, Event::Message { from, to, number, message });
            return;
        }
        if self.carrier.is_some() {
            return self.carry(from, to, number, message);
        }
        let (kind, bytes) = (message.kind(), message.bytes());
        let queued = self.leave_machine(from, Some(to), bytes);
        let network = &*self.network;
        let policy = network.policy(network.node_site[from.index()], network.node_site[to.index()]);
        let ordered = policy.ordered;
        let mut latency = policy.latency.sample(bits as u32) + queued.unwrap_or_default();
        let mut lost = queued.is_none().then_some(Drop::QueueFull);
        lost = lost.or(policy.loss.hit((bits >> 32) as u32).then_some(Drop::Loss));
        let mut twice = None;
        if lost.is_none() {
            let ends = (Peer::Node(from), Peer::Node(to), 0);
            let crossing =
                Crossing { ends, pair: (from.0, to.0), luck: from.0, kind: Some(kind), bytes, now: self.now };
            let machine = &mut self.machines[from.index()];
            match self.trouble.pass(&crossing, policy, || machine.packet_rng()) {
                Passage::Dropped(why) => lost = Some(why),
                Passage::Arrives { added, duplicate } => {
                    latency = latency + added;
                    // A delay holds back both copies; the rest of the way each has a latency of its own.
                    twice = duplicate.map(|bits| policy.latency.sample(bits) + added);
                }
            }
        }
        if ordered {
            latency = self.in_order(way(Peer::Node(from), Peer::Node(to)), latency, lost);
            (lost, twice) = (self.is_closing(from, to).then_some(Drop::Stale), None);
        }
        let arrives = self.now + latency;
        self.observer.observe(self.now, &Observed::Sent { from, to, message: &message, arrives, number });
        if let Some(why) = lost {
            self.lose_message(from, to, number, &message, why);
            return;
        }
        if let Some(latency) = twice {
            self.tally.duplicated += 1;
            self.push(self.now + latency, Event::Message { from, to, number, message: message.clone() });
        }
        self.push(arrives, Event::Message { from, to, number, message });
    }

    /// Messages between nodes that are under way, or wait for their receiver to handle them. Counted when asked.
    #[must_use]
    pub fn messages_in_flight(&self) -> u64 {
        let under_way = self.slab.iter().filter(|event| matches!(event, Event::Message { .. })).count();
        let waiting = self.machines.iter().filter_map(|m| m.cold.gate.as_ref()).flat_map(|gate| &gate.waiting);
        let waiting = waiting.filter(|input| matches!(input, Input::Message { .. })).count();
        (under_way + waiting + self.messages_held() + self.messages_in_streams()) as u64
    }

    /// A message between nodes that nobody will get.
    #[inline(never)]
    pub(super) fn lose_message(&mut self, from: NodeId, to: NodeId, number: u32, message: &N::Message, why: Drop) {
        let what = Parcel::Message(message.kind(), number);
        self.drop_message(Peer::Node(from), Peer::Node(to), what, why, hash::content(message));
    }

    /// Something that was sent arrives nowhere. `content` is the hash of what it says, unless that is in the digest
    /// already.
    #[inline(never)]
    pub(super) fn drop_message(&mut self, from: Peer, to: Peer, what: Parcel, why: Drop, content: u64) {
        if matches!(what, Parcel::Message(..)) {
            self.tally.dropped[why as usize] += 1;
        }
        let end = |peer| match peer {
            Peer::Node(node) => node.0,
            Peer::Client(client) => 1 << 31 | client.0,
        };
        let parcel = hash::of(&[u64::from(end(from)), why as u64, content]);
        self.record(end(to), Code::Drop, parcel);
        self.observer.observe(self.now, &Observed::Dropped { from, to, what, why });
    }

    /// A message reaches its node, unless a cut has come between or nobody is there.
    #[inline(always)]
    pub(super) fn arrive(&mut self, from: NodeId, to: NodeId, number: u32, message: N::Message) {
        if self.calm {
            self.reach(from, to, number, message);
        } else {
            self.arrive_through_trouble(from, to, number, message);
        }
    }

    /// Whether nothing has come between.
    #[inline(never)]
    fn arrive_through_trouble(&mut self, from: NodeId, to: NodeId, number: u32, message: N::Message) {
        let way = way(Peer::Node(from), Peer::Node(to));
        if from != to && self.is_ordered(way) {
            let event = Event::Message { from, to, number, message };
            if let Some(event) = self.comes_through(way, event) {
                self.land(event, self.now);
            }
        } else if self.trouble.cut(Peer::Node(from), Peer::Node(to), 0) {
            self.lose_message(from, to, number, &message, Drop::Cut);
        } else {
            self.reach(from, to, number, message);
        }
    }

    /// A message is at its node's door. A trigger may wait for it.
    #[inline(always)]
    pub(super) fn reach(&mut self, from: NodeId, to: NodeId, number: u32, message: N::Message) {
        if self.nodes[to.index()].is_none() {
            self.lose_message(from, to, number, &message, Drop::Down);
            return self.refused(from, to);
        }
        if self.is_gated(to) {
            if from != to && !self.calm && !self.has_room(to, message.bytes()) {
                return self.lose_message(from, to, number, &message, Drop::Overflow);
            }
            self.wait_at_gate(to, Input::Message { from, number, message });
        } else {
            if !self.calm {
                self.cue(to, message.kind().name, false);
            }
            self.deliver(from, to, number, message);
        }
    }

    #[inline(always)]
    fn deliver(&mut self, from: NodeId, to: NodeId, number: u32, message: N::Message) {
        let link = u64::from(to.0) << 32 | u64::from(from.0);
        self.digest.event(self.now.0, link, Code::Message, hash::content(&message));
        self.tally.delivered += 1;
        let probe = self.is_for_probe(message.client());
        self.machines[to.index()].received(message.bytes(), probe);
        self.observer.observe(self.now, &Observed::Delivered { from, to, number, message: &message });
        self.step_node(to, |n, fx| n.on_message(from, message, fx));
    }

    /// A request reaches its node (see `clients.rs` for its way there).
    pub(super) fn take_request(&mut self, to: NodeId, ticket: Ticket, request: N::Request) {
        if self.is_gated(to) {
            self.wait_at_gate(to, Input::Request { ticket, request });
        } else {
            self.serve(to, ticket, request);
        }
    }

    #[inline]
    fn serve(&mut self, to: NodeId, ticket: Ticket, request: N::Request) {
        let session = u64::from(to.0) << 32 | u64::from(ticket.client.0);
        // What it asks is in the digest since the client made it.
        self.digest.event(self.now.0, session, Code::Request, ticket.op << 16 ^ u64::from(ticket.attempt));
        let probe = self.is_for_probe(Some(ticket.client));
        let bytes = if self.is_seated(ticket.client) { 0 } else { N::request_bytes(&request) };
        self.machines[to.index()].asked(bytes, probe);
        self.observer.observe(self.now, &Observed::Requested { ticket, node: to });
        self.step_node(to, |n, fx| n.on_request(ticket, request, fx));
    }

    // --- CPU: inputs that cost time, or wait for a pause to end ---

    #[inline(never)]
    pub(super) fn wait_at_gate(&mut self, id: NodeId, input: Input<N>) {
        if self.nodes[id.index()].is_none() {
            return;
        }
        let gate = self.machines[id.index()].gate();
        gate.waiting.push_back(input);
        if gate.pauses > 0 {
            self.faults.touch_pauses(id);
        } else if gate.work.is_none() {
            self.start_work(id);
        }
    }

    /// Starts on the oldest waiting input; free ones are handled at once.
    fn start_work(&mut self, id: NodeId) {
        while self.violation.is_none() {
            let machine = &mut self.machines[id.index()];
            let cost = machine.cost();
            let gate = machine.gate();
            // A timer that was disarmed while it waited costs nothing.
            while let Some(Input::Timer(timer)) = gate.waiting.front()
                && !self.timers.is_waiting(id, *timer)
            {
                gate.waiting.pop_front();
            }
            if gate.waiting.is_empty() || gate.pauses > 0 || gate.work.is_some() {
                break;
            }
            if cost != Duration::ZERO {
                gate.work = Some(Work { since: self.now, left: cost, all: cost });
                let token = gate.token;
                for i in 0..machine.gate().slow.len() {
                    let fault = machine.gate().slow[i].0;
                    self.faults.touch(fault, 1);
                }
                self.push(self.now + cost, Event::Cpu { node: id, token });
                break;
            }
            self.handle_waiting(id);
        }
        self.update_flags(id);
    }

    pub(super) fn cpu_done(&mut self, id: NodeId, token: u32) {
        let machine = &mut self.machines[id.index()];
        if machine.gate().token != token {
            return;
        }
        machine.charge_work(self.now);
        machine.gate().work = None;
        self.handle_waiting(id);
        self.start_work(id);
    }

    fn handle_waiting(&mut self, id: NodeId) {
        let Some(input) = self.machines[id.index()].gate().waiting.pop_front() else { return };
        match input {
            Input::Message { from, number, message } => {
                if !self.calm {
                    self.cue(id, message.kind().name, false);
                }
                self.deliver(from, id, number, message);
            }
            Input::Timer(timer) => {
                if self.timers.take_waiting(id, timer) {
                    self.fire(id, timer);
                }
            }
            Input::Request { ticket, request } => self.serve(id, ticket, request),
            Input::Disk(done) => self.tell_of_disk(id, done),
            Input::Order(order) => self.obey(id, order),
            Input::Closed { peer, next } => self.hear_closed(id, peer, next),
        }
        if !self.calm {
            self.read_on(id);
        }
    }

    /// Returns how many inputs that were waiting already are held up by it.
    pub(super) fn pause(&mut self, id: NodeId) -> usize {
        let machine = &mut self.machines[id.index()];
        machine.charge_work(self.now);
        let gate = machine.gate();
        gate.pauses += 1;
        let first = gate.pauses == 1;
        let held_up = gate.waiting.len();
        // What is left of the work under way is done when the pause ends.
        gate.token += u32::from(gate.work.is_some());
        self.update_flags(id);
        if first {
            self.record(id.0, Code::Pause, 1);
            self.observer.observe(self.now, &Observed::Paused { node: id, paused: true });
        }
        held_up
    }

    pub(super) fn resume(&mut self, id: NodeId) {
        let gate = self.machines[id.index()].gate();
        gate.pauses -= 1;
        if gate.pauses > 0 {
            return;
        }
        let token = gate.token;
        let under_way = gate.work.as_mut().map(|work| {
            work.since = self.now;
            work.left
        });
        self.record(id.0, Code::Pause, 0);
        self.observer.observe(self.now, &Observed::Paused { node: id, paused: false });
        if let Some(left) = under_way {
            self.push(self.now + left, Event::Cpu { node: id, token });
        }
        if core::mem::take(&mut self.machines[id.index()].gate().boots) {
            self.boot_if_it_may(id);
        }
        self.start_work(id);
    }

    /// A slow-down has begun or ended: the input being worked on goes on at the new pace, too.
    pub(super) fn pace_changed(&mut self, id: NodeId) {
        if let Some((left, token)) = self.machines[id.index()].change_pace(self.now) {
            self.push(self.now + left, Event::Cpu { node: id, token });
            for i in 0..self.machines[id.index()].gate().slow.len() {
                let fault = self.machines[id.index()].gate().slow[i].0;
                self.faults.touch(fault, 1);
            }
        }
        self.update_flags(id);
        self.start_work(id);
    }
}
