//! The log lines of Jepsen: process, stage, function and value with tabs between them.

use super::edn::datum;
use super::{Event, Lines, Stage};
use clojure_reader::edn;

/// Reads them; lines of other loggers in between are passed over, and so is the nemesis.
pub(super) fn events(lines: &Lines<'_>) -> Vec<Event> {
    let mut events = Vec::new();
    for (number, start, line) in lines.iter() {
        // What Jepsen logs of an operation is four fields with tabs between them, behind whatever the logger puts first.
        let Some((before, stage, f, value)) = fields(line) else { continue };
        let process = before.rsplit([' ', ':']).next().unwrap_or(before).trim();
        if process == "nemesis" || before.trim_end().ends_with(":nemesis") {
            continue;
        }
        let value = match edn::read_string(value) {
            Ok(value) => datum(&value),
            Err(error) => {
                let at = start + line.rfind(value).unwrap_or(0);
                lines.wrong(
                    at,
                    value.len(),
                    format!("this is no value: {:?}", error.code),
                    "an EDN value: nil, 3, [3 0], :timed-out",
                );
                continue;
            }
        };
        let f = f.trim_start_matches(':').into();
        events.push(Event { process: process.into(), stage, f, key: None, value, at: u64::from(number), line: number });
    }
    events
}

fn fields(line: &str) -> Option<(&str, Stage, &str, &str)> {
    let mut fields = line.split('\t').map(str::trim);
    let before = fields.next()?;
    let stage = fields.next().filter(|stage| stage.starts_with(':')).and_then(Stage::named)?;
    let f = fields.next()?;
    let value = fields.next().unwrap_or("nil");
    Some((before, stage, f, if value.is_empty() { "nil" } else { value }))
}
