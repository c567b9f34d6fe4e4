//! Every field of every message, record and fact of the store is in the run's digest.

use super::directory::{Directory, Step, View};
use super::message::{Behalf, HintNumber, Life, OpNumber};
use super::message::{
    FACT_KINDS, HashingFact as F, HashingMessage as M, Image, LEAVES, Leaf, MESSAGE_KINDS, Record as R,
};
use super::version::{Held, Version, What};
use crate::consensus::raft;
use crate::shared::contents::{Told, vary};
use crate::shared::kv::Value;
use crate::shared::replication::ReadRound;
use sim_core::{LocalInstant, NodeId, NodeSet, StateMachine};
use std::rc::Rc;

const N1: NodeId = NodeId(0);
const N2: NodeId = NodeId(1);

const fn version(counter: u64) -> Version {
    Version { counter, client: 1, op: 1 }
}

fn held(value: u64) -> Held {
    Held { version: version(1), what: What::Value(Value::number(value, 40)) }
}

fn view(epoch: u64) -> View {
    View { epoch, ..View::first() }
}

fn leaves(first: u64) -> Option<Rc<[Leaf; LEAVES]>> {
    let mut leaves = [Leaf(0); LEAVES];
    leaves[0] = Leaf(first);
    Some(Rc::new(leaves))
}

fn entries(value: u64) -> Rc<[(u64, Held)]> {
    [(1, held(value))].into()
}

#[test]
fn messages() {
    let mut told = Told::messages();
    vary!(told, M::Ask { op: OpNumber(1) => OpNumber(2), epoch: 3 => 4, key: 5 => 6, bare: false => true });
    vary!(told, M::Told {
        op: OpNumber(1) => OpNumber(2), epoch: 3 => 4, held: None => Some(held(1)), bare: false => true, floor: 5 => 6,
    });
    vary!(told, M::Store {
        behalf: Behalf::Op(OpNumber(1)) => Behalf::Hint(HintNumber(1)), epoch: 3 => 4, key: 5 => 6,
        held: held(1) => held(2), hint: false => true,
    });
    vary!(told, M::Stored { behalf: Behalf::Op(OpNumber(1)) => Behalf::Hint(HintNumber(1)), epoch: 3 => 4 });
    vary!(told, M::Refused { behalf: Behalf::Op(OpNumber(1)) => Behalf::Op(OpNumber(2)), view: view(3) => view(4) });
    told.add("a view", &M::View(view(1)));
    told.add("another view", &M::View(view(2)));
    vary!(told, M::Seek { epoch: 1 => 2 });
    vary!(told, M::Compare { epoch: 1 => 2, digest: 3 => 4 });
    vary!(told, M::Tree { epoch: 1 => 2, leaves: leaves(1) => leaves(2), floor: 3 => 4 });
    told.add("the same tree", &M::Tree { epoch: 1, leaves: None, floor: 3 });
    vary!(told, M::Fetch { epoch: 1 => 2, leaf: 3 => 4, after: Some((5, 6)) => Some((5, 7)) });
    vary!(told, M::Piece {
        epoch: 1 => 2, leaf: 3 => 4, after: None => Some((5, 7)), entries: entries(1) => entries(2),
        more: false => true,
    });
    vary!(told, M::Copied { epoch: 1 => 2 });
    vary!(told, M::Wiped { life: Life(1) => Life(2) });
    vary!(told, M::Blank { epoch: 1 => 2 });
    vary!(told, M::Directory, raft::RaftMessage::Alive { term: 1 => 2, round: ReadRound(3) => ReadRound(4) });
    told.covers(MESSAGE_KINDS);
}

#[test]
fn parts_of_messages() {
    let mut told = Told::others();
    vary!(told, Version { counter: 1 => 2, client: 3 => 4, op: 5 => 6 });
    let mut told = Told::others();
    let gone = |at| What::Tombstone { at: LocalInstant(at) };
    vary!(told, Held { version: version(1) => version(2), what: gone(1) => gone(2) });
    told.add("a value", &held(1));
    told.add("another value", &held(2));
    told.add("another size", &Held { what: What::Value(Value::number(1, 41)), ..held(1) });
    let mut told = Told::others();
    let sets = |n| -> Rc<[NodeSet]> { [NodeSet::first(n)].into() };
    let losses = |life| -> Rc<[(NodeId, Life)]> { [(N1, Life(life))].into() };
    vary!(told, View {
        epoch: 1 => 2, past: sets(1) => sets(2), next: None => Some(NodeSet::EMPTY), fenced: losses(1) => losses(2),
    });
    let mut told = Told::others();
    vary!(told, Directory { view: view(1) => view(2) });
    told.add("the first", &Directory::start());
    let mut told = Told::others();
    vary!(told, Step::Begin { epoch: 1 => 2, members: NodeSet::first(1) => NodeSet::first(2) });
    vary!(told, Step::End { epoch: 1 => 2 });
    vary!(told, Step::Cancel { epoch: 1 => 2 });
    vary!(told, Step::Fence { epoch: 1 => 2, node: N1 => N2, life: Life(3) => Life(4) });
}

#[test]
fn records() {
    let mut told = Told::others();
    vary!(told, R::Put { key: 1 => 2, held: held(1) => held(2) });
    vary!(told, R::Hint { key: 1 => 2, held: held(1) => held(2) });
    vary!(told, R::Delivered { key: 1 => 2, version: version(1) => version(2) });
    told.add("a view", &R::View(view(1)));
    told.add("another view", &R::View(view(2)));
    vary!(told, R::Wiped { life: Life(1) => Life(2) });
    told.add("refilled", &R::Refilled);
    vary!(told, R::Floor { counter: 1 => 2 });
    let all = |value| vec![(1, held(value))];
    vary!(told, |image| R::Image(Rc::new(image)), Image {
        view: view(1) => view(2),
        data: all(1) => all(2),
        hints: all(1) => all(2),
        floor: 1 => 2,
        life: None => Some(Life(1)),
    });
    vary!(told, R::Directory, raft::Record::Hard { term: 1 => 2, vote: None => Some(N1) });
}

#[test]
fn facts() {
    let mut told = Told::facts();
    let (v1, v2) = (version(1), version(2));
    vary!(told, F::Directory, raft::RaftFact::Elected { term: 1 => 2, last_index: 3 => 4 });
    vary!(told, F::Directory, raft::RaftFact::Left { index: 1 => 2 });
    vary!(told, F::Proposed { op: 1 => 2 });
    vary!(told, F::Changing { epoch: 1 => 2 });
    vary!(told, F::Changed { epoch: 1 => 2 });
    vary!(told, F::Viewed { epoch: 1 => 2 });
    vary!(told, F::Taken { asked: 1 => 2, epoch: 3 => 4 });
    vary!(told, F::Stale { asked: 1 => 2, epoch: 3 => 4 });
    vary!(told, F::Acknowledged { key: 1 => 2, version: v1 => v2, deleted: false => true });
    vary!(told, F::Collected { key: 1 => 2, version: v1 => v2 });
    vary!(told, F::ReadRepaired { key: 1 => 2 });
    vary!(told, F::Fetched { from: N1 => N2, keys: 3 => 4 });
    vary!(told, F::Copied { epoch: 1 => 2 });
    vary!(told, F::Hinted { key: 1 => 2 });
    vary!(told, F::Delivered { key: 1 => 2, version: v1 => v2 });
    told.add("unreadable", &F::Unreadable);
    told.add("wiped", &F::Wiped);
    vary!(told, F::Fenced { epoch: 1 => 2 });
    vary!(told, F::Refilled { bytes: 1 => 2 });
    told.covers(FACT_KINDS);
}
