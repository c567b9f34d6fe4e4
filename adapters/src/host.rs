//! What every library that agrees on a log has around it: the shared key-value machine with its sessions, clients that
//! wait, a disk, and the facts that rules and charts are made of. A library brings a [`Library`]: what it does with an
//! input, and what is to be done then.

use crate::command::Command;
use crate::rules::{HostFact, HostRules, RULES};
use sim_core::measures::Measures;
use sim_core::workload::Load;
use sim_core::{
    Completion, Effect, Effects, Finished, Message, Node, NodeId, Operation, Phase, Replay, Role, Rule, StateMachine,
    System, Ticket, Timer, Unreadable, Verdict, WriteId, catalogue, hash,
};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use systems::shared::kv::{self, Kv, KvClient, KvCommand, KvResponse};
use systems::shared::replication::{Image, Sessioned, audit, link, pop_if};

catalogue! {
    HostBug;
    SayBeforeSync, "say_before_sync", "The adapter lets out what rests on writes that are not durable yet.",
        "state_machine_safety", "Alagappan et al.: Correlated Crash Vulnerabilities, OSDI 2016";
    ApplyTwice, "apply_twice", "The adapter applies an operation again that its client has retried.",
        "exactly_once", "Ongaro: Consensus, section 6.3";
}

/// What the adapters' options have in common, as the host needs it.
#[derive(Clone, Copy, Debug)]
pub struct Common {
    pub nodes: u32,
    pub snapshot_every: u64,
    pub bug: HostBug,
}

/// The options of an adapter, as [`crate::library::library_options`] declares them.
pub trait LibraryOptions: sim_core::Options<Config: Clone> {
    fn common(config: &Self::Config) -> Common;
}

/// What the nodes of a library are configured with.
pub type ConfigOf<L> = <<L as Library>::Options as sim_core::Options>::Config;

/// A library that agrees on a log of commands.
pub trait Library: Sized + 'static {
    const NAME: &'static str;
    const ABOUT: &'static str;
    /// Whether it asks for ordered links, and to be told when one is over.
    const CONNECTS: bool;
    /// Whether it takes for durable at once what it has written: then nothing leaves the node before it is.
    const SYNCHRONOUS: bool;
    type Options: LibraryOptions;
    type Wire: Message;
    type Record: Clone + fmt::Debug + Hash + 'static;

    /// A participant with what its disk holds, oldest first; tells the host what it has of the state, if anything.
    fn open(config: &ConfigOf<Self>, me: NodeId, disk: &[&Self::Record], turn: &mut Turn<'_, '_, Self>) -> Self;
    fn hear(&mut self, from: NodeId, wire: Self::Wire, turn: &mut Turn<'_, '_, Self>);
    fn timer(&mut self, timer: Timer, turn: &mut Turn<'_, '_, Self>);
    /// A command for the log. Returns whether it was taken.
    fn propose(&mut self, command: Command) -> bool;
    /// A read by this number: whether the library serves it beside the log ([`Turn::read_at`]).
    fn read(&mut self, number: u64) -> bool {
        let _ = number;
        false
    }
    /// What [`Turn::mark`] has marked is durable.
    fn durable(&mut self, mark: u64, turn: &mut Turn<'_, '_, Self>) {
        let _ = (mark, turn);
    }
    /// The connection with `peer` is over.
    fn closed(&mut self, peer: NodeId) {
        let _ = peer;
    }
    /// Carries out whatever the inputs of this step have left to do.
    fn settle(&mut self, turn: &mut Turn<'_, '_, Self>);
    fn standing(&self) -> Standing;
}

/// What a library takes itself to be, and who leads as far as it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub role: &'static str,
    pub term: u64,
    pub leader: Option<NodeId>,
}

impl Standing {
    fn leads(&self) -> bool {
        self.role == "leader"
    }
}

/// The whole service at one place of the log.
#[derive(Clone, Debug, Hash)]
pub struct Whole {
    pub image: Image<Kv>,
    pub index: u64,
    pub chain: u64,
}

/// One append to the disk, and the one before it, so that a hole shows.
#[derive(Clone, Debug, Hash)]
pub struct Record<R> {
    before: u64,
    /// Whether nothing before it is needed.
    begins: bool,
    body: R,
}

impl<R: Clone + fmt::Debug + Hash + 'static> sim_core::Record for Record<R> {}

/// What somebody else's type holds, where it has no hash of its own: that of its text, or of its bytes.
#[derive(Clone)]
pub struct Opaque<T>(Rc<T>, u64);

impl<T: fmt::Debug> Opaque<T> {
    pub fn told(value: T) -> Self {
        let text = format!("{value:?}");
        Self::new(value, text.as_bytes())
    }
}
impl<T> Opaque<T> {
    pub fn new(value: T, bytes: &[u8]) -> Self {
        Self(Rc::new(value), hash::content(bytes))
    }
}
impl<T: Clone> Opaque<T> {
    pub fn take(self) -> T {
        Rc::unwrap_or_clone(self.0)
    }
}
impl<T> std::ops::Deref for Opaque<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}
impl<T: fmt::Debug> fmt::Debug for Opaque<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl<T> Hash for Opaque<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.1);
    }
}

type Fx<'e, L> = Effects<'e, Hosted<L>>;

/// A node: a library and its host.
pub struct Hosted<L: Library> {
    lib: L,
    host: Host<L>,
}

struct Host<L: Library> {
    common: Common,
    state: Sessioned<Kv>,
    applied: u64,
    chain: u64,
    /// Where the newest snapshot stands in the log.
    snapshot: u64,
    waiting: BTreeMap<(sim_core::ClientId, u64), Ticket>,
    /// Reads that the library was asked about, and those that wait until an entry is applied.
    reads: BTreeMap<u64, (Ticket, KvCommand)>,
    due: VecDeque<(u64, u64)>,
    next_read: u64,
    /// The newest record, and the newest durable one of this life.
    last: WriteId,
    durable: WriteId,
    dirty: bool,
    marks: VecDeque<(WriteId, u64)>,
    seen: Option<Standing>,
    /// It has been elected and applied nothing since.
    new_leader: bool,
    /// Something was applied in this step.
    moved: bool,
    library: std::marker::PhantomData<L>,
}

/// One step of a node, as its library sees it.
pub struct Turn<'a, 'e, L: Library> {
    host: &'a mut Host<L>,
    pub fx: &'a mut Fx<'e, L>,
}

impl<L: Library> Turn<'_, '_, L> {
    /// Appends to the disk; whatever is said later in this step rests on it, unless it goes out by [`Turn::now`].
    pub fn write(&mut self, body: L::Record) {
        self.append(body, false);
    }

    /// The same, for a record that holds all there is: what is before is forgotten once it is durable.
    pub fn write_anew(&mut self, body: L::Record) {
        self.append(body, true);
        let before = self.host.last;
        self.fx.after(before, Effect::Forget { before, lane: 0 });
    }

    fn append(&mut self, body: L::Record, begins: bool) {
        let before = self.host.last.0;
        self.host.last = self.fx.append(Record { before, begins, body });
        self.host.dirty = true;
    }

    /// Does something once everything written so far is durable.
    pub fn later(&mut self, what: Effect<Hosted<L>>) {
        if self.host.common.bug == HostBug::SayBeforeSync {
            self.fx.forward(what)
        } else {
            self.fx.after(self.host.last, what)
        }
    }

    /// Sends a message as soon as the library may be believed.
    pub fn send(&mut self, to: NodeId, message: L::Wire) {
        let what = Effect::Send { to, message };
        if L::SYNCHRONOUS { self.later(what) } else { self.fx.forward(what) }
    }

    /// Announces a fact. What is decided rests on what a majority has told each other, and so has made durable: it
    /// waits for nothing, or a snapshot that outlives a crash would hold what nobody has heard of.
    pub fn note(&mut self, fact: HostFact) {
        self.fx.note(fact);
    }

    /// Whether everything written so far is durable; if not, [`Library::durable`] is told of `mark` once it is.
    pub fn mark(&mut self, mark: u64) -> bool {
        if self.host.last <= self.host.durable || self.host.common.bug == HostBug::SayBeforeSync {
            return true;
        }
        self.host.marks.push_back((self.host.last, mark));
        false
    }

    /// The entry at `index` is decided: a command, or nothing for the service.
    pub fn decide(&mut self, index: u64, command: Option<&Command>) {
        let expected = self.host.applied + 1;
        if index != expected {
            self.note(HostFact::OutOfOrder { index, expected });
        }
        (self.host.applied, self.host.moved) = (index, true);
        if std::mem::take(&mut self.host.new_leader) {
            self.note(HostFact::FirstCommit { term: self.host.seen.map_or(0, |seen| seen.term) });
        }
        let Some(command) = command else {
            self.host.chain = link(self.host.chain, 0);
            return;
        };
        self.host.chain = link(self.host.chain, hash::content(command));
        let filter = self.host.common.bug != HostBug::ApplyTwice;
        let (response, fresh) = self.host.state.apply(command.stamp, &command.asked, filter);
        let (client, op) = (command.stamp.client, command.stamp.op);
        // By everybody: whoever decided it may be gone before it could say so, and the rules count the first one.
        self.note(HostFact::Executed { index, chain: self.host.chain, client, op, fresh });
        if let (Some(ticket), Some(response)) = (self.host.waiting.remove(&(client, op)), response) {
            self.fx.reply(ticket, response);
        }
    }

    /// The service begins anew from a snapshot.
    pub fn install(&mut self, whole: &Whole) {
        if whole.index < self.host.applied {
            self.note(HostFact::OutOfOrder { index: whole.index, expected: self.host.applied + 1 });
        }
        self.restore(whole);
        let (index, chain, digest) = (whole.index, whole.chain, self.host.state.digest());
        self.note(HostFact::SnapshotInstalled { index, chain, digest });
    }

    /// The service as the disk has it.
    pub fn restore(&mut self, whole: &Whole) {
        self.host.state = Sessioned::restore(&whole.image);
        (self.host.applied, self.host.chain, self.host.snapshot) = (whole.index, whole.chain, whole.index);
    }

    /// The newest entry that is applied.
    pub fn applied(&self) -> u64 {
        self.host.applied
    }

    /// The whole service as it is now.
    pub fn whole(&self) -> Rc<Whole> {
        let Host { state, applied, chain, .. } = &*self.host;
        Rc::new(Whole { image: state.snapshot(true), index: *applied, chain: *chain })
    }

    /// Whether it is time for a snapshot; if so, it is taken now.
    pub fn takes_snapshot(&mut self) -> bool {
        let (every, index) = (self.host.common.snapshot_every, self.host.applied);
        let due = every > 0 && index >= self.host.snapshot + every;
        if due {
            self.host.snapshot = index;
            self.note(HostFact::SnapshotTaken { index });
        }
        due
    }

    /// Read `number` may be served from any state at `index` or later.
    pub fn read_at(&mut self, number: u64, index: u64) {
        self.host.due.push_back((index, number));
    }

    fn serve_reads(&mut self) {
        while let Some((_, number)) = pop_if(&mut self.host.due, |(index, _)| *index <= self.host.applied) {
            let Some((ticket, command)) = self.host.reads.remove(&number) else { continue };
            let response = self.host.state.machine().read(&command);
            self.note(HostFact::ReadServed { index: self.host.applied, client: ticket.client, op: ticket.op });
            self.fx.reply(ticket, response);
        }
    }

    /// Says what has become of the library.
    fn tell(&mut self, now: Standing) {
        let Some(was) = self.host.seen.replace(now) else { return };
        if was == now || (was.role, was.term) == (now.role, now.term) {
            return;
        }
        let term = now.term;
        if was.leads() {
            self.note(HostFact::SteppedDown { term });
            self.host.new_leader = false;
            for (ticket, _) in std::mem::take(&mut self.host.reads).into_values() {
                self.fx.redirect(ticket, now.leader);
            }
        }
        match now.role {
            "leader" => {
                self.host.new_leader = true;
                self.note(HostFact::Elected { term });
            }
            "candidate" | "pre_candidate" => self.note(HostFact::Campaign { term }),
            _ => {}
        }
    }
}

impl<L: Library> Hosted<L> {
    pub fn applied(&self) -> u64 {
        self.host.applied
    }
    pub fn chain(&self) -> u64 {
        self.host.chain
    }
    pub fn digest(&self) -> u64 {
        self.host.state.digest()
    }

    /// Ends a step.
    fn settle(&mut self, fx: &mut Fx<'_, L>) {
        let Self { lib, host } = self;
        let mut turn = Turn { host, fx };
        turn.tell(lib.standing());
        lib.settle(&mut turn);
        turn.tell(lib.standing());
        turn.serve_reads();
        if std::mem::take(&mut turn.host.moved) {
            let (index, chain, digest) = (turn.host.applied, turn.host.chain, turn.host.state.digest());
            turn.note(HostFact::Applied { index, chain, digest });
        }
        if std::mem::take(&mut turn.host.dirty) {
            turn.fx.sync();
        }
    }

    fn step(&mut self, fx: &mut Fx<'_, L>, input: impl FnOnce(&mut L, &mut Turn<'_, '_, L>)) {
        input(&mut self.lib, &mut Turn { host: &mut self.host, fx });
        self.settle(fx);
    }
}

/// The records in their order, and where the last one stands.
///
/// # Errors
/// The first that can not be read, or that does not follow the one before: what is missing may have been a vote.
fn replay<R>(disk: Replay<'_, Record<R>>) -> Result<(Vec<&R>, WriteId), WriteId> {
    let (mut bodies, mut last) = (Vec::new(), WriteId(0));
    for (id, record) in disk.iter() {
        let record = record.map_err(|Unreadable| id)?;
        if record.before != last.0 && !record.begins {
            return Err(id);
        }
        if record.begins {
            bodies.clear();
        }
        bodies.push(&record.body);
        last = id;
    }
    Ok((bodies, last))
}

impl<L: Library> Node for Hosted<L> {
    const CONNECTS: bool = L::CONNECTS;
    type Config = ConfigOf<L>;
    type Message = L::Wire;
    type Request = KvCommand;
    type Response = KvResponse;
    type Record = Record<L::Record>;
    type Fact = HostFact;

    fn boot(config: &ConfigOf<L>, me: NodeId, disk: Replay<'_, Self::Record>, fx: &mut Fx<'_, L>) -> Self {
        let read = replay(disk);
        let (bodies, last) = read.clone().unwrap_or_default();
        let mut host = Host {
            common: L::Options::common(config),
            state: Sessioned::default(),
            applied: 0,
            chain: 0,
            snapshot: 0,
            waiting: BTreeMap::new(),
            reads: BTreeMap::new(),
            due: VecDeque::new(),
            next_read: 0,
            last,
            durable: WriteId(0),
            // What the page cache alone holds is made durable before anything rests on it.
            dirty: last > WriteId(0),
            marks: VecDeque::new(),
            seen: None,
            new_leader: false,
            moved: false,
            library: std::marker::PhantomData,
        };
        let lib = L::open(config, me, &bodies, &mut Turn { host: &mut host, fx });
        let mut node = Self { lib, host };
        match read {
            Err(record) => {
                fx.note(HostFact::Unreadable { record: record.0 });
                fx.halt("its disk can not be read: what it has promised is unknown");
            }
            Ok(_) => node.settle(fx),
        }
        node
    }

    fn on_message(&mut self, from: NodeId, message: L::Wire, fx: &mut Fx<'_, L>) {
        self.step(fx, |lib, turn| lib.hear(from, message, turn));
    }

    fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_, L>) {
        self.step(fx, |lib, turn| lib.timer(timer, turn));
    }

    fn on_closed(&mut self, peer: NodeId, fx: &mut Fx<'_, L>) {
        self.step(fx, |lib, _| lib.closed(peer));
    }

    fn on_request(&mut self, ticket: Ticket, asked: KvCommand, fx: &mut Fx<'_, L>) {
        let standing = self.lib.standing();
        if !standing.leads() {
            return fx.redirect(ticket, standing.leader);
        }
        self.host.next_read += 1;
        let number = self.host.next_read;
        if Kv::is_read(&asked) && self.lib.read(number) {
            self.host.reads.insert(number, (ticket, asked));
        } else if self.lib.propose(Command { stamp: ticket.into(), asked }) {
            self.host.waiting.insert((ticket.client, ticket.op), ticket);
        } else {
            return fx.refuse(ticket);
        }
        self.settle(fx);
    }

    fn on_disk(&mut self, done: Completion<Self::Record>, fx: &mut Fx<'_, L>) {
        match done {
            Completion::Synced { upto } => self.host.durable = self.host.durable.max(upto),
            Completion::SyncFailed { .. } => return fx.halt("a sync of its disk failed"),
            Completion::Read { .. } => return,
        }
        let durable = self.host.durable;
        while let Some((_, mark)) = pop_if(&mut self.host.marks, |(write, _)| *write <= durable) {
            self.lib.durable(mark, &mut Turn { host: &mut self.host, fx });
        }
        self.settle(fx);
    }

    fn is_read(request: &KvCommand) -> bool {
        Kv::is_read(request)
    }
    fn request_bytes(request: &KvCommand) -> u32 {
        16 + Kv::command_bytes(request)
    }
    fn response_bytes(response: &KvResponse) -> u32 {
        16 + Kv::response_bytes(response)
    }
    fn role(&self) -> Role {
        let standing = self.lib.standing();
        Role::new(standing.role, standing.term)
    }
    fn progress(&self) -> u64 {
        self.host.applied
    }
}

/// The system in which the library replicates the key-value store.
pub struct HostedSystem<L>(std::marker::PhantomData<fn() -> L>);

impl<L: Library> System for HostedSystem<L> {
    const NAME: &'static str = L::NAME;
    const MODEL: Option<&'static str> = Some("kv");
    const ABOUT: &'static str = L::ABOUT;
    const TIMERS: u16 = 1;
    const PHASES: &'static [Phase] = &[
        Phase { name: "undetected", ends_with: Some("campaign") },
        Phase { name: "election", ends_with: Some("elected") },
        Phase { name: "first commit", ends_with: Some("first_commit") },
        Phase { name: "clients find the leader", ends_with: None },
    ];
    const RULES: &'static [&'static [Rule]] = &[RULES, audit::RULES, audit::OF_SESSIONS];
    type Node = Hosted<L>;
    type Client = KvClient<Hosted<L>>;
    type Checks = HostRules;
    type Options = L::Options;

    fn client(_: &ConfigOf<L>, load: Load) -> Self::Client {
        KvClient::new(load)
    }
    fn checks(config: &ConfigOf<L>) -> HostRules {
        HostRules::new(L::Options::common(config).nodes)
    }
    fn operation(request: &KvCommand) -> Operation {
        kv::operation(request)
    }
    fn keys(node: &Hosted<L>) -> u64 {
        node.host.state.machine().keys()
    }
    fn measure(run: &Finished<'_, Self>) -> Measures {
        Measures { tracks: vec![run.checks.leaders.finish(run.span.end)], ..Measures::default() }
    }
    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        let mut verdicts = run.checks.verdicts(run.nodes);
        if run.linearizable {
            verdicts.push(kv::judge_linearizable(run.history, run.budget));
        }
        verdicts
    }
}
