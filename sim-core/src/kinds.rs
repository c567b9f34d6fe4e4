//! Messages, facts and records, each sort declared as one list: what there is, what it is called, what it weighs, what
//! a trace tells of it. What a run's digest sees of a value is derived from the same list ([`Hash`](core::hash::Hash)).

use crate::Kind;

impl Kind {
    /// The kind of this name among all kinds of one sort.
    ///
    /// # Panics
    /// If there is none: the lists below ask while they are compiled.
    #[must_use]
    pub const fn named(all: &[&'static str], name: &'static str) -> Self {
        let mut index = 0;
        while index < all.len() {
            if same(all[index].as_bytes(), name.as_bytes()) {
                return Self::new(index as u8, name);
            }
            index += 1;
        }
        panic!("there is no such kind")
    }
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// Declares the messages of a protocol: the type, its [`Message`](crate::Message), and `MESSAGE_KINDS`.
///
/// ```
/// use sim_core::Message;
///
/// sim_core::messages! {
///     /// Between nodes: 24 bytes of header, and what each says behind it.
///     pub enum Chatter of 24 bytes {
///         /// Hold this.
///         Put {
///             /// The value.
///             value: u64,
///             /// For good, not until somebody asks.
///             pinned: bool,
///         } = "Put" | "Pin" [usize::from(*pinned)] bytes { 8 } ("{value}"),
///         /// What do you hold?
///         Ask = "Ask" (""),
///         /// All that the sender holds, which a trace tells as `Debug` does.
///         All(values: Vec<u32>) = "All" bytes { 4 * values.len() as u32 },
///     }
/// }
///
/// let pin = Chatter::Put { value: 7, pinned: true };
/// assert_eq!((pin.kind().name, pin.bytes()), ("Pin", 32));
/// assert_eq!(MESSAGE_KINDS, ["Put", "Pin", "Ask", "All"]);
/// let mut told = String::new();
/// pin.describe(&mut told).unwrap();
/// assert_eq!(told, "7");
/// ```
///
/// Behind `=` stands the kind, or several and, in brackets, which of them; then what it weighs: `bytes { ... }` beside
/// the header, or `whole { ... }` with it; then, in parentheses, what a trace tells: the arguments of [`write!`], or
/// `|out| ...`. Fields are at hand by their names, as references. `impl { ... }` behind the enumeration adds to its
/// [`Message`](crate::Message).
#[macro_export]
macro_rules! messages {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident $(<$generic:ident: $bound:path>)? of $header:tt bytes {$(
            $(#[$about:meta])*
            $variant:ident
            $({$( $(#[$of_field:meta])* $field:ident: $type:ty ),* $(,)?})?
            $(($part:ident: $part_type:ty))?
            = $($kind:literal)|+ $([$which:expr])? $(bytes {$more:expr})? $(whole {$all:expr})? $(($($told:tt)*))?
        ),* $(,)?}
        $(impl {$($rest:tt)*})?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Hash)]
        $vis enum $name $(<$generic: $bound>)? {$(
            $(#[$about])*
            $variant $({$( $(#[$of_field])* $field: $type ),*})? $(($part_type))?,
        )*}

        /// The kinds of messages, by [`Kind::index`]($crate::Kind::index).
        $vis const MESSAGE_KINDS: &[&str] = &[$($($kind),+),*];

        #[allow(unused_variables, reason = "each line of the list takes the fields it needs")]
        impl $(<$generic: $bound>)? $crate::Message for $name $(<$generic>)? {
            #[inline]
            fn kind(&self) -> $crate::Kind {
                match *self {$(
                    Self::$variant $({$(ref $field),*})? $((ref $part))? => {
                        let which = [0_usize, $($which)?];
                        let kinds = const { [$($crate::Kind::named(MESSAGE_KINDS, $kind)),+] };
                        kinds[which[which.len() - 1]]
                    }
                )*}
            }

            #[inline]
            fn bytes(&self) -> u32 {
                match *self {$(
                    Self::$variant $({$(ref $field),*})? $((ref $part))? => {
                        $crate::messages!(@ $header $(bytes {$more})? $(whole {$all})?)
                    }
                )*}
            }

            fn describe(&self, out: &mut dyn core::fmt::Write) -> core::fmt::Result {
                match *self {$(
                    Self::$variant $({$(ref $field),*})? $((ref $part))? => {
                        $crate::told!(self, out, $(($($told)*))?)
                    }
                )*}
            }

            $($($rest)*)?
        }
    };
    (@ $header:tt) => { $header };
    (@ $header:tt bytes {$more:expr}) => { $header + $more };
    (@ $header:tt whole {$all:expr}) => { $all };
}

/// Declares the facts of a protocol: the type, its [`Fact`](crate::Fact), and `FACT_KINDS`.
///
/// ```
/// use sim_core::Fact;
///
/// sim_core::facts! {
///     /// What a node announces.
///     pub enum Seen {
///         /// It leads.
///         Elected {
///             /// Since when.
///             term: u64,
///         } = "elected" landmark ("leader of term {term}"),
///         /// It took a value.
///         Took = "took" (""),
///     }
/// }
///
/// assert_eq!(FACT_KINDS, ["elected", "took"]);
/// assert!(Seen::Elected { term: 1 }.landmark() && !Seen::Took.landmark());
/// ```
///
/// As for [`messages!`](crate::messages), but fields are at hand as values, and where the size of a message stands may
/// be `landmark`, or `landmark { if so }` (see [`Fact::landmark`](crate::Fact::landmark)).
#[macro_export]
macro_rules! facts {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {$(
            $(#[$about:meta])*
            $variant:ident
            $({$( $(#[$of_field:meta])* $field:ident: $type:ty ),* $(,)?})?
            $(($part:ident: $part_type:ty))?
            = $($kind:literal)|+ $([$which:expr])? $(landmark $({$when:expr})?)? $(($($told:tt)*))?
        ),* $(,)?}
        $(impl {$($rest:tt)*})?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        $vis enum $name {$(
            $(#[$about])*
            $variant $({$( $(#[$of_field])* $field: $type ),*})? $(($part_type))?,
        )*}

        /// The kinds of facts, by [`Kind::index`]($crate::Kind::index).
        $vis const FACT_KINDS: &[&str] = &[$($($kind),+),*];

        #[allow(unused_variables, reason = "each line of the list takes the fields it needs")]
        impl $crate::Fact for $name {
            #[inline]
            fn kind(&self) -> $crate::Kind {
                match *self {$(
                    Self::$variant $({$($field),*})? $(($part))? => {
                        let which = [0_usize, $($which)?];
                        let kinds = const { [$($crate::Kind::named(FACT_KINDS, $kind)),+] };
                        kinds[which[which.len() - 1]]
                    }
                )*}
            }

            #[inline]
            fn landmark(&self) -> bool {
                match *self {$(
                    Self::$variant $({$($field),*})? $(($part))? => $crate::facts!(@ $(landmark $({$when})?)?),
                )*}
            }

            fn describe(&self, out: &mut dyn core::fmt::Write) -> core::fmt::Result {
                match *self {$(
                    Self::$variant $({$($field),*})? $(($part))? => {
                        $crate::told!(self, out, $(($($told)*))?)
                    }
                )*}
            }

            $($($rest)*)?
        }
    };
    (@) => { false };
    (@ landmark) => { true };
    (@ landmark {$when:expr}) => { $when };
}

/// Declares what a node appends to its disk: the type, and what a trace tells of it (`describe`, for
/// [`Node::describe_record`](crate::Node::describe_record)).
///
/// ```
/// sim_core::records! {
///     /// One append.
///     pub enum Record {
///         /// The vote.
///         Vote {
///             /// In this term.
///             term: u64,
///         } = ("term {term}"),
///     }
/// }
///
/// let mut told = String::new();
/// Record::Vote { term: 3 }.describe(&mut told).unwrap();
/// assert_eq!(told, "term 3");
/// ```
#[macro_export]
macro_rules! records {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident $(<$generic:ident: $bound:path>)? {$(
            $(#[$about:meta])*
            $variant:ident
            $({$( $(#[$of_field:meta])* $field:ident: $type:ty ),* $(,)?})?
            $(($part:ident: $part_type:ty))?
            = ($($told:tt)*)
        ),* $(,)?}
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Hash)]
        $vis enum $name $(<$generic: $bound>)? {$(
            $(#[$about])*
            $variant $({$( $(#[$of_field])* $field: $type ),*})? $(($part_type))?,
        )*}

        #[allow(unused_variables, reason = "each line of the list takes the fields it needs")]
        impl $(<$generic: $bound>)? $name $(<$generic>)? {
            /// What a trace tells of it.
            ///
            /// # Errors
            /// Those of `out`.
            $vis fn describe(&self, out: &mut dyn core::fmt::Write) -> core::fmt::Result {
                match *self {$(
                    Self::$variant $({$(ref $field),*})? $((ref $part))? => $crate::told!(self, out, ($($told)*)),
                )*}
            }
        }
    };
}

/// What a line of those lists tells. Not for others.
#[doc(hidden)]
#[macro_export]
macro_rules! told {
    ($value:ident, $out:ident,) => { write!($out, "{:?}", $value) };
    ($value:ident, $out:ident, (|$to:ident| $body:expr)) => {{
        let $to = $out;
        $body
    }};
    ($value:ident, $out:ident, ($($arguments:tt)+)) => { write!($out, $($arguments)+) };
}
