//! What theory says of a run, beside what was measured: a majority of those who decide is up, and a primary fails and
//! is replaced.
//!
//! The rates are those that the run showed. What is predicted from them rests on failures that come at random and
//! independently of each other: where the two figures differ, they did not.

use super::message::FailoverFact;
use super::node::Failover;
use super::options::{Arbiter, Config};
use crate::shared::fail_over::SERVED;
use sim_core::measures::{Formula, k_of_n};
use sim_core::metric::Unit;
use sim_core::recovery::Recovery;
use sim_core::{Duration, Instant, NodeId, NodeSet, Observed, Span};

/// Times between failures without which nothing is said of how they are distributed.
const ENOUGH: usize = 5;

/// When nodes were up, and when somebody served.
#[derive(Clone, Debug)]
pub(super) struct Uptime {
    group: NodeSet,
    down: NodeSet,
    /// Who serves, in which epoch.
    serving: Option<(NodeId, u64)>,
    since: Instant,
    /// From when on it counts.
    from: Instant,
    /// Node time of the group that was lost, time without a majority of it, and time without a primary.
    lost: u64,
    without_majority: u64,
    unserved: u64,
    crashes: u64,
}

impl Uptime {
    pub fn new(config: &Config) -> Self {
        let group = match config.arbiter {
            Arbiter::Quorum => config.arbiter_nodes().fold(NodeSet::EMPTY, |set, node| set.union(NodeSet::one(node))),
            Arbiter::Sentinel => config.sentinels().fold(NodeSet::EMPTY, NodeSet::with),
            _ => config.voters(),
        };
        Self {
            group,
            down: NodeSet::EMPTY,
            serving: None,
            since: Instant::ZERO,
            from: Instant::ZERO,
            lost: 0,
            without_majority: 0,
            unserved: 0,
            crashes: 0,
        }
    }

    fn majority(&self) -> usize {
        self.group.len() / 2 + 1
    }

    /// Counts the time up to `at` as it was.
    fn pass(&mut self, at: Instant) {
        let time = at.since(self.since).0;
        let down = self.down.common(self.group).len();
        self.lost += time * down as u64;
        self.without_majority += if self.group.len() - down < self.majority() { time } else { 0 };
        self.unserved += if self.serving.is_none() { time } else { 0 };
        self.since = at;
    }

    /// Something happened to a machine.
    pub fn watch(&mut self, at: Instant, what: &Observed<'_, Failover>) {
        match what {
            Observed::Crashed { node, .. } => {
                self.pass(at);
                self.down.insert(*node);
                self.crashes += u64::from(self.group.has(*node));
                self.serving = self.serving.filter(|(served, _)| served != node);
            }
            Observed::Booted { node, .. } => {
                self.pass(at);
                self.down = self.down.without(*node);
            }
            _ => {}
        }
    }

    /// A node announced something.
    pub fn on_fact(&mut self, at: Instant, node: NodeId, fact: &FailoverFact) {
        match *fact {
            FailoverFact::Promoted { epoch } if self.serving.is_none_or(|(_, served)| epoch > served) => {
                self.pass(at);
                if self.from == Instant::ZERO {
                    // Time counts from the first primary on.
                    (self.lost, self.without_majority, self.unserved, self.crashes) = (0, 0, 0, 0);
                    self.from = at;
                }
                self.serving = Some((node, epoch));
            }
            FailoverFact::SteppedDown { epoch, .. } if self.serving == Some((node, epoch)) => {
                self.pass(at);
                self.serving = None;
            }
            _ => {}
        }
    }

    /// All of it, for a run that lasted until `now`.
    pub fn formulas(&self, now: Instant, span: Span, failovers: &[(u64, Recovery)]) -> Vec<Formula> {
        let mut counted = self.clone();
        counted.pass(now);
        let mut formulas: Vec<Formula> = counted.majority_up().into_iter().collect();
        formulas.extend(counted.primary(span, failovers));
        formulas
    }

    /// A k-of-n system of nodes that fail and are repaired independently of each other.
    fn majority_up(&self) -> Option<Formula> {
        let (n, k, whole) = (self.group.len(), self.majority(), self.since.since(self.from).0 as f64);
        if n < 2 || self.crashes == 0 || whole <= 0.0 {
            return None;
        }
        let up = 1.0 - self.lost as f64 / (whole * n as f64);
        Some(Formula {
            name: format!("availability of {k} of {n} deciding nodes"),
            formula: "sum over i = k..n of C(n, i) a^i (1 - a)^(n - i)".to_owned(),
            predicted: k_of_n(k as u32, n as u32, up),
            measured: Some(1.0 - self.without_majority as f64 / whole),
            unit: Unit::Fraction,
            note: format!(
                "with what this run showed: each of them up {:.3} % of the time, {} crashes; if they fail on their \
                 own, not together",
                up * 100.0,
                self.crashes
            ),
        })
    }

    /// A primary that fails and is replaced.
    fn primary(&self, span: Span, failovers: &[(u64, Recovery)]) -> Vec<Formula> {
        let unplanned: Vec<_> = failovers.iter().map(|(_, failover)| failover).filter(|f| !f.planned).collect();
        let of = |failover: &Recovery| Some(failover.steps[SERVED]?.saturating_sub(failover.began_ns) as f64);
        let repairs: Vec<f64> = unplanned.iter().filter_map(|failover| of(failover)).collect();
        let whole = span.to.since(span.from).0 as f64;
        if repairs.is_empty() || whole <= 0.0 {
            return Vec::new();
        }
        let (count, down) = (repairs.len() as f64, repairs.iter().sum::<f64>().min(whole));
        let (mttf, mttr) = ((whole - down) / count, down / count);
        let note = |what: &str| {
            format!(
                "with what this run showed: {count} fail-overs, {:.1} s from one to the next, {:.3} s each; {what}",
                mttf / 1e9,
                mttr / 1e9
            )
        };
        // From one primary's first acknowledgement to its end.
        let lives: Vec<u64> = unplanned
            .windows(2)
            .filter_map(|pair| Some(pair[1].began_ns.saturating_sub(pair[0].steps[SERVED]?)))
            .collect();
        // A round figure.
        let unit = if mttf > 20e9 { 1e9 } else { 1e6 };
        let by = if lives.len() < ENOUGH { whole } else { libm::ceil(mttf / 2.0 / unit) * unit };
        let ended = lives.iter().filter(|life| (**life as f64) <= by).count() as f64;
        let served = self.since.since(self.from).0 as f64;
        vec![
            Formula {
                name: "steady-state availability of one repairable primary".to_owned(),
                formula: "MTTF / (MTTF + MTTR)".to_owned(),
                predicted: mttf / (mttf + mttr),
                measured: (served > 0.0).then(|| 1.0 - self.unserved as f64 / served),
                unit: Unit::Fraction,
                note: note(
                    "a share of time, for writes; measured is the time with a primary that was up and promoted, so it \
                     also counts \
                     when nobody could follow",
                ),
            },
            Formula {
                name: format!("probability of a first failure by t = {}", Duration(by as u64)),
                formula: "1 - exp(-lambda t)".to_owned(),
                predicted: 1.0 - libm::exp(-by / mttf),
                measured: (lives.len() >= ENOUGH).then(|| ended / lives.len() as f64),
                unit: Unit::Fraction,
                note: note(
                    "not an availability: it counts no repairs, and failures must come at random; measured is the \
                     share of \
                     primaries that lasted no longer",
                ),
            },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_three_with_one_down_half_of_the_time() {
        let mut uptime = Uptime::new(&Config::new(3));
        let at = |ms| Instant(Duration::millis(ms).0);
        uptime.on_fact(at(1000), NodeId(0), &FailoverFact::Promoted { epoch: 1 });
        uptime.watch(at(2000), &Observed::Crashed { node: NodeId(1), halted: None, lost_records: 0 });
        uptime.watch(at(4000), &Observed::Crashed { node: NodeId(0), halted: None, lost_records: 0 });
        let span = Span { from: at(0), to: at(5000), end: at(5000) };
        let formulas = uptime.formulas(at(5000), span, &[]);
        assert_eq!(formulas.len(), 1, "no fail-over, nothing said of one");
        // Of 4 s: n2 is down for 3 s and n1 for 1 s, of which both for the last.
        assert_eq!(formulas[0].measured, Some(0.75));
        assert!((formulas[0].predicted - k_of_n(2, 3, 2.0 / 3.0)).abs() < 1e-12);
        assert_eq!(formulas[0].name, "availability of 2 of 3 deciding nodes");
    }
}
