//! Keys moved: each change of membership against the fewest it had to move, and the keys of each node before and after.

use super::fonts;
use super::frame::{self, LABEL, Look, MARGIN, PLOT_LEFT, PLOT_RIGHT, SMALL};
use super::palette::{AXIS, BLUE, INK, MUTED, ORANGE};
use super::scale::{Scale, ceiling};
use super::scene::{Anchor, Area, Hatch, Scene, brief, fit};
use crate::measure::moves;
use crate::report::{Moved, Report};
use crate::units;

/// As many changes as are shown.
const ROWS: usize = 6;
/// As many nodes as have a pair of bars; of more, the sorted loads are drawn.
const BARS: usize = 40;
/// A change that moves more than this times the fewest is picked out.
const MANY: f64 = 1.5;
const BEFORE_DASH: Option<(f64, f64)> = Some((12.0, 6.0));

/// Draws the chart; nothing where no membership changed.
pub(crate) fn draw(report: &Report) -> Option<Scene> {
    let all = &report.load.keys_moved;
    if all.is_empty() {
        return None;
    }
    let mut scene = Scene::new(900.0);
    let ratio = |m: &Moved| m.over_ideal.unwrap_or(f64::INFINITY);
    let mut shown: Vec<&Moved> = all.iter().collect();
    // The worst, then those that moved most; shown in order of time.
    shown.sort_by(|a, b| ratio(b).total_cmp(&ratio(a)).then(b.moved.cmp(&a.moved)).then(a.at_ns.cmp(&b.at_ns)));
    let worst = shown[0];
    shown.truncate(ROWS);
    shown.sort_by_key(|m| m.at_ns);
    let shows = match all.len() {
        n if n > ROWS => format!("The worst {ROWS} of {n} changes of membership"),
        _ => "Keys that each change of membership moved".to_owned(),
    };
    frame::title(&mut scene, &finding(all, worst), &frame::about(report, &shows));
    let names: Vec<String> = shown.iter().map(|m| format!("{}, {}", units::moment(m.at_ns), m.event)).collect();
    let room = names.iter().map(|n| fonts::width(n, LABEL, false)).fold(0.0, f64::max).min(420.0);
    let pitch = 40.0;
    let top = 176.0;
    let rows =
        Area { left: MARGIN + room + 16.0, top, right: PLOT_RIGHT - 250.0, bottom: top + pitch * shown.len() as f64 };
    let most = shown.iter().map(|m| m.moved.max(m.ideal)).max().unwrap_or(0).max(1);
    let scale = Scale::linear(0.0, most as f64, rows.left, rows.right);
    for (i, (moved, name)) in shown.iter().zip(&names).enumerate() {
        let y = rows.top + pitch * i as f64;
        let base = y + pitch / 2.0 + LABEL * 0.3;
        scene.text((rows.left - 12.0, base), fit(name, LABEL, false, room + 1.0), LABEL, INK, Anchor::End);
        let area = Area { left: rows.left, top: y + 6.0, right: scale.at(moved.moved as f64), bottom: y + pitch - 6.0 };
        let bad = ratio(moved) > MANY;
        scene.hatched(area, if bad { ORANGE } else { BLUE }, if bad { Hatch::Rising } else { Hatch::None });
        let x = scale.at(moved.ideal as f64);
        scene.line((x, y + 2.0), (x, y + pitch - 2.0), INK, 3.0);
        let times = match moved.over_ideal {
            Some(ratio) => format!("{} \u{d7} the ideal", units::significant(ratio)),
            None => "nothing had to".into(),
        };
        let text = format!("{}, {times}", units::short_count(moved.moved as f64));
        scene.text((PLOT_RIGHT, base), fit(&text, SMALL, false, 240.0), SMALL, MUTED, Anchor::End);
    }
    scene.line((rows.left, rows.top), (rows.left, rows.bottom), AXIS, 1.5);
    let mut legend = vec![("had to move", INK, Look::Line(None))];
    if shown.iter().any(|m| ratio(m) > MANY) {
        legend.insert(0, ("moved, half as many again or more", ORANGE, Look::Fill(Hatch::Rising)));
    }
    if shown.iter().any(|m| ratio(m) <= MANY) {
        legend.insert(0, ("moved", BLUE, Look::Fill(Hatch::None)));
    }
    frame::legend(&mut scene, PLOT_RIGHT, rows.top - 16.0, &legend);
    let plot = Area { left: PLOT_LEFT, top: rows.bottom + 90.0, right: PLOT_RIGHT, bottom: 806.0 };
    before_and_after(&mut scene, report, worst, plot);
    Some(scene)
}

fn finding(all: &[Moved], worst: &Moved) -> String {
    let event = brief(&worst.event);
    match moves::worst(all) {
        Some(ratio) if ratio.is_infinite() => format!("{event}: keys moved though none had to"),
        Some(ratio) if ratio <= 1.05 => {
            let share = worst.moved as f64 / worst.total.max(1) as f64;
            format!(
                "No change moved more than it had to; {event}: {} of the keys",
                units::percent(units::round(share, 4))
            )
        }
        Some(ratio) => format!("{event}: {} times as many keys moved as had to", units::significant(ratio)),
        None => String::new(),
    }
}

/// The keys of every node that had or has some.
fn before_and_after(scene: &mut Scene, report: &Report, change: &Moved, plot: Area) {
    let at = |keys: &[u64], node: usize| keys.get(node).copied().unwrap_or(0);
    let nodes: Vec<usize> = (0..change.before.len().max(change.after.len()))
        .filter(|n| at(&change.before, *n) + at(&change.after, *n) > 0)
        .collect();
    let Some(most) = nodes.iter().map(|n| at(&change.before, *n).max(at(&change.after, *n))).max() else {
        frame::nothing(scene, plot, "How many keys each node holds was not measured");
        return;
    };
    let scale = Scale::linear(0.0, ceiling(most as f64 * 1.02, 5), plot.bottom, plot.top);
    let when = format!("{} at {}", brief(&change.event), units::moment(change.at_ns));
    frame::y_axis(scene, plot, &scale, &scale.count_ticks(5), &format!("keys of each node, {when}"));
    let before = ("before", ORANGE, Look::Line(BEFORE_DASH));
    if nodes.len() > BARS {
        // The fullest on the left: how even it is shows as how flat the line is.
        for (keys, ink, dash) in [(&change.before, ORANGE, BEFORE_DASH), (&change.after, BLUE, None)] {
            let mut sorted: Vec<u64> = nodes.iter().map(|n| at(keys, *n)).filter(|keys| *keys > 0).collect();
            sorted.sort_unstable_by(|a, b| b.cmp(a));
            let x = Scale::linear(0.0, nodes.len() as f64, plot.left, plot.right);
            let points = sorted.iter().enumerate().map(|(i, keys)| (x.at(i as f64 + 0.5), scale.at(*keys as f64)));
            scene.path(points.collect(), ink, 4.0, dash);
        }
        frame::x_name(
            scene,
            Area { bottom: plot.bottom - 30.0, ..plot },
            &format!("{} nodes, the fullest first", nodes.len()),
        );
        frame::legend(scene, plot.right, plot.top - 22.0, &[before, ("after", BLUE, Look::Line(None))]);
        scene.line((plot.left, plot.bottom), (plot.right, plot.bottom), AXIS, 1.5);
        return;
    }
    let slot = plot.width() / nodes.len() as f64;
    let bar = (slot * 0.36).min(70.0);
    let name =
        |node: usize| report.load.per_node.get(node).map_or_else(|| format!("n{}", node + 1), |n| n.node.clone());
    let widest = nodes.iter().map(|n| fonts::width(&name(*n), SMALL, false)).fold(0.0, f64::max).min(160.0);
    let every = ((widest + 12.0) / slot).ceil().max(1.0) as usize;
    for (i, node) in nodes.iter().enumerate() {
        let middle = plot.left + slot * (i as f64 + 0.5);
        let pair = [(at(&change.before, *node), -1.0, ORANGE), (at(&change.after, *node), 0.0, BLUE)];
        for (keys, side, ink) in pair {
            let left = middle + side * bar;
            let area = Area { left, right: left + bar - 2.0, top: scale.at(keys as f64), bottom: plot.bottom };
            scene.hatched(area, ink, if ink == ORANGE && bar > 8.0 { Hatch::Rising } else { Hatch::None });
        }
        if i % every == 0 {
            let text = fit(&name(*node), SMALL, false, (slot * every as f64 - 8.0).max(40.0));
            scene.text((middle, plot.bottom + 30.0), text, SMALL, MUTED, Anchor::Middle);
        }
    }
    for (keys, ink) in [(&change.before, ORANGE), (&change.after, BLUE)] {
        let held: Vec<u64> = nodes.iter().map(|n| at(keys, *n)).filter(|keys| *keys > 0).collect();
        let mean = held.iter().sum::<u64>() as f64 / held.len().max(1) as f64;
        let y = scale.at(mean);
        scene.path(vec![(plot.left, y), (plot.right, y)], ink, 2.0, BEFORE_DASH);
    }
    scene.line((plot.left, plot.bottom), (plot.right, plot.bottom), AXIS, 1.5);
    let legend = [("before", ORANGE, Look::Fill(Hatch::Rising)), ("after", BLUE, Look::Fill(Hatch::None))];
    frame::legend(scene, plot.right, plot.top - 22.0, &legend);
}
