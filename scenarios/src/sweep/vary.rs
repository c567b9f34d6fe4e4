//! `--vary key=a,b,c`: one axis of the grid, and the grid that several of them span.

use core::str::FromStr;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One axis: a field of the scenario by its dotted path, and the values it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vary {
    /// The dotted path, as in `--set`.
    pub key: String,
    /// The values, as in `--set`, in the order given.
    pub values: Vec<String>,
}

/// One cell of the grid: what each varied key is set to. Empty in a sweep that varies nothing but its seed.
pub type Cell = BTreeMap<String, String>;

impl FromStr for Vary {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "for example `--vary system.pre_vote=true,false`";
        let Some((key, values)) = text.split_once('=') else {
            return Err(format!("`{text}` has no `=`: name a field and the values it takes, {example}"));
        };
        let key = key.trim().to_owned();
        if key.is_empty() {
            return Err(format!("`{text}` names no field before the `=`, {example}"));
        }
        let values = split(values).map_err(|what| format!("`{text}` {what}"))?;
        if let Some(at) = values.iter().position(String::is_empty) {
            return Err(match values.len() {
                1 => format!("`{text}` names no value after the `=`, {example}"),
                _ => format!("value {} of `{text}` is empty; an empty text is written `\"\"`", at + 1),
            });
        }
        for (i, value) in values.iter().enumerate() {
            if values[..i].contains(value) {
                return Err(format!("`{text}` names the value `{value}` twice"));
            }
        }
        Ok(Self { key, values })
    }
}

/// Splits at commas, except inside of brackets and quotes: `[1, 2]` and `{ count = 3, dist = "zipf" }` are one value
/// each.
fn split(text: &str) -> Result<Vec<String>, String> {
    let mut values = vec![String::new()];
    let (mut depth, mut quote, mut escaped) = (0_i32, None, false);
    for c in text.chars() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some('"'), '\\') => escaped = true,
            (Some(q), c) if q == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth -= 1,
            (None, ',') if depth == 0 => {
                values.push(String::new());
                continue;
            }
            (None, _) => {}
        }
        if depth < 0 {
            return Err(format!("has a `{c}` that nothing opens"));
        }
        values.last_mut().expect("there is always one").push(c);
    }
    if depth > 0 || quote.is_some() {
        return Err("has a bracket or a quote that nothing closes".to_owned());
    }
    Ok(values.into_iter().map(|v| v.trim().to_owned()).collect())
}

/// Keys that a sweep sets itself, and what to use instead.
const RESERVED: [(&str, &str); 2] = [
    ("scenario.seed", "`--seeds` names the seeds"),
    ("scenario.name", "the folder of the results has the scenario's name"),
];

/// Every combination, row-major: the last axis changes fastest.
///
/// # Errors
/// When a key is named twice or may not be varied.
pub fn grid(axes: &[Vary]) -> Result<Vec<Cell>, String> {
    for (i, axis) in axes.iter().enumerate() {
        if axes[..i].iter().any(|other| other.key == axis.key) {
            return Err(format!("`{}` is varied twice; put all of its values into one `--vary`", axis.key));
        }
        if let Some((key, why)) = RESERVED.iter().find(|(key, _)| axis.key == *key) {
            return Err(format!("`{key}` can not be varied: {why}"));
        }
    }
    let total = axes.iter().try_fold(1_usize, |n, axis| n.checked_mul(axis.values.len())).filter(|n| *n <= CELLS);
    if total.is_none() {
        return Err(format!("the grid of all `--vary` has more than {CELLS} cells"));
    }
    let mut cells = vec![Cell::new()];
    for axis in axes {
        let with = |cell: &Cell, value: &String| {
            let mut cell = cell.clone();
            cell.insert(axis.key.clone(), value.clone());
            cell
        };
        cells = cells.iter().flat_map(|cell| axis.values.iter().map(move |value| with(cell, value))).collect();
    }
    Ok(cells)
}

/// Every cell is a scenario, read and kept while the sweep runs.
const CELLS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_axis_changes_fastest() {
        let axes: Vec<Vary> =
            ["a.x=1,2", "b=\"p,q\",[1, 2],150ms..300ms"].iter().map(|t| t.parse().expect("good")).collect();
        let cells = grid(&axes).expect("good");
        let shown: Vec<String> = cells.iter().map(|c| format!("{} {}", c["a.x"], c["b"])).collect();
        let second = ["\"p,q\"", "[1, 2]", "150ms..300ms"];
        let expected: Vec<String> = ["1", "2"].iter().flat_map(|a| second.map(|b| format!("{a} {b}"))).collect();
        assert_eq!(shown, expected);
        assert_eq!(grid(&[]).expect("good"), [Cell::new()]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, word) in [
            ("a", "has no `=`"),
            ("=1", "names no field"),
            ("a=", "names no value"),
            ("a=1,,2", "value 2"),
            ("a=1,2,1", "`1` twice"),
            ("a=[1,2", "nothing closes"),
            ("a=1]", "nothing opens"),
        ] {
            let error = text.parse::<Vary>().expect_err(text);
            assert!(error.contains(word), "{text}: {error}");
        }
        let axis = |t: &str| t.parse::<Vary>().expect("good");
        assert!(grid(&[axis("a=1"), axis("a=2")]).expect_err("twice").contains("twice"));
        assert!(grid(&[axis("scenario.seed=1,2")]).expect_err("reserved").contains("--seeds"));
        let wide = axis(&format!("a={}", (0..200).map(|n| n.to_string()).collect::<Vec<_>>().join(",")));
        let deep = Vary { key: "b".into(), ..wide.clone() };
        assert!(grid(&[wide, deep]).expect_err("large").contains("cells"));
    }
}
