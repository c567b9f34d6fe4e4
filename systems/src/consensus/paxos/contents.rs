//! Every field of every message, record and fact of Paxos is in the run's digest.

use super::ballot::Ballot;
use super::config::Config;
use super::log::{Entry, Run, Slice};
use super::members::Members;
use super::message::{
    FACT_KINDS, Life, MESSAGE_KINDS, PaxosFact as F, PaxosMessage, Record, Report, Snapshot, Welcome,
};
use super::rejoin::Lives;
use crate::shared::contents::{Told, vary};
use crate::shared::kv::{Kv, KvCommand};
use crate::shared::replication::{ReadRound, Replicated, Stamp};
use sim_core::{ClientId, NodeId, NodeSet};
use std::rc::Rc;

type M = PaxosMessage<Kv>;
type R = Record<Kv>;
type S = Snapshot<Kv>;
type Reported = Report<KvCommand>;
type Ran = Run<KvCommand>;
type Welcomed = Welcome<KvCommand>;

const fn ballot(round: u64) -> Ballot {
    Ballot { round, node: 1 }
}

fn lives(life: u64) -> Lives {
    let mut lives = Lives::default();
    lives.learn(NodeId(2), Life(life));
    lives
}

fn slice(key: u64) -> Slice<KvCommand> {
    let stamp = Stamp { client: ClientId(3), op: 1, floor: 1 };
    Slice::new([Entry::command(stamp, KvCommand::Delete { key })].into(), 64)
}

fn run(first: u64) -> Run<KvCommand> {
    Run { first, ballot: ballot(1), entries: slice(1) }
}

fn members(nodes: u32) -> Members {
    Members::initial(&Config::new(nodes))
}

fn snapshot(slot: u64) -> Rc<Snapshot<Kv>> {
    let image = Replicated::default().snapshot(true);
    Rc::new(Snapshot { slot, chain: 5, bytes: 100, image, members: members(3) })
}

fn report(commit: u64) -> Report<KvCommand> {
    Report { commit, runs: [run(1)].into(), lives: lives(1) }
}

fn welcome(life: u64) -> Welcome<KvCommand> {
    Welcome { life: Life(life), blank: false, promised: ballot(1), report: report(1), members: members(3) }
}

#[test]
fn messages() {
    let mut told = Told::messages();
    let (b1, b2) = (ballot(1), ballot(2));
    vary!(told, M::Prepare { ballot: b1 => Ballot { node: 2, ..b1 }, after: 3 => 4, handed: b1 => b2 });
    vary!(told, M::Promise { ballot: b1 => b2, life: Life(3) => Life(4), report: report(1) => report(2) });
    vary!(told, M::Outbid { ballot: b1 => b2, promised: b1 => b2 });
    vary!(told, M::Accept { run: run(1) => run(2), commit: 3 => 4 });
    vary!(told, M::Accepted { ballot: b1 => b2, first: 3 => 4, life: Life(5) => Life(6), lives: lives(1) => lives(2) });
    vary!(told, M::Heartbeat { ballot: b1 => b2, commit: 3 => 4, round: ReadRound(5) => ReadRound(6) });
    vary!(told, M::Alive { ballot: b1 => b2, round: ReadRound(3) => ReadRound(4), commit: 5 => 6 });
    vary!(told, M::Learn { after: 1 => 2, snapshot: (3, 5) => (3, 6) });
    vary!(told, M::Learned { first: 1 => 2, entries: slice(1) => slice(2), commit: 3 => 4 });
    vary!(told, M::Piece { offset: 1 => 2, length: 3 => 4, snapshot: snapshot(5) => snapshot(6) });
    vary!(told, M::Rejoin { life: Life(1) => Life(2) });
    told.add("a welcome", &M::Welcome(Box::new(welcome(1))));
    told.add("another welcome", &M::Welcome(Box::new(welcome(2))));
    vary!(told, M::TakeOver { ballot: b1 => b2 });
    told.covers(MESSAGE_KINDS);
}

#[test]
fn parts_of_messages() {
    let mut told = Told::others();
    let runs = |first| -> Rc<[Run<KvCommand>]> { [run(first)].into() };
    vary!(told, Reported { commit: 1 => 2, runs: runs(1) => runs(2), lives: lives(1) => lives(2) });
    let mut told = Told::others();
    vary!(told, Ran { first: 1 => 2, ballot: ballot(1) => ballot(2), entries: slice(1) => slice(2) });
    let mut told = Told::others();
    let image = |op| {
        let mut state = Replicated::<Kv>::default();
        state.apply(Stamp { client: ClientId(3), op, floor: 1 }, &KvCommand::Delete { key: 1 }, true);
        state.snapshot(true)
    };
    vary!(told, S {
        slot: 1 => 2, chain: 3 => 4, bytes: 5 => 6, image: image(1) => image(2), members: members(3) => members(4),
    });
    let mut told = Told::others();
    vary!(told, Welcomed {
        life: Life(1) => Life(2),
        blank: false => true,
        promised: ballot(1) => ballot(2),
        report: report(1) => report(2),
        members: members(3) => members(4),
    });
    let mut told = Told::others();
    told.add("nothing", &Entry::<KvCommand>::noop());
    told.add("acceptors", &Entry::members(NodeSet::first(3)));
    told.add("other acceptors", &Entry::members(NodeSet::first(4)));
}

#[test]
fn records() {
    let mut told = Told::others();
    told.add("blank", &R::Blank);
    vary!(told, R::Hard { promised: ballot(1) => ballot(2), life: Life(3) => Life(4), lives: lives(1) => lives(2) });
    vary!(told, R::Run { run: run(1) => run(2), commit: 3 => 4, after: 5 => 6 });
    vary!(told, R::Snapshot { snapshot: snapshot(1) => snapshot(2), base: 3 => 4, after: 5 => 6 });
}

#[test]
fn facts() {
    let mut told = Told::facts();
    let (b1, b2) = (ballot(1), ballot(2));
    let (c1, c2) = (ClientId(0), ClientId(1));
    vary!(told, F::Campaign { ballot: b1 => b2 });
    vary!(told, F::Elected { ballot: b1 => b2, chosen: 3 => 4, first: 5 => 6 });
    vary!(told, F::SteppedDown { ballot: b1 => b2 });
    vary!(told, F::FirstCommit { ballot: b1 => b2, slot: 3 => 4 });
    vary!(told, F::Promised { ballot: b1 => b2, candidate: NodeId(0) => NodeId(1) });
    vary!(told, F::Accepted { ballot: b1 => b2, first: 3 => 4 });
    vary!(told, F::Chosen { ballot: b1 => b2, first: 3 => 4, last: 5 => 6 });
    vary!(told, F::Executed { slot: 1 => 2, chain: 3 => 4, client: c1 => c2, op: 5 => 6, fresh: false => true });
    vary!(told, F::Applied { slot: 1 => 2, chain: 3 => 4, digest: 5 => 6 });
    vary!(told, F::SnapshotTaken { slot: 1 => 2 });
    vary!(told, F::SnapshotInstalled { slot: 1 => 2, chain: 3 => 4, digest: 5 => 6 });
    vary!(told, F::ReadServed { slot: 1 => 2, client: c1 => c2, op: 5 => 6 });
    vary!(told, F::Wiped { life: Life(1) => Life(2) });
    vary!(told, F::DiskTimedOut { ballot: b1 => b2 });
    vary!(told, F::LeaseExpired { ballot: b1 => b2 });
    vary!(told, F::Rebuilt { life: Life(1) => Life(2) });
    vary!(told, F::Unreadable { record: 1 => 2 });
    vary!(told, F::Configured { from: 1 => 2, members: NodeSet::first(3) => NodeSet::first(4) });
    told.covers(FACT_KINDS);
}
