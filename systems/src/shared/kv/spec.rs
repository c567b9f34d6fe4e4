//! The store as one copy would behave, key by key: what histories are judged against. Shares no code with the
//! replicated one beyond the values, so that a mistake in one shows against the other.

use super::{Kv, KvCommand, KvResponse, LARGEST_VALUE, Value};
use crate::shared::linearizable::linearizable;
use crate::shared::replication::Service;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use sim_core::linearize::{Makes, Spec};
use sim_core::{Budget, History, Node, Verdict};

/// One key of a store that exists once.
#[derive(Clone, Copy, Debug)]
pub struct KvSpec;

/// A key, as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(u64);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "k{}", self.0)
    }
}

/// The value of a key, if it has one. Ordered by hash first: any order will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held(Option<Value>);

impl Ord for Held {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = |held: &Self| held.0.as_ref().map(|v| (v.hash(), v.bytes()));
        order(self)
            .cmp(&order(other))
            .then_with(|| self.0.as_ref().map(Value::text).cmp(&other.0.as_ref().map(Value::text)))
    }
}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Held {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        // A value's own hash covers its text.
        self.0.as_ref().map(|v| (v.hash(), v.bytes())).hash(hasher);
    }
}

impl Spec for KvSpec {
    type Request = KvCommand;
    type Response = KvResponse;
    type State = Held;
    type Part = Key;

    fn part(request: &KvCommand) -> Key {
        Key(request.key())
    }

    fn start(_: &Key) -> Held {
        Held(None)
    }

    fn apply(state: &mut Held, request: &KvCommand) -> KvResponse {
        match request {
            KvCommand::Get { .. } => return KvResponse::Value(state.0.clone()),
            KvCommand::Put { value, .. } => state.0 = Some(value.clone()),
            KvCommand::Append { value, .. } => {
                let grown = state.0.as_ref().map_or_else(|| value.clone(), |old| old.followed_by(value));
                if grown.bytes() > LARGEST_VALUE {
                    return KvResponse::Full;
                }
                state.0 = Some(grown);
            }
            KvCommand::Cas { expect, value, .. } => {
                let found = state.0 == *expect;
                if found {
                    state.0 = Some(value.clone());
                }
                return KvResponse::Swapped(found);
            }
            KvCommand::Delete { .. } => state.0 = None,
        }
        KvResponse::Done
    }

    fn is_read(request: &KvCommand) -> bool {
        matches!(request, KvCommand::Get { .. })
    }

    fn observed_only(request: &KvCommand, response: &KvResponse) -> bool {
        Self::is_read(request) || matches!(response, KvResponse::Swapped(false) | KvResponse::Full)
    }

    fn needs(request: &KvCommand, response: &KvResponse) -> Option<Held> {
        match (request, response) {
            (KvCommand::Get { .. }, KvResponse::Value(value)) => Some(Held(value.clone())),
            (KvCommand::Cas { expect, .. }, KvResponse::Swapped(true)) => Some(Held(expect.clone())),
            _ => None,
        }
    }

    fn only_from(request: &KvCommand) -> Option<Held> {
        match request {
            KvCommand::Cas { expect, .. } => Some(Held(expect.clone())),
            _ => None,
        }
    }

    fn makes(request: &KvCommand) -> Option<Makes<Held>> {
        match request {
            KvCommand::Get { .. } => Some(Makes::Nothing),
            KvCommand::Put { value, .. } | KvCommand::Cas { value, .. } => {
                Some(Makes::State(Held(Some(value.clone()))))
            }
            KvCommand::Delete { .. } => Some(Makes::State(Held(None))),
            KvCommand::Append { .. } => None,
        }
    }

    fn could_matter(request: &KvCommand, all: &[(&KvCommand, Option<&KvResponse>)]) -> bool {
        let (KvCommand::Put { value, .. } | KvCommand::Cas { value, .. }) = request else { return true };
        // A value that nobody saw was overwritten unseen, or never written: no difference, unless an append grew it or
        // a compare-and-set met it, found or not.
        all.iter().any(|(other, answer)| match (other, answer) {
            (KvCommand::Get { .. }, Some(KvResponse::Value(Some(seen)))) => seen == value,
            (KvCommand::Cas { expect, .. }, Some(KvResponse::Swapped(false))) => expect.as_ref() != Some(value),
            (KvCommand::Cas { expect, .. }, _) => expect.as_ref() == Some(value),
            (KvCommand::Append { .. }, _) => true,
            _ => false,
        })
    }
}

/// Whether there is one order of all that the clients of a key-value store saw.
pub fn judge_linearizable<N: Node<Request = KvCommand, Response = KvResponse>>(
    history: &History<N>,
    budget: Budget,
) -> Verdict {
    linearizable::<KvSpec, N>(history, budget, <Kv as Service>::PARTS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::linearize::{self, Linearizable};
    use sim_core::{Instant, Outcome};

    type Row = (KvCommand, u64, u64, Outcome<KvResponse>);

    fn put(v: &str) -> KvCommand {
        KvCommand::Put { key: 1, value: Value::new(v) }
    }
    const GET: KvCommand = KvCommand::Get { key: 1 };
    fn saw(v: &str) -> Outcome<KvResponse> {
        Outcome::Ok(KvResponse::Value(Some(Value::new(v))))
    }
    fn judge(rows: &[Row]) -> Linearizable {
        let row = |i: usize| {
            let (request, from, to, outcome) = &rows[i];
            (request, Instant(*from), Instant(*to), outcome)
        };
        linearize::check::<KvSpec>(rows.len(), row, 100_000)
    }

    #[test]
    fn a_stale_read_is_found_among_many_doubtful_writes() {
        let mut rows: Vec<Row> = (0..500).map(|i| (put(&format!("u{i}")), i, i + 1000, Outcome::Unknown)).collect();
        rows.push((put("a"), 2000, 2001, Outcome::Ok(KvResponse::Done)));
        rows.push((put("b"), 2002, 2003, Outcome::Ok(KvResponse::Done)));
        rows.push((GET, 2004, 2005, saw("u17")));
        rows.push((GET, 2006, 2007, saw("u17")));
        assert!(matches!(judge(&rows), Linearizable::Yes { .. }));
        rows.push((GET, 2008, 2009, saw("b")));
        assert!(matches!(judge(&rows), Linearizable::No { .. }));
    }

    #[test]
    fn a_deleted_key_stays_deleted() {
        let saw_nothing = Outcome::Ok(KvResponse::Value(None));
        let delete = |end| (KvCommand::Delete { key: 1 }, 2, 3, end);
        let rows = [
            (put("a"), 0, 1, Outcome::Ok(KvResponse::Done)),
            delete(Outcome::Ok(KvResponse::Done)),
            (GET, 4, 5, saw_nothing.clone()),
        ];
        assert!(matches!(judge(&rows), Linearizable::Yes { .. }));
        assert!(matches!(judge(&[rows[0].clone(), rows[2].clone()]), Linearizable::No { .. }));
        let back = (GET, 6, 7, saw("a"));
        assert!(matches!(judge(&[rows[0].clone(), rows[1].clone(), back.clone()]), Linearizable::No { .. }));
        // One that nobody knows of may have been carried out, and late.
        let doubtful = delete(Outcome::Unknown);
        assert!(matches!(
            judge(&[rows[0].clone(), doubtful, back, (GET, 8, 9, saw_nothing)]),
            Linearizable::Yes { .. }
        ));
    }

    #[test]
    fn a_doubtful_write_may_explain_a_failed_compare_and_set() {
        let cas = KvCommand::Cas { key: 1, expect: Some(Value::new("a")), value: Value::new("c") };
        let rows = [
            (put("a"), 0, 1, Outcome::Ok(KvResponse::Done)),
            (put("b"), 2, 3, Outcome::Unknown),
            (cas, 4, 5, Outcome::Ok(KvResponse::Swapped(false))),
        ];
        assert!(matches!(judge(&rows), Linearizable::Yes { .. }));
        assert!(matches!(judge(&[rows[0].clone(), rows[2].clone()]), Linearizable::No { .. }));
    }
}
