//! For tests: that all which a type with a [`Hash`] of its own holds is in the run's digest.

use core::hash::Hash;
use sim_core::hash::content;
use sim_core::sorted::SortedMap;

/// Values of one type, each of which must be told from all others by the hash of its contents.
pub(crate) struct Told<T> {
    hashes: SortedMap<u64, String>,
    of: core::marker::PhantomData<T>,
}

impl<T: Hash> Told<T> {
    /// No value yet.
    pub fn new() -> Self {
        Self { hashes: SortedMap::new(), of: core::marker::PhantomData }
    }

    /// One more value, called `what`.
    pub fn add(&mut self, what: &str, value: &T) {
        if let Some(other) = self.hashes.insert(content(value), what.to_owned()) {
            panic!("the digest can not tell {what} from {other}");
        }
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
