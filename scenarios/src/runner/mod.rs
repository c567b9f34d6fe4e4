//! One run: warm up, measure, heal, settle, judge. A function of the scenario, the schedule and the seed.

mod cluster;
mod conditions;
mod coverage;
mod drive;
mod evidence;
mod fork;
mod history;
mod line;
mod meeting;
mod recorder;
mod sampler;
mod trace;
mod verdicts;
mod ways;

pub use verdicts::{ANSWERED_WITHIN, NO_PANIC, RULES};

pub use coverage::{Coverage, Family};
pub use evidence::{Checkpoints, Evidence, TwinParted};
pub use fork::{ForkRequest, fork, fork_again};
pub use meeting::Meeting;
pub use trace::{Moment, TraceMode};
pub use ways::{Bounds, Broken, Ways, ways};

use crate::Scenario;
use drive::{Drive, EngineOf};
use history::HistoryWriter;
use recorder::Recorder;
use sampler::Sampler;
use sim_core::fault::Schedule;
use sim_core::record::{
    FaultRecord, Messages, NodeRecord, PhaseRecord, ProbeLoad, RunRecord, SCHEMA_VERSION, VerdictRecord,
};
use sim_core::{
    ActiveFault, Budget, Drop, Finished, FlightRecorder, Instant, Node, NodeId, NodeStats, Observed, Observer, Span,
    System, Violation,
};
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::thread;
use trace::Trace;

/// What to run, and where what it says goes.
pub struct RunRequest<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// Its concrete faults.
    pub schedule: &'a Schedule,
    /// The seed.
    pub seed: u64,
    /// Where `history.jsonl` goes, one line for each operation as it ends; `None` if nobody wants it.
    pub history: Option<&'a mut (dyn Write + Send + 'static)>,
    /// Where `trace.jsonl` goes.
    pub trace: Option<&'a mut (dyn Write + 'static)>,
    /// How much of the run is traced.
    pub trace_mode: TraceMode<'a>,
    /// Whether the operations are kept in the record (a report needs them, a sweep's verdict does not).
    pub keep_ops: bool,
    /// What is kept to explain the run, if anything; a run without is faster.
    pub evidence: Option<&'a mut Evidence>,
    /// Told the fraction of simulated time that is done, every now and then.
    pub progress: &'a mut dyn FnMut(f64),
}

/// Why a run could not be finished. Broken rules are not errors but verdicts.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The history or the trace could not be written.
    #[error("the run's files can not be written: {0}")]
    Io(#[from] io::Error),
    /// The scenario's options do not fit the system; `check` would have said so.
    #[error("the options of system {system:?} are not valid: {what}")]
    Options {
        /// The system.
        system: &'static str,
        /// Everything that is wrong.
        what: String,
    },
}

/// How many pieces the simulated time is run in, for the progress bar.
const PIECES: u64 = 200;

/// What watches a run, or a fork of one: one type, so that an engine is built once for each system.
type Watch<'a, S> =
    (<S as System>::Checks, (Recorder<'a, S>, (Own<Trace<'a, S>>, Own<FlightRecorder<<S as System>::Node>>)));

/// What only the run itself has: a fork of it goes on without.
struct Own<A>(Option<A>);

impl<A> Clone for Own<A> {
    fn clone(&self) -> Self {
        Self(None)
    }
}

impl<N: Node, A: Observer<N>> Observer<N> for Own<A> {
    #[inline(always)]
    fn observe(&mut self, at: Instant, what: &Observed<'_, N>) {
        self.0.observe(at, what);
    }
    #[inline(always)]
    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<N>]) -> Result<(), Violation> {
        self.0.after_step(at, stepped, nodes)
    }
}

/// Runs one scenario of system `S`.
///
/// # Errors
/// When the options do not fit, or the history or trace can not be written.
pub fn run<S: System>(mut request: RunRequest<'_>) -> Result<RunRecord, RunError> {
    let history = request.history.take();
    thread::scope(|scope| within::<S>(request, history.map(|sink| HistoryWriter::start(scope, sink)), &mut None))
}

/// The same run, and what it went through.
///
/// # Errors
/// As [`run`].
pub fn cover<S: System>(mut request: RunRequest<'_>) -> Result<(RunRecord, Coverage), RunError> {
    let mut coverage = Some(Box::new(Coverage::new(request.scenario)));
    let history = request.history.take();
    let record = thread::scope(|scope| {
        within::<S>(request, history.map(|sink| HistoryWriter::start(scope, sink)), &mut coverage)
    })?;
    Ok((record, *coverage.expect("a run gives back what it was given")))
}

/// `coverage` is lent to the run, if there is one.
fn within<S: System>(
    request: RunRequest<'_>,
    history: Option<HistoryWriter<'_>>,
    coverage: &mut Option<Box<Coverage>>,
) -> Result<RunRecord, RunError> {
    let RunRequest { scenario: undrawn, schedule, seed, trace, trace_mode, keep_ops, evidence, progress, .. } = request;
    let drawn = undrawn.drawn(seed);
    let scenario = drawn.as_ref();
    let config = cluster::node_config::<S>(scenario)?;
    let mut recorder = Recorder::new(scenario, &config, history, keep_ops, scenario.expect.linearizable);
    recorder.coverage = coverage.take();
    let trace = trace.map(|sink| Trace::new(sink, trace_mode, scenario, seed));
    let keeps_flight = evidence.as_ref().is_some_and(|evidence| evidence.keeps_flight());
    let flight = || keeps_flight.then(|| FlightRecorder::new(drive::FLIGHT));
    let twin = evidence.as_ref().is_some_and(|evidence| evidence.twin).then(|| {
        let recorder = Recorder::new(scenario, &config, None, keep_ops, scenario.expect.linearizable);
        let observer: Watch<'_, S> = (S::checks(&config), (recorder, (Own(None), Own(flight()))));
        cluster::engine::<S>(scenario, schedule, seed, config.clone(), observer)
    });
    let observer: Watch<'_, S> = (S::checks(&config), (recorder, (Own(trace), Own(flight()))));
    let engine = cluster::engine::<S>(scenario, schedule, seed, config.clone(), observer);
    let mut run = Drive::<S>::new(engine, twin, evidence, scenario.reseed.clone());

    if keep_ops {
        run.sampler = Some(Sampler::new(run.engine.nodes().len(), run.engine.bytes_in_streams().is_some()));
    }
    let mut stats = Vec::new();
    let made = panic::catch_unwind(AssertUnwindSafe(|| phases(scenario, &mut run, &mut stats, Instant::FAR, progress)));
    if let Some(evidence) = &mut run.evidence
        && !matches!(made, Ok(None))
    {
        if !keeps_flight {
            evidence.last = last_events::<S>(undrawn, schedule, seed, evidence.on_panic)?;
        } else if made.is_err() {
            (evidence.on_panic)(&drive::last::<S>(&run.engine, 0));
        }
    }
    let Drive { mut engine, twin, evidence, sampler, .. } = run;
    *coverage = engine.observer_mut().1.0.coverage.take();
    let broken = made.unwrap_or_else(|panic| panic::resume_unwind(panic));
    let finish = |engine, broken| finish::<S>((scenario, &config), schedule, seed, engine, broken, &stats);
    let parted = evidence.as_ref().is_some_and(|evidence| evidence.parted.is_some());
    let twin = twin.filter(|_| !parted).map(|twin| finish(twin, broken.clone())).transpose()?;
    let mut record = finish(engine, broken)?;
    record.timeline = sampler.map(Sampler::finish).unwrap_or_default();
    if let Some(evidence) = evidence {
        record.last_events.clone_from(&evidence.last);
        evidence.twin_record = twin.map(|mut twin| {
            twin.last_events.clone_from(&record.last_events);
            twin.timeline.clone_from(&record.timeline);
            Box::new(twin)
        });
    }
    Ok(record)
}

/// Makes a run that broke once more, for what happened last.
fn last_events<S: System>(
    scenario: &Scenario,
    schedule: &Schedule,
    seed: u64,
    on_panic: fn(&[String]),
) -> Result<Vec<String>, RunError> {
    let mut evidence = Evidence { flight: true, on_panic, ..Evidence::default() };
    run::<S>(RunRequest {
        scenario,
        schedule,
        seed,
        history: None,
        trace: None,
        trace_mode: TraceMode::default(),
        keep_ops: false,
        evidence: Some(&mut evidence),
        progress: &mut |_| {},
    })?;
    Ok(evidence.last)
}

/// Runs on to `until`, or to the end and what belongs there. `stats` gets an entry at the end of each phase, so its
/// length says in which phase the run is. Gives the rule that was broken, if one was.
fn phases<S: System>(
    scenario: &Scenario,
    run: &mut Drive<'_, S>,
    stats: &mut Vec<Vec<NodeStats>>,
    until: Instant,
    progress: &mut dyn FnMut(f64),
) -> Option<Violation> {
    let phases = [scenario.measure_from(), scenario.heal_at(), scenario.end()];
    let total = scenario.end().0.max(1);
    let piece = (total / PIECES).max(1);
    let mut broken = None;
    for (phase, end) in phases.into_iter().enumerate().skip(stats.len()) {
        let to = end.min(until);
        let mut at = run.now();
        while at < to && broken.is_none() && !run.is_stopped() {
            let fresh = run.reseed().unwrap_or(Instant::FAR);
            at = Instant((at.0 + piece).min(to.0)).min(fresh);
            broken = run.advance(at).err();
            run.sample();
            progress(at.0 as f64 / total as f64);
        }
        if end > until && broken.is_none() {
            return None;
        }
        stats.push(run.stats());
        if phase == 1 && broken.is_none() {
            run.heal();
            // A node that boots again may break a rule at once, and there need be no time after this.
            broken = run.advance(run.now()).err();
        }
    }
    // Whoever waits for an answer when a run is over has none, whatever ended it.
    run.abandon_operations();
    broken
}

/// Makes the record.
fn finish<S: System>(
    (scenario, config): (&Scenario, &<S::Node as sim_core::Node>::Config),
    schedule: &Schedule,
    seed: u64,
    engine: EngineOf<'_, S>,
    broken: Option<Violation>,
    stats: &[Vec<NodeStats>],
) -> Result<RunRecord, RunError> {
    let mut record = RunRecord {
        schema_version: SCHEMA_VERSION,
        scenario: scenario.name.clone(),
        title: scenario.report.title.clone().unwrap_or_else(|| scenario.title.clone()),
        system: S::NAME.to_owned(),
        model: S::MODEL.unwrap_or_default().to_owned(),
        seed,
        digest: format!("{:016x}", engine.digest()),
        simulated_ns: engine.now().0,
        events: engine.events(),
        measure_from_ns: scenario.measure_from().0,
        measure_to_ns: scenario.heal_at().0.min(engine.now().0).max(scenario.measure_from().0),
        window_ns: scenario.report.window.0,
        timeout_ns: scenario.report.in_time.0,
        probe_every_ns: if scenario.probe.enabled { scenario.probe.every.0 } else { 0 },
        probe_timeout_ns: scenario.probe.timeout.0,
        shards: S::profile(config).shards,
        shards_name: S::SHARDS.to_owned(),
        zones: scenario.cluster.zones.clone(),
        load_unit: S::LOAD.name().to_owned(),
        nodes: nodes::<S>(scenario, config, engine.nodes(), stats),
        faults: faults(schedule, engine.faults(), engine.now()),
        phases: S::PHASES
            .iter()
            .map(|p| PhaseRecord { name: p.name.to_owned(), ends_with: p.ends_with.map(str::to_owned) })
            .collect(),
        messages: messages(engine.tally()),
        expectations: scenario.expect.bounds.clone(),
        ..RunRecord::default()
    };
    let (now, events, digest) = (engine.now(), engine.events(), engine.digest());
    let carried = engine.transport_stats();
    let ((checks, (recorder, (trace, _))), nodes) = engine.finish();
    if let Some(trace) = trace.0 {
        trace.finish(now, events, digest)?;
    }
    let kept = recorder.finish()?;
    record.marks = kept.marks;
    record.facts = kept.facts;
    record.notes = kept.notes;
    record.notes.extend(crate::notes::unseen(scenario));
    let end = Instant(record.simulated_ns);
    record.conditions = kept.conditions.finish(end);
    record.conditions.extend(conditions::slow_links(scenario, end));
    let ops = if kept.keep_ops { &kept.history.ops[..] } else { &[] };
    record.conditions.extend(conditions::client_limits(scenario, ops, end));
    let at = |ns| Instant(ns);
    let span = Span { from: at(record.measure_from_ns), to: at(record.measure_to_ns), end: at(record.simulated_ns) };
    let run = Finished {
        config,
        history: &kept.history,
        checks: &checks,
        nodes: &nodes,
        span,
        budget: Budget::default(),
        linearizable: scenario.expect.linearizable,
    };
    record.measures = S::measure(&run);
    if let Some(carried) = &carried {
        crate::transport::measure(&mut record.measures, &scenario.network.transport, carried);
    }
    if let Some(losses) = &mut record.measures.losses {
        losses.count(ops);
    }
    for (node, keys) in record.nodes.iter_mut().zip(&record.measures.keys) {
        node.keys = *keys;
    }
    let ended_early = broken.is_some();
    let mut verdicts: Vec<VerdictRecord> = broken.iter().map(verdicts::of_violation).collect();
    if !ended_early {
        verdicts.extend(S::judge(&run).iter().map(verdicts::of_verdict));
        verdicts.push(verdicts::recovery(scenario, kept.progress));
        verdicts.extend(verdicts::answered(scenario, &kept.waits));
    }
    record.verdicts = verdicts::as_expected(verdicts, &scenario.expect.violates);
    if kept.keep_ops {
        record.ops = kept.history.ops;
    }
    Ok(record)
}

fn nodes<S: System>(
    scenario: &Scenario,
    config: &<S::Node as sim_core::Node>::Config,
    nodes: &[Option<S::Node>],
    stats: &[Vec<NodeStats>],
) -> Vec<NodeRecord> {
    let (from, to) = (&stats[0], &stats[1.min(stats.len() - 1)]);
    sim_core::node_ids(nodes.len())
        .map(|id| {
            let did = to[id.index()].since(&from[id.index()]);
            NodeRecord {
                name: id.to_string(),
                zone: scenario.cluster.zone_of(id),
                carries: scenario.cluster.group_of(id).is_none_or(|group| group.member) && S::carries(config, id),
                requests: S::LOAD.of(did.requests, did.work),
                answered: did.answered,
                bytes_in: did.bytes_in,
                bytes_out: did.bytes_out,
                messages_in: did.messages_in,
                messages_out: did.messages_out,
                keys: nodes[id.index()].as_ref().map_or(0, S::keys),
                busy_ns: did.busy_ns,
                disk_busy_ns: did.disk_busy_ns,
                syncs: did.syncs,
                down_ns: did.down_ns,
                probes: ProbeLoad {
                    requests: S::LOAD.of(did.probes.requests, did.probes.work),
                    bytes_in: did.probes.bytes_in,
                    bytes_out: did.probes.bytes_out,
                    messages_in: did.probes.messages_in,
                    messages_out: did.probes.messages_out,
                },
            }
        })
        .collect()
}

fn faults(schedule: &Schedule, states: Vec<ActiveFault>, now: Instant) -> Vec<FaultRecord> {
    schedule
        .injections()
        .iter()
        .zip(states)
        .filter_map(|(injection, state)| {
            // A trigger that never came is reported like any fault that changed nothing.
            let start = state.started.or(state.armed)?;
            let end = if state.started.is_some() { state.ended.unwrap_or(now) } else { start };
            Some(FaultRecord {
                kind: injection.fault.kind().to_owned(),
                label: injection.to_string(),
                target: injection.target.to_string(),
                resolved: state.resolved.iter().map(ToString::to_string).collect(),
                start_ns: start.0,
                end_ns: end.0,
                bit: state.touched > 0,
                touched: state.touched,
                must_bite: injection.must_bite,
                held: state.held,
            })
        })
        .collect()
}

fn messages(tally: &sim_core::Tally) -> Messages {
    let named = tally.names.iter().zip(tally.sent).filter(|(_, sent)| *sent > 0);
    Messages {
        sent: tally.sent.iter().sum(),
        delivered: tally.delivered,
        lost: tally.dropped.iter().sum(),
        lost_by: Drop::ALL
            .iter()
            .zip(tally.dropped)
            .filter(|(_, n)| *n > 0)
            .map(|(why, n)| (why.name().to_owned(), n))
            .collect(),
        by_kind: named.map(|(name, sent)| ((*name).to_owned(), sent)).collect(),
    }
}
