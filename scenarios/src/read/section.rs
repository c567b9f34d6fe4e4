//! Reads one table: known keys only, each by a function that says what is wrong with the value.

use crate::diagnostics::{Problems, Span};
use crate::keys::Section;
use crate::suggest;
use crate::written::{Kind, Table, Value};
use std::path::{Path, PathBuf};

/// Where the files are that a scenario refers to.
pub trait Files {
    /// The text of a file named relative to the scenario.
    ///
    /// # Errors
    /// Why it can not be read, and what would help.
    fn read(&self, path: &str) -> Result<String, (String, String)>;
}

/// Files beside the scenario file.
#[derive(Clone, Debug)]
pub struct Beside(PathBuf);

impl Beside {
    /// Files in the folder of `scenario`.
    #[must_use]
    pub fn new(scenario: &Path) -> Self {
        Self(scenario.parent().map_or_else(PathBuf::new, Path::to_path_buf))
    }
}

impl Files for Beside {
    fn read(&self, path: &str) -> Result<String, (String, String)> {
        super::file::text(&self.0.join(path))
    }
}

/// What every reading function may need.
pub struct Context<'a> {
    /// Takes in what is wrong.
    pub problems: &'a Problems,
    /// The files referred to.
    pub files: &'a dyn Files,
}

impl Context<'_> {
    /// Says what is wrong.
    pub fn wrong(&self, span: Span, what: impl Into<String>, help: impl Into<String>) {
        self.problems.at(span, what, help);
    }

    /// A value as it stands in its file, for messages: numbers beyond the range of any type included.
    pub fn written(&self, value: &Value) -> String {
        format!("`{}`", self.problems.written(value.span).trim())
    }
}

/// One table that is being read.
pub struct Reader<'a> {
    section: &'static Section,
    table: Option<&'a Table>,
    /// The table as a whole: where a missing key is reported.
    pub span: Span,
    /// Who to tell.
    pub context: &'a Context<'a>,
}

impl<'a> Reader<'a> {
    /// Reads `value`, which should be a table; one that is not, and every key that `section` does not know, is a
    /// problem.
    pub fn new(section: &'static Section, value: &'a Value, context: &'a Context<'a>) -> Self {
        let table = match &value.kind {
            Kind::Table(table) => Some(table),
            other => {
                let what = format!("{} should be a table, not {}", section.name, other.name());
                context.wrong(value.span, what, "");
                None
            }
        };
        for entry in table.iter().flat_map(|t| &t.entries) {
            if section.key(&entry.key).is_none() {
                let known: Vec<&str> = section.names().collect();
                let what = format!("{} has no key `{}`", section.name, entry.key);
                context.wrong(entry.key_span, what, suggest::help(&entry.key, &known));
            }
        }
        Self { section, table, span: value.span, context }
    }

    /// The table that is not there: everything has its default, and what must be there is missing at `span`.
    pub fn absent(section: &'static Section, span: Span, context: &'a Context<'a>) -> Self {
        Self { section, table: None, span, context }
    }

    /// The value of a key, if it is there.
    pub fn value(&self, key: &'static str) -> Option<&'a Value> {
        assert!(self.section.key(key).is_some(), "`{key}` is not in the list of keys of {}", self.section.name);
        self.table.and_then(|t| t.get(key))
    }

    /// The value at a path of keys below this table, if it is there.
    pub fn path(&self, keys: &[&str]) -> Option<&'a Value> {
        let (first, rest) = keys.split_first()?;
        rest.iter().try_fold(self.table?.get(first)?, |value, key| match &value.kind {
            Kind::Table(table) => table.get(key),
            _ => None,
        })
    }

    /// Whether the table itself is there.
    pub const fn is_there(&self) -> bool {
        self.table.is_some()
    }

    /// Whether a key is there.
    pub fn has(&self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    /// Where a key's value stands; the table if it is not there.
    pub fn at(&self, key: &'static str) -> Span {
        self.value(key).map_or(self.span, |v| v.span)
    }

    /// The value of a key, read by `read`; `None` if it is not there or wrong (which has then been said).
    pub fn get<T>(&self, key: &'static str, read: impl FnOnce(&Value, &Context<'_>) -> Option<T>) -> Option<T> {
        self.value(key).and_then(|value| read(value, self.context))
    }

    /// As [`Reader::get`], and its absence is a problem.
    pub fn must<T>(&self, key: &'static str, read: impl FnOnce(&Value, &Context<'_>) -> Option<T>) -> Option<T> {
        if self.value(key).is_none() && self.table.is_some() {
            let about = self.section.key(key).map_or("", |k| k.about);
            self.context.wrong(self.span, format!("{} needs `{key}`", self.section.name), about);
        }
        self.get(key, read)
    }

    /// Says what is wrong with a key's value.
    pub fn wrong(&self, key: &'static str, what: impl Into<String>, help: impl Into<String>) {
        self.context.wrong(self.at(key), what, help);
    }

    /// The keys that are there, with their places.
    pub fn present(&self) -> impl Iterator<Item = (&'a str, Span)> {
        self.table.into_iter().flat_map(|t| &t.entries).map(|e| (e.key.as_str(), e.key_span))
    }
}
