//! `omnipaxos` 0.2 over the streams that it asks for, on a storage that is durable when a call returns: nothing leaves
//! the node before everything that was written until then is, which is the same to all others.
//!
//! A step's writes become one record: what has changed of the log from some place on, and all the rest.

use crate::command::Command;
use crate::host::{HostedSystem, Library, Opaque, Standing, Turn, Whole};
use crate::library::{library_options, node_of, pid};
use omnipaxos::ballot_leader_election::Ballot;
use omnipaxos::messages::Message as Lib;
use omnipaxos::messages::ballot_leader_election::HeartbeatMsg;
use omnipaxos::messages::sequence_paxos::PaxosMsg;
use omnipaxos::storage::{Entry, Snapshot, StopSign, Storage, StorageOp, StorageResult};
use omnipaxos::util::LogEntry;
use omnipaxos::{ClusterConfig, OmniPaxos, OmniPaxosConfig, ServerConfig};
use sim_core::{Kind, NodeId, Timer, hash};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use systems::shared::kv::Kv;
use systems::shared::replication::{Sessioned, link};

const TICK: Timer = Timer(0);

library_options! {}

thread_local! {
    /// The library asks a type whether there are snapshots; here an option says so.
    static SNAPSHOTS: Cell<bool> = const { Cell::new(true) };
}

impl Entry for Command {
    type Snapshot = Snap;
}

/// A part of the log as state. One that was made of entries alone keeps them, so that it can be put behind another.
#[derive(Clone)]
pub struct Snap {
    state: Sessioned<Kv>,
    index: u64,
    chain: u64,
    entries: Option<Rc<[Command]>>,
}

impl fmt::Debug for Snap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let delta = if self.entries.is_some() { "delta of" } else { "up to" };
        write!(f, "snapshot {delta} {} ({:x} {:x})", self.index, self.chain, self.state.digest())
    }
}

impl Snap {
    fn add(&mut self, entries: &[Command]) {
        for command in entries {
            self.index += 1;
            self.chain = link(self.chain, hash::content(command));
            self.state.apply(command.stamp, &command.asked, true);
        }
    }
}

impl Snapshot<Command> for Snap {
    fn create(entries: &[Command]) -> Self {
        let mut snap = Self { state: Sessioned::default(), index: 0, chain: 0, entries: Some(entries.into()) };
        snap.add(entries);
        snap
    }
    fn merge(&mut self, delta: Self) {
        self.add(&delta.entries.expect("what is merged was made of entries"));
        self.entries = None;
    }
    fn use_snapshots() -> bool {
        SNAPSHOTS.get()
    }
}

/// All that the library keeps beside the log.
#[derive(Clone, Debug, Default)]
pub struct Meta {
    promise: Option<Ballot>,
    accepted: Option<Ballot>,
    decided: usize,
    /// What the library says is compacted, and where the log begins.
    compacted: usize,
    trimmed: usize,
    snapshot: Option<Snap>,
    stopsign: Option<StopSign>,
}

/// One write: the log from `from` on, and the rest.
#[derive(Clone, Debug, Hash)]
pub struct Record {
    from: usize,
    entries: Rc<[Command]>,
    meta: Opaque<Meta>,
}

#[derive(Clone, Debug, Default)]
struct Mem {
    log: Vec<Command>,
    meta: Meta,
    /// From where on the log is another one than on the disk, and whether anything is.
    changed: usize,
    dirty: bool,
}

impl Mem {
    fn end(&self) -> usize {
        self.meta.trimmed + self.log.len()
    }
    /// The log from `from` on is this.
    fn put(&mut self, from: usize, entries: Vec<Command>) {
        self.changed = self.changed.min(from);
        self.log.truncate(from - self.meta.trimmed);
        self.log.extend(entries);
    }
    fn trim(&mut self, to: usize) {
        self.log.drain(..(to - self.meta.trimmed).min(self.log.len()));
        self.meta.trimmed = to;
    }
    fn part(&self, from: usize, to: usize) -> Vec<Command> {
        let (from, to) = (from.saturating_sub(self.meta.trimmed), to.saturating_sub(self.meta.trimmed));
        self.log.get(from..to).unwrap_or_default().to_vec()
    }
    fn record(&mut self, from: usize) -> Record {
        (self.changed, self.dirty) = (self.end(), false);
        let from = from.max(self.meta.trimmed);
        Record { from, entries: self.part(from, self.end()).into(), meta: Opaque::told(self.meta.clone()) }
    }
}

/// Writes that are one operation each.
macro_rules! writes {
    ($($name:ident($type:ty) => $op:ident,)*) => {$(
        fn $name(&mut self, value: $type) -> StorageResult<()> {
            self.write_atomically(vec![StorageOp::$op(value)])
        }
    )*};
}

/// What is read of what is in memory.
macro_rules! reads {
    ($($name:ident -> $type:ty = |$mem:ident| $read:expr,)*) => {$(
        fn $name(&self) -> StorageResult<$type> {
            let $mem = self.0.borrow();
            Ok($read)
        }
    )*};
}

/// The library's storage. What it holds is in memory; the node writes down what has changed.
#[derive(Clone, Default)]
pub struct Store(Rc<RefCell<Mem>>);

impl Storage<Command> for Store {
    fn write_atomically(&mut self, ops: Vec<StorageOp<Command>>) -> StorageResult<()> {
        let mem = &mut *self.0.borrow_mut();
        for op in ops {
            mem.dirty = true;
            match op {
                StorageOp::AppendEntry(entry) => mem.put(mem.end(), vec![entry]),
                StorageOp::AppendEntries(entries) => mem.put(mem.end(), entries),
                StorageOp::AppendOnPrefix(from, entries) => mem.put(from, entries),
                StorageOp::SetPromise(ballot) => mem.meta.promise = Some(ballot),
                StorageOp::SetDecidedIndex(index) => mem.meta.decided = index,
                StorageOp::SetAcceptedRound(ballot) => mem.meta.accepted = Some(ballot),
                StorageOp::SetCompactedIdx(index) => mem.meta.compacted = index,
                StorageOp::Trim(index) => mem.trim(index),
                StorageOp::SetStopsign(sign) => mem.meta.stopsign = sign,
                StorageOp::SetSnapshot(snapshot) => mem.meta.snapshot = snapshot,
            }
        }
        Ok(())
    }
    writes! {
        append_entry(Command) => AppendEntry, append_entries(Vec<Command>) => AppendEntries,
        set_promise(Ballot) => SetPromise, set_accepted_round(Ballot) => SetAcceptedRound,
        set_decided_idx(usize) => SetDecidedIndex, set_compacted_idx(usize) => SetCompactedIdx, trim(usize) => Trim,
        set_stopsign(Option<StopSign>) => SetStopsign, set_snapshot(Option<Snap>) => SetSnapshot,
    }
    reads! {
        get_promise -> Option<Ballot> = |mem| mem.meta.promise, get_decided_idx -> usize = |mem| mem.meta.decided,
        get_accepted_round -> Option<Ballot> = |mem| mem.meta.accepted, get_log_len -> usize = |mem| mem.log.len(),
        get_compacted_idx -> usize = |mem| mem.meta.compacted,
        get_stopsign -> Option<StopSign> = |mem| mem.meta.stopsign.clone(),
        get_snapshot -> Option<Snap> = |mem| mem.meta.snapshot.clone(),
    }
    fn append_on_prefix(&mut self, from: usize, entries: Vec<Command>) -> StorageResult<()> {
        self.write_atomically(vec![StorageOp::AppendOnPrefix(from, entries)])
    }
    fn get_entries(&self, from: usize, to: usize) -> StorageResult<Vec<Command>> {
        Ok(self.0.borrow().part(from, to))
    }
    fn get_suffix(&self, from: usize) -> StorageResult<Vec<Command>> {
        Ok(self.0.borrow().part(from, self.0.borrow().end()))
    }
}

/// A message of the library.
pub type Wire = Opaque<Lib<Command>>;

#[rustfmt::skip]
const KINDS: &[&str] = &[
    "Heartbeat", "HeartbeatReply", "PrepareReq", "Prepare", "Promise", "AcceptSync", "AcceptDecide", "Accepted",
    "NotAccepted", "Decide", "Other",
];

impl sim_core::Message for Wire {
    const KINDS: &'static [&'static str] = KINDS;
    fn kind(&self) -> Kind {
        let name = match &**self {
            Lib::BLE(m) if matches!(m.msg, HeartbeatMsg::Request(_)) => "Heartbeat",
            Lib::BLE(_) => "HeartbeatReply",
            Lib::SequencePaxos(m) => match m.msg {
                PaxosMsg::PrepareReq(_) => "PrepareReq",
                PaxosMsg::Prepare(_) => "Prepare",
                PaxosMsg::Promise(_) => "Promise",
                PaxosMsg::AcceptSync(_) => "AcceptSync",
                PaxosMsg::AcceptDecide(_) => "AcceptDecide",
                PaxosMsg::Accepted(_) => "Accepted",
                PaxosMsg::NotAccepted(_) => "NotAccepted",
                PaxosMsg::Decide(_) => "Decide",
                _ => "Other",
            },
        };
        Kind::named(KINDS, name)
    }
    fn bytes(&self) -> u32 {
        let commands = |all: &[Command]| all.iter().map(Command::bytes).sum::<u32>();
        let sync = |log: &omnipaxos::util::LogSync<Command>| commands(&log.suffix);
        96 + match &**self {
            Lib::SequencePaxos(m) => match &m.msg {
                PaxosMsg::Promise(promise) => promise.log_sync.as_ref().map_or(0, sync),
                PaxosMsg::AcceptSync(accept) => sync(&accept.log_sync),
                PaxosMsg::AcceptDecide(accept) => commands(&accept.entries),
                _ => 0,
            },
            Lib::BLE(_) => 0,
        }
    }
}

/// A participant.
pub struct Omni {
    config: Config,
    me: u64,
    lib: OmniPaxos<Command, Store>,
    store: Store,
}

/// What registers it.
pub type OmniPaxosSystem = HostedSystem<Omni>;

impl Omni {
    fn lib(&mut self) -> &mut OmniPaxos<Command, Store> {
        SNAPSHOTS.set(self.config.snapshot_every > 0);
        &mut self.lib
    }
}

impl Library for Omni {
    const NAME: &'static str = "omnipaxos";
    const ABOUT: &'static str = "a key-value store on omnipaxos 0.2.4, unchanged, from crates.io";
    const CONNECTS: bool = true;
    const SYNCHRONOUS: bool = true;
    type Options = Options;
    type Wire = Wire;
    type Record = Record;

    fn open(config: &Config, me: NodeId, disk: &[&Record], turn: &mut Turn<'_, '_, Self>) -> Self {
        SNAPSHOTS.set(config.snapshot_every > 0);
        let mut mem = Mem::default();
        for Record { from, entries, meta } in disk {
            let trimmed = meta.trimmed;
            if trimmed > mem.meta.trimmed {
                mem.trim(trimmed);
            }
            mem.put(*from, entries.to_vec());
            mem.meta = Meta::clone(meta);
        }
        mem.changed = mem.end();
        let store = Store(Rc::new(RefCell::new(mem)));
        let nodes = (1..=u64::from(config.nodes)).collect();
        let cluster_config = ClusterConfig { configuration_id: 1, nodes, flexible_quorum: None };
        let timeout = config.election.0 as u64;
        let server_config = ServerConfig {
            pid: pid(me),
            election_tick_timeout: timeout,
            resend_message_tick_timeout: timeout,
            buffer_size: 64,
            ..ServerConfig::default()
        };
        let lib = OmniPaxosConfig { cluster_config, server_config }.build(store.clone());
        turn.fx.arm(TICK, config.tick);
        Self { config: config.clone(), me: pid(me), lib: lib.expect("what `configure` has let through"), store }
    }

    fn hear(&mut self, _: NodeId, wire: Wire, _: &mut Turn<'_, '_, Self>) {
        self.lib().handle_incoming(wire.take());
    }
    fn timer(&mut self, _: Timer, turn: &mut Turn<'_, '_, Self>) {
        turn.fx.arm(TICK, self.config.tick);
        self.lib().tick();
    }
    fn propose(&mut self, command: Command) -> bool {
        self.lib().append(command).is_ok()
    }
    fn closed(&mut self, peer: NodeId) {
        self.lib().reconnected(pid(peer));
    }

    fn settle(&mut self, turn: &mut Turn<'_, '_, Self>) {
        // Before anything is said of what rests on it.
        self.write(turn);
        for entry in self.lib.read_decided_suffix(turn.applied() as usize).unwrap_or_default() {
            match entry {
                LogEntry::Decided(command) => turn.decide(turn.applied() + 1, Some(&command)),
                // Believed, as any service would: the library says how far it goes.
                LogEntry::Snapshotted(s) => turn.install(&Whole {
                    image: s.snapshot.state.snapshot(true),
                    index: s.trimmed_idx as u64,
                    chain: s.snapshot.chain,
                }),
                other => panic!("{other:?} among what is decided"),
            }
        }
        let mut messages = Vec::new();
        self.lib().take_outgoing_messages(&mut messages);
        for message in messages {
            turn.send(node_of(message.get_receiver()), Opaque::told(message));
        }
        let keep = (turn.applied() as usize).saturating_sub(self.config.snapshot_keep as usize);
        if turn.takes_snapshot() && self.lib().snapshot(Some(keep), true).is_ok() {
            let record = self.store.0.borrow_mut().record(0);
            turn.write_anew(record);
        }
    }

    fn standing(&self) -> Standing {
        let ballot = self.lib.get_promise();
        let (mine, accepts) =
            (ballot.pid == self.me, self.lib.get_current_leader().is_some_and(|(_, accepts)| accepts));
        let role = if !mine {
            "follower"
        } else if accepts {
            "leader"
        } else {
            "candidate"
        };
        let leader = (!mine && ballot.pid != 0).then(|| node_of(ballot.pid));
        Standing { role, term: u64::from(ballot.n) << 8 | ballot.pid, leader }
    }
}

impl Omni {
    fn write(&mut self, turn: &mut Turn<'_, '_, Self>) {
        let mut mem = self.store.0.borrow_mut();
        if mem.dirty {
            let from = mem.changed;
            turn.write(mem.record(from));
        }
    }
}
