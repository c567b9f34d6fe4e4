//! The command line as written: every flag, its help, its default.

mod budget;
mod engines;
mod examples;
mod history;
mod output;

pub use budget::Budget;
pub use engines::{Emit, EmitArgs};
pub use history::{FailedCasArg, HistoryArgs, ModelArg};
pub use output::Output;

use clap::builder::TypedValueParser;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use scenarios::sweep::{Seeds, Shard, Vary};
use sim_core::units::DurationText;
use std::path::{Path, PathBuf};

/// Where results go unless somebody says otherwise.
pub const DEFAULT_OUT: &str = "runs";

/// Deterministic simulation of distributed systems: what happens to us when the leader's zone goes dark?
#[derive(Debug, Parser)]
#[command(name = "splitbrain", version, about, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// The command line of the program that people started, under its own name.
    pub fn named() -> clap::Command {
        let command = Self::command().name(reports::program()).bin_name(reports::program());
        examples::with(command, reports::program())
    }
}

const EXIT_CODES: &str = "\
Exit codes: 0 all held; 1 a safety rule or an expectation failed (a panic in a node is the broken rule no_panic); 2 bad usage or bad scenario; 3 inconclusive (a checker \
ran out of budget, or a fault never bit); 4 a replay or twin run differed; 70 a bug in splitbrain; 74 the machine would \
not (a full disk, a read-only folder, a file where a folder should be); 130 interrupted.";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run scenarios and report
    Run(RunArgs),
    /// Run a scenario with many seeds and settings, on all cores; the same command resumes
    Sweep(SweepArgs),
    /// Look for a run that breaks a rule: seeds are guided by what few runs went through, not only drawn
    Explore(ExploreArgs),
    /// Go every way in which a small cluster can go, up to so many steps, without luck
    Enumerate(EnumerateArgs),
    /// Put the shards of a sweep together
    Merge(MergeArgs),
    /// Run scenarios with the same seeds: which is down for less time, by how much, how sure?
    Compare(CompareArgs),
    /// How long the design is down in a year, when things fail as often as its [[hazard]] say
    Forecast(ForecastArgs),
    /// Check scenario files without running them
    Check(CheckArgs),
    /// Run a finished run again from its own folder and compare digests
    Replay(ReplayArgs),
    /// Make a failing run as small as it gets while the same rule still fails
    Shrink(ShrinkArgs),
    /// Find when a failing run became doomed: fork it along time and see how often the forks fail
    Bisect(BisectArgs),
    /// Show what happened in a run, event by event
    Trace(TraceArgs),
    /// Find the first event at which two runs part: exit code 0 if they never do, 1 if they do
    Diff(DiffArgs),
    /// Make the report of finished runs and sweeps again from their files
    Report(ReportArgs),
    /// Look at all runs and sweeps of a folder in a browser: find, sort, set side by side
    Serve(ServeArgs),
    /// Switch known bugs on in storms, one at a time: which rule catches each, and how soon?
    Bugs(BugsArgs),
    /// Judge a recorded history: is there an order that explains every answer?
    History(HistoryArgs),
    /// List what there is
    List(ListArgs),
    /// Print a scenario of the library, to read or to begin one's own with
    Show(ShowArgs),
    /// Write a first scenario for a system, or the crate of a first protocol
    New(NewArgs),
    /// Print the JSON schema of scenario files
    Schema,
    /// Print what makes a shell complete this command's flags
    Completions(CompletionsArgs),
    /// Print a manual page, of this program or of one of its commands
    Man(ManArgs),
}

/// Flags of `show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Its name, as `list scenarios` has it: raft/leader-crash
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Flags of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Scenario files (TOML, or JSON with the same fields), or names of the library; - reads standard input
    #[arg(required_unless_present = "manifest", conflicts_with = "manifest", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// A scenario made of manifests, instead of a file
    #[command(flatten)]
    pub manifests: ManifestArgs,
    /// The seed, instead of the scenario's own
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Where results go: `DIR/<name>/<seed>/`
    #[arg(long, value_name = "DIR", default_value = DEFAULT_OUT)]
    pub out: PathBuf,
    /// Override a field by its dotted path, e.g. --set scenario.duration=1h (may be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Run twice and compare: exit code 4 if the runs differ
    #[arg(long)]
    pub twin: bool,
    /// Trace everything, not only from the first fault on
    #[arg(long)]
    pub trace: bool,
    /// Leave the messages around outages and faults out of the report, for which the run is made a second time
    #[arg(long)]
    pub no_diagram: bool,
    /// What is printed: a summary for people, one JSON report a line, or each rule of each run for CI
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub format: Output,
}

/// Flags of `run` that make a scenario.
#[derive(Debug, Args)]
pub struct ManifestArgs {
    /// Run a Kubernetes manifest (YAML) under a small load, without a scenario file (may be repeated)
    #[arg(long, value_name = "FILE")]
    pub manifest: Vec<PathBuf>,
    /// On so many nodes, beside the control plane [default: 3]
    #[arg(long, value_name = "N", requires = "manifest")]
    pub nodes: Option<u32>,
    /// With this fault, e.g. --fault "crash node at 30s for 60s" (may be repeated)
    #[arg(long, value_name = "FAULT", requires = "manifest")]
    pub fault: Vec<String>,
    /// For so long
    #[arg(long, value_name = "TIME", requires = "manifest", default_value = "2m")]
    pub duration: DurationText,
}

/// Flags of `sweep`.
#[derive(Debug, Args)]
pub struct SweepArgs {
    /// The scenario file
    #[arg(value_name = "FILE", required_unless_present = "watch")]
    pub file: Option<PathBuf>,
    /// Which seeds: 7, or 1..1000 (both ends included), or 1..10,20..30
    #[arg(long, value_name = "SEEDS", default_value = "1..1000")]
    pub seeds: Seeds,
    /// A field by its dotted path and the values it takes; all combinations are run (may be repeated)
    #[arg(long, value_name = "KEY=A,B,C")]
    pub vary: Vec<Vary>,
    /// How many runs at a time [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Only the K-th of N parts; `merge` puts them together
    #[arg(long, value_name = "K/N", default_value = "1/1", hide_default_value = true)]
    pub shard: Shard,
    /// Where results go: `DIR/<name>/sweep/`, or `sweep-K-of-N/` for a shard
    #[arg(long, value_name = "DIR", default_value = DEFAULT_OUT)]
    pub out: PathBuf,
    /// Override a field by its dotted path (may be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// What is printed: a summary for people, summary.json, or each run for CI
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub format: Output,
    /// As jobs for an engine of many machines
    #[command(flatten)]
    pub emit: EmitArgs,
}

impl SweepArgs {
    /// The scenario file; there is one unless the sweep is only watched.
    pub fn file(&self) -> &Path {
        self.file.as_deref().unwrap_or(Path::new(""))
    }
}

/// Flags of `explore`.
#[derive(Debug, Args)]
pub struct ExploreArgs {
    /// The scenario file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How many runs at most: 2000; or for how long, 10m: then the machine decides how many
    #[arg(long, value_name = "RUNS|TIME", default_value = "2000")]
    pub budget: Budget,
    /// Where the search begins: the same start and as many runs give the same search [default: the scenario's seed]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Do not stop at the first run that fails
    #[arg(long)]
    pub keep_going: bool,
    /// How many runs at a time [default: one a core]; the search is the same
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Where failing runs go: `DIR/<name>/explore-<seed>/failures/`
    #[arg(long, value_name = "DIR", default_value = DEFAULT_OUT)]
    pub out: PathBuf,
    /// Override a field by its dotted path (may be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// What is printed: words for people, or one JSON object
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Flags of `enumerate`.
#[derive(Debug, Args)]
pub struct EnumerateArgs {
    /// The scenario file: its cluster, its options and its first workload; faults, network and times are of no account
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How many steps a way has at most: a message that arrives, a timer that rings, a process that dies or starts
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub depth: u32,
    /// How often timers ring, in all
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub timers: u32,
    /// Which timers may ring, by their names in traces (may be repeated) [default: all]
    #[arg(long, value_name = "TIMER")]
    pub ring: Vec<String>,
    /// How many messages are on their way at once: where there would be more, the oldest is lost
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub under_way: u32,
    /// How often processes die, in all
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub crashes: u32,
    /// How many operations of the first workload are asked for
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub asks: u32,
    /// A sync is a step of its own: a process may die before what it has written is on its disk
    #[arg(long)]
    pub disk: bool,
    /// How many states are remembered; a search that needs more ends inconclusive
    #[arg(long, value_name = "N", default_value_t = 2_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub states: u32,
    /// Override a field by its dotted path (may be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// What is printed: words for people, or one JSON object
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Flags of `merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// The folders of all shards, or folders that hold them
    #[arg(required = true, value_name = "DIR")]
    pub dirs: Vec<PathBuf>,
    /// Where the whole goes: results.jsonl, summary.json and the failures
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// What is printed: a summary for people, or summary.json
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Flags of `compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The scenario files, or names of the library: two are set side by side, more are ranked
    #[arg(required = true, value_name = "FILE", num_args = 1..=26)]
    pub files: Vec<PathBuf>,
    /// One file against itself without each of its faults: what does each cost?
    #[arg(long, conflicts_with = "vary")]
    pub remove_fault: bool,
    /// One file with these values of a field, each combination a design of its own (may be repeated)
    #[arg(long, value_name = "KEY=A,B,C")]
    pub vary: Vec<Vary>,
    /// In nines per year: the forecasts of designs with [[hazard]], over the same draws of the years
    #[arg(long, conflicts_with_all = ["remove_fault", "seeds", "out"])]
    pub forecast: bool,
    /// Of --forecast: for so many years [default: 1]
    #[arg(long, value_name = "N", requires = "forecast")]
    pub years: Option<f64>,
    /// Of --forecast: how many samples of them are drawn [default: 20000]
    #[arg(long, value_name = "N", requires = "forecast", value_parser = samples())]
    pub samples: Option<usize>,
    /// Of --forecast: with how many seeds each situation is simulated [default: 5]
    #[arg(long, value_name = "N", requires = "forecast", value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub runs: Option<u32>,
    /// Which seeds: 7, or 1..200 (both ends included), or 1..10,20..30
    #[arg(long, value_name = "SEEDS", default_value = "1..200")]
    pub seeds: Seeds,
    /// How many runs at a time [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Where results go: `DIR/<name of one>-vs-<name of another>/`
    #[arg(long, value_name = "DIR", default_value = DEFAULT_OUT)]
    pub out: PathBuf,
    /// Override a field of all by its dotted path (may be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// What is printed: a conclusion for people, or compare.json
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// How many samples of years make sense.
fn samples() -> impl TypedValueParser<Value = usize> {
    clap::value_parser!(u32).range(100..=10_000_000).map(|n| n as usize)
}

/// Flags of `forecast`.
#[derive(Debug, Args)]
pub struct ForecastArgs {
    /// The scenario file, with [[hazard]]
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// For so many years
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    pub years: f64,
    /// How many samples of them are drawn
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = samples())]
    pub samples: usize,
    /// With how many seeds each situation is simulated
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub runs: u32,
    /// How many runs at a time [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Override a field by its dotted path (may be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// What is printed: words for people, or one JSON object
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Flags of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Scenario files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Override a field by its dotted path (may be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Of a swarm: how many of these seeds have each kind of fault
    #[arg(long, value_name = "RANGE")]
    pub seeds: Option<Seeds>,
    /// What is printed: words for people, one JSON object for each file, or each file for CI
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub format: Output,
}

/// Flags of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The folder of a finished run, e.g. runs/raft-leader-crash/42
    #[arg(value_name = "RUN_DIR")]
    pub dir: PathBuf,
}

/// Flags of `shrink`.
#[derive(Debug, Args)]
pub struct ShrinkArgs {
    /// The folder of a run that failed
    #[arg(value_name = "RUN_DIR")]
    pub dir: PathBuf,
    /// The rule that must stay broken, if several were [default: the first]
    #[arg(long, value_name = "RULE")]
    pub rule: Option<String>,
    /// At most this many runs
    #[arg(long, value_name = "N", default_value_t = 4000, value_parser = clap::value_parser!(u64).range(1..))]
    pub max_runs: u64,
    /// A field that stays as it is, by its dotted path, e.g. --keep system.bug or --keep fault (may be repeated)
    #[arg(long, value_name = "KEY")]
    pub keep: Vec<String>,
    /// Where no step works with the run's own seed, try it with the seeds 1 to N; 0 keeps to the seed
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u64).range(..=1000))]
    pub other_seeds: u64,
    /// How many runs at a time [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Where the small run goes [default: beside the folder, with -shrunk at the end of its name]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Flags of `bisect`.
#[derive(Debug, Args)]
pub struct BisectArgs {
    /// The folder of a run that failed
    #[arg(value_name = "RUN_DIR")]
    pub dir: PathBuf,
    /// The rule to look at, if several were broken [default: the first]
    #[arg(long, value_name = "RULE")]
    pub rule: Option<String>,
    /// How many forks at each time
    #[arg(long, value_name = "K", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub forks: u32,
    /// At how many times: half of them evenly over the run, the others where the curve is steepest
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub points: u32,
    /// How many runs at a time [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Where bisect.json and charts/bug-probability.svg and .png go [default: the run's folder]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Flags of `trace`.
#[derive(Debug, Args)]
pub struct TraceArgs {
    /// The folder of a run
    #[arg(value_name = "RUN_DIR")]
    pub dir: PathBuf,
    /// From when on, e.g. 9.8s
    #[arg(long, value_name = "TIME")]
    pub from: Option<DurationText>,
    /// Until when
    #[arg(long, value_name = "TIME")]
    pub to: Option<DurationText>,
    /// Only what this node or client takes part in, e.g. n3 (may be repeated)
    #[arg(long, value_name = "NODE")]
    pub node: Vec<String>,
    /// Only messages of this kind, e.g. AppendEntries (may be repeated; adds to --fact and --event)
    #[arg(long, value_name = "KIND")]
    pub message: Vec<String>,
    /// Only facts of this kind, e.g. elected (may be repeated)
    #[arg(long, value_name = "NAME")]
    pub fact: Vec<String>,
    /// Only events of this name, e.g. crashed (may be repeated)
    #[arg(long, value_name = "NAME")]
    pub event: Vec<String>,
    /// What is written
    #[arg(long, value_enum, default_value_t = TraceForm::Text)]
    pub format: TraceForm,
}

/// What `trace` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TraceForm {
    /// Aligned columns for people
    Text,
    /// A log with vector clocks for ShiViz
    Shiviz,
    /// Chrome trace events for ui.perfetto.dev
    Perfetto,
    /// The lines of trace.jsonl
    Jsonl,
}

/// Flags of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The folder of a run
    #[arg(value_name = "RUN_A")]
    pub a: PathBuf,
    /// The folder of another
    #[arg(value_name = "RUN_B")]
    pub b: PathBuf,
    /// What is printed: words for people, or one JSON object
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Flags of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Folders of finished runs or sweeps
    #[arg(required = true, value_name = "RUN_DIR")]
    pub dirs: Vec<PathBuf>,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Flags of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The folder of runs and sweeps
    #[arg(value_name = "DIR", default_value = DEFAULT_OUT)]
    pub dir: PathBuf,
    /// Write the page and every report into this folder, to be published, and serve nothing
    #[arg(long, value_name = "DIR", conflicts_with = "port")]
    pub export: Option<PathBuf>,
    /// The port on this machine, which nobody else can reach; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 8080)]
    pub port: u16,
}

/// Flags of `bugs`.
#[derive(Debug, Args)]
pub struct BugsArgs {
    /// Scenario files that hold without a bug, or folders of them; those called chaos*.toml are tried first
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Which seeds, at most: 7, or 1..2000 (both ends included), or 1..10,20..30
    #[arg(long, value_name = "SEEDS", default_value = "1..2000")]
    pub seeds: Seeds,
    /// Only this bug (may be repeated)
    #[arg(long, value_name = "NAME")]
    pub bug: Vec<String>,
    /// How many runs at a time [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
}

/// Flags of `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// What to list
    #[arg(value_enum)]
    pub what: Listing,
    /// What is printed: words for people, or JSON
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Flags of `new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The system; `list systems` names them [default: the first of them]
    #[arg(value_name = "SYSTEM", conflicts_with = "protocol")]
    pub system: Option<String>,
    /// Where the scenario goes [default: my-SYSTEM.toml]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Instead of a scenario, the crate of a protocol of your own: a folder of this name
    #[arg(long, value_name = "NAME")]
    pub protocol: Option<String>,
}

/// Flags of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Flags of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Of which command; of the program itself if none is named
    #[arg(value_name = "COMMAND")]
    pub command: Option<String>,
}

/// What `list` can list.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Listing {
    /// The systems under test and their options
    Systems,
    /// Fault kinds, partition shapes, targets
    Faults,
    /// The scenario files of the library
    Scenarios,
    /// Known bugs that can be switched on
    Bugs,
    /// The rules that runs are judged by, and what `expect.violates` may name
    Rules,
    /// The figures that [expect] may bound
    Metrics,
}

/// What goes to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A summary for people
    Text,
    /// JSON alone
    Json,
}
