//! Every field of every message, record and fact of fail-over is in the run's digest.

use super::arbiter::{Petition, Ruling, Seat};
use super::detector::{Incarnation, ProbeNumber, Standing, SwimMessage, Update};
use super::log::{Entry, Payload, Position, Snapshot};
use super::message::{
    FACT_KINDS, FailoverFact as F, FailoverMessage as M, InSync, MESSAGE_KINDS, PetitionNumber, Record as R, SetVersion,
};
use crate::consensus::raft::{self, Question};
use crate::shared::contents::{Told, vary};
use crate::shared::kv::{Kv, KvCommand};
use crate::shared::replication::{ReadRound, Replicated, Stamp};
use sim_core::{ClientId, LocalInstant, NodeId, NodeSet};
use std::rc::Rc;

const N1: NodeId = NodeId(0);
const N2: NodeId = NodeId(1);

const fn position(offset: u64) -> Position {
    Position { epoch: 3, offset }
}

fn in_sync(version: u64) -> InSync {
    InSync { epoch: 1, version: SetVersion(version), nodes: NodeSet::first(2) }
}

fn entry(op: u64, key: u64) -> Entry {
    let stamp = Stamp { client: ClientId(3), op, floor: 1 };
    Entry::new(4, Payload::Write { stamp, command: KvCommand::Delete { key } })
}

fn entries(key: u64) -> Rc<[Entry]> {
    [entry(1, key)].into()
}

fn snapshot(offset: u64) -> Rc<Snapshot> {
    let image = Replicated::<Kv>::default().snapshot(true);
    Rc::new(Snapshot { offset, chain: 5, lineage: vec![(1, 1)], image, bytes: 100 })
}

fn seat() -> Seat {
    Seat { epoch: 1, primary: None, renewals: 2, in_sync: NodeSet::EMPTY }
}

fn news(standing: Standing) -> Vec<Update> {
    vec![Update { node: N1, incarnation: Incarnation(1), standing }]
}

/// A message of every kind of the arbiter's Raft, which has a test of its own for all fields.
fn raft_messages(told: &mut Told<M>) {
    type Inner = raft::RaftMessage<Seat>;
    let image = Replicated::<Seat>::default().snapshot(true);
    let configuration = raft::Configuration::of(NodeSet::first(3));
    let snapshot = Rc::new(raft::Snapshot { index: 1, term: 1, chain: 1, configuration, bytes: 1, image });
    let entries = raft::Slice::EMPTY;
    let append = raft::Append { term: 1, prev_index: 1, prev_term: 1, commit: 1, round: ReadRound(1), entries };
    let (term, round, pre) = (1, ReadRound(1), [false, true]);
    let both = pre.map(|pre| Inner::RequestVote { term, last_index: 1, last_term: 1, pre, transfer: false });
    let votes = pre.map(|pre| Inner::Vote { term, granted: true, pre });
    let others = [
        Inner::Append(append),
        Inner::Appended { term, match_index: 1, round },
        Inner::Rejected { term, prev_index: 1, conflict_term: 1, conflict_index: 1, round },
        Inner::Heartbeat { term, commit: 1, round },
        Inner::Alive { term, round },
        Inner::InstallSnapshot { term, offset: 0, round, length: 1, snapshot },
        Inner::SnapshotReceived { term, index: 1, received: 1, round },
        Inner::TimeoutNow { term },
        Inner::ReadIndex { term, number: Question(1) },
        Inner::ReadIndexReply { term, number: Question(1), index: 1 },
    ];
    for inner in both.into_iter().chain(votes).chain(others) {
        told.add(&format!("{inner:?}"), &M::Raft(Box::new(inner)));
    }
}

#[test]
fn messages() {
    let mut told = Told::messages();
    let (t1, t2) = (LocalInstant(1), LocalInstant(2));
    let ruling = |granted| Ruling { granted, seat: seat() };
    vary!(told, M::Heartbeat { epoch: 1 => 2, committed: 3 => 4, sent: t1 => t2 });
    vary!(told, M::Alive { epoch: 1 => 2, sent: t1 => t2, last: None => Some(0), durable: 5 => 6 });
    vary!(told, M::Replicate { epoch: 1 => 2, previous: 3 => 4, committed: 5 => 6, entries: entries(1) => entries(2) });
    vary!(told, M::Stored { epoch: 1 => 2, durable: 3 => 4, last: 5 => 6 });
    vary!(told, M::Join { epoch: 1 => 2, last: position(3) => position(4) });
    vary!(told, M::Joined { epoch: 1 => 2, asked: position(3) => position(4), end: position(5) => position(6) });
    vary!(told, M::Install { epoch: 1 => 2, snapshot: snapshot(3) => snapshot(4) });
    vary!(told, M::Ask {
        epoch: 1 => 2,
        last: position(3) => position(4),
        poll: false => true,
        transfer: false => true,
        in_sync: in_sync(5) => in_sync(6),
    });
    vary!(told, M::Voice {
        epoch: 1 => 2, poll: false => true, granted: false => true, in_sync: in_sync(5) => in_sync(6),
    });
    vary!(told, M::Newer { epoch: 1 => 2 });
    vary!(told, M::TakeOver { epoch: 1 => 2 });
    vary!(told, M::SetInSync { in_sync: in_sync(5) => in_sync(6) });
    vary!(told, M::Petition {
        number: PetitionNumber(1) => PetitionNumber(2),
        petition: Petition::Renew { epoch: 3 } => Petition::Renew { epoch: 4 },
    });
    vary!(told, M::Ruled { number: PetitionNumber(1) => PetitionNumber(2), ruling: ruling(false) => ruling(true) });
    vary!(told, M::NotHere { number: PetitionNumber(1) => PetitionNumber(2), hint: None => Some(N1) });
    vary!(told, M::Mount { epoch: 1 => 2 });
    vary!(told, M::Mounted { epoch: 1 => 2, entries: entries(1) => entries(2) });
    vary!(told, M::InSyncSet { epoch: 1 => 2, version: SetVersion(3) => SetVersion(4) });
    vary!(told, M::Swim, SwimMessage::Ping {
        seq: ProbeNumber(1) => ProbeNumber(2), news: news(Standing::Alive) => news(Standing::Dead),
    });
    vary!(told, M::Swim, SwimMessage::PingReq {
        seq: ProbeNumber(1) => ProbeNumber(2), target: N1 => N2, news: vec![] => news(Standing::Dead),
    });
    vary!(told, M::Swim, SwimMessage::Ack {
        seq: ProbeNumber(1) => ProbeNumber(2), news: vec![] => news(Standing::Dead),
    });
    raft_messages(&mut told);
    told.covers(MESSAGE_KINDS);
}

#[test]
fn parts_of_messages() {
    let mut told = Told::others();
    vary!(told, InSync {
        epoch: 1 => 2, version: SetVersion(3) => SetVersion(4), nodes: NodeSet::first(1) => NodeSet::first(2),
    });
    let mut told = Told::others();
    vary!(told, Position { epoch: 1 => 2, offset: 3 => 4 });
    let mut told = Told::others();
    vary!(told, Seat {
        epoch: 1 => 2, primary: None => Some(N1), renewals: 3 => 4, in_sync: NodeSet::EMPTY => NodeSet::first(2),
    });
    let mut told = Told::others();
    vary!(told, Ruling { granted: false => true, seat: seat() => Seat { epoch: 9, ..seat() } });
    let mut told = Told::others();
    vary!(told, Petition::Claim {
        node: N1 => N2, epoch: 1 => 2, renewals: 3 => 4, transfer: false => true, unclean: false => true,
    });
    vary!(told, Petition::Renew { epoch: 1 => 2 });
    vary!(told, Petition::SetInSync { epoch: 1 => 2, nodes: NodeSet::EMPTY => NodeSet::first(2) });
    vary!(told, Petition::Release { epoch: 1 => 2 });
    let mut told = Told::others();
    vary!(told, Update {
        node: N1 => N2, incarnation: Incarnation(1) => Incarnation(2), standing: Standing::Alive => Standing::Suspect,
    });
    let mut told = Told::others();
    let image = |op| {
        let mut state = Replicated::<Kv>::default();
        state.apply(Stamp { client: ClientId(3), op, floor: 1 }, &KvCommand::Delete { key: 1 }, true);
        state.snapshot(true)
    };
    vary!(told, Snapshot {
        offset: 1 => 2, chain: 3 => 4, lineage: vec![(1, 1)] => vec![(1, 2)], image: image(1) => image(2),
        bytes: 5 => 6,
    });
    let mut told = Told::others();
    told.add("a write", &entry(1, 1));
    told.add("another operation", &entry(2, 1));
    told.add("another command", &entry(1, 2));
    told.add("a start", &Entry::new(4, Payload::Start));
    told.add("a start in another epoch", &Entry::new(5, Payload::Start));
}

#[test]
fn records() {
    let mut told = Told::others();
    vary!(told, R::Promise { epoch: 1 => 2, vote: None => Some(N1) });
    told.add("who is in sync", &R::InSync(in_sync(1)));
    told.add("who else is in sync", &R::InSync(in_sync(2)));
    vary!(told, R::Entries { first: 1 => 2, entries: entries(1) => entries(2), committed: 3 => 4 });
    vary!(told, R::Truncate { from: 1 => 2 });
    told.add("a snapshot", &R::Snapshot(snapshot(1)));
    told.add("another snapshot", &R::Snapshot(snapshot(2)));
    vary!(told, R::Raft, raft::Record::Hard { term: 1 => 2, vote: None => Some(N1) });
}

#[test]
fn facts() {
    let mut told = Told::facts();
    let (p3, p4) = (position(3), position(4));
    let (c1, c2) = (ClientId(0), ClientId(1));
    let (one, two) = (NodeSet::first(1), NodeSet::first(2));
    vary!(told, F::Suspected { primary: None => Some(N1), epoch: 1 => 2 });
    vary!(told, F::Decided { epoch: 1 => 2, supporters: one => two, planned: false => true });
    vary!(told, F::Promoted { epoch: 1 => 2 });
    vary!(told, F::FirstAck { epoch: 1 => 2 });
    vary!(told, F::SteppedDown { epoch: 1 => 2, why: "its lease ran out" => "its lease ran out!" });
    vary!(told, F::Voted { epoch: 1 => 2, candidate: N1 => N2 });
    vary!(told, F::Joined { epoch: 1 => 2, last: 3 => 4 });
    vary!(told, F::Truncated { from: 1 => 2, last: 3 => 4 });
    vary!(told, F::Executed { entry: p3 => p4, client: c1 => c2, op: 5 => 6, fresh: false => true });
    vary!(told, F::Acknowledged { entry: p3 => p4, epoch: 1 => 2, client: c1 => c2, op: 5 => 6, key: 7 => 8 });
    vary!(told, F::ReadServed { entry: p3 => p4, primary: false => true, client: c1 => c2, op: 5 => 6 });
    vary!(told, F::Applied { entry: p3 => p4, chain: 5 => 6, digest: 7 => 8 });
    vary!(told, F::SnapshotTaken { offset: 1 => 2 });
    vary!(told, F::SnapshotInstalled { entry: p3 => p4, chain: 5 => 6, digest: 7 => 8 });
    vary!(told, F::InSyncChanged { epoch: 1 => 2, nodes: one => two });
    vary!(told, F::HandingOver { epoch: 1 => 2, to: N1 => N2, back: false => true });
    vary!(told, F::Arbiter, raft::RaftFact::Elected { term: 1 => 2, last_index: 3 => 4 });
    vary!(told, F::Arbiter, raft::RaftFact::Left { index: 1 => 2 });
    vary!(told, F::Unreadable { record: 1 => 2 });
    told.covers(FACT_KINDS);
}
