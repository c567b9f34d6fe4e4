//! The operations that contradict each other: a bar each, a row a client, with the faults of that moment.

use super::fonts;
use super::frame::{self, LABEL, MARGIN, PLOT_RIGHT, SMALL};
use super::palette::{AXIS, BLUE, GRID, INK, MUTED, ON_FILL, ORANGE, PAPER, PURPLE, VERMILLION, is_dark};
use super::place::{self, Wish};
use super::scene::{Anchor, Area, Hatch, Ink, Scene, fit};
use crate::report::{Fault, Witness, Witnessed};
use crate::units;

/// Room for the names of clients.
const NAMES: f64 = 190.0;
/// At most this many bars: of a larger contradiction, the last.
const BARS: usize = 24;
/// Lanes of fault labels.
const LANES: usize = 3;

/// Draws the chart.
pub(crate) fn draw(witness: &Witness, faults: &[Fault]) -> Scene {
    let mut scene = Scene::new(900.0);
    let skipped = witness.operations.len().saturating_sub(BARS);
    let shown = &witness.operations[skipped..];
    let about = match skipped {
        0 => witness.about.clone(),
        n => format!("{}  \u{b7}  {n} earlier operations left out", witness.about),
    };
    frame::title(&mut scene, &witness.finding, &about);
    let hit = faults.iter().any(|fault| witness.timed && fault.bit);
    let top = if hit { 270.0 } else { 190.0 };
    let mut plot = Area { left: MARGIN + NAMES, top, right: PLOT_RIGHT, bottom: 800.0 };
    if shown.is_empty() {
        frame::nothing(&mut scene, plot, "There is no contradiction to show");
        return scene;
    }
    let axis = Axis::of(shown, plot);
    let last = shown.len() - 1;
    let bars: Vec<Bar<'_>> = shown.iter().enumerate().map(|(i, op)| Bar::of(op, i == last, &axis)).collect();
    let rows = rows(&bars);
    let lanes = rows.iter().map(Vec::len).sum::<usize>();
    let slot = (plot.height() / lanes as f64).clamp(30.0, 62.0);
    plot.bottom = plot.top + slot * lanes as f64;
    scene.height = plot.bottom + 100.0;
    bands(&mut scene, faults, &axis, plot, witness.timed);
    axis.draw(&mut scene, plot, witness.timed);
    let mut y = plot.top;
    for row in &rows {
        let name = fit(&bars[row[0][0]].op.client, SMALL, false, NAMES - 20.0);
        let middle = y + slot * row.len() as f64 / 2.0;
        scene.text((plot.left - 16.0, middle + SMALL * 0.35), name, SMALL, INK, Anchor::End);
        for lane in row {
            for i in lane {
                bars[*i].draw(&mut scene, (y + slot * 0.12, y + slot * 0.88));
            }
            y += slot;
        }
        scene.line((plot.left, y), (plot.right, y), GRID, 1.0);
    }
    key(&mut scene, shown, !faults.is_empty() && witness.timed);
    scene
}

/// Time by rank: what matters is the order of beginnings and ends, and an operation of a microsecond must be as
/// readable as one of a second.
struct Axis {
    moments: Vec<u64>,
    left: f64,
    step: f64,
}

impl Axis {
    fn of(shown: &[Witnessed], plot: Area) -> Self {
        let mut moments: Vec<u64> = shown.iter().flat_map(|op| [Some(op.start), op.end]).flatten().collect();
        moments.sort_unstable();
        moments.dedup();
        let step = plot.width() / (moments.len() as f64 + 1.0);
        Self { moments, left: plot.left + step * 0.5, step }
    }

    /// Where a moment is; between two of the axis, in proportion.
    fn at(&self, moment: u64) -> f64 {
        let after = self.moments.partition_point(|m| *m < moment);
        let rank = match (after.checked_sub(1).map(|i| self.moments[i]), self.moments.get(after)) {
            (_, Some(next)) if *next == moment => after as f64,
            (Some(before), Some(next)) => after as f64 - 1.0 + (moment - before) as f64 / (next - before) as f64,
            (None, _) => -0.5,
            (_, None) => self.moments.len() as f64 - 0.5,
        };
        self.left + self.step * rank
    }

    fn draw(&self, scene: &mut Scene, plot: Area, timed: bool) {
        let every = self.moments.len().div_ceil(9);
        for moment in self.moments.iter().step_by(every.max(1)) {
            let x = self.at(*moment);
            let label = if timed { units::moment(*moment) } else { moment.to_string() };
            scene.line((x, plot.top), (x, plot.bottom), GRID, 1.0);
            scene.text((x, plot.bottom + 34.0), fit(&label, SMALL, false, 150.0), SMALL, MUTED, Anchor::Middle);
        }
        scene.line((plot.left, plot.bottom), (plot.right, plot.bottom), AXIS, 1.5);
        let name = if timed { "simulated time, in order (not to scale)" } else { "lines of the history, in order" };
        frame::x_name(scene, plot, name);
    }
}

/// A bar with its text: where both are, so that no two meet.
struct Bar<'a> {
    op: &'a Witnessed,
    /// The one that fits no order.
    last: bool,
    left: f64,
    right: f64,
    text: String,
    /// Where the text begins and ends, and whether that is inside of the bar.
    text_left: f64,
    text_right: f64,
    inside: bool,
}

impl<'a> Bar<'a> {
    fn of(op: &'a Witnessed, last: bool, axis: &Axis) -> Self {
        let left = axis.at(op.start);
        let right = match (&op.answer, op.end) {
            (Some(_), Some(end)) => axis.at(end),
            _ => PLOT_RIGHT,
        };
        let right = right.max(left + 6.0);
        let place = op.place.map_or_else(String::new, |n| format!("{n}. "));
        let text = match op.answer.as_deref() {
            None => format!("{place}{}?", op.request),
            Some("done") => format!("{place}{}", op.request),
            Some(answer) => format!("{place}{}: {answer}", op.request),
        };
        let text = fit(&text, SMALL, last, 560.0);
        let width = fonts::width(&text, SMALL, last);
        let inside = width + 16.0 <= right - left;
        let text_left = if inside {
            left + 8.0
        } else if right + 8.0 + width <= PLOT_RIGHT {
            right + 8.0
        } else {
            left - 8.0 - width
        };
        Self { op, last, left, right, text, text_left, text_right: text_left + width, inside }
    }

    fn draw(&self, scene: &mut Scene, (top, bottom): (f64, f64)) {
        let (ink, hatch) = look(self.last, self.op.answer.is_none());
        scene.hatched(Area { left: self.left, top, right: self.right, bottom }, ink, hatch);
        let y = (top + bottom) / 2.0 + SMALL * 0.35;
        if self.inside && hatch != Hatch::None {
            // Letters need a quiet ground.
            let (left, right) = (self.text_left - 4.0, self.text_right + 4.0);
            scene.rect(Area { left, top: y - 18.0, right, bottom: y + 6.0 }, ink);
        }
        let colour = match (self.inside, is_dark(ink)) {
            (false, _) => INK,
            (true, true) => PAPER,
            (true, false) => ON_FILL,
        };
        if self.last {
            scene.bold((self.text_left, y), &*self.text, SMALL, colour, Anchor::Start);
        } else {
            scene.text((self.text_left, y), &*self.text, SMALL, colour, Anchor::Start);
        }
    }
}

/// For each client, in order of appearance, its lanes of bars that do not meet.
fn rows(bars: &[Bar<'_>]) -> Vec<Vec<Vec<usize>>> {
    let mut names: Vec<&str> = Vec::new();
    let mut rows: Vec<Vec<Vec<usize>>> = Vec::new();
    let mut order: Vec<usize> = (0..bars.len()).collect();
    order.sort_by_key(|i| bars[*i].op.start);
    for i in order {
        let bar = &bars[i];
        let row = names.iter().position(|name| *name == bar.op.client).unwrap_or_else(|| {
            names.push(&bar.op.client);
            rows.push(Vec::new());
            names.len() - 1
        });
        let apart = |j: &usize| {
            let other = &bars[*j];
            other.right.max(other.text_right) + 10.0 < bar.left.min(bar.text_left)
        };
        match rows[row].iter_mut().find(|lane| lane.iter().all(apart)) {
            Some(lane) => lane.push(i),
            None => rows[row].push(vec![i]),
        }
    }
    rows
}

fn look(last: bool, open: bool) -> (Ink, Hatch) {
    match (last, open) {
        (true, _) => (VERMILLION, Hatch::None),
        (_, true) => (PURPLE, Hatch::Rising),
        _ => (BLUE, Hatch::None),
    }
}

fn bands(scene: &mut Scene, faults: &[Fault], axis: &Axis, plot: Area, timed: bool) {
    let (Some(first), Some(last)) = (axis.moments.first(), axis.moments.last()) else { return };
    if !timed {
        return;
    }
    let seen: Vec<&Fault> = faults.iter().filter(|f| f.bit && f.end_ns >= *first && f.start_ns <= *last).collect();
    let text = |fault: &Fault| fit(&fault.name(), SMALL, false, 420.0);
    let wishes: Vec<Wish> = seen
        .iter()
        .map(|f| Wish {
            left: axis.at(f.start_ns).max(plot.left),
            width: fonts::width(&text(f), SMALL, false) + 14.0,
            weight: 1.0,
        })
        .collect();
    let placed = place::lanes(&wishes, LANES, plot.left, plot.right, 12.0);
    for (fault, place) in seen.iter().zip(placed) {
        let (left, right) = (axis.at(fault.start_ns).max(plot.left), axis.at(fault.end_ns).min(plot.right));
        scene.rect(Area { left, top: plot.top, right: right.max(left + 2.0), bottom: plot.bottom }, ORANGE.fade(0.17));
        let Some((lane, x)) = place else { continue };
        let y = plot.top - 74.0 + 28.0 * lane as f64;
        scene.rect(Area { left: x, top: y - 17.0, right: x + 5.0, bottom: y + 4.0 }, ORANGE);
        scene.text((x + 14.0, y), text(fault), SMALL, INK, Anchor::Start);
    }
}

fn key(scene: &mut Scene, shown: &[Witnessed], faults: bool) {
    let mut entries = vec![("fits no order", VERMILLION, frame::Look::Fill(Hatch::None))];
    if shown.len() > 1 {
        entries.push(("answered", BLUE, frame::Look::Fill(Hatch::None)));
    }
    if shown.iter().any(|op| op.answer.is_none()) {
        entries.push(("outcome unknown: any time, or never", PURPLE, frame::Look::Fill(Hatch::Rising)));
    }
    if faults {
        entries.push(("fault", ORANGE.fade(0.35), frame::Look::Fill(Hatch::None)));
    }
    frame::legend(scene, PLOT_RIGHT, 150.0, &entries);
    if shown.iter().any(|op| op.place.is_some()) {
        let note = "numbers: the longest order found";
        scene.text((MARGIN, 150.0), note, LABEL, MUTED, Anchor::Start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charts::scene::WIDTH;

    #[test]
    fn no_text_overlaps_another_or_leaves_the_page() {
        for (clients, count, timed) in [(1, 1, true), (1, 9, true), (4, 24, false), (9, 60, true), (24, 24, false)] {
            let operations = (0..count)
                .map(|i| Witnessed {
                    client: format!("process {}", i % clients),
                    request: format!("append x {i} y"),
                    answer: (i % 5 != 3).then(|| if i % 3 == 0 { "done".into() } else { format!("a long answer {i}") }),
                    start: i * 10,
                    end: (i % 7 != 5).then_some(i * 10 + 5 + i % 3 * 40),
                    place: (i % 2 == 0).then_some(i as usize),
                })
                .collect();
            let witness = Witness { finding: "x".into(), about: "y".into(), operations, timed };
            let scene = draw(&witness, &[]);
            let texts: Vec<_> = scene.texts().collect();
            for (i, a) in texts.iter().enumerate() {
                let place = a.bounds();
                assert!(place.left >= 0.0 && place.right <= WIDTH && place.bottom <= scene.height, "{a:?}");
                for b in &texts[i + 1..] {
                    assert!(!place.overlaps(&b.bounds()), "{clients} {count}: {a:?} on {b:?}");
                }
            }
        }
    }
}
