//! Atomic commit: how many messages a commit takes, and how often and for how long it blocks.

use super::lab::{Lab, Study};
use super::row::{Findings, Place, Row};
use super::stats;

const SECTION: u32 = 11;

/// The rows of the section.
///
/// # Errors
/// What is wrong with a file, or the first run that broke a safety rule.
pub fn rows(lab: &Lab) -> Result<Findings, String> {
    let mut rows = messages(lab)?;
    rows.extend(blocking(lab)?);
    Ok(rows.into())
}

/// Gray and Lamport 2006, section 5, with the first participant's vote folded in: 3N-1, (N+1)(F+3)-4, N(2F+3)-1. At F=0
/// all are equal.
fn messages(lab: &Lab) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for (protocol, name) in
        [("2pc", "two-phase commit"), ("paxos", "Paxos Commit"), ("faster-paxos", "Faster Paxos Commit")]
    {
        let faults: &[u32] = if protocol == "2pc" { &[0] } else { &[1, 0] };
        for f in faults {
            for n in [2, 3, 5] {
                let published = match protocol {
                    "2pc" => 3 * n - 1,
                    "paxos" => (n + 1) * (f + 3) - 4,
                    _ => n * (2 * f + 3) - 1,
                };
                let set = [
                    format!("system.protocol={protocol}"),
                    format!("system.f={f}"),
                    format!("system.steps={n}"),
                    format!("system.spread={n}"),
                ];
                let file = "commit/messages";
                let study = Study { file, set: &set, seeds: 2, trace: false };
                let ours = lab.ask(&study, |run| run.metric("commit_messages").unwrap_or(f64::NAN))?;
                let mean = stats::mean(&ours);
                let of = if protocol == "2pc" { String::new() } else { format!(", F = {f}") };
                rows.push(Row {
                    section: SECTION,
                    figure: format!("messages of {name}, {n} participants{of}"),
                    published: published.to_string(),
                    ours: format!("{mean:.3}"),
                    band: "exact".to_owned(),
                    place: Place::inside((mean - f64::from(published)).abs() < 0.0005),
                    runs: ours.len() as u64,
                    file: format!("{file} {}", set.join(" ")),
                });
            }
        }
    }
    Ok(rows)
}

/// A transaction is blocked if its coordinator crashes in the window from asking for votes, after which somebody will vote
/// yes and be in doubt, to the decision; and until it is repaired.
fn blocking(lab: &Lab) -> Result<Vec<Row>, String> {
    const TO_A_FAILURE: f64 = 10.0;
    const REPAIR: f64 = 3.0;
    let file = "commit/blocking";
    let ask = |set: &[String]| {
        let study = Study { file, set, seeds: 40, trace: false };
        lab.ask(&study, |run| {
            let of = |name| run.metric(name).unwrap_or(f64::NAN);
            (of("voted_on"), of("blocked"), of("decision_time") / 1e9, of("blocked_time") / 1e9)
        })
    };
    let ours = ask(&[])?;
    let voted: f64 = ours.iter().map(|run| run.0).sum();
    let blocked: f64 = ours.iter().map(|run| run.1).sum();
    let window = ours.iter().map(|run| run.0 * run.2).sum::<f64>() / voted.max(1.0);
    let expected = 1.0 - libm::exp(-window / TO_A_FAILURE);
    let (least, most) = stats::binomial_band(voted as u64, expected, 0.01);
    let lasted = ours.iter().map(|run| run.1 * run.3).sum::<f64>() / blocked.max(1.0);
    // Repairs are spread exponentially: their mean is known as well as so many of them tell.
    let room = 0.05 * REPAIR + lab.room(3.3 * REPAIR / blocked.max(1.0).sqrt());
    let row = |figure: &str, published: String, ours_is: String, band: String, is: bool, set: &[String]| Row {
        section: SECTION,
        figure: figure.to_owned(),
        published,
        ours: ours_is,
        band,
        place: Place::inside(is),
        runs: ours.len() as u64,
        file: format!("{file} {}", set.join(" ")),
    };
    let mut rows = vec![
        row(
            "two-phase commit: share of transactions blocked, 1 - exp(-window / mean time to a failure)",
            format!("{expected:.5}"),
            format!("{:.5}", blocked / voted.max(1.0)),
            format!("{least} to {most} of {voted}"),
            (least..=most).contains(&(blocked as u64)),
            &[],
        ),
        row(
            "two-phase commit: blocked for, s: the mean time to repair",
            format!("{REPAIR:.2}"),
            format!("{lasted:.2}"),
            format!("\u{b1} {room:.2}"),
            (lasted - REPAIR).abs() <= room,
            &[],
        ),
    ];
    let set = ["system.protocol=paxos".to_owned()];
    let others = ask(&set)?;
    let many: f64 = others.iter().map(|run| run.1).sum();
    let shorter = others.iter().map(|run| run.1 * run.3).sum::<f64>() / many.max(1.0);
    rows.push(row(
        "Paxos Commit: blocked for, s: less than it takes to repair a coordinator",
        format!("< {REPAIR:.2}"),
        format!("{shorter:.2}"),
        "as published".to_owned(),
        shorter < REPAIR,
        &set,
    ));
    Ok(rows)
}
