//! Messages by kind: the most frequent first.

use super::fonts;
use super::frame::{self, LABEL, MARGIN, PLOT_RIGHT};
use super::palette::{AXIS, BLUE, GRID, INK, MUTED};
use super::scale::{Scale, ceiling};
use super::scene::{Anchor, Area, Scene, fit};
use crate::report::Report;
use crate::units;

/// More kinds than this are summed up as "other".
const ROWS: usize = 12;

/// Draws the chart.
pub(crate) fn draw(report: &Report) -> Scene {
    let mut scene = Scene::new(900.0);
    frame::title(&mut scene, &finding(report), &frame::about(report, "Messages between nodes by kind, the whole run"));
    let mut rows: Vec<(String, u64)> = report.messages.by_kind.iter().map(|(k, n)| (k.clone(), *n)).collect();
    rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    if rows.len() > ROWS {
        let rest = rows.split_off(ROWS - 1);
        rows.push((format!("{} other kinds", rest.len()), rest.iter().map(|(_, n)| n).sum()));
    }
    let total: u64 = rows.iter().map(|(_, n)| n).sum();
    let widest = rows.iter().map(|(k, _)| fonts::width(k, LABEL, false)).fold(0.0, f64::max).min(420.0);
    let mut plot = Area { left: MARGIN + widest + 16.0, top: 140.0, right: PLOT_RIGHT - 230.0, bottom: 800.0 };
    if total == 0 {
        frame::nothing(&mut scene, plot, "No messages were sent");
        return scene;
    }
    let slot = (plot.height() / rows.len() as f64).min(96.0);
    plot.bottom = plot.top + slot * rows.len() as f64;
    let max = rows.iter().map(|(_, n)| *n).max().unwrap_or(0) as f64;
    let scale = Scale::linear(0.0, ceiling(max, 5), plot.left, plot.right);
    for tick in scale.count_ticks(5) {
        let x = scale.at(tick.value);
        scene.line((x, plot.top), (x, plot.bottom), GRID, 1.0);
        scene.text((x, plot.bottom + 34.0), tick.label, LABEL, MUTED, Anchor::Middle);
    }
    for (i, (kind, n)) in rows.iter().enumerate() {
        let middle = plot.top + slot * (i as f64 + 0.5);
        let right = scale.at(*n as f64).max(plot.left + 1.0);
        let half = slot * 0.33;
        scene.rect(Area { left: plot.left, top: middle - half, right, bottom: middle + half }, BLUE);
        let name = fit(kind, LABEL, false, widest + 1.0);
        scene.text((plot.left - 12.0, middle + LABEL * 0.35), name, LABEL, INK, Anchor::End);
        let share = units::percent(units::round(*n as f64 / total as f64, 3));
        let share = if *n > 0 && share == "0 %" { "< 0.1 %".into() } else { share };
        let count = units::short_count(*n as f64);
        scene.bold((right + 14.0, middle + LABEL * 0.35), &*count, LABEL, INK, Anchor::Start);
        let at = right + 14.0 + fonts::width(&count, LABEL, true) + 14.0;
        scene.text((at, middle + LABEL * 0.35), share, LABEL, MUTED, Anchor::Start);
    }
    scene.line((plot.left, plot.top), (plot.left, plot.bottom), AXIS, 1.5);
    frame::x_name(&mut scene, plot, "messages sent");
    scene
}

fn finding(report: &Report) -> String {
    let m = &report.messages;
    let sent = units::short_count(m.sent as f64);
    if m.sent == 0 {
        return "No messages were sent".into();
    }
    let lost = if m.lost == 0 {
        "none lost".into()
    } else {
        format!("{} lost", units::percent(units::round(m.lost as f64 / m.sent as f64, 6)))
    };
    format!("{sent} messages between nodes, {lost}")
}
