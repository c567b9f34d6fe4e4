//! The rules of a consensus group inside other nodes: those of its protocol, over what the nodes around show of it.

use super::{Audited, Consensus, Council, Hosts, Minute};
use core::marker::PhantomData;
use sim_core::{ClientId, Instant, NodeId, Observed, Ticket, Verdict, Violation};

/// The memory over one run: the checks `A` of protocol `C`.
#[derive(Clone, Debug)]
pub struct CouncilChecks<C, A> {
    /// What the outer system calls all of these rules together.
    rule: &'static str,
    lane: u16,
    checks: A,
    of: PhantomData<fn() -> C>,
}

impl<C: Consensus, A: Audited<C>> CouncilChecks<C, A> {
    /// Nothing seen yet of the group in this lane.
    pub const fn new(rule: &'static str, lane: u16, checks: A) -> Self {
        Self { rule, lane, checks, of: PhantomData }
    }

    /// Something happens: to the group, or to machines and links, which befalls its members, too.
    pub fn observe<N: Hosts<C>>(&mut self, at: Instant, what: &Observed<'_, N>) {
        let ticket = |client: ClientId, op| Ticket { client, op, floor: 0, attempt: 0 };
        let inside = match *what {
            Observed::Noted { node, fact } => match N::fact_of(self.lane, fact) {
                Some(Minute::Said(fact)) => Observed::Noted { node, fact },
                Some(Minute::Asked { client, op }) => Observed::Requested { ticket: ticket(client, op), node },
                Some(Minute::Answered { client, op }) => {
                    Observed::Answered { ticket: ticket(client, op), node, redirect: false, names: None }
                }
                None => return,
            },
            Observed::Sent { from, to, message, arrives, number } => {
                let Some(message) = N::message_of(self.lane, message) else { return };
                Observed::Sent { from, to, message, arrives, number }
            }
            Observed::Delivered { from, to, number, message } => {
                let Some(message) = N::message_of(self.lane, message) else { return };
                Observed::Delivered { from, to, number, message }
            }
            _ => match what.of_the_machine() {
                Some(inside) => inside,
                None => return,
            },
        };
        self.checks.watch(at, &inside);
    }

    /// A step of `stepped` is over.
    ///
    /// # Errors
    /// The rule that was broken.
    pub fn after_step<N: Hosts<C>>(
        &mut self,
        at: Instant,
        stepped: NodeId,
        nodes: &[Option<N>],
    ) -> Result<(), Violation> {
        let lane = self.lane;
        self.checks.step_is_over(at, stepped, |node: NodeId| inside(&nodes[node.index()], lane));
        self.checks.audit().violation().map_or(Ok(()), |violation| Err(self.named(violation)))
    }

    fn named(&self, violation: &Violation) -> Violation {
        let detail = format!("{}: {}", violation.rule, violation.detail);
        Violation { rule: self.rule.to_owned(), detail, ..violation.clone() }
    }

    /// What all of the rules say together, given the nodes as they ended.
    pub fn verdict<N: Hosts<C>>(&self, nodes: &[Option<N>]) -> Verdict {
        let ended: Vec<_> = nodes.iter().map(|node| inside(node, self.lane)).collect();
        let mut passed = Vec::new();
        for verdict in &self.checks.verdicts(&ended) {
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

/// The member inside a node, if that is up and has one.
fn inside<C: Consensus, N: Hosts<C>>(node: &Option<N>, lane: u16) -> Option<&C> {
    node.as_ref()?.council(lane).map(Council::inside)
}
