//! Less load: fewer workloads, clients, operations and keys, of simpler kinds, and no probes.

use super::ladder;
use crate::Scenario;
use crate::scenario::{KeySpace, Pace, Rate, Stage, Workload};
use sim_core::{Instant, Probability, ReadsFrom, Routing};

/// The load made simpler in each way.
pub(super) fn simpler(scenario: &Scenario) -> Vec<Scenario> {
    let mut all = Vec::new();
    let asks = |s: &Scenario| s.probe.enabled || !s.workloads.is_empty();
    if scenario.probe.enabled {
        let mut s = scenario.clone();
        s.probe.enabled = false;
        all.push(s);
    }
    for (i, workload) in scenario.workloads.iter().enumerate() {
        let mut s = scenario.clone();
        s.workloads.remove(i);
        all.push(s);
        for other in workloads(workload) {
            let mut s = scenario.clone();
            s.workloads[i] = other;
            all.push(s);
        }
    }
    all.retain(asks);
    all
}

fn workloads(workload: &Workload) -> Vec<Workload> {
    let mut all = Vec::new();
    let mut add = |set: &dyn Fn(&mut Workload)| {
        let mut simpler = workload.clone();
        set(&mut simpler);
        if simpler != *workload {
            all.push(simpler);
        }
    };
    for clients in ladder(workload.clients.into(), 1) {
        add(&|w| w.clients = clients as u32);
    }
    for pace in paces(&workload.pace) {
        add(&|w| w.pace = pace.clone());
    }
    let count = workload.keys.count();
    for count in ladder(count, 1) {
        add(&|w| w.keys = KeySpace::Uniform { count });
    }
    add(&|w| w.keys = KeySpace::Uniform { count });
    add(&|w| w.cas = Probability::NEVER);
    add(&|w| w.deletes = Probability::NEVER);
    add(&|w| w.appends = Probability::NEVER);
    add(&|w| w.reads = Probability::NEVER);
    for at in 0..workload.mix.len() {
        add(&|w| {
            w.mix.remove(at);
            w.mix.iter_mut().for_each(|weight| weight.weight = weight.weight.max(1));
        });
    }
    // Half of the operations read unless a file says otherwise; all of one kind is simpler than any mixture.
    if !workload.reads.is_never() {
        add(&|w| w.reads = Probability::ALWAYS);
    }
    add(&|w| w.value_size = w.value_size.min(16));
    if workload.reads_from != ReadsFrom::Leader {
        add(&|w| w.reads_from = ReadsFrom::Leader);
    }
    if workload.routing == Routing::Random {
        add(&|w| w.routing = Routing::Sticky);
    }
    // Without any, the shares would say it.
    all.retain(|w| w.mix.is_empty() == workload.mix.is_empty());
    all
}

/// Slower paces.
fn paces(pace: &Pace) -> Vec<Pace> {
    /// One operation a second, in millionths.
    const ONE: u64 = 1_000_000;
    match pace {
        Pace::Closed { think, outstanding } => {
            let fewer = ladder((*outstanding).into(), 1).into_iter();
            fewer.map(|n| Pace::Closed { think: *think, outstanding: n as u32 }).collect()
        }
        Pace::Open(stages) => {
            let most = stages.iter().map(Stage::most).max().unwrap_or_default().0;
            let steady = |rate| Pace::Open(vec![Stage { at: Instant::ZERO, rate: Rate(rate), ramp_to: None }]);
            let mut all = Vec::new();
            let changes = stages.len() > 1 || stages.iter().any(|s| s.ramp_to.is_some());
            if changes && most > 0 {
                all.push(steady(most));
            }
            if !changes {
                let slower = [most / 10, most / 4, most / 2, most / 4 * 3].map(|rate| rate / ONE * ONE);
                all.extend(slower.into_iter().filter(|rate| *rate > 0).map(steady));
            }
            all
        }
    }
}
