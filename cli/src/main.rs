//! The composition root: the binary `splitbrain`.

mod args;
mod bisect;
mod check;
mod compare;
mod completions;
mod diff;
mod exit;
mod failing;
mod history;
mod interrupt;
mod lines;
mod list;
mod merge;
mod recorded;
mod replay;
mod report;
mod run;
mod run_dir;
mod shrink;
mod sweep;
mod terminal;
mod told;
mod trace;
mod wall;

use args::{Cli, Command};
use clap::Parser;
use exit::Exit;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    interrupt::watch();
    // A panic is a bug in splitbrain, whatever the input was: say so, with the code that means it.
    let outcome = std::panic::catch_unwind(|| dispatch(&cli));
    outcome.unwrap_or_else(|_| {
        eprintln!("\nsplitbrain: this is a bug in splitbrain, not in your scenario. Please report it with the command you ran.");
        Exit::Bug
    })
    .into()
}

fn dispatch(cli: &Cli) -> Exit {
    let registry = splitbrain::registry();
    match &cli.command {
        Command::Run(args) => run::run(&registry, args),
        Command::Sweep(args) => sweep::sweep(&registry, args),
        Command::Merge(args) => merge::merge(args),
        Command::Compare(args) => compare::compare(&registry, args),
        Command::Check(args) => check::check(&registry, args),
        Command::Replay(args) => replay::replay(&registry, args),
        Command::Shrink(args) => shrink::shrink(&registry, args),
        Command::Bisect(args) => bisect::bisect(&registry, args),
        Command::Trace(args) => trace::trace(&registry, args),
        Command::Diff(args) => diff::diff(&registry, args),
        Command::Report(args) => report::report(args),
        Command::History(args) => history::history(args),
        Command::List(args) => list::list(&registry, args),
        Command::Schema => list::schema(&registry),
        Command::Completions(args) => completions::completions(args),
    }
}
