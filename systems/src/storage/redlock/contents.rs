//! All that messages, records and facts hold is in the run's digest.

use super::message::{RedlockFact, RedlockMessage, RedlockRecord, Value};
use crate::shared::contents::{Told, vary};
use crate::shared::fenced::Write;

type M = RedlockMessage;
type R = RedlockRecord;
type F = RedlockFact;

const V: Value = Value(1);
const W: Value = Value(2);
const WRITE: Write = Write { lock: 1, token: 2, number: 3 };
const OTHER: Write = Write { lock: 2, ..WRITE };

#[test]
fn messages() {
    let mut told = Told::<M>::new();
    vary!(told, M::Set { lock: 1 => 2, value: V => W });
    vary!(told, M::SetDone { value: V => W, set: true => false });
    vary!(told, M::Delete { lock: 1 => 2, value: V => W });
    vary!(told, M::Deleted { value: V => W, held: true => false });
    vary!(told, M::Look { lock: 1 => 2, value: V => W });
    vary!(told, M::Seen { value: V => W, taken: true => false });
    vary!(told, M::Write, Write { lock: 1 => 2, token: 3 => 4, number: 5 => 6 });
    vary!(told, M::Wrote { number: 1 => 2, accepted: true => false });
}

#[test]
fn records() {
    let mut told = Told::<R>::new();
    vary!(told, R::Set { lock: 1 => 2, value: V => W, until: 1 => 2 });
    vary!(told, R::Deleted { lock: 1 => 2 });
    vary!(told, R::Wrote, Write { lock: 1 => 2, token: 3 => 4, number: 5 => 6 });
    told.add("the beginning", &R::Began);
}

#[test]
fn facts() {
    let mut told = Told::<F>::new();
    vary!(told, F::Holds { lock: 1 => 2, value: V => W, valid: 3 => 4, works: true => false });
    vary!(told, F::LetsGo { lock: 1 => 2, value: V => W });
    vary!(told, F::Missed { lock: 1 => 2 });
    vary!(told, F::Written { write: WRITE => OTHER, accepted: true => false });
    told.add("silent", &F::Silent);
    told.add("serves", &F::Serves);
}
