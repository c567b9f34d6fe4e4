//! One element of a set: there or not. A history of a set whose part about one element has no order has none itself, and
//! that part is small.

use super::super::Operation;
use super::Model;
use core::fmt;
use sim_core::Outcome;
use sim_core::linearize::{Linearizable, Makes, Spec, check, conflict};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is done with the element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It is put in.
    Comes,
    /// It is taken out.
    Goes,
    /// Is it there?
    Is,
}

/// The element itself.
#[derive(Clone, Copy, Debug)]
struct Presence;

/// Which element, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Element(usize);

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Spec for Presence {
    type Request = (Element, Look);
    /// Whether it is there; `None` for those that do not look.
    type Response = Option<bool>;
    type State = bool;
    type Part = Element;

    fn part(request: &Self::Request) -> Element {
        request.0
    }
    fn start(_: &Element) -> bool {
        false
    }
    fn apply(is_there: &mut bool, request: &Self::Request) -> Option<bool> {
        match request.1 {
            Look::Comes => *is_there = true,
            Look::Goes => *is_there = false,
            Look::Is => return Some(*is_there),
        }
        None
    }
    fn is_read(request: &Self::Request) -> bool {
        request.1 == Look::Is
    }
    fn needs(_: &Self::Request, response: &Option<bool>) -> Option<bool> {
        *response
    }
    fn makes(request: &Self::Request) -> Option<Makes<bool>> {
        Some(match request.1 {
            Look::Comes => Makes::State(true),
            Look::Goes => Makes::State(false),
            Look::Is => Makes::Nothing,
        })
    }
}

/// States visited for all elements together.
const BUDGET: u64 = 1_000_000;
/// Looks at elements, at most: a history with more is not taken apart.
const LARGEST: usize = 20_000_000;

/// The operations that contradict each other about one element, if that is so of any: as indices, the last straw at the
/// end. `look` says what an operation does with an element, and what it saw of it.
pub(super) fn contradiction<M: Model>(
    elements: &BTreeSet<&Arc<str>>,
    operations: &[&Operation<M>],
    look: impl Fn(&Operation<M>, &str) -> Option<(Look, Option<bool>)>,
) -> Option<Vec<usize>> {
    if elements.len().saturating_mul(operations.len()) > LARGEST {
        return None;
    }
    for (number, element) in elements.iter().enumerate() {
        let mut rows = Vec::new();
        for (i, operation) in operations.iter().enumerate() {
            let Some((what, saw)) = look(operation, element) else { continue };
            let outcome = match &operation.outcome {
                Outcome::Ok(_) => Outcome::Ok(saw),
                Outcome::Failed => Outcome::Failed,
                Outcome::Unknown => Outcome::Unknown,
            };
            rows.push((i, (Element(number), what), operation.invoked, operation.returned, outcome));
        }
        let all = || rows.iter().map(|(_, request, from, to, outcome)| (request, *from, *to, outcome));
        if let Linearizable::No { .. } = check::<Presence>(all(), BUDGET) {
            let few = conflict::<Presence>(all(), BUDGET, &mut || true);
            return Some(few.into_iter().map(|i| rows[i].0).collect()).filter(|few: &Vec<usize>| !few.is_empty());
        }
    }
    None
}
