//! Seed ranges: `1..1000`, both ends included, or several of them with commas between.

use core::fmt;
use core::str::FromStr;

/// Seeds in the order in which they were named, none of them twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds {
    /// First and last of each range.
    ranges: Vec<(u64, u64)>,
    count: u64,
}

/// More than this many runs is a mistake, not a sweep: at a thousand a second it would take four months.
pub const MOST: u64 = 10_000_000_000;

impl Seeds {
    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The seed at `index`, counted from 0.
    #[must_use]
    pub fn get(&self, mut index: u64) -> Option<u64> {
        for (first, last) in &self.ranges {
            let length = last - first + 1;
            if index < length {
                return Some(first + index);
            }
            index -= length;
        }
        None
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "write `7`, `1..1000` (both ends included) or `1..10,20..30`";
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        let mut count: u64 = 0;
        for part in text.split(',') {
            let part = part.trim();
            if part.is_empty() {
                let place = if text.contains(',') { " between two commas" } else { "" };
                return Err(format!("`{text}` names no seed{place}; {example}"));
            }
            let number = |n: &str| {
                n.trim().parse::<u64>().map_err(|_| match n.trim() {
                    "" => format!("`{part}` has an open end; {example}"),
                    n if n.starts_with('=') => format!("`{part}`: both ends are always included; {example}"),
                    n => format!("`{n}` is not a seed: a whole number from 0 to {}; {example}", u64::MAX),
                })
            };
            let (first, last) = match part.split_once("..") {
                None => (number(part)?, number(part)?),
                Some((first, last)) => (number(first)?, number(last)?),
            };
            if first > last {
                return Err(format!("the range `{part}` runs backwards; did you mean `{last}..{first}`?"));
            }
            if let Some((a, b)) = ranges.iter().find(|(a, b)| first <= *b && *a <= last) {
                let twice = first.max(*a);
                return Err(format!("seed {twice} is named twice, by `{}` and by `{part}`", show(*a, *b)));
            }
            ranges.push((first, last));
            count = count.saturating_add((last - first).saturating_add(1));
        }
        if count > MOST {
            return Err(format!("`{text}` is {count} seeds; a sweep has at most {MOST} runs"));
        }
        Ok(Self { ranges, count })
    }
}

fn show(first: u64, last: u64) -> String {
    if first == last { first.to_string() } else { format!("{first}..{last}") }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges: Vec<String> = self.ranges.iter().map(|(a, b)| show(*a, *b)).collect();
        f.write_str(&ranges.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_included_and_order_is_kept() {
        let seeds: Seeds = " 20..22, 7,1..3".parse().expect("good");
        let all: Vec<u64> = (0..seeds.count()).filter_map(|i| seeds.get(i)).collect();
        assert_eq!(all, [20, 21, 22, 7, 1, 2, 3]);
        assert_eq!(seeds.get(7), None);
        assert_eq!(seeds.to_string(), "20..22,7,1..3");
        assert_eq!("0..0".parse::<Seeds>().expect("good").to_string(), "0");
        let last: Seeds = format!("{}..{}", u64::MAX - 1, u64::MAX).parse().expect("good");
        assert_eq!(last.get(1), Some(u64::MAX));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, word) in [
            ("", "names no seed"),
            ("1..", "open end"),
            ("..5", "open end"),
            ("5..1", "did you mean `1..5`"),
            ("1..=5", "both ends"),
            ("a", "not a seed"),
            ("-1", "not a seed"),
            ("1.5", "not a seed"),
            ("1,,2", "between two commas"),
            ("1..10,5", "seed 5 is named twice"),
            ("0..18446744073709551615", "at most"),
            ("18446744073709551616", "not a seed"),
        ] {
            let error = text.parse::<Seeds>().expect_err(text);
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
