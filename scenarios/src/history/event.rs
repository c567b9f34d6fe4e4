//! One line of a history: somebody asked something, or was answered.

use core::fmt;
use std::sync::Arc;

/// What a line says of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It began.
    Invoke,
    /// It happened, and this was the answer.
    Ok,
    /// It did not happen.
    Fail,
    /// Nobody knows whether it happened.
    Info,
}

impl Stage {
    /// The stage of this name, with or without its colon.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name.trim_start_matches(':') {
            "invoke" => Self::Invoke,
            "ok" => Self::Ok,
            "fail" => Self::Fail,
            "info" => Self::Info,
            _ => return None,
        })
    }
}

/// A value in a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Datum {
    /// Nothing.
    Nil,
    /// A number or a text. Numbers are compared as they are written.
    Text(Arc<str>),
    /// A keyword, such as `:timed-out`; without its colon.
    Word(Arc<str>),
    /// True or false.
    Bool(bool),
    /// Several.
    List(Vec<Self>),
}

impl Datum {
    /// A text.
    #[must_use]
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(text.as_ref().into())
    }
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Text(text) => f.write_str(text),
            Self::Word(word) => write!(f, ":{word}"),
            Self::Bool(yes) => write!(f, "{yes}"),
            Self::List(list) => {
                f.write_str("[")?;
                for (i, datum) in list.iter().enumerate() {
                    write!(f, "{}{datum}", if i > 0 { " " } else { "" })?;
                }
                f.write_str("]")
            }
        }
    }
}

/// One line of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Who: a process has one operation at a time.
    pub process: Arc<str>,
    /// What the line says.
    pub stage: Stage,
    /// The function: `read`, `put`, ...
    pub f: Arc<str>,
    /// The object, if the history is about several.
    pub key: Option<Arc<str>>,
    /// What was asked, or answered.
    pub value: Datum,
    /// When, in any unit: what is later is greater. Without times, the order of the lines counts.
    pub at: u64,
    /// The line, counted from 1, for messages.
    pub line: u32,
}
