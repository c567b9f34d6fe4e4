//! Registration of the single-decree Synod: its options, its one rule, and the [`System`] itself.

use super::single::{Config, FACT_KINDS, MESSAGE_KINDS, Synod, SynodFact, TIMERS};
use crate::replication::calm::Calm;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::units::DurationText;
use sim_core::workload::{Generated, Load};
use sim_core::{
    Budget, Class, Duration, History, Instant, Invalid, NodeId, Observed, Observer, Operation, Rule, Shape, System,
    Verdict, Violation,
};

sim_core::rules! {
    /// At most one value is decided.
    const AGREEMENT: &str = "agreement";
    /// Once nothing goes wrong any more, every proposer that waits when it is outbid learns a decision, and then rests.
    const PROPOSERS_DECIDE: &str = "proposers_decide";
}

/// The longest pause is so many times a proposer's patience.
const LONGEST_PAUSE: u64 = 1 << 10;

/// The `[system]` options of `system = "synod"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SynodOptions {
    /// How many nodes accept, from the first on; all unless given.
    pub acceptors: Option<u32>,
    /// How many nodes propose, from the last on; they may be acceptors too.
    pub proposers: u32,
    /// Whether a proposer that was outbid waits a random time that doubles with every failure, instead of trying again at
    /// once.
    pub back_off: bool,
    /// How long a proposer waits for answers, and the range of its first pause.
    pub patience: DurationText,
}

impl Default for SynodOptions {
    fn default() -> Self {
        Self { acceptors: None, proposers: 1, back_off: true, patience: DurationText(Duration::millis(100)) }
    }
}

/// Whether all decisions are the same, and whether they come.
#[derive(Clone, Debug, Default)]
pub struct SynodChecks {
    /// How long it may take when nothing goes wrong; `None` if it may never come.
    patience: Option<Duration>,
    calm: Calm,
    now: Instant,
    decided: Option<u64>,
    decisions: u64,
    broken: Option<Violation>,
}

impl SynodChecks {
    /// In the end: nothing has gone wrong for four times as long as any proposer pauses.
    fn decide(&self, nodes: &[Option<Synod>]) -> Option<Verdict> {
        let patience = self.patience?.times(4 * LONGEST_PAUSE);
        let calm = self.calm.since().map_or(Duration::ZERO, |since| self.now.since(since));
        let waits = nodes.iter().flatten().find(|node| node.proposes() && !node.decided());
        Some(match waits {
            None => Verdict::Pass { rule: PROPOSERS_DECIDE, detail: "all of them".to_owned() },
            Some(_) if calm < patience => {
                let why = format!("nothing went wrong for {calm} only, and it may take {patience}");
                Verdict::Inconclusive { rule: PROPOSERS_DECIDE, why }
            }
            Some(node) => Verdict::Fail(Violation {
                rule: PROPOSERS_DECIDE.to_owned(),
                at: self.now,
                node: Some(node.me()),
                detail: format!("{} knows no decision, though nothing has gone wrong for {calm}", node.me()),
            }),
        })
    }
}

impl Observer<Synod> for SynodChecks {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Synod>) {
        self.now = at;
        self.calm.watch(at, what);
        let Observed::Noted { node, fact: SynodFact::Decided { value, ballot } } = what else { return };
        let first = *self.decided.get_or_insert(*value);
        self.decisions += 1;
        if first != *value && self.broken.is_none() {
            let detail = format!("{value} is decided in ballot {ballot}, {first} was before");
            self.broken = Some(Violation { rule: AGREEMENT.to_owned(), at, node: Some(*node), detail });
        }
    }

    fn after_step(&mut self, _: Instant, _: NodeId, _: &[Option<Synod>]) -> Result<(), Violation> {
        self.broken.take().map_or(Ok(()), Err)
    }
}

/// One value, decided once.
#[derive(Debug)]
pub struct SynodSystem;

impl System for SynodSystem {
    const NAME: &'static str = "synod";
    const ABOUT: &'static str = "one value decided by single-decree Paxos, as in Paxos Made Simple";
    const TIMERS: u16 = TIMERS;
    type Node = Synod;
    type Client = Generated<Synod>;
    type Checks = SynodChecks;
    type Options = SynodOptions;

    fn configure(options: SynodOptions, shape: &Shape) -> Result<Config, Vec<Invalid>> {
        let nodes = shape.nodes() as u32;
        let mut invalid = Vec::new();
        let mut of_nodes = |key, number: u32| {
            if number == 0 || number > nodes {
                let what = format!("{number} of {nodes} nodes");
                invalid.push(Invalid { key, what, help: format!("from 1 to {nodes}") });
            }
        };
        let acceptors = options.acceptors.unwrap_or(nodes);
        of_nodes("acceptors", acceptors);
        of_nodes("proposers", options.proposers);
        if options.patience.0 == Duration::ZERO {
            let help = "longer than two round trips, for example \"100ms\"".to_owned();
            invalid.push(Invalid { key: "patience", what: "a proposer that waits for nobody".to_owned(), help });
        }
        if !invalid.is_empty() {
            return Err(invalid);
        }
        let proposers = (nodes - options.proposers..nodes).map(NodeId).collect();
        Ok(Config { acceptors, proposers, back_off: options.back_off, patience: options.patience.0 })
    }

    fn client(_: &Config, load: Load) -> Generated<Synod> {
        Generated::new(load, |op| op.unique)
    }

    fn checks(config: &Config) -> SynodChecks {
        SynodChecks { patience: config.back_off.then_some(config.patience), ..SynodChecks::default() }
    }

    fn operation(_: &u64) -> Operation {
        // Whoever proposes is told what is decided, which may be another value.
        Operation { class: Class::Write, name: "propose", key: None }
    }

    fn message_kinds() -> &'static [&'static str] {
        MESSAGE_KINDS
    }

    fn fact_kinds() -> &'static [&'static str] {
        FACT_KINDS
    }

    fn rules() -> Vec<Rule> {
        RULES.to_vec()
    }

    fn judge(_: &History<Synod>, checks: &SynodChecks, nodes: &[Option<Synod>], _: Budget, _: bool) -> Vec<Verdict> {
        let verdict = match checks.decisions {
            0 => Verdict::Inconclusive { rule: AGREEMENT, why: "nothing was decided".to_owned() },
            n => Verdict::Pass { rule: AGREEMENT, detail: format!("{n} decisions, one value") },
        };
        core::iter::once(verdict).chain(checks.decide(nodes)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::{Effects, LocalInstant, Node, Purpose, Replay, Rng, Timer, WriteId, Writes};

    #[test]
    fn all_problems_are_reported_at_once() {
        let shape = Shape { node_zones: vec![0; 3], zones: vec!["a".to_owned()], spares: 0, max_drift_ppm: 0 };
        let options =
            SynodOptions { acceptors: Some(4), proposers: 0, patience: DurationText(Duration::ZERO), back_off: true };
        let invalid = SynodSystem::configure(options, &shape).unwrap_err();
        let keys: Vec<_> = invalid.iter().map(|i| i.key).collect();
        assert_eq!(keys, ["acceptors", "proposers", "patience"]);
        let config = SynodSystem::configure(SynodOptions::default(), &shape).unwrap();
        assert_eq!((config.acceptors, config.proposers), (3, vec![NodeId(2)]));
    }

    #[test]
    fn two_values_are_one_too_many() {
        let mut checks = SynodChecks::default();
        let mut decide = |value| {
            let fact = SynodFact::Decided { ballot: super::super::Ballot { round: 1, node: 0 }, value };
            checks.observe(Instant(7), &Observed::Noted { node: NodeId(1), fact });
            checks.after_step(Instant(7), NodeId(1), &[])
        };
        assert_eq!((decide(1), decide(1)), (Ok(()), Ok(())));
        assert_eq!(decide(2).unwrap_err().rule, AGREEMENT);
    }

    #[test]
    fn who_never_decides_is_found_once_it_has_had_the_time() {
        let shape = Shape { node_zones: vec![0; 3], zones: vec!["a".to_owned()], spares: 0, max_drift_ppm: 0 };
        let config = SynodSystem::configure(SynodOptions::default(), &shape).unwrap();
        let (mut rng, mut at, mut out) = (Rng::stream(1, Purpose::Node, 2), Writes::at(WriteId(0)), Vec::new());
        let mut fx = Effects::new(NodeId(2), LocalInstant(0), &mut rng, &mut at, &mut out);
        let node = Synod::boot(&config, NodeId(2), Replay::empty(), &mut fx);
        let nodes = [None, None, Some(node)];
        let mut checks = SynodSystem::checks(&config);
        let mut verdict = |at| {
            checks.observe(at, &Observed::Fired { node: NodeId(2), timer: Timer(0) });
            checks.decide(&nodes)
        };
        let soon = verdict(Instant::ZERO + Duration::secs(1));
        assert!(matches!(soon, Some(Verdict::Inconclusive { .. })), "{soon:?}");
        let late = verdict(Instant::ZERO + Duration::secs(1000));
        assert!(matches!(late, Some(Verdict::Fail(_))), "{late:?}");
    }
}
