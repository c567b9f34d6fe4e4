//! The charts of a report, each as SVG and as PNG from one drawing.

mod activity;
mod anatomy;
mod availability;
mod fonts;
mod frame;
mod latency;
mod load;
mod messages;
mod palette;
mod place;
mod render;
mod scale;
mod scene;
mod witness;

use crate::latency::Histograms;
use crate::report::Report;
use crate::series;
use crate::witness::Witness;
use scene::Scene;
use sim_core::record::RunRecord;

/// One chart, ready to be rendered.
#[derive(Clone, Debug)]
pub struct Chart {
    /// The name of its files, without extension.
    pub name: &'static str,
    /// What it shows, for a heading and for readers who can not see it.
    pub title: &'static str,
    scene: Scene,
}

impl Chart {
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

/// Draws all charts of a run.
#[must_use]
pub fn draw(report: &Report, record: &RunRecord) -> Vec<Chart> {
    let served = series::served_over_time(record, 700);
    let activity = series::activity(record, 240);
    let histograms = Histograms::of(record);
    vec![
        Chart { name: "availability", title: "Availability over time", scene: availability::draw(report, &served) },
        Chart { name: "activity", title: "Throughput and latency over time", scene: activity::draw(report, &activity) },
        Chart { name: "outages", title: "Anatomy of the worst outages", scene: anatomy::draw(report) },
        Chart { name: "latency", title: "Latency distribution", scene: latency::draw(report, &histograms) },
        Chart { name: "load", title: "Load per node", scene: load::draw(report) },
        Chart { name: "messages", title: "Messages by kind", scene: messages::draw(report) },
    ]
}

/// Draws the contradiction in a history that is not linearizable, with the faults of that moment.
#[must_use]
pub fn draw_witness(witness: &Witness, report: Option<&Report>) -> Chart {
    let faults = report.map_or(&[][..], |report| &report.faults);
    let scene = witness::draw(witness, faults);
    Chart { name: "linearizability", title: "Why the history is not linearizable", scene }
}

#[cfg(test)]
#[path = "../../tests/sample/mod.rs"]
mod sample;

#[cfg(test)]
mod tests {
    use super::sample::cases;
    use super::*;

    #[test]
    fn no_text_overlaps_another_or_leaves_the_page() {
        for record in cases::all() {
            for chart in draw(&crate::analyse(&record), &record) {
                let texts: Vec<_> = chart.scene.texts().collect();
                for (i, a) in texts.iter().enumerate() {
                    let place = a.bounds();
                    let inside = place.left >= 0.0 && place.right <= scene::WIDTH && place.bottom <= chart.scene.height;
                    assert!(inside, "{} {}: {a:?}", record.scenario, chart.name);
                    for b in &texts[i + 1..] {
                        assert!(!place.overlaps(&b.bounds()), "{} {}: {a:?} on {b:?}", record.scenario, chart.name);
                    }
                }
            }
        }
    }

    #[test]
    fn a_chart_is_the_same_every_time() {
        let record = cases::short();
        let report = crate::analyse(&record);
        for (a, b) in draw(&report, &record).iter().zip(&draw(&report, &record)) {
            assert_eq!(a.svg(), b.svg());
        }
    }
}
