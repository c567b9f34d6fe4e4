//! How objects are chosen by their labels.

use super::{Labels, Text};

/// What a requirement asks of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// Its value is one of the listed.
    In,
    /// It is absent, or its value is none of the listed.
    NotIn,
    /// It is there.
    Exists,
    /// It is absent.
    DoesNotExist,
    /// Its value is a number above the listed one; only in what chooses nodes.
    Gt,
    /// Its value is a number below the listed one; only in what chooses nodes.
    Lt,
}

/// One line of `matchExpressions`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requirement {
    /// The label.
    pub key: Text,
    /// What is asked of it.
    pub operator: Operator,
    /// The values.
    pub values: Vec<Text>,
}

impl Requirement {
    /// Whether the value of a label, if there is one, is as required.
    #[must_use]
    pub fn met_by(&self, value: Option<&Text>) -> bool {
        let listed = |value: &Text| self.values.contains(value);
        match self.operator {
            Operator::In => value.is_some_and(listed),
            Operator::NotIn => !value.is_some_and(listed),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt | Operator::Lt => {
                let number = |text: &Text| text.parse::<i64>().ok();
                match (value.and_then(number), self.values.first().and_then(number)) {
                    (Some(value), Some(bound)) if self.operator == Operator::Gt => value > bound,
                    (Some(value), Some(bound)) => value < bound,
                    _ => false,
                }
            }
        }
    }
}

/// A label selector: all of it must hold. An empty one chooses everything, and where there is none at all (an `Option`
/// that is `None`) nothing is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Selector {
    /// `matchLabels`, in the order of their keys.
    pub labels: Labels,
    /// `matchExpressions`.
    pub expressions: Vec<Requirement>,
}

impl Selector {
    /// One that asks for these labels.
    #[must_use]
    pub fn of(labels: Labels) -> Self {
        Self { labels, expressions: Vec::new() }
    }

    /// Whether it chooses what has these labels.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.labels.shared_with(labels) && self.expressions.is_empty()
            || self.labels.iter().all(|(key, value)| labels.get(key) == Some(value))
                && self.expressions.iter().all(|one| one.met_by(labels.get(&one.key)))
    }

    /// Whether it asks for nothing, and so chooses everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.expressions.is_empty()
    }

    /// The first value that no label can have, which the API refuses.
    #[must_use]
    pub fn impossible(&self) -> Option<&str> {
        let listed = self.expressions.iter().flat_map(|one| &one.values);
        self.labels.values().chain(listed).map(|value| &**value).find(|value| !is_label_value(value))
    }
}

/// Whether a label may have this value: at most 63 letters, digits, `-`, `_` and `.`, the first and the last of them
/// a letter or a digit.
#[must_use]
pub fn is_label_value(value: &str) -> bool {
    let plain = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = value.as_bytes();
    bytes.len() <= 63
        && plain(bytes.first())
        && plain(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

/// A term that chooses nodes: all of it must hold. An empty one chooses none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NodeTerm {
    /// What is asked of the node's labels.
    pub expressions: Vec<Requirement>,
    /// What is asked of its fields; `metadata.name` is the only one there is.
    pub fields: Vec<Requirement>,
}

impl NodeTerm {
    /// Whether it chooses a node of this name and these labels. A term with a value that no label can have chooses
    /// none: that matters where values are excluded.
    #[must_use]
    pub fn matches(&self, name: &Text, labels: &Labels) -> bool {
        let excluding = self.expressions.iter().filter(|one| one.operator == Operator::NotIn);
        let impossible = excluding.flat_map(|one| &one.values).any(|value| !is_label_value(value));
        let empty = self.expressions.is_empty() && self.fields.is_empty();
        !(impossible || empty)
            && self.expressions.iter().all(|one| one.met_by(labels.get(&one.key)))
            && self.fields.iter().all(|one| &*one.key == "metadata.name" && one.met_by(Some(name)))
    }
}
