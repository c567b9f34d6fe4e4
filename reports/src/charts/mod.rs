//! The charts of runs, of sweeps and of comparisons, each as SVG and as PNG from one drawing.

mod across;
mod activity;
mod along;
mod anatomy;
mod availability;
mod bug_probability;
pub(crate) mod compare;
mod curve;
mod cycle;
mod distributions;
mod fonts;
mod frame;
mod gantt;
mod goodput;
mod heat_map;
mod keys_moved;
mod latency;
mod load;
mod messages;
mod palette;
mod place;
mod render;
mod scale;
mod scene;
mod spread;
pub(crate) mod sweep;
mod timed;
mod witness;
mod work_over_time;

use crate::measure::{curves, latency::Histograms, series};
use crate::report::{BugProbability, Cycle, Distributions, Report, Witness};
use crate::units::capitalised;
use scene::Scene;
use sim_core::record::RunRecord;

/// One chart, ready to be rendered.
#[derive(Clone, Debug)]
pub struct Chart {
    /// The name of its files, without extension.
    pub name: String,
    /// What it shows, for a heading and for readers who can not see it.
    pub title: String,
    /// What a system says of it, for those that systems ask for.
    pub(crate) about: String,
    /// Which of those it is: `recovery`, `track` or `curve`; empty for all others.
    pub(crate) group: &'static str,
    scene: Scene,
}

impl Chart {
    pub(crate) fn new(name: &str, title: &str, scene: Scene) -> Self {
        Self { name: name.into(), title: title.into(), about: String::new(), group: "", scene }
    }

    fn of_system(group: &'static str, (name, title, about): (&str, &str, &str), scene: Scene) -> Self {
        let name = format!("{group}-{name}");
        Self { group, about: capitalised(about), ..Self::new(&name, &capitalised(title), scene) }
    }

    /// As SVG, 1600 pixels wide, readable without fonts installed.
    #[must_use]
    pub fn svg(&self) -> String {
        render::svg(&self.scene)
    }

    /// As PNG, 1600 x 900 pixels, for slides.
    #[must_use]
    pub fn png(&self) -> Vec<u8> {
        render::png(&self.scene)
    }
}

/// Draws all charts of a run for which it measured something.
#[must_use]
pub fn draw(report: &Report, record: &RunRecord) -> Vec<Chart> {
    let (activity, (served, histograms)) = rayon::join(
        || series::activity(record, 240),
        || (series::served_over_time(record, report, 700), Histograms::of(record)),
    );
    // What there is nothing to show of is left out.
    let a = &report.availability;
    let (asked, down, answered) = (a.operations > 0, !a.outages.is_empty(), report.latency.all.count > 0);
    let loaded = report.carriers().any(|node| node.requests > 0);
    let usual = [
        (true, "availability", "Availability over time", availability::draw(report, &served)),
        (asked, "activity", "Throughput and latency over time", activity::draw(report, &activity)),
        (down, "outages", "Anatomy of the worst outages", anatomy::outages(report)),
        (answered, "latency", "Latency distribution", latency::draw(report, &histograms)),
        (loaded, "load", "Load per node", load::draw(report)),
        (report.messages.sent > 0, "messages", "Messages by kind", messages::draw(report)),
    ];
    let usual = usual.into_iter().filter(|(is_there, ..)| *is_there);
    let usual = usual.map(|(_, name, title, scene)| Chart::new(name, title, scene));
    let measured = [
        ("goodput", "Goodput against offered load", goodput::draw(report)),
        ("load-over-time", "Load over time", work_over_time::draw(report, record)),
        ("keys-moved", "Keys moved, before and after", keys_moved::draw(report)),
    ];
    let some = measured.into_iter().filter_map(|(name, title, scene)| Some(Chart::new(name, title, scene?)));
    let recoveries = report.recoveries.iter().filter(|r| !r.all.is_empty()).map(|r| {
        let title = format!("Anatomy of {}s", r.kind.one);
        Chart { group: "recovery", ..Chart::new(&r.kind.list, &title, anatomy::recoveries(report, r)) }
    });
    let tracks = report.tracks.iter().filter_map(|track| {
        let told = (&*track.name, &*track.title, &*track.about);
        Some(Chart::of_system("track", told, gantt::draw(report, track)?))
    });
    let curves = curves::of(record);
    let curves = curves.iter().filter_map(|curve| {
        let told = (&*curve.kind.name, &*curve.kind.title, &*curve.kind.about);
        Some(Chart::of_system("curve", told, curve::draw(report, curve)?))
    });
    usual.chain(recoveries).chain(some).chain(tracks).chain(curves).collect()
}

/// Draws how likely failure was over the time of a run.
#[must_use]
pub fn draw_bug_probability(bisected: &BugProbability) -> Chart {
    Chart::new("bug-probability", "When the run became doomed", bug_probability::draw(bisected))
}

/// Draws the contradiction in a history that is not linearizable, with the faults of that moment.
#[must_use]
pub fn draw_witness(witness: &Witness, report: Option<&Report>) -> Chart {
    let faults = report.map_or(&[][..], |report| &report.faults);
    let scene = witness::draw(witness, faults);
    Chart::new("linearizability", "Why the history is not linearizable", scene)
}

/// Draws transactions that wait for each other.
#[must_use]
pub fn draw_cycle(cycle: &Cycle) -> Chart {
    Chart::new("cycle", "Why the transactions have no order", cycle::draw(cycle))
}

/// Draws two panels of cumulative distributions; `name` is that of the files.
#[must_use]
pub fn draw_distributions(name: &str, what: &Distributions) -> Chart {
    Chart::new(name, "Cumulative distributions", distributions::draw(what))
}

#[cfg(test)]
#[path = "../../tests/sample/mod.rs"]
mod sample;
#[cfg(test)]
#[path = "../../tests/sample/sweeps.rs"]
mod sweeps;
#[cfg(test)]
use crate::sweeps::{Axis, Cell, Figures, Sweep};

#[cfg(test)]
mod tests {
    use super::sample::cases;
    use super::*;

    fn readable(name: &str, chart: &Chart) {
        let texts: Vec<_> = chart.scene.texts().collect();
        for (i, a) in texts.iter().enumerate() {
            let place = a.bounds();
            let inside = place.left >= 0.0 && place.right <= scene::WIDTH && place.bottom <= chart.scene.height;
            assert!(inside, "{name} {}: {a:?}", chart.name);
            // What the bundled font has for sure.
            let known =
                |c: char| c.is_ascii() || "\u{b7}\u{d7}\u{b5}\u{2013}\u{2026}\u{2212}\u{2264}\u{2265}".contains(c);
            assert!(a.text.chars().all(known), "{name} {}: {a:?}", chart.name);
            for b in &texts[i + 1..] {
                assert!(!place.overlaps(&b.bounds()), "{name} {}: {a:?} on {b:?}", chart.name);
            }
        }
    }

    #[test]
    fn the_charts_of_sweeps_are_readable_and_escaped() {
        for (name, sweep) in sweeps::all() {
            for chart in sweep::draw(&sweep) {
                readable(name, &chart);
                assert!(!chart.svg().contains("<script"), "{name} {}", chart.name);
            }
        }
    }

    #[test]
    fn the_charts_of_comparisons_are_readable() {
        use crate::comparison::{Comparison, RunFigures, Side};
        let side = |label: &str| Side {
            label: label.into(),
            file: String::new(),
            title: String::new(),
            system: String::new(),
            held: 0,
            failed: 0,
            inconclusive: 0,
            bugs: 0,
            broken: Vec::new(),
            failing_seeds: Vec::new(),
        };
        let run = |ms: u64| -> RunFigures {
            let outage = (ms * 1_000_000) as f64;
            let figures =
                [("total_outage_ns", outage), ("longest_outage_ns", outage), ("availability", 1.0 - ms as f64 / 1e6)];
            figures.map(|(name, value)| (name.to_owned(), value)).into()
        };
        type Pair = fn(u64) -> (u64, u64);
        let cases: [(&str, u64, Pair); 7] = [
            ("b better", 200, |i| (500 + i, 300 + i * 2 % 37)),
            ("a better", 200, |i| (100, 130 + i)),
            ("mixed", 200, |i| (1000, 500 + i * 5)),
            ("equal", 50, |_| (300, 300)),
            ("an outlier", 100, |i| (300, if i == 7 { 900_000 } else { 290 + i % 20 })),
            ("one", 1, |_| (5, 7)),
            ("none", 0, |_| (0, 0)),
        ];
        let long = "a-very-long-scenario-name-that-does-not-end-where-one-would-think";
        for (name, n, pair) in cases {
            let pairs: Vec<_> = (0..n).map(pair).map(|(a, b)| (run(a), run(b))).collect();
            let c = Comparison::of("1..200".into(), (side("old"), side(long)), Vec::new(), &[], &pairs);
            for chart in compare::draw(&c) {
                readable(name, &chart);
            }
        }
    }

    #[test]
    fn distributions_are_readable_whatever_they_are() {
        use crate::report::{Curve, Panel};
        let panel = |curves: usize, step: f64| Panel {
            name: "a panel whose name says at some length in what its curves differ".into(),
            curves: (1..=curves)
                .map(|i| Curve {
                    name: format!("{i}00\u{2013}{i}50 ms"),
                    ours: (1..=50).map(|n| f64::from(n) * step * i as f64).collect(),
                    theirs: (1..=20).map(|n| if n < 15 { f64::from(n) * step } else { f64::INFINITY }).collect(),
                })
                .collect(),
        };
        for panels in [[panel(6, 1e7), panel(4, 1e6)], [panel(1, 1.0), panel(6, 1e9)], [panel(0, 1.0), panel(2, 1e3)]] {
            let (finding, about, axis) = ("A finding".into(), "about something".into(), "time".into());
            let chart = draw_distributions("x", &Distributions { finding, about, axis, panels });
            readable("distributions", &chart);
        }
    }

    #[test]
    fn no_text_overlaps_another_or_leaves_the_page() {
        for record in cases::all() {
            for chart in draw(&crate::measure::analyse(&record), &record) {
                readable(&record.scenario, &chart);
            }
        }
    }
}
