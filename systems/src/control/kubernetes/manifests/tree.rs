//! YAML as a tree of values that know where they stand.
//!
//! Aliases share what they name, so a document takes memory for its text and no more; how many values it stands for is
//! counted as it is built, and bounded. What was anchored in one document is not known in the next.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use sim_core::sorted::{SortedMap, SortedSet};
use std::rc::Rc;

/// A file may have so many bytes.
pub const MOST_BYTES: usize = 8 << 20;
/// So many documents.
pub const MOST_DOCUMENTS: usize = 5_000;
/// And a document so many values, each counted as often as it is named.
const MOST_VALUES: u64 = 1_000_000;
/// That lie so deep in each other.
const DEEPEST: usize = 64;

/// What stops the reading of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The line, counted from 1.
    pub line: u32,
    /// The column, counted from 1.
    pub column: u32,
    /// What is wrong.
    pub what: String,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The line it begins in, counted from 1.
    pub line: u32,
    /// The column it begins at, counted from 1.
    pub column: u32,
    /// The value.
    pub value: Value,
    /// How many values it stands for.
    size: u64,
}

/// A value.
#[derive(Clone, Debug)]
pub enum Value {
    /// Text, and whether it was written without quotes.
    Scalar(Rc<str>, bool),
    /// A list.
    List(Vec<Rc<Tree>>),
    /// A mapping.
    Map(Map),
}

/// A mapping in the order of the text, merged ones (`<<`) last.
#[derive(Clone, Debug, Default)]
pub struct Map {
    /// Keys and values.
    pub entries: Vec<(Rc<str>, Rc<Tree>)>,
    /// Keys that stand there twice, and where they do so again.
    pub twice: Vec<(Rc<str>, u32)>,
    known: SortedSet<Rc<str>>,
}

impl Tree {
    /// The value of a key, if this is a mapping that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Rc<Self>> {
        match &self.value {
            Value::Map(map) => map.entries.iter().find(|(name, _)| **name == *key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// A mapping of one key.
    #[cfg(test)]
    pub fn of_one(key: &str, value: &Rc<Self>) -> Rc<Self> {
        let map = Map { entries: vec![(key.into(), value.clone())], ..Map::default() };
        Rc::new(Self { line: value.line, column: value.column, value: Value::Map(map), size: value.size + 1 })
    }

    /// A value that stands for something in another line of this one.
    pub fn in_line(&self, line: u32) -> Self {
        Self { line, column: 1, value: Value::List(Vec::new()), size: 1 }
    }

    /// The items, if this is a list.
    #[must_use]
    pub fn items(&self) -> &[Rc<Self>] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The text, if this is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// Whether this is nothing at all: empty, `~` or `null` without quotes.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(text, true) if matches!(&**text, "" | "~" | "null" | "Null" | "NULL"))
    }
}

/// What is being built.
enum Open {
    List(usize, Tree, Vec<Rc<Tree>>),
    Map(usize, Tree, Map, Option<(Rc<str>, u32)>, Vec<Rc<Tree>>),
}

fn place(span: &Span) -> (u32, u32) {
    (span.start.line() as u32, span.start.col() as u32 + 1)
}

/// Reads all documents of a text; empty ones yield nothing. The first error of syntax, or the first bound that is
/// passed, ends the reading, and nothing is read then.
///
/// # Errors
/// Where the text is not YAML, or is too much of it.
pub fn load(text: &str) -> Result<Vec<Rc<Tree>>, Broken> {
    let at = |line, column, what: String| Broken { line, column, what };
    if text.len() > MOST_BYTES {
        let what = format!("{} bytes; a manifest may have {MOST_BYTES}", text.len());
        return Err(at(1, 1, what));
    }
    let mut parser = Parser::new_from_str(text);
    let mut documents = Vec::new();
    let mut seen = 0;
    let mut open: Vec<Open> = Vec::new();
    let mut anchors: SortedMap<usize, Rc<Tree>> = SortedMap::new();
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| {
            let (line, column) = (error.marker().line() as u32, error.marker().col() as u32 + 1);
            match alias_at(text, line, column).filter(|_| error.info().contains("unknown anchor")) {
                Some(name) => at(line, column, undefined(&name)),
                None if error.info().contains("recursion limit") => at(line, column, too_deep()),
                None => at(line, column, format!("not YAML: {}", error.info())),
            }
        })?;
        let (line, column) = place(&span);
        let tree = |value| Tree { line, column, value, size: 1 };
        let done = match event {
            Event::DocumentStart(_) => {
                anchors.clear();
                seen += 1;
                if seen > MOST_DOCUMENTS {
                    return Err(at(line, column, format!("more than {MOST_DOCUMENTS} documents")));
                }
                continue;
            }
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() == DEEPEST => {
                return Err(at(line, column, too_deep()));
            }
            Event::SequenceStart(anchor, _) => {
                open.push(Open::List(anchor, tree(Value::List(Vec::new())), Vec::new()));
                continue;
            }
            Event::MappingStart(anchor, _) => {
                let empty = tree(Value::Map(Map::default()));
                open.push(Open::Map(anchor, empty, Map::default(), None, Vec::new()));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(anchor, tree, items)) => {
                    let size = items.iter().fold(1u64, |sum, item| sum.saturating_add(item.size));
                    (anchor, Rc::new(Tree { value: Value::List(items), size, ..tree }))
                }
                Some(Open::Map(anchor, tree, mut map, _, merges)) => {
                    for merged in &merges {
                        merge(&mut map, merged)?;
                    }
                    let size = map.entries.iter().fold(1u64, |sum, (_, value)| sum.saturating_add(value.size));
                    (anchor, Rc::new(Tree { value: Value::Map(map), size, ..tree }))
                }
                None => continue,
            },
            Event::Scalar(text, style, anchor, _) => {
                (anchor, Rc::new(tree(Value::Scalar(text.as_ref().into(), style == ScalarStyle::Plain))))
            }
            Event::Alias(anchor) => match anchors.get(&anchor) {
                Some(named) => (0, named.clone()),
                None => {
                    let name = alias_at(text, line, column).unwrap_or_default();
                    return Err(at(line, column, undefined(&name)));
                }
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => continue,
        };
        let (anchor, value) = done;
        if value.size > MOST_VALUES {
            let what = format!("more than {MOST_VALUES} values, with aliases followed");
            return Err(at(line, column, what));
        }
        if anchor > 0 {
            anchors.insert(anchor, value.clone());
        }
        match open.last_mut() {
            None if value.is_null() => {}
            None => documents.push(value),
            Some(Open::List(_, _, items)) => items.push(value),
            Some(Open::Map(_, _, map, key, merges)) => match key.take() {
                None => {
                    let Some(name) = value.text() else {
                        return Err(at(line, column, "a key that is no text".to_owned()));
                    };
                    *key = Some((name.into(), line));
                }
                Some((name, _)) if &*name == "<<" => merges.push(value),
                Some((name, line)) => {
                    if map.known.insert(name.clone()) {
                        map.entries.push((name, value));
                    } else {
                        map.twice.push((name, line));
                    }
                }
            },
        }
    }
    Ok(documents)
}

fn too_deep() -> String {
    format!("values more than {DEEPEST} deep in each other")
}

fn undefined(alias: &str) -> String {
    format!("alias {alias} is not defined in this document")
}

/// The name of the alias that stands at a place.
fn alias_at(text: &str, line: u32, column: u32) -> Option<String> {
    let rest: String = text.lines().nth(line as usize - 1)?.chars().skip(column as usize - 1).collect();
    let name = rest.strip_prefix('*')?;
    let ends = |c: char| c.is_whitespace() || ",[]{}".contains(c);
    Some(name.split(ends).next().unwrap_or(name).to_owned())
}

/// Adds what `<<` names, for keys that the mapping does not have itself.
fn merge(map: &mut Map, merged: &Rc<Tree>) -> Result<(), Broken> {
    match &merged.value {
        Value::Map(other) => {
            for (key, value) in &other.entries {
                if map.known.insert(key.clone()) {
                    map.entries.push((key.clone(), value.clone()));
                }
            }
            Ok(())
        }
        Value::List(others) => {
            others.iter().filter(|one| matches!(one.value, Value::Map(_))).try_for_each(|one| merge(map, one))
        }
        Value::Scalar(..) => {
            let what = "<< needs a mapping, or a list of them".to_owned();
            Err(Broken { line: merged.line, column: merged.column, what })
        }
    }
}
