//! Nodes as separate programs, in any language: one process for each, which speaks JSON on its standard streams, a
//! message a line, in the manner of Maelstrom. `docs/adapters.md` is the protocol.
//!
//! Nodes are driven in lock-step: a program is handed one input, and nothing else happens anywhere until it has said
//! that it is done with it. So a run is as deterministic as its programs are. The wall clock decides one thing alone:
//! when a program that says nothing is taken to hang.

mod node;
mod process;
mod rules;
mod wire;

pub use node::Programmed;
pub use rules::ProgramRules;

use rules::RULES;
use sim_core::measures::Measures;
use sim_core::units::DurationText;
use sim_core::workload::Load;
use sim_core::{Duration, Finished, Operation, Rule, System, Verdict};
use systems::shared::kv::{self, KvClient, KvCommand};

/// Timers that a program may set, from 0.
const TIMERS: u16 = 16;

sim_core::options! {
    /// What may be written in `[system]`.
    pub struct Options;

    /// What all nodes share.
    #[derive(Clone, Debug)]
    pub struct Config of shape {
        /// How many nodes there are.
        pub nodes: u32 = shape.nodes() as u32;
    }

    options {
        /// The program and its arguments, as a list; a path is taken from the folder in which splitbrain runs.
        command: Vec<String> = Vec::new(),
            wrong if command.is_empty() => ("no program"), "for example [\"./node.py\"]",
            wrong if process::cannot_start(command).is_some() =>
                ("{}", process::cannot_start(command).unwrap_or_default()),
                "an executable file, by a path from the folder in which splitbrain runs, or a name in PATH";
        /// How long a program may think about one input, by the clock on the wall, before it is taken to hang.
        patience: DurationText = DurationText::millis(10_000),
            wrong if patience.0 < Duration::millis(10) => ("a program that has no time"), "for example \"10s\"";
        /// The types of messages between nodes, for faults that aim at some and for charts; others are one kind.
        kinds: Vec<String> = Vec::new() => { kinds: Vec<&'static str> = wire::kept(kinds) },
            wrong if kinds.len() > wire::MOST_KINDS =>
                ("{} of them", kinds.len()), format!("at most {}", wire::MOST_KINDS);
    }
}

/// What registers it.
pub struct External;

impl System for External {
    const NAME: &'static str = "external";
    const MODEL: Option<&'static str> = Some("kv");
    const ABOUT: &'static str = "a key-value store whose nodes are programs of any language, as in Maelstrom";
    const TIMERS: u16 = TIMERS;
    const RULES: &'static [&'static [Rule]] = &[RULES];
    type Node = Programmed;
    type Client = KvClient<Programmed>;
    type Checks = ProgramRules;
    type Options = Options;

    fn client(_: &Config, load: Load) -> Self::Client {
        KvClient::new(load)
    }
    fn checks(_: &Config) -> ProgramRules {
        ProgramRules::default()
    }
    fn operation(request: &KvCommand) -> Operation {
        kv::operation(request)
    }
    fn measure(run: &Finished<'_, Self>) -> Measures {
        Measures { tracks: vec![run.checks.leaders.finish(run.span.end)], ..Measures::default() }
    }
    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        let mut verdicts = run.checks.verdicts();
        if run.linearizable {
            verdicts.push(kv::judge_linearizable(run.history, run.budget));
        }
        verdicts
    }
}
