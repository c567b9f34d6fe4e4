//! From values to pixels, and where the ticks go: linear, logarithmic, and time with human steps.

use crate::units;

/// A labelled place on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub value: f64,
    /// Empty for a minor one.
    pub label: String,
}

/// Maps `from..to` to `low..high` pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    pub from: f64,
    pub to: f64,
    low: f64,
    high: f64,
    log: bool,
}

impl Scale {
    /// A linear scale; an empty range is widened.
    pub(crate) fn linear(from: f64, to: f64, low: f64, high: f64) -> Self {
        let to = if to > from { to } else { from + 1.0 };
        Self { from, to, low, high, log: false }
    }

    /// A logarithmic scale that ends at 1, 2 or 5 times a power of ten.
    pub(crate) fn log(min: f64, max: f64, low: f64, high: f64) -> Self {
        let (min, max) = (min.max(1.0), max.max(min).max(1.0));
        let step = |value: f64, up: bool| {
            let base = libm::pow(10.0, libm::floor(libm::log10(value) + 1e-9));
            let steps = [1.0, 2.0, 5.0, 10.0].map(|m| m * base);
            if up {
                steps.into_iter().find(|s| *s >= value * 0.999_999).unwrap_or(base * 10.0)
            } else {
                steps.into_iter().rev().find(|s| *s <= value * 1.000_001).unwrap_or(base)
            }
        };
        let (from, mut to) = (step(min, false), step(max, true));
        if to < from * 5.0 {
            to = step(from * 5.0, true);
        }
        Self { from, to, low, high, log: true }
    }

    /// Where a value is; values outside are put on the edge.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let value = value.clamp(self.from, self.to);
        let share = if self.log {
            libm::log10(value / self.from) / libm::log10(self.to / self.from)
        } else {
            (value - self.from) / (self.to - self.from)
        };
        self.low + share * (self.high - self.low)
    }

    /// Ticks for latencies in nanoseconds on a logarithmic scale: decades labelled, 2 and 5 too when there is room.
    pub(crate) fn latency_ticks(&self, most: usize) -> Vec<Tick> {
        let decades = libm::log10(self.to / self.from);
        let dense = decades * 3.0 <= most as f64;
        let mut ticks = Vec::new();
        let mut base = libm::pow(10.0, libm::floor(libm::log10(self.from) + 1e-9));
        while base <= self.to * 1.000_001 {
            for m in 1..10 {
                let value = base * f64::from(m);
                if value < self.from * 0.999_999 || value > self.to * 1.000_001 {
                    continue;
                }
                let labelled = m == 1 || dense && (m == 2 || m == 5);
                let label = if labelled { latency_label(value) } else { String::new() };
                ticks.push(Tick { value, label });
            }
            base *= 10.0;
        }
        ticks
    }

    /// At most `most` ticks for a count or a rate from zero, at 1, 2 or 5 times a power of ten.
    pub(crate) fn count_ticks(&self, most: usize) -> Vec<Tick> {
        let step = nice_step(self.to - self.from, most).max(if self.to >= 2.0 { 1.0 } else { 0.0 });
        multiples(self.from, self.to, step)
            .map(|value| Tick { value, label: units::count_on_axis(tidy(value), self.to) })
            .collect()
    }

    /// At most `most` ticks for durations in nanoseconds, each in the unit that suits it.
    pub(crate) fn duration_ticks(&self, most: usize) -> Vec<Tick> {
        if self.to >= 6e10 {
            return self.time_ticks(most);
        }
        multiples(self.from, self.to, nice_step(self.to - self.from, most))
            .map(|value| Tick { value, label: units::duration(value.round() as u64) })
            .collect()
    }

    /// At most `most` ticks for shares of one.
    pub(crate) fn percent_ticks(&self, most: usize) -> Vec<Tick> {
        multiples(self.from, self.to, nice_step(self.to - self.from, most))
            .map(|value| Tick { value, label: units::percent(units::round(value, 9)) })
            .collect()
    }

    /// At most `most` ticks for simulated nanoseconds, at steps people count in.
    pub(crate) fn time_ticks(&self, most: usize) -> Vec<Tick> {
        const S: f64 = 1e9;
        let steps = [
            1e3,
            1e4,
            1e5,
            1e6,
            2e6,
            5e6,
            1e7,
            2e7,
            5e7,
            1e8,
            2e8,
            5e8,
            S,
            2.0 * S,
            5.0 * S,
            10.0 * S,
            15.0 * S,
            30.0 * S,
            60.0 * S,
            120.0 * S,
            300.0 * S,
            600.0 * S,
            900.0 * S,
            1800.0 * S,
            3600.0 * S,
            7200.0 * S,
            14_400.0 * S,
            21_600.0 * S,
            43_200.0 * S,
            86_400.0 * S,
        ];
        let span = self.to - self.from;
        let step = steps.into_iter().find(|s| span / s <= most as f64).unwrap_or_else(|| nice_step(span, most));
        multiples(self.from, self.to, step)
            .map(|value| Tick { value, label: clock(value.round() as u64, step as u64) })
            .collect()
    }
}

/// `10 s`, `1 min`, `1 min 30 s`; hours as `2 h`. To as many digits as the step has, so that no two are the same.
fn clock(ns: u64, step: u64) -> String {
    if ns == 0 || step >= 1_000_000_000 {
        return units::duration(ns);
    }
    let digits = (0..9).find(|digits| step.is_multiple_of(10_u64.pow(9 - digits))).unwrap_or(9);
    let seconds = |ns: u64| units::trimmed(&format!("{:.*}", digits as usize, ns as f64 / 1e9));
    match (ns / 60_000_000_000, ns % 60_000_000_000) {
        (0, rest) => format!("{} s", seconds(rest)),
        (minutes, 0) => units::duration(minutes * 60_000_000_000),
        (minutes, rest) => format!("{} {} s", units::duration(minutes * 60_000_000_000), seconds(rest)),
    }
}

fn latency_label(ns: f64) -> String {
    // 100 s reads better than 1 min 40 s between decades.
    if ns >= 6e10 {
        format!("{} s", units::count((ns / 1e9).round() as u64))
    } else {
        units::duration(ns.round() as u64)
    }
}

/// The smallest of 1, 2, 5 times a power of ten that makes at most `most` steps of `span`.
pub(crate) fn nice_step(span: f64, most: usize) -> f64 {
    let rough = span / most.max(1) as f64;
    let base = libm::pow(10.0, libm::floor(libm::log10(rough)));
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * base).find(|s| *s >= rough * 0.999_999).unwrap_or(base * 10.0)
}

fn multiples(from: f64, to: f64, step: f64) -> impl Iterator<Item = f64> {
    let first = libm::ceil(from / step - 1e-9);
    let last = libm::floor(to / step + 1e-9);
    let count = if step > 0.0 && last >= first { (last - first) as usize + 1 } else { 0 };
    (0..count.min(1000)).map(move |i| (first + i as f64) * step)
}

/// Takes the noise off a multiple of a decimal step.
fn tidy(value: f64) -> f64 {
    units::round(value, 6)
}

/// A round number at or above `max` to end an axis of counts at.
pub(crate) fn ceiling(max: f64, most: usize) -> f64 {
    if max <= 0.0 {
        return 1.0;
    }
    let step = nice_step(max, most);
    libm::ceil(max / step - 1e-9) * step
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|t| t.label.as_str()).filter(|l| !l.is_empty()).collect()
    }

    #[test]
    fn time_ticks_are_human() {
        let s = 1e9;
        let minute = Scale::linear(2.0 * s, 58.0 * s, 0.0, 1.0);
        assert_eq!(labels(&minute.time_ticks(8)), ["10 s", "20 s", "30 s", "40 s", "50 s"]);
        let hour = Scale::linear(0.0, 3600.0 * s, 0.0, 1.0);
        assert_eq!(labels(&hour.time_ticks(7)), ["0 s", "10 min", "20 min", "30 min", "40 min", "50 min", "1 h"]);
        // Close by, each has digits of its own.
        let far = Scale::linear(58.0 * s, 62.0 * s, 0.0, 1.0);
        let told = ["58 s", "59 s", "1 min", "1 min 1 s", "1 min 2 s"];
        assert_eq!(labels(&far.time_ticks(5)), told);
        let moment = Scale::linear(60.0 * s, 60.0 * s + 4e5, 0.0, 1.0);
        assert_eq!(labels(&moment.time_ticks(4))[..2], ["1 min", "1 min 0.0001 s"]);
        let start = Scale::linear(0.0, 4e4, 0.0, 1.0);
        assert_eq!(labels(&start.time_ticks(4)), ["0 s", "0.00001 s", "0.00002 s", "0.00003 s", "0.00004 s"]);
        let blink = Scale::linear(0.0, 0.5 * s, 0.0, 1.0);
        assert_eq!(labels(&blink.time_ticks(6)), ["0 s", "0.1 s", "0.2 s", "0.3 s", "0.4 s", "0.5 s"]);
    }

    #[test]
    fn decades_are_labelled() {
        let wide = Scale::log(1e3, 1e11, 0.0, 800.0);
        assert_eq!(
            labels(&wide.latency_ticks(12)),
            ["1 \u{b5}s", "10 \u{b5}s", "100 \u{b5}s", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s"]
        );
        assert_eq!(wide.at(1e3), 0.0);
        assert!((wide.at(1e5) - 200.0).abs() < 1e-6);
        let narrow = Scale::log(1.2e6, 3e6, 0.0, 1.0);
        assert_eq!(labels(&narrow.latency_ticks(6)), ["1 ms", "2 ms", "5 ms"]);
    }

    #[test]
    fn count_ticks_are_round() {
        let scale = Scale::linear(0.0, ceiling(437.0, 5), 0.0, 1.0);
        assert_eq!(labels(&scale.count_ticks(5)), ["0", "100", "200", "300", "400", "500"]);
        assert_eq!(labels(&Scale::linear(0.0, ceiling(0.0, 5), 0.0, 1.0).count_ticks(4)), ["0", "0.5", "1"]);
    }
}
