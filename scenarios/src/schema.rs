//! The JSON schema of a scenario file, made of the same list of keys that the reader obeys.

use crate::keys::{self, Key, Section, Takes, Unit};
use schemars::{JsonSchema, schema_for};
use serde_json::{Map, Value, json};
use sim_core::units::{BitRate, ByteSize, DurationText, ProbabilityText, RangeText};

/// The schema, for editors that complete and check while a person types. `systems` are names and, where known, the
/// schemas of their options.
#[must_use]
pub fn schema(systems: &[(&str, Option<Value>)]) -> Value {
    let mut root = section(&keys::ROOT);
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("splitbrain scenario");
    root["required"] = json!(["scenario", "cluster"]);
    let names: Vec<&str> = systems.iter().map(|(name, _)| *name).collect();
    if !names.is_empty() {
        root["properties"]["scenario"]["properties"]["system"]["enum"] = json!(names);
    }
    let mut definitions = Map::new();
    let mut options = Vec::new();
    for (name, schema) in systems {
        let Some(schema) = schema else { continue };
        let chosen = json!({ "properties": { "system": { "const": name } }, "required": ["system"] });
        options.push(json!({
            "if": { "properties": { "scenario": chosen }, "required": ["scenario"] },
            "then": { "properties": { "system": lifted(schema.clone(), name, &mut definitions) } },
        }));
    }
    if !options.is_empty() {
        root["allOf"] = Value::Array(options);
    }
    if !definitions.is_empty() {
        root["$defs"] = Value::Object(definitions);
    }
    root
}

/// A schema as a part of a larger one: its definitions go to those of the whole, under names of their own, because
/// references are looked up from there.
fn lifted(mut schema: Value, name: &str, definitions: &mut Map<String, Value>) -> Value {
    fn point(schema: &mut Value, name: &str) {
        match schema {
            Value::Object(object) => {
                if let Some(Value::String(to)) = object.get_mut("$ref")
                    && let Some(definition) = to.strip_prefix(DEFINITIONS)
                {
                    *to = format!("{DEFINITIONS}{name}.{definition}");
                }
                object.values_mut().for_each(|inner| point(inner, name));
            }
            Value::Array(items) => items.iter_mut().for_each(|inner| point(inner, name)),
            _ => {}
        }
    }
    point(&mut schema, name);
    if let Some(object) = schema.as_object_mut() {
        object.remove("$schema");
        if let Some(Value::Object(own)) = object.remove("$defs") {
            definitions.extend(own.into_iter().map(|(key, value)| (format!("{name}.{key}"), value)));
        }
    }
    schema
}

const DEFINITIONS: &str = "#/$defs/";

/// The words that a property of `schema` may be, if it is one of some words.
#[must_use]
pub fn schema_values(schema: &Value, property: &Value) -> Vec<String> {
    let mut values: Vec<String> = property["enum"].as_array().into_iter().flatten().filter_map(word).collect();
    values.extend(property.get("const").and_then(word));
    if let Some(definition) = property["$ref"].as_str().and_then(|to| to.strip_prefix(DEFINITIONS)) {
        values.extend(schema_values(schema, &schema["$defs"][definition]));
    }
    for key in ["oneOf", "anyOf"] {
        values.extend(property[key].as_array().into_iter().flatten().flat_map(|inner| schema_values(schema, inner)));
    }
    values
}

fn word(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn section(section: &Section) -> Value {
    let (mut properties, mut patterns) = (Map::new(), Map::new());
    for key in section.keys {
        match key.name.strip_suffix('*') {
            Some(prefix) => patterns.insert(format!("^{prefix}."), property(key)),
            None => properties.insert(key.name.to_owned(), property(key)),
        };
    }
    let mut schema = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    if !patterns.is_empty() {
        schema["patternProperties"] = Value::Object(patterns);
    }
    schema
}

fn property(key: &Key) -> Value {
    let mut schema = takes(key.takes);
    let mut about = key.about.to_owned();
    if !key.kinds.is_empty() {
        about.push_str(&format!(" (kind {})", key.kinds.join(", ")));
    }
    if !key.default.is_empty() {
        about.push_str(&format!(". Default: {}", key.default));
    }
    schema["description"] = json!(about);
    schema
}

fn unit<T: JsonSchema>() -> Value {
    schema_for!(T).get("pattern").map_or_else(text, |pattern| json!({ "type": "string", "pattern": pattern }))
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn takes(takes: Takes) -> Value {
    match takes {
        Takes::Text | Takes::Path | Takes::End | Takes::Routing => text(),
        Takes::Name => json!({ "type": "string", "pattern": "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$" }),
        Takes::Flag => json!({ "type": "boolean" }),
        Takes::Count(lo, hi) => json!({ "type": "integer", "minimum": lo, "maximum": hi }),
        Takes::Seed => {
            json!({ "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^[0-9]+$" }] })
        }
        Takes::Attempts => json!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "const": "unlimited" }] }),
        Takes::Duration => unit::<DurationText>(),
        Takes::Moment => unit::<RangeText>(),
        Takes::SignedDuration | Takes::Offsets | Takes::Drift | Takes::Drifts | Takes::Rate => text(),
        Takes::Latency => json!({ "anyOf": [unit::<RangeText>(), section(&keys::LATENCY)] }),
        Takes::Probability => {
            json!({ "anyOf": [{ "type": "number", "minimum": 0, "maximum": 1 }, unit::<ProbabilityText>()] })
        }
        Takes::Number(lo, hi) => json!({ "type": "number", "minimum": lo, "maximum": hi }),
        Takes::Size => json!({ "anyOf": [{ "type": "integer", "minimum": 0 }, unit::<ByteSize>()] }),
        Takes::Bandwidth => json!({ "anyOf": [{ "const": "unlimited" }, unit::<BitRate>()] }),
        Takes::Target => json!({ "anyOf": [text(), list(text())] }),
        Takes::Groups => list(json!({ "anyOf": [text(), list(text())] })),
        Takes::Word(words) => json!({ "type": "string", "enum": words }),
        Takes::Machines => json!({ "anyOf": [{ "type": "integer", "minimum": 1 }, list(text())] }),
        Takes::Texts => list(text()),
        Takes::Durations => list(unit::<DurationText>()),
        Takes::Ends => json!({ "type": "array", "items": text(), "minItems": 2, "maxItems": 2 }),
        Takes::Bound(unit) => {
            let example = match unit {
                Unit::Fraction => ">= 99.5%",
                Unit::Number => "<= 1.5",
                Unit::Count => "== 0",
                Unit::Time => "<= 1s",
            };
            json!({ "type": "string", "pattern": "^\\s*(>=|<=|==|=|>|<)", "examples": [example] })
        }
        Takes::Weights => json!({ "type": "object", "additionalProperties": { "type": "integer", "minimum": 0 } }),
        Takes::KeySpace => json!({ "anyOf": [{ "type": "integer", "minimum": 1 }, section(&keys::KEYS)] }),
        Takes::Table(inner) => section(inner),
        Takes::Tables(inner) => list(section(inner)),
        Takes::Options => json!({ "type": "object" }),
        Takes::Scale => json!({ "anyOf": [text(), { "type": "number", "exclusiveMinimum": 0 }] }),
        Takes::Alternatives(inner) => {
            let properties: Map<String, Value> =
                inner.keys.iter().map(|key| (key.name.to_owned(), list(property(key)))).collect();
            json!({ "type": "object", "additionalProperties": false, "properties": properties })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every section that can be reached from the root, with its keys.
    fn walk(section: &'static Section, visit: &mut impl FnMut(&'static Section, &'static Key)) {
        for key in section.keys {
            visit(section, key);
            match key.takes {
                Takes::Table(inner) | Takes::Tables(inner) => walk(inner, visit),
                Takes::Latency => keys::LATENCY.keys.iter().for_each(|k| visit(&keys::LATENCY, k)),
                Takes::KeySpace => keys::KEYS.keys.iter().for_each(|k| visit(&keys::KEYS, k)),
                _ => {}
            }
        }
    }

    #[test]
    fn keys_are_unique_and_explained() {
        walk(&keys::ROOT, &mut |section, key| {
            assert_eq!(
                section.keys.iter().filter(|k| k.name == key.name).count(),
                1,
                "{} in {}",
                key.name,
                section.name
            );
            assert!(!key.about.is_empty(), "{} in {} is not explained", key.name, section.name);
            assert!(key.kinds.iter().all(|k| keys::KINDS.contains(k)), "{} belongs to no such kind", key.name);
        });
    }

    #[test]
    fn words_are_those_of_the_engine() {
        use sim_core::fault::{Direction, OnCrash, Shape};
        for on_crash in [OnCrash::Keep, OnCrash::LoseUnsynced, OnCrash::Torn, OnCrash::Wipe] {
            assert!(keys::ON_CRASH.contains(&on_crash.name()));
        }
        for direction in [Direction::To, Direction::From, Direction::Both] {
            assert!(keys::DIRECTIONS.contains(&direction.name()));
        }
        for shape in [
            Shape::Isolate,
            Shape::Halves,
            Shape::MajorityMinority,
            Shape::MinorityThird,
            Shape::MajoritiesRing,
            Shape::Bridge,
            Shape::OneWay { outbound: true },
            Shape::Intersecting,
            Shape::Groups(Vec::new()),
        ] {
            assert!(keys::SHAPES.contains(&shape.name()));
        }
    }

    #[test]
    fn the_schema_names_every_key() {
        let schema = schema(&[("raft", None)]);
        assert_eq!(schema["properties"]["scenario"]["properties"]["system"]["enum"], json!(["raft"]));
        assert!(schema["properties"]["fault"]["items"]["properties"]["on_crash"]["enum"].is_array());
        let text = schema.to_string();
        walk(&keys::ROOT, &mut |_, key| {
            let name =
                key.name.strip_suffix('*').map_or(format!("\"{}\":", key.name), |prefix| format!("\"^{prefix}.\":"));
            assert!(text.contains(&name), "{}", key.name);
        });
    }
}
