//! Turns a scene into SVG or PNG with plotters.

use super::fonts::{self, FAMILY, LINE_OVER_EM};
use super::palette::PAPER;
use super::scene::{Anchor, Hatch, Ink, Marker, Scene, Shape, Text, WIDTH};
use plotters::coord::Shift;
use plotters::prelude::{
    BitMapBackend, Circle, DrawingArea, DrawingBackend, EmptyElement, IntoDrawingArea, PathElement, Polygon, Rectangle,
    SVGBackend,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontFamily, IntoFont, RGBAColor, ShapeStyle, TextStyle};
use std::cell::RefCell;

/// PNG is drawn this many times larger and averaged down: smooth edges whatever the renderer does.
const OVERSAMPLE: usize = 3;
/// plotters draws SVG text at 1/1.24 of the size it is given, and its top 0.76 em above the baseline.
const SVG_SIZE: f64 = 1.24;
const SVG_ASCENT: f64 = 0.76;

thread_local! {
    /// What PNGs are drawn on: forty megabytes, which a thread fetches from the system once and not for every chart.
    static CANVAS: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The scene as SVG.
pub(crate) fn svg(scene: &Scene) -> String {
    let mut text = String::new();
    {
        let size = (WIDTH as u32, scene.height as u32);
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        let painter = Painter { area: &area, scale: 1.0, svg: true };
        painter.paint(scene).expect("drawing to a string");
        area.present().expect("drawing to a string");
    }
    text
}

/// The scene as PNG.
pub(crate) fn png(scene: &Scene) -> Vec<u8> {
    let (width, height) = (WIDTH as usize, scene.height as usize);
    let (wide, high) = (width * OVERSAMPLE, height * OVERSAMPLE);
    let pixels = CANVAS.with_borrow_mut(|large| {
        large.clear();
        large.resize(wide * high * 3, 255);
        let area = BitMapBackend::with_buffer(large, (wide as u32, high as u32)).into_drawing_area();
        let painter = Painter { area: &area, scale: OVERSAMPLE as f64, svg: false };
        painter.paint(scene).expect("drawing to memory");
        area.present().expect("drawing to memory");
        drop(area);
        shrink(large, width, height)
    });
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_adaptive_filter(png::AdaptiveFilterType::Adaptive);
    let mut writer = encoder.write_header().expect("writing to memory");
    writer.write_image_data(&pixels).expect("writing to memory");
    writer.finish().expect("writing to memory");
    file
}

/// Averages squares of `OVERSAMPLE` pixels.
fn shrink(large: &[u8], width: usize, height: usize) -> Vec<u8> {
    let stride = width * OVERSAMPLE * 3;
    let mut sums = vec![0_u16; width * 3];
    let mut out = Vec::with_capacity(width * height * 3);
    for rows in large.chunks_exact(stride * OVERSAMPLE) {
        sums.fill(0);
        for row in rows.chunks_exact(stride) {
            for (sum, square) in sums.chunks_exact_mut(3).zip(row.chunks_exact(3 * OVERSAMPLE)) {
                for pixel in square.chunks_exact(3) {
                    for channel in 0..3 {
                        sum[channel] += u16::from(pixel[channel]);
                    }
                }
            }
        }
        let area = (OVERSAMPLE * OVERSAMPLE) as u16;
        out.extend(sums.iter().map(|sum| ((sum + area / 2) / area) as u8));
    }
    out
}

struct Painter<'a, B: DrawingBackend> {
    area: &'a DrawingArea<B, Shift>,
    scale: f64,
    svg: bool,
}

type Drawn<B> = Result<(), plotters::drawing::DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

impl<B: DrawingBackend> Painter<'_, B> {
    fn paint(&self, scene: &Scene) -> Drawn<B> {
        fonts::register();
        self.area.fill(&colour(PAPER))?;
        for shape in &scene.shapes {
            match shape {
                Shape::Rect { x, y, w, h, ink, hatch } => self.rect((*x, *y), (*x + *w, *y + *h), *ink, *hatch)?,
                Shape::Line { points, ink, width, dash } => match dash {
                    None => self.line(points, *ink, *width)?,
                    Some((on, off)) => {
                        for piece in dashes(points, *on, *off) {
                            self.line(&piece, *ink, *width)?;
                        }
                    }
                },
                Shape::Area { points, ink } => {
                    let points: Vec<_> = points.iter().map(|p| self.at(*p)).collect();
                    self.area.draw(&Polygon::new(points, colour(*ink)))?;
                }
                Shape::Dot { x, y, r, marker, ink } => self.dot((*x, *y), *r, *marker, *ink)?,
                Shape::Text(text) => self.text(text)?,
            }
        }
        Ok(())
    }

    fn at(&self, p: (f64, f64)) -> (i32, i32) {
        ((p.0 * self.scale).round() as i32, (p.1 * self.scale).round() as i32)
    }

    fn line(&self, points: &[(f64, f64)], ink: Ink, width: f64) -> Drawn<B> {
        let width = (width * self.scale).round().max(1.0) as u32;
        let style = ShapeStyle { color: colour(ink), filled: false, stroke_width: width };
        let mut path: Vec<(i32, i32)> = points.iter().map(|p| self.at(*p)).collect();
        path.dedup();
        if path.len() < 2 {
            return Ok(());
        }
        if !self.svg && width > 1 && path.len() == 2 && (path[0].0 == path[1].0 || path[0].1 == path[1].1) {
            // Upright and level lines as exact rectangles.
            let (half, rest) = ((width / 2) as i32, (width - width / 2) as i32);
            let (a, b) = (path[0], path[1]);
            let (x0, x1, y0, y1) = (a.0.min(b.0), a.0.max(b.0), a.1.min(b.1), a.1.max(b.1));
            let corners =
                if x0 == x1 { [(x0 - half, y0), (x0 + rest - 1, y1)] } else { [(x0, y0 - half), (x1, y0 + rest - 1)] };
            return self.area.draw(&Rectangle::new(corners, style.filled()));
        }
        self.area.draw(&PathElement::new(path, style))
    }

    fn rect(&self, from: (f64, f64), to: (f64, f64), ink: Ink, hatch: Hatch) -> Drawn<B> {
        let (a, b) = (self.at(from), self.at(to));
        // plotters paints the last pixel too in bitmaps, not in SVG.
        let end = if self.svg { b } else { ((b.0 - 1).max(a.0), (b.1 - 1).max(a.1)) };
        let style = ShapeStyle { color: colour(ink), filled: true, stroke_width: 0 };
        self.area.draw(&Rectangle::new([a, end], style))?;
        let dark = Ink(super::palette::ON_FILL.0, 0.4 * ink.1.max(0.5));
        match hatch {
            Hatch::None => {}
            Hatch::Dots => {
                let (mut y, mut odd) = (from.1 + 5.0, false);
                while y < to.1 - 2.0 {
                    let mut x = from.0 + if odd { 9.0 } else { 4.0 };
                    while x < to.0 - 2.0 {
                        self.dot((x, y), 1.5, Marker::Circle, dark)?;
                        x += 10.0;
                    }
                    (y, odd) = (y + 7.0, !odd);
                }
            }
            Hatch::Rising | Hatch::Falling | Hatch::Upright => {
                for (p, q) in strokes(from, to, hatch) {
                    self.line(&[p, q], dark, 1.2)?;
                }
            }
        }
        Ok(())
    }

    fn dot(&self, (x, y): (f64, f64), r: f64, marker: Marker, ink: Ink) -> Drawn<B> {
        match marker {
            Marker::Circle => {
                let style = ShapeStyle { color: colour(ink), filled: true, stroke_width: 0 };
                let r = (r * self.scale).round() as i32;
                self.area.draw(&(EmptyElement::at(self.at((x, y))) + Circle::new((0, 0), r, style)))
            }
            Marker::Square => {
                let r = r * 0.9;
                self.rect((x - r, y - r), (x + r, y + r), ink, Hatch::None)
            }
        }
    }

    fn text(&self, text: &Text) -> Drawn<B> {
        let em = text.size * self.scale;
        let (size, top) =
            if self.svg { (em * SVG_SIZE, em * SVG_ASCENT) } else { (em * LINE_OVER_EM, em * LINE_OVER_EM / 2.0) };
        let h = match text.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let font = (FontFamily::Name(FAMILY), size, fonts::style(text.bold)).into_font();
        let ink = colour(text.ink);
        let style = TextStyle::from(font).color(&ink).pos(Pos::new(h, VPos::Top));
        let at = ((text.x * self.scale).round() as i32, (text.y * self.scale - top).round() as i32);
        self.area.draw_text(&text.text, &style, at)
    }
}

fn colour(ink: Ink) -> RGBAColor {
    let plotters::style::RGBColor(r, g, b) = ink.0;
    RGBAColor(r, g, b, ink.1)
}

/// Cuts a path into dashes.
fn dashes(points: &[(f64, f64)], on: f64, off: f64) -> Vec<Vec<(f64, f64)>> {
    let mut pieces = Vec::new();
    let mut piece = vec![points[0]];
    let (mut drawing, mut left) = (true, on);
    for pair in points.windows(2) {
        let (mut a, b) = (pair[0], pair[1]);
        loop {
            let (dx, dy) = (b.0 - a.0, b.1 - a.1);
            let length = (dx * dx + dy * dy).sqrt();
            if length <= left {
                left -= length;
                if drawing {
                    piece.push(b);
                }
                break;
            }
            a = (a.0 + dx * left / length, a.1 + dy * left / length);
            if drawing {
                piece.push(a);
                pieces.push(std::mem::take(&mut piece));
            } else {
                piece = vec![a];
            }
            drawing = !drawing;
            left = if drawing { on } else { off };
        }
    }
    if drawing && piece.len() > 1 {
        pieces.push(piece);
    }
    pieces
}

/// The lines of a hatch inside a rectangle.
fn strokes(from: (f64, f64), to: (f64, f64), hatch: Hatch) -> Vec<((f64, f64), (f64, f64))> {
    const STEP: f64 = 9.0;
    let (w, h) = (to.0 - from.0, to.1 - from.1);
    let mut out = Vec::new();
    if hatch == Hatch::Upright {
        let mut x = STEP / 2.0;
        while x < w {
            out.push(((from.0 + x, from.1), (from.0 + x, to.1)));
            x += STEP;
        }
        return out;
    }
    // Falling: x - y = offset, for every offset that crosses the rectangle; rising is its mirror image.
    let mut offset = -h + STEP / 2.0;
    while offset < w {
        let (x0, x1) = (offset.max(0.0), (offset + h).min(w));
        if x1 > x0 {
            let (y0, y1) = (x0 - offset, x1 - offset);
            let flip = |y: f64| if hatch == Hatch::Falling { from.1 + y } else { to.1 - y };
            out.push(((from.0 + x0, flip(y0)), (from.0 + x1, flip(y1))));
        }
        offset += STEP;
    }
    out
}
