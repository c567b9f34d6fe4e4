//! What shrinking leaves as it is: fields of the scenario that somebody wants to keep, by their dotted paths.

use super::text_of;
use crate::Scenario;
use toml::{Table, Value};

/// Fields, with the values they keep.
#[derive(Clone, Debug, Default)]
pub struct Keep(Vec<(String, Value)>);

impl Keep {
    /// The fields that `paths` name in a resolved scenario, such as `system.bug`, `fault` or `workload.0.clients`.
    ///
    /// # Errors
    /// Every path that names nothing, with what there is instead.
    pub fn of(scenario: &Scenario, paths: &[String]) -> Result<Self, Vec<String>> {
        let whole = whole(scenario);
        let (mut kept, mut wrong) = (Vec::new(), Vec::new());
        for path in paths {
            match find(&whole, path) {
                Ok(value) => kept.push((path.clone(), value.clone())),
                Err(why) => wrong.push(format!("--keep {path}: {why}")),
            }
        }
        if wrong.is_empty() { Ok(Self(kept)) } else { Err(wrong) }
    }

    /// Whether a scenario has all of them as they were.
    pub(super) fn holds(&self, scenario: &Scenario) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let whole = whole(scenario);
        self.0.iter().all(|(path, value)| find(&whole, path) == Ok(value))
    }
}

fn whole(scenario: &Scenario) -> Value {
    Value::Table(text_of(scenario).parse::<Table>().expect("what is written is TOML"))
}

fn find<'a>(whole: &'a Value, path: &str) -> Result<&'a Value, String> {
    let mut here = whole;
    let mut walked = String::new();
    for segment in path.split('.') {
        let place = if walked.is_empty() { "the scenario".to_owned() } else { format!("`{walked}`") };
        let (next, there) = match here {
            Value::Table(table) => (table.get(segment), table.keys().cloned().collect::<Vec<_>>().join(", ")),
            Value::Array(items) => {
                let next = segment.parse::<usize>().ok().and_then(|index| items.get(index));
                (next, format!("{} of them, counted from 0", items.len()))
            }
            _ => (None, "no parts at all".to_owned()),
        };
        here = next.ok_or_else(|| format!("{place} has no `{segment}`; it has {there}"))?;
        walked = if walked.is_empty() { segment.to_owned() } else { format!("{walked}.{segment}") };
    }
    Ok(here)
}
