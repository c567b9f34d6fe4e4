//! `splitbrain run`: check every file, then run, report and judge each.

use crate::args::{DEFAULT_OUT, Output, RunArgs};
use crate::ci::{self, Came, Case, Suite};
use crate::exit::Exit;
use crate::interrupt::{self, Kept};
use crate::lines::{Cutter, Take};
use crate::run_dir::{DirError, Partial};
use crate::terminal::{self, headed, say_wrapped};
use crate::told;
use crate::wall::{Bar, Stopwatch};
use reports::{Beside, program, quoted};
use scenarios::runner::{Evidence, Moment, RunError, RunRequest, TraceMode};
use scenarios::{Registry, Scenario};
use sim_core::Instant;
use sim_core::fault::Schedule;
use sim_core::record::{Ruling, RunRecord};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

/// Why a run has no result.
#[derive(Debug)]
pub enum Trouble {
    /// Its folder can not be written.
    Dir(DirError),
    /// It could not be made.
    Run(RunError),
    /// Its report can not be written.
    Report(reports::WriteError),
}

impl From<DirError> for Trouble {
    fn from(e: DirError) -> Self {
        Self::Dir(e)
    }
}
impl From<RunError> for Trouble {
    fn from(e: RunError) -> Self {
        Self::Run(e)
    }
}
impl From<reports::WriteError> for Trouble {
    fn from(e: reports::WriteError) -> Self {
        Self::Report(e)
    }
}

impl Trouble {
    /// With which code a command ends that met it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Run(RunError::Options { .. }) => Exit::Usage,
            Self::Dir(_) | Self::Report(_) | Self::Run(RunError::Io(_)) => Exit::Environment,
        }
    }

    /// Says it; the exit code it stands for.
    pub fn tell(&self) -> Exit {
        complain!("{self}");
        self.exit()
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dir(e) => e.fmt(f),
            Self::Run(e) => e.fmt(f),
            Self::Report(e) => e.fmt(f),
        }
    }
}

/// Runs the command.
pub fn run(registry: &Registry, args: &RunArgs) -> Exit {
    let mut worst = Exit::Held;
    let (files, scenarios) = if args.manifests.manifest.is_empty() {
        let Some(scenarios) = crate::check::load_all(registry, &args.files, &args.set) else { return Exit::Usage };
        (args.files.clone(), scenarios)
    } else {
        match crate::manifest::scenario(registry, &args.manifests, &args.set) {
            Ok(scenario) => (vec![PathBuf::from(format!("{}.toml", scenario.name))], vec![scenario]),
            Err(exit) => return exit,
        }
    };
    let mut suites = Vec::new();
    for (path, scenario) in files.iter().zip(&scenarios) {
        let seed = args.seed.unwrap_or(scenario.seed);
        if args.format == Output::Text {
            say(&headed(&format!("{}  seed {seed}", scenario.name), &again(args, path, scenario, seed)));
        }
        let mut suite = Suite {
            name: scenario.name.clone(),
            file: path.display().to_string(),
            properties: vec![("seed", seed.to_string()), ("again", again(args, path, scenario, seed))],
            caution: None,
            cases: Vec::new(),
        };
        let exit = match one(registry, args, scenario, seed, &mut suite) {
            Ok(exit) => exit,
            Err(trouble) => trouble.tell(),
        };
        suites.push(suite);
        if args.format == Output::Text {
            beside(registry, args, path, scenario, seed);
        }
        worst = worst.max(exit);
    }
    if let Some(told) = ci::told(args.format, &suites) {
        say(&told);
    }
    worst
}

/// What is worth knowing once the verdict has been read: what the seed drew of a swarm, and that `check` has notes.
fn beside(registry: &Registry, args: &RunArgs, path: &Path, scenario: &Scenario, seed: u64) {
    if let Some(draw) = scenario.draw(seed) {
        crate::check::drawn(&draw);
    }
    let notes = match scenarios::notes(scenario, registry).len() {
        0 => return,
        1 => "1 note".to_owned(),
        n => format!("{n} notes"),
    };
    if scenarios::is_standard_input(path) {
        return say(&format!("{notes} on this scenario: {} check - tells\n", program()));
    }
    if !args.manifests.manifest.is_empty() {
        // There is no file to check.
        return scenarios::notes(scenario, registry).iter().for_each(|note| say_wrapped(&format!("note: {note}"), 6));
    }
    let set: String = args.set.iter().map(|set| format!(" --set {}", quoted(set))).collect();
    say(&format!("{notes} on this scenario: {} check {}{set}\n", program(), quoted(&path.display().to_string())));
}

/// The command that makes a run again.
fn again(args: &RunArgs, path: &Path, scenario: &Scenario, seed: u64) -> String {
    if scenarios::is_standard_input(path) {
        // What came through a pipe is gone; the folder has it.
        let dir = args.out.join(&scenario.name).join(seed.to_string());
        return format!("{} replay {}", program(), quoted(&dir.display().to_string()));
    }
    let made = crate::manifest::flags(&args.manifests);
    let what = if made.is_empty() { format!(" {}", quoted(&path.display().to_string())) } else { made };
    let mut command = format!("{} run{what}", program());
    if let Some(seed) = args.seed {
        command.push_str(&format!(" --seed {seed}"));
    }
    command.push_str(&out_flag(&args.out));
    args.set.iter().for_each(|set| command.push_str(&format!(" --set {}", quoted(set))));
    for (flag, is_on) in [(" --twin", args.twin), (" --trace", args.trace), (" --no-diagram", args.no_diagram)] {
        command.push_str(if is_on { flag } else { "" });
    }
    command
}

/// `--out DIR`, if results do not go where they go without it.
pub fn out_flag(out: &Path) -> String {
    if out == Path::new(DEFAULT_OUT) { String::new() } else { format!(" --out {}", quoted(&out.display().to_string())) }
}

/// Why something could not be said.
static UNSAID: OnceLock<io::Error> = OnceLock::new();

/// Writes to standard output. The program goes on where that is not possible, and [`unsaid`] tells in the end.
pub fn say(text: &str) {
    heard(io::stdout().write_all(text.as_bytes()));
}

fn heard(said: io::Result<()>) {
    if let Err(error) = said {
        // The first reason is the one that people can do something about.
        let _ = UNSAID.set(error);
    }
}

/// Complains if not all of what was said could be written; a reader that has gone away (a closed pipe) is no reason to.
pub fn unsaid() -> Exit {
    heard(io::stdout().flush());
    match UNSAID.get() {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain!("standard output can not be written: {}", reports::reason(error));
            Exit::Environment
        }
        _ => Exit::Held,
    }
}

/// A run in its folder.
pub struct Finished {
    /// What was seen.
    pub record: RunRecord,
    /// What was made of it.
    pub report: reports::Report,
    /// Where it all is.
    pub dir: PathBuf,
    /// Wall time of the run itself.
    pub simulated: Duration,
    /// Wall time of the second run, for the messages of its moments.
    pub again: Duration,
    /// Wall time of everything.
    pub wall: Duration,
    /// How the twin run differed, if one was made and did.
    pub twin: Option<String>,
}

/// How a run goes into its folder.
#[derive(Clone, Copy, Debug, Default)]
pub struct Folder<'a> {
    /// Comments at the head of its scenario.
    pub preface: &'a str,
    /// How much is traced.
    pub trace_mode: TraceMode<'a>,
    /// Whether it shows how far it is.
    pub bars: Bars,
    /// Whether a second run is made beside it and compared.
    pub twin: bool,
    /// Whether its report goes without the messages of its moments.
    pub no_diagram: bool,
    /// What becomes of what is in its place.
    pub place: Place,
}

/// What becomes of what lies where a run's folder should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// It stays, unless it is the same run; the new folder goes beside it.
    #[default]
    Free,
    /// The folder has this name alone, and can be made again from what is kept elsewhere.
    Fixed,
}

/// Runs a scenario into a folder: everything that `run` leaves, whoever asks for it.
pub fn into_folder(
    registry: &Registry,
    scenario: &Scenario,
    schedule: &Schedule,
    seed: u64,
    folder: Partial,
    how: Folder<'_>,
) -> Result<Finished, Trouble> {
    let text = format!("{}{}", how.preface, scenarios::to_toml(scenario, schedule, seed));
    folder.write("scenario.toml", &text)?;
    let mut history = folder.create("history.jsonl")?;
    let mut trace = folder.create("trace.jsonl")?;
    let watch = Stopwatch::start();
    let Folder { trace_mode, bars, twin, .. } = how;
    let mut evidence = Evidence { twin, ..told::evidence() };
    let sinks =
        Sinks { history: Some(&mut history), trace: Some(&mut trace), trace_mode, bars, evidence: Some(&mut evidence) };
    let unwritten = |error| match error {
        RunError::Io(source) => Trouble::Dir(folder.unwritten(source)),
        other => Trouble::Run(other),
    };
    let mut record = simulate(registry, scenario, schedule, seed, sinks).map_err(unwritten)?;
    let twin = evidence.parted.as_ref().map(told::parted).or_else(|| {
        evidence.twin_record.as_ref().and_then(|twin| difference(&record, twin)).map(|what| format!("{what}\n"))
    });
    folder.write(crate::replay::CHECKPOINTS, &evidence.checkpoints.to_text())?;
    record.version = crate::recorded::VERSION.to_owned();
    record.scenario_fingerprint = crate::recorded::fingerprint(&text);
    let simulated = watch.elapsed();
    history.flush().and_then(|()| trace.flush()).map_err(|source| folder.unwritten(source))?;
    let report = reports::analyse(&record);
    reports::write_record(folder.path(), &record)?;
    let witness = crate::history::witness_of(folder.path(), &record);
    let setup = crate::setup::of(scenario.drawn(seed).as_ref(), &text);
    let before = watch.elapsed();
    let chosen = reports::moments::of(&report, &record);
    let moments = if chosen.is_empty() || how.no_diagram || !scenario.report.charts {
        String::new()
    } else {
        moments(registry, scenario, schedule, seed, &chosen)?
    };
    let again = watch.elapsed() - before;
    folder.write(reports::MOMENTS, &moments)?;
    let beside = Beside { witness: witness.as_ref(), setup: Some(&setup), moments: &moments };
    reports::write(folder.path(), &report, &record, &beside, scenario.report.charts)?;
    let wall = watch.elapsed();
    folder.write("run.json", &run_json(&record, simulated, wall))?;
    let dir = match how.place {
        Place::Free => {
            let placed = folder.finish(&record.digest)?;
            if let Some(other) = &placed.beside {
                let (other, dir) = (other.display(), placed.dir.display());
                complain!("{other} holds something else and stays; this run is in {dir}");
            }
            placed.dir
        }
        Place::Fixed => folder.replace()?,
    };
    Ok(Finished { record, report, dir, simulated, again, wall, twin })
}

/// What was said in the moments of a run, as lines of a trace. The run is the same whenever it is made: it is made once
/// more now that it is known which moments those are, and nothing is kept of all others.
fn moments(
    registry: &Registry,
    scenario: &Scenario,
    schedule: &Schedule,
    seed: u64,
    chosen: &[reports::moments::Moment],
) -> Result<String, RunError> {
    let at = |m: &reports::moments::Moment| Moment { from: Instant(m.from_ns), to: Instant(m.to_ns), lines: m.lines };
    let chosen: Vec<Moment> = chosen.iter().map(at).collect();
    let mut cutter = Cutter::new(Lines::default());
    let system = registry.get(&scenario.system).expect("a checked scenario names a registered system");
    system.run(RunRequest {
        scenario,
        schedule,
        seed,
        history: None,
        trace: Some(&mut cutter),
        trace_mode: TraceMode::Moments(&chosen),
        keep_ops: false,
        evidence: None,
        progress: &mut |_| {},
    })?;
    Ok(cutter.taker.0)
}

/// Keeps lines.
#[derive(Default)]
struct Lines(String);

impl Take for Lines {
    fn take(&mut self, raw: &str) -> io::Result<()> {
        self.0.push_str(raw);
        self.0.push('\n');
        Ok(())
    }
}

fn one(
    registry: &Registry,
    args: &RunArgs,
    scenario: &Scenario,
    seed: u64,
    suite: &mut Suite,
) -> Result<Exit, Trouble> {
    let schedule = scenarios::expand(scenario, seed);
    let folder = Partial::begin(&args.out, &scenario.name, seed)?;
    let trace_mode = if args.trace { TraceMode::All } else { TraceMode::FromFirstFault };
    let how = Folder { trace_mode, twin: args.twin, no_diagram: args.no_diagram, ..Folder::default() };
    let finished = into_folder(registry, scenario, &schedule, seed, folder, how)?;
    let Finished { record, report, dir, simulated, again, wall, twin } = finished;
    interrupt::keeps(Kept::Run(dir.clone()));

    let mut exit = exit_of(&report);
    if let Some(difference) = twin {
        eprint!("{}: the twin run differed: {difference}", reports::program());
        exit = Exit::Differed;
    }
    match args.format {
        Output::Junit | Output::Github => {
            suite.cases = report.verdicts.iter().map(case).collect();
            if exit == Exit::Differed {
                suite.cases.push(Case { came: Came::Failed, ..Case::held("the twin run is the same".to_owned()) });
            }
            suite.properties.push(("digest", record.digest.clone()));
            suite.properties.push(("report", dir.join("report.html").display().to_string()));
            suite.caution = reports::harm_sentence(&report);
        }
        Output::Json => say(&format!("{}\n", report.to_json_line())),
        Output::Text => {
            let text = reports::summary(&report, &dir, terminal::width(), terminal::colour());
            say(&format!("{}\n", text.trim_end()));
            // What was broken as expected is no riddle: its last events are in `record.json`, and `trace` tells them.
            if !record.last_events.is_empty() && report.ruling == Ruling::Fail {
                say("\nthe last events before the rule was broken:\n");
                told::lines(&record.last_events).iter().for_each(|line| say(&format!("    {line}\n")));
            }
        }
    }
    eprintln!(
        "{:.2} s of wall time, {:.1} M events, {:.2} M events a second, again for its messages {:.2} s, report {:.2} s",
        wall.as_secs_f64(),
        record.events as f64 / 1e6,
        record.events as f64 / 1e6 / simulated.as_secs_f64().max(1e-9),
        again.as_secs_f64(),
        (wall - simulated - again).as_secs_f64(),
    );
    Ok(exit)
}

/// A rule or an expectation of a run, as CI shows it.
fn case(verdict: &reports::Verdict) -> Case {
    let (name, why) = (verdict.rule.clone(), verdict.detail.clone());
    Case { came: verdict.verdict.into(), detail: why.clone(), why, ..Case::held(name) }
}

/// Where a run's lines go.
#[derive(Default)]
pub struct Sinks<'a> {
    /// Of `history.jsonl`.
    pub history: Option<&'a mut (dyn Write + Send + 'static)>,
    /// Of `trace.jsonl`.
    pub trace: Option<&'a mut (dyn Write + 'static)>,
    /// How much of it.
    pub trace_mode: TraceMode<'a>,
    /// Whether it shows how far it is.
    pub bars: Bars,
    /// What is kept to explain the run.
    pub evidence: Option<&'a mut Evidence>,
}

/// Whether a run shows how far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bars {
    /// When it takes long, and on a terminal.
    #[default]
    Shown,
    /// It is one of many.
    None,
}

/// Runs one scenario under a progress bar.
pub fn simulate(
    registry: &Registry,
    scenario: &Scenario,
    schedule: &Schedule,
    seed: u64,
    sinks: Sinks<'_>,
) -> Result<RunRecord, RunError> {
    let system = registry.get(&scenario.system).expect("a checked scenario names a registered system");
    let mut bar = (sinks.bars == Bars::Shown).then(|| Bar::new(&scenario.name));
    let record = system.run(RunRequest {
        scenario,
        schedule,
        seed,
        history: sinks.history,
        trace: sinks.trace,
        trace_mode: sinks.trace_mode,
        keep_ops: true,
        evidence: sinks.evidence,
        progress: &mut |done| {
            if let Some(bar) = &mut bar {
                bar.set(done);
            }
        },
    });
    if let Some(bar) = bar {
        bar.clear();
    }
    record
}

/// What a report means for the exit code.
pub fn exit_of(report: &reports::Report) -> Exit {
    match report.ruling {
        sim_core::record::Ruling::Pass => Exit::Held,
        sim_core::record::Ruling::Inconclusive => Exit::Inconclusive,
        sim_core::record::Ruling::Fail => Exit::Failed,
    }
}

/// What differs between two runs that should be equal.
pub fn difference(a: &RunRecord, b: &RunRecord) -> Option<String> {
    if a.digest != b.digest {
        return Some(format!("digest {} and {}, {} and {} events", a.digest, b.digest, a.events, b.events));
    }
    (a != b)
        .then(|| "equal digests but different records: something that is not in the digest is not deterministic".into())
}

fn run_json(record: &RunRecord, simulated: Duration, wall: Duration) -> String {
    let seconds = simulated.as_secs_f64();
    format!(
        "{{\n  \"version\": \"{}\",\n  \"simulate_seconds\": {seconds:.3},\n  \"wall_seconds\": {:.3},\n  \"events_per_second\": {:.0}\n}}\n",
        env!("CARGO_PKG_VERSION"),
        wall.as_secs_f64(),
        record.events as f64 / seconds.max(1e-9),
    )
}
