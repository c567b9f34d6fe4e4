//! Forks of a run: up to some time it is the run itself, behind that the same faults with fresh luck.
//!
//! What a fork's seed changes is everything that is still to be drawn: loss, latency and tampering on every link, how
//! long disks take and whether they fail, what nodes draw (election timeouts), what clients will ask and when, whom
//! faults still to come hit where that is a draw. What it does not change: the concrete schedule, what is under way
//! when the run forks (messages, armed timers, syncs), and what was drawn once at the start (clock offsets and drifts).

use super::drive::{Drive, EngineOf};
use super::recorder::Recorder;
use super::{Own, RunError, cluster, finish, phases};
use crate::Scenario;
use sim_core::fault::Schedule;
use sim_core::network::Transport;
use sim_core::record::RunRecord;
use sim_core::{Instant, Node, NodeStats, System, Violation};

/// Which run to fork, when, and how often.
pub struct ForkRequest<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// Its concrete faults.
    pub schedule: &'a Schedule,
    /// The seed of the run that forks.
    pub seed: u64,
    /// When: all events due at or before this belong to the run itself.
    pub at: Instant,
    /// The seeds of the forks.
    pub seeds: &'a [u64],
    /// Whether the operations are kept in the records.
    pub keep_ops: bool,
}

/// Runs to the fork, then each fork to its end, healing, settling and judging included. `each` is given their records
/// in the order of the seeds. If a rule is broken before the fork, all of them are that run.
///
/// # Errors
/// When the options do not fit the system.
pub fn fork<S>(request: &ForkRequest<'_>, each: &mut dyn FnMut(RunRecord)) -> Result<(), RunError>
where
    S: System<Node: Clone, Client: Clone, Checks: Clone>,
{
    if matches!(request.scenario.network.transport, Transport::Tcp(_)) {
        // Its stacks are another crate's, and can not be cloned.
        return fork_again::<S>(request, each);
    }
    let trunk = Trunk::<S>::of(request)?;
    for seed in request.seeds {
        let (engine, stats, early) = (trunk.engine.clone(), trunk.stats.clone(), trunk.early.clone());
        each(Trunk { request, config: trunk.config.clone(), engine, stats, early }.branch(*seed)?);
    }
    Ok(())
}

/// The same of a system that can not be cloned: the run is made again up to the fork for each of them.
///
/// # Errors
/// When the options do not fit the system.
pub fn fork_again<S: System>(request: &ForkRequest<'_>, each: &mut dyn FnMut(RunRecord)) -> Result<(), RunError> {
    for seed in request.seeds {
        each(Trunk::<S>::of(request)?.branch(*seed)?);
    }
    Ok(())
}

type Config<S> = <<S as System>::Node as Node>::Config;

/// A run up to where it forks.
struct Trunk<'a, S: System> {
    request: &'a ForkRequest<'a>,
    config: Config<S>,
    engine: EngineOf<'static, S>,
    stats: Vec<Vec<NodeStats>>,
    /// The rule that was broken before.
    early: Option<Violation>,
}

impl<'a, S: System> Trunk<'a, S> {
    fn of(request: &'a ForkRequest<'a>) -> Result<Self, RunError> {
        let ForkRequest { scenario, schedule, seed, at, keep_ops, .. } = *request;
        let config = cluster::node_config::<S>(scenario)?;
        let recorder = Recorder::new(scenario, &config, None, keep_ops, scenario.expect.linearizable);
        let observer = (S::checks(&config), (recorder, (Own(None), Own(None))));
        let engine = cluster::engine::<S>(scenario, schedule, seed, config.clone(), observer);
        // What is reseeded later is the luck of the run, not of its forks.
        let reseed = scenario.reseed.iter().copied().filter(|reseed| reseed.at < at).collect();
        let mut run = Drive::<S>::new(engine, None, None, reseed);
        let mut stats = Vec::new();
        let early = phases(scenario, &mut run, &mut stats, at, &mut |_| {});
        Ok(Self { request, config, engine: run.engine, stats, early })
    }

    /// Goes on with fresh luck to the end.
    fn branch(self, seed: u64) -> Result<RunRecord, RunError> {
        let Self { request: ForkRequest { scenario, schedule, .. }, config, mut engine, mut stats, early } = self;
        engine.reseed(seed);
        let mut run = Drive::<S>::new(engine, None, None, Vec::new());
        let broken = early.or_else(|| phases(scenario, &mut run, &mut stats, Instant::FAR, &mut |_| {}));
        finish::<S>((scenario, &config), schedule, seed, run.engine, broken, &stats)
    }
}
