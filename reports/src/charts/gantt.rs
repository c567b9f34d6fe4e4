//! Who held, ran or led what from when to when: a row each, a bar for each span, over simulated time.

use super::fonts;
use super::frame::{self, LABEL, Look, MARGIN, PLOT_RIGHT};
use super::palette::{self, BLUE, GRID, INK, PAPER, VERMILLION};
use super::scene::{Anchor, Area, Hatch, Ink, Scene, fit};
use super::timed::Timed;
use crate::report::Report;
use crate::units;
use sim_core::track::{Span, Track};
use std::cmp::Reverse;

/// More rows than this are left to `report.json`: those with harm in them, then the busiest, are shown.
const ROWS: usize = 24;
/// Spans of a row that overlap are drawn beside each other, up to so many.
const LANES: usize = 4;

/// Draws the chart; nothing where no span reaches into the measured window.
pub(crate) fn draw(report: &Report, track: &Track) -> Option<Scene> {
    let (from, to) = (report.measure_from_ns, report.measure_to_ns);
    let seen: Vec<&Span> = track.spans.iter().filter(|s| s.end_ns > from && s.start_ns < to).collect();
    let rows = rows(&seen, |span| is_harm(track, span));
    if rows.is_empty() {
        return None;
    }
    let shows = match distinct(&seen) {
        n if n > ROWS => format!("{}, {ROWS} of {n} rows", track.about),
        _ => track.about.to_string(),
    };
    let mut scene = Scene::new(900.0);
    let widest = rows.iter().map(|row| fonts::width(row, LABEL, false)).fold(0.0, f64::max).clamp(60.0, 300.0);
    let left = MARGIN + widest + 18.0;
    let timed = Timed::begin(&mut scene, report, left, &finding(track, &seen, (from, to)), &units::capitalised(&shows));
    let high = (610.0 / rows.len() as f64).clamp(22.0, 64.0);
    let top = timed.top;
    let plot = Area { left, top, right: PLOT_RIGHT, bottom: top + high * rows.len() as f64 };
    timed.dress(&mut scene, &[plot]);
    for (i, row) in rows.iter().enumerate() {
        let (above, below) = (top + high * i as f64, top + high * (i + 1) as f64);
        scene.line((left, below), (PLOT_RIGHT, below), GRID, 1.0);
        let y = (above + below) / 2.0 + LABEL * 0.32;
        scene.text(
            (left - 12.0, y),
            fit(row, LABEL.min(high - 2.0), false, widest),
            LABEL.min(high - 2.0),
            INK,
            Anchor::End,
        );
        let spans: Vec<&Span> = seen.iter().copied().filter(|span| span.row == **row).collect();
        let (lanes, used) = lanes(&spans);
        let lane = (high - 8.0) / used as f64;
        for (span, at) in spans.iter().zip(lanes) {
            let x = |ns: u64| timed.time.at(ns.clamp(from, to) as f64);
            let top = above + 4.0 + lane * at as f64;
            let (start, end) = (x(span.start_ns), x(span.end_ns));
            let area = Area { left: start, right: end.max(start + 2.0), top, bottom: top + lane - 1.0 };
            let (ink, hatch) = look(track, span.kind);
            scene.hatched(area, ink, hatch);
            scene.line((area.right, area.top), (area.right, area.bottom), PAPER, 1.5);
            frame::inside(&mut scene, area, (ink, hatch), &span.label);
        }
    }
    let used = |kind: usize| seen.iter().any(|span| span.kind == kind);
    if (1..track.kinds.len()).any(used) {
        let entry = |(i, kind): (usize, &sim_core::track::SpanKind)| {
            let (ink, hatch) = look(track, i);
            (kind.name.clone().into_owned(), ink, Look::Fill(hatch))
        };
        let legend: Vec<_> = track.kinds.iter().enumerate().filter(|(i, _)| used(*i)).map(entry).collect();
        let legend: Vec<_> = legend.iter().map(|(name, ink, look)| (name.as_str(), *ink, *look)).collect();
        frame::legend(&mut scene, PLOT_RIGHT, top - 16.0, &legend);
    }
    scene.height = plot.bottom + 100.0;
    Some(scene)
}

fn is_harm(track: &Track, span: &Span) -> bool {
    track.kinds.get(span.kind).is_some_and(|kind| kind.harm)
}

/// The usual kind is blue, harm is red, others look like phases.
fn look(track: &Track, kind: usize) -> (Ink, Hatch) {
    match track.kinds.get(kind) {
        Some(kind) if kind.harm => (VERMILLION, Hatch::None),
        _ if kind == 0 => (BLUE, Hatch::None),
        _ => palette::PHASES[2 + kind % (palette::PHASES.len() - 2)],
    }
}

fn distinct(spans: &[&Span]) -> usize {
    spans.iter().map(|span| span.row.as_str()).collect::<std::collections::BTreeSet<_>>().len()
}

/// The rows that are shown, as people count them: `n2` before `n10`.
fn rows<'a>(spans: &[&'a Span], harm: impl Fn(&Span) -> bool) -> Vec<&'a str> {
    let mut of: std::collections::BTreeMap<&str, (bool, u64)> = std::collections::BTreeMap::new();
    for span in spans {
        let row = of.entry(&span.row).or_default();
        *row = (row.0 || harm(span), row.1 + (span.end_ns - span.start_ns));
    }
    let mut rows: Vec<(&str, (bool, u64))> = of.into_iter().collect();
    rows.sort_by_key(|(name, weight)| (Reverse(*weight), units::natural(name)));
    rows.truncate(ROWS);
    rows.sort_by_key(|(name, _)| units::natural(name));
    rows.into_iter().map(|(name, _)| name).collect()
}

/// The lane of each span, given in order of time, and how many lanes there are; what finds none is drawn over the last.
fn lanes(spans: &[&Span]) -> (Vec<usize>, usize) {
    let mut until = [0_u64; LANES];
    let mut used = 1;
    let mut of = vec![0; spans.len()];
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by_key(|i| (spans[*i].start_ns, spans[*i].kind));
    for i in order {
        let free = (0..LANES).find(|lane| until[*lane] <= spans[i].start_ns).unwrap_or(LANES - 1);
        until[free] = until[free].max(spans[i].end_ns);
        used = used.max(free + 1);
        of[i] = free;
    }
    (of, used)
}

/// `Who led: 4 spans of 3, none for 1.2 s, more than one at a time for 300 ms`.
fn finding(track: &Track, spans: &[&Span], (from, to): (u64, u64)) -> String {
    let usual = || spans.iter().filter(|span| !is_harm(track, span));
    let changes = usual().count();
    let mut text = match (changes, distinct(spans)) {
        (1, _) => format!("{}: {}", track.title, spans[0].row),
        (n, 1) => format!("{}: {} {n} times", track.title, spans[0].row),
        (n, of) => format!("{}: {of} in {n} turns", track.title),
    };
    if track.exclusive {
        let (none, several) = coverage(usual().map(|s| (s.start_ns.max(from), s.end_ns.min(to))), (from, to));
        for (time, what) in [(none, "nobody"), (several, "more than one")] {
            if time > 0 {
                text.push_str(&format!(", {what} for {}", units::duration(time)));
            }
        }
    }
    let harm: u64 = spans.iter().filter(|s| is_harm(track, s)).map(|s| s.end_ns.min(to) - s.start_ns.max(from)).sum();
    if let Some(kind) = track.kinds.iter().find(|kind| kind.harm && harm > 0) {
        text.push_str(&format!("; {} for {}", kind.name, units::duration(harm)));
    }
    text
}

/// How long nobody was in a span, and how long more than one.
fn coverage(spans: impl Iterator<Item = (u64, u64)>, (from, to): (u64, u64)) -> (u64, u64) {
    let mut ends: Vec<(u64, i32)> = spans.flat_map(|(start, end)| [(start, 1), (end, -1)]).collect();
    ends.sort_unstable();
    let (mut at, mut open, mut none, mut several) = (from, 0, 0, 0);
    for (when, change) in ends.into_iter().chain([(to, 0)]) {
        match open {
            0 => none += when - at,
            1 => {}
            _ => several += when - at,
        }
        (at, open) = (when, open + change);
    }
    (none, several)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_overlaps_are_told_apart() {
        assert_eq!(coverage([(10, 20), (15, 30), (40, 50)].into_iter(), (0, 60)), (10 + 10 + 10, 5));
        assert_eq!(coverage(std::iter::empty(), (5, 9)), (4, 0));
    }

    #[test]
    fn rows_are_counted_as_people_do() {
        let spans = ["n10", "n2", "n1"].map(|row| Span { row: row.into(), end_ns: 1, ..Span::default() });
        assert_eq!(rows(&spans.iter().collect::<Vec<_>>(), |_| false), ["n1", "n2", "n10"]);
    }

    #[test]
    fn what_overlaps_lies_in_lanes() {
        let span = |start_ns, end_ns| Span { start_ns, end_ns, ..Span::default() };
        let spans = [span(0, 10), span(5, 20), span(10, 12), span(30, 40)];
        assert_eq!(lanes(&spans.iter().collect::<Vec<_>>()), (vec![0, 1, 0, 0], 2));
    }
}
