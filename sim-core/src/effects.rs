//! Where a node puts its outputs: one buffer per engine, drained after each step.

use crate::{ClientId, Duration, LocalInstant, Node, NodeId, Rng, Ticket, Timer, WriteId};

/// One output of a node.
#[derive(Clone, Debug)]
pub enum Effect<N: Node> {
    /// Send a message. It may be lost, delayed, duplicated or overtaken.
    Send {
        /// The receiver; may be the sender itself.
        to: NodeId,
        /// What to send.
        message: N::Message,
    },
    /// Answer a client's request: done, with this result.
    Reply {
        /// Which request.
        ticket: Ticket,
        /// The result.
        response: N::Response,
    },
    /// Answer a client's request: not done and never will be by this try; ask `hint` instead.
    Redirect {
        /// Which request.
        ticket: Ticket,
        /// Who may be able to serve it.
        hint: Option<NodeId>,
    },
    /// Tell a client that its request is under way: its patience with this try starts anew.
    Progress {
        /// Which request.
        ticket: Ticket,
    },
    /// Arm a timer slot, replacing its deadline.
    Arm {
        /// The slot.
        timer: Timer,
        /// How long from now, on the node's own clock.
        after: Duration,
    },
    /// Clear a timer slot.
    Disarm {
        /// The slot.
        timer: Timer,
    },
    /// Append a record to the disk. Not durable before a sync has completed.
    Append {
        /// Where it stands; already told to the node.
        id: WriteId,
        /// Which embedded node's log it belongs to; 0 for the node itself.
        lane: u16,
        /// The record.
        record: N::Record,
    },
    /// Make everything appended so far durable; [`crate::Completion::Synced`] follows.
    Sync,
    /// Do something once a write is durable, in this life of the node.
    After {
        /// The write.
        write: WriteId,
        /// What then.
        what: Box<Effect<N>>,
    },
    /// Read a record back; [`crate::Completion::Read`] follows.
    Read {
        /// Which record.
        id: WriteId,
    },
    /// Drop this lane's records before `before`: they have been compacted away.
    Forget {
        /// The first record to keep.
        before: WriteId,
        /// The lane.
        lane: u16,
    },
    /// Announce a fact.
    Note {
        /// What is announced.
        fact: N::Fact,
    },
    /// A piece of work is done that kept the node busy so long.
    Work {
        /// How long.
        took: Duration,
        /// For whom, if it is one client's.
        client: Option<ClientId>,
    },
    /// Stop the process: the node can not go on safely (a failed sync). It crashes, keeping what was durable.
    Halt {
        /// Why, for the trace.
        why: &'static str,
    },
}

/// What a device counts for ever: its writes, and which logs on it were ever written to. It survives crashes, and
/// wiping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writes {
    next: WriteId,
    /// A bit for each lane.
    lanes: Vec<u64>,
}

impl Default for Writes {
    fn default() -> Self {
        Self::at(WriteId(1))
    }
}

impl Writes {
    /// A device whose next write will stand at `next`, on which no log is known of: for nodes driven by hand.
    #[must_use]
    pub const fn at(next: WriteId) -> Self {
        Self { next, lanes: Vec::new() }
    }

    /// Where the next write will stand.
    #[must_use]
    pub const fn next(&self) -> WriteId {
        self.next
    }

    /// Whether `lane` was ever written to.
    #[must_use]
    pub fn has(&self, lane: u16) -> bool {
        self.lanes.get(usize::from(lane / 64)).is_some_and(|bits| bits >> (lane % 64) & 1 == 1)
    }

    /// One more write, to `lane`: where it stands.
    #[inline]
    fn take(&mut self, lane: u16) -> WriteId {
        let at = usize::from(lane / 64);
        if at >= self.lanes.len() {
            self.lanes.resize(at + 1, 0);
        }
        self.lanes[at] |= 1 << (lane % 64);
        let id = self.next;
        self.next.0 += 1;
        id
    }
}

/// A node's view of the world during one step: its clock, its randomness, and the buffer for its outputs.
#[derive(Debug)]
pub struct Effects<'a, N: Node> {
    me: NodeId,
    now: LocalInstant,
    rng: &'a mut Rng,
    writes: &'a mut Writes,
    out: &'a mut Vec<Effect<N>>,
    /// Added to every timer slot, so that embedded nodes do not collide.
    timer_base: u16,
    /// Which log appends go to.
    lane: u16,
}

impl<'a, N: Node> Effects<'a, N> {
    /// A view for node `me`. Engines and hand-driven tests make these; protocols only receive them.
    #[must_use]
    pub const fn new(
        me: NodeId,
        now: LocalInstant,
        rng: &'a mut Rng,
        writes: &'a mut Writes,
        out: &'a mut Vec<Effect<N>>,
    ) -> Self {
        Self { me, now, rng, writes, out, timer_base: 0, lane: 0 }
    }

    /// The same view for a node embedded in this one: its effects go to `out`, its timers start at slot `timer_base`
    /// and its records go to `lane` (see [`crate::Embed`]).
    pub const fn embedded<'b, I: Node>(
        &'b mut self,
        out: &'b mut Vec<Effect<I>>,
        timer_base: u16,
        lane: u16,
    ) -> Effects<'b, I> {
        Effects {
            me: self.me,
            now: self.now,
            rng: self.rng,
            writes: self.writes,
            out,
            timer_base: self.timer_base + timer_base,
            lane,
        }
    }

    /// Which log of the disk it writes to.
    #[must_use]
    pub const fn lane(&self) -> u16 {
        self.lane
    }

    /// Which node this is.
    #[must_use]
    pub const fn me(&self) -> NodeId {
        self.me
    }

    /// What this node's own clock shows. It may be wrong.
    #[must_use]
    pub const fn now(&self) -> LocalInstant {
        self.now
    }

    /// This node's own random numbers.
    pub const fn rng(&mut self) -> &mut Rng {
        self.rng
    }

    /// Sends `message` to `to`.
    #[inline]
    pub fn send(&mut self, to: NodeId, message: N::Message) {
        self.out.push(Effect::Send { to, message });
    }

    /// Answers the request behind `ticket` with its result.
    pub fn reply(&mut self, ticket: Ticket, response: N::Response) {
        self.out.push(Effect::Reply { ticket, response });
    }

    /// Answers "not here, and this try will never take effect; ask `hint`".
    pub fn redirect(&mut self, ticket: Ticket, hint: Option<NodeId>) {
        self.out.push(Effect::Redirect { ticket, hint });
    }

    /// Answers "not now, and this try will never take effect".
    pub fn refuse(&mut self, ticket: Ticket) {
        self.redirect(ticket, None);
    }

    /// Tells a client that its request is under way, so that it does not lose patience with this try yet. The operation
    /// as a whole may take no longer for that.
    pub fn progress(&mut self, ticket: Ticket) {
        self.out.push(Effect::Progress { ticket });
    }

    /// Arms `timer` to come due `after` from now on this node's clock, replacing its earlier deadline.
    #[inline]
    pub fn arm(&mut self, timer: Timer, after: Duration) {
        let timer = Timer(self.timer_base + timer.0);
        self.out.push(Effect::Arm { timer, after });
    }

    /// Clears `timer`.
    pub fn disarm(&mut self, timer: Timer) {
        let timer = Timer(self.timer_base + timer.0);
        self.out.push(Effect::Disarm { timer });
    }

    /// Appends `record` to the disk and says where it stands. Durable only once [`crate::Completion::Synced`] covers
    /// it.
    #[inline]
    pub fn append(&mut self, record: N::Record) -> WriteId {
        let id = self.writes.take(self.lane);
        self.out.push(Effect::Append { id, lane: self.lane, record });
        id
    }

    /// Whether this node's log on the disk (its lane, if it is embedded in another) was ever written to. A device
    /// counts its writes for ever, so a log that is empty and was used has been wiped, or lost all of it before
    /// anything was durable.
    #[must_use]
    pub fn disk_was_used(&self) -> bool {
        self.writes.has(self.lane)
    }

    /// Whether anything on the node's disk was ever written to, logs of embedded nodes included.
    #[must_use]
    pub fn device_was_used(&self) -> bool {
        self.writes.next.0 > 1
    }

    /// Asks for everything appended so far to become durable. While a sync is in flight the next one waits for it and
    /// then covers all that was appended meanwhile (group commit).
    pub fn sync(&mut self) {
        self.out.push(Effect::Sync);
    }

    /// Does `what` once `write`, and all that was written before it, is known to be durable: at once if it is, never if
    /// this process ends before. What is only on its way to a disk can be lost with the power, and so can what a
    /// process finds there when it boots: until it has synced that itself, it rests on nothing.
    pub fn after(&mut self, write: WriteId, what: Effect<N>) {
        self.out.push(Effect::After { write, what: Box::new(what) });
    }

    /// Asks for record `id` back.
    pub fn read(&mut self, id: WriteId) {
        self.out.push(Effect::Read { id });
    }

    /// Drops the records before `before`.
    pub fn forget(&mut self, before: WriteId) {
        self.out.push(Effect::Forget { before, lane: self.lane });
    }

    /// Announces `fact` to checkers and charts. Nothing in the run can depend on it.
    #[inline]
    pub fn note(&mut self, fact: N::Fact) {
        self.out.push(Effect::Note { fact });
    }

    /// Counts a piece of work that kept the node busy so long: for systems whose nodes do more than their clients ask
    /// them directly. With several workers, its share. Reports take these for the node's load, instead of the requests
    /// handed to it; what is done for `client`s that are probes is none.
    #[inline]
    pub fn worked(&mut self, client: Option<ClientId>, took: Duration) {
        self.out.push(Effect::Work { took, client });
    }

    /// Stops this process: it can not go on safely.
    pub fn halt(&mut self, why: &'static str) {
        self.out.push(Effect::Halt { why });
    }

    /// Passes on an effect that an embedded node produced, already translated.
    pub fn forward(&mut self, effect: Effect<N>) {
        self.out.push(effect);
    }
}
