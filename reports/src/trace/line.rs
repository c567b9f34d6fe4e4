//! One line of `trace.jsonl`, read back.

use serde::Deserialize;

/// One thing that happened. Which fields are there depends on the event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Line {
    /// When, in simulated nanoseconds.
    pub at_ns: u64,
    /// What: one of [`crate::trace::EVENTS`].
    pub event: String,
    /// To whom it happened, if to one node alone.
    pub node: Option<String>,
    /// Sender: a node or a client.
    pub from: Option<String>,
    /// Receiver.
    pub to: Option<String>,
    /// Kind of message, fact, role or fault.
    pub kind: Option<String>,
    /// Number of the sender's message, the write, the timer slot or the fault.
    pub id: Option<u64>,
    /// Number of the client's operation.
    pub op: Option<u64>,
    /// Which try of it, from 1.
    pub r#try: Option<u64>,
    /// Rank of a role, as a term.
    pub rank: Option<u64>,
    /// When what begins here is due.
    pub due_ns: Option<u64>,
    /// How long what ends here took.
    pub took_ns: Option<u64>,
    /// Why a message was dropped, a node stopped, an operation ended so.
    pub why: Option<String>,
    /// The rest, for people.
    pub detail: Option<String>,
    /// Lines that were left out (event `end`).
    pub left_out: Option<u64>,
    /// The digest (event `end`).
    pub digest: Option<String>,
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is not one.
    pub fn parse(raw: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(raw)
    }

    /// Where it happened: the node or client whose step it was part of.
    #[must_use]
    pub fn place(&self) -> Option<&str> {
        let place = match self.event.as_str() {
            "delivered" | "dropped" | "requested" | "returned" => &self.to,
            _ => &self.node,
        };
        place.as_deref().or(self.from.as_deref())
    }
}

/// The first line of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Head {
    /// Version of the format.
    pub schema_version: u64,
    /// Version of splitbrain that wrote it.
    pub version: String,
    /// Name of the scenario.
    pub scenario: String,
    /// The system under test.
    pub system: String,
    /// The seed.
    pub seed: u64,
    /// How many nodes there are.
    pub nodes: u64,
    /// `all`, or `from_first_fault`.
    pub holds: String,
}

impl Head {
    /// Reads the first line.
    ///
    /// # Errors
    /// When it is not one.
    pub fn parse(raw: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(raw)
    }
}

/// When a line happened, without reading the rest of it.
#[must_use]
pub fn at(raw: &str) -> Option<u64> {
    let rest = raw.strip_prefix("{\"at_ns\":")?;
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    rest[..end].parse().ok()
}
