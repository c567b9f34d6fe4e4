//! Registration of the single-decree Synod: its options, its one rule, and the [`System`] itself.

use super::checks::{RULES, SynodChecks};
use super::client::SynodClient;
use super::node::{Synod, TIMERS};
use super::options::{Config, SynodOptions};
use sim_core::workload::{Generated, Load};
use sim_core::{Class, Finished, Operation, Rule, System, Verdict};

/// One value, decided once.
#[derive(Debug)]
pub struct SynodSystem;

impl System for SynodSystem {
    const NAME: &'static str = "synod";
    const ABOUT: &'static str = "one value decided by single-decree Paxos, as in Paxos Made Simple";
    const TIMERS: u16 = TIMERS;
    const RULES: &'static [&'static [Rule]] = &[RULES];
    type Node = Synod;
    type Client = SynodClient;
    type Checks = SynodChecks;
    type Options = SynodOptions;

    fn client(_: &Config, load: Load) -> SynodClient {
        Generated::new(load, |op| op.unique)
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
