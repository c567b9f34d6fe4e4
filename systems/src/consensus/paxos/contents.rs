//! All that entries hold, and what is made of them, is in the run's digest, though entries have a hash of their own.

use super::ballot::Ballot;
use super::log::{Entry, Run, Slice};
use super::members::Members;
use super::message::{Life, Report, Snapshot, Welcome};
use super::options::Config;
use super::rejoin::Lives;
use crate::shared::contents::{Told, vary};
use crate::shared::kv::{Kv, KvCommand};
use crate::shared::replication::{Sessioned, Stamp};
use sim_core::{ClientId, NodeId, NodeSet};
use std::rc::Rc;

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

fn report(commit: u64) -> Report<KvCommand> {
    Report { commit, runs: [run(1)].into(), lives: lives(1) }
}

#[test]
fn parts_of_messages() {
    let mut told = Told::new();
    let runs = |first| -> Rc<[Run<KvCommand>]> { [run(first)].into() };
    vary!(told, Reported { commit: 1 => 2, runs: runs(1) => runs(2), lives: lives(1) => lives(2) });
    let mut told = Told::new();
    vary!(told, Ran { first: 1 => 2, ballot: ballot(1) => ballot(2), entries: slice(1) => slice(2) });
    let mut told = Told::new();
    let image = |op| {
        let mut state = Sessioned::<Kv>::default();
        state.apply(Stamp { client: ClientId(3), op, floor: 1 }, &KvCommand::Delete { key: 1 }, true);
        state.snapshot(true)
    };
    vary!(told, S {
        slot: 1 => 2, chain: 3 => 4, bytes: 5 => 6, image: image(1) => image(2), members: members(3) => members(4),
    });
    let mut told = Told::new();
    vary!(told, Welcomed {
        life: Life(1) => Life(2),
        blank: false => true,
        promised: ballot(1) => ballot(2),
        report: report(1) => report(2),
        members: members(3) => members(4),
    });
    let mut told = Told::new();
    told.add("nothing", &Entry::<KvCommand>::noop());
    told.add("acceptors", &Entry::members(NodeSet::first(3)));
    told.add("other acceptors", &Entry::members(NodeSet::first(4)));
}
