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

/// How many different names stand in these lists.
#[doc(hidden)]
#[must_use]
pub const fn count(lists: &[&[&'static str]]) -> usize {
    let mut all: [&'static str; Kind::LIMIT] = [""; Kind::LIMIT];
    collect(lists, &mut all)
}

/// The different names of these lists, in their order.
#[doc(hidden)]
#[must_use]
pub const fn names<const N: usize>(lists: &[&[&'static str]]) -> [&'static str; N] {
    let mut all: [&'static str; Kind::LIMIT] = [""; Kind::LIMIT];
    collect(lists, &mut all);
    let mut names = [""; N];
    let mut at = 0;
    while at < N {
        names[at] = all[at];
        at += 1;
    }
    names
}

const fn collect(lists: &[&[&'static str]], all: &mut [&'static str; Kind::LIMIT]) -> usize {
    let (mut list, mut found) = (0, 0);
    while list < lists.len() {
        let mut name = 0;
        while name < lists[list].len() {
            let (mut known, mut at) = (false, 0);
            while at < found {
                known |= same(all[at].as_bytes(), lists[list][name].as_bytes());
                at += 1;
            }
            if !known {
                all[found] = lists[list][name];
                found += 1;
            }
            name += 1;
        }
        list += 1;
    }
    found
}

/// How many bytes the names of an embedded protocol take, each behind `prefix`.
#[doc(hidden)]
#[must_use]
pub const fn prefixed_bytes(prefix: &str, names: &[&str]) -> usize {
    let (mut bytes, mut at) = (0, 0);
    while at < names.len() {
        bytes += prefix.len() + names[at].len();
        at += 1;
    }
    bytes
}

/// Those names, one behind the other.
#[doc(hidden)]
#[must_use]
pub const fn prefixed_text<const BYTES: usize>(prefix: &str, names: &[&str]) -> [u8; BYTES] {
    let mut text = [0; BYTES];
    let (mut end, mut at) = (0, 0);
    while at < names.len() {
        let parts = [prefix.as_bytes(), names[at].as_bytes()];
        let mut part = 0;
        while part < 2 {
            let mut byte = 0;
            while byte < parts[part].len() {
                text[end] = parts[part][byte];
                (end, byte) = (end + 1, byte + 1);
            }
            part += 1;
        }
        at += 1;
    }
    text
}

/// Those names, one by one.
#[doc(hidden)]
#[must_use]
pub const fn prefixed_names<const N: usize>(text: &'static [u8], prefix: &str, names: &[&str]) -> [&'static str; N] {
    let mut all = [""; N];
    let (mut rest, mut at) = (text, 0);
    while at < N {
        let (name, more) = rest.split_at(prefix.len() + names[at].len());
        all[at] = match core::str::from_utf8(name) {
            Ok(name) => name,
            Err(_) => panic!("names are text"),
        };
        (rest, at) = (more, at + 1);
    }
    all
}

/// The names of one line of those lists, and which of them a value has. Not for others.
#[doc(hidden)]
#[macro_export]
macro_rules! kinds_of_line {
    (names $($kind:literal)|+) => { &[$($kind),+] };
    (names $prefix:literal of [$inner:path]) => {{
        const INNER: &[&str] = $inner;
        const BYTES: usize = $crate::kinds::prefixed_bytes($prefix, INNER);
        const TEXT: &[u8] = &$crate::kinds::prefixed_text::<BYTES>($prefix, INNER);
        const NAMES: &[&str] = &$crate::kinds::prefixed_names::<{ INNER.len() }>(TEXT, $prefix, INNER);
        NAMES
    }};
    (kind $all:ident, $kind_inside:expr, $($kind:literal)|+ $([$which:expr])?) => {{
        let which = [0_usize, $($which)?];
        let kinds = const { [$($crate::Kind::named($all, $kind)),+] };
        kinds[which[which.len() - 1]]
    }};
    (kind $all:ident, $kind_inside:expr, $prefix:literal of [$inner:path]) => {{
        const NAMES: &[&str] = $crate::kinds_of_line!(names $prefix of [$inner]);
        const KINDS: &[$crate::Kind] = &$crate::kinds::named::<{ NAMES.len() }>($all, NAMES);
        KINDS[usize::from($kind_inside.index)]
    }};
}

/// The kinds of these names among all kinds of one sort.
#[doc(hidden)]
#[must_use]
pub const fn named<const N: usize>(all: &[&'static str], names: &[&'static str]) -> [Kind; N] {
    let mut kinds = [Kind { index: 0, name: "" }; N];
    let mut at = 0;
    while at < N {
        kinds[at] = Kind::named(all, names[at]);
        at += 1;
    }
    kinds
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
/// `|out| ...`. Fields are at hand by their names, as references. A message of a protocol inside this one has the kinds
/// of that, each behind a prefix: `Inner(inner: Raft) = "Arbiter" of [raft::MESSAGE_KINDS] whole { inner.bytes() }
/// (|out| inner.describe(out))`; one name is one kind. `impl { ... }` behind the enumeration adds to its
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
            = $($kind:literal)|+
            $(of [$inner:path])? $([$which:expr])? $(bytes {$more:expr})? $(whole {$all:expr})? $(($($told:tt)*))?
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
        $vis const MESSAGE_KINDS: &[&str] = {
            const LINES: &[&[&str]] = &[$($crate::kinds_of_line!(names $($kind)|+ $(of [$inner])?)),*];
            &$crate::kinds::names::<{ $crate::kinds::count(LINES) }>(LINES)
        };

        #[allow(unused_variables, reason = "each line of the list takes the fields it needs")]
        impl $(<$generic: $bound>)? $crate::Message for $name $(<$generic>)? {
            const KINDS: &'static [&'static str] = MESSAGE_KINDS;

            #[inline]
            fn kind(&self) -> $crate::Kind {
                match *self {$(
                    Self::$variant $({$(ref $field),*})? $((ref $part))? => {
                        $crate::kinds_of_line!(
                            kind MESSAGE_KINDS, $crate::Message::kind($($part)?),
                            $($kind)|+ $(of [$inner])? $([$which])?
                        )
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
            = $($kind:literal)|+ $(of [$inner:path])? $([$which:expr])? $(landmark $({$when:expr})?)? $(($($told:tt)*))?
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
        $vis const FACT_KINDS: &[&str] = {
            const LINES: &[&[&str]] = &[$($crate::kinds_of_line!(names $($kind)|+ $(of [$inner])?)),*];
            &$crate::kinds::names::<{ $crate::kinds::count(LINES) }>(LINES)
        };

        #[allow(unused_variables, reason = "each line of the list takes the fields it needs")]
        impl $crate::Fact for $name {
            const KINDS: &'static [&'static str] = FACT_KINDS;

            #[inline]
            fn kind(&self) -> $crate::Kind {
                match *self {$(
                    Self::$variant $({$($field),*})? $(($part))? => {
                        $crate::kinds_of_line!(
                            kind FACT_KINDS, $crate::Fact::kind($(&$part)?),
                            $($kind)|+ $(of [$inner])? $([$which])?
                        )
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

/// Declares what a node appends to its disk: the type, and its [`Record`](crate::Record).
///
/// ```
/// use sim_core::Record as _;
///
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
        impl $(<$generic: $bound>)? $crate::Record for $name $(<$generic>)? {
            fn describe(&self, out: &mut dyn core::fmt::Write) -> core::fmt::Result {
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

#[cfg(test)]
mod tests {
    use crate::Message;

    mod inner {
        crate::messages! {
            pub enum Inner of 8 bytes {
                Vote = "Vote" (""),
                Beat { answer: bool } = "Beat" | "BeatReply" [usize::from(*answer)] (""),
            }
        }
    }

    crate::messages! {
        enum Outer of 8 bytes {
            Own = "Vote" (""),
            Prefixed(inner: inner::Inner) = "In" of [inner::MESSAGE_KINDS] whole { inner.bytes() } (""),
            Plain(inner: inner::Inner) = "" of [inner::MESSAGE_KINDS] whole { inner.bytes() } (""),
        }
    }

    #[test]
    fn kinds_of_a_protocol_inside_are_its_own_behind_a_prefix() {
        assert_eq!(MESSAGE_KINDS, ["Vote", "InVote", "InBeat", "InBeatReply", "Beat", "BeatReply"]);
        let kind = |message: Outer| (message.kind().index, message.kind().name);
        let beat = |answer| inner::Inner::Beat { answer };
        assert_eq!(kind(Outer::Prefixed(inner::Inner::Vote)), (1, "InVote"));
        assert_eq!(kind(Outer::Prefixed(beat(true))), (3, "InBeatReply"));
        assert_eq!(kind(Outer::Plain(beat(false))), (4, "Beat"));
        assert_eq!(kind(Outer::Plain(inner::Inner::Vote)), kind(Outer::Own), "one name is one kind");
    }
}
