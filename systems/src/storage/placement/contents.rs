//! Every field of every request, answer and fact of placement is in the run's digest. There are no messages and no
//! records.

use super::message::{FACT_KINDS, Found, Lookup, PlacementFact};
use crate::shared::contents::{Told, vary};

#[test]
fn requests_answers_and_facts() {
    let mut told = Told::others();
    vary!(told, Lookup { key: 1 => 2 });
    let mut told = Told::others();
    told.add("here", &Found::Here);
    let mut told = Told::facts();
    told.add("redirected", &PlacementFact::Redirected);
    told.covers(FACT_KINDS);
}
