//! One line of `trace.jsonl` or `history.jsonl`: a JSON object, written without a serializer, because a run has
//! millions of them.

use sim_core::{Fact, Instant, Message, Node, NodeId, Observed, Outcome, Parcel, Peer, Record as _, Role, Ticket};
use std::fmt::{self, Write};

/// A JSON object being written at the end of a buffer.
pub(super) struct Line<'a>(&'a mut Vec<u8>);

impl<'a> Line<'a> {
    /// Begins with the two fields that every line has.
    #[inline(always)]
    pub fn begin(buffer: &'a mut Vec<u8>, at: Instant, event: &'static str) -> Self {
        buffer.extend_from_slice(b"{\"at_ns\":");
        digits(buffer, at.0);
        let mut this = Self(buffer);
        this.word("event", event);
        this
    }

    /// Begins with a number.
    #[inline(always)]
    pub fn with(buffer: &'a mut Vec<u8>, key: &'static str, value: u64) -> Self {
        buffer.extend_from_slice(b"{\"");
        buffer.extend_from_slice(key.as_bytes());
        buffer.extend_from_slice(b"\":");
        digits(buffer, value);
        Self(buffer)
    }

    /// Ends the line.
    #[inline(always)]
    pub fn end(self) {
        self.0.extend_from_slice(b"}\n");
    }

    #[inline(always)]
    fn key(&mut self, key: &'static str) {
        // Inlined with a name that is known, these are a few stores.
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(key.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    /// A number.
    #[inline(always)]
    pub fn number(&mut self, key: &'static str, value: u64) {
        self.key(key);
        digits(self.0, value);
    }

    /// A number, or null.
    #[inline(always)]
    pub fn number_or_null(&mut self, key: &'static str, value: Option<u64>) {
        match value {
            Some(value) => self.number(key, value),
            None => self.raw(key, b"null"),
        }
    }

    /// Whether something is so.
    #[inline(always)]
    pub fn flag(&mut self, key: &'static str, value: bool) {
        self.raw(key, if value { b"true" } else { b"false" });
    }

    /// What is JSON already.
    #[inline(always)]
    pub fn raw(&mut self, key: &'static str, value: &[u8]) {
        self.key(key);
        self.0.extend_from_slice(value);
    }

    /// A name without anything in it to escape.
    #[inline(always)]
    pub fn word(&mut self, key: &'static str, value: &str) {
        self.key(key);
        self.0.push(b'"');
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(b'"');
    }

    /// Any text.
    pub fn text(&mut self, key: &'static str, write: impl FnOnce(&mut dyn Write) -> fmt::Result) {
        self.key(key);
        self.0.push(b'"');
        write(&mut Escaped(self.0)).expect("writing into memory does not fail");
        self.0.push(b'"');
    }

    /// A node or a client.
    fn peer(&mut self, key: &'static str, peer: Peer) {
        self.key(key);
        self.0.extend_from_slice(if matches!(peer, Peer::Node(_)) { b"\"n" } else { b"\"c" });
        let (Peer::Node(NodeId(number)) | Peer::Client(sim_core::ClientId(number))) = peer;
        digits(self.0, u64::from(number) + 1);
        self.0.push(b'"');
    }

    fn node(&mut self, key: &'static str, node: NodeId) {
        self.peer(key, Peer::Node(node));
    }

    fn ticket(&mut self, ticket: Ticket) {
        self.number("op", ticket.op);
        self.number("try", u64::from(ticket.attempt) + 1);
    }
}

fn digits(buffer: &mut Vec<u8>, value: u64) {
    buffer.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Puts what is written between the quotes of a JSON string.
struct Escaped<'a>(&'a mut Vec<u8>);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.bytes().all(|b| b >= b' ' && b != b'"' && b != b'\\') {
            self.0.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        for byte in text.bytes() {
            match byte {
                b'"' | b'\\' => self.0.extend_from_slice(&[b'\\', byte]),
                b'\n' => self.0.extend_from_slice(b"\\n"),
                0..b' ' => {
                    const HEX: &[u8; 16] = b"0123456789abcdef";
                    self.0.extend_from_slice(b"\\u00");
                    self.0.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
                }
                _ => self.0.push(byte),
            }
        }
        Ok(())
    }
}

/// A node has taken on a role.
pub(super) fn role(buffer: &mut Vec<u8>, at: Instant, node: NodeId, role: Role) {
    let mut line = Line::begin(buffer, at, "role");
    line.node("node", node);
    line.text("kind", |out| out.write_str(role.name));
    line.number("rank", role.rank);
    line.end();
}

fn starting<'a>(buffer: &'a mut Vec<u8>, at: Instant) -> impl FnOnce(&'static str) -> Line<'a> {
    move |event| Line::begin(buffer, at, event)
}

/// A line about one node.
fn of(mut line: Line<'_>, node: NodeId, rest: impl FnOnce(&mut Line<'_>)) {
    line.node("node", node);
    rest(&mut line);
    line.end();
}

fn ends(line: &mut Line<'_>, from: Peer, to: Peer) {
    line.peer("from", from);
    line.peer("to", to);
}

/// What was observed at `at`.
pub(super) fn observed<N: Node>(buffer: &mut Vec<u8>, at: Instant, what: &Observed<'_, N>) {
    let begin = starting(buffer, at);
    match what {
        Observed::Sent { from, to, message, arrives, number } => {
            let mut line = begin("sent");
            ends(&mut line, Peer::Node(*from), Peer::Node(*to));
            line.word("kind", message.kind().name);
            line.number("id", u64::from(*number));
            // What goes over a stream comes when the stream brings it.
            if *arrives != Instant::FAR {
                line.number("due_ns", arrives.0);
            }
            line.text("detail", |out| message.describe(out));
            line.end();
        }
        Observed::Delivered { from, to, number, message } => {
            // What it says stands in the line of its sending.
            let mut line = begin("delivered");
            ends(&mut line, Peer::Node(*from), Peer::Node(*to));
            line.word("kind", message.kind().name);
            line.number("id", u64::from(*number));
            line.end();
        }
        Observed::Dropped { from, to, what, why } => {
            let mut line = begin("dropped");
            ends(&mut line, *from, *to);
            match what {
                Parcel::Message(kind, number) => {
                    line.word("kind", kind.name);
                    line.number("id", u64::from(*number));
                }
                Parcel::Request(ticket) => {
                    line.word("kind", "request");
                    line.ticket(*ticket);
                }
                Parcel::Answer(ticket) => {
                    line.word("kind", "answer");
                    line.ticket(*ticket);
                }
            }
            line.word("why", why.name());
            line.end();
        }
        Observed::Fired { node, timer } => of(begin("timer"), *node, |line| {
            line.number("id", u64::from(timer.0));
            line.text("detail", |out| out.write_str(N::timer_name(*timer)));
        }),
        Observed::Appended { node, write, record } => of(begin("appended"), *node, |line| {
            line.number("id", write.0);
            line.text("detail", |out| record.describe(out));
        }),
        Observed::SyncStarted { node, due } => of(begin("syncing"), *node, |line| line.number("due_ns", due.0)),
        Observed::Synced { node, upto, ok } => of(begin("synced"), *node, |line| {
            line.number("id", upto.0);
            if !ok {
                line.word("why", "failed");
            }
        }),
        Observed::ReadDone { node, write, found } => of(begin("read"), *node, |line| {
            line.number("id", write.0);
            if !found {
                line.word("why", "missing");
            }
        }),
        Observed::Noted { node, fact } => of(begin("fact"), *node, |line| {
            line.word("kind", fact.kind().name);
            line.text("detail", |out| fact.describe(out));
        }),
        Observed::Crashed { node, halted, lost_records } => of(begin("crashed"), *node, |line| {
            if let Some(why) = halted {
                line.text("why", |out| out.write_str(why));
            }
            line.text("detail", |out| write!(out, "{lost_records} unsynced records lost"));
        }),
        Observed::Booted { node, records } => of(begin("booted"), *node, |line| {
            line.text("detail", |out| write!(out, "{records} records on disk"));
        }),
        Observed::Paused { node, paused } => of(begin(if *paused { "paused" } else { "resumed" }), *node, |_| {}),
        Observed::Closed { node, peer } => of(begin("closed"), *node, |line| {
            line.text("detail", |out| write!(out, "the connection with {peer}"));
        }),
        Observed::Connection { end, peer, open, why } => {
            let mut line = begin(if *open { "connected" } else { "disconnected" });
            ends(&mut line, *end, *peer);
            if !open {
                line.word("why", why);
            }
            line.end();
        }
        Observed::Segment { from, to, kind, at_byte, bytes, under_way, again, arrives, lost } => {
            let mut line = begin(if lost.is_some() { "segment_lost" } else { "segment" });
            ends(&mut line, *from, *to);
            line.word("kind", kind);
            match lost {
                None => line.number("due_ns", arrives.0),
                Some(why) => line.word("why", why.name()),
            }
            line.text("detail", |out| {
                let again = if *again { ", sent again" } else { "" };
                write!(out, "{bytes} bytes from {at_byte} on{again}; {under_way} under way")
            });
            line.end();
        }
        Observed::Ordered { node, order } => of(begin("ordered"), *node, |line| {
            line.text("detail", |out| write!(out, "{order}"));
        }),
        Observed::FaultStarted { index, injection, resolved } => {
            let mut line = begin("fault_started");
            line.word("kind", injection.fault.kind());
            line.number("id", *index as u64);
            line.text("detail", |out| {
                write!(out, "{injection}: ")?;
                if resolved.is_empty() {
                    out.write_str("nobody")?;
                }
                resolved.iter().enumerate().try_for_each(|(i, node)| {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(out, "{comma}{node}")
                })
            });
            line.end();
        }
        Observed::FaultEnded { index, injection, touched } => {
            let mut line = begin("fault_ended");
            line.word("kind", injection.fault.kind());
            line.number("id", *index as u64);
            line.text("detail", |out| write!(out, "{injection}: changed {touched}"));
            line.end();
        }
        Observed::Invoked { ticket, request } => {
            let mut line = begin("invoked");
            line.peer("from", Peer::Client(ticket.client));
            line.number("op", ticket.op);
            line.text("detail", |out| write!(out, "{request:?}"));
            line.end();
        }
        Observed::Asked { ticket, to } => {
            let mut line = begin("asked");
            ends(&mut line, Peer::Client(ticket.client), Peer::Node(*to));
            line.ticket(*ticket);
            line.end();
        }
        Observed::Requested { ticket, node } => {
            let mut line = begin("requested");
            ends(&mut line, Peer::Client(ticket.client), Peer::Node(*node));
            line.ticket(*ticket);
            line.end();
        }
        Observed::Answered { ticket, node, redirect, .. } => {
            let mut line = begin(if *redirect { "redirected" } else { "answered" });
            ends(&mut line, Peer::Node(*node), Peer::Client(ticket.client));
            line.ticket(*ticket);
            line.end();
        }
        Observed::Returned { ticket, invoked, outcome, node, .. } => {
            let mut line = begin("returned");
            if let Some(node) = node {
                line.node("from", *node);
            }
            line.peer("to", Peer::Client(ticket.client));
            line.ticket(*ticket);
            line.word(
                "why",
                match outcome {
                    Outcome::Ok(_) => "ok",
                    Outcome::Failed => "failed",
                    Outcome::Unknown => "unknown",
                },
            );
            line.number("took_ns", at.since(*invoked).0);
            if let Outcome::Ok(response) = outcome {
                line.text("detail", |out| write!(out, "{response:?}"));
            }
            line.end();
        }
    }
}
