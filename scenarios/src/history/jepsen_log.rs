//! The log lines of Jepsen, and its `history.txt`: process, stage, function, value and error, with tabs or blanks
//! between them, behind whatever the logger puts first.

use super::reader::{Notation, Reader};
use super::{Datum, Event, Lines, Stage};

/// Reads them; lines of other loggers in between are passed over, and so is the nemesis.
pub(super) fn events(lines: &Lines<'_>) -> Vec<Event> {
    let mut events = Vec::new();
    for (number, start, line) in lines.iter() {
        let Some(fields) = Fields::of(line) else { continue };
        if fields.process == "nemesis" {
            lines.has_nemesis.set(true);
            continue;
        }
        let mut reader = Reader::new(line, fields.rest, Notation::Edn);
        let value = reader.skip().and_then(|()| match reader.peek() {
            None => Ok(Datum::Nil),
            Some(_) => reader.value(0),
        });
        let value = match value {
            Ok(value) => value,
            Err(bad) => {
                let what = format!("this is no value: {}", bad.what);
                lines.wrong_line(start + bad.at, what, "an EDN value: nil, 3, [3 0], :timed-out");
                continue;
            }
        };
        let error = match line[reader.at.min(line.len())..].trim() {
            "" => Datum::Nil,
            // An error is printed as it is: often no EDN.
            rest => super::reader::one(rest).unwrap_or_else(|_| Datum::text(rest)),
        };
        events.push(Event {
            process: fields.process.into(),
            stage: fields.stage,
            f: fields.f.into(),
            key: None,
            value,
            error,
            at: u64::from(number),
            line: number,
        });
    }
    events
}

/// Whether any line is such a one.
pub(super) fn has_any(lines: &Lines<'_>) -> bool {
    lines.iter().any(|(_, _, line)| Fields::of(line).is_some())
}

struct Fields<'l> {
    process: &'l str,
    stage: Stage,
    f: &'l str,
    /// Where value and error begin.
    rest: usize,
}

impl<'l> Fields<'l> {
    /// The fields of a line: a stage between a process and a function.
    fn of(line: &'l str) -> Option<Self> {
        let base = line.as_ptr() as usize;
        let mut before: Option<&str> = None;
        let mut words = line.split_whitespace();
        while let Some(word) = words.next() {
            let stage = word.starts_with(':').then(|| Stage::named(word)).flatten();
            if let (Some(stage), Some(process)) = (stage, before) {
                let process = process.trim_start_matches(':');
                let is_process = process == "nemesis" || process.bytes().all(|byte| byte.is_ascii_digit());
                if is_process && !process.is_empty() {
                    let f = words.next()?;
                    let rest = f.as_ptr() as usize - base + f.len();
                    return Some(Self { process, stage, f: f.trim_start_matches(':'), rest });
                }
            }
            before = Some(word);
        }
        None
    }
}
