//! Numbers that name things on the wire: each kind is a type of its own, so that the answer about one thing is never
//! taken for that about another which happens to have the same number.

/// A number that things are named by in turn.
pub trait Counts {
    /// The number after this one; from now on this one is that.
    fn advance(&mut self) -> Self;
    /// The number after this one.
    fn next(self) -> Self;
}

/// Declares kinds of numbers.
#[macro_export]
macro_rules! numbers {
    ($($(#[$meta:meta])* $name:ident;)+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        pub struct $name(pub u64);

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(&self.0, f)
            }
        }

        impl $crate::shared::number::Counts for $name {
            fn advance(&mut self) -> Self {
                *self = self.next();
                *self
            }
            fn next(self) -> Self {
                Self(self.0.wrapping_add(1))
            }
        }
    )+};
}

pub use numbers;
