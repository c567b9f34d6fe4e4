//! What must hold of balancers and servers, watched on every run: no worker idles beside a queue, no queue is over its limit,
//! and every request that is answered was worked on.

use super::config::Config;
use super::message::BalancingFact;
use super::node::{Machine, Part};
use sim_core::{Instant, NodeId, Observed, Observer, Verdict, Violation};

/// No worker is idle while a request waits at its server.
pub const NO_IDLE_WORKER: &str = "no_idle_worker";
/// No server lets more requests wait than it says.
pub const QUEUE_LIMIT: &str = "queue_limit";
/// A client is told that its request was done only if a server did it: no more answers than work.
pub const ANSWERS_ARE_WORK: &str = "answers_are_work";

/// The memory of one run.
#[derive(Clone, Debug)]
pub struct BalancingChecks {
    queue_limit: usize,
    answered: u64,
    /// Times that work was done, by all servers.
    done: u64,
    steps: u64,
    violation: Option<Violation>,
}

impl BalancingChecks {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self { queue_limit: config.queue_limit as usize, answered: 0, done: 0, steps: 0, violation: None }
    }

    fn fail(&mut self, at: Instant, rule: &str, node: NodeId, detail: String) {
        self.violation.get_or_insert_with(|| Violation { rule: rule.to_owned(), at, node: Some(node), detail });
    }

    /// Every rule's verdict.
    #[must_use]
    pub fn verdicts(&self) -> Vec<Verdict> {
        let rule = |rule: &'static str, seen: u64, detail: String| match &self.violation {
            Some(violation) if violation.rule == rule => Verdict::Fail(violation.clone()),
            _ if seen == 0 => Verdict::Inconclusive { rule, why: "there was nothing to look at".to_owned() },
            _ => Verdict::Pass { rule, detail },
        };
        vec![
            rule(NO_IDLE_WORKER, self.steps, format!("{} steps of servers", self.steps)),
            rule(QUEUE_LIMIT, self.steps, format!("{} steps of servers", self.steps)),
            rule(ANSWERS_ARE_WORK, self.answered, format!("{} answers, {} times work", self.answered, self.done)),
        ]
    }
}

impl Observer<Machine> for BalancingChecks {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Machine>) {
        match what {
            Observed::Noted { fact: BalancingFact::Worked, .. } => self.done += 1,
            Observed::Answered { node, redirect: false, .. } => {
                self.answered += 1;
                if self.answered > self.done {
                    let (answered, done) = (self.answered, self.done);
                    self.fail(
                        at,
                        ANSWERS_ARE_WORK,
                        *node,
                        format!("{answered} answers, but work was done {done} times"),
                    );
                }
            }
            _ => {}
        }
    }

    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<Machine>]) -> Result<(), Violation> {
        if let Some(machine) = &nodes[stepped.index()]
            && let Part::Server(server) = machine.part()
        {
            self.steps += 1;
            if server.is_lazy() {
                let waiting = server.waiting();
                self.fail(at, NO_IDLE_WORKER, stepped, format!("{waiting} requests wait beside an idle worker"));
            }
            if server.waiting() > self.queue_limit {
                let (waiting, limit) = (server.waiting(), self.queue_limit);
                self.fail(at, QUEUE_LIMIT, stepped, format!("{waiting} requests wait, {limit} may"));
            }
        }
        self.violation.clone().map_or(Ok(()), Err)
    }
}
