//! `splitbrain trace`: what happened in a run, for people and for the viewers they know.
//!
//! The trace is made by running the folder's own scenario again, so it is always whole; a folder of `run --trace` holds
//! it already, and then it is read.

use crate::args::{TraceArgs, TraceForm};
use crate::exit::Exit;
use crate::lines::{self, Cutter, Take};
use crate::recorded::{self, Recorded};
use crate::run::Trouble;
use reports::trace::{EVENTS, Filter, Form, Head, Line, View};
use scenarios::Registry;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Read, Seek, SeekFrom, Stdout};

/// Runs the command.
pub fn trace(registry: &Registry, args: &TraceArgs) -> Exit {
    let recorded = match recorded::open(registry, &args.dir) {
        Ok(recorded) => recorded,
        Err(exit) => return exit,
    };
    let Some(filter) = filter(args, &recorded) else { return Exit::Usage };
    let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let form = match args.format {
        TraceForm::Text => Form::Text { colour },
        TraceForm::Shiviz => Form::Shiviz,
        TraceForm::Perfetto => Form::Perfetto,
        TraceForm::Jsonl => Form::Jsonl,
    };
    recorded.doubts().iter().for_each(|doubt| complain!("{doubt}"));
    let shown = BufWriter::with_capacity(1 << 16, io::stdout());
    let mut shower = match View::new(shown, form, filter.clone()) {
        Ok(view) => Shower { view, seen: BTreeSet::new() },
        Err(error) => return stopped(&error),
    };
    let (shower, exit) = match whole(&recorded) {
        Some(mut file) => {
            let mut raw = String::new();
            loop {
                raw.clear();
                match file.read_line(&mut raw) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) => return stopped(&error),
                }
                if let Err(error) = shower.take(raw.trim_end_matches('\n')) {
                    return stopped(&error);
                }
            }
            (shower, Exit::Held)
        }
        None => {
            let mut cutter = Cutter::new(shower);
            let exit = match lines::make(registry, &recorded, &mut cutter) {
                Ok(record) => match recorded.mismatch(&record.digest) {
                    None => Exit::Held,
                    Some(why) => {
                        complain!("{why}");
                        recorded.mismatch_exit()
                    }
                },
                Err(error) => return Trouble::from(error).tell(),
            };
            (cutter.taker, exit)
        }
    };
    match shower.view.finish() {
        Ok(0) => {
            let kinds: Vec<&str> = shower.seen.iter().map(String::as_str).collect();
            complain!("nothing in this run is what was asked for; kinds in that time: {}", kinds.join(", "));
            exit
        }
        Ok(_) => exit,
        Err(error) => stopped(&error),
    }
}

/// The output went away, which is the reader's business, or could not be written, which is ours.
fn stopped(error: &io::Error) -> Exit {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Exit::Held;
    }
    complain!("the trace can not be written: {}", reports::reason(error));
    Exit::Environment
}

struct Shower {
    view: View<BufWriter<Stdout>>,
    /// Kinds of messages and facts, for who asked for one that is not there.
    seen: BTreeSet<String>,
}

impl Take for Shower {
    fn take(&mut self, raw: &str) -> io::Result<()> {
        let line = Line::parse(raw).map_err(|e| io::Error::other(format!("not a line of a trace: {e}")))?;
        if let Some(kind) = &line.kind
            && matches!(line.event.as_str(), "sent" | "fact")
            && self.view.filter().in_time(&line)
            && !self.seen.contains(kind)
        {
            self.seen.insert(kind.clone());
        }
        let done = self.view.line(&line, raw);
        if done.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::BrokenPipe) {
            // Nobody reads on: there is nothing to finish and nothing to clean up, and a long run to go.
            std::process::exit(0);
        }
        done
    }
}

/// The folder's own trace, if it holds the whole recorded run.
fn whole(recorded: &Recorded) -> Option<BufReader<File>> {
    let digest = &recorded.record.as_ref()?.digest;
    if recorded.is_edited() {
        return None;
    }
    let mut file = File::open(recorded.dir.join("trace.jsonl")).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(4096))).ok()?;
    let mut tail = String::new();
    file.read_to_string(&mut tail).ok()?;
    let end = Line::parse(tail.strip_suffix('\n')?.rsplit('\n').next()?).ok()?;
    if end.event != "end" || end.digest.as_ref() != Some(digest) {
        return None;
    }
    file.seek(SeekFrom::Start(0)).ok()?;
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let holds = Head::parse(&first).ok()?.holds;
    (holds == "all").then_some(reader)
}

/// What was asked for, or everything that is wrong with it.
fn filter(args: &TraceArgs, recorded: &Recorded) -> Option<Filter> {
    let (nodes, clients) = (recorded.scenario.cluster.nodes() as u64, u64::from(recorded.scenario.clients()));
    let probes = 2 * recorded.scenario.cluster.zones.len() as u64;
    let mut wrong = Vec::new();
    let there = |name: &str, letter: char, most: u64| {
        name.strip_prefix(letter).and_then(|n| n.parse().ok()).is_some_and(|n: u64| n >= 1 && n <= most)
    };
    for name in &args.node {
        if !there(name, 'n', nodes) && !there(name, 'c', clients + probes) {
            wrong.push(format!(
                "--node {name}: this run has nodes n1 to n{nodes} and clients c1 to c{}",
                clients + probes
            ));
        }
    }
    for event in &args.event {
        if !EVENTS.contains(&event.as_str()) {
            wrong.push(format!("--event {event}: there are {}", EVENTS.join(", ")));
        }
    }
    let from_ns = args.from.map_or(0, |d| d.0.0);
    let to_ns = args.to.map_or(u64::MAX, |d| d.0.0);
    if from_ns > to_ns {
        wrong.push("--from lies after --to".to_owned());
    }
    let end = recorded.scenario.end();
    if from_ns > end.0 {
        wrong.push(format!("--from lies after the end of the run at {end}"));
    }
    wrong.iter().for_each(|why| complain!("{why}"));
    wrong.is_empty().then(|| Filter {
        from_ns,
        to_ns,
        nodes: args.node.clone(),
        messages: args.message.clone(),
        facts: args.fact.clone(),
        events: args.event.clone(),
    })
}
