//! Transactions that wait for each other in a circle: a box each, from top to bottom, with what makes each wait for the
//! one above it, and the last link back to the top.

use super::frame::{self, LABEL, MARGIN, PLOT_RIGHT, SMALL};
use super::palette::{AXIS, BLUE, GREEN, GRID, INK, MUTED, PURPLE, VERMILLION};
use super::scene::{Anchor, Area, Ink, Scene, fit};
use crate::report::Cycle;

/// Room for the link that goes back to the top.
const LANE: f64 = 70.0;
/// The height of a box, and of what is between two.
const BOX: f64 = 84.0;
const BETWEEN: f64 = 92.0;
/// At most this many transactions: of a larger circle, the first, as the links of the others are told in words.
const SHOWN: usize = 12;

/// Draws the chart.
pub(crate) fn draw(cycle: &Cycle) -> Scene {
    let shown = cycle.transactions.len().min(SHOWN);
    let top = 190.0;
    let height = top + shown as f64 * BOX + (shown as f64 - 1.0).max(0.0) * BETWEEN + 90.0;
    let mut scene = Scene::new(height.max(500.0));
    let about = match cycle.transactions.len() - shown {
        0 => cycle.about.clone(),
        n => format!("{}  \u{b7}  {n} more left out", cycle.about),
    };
    frame::title(&mut scene, &cycle.finding, &about);
    let (left, right) = (MARGIN + LANE, PLOT_RIGHT);
    if shown == 0 {
        frame::nothing(&mut scene, Area { left, top, right, bottom: height - 90.0 }, "There is no cycle to show");
        return scene;
    }
    let place = |i: usize| top + i as f64 * (BOX + BETWEEN);
    for (i, (name, does)) in cycle.transactions[..shown].iter().enumerate() {
        let area = Area { left, top: place(i), right, bottom: place(i) + BOX };
        scene.rect(
            Area { left: area.left - 2.0, top: area.top - 2.0, right: area.right + 2.0, bottom: area.bottom + 2.0 },
            AXIS,
        );
        scene.rect(area, GRID);
        let room = right - left - 40.0;
        scene.bold((left + 20.0, area.top + 34.0), fit(name, LABEL, true, room), LABEL, INK, Anchor::Start);
        scene.text((left + 20.0, area.top + 68.0), fit(does, SMALL, false, room), SMALL, INK, Anchor::Start);
    }
    let middle = left + 60.0;
    for (i, (kind, text)) in cycle.waits.iter().enumerate().take(shown) {
        let ink = colour(kind);
        let label = format!("{kind}: {text}");
        if i + 1 < shown {
            let (from, to) = (place(i) + BOX, place(i + 1));
            scene.line((middle, from), (middle, to - 12.0), ink, 4.0);
            head(&mut scene, (middle, to), ink, (0.0, 1.0));
            let room = right - middle - 30.0;
            let at = (middle + 24.0, f64::midpoint(from, to) + SMALL * 0.35);
            scene.text(at, fit(&label, SMALL, false, room), SMALL, INK, Anchor::Start);
        } else {
            let (from, to) = (place(i) + BOX / 2.0, place(0) + BOX / 2.0);
            let lane = left - LANE / 2.0;
            scene.path(vec![(left, from), (lane, from), (lane, to), (left - 12.0, to)], ink, 4.0, None);
            head(&mut scene, (left, to), ink, (1.0, 0.0));
            let at = (left, place(i) + BOX + 44.0);
            let label = format!("back to the top  \u{b7}  {label}");
            scene.text(at, fit(&label, SMALL, false, right - left), SMALL, MUTED, Anchor::Start);
        }
    }
    scene
}

/// What replaced what was read is bad news; who read what was written is not.
fn colour(kind: &str) -> Ink {
    match kind {
        "ww" => BLUE,
        "wr" => GREEN,
        "rw" => VERMILLION,
        _ => PURPLE,
    }
}

/// The head of an arrow that ends at `at`, going in a direction.
fn head(scene: &mut Scene, at: (f64, f64), ink: Ink, (dx, dy): (f64, f64)) {
    let (back, side) = (18.0, 10.0);
    let base = (at.0 - dx * back, at.1 - dy * back);
    scene.area(vec![at, (base.0 - dy * side, base.1 + dx * side), (base.0 + dy * side, base.1 - dx * side)], ink);
}
