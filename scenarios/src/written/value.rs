//! A value as written, with its place.

use crate::diagnostics::Span;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Value {
    /// Where.
    pub span: Span,
    /// What.
    pub kind: Kind,
}

/// What was written.
#[derive(Clone, Debug)]
pub enum Kind {
    /// JSON's `null`.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// A whole number; beyond 128 bits it stays at the end of the range, which no field accepts.
    Int(i128),
    /// A number with a point or exponent; may be infinite or not a number.
    Float(f64),
    /// A string.
    Text(String),
    /// A TOML date or time.
    Date(String),
    /// `[...]`, or TOML's `[[...]]`.
    List(Vec<Value>),
    /// `{...}`, or TOML's `[...]`.
    Table(Table),
}

impl Kind {
    /// What people call it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Flag(_) => "true or false",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Text(_) => "a string",
            Self::Date(_) => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Keys and values in the order of the text.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The entries.
    pub entries: Vec<Entry>,
}

/// One key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Value,
}

impl Table {
    /// The entry of a key.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.key == key)
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entry(key).map(|e| &e.value)
    }
}

impl Value {
    /// Whether it is this text.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        matches!(&self.kind, Kind::Text(own) if own == text)
    }

    /// As the `toml` crate has it; `None` for what TOML can not say (null, numbers beyond 64 bits).
    #[must_use]
    pub fn to_toml(&self) -> Option<toml::Value> {
        Some(match &self.kind {
            Kind::Null => return None,
            Kind::Flag(b) => toml::Value::Boolean(*b),
            Kind::Int(n) => toml::Value::Integer(i64::try_from(*n).ok()?),
            Kind::Float(x) => toml::Value::Float(*x),
            Kind::Text(s) => toml::Value::String(s.clone()),
            Kind::Date(s) => toml::Value::Datetime(s.parse().ok()?),
            Kind::List(items) => toml::Value::Array(items.iter().map(Self::to_toml).collect::<Option<_>>()?),
            Kind::Table(table) => {
                let entries = table.entries.iter().map(|e| Some((e.key.clone(), e.value.to_toml()?)));
                toml::Value::Table(entries.collect::<Option<_>>()?)
            }
        })
    }
}
