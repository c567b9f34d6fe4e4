//! Laws of elections and of replication that can be worked out, for Raft (dissertation, chapters 3 and 9).

use super::lab::{Lab, Run, Study};
use super::row::{Findings, Place, Row};
use super::stats;
use sim_core::record::Mark;
use sim_core::{Class, Fate};

const SECTION: u32 = 2;
/// Elections of one term, for each probability.
const ELECTIONS: u64 = 20_000;

/// The rows of the section.
///
/// # Errors
/// What is wrong with a file, or the first run that broke a safety rule.
pub fn rows(lab: &Lab) -> Result<Findings, String> {
    let mut rows = Vec::new();
    for case in &CASES {
        rows.extend(elections(lab, case)?);
    }
    rows.extend(isolation(lab)?);
    rows.extend(transfer(lab)?);
    for nodes in [3, 5, 7] {
        rows.extend(steady(lab, &STEADY, nodes)?);
    }
    Ok(rows.into())
}

/// The number behind `name` in a fact as a record tells it.
fn number(mark: &Mark, name: &str) -> Option<u64> {
    let rest = mark.detail.split_once(&format!("{name}: "))?.1;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Servers that start an election together.
struct Case {
    nodes: u32,
    failed: u32,
    /// One-way latency in thousandths of the range of the timeout.
    latency: u32,
    /// Whether the row about the earliest timeout is made from these runs.
    earliest: bool,
}

const fn case(nodes: u32, failed: u32, latency: u32, earliest: bool) -> Case {
    Case { nodes, failed, latency, earliest }
}

const CASES: [Case; 6] = [
    case(5, 1, 10, false),
    case(5, 1, 50, false),
    case(5, 1, 100, true),
    case(5, 1, 200, false),
    case(3, 1, 100, true),
    case(5, 2, 100, true),
];

/// The probability of `k` of `n`, each with probability `p`.
fn binomial(n: u32, k: u32, p: f64) -> f64 {
    let choose = (0..k).fold(1.0, |c, i| c * f64::from(n - i) / f64::from(i + 1));
    choose * p.powi(k as i32) * (1.0 - p).powi((n - k) as i32)
}

fn elections(lab: &Lab, case: &Case) -> Result<Vec<Row>, String> {
    let Case { nodes, failed, latency, earliest } = *case;
    let file = "raft/election";
    let lost: Vec<String> = (1..=failed).map(|node| format!("\"n{node}\"")).collect();
    let set = [
        format!("cluster.nodes={nodes}"),
        // The range is a second.
        format!("network.latency={latency}ms"),
        format!("fault.0.target=[{}]", lost.join(", ")),
    ];
    let study = Study { file, set: &set, seeds: ELECTIONS, trace: false };
    // When the first campaign began, as a share of the range, and whether its term has a leader.
    let of = |run: &Run| {
        let first = run.record.marks.iter().find(|mark| mark.kind == "campaign").expect("somebody campaigns");
        let term = number(first, "term");
        let won = |mark: &Mark| mark.kind == "elected" && number(mark, "term") == term;
        (first.at_ns as f64 / 1e9 - 1.0, run.record.marks.iter().any(won))
    };
    let all = lab.ask(&study, of)?;
    let n = all.len() as u64;
    let split = all.iter().filter(|(_, won)| !won).count() as u64;
    // So many other candidates leave too few voters.
    let (survivors, share) = (nodes - failed, f64::from(latency) / 1000.0);
    let others = survivors - nodes / 2;
    let exact: f64 = (others..=survivors).map(|k| binomial(survivors, k, share)).sum();
    let outside = if lab.is_short() { 0.001 } else { 0.01 };
    let (lo, hi) = stats::binomial_band(n, exact, outside);
    let per = |count: u64| format!("{:.4}", count as f64 / n as f64);
    let row = Row {
        section: SECTION,
        figure: format!("split vote, {failed} of {nodes} lost, latency {share} of the range"),
        published: format!("{exact:.4}"),
        ours: per(split),
        band: format!("{}..{}", per(lo), per(hi)),
        place: Place::inside((lo..=hi).contains(&split)),
        runs: n,
        file: format!("{file} {}", set.join(" ")),
    };
    let mut rows = vec![row];
    if earliest {
        let times: Vec<f64> = all.iter().map(|(at, _)| *at).collect();
        let (s, mean) = (f64::from(survivors), stats::mean(&times));
        // Of the earliest of s uniform times: variance s / ((s+1)^2 (s+2)).
        let exact = 1.0 / (s + 1.0);
        let band = 3.29 * (exact * exact * s / (s + 2.0) / n as f64).sqrt();
        rows.push(Row {
            figure: format!("earliest of {survivors} timeouts, mean share of the range"),
            published: format!("{exact:.4}"),
            ours: format!("{mean:.4}"),
            band: format!("{:.4}..{:.4}", exact - band, exact + band),
            place: Place::inside((mean - exact).abs() <= band),
            ..rows[0].clone()
        });
    }
    Ok(rows)
}

/// What one follower's minute alone did.
struct Isolation {
    /// Leaders that stepped down since.
    stepped_down: usize,
    /// Elections that the follower started alone.
    elections: u64,
    /// How far its term was ahead when it came back.
    ahead: u64,
    /// The last leader's term minus the first one's.
    later: u64,
}

fn isolation(lab: &Lab) -> Result<Vec<Row>, String> {
    let file = "raft/isolated-follower";
    let of = |run: &Run| {
        let [cut] = run.record.faults.as_slice() else { panic!("one fault") };
        let alone = cut.resolved.first().expect("a follower");
        let name = |mark: &Mark| format!("n{}", mark.node + 1) == *alone;
        let terms = |kind: &'static str| run.record.marks.iter().filter(move |mark| mark.kind == kind);
        let term = |mark: &Mark| number(mark, "term").unwrap_or(0);
        let first = terms("elected").filter(|mark| mark.at_ns < cut.start_ns).map(term).next_back().expect("a leader");
        let later = terms("elected").map(term).next_back().expect("a leader");
        let real = |mark: &&Mark| !mark.detail.contains("pre: true");
        let elections = terms("campaign")
            .filter(real)
            .filter(|mark| name(mark) && (cut.start_ns..cut.end_ns).contains(&mark.at_ns));
        let (mut count, mut newest) = (0, first);
        for election in elections {
            count += 1;
            newest = newest.max(term(election));
        }
        Isolation {
            stepped_down: terms("stepped_down").filter(|mark| mark.at_ns >= cut.start_ns).count(),
            elections: count,
            ahead: newest - first,
            later: later - first,
        }
    };
    let mut rows = Vec::new();
    for pre_vote in [false, true] {
        let set = [format!("system.pre_vote={pre_vote}")];
        let all = lab.ask(&Study { file, set: &set, seeds: 200, trace: false }, of)?;
        let with = if pre_vote { "with PreVote" } else { "without PreVote" };
        let new = |what: &str| Row {
            section: SECTION,
            figure: format!("follower alone for 60 s, {with}: {what}"),
            published: String::new(),
            ours: String::new(),
            band: "every run".to_owned(),
            place: Place::Skipped,
            runs: all.len() as u64,
            file: format!("{file} {}", set[0]),
        };
        let ends = |of: &dyn Fn(&Isolation) -> u64| {
            let (least, most) = (all.iter().map(of).min().unwrap_or(0), all.iter().map(of).max().unwrap_or(0));
            if least == most { least.to_string() } else { format!("{least}..{most}") }
        };
        let down = u64::from(!pre_vote);
        rows.push(Row {
            published: down.to_string(),
            ours: ends(&|run| run.stepped_down as u64),
            place: Place::inside(all.iter().all(|run| run.stepped_down as u64 == down)),
            ..new("leaders that step down")
        });
        rows.push(if pre_vote {
            Row {
                published: "0".to_owned(),
                ours: ends(&|run| run.elections.max(run.later)),
                place: Place::inside(all.iter().all(|run| run.elections + run.ahead + run.later == 0)),
                ..new("terms")
            }
        } else {
            Row {
                published: "its elections".to_owned(),
                ours: format!("{} for {} elections", ends(&|run| run.ahead), ends(&|run| run.elections)),
                place: Place::inside(
                    all.iter().all(|run| run.ahead == run.elections && run.elections > 100 && run.later > run.ahead),
                ),
                ..new("terms it is ahead")
            }
        });
    }
    Ok(rows)
}

/// A leader hands over to a follower, by order.
fn transfer(lab: &Lab) -> Result<Vec<Row>, String> {
    /// Three round trips and two writes of the file's network and disks, milliseconds.
    const MOST: f64 = 3.0 * 10.0 + 2.0 * 2.0;
    let file = "raft/transfer";
    let of = |run: &Run| {
        let marks = &run.record.marks;
        let begun = marks.iter().find(|mark| mark.kind == "handing_over")?;
        let over = marks.iter().find(|mark| mark.kind == "elected" && mark.at_ns > begun.at_ns)?;
        Some((over.at_ns - begun.at_ns) as f64 / 1e6)
    };
    let all = lab.ask(&Study { file, set: &[], seeds: 500, trace: false }, of)?;
    let times: Vec<f64> = all.iter().copied().flatten().collect();
    let longest = times.iter().copied().fold(0.0, f64::max);
    let done = times.len() == all.len();
    Ok(vec![Row {
        section: SECTION,
        figure: "leadership transfer: from when requests wait until the new leader takes them".to_owned(),
        published: format!("under 3 round trips and 2 writes, {MOST:.0} ms"),
        ours: if done { format!("at most {longest:.1} ms") } else { format!("{} of {} done", times.len(), all.len()) },
        band: format!("< {MOST:.0} ms"),
        place: Place::inside(done && longest < MOST),
        runs: all.len() as u64,
        file: file.to_owned(),
    }])
}

/// A file of commands that do not overlap.
pub(super) struct Steady {
    /// Of which section.
    pub section: u32,
    /// The file.
    pub file: &'static str,
    /// What carries a command to a follower, and what comes back.
    pub kinds: [&'static str; 2],
    /// What else there is: heartbeats and elections.
    pub aside: &'static [&'static str],
    /// Whether each new leader replicates an entry of its own, which is no client's and costs as much.
    pub own_entry: bool,
}

const STEADY: Steady = Steady {
    section: SECTION,
    file: "raft/one-command",
    kinds: ["AppendEntries", "AppendReply"],
    aside: &["Heartbeat", "HeartbeatReply", "RequestVote", "Vote", "PreVote", "PreVoteReply"],
    own_entry: true,
};

/// What a command costs that meets no other: messages and round trips.
pub(super) fn steady(lab: &Lab, steady: &Steady, nodes: u64) -> Result<Vec<Row>, String> {
    /// What every message takes in the file.
    const ONE_WAY: u64 = 5_000_000;
    let set = [format!("cluster.nodes={nodes}")];
    let of = |run: &Run| {
        let record = &run.record;
        let writes = || record.ops.iter().filter(|op| op.class == Class::Write && op.outcome == Fate::Ok);
        let elected = record.facts.get("elected").copied().unwrap_or(0);
        let entries = (writes().count() as u64 + if steady.own_entry { elected } else { 0 }) as f64;
        let sent = |which: &dyn Fn(&str) -> bool| -> f64 {
            let counted = record.messages.by_kind.iter().filter(|(kind, _)| which(kind));
            counted.map(|(_, sent)| *sent).sum::<u64>() as f64
        };
        let carries = |kind: &str| steady.kinds.contains(&kind);
        // The first try of a client may find somebody who is not the leader.
        let at_once = writes().filter(|op| op.invoke_ns >= record.measure_from_ns && op.attempts == 1);
        let trips: Vec<f64> = at_once.map(|op| (op.return_ns - op.invoke_ns) as f64 / (2 * ONE_WAY) as f64).collect();
        assert!(trips.len() > 50, "only {} commands", trips.len());
        let slowest = trips.iter().copied().fold(0.0, f64::max);
        let more = sent(&|kind| !carries(kind) && !steady.aside.contains(&kind));
        (sent(&carries) / entries, more / entries, slowest)
    };
    let all = lab.ask(&Study { file: steady.file, set: &set, seeds: 50, trace: false }, of)?;
    let worst = |of: &dyn Fn(&(f64, f64, f64)) -> f64, exact: f64| {
        all.iter().map(of).max_by(|a, b| (a - exact).abs().total_cmp(&(b - exact).abs())).unwrap_or(f64::NAN)
    };
    let row = |what: &str, exact: u64, ours: f64| Row {
        section: steady.section,
        figure: format!("{nodes} nodes, one command at a time: {what}"),
        published: exact.to_string(),
        ours: format!("{ours:.4}"),
        band: "exact".to_owned(),
        place: Place::inside((ours - exact as f64).abs() < 1e-9),
        runs: all.len() as u64,
        file: format!("{} {}", steady.file, set[0]),
    };
    let exact = 2 * (nodes - 1);
    Ok(vec![
        row("messages", exact, worst(&|run| run.0, exact as f64)),
        row("messages that tell of its commit", 0, worst(&|run| run.1, 0.0)),
        row("round trips", 1, worst(&|run| run.2, 1.0)),
    ])
}
