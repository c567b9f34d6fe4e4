//! Colours that survive colour blindness (Okabe and Ito) and differ in lightness, so that they survive a printer too.

use super::scene::{Hatch, Ink};
use plotters::style::RGBColor;

const fn ink(r: u8, g: u8, b: u8) -> Ink {
    Ink(RGBColor(r, g, b), 1.0)
}

/// Titles and figures.
pub(crate) const INK: Ink = ink(0x1c, 0x22, 0x2b);
/// Letters and hatches on a coloured ground: not INK, which a dark page turns light.
pub(crate) const ON_FILL: Ink = ink(0x10, 0x13, 0x18);
/// Labels and ticks.
pub(crate) const MUTED: Ink = ink(0x55, 0x5f, 0x6d);
/// Axes.
pub(crate) const AXIS: Ink = ink(0x8a, 0x93, 0xa0);
/// Grid lines.
pub(crate) const GRID: Ink = ink(0xe4, 0xe7, 0xec);
/// Behind everything.
pub(crate) const PAPER: Ink = ink(0xff, 0xff, 0xff);
/// What is good, and the first series.
pub(crate) const BLUE: Ink = ink(0x00, 0x72, 0xb2);
/// Fills that belong to the first series.
pub(crate) const SKY: Ink = ink(0x56, 0xb4, 0xe9);
/// What is bad.
pub(crate) const VERMILLION: Ink = ink(0xd5, 0x5e, 0x00);
/// Faults.
pub(crate) const ORANGE: Ink = ink(0xe6, 0x9f, 0x00);
/// A second series.
pub(crate) const GREEN: Ink = ink(0x00, 0x9e, 0x73);
/// What nobody knows.
pub(crate) const PURPLE: Ink = ink(0xcc, 0x79, 0xa7);
/// A light one.
pub(crate) const YELLOW: Ink = ink(0xf0, 0xe4, 0x42);

/// The looks of the phases of an outage, dark and light by turns, each with its own hatch.
pub(crate) const PHASES: [(Ink, Hatch); 6] = [
    (VERMILLION, Hatch::None),
    (YELLOW, Hatch::Rising),
    (BLUE, Hatch::None),
    (SKY, Hatch::Falling),
    (GREEN, Hatch::Upright),
    (PURPLE, Hatch::Dots),
];

/// A colour for a share of one: light to dark, one hue.
pub(crate) fn ramp(share: f64) -> Ink {
    const STOPS: [(f64, f64, f64); 4] =
        [(222.0, 235.0, 247.0), (140.0, 190.0, 225.0), (40.0, 120.0, 185.0), (8.0, 48.0, 107.0)];
    let place = share.clamp(0.0, 1.0) * (STOPS.len() - 1) as f64;
    let low = (place as usize).min(STOPS.len() - 2);
    let (a, b, t) = (STOPS[low], STOPS[low + 1], place - low as f64);
    let mix = |a: f64, b: f64| (a + (b - a) * t).round() as u8;
    ink(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

/// Whether white text reads better on it than dark text.
pub(crate) fn is_dark(ink: Ink) -> bool {
    let RGBColor(r, g, b) = ink.0;
    (u32::from(r) * 299 + u32::from(g) * 587 + u32::from(b) * 114) / 1000 < 140
}
