//! Where the reading of manifests collects what it finds, and how it goes through mappings so that no field is passed
//! over: what nobody asked for is an unknown field.

use super::tree::{Tree, Value};
use crate::control::kubernetes::objects::Text;
use sim_core::sorted::SortedSet;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Something to say about a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Which of the files, counted from 0.
    pub file: usize,
    /// The document, counted from 1.
    pub document: u32,
    /// The line, counted from 1.
    pub line: u32,
    /// The column, counted from 1.
    pub column: u32,
    /// Of which object, `Deployment/web`; empty if of none.
    pub object: String,
    /// At which path, `spec.replicas`; empty if at none.
    pub path: String,
    /// What.
    pub what: String,
    /// It does not keep the manifest from being used.
    pub warning: bool,
}

/// How many remarks are kept of one file.
const MOST_REMARKS: usize = 1_000;

/// Collects remarks.
#[derive(Debug, Default)]
pub struct Desk {
    remarks: RefCell<Vec<Remark>>,
    notices: RefCell<Vec<String>>,
    noticed: RefCell<SortedSet<String>>,
    /// Remarks beyond those that are kept.
    more: Cell<usize>,
    /// The file at hand.
    pub file: Cell<usize>,
    /// The document at hand.
    pub document: Cell<u32>,
    /// The object at hand.
    pub object: RefCell<String>,
    /// Errors so far.
    errors: Cell<usize>,
}

impl Desk {
    /// Something is wrong at a place.
    pub fn wrong(&self, at: &Tree, path: &str, what: impl Into<String>) {
        self.remark(at, path, what.into(), false);
    }

    /// Something is odd at a place.
    pub fn warn(&self, at: &Tree, path: &str, what: impl Into<String>) {
        self.remark(at, path, what.into(), true);
    }

    fn remark(&self, at: &Tree, path: &str, what: String, warning: bool) {
        self.errors.set(self.errors.get() + usize::from(!warning));
        self.push(Remark {
            file: self.file.get(),
            document: self.document.get(),
            line: at.line,
            column: at.column,
            object: self.object.borrow().clone(),
            path: path.to_owned(),
            what,
            warning,
        });
    }

    /// A remark that somebody else has made.
    pub fn push(&self, remark: Remark) {
        let mut remarks = self.remarks.borrow_mut();
        if remarks.len() < MOST_REMARKS {
            remarks.push(remark);
        } else {
            self.more.set(self.more.get() + 1);
        }
    }

    /// Something is legal and changes nothing: said once.
    pub fn notice(&self, what: String) {
        if self.noticed.borrow_mut().insert(what.clone()) {
            self.notices.borrow_mut().push(what);
        }
    }

    /// How many errors there are so far.
    pub fn errors(&self) -> usize {
        self.errors.get()
    }

    /// All that was found, in the order of the lines.
    pub fn close(self) -> (Vec<Remark>, Vec<String>) {
        let mut remarks = self.remarks.into_inner();
        remarks.sort_by_key(|remark| (remark.file, remark.document, remark.line));
        if let Some(last) = remarks.last().cloned().filter(|_| self.more.get() > 0) {
            let what = format!("and {} more mistakes", self.more.get());
            remarks.push(Remark { object: String::new(), path: String::new(), what, warning: false, ..last });
        }
        (remarks, self.notices.into_inner())
    }
}

/// What a scalar without quotes is in YAML, as the API server's reader has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Null,
    Bool(bool),
    Int(i64),
    Float,
    Text,
}

/// Resolves a scalar without quotes.
pub fn resolve(text: &str) -> Sort {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Sort::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Sort::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Sort::Bool(false),
        ".inf" | "-.inf" | "+.inf" | ".nan" | ".NaN" | ".Inf" => return Sort::Float,
        _ => {}
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Sort::Text;
    }
    let radix = |prefix: &str, radix| {
        let digits = digits.strip_prefix(prefix)?;
        i64::from_str_radix(digits, radix).ok().map(|value| Sort::Int(sign * value))
    };
    let octal = (digits.len() > 1).then(|| radix("0", 8)).flatten();
    let special = radix("0x", 16).or_else(|| radix("0o", 8)).or_else(|| radix("0b", 2)).or(octal);
    if let Some(special) = special {
        return special;
    }
    let digits = digits.replace('_', "");
    if let Ok(value) = digits.parse::<i64>() {
        return Sort::Int(sign * value);
    }
    let numeric = digits.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    if numeric && digits.parse::<f64>().is_ok() { Sort::Float } else { Sort::Text }
}

/// A value at a path.
#[derive(Clone, Debug)]
pub struct At<'a> {
    pub desk: &'a Desk,
    pub tree: &'a Rc<Tree>,
    pub path: String,
}

impl<'a> At<'a> {
    /// Something is wrong here.
    pub fn wrong(&self, what: impl Into<String>) {
        self.desk.wrong(self.tree, &self.path, what);
    }

    /// Something is odd here.
    pub fn warn(&self, what: impl Into<String>) {
        self.desk.warn(self.tree, &self.path, what);
    }

    /// The last part of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or(&self.path)
    }

    fn shown(&self) -> String {
        match &self.tree.value {
            Value::Scalar(text, true) => text.to_string(),
            Value::Scalar(text, false) => format!("\"{text}\""),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        }
    }

    fn needs(&self, what: &str) {
        self.wrong(format!("{} must be {what}, not {}", self.name(), self.shown()));
    }

    /// Text; what YAML takes for a number or a truth must be quoted.
    pub fn text(&self) -> Option<Text> {
        match &self.tree.value {
            Value::Scalar(text, false) => Some(text.clone()),
            Value::Scalar(text, true) if resolve(text) == Sort::Text => Some(text.clone()),
            Value::Scalar(text, true) => {
                self.wrong(format!("{} must be a string: quote {text}", self.name()));
                None
            }
            _ => {
                self.needs("a string");
                None
            }
        }
    }

    /// Any scalar as it stands there, a quantity say.
    pub fn scalar(&self) -> Option<Text> {
        match &self.tree.value {
            Value::Scalar(text, _) => Some(text.clone()),
            _ => {
                self.needs("a string or a number");
                None
            }
        }
    }

    /// A whole number.
    pub fn int(&self) -> Option<i64> {
        if let Value::Scalar(text, true) = &self.tree.value
            && let Sort::Int(value) = resolve(text)
        {
            return Some(value);
        }
        self.needs("a whole number");
        None
    }

    /// A whole number that is at least `least`.
    pub fn at_least(&self, least: i64, or: &str) -> Option<i64> {
        let value = self.int()?;
        if value < least || value > i64::from(i32::MAX) {
            self.wrong(if value < least { format!("{} {or}", self.name()) } else { format!("{value} is too large") });
            return None;
        }
        Some(value)
    }

    /// A whole number that is not negative.
    pub fn count(&self) -> Option<i64> {
        self.at_least(0, "must not be negative")
    }

    /// A number of bytes.
    pub fn count_of_bytes(&self) -> Option<i64> {
        self.int().filter(|bytes| *bytes >= 0)
    }

    /// No fields at all, where there is no mapping to have them.
    pub fn none(&self) -> Fields<'a> {
        Fields { at: self.clone(), entries: &[], used: Vec::new(), asked: Vec::new() }
    }

    /// A truth.
    pub fn truth(&self) -> Option<bool> {
        if let Value::Scalar(text, true) = &self.tree.value
            && let Sort::Bool(value) = resolve(text)
        {
            return Some(value);
        }
        self.needs("true or false");
        None
    }

    /// One of a few words.
    pub fn word<T: Copy>(&self, words: &[(&str, T)], otherwise: impl FnOnce(&str) -> String) -> Option<T> {
        let text = self.text()?;
        let known = words.iter().find(|(word, _)| **word == *text);
        if known.is_none() {
            self.wrong(otherwise(&text));
        }
        known.map(|(_, value)| *value)
    }

    /// The items of a list.
    pub fn items(&self) -> Vec<At<'a>> {
        match &self.tree.value {
            Value::List(items) => {
                let at = |(number, tree)| At { desk: self.desk, tree, path: format!("{}[{number}]", self.path) };
                items.iter().enumerate().map(at).collect()
            }
            _ if self.tree.is_null() => Vec::new(),
            _ => {
                self.needs("a list");
                Vec::new()
            }
        }
    }

    /// Texts of a list.
    pub fn texts(&self) -> Vec<Text> {
        self.items().iter().filter_map(Self::text).collect()
    }

    /// The fields of a mapping.
    pub fn fields(&self) -> Fields<'a> {
        let entries = match &self.tree.value {
            Value::Map(map) => {
                for (key, line) in &map.twice {
                    let at = self.tree.in_line(*line);
                    self.desk.wrong(&at, &self.path, format!("key {key} twice in {}", self.name()));
                }
                map.entries.as_slice()
            }
            _ if self.tree.is_null() => &[],
            _ => {
                self.needs("a mapping");
                &[]
            }
        };
        Fields { at: self.clone(), entries, used: vec![false; entries.len()], asked: Vec::new() }
    }
}

/// The fields of a mapping, and which of them were asked for.
#[derive(Debug)]
pub struct Fields<'a> {
    pub at: At<'a>,
    entries: &'a [(Rc<str>, Rc<Tree>)],
    used: Vec<bool>,
    asked: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// A field that is there and is not null.
    pub fn get(&mut self, name: &'static str) -> Option<At<'a>> {
        self.asked.push(name);
        let found = self.entries.iter().position(|(key, _)| **key == *name)?;
        self.used[found] = true;
        let tree = &self.entries[found].1;
        let path = self.path_of(name);
        (!tree.is_null()).then_some(At { desk: self.at.desk, tree, path })
    }

    fn path_of(&self, name: &str) -> String {
        if self.at.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.at.path) }
    }

    /// All fields as they are.
    pub fn all(mut self) -> Vec<(Text, At<'a>)> {
        self.used.fill(true);
        let at = |(key, tree): &'a (Rc<str>, Rc<Tree>)| {
            let at = At { desk: self.at.desk, tree, path: format!("{}.{key}", self.at.path) };
            (key.clone(), at)
        };
        self.entries.iter().map(at).collect()
    }

    /// Fields that are legal and change nothing. Each is noted once, `of` whatever it is a field of.
    pub fn ignore(&mut self, of: &str, names: &[&'static str]) {
        for name in names {
            if self.get(name).is_some() {
                let of = if of.is_empty() { String::new() } else { format!(" of {of}") };
                self.at.desk.notice(format!("{name}{of} ignored"));
            }
        }
    }

    /// Fields that are legal and go without saying.
    pub fn silent(&mut self, names: &[&'static str]) {
        for name in names {
            self.get(name);
        }
    }

    /// Fields that are legal, would change the answer, and are not modelled.
    pub fn refuse(&mut self, names: &[&'static str]) {
        for name in names {
            if let Some(at) = self.get(name) {
                at.wrong(format!("{name} is not modelled, and would change what happens"));
            }
        }
    }

    /// All fields have been asked for that there may be: whatever else stands here is unknown.
    pub fn done(self) {
        for ((key, tree), _) in self.entries.iter().zip(&self.used).filter(|(_, used)| !**used) {
            let near = self.asked.iter().map(|known| (strsim::damerau_levenshtein(known, key), *known)).min();
            let meant = near.filter(|(distance, known)| *distance <= (known.len() / 3).clamp(1, 3));
            let meant = meant.map_or(String::new(), |(_, known)| format!(" ({known}?)"));
            let parent = self.at.name();
            let parent = parent.split('[').next().unwrap_or(parent);
            let dot = if parent.is_empty() { "" } else { "." };
            self.at.desk.wrong(tree, &self.path_of(key), format!("unknown field {parent}{dot}{key}{meant}"));
        }
    }
}
