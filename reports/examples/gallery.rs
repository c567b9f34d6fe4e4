//! Draws every chart and page of the sample runs: `cargo run -p reports --example gallery -- DIR [NAME...]`.

#[path = "../tests/sample/mod.rs"]
mod sample;

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
        reports::write(&dir, &report, record, None, true)?;
        println!("{}", reports::summary(&report, &dir, 100, false));
    }
    Ok(())
}
