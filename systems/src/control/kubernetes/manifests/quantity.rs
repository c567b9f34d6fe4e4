//! Quantities as the API writes them: `250m`, `1.5Gi`, `3e9`.

/// A quantity as a fraction, so that nothing is lost before it is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity {
    numerator: i128,
    denominator: i128,
    /// Whether it was written in thousandths.
    pub milli: bool,
}

impl Quantity {
    /// Whole units, rounded up as the API does.
    #[must_use]
    pub fn units(self) -> i64 {
        self.times(1)
    }

    /// Thousandths, rounded up.
    #[must_use]
    pub fn thousandths(self) -> i64 {
        self.times(1000)
    }

    fn times(self, factor: i128) -> i64 {
        let whole = (self.numerator * factor + self.denominator - 1).div_euclid(self.denominator);
        i64::try_from(whole).unwrap_or(i64::MAX)
    }

    /// Whether it is below nothing.
    #[must_use]
    pub const fn negative(self) -> bool {
        self.numerator < 0
    }
}

/// The factor of a suffix, as numerator and denominator.
fn suffix(text: &str) -> Option<(i128, i128)> {
    Some(match text {
        "" => (1, 1),
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1_000),
        "k" => (1_000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        other => {
            let exponent: i32 = other.strip_prefix(['e', 'E'])?.parse().ok()?;
            let power = 10i128.checked_pow(exponent.unsigned_abs()).filter(|_| exponent.abs() <= 18)?;
            if exponent < 0 { (1, power) } else { (power, 1) }
        }
    })
}

/// Reads a quantity.
#[must_use]
pub fn parse(text: &str) -> Option<Quantity> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (number, unit) = rest.split_at(end);
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = whole.len() + part.len();
    if digits == 0 || digits > 18 || part.contains('.') {
        return None;
    }
    let mantissa: i128 = format!("{whole}{part}").parse().ok()?;
    let (up, down) = suffix(unit)?;
    let denominator = 10i128.checked_pow(part.len() as u32)?.checked_mul(down)?;
    Some(Quantity { numerator: sign * mantissa * up, denominator, milli: unit == "m" })
}

/// What may be meant by a text that is no quantity.
#[must_use]
pub fn meant(text: &str) -> Option<&'static str> {
    let bare = text.strip_suffix(['B', 'b'])?;
    parse(bare)?;
    Some(match bare.as_bytes().last()? {
        b'k' => "k or Ki",
        b'M' => "M or Mi",
        b'G' => "G or Gi",
        b'T' => "T or Ti",
        b'i' => "without the B",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{meant, parse};

    #[test]
    fn quantities_are_read_as_the_api_writes_them() {
        let units = [("1.5Gi", 1_610_612_736), ("3e9", 3_000_000_000), ("1e3", 1000), ("100M", 100_000_000)];
        for (text, value) in units.into_iter().chain([("0.5Gi", 1 << 29), (".5", 1), ("400m", 1), ("20", 20)]) {
            assert_eq!(parse(text).map(super::Quantity::units), Some(value), "{text}");
        }
        for (text, value) in [("250m", 250), ("0.1", 100), ("2", 2000), ("1", 1000), (".5", 500), ("1u", 1)] {
            assert_eq!(parse(text).map(super::Quantity::thousandths), Some(value), "{text}");
        }
        for text in ["250mCPU", "64MB", "", "1.2.3", "Mi", "1 Gi", "--1", "1e", "1e99", "99999999999999999999"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(meant("64MB"), Some("M or Mi"));
        assert_eq!(meant("250mCPU"), None);
    }
}
