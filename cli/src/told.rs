//! The last events of a run, told to people: before a panic, before a violation, where twins parted.

use reports::trace::{Line, Parting, Text};
use scenarios::runner::{Evidence, TwinParted};

/// Evidence for a run whose panic is to be explained.
pub fn evidence() -> Evidence {
    Evidence { on_panic, ..Evidence::default() }
}

/// Trace lines as text.
pub fn lines(raw: &[String]) -> Vec<String> {
    let mut text = Text::new(false);
    raw.iter().map(|raw| Line::parse(raw).map_or_else(|_| raw.clone(), |line| text.line(&line))).collect()
}

/// Events shown before a panic.
const SHOWN: usize = 40;

fn on_panic(raw: &[String]) {
    let lines = lines(raw);
    eprintln!("\nThe last events of the run:");
    lines[lines.len().saturating_sub(SHOWN)..].iter().for_each(|line| eprintln!("    {line}"));
}

/// Where a run and its twin parted.
pub fn parted(parted: &TwinParted) -> String {
    let mut parting = Parting::new();
    let (mut a, mut b) = (parted.run.iter(), parted.twin.iter());
    while parting.pair(a.next().map(String::as_str), b.next().map(String::as_str)) {}
    let head = format!("after {} events in common, ", parted.events);
    match parting.finish() {
        Some(parted) => head + &parted.text("the run", "its twin"),
        None => head + "they part in something that no trace shows (a payload, a draw)\n",
    }
}
