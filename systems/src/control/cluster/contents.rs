//! Every field of every message, request, answer, record and fact of the cluster is in the run's digest.

use super::data::{Cell, Data, Entry, Position, StreamId};
use super::disk::{Conf, Record as R};
use super::message::{
    ClusterFact as F, ClusterMessage as M, ClusterRequest, ClusterResponse, FACT_KINDS, Gossip, Header, HeaderNumber,
    How, MESSAGE_KINDS, Nonce, Refusal, Start,
};
use super::slots::{Run, Runs, SlotMap};
use crate::shared::contents::{Told, vary};
use sim_core::{Duration, NodeId};
use std::rc::Rc;

const N1: NodeId = NodeId(0);
const N2: NodeId = NodeId(1);

const fn position(offset: u64) -> Position {
    Position { stream: StreamId(3), offset }
}

const fn cell(number: u64) -> Cell {
    Cell { number, size: 40, at: position(1) }
}

fn entries(number: u64) -> Rc<[Entry]> {
    [Entry { key: 1, cell: cell(number) }].into()
}

fn data(number: u64) -> Rc<Data> {
    let mut data = Data::default();
    data.set(&Entry { key: 1, cell: cell(number) });
    Rc::new(data)
}

fn runs(last: u16) -> Runs {
    [Run { first: 1, last }].into()
}

fn word(answered: u64) -> Vec<Gossip> {
    vec![Gossip { node: N1, suspected: false, failed: false, answered }]
}

fn header(epoch: u64) -> Rc<Header> {
    Rc::new(Header {
        stamp: (Start(1), HeaderNumber(1)),
        epoch,
        config_epoch: 1,
        primary: None,
        slots: runs(9),
        offset: 1,
        gossip: word(1),
    })
}

#[test]
fn messages() {
    let mut told = Told::messages();
    for (epoch, which) in [(1, ""), (2, " of another epoch")] {
        told.add(&format!("a ping{which}"), &M::Ping(header(epoch)));
        told.add(&format!("a pong{which}"), &M::Pong(header(epoch)));
        told.add(&format!("news{which}"), &M::News(header(epoch)));
        told.add(&format!("a request for a vote{which}"), &M::VoteRequest(header(epoch)));
    }
    told.add("a failure", &M::Fail(N1));
    told.add("the failure of another", &M::Fail(N2));
    vary!(told, M::Update { owner: N1 => N2, config_epoch: 1 => 2, slots: runs(3) => runs(4) });
    vary!(told, M::Vote { epoch: 1 => 2 });
    vary!(told, M::Psync { at: position(1) => position(2), nonce: Nonce(3) => Nonce(4) });
    vary!(told, M::Writes {
        after: position(1) => position(2), stream: StreamId(3) => StreamId(4), entries: entries(1) => entries(2),
    });
    vary!(told, M::Full { at: position(1) => position(2), data: data(1) => data(2), nonce: Nonce(3) => Nonce(4) });
    told.add("a place reached", &M::Replicated(position(1)));
    told.add("another place reached", &M::Replicated(position(2)));
    told.covers(MESSAGE_KINDS);
}

#[test]
fn parts_of_messages() {
    let mut told = Told::others();
    vary!(told, Header {
        stamp: (Start(1), HeaderNumber(1)) => (Start(1), HeaderNumber(2)),
        epoch: 1 => 2,
        config_epoch: 3 => 4,
        primary: None => Some(N1),
        slots: runs(3) => runs(4),
        offset: 5 => 6,
        gossip: word(1) => word(2),
    });
    let mut told = Told::others();
    vary!(told, Gossip { node: N1 => N2, suspected: false => true, failed: false => true, answered: 1 => 2 });
    let mut told = Told::others();
    vary!(told, Run { first: 1 => 2, last: 3 => 4 });
    let mut told = Told::others();
    vary!(told, Position { stream: StreamId(1) => StreamId(2), offset: 3 => 4 });
    let mut told = Told::others();
    vary!(told, Cell { number: 1 => 2, size: 3 => 4, at: position(5) => position(6) });
    let mut told = Told::others();
    vary!(told, Entry { key: 1 => 2, cell: cell(3) => cell(4) });
}

#[test]
fn requests_and_answers() {
    let mut told = Told::others();
    vary!(told, ClusterRequest::Get { key: 1 => 2 });
    vary!(told, ClusterRequest::Set { key: 1 => 2, number: 3 => 4, size: 5 => 6 });
    let mut told = Told::others();
    for (i, answer) in [None, Some(0), Some(1)].map(ClusterResponse::Value).iter().enumerate() {
        told.add(&format!("value {i}"), answer);
    }
    told.add("done", &ClusterResponse::Done(position(1)));
    told.add("done elsewhere", &ClusterResponse::Done(position(2)));
}

#[test]
fn records() {
    let mut told = Told::others();
    let other = |slot| {
        let mut slots = SlotMap::even(3, 6);
        slots.set(slot, NodeId(5));
        slots
    };
    let (even, another) = (SlotMap::even(3, 6), other(100));
    vary!(told, Conf {
        starts: Start(1) => Start(2),
        epoch: 3 => 4,
        voted: 5 => 6,
        nodes: vec![(None, 1)] => vec![(Some(N1), 1)],
        slots: even.clone() => another.clone(),
    });
    let mut told = Told::others();
    let conf = |starts| Conf { starts: Start(starts), epoch: 1, voted: 1, nodes: vec![], slots: even.clone() };
    told.add("a configuration", &R::Conf(Rc::new(conf(1))));
    told.add("another configuration", &R::Conf(Rc::new(conf(2))));
    vary!(told, R::Data { at: position(1) => position(2), data: data(1) => data(2) });
    vary!(told, R::Writes { at: position(1) => position(2), entries: entries(1) => entries(2) });
}

#[test]
fn facts() {
    let mut told = Told::facts();
    vary!(told, F::Suspected { node: N1 => N2 });
    vary!(told, F::Failed { node: N1 => N2 });
    vary!(told, F::Back { node: N1 => N2 });
    vary!(told, F::Campaigned { epoch: 1 => 2 });
    vary!(told, F::Voted { epoch: 1 => 2, candidate: N1 => N2 });
    vary!(told, F::Began {
        how: How::Started => How::Promoted,
        epoch: 1 => 2,
        after: position(3) => position(4),
        stream: StreamId(5) => StreamId(6),
        old: None => Some(N1),
    });
    vary!(told, F::Demoted { primary: N1 => N2 });
    vary!(told, F::EpochRaised { epoch: 1 => 2 });
    told.add("up", &F::Up);
    told.add("down", &F::Down);
    vary!(told, F::Wrote {
        slot: 1 => 2, key: 3 => 4, epoch: 5 => 6, at: position(1) => position(2), over: position(3) => position(4),
    });
    vary!(told, F::FullSync { after: Duration(1) => Duration(2) });
    vary!(told, F::Refused { why: Refusal::Moved => Refusal::ClusterDown });
    told.covers(FACT_KINDS);
}
