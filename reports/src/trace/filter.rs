//! Which lines of a trace are shown.

use super::Line;

/// Every event a trace knows, but for its first and last line.
pub const EVENTS: [&str; 30] = [
    "sent",
    "delivered",
    "dropped",
    "timer",
    "appended",
    "syncing",
    "synced",
    "read",
    "fact",
    "role",
    "crashed",
    "booted",
    "paused",
    "resumed",
    "closed",
    "connected",
    "disconnected",
    "segment",
    "segment_lost",
    "ordered",
    "fault_started",
    "fault_ended",
    "invoked",
    "asked",
    "requested",
    "answered",
    "redirected",
    "returned",
    "trace",
    "end",
];

/// A choice of lines: those within the time, at one of the nodes, and of one of the kinds asked for. Empty lists ask
/// for nothing in particular.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// From when on, in nanoseconds.
    pub from_ns: u64,
    /// Until when, inclusive.
    pub to_ns: u64,
    /// Nodes and clients that take part in it.
    pub nodes: Vec<String>,
    /// Kinds of messages.
    pub messages: Vec<String>,
    /// Kinds of facts.
    pub facts: Vec<String>,
    /// Events.
    pub events: Vec<String>,
}

impl Default for Filter {
    fn default() -> Self {
        let none = Vec::new;
        Self { from_ns: 0, to_ns: u64::MAX, nodes: none(), messages: none(), facts: none(), events: none() }
    }
}

impl Filter {
    /// Whether the line happened in the time asked for.
    #[must_use]
    pub const fn in_time(&self, line: &Line) -> bool {
        line.at_ns >= self.from_ns && line.at_ns <= self.to_ns
    }

    /// Whether a node or client was named, or nobody was.
    #[must_use]
    pub fn names(&self, who: &str) -> bool {
        self.nodes.is_empty() || self.nodes.iter().any(|n| n == who)
    }

    /// Whether the line is shown.
    #[must_use]
    pub fn shows(&self, line: &Line) -> bool {
        if !self.in_time(line) || matches!(line.event.as_str(), "trace" | "end") {
            return false;
        }
        // A fault concerns everybody.
        let fault = line.event.starts_with("fault_");
        let ends = [&line.node, &line.from, &line.to];
        if !fault && !ends.into_iter().flatten().any(|who| self.names(who)) {
            return false;
        }
        if self.messages.is_empty() && self.facts.is_empty() && self.events.is_empty() {
            return true;
        }
        let kind = line.kind.as_deref().unwrap_or("");
        let one_of = |list: &[String], what: &str| list.iter().any(|w| w.eq_ignore_ascii_case(what));
        match line.event.as_str() {
            "sent" | "delivered" | "dropped" if one_of(&self.messages, kind) => true,
            "fact" if one_of(&self.facts, kind) => true,
            event => one_of(&self.events, event),
        }
    }
}
