//! The verdict on a history of transactions, by isolation level.

use super::{say, write_chart};
use crate::args::{Format, HistoryArgs};
use crate::exit::Exit;
use scenarios::history::{Finding, JudgedTransactions, TransactionModel, judge_transactions};
use sim_core::transactions::{Level, Ruling};
use std::fmt::Write as _;
use std::io::IsTerminal;

/// Judges, and says what was found.
pub(super) fn judge(args: &HistoryArgs, name: &str, text: &str, model: TransactionModel) -> Exit {
    if args.total.is_some() && model != TransactionModel::Bank {
        complain!("--total is for --model bank; {} has no totals", model.name());
        return Exit::Usage;
    }
    let level = args.level.unwrap_or(Level::StrictSerializable);
    let judged = match judge_transactions(name, text, model, level, args.total) {
        Ok(judged) => judged,
        Err(problems) => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            eprint!("{}", problems.render(colour));
            return Exit::Usage;
        }
    };
    if let Some(path) = &args.chart {
        match judged.anomalies.iter().find(|finding| !finding.cycle.is_empty()) {
            Some(finding) => {
                if let Some(exit) = write_chart(path, &reports::draw_cycle(&picture(name, finding, &judged))) {
                    return exit;
                }
            }
            None => complain!("nothing is drawn: there is no cycle of transactions in it"),
        }
    }
    match args.format {
        Format::Json => say(&format!("{}\n", serde_json::to_string(&judged).expect("plain data becomes JSON"))),
        Format::Text => say(&text_of(name, &judged)),
    }
    match judged.ruling {
        Ruling::Holds => Exit::Held,
        Ruling::Broken => Exit::Failed,
        Ruling::Inconclusive => Exit::Inconclusive,
    }
}

fn picture(name: &str, finding: &Finding, judged: &JudgedTransactions) -> reports::Cycle {
    let verb = if finding.forbidden { "forbids" } else { "permits" };
    reports::Cycle {
        finding: format!("{}, which {} {verb}", finding.name, judged.level),
        about: format!("{}: {} transactions  \u{b7}  {name}", finding.about, finding.transactions.len()),
        transactions: finding
            .cycle
            .iter()
            .filter_map(|wait| finding.transactions.iter().find(|shown| shown.name == wait.from))
            .map(|shown| (format!("{}  (process {})", shown.name, shown.process), shown.steps.clone()))
            .collect(),
        waits: finding.cycle.iter().map(|wait| (wait.kind.to_owned(), wait.text.clone())).collect(),
    }
}

fn text_of(name: &str, judged: &JudgedTransactions) -> String {
    let ruling = match judged.ruling {
        Ruling::Holds => judged.level.to_owned(),
        Ruling::Broken => format!("NOT {}", judged.level),
        Ruling::Inconclusive => "inconclusive".to_owned(),
    };
    let mut text = format!("{name}: {ruling}: {}\n", judged.why);
    let _ = writeln!(
        text,
        "model {}, {} transactions on {} {}, {} of them aborted and {} with an unknown outcome",
        judged.model,
        judged.transactions,
        judged.keys,
        if judged.keys == 1 { "key" } else { "keys" },
        judged.aborted,
        judged.unknown
    );
    for finding in &judged.anomalies {
        let permitted = if finding.forbidden { String::new() } else { format!(", which {} permits", judged.level) };
        let _ = writeln!(text, "\n{} ({}){permitted}: {}", finding.name, finding.about, finding.text);
        for shown in &finding.transactions {
            let (from, to) = shown.lines;
            let lines = to.map_or_else(|| format!("line {from}-"), |to| format!("line {from}-{to}"));
            let fate = if shown.fate == "committed" { String::new() } else { format!(", {}", shown.fate) };
            let _ = writeln!(text, "  {}  process {}, {lines}{fate}: {}", shown.name, shown.process, shown.steps);
        }
        for wait in &finding.cycle {
            let _ = writeln!(text, "  {} -> {}  {:8}  {}", wait.from, wait.to, wait.kind, wait.text);
        }
    }
    text
}
