//! A trace as aligned text: when, who, what happened, and the rest of it.

use super::Line;
use super::mail::Mail;
use crate::units;
use std::fmt::Write;

/// Makes text of the lines of one trace, in their order.
#[derive(Debug)]
pub struct Text {
    colour: bool,
    mail: Mail<()>,
}

impl Text {
    /// Text with or without ANSI colours.
    #[must_use]
    pub const fn new(colour: bool) -> Self {
        Self { colour, mail: Mail::new() }
    }

    /// The text of a line, without a line break. Every line must pass through here, shown or not: a delivery is told
    /// in the words of its sending.
    #[must_use]
    pub fn line(&mut self, line: &Line) -> String {
        let what = self.what(line);
        let at = format!("{}.{:09}s", line.at_ns / 1_000_000_000, line.at_ns % 1_000_000_000);
        let who = line.place().unwrap_or("-");
        let event = &line.event;
        let tint = match event.as_str() {
            "dropped" | "segment_lost" | "disconnected" | "crashed" | "fault_started" | "fault_ended" | "paused" => {
                "31"
            }
            "role" | "booted" | "resumed" | "ordered" => "32",
            "fact" => "36",
            _ => "2",
        };
        // Control characters of somebody's payload have no business on a terminal.
        let what: String = what.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if self.colour {
            format!("\u{1b}[2m{at:>14}\u{1b}[0m  {who:<4} \u{1b}[{tint}m{event:<13}\u{1b}[0m {what}")
        } else {
            format!("{at:>14}  {who:<4} {event:<13} {what}")
        }
        .trim_end()
        .to_owned()
    }

    fn what(&mut self, line: &Line) -> String {
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let (from, to, kind) = (text(&line.from), text(&line.to), text(&line.kind));
        let (why, detail) = (text(&line.why), text(&line.detail));
        let id = line.id.unwrap_or(0);
        let due = || units::duration(line.due_ns.unwrap_or(line.at_ns).saturating_sub(line.at_ns));
        let operation = || {
            let mut name = format!("op {}", line.op.unwrap_or(0));
            if let Some(again) = line.r#try.filter(|t| *t > 1) {
                let _ = write!(name, ", try {again}");
            }
            name
        };
        match line.event.as_str() {
            "sent" => {
                self.mail.send(line, ());
                // What goes over a stream comes when the stream brings it.
                let due = line.due_ns.map_or_else(String::new, |_| format!(", due in {}", due()));
                format!("{kind} -> {to}: {detail}  ({from}#{id}{due})")
            }
            "delivered" => match self.mail.of(line) {
                Some(sent) => {
                    let took = units::duration(line.at_ns.saturating_sub(sent.sent_ns));
                    format!("{kind} <- {from}: {}  ({from}#{id}, {took} on the way)", sent.detail)
                }
                None => format!("{kind} <- {from}  ({from}#{id}, sent before the trace begins)"),
            },
            "dropped" => match line.id {
                Some(id) => {
                    let said = self.mail.of(line).map_or_else(String::new, |sent| format!(": {}", sent.detail));
                    format!("{kind} <- {from}{said}  ({from}#{id}, {why})")
                }
                None => format!("{kind} <- {from}: {}  ({why})", operation()),
            },
            "timer" if detail.is_empty() => format!("slot {id}"),
            "timer" => detail,
            "appended" => format!("{detail}  (write {id})"),
            "syncing" => format!("done in {}", due()),
            "synced" | "read" => {
                let what = if line.event == "read" { "write" } else { "up to write" };
                let why = if why.is_empty() { why } else { format!(": {why}") };
                format!("{what} {id}{why}")
            }
            "fact" => format!("{kind}: {detail}"),
            "role" => format!("{kind}, rank {}", line.rank.unwrap_or(0)),
            "crashed" if !why.is_empty() => format!("stopped itself: {why}; {detail}"),
            "fault_started" | "fault_ended" => format!("fault {id}: {detail}"),
            "invoked" => format!("{}: {detail}", operation()),
            "asked" => format!("{} -> {to}", operation()),
            "requested" => format!("{} <- {from}", operation()),
            "connected" => format!("with {to}"),
            "disconnected" => format!("from {to}: {why}"),
            "segment" => format!("{kind} -> {to}: {detail}, due in {}", due()),
            "segment_lost" => format!("{kind} -> {to}: {detail}  ({why})"),
            "answered" | "redirected" => format!("{} -> {to}", operation()),
            "returned" => {
                let by = line.from.as_ref().map_or_else(String::new, |node| format!(" from {node}"));
                let detail = if detail.is_empty() { detail } else { format!(": {detail}") };
                format!("{} {why}{by} after {}{detail}", operation(), units::duration(line.took_ns.unwrap_or(0)))
            }
            "trace" | "end" => line.digest.as_ref().map_or_else(String::new, |digest| format!("digest {digest}")),
            _ => detail,
        }
    }
}
