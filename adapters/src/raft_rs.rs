//! tikv's `raft` 0.7, as TiKV drives it: asynchronous `Ready`s over streams, snapshots whose state travels beside the
//! message, reads by read index or lease. What it reads of its log is the library's own `MemStorage`, filled from disk.
//!
//! The library draws its election timeouts from the thread's generator. It is allowed times so long that no draw is
//! ever kept: whenever it has drawn, the host draws for it, from the node's own luck.

use crate::command::Command;
use crate::host::{HostedSystem, Library, Opaque, Standing, Turn, Whole};
use crate::library::{library_options, node_of, pid};
use protobuf::Message as _;
use raft::eraftpb::{ConfState, Entry, HardState, Message as PbMessage, MessageType, Snapshot};
use raft::storage::MemStorage;
use raft::{GetEntriesContext, RawNode, ReadOnlyOption, SnapshotStatus, StateRole, Storage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::units::ByteSize;
use sim_core::{Effect, Kind, NodeId, Timer};
use std::fmt;
use std::rc::Rc;

/// Election timeouts that the library draws are longer than any that is meant, but for one draw in 10^10.
const DRAWN: usize = 1 << 40;
const TICK: Timer = Timer(0);

/// How reads are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reads {
    /// By a round of messages each.
    #[default]
    ReadIndex,
    /// By the leader's clock.
    Lease,
    /// Through the log.
    Log,
}

library_options! {
    /// Whether a node asks around before it disturbs the others with a new term.
    pre_vote: bool = true;
    /// Whether a leader that hears from no quorum steps down.
    check_quorum: bool = true,
        wrong if !check_quorum && *reads == Reads::Lease => ("leases of a leader that nobody has to answer"), "true";
    /// How reads are served.
    reads: Reads = Reads::ReadIndex;
    /// The largest batch of entries in one message.
    max_batch: ByteSize = ByteSize(64 << 10);
    /// Whether the library's clock goes on while a snapshot is on its way to the disk; TiKV's does not.
    tick_while_installing: bool = false;
}

/// What came of one `Ready`; or, with the whole service, everything there is.
#[derive(Clone, Debug, Hash)]
pub struct Record {
    snapshot: Option<(Rc<Whole>, Opaque<Snapshot>)>,
    entries: Opaque<Vec<Entry>>,
    hard: Option<Opaque<HardState>>,
}

/// A message, and the state that travels beside one that announces a snapshot.
#[derive(Clone, Debug, Hash)]
pub struct Wire(Opaque<PbMessage>, Option<Rc<Whole>>);

/// By the library's numbers.
#[rustfmt::skip]
const KINDS: &[&str] = &[
    "Hup", "Beat", "Propose", "Append", "AppendResponse", "RequestVote", "RequestVoteResponse", "Snapshot", "Heartbeat",
    "HeartbeatResponse", "Unreachable", "SnapStatus", "CheckQuorum", "TransferLeader", "TimeoutNow", "ReadIndex",
    "ReadIndexResp", "RequestPreVote", "RequestPreVoteResponse",
];

impl sim_core::Message for Wire {
    const KINDS: &'static [&'static str] = KINDS;
    fn kind(&self) -> Kind {
        let number = self.0.get_msg_type() as u8;
        Kind::new(number, KINDS[usize::from(number)])
    }
    fn bytes(&self) -> u32 {
        32 + self.0.compute_size() + self.1.as_ref().map_or(0, |whole| whole.image.bytes() as u32)
    }
    fn describe(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        let (m, no) = (&*self.0, if self.0.reject { ", rejected" } else { "" });
        let (count, commit) = (m.entries.len(), m.commit);
        write!(out, "term {}, {count} entries after {} of term {}, commit {commit}{no}", m.term, m.index, m.log_term)
    }
}

/// A participant.
pub struct RaftRs {
    config: Config,
    me: NodeId,
    raw: RawNode<MemStorage>,
    /// The state that came with the message under way.
    incoming: Option<Rc<Whole>>,
    /// A snapshot on its way to the disk: with which `Ready`, and its last entry.
    installing: Option<(u64, u64)>,
}

/// What registers it.
pub type RaftRsSystem = HostedSystem<RaftRs>;

impl RaftRs {
    fn wire(&self, message: PbMessage, turn: &Turn<'_, '_, Self>) -> (NodeId, Wire) {
        let announces = message.get_msg_type() == MessageType::MsgSnapshot;
        let whole = announces.then(|| turn.whole());
        let bytes = message.write_to_bytes().unwrap_or_default();
        (node_of(message.to), Wire(Opaque::new(message, &bytes), whole))
    }

    fn persisted(&mut self, number: u64) {
        self.raw.on_persist_ready(number);
        if let Some((_, index)) = self.installing.take_if(|(with, _)| *with <= number) {
            self.raw.advance_apply_to(index);
        }
    }

    fn compact(&mut self, turn: &mut Turn<'_, '_, Self>) {
        if self.installing.is_some() || !turn.takes_snapshot() {
            return;
        }
        let (store, index, keep) = (self.raw.store(), turn.applied(), self.config.snapshot_keep.max(1));
        let (snapshot, last) = (store.snapshot(0, 0), store.last_index().unwrap_or(index));
        let behind = store.entries(index + 1, last + 1, None, GetEntriesContext::empty(false));
        let (Ok(snapshot), Ok(entries)) = (snapshot, if last > index { behind } else { Ok(Vec::new()) }) else {
            return;
        };
        let _ = store.wl().compact(index.saturating_sub(keep) + 1);
        let snapshot = Some((turn.whole(), Opaque::told(snapshot)));
        let hard = Some(Opaque::told(self.raw.raft.hard_state()));
        turn.write_anew(Record { snapshot, entries: Opaque::told(entries), hard });
    }
}

impl Library for RaftRs {
    const NAME: &'static str = "raft-rs";
    const ABOUT: &'static str = "a key-value store on tikv's raft 0.7, unchanged, from crates.io";
    const CONNECTS: bool = true;
    const SYNCHRONOUS: bool = false;
    type Options = Options;
    type Wire = Wire;
    type Record = Record;

    fn open(config: &Config, me: NodeId, disk: &[&Record], turn: &mut Turn<'_, '_, Self>) -> Self {
        let voters: Vec<u64> = (1..=u64::from(config.nodes)).collect();
        let store = MemStorage::new_with_conf_state(ConfState::from((voters, Vec::new())));
        for Record { snapshot, entries, hard } in disk {
            let mut store = store.wl();
            if let Some((whole, snapshot)) = snapshot {
                turn.restore(whole);
                store.apply_snapshot(Snapshot::clone(snapshot)).expect("snapshots are ever newer");
            }
            store.append(entries).expect("an append gives no error");
            if let Some(hard) = hard {
                store.set_hardstate(HardState::clone(hard));
            }
        }
        // Nothing behind the state is applied yet: it all comes again.
        store.wl().mut_hard_state().commit = turn.applied();
        let read_only_option =
            if config.reads == Reads::Lease { ReadOnlyOption::LeaseBased } else { ReadOnlyOption::Safe };
        let library = raft::Config {
            id: pid(me),
            election_tick: config.election.0,
            heartbeat_tick: config.heartbeat,
            applied: turn.applied(),
            max_size_per_msg: config.max_batch.0,
            check_quorum: config.check_quorum,
            pre_vote: config.pre_vote,
            min_election_tick: config.election.0,
            max_election_tick: DRAWN,
            read_only_option,
            ..raft::Config::default()
        };
        let quiet = slog::Logger::root(slog::Discard, slog::o!());
        let raw = RawNode::new(&library, store, &quiet).expect("what `configure` has let through");
        turn.fx.arm(TICK, config.tick);
        Self { config: config.clone(), me, raw, incoming: None, installing: None }
    }

    fn hear(&mut self, _: NodeId, Wire(message, whole): Wire, _: &mut Turn<'_, '_, Self>) {
        self.incoming = whole;
        // An error says that the message is of no use any more.
        let _ = self.raw.step(message.take());
    }
    fn timer(&mut self, _: Timer, turn: &mut Turn<'_, '_, Self>) {
        turn.fx.arm(TICK, self.config.tick);
        if self.installing.is_none() || self.config.tick_while_installing {
            self.raw.tick();
        }
    }
    fn propose(&mut self, command: Command) -> bool {
        self.raw.propose(Vec::new(), command.encode()).is_ok()
    }
    fn read(&mut self, number: u64) -> bool {
        if self.config.reads != Reads::Log {
            self.raw.read_index(number.to_le_bytes().to_vec());
        }
        self.config.reads != Reads::Log
    }
    fn durable(&mut self, mark: u64, _: &mut Turn<'_, '_, Self>) {
        self.persisted(mark);
    }
    fn closed(&mut self, peer: NodeId) {
        self.raw.report_unreachable(pid(peer));
        self.raw.report_snapshot(pid(peer), SnapshotStatus::Failure);
    }

    fn settle(&mut self, turn: &mut Turn<'_, '_, Self>) {
        loop {
            let (lo, hi) = self.config.election;
            if self.raw.raft.randomized_election_timeout() > hi {
                let drawn = turn.fx.rng().between(lo as u64, hi as u64);
                self.raw.raft.set_randomized_election_timeout(drawn as usize);
            }
            if !self.raw.has_ready() {
                return;
            }
            let mut ready = self.raw.ready();
            for message in ready.take_messages() {
                let (to, message) = self.wire(message, turn);
                turn.fx.send(to, message);
            }
            let (mut snapshot, store) = (None, self.raw.store());
            if !ready.snapshot().is_empty() {
                let whole = self.incoming.take().expect("it came with the message");
                store.wl().apply_snapshot(ready.snapshot().clone()).expect("the library has looked at it");
                turn.install(&whole);
                self.installing = Some((ready.number(), whole.index));
                snapshot = Some((whole, Opaque::told(ready.snapshot().clone())));
            }
            let (committed, entries) = (ready.take_committed_entries(), ready.take_entries());
            store.wl().append(&entries).expect("an append gives no error");
            // How far it has committed is no promise, and needs no write of its own.
            if ready.must_sync() {
                let hard = ready.hs().cloned().map(Opaque::told);
                turn.write(Record { snapshot, entries: Opaque::told(entries), hard });
            }
            for read in ready.take_read_states() {
                turn.read_at(u64::from_le_bytes(read.request_ctx.try_into().expect("eight bytes")), read.index);
            }
            let (number, later) = (ready.number(), ready.take_persisted_messages());
            self.raw.advance_append_async(ready);
            for message in later {
                let (to, message) = self.wire(message, turn);
                turn.later(Effect::Send { to, message });
            }
            for entry in &committed {
                turn.decide(entry.index, Command::decode(&entry.data).as_ref());
            }
            if !committed.is_empty() {
                self.raw.advance_apply_to(turn.applied());
                self.raw.store().wl().mut_hard_state().commit = turn.applied();
            }
            if turn.mark(number) {
                self.persisted(number);
            }
            self.compact(turn);
        }
    }

    fn standing(&self) -> Standing {
        let role = match self.raw.raft.state {
            StateRole::Leader => "leader",
            StateRole::Follower => "follower",
            StateRole::Candidate => "candidate",
            StateRole::PreCandidate => "pre_candidate",
        };
        let leader = self.raw.raft.leader_id;
        let leader = (leader != 0 && leader != pid(self.me)).then(|| node_of(leader));
        Standing { role, term: self.raw.raft.term, leader }
    }
}
