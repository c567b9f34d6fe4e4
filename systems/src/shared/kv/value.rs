//! A value of the store: short text that is cheap to clone, and a size on the wire that may be larger than the text.

use core::fmt;
use core::hash::{Hash, Hasher};
use serde::{Serialize, Serializer};
use sim_core::hash::Mixer;
use std::rc::Rc;

/// Longest text kept inside the shared block; longer text gets an allocation of its own.
const INLINE: usize = 20;

/// A value. Cloning copies a pointer.
///
/// Generated values are a unique number padded to some size. The padding is charged for on every wire but stored
/// nowhere, so large values cost simulated bandwidth and no real memory.
#[derive(Clone)]
pub struct Value(Rc<Block>);

struct Block {
    /// Of the text and the size, computed once for all replicas.
    hash: u64,
    /// Size on the wire, in bytes; never below the length of the text.
    bytes: u32,
    text: Text,
}

enum Text {
    Inline(u8, [u8; INLINE]),
    Heap(Box<str>),
}

impl Value {
    /// A value with this text and exactly its size.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self::padded(text, text.len() as u32)
    }

    /// A value with this text that counts as `bytes` bytes on the wire (at least the text's own length).
    #[must_use]
    pub fn padded(text: &str, bytes: u32) -> Self {
        let bytes = bytes.max(text.len() as u32);
        let kept = if text.len() <= INLINE {
            let mut inline = [0; INLINE];
            inline[..text.len()].copy_from_slice(text.as_bytes());
            Text::Inline(text.len() as u8, inline)
        } else {
            Text::Heap(text.into())
        };
        Self::of(kept, text.as_bytes(), bytes)
    }

    fn of(kept: Text, text: &[u8], bytes: u32) -> Self {
        let mut mixer = Mixer::default();
        mixer.word(u64::from(bytes));
        mixer.bytes(text);
        Self(Rc::new(Block { hash: mixer.finish(), bytes, text: kept }))
    }

    /// The decimal digits of `number`, padded to `bytes` on the wire.
    #[must_use]
    pub fn number(number: u64, bytes: u32) -> Self {
        let mut digits = [0_u8; INLINE];
        let mut start = INLINE;
        let mut rest = number;
        // Two digits for each division: they are what numbers cost.
        while rest >= 100 {
            start -= 2;
            let two = (rest % 100) as u8;
            rest /= 100;
            (digits[start], digits[start + 1]) = (b'0' + two / 10, b'0' + two % 10);
        }
        if rest >= 10 {
            start -= 1;
            digits[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        start -= 1;
        digits[start] = b'0' + rest as u8;
        let len = INLINE - start;
        let mut inline = [0; INLINE];
        inline[..len].copy_from_slice(&digits[start..]);
        Self::of(Text::Inline(len as u8, inline), &digits[start..], bytes.max(len as u32))
    }

    /// This value with `more` added at its end.
    #[must_use]
    pub fn followed_by(&self, more: &Self) -> Self {
        let mut text = String::with_capacity(self.text().len() + more.text().len());
        text.push_str(self.text());
        text.push_str(more.text());
        Self::padded(&text, self.bytes().saturating_add(more.bytes()))
    }

    /// The text, without padding.
    #[must_use]
    pub fn text(&self) -> &str {
        match &self.0.text {
            Text::Inline(len, bytes) => core::str::from_utf8(&bytes[..usize::from(*len)]).expect("made from text"),
            Text::Heap(text) => text,
        }
    }

    /// Size on the wire, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        self.0.bytes
    }

    /// A hash of text and size.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.0.hash
    }
}

// Not derived: the hash of text and size is at hand.
impl Hash for Value {
    #[inline]
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.0.hash);
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
            || (self.0.hash == other.0.hash && self.bytes() == other.bytes() && self.text() == other.text())
    }
}

impl Eq for Value {}

/// By text, then by size.
impl Ord for Value {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        if self == other {
            return core::cmp::Ordering::Equal;
        }
        (self.text(), self.bytes()).cmp(&(other.text(), other.bytes()))
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.text(), f)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_size_make_the_value() {
        assert_eq!(Value::number(u64::MAX, 64).text(), u64::MAX.to_string());
        assert_eq!(Value::number(0, 0).text(), "0");
        assert_eq!(Value::number(0, 0).bytes(), 1);
        assert_eq!(Value::new("a"), Value::new("a"));
        assert_ne!(Value::new("a"), Value::padded("a", 9));
        let long = Value::new("a text that does not fit inline");
        assert_eq!(long.followed_by(&Value::new("!")).text(), "a text that does not fit inline!");
    }
}
