//! The units that people write, by sort of quantity, and how a number with one of them is read and written.

use super::UnitError;

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
pub(super) struct Sort {
    pub(super) name: &'static str,
    example: &'static str,
    pub(super) base: &'static str,
    units: &'static [Unit],
    /// Whether several parts add up, the largest unit first: `1h30m`.
    adds_up: bool,
}

pub(super) const DURATION: Sort =
    Sort { name: "duration", example: "\"150ms\"", base: "nanoseconds", units: DURATIONS, adds_up: true };
pub(super) const SIZE: Sort = Sort { name: "size", example: "\"64 KiB\"", base: "bytes", units: BYTES, adds_up: false };
pub(super) const OPERATIONS: Sort = Sort {
    name: "rate",
    example: "\"400/s\"",
    base: "millionths of an operation per second",
    units: PER_SECOND,
    adds_up: false,
};
pub(super) const SKEW: Sort =
    Sort { name: "drift", example: "\"50ppm\"", base: "parts per million", units: PPM, adds_up: false };
pub(super) const RATE: Sort =
    Sort { name: "bit rate", example: "\"100 Mbit\"", base: "bits per second", units: BITS, adds_up: false };

/// More digits than any quantity has that 64 bits can hold.
const DIGITS: usize = 24;

/// A decimal number without sign or exponent: digits and how many of them are behind the point.
pub(super) fn decimal(text: &str) -> Option<(u128, u32)> {
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
pub(super) fn is_endless(text: &str) -> bool {
    text.len() > DIGITS && text.bytes().all(|b| b.is_ascii_digit() || b == b'_')
}

/// The number at the beginning of a text, and the rest.
fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

impl Sort {
    pub(super) fn known(&self) -> String {
        let mut names: Vec<&str> = self.units.iter().filter(|u| u.listed).map(|u| u.name).collect();
        names.reverse();
        names.join(", ")
    }

    /// What a JSON schema says of such a string.
    pub(super) fn pattern(&self) -> String {
        // A `+` or `.` in a unit would have to be escaped; there is none.
        let units: Vec<&str> = self.units.iter().map(|u| u.name).collect();
        let one = format!("[0-9._]+\\s*({})?\\s*", units.join("|"));
        if self.adds_up { format!("({one})+") } else { one }
    }

    pub(super) fn too_large(&self, text: &str) -> UnitError {
        UnitError::new(format!("`{text}` is too large a {}", self.name), format!("at most {} {}", u64::MAX, self.base))
    }

    pub(super) fn parse(&self, text: &str) -> Result<u64, UnitError> {
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
    pub(super) fn instead(&self, number: &str, unit: &str) -> String {
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
    pub(super) fn whole(&self, value: u64) -> (u64, &'static str) {
        let whole = |u: &&Unit| u.listed && u.denominator == 1 && value != 0 && value.is_multiple_of(u.numerator);
        match self.units.iter().find(whole) {
            Some(unit) => (value / unit.numerator, unit.name),
            None => (value, self.units.iter().find(|u| u.numerator == 1).map_or("", |u| u.name)),
        }
    }
}
