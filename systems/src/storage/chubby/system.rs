//! Registration: the [`System`] itself.

use super::bugs::CATALOGUE;
use super::checks::{self, ChubbyChecks, METRICS};
use super::client::{ChubbyClient, OPERATIONS, client};
use super::database::Mode;
use super::message::{ChubbyRequest, FACT_KINDS, MESSAGE_KINDS};
use super::node::{Machine, TIMERS};
use super::options::{ChubbyOptions, Config};
use sim_core::measures::Measures;
use sim_core::metric::MetricKind;
use sim_core::workload::{Load, OperationKind};
use sim_core::{Bug, Finished, Invalid, Node, Operation, Phase, Profile, RoleKind, Rule, Shape, System, Verdict};
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
    const MESSAGE_KINDS: &'static [&'static str] = MESSAGE_KINDS;
    const FACT_KINDS: &'static [&'static str] = FACT_KINDS;
    const ROLES: &'static [RoleKind] = &[
        RoleKind::member("server", "keeps the database, and may be the master").at_most(64),
        RoleKind::other("store", "is written to under locks").at_most(1),
        RoleKind::other("app", "runs a program that has a session").at_least(1).seats(),
    ];
    const OPERATIONS: &'static [OperationKind] = OPERATIONS;
    const BUGS: &'static [Bug] = CATALOGUE;
    const RULES: &'static [&'static [Rule]] = &[checks::RULES];
    type Node = Machine;
    type Client = ChubbyClient;
    type Checks = ChubbyChecks;
    type Options = ChubbyOptions;

    fn configure(options: ChubbyOptions, shape: &Shape) -> Result<Rc<Config>, Vec<Invalid>> {
        options.validate(shape).map(Rc::new)
    }

    fn client(_: &Rc<Config>, load: Load) -> ChubbyClient {
        client(load)
    }

    fn checks(config: &Rc<Config>) -> ChubbyChecks {
        ChubbyChecks::new(config)
    }

    fn profile(config: &Rc<Config>) -> Profile {
        Profile { recovery: Some(config.master_lease + config.election.1), ..Profile::default() }
    }

    fn operation(request: &ChubbyRequest) -> Operation {
        let (kind, key) = match request {
            ChubbyRequest::Get { key } => (0, Some(*key)),
            ChubbyRequest::Set { key, .. } => (1, Some(*key)),
            ChubbyRequest::Lock { lock, mode: Mode::Exclusive } => (2, Some(*lock)),
            ChubbyRequest::Lock { lock, mode: Mode::Shared } => (3, Some(*lock)),
            ChubbyRequest::Appear => (4, None),
        };
        let kind: &OperationKind = &OPERATIONS[kind];
        debug_assert_eq!(kind.class == sim_core::Class::Read, Machine::is_read(request), "{}", kind.name);
        Operation { class: kind.class, name: kind.name, key }
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
