//! Nodes inside nodes: a sharded store is many Rafts on one machine, an arbiter is a Raft beside a data node.

use crate::{Completion, Effect, Effects, Node, NodeId, Replay, Ticket, Timer, Unreadable, WriteId};

/// How the outer node's types wrap those of an embedded node. Implement it on a small value that knows which embedded
/// node it is for (a shard number, say).
pub trait Wrap<I: Node, N: Node> {
    /// The outer message that carries an inner one.
    fn message(&self, inner: I::Message) -> N::Message;
    /// The outer record that carries an inner one.
    fn record(&self, inner: I::Record) -> N::Record;
    /// The inner record carried by an outer one of this lane; `None` if it is not one.
    fn unwrap_record(&self, outer: &N::Record) -> Option<I::Record>;
    /// What to announce when the inner node announces a fact.
    fn fact(&self, inner: I::Fact) -> Option<N::Fact>;
    /// What becomes of an inner reply: usually `Some(outer reply)`, `None` if the outer node handled it itself.
    fn reply(&self, ticket: Ticket, inner: I::Response) -> Option<N::Response>;
    /// What to announce of a reply that goes no further.
    fn replied(&self, ticket: Ticket) -> Option<N::Fact> {
        let _ = ticket;
        None
    }
    /// Whether the inner node's "not here, ask `hint`" goes to the engine's client: not if the outer node asked itself.
    fn redirect(&self, ticket: Ticket, hint: Option<NodeId>) -> bool {
        let _ = (ticket, hint);
        true
    }
}

/// One node running inside another. Messages are wrapped, timers offset, records kept in a lane of their own.
#[derive(Clone, Debug)]
pub struct Embed<I: Node> {
    node: I,
    timer_base: u16,
    lane: u16,
    out: Vec<Effect<I>>,
}

impl<I: Node> Embed<I> {
    /// Boots the inner node from lane `lane` of the outer disk. Its timers use the slots from `timer_base` on.
    pub fn boot<N: Node>(
        config: &I::Config,
        (timer_base, lane): (u16, u16),
        disk: Replay<'_, N::Record>,
        wrap: &impl Wrap<I, N>,
        fx: &mut Effects<'_, N>,
    ) -> Self {
        Self::within(config, (timer_base, lane), disk.lane(lane), wrap, fx)
    }

    /// Boots an inner node that is all there is of the outer one: its disk and its timers are that one's.
    pub fn alone<N: Node>(
        config: &I::Config,
        disk: Replay<'_, N::Record>,
        wrap: &impl Wrap<I, N>,
        fx: &mut Effects<'_, N>,
    ) -> Self {
        let lane = fx.lane();
        Self::within(config, (0, lane), disk, wrap, fx)
    }

    fn within<N: Node>(
        config: &I::Config,
        (timer_base, lane): (u16, u16),
        disk: Replay<'_, N::Record>,
        wrap: &impl Wrap<I, N>,
        fx: &mut Effects<'_, N>,
    ) -> Self {
        let inner = |(id, record): (WriteId, Result<&N::Record, Unreadable>)| match record {
            Ok(record) => wrap.unwrap_record(record).map(|record| (id, 0, Some(record))),
            Err(Unreadable) => Some((id, 0, None)),
        };
        let records: Vec<(WriteId, u16, Option<I::Record>)> = disk.iter().filter_map(inner).collect();
        let mut out = Vec::new();
        let me = fx.me();
        let node = I::boot(config, me, Replay::new(&records), &mut fx.embedded(&mut out, timer_base, lane));
        let mut this = Self { node, timer_base, lane, out };
        this.flush(wrap, fx);
        this
    }

    /// The inner node, for what is no input.
    pub const fn node_mut(&mut self) -> &mut I {
        &mut self.node
    }

    /// The inner node.
    pub const fn node(&self) -> &I {
        &self.node
    }

    /// Gives the inner node one input (any of its methods) and passes its effects outward through `wrap`.
    pub fn step<N: Node>(
        &mut self,
        wrap: &impl Wrap<I, N>,
        fx: &mut Effects<'_, N>,
        input: impl FnOnce(&mut I, &mut Effects<'_, I>),
    ) {
        input(&mut self.node, &mut fx.embedded(&mut self.out, self.timer_base, self.lane));
        self.flush(wrap, fx);
    }

    /// The inner slot of `timer` if it belongs to this embedded node, which owns `slots` slots.
    #[must_use]
    pub const fn timer(&self, timer: Timer, slots: u16) -> Option<Timer> {
        if timer.0 >= self.timer_base && timer.0 < self.timer_base + slots {
            Some(Timer(timer.0 - self.timer_base))
        } else {
            None
        }
    }

    /// A message for the inner node.
    pub fn on_message<N: Node>(
        &mut self,
        from: NodeId,
        message: I::Message,
        wrap: &impl Wrap<I, N>,
        fx: &mut Effects<'_, N>,
    ) {
        self.step(wrap, fx, |node, fx| node.on_message(from, message, fx));
    }

    /// The disk reported: every embedded node hears it, because one sync covers them all. A read concerns only the
    /// node whose lane the record is in; the others ignore what does not unwrap.
    pub fn on_disk<N: Node>(&mut self, done: &Completion<N::Record>, wrap: &impl Wrap<I, N>, fx: &mut Effects<'_, N>) {
        let inner = match done {
            Completion::Synced { upto } => Completion::Synced { upto: *upto },
            Completion::SyncFailed { upto, why } => Completion::SyncFailed { upto: *upto, why: *why },
            Completion::Read { id, record } => {
                Completion::Read { id: *id, record: record.as_ref().and_then(|r| wrap.unwrap_record(r)) }
            }
        };
        self.step(wrap, fx, |node, fx| node.on_disk(inner, fx));
    }

    fn flush<N: Node>(&mut self, wrap: &impl Wrap<I, N>, fx: &mut Effects<'_, N>) {
        self.out.drain(..).filter_map(|effect| outer(effect, wrap)).for_each(|effect| fx.forward(effect));
    }
}

/// What an inner effect is for the outer node, if it is anything.
fn outer<I: Node, N: Node>(effect: Effect<I>, wrap: &impl Wrap<I, N>) -> Option<Effect<N>> {
    Some(match effect {
        Effect::Send { to, message } => Effect::Send { to, message: wrap.message(message) },
        Effect::Reply { ticket, response } => match wrap.reply(ticket, response) {
            Some(response) => Effect::Reply { ticket, response },
            None => Effect::Note { fact: wrap.replied(ticket)? },
        },
        Effect::Redirect { ticket, hint } if wrap.redirect(ticket, hint) => Effect::Redirect { ticket, hint },
        Effect::Redirect { .. } => return None,
        Effect::Progress { ticket } => Effect::Progress { ticket },
        Effect::Arm { timer, after } => Effect::Arm { timer, after },
        Effect::Disarm { timer } => Effect::Disarm { timer },
        Effect::Append { id, lane, record } => Effect::Append { id, lane, record: wrap.record(record) },
        Effect::Sync => Effect::Sync,
        Effect::After { write, what } => Effect::After { write, what: Box::new(outer(*what, wrap)?) },
        Effect::Read { id } => Effect::Read { id },
        Effect::Forget { before, lane } => Effect::Forget { before, lane },
        Effect::Work { took, client } => Effect::Work { took, client },
        Effect::Note { fact } => Effect::Note { fact: wrap.fact(fact)? },
        Effect::Halt { why } => Effect::Halt { why },
    })
}
