//! The years of the hazards: which component fails when.

use super::Situation;
use crate::scenario::{Hazard, HazardLaw, HazardOf, Scenario, WEEK, Window};
use sim_core::{NodeId, Purpose, Rng, node_ids};
use std::collections::BTreeMap;

/// Seconds of a year.
pub const YEAR: f64 = 365.25 * 86_400.0;

/// Something that fails by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// The hazard that it belongs to, by number.
    pub hazard: usize,
    /// What it is.
    pub of: HazardOf,
    /// Which of its kind: a member or a zone, by number.
    pub index: u16,
    /// Mean time between a repair and the next failure, seconds.
    pub every: f64,
    /// Mean time to repair, seconds.
    pub repair: f64,
    /// How the times between are spread.
    pub law: HazardLaw,
    /// When it may happen.
    pub window: Option<Window>,
}

/// Everything that the hazards of a scenario are about.
#[must_use]
pub fn components(scenario: &Scenario) -> Vec<Component> {
    let of = |(hazard, h): (usize, &Hazard)| -> Vec<Component> {
        let indices: Vec<u16> = match h.of {
            HazardOf::Machine | HazardOf::Link | HazardOf::Disk => {
                members(scenario).map(|node| node.0 as u16).collect()
            }
            HazardOf::Zone => (0..scenario.cluster.zones.len() as u16).collect(),
            HazardOf::Deploy => vec![0],
        };
        let one = |index| Component {
            hazard,
            of: h.of,
            index,
            every: h.every.as_secs_f64(),
            repair: h.repair.as_secs_f64(),
            law: h.law,
            window: h.window,
        };
        indices.into_iter().map(one).collect()
    };
    scenario.hazards.iter().enumerate().flat_map(of).collect()
}

/// The members of its cluster.
pub(super) fn members(scenario: &Scenario) -> impl Iterator<Item = NodeId> {
    let shape = scenario.cluster.shape();
    node_ids(scenario.cluster.nodes()).filter(move |node| shape.is_member(*node))
}

impl Component {
    /// Whether it is over as soon as it has happened, as far as the years are concerned.
    fn is_moment(&self) -> bool {
        self.of == HazardOf::Deploy
    }

    /// Whether it is down at a moment nobody chose.
    fn is_down(&self, rng: &mut Rng) -> bool {
        !self.is_moment() && uniform(rng) < self.repair / (self.every + self.repair)
    }

    /// When it fails next, of one that has just come back, or was up before the year began. Years begin at any moment
    /// of a week, `phase` seconds after its first.
    fn next_failure(&self, luck: &mut Rng, before: Option<f64>, phase: f64) -> f64 {
        let Some(window) = self.window else {
            return before.unwrap_or(0.0) + self.until_failure(luck, before.is_none());
        };
        let waits = |due: f64, luck: &mut Rng| due + window.wait(phase + due, || uniform(luck));
        if let Some(before) = before {
            return waits(before + self.until_failure(luck, false).max(self.repair), luck);
        }
        // What waits for windows has a past, too: when it was last due depends on the windows before.
        let mut next = -AGES * (self.every + WEEK);
        while next <= 0.0 {
            next = waits(next + self.until_failure(luck, false).max(self.repair), luck);
        }
        next
    }

    /// Time until it fails, of one that has just come back, or has been up since nobody knows when.
    fn until_failure(&self, rng: &mut Rng, first: bool) -> f64 {
        match self.law {
            HazardLaw::Exponential => -self.every * libm::log(uniform(rng)),
            HazardLaw::Fixed if first => self.every * uniform(rng),
            HazardLaw::Fixed => self.every,
            HazardLaw::Weibull(shape) => {
                let shape = f64::from(shape) / 1000.0;
                let scale = self.every / libm::tgamma(1.0 + 1.0 / shape);
                let mut life = || scale * libm::pow(-libm::log(uniform(rng)), 1.0 / shape);
                if !first {
                    return life();
                }
                // One that has been up since nobody knows when has an age, and this law asks for it.
                let mut left = -AGES * self.every;
                while left <= 0.0 {
                    left += life();
                }
                left
            }
        }
    }
}

/// Of how many mean lives the past is made up of which a component has its age.
const AGES: f64 = 20.0;

/// Above 0, up to 1.
fn uniform(rng: &mut Rng) -> f64 {
    ((rng.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

/// Something changed, and then nothing for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Number of the situation, as it was first seen.
    pub situation: u32,
    /// Seconds until the next change, or the end of the year.
    pub lasts: f64,
}

/// Many years, one after another.
#[derive(Clone, Debug, Default)]
pub struct Years {
    /// All changes.
    pub changes: Vec<Change>,
    /// Where each year begins in them, and the end.
    pub begins: Vec<usize>,
}

impl Years {
    /// Draws years of `length` years each; situations that are new get the next number.
    #[must_use]
    pub fn draw(
        components: &[Component],
        (seed, count, length): (u64, usize, f64),
        situations: &mut BTreeMap<Situation, u32>,
    ) -> Self {
        let mut years = Self { changes: Vec::new(), begins: vec![0] };
        for year in 0..count {
            // What a cluster has less, or more, leaves the luck of the others as it is.
            let which = |c: &Component| ((c.hazard as u64) << 48) | ((year as u64) << 16) | u64::from(c.index);
            let mut lucks: Vec<Rng> = components.iter().map(|c| Rng::stream(seed, Purpose::Report, which(c))).collect();
            let week = Rng::stream(seed, Purpose::Report, (0xffff << 48) | ((year as u64) << 16));
            years.one(components, (&mut lucks, week), length * YEAR, situations);
            years.begins.push(years.changes.len());
        }
        years
    }

    fn one(
        &mut self,
        components: &[Component],
        (lucks, mut week): (&mut [Rng], Rng),
        end: f64,
        situations: &mut BTreeMap<Situation, u32>,
    ) {
        let phase = WEEK * uniform(&mut week);
        let mut down: Vec<u16> = Vec::new();
        let mut next: Vec<f64> = Vec::with_capacity(components.len());
        for (i, (component, luck)) in components.iter().zip(lucks.iter_mut()).enumerate() {
            if component.is_down(luck) {
                down.push(i as u16);
                next.push(-component.repair * libm::log(uniform(luck)));
            } else {
                next.push(component.next_failure(luck, None, phase));
            }
        }
        let mut at = 0.0;
        let mut situation = Situation { down: down.clone(), change: None };
        while at < end {
            let soonest = (0..next.len()).min_by(|a, b| next[*a].total_cmp(&next[*b]));
            let until = soonest.map_or(end, |i| next[i].min(end));
            let number = situations.len() as u32;
            let number = *situations.entry(situation).or_insert(number);
            self.changes.push(Change { situation: number, lasts: until - at });
            at = until;
            let Some(i) = soonest.filter(|_| until < end) else { return };
            let (component, luck, key) = (&components[i], &mut lucks[i], i as u16);
            let before = down.clone();
            let fails = match down.iter().position(|c| *c == key) {
                Some(place) => {
                    down.remove(place);
                    next[i] = component.next_failure(luck, Some(at), phase);
                    false
                }
                None if component.is_moment() => {
                    next[i] = component.next_failure(luck, Some(at), phase).max(at + component.repair);
                    true
                }
                None => {
                    down.push(key);
                    down.sort_unstable();
                    next[i] = at - component.repair * libm::log(uniform(luck));
                    true
                }
            };
            situation = Situation { down: before, change: Some((key, fails)) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(index: u16, every: f64, repair: f64, law: HazardLaw) -> Component {
        Component { hazard: 0, of: HazardOf::Machine, index, every, repair, law, window: None }
    }

    /// Share of time in which at least `k` are down.
    fn down(components: &[Component], k: usize) -> f64 {
        let mut situations = BTreeMap::new();
        let years = Years::draw(components, (7, 4_000, 1.0), &mut situations);
        let mut of: Vec<usize> = vec![0; situations.len()];
        for (Situation { down, change }, number) in situations {
            of[number as usize] =
                change.map_or(down.len(), |(_, fails)| if fails { down.len() + 1 } else { down.len() - 1 });
        }
        let time: f64 = years.changes.iter().filter(|c| of[c.situation as usize] >= k).map(|c| c.lasts).sum();
        time / (4_000.0 * YEAR)
    }

    #[test]
    fn repairable_units_are_down_as_the_closed_forms_have_it() {
        let day = 86_400.0;
        for law in [HazardLaw::Exponential, HazardLaw::Weibull(700), HazardLaw::Fixed] {
            let one = down(&[component(0, 10.0 * day, day, law)], 1);
            assert!((one * 11.0 - 1.0).abs() < 0.02, "{law:?}: {one}");
            // Lives far longer than a year: of most, a year sees the middle.
            let rare = down(&[component(0, 900.0 * day, 90.0 * day, law)], 1);
            assert!((rare * 11.0 - 1.0).abs() < 0.06, "{law:?}: {rare}");
        }
        let five: Vec<Component> = (0..5).map(|i| component(i, 10.0 * day, day, HazardLaw::Exponential)).collect();
        let u = 1.0 / 11.0_f64;
        let binomial = |k: i32, ways: f64| ways * u.powi(k) * (1.0 - u).powi(5 - k);
        let expected = binomial(3, 10.0) + binomial(4, 5.0) + binomial(5, 1.0);
        let found = down(&five, 3);
        assert!((found / expected - 1.0).abs() < 0.02, "{found} {expected}");
    }

    #[test]
    fn a_component_less_leaves_the_luck_of_the_others() {
        let all: Vec<Component> = (0..3).map(|i| component(i, 1e6, 1e4, HazardLaw::Exponential)).collect();
        let failures = |components: &[Component]| {
            let mut situations = BTreeMap::new();
            let years = Years::draw(components, (1, 50, 1.0), &mut situations);
            let fails: Vec<u32> =
                situations.iter().filter(|(s, _)| s.change == Some((0, true))).map(|(_, number)| *number).collect();
            years.changes.iter().filter(|c| fails.contains(&c.situation)).count()
        };
        assert_eq!(failures(&all), failures(&all[..2]));
        // Nor does another hazard of less.
        let other = |number| Component { hazard: 1, ..component(number, 2e6, 1e4, HazardLaw::Exponential) };
        let first = [all[0].clone(), other(0)];
        let after = [all[0].clone(), all[1].clone(), all[2].clone(), other(0)];
        let of = |components: &[Component], last: u16| {
            let mut situations = BTreeMap::new();
            let years = Years::draw(components, (1, 50, 1.0), &mut situations);
            let fails = |n: u32| situations.iter().any(|(s, m)| *m == n && s.change == Some((last, true)));
            years.changes.iter().filter(|c| fails(c.situation)).count()
        };
        assert_eq!(of(&first, 1), of(&after, 3));
        assert!(failures(&all) > 100);
    }

    /// Deploys of a year, on average.
    fn deploys(every: f64, law: HazardLaw, window: &str) -> f64 {
        let window = Some(Window::parse(window).expect("a window"));
        let deploy = Component { of: HazardOf::Deploy, window, ..component(0, every, 2.0, law) };
        let years = Years::draw(&[deploy], (3, 4_000, 1.0), &mut BTreeMap::new());
        (years.changes.len() - 4_000) as f64 / 4_000.0
    }

    #[test]
    fn deploys_wait_for_their_windows_as_the_closed_forms_have_it() {
        let day = 86_400.0;
        let weeks = YEAR / WEEK;
        let short = "Sun 02:00..02:01";
        let exponential = HazardLaw::Exponential;
        for (every, law, window, expected) in [
            // One a week is one a window; what is due on a Wednesday or every day waits until Sunday.
            (7.0, HazardLaw::Fixed, "Sun 02:00..04:00", weeks),
            (10.0, HazardLaw::Fixed, short, weeks / 2.0),
            (1.0, HazardLaw::Fixed, short, weeks),
            // Of exponential times, so many windows have one due since the window before.
            (7.0, exponential, short, weeks * (1.0 - libm::exp(-1.0))),
            (3.5, exponential, short, weeks * (1.0 - libm::exp(-2.0))),
            (1.0, exponential, "Mon..Fri 09:00..09:01", {
                // Between two windows there is a day, or a weekend of three.
                let work = 4.0 * (1.0 - libm::exp(-1.0)) + (1.0 - libm::exp(-3.0));
                weeks * work
            }),
            // A window that is always open is none.
            (7.0, exponential, "00:00..24:00", weeks),
        ] {
            let found = deploys(every * day, law, window);
            assert!((found / expected - 1.0).abs() < 0.02, "{every} {law:?} {window}: {found} for {expected}");
        }
    }

    #[test]
    fn deploys_are_within_their_windows() {
        let window = Window::parse("Sat,Sun 22:00..24:00").expect("a window");
        let deploy =
            Component { of: HazardOf::Deploy, window: Some(window), ..component(0, 3e5, 2.0, HazardLaw::Fixed) };
        let mut luck = Rng::stream(1, Purpose::Report, 1);
        let (phase, mut at) = (1e5, None);
        for _ in 0..500 {
            let next = deploy.next_failure(&mut luck, at, phase);
            assert!(next > at.unwrap_or(0.0));
            let week = (phase + next).rem_euclid(WEEK);
            let hours = (week % 86_400.0) / 3_600.0;
            assert!(week >= 5.0 * 86_400.0 && hours >= 22.0, "{week}");
            at = Some(next);
        }
    }
}
