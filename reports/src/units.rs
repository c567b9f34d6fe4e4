//! Numbers as people and files read them: rounded fractions, durations with a unit, counts with separators.

/// What stands where nobody knows.
pub(crate) const UNKNOWN: &str = "\u{2013}";

/// `part / whole` to 9 digits, or nothing when there is no whole. 1 and 0 are kept for all and none.
pub(crate) fn fraction(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| round(part as f64 / whole as f64, 9))
}

/// `value` rounded to `digits` decimals: files must not depend on the last bit of a sum.
pub(crate) fn round(value: f64, digits: i32) -> f64 {
    let scale = libm::pow(10.0, f64::from(digits));
    (value * scale).round() / scale
}

/// `value` rounded to so many significant digits.
pub(crate) fn round_significant(value: f64, digits: i32) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let size = libm::floor(libm::log10(value.abs())) as i32;
    round(value, digits - 1 - size)
}

/// A duration with three significant digits and the unit that suits it: `850 ns`, `12.3 ms`, `4.2 s`, `3 min 20 s`.
pub(crate) fn duration(ns: u64) -> String {
    if ns == 0 {
        return "0 s".into();
    }
    if ns >= 60_000_000_000 {
        let seconds = (ns + 500_000_000) / 1_000_000_000;
        let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        return match (h, m, s) {
            (0, m, 0) => format!("{m} min"),
            (0, m, s) => format!("{m} min {s} s"),
            (h, 0, 0) => format!("{h} h"),
            (h, m, _) => format!("{h} h {m} min"),
        };
    }
    let (value, unit) = match ns {
        0..1_000 => (ns as f64, "ns"),
        1_000..1_000_000 => (ns as f64 / 1e3, "\u{b5}s"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    let text = significant(value);
    // 999.6 µs would read "1000 µs".
    match (text.as_str(), unit) {
        ("1000", "ns") => "1 \u{b5}s".into(),
        ("1000", "\u{b5}s") => "1 ms".into(),
        ("1000", "ms") => "1 s".into(),
        _ => format!("{text} {unit}"),
    }
}

/// The same, where it is known.
pub(crate) fn duration_or_unknown(ns: Option<u64>) -> String {
    ns.map_or_else(|| UNKNOWN.into(), duration)
}

/// A moment of the run: `10 s`, `10.05 s`, `12 min 3.5 s`; milliseconds are kept below a minute, tenths above.
pub(crate) fn moment(ns: u64) -> String {
    let ms = (ns + 500_000) / 1_000_000;
    if ms < 60_000 {
        return format!("{} s", trim(&format!("{:.3}", ms as f64 / 1e3)));
    }
    // Beyond a minute, tenths of a second.
    let tenths = (ms + 50) / 100;
    let (h, m) = (tenths / 36_000, tenths / 600 % 60);
    let s = trim(&format!("{:.1}", (tenths % 600) as f64 / 10.0)).to_owned();
    if h > 0 { format!("{h} h {m} min {s} s") } else { format!("{m} min {s} s") }
}

/// Two moments with one unit where it can be: `10-15.2 s`.
pub(crate) fn span(from: u64, to: u64) -> String {
    let (a, b) = (moment(from), moment(to));
    match a.strip_suffix(" s") {
        Some(short) if from < 60_000_000_000 && to < 60_000_000_000 => format!("{short}\u{2013}{b}"),
        _ => format!("{a} \u{2013} {b}"),
    }
}

/// Three significant digits without trailing zeros.
pub(crate) fn significant(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    trim(&format!("{value:.digits$}")).to_owned()
}

/// Three significant digits of a number that may be far below 1: `0.0123`.
pub(crate) fn significant_small(value: f64) -> String {
    let size = if value == 0.0 { 0.0 } else { libm::floor(libm::log10(value.abs())) };
    let digits = (2.0 - size).clamp(0.0, 9.0) as usize;
    trim(&format!("{value:.digits$}")).to_owned()
}

/// A percentage that never rounds up to 100 or down to 0: `99.9987 %`.
pub(crate) fn percent(fraction: f64) -> String {
    if fraction >= 1.0 {
        return "100 %".into();
    }
    if fraction <= 0.0 {
        return "0 %".into();
    }
    for digits in 2..=7_usize {
        let text = format!("{:.digits$}", fraction * 100.0);
        let shown: f64 = text.parse().unwrap_or(0.0);
        if shown < 100.0 && shown > 0.0 {
            return format!("{} %", trim(&text));
        }
    }
    if fraction > 0.5 { "> 99.9999999 %".into() } else { "< 0.0000001 %".into() }
}

/// A count with thin separators: `2 500 000`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A count in few characters: `950`, `12.3 k`, `2.5 M`.
pub(crate) fn short_count(n: f64) -> String {
    match n {
        v if v >= 999.5e6 => format!("{} G", significant(v / 1e9)),
        v if v >= 999.5e3 => format!("{} M", significant(v / 1e6)),
        v if v >= 9_999.5 => format!("{} k", significant(v / 1e3)),
        v if v >= 100.0 || v.fract() == 0.0 => count(v.round() as u64),
        v => significant(v),
    }
}

/// A count on an axis that ends at `top`: all in the same unit.
pub(crate) fn count_on_axis(n: f64, top: f64) -> String {
    match top {
        _ if n == 0.0 => "0".into(),
        t if t >= 1e9 => format!("{} G", significant(n / 1e9)),
        t if t >= 1e6 => format!("{} M", significant(n / 1e6)),
        t if t >= 1e4 => format!("{} k", significant(n / 1e3)),
        _ => short_count(n),
    }
}

/// Bytes in decimal units: `12.3 MB`.
pub(crate) fn bytes(n: u64) -> String {
    match n {
        0..1_000 => format!("{n} B"),
        1_000..1_000_000 => format!("{} kB", significant(n as f64 / 1e3)),
        1_000_000..1_000_000_000 => format!("{} MB", significant(n as f64 / 1e6)),
        _ => format!("{} GB", significant(n as f64 / 1e9)),
    }
}

/// Without zeros at its end.
pub(crate) fn trimmed(text: &str) -> String {
    trim(text).to_owned()
}

fn trim(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// `1 outage`, `4 outages`.
pub(crate) fn plural(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// So many of what has this name in the plural: `1 lost write`, `3 lost writes`, `1 read of what was deleted`.
pub(crate) fn counted(count: &str, plural: &str) -> String {
    let text = format!("{count} {plural}");
    if count == "1" { singular(&text) } else { text }
}

/// A text in which what there is one of is not many: `1 truncation, 5 leaders` for `1 truncations, 5 leaders`. What is
/// counted is the first word in the plural after the number; what comes after it says more about it.
pub(crate) fn singular(text: &str) -> String {
    let is_plural = |word: &str| {
        let all_letters = word.len() > 3 && word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        all_letters && word.ends_with('s') && !["ss", "us", "is"].iter().any(|end| word.ends_with(end))
    };
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    // Whether one of something was told, and it is still to be said of what.
    let mut one = false;
    for word in &mut words {
        let bare = word.trim_end_matches([',', ';', '.', ')']).to_owned();
        let rest = word[bare.len()..].to_owned();
        if one && is_plural(&bare) {
            let stem = match bare.strip_suffix("ies") {
                Some(stem) => format!("{stem}y"),
                None if ["ches", "shes", "sses", "xes"].iter().any(|end| bare.ends_with(end)) => {
                    bare[..bare.len() - 2].to_owned()
                }
                None => bare[..bare.len() - 1].to_owned(),
            };
            *word = stem + &rest;
            one = false;
        } else {
            // A clause ends what was begun, and so do small words: `1 of 5 nodes` are five.
            let ends = !rest.is_empty() || ["of", "in", "at", "and", "or", "to"].contains(&bare.as_str());
            one = (one && !ends && !bare.starts_with(|c: char| c.is_ascii_digit())) || (bare == "1" && rest.is_empty());
        }
    }
    words.join(" ")
}

/// By which names are put in order as people count: letters, then the number behind them.
pub fn natural(name: &str) -> (&str, u64, &str) {
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (letters, name[letters.len()..].parse().unwrap_or(0), name)
}

/// The text with a capital letter.
pub(crate) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let cases = [
            (0, "0 s"),
            (850, "850 ns"),
            (1_500, "1.5 \u{b5}s"),
            (999_999, "1 ms"),
            (312_400_000, "312 ms"),
            (4_250_000_000, "4.25 s"),
            (60_000_000_000, "1 min"),
            (200_000_000_000, "3 min 20 s"),
            (3_600_000_000_000, "1 h"),
            (5_430_000_000_000, "1 h 30 min"),
        ];
        for (ns, text) in cases {
            assert_eq!(duration(ns), text);
        }
    }

    #[test]
    fn a_percentage_says_100_only_for_all() {
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.999_987), "99.999 %");
        assert_eq!(percent(0.999_999_6), "99.99996 %");
        assert_eq!(percent(0.5), "50 %");
        assert_eq!(percent(0.0), "0 %");
    }

    #[test]
    fn one_of_something_is_not_many() {
        let cases = [
            ("lost writes", "1 lost write"),
            ("reads of what was deleted", "1 read of what was deleted"),
            ("truncations", "1 truncation"),
            ("crashes", "1 crash"),
            ("needless recoveries", "1 needless recovery"),
            ("times", "1 time"),
            ("of 5 nodes", "1 of 5 nodes"),
            ("status", "1 status"),
            ("new leaders, 20 entries", "1 new leader, 20 entries"),
        ];
        for (plural, one) in cases {
            assert_eq!(counted("1", plural), one);
            assert_eq!(counted("2", plural), format!("2 {plural}"));
        }
    }

    #[test]
    fn moments_share_a_unit() {
        assert_eq!(span(10_000_000_000, 15_250_000_000), "10\u{2013}15.25 s");
        assert_eq!(span(59_000_000_000, 61_000_000_000), "59 s \u{2013} 1 min 1 s");
        assert_eq!(count(2_500_000), "2,500,000");
        assert_eq!(short_count(12_345.0), "12.3 k");
    }
}
