//! Forks of a run: up to some time it is the run itself, behind that the same faults with fresh luck.
//!
//! What a fork's seed changes is everything that is still to be drawn: loss, latency and tampering on every link, how
//! long disks take and whether they fail, what nodes draw (election timeouts), what clients will ask and when, whom
//! faults still to come hit where that is a draw. What it does not change: the concrete schedule, what is under way
//! when the run forks (messages, armed timers, syncs), and what was drawn once at the start (clock offsets and drifts).

use super::recorder::Recorder;
use super::{RunError, cluster, finish, phases};
use crate::Scenario;
use sim_core::fault::Schedule;
use sim_core::record::RunRecord;
use sim_core::{Instant, System};

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
pub fn fork<S: System>(request: &ForkRequest<'_>, each: &mut dyn FnMut(RunRecord)) -> Result<(), RunError> {
    let ForkRequest { scenario, schedule, seed, at, seeds, keep_ops } = *request;
    let config = cluster::node_config::<S>(scenario)?;
    let recorder: Recorder<'static, S> = Recorder::new(scenario, &config, None, keep_ops, scenario.expect.linearizable);
    let observer = (S::checks(&config), recorder);
    let mut trunk = cluster::engine::<S, _>(scenario, schedule, seed, config.clone(), observer);
    let mut trunk_stats = Vec::new();
    let early = phases(scenario, &mut trunk, &mut trunk_stats, at, &mut |_| {});
    for seed in seeds {
        let (mut branch, mut stats) = (trunk.clone(), trunk_stats.clone());
        branch.reseed(*seed);
        let broken = early.clone().or_else(|| phases(scenario, &mut branch, &mut stats, Instant::FAR, &mut |_| {}));
        let record =
            finish::<S, _>((scenario, &config), schedule, *seed, branch, broken, &stats, |(checks, recorder), _| {
                Ok((checks, recorder.finish()?))
            })?;
        each(record);
    }
    Ok(())
}
