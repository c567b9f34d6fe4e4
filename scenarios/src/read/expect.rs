//! Reads `[expect]` and `[report]`.

use super::cluster::World;
use super::measure;
use super::section::{Context, Reader};
use crate::keys::{self, Takes, Unit};
use crate::scenario::{Expect, ReportOptions};
use crate::suggest;
use crate::written::{Kind, Value};
use core::str::FromStr;
use sim_core::Duration;
use sim_core::Probability;
use sim_core::metric;
use sim_core::record::{Comparison, Expectation};
use sim_core::units::{DurationText, ProbabilityText, UnitError};

/// Reads `[expect]`.
pub fn read(reader: &Reader<'_>, settle: Duration, world: &World) -> Expect {
    let mut bounds = Vec::new();
    for key in keys::EXPECT.keys.iter().filter(|key| !key.name.ends_with('*')) {
        if let Takes::Bound(unit) = key.takes {
            bounds.extend(reader.get(key.name, |value, context| bound(key.name, unit, value, context)));
        }
    }
    let facts = reader.present().filter_map(|(name, span)| Some((name, name.strip_prefix("fact_")?, span)));
    let mut facts: Vec<_> = facts.filter(|(_, fact, _)| !fact.is_empty()).collect();
    // TOML keeps the order of keys, JSON does not: the same expectations are the same scenario.
    facts.sort_by_key(|(name, ..)| *name);
    for (name, fact, span) in facts {
        if !world.facts.is_empty() && !world.facts.contains(&fact) {
            let what = format!("the system announces no fact `{fact}`");
            reader.context.wrong(span, what, suggest::help(fact, world.facts));
        }
        let value = reader.path(&[name]);
        bounds.extend(value.and_then(|value| bound(name, Unit::Count, value, reader.context)));
    }
    let own = reader.present().filter_map(|(name, span)| Some((name, name.strip_prefix("metric_")?, span)));
    let mut own: Vec<_> = own.filter(|(_, metric, _)| !metric.is_empty()).collect();
    own.sort_by_key(|(name, ..)| *name);
    for (name, metric, span) in own {
        let all = || world.metrics.iter().chain(crate::transport::METRICS);
        let Some(kind) = all().find(|kind| kind.name == metric) else {
            let known: Vec<&str> = all().map(|kind| &*kind.name).collect();
            let help = match known.is_empty() {
                true => "it names none of its own; leave it out".to_owned(),
                false => suggest::help(metric, &known),
            };
            reader.context.wrong(span, format!("the system names no figure `{metric}`"), help);
            continue;
        };
        let unit = match kind.unit {
            metric::Unit::Fraction => Unit::Fraction,
            metric::Unit::Time => Unit::Time,
            metric::Unit::Number => Unit::Number,
        };
        bounds.extend(reader.path(&[name]).and_then(|value| bound(name, unit, value, reader.context)));
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
        violates: reader.get("violates", measure::list(rule(world))).unwrap_or_default(),
    }
}

/// The name of a rule that the system or every run is judged by; any name if the system has not listed its rules.
fn rule(world: &World) -> impl Fn(&Value, &Context<'_>) -> Option<String> {
    |value, context| {
        let name = measure::name(value, context)?;
        if !world.rules.is_empty() && !world.rules.contains(&name.as_str()) {
            let help = suggest::help(&name, &world.rules);
            let what = format!("no rule is called `{name}`");
            context.wrong(value.span, what, format!("{help}; `list rules` names them"));
        }
        Some(name)
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

/// Reads `[report]`; clients are that patient where it does not say what is in time.
pub fn report(reader: &Reader<'_>, duration: Option<Duration>, patience: Duration) -> ReportOptions {
    let window = reader.get("window", measure::positive).unwrap_or(Duration::millis(100));
    if let Some(duration) = duration
        && reader.has("window")
        && window > duration
    {
        reader.wrong("window", format!("a window of {window} is longer than the run"), "for example \"100ms\"");
    }
    ReportOptions {
        window,
        in_time: reader.get("in_time", measure::positive).unwrap_or(patience),
        charts: reader.get("charts", measure::flag).unwrap_or(true),
        title: reader.get("title", measure::text),
    }
}
