//! Registration of the single-decree Synod: its options, its one rule, and the [`System`] itself.

use super::checks::{RULES, SynodChecks};
use super::client::{SynodClient, client};
use super::message::{FACT_KINDS, MESSAGE_KINDS};
use super::node::{Config, Synod, TIMERS};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::units::DurationText;
use sim_core::workload::Load;
use sim_core::{Class, Duration, Finished, Invalid, NodeId, Operation, Rule, Shape, System, Verdict};

/// The `[system]` options of `system = "synod"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SynodOptions {
    /// How many nodes accept, from the first on; all unless given.
    pub acceptors: Option<u32>,
    /// How many nodes propose, from the last on; they may be acceptors too.
    pub proposers: u32,
    /// Whether a proposer that was outbid waits a random time that doubles with every failure, instead of trying again
    /// at once.
    pub back_off: bool,
    /// How long a proposer waits for answers, and the range of its first pause.
    pub patience: DurationText,
}

impl Default for SynodOptions {
    fn default() -> Self {
        Self { acceptors: None, proposers: 1, back_off: true, patience: DurationText(Duration::millis(100)) }
    }
}

/// One value, decided once.
#[derive(Debug)]
pub struct SynodSystem;

impl System for SynodSystem {
    const NAME: &'static str = "synod";
    const ABOUT: &'static str = "one value decided by single-decree Paxos, as in Paxos Made Simple";
    const TIMERS: u16 = TIMERS;
    const MESSAGE_KINDS: &'static [&'static str] = MESSAGE_KINDS;
    const FACT_KINDS: &'static [&'static str] = FACT_KINDS;
    const RULES: &'static [&'static [Rule]] = &[RULES];
    type Node = Synod;
    type Client = SynodClient;
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

    fn client(_: &Config, load: Load) -> SynodClient {
        client(load)
    }

    fn checks(config: &Config) -> SynodChecks {
        SynodChecks::new(config)
    }

    fn operation(_: &u64) -> Operation {
        // Whoever proposes is told what is decided, which may be another value.
        Operation { class: Class::Write, name: "propose", key: None }
    }

    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        run.checks.verdicts(run.nodes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
