//! Transports: what RFC 6298, Mathis and arithmetic say of datagrams and of hosted TCP, and what Linux did in a black hole.

use super::lab::{Lab, Run, Study};
use super::row::{Findings, Place, Row};
use super::stats;
use sim_core::Fate;

const SECTION: u32 = 14;
/// When the black hole begins.
const CUT_NS: u64 = 10_000_000_000;
/// Payload of a segment at an MTU of 1500, and the round trip of the bulk transfer in seconds.
const MSS: f64 = 1460.0;
const ROUND_TRIP: f64 = 0.1;
/// What one write of the bulk transfer takes of the stream: its value and what is said beside it.
const WRITE: f64 = 65_448.0;
/// Linux 6.18, both directions black-holed for so long, and how long after the cut's beginning bytes arrived again.
const LINUX: [(u64, f64); 6] = [(1, 1.193), (3, 3.674), (5, 7.226), (10, 13.697), (20, 27.167), (30, 54.508)];

/// How long after the first lost segment each of the others was sent again, in seconds, each burst once.
fn expiries(run: &Run) -> Vec<f64> {
    let data = |line: &&reports::trace::Line| line.from.as_deref() == Some("c1");
    let first = run.lines(CUT_NS, "segment_lost").find(|line| data(&line)).map_or(0, |line| line.at_ns);
    let mut times: Vec<f64> = run
        .lines(first, "sent again")
        .filter(|line| data(&line))
        .map(|line| (line.at_ns - first) as f64 / 1e9)
        .collect();
    times.dedup_by(|later, earlier| *later - *earlier < 0.05);
    times
}

fn expiry_rows(lab: &Lab, rows: &mut Vec<Row>) -> Result<(), String> {
    let laws: [(&str, &str, f64, &[f64], &str); 2] = [
        ("RFC 6298, least time-out 1 s", "1s", 0.01, &[1.0, 3.0, 7.0, 15.0, 31.0], "60s"),
        ("Linux 6.18", "200ms", 0.10, &[0.21, 0.63, 1.47, 3.15, 6.51, 13.23, 26.67, 53.55], "60s"),
    ];
    for (who, least, share, expected, cut) in laws {
        let set = vec![format!("network.tcp.min_rto={least}"), format!("fault.0.duration={cut}")];
        let study = Study { file: "transports/expiries", set: &set, seeds: 1, trace: true };
        let ours = lab.ask(&study, expiries)?.remove(0);
        for (number, expected) in expected.iter().enumerate() {
            let ours = ours.get(number).copied().unwrap_or(f64::NAN);
            let inside = (ours - expected).abs() <= expected * share;
            // smoltcp's greatest time-out is 60 times its least, and that of Linux 600 times.
            let bound = !inside && number >= 7;
            rows.push(Row {
                section: SECTION,
                figure: format!("{who}: a segment is sent again, time {}", number + 1),
                published: format!("{expected:.2} s"),
                ours: format!("{ours:.3} s"),
                band: match bound {
                    true => "no wait of smoltcp is longer than 60 times its least".to_owned(),
                    false => format!("{:.0} %", share * 100.0),
                },
                place: if bound { Place::Explained } else { Place::inside(inside) },
                runs: 1,
                file: format!("transports/expiries {}", set.join(" ")),
            });
        }
    }
    Ok(())
}

/// When bytes arrive again after a cut, beside trials of Linux.
fn black_hole_rows(lab: &Lab, rows: &mut Vec<Row>) -> Result<(), String> {
    for (cut, linux) in LINUX {
        let set = vec![format!("fault.0.duration={cut}s")];
        let study = Study { file: "transports/expiries", set: &set, seeds: 1, trace: false };
        let resumed = |run: &Run| {
            let served = run.record.ops.iter().filter(|op| op.outcome == Fate::Ok && op.invoke_ns > CUT_NS);
            served.map(|op| (op.return_ns - CUT_NS) as f64 / 1e9).fold(f64::INFINITY, f64::min)
        };
        let ours = lab.ask(&study, resumed)?.remove(0);
        let inside = (ours - linux).abs() <= linux * 0.10;
        let why = match cut {
            30 => "no wait of smoltcp is longer than 60 times its least",
            _ => "Linux starts its timer anew with each new segment until its window is full; smoltcp with the first",
        };
        rows.push(Row {
            section: SECTION,
            figure: format!("Linux 6.18: black hole of {cut} s, until bytes arrive again"),
            published: format!("{linux:.2} s"),
            ours: format!("{ours:.2} s"),
            band: if inside { "10 %".to_owned() } else { format!("10 %; {why}") },
            // What the reasons explain is a factor of less than two.
            place: match ours / linux {
                _ if inside => Place::Inside,
                0.5..=2.0 => Place::Explained,
                _ => Place::Outside,
            },
            runs: 1,
            file: format!("transports/expiries {}", set.join(" ")),
        });
    }
    Ok(())
}

/// Mathis, Semke, Mahdavi and Ott (CCR 1997): rate = MSS / RTT * sqrt(3/2) / sqrt(p), with an acknowledgement a segment.
fn mathis_rows(lab: &Lab, rows: &mut Vec<Row>) -> Result<(), String> {
    let constant = 1.5_f64.sqrt();
    let mut points = Vec::new();
    let losses: &[f64] = if lab.is_short() { &[1e-3, 1e-2] } else { &[1e-4, 3e-4, 1e-3, 3e-3, 1e-2] };
    for p in losses {
        let set = vec![format!("network.link.0.loss={}%", p * 100.0)];
        let study = Study { file: "transports/bulk", set: &set, seeds: 4, trace: false };
        let rate = |run: &Run| {
            let (from, to) = (run.record.measure_from_ns, run.record.measure_to_ns);
            let done = run.record.ops.iter().filter(|op| op.outcome == Fate::Ok && (from..to).contains(&op.return_ns));
            done.count() as f64 * WRITE / ((to - from) as f64 / 1e9)
        };
        let rates = lab.ask(&study, rate)?;
        let mean = stats::mean(&rates);
        let ours = mean * ROUND_TRIP * p.sqrt() / MSS;
        points.push((libm::log(*p), libm::log(mean)));
        let room = constant * 0.15 * if lab.is_short() { 1.5 } else { 1.0 };
        rows.push(Row {
            section: SECTION,
            figure: format!("Mathis' constant at a loss of {p}"),
            published: format!("{constant:.3}"),
            ours: format!("{ours:.3}"),
            band: format!("\u{b1} {room:.3}"),
            place: Place::inside((ours - constant).abs() <= room),
            runs: rates.len() as u64,
            file: format!("transports/bulk {}", set.join(" ")),
        });
    }
    let (x, y): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
    let (x, y) = (stats::mean(&x), stats::mean(&y));
    let slope = points.iter().map(|(a, b)| (a - x) * (b - y)).sum::<f64>()
        / points.iter().map(|(a, _)| (a - x).powi(2)).sum::<f64>();
    let room = if lab.is_short() { 0.1 } else { 0.05 };
    rows.push(Row {
        section: SECTION,
        figure: "Mathis' slope: rate over loss".to_owned(),
        published: "-0.500".to_owned(),
        ours: format!("{slope:.3}"),
        band: format!("\u{b1} {room:.2}"),
        place: Place::inside((slope + 0.5).abs() <= room),
        runs: 4 * points.len() as u64,
        file: "transports/bulk".to_owned(),
    });
    Ok(())
}

/// A request and its answer, each a datagram that is lost with probability `p`.
fn datagram_rows(lab: &Lab, rows: &mut Vec<Row>) -> Result<(), String> {
    for p in [0.01, 0.05, 0.2] {
        let set = vec![format!("network.client.loss={}%", p * 100.0)];
        let study = Study { file: "transports/request-answer", set: &set, seeds: 150, trace: false };
        let of = |run: &Run| {
            let all = || run.record.ops.iter().filter(|op| !op.probe && op.invoke_ns >= run.record.measure_from_ns);
            (all().count() as u64, all().filter(|op| op.outcome == Fate::Ok).count() as u64)
        };
        let counts = lab.ask(&study, of)?;
        let (asked, served) = counts.iter().fold((0, 0), |(a, s), (asked, ok)| (a + asked, s + ok));
        let expected = (1.0_f64 - p).powi(2);
        let (low, high) = stats::binomial_band(asked, expected, 0.001);
        rows.push(Row {
            section: SECTION,
            figure: format!("UDP: request and answer arrive, each lost with {p}"),
            published: format!("{expected:.4}"),
            ours: format!("{:.4}", served as f64 / asked as f64),
            band: format!("{:.4}..{:.4}", low as f64 / asked as f64, high as f64 / asked as f64),
            place: Place::inside((low..=high).contains(&served)),
            runs: counts.len() as u64,
            file: format!("transports/request-answer {}", set.join(" ")),
        });
    }
    Ok(())
}

/// The rows of the section.
///
/// # Errors
/// What is wrong with a file, or the first run that broke a safety rule.
pub fn rows(lab: &Lab) -> Result<Findings, String> {
    let mut rows = Vec::new();
    expiry_rows(lab, &mut rows)?;
    black_hole_rows(lab, &mut rows)?;
    mathis_rows(lab, &mut rows)?;
    datagram_rows(lab, &mut rows)?;
    Ok(rows.into())
}
