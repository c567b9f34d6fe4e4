//! `splitbrain completions`: what makes a shell complete the command's names and flags.

use crate::args::{Cli, CompletionsArgs};
use crate::exit::Exit;
use crate::run::say;

/// Runs the command.
pub fn completions(args: &CompletionsArgs) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::named(), reports::program(), &mut script);
    say(&String::from_utf8_lossy(&script));
    Exit::Held
}
