//! What is wrong in a run without being a fault: links that are too slow for what is asked over them, and clients that
//! may not ask as much as they would because all that they may have outstanding waits.

use crate::Scenario;
use crate::scenario::{Pace, Workload};
use sim_core::measures::Condition;
use sim_core::record::OpRecord;
use sim_core::{Duration, Instant};

/// The zones between which a round trip of a client takes half of what an operation may take, or more.
pub(super) fn slow_links(scenario: &Scenario, end: Instant) -> Vec<Condition> {
    let zones = &scenario.cluster.zones;
    let median =
        |from: u16, to: u16| scenario.network.client.apply(scenario.network.zone_link(from, to)).latency.median();
    let pairs = (0..zones.len() as u16).flat_map(|from| (from..zones.len() as u16).map(move |to| (from, to)));
    let slow = pairs.filter_map(|(from, to)| {
        let there_and_back = median(from, to) + median(to, from);
        if there_and_back.times(2) < scenario.probe.timeout {
            return None;
        }
        let (a, b) = (&zones[usize::from(from)], &zones[usize::from(to)]);
        let place = if from == to { format!("within zone {a}") } else { format!("between zones {a} and {b}") };
        let may = scenario.probe.timeout;
        Some(Condition {
            kind: "slow_link".to_owned(),
            label: format!("slow links {place}: {there_and_back} there and back, of {may} that an operation may take"),
            from_ns: 0,
            to_ns: end.0,
            ..Condition::default()
        })
    });
    slow.collect()
}

/// A moment of waiting is no limit: clients are looked at in windows of so many nanoseconds.
const WINDOW: u64 = 1_000_000_000;

/// The times in which clients of closed loops had all operations under way that they may have, and those took half as
/// long as an operation may take, or longer: what they ask for then is decided by their limit.
pub(super) fn client_limits(scenario: &Scenario, ops: &[OpRecord], end: Instant) -> Vec<Condition> {
    let mut found = Vec::new();
    let mut first = 1;
    for workload in &scenario.workloads {
        let clients = first..first + workload.clients;
        first = clients.end;
        if let Pace::Closed { think, outstanding } = workload.pace {
            let limit = u64::from(workload.clients) * u64::from(outstanding);
            let its = ops.iter().filter(|op| clients.contains(&op.client));
            found.extend(limited(scenario, workload, (limit, think), its, end));
        }
    }
    found
}

fn limited<'a>(
    scenario: &Scenario,
    workload: &Workload,
    (limit, think): (u64, Duration),
    ops: impl Iterator<Item = &'a OpRecord>,
    end: Instant,
) -> Vec<Condition> {
    // Of each window: how many operations began, how long those were under way in it that began or ended in it, and by
    // how many the number of those changes that are under way all through it.
    let windows = (end.0 / WINDOW) as usize + 2;
    let (mut begun, mut within, mut change) = (vec![0_u64; windows], vec![0_u64; windows], vec![0_i64; windows + 1]);
    for op in ops {
        let place = |at: u64| ((at / WINDOW) as usize).min(windows - 1);
        let (from, to) = (place(op.invoke_ns), place(op.return_ns));
        begun[from] += 1;
        if from == to {
            within[from] += op.return_ns - op.invoke_ns;
        } else {
            within[from] += WINDOW - op.invoke_ns % WINDOW;
            within[to] += op.return_ns % WINDOW;
            change[from + 1] += 1;
            change[to] -= 1;
        }
    }
    let mut through = 0_i64;
    let full: Vec<bool> = (0..windows)
        .map(|i| {
            through += change[i];
            let under_way = within[i] + through.unsigned_abs() * WINDOW;
            under_way * 100 >= limit * WINDOW * 97
        })
        .collect();
    let mut found = Vec::new();
    let mut from = 0;
    while from < windows {
        let past = (from..windows).find(|i| full[*i] != full[from]).unwrap_or(windows);
        let length = (past - from) as u64 * WINDOW;
        let began: u64 = begun[from..past].iter().sum();
        // By Little's law: so many under way, so many a second, so long each.
        let slow =
            u128::from(limit) * u128::from(length) * 2 >= u128::from(began) * u128::from(scenario.probe.timeout.0);
        let per_second = |count: u64, ns: u64| count as f64 * 1e9 / ns as f64;
        // Who asks less than once a second has given out long work, and waits for its end.
        let asks = think == Duration::ZERO || per_second(limit, think.0) >= 1.0;
        if full[from] && slow && asks {
            found.push(Condition {
                kind: "client_limit".to_owned(),
                label: format!("the clients' limit of {limit} outstanding operations"),
                from_ns: from as u64 * WINDOW,
                to_ns: (past as u64 * WINDOW).min(end.0).min(workload.stop.0),
                capacity_per_second: Some(per_second(began, length)),
                // Who does not think would ask without end.
                offered_per_second: (think > Duration::ZERO).then(|| per_second(limit, think.0)),
                ..Condition::default()
            });
        }
        from = past;
    }
    found
}
