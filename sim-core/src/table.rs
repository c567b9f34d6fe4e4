//! A table of a report. A system names it, explains it and fills it; a report shows all of them alike.

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;

/// Rows under named columns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Table {
    /// What files call it: `keys_moved`.
    pub name: Cow<'static, str>,
    /// The part of `report.json` that has its rows under its name; where this is empty, it is one of `tables`.
    pub part: Cow<'static, str>,
    /// What people call it: `Keys moved`.
    pub title: Cow<'static, str>,
    /// What it comes to, or what its rows are, in one sentence.
    pub about: String,
    /// What each row holds.
    pub columns: Vec<Column>,
    /// The rows, each as long as `columns`.
    pub rows: Vec<Vec<Cell>>,
}

/// What every row holds in one place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// What files call it: `moved`. Times are in nanoseconds.
    pub name: Cow<'static, str>,
    /// What people call it: `Keys moved`; empty for what is in files alone.
    pub title: Cow<'static, str>,
    /// What it is, and so how it is shown.
    pub holds: Holds,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// Words or names.
    #[default]
    Text,
    /// A number that is a name, as that of a key.
    Id,
    /// A moment of simulated time.
    Moment,
    /// A length of time.
    Time,
    /// How many.
    Count,
    /// A number of any other kind.
    Number,
    /// A share of one.
    Fraction,
}

/// What a row holds in one column.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// Nobody knows.
    #[default]
    Unknown,
    /// Yes or no.
    Flag(bool),
    /// A count, or nanoseconds.
    Count(u64),
    /// Any other number.
    Number(f64),
    /// Words.
    Text(String),
    /// A list of counts.
    Counts(Vec<u64>),
    /// A list of names.
    Names(Vec<String>),
}

impl Table {
    /// An empty one.
    #[must_use]
    pub fn new(name: &'static str, title: &'static str, columns: &[Column]) -> Self {
        let (name, title) = (Cow::Borrowed(name), Cow::Borrowed(title));
        Self { name, title, columns: columns.to_vec(), ..Self::default() }
    }

    /// The same, as a part of this part of `report.json`.
    #[must_use]
    pub fn within(mut self, part: &'static str) -> Self {
        self.part = Cow::Borrowed(part);
        self
    }

    /// The rows as files have them: each an object with the columns' names, in their order.
    pub fn objects(&self) -> impl Iterator<Item = Object<'_>> {
        self.rows.iter().map(|row| Object(&self.columns, row))
    }
}

impl Column {
    /// A column that people see.
    #[must_use]
    pub const fn new(name: &'static str, title: &'static str, holds: Holds) -> Self {
        Self { name: Cow::Borrowed(name), title: Cow::Borrowed(title), holds }
    }

    /// One that is in files alone.
    #[must_use]
    pub const fn hidden(name: &'static str) -> Self {
        Self::new(name, "", Holds::Text)
    }
}

/// A row as an object.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a>(&'a [Column], &'a [Cell]);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (column, cell) in self.0.iter().zip(self.1) {
            map.serialize_entry(&column.name, cell)?;
        }
        map.end()
    }
}

macro_rules! cells {
    ($($from:ty => $cell:ident),*) => {$(
        impl From<$from> for Cell {
            fn from(value: $from) -> Self {
                Self::$cell(value.into())
            }
        }
    )*};
}
cells!(
    bool => Flag, u64 => Count, u32 => Count, f64 => Number, String => Text, &str => Text,
    Vec<u64> => Counts, Vec<String> => Names
);

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Unknown, Into::into)
    }
}
