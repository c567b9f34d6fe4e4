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

mod sort;
use sort::{DURATION, OPERATIONS, RATE, SIZE, SKEW, Sort, decimal};

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

/// A length of time as written: `"150ms"`, `"1.5 s"`, `"2m"`, `"0"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DurationText(pub Duration);

impl DurationText {
    /// So many thousandths of a second.
    #[must_use]
    pub const fn millis(ms: u64) -> Self {
        Self(Duration::millis(ms))
    }
}

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
        fn printing_and_reading_are_inverses(
            n in any::<u64>(), m in any::<u64>(), p in 0..=1_000_000_000_u32, shift in 0..64_u32,
        ) {
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
