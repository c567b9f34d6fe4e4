//! `splitbrain bisect`: when did a failing run become doomed?

use crate::args::BisectArgs;
use crate::exit::Exit;
use crate::failing::{self, Failing};
use crate::run::say;
use crate::sweep::workers;
use crate::wall::{Spinner, Stopwatch};
use reports::{BugProbability, ForkPoint, Jump, JumpEvent, program, quoted};
use scenarios::Registry;
use scenarios::bisect::{self, Finding, Sample};
use scenarios::runner::{ForkRequest, RunRequest, TraceMode};
use sim_core::fault::Schedule;
use sim_core::{Instant, hash, panics};
use std::io::{self, Write};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs the command.
pub fn bisect(registry: &Registry, args: &BisectArgs) -> Exit {
    let watch = Stopwatch::start();
    let failing = match failing::open(registry, &args.dir, args.rule.as_deref()) {
        Ok(failing) => failing,
        Err(exit) => return exit,
    };
    let threads = workers::threads(args.jobs);
    let pool = match workers::pool_of(args.jobs) {
        Ok(pool) => pool,
        Err(error) => return error.tell(),
    };
    let Failing { scenario, rule, record, .. } = &failing;
    say(&format!("{}  seed {}   {rule} fails: {}\n\n", scenario.name, scenario.seed, failing.sighting.detail));
    let schedule = scenarios::expand(scenario, scenario.seed);
    let forks = Forks { registry, failing: &failing, schedule: &schedule, pool, each: args.forks };
    let samples = forks.search(args.points);
    let bisected = bisected(registry, &failing, &schedule, &samples);
    say(&table(&bisected));
    let dir = args.out.as_deref().unwrap_or(&args.dir);
    if let Err(error) = bisected.write(dir) {
        complain!("{error}");
        return Exit::Environment;
    }
    let shown = dir.display();
    say(&format!("\nchart   {shown}/charts/bug-probability.png\nfigures {shown}/bisect.json\n"));
    if let Some(jump) = &bisected.jump {
        // A little more than the jump, for context.
        let margin = (jump.to_ns - jump.from_ns).max(1_000_000);
        let (from, to) =
            (Instant(jump.from_ns.saturating_sub(margin)), Instant((jump.to_ns + margin).min(record.simulated_ns)));
        say(&format!("    {} trace {} --from {from} --to {to}\n", program(), quoted(&args.dir.display().to_string())));
    }
    let runs: u64 = samples.iter().map(|s| u64::from(s.forks)).sum();
    let seconds = watch.elapsed().as_secs_f64();
    eprintln!("{runs} forks in {seconds:.2} s of wall time on {threads} threads");
    Exit::Held
}

/// Makes forks on all threads.
struct Forks<'a> {
    registry: &'a Registry,
    failing: &'a Failing,
    schedule: &'a Schedule,
    pool: rayon::ThreadPool,
    each: u32,
}

/// The ends of the steepest step have this many times as many forks as the other points.
const MORE: u32 = 5;
/// So often the steepest step may turn out to be another one.
const CONFIRMED: u32 = 4;
/// Forks of one time are made in pieces of this many, each of which runs to the fork by itself.
const PIECE: usize = 10;

impl Forks<'_> {
    /// The samples in order of time: half of the points evenly, the others where the curve is steepest.
    fn search(&self, points: u32) -> Vec<Sample> {
        let spinner = Spinner::new();
        // The last point is just before the rule was broken: what happens at that very instant has not happened yet.
        let end = Instant(self.failing.record.simulated_ns.saturating_sub(1));
        let even = points.div_ceil(2).max(2);
        let mut samples = self.sample(&bisect::grid(end, even), 0..self.each);
        while (samples.len() as u32) < points
            && let Some(at) = bisect::next(&samples)
        {
            spinner.set(&format!("{} of {points} points", samples.len()));
            samples.extend(self.sample(&[at], 0..self.each));
            samples.sort_by_key(|s| s.at);
        }
        // A step between two points that were chosen for it may be chance: more forks at its ends tell, and may show
        // another one to be the steepest.
        for _ in 0..CONFIRMED {
            let Some((from, to)) = bisect::steepest(&samples) else { break };
            let unsure: Vec<Instant> = [from, to].iter().filter(|s| s.forks == self.each).map(|s| s.at).collect();
            if unsure.is_empty() {
                break;
            }
            for more in self.sample(&unsure, self.each..self.each * MORE) {
                let known = samples.iter_mut().find(|s| s.at == more.at).expect("it is one of them");
                known.forks += more.forks;
                known.failed += more.failed;
            }
        }
        spinner.clear();
        samples
    }

    /// What becomes of the forks of these numbers at these times. Their seeds depend on the run, the time and the number
    /// alone.
    fn sample(&self, times: &[Instant], numbers: Range<u32>) -> Vec<Sample> {
        let seeds = |at: Instant| -> Vec<u64> {
            numbers.clone().map(|k| hash::of(&[self.failing.scenario.seed, at.0, k.into()])).collect()
        };
        let pieces: Vec<(usize, Vec<u64>)> = times
            .iter()
            .enumerate()
            .flat_map(|(i, at)| seeds(*at).chunks(PIECE).map(|piece| (i, piece.to_vec())).collect::<Vec<_>>())
            .collect();
        let next = AtomicUsize::new(0);
        let failed = Mutex::new(vec![0_u32; times.len()]);
        self.pool.broadcast(|_| {
            while let Some((i, seeds)) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
                let broken = self.broken(times[*i], seeds);
                failed.lock().expect("nobody panicked with it")[*i] += broken;
            }
        });
        let failed = failed.into_inner().expect("nobody panicked with it");
        times.iter().zip(failed).map(|(at, failed)| Sample { at: *at, forks: numbers.len() as u32, failed }).collect()
    }

    /// How many of the forks break the rule. One in which splitbrain itself panics does not: nobody knows what it would have done.
    fn broken(&self, at: Instant, seeds: &[u64]) -> u32 {
        let Failing { scenario, rule, .. } = self.failing;
        let Some(system) = self.registry.get(&scenario.system) else { return 0 };
        let keep_ops = failing::needs_figures(rule);
        let mut broken = 0;
        let request = ForkRequest { scenario, schedule: self.schedule, seed: scenario.seed, at, seeds, keep_ops };
        let made = panics::caught(|| {
            system.fork(&request, &mut |record| broken += u32::from(failing::sighting(&record, rule).is_some()))
        });
        debug_assert!(!matches!(made, Ok(Err(_))), "the options were checked");
        broken
    }
}

fn bisected(registry: &Registry, failing: &Failing, schedule: &Schedule, samples: &[Sample]) -> BugProbability {
    let Failing { scenario, rule, record, sighting, .. } = failing;
    let finding = bisect::finding(samples);
    let rounded = |p: f64| (p * 1e6).round() / 1e6;
    let points = samples.iter().map(|s| {
        let (low, high) = s.interval();
        ForkPoint {
            at_ns: s.at.0,
            forks: s.forks,
            failed: s.failed,
            probability: rounded(s.probability()),
            low: rounded(low),
            high: rounded(high),
        }
    });
    let steps = matches!(finding, Finding::Jump | Finding::AtTheEnd | Finding::Gradual);
    let steepest = bisect::steepest(samples).filter(|_| steps);
    let jump = steepest.map(|(from, to)| {
        let (events, events_left_out) = events(registry, failing, schedule, (from.at, to.at));
        Jump {
            from_ns: from.at.0,
            to_ns: to.at.0,
            before: rounded(from.probability()),
            after: rounded(to.probability()),
            clear: to.interval().0 > from.interval().1,
            events,
            events_left_out,
        }
    });
    BugProbability {
        schema_version: BugProbability::SCHEMA_VERSION,
        scenario: scenario.name.clone(),
        system: scenario.system.clone(),
        seed: scenario.seed,
        digest: record.digest.clone(),
        rule: rule.clone(),
        detail: sighting.detail.clone(),
        end_ns: record.simulated_ns,
        finding: name(finding),
        sentence: sentence(finding, samples),
        points: points.collect(),
        jump,
        faults: reports::analyse(record).faults,
    }
}

const fn name(finding: Finding) -> &'static str {
    match finding {
        Finding::FromTheStart => "from_the_start",
        Finding::Jump => "jump",
        Finding::AtTheEnd => "at_the_end",
        Finding::Gradual => "gradual",
        Finding::Never => "never",
    }
}

fn sentence(finding: Finding, samples: &[Sample]) -> String {
    let percent = |s: &Sample| format!("{:.0} %", s.probability() * 100.0);
    let (Some(first), Some((from, to))) = (samples.first(), bisect::steepest(samples)) else { return String::new() };
    match finding {
        Finding::FromTheStart => {
            format!("No moment doomed it: {} fail from the start", percent(first))
        }
        // Doomed is what mostly fails from then on, whatever the luck.
        Finding::Jump if to.interval().0 > 0.5 => {
            format!("Doomed at {}: {} of the forks before fail, {} after", brief(to.at), percent(&from), percent(&to))
        }
        Finding::Jump => {
            format!(
                "Failure grew likelier at {}: {} of the forks before fail, {} after",
                brief(to.at),
                percent(&from),
                percent(&to)
            )
        }
        Finding::AtTheEnd => {
            let last = to.at.since(from.at);
            format!("Not doomed until the last {last}: {} before, {} then", percent(&from), percent(&to))
        }
        Finding::Gradual => {
            format!("No single moment doomed it: failure grew likelier step by step, from {}", percent(first))
        }
        Finding::Never => "Bad luck at the very end: hardly any fork fails".to_owned(),
    }
}

/// A time to the microsecond.
fn brief(at: Instant) -> Instant {
    Instant(at.0.div_ceil(1000) * 1000)
}

fn table(bisected: &BugProbability) -> String {
    let mut text = format!("{:>14}  {:>9}  {:>6}  95 % interval\n", "forked at", "failed", "share");
    for p in &bisected.points {
        let here = bisected.jump.as_ref().is_some_and(|jump| jump.to_ns == p.at_ns);
        text.push_str(&format!(
            "{:>14}  {:>9}  {:>4.0} %  {:>3.0} to {:.0} %{}\n",
            brief(Instant(p.at_ns)).to_string(),
            format!("{}/{}", p.failed, p.forks),
            p.probability * 100.0,
            p.low * 100.0,
            p.high * 100.0,
            if here { "   <- the steepest step ends here" } else { "" },
        ));
    }
    text.push_str(&format!("\n{}\n", bisected.sentence));
    let Some(jump) = &bisected.jump else { return text };
    let doubt = if jump.clear { "" } else { " (within chance: more --forks would tell)" };
    text.push_str(&format!("\nbetween {} and {}{doubt}\n", Instant(jump.from_ns), Instant(jump.to_ns)));
    for event in &jump.events {
        text.push_str(&format!("  {:<14} {:<14} {}\n", Instant(event.at_ns).to_string(), event.event, event.text));
    }
    if jump.events.is_empty() {
        text.push_str("  nothing but the luck of what comes after\n");
    }
    if jump.events_left_out > 0 {
        text.push_str(&format!("  and {} more events: see the trace\n", jump.events_left_out));
    }
    text
}

/// How many events of the jump are told.
const TOLD: usize = 20;

/// What happened in the stretch `from < at <= to` of the run itself, the weightiest first to be kept, in order of time.
fn events(
    registry: &Registry,
    failing: &Failing,
    schedule: &Schedule,
    (from, to): (Instant, Instant),
) -> (Vec<JumpEvent>, u64) {
    let mut window = Window { from: from.0, to: to.0, part: Vec::new(), events: Vec::new() };
    let Some(system) = registry.get(&failing.scenario.system) else { return (Vec::new(), 0) };
    let traced = system.run(RunRequest {
        scenario: &failing.scenario,
        schedule,
        seed: failing.scenario.seed,
        history: None,
        trace: Some(&mut window),
        trace_mode: TraceMode::All,
        keep_ops: false,
        evidence: None,
        progress: &mut |_| {},
    });
    debug_assert!(traced.is_ok(), "it ran before, and nothing is written to a disk");
    let mut all = window.events;
    let told = |event: &JumpEvent| match event.event.as_str() {
        "fault_started" | "fault_ended" | "crashed" | "booted" | "paused" | "resumed" => 0,
        "fact" => 1,
        "dropped" | "delivered" | "synced" | "returned" | "timer" => 2,
        _ => 3,
    };
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|i| told(&all[*i]));
    let left_out = order.len().saturating_sub(TOLD);
    order.truncate(TOLD);
    order.sort_unstable();
    let kept: Vec<JumpEvent> = order
        .into_iter()
        .map(|i| std::mem::replace(&mut all[i], JumpEvent { at_ns: 0, event: String::new(), text: String::new() }))
        .collect();
    (kept, left_out as u64)
}

/// Keeps the lines of a trace that lie in a stretch of time.
struct Window {
    from: u64,
    to: u64,
    /// The beginning of a line whose end has not come yet.
    part: Vec<u8>,
    events: Vec<JumpEvent>,
}

impl Write for Window {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            self.part.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.part);
                self.line(&line);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Window {
    fn line(&mut self, line: &[u8]) {
        #[derive(serde::Deserialize)]
        struct Line {
            at_ns: u64,
            event: String,
            node: Option<String>,
            from: Option<String>,
            to: Option<String>,
            kind: Option<String>,
            detail: Option<String>,
        }
        let Ok(line) = serde_json::from_slice::<Line>(line) else { return };
        if line.at_ns <= self.from || line.at_ns > self.to {
            return;
        }
        let way = match (line.node, line.from, line.to) {
            (Some(node), ..) => node,
            (None, Some(from), Some(to)) => format!("{from} to {to}"),
            (None, from, to) => from.or(to).unwrap_or_default(),
        };
        let what = match (line.kind, line.detail) {
            // A detail begins with the kind where there is one.
            (Some(kind), Some(detail)) if !detail.to_lowercase().starts_with(&kind.to_lowercase()) => {
                format!("{kind} {detail}")
            }
            (kind, detail) => detail.or(kind).unwrap_or_default(),
        };
        let text: String = format!("{way}  {what}").trim().chars().take(160).collect();
        self.events.push(JumpEvent { at_ns: line.at_ns, event: line.event, text });
    }
}
