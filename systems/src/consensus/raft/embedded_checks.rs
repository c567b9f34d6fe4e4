//! The rules of a Raft that runs inside other nodes: those of a free one, over what the outer nodes show of it.

use super::checks::RaftChecks;
use super::message::{RaftFact, RaftMessage};
use super::node::Raft;
use crate::shared::replication::Audited;
use sim_core::{ClientId, Instant, Node, NodeId, Observed, StateMachine, Ticket, Verdict, Violation};
use std::collections::BTreeMap;

type Seen<'a, M> = Observed<'a, Raft<M>>;

/// The memory over one run.
#[derive(Clone, Debug)]
pub struct EmbeddedChecks {
    /// What the outer system calls all of these rules together.
    rule: &'static str,
    checks: RaftChecks,
    /// The operations of each client, counted: their own numbers may be anything.
    operations: BTreeMap<ClientId, BTreeMap<u64, u64>>,
}

impl EmbeddedChecks {
    /// Nothing seen yet of a Raft inside a cluster of `nodes`.
    pub fn new(rule: &'static str, nodes: u32) -> Self {
        Self { rule, checks: RaftChecks::new(nodes), operations: BTreeMap::new() }
    }

    fn counted(&mut self, client: ClientId, op: u64) -> u64 {
        let known = self.operations.entry(client).or_default();
        let next = known.len() as u64;
        *known.entry(op).or_insert(next)
    }

    /// The node inside announces something.
    pub fn noted<M: StateMachine>(&mut self, at: Instant, node: NodeId, fact: RaftFact) {
        let fact = match fact {
            RaftFact::Executed { index, chain, client, op, fresh } => {
                RaftFact::Executed { index, chain, client, op: self.counted(client, op), fresh }
            }
            RaftFact::ReadServed { index, client, op } => {
                RaftFact::ReadServed { index, client, op: self.counted(client, op) }
            }
            other => other,
        };
        self.checks.watch(at, &Seen::<M>::Noted { node, fact });
    }

    /// Something that is not about the Raft happens: what befalls an outer node's machine or its links befalls the one
    /// inside.
    #[inline]
    pub fn watch<N: Node, M: StateMachine>(&mut self, at: Instant, what: &Observed<'_, N>) {
        if let Some(inside) = what.of_the_machine::<Raft<M>>() {
            self.checks.watch(at, &inside);
        }
    }

    /// A message of the Raft sets out.
    pub fn sent<M: StateMachine>(&mut self, at: Instant, (from, to): (NodeId, NodeId), message: &RaftMessage<M>) {
        self.checks.watch(at, &Observed::Sent { from, to, message, arrives: at, number: 0 });
    }

    /// A message of the Raft arrives.
    pub fn delivered<M: StateMachine>(&mut self, at: Instant, (from, to): (NodeId, NodeId), message: &RaftMessage<M>) {
        self.checks.watch(at, &Observed::Delivered { from, to, number: 0, message });
    }

    /// Something is asked of the node inside.
    pub fn requested<M: StateMachine>(&mut self, at: Instant, node: NodeId, client: ClientId, op: u64) {
        let op = self.counted(client, op);
        self.checks.watch(at, &Seen::<M>::Requested { ticket: Ticket { client, op, floor: 0, attempt: 0 }, node });
    }

    /// Somebody is told that it was done.
    pub fn answered<M: StateMachine>(&mut self, at: Instant, node: NodeId, client: ClientId, op: u64) {
        let op = self.counted(client, op);
        let ticket = Ticket { client, op, floor: 0, attempt: 0 };
        self.checks.watch(at, &Seen::<M>::Answered { ticket, node, redirect: false });
    }

    /// A step of an outer node is over; `inside` gives the nodes within those that are up.
    pub fn after_step<'a, M: StateMachine>(
        &mut self,
        at: Instant,
        stepped: NodeId,
        inside: impl Fn(NodeId) -> Option<&'a Raft<M>>,
    ) -> Result<(), Violation> {
        self.checks.step_is_over(at, stepped, inside);
        self.checks.violation().map_or(Ok(()), |violation| Err(self.named(violation)))
    }

    fn named(&self, violation: &Violation) -> Violation {
        let detail = format!("{}: {}", violation.rule, violation.detail);
        Violation { rule: self.rule.to_owned(), detail, ..violation.clone() }
    }

    /// What all of the rules say together, given the nodes inside as they ended.
    pub fn verdict<M: StateMachine>(&self, ended: &[Option<&Raft<M>>]) -> Verdict {
        let verdicts = self.checks.verdicts(ended);
        let mut passed = Vec::new();
        for verdict in &verdicts {
            match verdict {
                Verdict::Fail(violation) => return Verdict::Fail(self.named(violation)),
                Verdict::Pass { rule, .. } => passed.push(*rule),
                Verdict::Inconclusive { .. } => {}
            }
        }
        if passed.is_empty() {
            return Verdict::Inconclusive { rule: self.rule, why: "nothing was ever agreed on".to_owned() };
        }
        Verdict::Pass { rule: self.rule, detail: passed.join(", ") }
    }
}
