//! Every field of every message, record and fact of Raft is in the run's digest.

use super::configuration::Configuration;
use super::log::{Entry, Payload, Slice};
use super::message::{Append, FACT_KINDS, MESSAGE_KINDS, Question, RaftFact as F, RaftMessage, Record, Snapshot};
use crate::shared::contents::{Told, vary};
use crate::shared::kv::{Kv, KvCommand, Value};
use crate::shared::replication::{Image, ReadRound, Replicated, Stamp};
use sim_core::{ClientId, Duration, NodeId, NodeSet};
use std::rc::Rc;

type M = RaftMessage<Kv>;
type R = Record<Kv>;
type S = Snapshot<Kv>;

const fn stamp(op: u64) -> Stamp {
    Stamp { client: ClientId(3), op, floor: 1 }
}

fn put(key: u64, value: u64) -> KvCommand {
    KvCommand::Put { key, value: Value::number(value, 40) }
}

fn entry(op: u64, command: KvCommand) -> Entry<KvCommand> {
    Entry::command(4, stamp(op), command)
}

fn slice(entries: impl Into<Rc<[Entry<KvCommand>]>>) -> Slice<KvCommand> {
    Slice::new(entries.into(), 64)
}

fn image(commands: &[(u64, KvCommand)]) -> Image<Kv> {
    let mut state = Replicated::<Kv>::default();
    for (op, command) in commands {
        state.apply(stamp(*op), command, true);
    }
    state.snapshot(true)
}

fn members(n: usize) -> Configuration {
    Configuration::of(NodeSet::first(n))
}

fn snapshots(told: &mut Told<Snapshot<Kv>>) {
    vary!(told, S {
        index: 10 => 11,
        term: 2 => 3,
        chain: 5 => 6,
        configuration: members(3) => members(4),
        bytes: 100 => 101,
        image: image(&[(1, put(1, 1))]) => image(&[(1, put(1, 2))]),
    });
}

fn snapshot(index: u64) -> Rc<Snapshot<Kv>> {
    Rc::new(Snapshot { index, term: 2, chain: 5, configuration: members(3), bytes: 100, image: image(&[]) })
}

#[test]
fn messages() {
    let mut told = Told::messages();
    let (a, b) = (|| slice([entry(1, put(1, 1))]), || slice([entry(1, put(1, 2))]));
    vary!(told, M::RequestVote {
        term: 1 => 2, last_index: 5 => 6, last_term: 3 => 4, pre: false => true, transfer: false => true,
    });
    vary!(told, M::Vote { term: 1 => 2, granted: false => true, pre: false => true });
    vary!(told, M::Append, Append {
        term: 1 => 2, prev_index: 5 => 6, prev_term: 3 => 4, commit: 7 => 8, round: ReadRound(9) => ReadRound(10),
        entries: a() => b(),
    });
    vary!(told, M::Appended { term: 1 => 2, match_index: 5 => 6, round: ReadRound(9) => ReadRound(10) });
    vary!(told, M::Rejected {
        term: 1 => 2, prev_index: 5 => 6, conflict_term: 3 => 4, conflict_index: 7 => 8,
        round: ReadRound(9) => ReadRound(10),
    });
    vary!(told, M::Heartbeat { term: 1 => 2, commit: 5 => 6, round: ReadRound(9) => ReadRound(10) });
    vary!(told, M::Alive { term: 1 => 2, round: ReadRound(9) => ReadRound(10) });
    vary!(told, M::InstallSnapshot {
        term: 1 => 2, offset: 5 => 6, round: ReadRound(9) => ReadRound(10), length: 7 => 8,
        snapshot: snapshot(10) => snapshot(11),
    });
    vary!(told, M::SnapshotReceived {
        term: 1 => 2, index: 5 => 6, received: 7 => 8, round: ReadRound(9) => ReadRound(10),
    });
    vary!(told, M::TimeoutNow { term: 1 => 2 });
    vary!(told, M::ReadIndex { term: 1 => 2, number: Question(5) => Question(6) });
    vary!(told, M::ReadIndexReply { term: 1 => 2, number: Question(5) => Question(6), index: 7 => 8 });
    told.covers(MESSAGE_KINDS);
}

#[test]
fn entries_and_snapshots() {
    let mut told = Told::others();
    let entries = [
        ("a command", entry(1, put(1, 1))),
        ("another value", entry(1, put(1, 2))),
        ("another key", entry(1, put(2, 1))),
        ("another operation", entry(2, put(1, 1))),
        ("another client", Entry::command(4, Stamp { client: ClientId(4), ..stamp(1) }, put(1, 1))),
        ("another floor", Entry::command(4, Stamp { floor: 0, ..stamp(1) }, put(1, 1))),
        ("another term", Entry::command(5, stamp(1), put(1, 1))),
        ("nothing", Entry::noop(4)),
        ("nothing of another term", Entry::noop(5)),
        ("voters", Entry::configuration(4, members(3))),
        ("other voters", Entry::configuration(4, members(4))),
        ("outgoing", Entry::configuration(4, Configuration { outgoing: NodeSet::first(2), ..members(3) })),
        ("learners", Entry::configuration(4, Configuration { learners: NodeSet::first(2), ..members(3) })),
    ];
    let payload = |entry: &Entry<KvCommand>| matches!(entry.payload, Payload::Command { .. });
    assert_eq!(entries.iter().filter(|(_, entry)| payload(entry)).count(), 7);
    for (what, entry) in &entries {
        told.add(what, &slice([entry.clone()]));
    }
    let [a, b] = [entry(1, put(1, 1)), entry(2, put(1, 2))];
    told.add("two", &slice([a.clone(), b.clone()]));
    told.add("the other way round", &slice([b, a.clone()]));
    told.add("another size", &Slice::new([a].into(), 65));

    let mut told = Told::others();
    snapshots(&mut told);
    let mut told = Told::others();
    told.add("nothing", &image(&[]));
    told.add("a key", &image(&[(1, put(1, 1))]));
    told.add("another session", &image(&[(2, put(1, 1))]));
    told.add("one more execution", &image(&[(1, put(1, 0)), (1, put(1, 1)), (2, put(1, 1))]));
}

#[test]
fn records() {
    let mut told = Told::others();
    vary!(told, R::Hard { term: 1 => 2, vote: None => Some(NodeId(0)) });
    vary!(told, R::Entries {
        first: 1 => 2, prev_term: 3 => 4, entries: slice([Entry::noop(4)]) => slice([Entry::noop(5)]),
    });
    vary!(told, R::Truncate { from: 1 => 2 });
    told.add("a snapshot", &R::Snapshot(snapshot(10)));
    told.add("another snapshot", &R::Snapshot(snapshot(11)));
}

#[test]
fn facts() {
    let mut told = Told::facts();
    let (n1, n2) = (NodeId(0), NodeId(1));
    let (three, four) = (NodeSet::first(3), NodeSet::first(4));
    vary!(told, F::Campaign { term: 1 => 2, pre: false => true });
    vary!(told, F::Elected { term: 1 => 2, last_index: 5 => 6 });
    vary!(told, F::SteppedDown { term: 1 => 2 });
    vary!(told, F::FirstCommit { term: 1 => 2, index: 5 => 6 });
    vary!(told, F::Voted { term: 1 => 2, candidate: n1 => n2 });
    vary!(told, F::Appended { first: 1 => 2, last: 5 => 6, term: 3 => 4, chain: 7 => 8 });
    vary!(told, F::Truncated { from: 1 => 2 });
    vary!(told, F::Committed { index: 1 => 2, term: 3 => 4 });
    vary!(told, F::Executed {
        index: 1 => 2, chain: 3 => 4, client: ClientId(0) => ClientId(1), op: 5 => 6, fresh: false => true,
    });
    vary!(told, F::Applied { index: 1 => 2, chain: 3 => 4, digest: 5 => 6 });
    vary!(told, F::SnapshotTaken { index: 1 => 2 });
    vary!(told, F::SnapshotInstalled { index: 1 => 2, chain: 3 => 4, digest: 5 => 6 });
    vary!(told, F::ReadServed { index: 1 => 2, client: ClientId(0) => ClientId(1), op: 5 => 6 });
    vary!(told, F::Configured { index: 1 => 2, voters: three => four, joint: false => true });
    vary!(told, F::Learning { index: 1 => 2, learners: three => four });
    vary!(told, F::CatchUpRound { node: n1 => n2, round: 3 => 4, upto: 5 => 6, took: Duration(7) => Duration(8) });
    vary!(told, F::GaveUp { node: n1 => n2 });
    vary!(told, F::Left { index: 1 => 2 });
    vary!(told, F::DiskTimedOut { term: 1 => 2 });
    vary!(told, F::LeaseExpired { term: 1 => 2 });
    vary!(told, F::Unreadable { record: 1 => 2 });
    vary!(told, F::HandingOver { term: 1 => 2, to: n1 => n2 });
    vary!(told, F::HandOverFailed { term: 1 => 2, to: n1 => n2 });
    told.covers(FACT_KINDS);
}
