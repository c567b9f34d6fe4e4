//! Reads the files that an option of `[system]` names, and puts their text beside their names, so that the resolved
//! scenario needs no other file.

use super::section::Context;
use crate::diagnostics::Span;
use crate::options::Systems;
use crate::written::{Kind, Value};
use sim_core::{FileProblem, FileText};

/// A list of names, or of names with their texts as a resolved scenario has them. What the system says is wrong in a
/// file is said at its place there.
pub fn read(
    (system, systems): (&str, &dyn Systems),
    option: &str,
    value: &Value,
    context: &Context<'_>,
) -> toml::Value {
    let Kind::List(items) = &value.kind else {
        let what = format!("`{option}` should be a list of files, not {}", value.kind.name());
        context.wrong(value.span, what, format!("for example `{option} = [\"file.yaml\"]`"));
        return toml::Value::Array(Vec::new());
    };
    let read: Vec<(u32, FileText)> = items.iter().filter_map(|item| file(option, item, context)).collect();
    let files: Vec<FileText> = read.iter().map(|(_, file)| file.clone()).collect();
    // What one file lacks another may have: they are judged together, and only if all are there.
    if files.len() == items.len() {
        for problem in systems.read_files(system, option, &files).problems {
            if let Some((source, file)) = read.get(problem.file) {
                context.wrong(place(*source, &file.text, &problem), problem.what, problem.help);
            }
        }
    }
    let table = |file: FileText| {
        let entries = [("file", file.file), ("text", file.text)];
        toml::Value::Table(entries.into_iter().map(|(key, text)| (key.to_owned(), toml::Value::String(text))).collect())
    };
    toml::Value::Array(files.into_iter().map(table).collect())
}

/// One file, and the source that problems in it point into.
fn file(option: &str, item: &Value, context: &Context<'_>) -> Option<(u32, FileText)> {
    let found = match &item.kind {
        Kind::Text(name) => match context.files.read(name) {
            Ok(text) => Ok(FileText { file: name.clone(), text }),
            Err((what, help)) => Err((format!("`{name}`: {what}"), help)),
        },
        Kind::Table(table) => {
            let text = |key| match table.get(key).map(|value| &value.kind) {
                Some(Kind::Text(text)) => Some(text.clone()),
                _ => None,
            };
            let others = table.entries.iter().any(|entry| !matches!(entry.key.as_str(), "file" | "text"));
            let help = "a file's name, or `{ file = \"name\", text = \"...\" }`".to_owned();
            match (text("file"), text("text")) {
                (Some(file), Some(text)) if !others => Ok(FileText { file, text }),
                _ => Err((format!("`{option}` has a table that is no file"), help)),
            }
        }
        other => Err((format!("`{option}` lists files, not {}", other.name()), "a file's name".to_owned())),
    };
    match found {
        Ok(file) => Some((context.problems.source(&file.file, &file.text), file)),
        Err((what, help)) => {
            context.wrong(item.span, what, help);
            None
        }
    }
}

/// From a problem's place to the end of its line.
fn place(source: u32, text: &str, problem: &FileProblem) -> Span {
    let lines = text.split_inclusive('\n');
    let start: usize = lines.clone().take(problem.line.saturating_sub(1) as usize).map(str::len).sum();
    let line = text[start..].split('\n').next().unwrap_or_default();
    let column = problem.column.saturating_sub(1) as usize;
    let into = line.char_indices().nth(column).map_or(line.trim_end().len(), |(at, _)| at);
    Span::new(source, start + into..start + line.trim_end().len().max(into))
}
