//! `splitbrain history`: the verdict on a recorded history, ours or somebody else's.

use crate::args::{Format, HistoryArgs, ModelArg};
use crate::exit::Exit;
use crate::run::say;
use crate::wall::Stopwatch;
use scenarios::history::{Judged, ModelName, Ruling, Shown, judge};
use std::fmt::Write;
use std::io::IsTerminal;
use std::time::Duration;

/// Runs the command.
pub fn history(args: &HistoryArgs) -> Exit {
    let name = args.file.display().to_string();
    let text = match std::fs::read(&args.file) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                eprintln!("splitbrain: {name}: this is no text: byte {at} is not UTF-8");
                return Exit::Usage;
            }
        },
        Err(error) => {
            eprintln!("splitbrain: {name}: can not be read: {error}");
            return Exit::Usage;
        }
    };
    let model = match args.model {
        ModelArg::Register => ModelName::Register,
        ModelArg::Kv => ModelName::Kv,
        ModelArg::Queue => ModelName::Queue,
        ModelArg::Lock => ModelName::Lock,
    };
    let watch = Stopwatch::start();
    let limit = Duration::from_secs(args.time_limit);
    let mut out_of_time = false;
    let judged = judge(&name, &text, model, args.budget, &mut || {
        out_of_time = watch.elapsed() > limit;
        !out_of_time
    });
    let mut judged = match judged {
        Ok(judged) => judged,
        Err(problems) => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            eprint!("{}", problems.render(colour));
            return Exit::Usage;
        }
    };
    if out_of_time {
        let _ = write!(judged.why, ", {} s of wall time; --time-limit allows more", args.time_limit);
    }
    match args.format {
        Format::Json => {
            say(&format!("{}\n", serde_json::to_string(&judged).expect("plain data becomes JSON")));
        }
        Format::Text => say(&text_of(&name, &judged)),
    }
    match judged.ruling {
        Ruling::Linearizable => Exit::Held,
        Ruling::NotLinearizable => Exit::Failed,
        Ruling::Inconclusive => Exit::Inconclusive,
    }
}

fn text_of(name: &str, judged: &Judged) -> String {
    let ruling = match judged.ruling {
        Ruling::Linearizable => "linearizable",
        Ruling::NotLinearizable => "NOT linearizable",
        Ruling::Inconclusive => "inconclusive",
    };
    let mut text = format!("{name}: {ruling}: {}\n", judged.why);
    let objects = if judged.objects > 0 { format!(" on {} objects", judged.objects) } else { String::new() };
    let _ = writeln!(
        text,
        "model {}, {} operations{objects}, {} of them with an unknown outcome",
        judged.model, judged.operations, judged.unknown
    );
    if !judged.conflict.is_empty() {
        let object = judged.object.as_deref().unwrap_or("the object");
        let _ = writeln!(text, "\n{object}: these {} operations contradict each other:", judged.conflict.len());
        text.push_str(&table(&judged.conflict));
        let _ = writeln!(text, "\nthe longest order found has {} operations, the last of them:", judged.longest_order);
        text.push_str(&table(&judged.before));
    }
    text
}

fn table(rows: &[Shown]) -> String {
    let cells: Vec<[String; 4]> = rows
        .iter()
        .map(|row| {
            let (from, to) = row.lines;
            let lines = to.map_or_else(|| format!("line {from}-"), |to| format!("line {from}-{to}"));
            let answer = row.answer.clone().unwrap_or_else(|| "unknown".to_owned());
            [format!("process {}", row.process), row.request.clone(), format!("-> {answer}"), lines]
        })
        .collect();
    let mut widths = [0; 4];
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for [process, request, answer, lines] in &cells {
        let [a, b, c, _] = widths;
        let _ = writeln!(text, "  {process:a$}  {request:b$}  {answer:c$}  {lines}");
    }
    text
}
