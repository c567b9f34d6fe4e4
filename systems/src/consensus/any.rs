//! A group of either protocol, as an option says: for systems that stand on consensus and do not care by which.

use super::paxos::{self, Paxos, PaxosFact, PaxosMessage, PaxosProtocol};
use super::raft::{self, Raft, RaftFact, RaftMessage, RaftProtocol};
use crate::shared::replication::audit::Audit;
use crate::shared::replication::{Audited, Consensus, Group, Landmark, Protocol, Reign, Sessioned, Survivor};
use sim_core::units::{DurationText, RangeText};
use sim_core::{
    ClientId, Completion, Duration, Effects, Embed, Instant, Message, Node, NodeId, NodeSet, Observed, Observer, Order,
    Phase, Profile, Replay, Role, Rule, StateMachine, Ticket, Timer, Verdict, Violation, Wrap,
};

sim_core::choices! {
    /// By which protocol a group agrees.
    pub enum Agreement {
        /// By Raft.
        #[default]
        Raft,
        /// By Multi-Paxos.
        Paxos,
    }
}

/// The configuration of a group.
#[derive(Clone, Copy, Debug)]
pub enum AnyConfig {
    /// By Raft.
    Raft(raft::Config),
    /// By Multi-Paxos.
    Paxos(paxos::Config),
}

impl AnyConfig {
    /// That of a group which agrees by this protocol.
    #[must_use]
    pub fn of(agreement: Agreement, group: &Group) -> Self {
        match agreement {
            Agreement::Raft => Self::Raft(RaftProtocol::group(group)),
            Agreement::Paxos => Self::Paxos(PaxosProtocol::group(group)),
        }
    }
}

sim_core::messages! {
    /// Between participants.
    pub enum AnyMessage<M: StateMachine> of 0 bytes {
        /// Of Raft.
        Raft(inner: RaftMessage<M>) = "" of [raft::MESSAGE_KINDS] whole { inner.bytes() } (|out| inner.describe(out)),
        /// Of Multi-Paxos.
        Paxos(inner: PaxosMessage<M>) = "" of [paxos::MESSAGE_KINDS] whole { inner.bytes() }
            (|out| inner.describe(out)),
    }
}

sim_core::facts! {
    /// What participants announce.
    pub enum AnyFact {
        /// Of Raft.
        Raft(inner: RaftFact) = "" of [raft::FACT_KINDS] landmark { inner.landmark() } (|out| inner.describe(out)),
        /// Of Multi-Paxos.
        Paxos(inner: PaxosFact) = "" of [paxos::FACT_KINDS] landmark { inner.landmark() } (|out| inner.describe(out)),
    }
}

sim_core::records! {
    /// What participants write.
    pub enum AnyRecord<M: StateMachine> {
        /// Of Raft.
        Raft(inner: raft::Record<M>) = (|out| inner.describe(out)),
        /// Of Multi-Paxos.
        Paxos(inner: paxos::Record<M>) = (|out| inner.describe(out)),
    }
}

/// A participant of either protocol.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there are as many as machines, and they stay where they are")]
pub enum AnyConsensus<M: StateMachine> {
    /// Of Raft.
    Raft(Embed<Raft<M>>),
    /// Of Multi-Paxos.
    Paxos(Embed<Paxos<M>>),
}

/// How a participant's types are those of [`AnyConsensus`]: it is all there is of the node.
struct Whole;

macro_rules! whole {
    ($which:ident, $node:ident, $record:ty) => {
        impl<M: StateMachine> Wrap<$node<M>, AnyConsensus<M>> for Whole {
            fn message(&self, inner: <$node<M> as Node>::Message) -> AnyMessage<M> {
                AnyMessage::$which(inner)
            }
            fn record(&self, inner: $record) -> AnyRecord<M> {
                AnyRecord::$which(inner)
            }
            fn unwrap_record(&self, outer: &AnyRecord<M>) -> Option<$record> {
                if let AnyRecord::$which(inner) = outer { Some(inner.clone()) } else { None }
            }
            fn fact(&self, inner: <$node<M> as Node>::Fact) -> Option<AnyFact> {
                Some(AnyFact::$which(inner))
            }
            fn reply(&self, _: Ticket, inner: M::Response) -> Option<M::Response> {
                Some(inner)
            }
        }
    };
}

whole!(Raft, Raft, raft::Record<M>);
whole!(Paxos, Paxos, paxos::Record<M>);

/// The participant, whichever it is.
macro_rules! inside {
    ($this:expr, $node:ident => $what:expr) => {
        match $this {
            AnyConsensus::Raft(inner) => {
                let $node = inner.node();
                $what
            }
            AnyConsensus::Paxos(inner) => {
                let $node = inner.node();
                $what
            }
        }
    };
}

/// An input for it.
macro_rules! input {
    ($this:expr, $outer:expr, |$node:ident, $fx:ident| $what:expr) => {
        match $this {
            AnyConsensus::Raft(inner) => inner.step(&Whole, $outer, |$node, $fx| $what),
            AnyConsensus::Paxos(inner) => inner.step(&Whole, $outer, |$node, $fx| $what),
        }
    };
}

impl<M: StateMachine> Node for AnyConsensus<M> {
    type Config = AnyConfig;
    type Message = AnyMessage<M>;
    type Request = M::Command;
    type Response = M::Response;
    type Record = AnyRecord<M>;
    type Fact = AnyFact;

    fn boot(config: &AnyConfig, _: NodeId, disk: Replay<'_, AnyRecord<M>>, fx: &mut Effects<'_, Self>) -> Self {
        match config {
            AnyConfig::Raft(config) => Self::Raft(Embed::alone(config, disk, &Whole, fx)),
            AnyConfig::Paxos(config) => Self::Paxos(Embed::alone(config, disk, &Whole, fx)),
        }
    }

    fn on_message(&mut self, from: NodeId, message: AnyMessage<M>, fx: &mut Effects<'_, Self>) {
        match (self, message) {
            (Self::Raft(inner), AnyMessage::Raft(message)) => inner.on_message(from, message, &Whole, fx),
            (Self::Paxos(inner), AnyMessage::Paxos(message)) => inner.on_message(from, message, &Whole, fx),
            (_, other) => panic!("{} is of the other protocol", other.kind().name),
        }
    }

    fn on_timer(&mut self, timer: Timer, fx: &mut Effects<'_, Self>) {
        input!(self, fx, |node, fx| node.on_timer(timer, fx));
    }

    fn on_request(&mut self, ticket: Ticket, request: M::Command, fx: &mut Effects<'_, Self>) {
        input!(self, fx, |node, fx| node.on_request(ticket, request, fx));
    }

    fn on_disk(&mut self, done: Completion<AnyRecord<M>>, fx: &mut Effects<'_, Self>) {
        match self {
            Self::Raft(inner) => inner.on_disk(&done, &Whole, fx),
            Self::Paxos(inner) => inner.on_disk(&done, &Whole, fx),
        }
    }

    fn on_order(&mut self, order: Order, fx: &mut Effects<'_, Self>) {
        input!(self, fx, |node, fx| node.on_order(order, fx));
    }

    fn is_read(request: &M::Command) -> bool {
        M::is_read(request)
    }

    fn request_bytes(request: &M::Command) -> u32 {
        Raft::<M>::request_bytes(request)
    }

    fn response_bytes(response: &M::Response) -> u32 {
        Raft::<M>::response_bytes(response)
    }

    fn timer_name(timer: Timer) -> &'static str {
        Raft::<M>::timer_name(timer)
    }

    fn role(&self) -> Role {
        inside!(self, node => node.role())
    }

    fn members(&self) -> Option<NodeSet> {
        inside!(self, node => node.members())
    }

    fn progress(&self) -> u64 {
        inside!(self, node => node.progress())
    }
}

impl<M: StateMachine> Consensus for AnyConsensus<M> {
    const TIMERS: u16 = raft::TIMERS;
    type Machine = M;

    fn state(&self) -> &Sessioned<M> {
        inside!(self, node => node.state())
    }

    fn state_mut(&mut self) -> &mut Sessioned<M> {
        match self {
            Self::Raft(inner) => inner.node_mut().state_mut(),
            Self::Paxos(inner) => inner.node_mut().state_mut(),
        }
    }

    fn led_by(&self) -> Option<(NodeId, Reign)> {
        inside!(self, node => node.led_by())
    }

    fn commit(&self) -> u64 {
        inside!(self, node => node.commit())
    }

    fn applied(&self) -> u64 {
        inside!(self, node => node.applied())
    }

    fn landmark(fact: &AnyFact) -> Option<Landmark> {
        match fact {
            AnyFact::Raft(fact) => Raft::<M>::landmark(fact),
            AnyFact::Paxos(fact) => Paxos::<M>::landmark(fact),
        }
    }
}

const _: () = assert!(raft::TIMERS == paxos::TIMERS);

impl<M: StateMachine> Survivor for AnyConsensus<M> {
    fn node(&self) -> NodeId {
        inside!(self, node => Survivor::node(node))
    }

    fn leads(&self) -> Option<Reign> {
        inside!(self, node => node.leads())
    }

    fn standing(&self) -> (u64, u64) {
        inside!(self, node => node.standing())
    }

    fn last(&self) -> u64 {
        inside!(self, node => node.last())
    }

    fn base(&self) -> u64 {
        inside!(self, node => node.base())
    }

    fn operation_at(&self, index: u64) -> Option<(ClientId, u64)> {
        inside!(self, node => node.operation_at(index))
    }

    fn remembers(&self, client: ClientId, op: u64) -> bool {
        inside!(self, node => node.remembers(client, op))
    }
}

/// The rules of whichever protocol it is.
#[derive(Clone, Debug)]
pub enum AnyChecks {
    /// Of Raft.
    Raft(Box<raft::checks::RaftChecks>),
    /// Of Multi-Paxos.
    Paxos(Box<paxos::checks::PaxosChecks>),
}

/// What happens, as the participant inside sees it.
macro_rules! seen {
    ($what:expr, $which:ident, $node:ty) => {
        match *$what {
            Observed::Noted { node, fact: AnyFact::$which(fact) } => Observed::Noted { node, fact },
            Observed::Sent { from, to, message: AnyMessage::$which(message), arrives, number } => {
                Observed::Sent { from, to, message, arrives, number }
            }
            Observed::Delivered { from, to, number, message: AnyMessage::$which(message) } => {
                Observed::Delivered { from, to, number, message }
            }
            Observed::Appended { node, write, record: AnyRecord::$which(record) } => {
                Observed::Appended { node, write, record }
            }
            Observed::Invoked { ticket, request } => Observed::Invoked { ticket, request },
            Observed::Requested { ticket, node } => Observed::Requested { ticket, node },
            Observed::Answered { ticket, node, redirect, names } => {
                Observed::Answered { ticket, node, redirect, names }
            }
            Observed::Returned { ticket, request, invoked, outcome, node } => {
                Observed::Returned { ticket, request, invoked, outcome, node }
            }
            Observed::Ordered { node, order } => Observed::Ordered { node, order },
            _ => match $what.of_the_machine::<$node>() {
                Some(seen) => seen,
                None => return,
            },
        }
    };
}

impl<M: StateMachine> Audited<AnyConsensus<M>> for AnyChecks {
    fn audit(&self) -> &Audit {
        match self {
            Self::Raft(checks) => Audited::<Raft<M>>::audit(&**checks),
            Self::Paxos(checks) => Audited::<Paxos<M>>::audit(&**checks),
        }
    }

    fn watch(&mut self, at: Instant, what: &Observed<'_, AnyConsensus<M>>) {
        match self {
            Self::Raft(checks) => checks.watch(at, &seen!(what, Raft, Raft<M>)),
            Self::Paxos(checks) => checks.watch(at, &seen!(what, Paxos, Paxos<M>)),
        }
    }

    fn step_is_over<'a>(
        &mut self,
        at: Instant,
        stepped: NodeId,
        nodes: impl Fn(NodeId) -> Option<&'a AnyConsensus<M>>,
    ) {
        match self {
            Self::Raft(checks) => checks.step_is_over(at, stepped, |node: NodeId| as_raft(nodes(node)?)),
            Self::Paxos(checks) => checks.step_is_over(at, stepped, |node: NodeId| as_paxos(nodes(node)?)),
        }
    }

    fn verdicts(&self, nodes: &[Option<&AnyConsensus<M>>]) -> Vec<Verdict> {
        match self {
            Self::Raft(checks) => checks.verdicts(&nodes.iter().map(|node| as_raft((*node)?)).collect::<Vec<_>>()),
            Self::Paxos(checks) => checks.verdicts(&nodes.iter().map(|node| as_paxos((*node)?)).collect::<Vec<_>>()),
        }
    }
}

const fn as_raft<M: StateMachine>(node: &AnyConsensus<M>) -> Option<&Raft<M>> {
    if let AnyConsensus::Raft(inner) = node { Some(inner.node()) } else { None }
}

const fn as_paxos<M: StateMachine>(node: &AnyConsensus<M>) -> Option<&Paxos<M>> {
    if let AnyConsensus::Paxos(inner) = node { Some(inner.node()) } else { None }
}

impl<M: StateMachine> Observer<AnyConsensus<M>> for AnyChecks {
    fn observe(&mut self, at: Instant, what: &Observed<'_, AnyConsensus<M>>) {
        self.watch(at, what);
    }

    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<AnyConsensus<M>>]) -> Result<(), Violation> {
        self.step_is_over(at, stepped, |node: NodeId| nodes[node.index()].as_ref());
        Audited::<AnyConsensus<M>>::audit(self).violation().cloned().map_or(Ok(()), Err)
    }
}

sim_core::options! {
    /// What may be written in `[system]` of a service that stands on either protocol.
    pub struct AnyOptions;

    /// The options, and the cluster they are for.
    #[derive(Clone, Copy, Debug)]
    pub struct AnyShape of shape {
        /// How many nodes there are.
        pub nodes: u32 = shape.nodes() as u32,
            wrong if nodes == 0 || nodes > 99 => ("a group of {nodes}"), "three or five are usual, 99 the most";
        /// How many of them are members at first.
        pub members: u32 = shape.members() as u32;
    }

    options {
        /// By which protocol the nodes agree.
        consensus: Agreement = Agreement::Raft;
        /// How long a follower waits for its leader; drawn anew from this range every time.
        election_timeout: RangeText = RangeText { lo: Duration::millis(150), hi: Duration::millis(300) } => {
            election_min: Duration = election_timeout.lo,
            election_max: Duration = election_timeout.hi,
        },
            wrong if election_timeout.lo <= heartbeat_interval.0 =>
                ("followers may wait {} for a leader that is heard from every {heartbeat_interval}",
                election_timeout.lo),
                "the shortest election timeout must be longer than heartbeat_interval; three times as long is usual";
        /// How often a leader is heard from.
        heartbeat_interval as heartbeat: DurationText = DurationText::millis(50),
            wrong if heartbeat_interval.0 == Duration::ZERO =>
                ("a heartbeat without pause"), "a third of the election timeout is usual, for example \"50ms\"";
        /// Commands carried out between two snapshots; 0 never takes one.
        snapshot_every: u64 = 10_000;
        /// Entries kept in the log behind a snapshot, for followers that lag a little.
        snapshot_keep: u64 = 1_000;
    }
}

impl From<AnyShape> for AnyConfig {
    fn from(meant: AnyShape) -> Self {
        let group = Group {
            nodes: meant.nodes,
            members: meant.members,
            heartbeat: meant.heartbeat,
            election: (meant.election_min, meant.election_max),
            snapshot_every: meant.snapshot_every,
            snapshot_keep: meant.snapshot_keep,
            ..Group::of(meant.members)
        };
        Self::of(meant.consensus, &group)
    }
}

/// Raft or Multi-Paxos, whatever is replicated.
#[derive(Clone, Copy, Debug)]
pub struct AnyProtocol;

impl Protocol for AnyProtocol {
    const NAME: Option<&'static str> = None;
    const ABOUT: &'static str = "Raft or Multi-Paxos";
    const PHASES: &'static [Phase] = RaftProtocol::PHASES;
    const RULES: &'static [&'static [Rule]] =
        &[RaftProtocol::RULES[0], RaftProtocol::RULES[1], RaftProtocol::RULES[2], PaxosProtocol::RULES[0]];
    type Options = AnyOptions;
    type Config = AnyConfig;
    type Node<M: StateMachine> = AnyConsensus<M>;
    type Checks<M: StateMachine> = AnyChecks;

    fn group(group: &Group) -> AnyConfig {
        AnyConfig::of(Agreement::default(), group)
    }

    fn checks<M: StateMachine>(config: &AnyConfig) -> AnyChecks {
        match config {
            AnyConfig::Raft(config) => AnyChecks::Raft(Box::new(RaftProtocol::checks::<M>(config))),
            AnyConfig::Paxos(config) => AnyChecks::Paxos(Box::new(PaxosProtocol::checks::<M>(config))),
        }
    }

    fn profile(config: &AnyConfig) -> Profile {
        match config {
            AnyConfig::Raft(config) => RaftProtocol::profile(config),
            AnyConfig::Paxos(config) => PaxosProtocol::profile(config),
        }
    }
}
