//! Batch work: what the papers on MapReduce and Spark say of stragglers, and of memory that is lost.

use super::lab::{Lab, Run, Study};
use super::row::{Findings, Place, Row};
use super::stats;

const SECTION: u32 = 12;

/// The rows of the section.
///
/// # Errors
/// What is wrong with a file, or the first run that broke a safety rule.
pub fn rows(lab: &Lab) -> Result<Findings, String> {
    let mut rows = sort(lab)?;
    rows.extend(k_means(lab)?);
    Ok(rows.into())
}

/// Dean and Ghemawat 2004, section 5: 891 s, and 1283 s without backup tasks; what a backup costs is that nobody waits.
fn sort(lab: &Lab) -> Result<Vec<Row>, String> {
    let file = "mapreduce/sort-scaled";
    let took = |set: &[&str]| {
        let set: Vec<String> = set.iter().map(|set| (*set).to_owned()).collect();
        let ours = lab.ask(&Study { file, set: &set, seeds: 10, trace: false }, |run| run.metric("makespan"))?;
        let ours: Vec<f64> = ours.into_iter().flatten().collect();
        Ok::<_, String>((stats::mean(&ours), ours.len() as u64))
    };
    let (well, _) = took(&["system.slow_workers=[]"])?;
    let (backups, runs) = took(&[])?;
    let (none, _) = took(&["system.backups=false"])?;
    let row = |figure: &str, published: &str, ours: f64, band: &str, is: bool, set: &str| Row {
        section: SECTION,
        figure: figure.to_owned(),
        published: published.to_owned(),
        ours: format!("{:+.1} %", 100.0 * (ours - 1.0)),
        band: band.to_owned(),
        place: Place::inside(is),
        runs,
        file: format!("{file} {set}").trim_end().to_owned(),
    };
    let (off, on) = (none / backups, backups / well);
    Ok(vec![
        row(
            "MapReduce, sort: without backup tasks",
            "+44 % (1283 s, 891 s)",
            off,
            "+30 % to +60 %",
            (1.3..=1.6).contains(&off),
            "system.backups=false",
        ),
        row("MapReduce, sort: a slow machine, with backup tasks", "none", on, "at most +5 %", on <= 1.05, ""),
    ])
}

/// Zaharia et al. 2012, figure 11: 119 s, 57 s for most of the others, 81 s for the one in which a machine dies.
fn k_means(lab: &Lab) -> Result<Vec<Row>, String> {
    let file = "spark/k-means-75";
    let of = |run: &Run| (run.metric("first_over_steady"), run.metric("worst_over_steady"));
    let ours = lab.ask(&Study { file, set: &[], seeds: 10, trace: false }, of)?;
    let runs = ours.len() as u64;
    let first = stats::mean(&ours.iter().filter_map(|(first, _)| *first).collect::<Vec<_>>());
    let worst = stats::mean(&ours.iter().filter_map(|(_, worst)| *worst).collect::<Vec<_>>());
    let row = |figure: &str, published: String, ours: f64, (low, high): (f64, f64)| Row {
        section: SECTION,
        figure: figure.to_owned(),
        published,
        ours: format!("{ours:.2}"),
        band: format!("{low} to {high}"),
        place: Place::inside((low..=high).contains(&ours)),
        runs,
        file: file.to_owned(),
    };
    let steady = 57.0;
    Ok(vec![
        row(
            "Spark, k-means: the first iteration over the others",
            format!("{:.2} (119 s, 57 s)", 119.0 / steady),
            first,
            (1.8, 2.3),
        ),
        row(
            "Spark, k-means: the iteration in which a machine dies",
            format!("{:.2} (81 s, 57 s)", 81.0 / steady),
            worst,
            (1.2, 1.6),
        ),
    ])
}
