//! Reads `[expect]` and `[report]`.

use super::measure;
use super::section::{Context, Reader};
use crate::keys::{self, Takes, Unit};
use crate::scenario::{Expect, ReportOptions};
use crate::written::{Kind, Value};
use core::str::FromStr;
use sim_core::Duration;
use sim_core::Probability;
use sim_core::record::{Comparison, Expectation};
use sim_core::units::{DurationText, ProbabilityText, UnitError};

/// Reads `[expect]`.
pub fn read(reader: &Reader<'_>, settle: Duration) -> Expect {
    let mut bounds = Vec::new();
    for key in keys::EXPECT.keys.iter().filter(|key| !key.name.ends_with('*')) {
        if let Takes::Bound(unit) = key.takes {
            bounds.extend(reader.get(key.name, |value, context| bound(key.name, unit, value, context)));
        }
    }
    for (name, value) in reader.entries().filter(|(name, _)| name.starts_with("fact_")) {
        bounds.extend(bound(name, Unit::Count, value, reader.context));
    }
    if let Some(within) = reader.get("answered_within", measure::positive)
        && within.times(2) > settle
    {
        let what = format!("{within} can not be judged in the {settle} after the faults");
        reader.wrong("answered_within", what, "scenario.settle is at least twice as long");
    }
    Expect {
        bounds,
        linearizable: reader.get("linearizable", measure::flag).unwrap_or(false),
        answered_within: reader.get("answered_within", measure::positive),
        violates: reader.get("violates", measure::list(measure::name)).unwrap_or_default(),
    }
}

const COMPARISONS: &[(&str, Comparison)] = &[
    (">=", Comparison::AtLeast),
    ("<=", Comparison::AtMost),
    ("==", Comparison::Equal),
    (">", Comparison::MoreThan),
    ("<", Comparison::LessThan),
    ("=", Comparison::Equal),
];

fn bound(metric: &str, unit: Unit, value: &Value, context: &Context<'_>) -> Option<Expectation> {
    let example = match unit {
        Unit::Fraction => "\">= 99.5%\"",
        Unit::Number => "\"<= 1.5\"",
        Unit::Count => "\"== 0\"",
        Unit::Time => "\"<= 1s\"",
    };
    let Kind::Text(text) = &value.kind else {
        let what = format!("`{metric}` should be a comparison in quotes, not {}", value.kind.name());
        context.wrong(value.span, what, format!("write for example {example}"));
        return None;
    };
    let trimmed = text.trim();
    let compared = COMPARISONS.iter().find_map(|(sign, c)| Some((trimmed.strip_prefix(sign)?.trim(), *c)));
    let Some((rest, comparison)) = compared else {
        let what = format!("`{text}` does not say how to compare");
        context.wrong(value.span, what, format!("start with >=, <=, >, < or ==, for example {example}"));
        return None;
    };
    match figure(rest, unit) {
        Ok(bound) => Some(Expectation { metric: metric.to_owned(), comparison, bound, text: trimmed.to_owned() }),
        Err(UnitError { what, help }) => {
            context.wrong(value.span, what, help);
            None
        }
    }
}

fn figure(text: &str, unit: Unit) -> Result<f64, UnitError> {
    match unit {
        Unit::Fraction => {
            // Back to parts per billion, so that 99.5% is 0.995 and not its nearest fixed-point neighbour.
            let probability = Probability::from(ProbabilityText::from_str(text)?);
            Ok((probability.as_f64() * 1e9).floor() / 1e9)
        }
        Unit::Time => DurationText::from_str(text).map(|d| d.0.0 as f64),
        Unit::Number | Unit::Count => match text.parse::<f64>() {
            Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
            _ => Err(UnitError { what: format!("`{text}` is not a number"), help: "zero or more".to_owned() }),
        },
    }
}

/// Reads `[report]`.
pub fn report(reader: &Reader<'_>, duration: Option<Duration>) -> ReportOptions {
    let window = reader.get("window", measure::positive).unwrap_or(Duration::millis(100));
    if let Some(duration) = duration
        && reader.has("window")
        && window > duration
    {
        reader.wrong("window", format!("a window of {window} is longer than the run"), "for example \"100ms\"");
    }
    ReportOptions {
        window,
        charts: reader.get("charts", measure::flag).unwrap_or(true),
        title: reader.get("title", measure::text),
    }
}
