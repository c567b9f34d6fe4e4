//! What programs announce, and what they are held to.

use super::Programmed;
use sim_core::track::Track;
use sim_core::{Instant, NodeId, Observed, Observer, Verdict, Violation};
use std::collections::BTreeMap;
use systems::shared::replication::leaders;

sim_core::rules! {
    /// A program runs until it is ended, says `done` after each input, and nothing but messages before.
    pub const PROGRAMS_ANSWER: &str = "programs_answer";
    /// At most one program says of itself that it leads a term.
    pub const ELECTION_SAFETY: &str = "election_safety";
}

sim_core::facts! {
    /// What is announced of a program.
    pub enum ProgramFact {
        /// It leads.
        Elected { term: u64 } = "elected" landmark ("term {term}"),
        /// It leads no longer.
        SteppedDown { term: u64 } = "stepped_down" landmark ("term {term}"),
        /// It would like to lead.
        Campaign { term: u64 } = "campaign" landmark ("term {term}"),
        /// It did not keep to the protocol.
        Failed { why: &'static str } = "failed" landmark ("{why}"),
    }
}

/// The memory over one run.
#[derive(Clone, Debug)]
pub struct ProgramRules {
    violation: Option<Violation>,
    /// Who led when.
    pub leaders: Track,
    terms: BTreeMap<u64, NodeId>,
    starts: u64,
}

impl Default for ProgramRules {
    fn default() -> Self {
        Self { violation: None, leaders: leaders(), terms: BTreeMap::new(), starts: 0 }
    }
}

impl ProgramRules {
    fn fail(&mut self, rule: &str, at: Instant, node: NodeId, detail: String) {
        self.violation.get_or_insert_with(|| Violation { rule: rule.to_owned(), at, node: Some(node), detail });
    }

    /// What each rule says.
    pub fn verdicts(&self) -> Vec<Verdict> {
        let verdict = |rule, looked_at: usize, detail: String| match &self.violation {
            Some(violation) if violation.rule == rule => Verdict::Fail(violation.clone()),
            _ if looked_at == 0 => Verdict::Inconclusive { rule, why: format!("nothing to check: {detail}") },
            _ => Verdict::Pass { rule, detail },
        };
        let mut verdicts = vec![verdict(PROGRAMS_ANSWER, self.starts as usize, format!("{} starts", self.starts))];
        if !self.terms.is_empty() {
            verdicts.push(verdict(ELECTION_SAFETY, self.terms.len(), format!("{} leaders", self.terms.len())));
        }
        verdicts
    }
}

impl Observer<Programmed> for ProgramRules {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Programmed>) {
        match what {
            Observed::Booted { .. } => self.starts += 1,
            Observed::Crashed { node, .. } => self.leaders.end(at, *node),
            Observed::Noted { node, fact } => match *fact {
                ProgramFact::Elected { term } => {
                    self.leaders.begin(at, *node, format!("term {term}"));
                    let other = self.terms.insert(term, *node).filter(|other| other != node);
                    if let Some(other) = other {
                        self.fail(ELECTION_SAFETY, at, *node, format!("{node} and {other} both lead term {term}"));
                    }
                }
                ProgramFact::SteppedDown { .. } => self.leaders.end(at, *node),
                ProgramFact::Campaign { .. } => {}
                ProgramFact::Failed { why } => self.fail(PROGRAMS_ANSWER, at, *node, format!("{node}: {why}")),
            },
            _ => {}
        }
    }
    fn after_step(&mut self, _: Instant, _: NodeId, _: &[Option<Programmed>]) -> Result<(), Violation> {
        self.violation.clone().map_or(Ok(()), Err)
    }
}
