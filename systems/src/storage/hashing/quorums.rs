//! How much of the time a quorum of a key's holders is up: what a run came to, beside the closed form for nodes that
//! fail independently.

use super::key;
use super::options::Config;
use super::rule::Rule;
use sim_core::measures::{Formula, k_of_n};
use sim_core::metric::Unit;
use sim_core::{Instant, NodeId, NodeSet, Span};

/// With fewer crashes than this a run says nothing about how often nodes fail.
const ENOUGH: u64 = 10;
/// Keys whose holders are looked at.
const SAMPLE: u64 = 1024;

/// When which node was up.
#[derive(Clone, Debug, Default)]
pub(super) struct Power {
    /// Each crash and each boot, in order of time.
    turns: Vec<(Instant, NodeId, bool)>,
}

/// What a run showed of its stores.
struct Seen {
    /// The share of the time that a store was up, the mean over all.
    up: f64,
    /// Crashes, and how long a store was down after one on average, in seconds.
    crashes: u64,
    repair: f64,
    /// For each number of holders, the share of time and of keys in which at least so many were up.
    at_least: Vec<f64>,
}

impl Power {
    pub fn down(&mut self, at: Instant, node: NodeId) {
        self.turns.push((at, node, false));
    }

    pub fn up(&mut self, at: Instant, node: NodeId) {
        self.turns.push((at, node, true));
    }

    /// What the stores of `rule` did in `span`.
    fn seen(&self, config: &Config, rule: &Rule, stores: NodeSet, span: Span) -> Seen {
        let groups: Vec<NodeSet> =
            (0..SAMPLE).map(|n| rule.holders(config, key::of_number(n)).into_iter().collect()).collect();
        let mut seen = Seen { up: 0.0, crashes: 0, repair: 0.0, at_least: vec![0.0; config.replicas as usize + 1] };
        let (mut up, mut since) = (stores, span.from);
        let mut account = |up: NodeSet, from: Instant, to: Instant| {
            let lasted = to.since(from).0 as f64;
            if lasted == 0.0 {
                return;
            }
            seen.up += lasted * up.len() as f64;
            for group in &groups {
                (0..=group.common(up).len()).for_each(|n| seen.at_least[n] += lasted);
            }
        };
        let mut crashes = 0;
        for (at, node, comes) in self.turns.iter().filter(|(_, node, _)| stores.has(*node)) {
            let at = (*at).clamp(span.from, span.to);
            account(up, since, at);
            since = at;
            if *comes {
                up.insert(*node);
            } else if up.has(*node) {
                up = up.without(*node);
                crashes += u64::from(at > span.from && at < span.to);
            }
        }
        account(up, since, span.to);
        let (whole, n) = (span.to.since(span.from).0 as f64, stores.len() as f64);
        seen.crashes = crashes;
        seen.repair = (whole * n - seen.up) / 1e9 / crashes.max(1) as f64;
        seen.up /= whole * n;
        seen.at_least.iter_mut().for_each(|time| *time /= whole * SAMPLE as f64);
        seen
    }

    /// The closed forms of a run whose members stayed the same; none if stores were hardly ever down.
    pub fn formulas(&self, config: &Config, rule: &Rule, stores: NodeSet, span: Span) -> Vec<Formula> {
        let seen = self.seen(config, rule, stores, span);
        if seen.crashes < ENOUGH {
            return Vec::new();
        }
        let (n, up) = (config.replicas, seen.up);
        let lived = up / (1.0 - up) * seen.repair;
        let note = format!(
            "a = {:.3} %, the share of the time that a store was up: {} crashes, {lived:.1} s up and {:.1} s down on \
             average; the formula \
             takes the holders of a key to fail independently, which those that share a zone, a rack or a release do \
             not",
            up * 100.0,
            seen.crashes,
            seen.repair,
        );
        let quorum = |what: &str, need: u32| Formula {
            name: format!("steady-state availability of a {what} quorum, {need} of {n}"),
            formula: "sum over i from k to n of C(n, i) a^i (1 - a)^(n - i); a = MTTF / (MTTF + MTTR)".to_owned(),
            predicted: k_of_n(need, n, up),
            measured: Some(seen.at_least[need as usize]),
            unit: Unit::Fraction,
            note: note.clone(),
        };
        let mut formulas = vec![quorum("read", config.read_quorum)];
        if config.write_quorum != config.read_quorum {
            formulas.push(quorum("write", config.write_quorum));
        }
        formulas
    }
}
