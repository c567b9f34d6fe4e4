//! Every model against an oracle that tries every order, and shares nothing with the models: thousands of small random
//! histories each, from text to verdict.

use super::{BUDGET, reading};
use scenarios::history::{ModelName, Ruling, judge};
use sim_core::{Purpose, Rng};
use std::fmt::Write as _;

/// Nil.
const NIL: i64 = -100;

/// What is asked.
#[derive(Clone, Debug)]
enum What {
    Read,
    Write(i64),
    Cas(i64, i64),
    Add(i64),
    Remove(i64),
    Enqueue(i64),
    Dequeue,
    Drain,
    /// Who asks is of interest to a lock that has an owner.
    Acquire,
    Release,
    /// Adds a digit to what a key holds.
    Append(i64),
    Delete,
    /// Steps: the register, and what is written to it.
    Txn(Vec<(usize, Option<i64>)>),
}

/// What is answered.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Unknown,
    Failed,
    Done,
    /// Not done, and said so.
    Refused,
    Value(i64),
    Values(Vec<i64>),
}

#[derive(Clone, Debug)]
struct Op {
    what: What,
    told: Told,
    from: u64,
    to: u64,
    /// Who asks: one after the other.
    process: usize,
    /// The key, of a store.
    key: usize,
}

fn edn(value: i64) -> String {
    if value == NIL { "nil".to_owned() } else { value.to_string() }
}

impl Op {
    /// Function, value asked, value answered.
    fn written(&self) -> (&'static str, String, String) {
        let list = |values: &[i64]| values.iter().map(|v| edn(*v)).collect::<Vec<_>>().join(" ");
        let answer = match &self.told {
            Told::Value(value) => edn(*value),
            Told::Values(values) => format!("[{}]", list(values)),
            _ => "nil".to_owned(),
        };
        let both = |f, value: String| (f, value.clone(), value);
        match &self.what {
            What::Read => ("read", "nil".to_owned(), answer),
            What::Write(value) => both("write", edn(*value)),
            What::Cas(expect, value) => both("cas", format!("[{} {}]", edn(*expect), edn(*value))),
            What::Add(value) => both("add", edn(*value)),
            What::Remove(value) => both("remove", edn(*value)),
            What::Enqueue(value) => both("enqueue", edn(*value)),
            What::Dequeue => ("dequeue", "nil".to_owned(), answer),
            What::Drain => ("drain", "nil".to_owned(), answer),
            What::Acquire | What::Release => {
                let f = if matches!(self.what, What::Acquire) { "acquire" } else { "release" };
                (f, "nil".to_owned(), (self.told != Told::Refused).to_string())
            }
            What::Append(value) => both("append", format!("\"{value}\"")),
            What::Delete => both("delete", "nil".to_owned()),
            What::Txn(steps) => {
                let mut seen =
                    if let Told::Values(seen) = &self.told { seen.clone() } else { vec![NIL; 9] }.into_iter();
                let mut write = |is_answer: bool| {
                    let step = |(key, value): &(usize, Option<i64>)| match value {
                        Some(value) => format!("[:w k{key} {}]", edn(*value)),
                        None if is_answer => format!("[:r k{key} {}]", edn(seen.next().expect("one a read"))),
                        None => format!("[:r k{key} nil]"),
                    };
                    format!("[{}]", steps.iter().map(step).collect::<Vec<_>>().join(" "))
                };
                let asked = write(false);
                ("txn", asked, write(true))
            }
        }
    }
}

fn text(model: ModelName, ops: &[Op]) -> String {
    // At one moment, what begins is written before what ends: the two overlap.
    let mut events: Vec<(u64, bool, usize)> = Vec::new();
    for (i, op) in ops.iter().enumerate() {
        events.extend([(op.from, false, i), (op.to, true, i)]);
    }
    events.sort_unstable();
    let mut text = String::new();
    for (_, is_end, i) in events {
        let (f, asked, answered) = ops[i].written();
        let (stage, value) = match (is_end, &ops[i].told) {
            (false, _) => (":invoke", asked),
            (true, Told::Unknown) => (":info", ":timed-out".to_owned()),
            (true, Told::Failed) => (":fail", asked),
            (true, _) => (":ok", answered),
        };
        let key = if model == ModelName::Kv { format!(", :key \"k{}\"", ops[i].key) } else { String::new() };
        let process = ops[i].process;
        writeln!(text, "{{:process {process}, :type {stage}, :f :{f}, :value {value}{key}}}").expect("into memory");
    }
    text
}

/// All states to which the operation may lead, if it is then answered as it was.
fn after(model: ModelName, state: &[i64], op: &Op) -> Vec<Vec<i64>> {
    let known = !matches!(op.told, Told::Unknown);
    let sees = |value: i64| !known || op.told == Told::Value(value);
    let with = |value: i64| [state, &[value]].concat();
    let without = |at: usize| {
        let mut left = state.to_vec();
        left.remove(at);
        left
    };
    let only = |fits: bool, state: Vec<i64>| if fits { vec![state] } else { Vec::new() };
    if model == ModelName::Kv {
        let held = state[op.key];
        let with = |value: i64| {
            let mut state = state.to_vec();
            state[op.key] = value;
            vec![state]
        };
        return match &op.what {
            What::Read => only(sees(held), state.to_vec()),
            What::Write(value) => with(*value),
            What::Append(digit) => with(if held == NIL { *digit } else { held * 10 + digit }),
            What::Delete => with(NIL),
            What::Cas(expect, value) if held == *expect => with(*value),
            What::Cas(..) => only(!known, state.to_vec()),
            other => unreachable!("a store is not asked {other:?}"),
        };
    }
    if matches!(op.what, What::Acquire | What::Release) {
        // Who holds it, from 1; nobody: 0. Of a mutex, anybody who holds it is as good as any other.
        let me = if model == ModelName::Lock { op.process as i64 + 1 } else { 1 };
        let (needed, then) = if matches!(op.what, What::Acquire) { (0, me) } else { (me, 0) };
        let fits = state[0] == needed;
        return match op.told {
            Told::Refused => only(!fits, state.to_vec()),
            Told::Unknown if !fits => vec![state.to_vec()],
            _ => only(fits, vec![then]),
        };
    }
    match (&op.what, model) {
        (What::Read, ModelName::Set) => {
            let mut all = state.to_vec();
            all.sort_unstable();
            only(!known || op.told == Told::Values(all), state.to_vec())
        }
        // A register's read of nil says nothing.
        (What::Read, ModelName::Register) => only(op.told == Told::Value(NIL) || sees(state[0]), state.to_vec()),
        (What::Read, _) => only(sees(state[0]), state.to_vec()),
        (What::Write(value), _) => vec![vec![*value]],
        (What::Cas(expect, value), _) if state[0] == *expect => vec![vec![*value]],
        (What::Cas(..), _) => only(!known, state.to_vec()),
        (What::Add(value), ModelName::Counter) => vec![vec![state[0] + value]],
        (What::Add(value), _) if state.contains(value) => vec![state.to_vec()],
        (What::Add(value) | What::Enqueue(value), _) => vec![with(*value)],
        (What::Remove(value), _) => vec![state.iter().copied().filter(|v| v != value).collect()],
        (What::Dequeue, ModelName::Queue) => match state {
            [] => only(sees(NIL), Vec::new()),
            [first, rest @ ..] => only(sees(*first), rest.to_vec()),
        },
        (What::Dequeue, _) if state.is_empty() => only(sees(NIL), Vec::new()),
        (What::Dequeue, _) => (0..state.len()).filter(|i| sees(state[*i])).map(without).collect(),
        (What::Drain, _) => unreachable!("a drain is many dequeues"),
        (What::Acquire | What::Release | What::Append(_) | What::Delete, _) => unreachable!("looked at above"),
        (What::Txn(steps), _) => {
            let (mut state, mut seen) = (state.to_vec(), Vec::new());
            for (key, value) in steps {
                match value {
                    Some(value) => state[*key] = *value,
                    None => seen.push(state[*key]),
                }
            }
            let fits = match &op.told {
                // Nil says nothing of what was there.
                Told::Values(told) => told.iter().zip(&seen).all(|(told, seen)| *told == NIL || told == seen),
                _ => true,
            };
            only(fits, state)
        }
    }
}

fn any_order(model: ModelName, ops: &[Op], left: &[usize], state: &[i64]) -> bool {
    if left.iter().all(|i| ops[*i].told == Told::Unknown) {
        return true;
    }
    left.iter().any(|i| {
        let op = &ops[*i];
        let comes_late = left.iter().any(|j| ops[*j].told != Told::Unknown && ops[*j].to < op.from);
        let rest: Vec<usize> = left.iter().copied().filter(|j| j != i).collect();
        !comes_late && after(model, state, op).iter().any(|state| any_order(model, ops, &rest, state))
    })
}

fn oracle(model: ModelName, ops: &[Op], start: &[i64]) -> bool {
    let mut all = Vec::new();
    for op in ops.iter().filter(|op| op.told != Told::Failed) {
        match (&op.what, &op.told) {
            (What::Drain, Told::Values(out)) => {
                let piece = |value: &i64| Op { what: What::Dequeue, told: Told::Value(*value), ..op.clone() };
                all.extend(out.iter().map(piece));
            }
            // As many as could make a difference.
            (What::Drain, _) => all.extend((0..3).map(|_| Op { what: What::Dequeue, ..op.clone() })),
            _ => all.push(op.clone()),
        }
    }
    any_order(model, &all, &(0..all.len()).collect::<Vec<_>>(), start)
}

fn random(model: ModelName, rng: &mut Rng) -> Op {
    let value = |rng: &mut Rng| rng.below(3) as i64;
    let what = match model {
        ModelName::Register => match rng.below(3) {
            0 => What::Read,
            1 => What::Write(value(rng)),
            _ => What::Cas(value(rng), value(rng)),
        },
        ModelName::Set => match rng.below(5) {
            0 | 1 => What::Add(value(rng)),
            2 => What::Remove(value(rng)),
            _ => What::Read,
        },
        ModelName::Counter => match rng.below(2) {
            0 => What::Add(value(rng) - rng.below(2) as i64 * 2),
            _ => What::Read,
        },
        ModelName::Queue => [What::Enqueue(value(rng)), What::Dequeue][rng.below(2) as usize].clone(),
        ModelName::UnorderedQueue => match rng.below(7) {
            0..3 => What::Enqueue(value(rng)),
            3..6 => What::Dequeue,
            _ => What::Drain,
        },
        ModelName::MultiRegister => {
            let steps = rng.between(1, 2);
            let step = |rng: &mut Rng| (rng.below(2) as usize, (rng.below(2) == 0).then(|| value(rng)));
            What::Txn((0..steps).map(|_| step(rng)).collect())
        }
        // From 1: a digit in front would be lost.
        ModelName::Kv => match rng.below(6) {
            0 | 1 => What::Read,
            2 => What::Write(value(rng) + 1),
            3 => What::Append(value(rng) + 1),
            4 => What::Cas(if rng.below(3) == 0 { NIL } else { value(rng) + 1 }, value(rng) + 1),
            _ => What::Delete,
        },
        _ => [What::Acquire, What::Release][rng.below(2) as usize].clone(),
    };
    let known = match &what {
        What::Acquire | What::Release if rng.below(4) == 0 => Told::Refused,
        What::Read if model == ModelName::Kv => match rng.below(5) {
            0 => Told::Value(NIL),
            1 => Told::Value(value(rng) * 10 + value(rng) + 11),
            _ => Told::Value(value(rng) + 1),
        },
        What::Read if model == ModelName::Set => Told::Values((0..3).filter(|_| rng.below(2) == 0).collect()),
        What::Read | What::Dequeue => Told::Value(value(rng) - i64::from(rng.below(3) == 0)),
        What::Drain => Told::Values((0..rng.below(3)).map(|_| value(rng)).collect()),
        What::Txn(steps) => {
            let read = |rng: &mut Rng| value(rng) - i64::from(rng.below(4) == 0);
            Told::Values(steps.iter().filter(|(_, value)| value.is_none()).map(|_| read(rng)).collect())
        }
        _ => Told::Done,
    };
    // What was read below 0 is nil, but for sums.
    let or_nil = |value: i64| if value < 0 { NIL } else { value };
    let known = match known {
        Told::Value(value) if matches!(model, ModelName::Counter | ModelName::Kv) => Told::Value(value),
        Told::Value(value) => Told::Value(or_nil(value)),
        Told::Values(values) => Told::Values(values.into_iter().map(or_nil).collect()),
        known => known,
    };
    let told = match rng.below(8) {
        0 | 1 => Told::Unknown,
        2 => Told::Failed,
        _ => known,
    };
    let from = rng.below(8);
    let key = if model == ModelName::Kv { rng.below(5) as usize / 4 } else { 0 };
    Op { what, told, from, to: from + rng.below(5), process: 0, key }
}

/// Has few processes ask, each of them one thing at a time; one that was told nothing asks no more.
fn seat(ops: &mut [Op], rng: &mut Rng) {
    ops.sort_by_key(|op| op.from);
    let mut free: Vec<u64> = Vec::new();
    for op in ops {
        let idle: Vec<usize> = (0..free.len()).filter(|process| free[*process] <= op.from).collect();
        op.process = match idle.len() {
            0 => free.len(),
            n => idle[rng.below(n as u64) as usize],
        };
        free.resize(free.len().max(op.process + 1), 0);
        free[op.process] = if op.told == Told::Unknown { u64::MAX } else { op.to + 1 };
    }
}

/// Makes all that comes into a queue different: then much is known of it that equal elements hide.
fn come_in_once(ops: &mut [Op], rng: &mut Rng) {
    let count = ops.len() as u64;
    for (i, op) in ops.iter_mut().enumerate() {
        match (&mut op.what, &mut op.told) {
            (What::Enqueue(value), _) => *value = i as i64,
            (What::Dequeue, Told::Value(value)) if *value != NIL => *value = rng.below(count) as i64,
            (What::Drain, Told::Values(values)) => values.iter_mut().for_each(|v| *v = rng.below(count) as i64),
            _ => {}
        }
    }
}

/// Judges random histories; how many of them were right.
fn agree(model: ModelName, start: &[i64], flags: &str, histories: u64) -> u64 {
    let mut right = 0;
    for seed in 0..histories {
        let mut rng = Rng::stream(seed, Purpose::Client, model as u64);
        let mut ops: Vec<Op> = (0..rng.between(1, 6)).map(|_| random(model, &mut rng)).collect();
        if seed % 2 == 1 {
            come_in_once(&mut ops, &mut rng);
        }
        seat(&mut ops, &mut rng);
        let text = text(model, &ops);
        let how = reading(flags);
        let judged = judge("x", &text, model, &how, BUDGET, &mut || true).unwrap_or_else(|p| panic!("{p}\n{text}"));
        let expected = oracle(model, &ops, start);
        // Nothing that succeeded proves nothing.
        let found = judged.ruling != Ruling::NotLinearizable;
        assert_eq!(found, expected, "{} seed {seed}: {}\n{text}", model.name(), judged.why);
        right += u64::from(expected);
    }
    right
}

#[test]
fn every_model_agrees_with_an_oracle() {
    for (model, start, flags) in [
        (ModelName::Register, &[1][..], "--not-keyed --initial 1"),
        (ModelName::Register, &[NIL], "--not-keyed"),
        (ModelName::MultiRegister, &[NIL, NIL], "--not-keyed"),
        (ModelName::MultiRegister, &[0, 1], "--not-keyed --initial {k0_0_k1_1}"),
        (ModelName::Set, &[], "--not-keyed"),
        (ModelName::Counter, &[0], "--not-keyed"),
        (ModelName::Queue, &[], "--not-keyed"),
        (ModelName::UnorderedQueue, &[], "--not-keyed"),
        (ModelName::Mutex, &[0], "--not-keyed"),
        (ModelName::Lock, &[0], "--not-keyed"),
        (ModelName::Kv, &[NIL, NIL], "--not-keyed"),
    ] {
        let right = agree(model, start, flags, 3_000);
        assert!((200..2_900).contains(&right), "{}: {right} of 3000 are right: that proves little", model.name());
    }
}
