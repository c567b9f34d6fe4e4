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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Datum {
    /// Nothing.
    Nil,
    /// A number or a text. Numbers are compared as they are written, but for the mark of a big one (`1N`).
    Text(Arc<str>),
    /// A keyword, such as `:timed-out`; without its colon.
    Word(Arc<str>),
    /// True or false.
    Bool(bool),
    /// Several, in an order.
    List(Vec<Self>),
    /// Several without one.
    Set(Vec<Self>),
    /// Keys and their values.
    Map(Vec<(Self, Self)>),
}

impl Datum {
    /// A text.
    #[must_use]
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(text.as_ref().into())
    }

    /// What is said in the way of a name: a keyword, or a text with or without a colon.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Word(name) => Some(name),
            Self::Text(name) => Some(name.trim_start_matches(':')),
            _ => None,
        }
    }

    /// The value of this name in a map.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(key, _)| key.name() == Some(name)).map(|(_, value)| value)
    }

    /// The members of a list or a set.
    pub(super) fn members(&self) -> Option<&[Self]> {
        match self {
            Self::List(members) | Self::Set(members) => Some(members),
            _ => None,
        }
    }

    /// Key and value, if it can be such a tuple.
    pub(super) fn pair(&self) -> Option<(&Self, &Self)> {
        match self {
            Self::List(list) if list.len() == 2 => Some((&list[0], &list[1])),
            _ => None,
        }
    }
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let several = |f: &mut fmt::Formatter<'_>, open: &str, list: &[Self], close: &str| {
            f.write_str(open)?;
            for (i, datum) in list.iter().enumerate() {
                write!(f, "{}{datum}", if i > 0 { " " } else { "" })?;
            }
            f.write_str(close)
        };
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Text(text) => f.write_str(text),
            Self::Word(word) => write!(f, ":{word}"),
            Self::Bool(yes) => write!(f, "{yes}"),
            Self::List(list) => several(f, "[", list, "]"),
            Self::Set(list) => several(f, "#{", list, "}"),
            Self::Map(entries) => {
                f.write_str("{")?;
                for (i, (key, value)) in entries.iter().enumerate() {
                    write!(f, "{}{key} {value}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str("}")
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
    /// Why it failed, or why nobody knows; nil if the line does not say.
    pub error: Datum,
    /// When, in any unit: what is later is greater. Without times, the order of the lines counts.
    pub at: u64,
    /// The line, counted from 1, for messages.
    pub line: u32,
}
