//! Puts the years and what comes of their situations together.

use super::Ask;
use scenarios::Scenario;
use scenarios::forecast::{Component, Situation, Years};
use serde::Serialize;
use sim_core::{Purpose, Rng};
use std::collections::BTreeMap;

/// What one run of a situation came to.
#[derive(Clone, Copy, Debug)]
pub struct Effect {
    /// Seconds down after the change that are over whatever else stays down.
    pub passing: f64,
    /// The share that stays down until the next change.
    pub steady: f64,
    /// Whether acknowledged writes were lost.
    pub loses: bool,
    /// Whether a rule was broken.
    pub broke: bool,
}

impl Effect {
    /// Seconds down until the next change, which comes after so many.
    fn down(self, lasts: f64) -> f64 {
        (self.passing + self.steady * lasts).min(lasts)
    }
}

/// Of nobody knows what, the worst is assumed.
const UNKNOWN: Effect = Effect { passing: 0.0, steady: 1.0, loses: false, broke: false };

/// The years that would be.
pub struct Variant {
    /// Without a hazard.
    pub without: Years,
    /// With its repair in half the time; a deploy has none.
    pub sooner: Option<Years>,
}

/// What a forecast comes to. Times are seconds down in the time that was asked for.
#[derive(Debug, Serialize)]
pub struct Forecast {
    /// The scenario.
    pub scenario: String,
    /// Of how many years each sample is.
    pub years: f64,
    /// How many of them were drawn.
    pub samples: usize,
    /// Situations that were simulated, and all their runs.
    pub situations: usize,
    /// See there.
    pub runs: usize,
    /// Runs in which a rule was broken: a design that is wrong has no forecast.
    pub broken: usize,
    /// Expected time down.
    pub down: f64,
    /// Its 95 % interval: of the draw of the years and of the simulations together.
    pub low: f64,
    /// See there.
    pub high: f64,
    /// `-log10` of the share of time down; nothing where it never is.
    pub nines: Option<f64>,
    /// Half of the samples are down for no longer, 90 %, 99 %, and the worst.
    pub quantiles: [f64; 4],
    /// Probability that acknowledged writes are lost.
    pub loses: f64,
    /// What was counted as down because nobody simulated it.
    pub unknown: f64,
    /// Each hazard.
    pub hazards: Vec<Part>,
    /// Of each sample the expected time down, for a difference over the same samples.
    #[serde(skip)]
    pub of_samples: Vec<f64>,
    /// The variance of the expected time down that is of the simulations, not of the years.
    #[serde(skip)]
    pub of_runs: f64,
}

/// What a hazard is to blame for.
#[derive(Debug, Serialize)]
pub struct Part {
    /// Of what.
    pub of: &'static str,
    /// How many things there are that fail so.
    pub components: usize,
    /// How often one does, in the time that was asked for.
    pub failures: f64,
    /// Time down after its failures and repairs.
    pub down: f64,
    /// What would be saved if it never happened, and if it were repaired in half the time.
    pub saves_without: f64,
    /// See there.
    pub saves_sooner: Option<f64>,
}

impl Forecast {
    /// As one JSON object.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("numbers and names are JSON");
        text.push('\n');
        text
    }
}

/// What a change comes to until the next one, on average over the runs of its situation.
fn expected(runs: &[Effect], lasts: f64) -> f64 {
    let all = runs.iter().map(|effect| effect.down(lasts)).sum::<f64>();
    if runs.is_empty() { lasts } else { all / runs.len() as f64 }
}

fn mean(of: &[f64]) -> f64 {
    of.iter().sum::<f64>() / of.len().max(1) as f64
}

/// The variance of one of them.
pub fn variance(of: &[f64]) -> f64 {
    let mean = mean(of);
    of.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (of.len().max(2) - 1) as f64
}

/// Does the sums.
pub fn weigh(
    ask: Ask,
    scenario: &Scenario,
    components: &[Component],
    whole: &Years,
    variants: &[Variant],
    situations: &BTreeMap<Situation, u32>,
    effects: &[Vec<Effect>],
) -> Forecast {
    let samples = ask.samples as f64;
    let mut change = vec![None; situations.len()];
    situations.iter().for_each(|(situation, number)| change[*number as usize] = situation.change);
    let mut rng = Rng::stream(scenario.seed, Purpose::Report, u64::MAX);
    let (mut totals, mut of_samples) = (Vec::with_capacity(ask.samples), Vec::with_capacity(ask.samples));
    let (mut unknown, mut losing) = (0.0, 0.0);
    let mut parts = vec![(0.0, 0_u64); scenario.hazards.len()];
    // Of each situation what every run of it would make of the years.
    let mut by_run: Vec<Vec<f64>> = effects.iter().map(|runs| vec![0.0; runs.len()]).collect();
    for year in whole.begins.windows(2) {
        let (mut total, mut expects) = (0.0, 0.0);
        for at in &whole.changes[year[0]..year[1]] {
            let number = at.situation as usize;
            let runs = &effects[number];
            for (sum, effect) in by_run[number].iter_mut().zip(runs) {
                *sum += effect.down(at.lasts) / samples;
            }
            let drawn = rng.pick(runs).copied().unwrap_or(UNKNOWN);
            let down = drawn.down(at.lasts);
            total += down;
            expects += expected(runs, at.lasts);
            unknown += if runs.is_empty() { down / samples } else { 0.0 };
            losing += runs.iter().filter(|run| run.loses).count() as f64 / runs.len().max(1) as f64 / samples;
            if let Some((component, fails)) = change[number] {
                let part = &mut parts[components[usize::from(component)].hazard];
                part.0 += down / samples;
                part.1 += u64::from(fails);
            }
        }
        totals.push(total);
        of_samples.push(expects);
    }
    let down = by_run.iter().map(|runs| mean(runs)).sum::<f64>() + unknown;
    let of_years = variance(&totals) / samples;
    let of_runs: f64 = by_run.iter().map(|runs| variance(runs) / runs.len().max(1) as f64).sum();
    let wide = 1.96 * libm::sqrt(of_years + of_runs);
    totals.sort_unstable_by(f64::total_cmp);
    let quantile = |q: f64| totals[((q * (totals.len() - 1) as f64).round()) as usize];
    let of = |years: &Years| -> f64 {
        years.changes.iter().map(|at| expected(&effects[at.situation as usize], at.lasts)).sum::<f64>() / samples
    };
    let hazards = scenario.hazards.iter().enumerate().map(|(number, hazard)| Part {
        of: hazard.of.name(),
        components: components.iter().filter(|c| c.hazard == number).count(),
        failures: parts[number].1 as f64 / samples,
        down: parts[number].0,
        saves_without: down - of(&variants[number].without),
        saves_sooner: variants[number].sooner.as_ref().map(|years| down - of(years)),
    });
    let hazards = hazards.collect();
    let time = ask.years * scenarios::forecast::YEAR;
    Forecast {
        scenario: scenario.name.clone(),
        years: ask.years,
        samples: ask.samples,
        situations: effects.iter().filter(|runs| !runs.is_empty()).count(),
        runs: effects.iter().map(Vec::len).sum(),
        broken: effects.iter().flatten().filter(|effect| effect.broke).count(),
        down,
        low: (down - wide).max(0.0),
        high: down + wide,
        nines: (down > 0.0).then(|| -libm::log10(down / time)),
        quantiles: [0.5, 0.9, 0.99, 1.0].map(quantile),
        loses: 1.0 - libm::exp(-losing),
        unknown,
        hazards,
        of_samples,
        of_runs,
    }
}
