//! What a history does not say about itself, and the person who judges it knows.

use super::Datum;

/// What to make of a history where there are two ways to read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Whether values are tuples of a key and a value, each key an object of its own (as with `jepsen.independent`).
    /// Without it a history decides, and one that can be read both ways is refused.
    pub keyed: Option<bool>,
    /// What a compare-and-set that failed says.
    pub failed_cas: FailedCas,
    /// What each object holds at the beginning; nothing, or 0, if this says nothing.
    pub initial: Option<Datum>,
    /// Whether a read that succeeded with nil saw that there is nothing. Otherwise nobody knows what it saw.
    pub nil_is_absent: bool,
}

/// What a compare-and-set that failed says of the object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailedCas {
    /// Nothing: it never happened, for whatever reason.
    #[default]
    Never,
    /// It looked, and found another value than it expected; unless its error gives another reason.
    Looked,
}

impl Reading {
    /// The initial value from a command line: EDN.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn initial(text: &str) -> Result<Datum, String> {
        super::reader::one(text).map_err(|bad| format!("{text:?} is no value: {}", bad.what))
    }
}

/// Errors that say that a comparison found another value: of Maelstrom, and of Jepsen's tests of etcd and others.
const COMPARED: [&str; 5] =
    ["precondition-failed", "precondition failed", "did-not-succeed", "cas-failed", "compare-failed"];

/// Whether a failed compare-and-set with this error looked at the object.
pub(super) fn has_looked(error: &Datum) -> bool {
    let text = error.to_string().to_lowercase();
    *error == Datum::Nil || COMPARED.iter().any(|reason| text.contains(reason))
}
