//! Outages of a share of the requests: what a service loses while some of those behind it are gone.
//!
//! With one of three servers dead a third of the requests fails, at random. By luck there are windows in which most of
//! them do: slivers, none of which tells how long the trouble lasted. So runs of down windows are looked at again:
//!
//! * A run is **solid** when hardly anything was served within it ([`SOLID`]) and so many in a row are no luck, given
//!   what failed around it: with a share `q` failing there, `n` in a row among `N` are expected `N * q^n` times, and
//!   less than [`LUCK`] is none. Solid runs are outages of everything in their scope.
//! * What is left is cut where all was well for [`CALM_NS`] and [`CALM`] requests. In each piece the stretch is taken
//!   from which most would be lost by making it longer or shorter, where a request that failed counts `1 -` [`LEAST`]
//!   and one that was served `-` [`LEAST`]: the share of it that failed is above [`LEAST`], and it ends in failures.
//! * A stretch with slivers in it, or with at least [`ALONE`] failing for [`ALONE_NS`], is one **partial outage**. Its
//!   slivers are part of it.

use super::windows::{Cell, Run};

/// The share served, but in its first and last window, up to which a run of down windows may be solid.
const SOLID: f64 = 0.1;
/// How often chance may explain a run that is called solid.
const LUCK: f64 = 0.01;
/// What was well for that long, nanoseconds, and that many requests, ends a trouble.
const CALM_NS: u64 = 1_000_000_000;
const CALM: u32 = 100;
/// The share that fails in a partial outage is larger than this, and it has at least this many failures.
const LEAST: f64 = 0.1;
const FEWEST: u32 = 10;
/// Without a window in which most failed, a share of this makes a partial outage when it lasts.
const ALONE: f64 = 0.2;
const ALONE_NS: u64 = 1_000_000_000;
/// How far around a run it is seen what fails anyway, nanoseconds.
const AROUND_NS: u64 = 2_000_000_000;

/// A stretch of windows in which a share failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub first: usize,
    pub past: usize,
    /// Requests that were not served, and all.
    pub failed: u32,
    pub asked: u32,
}

/// The partial outages of one scope; `runs` are its runs of down windows. Those that are part of one are taken out.
pub(crate) fn find(row: &[Cell], runs: &mut Vec<Run>, window_ns: u64) -> Vec<Stretch> {
    if row.iter().all(|cell| cell.failed() == 0) {
        return Vec::new();
    }
    let windows = |ns: u64| usize::try_from(ns.div_ceil(window_ns)).unwrap_or(usize::MAX);
    let mut taken = vec![false; row.len()];
    // Where so much failed in a row, that says nothing about what fails anyway.
    let mut long = vec![false; row.len()];
    for run in runs.iter().filter(|run| is_long(&row[run.first..run.past])) {
        long[with_ends(run, row.len())].fill(true);
    }
    let solid: Vec<bool> = runs.iter().map(|run| is_solid(row, run, &long, windows(AROUND_NS))).collect();
    for (run, _) in runs.iter().zip(&solid).filter(|(_, solid)| **solid) {
        // At its ends some were served already, or still, and waited.
        taken[with_ends(run, row.len())].fill(true);
    }
    let mut stretches = Vec::new();
    for (from, to) in pieces(row, &taken, windows(CALM_NS)) {
        let Some(stretch) = densest(row, from, to) else { continue };
        let share = f64::from(stretch.failed) / f64::from(stretch.asked.max(1));
        let from = runs.partition_point(|run| run.first < stretch.first);
        let slivers = (from..runs.len()).take_while(|at| runs[*at].past <= stretch.past).any(|at| !solid[at]);
        let lasts = stretch.past - stretch.first >= windows(ALONE_NS);
        if stretch.failed >= FEWEST && (slivers || lasts && share >= ALONE) {
            stretches.push(stretch);
        }
    }
    let mut solid = solid.into_iter();
    runs.retain(|run| {
        let at = stretches.partition_point(|stretch| stretch.past < run.past);
        solid.next().unwrap_or(true) || stretches.get(at).is_none_or(|stretch| run.first < stretch.first)
    });
    stretches
}

/// The windows of a run, and one on either side.
fn with_ends(run: &Run, windows: usize) -> core::ops::Range<usize> {
    run.first.saturating_sub(1)..(run.past + 1).min(windows)
}

fn is_solid(row: &[Cell], run: &Run, long: &[bool], around: usize) -> bool {
    let sum = |cells: &mut dyn Iterator<Item = &Cell>| {
        cells.fold((0_u32, 0_u32), |(failed, asked), c| (failed + c.failed(), asked + c.operations))
    };
    let (failed, asked) = sum(&mut row[run.first..run.past].iter());
    // In its first and its last window some were served before it began, and after it ended.
    let (failed_inside, inside) = sum(&mut row[run.first..run.past - 1].iter().skip(1));
    if f64::from(inside - failed_inside) > SOLID * f64::from(inside) {
        return false;
    }
    let own = with_ends(run, row.len());
    // The worse side says what fails anyway: at the edge of a trouble, the other is well.
    let sides = [own.start.saturating_sub(around)..own.start, own.end..(own.end + around).min(row.len())];
    sides.into_iter().all(|side| {
        let (beside, all) = sum(&mut side.filter(|at| !long[*at]).map(|at| &row[at]));
        let share = f64::from(beside) / f64::from(all.max(1));
        share == 0.0 || f64::from(all + asked) * libm::pow(share, f64::from(failed)) < LUCK
    })
}

/// Whether so much failed in a row that it is no luck whatever the share.
fn is_long(run: &[Cell]) -> bool {
    run.iter().all(|cell| cell.served == 0) && run.iter().map(|cell| cell.operations).sum::<u32>() >= 3 * FEWEST
}

/// The parts of the row between calms and what is taken, each beginning and ending with a failure.
fn pieces(row: &[Cell], taken: &[bool], calm: usize) -> Vec<(usize, usize)> {
    let mut pieces: Vec<(usize, usize)> = Vec::new();
    let (mut well, mut closed) = (0, true);
    for (at, cell) in row.iter().enumerate() {
        if taken[at] {
            closed = true;
        } else if cell.failed() == 0 {
            well += cell.operations;
        } else {
            match pieces.last_mut() {
                Some((_, past)) if !closed && (at - *past < calm || well < CALM) => *past = at + 1,
                _ => pieces.push((at, at + 1)),
            }
            (well, closed) = (0, false);
        }
    }
    pieces
}

/// The stretch of `[from, to)` in which most failed that should not have.
fn densest(row: &[Cell], from: usize, to: usize) -> Option<Stretch> {
    let score = |cell: &Cell| f64::from(cell.failed()) - LEAST * f64::from(cell.operations);
    let (mut sum, mut first) = (0.0, from);
    let mut best: Option<(f64, usize, usize)> = None;
    for (at, cell) in row.iter().enumerate().take(to).skip(from) {
        if sum <= 0.0 {
            (sum, first) = (0.0, at);
        }
        sum += score(cell);
        if best.is_none_or(|(most, ..)| sum > most) {
            best = Some((sum, first, at + 1));
        }
    }
    let (_, first, past) = best.filter(|(most, ..)| *most > 0.0)?;
    let cells = &row[first..past];
    let (failed, asked) = cells.iter().fold((0, 0), |(f, a), c| (f + c.failed(), a + c.operations));
    Some(Stretch { first, past, failed, asked })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: u64 = 100_000_000;

    /// Windows of six requests, of which that many failed.
    fn row(failed: &[u32]) -> Vec<Cell> {
        failed.iter().map(|n| Cell { operations: 6, served: 6 - n }).collect()
    }

    fn runs(row: &[Cell]) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (at, cell) in row.iter().enumerate().filter(|(_, cell)| cell.served * 2 < cell.operations) {
            match runs.last_mut() {
                Some(run) if run.past == at => run.past = at + 1,
                _ => runs.push(Run { scope: 0, first: at, past: at + 1, from: at, to: at + 1, share: None }),
            }
            assert!(cell.failed() > 0);
        }
        runs
    }

    fn found(failed: &[u32]) -> (Vec<Stretch>, usize) {
        let row = row(failed);
        let mut runs = runs(&row);
        let stretches = find(&row, &mut runs, WINDOW);
        (stretches, runs.len())
    }

    /// A third of the requests, at random; the windows are those of a fixed sequence.
    fn third(n: usize) -> Vec<u32> {
        const LUCK: [u32; 17] = [2, 1, 3, 2, 4, 0, 2, 1, 6, 2, 1, 3, 0, 2, 1, 4, 2];
        (0..n).map(|at| LUCK[at % LUCK.len()]).collect()
    }

    #[test]
    fn slivers_of_one_trouble_are_one_outage_of_a_share() {
        let (stretches, left) = found(&[vec![0; 50], third(300), vec![0; 50]].concat());
        assert_eq!((stretches.len(), left), (1, 0));
        assert_eq!((stretches[0].first, stretches[0].past), (50, 350));
        let share = f64::from(stretches[0].failed) / f64::from(stretches[0].asked);
        assert!((0.30..0.38).contains(&share), "{share}");
    }

    #[test]
    fn what_is_gone_altogether_is_no_share() {
        // A lost leader with ends in which some were served, and a link that flaps.
        let lost = [vec![0; 30], vec![3], vec![6; 5], vec![4], vec![0; 30]].concat();
        assert_eq!(found(&lost), (Vec::new(), 1));
        let flaps = [[6; 10], [0; 10]].concat().repeat(5);
        assert_eq!(found(&flaps), (Vec::new(), 5));
    }

    #[test]
    fn short_outages_have_ends_and_are_whole() {
        // Two in a little more than a second: of the first and the last window some were served.
        let twice = [vec![0; 30], vec![4, 6, 6, 2], vec![0; 12], vec![4, 6, 6, 2], vec![0; 30]].concat();
        assert_eq!(found(&twice), (Vec::new(), 2));
    }

    #[test]
    fn an_outage_within_a_partial_one_stays_whole() {
        let (stretches, left) = found(&[third(100), vec![6; 40], third(100)].concat());
        assert_eq!((stretches.len(), left), (2, 1), "{stretches:?}");
        assert!(stretches[0].past <= 100 && stretches[1].first >= 140);
    }

    #[test]
    fn a_few_failures_here_and_there_are_no_outage() {
        let seldom: Vec<u32> = (0..600).map(|at| u32::from(at % 7 == 0)).collect();
        assert_eq!(found(&seldom), (Vec::new(), 0));
        // A quarter is, though no window has most of them failed.
        let quarter: Vec<u32> =
            (0..600).map(|at| if (200..400).contains(&at) { 1 + (at % 2) as u32 } else { 0 }).collect();
        let (stretches, _) = found(&quarter);
        assert_eq!(stretches.iter().map(|s| (s.first, s.past)).collect::<Vec<_>>(), [(200, 400)]);
    }

    #[test]
    fn troubles_far_apart_are_two() {
        let (stretches, _) = found(&[third(100), vec![0; 150], third(100)].concat());
        assert_eq!(stretches.len(), 2, "{stretches:?}");
    }
}
