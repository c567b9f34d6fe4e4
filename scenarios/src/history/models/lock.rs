//! A lock: held by at most one process, or at most once.

use super::super::{Answer, Datum, Event, Operation, Reading};
use super::{Model, ModelName, Object, unknown};
use core::fmt;
use sim_core::Outcome;
use sim_core::linearize::{Linearizable, Makes, Spec, check, conflict};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A lock, or one for each key: initially free. Only who holds it can give it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock;

/// A lock without an owner, or one for each key: initially free. Anybody can give it back, if it is held.
///
/// A client whose process got a new number after `:info` gives back what the old one took: no mistake here, where
/// [`Lock`] would see one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mutex;

/// What is asked of a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    object: Object,
    process: Arc<str>,
    acquire: bool,
}

/// What a lock answers: whether the process got it, or gave it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told(bool);

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.acquire { "acquire" } else { "release" })
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { "done" } else { "refused" })
    }
}

impl Spec for Lock {
    type Request = Ask;
    type Response = Told;
    type State = Option<Arc<str>>;
    type Part = Object;

    fn part(request: &Ask) -> Object {
        request.object.clone()
    }
    fn start(_: &Object) -> Option<Arc<str>> {
        None
    }
    fn apply(holder: &mut Option<Arc<str>>, request: &Ask) -> Told {
        let granted = if request.acquire { holder.is_none() } else { holder.as_ref() == Some(&request.process) };
        if granted {
            *holder = request.acquire.then(|| Arc::clone(&request.process));
        }
        Told(granted)
    }
    fn is_read(_: &Ask) -> bool {
        false
    }
    fn observed_only(_: &Ask, told: &Told) -> bool {
        !told.0
    }
}

fn request(event: &Event, how: &Reading) -> Result<Ask, String> {
    let acquire = match &*event.f {
        "acquire" | "lock" => true,
        "release" | "unlock" => false,
        f => return unknown(f),
    };
    Ok(Ask { object: Object::of(event, how), process: Arc::clone(&event.process), acquire })
}

fn answer(event: &Event) -> Answer<Told> {
    let refused = match &event.value {
        Datum::Bool(yes) => !yes,
        Datum::Word(word) => matches!(&**word, "held" | "refused"),
        _ => false,
    };
    Answer::Seen(Told(!refused))
}

impl Spec for Mutex {
    type Request = Ask;
    type Response = Told;
    type State = bool;
    type Part = Object;

    fn part(request: &Ask) -> Object {
        request.object.clone()
    }
    fn start(_: &Object) -> bool {
        false
    }
    fn apply(is_held: &mut bool, request: &Ask) -> Told {
        let granted = *is_held != request.acquire;
        *is_held = request.acquire;
        Told(granted)
    }
    fn is_read(_: &Ask) -> bool {
        false
    }
    fn observed_only(_: &Ask, told: &Told) -> bool {
        !told.0
    }
    fn needs(request: &Ask, told: &Told) -> Option<bool> {
        Some(request.acquire != told.0)
    }
    fn only_from(request: &Ask) -> Option<bool> {
        Some(!request.acquire)
    }
    fn makes(request: &Ask) -> Option<Makes<bool>> {
        Some(Makes::State(request.acquire))
    }
}

/// States visited by each attempt to make a contradiction smaller.
const ATTEMPT: u64 = 200_000;
/// Operations that are easily looked through.
const FEW: usize = 3;

/// The operations that contradict each other since nobody was asking for a moment and it was clear who held the lock:
/// only who got it last stands for all that was before.
fn since_quiet<M>(operations: &[&Operation<M>], owner: fn(&Ask) -> &str) -> Vec<usize>
where
    M: Model<Request = Ask, Response = Told>,
{
    let row = |i: &usize| operations[*i].observed();
    let found = conflict::<M>((0..operations.len()).map(|i| row(&i)), ATTEMPT, &mut || true);
    // The few that tell of somebody who came too late need no shortening.
    let Some(straw) = found.last().copied().filter(|_| found.len() > FEW) else { return found };
    let end = operations[straw].returned;
    let was_told = |i: usize| matches!(operations[i].outcome, Outcome::Ok(_)) && operations[i].returned <= end;
    let mut all = found.clone();
    all.sort_by_key(|i| (operations[*i].invoked, *i));
    let unknown = Outcome::Unknown;
    for quiet in (1..all.len()).rev() {
        let (before, after) = all.split_at(quiet);
        let began = operations[after[0]].invoked;
        if !before.iter().all(|i| was_told(*i) && operations[*i].returned < began) {
            continue;
        }
        let Some(holder) = holder(before, operations, owner) else { continue };
        let few: Vec<usize> = holder.into_iter().chain(after.iter().copied()).collect();
        let told = |i: usize| if was_told(i) { &operations[i].outcome } else { &unknown };
        let row = |i: usize| {
            let (request, invoked, returned, _) = row(&few[i]);
            (request, invoked, returned, told(few[i]))
        };
        if let Linearizable::No { .. } = check::<M>(few.len(), row, ATTEMPT) {
            let others = few.iter().copied().filter(|i| *i != straw);
            return others.chain([straw]).collect();
        }
    }
    found
}

/// Who got the lock last and still has it after all of these, which have ended: nobody, or the operation; `None` if
/// that is not clear.
fn holder<M>(ended: &[usize], operations: &[&Operation<M>], owner: fn(&Ask) -> &str) -> Option<Option<usize>>
where
    M: Model<Request = Ask, Response = Told>,
{
    // For each owner, how often it got the lock and has not given it back, and the last time it got it.
    let mut held: BTreeMap<&str, (i64, Option<usize>)> = BTreeMap::new();
    for i in ended {
        let ask = &operations[*i].request;
        if operations[*i].outcome != Outcome::Ok(Told(true)) {
            continue;
        }
        let (count, last) = held.entry(owner(ask)).or_default();
        *count += if ask.acquire { 1 } else { -1 };
        if ask.acquire && last.is_none_or(|last| operations[last].returned < operations[*i].returned) {
            *last = Some(*i);
        }
    }
    let mut holders = held.into_values().filter(|(count, _)| *count != 0);
    match (holders.next(), holders.next()) {
        (None, _) => Some(None),
        (Some((1, Some(last))), None) => Some(Some(last)),
        _ => None,
    }
}

macro_rules! locks {
    ($name:ident, $owner:expr, $forms:literal) => {
        impl Model for $name {
            const NAME: ModelName = ModelName::$name;
            const FORMS: &'static str = $forms;
            fn request(event: &Event, how: &Reading) -> Result<Ask, String> {
                request(event, how)
            }
            fn answer(_: &mut Ask, event: &Event, _: &Reading) -> Result<Answer<Told>, String> {
                Ok(answer(event))
            }
            fn narrow(operations: &[&Operation<Self>]) -> Option<Vec<usize>> {
                Some(since_quiet(operations, $owner)).filter(|found| !found.is_empty())
            }
        }
    };
}

locks!(Lock, |ask| &ask.process, "a lock knows acquire and release");
locks!(Mutex, |_| "anybody", "a mutex knows acquire and release");
