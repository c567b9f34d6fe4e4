//! `splitbrain diff`: the first event at which two runs part.
//!
//! Both are run again from their own folders, side by side, and their traces compared line by line, so that any two
//! runs can be compared however long they are, and whether or not they were traced.

use crate::args::{DiffArgs, Format};
use crate::exit::Exit;
use crate::lines;
use crate::recorded::{self, Recorded};
use crate::run::{Trouble, say};
use crate::sweep::workers;
use reports::trace::Parting;
use scenarios::runner::RunError;
use scenarios::{FieldDifference, Registry};
use serde_json::{Value, json};
use sim_core::record::RunRecord;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Pieces of a trace on their way from the run to the comparison.
const AHEAD: usize = 16;
/// Differences between scenarios that are listed.
const LISTED: usize = 12;

/// Runs the command.
pub fn diff(registry: &Registry, args: &DiffArgs) -> Exit {
    let (a, b) = match (recorded::open(registry, &args.a), recorded::open(registry, &args.b)) {
        (Ok(a), Ok(b)) => (a, b),
        _ => return Exit::Usage,
    };
    let inputs = inputs(&a, &b);
    let as_text = args.format == Format::Text;
    if as_text {
        say(&inputs.text());
    }
    let (parted, made) = match side_by_side(registry, &a, &b) {
        Ok(compared) => compared,
        Err(trouble) => return trouble.tell(),
    };
    let (name_a, name_b) = (a.dir.display().to_string(), b.dir.display().to_string());
    if let (Some(parted), true) = (&parted, as_text) {
        say(&parted.text(&name_a, &name_b));
    }
    let mut exit = if parted.is_some() { Exit::Failed } else { Exit::Held };
    for (recorded, record) in [&a, &b].into_iter().zip(&made) {
        recorded.doubts().iter().for_each(|doubt| complain!("{doubt}"));
        if let Some(why) = recorded.mismatch(&record.digest) {
            complain!("{why}; what is compared here is what the folders' scenarios do now");
            exit = exit.max(recorded.mismatch_exit());
        }
    }
    let same_inputs = inputs.0.is_empty();
    match (&parted, same_inputs) {
        (Some(_), true) => {
            complain!("same scenario, same seed, and yet not the same run: nondeterminism");
            exit = exit.max(Exit::Differed);
        }
        (None, _) if made[0].digest != made[1].digest => {
            complain!(
                "the traces are the same but the digests are not ({} and {}): something that no trace shows",
                made[0].digest,
                made[1].digest
            );
            exit = exit.max(if same_inputs { Exit::Differed } else { Exit::Failed });
        }
        (None, _) if exit == Exit::Held && as_text => {
            say(&format!("the same run: {} events, digest {}\n", made[0].events, made[0].digest));
        }
        _ => {}
    }
    if !as_text {
        let side = |name: &str, record: &RunRecord| json!({ "run": name, "seed": record.seed, "digest": record.digest, "events": record.events });
        let inputs: Vec<Value> = inputs.0.iter().map(|d| json!({ "path": d.path, "a": d.a, "b": d.b })).collect();
        let told = json!({
            "same": parted.is_none() && made[0].digest == made[1].digest,
            "a": side(&name_a, &made[0]),
            "b": side(&name_b, &made[1]),
            "inputs": inputs,
            "parted": parted.map(|p| {
                json!({ "same_lines": p.same_lines, "at_ns": p.at_ns, "before": p.before, "a": p.a, "b": p.b })
            }),
        });
        say(&format!("{told}\n"));
    }
    exit
}

/// In what the inputs of two runs differ.
struct Inputs(Vec<FieldDifference>);

fn inputs(a: &Recorded, b: &Recorded) -> Inputs {
    let mut differences = scenarios::differences_of_files(&a.text, &b.text);
    // The seed in the file is the one the file was written with.
    differences.retain(|d| d.path != "scenario.seed");
    if a.seed != b.seed {
        let (a, b) = (Some(a.seed.to_string()), Some(b.seed.to_string()));
        differences.insert(0, FieldDifference { path: "seed".to_owned(), a, b });
    }
    Inputs(differences)
}

impl Inputs {
    /// For people; empty if they differ in nothing.
    fn text(&self) -> String {
        let mut text = String::new();
        for d in self.0.iter().take(LISTED) {
            let tell = |value: &Option<String>| value.clone().unwrap_or_else(|| "(not there)".to_owned());
            text.push_str(&format!("{}: {} | {}\n", d.path, tell(&d.a), tell(&d.b)));
        }
        if self.0.len() > LISTED {
            text.push_str(&format!("and {} more keys differ\n", self.0.len() - LISTED));
        }
        text
    }
}

type Compared = (Option<reports::trace::Parted>, [RunRecord; 2]);

type Made = Option<Result<RunRecord, RunError>>;

fn start<'s>(scope: &rayon::Scope<'s>, registry: &'s Registry, recorded: &'s Recorded, made: &'s mut Made) -> Feed {
    let (sender, receiver) = sync_channel(AHEAD);
    scope.spawn(move |_| *made = Some(lines::make(registry, recorded, &mut Pipe(Some(sender)))));
    Feed { receiver, piece: Vec::new(), at: 0, line: Vec::new() }
}

/// Makes both runs at once, each a thread, and compares their traces as they come.
fn side_by_side(registry: &Registry, a: &Recorded, b: &Recorded) -> Result<Compared, Trouble> {
    let pool = workers::pool(2).map_err(|error| RunError::from(io::Error::other(format!("no threads: {error}"))))?;
    let mut made: [Made; 2] = [None, None];
    let [made_a, made_b] = &mut made;
    let mut parting = Parting::new();
    pool.in_place_scope(|scope| {
        let (mut a, mut b) = (start(scope, registry, a, made_a), start(scope, registry, b, made_b));
        // The first line says what the trace is of, which has been compared already.
        let (_, _) = (a.next(), b.next());
        while parting.pair(a.next(), b.next()) {}
    });
    let [made_a, made_b] = made.map(|made| made.expect("the scope waits for both"));
    Ok((parting.finish(), [made_a?, made_b?]))
}

/// Hands pieces of a trace to another thread, as long as it wants them.
struct Pipe(Option<SyncSender<Vec<u8>>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(sender) = &self.0
            && sender.send(bytes.to_vec()).is_err()
        {
            // The comparison is over; the run goes on to its end, for its digest.
            self.0 = None;
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that come out of a [`Pipe`].
struct Feed {
    receiver: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
    line: Vec<u8>,
}

impl Feed {
    fn next(&mut self) -> Option<&str> {
        self.line.clear();
        loop {
            let rest = &self.piece[self.at..];
            if let Some(end) = rest.iter().position(|b| *b == b'\n') {
                self.line.extend_from_slice(&rest[..end]);
                self.at += end + 1;
                return Some(std::str::from_utf8(&self.line).unwrap_or("?"));
            }
            self.line.extend_from_slice(rest);
            self.at = 0;
            match self.receiver.recv() {
                Ok(piece) => self.piece = piece,
                Err(_) => {
                    self.piece.clear();
                    return None;
                }
            }
        }
    }
}
