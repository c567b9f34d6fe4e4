//! `splitbrain replay`: run a folder's own scenario again, compare digests, and if they differ say where it began.

use crate::args::ReplayArgs;
use crate::exit::Exit;
use crate::lines::{Cutter, Take};
use crate::recorded::{self, Recorded};
use crate::run::{self, Sinks, Trouble, say};
use crate::told;
use reports::trace::{Head, Line, Parting};
use scenarios::Registry;
use scenarios::runner::{Checkpoints, Evidence, RunError, TraceMode};
use std::fs::File;
use std::io::{self, BufRead, BufReader};

/// The checkpoints of a run, in its folder.
pub const CHECKPOINTS: &str = "checkpoints.txt";

/// Runs the command.
pub fn replay(registry: &Registry, args: &ReplayArgs) -> Exit {
    let recorded = match recorded::open(registry, &args.dir) {
        Ok(recorded) => recorded,
        Err(exit) => return exit,
    };
    // With the operations, for a comparison of everything.
    let whole = match reports::load(&args.dir) {
        Ok(whole) => whole,
        Err(error) => {
            complain!("{error}: there is nothing to compare a replay with");
            return Exit::Usage;
        }
    };
    let (name, seed) = (&recorded.scenario.name, recorded.seed);
    say(&format!("{name}  seed {seed}   replaying {}\n", args.dir.display()));
    recorded.doubts().iter().for_each(|doubt| complain!("{doubt}"));
    let mut evidence = told::evidence();
    let made = simulate(registry, &recorded, &mut evidence, None);
    let mut record = match made {
        Ok(record) => record,
        Err(error) => return Trouble::from(error).tell(),
    };
    if let Some(why) = recorded.mismatch(&record.digest) {
        complain!("{why}");
        match parting(registry, &recorded, &evidence.checkpoints) {
            Ok(text) => say(&text),
            Err(error) => complain!("{error}"),
        }
        if !recorded.is_edited() {
            say(&reason(registry, &recorded));
        }
        say(&format!("digest {}\n", record.digest));
        return recorded.mismatch_exit();
    }
    record.version.clone_from(&whole.version);
    record.scenario_fingerprint.clone_from(&whole.scenario_fingerprint);
    let exit = run::exit_of(&reports::analyse(&record));
    let (events, digest) = (record.events, &record.digest);
    match run::difference(&whole, &record) {
        None => {
            say(&format!("the same run: {events} events, digest {digest}\n"));
            exit
        }
        Some(_) if !recorded.doubts().is_empty() => {
            say(&format!("the same events ({events}, digest {digest}), but not the same record: see above\n"));
            exit.max(Exit::Usage)
        }
        Some(difference) => {
            complain!("the replay differed from the recorded run: {difference}, or the files have been edited");
            Exit::Differed
        }
    }
}

fn simulate(
    registry: &Registry,
    recorded: &Recorded,
    evidence: &mut Evidence,
    trace: Option<(&mut (dyn io::Write + 'static), TraceMode<'_>)>,
) -> Result<sim_core::record::RunRecord, RunError> {
    let (trace, trace_mode) = trace.map_or((None, TraceMode::default()), |(sink, mode)| (Some(sink), mode));
    let sinks = Sinks { trace, trace_mode, evidence: Some(evidence), ..Sinks::default() };
    run::simulate(registry, &recorded.scenario, &recorded.schedule, recorded.seed, sinks)
}

/// Whether the code is to blame, or what runs it: two runs made now tell.
fn reason(registry: &Registry, recorded: &Recorded) -> String {
    let mut evidence = Evidence { twin: true, ..told::evidence() };
    match simulate(registry, recorded, &mut evidence, None) {
        Ok(_) => match &evidence.parted {
            Some(parted) => format!("nondeterminism: two runs made now differ as well\n{}", told::parted(parted)),
            None => "two runs made now are the same: the code, or the record, has changed since it was recorded\n"
                .to_owned(),
        },
        Err(error) => format!("{error}\n"),
    }
}

/// Where the recorded run and the one made now part, as closely as the folder can tell.
fn parting(registry: &Registry, recorded: &Recorded, now: &Checkpoints) -> Result<String, RunError> {
    let text = std::fs::read_to_string(recorded.dir.join(CHECKPOINTS)).unwrap_or_default();
    let interval = Checkpoints::parse(&text).and_then(|then| then.part(now));
    let exact = by_trace(registry, recorded)?;
    let Some((from, to)) = interval else {
        return Ok(match exact {
            Some(parted) => parted.text("recorded", "now"),
            None => "where they part is not known: the folder holds neither checkpoints nor a trace of it\n".to_owned(),
        });
    };
    let mut evidence = Evidence { stop_from: from, stop_after: to, ..told::evidence() };
    // By the clock of the run, not of its trace: an event need not show in a trace.
    let last_ns = simulate(registry, recorded, &mut evidence, None)?.simulated_ns;
    if let Some(parted) = exact
        && parted.at_ns <= last_ns
    {
        return Ok(parted.text("recorded", "now"));
    }
    let mut text = format!(
        "the first {from} events are the same; at one of the next {} they part. In the run made now these are:\n",
        to - from
    );
    told::lines(&evidence.last).iter().for_each(|line| text.push_str(&format!("    {line}\n")));
    if evidence.last.is_empty() {
        text.push_str(&format!("    nothing that a trace shows, up to {}\n", sim_core::Instant(last_ns)));
    }
    Ok(text)
}

/// Where the folder's trace and one made now part, if the folder has one and they do.
fn by_trace(registry: &Registry, recorded: &Recorded) -> Result<Option<reports::trace::Parted>, RunError> {
    let Ok(file) = File::open(recorded.dir.join("trace.jsonl")) else { return Ok(None) };
    let mut file = BufReader::with_capacity(1 << 18, file);
    let mut first = String::new();
    let _ = file.read_line(&mut first);
    let Ok(head) = Head::parse(&first) else { return Ok(None) };
    let mode = if head.holds == "all" { TraceMode::All } else { TraceMode::FromFirstFault };
    let mut beside =
        Cutter::new(Beside { file, line: String::new(), parting: Parting::new(), going: true, begun: false });
    simulate(registry, recorded, &mut told::evidence(), Some((&mut beside, mode)))?;
    Ok(beside.taker.parting.finish())
}

/// Compares the lines it is given with those of a file.
struct Beside {
    file: BufReader<File>,
    line: String,
    parting: Parting,
    going: bool,
    begun: bool,
}

impl Take for Beside {
    fn take(&mut self, raw: &str) -> io::Result<()> {
        // Both begin with a line about themselves.
        if !std::mem::replace(&mut self.begun, true) || !self.going {
            return Ok(());
        }
        self.line.clear();
        let recorded = match self.file.read_line(&mut self.line) {
            Ok(n) if n > 0 => Some(self.line.trim_end_matches('\n')),
            _ => None,
        };
        // The last lines tell of the whole run, not of where it parted.
        let is_end = |raw: &str| Line::parse(raw).is_ok_and(|line| line.event == "end");
        if recorded != Some(raw) && (is_end(raw) || recorded.is_some_and(is_end)) {
            self.going = false;
            return Ok(());
        }
        self.going = self.parting.pair(recorded, Some(raw));
        Ok(())
    }
}
