//! All that messages, records and facts hold is in the run's digest.

use super::database::{Answer, Behavior, Command, Health, Index, Key, Session, Why};
use super::message::{Ask, Consistency, ConsulFact, ConsulMessage, ConsulRecord, Told as Said, Watched};
use crate::shared::contents::{Told, vary};
use crate::shared::fenced::Write;
use crate::shared::swim::{Incarnation, Lamport, State, Status};
use sim_core::NodeId;

type M = ConsulMessage;
type F = ConsulFact;

const A: NodeId = NodeId(1);
const B: NodeId = NodeId(2);
const S: Session = Session(1 << 40);
const T: Session = Session(2 << 40);
const KEY: Key = Key::Value(1);
const LOCK: Key = Key::Lock(1);
const WRITE: Write = Write { lock: 1, token: 2, number: 3 };

#[test]
fn messages() {
    let mut told = Told::<M>::new();
    let (i, read) = (Index, |mode| Ask::Read(KEY, mode));
    told.add("go", &M::Go);
    vary!(told, M::Sicken { sick: true => false });
    vary!(told, M::Rpc { number: 1 => 2, ask: read(Consistency::Stale) => read(Consistency::Default) });
    vary!(told, M::Forward { agent: A => B, number: 1 => 2, ask: Ask::Renew(S) => Ask::Renew(T) });
    vary!(told, M::Reply { number: 1 => 2, told: Said::NoLeader => Said::Waiting, as_of: 1 => 2 });
    vary!(told, M::Call { number: 1 => 2, service: 1 => 2 });
    vary!(told, M::Called { number: 1 => 2, failed: true => false });
    vary!(told, M::Wrote { number: 1 => 2, accepted: true => false });
    told.add("a write", &M::Write(WRITE));
    told.add("of another token", &M::Write(Write { token: 3, ..WRITE }));
    let watch = |what, index| M::Rpc { number: 9, ask: Ask::Watch(what, index, Consistency::Stale) };
    told.add("a watch", &watch(Watched::Key(LOCK), i(1)));
    told.add("of a service", &watch(Watched::Service(1), i(1)));
    told.add("from another index", &watch(Watched::Key(LOCK), i(2)));
    told.add("all services", &M::Rpc { number: 9, ask: Ask::Sync(vec![(1, Health::Passing)]) });
    told.add("others", &M::Rpc { number: 9, ask: Ask::Sync(vec![(1, Health::Critical)]) });
}

#[test]
fn records() {
    let mut told = Told::<ConsulRecord>::new();
    told.add("began", &ConsulRecord::Began);
    vary!(told, ConsulRecord::There { node: A => B, there: true => false });
    vary!(told, ConsulRecord::Wrote, Write { lock: 1 => 2, token: 2 => 3, number: 3 => 4 });
}

#[test]
fn facts() {
    let mut told = Told::<F>::new();
    vary!(told, F::Believes {
        about: A => B, what: State::Dead => State::Left, incarnation: Incarnation(1) => Incarnation(2), by: A => B,
    });
    vary!(told, F::Accuses { about: A => B, waited: 1 => 2, silent: 1 => 2 });
    vary!(told, F::Is { about: A => B, what: None => Some(Status::Failed) });
    vary!(told, F::Told { about: A => B, what: None => Some(Status::Failed) });
    vary!(told, F::Event { at: Lamport(1) => Lamport(2), what: 1 => 2 });
    let end = Command::End { session: S, why: Why::Expired };
    vary!(told, F::Decided { number: 1 => 2, command: end => Command::Confirm, answer: Answer::No => Answer::Nobody });
    vary!(told, F::Holds { lock: 1 => 2, session: S => T, lock_index: 1 => 2 });
    vary!(told, F::Written { write: WRITE => Write { lock: 2, ..WRITE }, accepted: true => false });
    vary!(told, F::Follows { service: 1 => 2, index: Index(1) => Index(2), passing: 1 => 2, as_of: 1 => 2 });
    vary!(told, F::Checked { service: 1 => 2, passing: true => false });
    vary!(told, F::Called { at: A => B, failed: true => false });
}

#[test]
fn commands() {
    let mut told = Told::<Command>::new();
    vary!(told, Command::Set { key: KEY => LOCK, value: 1 => 2 });
    vary!(told, Command::Cas { key: KEY => LOCK, value: 1 => 2, index: Index(1) => Index(2) });
    vary!(told, Command::Acquire { key: KEY => LOCK, session: S => T });
    vary!(told, Command::Release { key: KEY => LOCK, session: S => T });
    vary!(told, Command::Open { session: S => T, behavior: Behavior::Release => Behavior::Delete });
    vary!(told, Command::End { session: S => T, why: Why::Expired => Why::Destroyed });
    vary!(told, Command::Node { node: A => B, health: Health::Passing => Health::Critical });
    vary!(told, Command::NoNode { node: A => B });
    vary!(told, Command::Service { node: A => B, service: 1 => 2, health: Health::Passing => Health::Critical });
    vary!(told, Command::NoService { node: A => B, service: 1 => 2 });
}
