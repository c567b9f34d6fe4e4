//! When the entries of a cron table are due: a pure function of the table and of the offsets from UTC, never of what a
//! clock showed before.

use core::fmt;
use std::rc::Rc;

/// Milliseconds in a minute, an hour, a day.
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// An entry: what makes it due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Every so many milliseconds, whatever a clock on the wall says.
    Every(u64),
    /// Once a day, when a clock on the wall shows this many milliseconds since midnight.
    Daily(u64),
}

/// A time of day, `02:30`, in milliseconds since midnight.
fn time_of_day(text: &str) -> Option<u64> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (u64, u64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * HOUR + minutes * MINUTE)
}

impl Entry {
    /// Reads `every 30s` or `daily at 02:30`.
    pub fn read(text: &str) -> Option<Self> {
        if let Some(period) = text.strip_prefix("every ") {
            let period: sim_core::units::DurationText = period.trim().parse().ok()?;
            let millis = period.0.0 / 1_000_000;
            return (millis > 0).then_some(Self::Every(millis));
        }
        text.strip_prefix("daily at ").and_then(|time| time_of_day(time.trim())).map(Self::Daily)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(period) => write!(f, "every {}", sim_core::Duration::millis(*period)),
            Self::Daily(at) => write!(f, "daily at {:02}:{:02}", at / HOUR, at % HOUR / MINUTE),
        }
    }
}

/// The rules of local time: from which moment (UTC, milliseconds since the run began) on which offset holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// Which time of day, UTC, it is when the run begins, in milliseconds.
    pub begins: u64,
    /// From when on, in milliseconds since the run began, local time is how much ahead of UTC; in order.
    pub offsets: Rc<[(u64, i64)]>,
}

impl Zone {
    /// Reads offsets such as `+1h` (from the start on) and `+2h from 30m`, and the time of day at the start.
    pub fn read(begins: &str, offsets: &[String]) -> Option<Self> {
        let begins = time_of_day(begins)?;
        let one = |text: &String| {
            let (offset, from) = text.split_once(" from ").unwrap_or((text, "0s"));
            let offset = offset.trim().trim_start_matches('+');
            let offset: sim_core::units::OffsetText = offset.parse().ok()?;
            let from: sim_core::units::DurationText = from.trim().parse().ok()?;
            Some((from.0.0 / 1_000_000, offset.0 / 1_000_000))
        };
        let offsets: Option<Vec<(u64, i64)>> = offsets.iter().map(one).collect();
        let offsets = offsets?;
        let sane = offsets.iter().all(|(_, offset)| offset.unsigned_abs() < DAY);
        (sane && offsets.windows(2).all(|two| two[0].0 < two[1].0)).then(|| Self { begins, offsets: offsets.into() })
    }

    fn offset(&self, at: u64) -> i64 {
        self.offsets.iter().rev().find(|(from, _)| *from <= at).map_or(0, |(_, offset)| *offset)
    }

    /// What a clock on the wall shows, in milliseconds since the midnight (UTC) before the run began.
    fn wall(&self, at: u64) -> i64 {
        (self.begins + at) as i64 + self.offset(at)
    }

    /// When, at the earliest, a clock on the wall shows `wall` or, where it skips that, what comes behind it.
    fn shows(&self, wall: i64) -> u64 {
        // Between two changes wall time and time go together.
        let mut from = 0;
        let changes = self.offsets.iter().map(|(at, _)| *at).chain(core::iter::once(u64::MAX));
        for until in changes {
            if until <= from {
                continue;
            }
            let left = wall - self.wall(from);
            let at = if left <= 0 { from } else { from.saturating_add(left as u64) };
            if at < until {
                return at;
            }
            from = until;
        }
        from
    }
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Its entries.
    pub entries: Vec<Entry>,
    /// Where its times of day are meant.
    pub zone: Zone,
}

impl Table {
    /// When entry `entry` is due next, strictly after `last`, both in milliseconds since the run began. A time of day
    /// that the clock on the wall shows twice is due the first time; one that it skips, when it has skipped it.
    #[must_use]
    pub fn next(&self, entry: usize, last: u64) -> u64 {
        match self.entries[entry] {
            Entry::Every(period) => (last / period + 1) * period,
            Entry::Daily(at) => {
                // Two days before: an offset may have put the day of `last` behind that of an earlier moment.
                let day = self.zone.wall(last).div_euclid(DAY as i64) - 2;
                let due = |day: i64| self.zone.shows(day * DAY as i64 + at as i64);
                (day..).map(due).find(|due| *due > last).unwrap_or(u64::MAX)
            }
        }
    }

    /// The same by comparing times of day alone: due is whenever the clock on the wall comes to show it.
    #[must_use]
    pub fn naive_next(&self, entry: usize, last: u64) -> u64 {
        let Entry::Daily(at) = self.entries[entry] else { return self.next(entry, last) };
        let shows = |now: u64| self.zone.wall(now).rem_euclid(DAY as i64) as u64 / MINUTE == at / MINUTE;
        let mut now = (last / MINUTE + 1) * MINUTE;
        while !shows(now) && now < last + 3 * DAY {
            now += MINUTE;
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(begins: &str, offsets: &[&str], entry: &str) -> Table {
        let offsets: Vec<String> = offsets.iter().map(ToString::to_string).collect();
        Table { entries: vec![Entry::read(entry).unwrap()], zone: Zone::read(begins, &offsets).unwrap() }
    }

    fn firings(table: &Table, until: u64, next: impl Fn(&Table, u64) -> u64) -> Vec<u64> {
        let mut all = Vec::new();
        let mut last = 0;
        loop {
            last = next(table, last);
            if last > until {
                return all;
            }
            all.push(last / MINUTE);
        }
    }

    #[test]
    fn periods_take_no_notice_of_walls() {
        let table = table("00:30", &["+1h", "+2h from 30m"], "every 20m");
        assert_eq!(firings(&table, 2 * HOUR, |table, last| table.next(0, last)), [20, 40, 60, 80, 100, 120]);
    }

    #[test]
    fn a_time_that_is_skipped_is_due_at_once() {
        // 00:00 UTC is 01:00; at 01:00 UTC clocks go from 02:00 to 03:00.
        let table = table("00:00", &["+1h", "+2h from 1h"], "daily at 02:30");
        let good = firings(&table, 48 * HOUR, |table, last| table.next(0, last));
        assert_eq!(good, [60, 60 * 24 + 30], "when clocks have skipped it, and on the next day at half past");
        let naive = firings(&table, 24 * HOUR, |table, last| table.naive_next(0, last));
        assert_eq!(naive, [0_u64; 0], "no clock shows it on that day, and the next is 24 h and a half later");
    }

    #[test]
    fn a_time_that_comes_twice_is_due_once() {
        // 00:00 UTC is 02:00; at 01:00 UTC clocks go from 03:00 to 02:00.
        let table = table("00:00", &["+2h", "+1h from 1h"], "daily at 02:30");
        let good = firings(&table, 26 * HOUR, |table, last| table.next(0, last));
        assert_eq!(good, [30, 60 * 25 + 30]);
        let naive = firings(&table, 24 * HOUR, |table, last| table.naive_next(0, last));
        assert_eq!(naive, [30, 90]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in ["every 0s", "every", "daily at 24:00", "hourly", "daily at 2"] {
            assert_eq!(Entry::read(text), None, "{text}");
        }
        assert_eq!(Entry::read("every 90s").map(|entry| entry.to_string()), Some("every 90s".to_owned()));
        let strings = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(Zone::read("00:00", &strings(&["+2h from 1h", "+1h"])).is_none(), "not in order");
        assert!(Zone::read("25:00", &[]).is_none());
    }
}
