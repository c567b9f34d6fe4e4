//! `splitbrain completions` and `splitbrain man`: what a package brings besides the program, made from the same
//! declarations as `--help`.

use crate::args::{Cli, CompletionsArgs, ManArgs};
use crate::exit::Exit;
use crate::run::say;
use reports::program;

/// What makes a shell complete the command's names and flags.
pub fn completions(args: &CompletionsArgs) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::named(), program(), &mut script);
    say(&String::from_utf8_lossy(&script));
    Exit::Held
}

/// A manual page.
pub fn man(args: &ManArgs) -> Exit {
    let mut all = Cli::named();
    all.build();
    let page = match args.command.as_deref() {
        None => clap_mangen::Man::new(all),
        Some(name) => {
            let Some(one) = all.find_subcommand(name) else {
                let known: Vec<&str> = all.get_subcommands().map(clap::Command::get_name).collect();
                complain!("there is no command {name:?}; there are {}", known.join(", "));
                return Exit::Usage;
            };
            clap_mangen::Man::new(one.clone()).title(format!("{}-{name}", program()))
        }
    };
    let mut text = Vec::new();
    page.render(&mut text).expect("memory takes every line");
    say(&String::from_utf8_lossy(&text));
    Exit::Held
}
