//! What replicates a state machine: the family of a protocol, its participants, and the rules that they are held to.

use super::Sessioned;
use super::audit::Audit;
use sim_core::{
    ClientId, Duration, Instant, Node, NodeId, Observed, Observer, Options, Order, Phase, Profile, Rule, StateMachine,
    Verdict,
};

/// A consensus protocol, whatever it replicates.
pub trait Protocol: Sized + 'static {
    /// Its name, which is that of the key-value store that it replicates, too; `None` for one that a service hides.
    const NAME: Option<&'static str>;
    /// What it is, behind "a key-value store replicated by".
    const ABOUT: &'static str;
    /// The phases that an outage goes through.
    const PHASES: &'static [Phase];
    /// The kinds of orders that it takes from an operator.
    const ORDERS: &'static [&'static str] = Order::KINDS;
    /// Its own rules, besides those of any replicated service.
    const RULES: &'static [&'static [Rule]];
    /// What may be written in `[system]`.
    type Options: Options<Config: Into<Self::Config>>;
    /// The configuration that all participants of a cluster share.
    type Config: Clone;
    /// A participant.
    type Node<M: StateMachine>: Consensus<Machine = M, Config = Self::Config>;
    /// Its rules over one run.
    type Checks<M: StateMachine>: Audited<Self::Node<M>>;

    /// The configuration of a group inside other nodes.
    fn group(group: &Group) -> Self::Config;
    /// Fresh checks for one run.
    fn checks<M: StateMachine>(config: &Self::Config) -> Self::Checks<M>;
    /// What a cluster with this configuration is like.
    fn profile(config: &Self::Config) -> Profile;
}

/// A group of participants inside other nodes: what every protocol has to be told.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// How many nodes there are around, members or not.
    pub nodes: u32,
    /// The first member: they follow each other.
    pub first: u32,
    /// How many members there are.
    pub members: u32,
    /// How often a leader is heard from.
    pub heartbeat: Duration,
    /// How long at least, and at most, others wait before they take its place.
    pub election: (Duration, Duration),
    /// Commands carried out between two snapshots.
    pub snapshot_every: u64,
    /// Entries kept in the log behind a snapshot.
    pub snapshot_keep: u64,
}

impl Group {
    /// The first so many nodes, with the usual times.
    #[must_use]
    pub const fn of(members: u32) -> Self {
        Self {
            nodes: members,
            first: 0,
            members,
            heartbeat: Duration::millis(50),
            election: (Duration::millis(150), Duration::millis(300)),
            snapshot_every: 10_000,
            snapshot_keep: 1_000,
        }
    }
}

/// What whoever watches a group wants to see in its facts, whatever the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landmark {
    /// The node leads from now on.
    Elected(Reign),
    /// It found a record on its disk that it can not read.
    Unreadable {
        /// Which record.
        record: u64,
    },
}

/// For how long one leader leads: a term, or a ballot. Of two the larger one is the later.
pub type Reign = (u64, u64);

/// A participant of a consensus protocol: one that replicates the state machine.
pub trait Consensus:
    Survivor
    + Node<Request = <Self::Machine as StateMachine>::Command, Response = <Self::Machine as StateMachine>::Response>
{
    /// How many timer slots it uses.
    const TIMERS: u16;
    /// What it replicates.
    type Machine: StateMachine;

    /// The replicated state, as far as it has applied the log.
    fn state(&self) -> &Sessioned<Self::Machine>;
    /// The same, for whoever wants to be told what is carried out ([`Sessioned::tell`]).
    fn state_mut(&mut self) -> &mut Sessioned<Self::Machine>;
    /// Who leads, and since which reign, as far as it knows; perhaps it itself.
    fn led_by(&self) -> Option<(NodeId, Reign)>;
    /// The newest entry that it knows to be decided.
    fn commit(&self) -> u64;
    /// The newest entry that it has applied.
    fn applied(&self) -> u64;
    /// What a fact says that is the same in every protocol, if it does.
    fn landmark(fact: &Self::Fact) -> Option<Landmark>;
}

/// A replica, as the one that decides what there is in the end: the newest leader, or else who would become one.
pub trait Survivor {
    /// Which node it is.
    fn node(&self) -> NodeId;
    /// Its reign, if it leads.
    fn leads(&self) -> Option<Reign>;
    /// How good its log is, where nobody leads: the best can become leader.
    fn standing(&self) -> (u64, u64);
    /// The last entry of its log.
    fn last(&self) -> u64;
    /// The newest entry that it holds only as a part of its snapshot.
    fn base(&self) -> u64;
    /// Whose operation its log holds at `index`, if it holds one there.
    fn operation_at(&self, index: u64) -> Option<(ClientId, u64)>;
    /// Whether its sessions remember that the operation was carried out.
    fn remembers(&self, client: ClientId, op: u64) -> bool;
}

/// The rules of a protocol over one run, and what they know of it.
pub trait Audited<N: Node>: Observer<N> {
    /// What any replicated service promises, as it was kept.
    fn audit(&self) -> &Audit;
    /// Something has happened to a participant, be it a node or inside one. (An [`Observer`] of nodes looks at what
    /// their clients and disks see, too.)
    fn watch(&mut self, at: Instant, what: &Observed<'_, N>);
    /// A step of `stepped` is over; `nodes` gives the participants that are up.
    fn step_is_over<'a>(&mut self, at: Instant, stepped: NodeId, nodes: impl Fn(NodeId) -> Option<&'a N>);
    /// What each rule says, given the participants as they ended; `None` for those that are down.
    fn verdicts(&self, nodes: &[Option<&N>]) -> Vec<Verdict>;
}
