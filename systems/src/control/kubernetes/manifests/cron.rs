//! The five fields of a cron schedule.

use crate::control::kubernetes::objects::Cron;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// One number, or the name of one.
fn number(text: &str, names: &[&str], first: u32) -> Option<u32> {
    let named = names.iter().position(|name| text.eq_ignore_ascii_case(name));
    named.map(|at| at as u32 + first).or_else(|| text.parse().ok())
}

/// One field as a set of bits.
fn field(text: &str, least: u32, most: u32, names: &[&str]) -> Option<u64> {
    let mut bits = 0u64;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (from, to) = match range {
            "*" | "?" => (least, most),
            _ => match range.split_once('-') {
                Some((from, to)) => (number(from, names, least)?, number(to, names, least)?),
                None if part.contains('/') => (number(range, names, least)?, most),
                None => (number(range, names, least)?, number(range, names, least)?),
            },
        };
        if from < least || to > most || from > to {
            return None;
        }
        (from..=to).step_by(step).for_each(|at| bits |= 1 << at);
    }
    Some(bits)
}

/// Reads a schedule.
pub fn parse(text: &str) -> Result<Cron, String> {
    let written = match text.trim() {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        other => other,
    };
    let fields: Vec<&str> = written.split_whitespace().collect();
    let wrong = || format!("{text} is not a schedule: minute, hour, day, month, weekday");
    let [minute, hour, day, month, weekday] = fields[..] else { return Err(wrong()) };
    let any = |text: &str| text.starts_with('*') || text.starts_with('?');
    let days = field(weekday, 0, 7, &DAYS).ok_or_else(wrong)?;
    Ok(Cron {
        minutes: field(minute, 0, 59, &[]).ok_or_else(wrong)?,
        hours: field(hour, 0, 23, &[]).ok_or_else(wrong)? as u32,
        days: field(day, 1, 31, &[]).ok_or_else(wrong)? as u32,
        months: field(month, 1, 12, &MONTHS).ok_or_else(wrong)? as u16,
        // Sunday is 0, and 7.
        weekdays: ((days & 0x7f) | (days >> 7)) as u8,
        both_days: any(day) || any(weekday),
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn schedules_are_sets_of_times() {
        let quarter = parse("*/15 * * * *").expect("a schedule");
        assert_eq!(quarter.minutes, 1 | 1 << 15 | 1 << 30 | 1 << 45);
        assert_eq!(
            (quarter.hours, quarter.days, quarter.months, quarter.weekdays),
            (0xff_ffff, 0xffff_fffe, 0x1ffe, 0x7f)
        );
        let work = parse("0 9-17/4 1,15 jan-mar MON-FRI").expect("a schedule");
        assert_eq!((work.hours, work.days, work.months), (1 << 9 | 1 << 13 | 1 << 17, 1 << 1 | 1 << 15, 0b1110));
        assert_eq!((work.weekdays, work.both_days), (0b11_1110, false));
        assert_eq!(parse("0 0 * * 7").expect("a schedule").weekdays, 1);
        for text in ["", "* * * *", "60 * * * *", "* 24 * * *", "*/0 * * * *", "5-1 * * * *", "* * 0 * *"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
