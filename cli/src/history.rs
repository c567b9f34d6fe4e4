//! `splitbrain history`: the verdict on a recorded history, ours or somebody else's.

mod transactions;

use crate::args::{FailedCasArg, Format, HistoryArgs, ModelArg};
use crate::exit::Exit;
use crate::run::say;
use crate::wall::Stopwatch;
use reports::{Witness, Witnessed};
use scenarios::history::{FailedCas, Judged, ModelName, Reading, Ruling, Shown, TransactionModel, judge};
use sim_core::record::{RunRecord, VerdictRecord};
use std::fmt::Write as _;
use std::io::{IsTerminal, Read};
use std::path::Path;
use std::time::Duration;

/// Runs the command.
pub fn history(args: &HistoryArgs) -> Exit {
    let (name, bytes) = if scenarios::is_standard_input(&args.file) {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes);
        ("standard input".to_owned(), read)
    } else {
        (args.file.display().to_string(), std::fs::read(&args.file))
    };
    let text = match bytes.map(String::from_utf8) {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => {
            let at = error.utf8_error().valid_up_to();
            complain!("{name}: this is no text: byte {at} is not UTF-8");
            return Exit::Usage;
        }
        Err(error) => {
            complain!("{name}: can not be read: {error}");
            return Exit::Usage;
        }
    };
    let model = match model(args.model) {
        Against::Object(model) => model,
        Against::Level(model) => return transactions::judge(args, &name, &text, model),
    };
    if args.level.is_some() || args.total.is_some() {
        let flag = if args.level.is_some() { "--level" } else { "--total" };
        complain!("{flag} is for list-append, rw-register, long-fork and bank; other models are linearizable");
        return Exit::Usage;
    }
    let how = match reading(args) {
        Ok(how) => how,
        Err(what) => {
            complain!("--initial: {what}");
            return Exit::Usage;
        }
    };
    let watch = Stopwatch::start();
    let limit = Duration::from_secs(args.time_limit);
    let mut out_of_time = false;
    let judged = judge(&name, &text, model, &how, args.budget, &mut || {
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
    if out_of_time && judged.ruling == Ruling::Inconclusive {
        let _ = write!(judged.why, ", {} s of wall time; --time-limit allows more", args.time_limit);
    }
    if let Some(path) = &args.chart
        && let Some(exit) = draw(path, &name, &judged)
    {
        return exit;
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

/// What a history is judged against: one object, or the promises of a level.
enum Against {
    Object(ModelName),
    Level(TransactionModel),
}

const fn model(arg: ModelArg) -> Against {
    match arg {
        ModelArg::Register => Against::Object(ModelName::Register),
        ModelArg::MultiRegister => Against::Object(ModelName::MultiRegister),
        ModelArg::Kv => Against::Object(ModelName::Kv),
        ModelArg::Set => Against::Object(ModelName::Set),
        ModelArg::Counter => Against::Object(ModelName::Counter),
        ModelArg::Queue => Against::Object(ModelName::Queue),
        ModelArg::UnorderedQueue => Against::Object(ModelName::UnorderedQueue),
        ModelArg::Lock => Against::Object(ModelName::Lock),
        ModelArg::Mutex => Against::Object(ModelName::Mutex),
        ModelArg::ListAppend => Against::Level(TransactionModel::ListAppend),
        ModelArg::RwRegister => Against::Level(TransactionModel::RwRegister),
        ModelArg::LongFork => Against::Level(TransactionModel::LongFork),
        ModelArg::Bank => Against::Level(TransactionModel::Bank),
    }
}

/// How the flags say that the history is to be read.
fn reading(args: &HistoryArgs) -> Result<Reading, String> {
    Ok(Reading {
        keyed: (args.keyed || args.not_keyed).then_some(args.keyed),
        failed_cas: match args.failed_cas {
            FailedCasArg::Never => FailedCas::Never,
            FailedCasArg::Looked => FailedCas::Looked,
        },
        initial: args.initial.as_deref().map(Reading::initial).transpose()?,
        nil_is_absent: args.nil_is_absent,
    })
}

/// Draws the contradiction; how the command ends if that can not be done.
fn draw(path: &Path, name: &str, judged: &Judged) -> Option<Exit> {
    let Some(witness) = witness(name, judged) else {
        complain!("nothing is drawn: the history is not shown to be wrong");
        return None;
    };
    write_chart(path, &reports::draw_witness(&witness, None))
}

/// Writes a chart; how the command ends if that can not be done.
fn write_chart(path: &Path, chart: &reports::Chart) -> Option<Exit> {
    let bytes = match path.extension().and_then(|e| e.to_str()) {
        Some("svg") => chart.svg().into_bytes(),
        Some("png") => chart.png(),
        _ => {
            complain!("{}: a chart is an .svg or a .png", path.display());
            return Some(Exit::Usage);
        }
    };
    reports::write_whole(path, |out| out.write_all(&bytes)).err().map(|error| {
        complain!("{error}");
        Exit::Environment
    })
}

/// The picture of a run's broken linearizability, made again from its `history.jsonl`.
pub fn witness_of(dir: &Path, record: &RunRecord) -> Option<Witness> {
    let failed = |v: &VerdictRecord| v.rule == "linearizable" && v.verdict == sim_core::record::Ruling::Fail;
    record.verdicts.iter().find(|v| failed(v))?;
    let path = dir.join(reports::HISTORY);
    let text = std::fs::read_to_string(&path).ok()?;
    let model = ModelName::ALL.into_iter().find(|model| model.name() == record.model)?;
    let judged = judge(&path.display().to_string(), &text, model, &Reading::default(), BUDGET, &mut || true).ok()?;
    witness(&format!("{}, seed {}", record.scenario, record.seed), &judged)
}

/// States visited to explain a run that is known to be wrong.
const BUDGET: u64 = 5_000_000;

fn witness(name: &str, judged: &Judged) -> Option<Witness> {
    let last = judged.conflict.last()?;
    let object = judged.object.as_deref().unwrap_or("the object");
    let answer = last.answer.as_deref().unwrap_or("?");
    // Of ours, a row is a client, whatever operation it is.
    let client = |op: &Shown| op.who().split(" op ").next().unwrap_or_default().to_owned();
    let place = |op: &Shown| judged.order.iter().position(|lines| *lines == op.lines).map(|i| i + 1);
    Some(Witness {
        finding: format!("{}: {}, answered {answer}, fits no order", client(last), last.request),
        about: format!(
            "The {} operations on {object} that contradict each other  \u{b7}  {name}",
            judged.conflict.len()
        ),
        operations: judged
            .conflict
            .iter()
            .map(|op| Witnessed {
                client: client(op),
                request: op.request.clone(),
                answer: op.answer.clone(),
                start: if judged.timed { op.invoked } else { u64::from(op.lines.0) },
                end: op.lines.1.map(|line| if judged.timed { op.returned } else { u64::from(line) }),
                place: place(op),
            })
            .collect(),
        timed: judged.timed,
    })
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
            [row.who(), row.request.clone(), format!("-> {answer}"), lines]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_explained_by_the_model_of_its_system() {
        let dir = std::env::temp_dir().join(format!("splitbrain-witness-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a folder");
        let line = |op: u32, f: &str, request: &str, response: &str| {
            format!(
                "{{\"client\":1,\"op\":{op},\"invoke_ns\":{op}0,\"return_ns\":{op}5,\"outcome\":\"ok\",\"f\":\"{f}\",\
                 \"key\":null,\"request\":{request},\"response\":{response}}}\n"
            )
        };
        let enter =
            |op, value: &str| line(op, "enqueue", &format!("{{\"enqueue\":{{\"value\":\"{value}\"}}}}"), "\"done\"");
        let leave = |op, value: &str| line(op, "dequeue", "\"dequeue\"", &format!("{{\"value\":\"{value}\"}}"));
        let text = [enter(1, "a"), enter(2, "b"), leave(3, "b")].concat();
        std::fs::write(dir.join(reports::HISTORY), text).expect("it is written");
        let verdict = VerdictRecord {
            rule: "linearizable".to_owned(),
            verdict: sim_core::record::Ruling::Fail,
            detail: String::new(),
            broken_as_expected: false,
            at_ns: None,
        };
        let of = |model: &str| {
            let record = RunRecord { model: model.to_owned(), verdicts: vec![verdict.clone()], ..RunRecord::default() };
            witness_of(&dir, &record).map(|witness| witness.finding)
        };
        assert_eq!(of("queue").as_deref(), Some("c1: dequeue, answered b, fits no order"));
        assert_eq!((of("unordered-queue"), of("kv"), of("")), (None, None, None));
        std::fs::remove_dir_all(dir).expect("it is there");
    }
}
