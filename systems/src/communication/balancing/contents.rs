//! Every field of every message, request and fact of balancing is in the run's digest.

use super::fact::{BalancingFact as F, FACT_KINDS, Reason};
use super::gray::Gray;
use super::message::{BalancingMessage as M, MESSAGE_KINDS, Work};
use super::message::{CheckRound, RequestNumber, TryNumber};
use crate::shared::contents::{Told, vary};
use sim_core::{ClientId, Duration, NodeSet, Probability};

#[test]
fn messages_and_requests() {
    let mut told = Told::messages();
    vary!(told, M::Forward {
        id: TryNumber(1) => TryNumber(2), client: ClientId(0) => ClientId(1),
        request: RequestNumber(3) => RequestNumber(4), within: None => Some(Duration(3)),
    });
    vary!(told, M::Cancel { id: TryNumber(1) => TryNumber(2), client: ClientId(0) => ClientId(1) });
    vary!(told, M::Done { id: TryNumber(1) => TryNumber(2), client: ClientId(0) => ClientId(1) });
    vary!(told, M::Failed { id: TryNumber(1) => TryNumber(2), client: ClientId(0) => ClientId(1) });
    vary!(told, M::Full { id: TryNumber(1) => TryNumber(2), client: ClientId(0) => ClientId(1) });
    vary!(told, M::Queue { length: 1 => 2 });
    vary!(told, M::Probe { round: CheckRound(1) => CheckRound(2), connect: false => true });
    vary!(told, M::Health { round: CheckRound(1) => CheckRound(2), well: false => true });
    vary!(told, M::Members { version: 1 => 2, members: NodeSet::EMPTY => NodeSet::first(2) });
    told.covers(MESSAGE_KINDS);
    let mut told = Told::others();
    vary!(told, Work { key: 1 => 2, write: false => true });
}

#[test]
fn facts() {
    let mut told = Told::facts();
    for fact in
        [F::Worked, F::Refused, F::Shed, F::Expired, F::Retried, F::Hedged, F::OutOfBudget, F::Panicked, F::Calmed]
    {
        told.add(&format!("{fact:?}"), &fact);
    }
    told.add("well again", &F::TurnedGray(None));
    told.add("hung", &F::TurnedGray(Some(Gray::Hung)));
    let some = |gray| F::TurnedGray(Some(gray));
    let share = |n| Probability::per_billion(n);
    vary!(told, some, Gray::Slow { factor: 1 => 2 });
    vary!(told, some, Gray::Failing { share: share(1) => share(2_000_000), takes: Duration(3) => Duration(4) });
    vary!(told, F::GaveUp { server: 1 => 2 });
    vary!(told, F::Erred { server: 1 => 2 });
    vary!(told, F::Rejected { server: 1 => 2 });
    vary!(told, F::Dropped { why: Reason::Timeout => Reason::Deadline });
    vary!(told, F::Ejected { server: 1 => 2, checked: false => true });
    vary!(told, F::EjectionHeld { server: 1 => 2 });
    vary!(told, F::Returned { server: 1 => 2 });
    vary!(told, F::Opened { server: 1 => 2 });
    vary!(told, F::HalfOpened { server: 1 => 2 });
    vary!(told, F::Closed { server: 1 => 2 });
    vary!(told, F::Joined { server: 1 => 2 });
    vary!(told, F::Left { server: 1 => 2 });
    told.covers(FACT_KINDS);
}
