//! One run of a sweep: nothing is written, nothing drawn, and a panic is a result like any other.

use scenarios::runner::{RunRequest, TraceMode};
use scenarios::sweep::{Broken, Cell, Job, JobResult, Outcome};
use scenarios::{Registry, Scenario};
use sim_core::record::Ruling;
use std::cell::{Cell as Slot, RefCell};
use std::panic::{self, AssertUnwindSafe};

/// Makes the run and keeps what `results.jsonl` wants of it.
pub fn run(registry: &Registry, scenario: &Scenario, job: Job, values: &Cell) -> JobResult {
    guard(job, values, || {
        let system = registry.get(&scenario.system).expect("a checked scenario names a registered system");
        let schedule = scenarios::expand(scenario, job.seed);
        let record = system.run(RunRequest {
            scenario,
            schedule: &schedule,
            seed: job.seed,
            history: None,
            trace: None,
            trace_mode: TraceMode::default(),
            // Availability is measured from the operations.
            keep_ops: true,
            evidence: None,
            progress: &mut |_| {},
        });
        let record = record.unwrap_or_else(|error| panic!("a run that writes nothing failed: {error}"));
        of_report(job, values, &reports::analyse(&record))
    })
}

/// Runs `work`; a panic in it becomes a result that says so.
pub fn guard(job: Job, values: &Cell, work: impl FnOnce() -> JobResult) -> JobResult {
    caught(work).unwrap_or_else(|message| JobResult::of_panic(job.index, job.seed, values.clone(), message))
}

/// What `work` gives, or what it said when it panicked.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    GUARDED.set(true);
    // Nothing outlives the closure but its result: all it shares with others is read only.
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(false);
    outcome.map_err(|_| MESSAGE.take().unwrap_or_else(|| "a panic without a message".to_owned()))
}

thread_local! {
    static GUARDED: Slot<bool> = const { Slot::new(false) };
    static MESSAGE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// While it lives, a panic inside of [`caught`] is kept, with its place, rather than printed.
pub struct Quiet;

impl Quiet {
    /// Begins.
    pub fn begin() -> Self {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if GUARDED.get() {
                let place = info.location().map_or_else(String::new, |l| format!(" at {}:{}", l.file(), l.line()));
                let payload = info.payload();
                let text = payload.downcast_ref::<&str>().copied();
                let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
                let message = text.unwrap_or("a panic without a message");
                MESSAGE.set(Some(format!("{message}{place}")));
            } else {
                before(info);
            }
        }));
        Self
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A hook can not be changed while panicking; then it does not matter either.
        if !std::thread::panicking() {
            let _ = panic::take_hook();
        }
    }
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
    }
}
