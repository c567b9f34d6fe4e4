//! A consensus group inside other nodes: some of them keep a small state machine together, such as who the members of a
//! store are, or who leads. `docs/inside/councils.md` says how to embed one.

use super::{Consensus, Decided, Landmark, Reign, Stamp, Standing};
use core::cell::RefCell;
use core::fmt;
use sim_core::{
    ClientId, Completion, Effects, Embed, Fact, Node, NodeId, Order, Replay, StateMachine, Ticket, Timer, Wrap,
};
use std::collections::VecDeque;

/// A node that may have a member of a consensus group inside it, or of several: each has a lane of its own.
pub trait Hosts<C: Consensus>: Node {
    /// The message that carries one of the group.
    fn message(lane: u16, inner: C::Message) -> Self::Message;
    /// What of the group a message carries, if it does.
    fn message_of(lane: u16, outer: &Self::Message) -> Option<&C::Message>;
    /// The record that carries one of the group.
    fn record(inner: C::Record) -> Self::Record;
    /// What of a group a record carries, if it does.
    fn record_of(outer: &Self::Record) -> Option<&C::Record>;
    /// The fact that carries one of the group.
    fn fact(lane: u16, inner: Minute<C::Fact>) -> Self::Fact;
    /// What of the group a fact carries, if it does.
    fn fact_of(lane: u16, outer: Self::Fact) -> Option<Minute<C::Fact>>;
    /// The member inside this node, if there is one.
    fn council(&self, lane: u16) -> Option<&Council<C>>;
}

/// What a council announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Minute<F> {
    /// What its protocol does.
    Said(F),
    /// This member is asked something.
    Asked {
        /// In this session.
        client: ClientId,
        /// By this number.
        op: u64,
    },
    /// It says that this was done.
    Answered {
        /// In this session.
        client: ClientId,
        /// By this number.
        op: u64,
    },
}

impl<F: Fact> Minute<F> {
    /// What it says that is the same in every protocol, if it does.
    pub fn landmark<C: Consensus<Fact = F>>(&self) -> Option<Landmark> {
        if let Self::Said(fact) = self { C::landmark(fact) } else { None }
    }

    /// What a trace tells of it.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn describe(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        match self {
            Self::Said(fact) => {
                write!(out, "{} ", fact.kind().name)?;
                fact.describe(out)
            }
            Self::Asked { op, .. } => write!(out, "asked op={op}"),
            Self::Answered { op, .. } => write!(out, "answered op={op}"),
        }
    }
}

/// Who has asked the group something by way of this member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A node, which asks one thing at a time, by larger and larger numbers.
    Node(NodeId, u64),
    /// A client.
    Client(Ticket),
}

impl Asker {
    /// Sessions of the group: those of members for their own proposals, those of nodes, those of clients.
    const fn ticket(self) -> Ticket {
        match self {
            Self::Node(node, op) => Ticket { client: ClientId(3 * node.0 + 1), op, floor: op, attempt: 0 },
            Self::Client(ticket) => Ticket { client: ClientId(3 * ticket.client.0 + 2), ..ticket },
        }
    }

    /// Who it was; `None` for a member's own proposal.
    const fn of(ticket: Ticket) -> Option<Self> {
        let number = ticket.client.0 / 3;
        match ticket.client.0 % 3 {
            0 => None,
            1 => Some(Self::Node(NodeId(number), ticket.op)),
            _ => Some(Self::Client(Ticket { client: ClientId(number), ..ticket })),
        }
    }
}

/// A proposal of a member's own, made while it led.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Proposal(u64);

/// What a member has learned, in the order in which it did.
#[derive(Clone, Debug)]
pub enum News<M: StateMachine> {
    /// The whole state is another one: after a start, or from somebody's snapshot. What was decided up to now is in it,
    /// and is not told one by one.
    Anew,
    /// A command was carried out: each is told once.
    Decided(Decided<M>),
    /// What became of a proposal of its own: the response, or `None` if it can no longer be decided, or nobody knows
    /// any more with which response it was.
    Settled(Proposal, Option<M::Response>),
    /// The answer for who has asked: the response, or who else may know.
    Answer(Asker, Result<M::Response, Option<NodeId>>),
}

/// Answers on their way out of the group.
type Answers<C> = RefCell<Vec<(Ticket, Result<<C as Node>::Response, Option<NodeId>>)>>;

/// How the group's inputs and outputs travel. Answers stay here: whoever asked is told by the node around.
struct Desk<C: Consensus> {
    lane: u16,
    answers: Answers<C>,
}

impl<C: Consensus, N: Hosts<C>> Wrap<C, N> for Desk<C> {
    fn message(&self, inner: C::Message) -> N::Message {
        N::message(self.lane, inner)
    }
    fn record(&self, inner: C::Record) -> N::Record {
        N::record(inner)
    }
    fn unwrap_record(&self, outer: &N::Record) -> Option<C::Record> {
        N::record_of(outer).cloned()
    }
    fn fact(&self, inner: C::Fact) -> Option<N::Fact> {
        Some(N::fact(self.lane, Minute::Said(inner)))
    }
    fn reply(&self, ticket: Ticket, inner: C::Response) -> Option<N::Response> {
        self.answers.borrow_mut().push((ticket, Ok(inner)));
        None
    }
    fn replied(&self, ticket: Ticket) -> Option<N::Fact> {
        Some(N::fact(self.lane, Minute::Answered { client: ticket.client, op: ticket.op }))
    }
    fn redirect(&self, ticket: Ticket, hint: Option<NodeId>) -> bool {
        self.answers.borrow_mut().push((ticket, Err(hint)));
        false
    }
}

/// A member of the group. After each input the node around takes what there is of [`Council::news`].
#[derive(Clone, Debug)]
pub struct Council<C: Consensus> {
    inside: Embed<C>,
    lane: u16,
    news: VecDeque<News<C::Machine>>,
    /// Whether the news begin with a new state.
    anew: bool,
    /// Its own proposals that are not settled, oldest first, and the reign each was made in.
    open: VecDeque<(Proposal, Reign)>,
    /// How many it has made in this reign.
    made: (Reign, u64),
}

/// Proposals of one reign are numbered in so many bits.
const NUMBER: u32 = 20;

impl<C: Consensus> Council<C> {
    /// Boots the member from `lane` of the disk; its timers use the slots from `timers_from` on.
    pub fn boot<N: Hosts<C>>(
        config: &C::Config,
        (timers_from, lane): (u16, u16),
        disk: Replay<'_, N::Record>,
        fx: &mut Effects<'_, N>,
    ) -> Self {
        let desk = Desk { lane, answers: RefCell::default() };
        let inside = Embed::boot(config, (timers_from, lane), disk, &desk, fx);
        let (news, open) = (VecDeque::new(), VecDeque::new());
        let mut this = Self { inside, lane, news, anew: false, open, made: ((0, 0), 0) };
        this.step(fx, |_, _| {});
        this
    }

    /// The protocol's participant.
    pub const fn inside(&self) -> &C {
        self.inside.node()
    }

    /// The state, as far as this member has applied what was decided.
    pub fn machine(&self) -> &C::Machine {
        self.inside().state().machine()
    }

    /// Its reign, if it leads.
    pub fn leads(&self) -> Option<Reign> {
        self.inside().leads()
    }

    /// Who leads since which reign, as far as this member knows.
    pub fn led_by(&self) -> Option<(NodeId, Reign)> {
        self.inside().led_by()
    }

    /// The next piece of news, if there is one.
    pub fn news(&mut self) -> Option<News<C::Machine>> {
        if core::mem::take(&mut self.anew) {
            return Some(News::Anew);
        }
        self.news.pop_front()
    }

    /// A message of the group.
    pub fn on_message<N: Hosts<C>>(&mut self, from: NodeId, message: C::Message, fx: &mut Effects<'_, N>) {
        self.step(fx, |node, fx| node.on_message(from, message, fx));
    }

    /// A timer came due. Returns whether it is one of the group's.
    pub fn on_timer<N: Hosts<C>>(&mut self, timer: Timer, fx: &mut Effects<'_, N>) -> bool {
        let inner = self.inside.timer(timer, C::TIMERS);
        if let Some(inner) = inner {
            self.step(fx, |node, fx| node.on_timer(inner, fx));
        }
        inner.is_some()
    }

    /// The disk has finished something.
    pub fn on_disk<N: Hosts<C>>(&mut self, done: &Completion<N::Record>, fx: &mut Effects<'_, N>) {
        let inner = match done {
            Completion::Synced { upto } => Completion::Synced { upto: *upto },
            Completion::SyncFailed { upto, why } => Completion::SyncFailed { upto: *upto, why: *why },
            // No protocol reads a record back.
            Completion::Read { .. } => return,
        };
        self.step(fx, |node, fx| node.on_disk(inner, fx));
    }

    /// An operator's order.
    pub fn on_order<N: Hosts<C>>(&mut self, order: Order, fx: &mut Effects<'_, N>) {
        self.step(fx, |node, fx| node.on_order(order, fx));
    }

    /// Somebody asks: the answer will be among the news, unless this member goes down or stops leading.
    pub fn on_request<N: Hosts<C>>(
        &mut self,
        asker: Asker,
        command: <C::Machine as StateMachine>::Command,
        fx: &mut Effects<'_, N>,
    ) {
        self.ask(asker.ticket(), command, fx);
    }

    /// Proposes a command of the member's own, if it leads. What becomes of it will be among the news, unless this
    /// member goes down: one that was proposed in an earlier reign may be decided until one of a later reign is.
    pub fn propose<N: Hosts<C>>(
        &mut self,
        command: <C::Machine as StateMachine>::Command,
        fx: &mut Effects<'_, N>,
    ) -> Option<Proposal> {
        let reign = self.leads()?;
        let number = if self.made.0 == reign { self.made.1 + 1 } else { 1 };
        self.made = (reign, number);
        // A reign has one leader, and its next reign is a later one: so no two proposals have one number, and larger
        // ones are later.
        let op = reign.0 << NUMBER | number;
        let floor = self.open.iter().find(|(_, of)| *of == reign).map_or(op, |(oldest, _)| oldest.0);
        self.open.push_back((Proposal(op), reign));
        self.ask(Ticket { client: self.session(), op, floor, attempt: 0 }, command, fx);
        Some(Proposal(op))
    }

    /// Whether a proposal that it made in this reign is not settled.
    #[must_use]
    pub fn is_proposing(&self) -> bool {
        let reign = self.leads();
        self.open.back().is_some_and(|(_, of)| reign == Some(*of))
    }

    /// The session of its own proposals.
    fn session(&self) -> ClientId {
        ClientId(3 * self.inside().node().0)
    }

    fn ask<N: Hosts<C>>(
        &mut self,
        ticket: Ticket,
        command: <C::Machine as StateMachine>::Command,
        fx: &mut Effects<'_, N>,
    ) {
        fx.note(N::fact(self.lane, Minute::Asked { client: ticket.client, op: ticket.op }));
        self.step(fx, |node, fx| node.on_request(ticket, command, fx));
    }

    /// Gives the member an input, and takes in what comes of it.
    fn step<N: Hosts<C>>(&mut self, fx: &mut Effects<'_, N>, input: impl FnOnce(&mut C, &mut Effects<'_, C>)) {
        let desk = Desk { lane: self.lane, answers: RefCell::default() };
        self.inside.step(&desk, fx, input);
        match self.inside.node_mut().state_mut().tell() {
            Some(told) => told.into_iter().for_each(|decided| self.on_decided(decided)),
            None => self.on_new_state(),
        }
        for (ticket, answer) in desk.answers.into_inner() {
            match (Asker::of(ticket), answer) {
                (Some(asker), answer) => self.news.push_back(News::Answer(asker, answer)),
                (None, Err(_)) => self.settle(Proposal(ticket.op), None),
                // It is among what was decided.
                (None, Ok(_)) => {}
            }
        }
    }

    fn on_decided(&mut self, decided: Decided<C::Machine>) {
        let Stamp { client, op, floor } = decided.stamp;
        let response = (client == self.session()).then(|| decided.response.clone());
        if !self.anew {
            self.news.push_back(News::Decided(decided));
        }
        if let Some(response) = response {
            while let Some((older, _)) = self.open.front().filter(|(older, _)| older.0 < floor) {
                let older = *older;
                self.settle(older, None);
            }
            self.settle(Proposal(op), Some(response));
        }
    }

    fn on_new_state(&mut self) {
        self.anew = true;
        self.news.retain(|news| !matches!(news, News::Decided(_)));
        for (proposal, _) in self.open.clone() {
            match self.inside().state().standing(Stamp { client: self.session(), op: proposal.0, floor: 0 }) {
                Standing::New => {}
                Standing::Done(response) => self.settle(proposal, Some(response)),
                Standing::Expired => self.settle(proposal, None),
            }
        }
    }

    fn settle(&mut self, proposal: Proposal, response: Option<<C::Machine as StateMachine>::Response>) {
        let before = self.open.len();
        self.open.retain(|(open, _)| *open != proposal);
        if self.open.len() < before {
            self.news.push_back(News::Settled(proposal, response));
        }
    }
}

/// Says how nodes of a type host a group: what carries its messages, records and facts, and where the member is.
///
/// `hosts! { Machine: Raft<Directory> => HashingMessage::Directory, Record::Directory, HashingFact::Directory;
/// |node| node.keeper.as_ref().map(|keeper| &keeper.council) }`
#[macro_export]
macro_rules! hosts {
    ($node:ty: $member:ty => $message:path, $record:path, $fact:path; |$this:ident| $council:expr) => {
        impl $crate::shared::replication::Hosts<$member> for $node {
            fn message(_: u16, inner: <$member as sim_core::Node>::Message) -> Self::Message {
                $message(inner)
            }
            fn message_of(_: u16, outer: &Self::Message) -> Option<&<$member as sim_core::Node>::Message> {
                if let $message(inner) = outer { Some(inner) } else { None }
            }
            fn record(inner: <$member as sim_core::Node>::Record) -> Self::Record {
                $record(inner)
            }
            fn record_of(outer: &Self::Record) -> Option<&<$member as sim_core::Node>::Record> {
                if let $record(inner) = outer { Some(inner) } else { None }
            }
            fn fact(
                _: u16,
                inner: $crate::shared::replication::Minute<<$member as sim_core::Node>::Fact>,
            ) -> Self::Fact {
                $fact(inner)
            }
            fn fact_of(
                _: u16,
                outer: Self::Fact,
            ) -> Option<$crate::shared::replication::Minute<<$member as sim_core::Node>::Fact>> {
                if let $fact(inner) = outer { Some(inner) } else { None }
            }
            fn council(&self, _: u16) -> Option<&$crate::shared::replication::Council<$member>> {
                let $this = self;
                $council
            }
        }
    };
}
pub use hosts;
