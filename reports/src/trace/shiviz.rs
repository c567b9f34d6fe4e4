//! A trace as a log for ShiViz (bestchai.bitbucket.io/shiviz): the parser's expression on the first line, the
//! delimiter of executions (none) on the second, then one event a line with its vector clock as JSON.
//!
//! ShiViz wants a host's own clock to go up by one with every event of it in the log. So what a filter hides does not
//! tick; it still hands on what is known, and the order among what is shown stays the true one.

use super::mail::Mail;
use super::text::Text;
use super::{Filter, Line};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// The clock comes last and has no spaces in it, so that no event's text can be taken for one.
const EXPRESSION: &str = r"(?<at>\S+) (?<host>\S+) (?<event>.*) (?<clock>\{.*\})";

type Clock = BTreeMap<String, u64>;

/// The state of the log.
#[derive(Debug)]
pub(super) struct Shiviz {
    clocks: BTreeMap<String, Clock>,
    mail: Mail<Clock>,
    /// What requests and answers know: by sender, receiver, operation and try.
    calls: BTreeMap<(String, String, u64, u64), Clock>,
    text: Text,
}

impl Shiviz {
    pub fn begin(out: &mut impl Write) -> io::Result<Self> {
        writeln!(out, "{EXPRESSION}\n")?;
        let (clocks, calls) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { clocks, mail: Mail::new(), calls, text: Text::new(false) })
    }

    pub fn line(&mut self, out: &mut impl Write, line: &Line, shown: bool, filter: &Filter) -> io::Result<()> {
        let told = self.text.line(line);
        let Some(host) = line.place() else { return Ok(()) };
        if !filter.in_time(line) {
            return Ok(());
        }
        let known = match line.event.as_str() {
            "delivered" => self.mail.of(line).map(|letter| letter.more.clone()),
            "requested" | "returned" => call(line).and_then(|call| self.calls.remove(&call)),
            _ => None,
        };
        let clock = self.clocks.entry(host.to_owned()).or_default();
        for (of, ticks) in known.into_iter().flatten() {
            let mine = clock.entry(of).or_default();
            *mine = (*mine).max(ticks);
        }
        // A log of two dozen clients hides the nodes: clients are hosts when they are asked for.
        let is_host = if filter.nodes.is_empty() { !host.starts_with('c') } else { filter.names(host) };
        let shown = shown && is_host;
        if shown {
            *clock.entry(host.to_owned()).or_default() += 1;
        }
        let clock = clock.clone();
        if shown {
            let json = serde_json::to_string(&clock).map_err(io::Error::other)?;
            let (at, rest) = told.trim_start().split_once("  ").unwrap_or((&told, ""));
            let event = rest.split_once(' ').map_or("", |(_, event)| event.trim_start());
            let event = event.split_whitespace().collect::<Vec<_>>().join(" ");
            writeln!(out, "{at} {host} {event} {json}")?;
        }
        match line.event.as_str() {
            "sent" => self.mail.send(line, clock),
            "asked" | "answered" | "redirected" => {
                if let Some(call) = call(line) {
                    self.calls.insert(call, clock);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn call(line: &Line) -> Option<(String, String, u64, u64)> {
    Some((line.from.clone()?, line.to.clone()?, line.op?, line.r#try?))
}
