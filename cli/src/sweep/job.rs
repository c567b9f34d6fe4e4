//! One run of a sweep: nothing is written, nothing drawn, and a bug in splitbrain is a result like any other.

use scenarios::runner::{Coverage, RunError, RunRequest, TraceMode};
use scenarios::sweep::{Broken, Cell, Job, JobResult, Outcome};
use scenarios::{AnySystem, Registry, Scenario};
use sim_core::panics::caught;
use sim_core::record::Ruling;

/// Makes the run and keeps what `results.jsonl` wants of it.
pub fn run(registry: &Registry, scenario: &Scenario, job: Job, values: &Cell) -> JobResult {
    guard(job, values, || of_report(job, values, &report(registry, scenario, job.seed)))
}

/// Makes the run; nothing of it is kept but its report.
pub fn report(registry: &Registry, scenario: &Scenario, seed: u64) -> reports::Report {
    reports::analyse(&made(scenario, seed, |request| system(registry, scenario).run(request)))
}

/// Makes the run, and tells what it went through unless splitbrain itself panicked.
pub fn covered(registry: &Registry, scenario: &Scenario, job: Job) -> (JobResult, Option<Coverage>) {
    let mut went = None;
    let values = Cell::new();
    let result = guard(job, &values, || {
        let (record, coverage) = made(scenario, job.seed, |request| system(registry, scenario).cover(request));
        let result = of_report(job, &values, &reports::analyse(&record));
        went = Some(coverage);
        result
    });
    (result, went)
}

fn system<'a>(registry: &'a Registry, scenario: &Scenario) -> &'a dyn AnySystem {
    registry.get(&scenario.system).expect("a checked scenario names a registered system")
}

fn made<T>(scenario: &Scenario, seed: u64, make: impl FnOnce(RunRequest<'_>) -> Result<T, RunError>) -> T {
    let made = make(RunRequest {
        scenario,
        schedule: &scenarios::expand(scenario, seed),
        seed,
        history: None,
        trace: None,
        trace_mode: TraceMode::default(),
        // Availability is measured from the operations.
        keep_ops: true,
        evidence: None,
        progress: &mut |_| {},
    });
    made.unwrap_or_else(|error| panic!("a run that writes nothing failed: {error}"))
}

/// Runs `work`; a panic in it becomes a result that says so.
pub fn guard(job: Job, values: &Cell, work: impl FnOnce() -> JobResult) -> JobResult {
    caught(work).unwrap_or_else(|message| JobResult::of_panic(job.index, job.seed, values.clone(), message))
}

fn of_report(job: Job, values: &Cell, report: &reports::Report) -> JobResult {
    let that = |ruling: Ruling| report.verdicts.iter().filter(move |v| v.verdict == ruling);
    let broken =
        |ruling| that(ruling).map(|v| Broken { rule: v.rule.clone(), detail: v.detail.clone() }).collect::<Vec<_>>();
    let availability = &report.availability;
    let measured = availability.time_fraction.is_some();
    JobResult {
        job: job.index,
        seed: job.seed,
        values: values.clone(),
        ruling: Outcome::from(report.ruling),
        failed_rules: broken(Ruling::Fail),
        inconclusive_rules: broken(Ruling::Inconclusive),
        held_rules: that(Ruling::Pass).map(|v| v.rule.clone()).collect(),
        digest: report.digest.clone(),
        simulated_ns: report.simulated_ns,
        events: report.events,
        operations: availability.operations,
        ok: availability.ok,
        failed: availability.failed,
        unknown: availability.unknown,
        fraction: availability.fraction,
        time_fraction: availability.time_fraction,
        outages: availability.outages.len() as u64,
        longest_outage_ns: measured.then_some(availability.longest_outage_ns),
        total_outage_ns: measured.then_some(availability.total_outage_ns),
        read_p99_ns: report.latency.read.p99_ns,
        write_p99_ns: report.latency.write.p99_ns,
        metrics: report.metrics.iter().map(|metric| (metric.kind.name.to_string(), metric.value)).collect(),
        harm: report.harmed().map(|metric| metric.kind.name.to_string()).collect(),
    }
}
