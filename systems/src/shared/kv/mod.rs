//! The first replicated state machine: a key-value store with get, put, append, compare-and-set and delete.

mod client;
pub mod register;
mod spec;
mod tree;
mod value;

pub use client::KvClient;
pub use spec::{Key, KvSpec, judge_linearizable};
pub use value::Value;

use crate::shared::replication::Service;
use core::fmt;
use core::hash::{Hash, Hasher};
use serde::Serialize;
use sim_core::hash::{self, Mixer};
use sim_core::workload::{Load, Op, Verb};
use sim_core::{Class, Node, Operation, StateMachine};
use tree::Tree;

/// A value may not grow beyond this by appending; such an append is answered with [`KvResponse::Full`].
pub const LARGEST_VALUE: u32 = 64 << 10;

/// What a client asks of the store. Keys are numbers, shown as `k17`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Hash)]
#[serde(rename_all = "snake_case")]
pub enum KvCommand {
    /// The value of a key.
    Get {
        /// The key.
        key: u64,
    },
    /// Set a key.
    Put {
        /// The key.
        key: u64,
        /// Its new value.
        value: Value,
    },
    /// Add to the end of a key's value; a missing key counts as empty.
    Append {
        /// The key.
        key: u64,
        /// What is added.
        value: Value,
    },
    /// Set a key if its value is `expect` (`None`: if there is no such key).
    Cas {
        /// The key.
        key: u64,
        /// What it must be.
        expect: Option<Value>,
        /// Its new value.
        value: Value,
    },
    /// Remove a key, if there is one.
    Delete {
        /// The key.
        key: u64,
    },
}

/// What the store answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Hash)]
#[serde(rename_all = "snake_case")]
pub enum KvResponse {
    /// The value of the key asked for, if there is one.
    Value(Option<Value>),
    /// Written, or gone.
    Done,
    /// Whether a compare-and-set found what it expected, and so wrote.
    Swapped(bool),
    /// The append would have made the value larger than [`LARGEST_VALUE`]; nothing was changed.
    Full,
}

impl KvCommand {
    /// The key it touches.
    #[must_use]
    pub const fn key(&self) -> u64 {
        match self {
            Self::Get { key }
            | Self::Put { key, .. }
            | Self::Append { key, .. }
            | Self::Cas { key, .. }
            | Self::Delete { key } => *key,
        }
    }
}

impl fmt::Display for KvCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Get { key } => write!(f, "get k{key}"),
            Self::Put { key, value } => write!(f, "put k{key} {value}"),
            Self::Append { key, value } => write!(f, "append k{key} {value}"),
            Self::Cas { key, expect: Some(expect), value } => write!(f, "cas k{key} {expect} {value}"),
            Self::Cas { key, expect: None, value } => write!(f, "cas k{key} - {value}"),
            Self::Delete { key } => write!(f, "delete k{key}"),
        }
    }
}

impl fmt::Display for KvResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(Some(value)) => write!(f, "{value}"),
            Self::Value(None) => f.write_str("nothing"),
            Self::Done => f.write_str("done"),
            Self::Swapped(true) => f.write_str("swapped"),
            Self::Swapped(false) => f.write_str("not swapped"),
            Self::Full => f.write_str("full"),
        }
    }
}

/// The store's state.
#[derive(Clone, Debug, Default)]
pub struct Kv {
    tree: Tree,
    /// How many keys there are.
    keys: u64,
    /// Size of all keys and values, in bytes.
    bytes: u64,
    /// Sum of the hashes of all (key, value) pairs: the same whatever order they were written in.
    digest: u64,
}

/// What a key costs beside its value, in bytes.
const KEY_BYTES: u64 = 8;

fn pair_hash(key: u64, value: &Value) -> u64 {
    let mut mixer = Mixer::resume(value.hash());
    mixer.word(key);
    mixer.finish()
}

impl Kv {
    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: u64) -> Option<&Value> {
        self.tree.get(key)
    }

    /// How many keys there are.
    #[must_use]
    pub const fn keys(&self) -> u64 {
        self.keys
    }

    fn set(&mut self, key: u64, value: Value) {
        self.digest = self.digest.wrapping_add(pair_hash(key, &value));
        self.bytes += u64::from(value.bytes());
        match self.tree.slot(key).replace(value) {
            Some(old) => {
                self.digest = self.digest.wrapping_sub(pair_hash(key, &old));
                self.bytes -= u64::from(old.bytes());
            }
            None => {
                self.keys += 1;
                self.bytes += KEY_BYTES;
            }
        }
    }
}

impl Kv {
    fn remove(&mut self, key: u64) {
        // A key that is not there has no page to be made for it.
        if self.get(key).is_none() {
            return;
        }
        if let Some(old) = self.tree.slot(key).take() {
            self.digest = self.digest.wrapping_sub(pair_hash(key, &old));
            self.bytes -= u64::from(old.bytes()) + KEY_BYTES;
            self.keys -= 1;
        }
    }
}

// Not derived: the sum of all pairs' hashes is at hand.
impl Hash for Kv {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { tree: _, keys, bytes, digest } = self;
        (keys, bytes, digest).hash(hasher);
    }
}

impl StateMachine for Kv {
    type Command = KvCommand;
    type Response = KvResponse;
    type Snapshot = Self;

    fn start() -> Self {
        Self::default()
    }

    fn apply(&mut self, command: &KvCommand) -> KvResponse {
        match command {
            KvCommand::Get { .. } => self.read(command),
            KvCommand::Put { key, value } => {
                self.set(*key, value.clone());
                KvResponse::Done
            }
            KvCommand::Append { key, value } => {
                let grown = match self.get(*key) {
                    Some(old) if old.bytes().saturating_add(value.bytes()) > LARGEST_VALUE => return KvResponse::Full,
                    Some(old) => old.followed_by(value),
                    None => value.clone(),
                };
                self.set(*key, grown);
                KvResponse::Done
            }
            KvCommand::Cas { key, expect, value } => {
                let found = self.get(*key) == expect.as_ref();
                if found {
                    self.set(*key, value.clone());
                }
                KvResponse::Swapped(found)
            }
            KvCommand::Delete { key } => {
                self.remove(*key);
                KvResponse::Done
            }
        }
    }

    fn read(&self, command: &KvCommand) -> KvResponse {
        KvResponse::Value(self.get(command.key()).cloned())
    }

    fn is_read(command: &KvCommand) -> bool {
        matches!(command, KvCommand::Get { .. })
    }

    fn snapshot(&self) -> Self {
        self.clone()
    }

    fn restore(snapshot: &Self) -> Self {
        snapshot.clone()
    }

    fn command_bytes(command: &KvCommand) -> u32 {
        9 + match command {
            KvCommand::Get { .. } | KvCommand::Delete { .. } => 0,
            KvCommand::Put { value, .. } | KvCommand::Append { value, .. } => value.bytes(),
            KvCommand::Cas { expect, value, .. } => value.bytes() + expect.as_ref().map_or(0, Value::bytes),
        }
    }

    fn response_bytes(response: &KvResponse) -> u32 {
        1 + match response {
            KvResponse::Value(Some(value)) => value.bytes(),
            _ => 1,
        }
    }

    fn snapshot_bytes(snapshot: &Self) -> u64 {
        snapshot.bytes
    }

    fn digest(&self) -> u64 {
        hash::of(&[self.digest, self.keys])
    }
}

impl Service for Kv {
    const NAME: Option<&'static str> = None;
    const ABOUT: &'static str = "a key-value store";
    const MODEL: Option<&'static str> = Some("kv");
    const PARTS: &'static str = "keys";
    type Spec = KvSpec;
    type Client<N: Node<Request = KvCommand, Response = KvResponse>> = KvClient<N>;
    type Watch<N: Node<Request = KvCommand, Response = KvResponse>> = ();

    fn client<N: Node<Request = KvCommand, Response = KvResponse>>(load: Load) -> KvClient<N> {
        KvClient::new(load)
    }

    fn operation(command: &KvCommand) -> Operation {
        operation(command)
    }

    fn keys(&self) -> u64 {
        self.keys
    }
}

/// The store's command for a generated operation. Written values are the operation's unique number, padded to its size.
#[must_use]
pub fn request(op: &Op) -> KvCommand {
    let value = Value::number(op.unique, op.size);
    match op.verb {
        Verb::Get => KvCommand::Get { key: op.key },
        Verb::Put => KvCommand::Put { key: op.key, value },
        Verb::Append => KvCommand::Append { key: op.key, value },
        Verb::Delete => KvCommand::Delete { key: op.key },
        // That nobody has written yet: what this client has seen, only it knows (see [`KvClient`]).
        Verb::Cas => KvCommand::Cas { key: op.key, expect: None, value },
    }
}

/// What kind of operation a command is, for histories and reports.
#[must_use]
pub const fn operation(command: &KvCommand) -> Operation {
    let (class, name) = match command {
        KvCommand::Get { .. } => (Class::Read, "get"),
        KvCommand::Put { .. } => (Class::Write, "put"),
        KvCommand::Append { .. } => (Class::Write, "append"),
        KvCommand::Cas { .. } => (Class::Write, "cas"),
        KvCommand::Delete { .. } => (Class::Write, "delete"),
    };
    Operation { class, name, key: Some(command.key()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::contents::{Told, vary};

    fn put(key: u64, text: &str) -> KvCommand {
        KvCommand::Put { key, value: Value::new(text) }
    }

    #[test]
    fn commands_do_what_they_say() {
        let mut kv = Kv::start();
        let value = |kv: &Kv| kv.read(&KvCommand::Get { key: 1 });
        assert_eq!(value(&kv), KvResponse::Value(None));
        kv.apply(&put(1, "a"));
        kv.apply(&KvCommand::Append { key: 1, value: Value::new("b") });
        assert_eq!(value(&kv), KvResponse::Value(Some(Value::new("ab"))));
        let cas =
            |expect: Option<&str>| KvCommand::Cas { key: 1, expect: expect.map(Value::new), value: Value::new("c") };
        assert_eq!(kv.apply(&cas(Some("a"))), KvResponse::Swapped(false));
        assert_eq!(kv.apply(&cas(None)), KvResponse::Swapped(false));
        assert_eq!(kv.apply(&cas(Some("ab"))), KvResponse::Swapped(true));
        assert_eq!(value(&kv), KvResponse::Value(Some(Value::new("c"))));
        assert_eq!((kv.keys(), Kv::snapshot_bytes(&kv.snapshot())), (1, KEY_BYTES + 1));
        let gone = |kv: &mut Kv, key| kv.apply(&KvCommand::Delete { key });
        assert_eq!(
            (gone(&mut kv, 1), gone(&mut kv, 1), gone(&mut kv, 1 << 40)),
            (KvResponse::Done, KvResponse::Done, KvResponse::Done)
        );
        assert_eq!(value(&kv), KvResponse::Value(None));
        assert_eq!((kv.keys(), Kv::snapshot_bytes(&kv.snapshot()), kv.digest()), (0, 0, Kv::start().digest()));
        let big = Value::padded("x", LARGEST_VALUE);
        kv.apply(&put(1, "c"));
        assert_eq!(kv.apply(&KvCommand::Append { key: 1, value: big }), KvResponse::Full);
    }

    #[test]
    fn all_that_is_asked_and_answered_is_in_the_run_digest() {
        let value = |number| Value::number(number, 40);
        let mut told = Told::new();
        vary!(told, KvCommand::Get { key: 1 => 2 });
        vary!(told, KvCommand::Put { key: 1 => 2, value: value(3) => value(4) });
        vary!(told, KvCommand::Append { key: 1 => 2, value: value(3) => Value::number(3, 41) });
        vary!(told, KvCommand::Cas { key: 1 => 2, expect: None => Some(value(3)), value: value(3) => value(4) });
        vary!(told, KvCommand::Delete { key: 1 => 2 });
        let mut told = Told::new();
        for answer in [None, Some(value(1)), Some(value(2)), Some(Value::new("a text that does not fit inline"))] {
            told.add(&format!("{answer:?}"), &KvResponse::Value(answer));
        }
        for answer in [KvResponse::Done, KvResponse::Swapped(false), KvResponse::Swapped(true), KvResponse::Full] {
            told.add(&answer.to_string(), &answer);
        }
    }

    #[test]
    fn the_digest_is_of_the_state_not_of_the_way_there() {
        let mut a = Kv::start();
        let mut b = Kv::start();
        for command in [put(1, "x"), put(2, "y"), put(1, "z")] {
            a.apply(&command);
        }
        let snapshot = a.snapshot();
        for command in [put(2, "y"), put(1, "z")] {
            b.apply(&command);
        }
        assert_eq!(a.digest(), b.digest());
        a.apply(&put(1, "x"));
        assert_ne!(a.digest(), b.digest());
        assert_eq!(Kv::restore(&snapshot).digest(), b.digest());
        assert_eq!(Kv::snapshot_bytes(&snapshot), 2 * KEY_BYTES + 2);
    }
}
