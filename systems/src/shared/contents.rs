//! For tests: that all a message, record or fact holds is in the run's digest.

use core::hash::{Hash, Hasher};
use sim_core::hash::content;
use sim_core::{Fact, Message};
use std::collections::{BTreeMap, BTreeSet};

/// Values of one type, each of which must be told from all others by the hash of its contents.
pub(crate) struct Told<T> {
    kind: fn(&T) -> &'static str,
    hashes: BTreeMap<u64, String>,
    kinds: BTreeSet<&'static str>,
}

impl<T: Message> Told<T> {
    pub fn messages() -> Self {
        Self::of(|message| message.kind().name)
    }
}

impl<T: Fact> Told<T> {
    pub fn facts() -> Self {
        Self::of(|fact| fact.kind().name)
    }
}

impl<T: Hash> Told<T> {
    /// Values that have no kinds.
    pub fn others() -> Self {
        Self::of(|_| "")
    }

    fn of(kind: fn(&T) -> &'static str) -> Self {
        Self { kind, hashes: BTreeMap::new(), kinds: BTreeSet::new() }
    }

    /// One more value, called `what`.
    pub fn add(&mut self, what: &str, value: &T) {
        self.kinds.insert((self.kind)(value));
        let mut calls = Calls::default();
        value.hash(&mut calls);
        calls.judge(what);
        if let Some(other) = self.hashes.insert(content(value), what.to_owned()) {
            panic!("the digest can not tell {what} from {other}");
        }
    }

    /// That there was a value of each of these kinds.
    pub fn covers(&self, kinds: &[&'static str]) {
        let missing: Vec<_> = kinds.iter().filter(|kind| !self.kinds.contains(*kind)).collect();
        assert!(missing.is_empty(), "no values of kinds {missing:?}");
    }
}

/// Writes down what a hasher is given: slices of integers come as the machine's own bytes, which differ between
/// machines.
#[derive(Debug, Default)]
struct Calls(Vec<Call>);

#[derive(Debug, PartialEq, Eq)]
enum Call {
    Bytes(usize),
    Length(usize),
    EndOfText,
    Other,
}

impl Calls {
    fn judge(&self, what: &str) {
        for (i, call) in self.0.iter().enumerate() {
            let Call::Bytes(n) = call else { continue };
            let text = self.0.get(i + 1) == Some(&Call::EndOfText);
            let bytes = i > 0 && self.0[i - 1] == Call::Length(*n);
            assert!(text || bytes, "{what} hashes a slice of integers: they need a type of their own");
        }
    }
}

impl Hasher for Calls {
    fn finish(&self) -> u64 {
        0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0.push(Call::Bytes(bytes.len()));
    }
    fn write_u8(&mut self, byte: u8) {
        self.0.push(if byte == 0xff { Call::EndOfText } else { Call::Other });
    }
    fn write_u16(&mut self, _: u16) {
        self.0.push(Call::Other);
    }
    fn write_u32(&mut self, _: u32) {
        self.0.push(Call::Other);
    }
    fn write_u64(&mut self, _: u64) {
        self.0.push(Call::Other);
    }
    fn write_usize(&mut self, length: usize) {
        self.0.push(Call::Length(length));
    }
    fn write_isize(&mut self, _: isize) {
        self.0.push(Call::Other);
    }
}

/// `vary!(told, Message::Vote { term: 1 => 2, granted: true => false })` makes one value with what stands before the
/// arrows, and for each field one in which only that is another. `wrap` makes of it what is sent, written or announced.
macro_rules! vary {
    ($told:ident, $($name:ident)::+ { $($field:ident: $usual:expr => $other:expr),* $(,)? }) => {
        vary!($told, core::convert::identity, $($name)::+ { $($field: $usual => $other),* })
    };
    ($told:ident, $wrap:expr, $($name:ident)::+ { $($field:ident: $usual:expr => $other:expr),* $(,)? }) => {{
        let make = |odd: usize| {
            let mut at = 0_usize;
            let mut is_odd = || {
                at += 1;
                at == odd
            };
            let _ = &mut is_odd;
            $wrap($($name)::+ { $($field: if is_odd() { $other } else { $usual }),* })
        };
        let fields: &[&str] = &["usual", $(stringify!($field)),*];
        for (odd, field) in fields.iter().enumerate() {
            $told.add(&format!("{} ({field})", stringify!($($name)::+)), &make(odd));
        }
    }};
}
pub(crate) use vary;
