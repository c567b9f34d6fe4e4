//! Whose fault it was: a request that took too long is followed down the graph, along what slots waited for.

use super::graph::ServiceId;
use super::open::Spent;

/// How deep a graph is followed.
const DEEPEST: u32 = 32;

/// Adds `share` of the blame for a service that was slow: to itself for what its slots did, and to whom they waited
/// for, in these proportions, and so on down the graph.
pub(super) fn spread(spent: &[Spent], service: ServiceId, share: f64, blame: &mut [f64]) {
    follow(spent, service, share, DEEPEST, blame);
}

fn follow(spent: &[Spent], service: ServiceId, share: f64, deeper: u32, blame: &mut [f64]) {
    let this = &spent[usize::from(service.0)];
    let all = this.own as f64 + this.calls.values().map(|time| *time as f64).sum::<f64>();
    // What is less than that decides nothing, and would be followed for long.
    if all <= 0.0 || deeper == 0 || share < 1e-3 {
        blame[usize::from(service.0)] += share;
        return;
    }
    blame[usize::from(service.0)] += share * this.own as f64 / all;
    for (to, time) in &this.calls {
        follow(spent, *to, share * *time as f64 / all, deeper - 1, blame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blame_goes_where_the_time_went() {
        let calls = |to: u16, time: u64| [(ServiceId(to), time)].into_iter().collect();
        let spent = [
            Spent { own: 10, calls: calls(1, 90) },
            Spent { own: 20, calls: calls(2, 80) },
            Spent { own: 100, ..Spent::default() },
        ];
        let mut blame = [0.0; 3];
        spread(&spent, ServiceId(0), 10.0, &mut blame);
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(near(blame[0], 1.0) && near(blame[1], 1.8) && near(blame[2], 7.2), "{blame:?}");
    }
}
