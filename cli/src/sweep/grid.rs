//! Reads the scenario of every cell of a grid, or says everything that is wrong with any of them, each thing once.

use scenarios::sweep::{Cell, Plan};
use scenarios::{Diagnostics, Override, Registry, Scenario};
use std::path::Path;

/// Every cell's scenario, in the plan's order.
pub fn load(registry: &Registry, file: &Path, set: &[String], plan: &Plan) -> Result<Vec<Scenario>, Diagnostics> {
    let set: Vec<Override> = set.iter().map(Override::new).collect();
    let read = |values: &Cell| {
        let varied = plan.axes().iter().map(|axis| format!("{}={}", axis.key, values[&axis.key]));
        let overrides: Vec<Override> =
            set.iter().cloned().chain(varied.map(|text| Override::from_flag("--vary", text))).collect();
        scenarios::load(file, &overrides, registry)
    };
    // Each value of each axis once, before all combinations: a bad value is in very many of them.
    let first = &plan.cells()[0];
    let each = plan.axes().iter().flat_map(|axis| {
        axis.values.iter().map(|value| {
            let mut cell = first.clone();
            cell.insert(axis.key.clone(), value.clone());
            cell
        })
    });
    all(each.map(|cell| read(&cell)))?;
    all(plan.cells().iter().map(read))
}

fn all(readings: impl Iterator<Item = Result<Scenario, Diagnostics>>) -> Result<Vec<Scenario>, Diagnostics> {
    let mut good = Vec::new();
    let mut bad: Option<Diagnostics> = None;
    for reading in readings {
        match (reading, &mut bad) {
            (Ok(scenario), _) => good.push(scenario),
            (Err(problems), Some(bad)) => bad.absorb(problems),
            (Err(problems), None) => bad = Some(problems),
        }
    }
    bad.map_or(Ok(good), Err)
}
