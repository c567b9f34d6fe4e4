//! Histories with known verdicts, ours and other people's; wrong files; and every model against brute force.

#[path = "histories/effort.rs"]
mod effort;
#[path = "histories/forms.rs"]
mod forms;
#[path = "histories/oracle.rs"]
mod oracle;

use crate::common::root;
use proptest::prelude::*;
use scenarios::history::models::{Kv, Lock, Model, Queue, Register};
use scenarios::history::{Answer, Datum, Event, FailedCas, ModelName, Reading, Ruling, Stage, judge};
use sim_core::linearize::{Linearizable, check};
use sim_core::{Instant, Outcome, Purpose, Rng};
use std::path::{Path, PathBuf};

const BUDGET: u64 = 5_000_000;

fn model(name: &str) -> ModelName {
    ModelName::ALL.into_iter().find(|m| m.name() == name).unwrap_or_else(|| panic!("no model {name}"))
}

/// What flags of the command line say, with `_` for blanks within a value.
fn reading(flags: &str) -> Reading {
    let mut how = Reading::default();
    let mut flags = flags.split_whitespace();
    while let Some(flag) = flags.next() {
        match flag {
            "--keyed" => how.keyed = Some(true),
            "--not-keyed" => how.keyed = Some(false),
            "--nil-is-absent" => how.nil_is_absent = true,
            "--initial" => {
                let value = flags.next().expect("a value").replace('_', " ");
                how.initial = Some(Reading::initial(&value).expect("an EDN value"));
            }
            "--failed-cas" => {
                assert_eq!(flags.next(), Some("looked"));
                how.failed_cas = FailedCas::Looked;
            }
            other => panic!("no flag {other}"),
        }
    }
    how
}

fn ruling(path: &Path, model: ModelName, how: &Reading) -> Ruling {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let judged = judge(&path.display().to_string(), &text, model, how, BUDGET, &mut || true);
    let judged = judged.unwrap_or_else(|problems| panic!("{problems}"));
    if judged.ruling == Ruling::NotLinearizable {
        assert!(!judged.conflict.is_empty(), "{}: a verdict without a witness", path.display());
    }
    judged.ruling
}

fn hold_labels(folder: &Path, of: impl Fn(&[&str]) -> (ModelName, Reading)) -> usize {
    let labels = std::fs::read_to_string(folder.join("LABELS.csv")).expect("the labels are beside the histories");
    let mut held = 0;
    for line in labels.lines().skip(1).filter(|line| !line.is_empty()) {
        let fields: Vec<&str> = line.split(',').collect();
        let (file, right) = (fields[0], fields[fields.len() - 1] == "true");
        let expected = if right { Ruling::Linearizable } else { Ruling::NotLinearizable };
        let (model, how) = of(&fields);
        assert_eq!(ruling(&folder.join(file), model, &how), expected, "{line}");
        held += 1;
    }
    held
}

#[test]
fn our_own_labelled_histories() {
    let held = hold_labels(&root().join("fixtures/histories"), |fields| (model(fields[1]), reading(fields[2])));
    assert_eq!(held, 27);
}

/// Where published histories and cases lie, if they do: they are read in place, not copied.
fn shared(what: &str) -> Option<PathBuf> {
    let beside = ["../shared", "../../shared"].map(|path| root().join(path).join(what));
    let found = beside.iter().find(|path| path.is_dir()).cloned();
    if found.is_none() {
        println!("skipped: there is no {}", beside[0].display());
    }
    found
}

#[test]
fn published_histories_get_their_verdicts() {
    let Some(folder) = shared("data/histories") else { return };
    // They were recorded with these meanings: a compare-and-set that failed has looked, and a read of nil saw nothing.
    let etcd = |_: &[&str]| (ModelName::Register, reading("--failed-cas looked --nil-is-absent"));
    assert_eq!(hold_labels(&folder.join("etcd"), etcd), 51);
    assert_eq!(hold_labels(&folder.join("kv"), |_| (ModelName::Kv, Reading::default())), 4);
}

#[test]
fn cases_that_people_brought() {
    let Some(folder) = shared("cases") else { return };
    for (file, flags) in [
        ("01a-cas-fail.edn", ""),
        ("01a-cas-fail.edn", "--failed-cas looked"),
        ("01c-tagged.edn", ""),
        ("01i-bom.edn", "--keyed"),
        ("01i-bom.edn", "--not-keyed"),
        ("01o-err.log", ""),
        ("01o-err.log", "--failed-cas looked"),
    ] {
        let found = ruling(&folder.join(file), ModelName::Register, &reading(flags));
        assert_eq!(found, Ruling::Linearizable, "{file} {flags}");
    }
}

#[test]
fn wrong_lines_are_told_all_at_once() {
    let path = root().join("fixtures/histories/broken.edn");
    let text = std::fs::read_to_string(&path).expect("it is there");
    let problems = judge("broken.edn", &text, ModelName::Register, &Reading::default(), BUDGET, &mut || true)
        .expect_err("it is broken");
    insta::assert_snapshot!(problems.render(false));
    let text: String =
        text.lines().filter(|l| !l.contains(":maybe") && l.ends_with('}')).map(|l| format!("{l}\n")).collect();
    let problems = judge("broken.edn", &text, ModelName::Register, &Reading::default(), BUDGET, &mut || true)
        .expect_err("it is broken");
    insta::assert_snapshot!(problems.render(false));
    for (text, what) in [("", "empty"), ("hello\nworld\n", "no operation"), ("[1 2]", "no map")] {
        let problems =
            judge("x", text, ModelName::Kv, &Reading::default(), BUDGET, &mut || true).expect_err("it is no history");
        assert!(problems.render(false).contains(what), "{problems}");
    }
}

#[test]
fn the_contradiction_is_small() {
    let mut text = String::new();
    let mut line = |process: u32, kind: &str, f: &str, value: &str| {
        text.push_str(&format!("{{:process {process}, :type :{kind}, :f :{f}, :value {value}}}\n"));
    };
    for i in 0..200 {
        line(0, "invoke", "write", &i.to_string());
        line(0, "ok", "write", &i.to_string());
        line(1, "invoke", "read", "nil");
        line(1, "ok", "read", &if i == 150 { 90 } else { i }.to_string());
    }
    let judged =
        judge("x", &text, ModelName::Register, &Reading::default(), BUDGET, &mut || true).expect("it can be read");
    assert_eq!(judged.ruling, Ruling::NotLinearizable);
    let conflict: Vec<String> = judged.conflict.iter().map(|o| o.request.clone()).collect();
    // What was written, what came after it, and the read that saw it again.
    assert!(
        conflict.len() <= 3 && conflict[0] == "write 90" && conflict.last().expect("some") == "read",
        "{conflict:?}"
    );
    assert_eq!(judged.conflict.last().expect("some").answer.as_deref(), Some("90"));
}

#[test]
fn without_budget_or_time_it_is_inconclusive() {
    // Back and forth between values that were written once: no order of the thirty fits, and all must be tried.
    let mut text = String::new();
    let mut line = |process: u32, what: &str| text.push_str(&format!("{{:process {process}, :type :{what}}}\n"));
    (0..30).for_each(|i| line(i, &format!("invoke, :f :write, :value {i}")));
    for value in [1, 2, 1] {
        line(99, "invoke, :f :read, :value nil");
        line(99, &format!("ok, :f :read, :value {value}"));
    }
    (0..30).for_each(|i| line(i, &format!("ok, :f :write, :value {i}")));
    for (budget, has_time) in [(20_000, true), (u64::MAX, false)] {
        let how = Reading::default();
        let judged = judge("x", &text, ModelName::Register, &how, budget, &mut || has_time).expect("it can be read");
        assert_eq!(judged.ruling, Ruling::Inconclusive, "{}", judged.why);
    }
}

/// One operation of a random history: function, value, when it began, how long it took, how it ended.
type Raw = (u8, u8, u8, u8, u8);
type Row<M> =
    (<M as sim_core::linearize::Spec>::Request, u64, u64, Outcome<<M as sim_core::linearize::Spec>::Response>);

fn rows<M: Model>(raw: &[Raw], functions: &[&str]) -> Vec<Row<M>> {
    raw.iter()
        .enumerate()
        .map(|(i, (f, value, from, length, end))| {
            let f = functions[*f as usize % functions.len()];
            let text = |v: u8| Datum::text((v % 3).to_string());
            let value = match f {
                "cas" => Datum::List(vec![if *value < 2 { Datum::Nil } else { text(*value) }, text(value / 3)]),
                _ => text(*value),
            };
            let event = |stage, value| Event {
                process: (i % 3).to_string().into(),
                stage,
                f: f.into(),
                key: None,
                value,
                error: Datum::Nil,
                at: 0,
                line: 0,
            };
            // As far as a failed compare-and-set tells anything, it looked; and nil is an answer.
            let how = reading("--failed-cas looked --nil-is-absent");
            let mut request = M::request(&event(Stage::Invoke, value.clone()), &how).expect("a good request");
            let mut told = |value| M::answer(&mut request, &event(Stage::Ok, value), &how).expect("a good answer");
            let answer = match (f, end) {
                (_, 0) => Answer::Unknown,
                ("read" | "get" | "dequeue", 1) => told(Datum::Nil),
                ("cas", 1 | 2) => {
                    M::refused(&request, &event(Stage::Fail, value), &how).map_or(Answer::Never, Answer::Seen)
                }
                ("acquire" | "release", 1) => told(Datum::Bool(false)),
                _ => told(value),
            };
            let outcome = match answer {
                Answer::Seen(response) => Outcome::Ok(response),
                Answer::Never => Outcome::Failed,
                Answer::Unknown => Outcome::Unknown,
            };
            (request, u64::from(*from), u64::from(from + length), outcome)
        })
        .collect()
}

/// Tries every order.
fn brute_force<M: Model>(rows: &[Row<M>]) -> bool
where
    M::State: Clone,
{
    fn go<M: Model>(rows: &[Row<M>], left: &[usize], state: &M::State) -> bool {
        if left.iter().all(|i| !matches!(rows[*i].3, Outcome::Ok(_))) {
            return true;
        }
        left.iter().any(|i| {
            let (request, from, _, outcome) = &rows[*i];
            if left.iter().any(|j| matches!(rows[*j].3, Outcome::Ok(_)) && rows[*j].2 < *from) {
                return false;
            }
            let mut after = state.clone();
            let response = M::apply(&mut after, request);
            let fits = match outcome {
                Outcome::Ok(answer) => *answer == response,
                Outcome::Failed => false,
                Outcome::Unknown => true,
            };
            let rest: Vec<usize> = left.iter().copied().filter(|j| j != i).collect();
            fits && go::<M>(rows, &rest, &after)
        })
    }
    let Some(first) = rows.first() else { return true };
    let all: Vec<usize> = (0..rows.len()).collect();
    go::<M>(rows, &all, &M::start(&M::part(&first.0)))
}

fn agrees<M: Model>(raw: &[Raw], functions: &[&str]) -> Result<(), TestCaseError> {
    let rows = rows::<M>(raw, functions);
    let row = |i: usize| {
        let (request, from, to, outcome): &Row<M> = &rows[i];
        (request, Instant(*from), Instant(*to), outcome)
    };
    let found = check::<M>(rows.len(), row, BUDGET);
    prop_assert_eq!(matches!(found, Linearizable::Yes { .. }), brute_force::<M>(&rows), "{:?}", raw);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn every_model_agrees_with_brute_force(
        raw in proptest::collection::vec((0_u8..6, 0_u8..9, 0_u8..12, 0_u8..6, 0_u8..6), 0..7)
    ) {
        agrees::<Register>(&raw, &["read", "write", "cas"])?;
        agrees::<Kv>(&raw, &["get", "put", "append", "cas", "delete"])?;
        agrees::<Queue>(&raw, &["enqueue", "dequeue"])?;
        agrees::<Lock>(&raw, &["acquire", "release"])?;
    }
}

/// A history of one register that is as hard as they come: fifty clients, every operation beside dozens of others, few
/// values, and compare-and-sets. It is linearizable, because what is told is what happened, in the order of the moments
/// between beginning and end at which it did. One outcome in `one_unknown_in` is not told; 0 for none.
fn crowded(seed: u64, rounds: u64, values: u64, one_unknown_in: u64) -> String {
    let mut rng = Rng::stream(seed, Purpose::Client, 0);
    // (when, client, what) of every beginning, effect and end.
    let mut moments: Vec<(u64, u64, u64)> = Vec::new();
    for client in 0..50 {
        let mut now = rng.below(1000);
        for round in 0..rounds {
            for stage in 0..3 {
                moments.push((now, client, round * 3 + stage));
                now += rng.between(1, 1000);
            }
        }
    }
    moments.sort_unstable();
    let (mut text, mut held) = (String::new(), 0);
    let mut asked = vec![(0, 0, 0); 50];
    let mut answers = vec![String::new(); 50];
    let mut names: Vec<u64> = (0..50).collect();
    for (_, client, step) in moments {
        let at = client as usize;
        let (f, from, to) = asked[at];
        match step % 3 {
            0 => {
                let (f, from, to) = (rng.below(3), rng.below(values), rng.below(values));
                asked[at] = (f, from, to);
                let what =
                    [":read, :value nil", &format!(":write, :value {to}"), &format!(":cas, :value [{from} {to}]")]
                        [f as usize]
                        .to_owned();
                text.push_str(&format!("{{:process {}, :type :invoke, :f {what}}}\n", names[at]));
            }
            1 => {
                let (kind, f, value) = match f {
                    0 => ("ok", "read", held.to_string()),
                    1 => ("ok", "write", to.to_string()),
                    _ if held == from => ("ok", "cas", format!("[{from} {to}]")),
                    _ => ("fail", "cas", format!("[{from} {to}]")),
                };
                if f == "write" || (f == "cas" && kind == "ok") {
                    held = to;
                }
                answers[at] = format!(":type :{kind}, :f :{f}, :value {value}");
            }
            _ => {
                if one_unknown_in > 0 && f > 0 && rng.below(one_unknown_in) == 0 {
                    answers[at] = answers[at].replace(":ok", ":info").replace(":fail", ":info");
                }
                text.push_str(&format!("{{:process {}, {}}}\n", names[at], answers[at]));
                if answers[at].contains(":info") {
                    // A process whose outcome nobody knows never speaks again; its client goes on as another one.
                    names[at] += 50;
                }
            }
        }
    }
    format!(
        "{{:process 9999, :type :invoke, :f :write, :value 0}}\n{{:process 9999, :type :ok, :f :write, :value \
         0}}\n{text}"
    )
}

#[test]
fn a_crowd_on_one_key_ends_and_never_wrongly() {
    let mut right = 0;
    for seed in 0..12 {
        let one_unknown_in = [0, 20][seed as usize % 2];
        let text = crowded(seed, 20, 3 + seed % 4, one_unknown_in);
        let judged =
            judge("x", &text, ModelName::Register, &Reading::default(), 100_000, &mut || true).expect("it can be read");
        assert_ne!(judged.ruling, Ruling::NotLinearizable, "seed {seed}: it happened");
        right += u64::from(judged.ruling == Ruling::Linearizable);
        // With every outcome known, nothing can have written 1 after 0 was written last: no search is needed for that.
        if one_unknown_in == 0 {
            let wrong = ["invoke", "ok"].map(|stage| format!("{{:process 1, :type :{stage}, :f :write, :value 0}}\n"));
            let read = ["invoke, :f :read, :value nil", "ok, :f :read, :value 1"]
                .map(|what| format!("{{:process 2, :type :{what}}}\n"));
            let text = text + &wrong.concat() + &read.concat();
            let judged = judge("x", &text, ModelName::Register, &Reading::default(), 100_000, &mut || true)
                .expect("it can be read");
            assert_eq!(judged.ruling, Ruling::NotLinearizable, "seed {seed}: it can not have happened");
            assert_eq!(judged.conflict.len(), 3, "seed {seed}: {:?}", judged.conflict.len());
        }
    }
    assert!(right > 0, "the budget decided nothing at all");
}
