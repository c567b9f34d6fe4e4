//! The store as a sequential object, key by key: the oracle that linearizability is judged by.

use super::{KvCommand, KvResponse, LARGEST_VALUE, Value};
use core::fmt;
use sim_core::linearize::Spec;

/// A key, as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub u64);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "k{}", self.0)
    }
}

/// One key of the store.
#[derive(Debug)]
pub enum KvSpec {}

impl Spec for KvSpec {
    type Request = KvCommand;
    type Response = KvResponse;
    type State = Option<Value>;
    type Part = Key;

    fn part(request: &KvCommand) -> Key {
        Key(request.key())
    }

    fn start(_: &Key) -> Option<Value> {
        None
    }

    fn apply(state: &mut Option<Value>, request: &KvCommand) -> KvResponse {
        match request {
            KvCommand::Get { .. } => KvResponse::Value(state.clone()),
            KvCommand::Put { value, .. } => {
                *state = Some(value.clone());
                KvResponse::Done
            }
            KvCommand::Append { value, .. } => {
                *state = Some(match state {
                    Some(old) if old.bytes().saturating_add(value.bytes()) > LARGEST_VALUE => return KvResponse::Full,
                    Some(old) => old.followed_by(value),
                    None => value.clone(),
                });
                KvResponse::Done
            }
            KvCommand::Cas { expect, value, .. } => {
                let found = state == expect;
                if found {
                    *state = Some(value.clone());
                }
                KvResponse::Swapped(found)
            }
        }
    }

    fn is_read(request: &KvCommand) -> bool {
        matches!(request, KvCommand::Get { .. })
    }
}
