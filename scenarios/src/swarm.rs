//! Swarm testing: each seed switches some kinds of faults off and draws how often and how long the others come.
//!
//! A test that does everything at once hides what only happens when something does not (Groce et al., "Swarm Testing",
//! ISSTA 2012). Drawing is pure: the scenario it gives has no swarm left, and is what the run folder keeps.

use crate::Scenario;
use crate::scenario::{Change, Plan, Scale, Swarm};
use sim_core::fault::{CutClients, Fault};
use sim_core::hash::Mixer;
use sim_core::{Duration, Purpose, Rng};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Out of this many seeds that would have no fault at all, one keeps it that way.
const NOTHING: u64 = 16;

/// What one seed has drawn.
#[derive(Clone, Debug)]
pub struct Draw {
    /// The scenario with the drawn faults and settings, and no swarm.
    pub scenario: Scenario,
    /// Every kind of fault there is, and whether it is on.
    pub kinds: BTreeMap<String, bool>,
    /// The settings: key and value.
    pub settings: Vec<(String, String)>,
}

impl Scenario {
    /// The scenario that a run with this seed is made of: itself, or what the seed draws of its swarm.
    #[must_use]
    pub fn drawn(&self, seed: u64) -> Cow<'_, Self> {
        self.draw(seed).map_or(Cow::Borrowed(self), |draw| Cow::Owned(draw.scenario))
    }

    /// What the seed draws of the swarm, if there is one.
    #[must_use]
    pub fn draw(&self, seed: u64) -> Option<Draw> {
        let swarm = self.swarm.as_ref()?;
        let kinds = kinds(&self.faults, swarm, seed);
        let mut scenario = self.clone();
        scenario.swarm = None;
        scenario.faults.retain(|plan| kinds[&kind(&plan.fault)]);
        for plan in &mut scenario.faults {
            let mut rng = stream(seed, &format!("fault {}", plan.id));
            let (weight, length) = (swarm.weight.draw(&mut rng), swarm.length.draw(&mut rng));
            scale(plan, weight, length);
        }
        let mut settings = Vec::new();
        for choice in &swarm.choices {
            let Some(setting) = stream(seed, &format!("key {}", choice.key)).pick(&choice.among) else { continue };
            settings.push((choice.key.clone(), setting.text.clone()));
            match &setting.change {
                Change::Option(key, value) => drop(scenario.options.insert(key.clone(), value.clone())),
                Change::Link(change) => scenario.network.base = change.apply(scenario.network.base),
                Change::Sync(sync) => scenario.disk.sync = sync.clone(),
                Change::SyncFail(fail) => scenario.disk.fail = *fail,
                Change::SyncsAtOnce(at_once) => scenario.disk.at_once = *at_once,
            }
        }
        Some(Draw { scenario, kinds, settings })
    }
}

/// A stream for everything that is drawn, named, so that what is added or removed leaves the rest alone.
fn stream(seed: u64, name: &str) -> Rng {
    let mut mixer = Mixer::default();
    mixer.bytes(name.as_bytes());
    Rng::stream(seed, Purpose::Swarm, mixer.finish())
}

/// Which kinds of faults are on. Rarely none.
fn kinds(faults: &[Plan], swarm: &Swarm, seed: u64) -> BTreeMap<String, bool> {
    let mut kinds = BTreeMap::new();
    // Of the kinds that are off, the one that would be the last.
    let mut last: Option<(u64, String)> = None;
    for plan in faults {
        let name = kind(&plan.fault);
        let mut rng = stream(seed, &format!("kind {name}"));
        let on = !rng.chance(swarm.off);
        last = last.max(Some((rng.next_u64(), name.clone())));
        kinds.insert(name, on);
    }
    if let Some((_, name)) = last
        && kinds.values().all(|on| !on)
        && stream(seed, "nothing").below(NOTHING) != 0
    {
        kinds.insert(name, true);
    }
    kinds
}

/// What a swarm switches on and off: finer than [`Fault::kind`] where a kind has shapes that test different things.
#[must_use]
pub fn kind(fault: &Fault) -> String {
    let detail = match fault {
        Fault::Crash { on_crash } => on_crash.name(),
        Fault::Partition { clients: CutClients::Only, .. } => "clients",
        Fault::Partition { shape, .. } => shape.name(),
        Fault::Clock(change) => change.name(),
        Fault::Disk(change) => change.name(),
        Fault::Membership(change) => change.name(),
        Fault::Packet { change, .. } => {
            let parts = [
                ("loss", !change.loss.is_never()),
                ("delay", change.delay.is_some()),
                ("duplicate", !change.duplicate.is_never()),
                ("reorder", !change.reorder.is_never()),
                ("corrupt", !change.corrupt.is_never()),
                ("rate", change.rate > 0),
                ("burst", change.burst.is_some()),
            ];
            let parts: Vec<&str> = parts.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
            return format!("packet ({})", parts.join(", "));
        }
        Fault::Pause | Fault::Slow { .. } => return fault.kind().to_owned(),
    };
    format!("{} ({detail})", fault.kind())
}

/// Makes a fault come `weight` thousandths as often and last `length` thousandths as long.
fn scale(plan: &mut Plan, weight: u64, length: u64) {
    let longer = |d: Duration| Duration(share(d.0, length, 1000));
    plan.duration = plan.duration.map(longer);
    if let Some(every) = &mut plan.every {
        *every =
            Duration(share(every.0, 1000, weight)).max(plan.duration.unwrap_or(Duration::ZERO) + Duration::millis(1));
    }
    if let Some(process) = &mut plan.process {
        process.mtbf = Duration(share(process.mtbf.0, 1000, weight));
        process.mttr = process.mttr.map(longer);
    }
}

/// `value * times / of`, at least 1.
fn share(value: u64, times: u64, of: u64) -> u64 {
    u64::try_from(u128::from(value) * u128::from(times) / u128::from(of.max(1))).unwrap_or(u64::MAX).max(1)
}

impl Scale {
    /// A factor in thousandths: the logarithm is uniform, in software arithmetic that is the same on every machine.
    fn draw(self, rng: &mut Rng) -> u64 {
        let place = f64::from(rng.next_u32()) / f64::from(u32::MAX);
        let (lo, hi) = (f64::from(self.lo), f64::from(self.hi));
        (lo * libm::exp(place * libm::log(hi / lo))).round().clamp(lo, hi) as u64
    }
}
