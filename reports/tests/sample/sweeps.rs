//! Made-up sweeps: what their charts must bear.

use super::{Axis, Cell, Figures, Sweep};
use sim_core::{Purpose, Rng};

/// All of them, with a name each.
pub fn all() -> Vec<(&'static str, Sweep)> {
    let nodes = ("cluster.nodes", vec!["3", "5", "7"]);
    let timeouts = ("system.election_timeout", vec!["50ms..100ms", "150ms..300ms", "1s..2s"]);
    let long = "system.a_very_long_option_name_that_goes_on_and_on.and_has_another_part_that_is_long_too";
    let numbers = |n: u64| (1..=n).map(|i| (i * 50).to_string() + "ms").collect::<Vec<_>>();
    vec![
        ("plain", sweep(1000, vec![], 1.0)),
        ("heavy-tail", sweep(10_000, vec![], 60.0)),
        ("one-seed", sweep(1, vec![], 1.0)),
        ("all-equal", sweep(50, vec![], 0.0)),
        ("nothing-measured", Sweep::new("s".into(), "1".into(), vec![], vec![Cell::default()])),
        ("numeric", sweep(200, vec![axis("fault.0.duration", &["100ms", "200ms", "500ms", "1s", "2s", "5s"])], 1.0)),
        ("categorical", sweep(200, vec![axis("system.pre_vote", &["true", "false"])], 1.0)),
        ("ranges", sweep(200, vec![axis(timeouts.0, &timeouts.1)], 1.0)),
        ("grid-3x3", sweep(100, vec![axis(timeouts.0, &timeouts.1), axis(nodes.0, &nodes.1)], 1.0)),
        ("grid-10x10", {
            let values = numbers(10);
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            sweep(20, vec![axis(long, &values), axis("network.loss", &values)], 30.0)
        }),
        ("grid-30x40", {
            let (a, b) = (numbers(30), numbers(40));
            let (a, b): (Vec<&str>, Vec<&str>) =
                (a.iter().map(String::as_str).collect(), b.iter().map(String::as_str).collect());
            sweep(3, vec![axis("a.b", &a), axis("c.d", &b)], 1.0)
        }),
        ("hundred-values", {
            let values = numbers(100);
            sweep(30, vec![axis("disk.sync", &values.iter().map(String::as_str).collect::<Vec<_>>())], 1.0)
        }),
        (
            "three-axes",
            sweep(
                10,
                vec![
                    axis(timeouts.0, &timeouts.1),
                    axis(nodes.0, &nodes.1),
                    axis("disk.sync", &["1ms", "<script>alert(1)</script> & \"more\""]),
                ],
                1.0,
            ),
        ),
        (
            "long-names",
            sweep(
                10,
                vec![axis(
                    long,
                    &[
                        "{ dist = \"lognormal\", median = \"2ms\", p99 = \"12ms\" }",
                        "{ dist = \"lognormal\", median = \"20ms\", p99 = \"120ms\" }",
                    ],
                )],
                1.0,
            ),
        ),
    ]
}

fn axis(key: &str, values: &[&str]) -> Axis {
    Axis { key: key.to_owned(), values: values.iter().map(|v| (*v).to_owned()).collect() }
}

/// `wild` is how far the worst runs are from the others; at 0 all are equal.
fn sweep(runs: u64, axes: Vec<Axis>, wild: f64) -> Sweep {
    let cells: usize = axes.iter().map(|a| a.values.len()).product();
    let cells = (0..cells as u64).map(|c| {
        let mut cell = Cell::default();
        for seed in 1..=runs {
            let mut rng = Rng::stream(seed, Purpose::Report, c);
            let mut draw = || rng.below(1 << 20) as f64 / f64::from(1 << 20);
            let (a, b, none) = (draw(), draw(), draw());
            let outage = 1e8
                * (1.0 + wild.min(1.0) * (c as f64 * 0.7 + 3.0 * a * a) + if b > 0.97 { wild * 20.0 * a } else { 0.0 });
            let outage = if none < 0.1 && wild > 0.0 { 0.0 } else { outage };
            let failed = wild > 0.0 && b > 0.99 - 0.05 * (c % 4) as f64;
            cell.add(failed, Figures { longest_outage_ns: Some(outage as u64), fraction: Some(1.0 - outage / 1e11) });
        }
        cell
    });
    let cells: Vec<Cell> = cells.collect();
    Sweep::new("raft-sample".into(), format!("1..{runs}"), axes, cells)
}
