//! Draws every chart and page of the sample runs: `cargo run -p reports --example gallery -- DIR [NAME...]`.

#[path = "../tests/sample/mod.rs"]
mod sample;
#[path = "../tests/sample/sweeps.rs"]
mod sweeps;

use reports::sweep::{Axis, Cell, Figures, Sweep};
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().unwrap_or_else(|| "target/gallery".into()));
    let wanted: Vec<String> = arguments.collect();
    let mut records = sample::cases::all();
    if wanted.iter().any(|name| name == "hour") {
        records.push(sample::cases::hour());
    }
    for record in records.iter().filter(|r| wanted.is_empty() || wanted.contains(&r.scenario)) {
        let report = reports::analyse(record);
        let dir = dir.join(&record.scenario);
        reports::write(&dir, &report, record, &reports::Beside::default(), true)?;
        println!("{}", reports::summary(&report, &dir, 100, false));
    }
    for (name, sweep) in sweeps::all() {
        if !wanted.is_empty() && !wanted.iter().any(|w| w == name || w == "sweeps") {
            continue;
        }
        let dir = dir.join("sweeps").join(name);
        std::fs::create_dir_all(&dir)?;
        for chart in reports::sweep::draw(&sweep) {
            std::fs::write(dir.join(format!("{}.svg", chart.name)), chart.svg())?;
            std::fs::write(dir.join(format!("{}.png", chart.name)), chart.png())?;
        }
    }
    Ok(())
}
