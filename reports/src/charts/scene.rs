//! A drawing as data: what a chart consists of before anything is rendered.
//!
//! A chart is a function from figures to a [`Scene`]; one renderer turns scenes into SVG and PNG. So a test can ask a
//! scene whether two of its texts overlap, and both formats show the same.

use super::fonts;
use plotters::style::RGBColor;

/// Width of every chart, pixels: a slide.
pub(crate) const WIDTH: f64 = 1600.0;

/// A colour with an opacity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ink(pub RGBColor, pub f64);

impl Ink {
    /// The same colour, fainter.
    pub(crate) fn fade(self, opacity: f64) -> Self {
        Self(self.0, self.1 * opacity)
    }
}

/// Where a text is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A pattern that tells fills apart without colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hatch {
    None,
    /// Lines rising to the right.
    Rising,
    /// Lines falling to the right.
    Falling,
    /// Upright lines.
    Upright,
    Dots,
}

/// Something that marks a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    Circle,
    Square,
}

/// One thing to draw. Coordinates are pixels from the top left.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    Rect { x: f64, y: f64, w: f64, h: f64, ink: Ink, hatch: Hatch },
    Line { points: Vec<(f64, f64)>, ink: Ink, width: f64, dash: Option<(f64, f64)> },
    Area { points: Vec<(f64, f64)>, ink: Ink },
    Dot { x: f64, y: f64, r: f64, marker: Marker, ink: Ink },
    Text(Text),
}

/// A line of text. `size` is the em, `y` the baseline.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Text {
    pub x: f64,
    pub y: f64,
    pub size: f64,
    pub text: String,
    pub ink: Ink,
    pub bold: bool,
    pub anchor: Anchor,
}

/// Pixels: left, top, right, bottom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Area {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Area {
    pub(crate) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(crate) fn height(&self) -> f64 {
        self.bottom - self.top
    }

    #[cfg(test)]
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }
}

/// Everything on a chart, in the order it is painted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scene {
    pub height: f64,
    pub shapes: Vec<Shape>,
}

impl Scene {
    pub(crate) fn new(height: f64) -> Self {
        Self { height, shapes: Vec::new() }
    }

    pub(crate) fn rect(&mut self, area: Area, ink: Ink) {
        self.hatched(area, ink, Hatch::None);
    }

    pub(crate) fn hatched(&mut self, area: Area, ink: Ink, hatch: Hatch) {
        if area.width() > 0.0 && area.height() > 0.0 {
            let (x, y, w, h) = (area.left, area.top, area.width(), area.height());
            self.shapes.push(Shape::Rect { x, y, w, h, ink, hatch });
        }
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), ink: Ink, width: f64) {
        self.path(vec![from, to], ink, width, None);
    }

    pub(crate) fn path(&mut self, points: Vec<(f64, f64)>, ink: Ink, width: f64, dash: Option<(f64, f64)>) {
        if points.len() > 1 {
            self.shapes.push(Shape::Line { points, ink, width, dash });
        }
    }

    pub(crate) fn area(&mut self, points: Vec<(f64, f64)>, ink: Ink) {
        if points.len() > 2 {
            self.shapes.push(Shape::Area { points, ink });
        }
    }

    pub(crate) fn dot(&mut self, at: (f64, f64), r: f64, marker: Marker, ink: Ink) {
        self.shapes.push(Shape::Dot { x: at.0, y: at.1, r, marker, ink });
    }

    pub(crate) fn text(&mut self, at: (f64, f64), text: impl Into<String>, size: f64, ink: Ink, anchor: Anchor) {
        self.write(Text { x: at.0, y: at.1, size, text: text.into(), ink, bold: false, anchor });
    }

    pub(crate) fn bold(&mut self, at: (f64, f64), text: impl Into<String>, size: f64, ink: Ink, anchor: Anchor) {
        self.write(Text { x: at.0, y: at.1, size, text: text.into(), ink, bold: true, anchor });
    }

    fn write(&mut self, text: Text) {
        if !text.text.is_empty() {
            self.shapes.push(Shape::Text(text));
        }
    }

    /// All texts.
    #[cfg(test)]
    pub(crate) fn texts(&self) -> impl Iterator<Item = &Text> {
        self.shapes.iter().filter_map(|shape| match shape {
            Shape::Text(text) => Some(text),
            _ => None,
        })
    }
}

impl Text {
    /// The pixels the letters may cover.
    #[cfg(test)]
    pub(crate) fn bounds(&self) -> Area {
        let width = fonts::width(&self.text, self.size, self.bold);
        let left = match self.anchor {
            Anchor::Start => self.x,
            Anchor::Middle => self.x - width / 2.0,
            Anchor::End => self.x - width,
        };
        Area { left, right: left + width, top: self.y - 0.74 * self.size, bottom: self.y + 0.2 * self.size }
    }
}

/// `text`, or as much of it as fits `room` pixels with an ellipsis.
pub(crate) fn fit(text: &str, size: f64, bold: bool, room: f64) -> String {
    if fonts::width(text, size, bold) <= room {
        return text.to_owned();
    }
    let mut short: String = text.to_owned();
    while short.pop().is_some() {
        let candidate = format!("{}\u{2026}", short.trim_end());
        if fonts::width(&candidate, size, bold) <= room {
            return candidate;
        }
    }
    String::new()
}

/// A value short enough for a title.
pub(crate) fn brief(text: &str) -> String {
    const MOST: usize = 28;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let short: String = text.chars().take(MOST - 1).collect();
    format!("{}\u{2026}", short.trim_end())
}
