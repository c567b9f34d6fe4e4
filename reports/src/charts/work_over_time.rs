//! Load over time: a row a node, a column a moment, the darker the more work.

use super::fonts;
use super::frame::{self, LABEL, MARGIN, PLOT_RIGHT};
use super::palette::{self, INK, MUTED};
use super::scene::{Anchor, Area, Scene, fit};
use super::timed::Timed;
use crate::measure::queues::carries;
use crate::report::Report;
use crate::units;
use sim_core::record::RunRecord;

/// More nodes than this share rows.
const ROWS: usize = 40;
/// Shades that are told apart; neighbours of one shade are one rectangle.
const SHADES: f64 = 24.0;
/// Evenness is judged over this share of the samples, so that it is not one of chance.
const WINDOWS: usize = 10;

/// A sample of the measured window: from when to when, and which.
struct Column {
    from: u64,
    to: u64,
    index: usize,
}

/// Draws the chart; nothing where no work was sampled.
pub(crate) fn draw(report: &Report, record: &RunRecord) -> Option<Scene> {
    let timeline = &record.timeline;
    let starts = std::iter::once(0).chain(timeline.at_ns.iter().copied());
    let columns: Vec<Column> = starts
        .zip(&timeline.at_ns)
        .enumerate()
        .filter(|(_, (from, to))| *from >= record.measure_from_ns && **to <= record.measure_to_ns && *from < **to)
        .map(|(index, (from, to))| Column { from, to: *to, index })
        .collect();
    let nodes: Vec<usize> = (0..timeline.work.len()).filter(|node| carries(record, *node)).collect();
    let work = |node: usize, column: &Column| timeline.work[node].get(column.index).copied().unwrap_or(0);
    let rate = |node: usize, column: &Column| work(node, column) as f64 * 1e9 / (column.to - column.from) as f64;
    let most = nodes.iter().flat_map(|n| columns.iter().map(|c| rate(*n, c))).fold(0.0, f64::max);
    if most <= 0.0 {
        return None;
    }
    let mut scene = Scene::new(900.0);
    let share = nodes.len().div_ceil(ROWS);
    let rows: Vec<&[usize]> = nodes.chunks(share).collect();
    let name = |node: usize| report.load.per_node.get(node).map_or("", |n| n.node.as_str());
    let names: Vec<String> = rows
        .iter()
        .map(|row| match row {
            [one] => name(*one).to_owned(),
            _ => format!("{}\u{2013}{}", name(row[0]), name(row[row.len() - 1])),
        })
        .collect();
    let widest = names.iter().map(|n| fonts::width(n, LABEL, false)).fold(0.0, f64::max).clamp(60.0, 230.0);
    let left = MARGIN + widest + 18.0;
    let totals: Vec<Vec<u64>> = columns.iter().map(|c| nodes.iter().map(|n| work(*n, c)).collect()).collect();
    let finding = finding(&totals, |i| name(nodes[i]), |i| columns[i].from);
    let shows = match share {
        1 => "What each node did over time".to_owned(),
        n => format!("What the nodes did over time, each row the busiest of {n}"),
    };
    let timed = Timed::begin(&mut scene, report, left, &finding, &shows);
    let mut plot = Area { left, top: timed.top, right: PLOT_RIGHT, bottom: 800.0 };
    let high = (plot.height() / rows.len() as f64).min(240.0);
    plot.bottom = plot.top + high * rows.len() as f64;
    let gap = if high > 10.0 { 2.0 } else { 0.0 };
    for (r, row) in rows.iter().enumerate() {
        let top = plot.top + high * r as f64;
        let shade = |c: &Column| {
            let busiest = row.iter().map(|n| rate(*n, c)).fold(0.0, f64::max);
            (busiest > 0.0).then(|| (busiest / most * SHADES).ceil())
        };
        for run in columns.chunk_by(|a, b| shade(a) == shade(b)) {
            let (first, last) = (&run[0], &run[run.len() - 1]);
            let area = Area {
                left: timed.time.at(first.from as f64),
                top,
                right: timed.time.at(last.to as f64),
                bottom: top + high - gap,
            };
            scene.rect(area, shade(first).map_or(palette::GRID, |s| palette::ramp(s / SHADES)));
        }
    }
    let every = (LABEL * 1.25 / high).ceil().max(1.0) as usize;
    for (r, name) in names.iter().enumerate().step_by(every) {
        let y = plot.top + high * (r as f64 + 0.5) + LABEL * 0.32;
        scene.text((plot.left - 12.0, y), fit(name, LABEL, false, widest), LABEL, INK, Anchor::End);
    }
    timed.line(&mut scene, &[plot]);
    let what = "pieces of work a second";
    let begin = frame::ramp_legend(&mut scene, PLOT_RIGHT, plot.top - 16.0, "0", &units::short_count(most));
    scene.text((begin - 18.0, plot.top - 16.0), what, LABEL, MUTED, Anchor::End);
    Some(scene)
}

/// When the load was least even, over stretches long enough to tell that from chance.
fn finding<'a>(columns: &[Vec<u64>], name: impl Fn(usize) -> &'a str, at: impl Fn(usize) -> u64) -> String {
    let nodes = columns.first().map_or(0, Vec::len);
    if nodes == 1 {
        return format!("{} did all the work", name(0));
    }
    let step = columns.len().div_ceil(WINDOWS).max(1);
    let mut worst: Option<(f64, usize, usize)> = None;
    for (w, window) in columns.chunks(step).enumerate() {
        let sums: Vec<u64> = (0..nodes).map(|n| window.iter().map(|column| column[n]).sum()).collect();
        let all: u64 = sums.iter().sum();
        // A few pieces of work are never even.
        if all < 20 * nodes as u64 {
            continue;
        }
        let (node, most) =
            sums.iter().enumerate().max_by_key(|(i, sum)| (**sum, std::cmp::Reverse(*i))).unwrap_or((0, &0));
        let ratio = *most as f64 * nodes as f64 / all as f64;
        if worst.is_none_or(|(so_far, ..)| ratio > so_far) {
            worst = Some((ratio, node, w * step));
        }
    }
    match worst {
        None => "Too little work to say how even it was".into(),
        Some((ratio, ..)) if ratio < 1.15 => {
            format!("Work stayed even: no node did more than {} times the mean", units::significant(ratio))
        }
        Some((ratio, node, column)) => {
            let ratio = units::significant(ratio);
            format!("Least even from {} on: {} did {ratio} times the mean", units::moment(at(column)), name(node))
        }
    }
}
