//! What clients may ask of a system, declared as one list: what each operation is called and does, how a request is
//! made of a generated operation, and which operation a request is.

/// Declares the operations of a system: `OPERATIONS`, `of`, `operation` and `is_read` of its requests.
///
/// ```
/// use sim_core::workload::{Op, Verb};
///
/// #[derive(Debug, PartialEq)]
/// enum Request {
///     Hold { lock: u64, shared: bool },
///     Status,
/// }
///
/// sim_core::operations! {
///     Request of op {
///         read "status": Self::Status, "asks how many locks are held";
///         write "lock": Self::Hold { lock = op.key, shared is false } on lock, "takes a lock alone";
///         write "share": Self::Hold { lock = op.key, shared is true } on lock, "takes a lock beside others";
///     }
/// }
///
/// let share = Request::of(&Op { kind: 2, verb: Verb::Put, key: 7, unique: 1, size: 8 });
/// assert_eq!(share, Request::Hold { lock: 7, shared: true });
/// assert_eq!((share.operation().name, share.operation().key, share.is_read()), ("share", Some(7), false));
/// assert_eq!(Request::OPERATIONS[0].about, "asks how many locks are held");
/// ```
///
/// A field is made of the generated operation (`=`), or tells one operation from another that is the same variant
/// (`is`, with a literal, or a path in parentheses). Behind `on` stands the field that is the key. A request that is a
/// struct is `Self { ... }` in each line.
#[macro_export]
macro_rules! operations {
    ($request:ident of $op:ident {$(
        $class:ident $name:literal: $($variant:ident)::+
        $({$( $field:ident $(is $fixed:tt)? $(= $made:expr)? ),* $(,)?})?
        $(($(is $fixed_part:tt)? $(= $part:expr)?))?
        $(on $key:ident)?, $about:literal;
    )+}) => {
        #[allow(unused_variables, unused_parens, reason = "each line of the list takes what it needs")]
        impl $request {
            /// What clients may ask.
            pub const OPERATIONS: &'static [$crate::workload::OperationKind] =
                &[$($crate::workload::OperationKind::$class($name, $about)),+];

            /// What a client asks for a generated operation.
            #[must_use]
            pub fn of($op: &$crate::workload::Op) -> Self {
                let made: &[fn(&$crate::workload::Op) -> Self] = &[$(
                    |$op| $($variant)::+ $({$( $field: $($made)? $($fixed)? ),*})? $(($($part)? $($fixed_part)?))?
                ),+];
                made[usize::from($op.kind)]($op)
            }

            /// Which operation it is.
            #[must_use]
            pub fn operation(&self) -> $crate::Operation {
                match self {$(
                    $($variant)::+ $({$( $field $(: $fixed)? ),*})? $(($crate::operations!(@ $($fixed_part)?)))? =>
                    $crate::Operation {
                        class: $crate::workload::OperationKind::$class($name, "").class,
                        name: $name,
                        key: None $(.or(Some(*$key)))?,
                    },
                )+}
            }

            /// Whether it changes nothing.
            #[must_use]
            pub fn is_read(&self) -> bool {
                self.operation().class == $crate::Class::Read
            }
        }
    };
    (@) => { _ };
    (@ $fixed:tt) => { $fixed };
}
