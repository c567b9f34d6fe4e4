//! Maintenance windows: when in a week something may be done.

use core::fmt;

/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// Seconds of a week.
pub(crate) const WEEK: f64 = 7.0 * 86_400.0;

/// The days as they are written, Monday first.
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// `Sun 02:00..04:00`: some days of the week, and the same hours of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// A bit for each day, Monday's the lowest.
    days: u8,
    /// Minutes from midnight.
    from: u16,
    /// Later than that, up to the next midnight.
    to: u16,
}

/// What is wrong with a window, and what would be right.
pub type Wrong = (String, String);

impl Window {
    /// Reads `02:00..04:00` (every day), `Sun 02:00..04:00`, `Mon,Wed 02:00..04:00` or `Mon..Fri 02:00..04:00`.
    ///
    /// # Errors
    /// With what is wrong and what would be right.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let example = "`Sun 02:00..04:00`, `Mon..Fri 02:00..04:00`, or `02:00..04:00` for every day";
        let (days, hours) = match text.split_whitespace().collect::<Vec<_>>()[..] {
            [hours] => ("Mon..Sun", hours),
            [days, hours] => (days, hours),
            _ => return Err((format!("`{text}` is no window"), format!("days and hours: {example}"))),
        };
        let mut set = 0;
        for part in days.split(',') {
            let (first, last) = part.split_once("..").unwrap_or((part, part));
            let (first, last) = (day(first)?, day(last)?);
            if last < first {
                let right = format!("`{}..{}`, or both with a comma between", DAYS[last], DAYS[first]);
                return Err((format!("the days `{part}` are upside down: a week begins on Monday"), right));
            }
            (first..=last).for_each(|day| set |= 1 << day);
        }
        let Some((from, to)) = hours.split_once("..") else {
            return Err((format!("`{hours}` is one moment, and a window has an end"), example.to_owned()));
        };
        let (begins, ends) = (time(from)?, time(to)?);
        if begins == ends {
            let right = if begins == 0 { "`00:00..24:00` is the whole day" } else { example };
            return Err((format!("the window `{hours}` is empty: it ends as it begins"), right.to_owned()));
        }
        if begins > ends {
            let what = format!("the window `{hours}` is upside down: it ends before it begins");
            let right = format!("`{to}..{from}`; one over midnight ends at 24:00, for a window lies in one day");
            return Err((what, right));
        }
        Ok(Self { days: set, from: begins, to: ends })
    }

    /// Seconds from a moment of the week until one in the window: none within it, else until its next opening and, as
    /// `luck` has it (from 0 to 1), some of the time that it is open.
    pub(crate) fn wait(self, at: f64, luck: impl FnOnce() -> f64) -> f64 {
        let at = at.rem_euclid(WEEK);
        let (from, to) = (f64::from(self.from) * 60.0, f64::from(self.to) * 60.0);
        // The same day of the next week at the latest.
        let mut openings =
            (0..14_u32).filter(|day| self.days & (1 << (day % 7)) != 0).map(|day| f64::from(day) * 86_400.0);
        let next = openings.find(|day| at < day + to).unwrap_or(0.0);
        if at >= next + from { 0.0 } else { next + from - at + (to - from) * luck() }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != 0b111_1111 {
            let days: Vec<&str> = (0..7).filter(|day| self.days & (1 << day) != 0).map(|day| DAYS[day]).collect();
            write!(f, "{} ", days.join(","))?;
        }
        let [from, to] = [self.from, self.to].map(|minutes| format!("{:02}:{:02}", minutes / 60, minutes % 60));
        write!(f, "{from}..{to}")
    }
}

fn day(name: &str) -> Result<usize, Wrong> {
    let is = |known: &&str| known.eq_ignore_ascii_case(name);
    DAYS.iter().position(is).ok_or_else(|| {
        let right = format!("{}, or no day at all for every day", DAYS.join(", "));
        (format!("there is no day `{name}`"), right)
    })
}

/// Minutes from midnight.
fn time(text: &str) -> Result<u16, Wrong> {
    let number = |digits: &str| -> Option<u16> {
        (matches!(digits.len(), 1..=2) && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
    };
    let read = text.split_once(':').and_then(|(hour, minute)| Some((number(hour)?, number(minute)?)));
    match read {
        Some((hour, minute)) if minute < 60 && hour * 60 + minute <= DAY => Ok(hour * 60 + minute),
        _ => Err((format!("`{text}` is no time of a day"), "hours and minutes, 00:00 to 24:00".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_as_people_write_them() {
        for (text, again) in [
            ("Sun 02:00..04:00", "Sun 02:00..04:00"),
            ("sun 2:00..4:00", "Sun 02:00..04:00"),
            ("02:00..04:00", "02:00..04:00"),
            ("Mon..Sun 00:00..24:00", "00:00..24:00"),
            ("Sat,Mon..Wed 22:30..24:00", "Mon,Tue,Wed,Sat 22:30..24:00"),
        ] {
            let window = Window::parse(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
            assert_eq!(window.to_string(), again);
            assert_eq!(Window::parse(again), Ok(window));
        }
    }

    #[test]
    fn what_is_no_window_is_told_with_what_would_be_right() {
        for (text, what, right) in [
            ("Sun 04:00..02:00", "upside down", "`02:00..04:00`"),
            ("Sun 02:00..02:00", "empty", "Sun 02:00..04:00"),
            ("00:00..00:00", "empty", "`00:00..24:00`"),
            ("Sonntag 02:00..04:00", "no day `Sonntag`", "Mon, Tue"),
            ("Fri..Mon 02:00..04:00", "the days `Fri..Mon` are upside down", "`Mon..Fri`"),
            ("Sun 02:00", "one moment", "Sun 02:00..04:00"),
            ("Sun 02:00..25:00", "`25:00` is no time", "24:00"),
            ("Sun 02:60..04:00", "`02:60` is no time", "24:00"),
            ("Sun 2..4", "`2` is no time", "hours and minutes"),
            ("", "is no window", "Sun 02:00..04:00"),
            ("Sun 02:00 .. 04:00", "is no window", "Sun 02:00..04:00"),
        ] {
            let (said, help) = Window::parse(text).expect_err(text);
            assert!(said.contains(what) && help.contains(right), "{text}: {said} {help}");
        }
    }

    #[test]
    fn one_waits_for_the_next_opening_and_no_longer() {
        let hour = 3_600.0;
        let sunday = 6.0 * 24.0 * hour;
        let window = Window::parse("Sun 02:00..04:00").expect("a window");
        assert_eq!(window.wait(sunday + 3.0 * hour, || 0.5), 0.0);
        assert_eq!(window.wait(sunday + hour, || 0.5), 2.0 * hour);
        assert_eq!(window.wait(sunday + 4.0 * hour, || 0.0), WEEK - 2.0 * hour);
        assert_eq!(window.wait(-WEEK, || 0.0), sunday + 2.0 * hour);
        let daily = Window::parse("Mon..Fri 22:00..24:00").expect("a window");
        // Friday is over: Monday evening.
        assert_eq!(daily.wait(5.0 * 24.0 * hour, || 0.0), (48.0 + 22.0) * hour);
        assert_eq!(daily.wait(23.5 * hour, || 0.9), 0.0);
    }
}
