//! `splitbrain forecast`: how long a design is down in a year, when things fail as often as they do in real life.

mod side_by_side;
mod told;
mod weigh;

use crate::args::{ForecastArgs, Format};
use crate::exit::Exit;
use crate::run::say;
use crate::sweep::{job, workers};
use crate::terminal::say_lines;
use rayon::prelude::*;
use scenarios::forecast::{Component, Situation, Years, components, scenario_of};
use scenarios::scenario::HazardOf;
use scenarios::{Registry, Scenario};
pub use side_by_side::{Design, side_by_side};
use sim_core::Duration;
use sim_core::record::Ruling;
use std::collections::BTreeMap;
use std::path::Path;
use weigh::{Effect, Forecast, Variant};

/// How long is looked at after a change, simulated.
const WINDOW: Duration = Duration::secs(20);
/// Situations that are simulated at most; what is left of the years counts as down.
const MOST: usize = 2_000;

/// One change in more than so many is rare: it is simulated with [`FEWEST`] seeds.
const RARE: u64 = 1_000;
const FEWEST: u32 = 2;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// For so many years.
    pub years: f64,
    /// How many samples of them are drawn.
    pub samples: usize,
    /// With how many seeds each situation is simulated.
    pub runs: u32,
}

/// Runs the command.
pub fn forecast(registry: &Registry, args: &ForecastArgs) -> Exit {
    let Some(scenario) = crate::check::load_all(registry, std::slice::from_ref(&args.file), &args.set) else {
        return Exit::Usage;
    };
    let scenario = &scenario[0];
    let ask = Ask { years: args.years, samples: args.samples, runs: args.runs };
    let problems = problems(ask, [(args.file.as_path(), scenario)]);
    if !problems.is_empty() {
        problems.iter().for_each(|problem| complain!("{problem}"));
        return Exit::Usage;
    }
    let pool = match workers::pool_of(args.jobs) {
        Ok(pool) => pool,
        Err(error) => return error.tell(),
    };
    let made = pool.install(|| make(registry, ask, scenario));
    match args.format {
        Format::Json => say(&made.to_json()),
        Format::Text => say_lines(&told::text(&made, ask)),
    }
    if made.broken > 0 { Exit::Failed } else { Exit::Held }
}

/// Why that cannot be forecast.
fn problems<'a>(ask: Ask, designs: impl IntoIterator<Item = (&'a Path, &'a Scenario)>) -> Vec<String> {
    let without = designs.into_iter().filter(|(_, scenario)| scenario.hazards.is_empty());
    let mut out: Vec<String> = without
        .map(|(file, _)| {
            let example = "[[hazard]]\nof = \"machine\"\nevery = \"120d\"\nrepair = \"4h\"";
            format!("{} has no [[hazard]], so there is nothing to forecast; for example\n\n{example}", file.display())
        })
        .collect();
    if !(ask.years > 0.0 && ask.years <= 100.0) {
        out.push(format!("--years {}: more than 0, at most 100", ask.years));
    }
    out
}

/// The years as they are, and as they would be with each hazard less, or repaired in half the time.
fn make(registry: &Registry, ask: Ask, scenario: &Scenario) -> Forecast {
    let all = components(scenario);
    let mut situations = BTreeMap::new();
    let draw = |components: &[Component], situations: &mut BTreeMap<Situation, u32>| {
        Years::draw(components, (scenario.seed, ask.samples, ask.years), situations)
    };
    let whole = draw(&all, &mut situations);
    let mut variants = Vec::new();
    for (number, hazard) in scenario.hazards.iter().enumerate() {
        // A component keeps its number, and with it its luck: one that never fails is as good as none.
        let changed = |change: &dyn Fn(&mut Component)| {
            let mut changed = all.clone();
            changed.iter_mut().filter(|c| c.hazard == number).for_each(change);
            changed
        };
        let without = draw(&changed(&|c| c.every = f64::MAX / 1e6), &mut situations);
        let sooner = (hazard.of != HazardOf::Deploy).then(|| draw(&changed(&|c| c.repair /= 2.0), &mut situations));
        variants.push(Variant { without, sooner });
    }
    let mut seen = vec![0_u64; situations.len()];
    let years = variants.iter().flat_map(|variant| [Some(&variant.without), variant.sooner.as_ref()]);
    for years in years.flatten().chain([&whole]) {
        years.changes.iter().for_each(|change| seen[change.situation as usize] += 1);
    }
    let effects = measure(registry, ask, scenario, &all, &seen, &situations);
    weigh::weigh(ask, scenario, &all, &whole, &variants, &situations, &effects)
}

/// Simulates the situations that weigh most, each with several seeds.
fn measure(
    registry: &Registry,
    ask: Ask,
    scenario: &Scenario,
    components: &[Component],
    seen: &[u64],
    situations: &BTreeMap<Situation, u32>,
) -> Vec<Vec<Effect>> {
    let all: u64 = seen.iter().sum();
    let mut order: Vec<(&Situation, u32)> = situations.iter().map(|(situation, number)| (situation, *number)).collect();
    order.sort_by_key(|(_, number)| (std::cmp::Reverse(seen[*number as usize]), *number));
    order.truncate(MOST);
    let runs = |number: u32| if seen[number as usize] * RARE < all { FEWEST } else { ask.runs };
    let jobs: Vec<(&Situation, u32, u64)> = order
        .iter()
        .flat_map(|(situation, number)| (0..runs(*number)).map(move |k| (*situation, *number, u64::from(k))))
        .collect();
    let one = |(situation, number, k): &(&Situation, u32, u64)| {
        let scenario = scenario_of(scenario, components, situation, WINDOW);
        (*number, effect(registry, &scenario, scenario.seed.wrapping_add(*k)))
    };
    let measured: Vec<(u32, Effect)> = jobs.par_iter().map(one).collect();
    let mut effects = vec![Vec::new(); situations.len()];
    measured.into_iter().for_each(|(number, effect)| effects[number as usize].push(effect));
    effects
}

/// What comes of one run: its time down after the change, and whether that goes on.
fn effect(registry: &Registry, scenario: &Scenario, seed: u64) -> Effect {
    let report = job::report(registry, scenario, seed);
    let (from, to) = (report.measure_from_ns, report.measure_to_ns);
    let half = from + (to - from) / 2;
    let share = |outage: &reports::Outage| outage.share.unwrap_or(1.0);
    let within = |from: u64, to: u64| -> f64 {
        let of = |o: &reports::Outage| o.end_ns.min(to).saturating_sub(o.start_ns.max(from)) as f64 * share(o);
        report.availability.outages.iter().map(of).sum::<f64>() / 1e9
    };
    let steady = within(half, to) / ((to - half) as f64 / 1e9);
    // What ends within a run is over; only what goes on to its end lasts as long as its cause.
    let goes_on =
        report.availability.outages.last().is_some_and(|outage| outage.end_ns + outage.duration_ns / 10 >= to);
    let steady = if goes_on { steady.min(1.0) } else { 0.0 };
    let passing = (within(from, to) - steady * (to - from) as f64 / 1e9).max(0.0);
    let broke = report.ruling == Ruling::Fail;
    Effect { passing, steady, broke, loses: report.losses.lost_writes.is_some_and(|lost| lost > 0) }
}
