//! How evenly the work was spread over the nodes.

use super::{moves, queues};
use crate::report::{Load, NodeLoad, Part};
use crate::units::round;
use sim_core::record::{NodeRecord, RunRecord};

/// Measures the spread of a list of loads; 6 digits.
pub(crate) struct Spread {
    pub max_over_mean: f64,
    pub cov: f64,
    pub jain: f64,
    pub gini: f64,
}

impl Spread {
    /// Nothing when there are no nodes or nothing to spread.
    pub(crate) fn of(loads: &[u64]) -> Option<Self> {
        let n = loads.len() as f64;
        let sum: f64 = loads.iter().map(|x| *x as f64).sum();
        if sum == 0.0 {
            return None;
        }
        let mean = sum / n;
        let max = loads.iter().copied().max().unwrap_or(0) as f64;
        let squares: f64 = loads.iter().map(|x| *x as f64 * *x as f64).sum();
        let variance: f64 = loads.iter().map(|x| (*x as f64 - mean) * (*x as f64 - mean)).sum::<f64>() / n;
        let mut sorted = loads.to_vec();
        sorted.sort_unstable();
        // Gini from the ranks: sum((2i - n - 1) x_i) / (n sum x), i from 1.
        let ranked: f64 = sorted.iter().enumerate().map(|(i, x)| (2.0 * (i as f64 + 1.0) - n - 1.0) * *x as f64).sum();
        Some(Self {
            max_over_mean: round(max / mean, 6),
            cov: round(variance.sqrt() / mean, 6),
            jain: round(sum * sum / (n * squares), 6),
            gini: round(ranked / (n * sum), 6),
        })
    }
}

/// The load part of the report.
pub(crate) fn measure(record: &RunRecord) -> Load {
    let time = record.measure_to_ns.saturating_sub(record.measure_from_ns);
    let share = |ns: u64| if time == 0 { 0.0 } else { round(ns as f64 / time as f64, 9) };
    let per_node: Vec<NodeLoad> = record
        .nodes
        .iter()
        .map(|n| NodeLoad {
            node: n.name.clone(),
            zone: record.zones.get(usize::from(n.zone)).cloned().unwrap_or_default(),
            carries: n.carries,
            requests: n.requests,
            answered: n.answered,
            bytes_in: n.bytes_in,
            bytes_out: n.bytes_out,
            messages_in: n.messages_in,
            messages_out: n.messages_out,
            keys: n.keys,
            busy_fraction: share(n.busy_ns),
            disk_busy_fraction: share(n.disk_busy_ns),
            syncs: n.syncs,
            down_ns: n.down_ns,
            probes: n.probes,
        })
        .collect();
    let carriers = || record.nodes.iter().filter(|n| n.carries);
    let spread = |of: fn(&NodeRecord) -> u64| Spread::of(&carriers().map(of).collect::<Vec<_>>());
    let (requests, keys) = (spread(|n| n.requests), spread(|n| n.keys));
    let (bytes, busy) = (spread(|n| n.bytes_in + n.bytes_out), spread(|n| n.busy_ns));
    let figure = |spread: &Option<Spread>, pick: fn(&Spread) -> f64| spread.as_ref().map(pick);
    Load {
        unit: if record.load_unit.is_empty() { "client requests".to_owned() } else { record.load_unit.clone() },
        requests_max_over_mean: figure(&requests, |s| s.max_over_mean),
        requests_cov: figure(&requests, |s| s.cov),
        requests_jain: figure(&requests, |s| s.jain),
        requests_gini: figure(&requests, |s| s.gini),
        keys_max_over_mean: figure(&keys, |s| s.max_over_mean),
        keys_cov: figure(&keys, |s| s.cov),
        keys_jain: figure(&keys, |s| s.jain),
        keys_gini: figure(&keys, |s| s.gini),
        bytes_max_over_mean: figure(&bytes, |s| s.max_over_mean),
        bytes_cov: figure(&bytes, |s| s.cov),
        bytes_jain: figure(&bytes, |s| s.jain),
        bytes_gini: figure(&bytes, |s| s.gini),
        busy_max_over_mean: figure(&busy, |s| s.max_over_mean),
        busy_cov: figure(&busy, |s| s.cov),
        busy_jain: figure(&busy, |s| s.jain),
        busy_gini: figure(&busy, |s| s.gini),
        busy_max: per_node.iter().map(|n| n.busy_fraction).reduce(f64::max),
        keys_moved: moves::moved(record),
        tables: Part(super::tables(record, "load")),
        queues: queues::measure(record),
        per_node,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_load_is_even_by_every_measure() {
        let s = Spread::of(&[7, 7, 7, 7]).unwrap();
        assert_eq!((s.max_over_mean, s.cov, s.jain, s.gini), (1.0, 0.0, 1.0, 0.0));
    }

    #[test]
    fn one_of_four_doing_all_is_the_other_extreme() {
        let s = Spread::of(&[0, 0, 8, 0]).unwrap();
        assert_eq!((s.max_over_mean, s.jain, s.gini), (4.0, 0.25, 0.75));
        assert_eq!(s.cov, 1.732_051);
    }

    #[test]
    fn nothing_has_no_spread() {
        assert!(Spread::of(&[]).is_none());
        assert!(Spread::of(&[0, 0]).is_none());
    }
}
