//! Words that traces of several systems share.

use core::fmt;

/// Things in a row, by their numbers: "entry 5", "entries 5..9", "no entries".
pub struct Row {
    /// One, and several.
    of: [&'static str; 2],
    first: u64,
    len: u64,
}

/// Entries of a log.
pub const fn entries(first: u64, len: usize) -> Row {
    Row { of: ["entry", "entries"], first, len: len as u64 }
}

/// Slots from the first to the last.
pub const fn slots(first: u64, last: u64) -> Row {
    Row { of: ["slot", "slots"], first, len: (last + 1).saturating_sub(first) }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([one, several], first) = (self.of, self.first);
        match self.len {
            0 => write!(f, "no {several}"),
            1 => write!(f, "{one} {first}"),
            len => write!(f, "{several} {first}..{}", first + len - 1),
        }
    }
}

/// What is said of an operation that was executed, behind its number.
pub const fn again(fresh: bool) -> &'static str {
    if fresh { "" } else { " again: answered from its session" }
}
