//! A scenario as written: one tree of values with their places in the text, whatever text it was.
//!
//! This takes the place of a serde mirror of the format: serde stops at the first error, and a person wants them all.

mod json;
mod overrides;
mod toml_text;
mod value;

pub use json::read_json;
pub use overrides::{Override, apply};
pub use toml_text::read_toml;
pub use value::{Entry, Kind, Table, Value};
