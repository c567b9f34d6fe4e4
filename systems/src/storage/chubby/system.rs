//! Registration: the [`System`] itself.

use super::checks::{self, ChubbyChecks, METRICS};
use super::client::ChubbyClient;
use super::message::ChubbyRequest;
use super::node::{Machine, TIMERS};
use super::options::{ChubbyOptions, Config};
use sim_core::measures::Measures;
use sim_core::metric::MetricKind;
use sim_core::workload::{Generated, Load, OperationKind};
use sim_core::{Finished, Operation, Phase, Profile, RoleKind, Rule, System, Verdict};
use std::rc::Rc;

/// A cell of servers, a store, and applications with sessions.
#[derive(Debug)]
pub struct ChubbySystem;

impl System for ChubbySystem {
    const NAME: &'static str = "chubby";
    const ABOUT: &'static str = "a lock service with sessions and caches on Paxos or Raft, as Burrows describes it";
    const TIMERS: u16 = TIMERS;
    const METRICS: &'static [MetricKind] = METRICS;
    const PHASES: &'static [Phase] = &[
        Phase { name: "undetected", ends_with: Some("elected") },
        Phase { name: "claim of a new epoch", ends_with: Some("claimed") },
        Phase { name: "the old master's lease", ends_with: Some("takes_over") },
        Phase { name: "sessions hear of the new master", ends_with: Some("serves") },
        Phase { name: "clients find it", ends_with: None },
    ];
    const ROLES: &'static [RoleKind] = &[
        RoleKind::member("server", "keeps the database, and may be the master").at_most(64),
        RoleKind::other("store", "is written to under locks").at_most(1),
        RoleKind::other("app", "runs a program that has a session").at_least(1).seats(),
    ];
    const OPERATIONS: &'static [OperationKind] = ChubbyRequest::OPERATIONS;
    const RULES: &'static [&'static [Rule]] = &[checks::RULES];
    type Node = Machine;
    type Client = ChubbyClient;
    type Checks = ChubbyChecks;
    type Options = ChubbyOptions;

    fn client(_: &Rc<Config>, load: Load) -> ChubbyClient {
        Generated::new(load, ChubbyRequest::of)
    }

    fn checks(config: &Rc<Config>) -> ChubbyChecks {
        ChubbyChecks::new(config)
    }

    fn profile(config: &Rc<Config>) -> Profile {
        Profile { recovery: Some(config.master_lease + config.election.1), ..Profile::default() }
    }

    fn operation(request: &ChubbyRequest) -> Operation {
        request.operation()
    }

    fn measure(run: &Finished<'_, Self>) -> Measures {
        run.checks.measures(run.span.end)
    }

    /// The history of each file is known, and so is which version each read is of: that reads and writes are
    /// linearizable is seen without a search.
    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        let mut verdicts = run.checks.verdicts(run.nodes);
        if run.linearizable {
            let detail = "reads and writes, by the versions of files".to_owned();
            verdicts.push(Verdict::Pass { rule: "linearizable", detail });
        }
        verdicts
    }
}
