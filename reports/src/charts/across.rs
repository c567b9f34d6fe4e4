//! A horizontal axis for one figure of many runs: durations or shares, linear, or logarithmic when they lie far apart.

use super::frame::LABEL;
use super::palette::{AXIS, GRID, MUTED};
use super::scale::{Scale, Tick, ceiling};
use super::scene::{Anchor, Area, Scene};
use crate::units;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Nanoseconds; less is better.
    Time,
    /// A share of one; more is better.
    Share,
}

impl Measure {
    pub(crate) fn print(self, value: f64) -> String {
        match self {
            Self::Time => units::duration(value.round() as u64),
            Self::Share => units::percent(value),
        }
    }
}

/// The axis. Perfect runs (no outage, 100 %) have no place on a logarithmic scale and get a slot beside it.
pub(crate) struct Across {
    measure: Measure,
    scale: Scale,
    /// Where perfect runs stand, if not on the scale.
    slot: Option<f64>,
    log: bool,
}

/// How far from the typical the worst must lie before the scale is logarithmic.
const FAR: f64 = 12.0;
const SLOT: f64 = 110.0;
/// Unavailability is drawn in parts per billion, so that it is a number above 1 as a latency is.
const PARTS: f64 = 1e9;

impl Across {
    /// An axis for these values (sorted, several runs of values) over `plot`.
    pub(crate) fn new(measure: Measure, all: &[&[f64]], plot: Area) -> Self {
        let bad = |v: f64| match measure {
            Measure::Time => v,
            Measure::Share => (1.0 - v) * PARTS,
        };
        let ends = all.iter().flat_map(|values| [values.first(), values.last()]).flatten().copied();
        let (least, most) = ends.fold((f64::INFINITY, 0.0_f64), |(a, b), v| (a.min(v), b.max(v)));
        let worst = bad(if measure == Measure::Time { most } else { least });
        let mut imperfect: Vec<f64> =
            all.iter().flat_map(|v| v.iter()).map(|v| bad(*v)).filter(|b| *b >= 1.0).collect();
        let middle = imperfect.len() / 2;
        let log = match imperfect.is_empty() {
            true => false,
            false => worst > FAR * *imperfect.select_nth_unstable_by(middle, f64::total_cmp).1,
        };
        let perfect = all.iter().flat_map(|v| v.iter()).any(|v| bad(*v) < 1.0);
        let (mut left, mut right) = (plot.left, plot.right);
        let mut slot = None;
        if log && perfect {
            match measure {
                Measure::Time => {
                    slot = Some(left + SLOT * 0.3);
                    left += SLOT;
                }
                Measure::Share => {
                    slot = Some(right - SLOT * 0.3);
                    right -= SLOT;
                }
            }
        }
        let scale = match (measure, log) {
            (Measure::Time, false) => Scale::linear(0.0, ceiling(if most > 0.0 { most } else { 1e9 }, 6), left, right),
            (Measure::Share, false) => {
                let span = (1.0 - least).max(1e-6);
                Scale::linear((1.0 - ceiling(span, 6)).max(0.0), 1.0, left, right)
            }
            (_, true) => {
                let best = imperfect.iter().copied().fold(f64::INFINITY, f64::min);
                let (low, high) = if measure == Measure::Time { (left, right) } else { (right, left) };
                Scale::log(best, worst, low, high)
            }
        };
        Self { measure, scale, slot, log }
    }

    /// Where a value is.
    pub(crate) fn at(&self, value: f64) -> f64 {
        if !self.log {
            return self.scale.at(value);
        }
        let bad = if self.measure == Measure::Time { value } else { (1.0 - value) * PARTS };
        match self.slot {
            Some(slot) if bad < 1.0 => slot,
            _ => self.scale.at(bad),
        }
    }

    /// Draws it below `plot`, with its grid.
    pub(crate) fn draw(&self, scene: &mut Scene, plot: Area) {
        let ticks = match (self.measure, self.log) {
            (Measure::Time, false) => self.scale.duration_ticks(6),
            (Measure::Share, false) => self.scale.percent_ticks(5),
            (Measure::Time, true) => self.scale.latency_ticks(7),
            (Measure::Share, true) => self.nines(),
        };
        for tick in &ticks {
            let x = self.scale.at(tick.value);
            if tick.label.is_empty() {
                scene.line((x, plot.bottom), (x, plot.bottom + 4.0), AXIS, 1.0);
                continue;
            }
            scene.line((x, plot.top), (x, plot.bottom), GRID, 1.0);
            scene.line((x, plot.bottom), (x, plot.bottom + 8.0), AXIS, 1.5);
            scene.text((x, plot.bottom + 36.0), &*tick.label, LABEL, MUTED, Anchor::Middle);
        }
        if let Some(x) = self.slot {
            let name = if self.measure == Measure::Time { "none" } else { "100 %" };
            scene.line((x, plot.top), (x, plot.bottom), GRID, 1.0);
            scene.text((x, plot.bottom + 36.0), name, LABEL, MUTED, Anchor::Middle);
        }
        scene.line((plot.left, plot.bottom), (plot.right, plot.bottom), AXIS, 1.5);
    }

    /// Whether it is logarithmic, for its name.
    pub(crate) fn is_log(&self) -> bool {
        self.log
    }

    fn nines(&self) -> Vec<Tick> {
        let mut ticks = Vec::new();
        let mut parts = 1.0;
        while parts <= self.scale.to * 1.000_001 {
            if parts >= self.scale.from * 0.999_999 {
                ticks.push(Tick { value: parts, label: units::percent(units::round(1.0 - parts / PARTS, 9)) });
            }
            parts *= 10.0;
        }
        ticks
    }
}
