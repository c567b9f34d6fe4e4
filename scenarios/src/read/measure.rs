//! Reads single values: numbers, words and quantities with units.

use super::section::Context;
use crate::suggest;
use crate::written::{Kind, Value};
use core::str::FromStr;
use sim_core::units::{
    BitRate, ByteSize, DurationText, OffsetText, OperationRate, Ppm, ProbabilityText, RangeText, UnitError,
};
use sim_core::{Duration, Probability};

/// Says that `value` should be something else.
pub fn mismatch<T>(value: &Value, context: &Context<'_>, wanted: &str) -> Option<T> {
    context.wrong(value.span, format!("this should be {wanted}, not {}", value.kind.name()), "");
    None
}

/// A string that `T` can read.
fn quantity<T: FromStr<Err = UnitError>>(value: &Value, context: &Context<'_>, wanted: &str) -> Option<T> {
    match &value.kind {
        Kind::Text(text) => match text.parse() {
            Ok(quantity) => Some(quantity),
            Err(UnitError { what, help }) => {
                context.wrong(value.span, what, help);
                None
            }
        },
        // `50` where `"50ms"` was meant: say it the way the unit parser does.
        Kind::Int(_) | Kind::Float(_) => {
            let what = format!("{} has no unit", context.written(value));
            context.wrong(value.span, what, format!("write {wanted}"));
            None
        }
        _ => mismatch(value, context, wanted),
    }
}

/// Any string.
pub fn text(value: &Value, context: &Context<'_>) -> Option<String> {
    match &value.kind {
        Kind::Text(text) => Some(text.clone()),
        _ => mismatch(value, context, "a string"),
    }
}

/// A name fit for a folder.
pub fn name(value: &Value, context: &Context<'_>) -> Option<String> {
    let text = text(value, context)?;
    let good = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if good && !text.is_empty() && text.len() <= 100 && !text.starts_with('.') {
        return Some(text);
    }
    let what = format!("`{}` is not a name", text.chars().take(100).collect::<String>());
    context.wrong(value.span, what, "use 1 to 100 letters, digits, `-`, `_` and `.`, and no `.` at the start");
    None
}

/// `true` or `false`.
pub fn flag(value: &Value, context: &Context<'_>) -> Option<bool> {
    match &value.kind {
        Kind::Flag(flag) => Some(*flag),
        _ => mismatch(value, context, "true or false"),
    }
}

/// A whole number from `lo` to `hi`.
pub fn count(lo: u64, hi: u64) -> impl Fn(&Value, &Context<'_>) -> Option<u64> {
    move |value, context| match &value.kind {
        Kind::Int(number) => match u64::try_from(*number) {
            Ok(n) if (lo..=hi).contains(&n) => Some(n),
            _ => {
                let what = if *number < i128::from(lo) { "too small" } else { "too large" };
                context.wrong(
                    value.span,
                    format!("{} is {what}", context.written(value)),
                    format!("from {lo} to {hi}"),
                );
                None
            }
        },
        _ => mismatch(value, context, "a whole number"),
    }
}

/// A seed: a whole number, in quotes if it is beyond what TOML's integers hold.
pub fn seed(value: &Value, context: &Context<'_>) -> Option<u64> {
    let Kind::Text(text) = &value.kind else { return count(0, u64::MAX)(value, context) };
    let seed = text.parse().ok();
    if seed.is_none() {
        context.wrong(value.span, format!("`{text}` is not a seed"), format!("a whole number from 0 to {}", u64::MAX));
    }
    seed
}

/// [`count`] for what fits 32 bits.
pub fn small(lo: u64, hi: u64) -> impl Fn(&Value, &Context<'_>) -> Option<u32> {
    move |value, context| count(lo, hi.min(u64::from(u32::MAX)))(value, context).and_then(|n| u32::try_from(n).ok())
}

/// A number from `lo` to `hi`.
pub fn number(lo: f64, hi: f64) -> impl Fn(&Value, &Context<'_>) -> Option<f64> {
    move |value, context| {
        let number = match &value.kind {
            Kind::Int(number) => *number as f64,
            Kind::Float(number) => *number,
            _ => return mismatch(value, context, "a number"),
        };
        // A range does not contain what is not a number.
        if (lo..=hi).contains(&number) {
            return Some(number);
        }
        context.wrong(value.span, format!("{} is out of range", context.written(value)), format!("from {lo} to {hi}"));
        None
    }
}

/// Says that a value is none that an option of a system can have.
pub fn no_option(value: &Value, context: &Context<'_>) {
    let (what, help) = match value.kind {
        Kind::Int(_) => (format!("{} is too large", context.written(value)), format!("at most {}", i64::MAX)),
        _ => ("this is not a value an option can have".to_owned(), "leave it out".to_owned()),
    };
    context.wrong(value.span, what, help);
}

/// `"50ms"`.
pub fn duration(value: &Value, context: &Context<'_>) -> Option<Duration> {
    let DurationText(duration) = quantity(value, context, "a duration such as \"50ms\"")?;
    within_limits(duration, value, context)
}

/// `"50ms"`, but not zero.
pub fn positive(value: &Value, context: &Context<'_>) -> Option<Duration> {
    let duration = duration(value, context)?;
    if duration == Duration::ZERO {
        context.wrong(value.span, "this must be longer than zero", "write for example \"50ms\"");
        return None;
    }
    Some(duration)
}

/// How rarely something happens: `"120d"`, longer than any run if need be, but not zero.
pub fn lifetime(value: &Value, context: &Context<'_>) -> Option<Duration> {
    let DurationText(duration) = quantity(value, context, "a duration such as \"120d\"")?;
    if duration == Duration::ZERO {
        context.wrong(value.span, "this must be longer than zero", "write for example \"120d\"");
        return None;
    }
    Some(duration)
}

fn within_limits(duration: Duration, value: &Value, context: &Context<'_>) -> Option<Duration> {
    if duration.0 > crate::limits::DURATION {
        let help = "at most 366 days; what is rare is found with more seeds, not with longer runs";
        context.wrong(value.span, "this is longer than any run can be", help);
        return None;
    }
    Some(duration)
}

/// `"0.5ms..2ms"`, or `"1ms"` for a range of one.
pub fn range(value: &Value, context: &Context<'_>) -> Option<(Duration, Duration)> {
    let RangeText { lo, hi } = quantity(value, context, "a duration or a range such as \"0.5ms..2ms\"")?;
    within_limits(hi, value, context)?;
    Some((lo, hi))
}

/// `"-5s"`, in nanoseconds.
pub fn offset(value: &Value, context: &Context<'_>) -> Option<i64> {
    let OffsetText(nanos) = quantity(value, context, "a duration such as \"-5s\"")?;
    within_limits(Duration(nanos.unsigned_abs()), value, context)?;
    Some(nanos)
}

/// `"50ppm"`.
pub fn drift(value: &Value, context: &Context<'_>) -> Option<i32> {
    let Ppm(ppm) = quantity(value, context, "a drift such as \"50ppm\"")?;
    let limit = i64::from(crate::limits::DRIFT);
    if ppm.abs() > limit {
        let help = format!("from -{limit}ppm to {limit}ppm: several faults together must not stop a clock");
        context.wrong(value.span, format!("a drift of {ppm}ppm is too large"), help);
        return None;
    }
    i32::try_from(ppm).ok()
}

/// A range of what `one` reads: `"-5ms..5ms"`.
pub fn span<T: Copy + PartialOrd>(
    one: impl Fn(&Value, &Context<'_>) -> Option<T>,
) -> impl Fn(&Value, &Context<'_>) -> Option<(T, T)> {
    move |value, context| {
        let Kind::Text(text) = &value.kind else { return one(value, context).map(|x| (x, x)) };
        let part = |text: &str| one(&Value { span: value.span, kind: Kind::Text(text.trim().to_owned()) }, context);
        let Some((lo, hi)) = text.split_once("..") else { return part(text).map(|x| (x, x)) };
        let (lo_text, hi_text) = (lo.trim(), hi.trim());
        let (lo, hi) = (part(lo_text)?, part(hi_text)?);
        if lo > hi {
            let what = format!("the range `{text}` is upside down");
            context.wrong(value.span, what, format!("write \"{hi_text}..{lo_text}\""));
            return None;
        }
        Some((lo, hi))
    }
}

/// `"0.1%"`, or a number from 0 to 1.
pub fn probability(value: &Value, context: &Context<'_>) -> Option<Probability> {
    let text = match &value.kind {
        Kind::Int(number) => number.to_string(),
        Kind::Float(number) if number.is_finite() => number.to_string(),
        Kind::Float(_) => {
            let what = format!("{} is not a probability", context.written(value));
            context.wrong(value.span, what, "from 0 to 1, or \"0%\" to \"100%\"");
            return None;
        }
        _ => return quantity::<ProbabilityText>(value, context, "a probability such as \"0.1%\"").map(Into::into),
    };
    let text = Value { span: value.span, kind: Kind::Text(text) };
    quantity::<ProbabilityText>(&text, context, "a probability").map(Into::into)
}

/// `"400/s"`, in millionths of an operation per second; more than zero.
pub fn rate(value: &Value, context: &Context<'_>) -> Option<u64> {
    let OperationRate(rate) = quantity(value, context, "a rate such as \"400/s\"")?;
    if rate > crate::limits::RATE {
        context.wrong(value.span, "this rate is too high", "at most 100 M/s");
        return None;
    }
    Some(rate)
}

/// `"64 KiB"`, or a number of bytes, up to `limit`.
pub fn size(limit: u64) -> impl Fn(&Value, &Context<'_>) -> Option<u64> {
    move |value, context| {
        if matches!(value.kind, Kind::Int(_)) {
            return count(0, limit)(value, context);
        }
        let ByteSize(bytes) = quantity(value, context, "a size such as \"64 KiB\"")?;
        if bytes > limit {
            context.wrong(value.span, "this is too large", format!("at most {}", ByteSize(limit)));
            return None;
        }
        Some(bytes)
    }
}

/// `"100 Mbit"` in bits per second, or `"unlimited"`, which is 0.
pub fn bandwidth(value: &Value, context: &Context<'_>) -> Option<u64> {
    if matches!(&value.kind, Kind::Text(text) if text == "unlimited") {
        return Some(0);
    }
    let BitRate(bits) = quantity(value, context, "a bandwidth such as \"100 Mbit\", or \"unlimited\"")?;
    if bits == 0 {
        context.wrong(value.span, "a link that carries nothing is a partition", "use a [[fault]], or \"unlimited\"");
        return None;
    }
    Some(bits)
}

/// One of `known`, as its place in the list.
pub fn word(known: &'static [&'static str]) -> impl Fn(&Value, &Context<'_>) -> Option<&'static str> {
    move |value, context| {
        let Kind::Text(text) = &value.kind else {
            return mismatch(value, context, &format!("one of: {}", known.join(", ")));
        };
        let found = known.iter().find(|k| *k == text).copied();
        if found.is_none() {
            context.wrong(value.span, format!("`{text}` is not known here"), suggest::help(text, known));
        }
        found
    }
}

/// A list of what `one` reads; all that are wrong are said.
pub fn list<T>(one: impl Fn(&Value, &Context<'_>) -> Option<T>) -> impl Fn(&Value, &Context<'_>) -> Option<Vec<T>> {
    move |value, context| match &value.kind {
        Kind::List(items) => {
            let read: Vec<Option<T>> = items.iter().map(|item| one(item, context)).collect();
            read.into_iter().collect()
        }
        Kind::Text(text) => {
            context.wrong(value.span, "this should be a list, not a string", format!("write [\"{text}\"]"));
            None
        }
        _ => mismatch(value, context, "a list"),
    }
}
