//! Histories held against a sequential specification, as a verdict.

use core::fmt;
use sim_core::linearize::{self, Linearizable, Spec};
use sim_core::{Budget, History, Node, Verdict, Violation};

/// Whether there is one order of all that clients saw which the specification allows.
///
/// `parts_name` is what people call the parts of the specification.
pub fn linearizable<S, N>(history: &History<N>, budget: Budget, parts_name: &str) -> Verdict
where
    S: Spec<Request: fmt::Display, Response: fmt::Debug>,
    N: Node<Request = S::Request, Response = S::Response>,
{
    const RULE: &str = "linearizable";
    if !history.kept {
        return Verdict::Inconclusive { rule: RULE, why: "the history of this run was not kept".to_owned() };
    }
    let row = |i| {
        let entry = history.entry(i);
        (entry.request, entry.invoked, entry.returned, entry.outcome)
    };
    match linearize::check::<S>(history.len(), row, budget.states) {
        Linearizable::Yes { operations: 0, .. } => {
            Verdict::Inconclusive { rule: RULE, why: "no operation succeeded".to_owned() }
        }
        Linearizable::Yes { operations, parts } => {
            Verdict::Pass { rule: RULE, detail: format!("{operations} operations on {parts} {parts_name}") }
        }
        Linearizable::OutOfBudget { part, others, states } => {
            let more = if others > 0 { format!(" and {others} other {parts_name}") } else { String::new() };
            Verdict::Inconclusive { rule: RULE, why: format!("gave up on {part}{more} after {states} states") }
        }
        Linearizable::No { part, stuck, prefix } => {
            let e = history.entry(stuck);
            let last = prefix.last().map(|i| history.entry(*i));
            let before = last.map_or_else(
                || "nothing".to_owned(),
                |l| format!("{} op {} ({}, begun at {})", l.client, l.op, l.request, l.invoked),
            );
            let detail = format!(
                "{part}: {} op {} ({}, from {} to {}) answered {:?}, which fits no order; {} operations fit, the last \
                 of them {before}",
                e.client,
                e.op,
                e.request,
                e.invoked,
                e.returned,
                e.outcome,
                prefix.len(),
            );
            Verdict::Fail(Violation { rule: RULE.to_owned(), at: e.returned, node: None, detail })
        }
    }
}
