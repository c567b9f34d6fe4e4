//! One pluggable system: what a crate registers, here in `systems` or anywhere outside.

use crate::measures::Measures;
use crate::metric::MetricKind;
use crate::record::OpRecord;
use crate::workload::{Load, OperationKind};
use crate::{
    Budget, Class, Client, ClientId, Duration, Instant, Node, NodeId, Observer, Options, OrderKind, Outcome, RoleKind,
    Rule, Shape, Verdict,
};
use core::fmt::Debug;

/// An option that makes no sense, alone or with another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The option's key.
    pub key: &'static str,
    /// What is wrong with it.
    pub what: String,
    /// What would be right.
    pub help: String,
}

/// What kind of operation a request is, for histories and reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Whether it may change anything.
    pub class: Class,
    /// Its name, e.g. `put`.
    pub name: &'static str,
    /// The key it touches, if it touches one.
    pub key: Option<u64>,
}

/// What load is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadUnit {
    /// Client requests handed to a node.
    Requests,
    /// What nodes do beyond what clients ask of them directly ([`crate::Effects::worked`]): what people call one such
    /// piece, in the plural.
    Work(&'static str),
}

impl LoadUnit {
    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "client requests",
            Self::Work(name) => name,
        }
    }

    /// A node's load, of the requests handed to it and the work it did.
    #[must_use]
    pub const fn of(self, requests: u64, work: u64) -> u64 {
        match self {
            Self::Requests => requests,
            Self::Work(_) => work,
        }
    }
}

/// One phase of an outage (see [`crate::record::PhaseRecord`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// What people call it.
    pub name: &'static str,
    /// The kind of the landmark fact that ends it; `None` for the last.
    pub ends_with: Option<&'static str>,
}

/// What a system is like, as far as whoever asks it has to know: how its availability can be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// How many shards its keys lie in, each with a fate of its own; 0 where there are none.
    pub shards: u16,
    /// How long at least nobody serves once whoever did is lost; `None` where nobody takes over from anybody.
    pub recovery: Option<Duration>,
    /// Operations a second that it can serve at most, where its options say so.
    pub capacity: Option<u64>,
}

/// A real, published bug that can be switched on by `[system] bug = "name"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bug {
    /// Its name in scenario files.
    pub name: &'static str,
    /// What is wrong, in one sentence.
    pub about: &'static str,
    /// The rule that must catch it.
    pub violates: &'static str,
    /// Where it was published.
    pub source: &'static str,
}

/// One operation with everything known about it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a, N: Node> {
    /// The client.
    pub client: ClientId,
    /// The operation's number within the client.
    pub op: u64,
    /// What it asked.
    pub request: &'a N::Request,
    /// When it began.
    pub invoked: Instant,
    /// When its client stopped waiting.
    pub returned: Instant,
    /// How it ended.
    pub outcome: &'a Outcome<N::Response>,
}

/// What an operation asked and was answered.
#[derive(Debug)]
pub struct Said<N: Node> {
    /// What it asked.
    pub request: N::Request,
    /// How it ended.
    pub outcome: Outcome<N::Response>,
}

/// What the clients saw: every operation, in order of its end. Kept only when a rule asks for it.
///
/// The records are those of the run's record, which outlives this: what was said is kept beside them, not with another
/// copy of them.
#[derive(Debug)]
pub struct History<N: Node> {
    /// The operations, without what they said.
    pub ops: Vec<OpRecord>,
    /// What each of them said; empty unless `kept`.
    pub said: Vec<Said<N>>,
    /// Whether what they said was kept at all in this run.
    pub kept: bool,
}

// Not derived, here and below: what was said can be cloned whether or not nodes can be.
impl<N: Node> Clone for Said<N> {
    fn clone(&self) -> Self {
        Self { request: self.request.clone(), outcome: self.outcome.clone() }
    }
}

impl<N: Node> Clone for History<N> {
    fn clone(&self) -> Self {
        Self { ops: self.ops.clone(), said: self.said.clone(), kept: self.kept }
    }
}

impl<N: Node> Default for History<N> {
    fn default() -> Self {
        Self { ops: Vec::new(), said: Vec::new(), kept: false }
    }
}

impl<N: Node> History<N> {
    /// How many operations are known with what they said.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.said.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.said.is_empty()
    }

    /// The `i`-th operation to end.
    #[must_use]
    pub fn entry(&self, i: usize) -> Entry<'_, N> {
        let (op, said) = (&self.ops[i], &self.said[i]);
        Entry {
            client: ClientId(op.client - 1),
            op: op.op,
            request: &said.request,
            invoked: Instant(op.invoke_ns),
            returned: Instant(op.return_ns),
            outcome: &said.outcome,
        }
    }
}

/// The times of a finished run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Start of the measured window: the end of the warm-up.
    pub from: Instant,
    /// End of the measured window: the faults were healed.
    pub to: Instant,
    /// The end of the run.
    pub end: Instant,
}

/// A run that has ended, for whoever measures and judges it: after the faults were healed and the cluster has settled,
/// unless a broken rule ended it before.
pub struct Finished<'a, S: System> {
    /// What the nodes were configured with.
    pub config: &'a <S::Node as Node>::Config,
    /// What the clients saw.
    pub history: &'a History<S::Node>,
    /// The checks, which have seen all of it.
    pub checks: &'a S::Checks,
    /// The nodes as they ended; `None` for those that are down.
    pub nodes: &'a [Option<S::Node>],
    /// Its times.
    pub span: Span,
    /// How much work a judgement may cost.
    pub budget: Budget,
    /// Whether the scenario wants `linearizable` judged.
    pub linearizable: bool,
}

/// One pluggable system.
pub trait System: Sized + 'static {
    /// What scenario files call it in `system = "..."`.
    const NAME: &'static str;
    /// The model that what its clients see is judged against, as `splitbrain history --model` calls it, if there is
    /// one.
    const MODEL: Option<&'static str> = None;
    /// One sentence about it for `splitbrain list systems`.
    const ABOUT: &'static str;
    /// How many timer slots a node of it uses at most.
    const TIMERS: u16;
    /// What a node's load is counted in: one unit for every node of the system, always.
    const LOAD: LoadUnit = LoadUnit::Requests;
    /// What is measured of its nodes over time: figures that [`System::gauge`] reads, each a curve of the report.
    const GAUGES: &'static [MetricKind] = &[];
    /// Its own figures of a run, each named once: [`System::measure`] gives them their values, and reports, sweeps,
    /// comparisons and `[expect]` take them from there.
    const METRICS: &'static [MetricKind] = &[];
    /// The phases an outage goes through, in order.
    const PHASES: &'static [Phase] = &[];
    /// The kinds of nodes it tells apart; none where every node is a member of the cluster and does the same, whatever
    /// role a file gives it.
    const ROLES: &'static [RoleKind] = &[];
    /// The operations that its clients ask for, where they are not those of a key-value store
    /// ([`VERBS`](crate::workload::VERBS)): [`Op::kind`](crate::workload::Op::kind) counts them.
    const OPERATIONS: &'static [OperationKind] = &[];
    /// The kinds of orders that an operator may give ([`crate::Order::KINDS`]); none, for a cluster that never changes.
    const ORDERS: &'static [&'static str] = &[];
    /// The orders that only this system knows, beside those.
    const OWN_ORDERS: &'static [OrderKind] = &[];
    /// The rules that [`System::judge`] and its checks speak of, list by list; none if nobody has listed them.
    const RULES: &'static [&'static [Rule]] = &[];
    /// The known bugs that can be switched on.
    const BUGS: &'static [Bug] = Self::Options::BUGS;
    /// Its protocol participant.
    type Node: Node<Config: Clone>;
    /// Its clients.
    type Client: Client<Self::Node>;
    /// Its invariants.
    type Checks: Observer<Self::Node>;
    /// Its `[system]` options.
    type Options: Options<Config: Into<<Self::Node as Node>::Config>>;

    /// What nodes are configured with, of the options: all problems at once.
    ///
    /// # Errors
    /// Every option that makes no sense.
    fn configure(options: Self::Options, shape: &Shape) -> Result<<Self::Node as Node>::Config, Vec<Invalid>> {
        options.configure(shape).map(Into::into)
    }
    /// Reads the files that `option` names ([`crate::FileText`]): what is wrong in them, and what is worth knowing.
    fn read_files(option: &str, files: &[crate::FileText]) -> crate::FileReading {
        let _ = (option, files);
        crate::FileReading::default()
    }
    /// How many nodes have which of [`System::ROLES`] in a cluster of a file that does not say so, in order: all the
    /// first. None, where the options decide instead.
    fn default_groups(nodes: u32) -> Vec<(&'static str, u32)> {
        Self::ROLES.first().map(|role| (role.name, nodes)).into_iter().collect()
    }
    /// The story of the library that shows this system to a newcomer, where a steady load of all operations in turn
    /// says nothing about it: long work, of which a crash costs minutes.
    fn first_story() -> Option<&'static str> {
        None
    }
    /// Which of [`System::OPERATIONS`], if there are some, a probe reads and writes with: the first of each class.
    fn probes() -> (u16, u16) {
        let first = |class| Self::OPERATIONS.iter().position(|kind| kind.class == class).unwrap_or(0) as u16;
        (first(Class::Read), first(Class::Write))
    }
    /// A client with this load.
    fn client(config: &<Self::Node as Node>::Config, load: Load) -> Self::Client;
    /// Fresh checks for one run.
    fn checks(config: &<Self::Node as Node>::Config) -> Self::Checks;
    /// What kind of operation a request is: a read or a write, as the nodes take it, where it is nothing more
    /// particular.
    fn operation(request: &<Self::Node as Node>::Request) -> Operation {
        let (class, name) = if Self::Node::is_read(request) { (Class::Read, "read") } else { (Class::Write, "write") };
        Operation { class, name, key: None }
    }
    /// What a system with this configuration is like.
    fn profile(config: &<Self::Node as Node>::Config) -> Profile {
        let _ = config;
        Profile::default()
    }
    /// What people call shards where they have another name, in the plural.
    const SHARDS: &'static str = "";
    /// The shard that a key lies in, below [`Profile::shards`]; asked only where there are some.
    fn shard(config: &<Self::Node as Node>::Config, key: u64) -> u16 {
        let _ = (config, key);
        0
    }
    /// Whether clients come to a node unbidden; to the others only if they are told to.
    fn asked(config: &<Self::Node as Node>::Config, node: NodeId) -> bool {
        let _ = (config, node);
        true
    }
    /// Whether a member's work counts in the distribution of load: not that of one that only passes it on. Who is no
    /// member by its role is not asked about.
    fn carries(config: &<Self::Node as Node>::Config, node: NodeId) -> bool {
        let _ = (config, node);
        true
    }
    /// Keys a node holds, where the system places keys.
    fn keys(node: &Self::Node) -> u64 {
        let _ = node;
        0
    }
    /// Figure `which` of [`System::GAUGES`], of a node that is up.
    fn gauge(node: &Self::Node, which: usize) -> u64 {
        let _ = (node, which);
        0
    }
    /// What it measured of a finished run beyond what every system has.
    fn measure(run: &Finished<'_, Self>) -> Measures {
        let _ = run;
        Measures::default()
    }
    /// Judges a finished run: every rule, pass, fail or inconclusive. A rule that is looked at after every step was not
    /// broken, or the run would have ended there; a system that has no other kind needs no judgement of its own.
    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        let _ = run;
        let held = |rule: &Rule| Verdict::Pass { rule: rule.name, detail: "held after every step".to_owned() };
        Self::RULES.iter().copied().flatten().map(held).collect()
    }
}

/// Takes in systems one by one: `systems::collect(&mut registry)`.
pub trait Collect {
    /// Takes in `S`.
    fn add<S: System<Node: Clone + Debug, Client: Clone, Checks: Clone>>(&mut self);
    /// Takes in one that can not be cloned, such as a node around somebody else's library: where a run forks, it is
    /// made again up to there for every fork.
    fn add_unclonable<S: System>(&mut self);
}

/// Nodes of a cluster, for iterating.
pub fn node_ids(n: usize) -> impl Iterator<Item = NodeId> {
    (0..n as u32).map(NodeId)
}
