//! Reads files of recorded availability: when nodes were up and when they were down.

use super::section::Context;
use crate::diagnostics::Span;
use crate::limits;
use crate::scenario::Recording;
use sim_core::Duration;
use sim_core::units::DurationText;
use std::collections::BTreeMap;

/// What SimGrid's profiles may hold besides, and nobody can replay: they are drawn anew in each run there.
const RANDOM: &[&str] = &["STOCHASTIC", "DET", "NORM", "NORMAL", "GAUSS", "GAUSSIAN", "UNIF", "UNIFORM", "EXP"];
/// No time in seconds since 1970 is as large; one in milliseconds is.
const YEAR_5000: u64 = 95_617_584_000;

/// One line with a time and a state.
struct Event {
    node: String,
    /// Since the beginning, or since 1970, in nanoseconds.
    time: u128,
    up: bool,
}

/// The recordings in a file of lines `time value` or `node time value`: seconds, and 1 for up or 0 for down, in the
/// order in which the file first names their nodes. `PERIODICITY p` repeats all of it every p seconds, `LOOPAFTER d` d
/// seconds after its last line, as in SimGrid's profiles. Times since 1970 count from the earliest in the file.
pub fn recorded(path: &str, span: Span, context: &Context<'_>) -> Option<Vec<Recording>> {
    let text = match context.files.read(path) {
        Ok(text) => text,
        Err((what, help)) => {
            context.wrong(span, format!("`{path}`: {what}"), help);
            return None;
        }
    };
    let source = context.problems.source(path, &text);
    let before = context.problems.count();
    let mut file = File { context, events: Vec::new(), again: None, last: BTreeMap::new(), fields: None };
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let content = line.split(['#', '%']).next().unwrap_or("").trim_end();
        let lead = content.len() - content.trim_start().len();
        let place = Span::new(source, at + lead..at + content.len().max(lead + 1));
        at += line.len();
        file.line(content, place);
    }
    let sound = context.problems.count() == before;
    if sound && !file.events.iter().any(|event| !event.up) {
        context.wrong(span, format!("nothing is ever down in `{path}`"), "add a line with a time and 0");
        return None;
    }
    let recordings = file.recordings();
    (sound && context.problems.count() == before).then_some(recordings)
}

struct File<'a> {
    context: &'a Context<'a>,
    events: Vec<Event>,
    again: Option<(Again, Span)>,
    /// The time of each node's last line.
    last: BTreeMap<String, u128>,
    /// How many fields the lines have.
    fields: Option<usize>,
}

/// When it all begins again.
enum Again {
    /// This long after it began.
    Every(Duration),
    /// This long after its last line.
    After(Duration),
}

impl File<'_> {
    fn line(&mut self, content: &str, place: Span) {
        let fields: Vec<&str> = content.split_whitespace().collect();
        let (node, time, value) = match fields.as_slice() {
            [] => return,
            [word, ..] if word.starts_with(|c: char| c.is_ascii_uppercase()) && self.keyword(&fields, place) => return,
            [time, value] => ("", *time, *value),
            [node, time, value] => (*node, *time, *value),
            _ => {
                let help = "for example `12.5 0`: down after 12.5 s; or `n3 12.5 0` in a file about several nodes";
                self.context.wrong(place, "this line is not a time and a value", help);
                return;
            }
        };
        if *self.fields.get_or_insert(fields.len()) != fields.len() {
            let what = "some lines of this file name a node, and some do not";
            self.context.wrong(place, what, "`time value` on every line, or `node time value` on every line");
            return;
        }
        let up = match value.parse::<f64>() {
            Ok(0.0) => false,
            Ok(1.0) => true,
            _ => {
                let what = format!("`{value}` is neither up nor down");
                self.context.wrong(place, what, "write 1 for up, 0 for down");
                return;
            }
        };
        let Some(time) = self.time(time, place) else { return };
        if self.last.get(node).is_some_and(|last| time <= *last) {
            let help = "times grow from line to line";
            self.context.wrong(place, format!("{} does not come after the line before", text(time)), help);
        }
        self.last.insert(node.to_owned(), time);
        self.events.push(Event { node: node.to_owned(), time, up });
    }

    /// Whether the line is one of SimGrid's that hold no time; what can not be had is said.
    fn keyword(&mut self, fields: &[&str], place: Span) -> bool {
        let [word, rest @ ..] = fields else { return false };
        if RANDOM.contains(word) {
            let what = format!("`{word}`: a profile that is drawn anew in each run is not read");
            self.context.wrong(place, what, "use `mtbf` and `mttr` instead of `recorded`");
            return true;
        }
        let again = |d: Duration| match *word {
            "PERIODICITY" => Some(Again::Every(d)),
            "LOOPAFTER" => Some(Again::After(d)),
            _ => None,
        };
        if again(Duration::ZERO).is_none() {
            // A file about several nodes may well name them so.
            let is_word =
                fields.len() < 3 && word.len() > 2 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            if is_word {
                let what = format!("`{word}` is not known here");
                self.context.wrong(place, what, "PERIODICITY and LOOPAFTER are, with a number of seconds");
            }
            return is_word;
        }
        let seconds = match rest {
            [number] => self.time(number, place).map(|ns| Duration(u64::try_from(ns).unwrap_or(u64::MAX))),
            _ => {
                let what = format!("`{word}` needs a number of seconds");
                self.context.wrong(place, what, format!("for example `{word} 3600`"));
                None
            }
        };
        if self.again.is_some() {
            self.context.wrong(place, "how the file repeats is said twice", "keep one line");
        }
        self.again = seconds.and_then(again).map(|again| (again, place));
        true
    }

    /// Seconds, or a time with its unit, in nanoseconds.
    fn time(&self, word: &str, place: Span) -> Option<u128> {
        let wrong = || {
            self.context.wrong(place, format!("`{word}` is not a time"), "seconds, such as `12.5`");
            None
        };
        let plain = word.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if !plain {
            return word.parse().map_or_else(|_| wrong(), |DurationText(d)| Some(u128::from(d.0)));
        }
        let (whole, part) = word.split_once('.').unwrap_or((word, ""));
        let (Ok(seconds), 0..=9) = (whole.parse::<u64>(), part.len()) else { return wrong() };
        if part.is_empty() && word.contains('.') {
            return wrong();
        }
        if seconds > YEAR_5000 {
            let what = format!("`{word}` is too large for a time in seconds");
            self.context.wrong(place, what, "times since 1970 are in seconds here, not in milliseconds");
            return None;
        }
        let nanos: u128 = format!("{part:0<9}").parse().ok()?;
        Some(u128::from(seconds) * 1_000_000_000 + nanos)
    }

    /// What was recorded of each node.
    fn recordings(self) -> Vec<Recording> {
        let first = self.events.iter().map(|event| event.time).min().unwrap_or_default();
        let last = self.events.iter().map(|event| event.time).max().unwrap_or_default();
        // No run is as long: such times count from elsewhere.
        let origin = if first > u128::from(limits::DURATION) { first } else { 0 };
        let since = |time: u128| Duration(u64::try_from(time - origin).unwrap_or(u64::MAX));
        let period = match self.again {
            None => None,
            Some((Again::After(d), _)) => Some(Duration(since(last).0.saturating_add(d.0))),
            Some((Again::Every(d), place)) => {
                if d < since(last) {
                    let what = format!("what repeats every {d} lasts {}", since(last));
                    self.context.wrong(place, what, "LOOPAFTER counts from the last line");
                }
                Some(d)
            }
        };
        if let (Some(Duration::ZERO), Some((_, place))) = (period, &self.again) {
            self.context.wrong(*place, "what repeats takes some time", "a number of seconds above zero");
        }
        let mut recordings: Vec<Recording> = Vec::new();
        for event in &self.events {
            let of = recordings.iter().position(|recording| recording.node == event.node);
            let of = of.unwrap_or_else(|| {
                recordings.push(Recording { node: event.node.clone(), events: Vec::new(), period });
                recordings.len() - 1
            });
            recordings[of].events.push((since(event.time), event.up));
        }
        recordings
    }
}

fn text(nanos: u128) -> String {
    u64::try_from(nanos).map_or_else(|_| format!("{} s", nanos / 1_000_000_000), |ns| Duration(ns).to_string())
}
