//! A set: elements are added and removed, all of them are read.

use super::super::{Answer, Datum, Event, Operation, Reading};
use super::elements::{Elements as OfElements, Pair, contradiction};
use super::{Model, ModelName, Object, unknown};
use core::fmt;
use sim_core::Outcome;
use sim_core::hash::Mixer;
use sim_core::linearize::{Growth, Spec};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A set, or one for each key: initially empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Members;

/// What is asked of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    object: Object,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Add(Arc<str>),
    Remove(Arc<str>),
    Read,
}

/// What a set answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It was done.
    Done,
    /// All that is in.
    All(Elements),
}

/// Buckets that two sets may have in common.
const BUCKETS: usize = 64;

/// Elements, in buckets that copies share: a search keeps a copy for each of its steps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Elements(Vec<Arc<BTreeSet<Arc<str>>>>);

impl Elements {
    fn none() -> Self {
        Self(vec![Arc::default(); BUCKETS])
    }

    fn place(element: &str) -> usize {
        let mut mixer = Mixer::default();
        mixer.bytes(element.as_bytes());
        mixer.finish() as usize % BUCKETS
    }

    fn bucket(&mut self, element: &str) -> &mut BTreeSet<Arc<str>> {
        Arc::make_mut(&mut self.0[Self::place(element)])
    }

    fn len(&self) -> usize {
        self.0.iter().map(|bucket| bucket.len()).sum()
    }

    fn is_subset(&self, of: &Self) -> bool {
        self.0.iter().zip(&of.0).all(|(bucket, of)| Arc::ptr_eq(bucket, of) || bucket.is_subset(of))
    }

    fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter().flat_map(|bucket| bucket.iter())
    }

    fn first_not_in(&self, other: &Self) -> Option<&Arc<str>> {
        self.iter().find(|element| !other.contains(element))
    }

    fn contains(&self, element: &str) -> bool {
        self.0[Self::place(element)].contains(element)
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Add(element) => write!(f, "add {element}"),
            What::Remove(element) => write!(f, "remove {element}"),
            What::Read => f.write_str("read"),
        }
    }
}

/// Elements that are shown; of more, their number.
const SHOWN: usize = 12;

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::All(elements) = self else { return f.write_str("done") };
        let mut some: Vec<&str> = elements.iter().map(|e| &**e).collect();
        // Shorter first: numbers in the order of numbers.
        some.sort_unstable_by_key(|element| (element.len(), *element));
        let more = some.len().saturating_sub(SHOWN);
        some.truncate(SHOWN);
        write!(f, "{{{}", some.join(" "))?;
        if more > 0 {
            write!(f, " and {more} more")?;
        }
        f.write_str("}")
    }
}

impl Spec for Members {
    type Request = Ask;
    type Response = Told;
    type State = Elements;
    type Part = Object;

    fn part(request: &Ask) -> Object {
        request.object.clone()
    }
    fn start(_: &Object) -> Elements {
        Elements::none()
    }
    fn apply(elements: &mut Elements, request: &Ask) -> Told {
        match &request.what {
            What::Add(element) => {
                elements.bucket(element).insert(Arc::clone(element));
            }
            What::Remove(element) => {
                elements.bucket(element).remove(element);
            }
            What::Read => return Told::All(elements.clone()),
        }
        Told::Done
    }
    fn is_read(request: &Ask) -> bool {
        request.what == What::Read
    }
    fn needs(_: &Ask, told: &Told) -> Option<Elements> {
        match told {
            Told::All(elements) => Some(elements.clone()),
            Told::Done => None,
        }
    }
    fn growth(request: &Ask) -> Option<Growth> {
        (!matches!(request.what, What::Remove(_))).then_some(Growth::Unordered)
    }
    fn can_grow_into(elements: &Elements, larger: &Elements) -> bool {
        elements.is_subset(larger)
    }
    fn could_matter(request: &Ask, all: &[(&Ask, Option<&Told>)]) -> bool {
        let seen = |element, with| {
            all.iter().any(|(_, told)| matches!(told, Some(Told::All(all)) if all.contains(element) == with))
        };
        match &request.what {
            // What nobody saw may as well never have come in, or be out again.
            What::Add(element) => seen(element, true),
            What::Remove(element) => seen(element, false),
            What::Read => true,
        }
    }
}

impl Model for Members {
    const NAME: ModelName = ModelName::Set;
    const FORMS: &'static str = "a set knows add, remove and read";

    fn request(event: &Event, how: &Reading) -> Result<Ask, String> {
        let what = match (&*event.f, &event.value) {
            ("read" | "get", _) => What::Read,
            (f @ ("add" | "remove" | "delete"), Datum::Nil) => return Err(format!("{f} takes an element")),
            ("add", element) => What::Add(element.to_string().into()),
            ("remove" | "delete", element) => What::Remove(element.to_string().into()),
            (f, _) => return unknown(f),
        };
        Ok(Ask { object: Object::of(event, how), what })
    }

    fn answer(request: &mut Ask, event: &Event, how: &Reading) -> Result<Answer<Told>, String> {
        if request.what != What::Read {
            return Ok(Answer::Seen(Told::Done));
        }
        let members = match (&event.value, event.value.members()) {
            (Datum::Nil, _) if how.nil_is_absent => &[],
            (Datum::Nil, _) => return Ok(Answer::Unknown),
            (_, Some(members)) => members,
            (value, None) => return Err(format!("a set reads a list or a set of its elements, not {value}")),
        };
        let mut elements = Elements::none();
        for member in members {
            let member: Arc<str> = member.to_string().into();
            elements.bucket(&member).insert(Arc::clone(&member));
        }
        if elements.len() < members.len() {
            return Err(format!("{} elements were read, of which {} differ", members.len(), elements.len()));
        }
        Ok(Answer::Seen(Told::All(elements)))
    }

    fn narrow(operations: &[&Operation<Self>]) -> Option<Vec<usize>> {
        contradiction(operations)
    }
}

/// What a read saw.
fn saw(operation: &Operation<Members>) -> Option<&Elements> {
    match &operation.outcome {
        Outcome::Ok(Told::All(all)) => Some(all),
        _ => None,
    }
}

impl OfElements for Members {
    fn element(operation: &Operation<Self>) -> Option<&Arc<str>> {
        match &operation.request.what {
            What::Add(element) | What::Remove(element) => Some(element),
            What::Read => None,
        }
    }
    fn seen(operation: &Operation<Self>) -> Vec<&Arc<str>> {
        saw(operation).into_iter().flat_map(Elements::iter).collect()
    }
    fn among(operation: &Operation<Self>, elements: &[&Arc<str>]) -> Outcome<Told> {
        let Some(all) = saw(operation) else { return operation.outcome.clone() };
        let mut some = Elements::none();
        for element in elements.iter().filter(|element| all.contains(element)) {
            some.bucket(element).insert(Arc::clone(element));
        }
        Outcome::Ok(Told::All(some))
    }
    fn pairs<'o>(_: &[&'o Arc<str>], operations: &[&'o Operation<Self>]) -> Vec<Pair<'o>> {
        let mut reads: Vec<&Elements> = operations.iter().filter_map(|operation| saw(operation)).collect();
        reads.sort_by_key(|all| all.len());
        // Of two reads each saw what the other did not: if any two did, then two next to each other in this order.
        let mut pairs: Vec<Pair<'o>> = reads
            .windows(2)
            .filter_map(|two| Some([two[0].first_not_in(two[1])?, two[1].first_not_in(two[0])?]))
            .collect();
        // What began last of what a read saw, and what ended first of what it did not see.
        let mut adds: Vec<(&Operation<Self>, &Arc<str>)> = Vec::new();
        for operation in operations {
            if let What::Add(element) = &operation.request.what {
                adds.push((operation, element));
            }
        }
        let answered = |operation: &Operation<Self>| matches!(operation.outcome, Outcome::Ok(_));
        for all in reads {
            let seen = adds.iter().filter(|(_, element)| all.contains(element));
            let missed = adds.iter().filter(|(add, element)| answered(add) && !all.contains(element));
            let last = seen.max_by_key(|(add, _)| add.invoked);
            let first = missed.min_by_key(|(add, _)| add.returned);
            pairs.extend(last.zip(first).map(|((_, last), (_, first))| [*last, *first]));
        }
        pairs
    }
}
