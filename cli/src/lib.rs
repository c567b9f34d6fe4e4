//! The composition root: every verb of the command line, over whatever systems a program knows. `main.rs` is a program
//! that knows this repository's; somebody else's has the same lines and a registry of its own.

/// A line on standard error, in the name of the program: `complain!("{path}: not a folder")`.
macro_rules! complain {
    ($($what:tt)*) => { eprintln!("{}: {}", reports::program(), format_args!($($what)*)) };
}

mod args;
mod bisect;
pub mod bugs;
mod check;
mod ci;
mod compare;
mod completions;
mod diff;
mod enumerate;
mod executable;
mod exit;
mod explore;
mod failing;
mod forecast;
mod history;
mod interrupt;
mod lines;
mod list;
mod manifest;
mod merge;
mod new;
mod recorded;
mod replay;
mod report;
mod run;
mod run_dir;
mod serve;
mod setup;
mod shrink;
mod sweep;
mod terminal;
mod told;
mod trace;
mod wall;

pub use scenarios::Registry;

/// What a protocol needs, in one line.
pub mod prelude {
    pub use crate::Registry;
    pub use sim_core::measures::Measures;
    pub use sim_core::metric::{Metric, MetricKind, Unit};
    pub use sim_core::units::{ByteSize, DurationText, RangeText};
    pub use sim_core::workload::{Class, Generated, Load, Op, OperationKind, Verb};
    pub use sim_core::{
        Bug, Client, ClientId, Collect, Completion, Duration, Effect, Effects, Fact, Fate, Finished, History, Instant,
        Invalid, Kind, LocalInstant, Message, Node, NodeId, NodeSet, Observed, Observer, Operation, Outcome,
        Probability, Record, Replay, Role, Rule, Shape, Span, System, Ticket, Timer, Verdict, Violation, WriteId,
        catalogue, choices, facts, messages, operations, options, records, rules,
    };
}
pub use sim_core;

use args::{Cli, Command};
use clap::FromArgMatches;
use exit::Exit;
use std::path::Path;
use std::process::ExitCode;

/// Every system of this repository.
// The unit tests of this crate run no system, and are spared the minutes in which every engine would be built again.
#[cfg(not(test))]
#[must_use]
pub fn registry() -> Registry {
    let mut registry = Registry::new();
    systems::collect(&mut registry);
    registry
}

/// The whole command line, for the systems of `registry`: what a program's own `main` returns.
#[must_use]
pub fn main(registry: Registry) -> ExitCode {
    // People are told to use the program that they started.
    let name = std::env::args_os().next().and_then(|path| Some(Path::new(&path).file_stem()?.to_str()?.to_owned()));
    reports::set_program(&name.unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned()));
    let parsed = Cli::from_arg_matches(&Cli::named().get_matches());
    let cli = parsed.unwrap_or_else(|error| error.exit());
    interrupt::watch();
    // A panic is a bug in splitbrain, whatever the input was: say so, with the code that means it.
    let command = || dispatch(&registry, &cli).max(run::unsaid());
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(command));
    outcome.unwrap_or_else(|_| {
        eprintln!("\nsplitbrain: this is a bug in splitbrain, not in your scenario. Please report it with the command you ran.");
        Exit::Bug
    })
    .into()
}

fn dispatch(registry: &Registry, cli: &Cli) -> Exit {
    match &cli.command {
        Command::Run(args) => run::run(registry, args),
        Command::Sweep(args) => sweep::sweep(registry, args),
        Command::Explore(args) => explore::explore(registry, args),
        Command::Enumerate(args) => enumerate::enumerate(registry, args),
        Command::Merge(args) => merge::merge(args),
        Command::Compare(args) => compare::compare(registry, args),
        Command::Forecast(args) => forecast::forecast(registry, args),
        Command::Check(args) => check::check(registry, args),
        Command::Replay(args) => replay::replay(registry, args),
        Command::Shrink(args) => shrink::shrink(registry, args),
        Command::Bisect(args) => bisect::bisect(registry, args),
        Command::Trace(args) => trace::trace(registry, args),
        Command::Diff(args) => diff::diff(registry, args),
        Command::Report(args) => report::report(registry, args),
        Command::Serve(args) => serve::serve(args),
        Command::Bugs(args) => bugs::bugs(registry, args),
        Command::History(args) => history::history(args),
        Command::List(args) => list::list(registry, args),
        Command::Show(args) => list::show(args),
        Command::New(args) => new::new(registry, args),
        Command::Schema => list::schema(registry),
        Command::Completions(args) => completions::completions(args),
        Command::Man(args) => completions::man(args),
    }
}
