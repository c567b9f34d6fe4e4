//! Files beside a scenario that an option names. Their text travels with the scenario from then on, so that a run's
//! folder holds all that the run was made of.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A file that an option of type `Vec<FileText>` names, `manifests = ["shop.yaml"]` say, and its text. A person writes
/// the name, relative to the scenario; whoever reads the scenario puts the text beside it, and the resolved scenario
/// has both: `manifests = [{ file = "shop.yaml", text = "..." }]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileText {
    /// Its name as written.
    pub file: String,
    /// Its text.
    pub text: String,
}

impl FileText {
    /// What the schema of options calls it: by this name they are known to name files.
    pub const SCHEMA: &'static str = "FileText";
}

impl JsonSchema for FileText {
    fn schema_name() -> Cow<'static, str> {
        Self::SCHEMA.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let both = json_schema!({
            "type": "object",
            "properties": { "file": { "type": "string" }, "text": { "type": "string" } },
            "required": ["file", "text"],
            "additionalProperties": false,
        });
        json_schema!({ "anyOf": [{ "type": "string" }, both] })
    }
}

/// Something wrong in a file that an option names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProblem {
    /// Which of the files, counted from 0.
    pub file: usize,
    /// The line, counted from 1.
    pub line: u32,
    /// The column, counted from 1.
    pub column: u32,
    /// What is wrong.
    pub what: String,
    /// What would be right; may be empty.
    pub help: String,
}

/// What a system says of the files that one of its options names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileReading {
    /// What is wrong in them.
    pub problems: Vec<FileProblem>,
    /// What is right, but worth knowing, a sentence each.
    pub notes: Vec<String>,
}
