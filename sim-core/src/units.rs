//! Quantities as people write them in files (`"150ms"`, `"64 KiB"`, `"0.1%"`), and the exact values they mean.
//!
//! Everything is integer arithmetic on decimal digits: what is written is what is meant, and what cannot be represented
//! is an error rather than a rounding. Display and parse are inverses.

use crate::{Duration, Probability};
use core::fmt;
use core::str::FromStr;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;

/// A quantity that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {help}")]
pub struct UnitError {
    /// What is wrong with it.
    pub what: String,
    /// What would be right.
    pub help: String,
}

impl UnitError {
    fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), help: help.into() }
    }
}

/// One unit: its name and how many base units it stands for, as a fraction.
struct Unit {
    name: &'static str,
    numerator: u64,
    denominator: u64,
    /// Whether messages list it; the others are only understood.
    listed: bool,
}

/// A unit that messages list. The first of equal size is the one that is printed.
const fn unit(name: &'static str, numerator: u64) -> Unit {
    Unit { name, numerator, denominator: 1, listed: true }
}

/// Another name that people write.
const fn also(name: &'static str, numerator: u64) -> Unit {
    Unit { name, numerator, denominator: 1, listed: false }
}

const fn per(name: &'static str, numerator: u64, denominator: u64, listed: bool) -> Unit {
    Unit { name, numerator, denominator, listed }
}

const DAY: u64 = 24 * HOUR;
const HOUR: u64 = 60 * MINUTE;
const MINUTE: u64 = 60 * SECOND;
const SECOND: u64 = 1_000_000_000;

const DURATIONS: &[Unit] = &[
    unit("d", DAY),
    also("day", DAY),
    also("days", DAY),
    unit("h", HOUR),
    also("hr", HOUR),
    also("hrs", HOUR),
    also("hour", HOUR),
    also("hours", HOUR),
    unit("m", MINUTE),
    unit("min", MINUTE),
    also("mins", MINUTE),
    also("minute", MINUTE),
    also("minutes", MINUTE),
    unit("s", SECOND),
    also("sec", SECOND),
    also("secs", SECOND),
    also("second", SECOND),
    also("seconds", SECOND),
    unit("ms", 1_000_000),
    also("msec", 1_000_000),
    also("millis", 1_000_000),
    also("milliseconds", 1_000_000),
    unit("us", 1_000),
    // The micro sign, and the Greek letter that looks the same.
    unit("\u{b5}s", 1_000),
    also("\u{3bc}s", 1_000),
    also("usec", 1_000),
    also("microseconds", 1_000),
    unit("ns", 1),
    also("nsec", 1),
    also("nanoseconds", 1),
];
const BYTES: &[Unit] = &[
    unit("TiB", 1 << 40),
    unit("TB", 1_000_000_000_000),
    unit("GiB", 1 << 30),
    unit("GB", 1_000_000_000),
    unit("MiB", 1 << 20),
    unit("MB", 1_000_000),
    unit("KiB", 1 << 10),
    unit("KB", 1_000),
    unit("kB", 1_000),
    unit("B", 1),
    also("byte", 1),
    also("bytes", 1),
];
const BITS: &[Unit] = &[
    unit("Gbit", 1_000_000_000),
    unit("Gbit/s", 1_000_000_000),
    also("Gb/s", 1_000_000_000),
    unit("Gbps", 1_000_000_000),
    unit("Mbit", 1_000_000),
    unit("Mbit/s", 1_000_000),
    also("Mb/s", 1_000_000),
    unit("Mbps", 1_000_000),
    unit("kbit", 1_000),
    unit("kbit/s", 1_000),
    also("Kbit", 1_000),
    also("Kbit/s", 1_000),
    also("kb/s", 1_000),
    also("Kb/s", 1_000),
    unit("kbps", 1_000),
    also("Kbps", 1_000),
    unit("bit", 1),
    unit("bit/s", 1),
    also("b/s", 1),
    also("bps", 1),
    // Bytes only with the second, so that nobody takes a size for a bandwidth.
    also("GiB/s", 8 << 30),
    unit("GB/s", 8_000_000_000),
    also("MiB/s", 8 << 20),
    unit("MB/s", 8_000_000),
    also("KiB/s", 8 << 10),
    unit("kB/s", 8_000),
    also("KB/s", 8_000),
    unit("B/s", 8),
];
const PER_SECOND: &[Unit] = &[
    unit("M/s", 1_000_000_000_000),
    unit("k/s", 1_000_000_000),
    also("K/s", 1_000_000_000),
    unit("/s", 1_000_000),
    also("/sec", 1_000_000),
    also("/second", 1_000_000),
    also("ops/s", 1_000_000),
    also("op/s", 1_000_000),
    also("req/s", 1_000_000),
    also("rps", 1_000_000),
    also("qps", 1_000_000),
    per("/min", 1_000_000, 60, true),
    per("/m", 1_000_000, 60, false),
    per("/minute", 1_000_000, 60, false),
    per("/h", 1_000_000, 3600, true),
    per("/hour", 1_000_000, 3600, false),
];
const PPM: &[Unit] = &[unit("ppm", 1)];

/// What a sort of quantity is called, how it looks, and its units.
struct Sort {
    name: &'static str,
    example: &'static str,
    base: &'static str,
    units: &'static [Unit],
    /// Whether several parts add up, the largest unit first: `1h30m`.
    adds_up: bool,
}

const DURATION: Sort =
    Sort { name: "duration", example: "\"150ms\"", base: "nanoseconds", units: DURATIONS, adds_up: true };
const SIZE: Sort = Sort { name: "size", example: "\"64 KiB\"", base: "bytes", units: BYTES, adds_up: false };
const OPERATIONS: Sort = Sort {
    name: "rate",
    example: "\"400/s\"",
    base: "millionths of an operation per second",
    units: PER_SECOND,
    adds_up: false,
};
const SKEW: Sort = Sort { name: "drift", example: "\"50ppm\"", base: "parts per million", units: PPM, adds_up: false };
const RATE: Sort =
    Sort { name: "bit rate", example: "\"100 Mbit\"", base: "bits per second", units: BITS, adds_up: false };

/// More digits than any quantity has that 64 bits can hold.
const DIGITS: usize = 24;

/// A decimal number without sign or exponent: digits and how many of them are behind the point.
fn decimal(text: &str) -> Option<(u128, u32)> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || (rest.is_empty() && text.contains('.')) || text.len() > DIGITS {
        return None;
    }
    let mut digits: u128 = 0;
    for c in whole.chars().chain(rest.chars()) {
        // Underscores may group digits, as in TOML; not anything else.
        if c == '_' {
            continue;
        }
        digits = digits * 10 + u128::from(c.to_digit(10)?);
    }
    let behind = rest.chars().filter(|c| *c != '_').count() as u32;
    Some((digits, behind))
}

/// Whether it is a number that is only too long to be read.
fn is_endless(text: &str) -> bool {
    text.len() > DIGITS && text.bytes().all(|b| b.is_ascii_digit() || b == b'_')
}

/// The number at the beginning of a text, and the rest.
fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

impl Sort {
    fn known(&self) -> String {
        let mut names: Vec<&str> = self.units.iter().filter(|u| u.listed).map(|u| u.name).collect();
        names.reverse();
        names.join(", ")
    }

    /// What a JSON schema says of such a string.
    fn pattern(&self) -> String {
        // A `+` or `.` in a unit would have to be escaped; there is none.
        let units: Vec<&str> = self.units.iter().map(|u| u.name).collect();
        let one = format!("[0-9._]+\\s*({})?\\s*", units.join("|"));
        if self.adds_up { format!("({one})+") } else { one }
    }

    fn too_large(&self, text: &str) -> UnitError {
        UnitError::new(format!("`{text}` is too large a {}", self.name), format!("at most {} {}", u64::MAX, self.base))
    }

    fn parse(&self, text: &str) -> Result<u64, UnitError> {
        let Self { name, example, .. } = self;
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(UnitError::new(format!("an empty {name}"), format!("write for example {example}")));
        }
        if trimmed.starts_with('-') {
            return Err(UnitError::new(format!("`{text}` is negative"), format!("a {name} is zero or more")));
        }
        let (mut rest, mut sum, mut smallest) = (trimmed, 0_u64, u64::MAX);
        loop {
            let (number, behind) = split_number(rest);
            let split = |c: char| c.is_ascii_digit() || c == '.';
            let end = if self.adds_up { behind.find(split).unwrap_or(behind.len()) } else { behind.len() };
            let (unit, more) = (behind[..end].trim_end(), &behind[end..]);
            let alone = rest == trimmed && more.is_empty();
            if !alone && unit.is_empty() {
                let help = format!("each part has a unit, for example {example}");
                return Err(UnitError::new(format!("`{text}` is not a {name}"), help));
            }
            let (value, size) = self.part(text, number, unit)?;
            if size >= smallest {
                let what = format!("in `{text}` {number}{unit} does not come behind a larger unit");
                return Err(UnitError::new(what, "write the largest unit first, each once, for example \"1h30m\""));
            }
            smallest = size;
            sum = sum.checked_add(value).ok_or_else(|| self.too_large(text))?;
            if more.is_empty() {
                return Ok(sum);
            }
            rest = more;
        }
    }

    /// One number with its unit, which is part of `text`: how many base units, and how many the unit has.
    fn part(&self, text: &str, number: &str, unit: &str) -> Result<(u64, u64), UnitError> {
        let Self { name, example, base, .. } = self;
        let Some((digits, behind)) = decimal(number) else {
            if is_endless(number) {
                return Err(self.too_large(text));
            }
            return Err(UnitError::new(format!("`{text}` is not a {name}"), format!("write for example {example}")));
        };
        if unit.is_empty() {
            if digits == 0 {
                return Ok((0, 1));
            }
            let help = format!("add a unit: {} (for example {example})", self.known());
            return Err(UnitError::new(format!("`{text}` has no unit"), help));
        }
        let Some(exact) = self.units.iter().find(|u| u.name == unit) else {
            let what = format!("`{unit}` is not a unit of a {name}");
            return Err(UnitError::new(what, self.instead(number, unit)));
        };
        let product = digits.checked_mul(u128::from(exact.numerator)).ok_or_else(|| self.too_large(text))?;
        let divisor = 10_u128.pow(behind).saturating_mul(u128::from(exact.denominator));
        let whole = if exact.denominator == 1 {
            if !product.is_multiple_of(divisor) {
                let help = format!("write a whole number of {base}");
                return Err(UnitError::new(format!("`{text}` is not a whole number of {base}"), help));
            }
            product / divisor
        } else {
            // Most rates per minute or hour are no whole number of anything per second: the nearest is meant.
            (product + divisor / 2) / divisor
        };
        if whole == 0 && digits > 0 {
            return Err(UnitError::new(
                format!("`{text}` is too small a {name}"),
                format!("at least one of the {base}"),
            ));
        }
        Ok((u64::try_from(whole).map_err(|_| self.too_large(text))?, exact.numerator / exact.denominator))
    }

    /// What would be right instead of a unit that there is not.
    fn instead(&self, number: &str, unit: &str) -> String {
        // `MBps` is not `Mbps` written badly: it is eight times as much.
        let bytes = unit.strip_suffix("Bps").map(|prefix| format!("{prefix}B/s"));
        let same = |u: &&Unit| bytes.as_deref().map_or(u.name.eq_ignore_ascii_case(unit), |bytes| u.name == bytes);
        // `100 MB` of a bandwidth, `64K` of a size: a unit that lacks its end.
        let begun =
            |u: &&Unit| u.listed && u.name.strip_prefix(unit).is_some_and(|end| matches!(end, "/s" | "B" | "iB"));
        let near: Vec<String> = match self.units.iter().find(same) {
            Some(unit) => vec![unit.name.to_owned()],
            None => self.units.iter().filter(begun).map(|u| u.name.to_owned()).collect(),
        };
        match near.as_slice() {
            [] => format!("the units are {}", self.known()),
            near => {
                let near: Vec<String> = near.iter().map(|unit| format!("`{number}{unit}`")).collect();
                format!("did you mean {}?", near.join(" or "))
            }
        }
    }

    /// The largest unit that keeps `value` whole.
    fn whole(&self, value: u64) -> (u64, &'static str) {
        let whole = |u: &&Unit| u.listed && u.denominator == 1 && value != 0 && value.is_multiple_of(u.numerator);
        match self.units.iter().find(whole) {
            Some(unit) => (value / unit.numerator, unit.name),
            None => (value, self.units.iter().find(|u| u.numerator == 1).map_or("", |u| u.name)),
        }
    }
}

/// A length of time as written: `"150ms"`, `"1.5 s"`, `"2m"`, `"0"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DurationText(pub Duration);

impl FromStr for DurationText {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        DURATION.parse(text).map(|n| Self(Duration(n)))
    }
}

impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A range of times as written: `"150ms..300ms"`, both ends included; `"200ms"` alone is a range of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RangeText {
    /// The shortest.
    pub lo: Duration,
    /// The longest; never below `lo`.
    pub hi: Duration,
}

impl FromStr for RangeText {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let Some((lo, hi)) = text.split_once("..") else {
            let DurationText(only) = text.parse()?;
            return Ok(Self { lo: only, hi: only });
        };
        let hi = hi.strip_prefix('=').unwrap_or(hi);
        let (DurationText(lo), DurationText(hi)) = (lo.parse()?, hi.parse()?);
        if lo > hi {
            let what = format!("the range `{text}` is upside down");
            return Err(UnitError::new(what, format!("write \"{hi}..{lo}\"")));
        }
        Ok(Self { lo, hi })
    }
}

impl fmt::Display for RangeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lo == self.hi { write!(f, "{}", self.lo) } else { write!(f, "{}..{}", self.lo, self.hi) }
    }
}

/// A size as written: `"64 KiB"`, `"1MB"`, `"512B"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl FromStr for ByteSize {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        SIZE.parse(text).map(Self)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, unit) = SIZE.whole(self.0);
        write!(f, "{value} {unit}")
    }
}

/// A bandwidth as written, in bits per second: `"100 Mbit"`, `"1 Gbit/s"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BitRate(pub u64);

impl FromStr for BitRate {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        RATE.parse(text).map(Self)
    }
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, unit) = RATE.whole(self.0);
        write!(f, "{value} {unit}")
    }
}

/// A probability as written, `"0.1%"` or `"0.001"`, kept in parts per billion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProbabilityText {
    parts_per_billion: u32,
}

impl ProbabilityText {
    /// One: certain.
    const WHOLE: u32 = 1_000_000_000;

    /// `parts` in a billion; anything over a billion is certainty.
    #[must_use]
    pub fn per_billion(parts: u32) -> Self {
        Self { parts_per_billion: parts.min(Self::WHOLE) }
    }

    /// The value to draw with.
    #[must_use]
    pub fn probability(self) -> Probability {
        Probability::per_billion(u64::from(self.parts_per_billion))
    }
}

impl From<ProbabilityText> for Probability {
    fn from(text: ProbabilityText) -> Self {
        text.probability()
    }
}

impl FromStr for ProbabilityText {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let trimmed = text.trim();
        let (number, scale, unit) = match trimmed.strip_suffix('%') {
            Some(percent) => (percent.trim_end(), 10_000_000_u128, "%"),
            None => (trimmed, 1_000_000_000, ""),
        };
        let Some((digits, behind)) = decimal(number) else {
            let what = if number.starts_with('-') { "negative" } else { "not a probability" };
            return Err(UnitError::new(format!("`{text}` is {what}"), "write for example \"0.1%\" or \"0.001\""));
        };
        let (product, divisor) = (digits * scale, 10_u128.pow(behind));
        if product > u128::from(Self::WHOLE) * divisor {
            let help =
                if unit.is_empty() { format!("at most 1; did you mean \"{number}%\"?") } else { "at most 100%".into() };
            return Err(UnitError::new(format!("`{text}` is more than certain"), help));
        }
        if !product.is_multiple_of(divisor) {
            let what = format!("`{text}` is finer than a billionth");
            return Err(UnitError::new(what, "seven decimals of a percent are the limit"));
        }
        Ok(Self { parts_per_billion: (product / divisor) as u32 })
    }
}

impl fmt::Display for ProbabilityText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.parts_per_billion / 10_000_000, self.parts_per_billion % 10_000_000);
        if rest == 0 {
            return write!(f, "{whole}%");
        }
        let decimals = format!("{rest:07}");
        write!(f, "{whole}.{}%", decimals.trim_end_matches('0'))
    }
}

impl From<Probability> for ProbabilityText {
    /// Exact for every probability that was made of parts per billion.
    fn from(probability: Probability) -> Self {
        Self::per_billion((probability.as_f64() * f64::from(Self::WHOLE)) as u32)
    }
}

/// Operations per second as written, in millionths: `"400/s"`, `"1.5 k/s"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct OperationRate(pub u64);

impl FromStr for OperationRate {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        OPERATIONS.parse(text).map(Self)
    }
}

impl fmt::Display for OperationRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if rest == 0 {
            return write!(f, "{whole}/s");
        }
        let decimals = format!("{rest:06}");
        write!(f, "{whole}.{}/s", decimals.trim_end_matches('0'))
    }
}

/// Parses what may carry a sign with a sort that knows none.
fn signed(sort: &Sort, text: &str) -> Result<i64, UnitError> {
    let trimmed = text.trim();
    let (negative, rest) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let size = sort.parse(rest)?;
    let size = i64::try_from(size).map_err(|_| {
        UnitError::new(format!("`{text}` is too large a {}", sort.name), format!("at most {} {}", i64::MAX, sort.base))
    })?;
    Ok(if negative { -size } else { size })
}

/// A difference of times as written: `"-5s"`, `"200ms"`. In nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct OffsetText(pub i64);

impl FromStr for OffsetText {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        signed(&DURATION, text).map(Self)
    }
}

impl fmt::Display for OffsetText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.0 < 0 { "-" } else { "" }, Duration(self.0.unsigned_abs()))
    }
}

/// How fast a clock runs wrong, as written: `"50ppm"`, `"-200ppm"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ppm(pub i64);

impl FromStr for Ppm {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        signed(&SKEW, text).map(Self)
    }
}

impl fmt::Display for Ppm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ppm", self.0)
    }
}

/// Strings in files, through `Display` and `FromStr`, and a string with a pattern in the JSON schema.
macro_rules! as_text {
    ($type:ident, $name:literal, $expecting:literal, $pattern:expr) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl de::Visitor<'_> for Visitor {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Visitor)
            }
        }

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $expecting })
            }
        }
    };
}

as_text!(
    DurationText,
    "Duration",
    "a duration with its unit in quotes, for example \"150ms\"",
    format!("^\\s*{}$", DURATION.pattern())
);
as_text!(
    RangeText,
    "DurationRange",
    "a range of durations in quotes, for example \"150ms..300ms\"",
    format!("^\\s*{0}(\\.\\.=?\\s*{0})?$", DURATION.pattern())
);
as_text!(
    ByteSize,
    "ByteSize",
    "a size with its unit in quotes, for example \"64 KiB\"",
    format!("^\\s*{}$", SIZE.pattern())
);
as_text!(
    BitRate,
    "BitRate",
    "a bandwidth with its unit in quotes, for example \"100 Mbit\"",
    format!("^\\s*{}$", RATE.pattern())
);
as_text!(ProbabilityText, "Probability", "a probability in quotes, for example \"0.1%\"", r"^\s*[0-9._]+\s*%?\s*$");

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn complaint<T: FromStr<Err = UnitError> + fmt::Debug>(text: &str) -> String {
        text.parse::<T>().expect_err(text).to_string()
    }

    #[test]
    fn quantities_mean_what_they_say() {
        let nanos = |text: &str| text.parse::<DurationText>().map(|d| d.0.0);
        assert_eq!(nanos("150ms"), Ok(150_000_000));
        assert_eq!(nanos(" 1.5 s "), Ok(1_500_000_000));
        assert_eq!(nanos("2m"), nanos("2min"));
        assert_eq!(nanos("0"), Ok(0));
        let range: RangeText = "150ms..300ms".parse().unwrap();
        assert_eq!((range.lo, range.hi), (Duration::millis(150), Duration::millis(300)));
        assert_eq!("64 KiB".parse(), Ok(ByteSize(65_536)));
        assert_eq!("1.5 kB".parse(), Ok(ByteSize(1_500)));
        assert_eq!("100 Mbit".parse(), Ok(BitRate(100_000_000)));
        assert_eq!("0.1%".parse::<ProbabilityText>(), "0.001".parse());
        assert_eq!("100%".parse::<ProbabilityText>().unwrap().probability(), Probability::ALWAYS);
    }

    #[test]
    fn quantities_are_read_as_people_write_them() {
        let nanos = |text: &str| text.parse::<DurationText>().map(|d| d.0.0);
        assert_eq!(nanos("1h30m"), nanos("90m"));
        assert_eq!(nanos("1h 30min 1.5s"), Ok(5_401_500_000_000));
        assert_eq!(nanos("60sec"), nanos("1 minute"));
        assert_eq!(nanos("2 hours"), nanos("2hrs"));
        // The micro sign and the Greek letter.
        assert_eq!((nanos("5\u{b5}s"), nanos("5\u{3bc}s")), (Ok(5_000), Ok(5_000)));
        assert_eq!("1h..1h30m".parse::<RangeText>().map(|r| r.hi), Ok(Duration::secs(5_400)));
        let rate = |text: &str| text.parse::<OperationRate>().map(|r| r.0);
        assert_eq!((rate("60/min"), rate("3600/h"), rate("50/min")), (Ok(1_000_000), Ok(1_000_000), Ok(833_333)));
        assert_eq!((rate("400 ops/s"), rate("400rps")), (rate("400/s"), rate("400/sec")));
        let bits = |text: &str| text.parse::<BitRate>().map(|b| b.0);
        assert_eq!((bits("1Gbps"), bits("100MB/s"), bits("1 KiB/s")), (Ok(1_000_000_000), Ok(800_000_000), Ok(8_192)));
        assert_eq!((bits("10Mb/s"), bits("10 Mbit/s")), (Ok(10_000_000), Ok(10_000_000)));
    }

    #[test]
    fn complaints_say_what_would_be_right() {
        insta::assert_snapshot!([
            complaint::<DurationText>("150"),
            complaint::<DurationText>("150 MS"),
            complaint::<DurationText>("150 fortnights"),
            complaint::<DurationText>("-1s"),
            complaint::<DurationText>(""),
            complaint::<DurationText>("1.5ns"),
            complaint::<DurationText>("1..5ns"),
            complaint::<DurationText>("999999999999999d"),
            complaint::<RangeText>("300ms..150ms"),
            complaint::<ByteSize>("64 kib"),
            complaint::<BitRate>("100 MB"),
            complaint::<BitRate>("100 MBps"),
            complaint::<ByteSize>("64K"),
            complaint::<ByteSize>("170141183460469231731687303715884105727 B"),
            complaint::<DurationText>("170141183460469231731687303715884105727ms"),
            complaint::<DurationText>("30m1h"),
            complaint::<DurationText>("1h1h"),
            complaint::<DurationText>("1h30"),
            complaint::<DurationText>("213503d24h"),
            complaint::<OperationRate>("50/fortnight"),
            complaint::<OperationRate>("0.0001/h"),
            complaint::<OperationRate>("0.0000001/s"),
            complaint::<ProbabilityText>("5"),
            complaint::<ProbabilityText>("101%"),
            complaint::<ProbabilityText>("0.00000001%"),
            complaint::<ProbabilityText>("often"),
        ]
        .join("\n"), @r#"
        `150` has no unit; add a unit: ns, µs, us, ms, s, min, m, h, d (for example "150ms")
        `MS` is not a unit of a duration; did you mean `150ms`?
        `fortnights` is not a unit of a duration; the units are ns, µs, us, ms, s, min, m, h, d
        `-1s` is negative; a duration is zero or more
        an empty duration; write for example "150ms"
        `1.5ns` is not a whole number of nanoseconds; write a whole number of nanoseconds
        `1..5ns` is not a duration; write for example "150ms"
        `999999999999999d` is too large a duration; at most 18446744073709551615 nanoseconds
        the range `300ms..150ms` is upside down; write "150ms..300ms"
        `kib` is not a unit of a size; did you mean `64KiB`?
        `MB` is not a unit of a bit rate; did you mean `100MB/s`?
        `MBps` is not a unit of a bit rate; did you mean `100MB/s`?
        `K` is not a unit of a size; did you mean `64KiB` or `64KB`?
        `170141183460469231731687303715884105727 B` is too large a size; at most 18446744073709551615 bytes
        `170141183460469231731687303715884105727ms` is too large a duration; at most 18446744073709551615 nanoseconds
        in `30m1h` 1h does not come behind a larger unit; write the largest unit first, each once, for example "1h30m"
        in `1h1h` 1h does not come behind a larger unit; write the largest unit first, each once, for example "1h30m"
        `1h30` is not a duration; each part has a unit, for example "150ms"
        `213503d24h` is too large a duration; at most 18446744073709551615 nanoseconds
        `/fortnight` is not a unit of a rate; the units are /h, /min, /s, k/s, M/s
        `0.0001/h` is too small a rate; at least one of the millionths of an operation per second
        `0.0000001/s` is not a whole number of millionths of an operation per second; write a whole number of millionths of an operation per second
        `5` is more than certain; at most 1; did you mean "5%"?
        `101%` is more than certain; at most 100%
        `0.00000001%` is finer than a billionth; seven decimals of a percent are the limit
        `often` is not a probability; write for example "0.1%" or "0.001"
        "#);
    }

    proptest! {
        #[test]
        fn printing_and_reading_are_inverses(n in any::<u64>(), m in any::<u64>(), p in 0..=1_000_000_000_u32, shift in 0..64_u32) {
            let (n, m) = (n >> shift, m >> shift);
            let duration = DurationText(Duration(n));
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
            let range = RangeText { lo: Duration(n.min(m)), hi: Duration(n.max(m)) };
            prop_assert_eq!(range.to_string().parse(), Ok(range));
            prop_assert_eq!(ByteSize(n).to_string().parse(), Ok(ByteSize(n)));
            prop_assert_eq!(BitRate(n).to_string().parse(), Ok(BitRate(n)));
            let probability = ProbabilityText::per_billion(p);
            prop_assert_eq!(ProbabilityText::from(probability.probability()), probability);
            let (rate, offset) = (OperationRate(n), OffsetText((n >> 1) as i64 * if m & 1 == 0 { 1 } else { -1 }));
            prop_assert_eq!(rate.to_string().parse(), Ok(rate));
            prop_assert_eq!(offset.to_string().parse(), Ok(offset));
            prop_assert_eq!(Ppm(offset.0).to_string().parse(), Ok(Ppm(offset.0)));
            prop_assert_eq!(probability.to_string().parse(), Ok(probability));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,24}") {
            let _ = text.parse::<DurationText>();
            let _ = text.parse::<RangeText>();
            let _ = text.parse::<ByteSize>();
            let _ = text.parse::<BitRate>();
            let _ = text.parse::<ProbabilityText>();
            let _ = text.parse::<OperationRate>();
            let _ = text.parse::<OffsetText>();
            let _ = text.parse::<Ppm>();
        }
    }
}
