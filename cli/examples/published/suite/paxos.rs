//! Laws of Paxos that can be worked out: messages, round trips, quorums, duels.

use super::lab::{Lab, Run, Study};
use super::raft::{self, Steady};
use super::row::{Findings, Place, Row};
use super::stats;
use sim_core::Fate;

const SECTION: u32 = 3;

/// That a command is chosen is told with the next one, or with a heartbeat.
const STEADY: Steady = Steady {
    section: SECTION,
    file: "paxos/one-command",
    kinds: ["Accept", "Accepted"],
    aside: &["Heartbeat", "HeartbeatReply", "Prepare", "Promise", "Outbid"],
    own_entry: false,
};

/// The rows of the section.
///
/// # Errors
/// What is wrong with a file, or the first run that broke a safety rule.
pub fn rows(lab: &Lab) -> Result<Findings, String> {
    let mut rows = Vec::new();
    for (acceptors, nodes) in [(3, 4), (5, 6), (9, 10), (3, 3), (5, 5), (9, 9)] {
        rows.extend(one_value(lab, acceptors, nodes)?);
    }
    for nodes in [3, 5, 7] {
        rows.extend(raft::steady(lab, &STEADY, nodes)?);
    }
    rows.extend(flexible(lab)?);
    rows.extend(duel(lab)?);
    Ok(rows.into())
}

fn one_value(lab: &Lab, acceptors: u64, nodes: u64) -> Result<Vec<Row>, String> {
    let file = "synod/one-value";
    let set = [format!("cluster.nodes={nodes}"), format!("system.acceptors={acceptors}")];
    let of = |run: &Run| {
        let decided = run.record.marks.iter().find(|mark| mark.kind == "decided").expect("a value is decided");
        // Two round trips of 1 ms each way.
        (run.record.messages.sent, decided.at_ns as f64 / 2e6)
    };
    let all = lab.ask(&Study { file, set: &set, seeds: 20, trace: false }, of)?;
    let apart = nodes > acceptors;
    let exact = 4 * if apart { acceptors } else { acceptors - 1 };
    let row = |what: &str, published: u64, ours: String, holds: bool| Row {
        section: SECTION,
        figure: format!(
            "one value, {acceptors} acceptors, proposer {}: {what}",
            if apart { "apart" } else { "among them" }
        ),
        published: published.to_string(),
        ours,
        band: "exact".to_owned(),
        place: Place::inside(holds),
        runs: all.len() as u64,
        file: format!("{file} {}", set.join(" ")),
    };
    let (sent, trips) = all[0];
    Ok(vec![
        row("messages", exact, sent.to_string(), all.iter().all(|(sent, _)| *sent == exact)),
        row("round trips", 2, format!("{trips:.4}"), all.iter().all(|(_, trips)| (trips - 2.0).abs() < 1e-9)),
    ])
}

/// What a run of the flexible quorums' file shows.
struct Flexible {
    /// The share of writes that succeed while three followers are down.
    three_down: f64,
    /// Whether a leader is found while the old one alone is down.
    one_down: bool,
    /// Whether one is found while another node is down too.
    two_down: bool,
}

fn flexible(lab: &Lab) -> Result<Vec<Row>, String> {
    let file = "paxos/flexible-quorums";
    let of = |run: &Run| {
        let [.., third, alone, _, both] = run.record.faults.as_slice() else { panic!("six faults") };
        let (mut asked, mut ok) = (0_u64, 0_u64);
        for op in run.record.ops.iter().filter(|op| (third.start_ns..third.end_ns).contains(&op.invoke_ns)) {
            asked += 1;
            ok += u64::from(op.outcome == Fate::Ok);
        }
        let elected = |from: u64, to: u64| {
            run.record.marks.iter().any(|mark| mark.kind == "elected" && (from..to).contains(&mark.at_ns))
        };
        Flexible {
            three_down: ok as f64 / asked.max(1) as f64,
            one_down: elected(alone.start_ns, alone.end_ns),
            two_down: elected(both.start_ns, both.end_ns),
        }
    };
    let all = lab.ask(&Study { file, set: &[], seeds: 200, trace: false }, of)?;
    let row = |figure: &str, published: &str, ours: String, holds: bool| Row {
        section: SECTION,
        figure: format!("N=5, Q1=4, Q2=2: {figure}"),
        published: published.to_owned(),
        ours,
        band: "every run".to_owned(),
        place: Place::inside(holds),
        runs: all.len() as u64,
        file: file.to_owned(),
    };
    let count = |of: &dyn Fn(&Flexible) -> bool| all.iter().filter(|run| of(run)).count();
    let least = all.iter().map(|run| run.three_down).fold(1.0, f64::min);
    let refused = lab.read(file, &["system.q1=3".to_owned()]).err().unwrap_or_default();
    let says = refused.contains("need not meet");
    Ok(vec![
        row("writes that succeed with three followers down", "all", format!("{:.1} %", 100.0 * least), least >= 1.0),
        row(
            "a new leader with one node down, the old leader",
            "always",
            format!("{} of {}", count(&|run| run.one_down), all.len()),
            all.iter().all(|run| run.one_down),
        ),
        row(
            "a new leader with two nodes down",
            "never",
            format!("{} of {}", count(&|run| run.two_down), all.len()),
            !all.iter().any(|run| run.two_down),
        ),
        Row {
            figure: "N=5, Q1=3, Q2=2: quorums that need not meet".to_owned(),
            runs: 0,
            file: format!("{file} system.q1=3"),
            ..row("", "unsafe", if says { "refused" } else { "accepted" }.to_owned(), says)
        },
    ])
}

fn duel(lab: &Lab) -> Result<Vec<Row>, String> {
    let file = "synod/duel";
    let set = ["system.back_off=false".to_owned(), "scenario.duration=60s".to_owned()];
    let of = |run: &Run| {
        let fact = |kind: &str| run.record.facts.get(kind).copied().unwrap_or(0);
        (fact("prepared"), fact("decided"))
    };
    let duels = lab.ask(&Study { file, set: &set, seeds: 1, trace: false }, of)?;
    let (ballots, decided) = duels[0];
    let stubborn = Row {
        section: SECTION,
        figure: "duel, trying again at once: values decided".to_owned(),
        published: "0 in 10,000 ballots".to_owned(),
        ours: format!("{decided} in {ballots} ballots"),
        band: "exact".to_owned(),
        place: Place::inside(decided == 0 && ballots >= 10_000),
        runs: 1,
        file: format!("{file} {}", set.join(" ")),
    };
    let of = |run: &Run| {
        let until = run.record.marks.iter().take_while(|mark| mark.kind != "decided");
        let decided = run.record.facts.contains_key("decided");
        (decided, until.filter(|mark| mark.kind == "prepared").count())
    };
    let duels = lab.ask(&Study { file, set: &[], seeds: 5_000, trace: false }, of)?;
    let (n, late) = (duels.len() as u64, duels.iter().filter(|(decided, n)| !decided || *n >= 20).count() as u64);
    let most = if lab.is_short() { stats::binomial_band(n, 0.01, 0.001).1 } else { (n - 1) / 100 };
    let patient = Row {
        figure: "duel, random pauses that double: decided in under 20 ballots".to_owned(),
        published: "> .99".to_owned(),
        ours: format!("{:.4}", 1.0 - late as f64 / n as f64),
        band: format!("> {:.4}", 1.0 - (most + 1) as f64 / n as f64),
        place: Place::inside(late <= most),
        runs: n,
        file: file.to_owned(),
        ..stubborn.clone()
    };
    Ok(vec![stubborn, patient])
}
