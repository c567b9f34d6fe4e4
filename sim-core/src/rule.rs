//! The rules that verdicts name, written down once: the constant that the code uses and the entry of the list are one.

/// A rule that runs are judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name in verdicts, e.g. `election_safety`.
    pub name: &'static str,
    /// What it demands, in a sentence; lines of a comment, each with a space before it.
    about: &'static str,
}

impl Rule {
    /// Made by [`crate::rules!`].
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str, about: &'static str) -> Self {
        Self { name, about }
    }

    /// What it demands, in a sentence.
    #[must_use]
    pub const fn about(&self) -> &'static str {
        self.about.trim_ascii()
    }
}

/// Declares the constants that name rules, and `RULES`, the list of them with what their comments say.
///
/// ```
/// sim_core::rules! {
///     /// At most one leader is elected in a term.
///     pub const ELECTION_SAFETY: &str = "election_safety";
/// }
/// assert_eq!((RULES[0].name, RULES[0].about()), (ELECTION_SAFETY, "At most one leader is elected in a term."));
/// ```
#[macro_export]
macro_rules! rules {
    ($($(#[doc = $about:literal])+ $visibility:vis const $name:ident: &str = $text:literal;)+) => {
        $($(#[doc = $about])+ $visibility const $name: &str = $text;)+
        /// The rules above, in their order.
        pub const RULES: &[$crate::Rule] = &[$($crate::Rule::new($text, concat!($($about),+))),+];
    };
}
